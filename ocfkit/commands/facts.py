"""What a declaration says of an agent, in words for people."""

from __future__ import annotations

from ocfkit.actions import Check
from ocfkit.advice import Advice
from ocfkit.declaration import Declaration, seconds
from ocfkit.durations import text as written
from ocfkit.params import AnyParam


def of_parameter(parameter: AnyParam, declared: Declaration) -> list[str]:
    """Type and default, and what else has to be known to set it."""
    default = parameter.default_text()
    facts = [parameter.kind.expected()]
    if parameter.kind.secret:
        facts.append("secret")
    if parameter.required:
        facts.append("required")
    elif default is not None:
        facts.append(f"default {default}")
    if parameter.unique:
        group = [
            each.name for each in declared.parameters.values() if each.unique == parameter.unique
        ]
        together = f" together ({', '.join(group)})" if len(group) > 1 else ""
        facts.append(f"unique{together}")
    if parameter.reloadable:
        facts.append("reloadable")
    return facts


def of_deprecation(parameter: AnyParam) -> str:
    """Why a parameter should not be used, and what instead; "" where it may be."""
    if not parameter.deprecated:
        return ""
    instead = f" Use {' and '.join(parameter.replaced_by)}." if parameter.replaced_by else ""
    return f"Deprecated: {parameter.deprecated}{instead}"


def name_of_action(row: Advice) -> str:
    """Such as "start", "monitor at depth 10" and "monitor (Promoted)"."""
    depth = f" at depth {row.depth}" if row.depth else ""
    return f"{row.name}{depth}{f' ({row.role})' if row.role else ''}"


def of_action(row: Advice) -> list[str]:
    """What is advised for it."""
    facts = [f"timeout {written(row.timeout)}"]
    if row.interval is not None:
        facts.append(f"interval {written(row.interval)}")
    return facts


def of_check(check: Check) -> list[str]:
    """How it is made, where that is out of the ordinary."""
    facts: list[str] = []
    if check.role:
        facts.append(f"in the role {check.role} alone")
    if check.retries:
        pause = check.pause
        pause = pause.name if isinstance(pause, AnyParam) else written(seconds(pause))
        facts.append(f"asked again {_times(check.retries)}, {pause} apart")
    if check.tolerate:
        facts.append(f"degraded, not failed, the first {_times(check.tolerate)} in a row")
    return facts


def _times(number: int | AnyParam) -> str:
    if isinstance(number, AnyParam):
        return f"{number.name} times"
    return "once" if number == 1 else f"{number} times"
