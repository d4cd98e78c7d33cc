"""Rules on what an agent says of a service that was broken before its eyes."""

from __future__ import annotations

import posixpath
from itertools import takewhile

from lsbcheck.faults import program_file
from lsbcheck.transcript import Program
from ocfkit.conformance.rules.registry import (
    Judgement,
    asked,
    broken,
    does_not_apply,
    holds,
    is_active,
    not_provoked,
    provoked,
    require_reach,
    rule,
    said,
    started,
    undecided,
    with_processes,
)
from ocfkit.conformance.transcript import Call, ScenarioName, Transcript

_MONITOR = "OCF Resource Agent API 1.1, Actions: monitor"


def _reached(run: Transcript, name: ScenarioName) -> None:
    if run[name].unreached:
        undecided(not_provoked(run[name].unreached, *run[name].calls[-1:]))


def _crashed(run: Transcript) -> Call:
    """The monitor after the crash; undecided where something brought the service back."""
    with_processes(run)
    _reached(run, "crash")
    call = asked(run, "crash", "monitor")
    back = [one for one in call.before.processes if one.state not in "ZX"]
    if back:
        sentence = f"process {back[0].pid} `{back[0].comm}` was there again before the monitor"
        undecided(not_provoked(sentence, call))
    return call


def _level(call: Call) -> str:
    return call.environ.get("OCF_CHECK_LEVEL", "0")


def _frozen(run: Transcript) -> list[Call]:
    """The monitors of what stands still; undecided where it does not."""
    with_processes(run)
    _reached(run, "frozen")
    calls = run["frozen"].of("monitor")
    for call in calls:
        moving = [one for one in call.before.processes if one.state not in "TtZX"]
        if moving or not call.before.processes:
            what = f"process {moving[0].pid} `{moving[0].comm}`" if moving else "the service"
            undecided(not_provoked(f"{what} did not stand still", call))
    return calls


@rule(
    "monitor-after-crash",
    source=f"{_MONITOR}, not 0 when the resource does not run",
    consequence="The service is gone, and the cluster shows it as running.",
    needs=("crash",),
)
def monitor_after_crash(run: Transcript) -> Judgement:
    """A monitor after every process was killed does not say that the service runs."""
    call = _crashed(run)
    if is_active(call):
        return broken(f"every process was killed, and {said(call)}", call)
    if call.outcome == "no-answer":
        return broken(f"every process was killed, and {said(call)}", call)
    return holds(f"every process was killed, and {said(call)}", call)


@rule(
    "recovery-after-crash",
    source="Pacemaker recovers by stop and start: both have to succeed after a crash",
    consequence="The node is fenced for a stop that had nothing to stop.",
    needs=("crash",),
)
def recovery_after_crash(run: Transcript) -> Judgement:
    """After a crash a stop says 0, and a start brings the service up."""
    _crashed(run)
    stop, start = asked(run, "crash", "stop"), asked(run, "crash", "start", 1)
    if not stop.succeeded:
        return broken(f"after the crash, {said(stop)}", stop)
    if not start.succeeded:
        return broken(f"after the crash and a stop, {said(start)}", stop, start)
    call = asked(run, "crash", "monitor", 1)
    if not is_active(call):
        return broken(f"after the recovery, {said(call)}", stop, start, call)
    return holds("stop and start said 0, and the monitor found the service", stop, start, call)


@rule(
    "monitor-when-frozen",
    source="a support team's fifty calls: a suspended process passes a check of its pid",
    consequence="Nobody is served, and the cluster shows the service as running.",
    profile="pacemaker",
    needs=("frozen",),
)
def monitor_when_frozen(run: Transcript) -> Judgement:
    """The deepest monitor does not say that a service which stands still works."""
    calls = _frozen(run)
    if not calls:
        return not_provoked("no monitor was called")
    deepest = calls[-1]
    level = _level(deepest)
    if is_active(deepest):
        return broken(f"every process stands still, and {said(deepest)} (level {level})", deepest)
    passed = [_level(call) for call in calls if is_active(call) and _level(call) != level]
    remarks = (f"level {', '.join(passed)} takes it for running",) if passed else ()
    return holds(f"every process stands still, and {said(deepest)}", deepest, remarks=remarks)


@rule(
    "frozen-service-can-be-stopped",
    source=f"{_MONITOR}; stop may use force where that does no harm to data",
    consequence="The node is fenced for a service that SIGKILL would have ended.",
    profile="pacemaker",
    needs=("frozen",),
)
def frozen_service_can_be_stopped(run: Transcript) -> Judgement:
    """A stop of a service that stands still ends it in its time."""
    _frozen(run)
    call = asked(run, "frozen", "stop")
    if not call.succeeded:
        return broken(said(call), call)
    left = [one for one in call.end.processes if one.state not in "ZX"]
    if left:
        return broken(f"{said(call)}, and process {left[0].pid} `{left[0].comm}` is left", call)
    return holds(f"{said(call)}, and nothing is left", call)


@rule(
    "foreign-process-is-not-the-service",
    source="resource-agents issue 496: a stale pid file, and the process that got the number since",
    consequence=(
        "A service that is gone passes for running, and a stop kills a process of somebody else."
    ),
    needs=("foreign-pid",),
)
def foreign_process_is_not_the_service(run: Transcript) -> Judgement:
    """A pid file that names another program is not believed, and that program survives a stop."""
    with_processes(run)
    scenario = run["foreign-pid"]
    if scenario.unreached == "no pid file was found":
        return does_not_apply("the agent keeps no pid file")
    _reached(run, "foreign-pid")
    fault = provoked(run, "foreign-pid")
    monitor, stop = asked(run, "foreign-pid", "monitor"), asked(run, "foreign-pid", "stop")
    if is_active(monitor):
        return broken(f"the process is somebody else's, and {said(monitor)}", monitor, fault=fault)
    if scenario.bystander is None:
        return not_provoked("whether the other process survived was not seen", monitor, stop)
    if not scenario.bystander:
        return broken("stop killed the process of somebody else", monitor, stop, fault=fault)
    if not stop.succeeded:
        return broken(f"{said(stop)}, although the service is gone", monitor, stop, fault=fault)
    return holds(f"{said(monitor)}, and the other process survived the stop", monitor, stop)


@rule(
    "silent-listener-is-not-the-service",
    source="research of peers: wget and curl hang on a listener that never answers",
    consequence="The monitor is killed at its timeout, and nobody learns where it hung.",
    profile="pacemaker",
    needs=("silent-listener",),
)
def silent_listener_is_not_the_service(run: Transcript) -> Judgement:
    """The deepest monitor answers in time, and not 0, where something listens and says nothing."""
    with_processes(run)
    _require_port(run)
    _reached(run, "silent-listener")
    calls = run["silent-listener"].of("monitor")
    for call in calls:
        if call.outcome == "no-answer":
            return broken(said(call), call)
    if not calls:
        return not_provoked("no monitor was called")
    if is_active(calls[-1]):
        return broken(f"nothing of the service runs, and {said(calls[-1])}", calls[-1])
    return holds(f"{said(calls[-1])} in {calls[-1].seconds:.1f} s", calls[-1])


@rule(
    "stranger-on-the-port-is-not-the-service",
    source=f"{_MONITOR}, 0 only while the resource itself runs; start, not 0 if it is not up",
    consequence="The cluster shows a service as running that could not take its port.",
    needs=("stranger",),
)
def stranger_on_the_port_is_not_the_service(run: Transcript) -> Judgement:
    """Where somebody else has the port, neither a probe nor a start passes him for the service."""
    with_processes(run)
    _require_port(run)
    _reached(run, "stranger")
    probe, start = asked(run, "stranger", "monitor"), asked(run, "stranger", "start")
    if is_active(probe):
        return broken(f"before any start, {said(probe)}", probe)
    if start.succeeded and not start.end.processes:
        return broken(f"{said(start)}, and nothing of the service runs", start)
    after = asked(run, "stranger", "monitor", 1)
    if start.succeeded and not is_active(after):
        return broken(f"{said(start)}, and {said(after)}", start, after)
    if start.succeeded:
        return not_provoked("the service came up all the same", probe, start)
    return holds(f"{said(start)}", probe, start)


@rule(
    "stranger-on-the-port-survives",
    source="resource-agents issue 496: an agent that killed what it had not started",
    consequence="A recovery takes down what somebody else serves on this node.",
    needs=("stranger",),
)
def stranger_on_the_port_survives(run: Transcript) -> Judgement:
    """Whoever else has the port is not killed by a start or a stop."""
    with_processes(run)
    _require_port(run)
    _reached(run, "stranger")
    start, stop = asked(run, "stranger", "start"), asked(run, "stranger", "stop")
    if run["stranger"].bystander is None:
        return not_provoked("nobody looked whether the other one survived", start, stop)
    if not run["stranger"].bystander:
        return broken("the process that had the port is gone", start, stop)
    return holds("the process that had the port survived start and stop", start, stop)


def _require_port(run: Transcript) -> None:
    listeners = run.service.listeners if run.service else ()
    if not any(each.startswith("tcp ") for each in listeners):
        undecided(does_not_apply("the service listens on no TCP port"))


@rule(
    "missing-program-is-told",
    source="OCF Resource Agent API 1.1, Exit codes: 5, the software is not installed on this host",
    consequence=(
        "Pacemaker tries again where it can never succeed, or takes the service for active on a "
        "node that does not have it."
    ),
    needs=("missing-program",),
)
def missing_program_is_told(run: Transcript) -> Judgement:
    """Without the service's program a probe says 7 or 5, a start 5 and a stop 0."""
    with_processes(run)
    _require_a_file(run)
    _reached(run, "missing-program")
    fault = provoked(run, "missing-program")
    probe = asked(run, "missing-program", "monitor")
    start, stop = asked(run, "missing-program", "start"), asked(run, "missing-program", "stop")
    wrong: Call | None = None
    if not probe.exited(5, 7):
        wrong = probe
    elif not start.exited(5):
        wrong = start
    elif not stop.succeeded:
        wrong = stop
    if wrong is not None:
        return broken(f"without the program, {said(wrong)}", wrong, fault=fault)
    return holds(f"{said(probe)}, {said(start)}, {said(stop)}", probe, start, stop)


_INSTEAD_OF_A_FILE = {
    **dict.fromkeys(("sh", "dash", "bash", "ksh", "zsh", "busybox"), "c"),
    "python": "mc",
    "perl": "eE",
    "ruby": "e",
    "lua": "e",
    "node": "e",
}
"""What an interpreter is called, and the letters of its options for a module or a text."""


def _require_a_file(run: Transcript) -> None:
    """Go on only where the service is a program, and not what an interpreter was told to run."""
    main = run.service.main if run.service else None
    if main is not None and not program_file(main) and _is_told(main):
        name = posixpath.basename(main.path)
        sentence = f"{name} runs a module or a text: the service has no program of its own"
        undecided(does_not_apply(sentence))


def _is_told(interpreter: Program) -> bool:
    """Whether it has an option for what it is to run; a word before that would be a file."""
    name = posixpath.basename(interpreter.exe).rstrip("0123456789.")
    letters = _INSTEAD_OF_A_FILE.get(name, "")
    options = takewhile(lambda word: word.startswith("-"), interpreter.argv[1:])
    return any(word[1:].isalpha() and word[-1] in letters for word in options)


@rule(
    "start-failure-is-told",
    source="OCF Resource Agent API 1.1, Actions: start, an error if the resource is not fully up",
    consequence="The cluster shows a service as running that never came up.",
    needs=("start-failure",),
)
def start_failure_is_told(run: Transcript) -> Judgement:
    """A start whose program fails does not say 0."""
    with_processes(run)
    _reached(run, "start-failure")
    fault = provoked(run, "start-failure")
    call = asked(run, "start-failure", "start")
    if call.succeeded:
        return broken(f"its program failed, and {said(call)}", call, fault=fault)
    if call.outcome == "no-answer":
        return broken(f"its program failed at once, and {said(call)}", call, fault=fault)
    return holds(said(call), call)


@rule(
    "stop-failure-is-told",
    source="OCF Resource Agent API 1.1, Actions: stop, an error if anything of it is left",
    consequence="The service is started on another node while it still runs here: both write.",
    needs=("stop-failure",),
)
def stop_failure_is_told(run: Transcript) -> Judgement:
    """A stop that could not end the service does not say 0."""
    with_processes(run)
    _reached(run, "stop-failure")
    fault = provoked(run, "stop-failure")
    call = asked(run, "stop-failure", "stop")
    if call.succeeded:
        left = call.end.processes[0]
        sentence = f"process {left.pid} `{left.comm}` runs, and {said(call)}"
        return broken(sentence, call, fault=fault)
    return holds(said(call), call)


@rule(
    "nobody-gets-an-answer",
    source="OCF Resource Agent API 1.1, Exit codes: 4, insufficient privileges",
    consequence="A tool without root shows a traceback, or a service that is not there.",
    profile="strict",
    needs=("nobody",),
)
def nobody_gets_an_answer(run: Transcript) -> Judgement:
    """Without root every action ends with a defined code, and a start does not pretend."""
    _reached(run, "nobody")
    require_reach(run["nobody"].calls)
    for call in run["nobody"].calls:
        if call.outcome != "exited" or call.code not in (0, 1, 2, 3, 4, 5, 6, 7):
            return broken(said(call), call)
        if "Traceback (most recent call last)" in call.stderr:
            return broken(f"{said(call)}, with a traceback", call)
    start = asked(run, "nobody", "start")
    if start.succeeded and run.service is not None and not start.end.processes:
        return broken(f"{said(start)}, and nothing runs", start)
    return holds(", ".join(map(said, run["nobody"].calls)), *run["nobody"].calls)


@rule(
    "no-person-is-needed",
    source="Pacemaker's executor sets no HOME, no USER, no TERM and no terminal",
    consequence="The agent works where its author tries it, and fails in the cluster.",
    needs=("person",),
)
def no_person_is_needed(run: Transcript) -> Judgement:
    """The agent does the same in the executor's bare environment as in that of a person's shell."""
    bare = [asked(run, "cycle", "start"), asked(run, "cycle", "stop")]
    _reached(run, "person")
    rich = [asked(run, "person", "start"), asked(run, "person", "stop")]
    for one, other in zip(bare, rich, strict=True):
        if (one.outcome, one.code) != (other.outcome, other.code):
            return broken(f"{said(one)}, and with HOME, USER and TERM {other.answer}", one, other)
    if not bare[0].succeeded:
        started(run)
    return holds("the same in both", *bare)
