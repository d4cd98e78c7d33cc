"""The only reader of the environment that Pacemaker, and whoever else, calls an agent with.

Nothing in it is required: `crm ra validate` sets no instance and no version, `ocf-tester` neither,
and a person at a shell sets nothing at all. What cannot be read counts as not set.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_RESKEY = "OCF_RESKEY_"
_META = "CRM_meta_"
NOT_OURS = ("crm_feature_set", "trace_ra", "trace_file", "trace_dir")
"""What callers pass as if it were a parameter of every agent."""

TRUE = ("yes", "true", "1", "ja", "on", "y", "t")
"""Words that resource-agents' ocf_is_true takes for true, and two that Pacemaker takes."""

FALSE = ("no", "false", "0", "nein", "off", "n", "f")


class Environment:
    """What the caller said. Never changed after it is made."""

    __slots__ = (
        "_meta",
        "check_level",
        "debug",
        "debug_log",
        "instance",
        "interval",
        "log_facility",
        "log_file",
        "parameters",
        "reason_prefix",
        "run_folder",
        "timeout",
        "version_major",
        "whole",
    )

    def __init__(self, whole: Mapping[str, str]) -> None:
        """Read what is there; `whole` is the environment of the process."""
        parameters: dict[str, str] = {}
        meta: dict[str, str] = {}
        for key, value in whole.items():
            if key.startswith(_RESKEY) and value:  # an empty value counts as not set
                name = key[len(_RESKEY) :]
                if name.startswith(_META):
                    meta[name[len(_META) :]] = value
                elif name not in NOT_OURS:
                    parameters[name] = value
        get = whole.get
        self._meta = meta
        self.whole = whole
        """Everything, for what has no field here."""
        self.parameters = parameters
        """Parameters of the resource as text, e.g. {"port": "80"}, from OCF_RESKEY_port."""
        self.instance = get("OCF_RESOURCE_INSTANCE") or "default"
        """Name of the resource, e.g. "web" or "web:1" (OCF_RESOURCE_INSTANCE)."""
        if not self.globally_unique:
            # A number behind an anonymous clone says nothing: after a failure Pacemaker may give
            # the same running process another one.
            base, _, number = self.instance.rpartition(":")
            if base and number.isdecimal():
                self.instance = base
        self.check_level = _whole(get("OCF_CHECK_LEVEL")) or 0
        """How deep to look, e.g. 10 (OCF_CHECK_LEVEL); 0 when unset."""
        interval = _whole(meta.get("interval"))
        self.interval = None if interval is None else interval / 1000
        """Seconds between two calls of a recurring action, 0.0 once (CRM_meta_interval, in ms)."""
        timeout = _whole(meta.get("timeout"))
        self.timeout = timeout / 1000 if timeout else None
        """Seconds until the caller kills us (CRM_meta_timeout, in ms); None when it did not say."""
        self.version_major = _whole(get("OCF_RA_VERSION_MAJOR"))
        """Version of OCF that the caller speaks, e.g. 1 (OCF_RA_VERSION_MAJOR)."""
        self.reason_prefix = get("OCF_EXIT_REASON_PREFIX") or "ocf-exit-reason:"
        """What marks a reason on standard error (OCF_EXIT_REASON_PREFIX)."""
        self.debug = (_whole(get("HA_debug")) or 0) > 0 or parameters.get("debug", "") in TRUE
        """Whether debug lines are logged (HA_debug; "0" is what crm_resource sets)."""
        facility = get("HA_LOGFACILITY") or get("HA_logfacility") or ""
        self.log_facility = "" if facility == "none" else facility
        """Syslog's facility, e.g. "daemon" (HA_LOGFACILITY); "" for no syslog."""
        self.log_file = get("HA_LOGFILE") or ""
        """A file to append to, e.g. "/var/log/ha-log" (HA_LOGFILE)."""
        self.debug_log = get("HA_DEBUGLOG") or ""
        """Another, for debug lines too (HA_DEBUGLOG)."""
        self.run_folder = f"{get('HA_RSCTMP') or '/run'}/ocfkit"
        """Where records of running instances lie, e.g. "/run/ocfkit" (below HA_RSCTMP)."""

    def without_parameters(self) -> dict[str, str]:
        """What a process needs that goes on for this instance: its name, and where to log to."""
        kept = {key: value for key, value in self.whole.items() if key.startswith("HA_")}
        return {**kept, "OCF_RESOURCE_INSTANCE": self.instance}

    def meta(self, name: str) -> str | None:
        """Tell one of Pacemaker's meta attributes, e.g. "on_node" from CRM_meta_on_node."""
        return self._meta.get(name)

    @property
    def metas(self) -> Mapping[str, str]:
        """All of Pacemaker's meta attributes without their prefix."""
        return self._meta

    @property
    def is_probe(self) -> bool:
        """Whether a monitor is to find out what runs here, rather than to be repeated."""
        return not self.interval

    @property
    def globally_unique(self) -> bool:
        """Whether each instance of a clone is another service (CRM_meta_globally_unique)."""
        return self._meta.get("globally_unique", "").lower() in TRUE

    @property
    def clone_number(self) -> int | None:
        """Number of this instance of a clone, e.g. 0 (CRM_meta_clone); None outside a clone."""
        return _whole(self._meta.get("clone"))

    @property
    def migrate_source(self) -> str | None:
        """Node that a migration leaves, e.g. "srv01" (CRM_meta_migrate_source)."""
        return self._meta.get("migrate_source")

    @property
    def migrate_target(self) -> str | None:
        """Node that a migration goes to, e.g. "srv02" (CRM_meta_migrate_target)."""
        return self._meta.get("migrate_target")


def reserve(granted: float) -> float:
    """Seconds of a granted time that are kept back to say why an action failed.

    The executor kills the whole process group at its own deadline, without a word before.
    """
    return min(1.0, granted / 10)


def forget(names: Iterable[str]) -> None:
    """Take parameters out of the environment of this process, so that no child inherits them."""
    import os  # has been loaded by whoever runs as a process

    for name in names:
        os.environ.pop(f"{_RESKEY}{name}", None)


def of_process() -> Environment:
    """The environment of this process."""
    import os  # has been loaded by whoever runs as a process

    return Environment(os.environ)


def _whole(text: str | None) -> int | None:
    """Read a number that is not negative; None for anything else."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 19 else None
