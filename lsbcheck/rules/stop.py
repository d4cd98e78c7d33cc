"""Rules on what stop answers: to success and failure, where nothing runs, beside a bystander."""

from __future__ import annotations

from lsbcheck.rules.judging import (
    asked_running,
    asked_stopped,
    broken,
    count_processes,
    holds,
    not_provoked,
    provoked,
    said,
)
from lsbcheck.rules.pacemaker import FAILED_STOP, FAILED_STOP_OF_NOTHING, FALSE_STOP, HANGING_STOP
from lsbcheck.rules.registry import Judgement, rule
from lsbcheck.rules.samples import (
    HANGS,
    KILLED,
    REFUSED,
    SWALLOWED,
    bystander,
    seen,
    start,
    status,
    stop,
    stop_again,
    unknown,
)
from lsbcheck.transcript import Call, ScenarioName, Transcript


@rule(
    "stop-succeeds",
    number=4,
    clause="LSB Core 3.1, 20.2 Init Script Actions: 0 if the action was successful",
    profile="lsb",
    valid=(seen(),),
    invalid=(
        seen(cycle=(start(0), status(0), stop(0, left=True))),
        seen(cycle=(start(0), status(0), stop(1))),
        seen(cycle=(start(0), status(0), stop(1, left=True))),
        seen(cycle=(start(0), status(0), stop(HANGS))),
        seen(cycle=(start(0), status(0), stop(HANGS, left=True))),
        seen(cycle=(start(0), status(0), stop(KILLED))),
    ),
)
def stop_succeeds(run: Transcript) -> Judgement:
    """A stop of the running service stops it and says 0."""
    call = asked_running(run, "cycle", "stop")
    left = count_processes(len(call.after))
    if call.outcome == "no-answer":
        state = f"left {left} running" if call.running_after else "stopped the service"
        return broken(f"{said(call)}; it {state}", HANGING_STOP, call)
    if call.succeeded and call.running_after:
        return broken(f"{said(call)} and left {left} running", FALSE_STOP, call)
    if call.succeeded:
        remark = f"{left} left behind, none of them the service itself"
        remarks = (remark,) if call.after else ()
        return holds(f"{said(call)}, and the service was gone", call, remarks=remarks)
    if call.running_after:
        sentence = f"{said(call)} and did not stop a healthy service"
        return broken(sentence, FAILED_STOP, call)
    return broken(f"{said(call)}, although it stopped the service", FAILED_STOP, call)


@rule(
    "stop-failure-reported",
    number=5,
    clause="LSB Core 3.1, 20.2 Init Script Actions: not 0 if the action failed",
    profile="lsb",
    valid=(seen(), seen(stop_failure=(SWALLOWED, start(0), stop(KILLED, left=True)))),
    invalid=(
        seen(stop_failure=(SWALLOWED, start(0), stop(0, left=True))),
        seen(stop_failure=(SWALLOWED, start(0), stop(HANGS, left=True))),
    ),
)
def stop_failure_reported(run: Transcript) -> Judgement:
    """A stop that fails does not say 0."""
    return _failing_stop(run, "stop-failure")


@rule(
    "refused-stop-reported",
    clause="LSB Core 3.1, 20.2 Init Script Actions: 4 without the privilege, never 0",
    profile="strict",
    valid=(seen(),),
    invalid=(
        seen(refused_stop=(REFUSED, start(0), stop(0, left=True))),
        seen(refused_stop=(REFUSED, start(0), stop(HANGS, left=True))),
    ),
)
def refused_stop_reported(run: Transcript) -> Judgement:
    """A stop whose signals are refused does not say 0."""
    return _failing_stop(run, "refused-stop")


@rule(
    "stop-when-stopped",
    number=8,
    clause="LSB Core 3.1, 20.2 Init Script Actions: stopping what does not run is a success",
    profile="lsb",
    valid=(seen(),),
    invalid=(
        seen(stopped=(unknown(1), status(3, up=False), stop_again(1))),
        seen(stopped=(unknown(1), status(3, up=False), stop_again(HANGS))),
        seen(stopped=(unknown(1), status(3, up=False), stop_again(KILLED))),
    ),
)
def stop_when_stopped(run: Transcript) -> Judgement:
    """A stop of the stopped service says 0."""
    call = asked_stopped(run, "stopped", "stop")
    if call.succeeded:
        return holds(f"{said(call)} for a stopped service", call)
    late = call.outcome == "no-answer"
    return broken(
        f"{said(call)}, although nothing was running",
        HANGING_STOP if late else FAILED_STOP_OF_NOTHING,
        call,
    )


@rule(
    "bystander-survives",
    clause="LSB Core 3.1, 20.2 Init Script Actions: processes of a similar name are not killed",
    profile="strict",
    valid=(seen(),),
    invalid=(
        seen(bystander=(bystander(running=False), stop_again(0), start(0), stop(0))),
        seen(bystander=(bystander(running=False, stopped=False), stop_again(0), start(0), stop(0))),
    ),
)
def bystander_survives(run: Transcript) -> Judgement:
    """A process that only bears the daemon's name survives stop."""
    first = asked_stopped(run, "bystander", "stop")
    seen_bystander = run["bystander"].bystander
    if seen_bystander is None:
        reason = run["bystander"].unreached or "no bystander could be set up"
        return not_provoked(reason, first)
    argv = " ".join(seen_bystander.argv)
    consequence = "Each stop in the cluster kills whatever bears the daemon's name on that node."
    if not seen_bystander.survived_stop_when_stopped:
        sentence = f"stop of the stopped service killed a bystander ({argv})"
        return broken(sentence, consequence, first)
    second = asked_running(run, "bystander", "stop", 1)
    if not seen_bystander.survived_stop:
        sentence = f"stop of the running service killed a bystander ({argv})"
        return broken(sentence, consequence, first, second)
    return holds(f"a bystander ({argv}) survived both stops", first, second)


def _failing_stop(run: Transcript, name: ScenarioName) -> Judgement:
    call = asked_running(run, name, "stop")
    fault = provoked(run, name, call)
    if not call.running_after:
        return not_provoked(_stopped_all_the_same(call), call, fault=fault)
    left = count_processes(len(call.after))
    if call.succeeded:
        sentence = f"{said(call)} and left {left} running"
        return broken(sentence, FALSE_STOP, call, fault=fault)
    if call.outcome == "no-answer":
        sentence = f"{said(call)} and left {left} running"
        return broken(sentence, HANGING_STOP, call, fault=fault)
    return holds(f"{said(call)}, and the service was still running", call, fault=fault)


def _stopped_all_the_same(call: Call) -> str:
    return f"the service stopped in spite of the fault ({call.answer})"
