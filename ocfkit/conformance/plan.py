"""What an agent's description leaves to try: levels, actions, parameters, a second resource."""

from __future__ import annotations

from collections.abc import Mapping

from ocfkit.conformance.description import Description, Parameter
from ocfkit.conformance.stand_ins import NODE
from ocfkit.conformance.transcript import INSTANCE, MEANINGS
from ocfkit.conformance.visit import Traveller

_ROLES = ("promoted", "unpromoted", "master", "slave")
"""By their new names and their old ones, as Pacemaker passes both."""

_MOST_PARAMETERS = 12
"""Of which wrong values are tried."""

_MOST_LEVELS = 6
"""That are tried, the deepest among them."""

_MOST_ACTIONS = 12
"""That are tried of those which the agent alone knows."""


_NOTHING = Description("", None, None)
"""What an agent says of itself whose meta-data cannot be read."""


def levels(traveller: Traveller) -> tuple[int, ...]:
    """Those of its monitors that are tried, ascending; at least 0."""
    listed = (traveller.description or _NOTHING).levels
    return (*listed[: _MOST_LEVELS - 1], *listed[_MOST_LEVELS - 1 :][-1:]) or (0,)


def of_its_own(traveller: Traveller) -> list[str]:
    """Actions that are advertised and defined nowhere."""
    listed = dict.fromkeys(each.name for each in (traveller.description or _NOTHING).actions)
    return [name for name in listed if name and name not in MEANINGS][:_MOST_ACTIONS]


def required(traveller: Traveller) -> list[Parameter]:
    """Those without which it cannot run."""
    found = [each for each in (traveller.description or _NOTHING).parameters if each.required]
    return found[:_MOST_PARAMETERS]


def typed(traveller: Traveller) -> list[Parameter]:
    """Those of which some values are wrong, whatever the agent is."""
    found = [
        each
        for each in (traveller.description or _NOTHING).parameters
        if each.type in ("integer", "boolean") and not each.deprecated
    ]
    return found[:_MOST_PARAMETERS]


def second(traveller: Traveller) -> dict[str, str]:
    """In what a second resource differs: what the user says, else what must be unique.

    Of defaults only numbers, mostly ports, have a neighbour that is as good.
    """
    if traveller.second:
        return dict(traveller.second)
    unique = {
        each.name: traveller.parameters.get(each.name, each.default or "")
        for each in (traveller.description or _NOTHING).parameters
        if each.unique
    }
    return {
        name: _another(value)
        for name, value in unique.items()
        if name in traveller.parameters or value.isdecimal()
    }


def _another(value: str) -> str:
    return str(int(value) + 1) if value.isdecimal() else f"{value}-2"


def notification(of: str) -> Mapping[str, str]:
    """What Pacemaker tells after an operation: of whom it was, and empty lists of all others."""
    lists = ("active", "start", "stop", "promote", "demote", *_ROLES)
    empty = {f"notify_{each}_{what}": " " for each in lists for what in ("resource", "uname")}
    return {
        **empty,
        "notify_inactive_resource": " ",
        "notify_type": "post",
        "notify_operation": of,
        f"notify_{of}_resource": f"{INSTANCE}:0",
        f"notify_{of}_uname": NODE,
    }
