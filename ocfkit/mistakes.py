"""Everything that is wrong with a declaration, told at once when the class is made."""

from __future__ import annotations

from ocfkit.actions import ALWAYS, METHODS
from ocfkit.declaration import Declaration, seconds
from ocfkit.durations import EXAMPLES, text
from ocfkit.params import AnyParam

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_METHODS = frozenset(METHODS.values())
_PAIRS = (("promote", "demote"), ("migrate_to", "migrate_from"))


def mistakes(declaration: Declaration) -> list[str]:
    """All that is wrong, a sentence each."""
    return [
        *_faults_of_class(declaration),
        *_faults_of_parameters(declaration),
        *_faults_of_actions(declaration),
        *_faults_of_checks(declaration),
    ]


def _faults_of_class(declaration: Declaration) -> Iterator[str]:
    docstring = declaration.cls.__doc__ or ""
    if not docstring.strip():
        yield "it has no docstring, whose first line is the short description"
    elif not _is_xml(docstring):
        yield "its docstring holds a control character"
    for name in ALWAYS:
        if name not in declaration.actions:
            yield f"it has no method {name}"
    for one, other in _PAIRS:
        if (one in declaration.actions) != (other in declaration.actions):
            yield f"{one} and {other} come together or not at all"
    for name in declaration.misnamed:
        yield f"{name} is marked as an action, and OCF has none of that name"


def _faults_of_parameters(declaration: Declaration) -> Iterator[str]:
    owner: dict[str, str] = {}
    for attribute, parameter in declaration.parameters.items():
        where = f"parameter {attribute}: "
        if attribute in _METHODS or attribute in _INSTANCE or _is_taken(declaration.cls, attribute):
            yield (
                f"{where}agents have an action or attribute of this name; "
                f"choose another and say name={attribute!r}"
            )
        if parameter.name in owner:
            yield f"{where}{owner[parameter.name]} has the name {parameter.name} already"
        owner[parameter.name] = attribute
        for sentence in parameter.faults():
            yield where + sentence
        words = (parameter.desc, parameter.deprecated, parameter.unique, *parameter.kind.choices)
        if not all(map(_is_xml, words)) or not _is_xml(str(parameter.default)):
            yield f"{where}its description, default or choices hold a control character"
        if parameter.reloadable and "reload-agent" not in declaration.actions:
            yield f"{where}it is reloadable, and there is no method reload_agent"
    names = {each.name for each in declaration.parameters.values()}
    for parameter in declaration.parameters.values():
        for other in parameter.replaced_by:
            if other not in names:
                yield f"parameter {parameter.attribute}: it is replaced by {other}, which is none"


def _is_taken(cls: type, attribute: str) -> bool:
    """Whether a class that this one derives from has something else by that name."""
    above = [vars(each)[attribute] for each in cls.__mro__[1:] if attribute in vars(each)]
    return any(not isinstance(each, AnyParam) for each in above)


_INSTANCE = frozenset(("name", "environment", "log", "deadline", "doing", "values"))
"""Attributes that an agent gets when it is made."""


def _faults_of_actions(declaration: Declaration) -> Iterator[str]:
    for name, action in declaration.actions.items():
        code = getattr(action.function, "__code__", None)
        takes = 2 if name == "notify" else 1
        if code is not None and code.co_argcount != takes and not code.co_flags & _VARARGS:
            yield f"{name}: the method takes {'one argument' if takes > 1 else 'no argument'}"
        yield from _faults_of_timing(name, timeout=action.timeout)
    monitor = declaration.actions.get("monitor")
    if monitor is not None:
        yield from _faults_of_timing("monitor", interval=monitor.interval)


_VARARGS = 0x04  # inspect.CO_VARARGS


def _faults_of_checks(declaration: Declaration) -> Iterator[str]:
    for check in declaration.checks:
        where = f"check {check.function.__name__}"
        if isinstance(check.level, bool) or check.level < 1:
            yield f"{where}: a depth is a whole number above 0, seen {check.level!r}"
        if check.retries < 0 or check.tolerate < 0:
            yield f"{where}: retries and tolerate are not negative"
        timings = {"timeout": check.timeout, "interval": check.interval, "pause": check.pause}
        yield from _faults_of_timing(where, **timings)
    if declaration.checks and not list(_faults_of_actions(declaration)):
        yield from _faults_of_intervals(declaration)


def _faults_of_intervals(declaration: Declaration) -> Iterator[str]:
    """Pacemaker tells the recurring monitors of a resource apart by their interval."""
    from ocfkit.advice import monitors  # for those with deep checks

    seen: dict[float, str] = {}
    try:
        rows = monitors(declaration)
    except ValueError:
        return  # told already
    for row in rows:
        interval = row.interval or 0.0
        if interval in seen:
            yield (
                f"the monitors at {seen[interval]} and {row.where} have both the interval "
                f"{text(interval)}: Pacemaker tells them apart by it"
            )
        seen[interval] = row.where


def _faults_of_timing(where: str, **timings: str | float) -> Iterator[str]:
    for what, timing in timings.items():
        try:
            if seconds(timing) <= 0:
                yield f"{where}: its {what} is not above zero"
        except (ValueError, TypeError, AttributeError):
            yield f"{where}: its {what} {timing!r} is no duration such as {EXAMPLES}"


def _is_xml(text: str) -> bool:
    """Whether XML 1.0 can hold the text (production 2, Char)."""
    return (text.isascii() and text.isprintable()) or all(map(_is_char, text))


def _is_char(character: str) -> bool:
    return (
        character in "\t\n\r"
        or " " <= character <= "\ud7ff"
        or "\ue000" <= character <= "\ufffd"
        or character >= "\U00010000"
    )
