"""How a rule comes to its judgement: the four verdicts, and the guards that every rule shares.

A guard raises `UndecidedError` when there is nothing to judge, so that a rule's body holds the
rule and nothing else.
"""

from __future__ import annotations

from typing import Never

from lsbcheck.rules.answers import (
    came_up,
    missing_actions,
    refuses_everything,
    unknown_answer,
    why_nothing_ran,
)
from lsbcheck.rules.registry import Judgement, UndecidedError
from lsbcheck.transcript import Call, Fault, Scenario, ScenarioName, Transcript

REFUSES = (
    "the script answers every action alike, even one that does not exist: it is disabled, not "
    "configured or not installed here"
)


def holds(
    sentence: str, *calls: Call, fault: Fault | None = None, remarks: tuple[str, ...] = ()
) -> Judgement:
    """The verdict `pass`; says for every killed call that this counts as not 0."""
    killed = tuple(
        f"{call.action} was {call.answer}, which counts as not 0"
        for call in calls
        if call.outcome == "killed"
    )
    return Judgement("pass", sentence, calls=calls, fault=fault, remarks=remarks + killed)


def broken(
    sentence: str,
    consequence: str,
    *calls: Call,
    fault: Fault | None = None,
    remarks: tuple[str, ...] = (),
) -> Judgement:
    """The verdict `fail`, with what the cluster will do because of it."""
    return Judgement("fail", sentence, consequence, calls, fault, remarks)


def not_provoked(
    sentence: str, *calls: Call, fault: Fault | None = None, remarks: tuple[str, ...] = ()
) -> Judgement:
    """The state that the rule is about was not seen: neither pass nor fail."""
    return Judgement("not-provoked", sentence, calls=calls, fault=fault, remarks=remarks)


def cannot_tell(sentence: str) -> Judgement:
    """The verdict `error`: the checker itself failed."""
    return Judgement("error", sentence)


def undecided(judgement: Judgement) -> Never:
    """End the rule with this judgement."""
    raise UndecidedError(judgement)


def said(call: Call) -> str:
    """The answer as a clause, for example `stop said 3`."""
    if call.outcome == "no-answer":
        return f"{call.action} did not answer in {call.limit:g} s"
    verb = "said" if call.outcome == "exited" else "was killed by signal"
    return f"{call.action} {verb} {call.code}"


def count_processes(number: int) -> str:
    """`1 process`, `2 processes`."""
    return "1 process" if number == 1 else f"{number} processes"


def can_be_judged(run: Transcript, *needed: str) -> None:
    """Go on only if the script was run, does not refuse everything, and has these actions."""
    if run.refused:
        undecided(cannot_tell(run.refused))
    unknown = unknown_answer(run)
    if refuses_everything(run) and unknown is not None:
        remark = "--prepare COMMAND can enable the service inside each sandbox"
        undecided(not_provoked(f"{REFUSES} ({unknown.answer})", unknown, remarks=(remark,)))
    for action in needed:
        if action in missing_actions(run):
            undecided(not_provoked(f"no {action}"))


def asked(run: Transcript, name: ScenarioName, action: str, nth: int = 0) -> Call:
    """The `nth` call of this action in the scenario; undecided if there is none to judge."""
    can_be_judged(run, action)
    scenario = run[name]
    if scenario.error:
        undecided(cannot_tell(scenario.error))
    call = scenario.call(action, nth)
    if call is not None:
        return call
    fault = scenario.fault
    reason = why_nothing_ran(run) or scenario.unreached or (fault.why if fault else "")
    undecided(not_provoked(reason or f"{action} was not called", *scenario.calls, fault=fault))


def asked_running(run: Transcript, name: ScenarioName, action: str, nth: int = 0) -> Call:
    """The same for a call that needs a running service before it."""
    call = asked(run, name, action, nth)
    if not call.running_before:
        reason = why_nothing_ran(run) or _why_not_running(run[name], action)
        undecided(not_provoked(reason, call, fault=run[name].fault))
    return call


def asked_stopped(run: Transcript, name: ScenarioName, action: str, nth: int = 0) -> Call:
    """The same for a call that needs a stopped service before it."""
    call = asked(run, name, action, nth)
    if call.running_before:
        reason = f"the service was running before {action} was called"
        undecided(not_provoked(reason, call, fault=run[name].fault))
    return call


def provoked(run: Transcript, name: ScenarioName, call: Call) -> Fault:
    """The failure provoked in the scenario; undecided if it was not seen to act."""
    fault = run[name].fault
    if fault is None:
        undecided(not_provoked("no failure could be provoked", call))
    if not fault.effective:
        reason = fault.why or "the provoked failure was not seen to act"
        undecided(not_provoked(reason, call, fault=fault))
    return fault


def seen_running(run: Transcript, call: Call) -> None:
    """Go on only if the service was ever seen running, so that "stopped" means something."""
    if came_up(run):
        return
    if run["watched"].error:
        undecided(cannot_tell(run["watched"].error))
    reason = why_nothing_ran(run) or "the service was never seen running"
    undecided(not_provoked(f"{said(call)}, but there is no evidence against it: {reason}", call))


def _why_not_running(scenario: Scenario, action: str) -> str:
    first = scenario.call("start")
    if first is not None and not first.running_after:
        return f"the service did not come up before {action} was called ({first.answer})"
    return f"the service had ended by itself before {action} was called"
