"""Which calls are made, in which order, in which state: the scenarios, one private machine each.

The watched start comes first, since it shows what the service is. The others do not need each
other and run at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from lsbcheck import faults
from lsbcheck.sandbox.interface import Sandbox, SandboxLost, Watch
from lsbcheck.transcript import (
    UNKNOWN_ACTION,
    Bystander,
    Call,
    Fault,
    Process,
    Program,
    Scenario,
    ScenarioName,
    Service,
)
from lsbcheck.visit import (
    NOT_UP,
    OUT_OF_TIME,
    PATIENCE,
    NotUp,
    OutOfTime,
    Traveller,
    Unreached,
    Visit,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

CLOSE = 0.9
"""An answer later than this part of its limit is asked again, alone, with twice the limit."""

STARVED = 0.02
"""A call that waited for a processor for more than this part of its time is not believed when it
disappoints: asked again, alone, with twice the limit."""

_NOBODY = 65534


def watched_start(traveller: Traveller) -> tuple[Scenario, Service | None]:
    """Make the first start, and find out what the service is; raises SandboxUnavailable."""
    began = time.monotonic()
    service: Service | None = None

    def look(visit: Visit) -> None:
        nonlocal service
        call = visit.call("start")
        if call.after:
            service = _service(visit.sandbox, call.after, traveller)

    scenario = _travel("watched", look, ("exec",), traveller, None, again=False)
    return _timed(scenario, began), service


def _service(sandbox: Sandbox, survivors: tuple[Process, ...], traveller: Traveller) -> Service:
    files = _pid_files(sandbox)
    return Service(
        main=faults.find_main(survivors, files.values(), sandbox.execs(), traveller.argv[-1]),
        processes=survivors,
        listeners=tuple(sandbox.listeners()),
        pid_files=tuple(sorted(files)),
    )


def _pid_files(sandbox: Sandbox) -> dict[str, int]:
    found: dict[str, int] = {}
    for path in sandbox.changed_files():
        if path.endswith(".pid"):
            try:
                words = sandbox.read_file(path, 64).split()
            except OSError:
                continue
            if words and words[0].isdigit():
                found[path] = int(words[0])
    return found


def stopped(visit: Visit) -> None:
    """What the script answers while nothing runs."""
    visit.ask(UNKNOWN_ACTION)
    visit.ask("status")
    visit.call("stop")


def cycle(visit: Visit) -> None:
    """Start, status, stop: the way it should always go."""
    visit.call("start")
    visit.ask("status")
    visit.call("stop", gone=True)


def start_failure(visit: Visit, *, every_call: bool = False) -> None:
    """A start whose daemon exits with 1."""
    _failing_start(visit, "at-once", every_call=every_call)


def late_failure(visit: Visit) -> None:
    """A start whose daemon forks, and dies a moment later."""
    _failing_start(visit, "late", every_call=False)


def _failing_start(visit: Visit, failure: faults.Failure, *, every_call: bool) -> None:
    name = "program-fails" if failure == "at-once" else "program-fails-late"
    main = _main_of(visit, name)
    if main is None:
        return
    try:
        tried = faults.make_it_fail(visit.sandbox, main, failure, every_call=every_call)
    except OSError as refusal:
        why = f"{main.path} could not be replaced: {refusal.strerror}"
        visit.fault = Fault(name, f"replace {main.path}", effective=False, why=why)
        return
    call = visit.call("start")
    hit = every_call or faults.was_hit(main, visit.sandbox.execs())
    why = ""
    if not hit:
        why = "the daemon was not called with the command line of the watched start"
    elif call.running_after:
        why = "the service came up all the same"
    visit.fault = Fault(name, tried, effective=not why, why=why)


def _main_of(visit: Visit, name: str) -> Program | None:
    main = visit.service.main if visit.service else None
    if main is None:
        why = "no program start was seen that became the service"
        visit.fault = Fault(name, "find the daemon's command line", effective=False, why=why)
    return main


def missing_program(visit: Visit) -> None:
    """A start and a status without the program."""
    main = _main_of(visit, "program-missing")
    if main is None:
        return
    try:
        tried = faults.take_away(visit.sandbox, main)
    except OSError as refusal:
        why = f"{refusal.strerror}: {refusal.filename}"
        visit.fault = Fault("program-missing", "remove the program", effective=False, why=why)
        return
    call = visit.call("start")
    visit.ask("status")
    why = "the service came up all the same" if call.running_after else ""
    visit.fault = Fault("program-missing", tried, effective=not why, why=why)


def stop_failure(visit: Visit) -> None:
    """A stop whose signals are lost on a service that stands still (uninterruptible sleep)."""
    visit.start()
    pids = visit.main_pids
    visit.sandbox.inject("signals-swallowed", pids)
    visit.freeze()
    call = visit.call("stop", limit=visit.traveller.limits.stop)
    why = "" if call.running_after else "it stopped all the same"
    tried = "the service stands still and signals to it are lost, as in uninterruptible sleep"
    visit.fault = Fault("signals-swallowed", tried, effective=not why, why=why)


def refused_stop(visit: Visit) -> None:
    """A stop whose signals fail with EPERM."""
    visit.start()
    visit.sandbox.inject("signals-refused", visit.main_pids)
    call = visit.call("stop", limit=visit.traveller.limits.stop)
    why = ""
    if not call.running_after:
        why = "it stopped all the same, by other means than signals"
    elif not visit.sandbox.signals():
        why = "the script sent the service no signal"
    tried = "signals to the service fail with EPERM"
    visit.fault = Fault("signals-refused", tried, effective=not why, why=why)


def second_start(visit: Visit) -> None:
    """A start while it runs, and the stop after it, which may have lost its pid file."""
    visit.start()
    visit.call("start")
    visit.call("stop", gone=True)


def crash(visit: Visit) -> None:
    """A status after kill -9."""
    visit.start()
    visit.kill_all()
    visit.ask("status")


def suspended(visit: Visit) -> None:
    """A status while the service is stopped by SIGSTOP."""
    visit.start()
    visit.freeze()
    visit.ask("status")


def bystander(visit: Visit) -> None:
    """Two stops beside a process of another user that only has the daemon's name."""
    service = visit.service
    if service is None:
        return
    command = faults.put_bystander(visit.sandbox, service, visit.traveller.name)
    first = _spawn_bystander(visit, command)
    visit.call("stop")
    survived_stopped = _is_there(visit, first)
    second = first if survived_stopped else _spawn_bystander(visit, command)
    started = visit.call("start")
    if not started.running_after:
        raise Unreached("the service does not start beside a process that bears its name")
    visit.call("stop", gone=True)
    visit.bystander = Bystander(
        argv=command,
        survived_stop=_is_there(visit, second),
        survived_stop_when_stopped=survived_stopped,
    )


def _spawn_bystander(visit: Visit, command: Sequence[str]) -> tuple[int, int]:
    pid = visit.sandbox.spawn(command, uid=_NOBODY)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        for one in visit.sandbox.processes():
            if one.pid == pid and one.exe == command[0]:  # it has become the program
                visit.base.add(one.identity)
                return one.identity
    raise SandboxLost("the bystander did not start")


def _is_there(visit: Visit, identity: tuple[int, int]) -> bool:
    return any(one.identity == identity for one in visit.sandbox.processes())


def restart(visit: Visit) -> None:
    """The two other actions that the LSB requires."""
    visit.call("restart")
    if not visit.calls[-1].running_after:
        visit.call("start")
    visit.call("force-reload")
    visit.call("restart")


ROUTES: Mapping[ScenarioName, tuple[Callable[[Visit], None], tuple[Watch, ...]]] = {
    "stopped": (stopped, ()),
    "cycle": (cycle, ()),
    "start-failure": (start_failure, ("exec",)),
    "stop-failure": (stop_failure, ("signals",)),
    "second-start": (second_start, ()),
    "crash": (crash, ()),
    "suspended": (suspended, ()),
    "missing-program": (missing_program, ()),
    "late-failure": (late_failure, ("exec",)),
    "refused-stop": (refused_stop, ("signals",)),
    "bystander": (bystander, ()),
    "restart": (restart, ()),
}
"""Each scenario after the watched start: its calls, and what its sandbox must watch."""

WITHOUT_SERVICE: tuple[ScenarioName, ...] = ("stopped", "cycle")
"""What is worth a look when a start leaves no process."""

PROVOKED: tuple[ScenarioName, ...] = (
    "start-failure",
    "stop-failure",
    "missing-program",
    "late-failure",
    "refused-stop",
    "bystander",
)
"""What replaces files or falsifies calls, and so needs a sandbox that isolates."""


def travel(
    name: ScenarioName, traveller: Traveller, service: Service | None, *, again: bool = False
) -> Scenario:
    """Make one scenario in a sandbox of its own; raises SandboxUnavailable."""
    began = time.monotonic()
    route, watches = ROUTES[name]
    scenario = _travel(name, route, watches, traveller, service, again=again)
    fault = scenario.fault
    if name == "start-failure" and fault is not None and _missed(fault):
        # the command line changes from start to start: fail for every one
        blunt = _travel(name, _blunt_start_failure, watches, traveller, service, again=again)
        if blunt.fault is not None and blunt.fault.effective:
            scenario = blunt
    return _timed(scenario, began)


def _timed(scenario: Scenario, began: float) -> Scenario:
    return replace(scenario, seconds=time.monotonic() - began)


def _blunt_start_failure(visit: Visit) -> None:
    start_failure(visit, every_call=True)


def _missed(fault: Fault) -> bool:
    return not fault.effective and "command line of the watched start" in fault.why


def _travel(
    name: str,
    route: Callable[[Visit], None],
    watches: tuple[Watch, ...],
    traveller: Traveller,
    service: Service | None,
    *,
    again: bool,
) -> Scenario:
    scenario = Scenario(name)
    try:
        with traveller.backend.create(watches, traveller.visible) as sandbox:
            visit = Visit(traveller, sandbox, service, again=again)
            scenario = _made(name, visit, lambda: route(visit))
            if not traveller.backend.isolates:
                visit.leave()
    except SandboxLost as lost:  # our own limits bent what was seen, as it turned out at the end
        scenario = replace(scenario, error=str(lost))
    return scenario


def _made(name: str, visit: Visit, route: Callable[[], None]) -> Scenario:
    """Go this way; what was seen before it ended early is kept."""
    unreached = error = ""
    try:
        visit.arrive()
        route()
    except Unreached as reason:
        unreached = str(reason)
    except NotUp:
        error = NOT_UP
    except OutOfTime:
        error = OUT_OF_TIME
    except SandboxLost as lost:
        error = str(lost)
    except OSError as failure:
        error = f"the sandbox did not do it: {failure.strerror}: {failure.filename}"
    return Scenario(name, tuple(visit.calls), visit.fault, visit.bystander, error, unreached)


def is_doubtful(scenario: Scenario) -> bool:
    """Whether another load might have changed what was seen.

    An answer came near to its limit, the service did not come up although it can, or a call was
    starved and did not do what it should: scripts have time limits of their own.
    """
    return scenario.error == NOT_UP or any(
        _is_close(call) or (_is_starved(call) and _disappoints(call, scenario))
        for call in scenario.calls
    )


def _is_close(call: Call) -> bool:
    return call.outcome != "no-answer" and call.seconds > CLOSE * call.limit


def _is_starved(call: Call) -> bool:
    return call.late > STARVED * call.seconds


def _disappoints(call: Call, scenario: Scenario) -> bool:
    """Not 0 though nothing was made to fail, or no answer where a prompt one is usual."""
    if call.outcome == "no-answer":
        return scenario.name != "stop-failure"  # of all limits the most generous, and often met
    if call.action == "status":
        return scenario.name == "cycle" and call.running_before and not call.succeeded
    made_to_fail = scenario.fault is not None and call is scenario.calls[-1]
    return call.action != UNKNOWN_ACTION and not made_to_fail and not call.succeeded
