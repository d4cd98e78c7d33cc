"""Everything that is wrong with a declaration, told at once when the class is made."""

from __future__ import annotations

from ocfkit.actions import ALWAYS, INTERVAL, METHODS, Check
from ocfkit.declaration import Declaration, seconds
from ocfkit.durations import EXAMPLES, text
from ocfkit.environment import NOT_OURS
from ocfkit.kinds import Duration, Integer, is_text, is_whole, is_xml, shown
from ocfkit.params import AnyParam

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from typing import Any

_METHODS = frozenset(METHODS.values())
_PAIRS = (("promote", "demote"), ("migrate_to", "migrate_from"))
_OURS = {
    "validate_all": "write validate or validate_host",
    "meta_data": "it is made of what the class declares",
}
"""Actions that an author might write, and that the framework does."""


def mistakes(declaration: Declaration) -> list[str]:
    """All that is wrong, a sentence each."""
    found = [*_faults_of_class(declaration), *_faults_of_parameters(declaration)]
    of_actions = [*_faults_of_actions(declaration), *_faults_of_checks(declaration)]
    return [*found, *(of_actions or _faults_of_intervals(declaration))]


def _faults_of_class(declaration: Declaration) -> Iterator[str]:
    cls: Any = declaration.cls
    if not is_text(cls.__doc__) or not cls.__doc__.strip():
        yield "it has no docstring, whose first line is the short description"
    elif not is_xml(cls.__doc__):
        yield "its docstring holds a control character"
    for name in ALWAYS:
        if name not in declaration.actions and name not in declaration.parameters:
            yield f"it has no method {name}"
    for one, other in _PAIRS:
        if (one in declaration.actions) != (other in declaration.actions):
            yield f"{one} and {other} come together or not at all"
    ours = [name for name in _OURS if callable(getattr(cls, name, None))]
    for name in [*declaration.misnamed, *ours]:
        what = _OURS.get(name)
        yield (
            f"{name} is the framework's: {what}"
            if what
            else f"{name} is marked as an action, and OCF has none of that name"
        )
    if not declaration.parameters.keys() & {"version", "lang", "start_depth", "needs_root"}:
        yield from _faults_of_attributes(cls)  # else they are taken, as is told there


def _faults_of_attributes(cls: Any) -> Iterator[str]:  # noqa: ANN401 - they may be anything
    if not is_text(cls.version) or not is_xml(cls.version):
        yield f"its version {shown(cls.version)} is no text"
    if not is_text(cls.lang) or not cls.lang.isascii() or not cls.lang.replace("-", "").isalnum():
        yield f"its lang {shown(cls.lang)} is no language such as en or pt-BR"
    if not _is_count(cls.start_depth):
        yield f"its start_depth {shown(cls.start_depth)} is no depth"
    if type(cls.needs_root) not in {list, tuple, set, frozenset}:
        yield f"its needs_root {shown(cls.needs_root)} is no sequence of actions"
    elif not all(name in tuple(METHODS) for name in cls.needs_root):
        yield f"its needs_root {shown(cls.needs_root)} names what is no action"


def _faults_of_parameters(declaration: Declaration) -> Iterator[str]:
    owner: dict[str, str] = {}
    for attribute, parameter in declaration.parameters.items():
        where = f"parameter {attribute}: "
        if parameter.attribute != attribute:
            yield f"{where}it is one object with parameter {parameter.attribute}; declare another"
            continue
        if attribute in _METHODS or attribute in _INSTANCE or _is_taken(declaration.cls, attribute):
            yield (
                f"{where}agents have an action or attribute of this name; "
                f"choose another and say name={attribute!r}"
            )
        for sentence in parameter.faults():
            yield where + sentence
        if parameter.reloadable and "reload-agent" not in declaration.actions:
            yield f"{where}it is reloadable, and there is no method reload_agent"
        name = parameter.name if is_text(parameter.name) else attribute
        if name in owner:
            yield f"{where}{owner[name]} has the name {name} already"
        owner[name] = attribute
        if name.startswith("CRM_meta_") or name in NOT_OURS:
            yield f"{where}{name} is Pacemaker's, and no agent is told of it"
    yield from _faults_of_replacements(declaration, owner.keys())


def _faults_of_replacements(declaration: Declaration, names: Container[str]) -> Iterator[str]:
    for attribute, parameter in declaration.parameters.items():
        for other in parameter.replaced_by:
            if is_text(other) and other not in names:
                yield f"parameter {attribute}: it is replaced by {shown(other)}, which is none"


def _is_taken(cls: type, attribute: str) -> bool:
    """Whether a class that this one derives from has something else by that name.

    None is how a class in between removes a parameter.
    """
    above = [vars(each)[attribute] for each in reversed(cls.__mro__[1:]) if attribute in vars(each)]
    return any(
        not isinstance(each, AnyParam) and (each is not None or not place)
        for place, each in enumerate(above)
    )


_INSTANCE = frozenset("declaration name environment log deadline doing values _cluster".split())
"""Attributes that a class or an agent gets when it is made."""


def _faults_of_actions(declaration: Declaration) -> Iterator[str]:
    for name, action in declaration.actions.items():
        if name == "notify":
            fault = _fault_of_method(action.function, 2, "self and a notice")
        else:
            fault = _fault_of_method(action.function, 1, "self and nothing else")
        if fault:
            yield f"{name}: {fault}"
        timings = {"timeout": action.timeout}
        if name == "monitor":
            timings["interval"] = action.interval
            if action.promoted_interval is not None:
                timings["promoted_interval"] = action.promoted_interval
                if not declaration.promotable:
                    yield "monitor: promoted_interval is for an agent with promote and demote"
        elif action.interval != INTERVAL or action.promoted_interval is not None:
            yield f"{name}: an interval is for monitor alone"
        yield from _faults_of_timing(name, timings)


def _fault_of_method(function: object, takes: int, what: str) -> str | None:
    """What is wrong with a method that is called with so many arguments, self included."""
    if not callable(function) or not hasattr(function, "__get__"):
        return "it is no method"
    code = getattr(function, "__code__", None)
    if code is None:
        return None  # not written in Python, or wrapped: who knows
    if code.co_flags & _SUSPENDS:
        return "it is a generator or coroutine, which nobody would run"
    needs = code.co_argcount - len(getattr(function, "__defaults__", None) or ())
    fits = needs <= takes and (takes <= code.co_argcount or code.co_flags & _VARARGS)
    named = code.co_kwonlyargcount - len(getattr(function, "__kwdefaults__", None) or ())
    return None if fits and not named else f"the method takes {what}"


_VARARGS = 0x04  # inspect.CO_VARARGS
_SUSPENDS = 0x20 | 0x80 | 0x200  # CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR


def _faults_of_checks(declaration: Declaration) -> Iterator[str]:
    for check in declaration.checks:
        where = f"check {check.name}"
        if check.name in _METHODS or check.name in _INSTANCE or _is_ours(declaration, check.name):
            yield f"{where}: agents have an action or attribute of this name"
        fault = _fault_of_method(check.function, 1, "self and nothing else")
        if fault:
            yield f"{where}: {fault}"
        if not is_whole(check.level) or check.level < 1:
            yield (
                f"{where}: a depth is a whole number above 0, as in @monitor.depth(10), "
                f"seen {shown(check.level)}"
            )
        yield from _faults_of_numbers(declaration, check)
        if check.role not in (None, *_ROLES):
            yield f"{where}: a role is {' or '.join(_ROLES)}, seen {shown(check.role)}"
        elif check.role and not declaration.promotable:
            yield f"{where}: it is for one role, and there is no method promote"
        timings = {"timeout": check.timeout, "interval": check.interval}
        if not isinstance(check.pause, AnyParam):
            timings["pause"] = check.pause
        yield from _faults_of_timing(where, timings)


def _faults_of_numbers(declaration: Declaration, check: Check) -> Iterator[str]:
    """What a check says of its tries, itself or by a parameter of the agent."""
    kinds = {"retries": Integer, "tolerate": Integer, "pause": Duration}
    for what, kind in kinds.items():
        given = getattr(check, what)
        if not isinstance(given, AnyParam):
            if kind is Integer and not _is_count(given):
                yield f"check {check.name}: {what} is a whole number, seen {shown(given)}"
        elif given.attribute not in declaration.parameters:
            yield f"check {check.name}: {what} is said by what is no parameter of this agent"
        elif not isinstance(given.kind, kind) or given.default is None:
            yield f"check {check.name}: {what} is said by parameter {given.attribute}, {_WRONG}"


_WRONG = "which has another type or may be unset"


def _is_ours(declaration: Declaration, attribute: str) -> bool:
    """Whether the framework has something else by that name, which a check would hide."""
    homes = ("ocfkit.agent", "ocfkit.daemon")
    return any(
        attribute in vars(each) for each in declaration.cls.__mro__ if each.__module__ in homes
    )


_ROLES = ("Promoted", "Unpromoted")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _faults_of_intervals(declaration: Declaration) -> Iterator[str]:
    """Pacemaker tells the recurring monitors of a resource apart by their interval."""
    monitor = declaration.actions.get("monitor")
    if monitor is None or not (declaration.checks or monitor.promoted_interval):
        return  # told already, or nothing to compare
    from ocfkit.advice import monitors  # for those with several

    seen: dict[int, str] = {}
    for row in monitors(declaration):
        milliseconds = round((row.interval or 0.0) * 1000)
        if milliseconds in seen:
            yield (
                f"the monitors at {seen[milliseconds]} and {row.where} have both the interval "
                f"{text(milliseconds / 1000)}: Pacemaker tells them apart by it"
            )
        seen[milliseconds] = row.where


def _faults_of_timing(where: str, timings: dict[str, str | float]) -> Iterator[str]:
    for what, timing in timings.items():
        try:
            value = 0.0 if isinstance(timing, bool) else seconds(timing)
        except (ValueError, TypeError, OverflowError):
            yield f"{where}: its {what} {shown(timing)} is no duration such as {EXAMPLES}"
            continue
        if not _SHORTEST <= value <= _LONGEST:
            yield f"{where}: its {what} {shown(timing)} is not between 1ms and 49 days"


_SHORTEST, _LONGEST = 0.001, 49 * 86400.0
"""Pacemaker counts milliseconds, in 32 bits."""
