"""Which calls are made, in which order, in which state: the scenarios, one private machine each.

The watched start comes first, since it shows what the service is. The others do not need each
other and run at the same time. Running and stopped are told by the processes that are there,
never by what the script says.
"""

from __future__ import annotations

import posixpath
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lsbcheck import faults
from lsbcheck.sandbox.interface import Backend, Ran, Sandbox, SandboxLost, Watch
from lsbcheck.transcript import (
    UNKNOWN_ACTION,
    Bystander,
    Call,
    Fault,
    Outcome,
    Process,
    Program,
    Scenario,
    ScenarioName,
    Service,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}
"""All that a script may rely on (LSB: not on the caller's PATH, USER, LOGNAME, …)."""

CLOSE = 0.9
"""An answer later than this part of its limit is asked again, alone, with twice the limit."""

OUT_OF_TIME = "the time for the whole script was over (--script-timeout)"
NOT_UP = "the service came up in the watched start, and here it did not"

_SETTLE_AT_MOST = 8.0
"""Seconds for a service that comes up or goes down late (seven of 122 took a while to die)."""

_NOBODY = 65534
_OUTPUT_LINES = 20
_OUTPUT_CHARACTERS = 4000
_FREEZING = 5.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds."""

    call: float
    """For each call of the script."""
    stop: float
    """For a stop that is made to fail, which a correct script may drag out."""
    quiet: float
    """The set of processes is settled when it has not changed for so long."""
    script_end: float | None = None
    """On the clock of time.monotonic(): when the whole script must be done."""

    def doubled(self) -> Limits:
        """For a close call that is asked again."""
        return replace(self, call=2 * self.call, stop=2 * self.stop)


class Unreached(Exception):  # noqa: N818 - not an error: the itinerary cannot go on
    """Why a scenario stopped early, in words; the rules will say that it was not provoked."""


class NotUp(Exception):  # noqa: N818 - see above
    """The service, which came up in the watched start, did not come up in this scenario."""


class OutOfTime(Exception):  # noqa: N818 - see above
    """The time for the whole script is over."""


@dataclass(frozen=True, slots=True)
class Traveller:
    """What every scenario of one script shares."""

    argv: tuple[str, ...]
    """The script as it is called, without its action."""
    backend: Backend
    limits: Limits
    visible: tuple[str, ...] = ()
    """Folders of the host that must be seen at their own path."""
    carried: tuple[tuple[str, bytes, int], ...] = ()
    """Files put into every sandbox first: path, content, mode."""
    prepare: str | None = None
    """A command for /bin/sh, run in every sandbox before the script."""

    @property
    def name(self) -> str:
        """The script's name."""
        return posixpath.basename(self.argv[-1])


class Visit:
    """One sandbox under way: makes calls and writes down what was there before and after."""

    def __init__(
        self, traveller: Traveller, sandbox: Sandbox, service: Service | None, *, again: bool
    ) -> None:
        """Nothing is done before `arrive`."""
        self.traveller = traveller
        self.sandbox = sandbox
        self.service = service
        self.again = again
        self.calls: list[Call] = []
        self.fault: Fault | None = None
        self.bystander: Bystander | None = None
        self.base: set[tuple[int, int]] = set()

    def arrive(self) -> None:
        """Carry in the files and prepare; what runs then is not the service's."""
        for path, content, mode in self.traveller.carried:
            self.sandbox.put_file(path, content, mode)
        if self.traveller.prepare is not None:
            self._prepare(self.traveller.prepare)
        self.base = {one.identity for one in self.sandbox.processes()}

    def _prepare(self, command: str) -> None:
        ran = self.sandbox.run(
            ("/bin/sh", "-c", command), env=ENVIRONMENT, deadline=self.traveller.limits.call
        )
        if ran.code != 0:
            said = (ran.stderr or ran.stdout).strip().splitlines()
            how = "did not end in time" if ran.timed_out else f"ended with {ran.code}"
            raise SandboxLost(f"the command of --prepare {how}: {said[-1] if said else 'silent'}")
        self.sandbox.settle(self.traveller.limits.quiet, _SETTLE_AT_MOST)

    def leave(self) -> None:
        """Stop the service as it wants to be stopped: nothing else undoes what it left behind."""
        self.sandbox.send_signal(self.main_pids, signal.SIGCONT)
        self._run("stop", self.traveller.limits.call, [])

    def others(self) -> list[Process]:
        """Every process that was not there at first."""
        return [one for one in self.sandbox.processes() if one.identity not in self.base]

    def runs(self, processes: Iterable[Process]) -> bool:
        """Whether one of the processes is the service's own."""
        main = self.service.main if self.service else None
        return any(faults.belongs(one, main) for one in processes)

    def call(self, action: str, *, limit: float | None = None, gone: bool = False) -> Call:
        """Call the script, wait until all is quiet, and write it down.

        `gone`: what runs now is expected to leave, and is given a moment for it.
        """
        limits = self.traveller.limits
        before = self.others()
        ran, granted = self._run(action, limits.call if limit is None else limit, before)
        leaving = [one.identity for one in before if self.runs([one])] if gone else []
        after = self.sandbox.settle(limits.quiet, _SETTLE_AT_MOST, self.base, leaving)
        return self._write_down(action, ran, granted, before, after)

    def ask(self, action: str) -> Call:
        """Call the script for an answer that starts and stops nothing: no settling."""
        before = self.others()
        ran, granted = self._run(action, self.traveller.limits.call, before)
        return self._write_down(action, ran, granted, before, self.others())

    def _run(self, action: str, limit: float, before: list[Process]) -> tuple[Ran, float]:
        """Call the script; how it ended, and the time that it was given."""
        end = self.traveller.limits.script_end
        if end is not None:
            limit = min(limit, end - time.monotonic())
            if limit <= 0:
                raise OutOfTime
        argv = (*self.traveller.argv, action)
        ran = self.sandbox.run(argv, env=ENVIRONMENT, deadline=limit)
        if ran.timed_out and end is not None and time.monotonic() >= end:
            # its own limit was not over: this is no answer that a rule may judge
            self._write_down(action, ran, limit, before, self.others())
            raise OutOfTime
        return ran, limit

    def _write_down(
        self, action: str, ran: Ran, limit: float, before: list[Process], after: list[Process]
    ) -> Call:
        outcome: Outcome = "exited"
        if ran.timed_out:
            outcome = "no-answer"
        elif ran.signal is not None:
            outcome = "killed"
        lines = (ran.stdout + ran.stderr).splitlines()
        call = Call(
            action=action,
            argv=ran.argv,
            outcome=outcome,
            code=None if ran.timed_out else ran.signal if ran.code is None else ran.code,
            seconds=ran.seconds,
            limit=limit,
            output="\n".join(lines[-_OUTPUT_LINES:])[-_OUTPUT_CHARACTERS:],
            running_before=self.runs(before),
            running_after=self.runs(after),
            before=tuple(before),
            after=tuple(after),
            asked_again=self.again,
        )
        self.calls.append(call)
        return call

    def start(self) -> list[Process]:
        """Start the service, which must come up as it did in the watched start."""
        call = self.call("start")
        if not call.running_after:
            raise NotUp
        return list(call.after)

    @property
    def main_pids(self) -> list[int]:
        """Every process that the start has brought."""
        return [one.pid for one in self.others()]

    def kill_all(self) -> None:
        """SIGKILL everything that the start has brought, until nothing is left."""
        until = time.monotonic() + _FREEZING
        while (pids := self.main_pids) and time.monotonic() < until:
            self.sandbox.send_signal(pids, signal.SIGKILL)
        self.sandbox.settle(self.traveller.limits.quiet / 2, _SETTLE_AT_MOST, self.base)

    def freeze(self) -> list[int]:
        """SIGSTOP everything that the start has brought, until all of it stands still."""
        until = time.monotonic() + _FREEZING
        while time.monotonic() < until:
            moving = [one.pid for one in self.others() if one.state not in "Tt"]
            if not moving:
                break
            self.sandbox.send_signal(moving, signal.SIGSTOP)
        return self.main_pids


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
    until = time.monotonic() + _FREEZING
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


def _travel(  # noqa: PLR0913 - each of them is needed, and a record would only wrap them
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

    An answer came near to its limit, or the service did not come up although it can.
    """
    return scenario.error == NOT_UP or any(
        call.outcome != "no-answer" and call.seconds > CLOSE * call.limit for call in scenario.calls
    )
