"""A unit of systemd: its name, its state and its processes, and the mark that a cluster has it.

systemd is asked by systemctl(1), whose `show` prints one property a line.
"""

from __future__ import annotations

import os

from ocfkit.errors import ConfigurationError, InstallationError
from ocfkit.linux import process
from ocfkit.linux.process import Identity

_KINDS = "service socket target timer mount automount swap path slice scope device".split()
"""Suffixes of units (systemd.unit(5)); a name without one is a service's."""

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@")
"""What a unit's name may consist of (systemd.unit(5))."""

_LONGEST = 255

_PROPERTIES = (
    "ActiveState ControlGroup ExecMainStatus Id Job LoadError LoadState MainPID Result SubState "
    "UnitFileState".split()
)

_HIERARCHIES = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd")
"""Where systemd's own tree of control groups is: version 2, both, version 1."""

_DROP_INS = "/run/systemd/system"
"""Gone after a boot, as the cluster's hold on the unit is. It is there where systemd is PID 1
(sd_booted(3)).
"""

_CONTROLLED = """\
# Written by ocfkit while a cluster has this unit; removed when the cluster has stopped it.
[Unit]
Before=pacemaker.service pacemaker_remote.service
"""
"""At a shutdown systemd stops in reverse: the cluster first, which stops its resources itself."""

_NOT_RESTARTED = "[Service]\nRestart=no\n"
"""The cluster restarts it, and counts."""


def unit_name(text: str) -> str:
    """The full name of a unit: `nginx` and `my.app` are services; raises ConfigurationError."""
    name, _, kind = text.rpartition(".")
    full = text if name and kind in _KINDS else f"{text}.service"
    stem = full.rpartition(".")[0]
    if not stem or not set(full) <= _LETTERS or len(full) > _LONGEST or stem.startswith("-"):
        raise ConfigurationError(f"{text!r} cannot be the name of a unit")
    if stem.endswith("@"):
        raise ConfigurationError(f"{full} is a template: say of which instance, {stem}NAME")
    return full


def require() -> None:
    """Raise InstallationError where systemd is not what runs this node."""
    if not os.path.isdir(_DROP_INS):
        raise InstallationError("systemd does not run on this node")


def show_command(unit: str) -> list[str]:
    """What prints the state of a unit for `Shown`."""
    return ["systemctl", "show", f"--property={','.join(_PROPERTIES)}", "--", unit]


class Shown:
    """What systemd says of a unit."""

    __slots__ = ("active", "group", "is_enabled", "job", "load", "main_pid", "result", "sub", "why")

    def __init__(self, text: str) -> None:
        """Parse the output of `show_command`."""
        parts = (line.partition("=") for line in text.splitlines())
        rows = {name: value for name, _, value in parts}
        self.active = rows.get("ActiveState", "")
        """Such as active, activating or failed."""
        self.sub = rows.get("SubState", "")
        """Of its kind: running, exited, auto-restart."""
        self.load = rows.get("LoadState", "")
        self.why = rows.get("LoadError", "").strip('" ')
        self.result = rows.get("Result", "")
        if rows.get("ExecMainStatus", "0") not in ("", "0"):
            self.result += f", status {rows['ExecMainStatus']}"
        pid = rows.get("MainPID", "0")
        self.main_pid = int(pid) if pid.isdecimal() else 0
        self.group = rows.get("ControlGroup", "")
        self.job = rows.get("Job", "0") not in ("", "0")
        """Whether something is about to be done with it."""
        self.is_enabled = rows.get("UnitFileState", "") in ("enabled", "enabled-runtime")
        """Whether systemd starts it at boot."""

    @property
    def told(self) -> str:
        """Such as "active (running)" or "failed (failed, result exit-code, status 1)"."""
        if self.active != "failed":
            return f"{self.active or 'in no state'} ({self.sub})"
        return f"failed (result {self.result})"

    def absence(self, unit: str) -> InstallationError | None:
        """Why it cannot be started on this node."""
        match self.load:
            case "loaded" | "merged":
                return None
            case "not-found":
                return InstallationError(f"there is no unit {unit} on this node")
            case "masked":
                return InstallationError(f"unit {unit} is masked on this node")
            case _:
                return InstallationError(f"unit {unit} cannot be loaded: {self.load} {self.why}")


def processes(group: str) -> list[Identity]:
    """The living processes of a control group and of those below it."""
    if not group.strip("/"):  # it has none, and never the root's
        return []
    boot = process.boot()
    found: list[Identity] = []
    for pid in sorted(set(_pids(group))):
        try:
            stat = process.stat(pid)
        except OSError:  # gone meanwhile
            continue
        if not stat.ended:
            found.append(Identity(pid, stat.start, boot))
    return found


def _pids(group: str) -> list[int]:
    found: list[int] = []
    for hierarchy in _HIERARCHIES:
        for folder, _, _ in os.walk(hierarchy + group):
            try:
                with open(f"{folder}/cgroup.procs", encoding="ascii") as file:
                    found += [int(line) for line in file]
            except OSError:  # gone meanwhile
                continue
    return [pid for pid in found if pid]


def drop_in(unit: str) -> str:
    """Where is written that a cluster has the unit."""
    return f"{_DROP_INS}/{unit}.d/50-ocfkit.conf"


def take_under_control(unit: str) -> bool:
    """Write that a cluster has it; True when systemd has to read it. Raises OSError."""
    text = _CONTROLLED + (_NOT_RESTARTED if unit.endswith(".service") else "")
    path = drop_in(unit)
    try:
        with open(path, encoding="ascii") as file:
            if file.read() == text:
                return False
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    new = f"{path}.new"
    with open(new, "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(new, 0o644)
    os.rename(new, path)
    return True


def release(unit: str) -> bool:
    """Remove what `take_under_control` wrote; True when systemd has to know. Raises OSError."""
    path = drop_in(unit)
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    _remove_if_empty(os.path.dirname(path))
    return True


def _remove_if_empty(folder: str) -> None:
    try:
        os.rmdir(folder)
    except OSError:  # others have drop-ins there
        return
