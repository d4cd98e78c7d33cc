"""Rules on what start answers: to a success, to a failure, to a service that runs already."""

from __future__ import annotations

from lsbcheck.rules.answers import faultless_calls, missing_actions, why_nothing_ran
from lsbcheck.rules.judging import (
    asked_running,
    asked_stopped,
    broken,
    can_be_judged,
    count_processes,
    holds,
    not_provoked,
    provoked,
    said,
    undecided,
)
from lsbcheck.rules.pacemaker import (
    FAILED_STOP,
    FALSE_START,
    FALSE_STOP,
    HANGING_START,
    HANGING_STATUS,
    HANGING_STOP,
    LOST_START,
)
from lsbcheck.rules.registry import Judgement, rule
from lsbcheck.rules.samples import (
    DAEMON,
    FAILS,
    FAILS_LATE,
    HANGS,
    KILLED,
    MISSING,
    process,
    seen,
    start,
    start_again,
    status,
    stop,
)
from lsbcheck.transcript import Call, Fault, Process, ScenarioName, Service, Transcript

FALSE_CLAIM = (
    "A probe of a node without the program is told that the service runs there: Pacemaker takes it "
    "for active on two nodes, stops it on all of them and starts it anew."
)
SECOND = "Two instances on one node write the same data, and a later stop finds only one of them."
RESTARTED = "Each repeated start interrupts everybody who is being served."


@rule(
    "start-succeeds",
    number=2,
    clause="LSB Core 3.1, 20.2 Init Script Actions: 0 if the action was successful",
    profile="lsb",
    valid=(seen(),),
    invalid=(
        seen(watched=(start(1),), cycle=(start(1),)),
        seen(watched=(start(HANGS),), cycle=(start(HANGS),)),
        seen(cycle=(start(KILLED),)),
    ),
)
def start_succeeds(run: Transcript) -> Judgement:
    """A start that brings the service up says 0."""
    can_be_judged(run, "start")
    starts = faultless_calls(run, "start") or (asked_stopped(run, "watched", "start"),)
    up = tuple(call for call in starts if call.running_after)
    if not up:
        return _nothing_came_up(run, starts[-1])
    for call in up:
        if not call.succeeded:
            return broken(
                f"{said(call)}, although the service runs after it",
                _start_consequence(call, LOST_START),
                call,
            )
    return holds(f"start said 0, and {count_processes(len(up[-1].after))} ran after it", *up)


@rule(
    "start-failure-reported",
    number=3,
    clause="LSB Core 3.1, 20.2 Init Script Actions: not 0 if the action failed",
    profile="lsb",
    valid=(seen(), seen(start_failure=(FAILS, start(KILLED, up=False)))),
    invalid=(
        seen(start_failure=(FAILS, start(0, up=False))),
        seen(start_failure=(FAILS, start(HANGS, up=False))),
    ),
)
def start_failure_reported(run: Transcript) -> Judgement:
    """A start that fails does not say 0."""
    return _failing_start(run, "start-failure")


@rule(
    "late-start-failure-reported",
    clause="LSB Core 3.1, 20.2 Init Script Actions: not 0 if the action failed",
    profile="strict",
    valid=(seen(),),
    invalid=(
        seen(late_failure=(FAILS_LATE, start(0, up=False))),
        seen(late_failure=(FAILS_LATE, start(HANGS, up=False))),
    ),
)
def late_start_failure_reported(run: Transcript) -> Judgement:
    """A start whose daemon dies after it forked does not say 0."""
    return _failing_start(run, "late-failure")


@rule(
    "missing-program",
    clause=(
        "LSB Core 3.1, 20.2 Init Script Actions: 5 if the program is not installed; "
        "Debian Policy 9.3.2: 0 if the package was removed"
    ),
    profile="strict",
    valid=(
        seen(),
        seen(missing_program=(MISSING, start(0, up=False), status(3, up=False))),
    ),
    invalid=(
        seen(missing_program=(MISSING, start(1, up=False), status(3, up=False))),
        seen(missing_program=(MISSING, start(5, up=False), status(0, up=False))),
        seen(missing_program=(MISSING, start(0, up=False), status(0, up=False))),
        seen(missing_program=(MISSING, start(5, up=False), status(HANGS, up=False))),
    ),
)
def missing_program(run: Transcript) -> Judgement:
    """Without its program, start says 5 (or Debian's 0) and status does not say 0."""
    call = asked_stopped(run, "missing-program", "start")
    fault = provoked(run, "missing-program", call)
    if call.running_after:
        return not_provoked("the service came up without its program", call, fault=fault)
    if "status" not in missing_actions(run):
        _denies_running(run, call, fault)
    status_call = run["missing-program"].call("status")
    calls = (call,) if status_call is None else (call, status_call)
    if call.outcome == "exited" and call.code in {0, 5}:
        remarks: tuple[str, ...] = ()
        if call.code == 0:
            remarks = ("5 would move the service on at once; Debian's 0 hides that it is gone",)
        if status_call is not None and status_call.succeeded:  # a script without a status
            remarks += ("asked for its status, the script said 0 as well",)
        return holds(f"{said(call)} without the program", *calls, fault=fault, remarks=remarks)
    return broken(
        f"{said(call)} instead of 5 (not installed) or Debian's 0",
        _start_consequence(
            call,
            "Pacemaker takes it for a failure that may pass and tries this node again after "
            "every clean-up, while 5 would tell it and the operator that the program is gone.",
        ),
        *calls,
        fault=fault,
    )


@rule(
    "start-when-running",
    clause=(
        "LSB Core 3.1, 20.2 Init Script Actions: starting what runs is a success; "
        "Pacemaker Explained, LSB compliance: it starts nothing"
    ),
    profile="pacemaker",
    valid=(
        seen(),
        # Workers and helpers may come and go.
        seen(
            second_start=(
                start(0),
                start_again(0, after=(DAEMON, process(200, ppid=DAEMON.pid))),
            )
        ),
    ),
    invalid=(
        seen(second_start=(start(0), start_again(1))),
        seen(second_start=(start(0), start_again(HANGS))),
        seen(second_start=(start(0), start_again(0, after=(DAEMON, process(200))))),
        seen(second_start=(start(0), start_again(0, after=(process(200),)))),
        seen(second_start=(start(0), start_again(0, after=()))),
        # The second start has overwritten or removed the pid file.
        seen(second_start=(start(0), start_again(0), stop(0, left=True))),
    ),
)
def start_when_running(run: Transcript) -> Judgement:
    """A start of the running service says 0 and starts nothing."""
    call = asked_running(run, "second-start", "start", 1)
    if not call.succeeded:
        return broken(
            f"{said(call)}, although the service was running",
            _start_consequence(
                call,
                "When Pacemaker starts a service that runs already (after a lost result or an "
                "administrator's start), it takes this for a failed start, stops the healthy "
                "service and moves it away.",
            ),
            call,
        )
    sentence, consequence = _disturbance(call, run.service)
    escaped = _escapes_stop(run)
    if not sentence and escaped is not None:
        sentence = f"{said(call)}, and the stop that follows leaves the service running"
        consequence = FALSE_STOP if escaped.succeeded else FAILED_STOP
        if escaped.outcome == "no-answer":
            consequence = HANGING_STOP
        return broken(f"{sentence} ({escaped.answer})", consequence, call, escaped)
    if sentence:
        return broken(sentence, consequence, call)
    return holds("start said 0, and the same daemon ran before and after it", call)


def _escapes_stop(run: Transcript) -> Call | None:
    """The stop after the second start, if it left running what stop usually ends."""
    usual, last = run["cycle"].call("stop"), run["second-start"].call("stop")
    if usual is None or not usual.running_before or usual.running_after:
        return None
    return last if last is not None and last.running_before and last.running_after else None


def _failing_start(run: Transcript, name: ScenarioName) -> Judgement:
    call = asked_stopped(run, name, "start")
    fault = provoked(run, name, call)
    if call.running_after:
        return not_provoked("the service came up in spite of the fault", call, fault=fault)
    if call.succeeded:
        sentence = "start said 0, although nothing of the service runs after it"
        return broken(sentence, FALSE_START, call, fault=fault)
    if call.outcome == "no-answer":
        sentence = f"{said(call)} after its daemon had died, and had to be ended"
        return broken(sentence, HANGING_START, call, fault=fault)
    return holds(f"{said(call)}, and nothing of the service runs", call, fault=fault)


def _denies_running(run: Transcript, start_call: Call, fault: Fault) -> None:
    """Go on only if status does not claim that a service without its program runs."""
    call = run["missing-program"].call("status")
    if call is None or not (call.succeeded or call.outcome == "no-answer"):
        return
    consequence = FALSE_CLAIM if call.succeeded else HANGING_STATUS
    sentence = f"{said(call)}, although the program is missing"
    undecided(broken(sentence, consequence, start_call, call, fault=fault))


def _nothing_came_up(run: Transcript, call: Call) -> Judgement:
    reason = why_nothing_ran(run) or "no start was seen that left a process behind"
    hints = (
        ("a start that fails by itself and does not say 0 is what rule 3 asks for",)
        if not call.succeeded
        else ("--prepare COMMAND can enable a service that is disabled by default",)
    )
    return not_provoked(reason, call, remarks=hints)


def _start_consequence(call: Call, otherwise: str) -> str:
    return HANGING_START if call.outcome == "no-answer" else otherwise


def _disturbance(call: Call, service: Service | None) -> tuple[str, str]:
    """What the second start did to the running service, and the consequence; "" if nothing."""
    before, after = _daemons(call.before, service), _daemons(call.after, service)
    kept = [old for old in before if _is_among(old, call.after)]
    new = [late for late in after if not _is_among(late, call.before)]
    copies = [late for late in new if any(_is_alike(late, old) for old in before)]
    if not call.running_after or (before and not kept and not new):
        return f"{said(call)} and ended the running service", FALSE_START
    if copies and any(_is_alike(copies[0], old) for old in kept):
        return f"{said(call)} and started a second daemon, process {copies[0].pid}", SECOND
    if new and before and not kept:
        return f"{said(call)} and replaced process {before[0].pid} by {new[0].pid}", RESTARTED
    if copies:
        return f"{said(call)} and restarted a daemon, now process {copies[0].pid}", RESTARTED
    return "", ""


def _daemons(processes: tuple[Process, ...], service: Service | None) -> list[Process]:
    """The daemons themselves, without their workers and helpers.

    Those of the main program, where it is known, whose parent is not such a process.
    """
    living = [each for each in processes if each.state not in "ZX"]
    main = service.main if service else None
    ours = [each for each in living if main and each.exe == main.exe]
    if main and main.path != main.exe:
        ours = [each for each in ours if main.path in each.argv] or ours
    ours = ours or living
    pids = {each.pid for each in ours}
    return [each for each in ours if each.ppid not in pids]


def _is_among(process: Process, processes: tuple[Process, ...]) -> bool:
    return any(each.identity == process.identity and each.state not in "ZX" for each in processes)


def _is_alike(one: Process, other: Process) -> bool:
    return (one.exe, one.argv) == (other.exe, other.argv)
