"""Rules on parameters: what is missing, what is wrong, and what a default is."""

from __future__ import annotations

from ocfkit.conformance.description import Parameter
from ocfkit.conformance.rules.registry import (
    Judgement,
    asked,
    broken,
    described,
    does_not_apply,
    holds,
    not_provoked,
    rule,
    said,
    started,
)
from ocfkit.conformance.transcript import ILL_TYPED, Call, State, Transcript

_CODES = "OCF Resource Agent API 1.1, Exit codes: 6, the parameters are inherently wrong"
_WRONG = (2, 6)
_GIVEN = 32768
"""The lowest of the ports that Linux gives to who asks for any (ip_local_port_range)."""


def _required(run: Transcript) -> list[Parameter]:
    return [each for each in run.description.parameters if each.required] if run.description else []


def _without(run: Transcript, name: str, action: str, *, empty: bool = False) -> list[Call]:
    """Calls of this action with this parameter missing (or empty), and nothing else wrong."""
    return [
        call
        for call in run["bad-parameters"].of(action)
        if (call.parameters.get(name) == "" if empty else name not in call.parameters)
    ]


def _ill_typed(run: Transcript, action: str) -> list[Call]:
    return [
        call for call in run["bad-parameters"].of(action) if ILL_TYPED in call.parameters.values()
    ]


@rule(
    "missing-parameter-is-refused",
    source=f"{_CODES}, a required one missing among them",
    consequence="The service starts with something else than was meant, on every node.",
    needs=("bad-parameters",),
)
def missing_parameter_is_refused(run: Transcript) -> Judgement:
    """Without a required parameter, or with an empty one, validate-all and start say 6."""
    described(run)
    required = _required(run)
    if not required:
        return does_not_apply("the agent has no required parameter")
    seen: list[Call] = []
    for parameter in required:
        for empty in (False, True):
            how = "empty" if empty else "missing"
            for action in ("validate-all", "start"):
                for call in _without(run, parameter.name, action, empty=empty):
                    if call.exited(3) and action == "validate-all":
                        continue  # it has none
                    if not call.exited(*_WRONG):
                        return broken(f"{parameter.name} is {how}, and {said(call)}", call)
                    seen.append(call)
    if not seen:
        return not_provoked("no call without a required parameter was made")
    return holds(f"{len(seen)} calls were refused", *seen[:2])


@rule(
    "wrong-type-is-refused",
    source=f"{_CODES}; the type stands in the meta-data",
    consequence="A typing error is found by a failover, or never.",
    needs=("bad-parameters",),
)
def wrong_type_is_refused(run: Transcript) -> Judgement:
    """A value that is not of its parameter's type is refused by validate-all and by start."""
    described(run)
    parameters = run.description.parameters if run.description else ()
    if not any(each.type in ("integer", "boolean") and not each.deprecated for each in parameters):
        return does_not_apply("no parameter is an integer or a boolean")
    calls = [*_ill_typed(run, "validate-all"), *_ill_typed(run, "start")]
    calls = [call for call in calls if not (call.action == "validate-all" and call.exited(3))]
    for call in calls:
        if not call.exited(*_WRONG):
            name = next(key for key, value in call.parameters.items() if value == ILL_TYPED)
            return broken(f"{name} is {ILL_TYPED!r}, and {said(call)}", call)
    if not calls:
        return not_provoked("no call with a wrong value was made")
    return holds(f"{len(calls)} calls with {ILL_TYPED!r} were refused", *calls[:2])


@rule(
    "validate-all-accepts-the-right",
    source="OCF Resource Agent API 1.1, Actions: validate-all, 0 if the parameters are right",
    consequence="`pcs resource create` refuses a resource that would run.",
    needs=("stopped",),
)
def validate_all_accepts_the_right(run: Transcript) -> Judgement:
    """The parameters with which it starts are right for validate-all."""
    described(run)
    started(run)
    if run.description is not None and not run.description.advertises("validate-all"):
        return does_not_apply("the agent does not advertise validate-all")
    call = asked(run, "stopped", "validate-all")
    return (holds if call.succeeded else broken)(said(call), call)


@rule(
    "stop-needs-no-parameters",
    source="resource-agents: a stop must succeed for what cannot have been started",
    consequence="A mistake in the configuration fences the node.",
    needs=("bad-parameters",),
)
def stop_needs_no_parameters(run: Transcript) -> Judgement:
    """A stop with parameters that are missing or wrong says 0: nothing runs."""
    return _answer_to_bad(run, "stop", (0,))


@rule(
    "probe-needs-no-parameters",
    source="resource-agents issues 101, 826, 1310: probes run where nothing is set up",
    consequence="A mistake in the configuration bans the resource from every node that is probed.",
    profile="strict",
    needs=("bad-parameters",),
)
def probe_needs_no_parameters(run: Transcript) -> Judgement:
    """A probe with parameters that are missing or wrong does not say that the service runs."""
    return _answer_to_bad(run, "monitor", (2, 5, 6, 7))


def _answer_to_bad(run: Transcript, action: str, codes: tuple[int, ...]) -> Judgement:
    described(run)
    if not run["bad-parameters"].of(action):
        return does_not_apply("no parameter is required, an integer or a boolean")
    calls = _while_stopped(run, action)
    if not calls:
        return not_provoked("with each wrong parameter, the agent started")
    for call in calls:
        if not call.exited(*codes):
            wrong = [f"{name}={value}" for name, value in call.parameters.items()]
            return broken(f"with {' '.join(wrong) or 'no parameter'}, {said(call)}", call)
    return holds(f"{len(calls)} times {said(calls[0])}", *calls[:2])


def _while_stopped(run: Transcript, action: str) -> list[Call]:
    """Those that come behind no start that worked."""
    found: list[Call] = []
    started = False
    for call in run["bad-parameters"].calls:
        if call.action in ("validate-all", "start"):
            started = call.action == "start" and call.succeeded
        elif call.action == action and not started:
            found.append(call)
    return found


@rule(
    "defaults-are-the-code-s",
    source="resource-agents issue 576: the default in the meta-data is not the one in the code",
    consequence="What the operator reads is not what runs.",
    profile="pacemaker",
    needs=("defaults",),
)
def defaults_are_the_code_s(run: Transcript) -> Judgement:
    """A parameter set to its advertised default changes nothing."""
    described(run)
    first = started(run)
    if not _unsaid_defaults(run):
        return does_not_apply("the meta-data has no default that the user has not set")
    for action, usual in (("start", first), ("monitor", asked(run, "cycle", "monitor", 2))):
        call = asked(run, "defaults", action)
        if (call.outcome, call.code) != (usual.outcome, usual.code):
            sentence = f"{said(usual)}, and with the defaults said outright {call.answer}"
            return broken(sentence, usual, call)
    start = asked(run, "defaults", "start")
    before, after = asked(run, "cycle", "monitor", 2).before, start.end
    for what, one, other in (
        ("runs", _programs(before), _programs(after)),
        ("listens on", _chosen(before), _chosen(after)),
        ("has", _files(before), _files(after)),
    ):
        if one != other:
            difference = sorted(one ^ other)
            sentence = f"only one of the two {what} {difference[0]}"
            return broken(f"with the defaults said outright {sentence}", first, start)
    return holds("the same with the defaults said outright", first, start)


def _unsaid_defaults(run: Transcript) -> list[Parameter]:
    return [
        each
        for each in (run.description.parameters if run.description else ())
        if each.default is not None and each.name not in run.parameters
    ]


def _programs(state: State) -> set[str]:
    return {" ".join(one.argv) for one in state.processes if one.state not in "ZX"}


def _chosen(state: State) -> set[str]:
    """Where it listens, but for ports that the kernel gave it, which are others each time."""
    return {
        each
        for each in state.listeners
        if not (port := each.rpartition(":")[2]).isdecimal() or int(port) < _GIVEN
    }


def _files(state: State) -> set[str]:
    return {path for path in state.files if path.startswith(("/run/", "/var/lock/"))}
