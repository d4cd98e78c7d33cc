"""Transcripts to try a rule on, written as data.

`seen()` is a script that keeps every rule; `seen(cycle=(start(0), status(3)))` is the same script
except in the scenario `cycle`. Exit codes are numbers, `HANGS` is no answer and `KILLED` is death
by SIGKILL.
"""

from __future__ import annotations

from typing import Literal

from lsbcheck.transcript import (
    UNKNOWN_ACTION,
    Bystander,
    Call,
    Fault,
    Process,
    Program,
    Scenario,
    Service,
    Transcript,
)

Answer = int | Literal["hangs", "killed"]
Step = Call | Fault | Bystander

HANGS: Answer = "hangs"
KILLED: Answer = "killed"
USAGE = "Usage: /etc/init.d/sample {start|stop|status|restart|force-reload}"

MAIN = Program("/usr/sbin/sampled", "/usr/sbin/sampled", ("/usr/sbin/sampled", "-f"))
HEADER = {
    "Provides": "sample",
    "Required-Start": "$remote_fs $syslog",
    "Required-Stop": "$remote_fs $syslog",
    "Default-Start": "2 3 4 5",
    "Default-Stop": "0 1 6",
    "Short-Description": "a service to try rules on",
}


def process(
    pid: int = 100,
    *,
    ppid: int = 1,
    argv: tuple[str, ...] = MAIN.argv,
    exe: str = MAIN.exe,
    state: str = "S",
) -> Process:
    """A process of the service, the daemon itself unless told otherwise."""
    return Process(pid, pid * 10, ppid, state, 0, exe.rpartition("/")[2][:15], exe, argv)


DAEMON = process()


def call(
    action: str,
    answer: Answer,
    before: tuple[Process, ...] = (),
    after: tuple[Process, ...] = (),
    output: str | None = None,
) -> Call:
    """A call with the service's processes around it; it runs where there are any."""
    limit = 60.0
    codes = {"hangs": None, "killed": 9}
    return Call(
        action,
        argv=("/etc/init.d/sample", action),
        outcome=(
            "no-answer" if answer == "hangs" else "killed" if answer == "killed" else "exited"
        ),
        code=answer if isinstance(answer, int) else codes[answer],
        seconds=limit if answer == "hangs" else 0.1,
        limit=limit,
        output=f"{action}: {answer}" if output is None else output,
        running_before=bool(before),
        running_after=bool(after),
        before=before,
        after=after,
    )


def start(answer: Answer, *, up: bool = True) -> Call:
    """A start of the stopped service."""
    return call("start", answer, after=(DAEMON,) if up else ())


def start_again(answer: Answer, *, after: tuple[Process, ...] = (DAEMON,)) -> Call:
    """A start of the running service, and what runs after it."""
    return call("start", answer, (DAEMON,), after)


def status(answer: Answer, *, up: bool = True, output: str | None = None) -> Call:
    """A status, of the running service unless told otherwise."""
    seen_processes = (DAEMON,) if up else ()
    return call("status", answer, seen_processes, seen_processes, output)


def stop(answer: Answer, *, left: bool = False) -> Call:
    """A stop of the running service, and whether it was left running."""
    return call("stop", answer, (DAEMON,), (DAEMON,) if left else ())


def stop_again(answer: Answer, *, output: str | None = None) -> Call:
    """A stop of the stopped service."""
    return call("stop", answer, output=output)


def restart(
    answer: Answer, *, was_up: bool = True, up: bool = True, output: str | None = None
) -> Call:
    """A restart, which leaves a new process behind."""
    after = (process(200),) if up else ()
    return call("restart", answer, (DAEMON,) if was_up else (), after, output)


def force_reload(answer: Answer, *, up: bool = True, output: str | None = None) -> Call:
    """A force-reload of the running service."""
    return call("force-reload", answer, (DAEMON,), (DAEMON,) if up else (), output)


def unknown(answer: Answer, output: str = USAGE) -> Call:
    """The answer to the action that does not exist."""
    return call(UNKNOWN_ACTION, answer, output=output)


def unimplemented(
    action: str, answer: Answer = 1, *, up: bool = False, output: str = USAGE
) -> Call:
    """A call answered as `unknown(answer)` is."""
    processes = (DAEMON,) if up else ()
    return call(action, answer, processes, processes, output)


def fault(name: str, *, effective: bool = True, why: str = "") -> Fault:
    """A provoked failure."""
    return Fault(name, f"{name} was provoked", effective, why)


FAILS = fault("program-fails")
FAILS_LATE = fault("program-fails-late")
MISSING = fault("program-missing")
SWALLOWED = fault("signals-swallowed")
REFUSED = fault("signals-refused")


def bystander(*, running: bool = True, stopped: bool = True) -> Bystander:
    """A bystander, and whether it survived the stop of the running and of the stopped service."""
    return Bystander(("/opt/user/sampled",), running, stopped)


def scenario(
    name: str, steps: tuple[Step, ...], *, unreached: str = "", error: str = ""
) -> Scenario:
    """A scenario out of calls, at most one fault and at most one bystander."""
    calls = tuple(step for step in steps if isinstance(step, Call))
    faults = [step for step in steps if isinstance(step, Fault)]
    bystanders = [step for step in steps if isinstance(step, Bystander)]
    return Scenario(
        name,
        calls,
        faults[0] if faults else None,
        bystanders[0] if bystanders else None,
        error,
        unreached,
    )


_HEALTHY: dict[str, tuple[Step, ...]] = {
    "watched": (start(0),),
    "stopped": (unknown(1), status(3, up=False), stop_again(0)),
    "cycle": (start(0), status(0), stop(0)),
    "start-failure": (FAILS, start(1, up=False)),
    "stop-failure": (SWALLOWED, start(0), stop(1, left=True)),
    "second-start": (start(0), start_again(0), stop(0)),
    "crash": (start(0), status(1, up=False)),
    "suspended": (start(0), status(4)),
    "missing-program": (MISSING, start(5, up=False), status(3, up=False)),
    "late-failure": (FAILS_LATE, start(1, up=False)),
    "refused-stop": (REFUSED, start(0), stop(4, left=True)),
    "bystander": (bystander(), stop_again(0), start(0), stop(0)),
    "restart": (restart(0, was_up=False), force_reload(0), restart(0)),
}


def seen(**scenarios: tuple[Step, ...] | Scenario) -> Transcript:
    """A script that keeps every rule, but for these scenarios (`late_failure=` is one of them)."""
    changed = {name.replace("_", "-"): steps for name, steps in scenarios.items()}
    return Transcript(
        script="/etc/init.d/sample",
        header=HEADER,
        service=Service(MAIN, (DAEMON,)),
        scenarios={
            name: steps if isinstance(steps, Scenario) else scenario(name, steps)
            for name, steps in (_HEALTHY | changed).items()
        },
    )


def seen_without_processes(
    start_answer: Answer, status_answer: Answer, *, status_after: Answer | None = None
) -> Transcript:
    """A script whose start never leaves a process: a one-shot, or a service that fails here."""
    began = start(start_answer, up=False)
    later = status(status_answer if status_after is None else status_after, up=False)
    return Transcript(
        script="/etc/init.d/sample",
        header=HEADER,
        scenarios={
            "watched": scenario("watched", (began,)),
            "stopped": scenario(
                "stopped", (unknown(1), status(status_answer, up=False), stop_again(0))
            ),
            "cycle": scenario("cycle", (began, later), unreached="the service did not come up"),
        },
    )


def with_header(header: dict[str, str] | None, *faults: str) -> Transcript:
    """A transcript in which nothing was run, only the header block was read."""
    return Transcript("/etc/init.d/sample", header=header, header_faults=faults)
