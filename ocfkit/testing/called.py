"""What the executor would call an agent with."""

from __future__ import annotations

from collections.abc import Mapping

from ocfkit.agent import Agent
from ocfkit.declaration import seconds
from ocfkit.params import AnyParam
from ocfkit.testing.outcome import REASON

Timing = str | float
"""Such as "20s", or seconds."""

Variables = Mapping[str, str | None]
"""Variables to set, or with None to take away."""


def environment(
    cls: type[Agent],
    action: str,
    parameters: Mapping[str, object],
    *,
    instance: str,
    node: str,
    folder: str,
    level: int = 0,
    interval: Timing | None = None,
    timeout: Timing | None = None,
    meta: Mapping[str, str] | None = None,
    env: Variables | None = None,
) -> dict[str, str]:
    """Return the whole environment of an action."""
    if interval is None:
        interval = cls.declaration.actions["monitor"].interval if action == "monitor" else 0
    metas = {"name": action, "interval": _milliseconds(interval), "on_node": node}
    if timeout is not None:
        metas["timeout"] = _milliseconds(timeout)
    metas.update(meta or {})
    whole: dict[str, str | None] = {
        "OCF_ROOT": "/usr/lib/ocf",
        "OCF_RA_VERSION_MAJOR": "1",
        "OCF_RA_VERSION_MINOR": "1",
        "OCF_RESOURCE_INSTANCE": instance,
        "OCF_RESOURCE_TYPE": type_of(cls),
        "OCF_RESOURCE_PROVIDER": "ocfkit",
        "OCF_EXIT_REASON_PREFIX": REASON,
        "OCF_CHECK_LEVEL": str(level) if level else None,
        "HA_RSCTMP": folder,
        **{f"OCF_RESKEY_CRM_meta_{name}": text for name, text in metas.items()},
        **{f"OCF_RESKEY_{name}": text for name, text in _texts(cls, parameters).items()},
        **(env or {}),
    }
    return {name: text for name, text in whole.items() if text is not None}


def type_of(cls: type[Agent]) -> str:
    """As which the cluster knows the agent."""
    return cls.__name__.lower()


def _texts(cls: type[Agent], values: Mapping[str, object]) -> dict[str, str]:
    """Parameters by the cluster's name, as it passes them."""
    declared = cls.declaration.parameters
    texts: dict[str, str] = {}
    for name, value in values.items():
        parameter = declared.get(name)
        if value is not None:
            texts[parameter.name if parameter else name] = _written(parameter, value)
    return texts


def _written(parameter: AnyParam | None, value: object) -> str:
    """The text of a value; of one that is of another type, as it looks."""
    if isinstance(value, str):
        return value
    try:
        return parameter.kind.write(value) if parameter else str(value)
    except ValueError:
        return str(value)


def _milliseconds(timing: Timing) -> str:
    return str(round(seconds(timing) * 1000))
