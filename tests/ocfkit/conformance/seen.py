"""Transcripts of an agent to try a rule on, written as data.

`seen()` is an agent that keeps every rule; `seen(crash=(start(0), monitor(0, at=DOWN)))` is the
same agent except in the scenario `crash`. Exit codes are numbers, `HANGS` is no answer and `KILLED`
is death by SIGKILL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from lsbcheck.transcript import Fault, Process, Program, Service
from ocfkit.conformance.description import parse
from ocfkit.conformance.transcript import (
    ILL_TYPED,
    INSTANCE,
    REASON_PREFIX,
    SECOND_INSTANCE,
    UNKNOWN_ACTION,
    Call,
    Scenario,
    ScenarioName,
    Start,
    State,
    Transcript,
)

Answer = int | Literal["hangs", "killed"]
HANGS: Answer = "hangs"
KILLED: Answer = "killed"

Step = Call | Fault
PATH = "/usr/lib/ocf/resource.d/test/ponger"
CANARY = "canary-0123456789abcdef"

META_DATA = """\
<?xml version="1.0"?>
<resource-agent name="ponger" version="0.9">
<version>1.1</version>
<longdesc lang="en">Runs a service that says pong.</longdesc>
<shortdesc lang="en">Says pong</shortdesc>
<parameters>
<parameter name="name" required="1">
<longdesc lang="en">What it is called.</longdesc><shortdesc lang="en">Name</shortdesc>
<content type="string"/>
</parameter>
<parameter name="port" unique-group="port">
<longdesc lang="en">Where it listens.</longdesc><shortdesc lang="en">Port</shortdesc>
<content type="integer" default="7007"/>
</parameter>
<parameter name="password">
<longdesc lang="en">Of nobody.</longdesc><shortdesc lang="en">Password</shortdesc>
<content type="string"/>
</parameter>
</parameters>
<actions>
<action name="start" timeout="20s"/>
<action name="stop" timeout="20s"/>
<action name="monitor" timeout="20s" interval="10s" depth="0"/>
<action name="monitor" timeout="20s" interval="60s" depth="10"/>
<action name="promote" timeout="20s"/>
<action name="demote" timeout="20s"/>
<action name="reload-agent" timeout="20s"/>
<action name="meta-data" timeout="5s"/>
<action name="validate-all" timeout="20s"/>
</actions>
</resource-agent>
"""


def process(pid: int = 100, word: str = "foo", *, ppid: int = 1, state: str = "S") -> Process:
    """A process of the service called `word`."""
    argv = ("/usr/sbin/pongd", word)
    return Process(pid, pid * 10, ppid, state, 0, "pongd", "/usr/sbin/pongd", argv)


MAIN = Program("/usr/sbin/pongd", "/usr/sbin/pongd", ("/usr/sbin/pongd", "foo"))
DAEMON, OTHER = process(), process(200, "bar")
DOWN = State()
UP = State((DAEMON,), frozenset({"tcp 127.0.0.1:7007"}), {"/run/pongd-foo.pid": "100"})
FROZEN = replace(UP, processes=(process(state="T"),))
BOTH = State((DAEMON, OTHER), frozenset({"tcp 127.0.0.1:7007", "tcp 127.0.0.1:7008"}))
SECOND = State((OTHER,), frozenset({"tcp 127.0.0.1:7008"}))

GIVEN: Mapping[str, str] = {"name": "foo"}
FOR_SECOND: Mapping[str, str] = {"name": "bar", "port": "7008"}


def call(
    action: str,
    answer: Answer,
    at: State = DOWN,
    then: State | None = None,
    *,
    parameters: Mapping[str, str] = GIVEN,
    level: int = 0,
    instance: str = INSTANCE,
    uid: int = 0,
    seconds: float = 0.1,
    processor: float | None = None,
    stdout: str = "",
    stderr: str | None = None,
) -> Call:
    """A call, what there was before it, and what there was after it if that is something else.

    A failure has a reason, unless standard error is told.
    """
    environ = {f"OCF_RESKEY_{name}": value for name, value in parameters.items()}
    environ |= {"OCF_RESOURCE_INSTANCE": instance}
    if level:
        environ["OCF_CHECK_LEVEL"] = str(level)
    failed = answer not in (0, 3, 7, 8) and isinstance(answer, int)
    codes = {"hangs": None, "killed": 9}
    return Call(
        action,
        argv=(PATH, action),
        environ=environ,
        uid=uid,
        outcome="exited" if isinstance(answer, int) else _OUTCOMES[answer],
        code=answer if isinstance(answer, int) else codes[answer],
        seconds=20.0 if answer == HANGS else seconds,
        limit=20.0,
        stdout=stdout,
        stderr=f"{REASON_PREFIX}it is so\n" * failed if stderr is None else stderr,
        before=at,
        after=at if then is None else then,
        processor=processor,
    )


_OUTCOMES: Mapping[str, Literal["no-answer", "killed"]] = {"hangs": "no-answer", "killed": "killed"}


def meta_data(answer: Answer = 0, stdout: str = META_DATA, **more: Any) -> Call:  # noqa: ANN401
    return call("meta-data", answer, stdout=stdout, **more)


def start(answer: Answer, then: State | None = None, **more: Any) -> Call:  # noqa: ANN401
    """A start of what is stopped; if it says 0, the service is up afterwards."""
    return call("start", answer, DOWN, then or (UP if answer == 0 else DOWN), **more)


def start_again(answer: Answer, then: State = UP, **more: Any) -> Call:  # noqa: ANN401
    """A start of what runs."""
    return call("start", answer, UP, then, **more)


def stop(answer: Answer, then: State | None = None, at: State = UP, **more: Any) -> Call:  # noqa: ANN401
    """A stop of what runs; if it says 0, nothing is left of it."""
    return call("stop", answer, at, then or (DOWN if answer == 0 else at), **more)


def stop_again(answer: Answer, **more: Any) -> Call:  # noqa: ANN401
    """A stop of what is stopped."""
    return call("stop", answer, **more)


def monitor(answer: Answer, at: State | None = None, **more: Any) -> Call:  # noqa: ANN401
    """A monitor, which is right about whether the service runs unless `at` says something else."""
    return call("monitor", answer, at or (UP if answer in (0, 8, 190, 191) else DOWN), **more)


def validate(answer: Answer, **more: Any) -> Call:  # noqa: ANN401
    return call("validate-all", answer, **more)


def fault(name: str, *, effective: bool = True, why: str = "") -> Fault:
    """A failure that was provoked, or not."""
    return Fault(name, f"{name} was provoked", effective, why)


FAILS, MISSING = fault("program-fails"), fault("program-missing")
SWALLOWED, FOREIGN = fault("signals-swallowed"), fault("foreign-pid")


def scenario(name: str, steps: tuple[Step, ...] = (), **more: Any) -> Scenario:  # noqa: ANN401
    """A scenario out of calls and at most one fault."""
    calls = tuple(step for step in steps if isinstance(step, Call))
    faults = [step for step in steps if isinstance(step, Fault)]
    return Scenario(name, calls, faults[0] if faults else None, **more)


def cycle(*, changed: Mapping[int, Call] | None = None) -> tuple[Call, ...]:
    """The ten calls of the cycle, some of them others, by their place:

    0 probe, 1 start, 2 3 4 monitors, 5 start, 6 monitor, 7 stop, 8 monitor, 9 stop.
    """
    calls = [
        monitor(7),
        start(0),
        *(monitor(0), monitor(0), monitor(0)),
        start_again(0),
        monitor(0),
        stop(0),
        monitor(7),
        stop_again(0),
    ]
    for place, one in (changed or {}).items():
        calls[place] = one
    return tuple(calls)


def bad_parameters(
    *,
    start_says: Answer = 6,
    validate_says: Answer = 6,
    monitor_says: Answer = 7,
    stop_says: Answer = 0,
) -> tuple[Call, ...]:
    """The scenario of that name: the name missing, empty, then the port no number."""
    made: list[Call] = []
    for wrong in ({}, {"name": ""}, {**GIVEN, "port": ILL_TYPED}):
        made += [
            validate(validate_says, parameters=wrong),
            start(start_says, parameters=wrong),
            monitor(monitor_says, DOWN, parameters=wrong),
            stop_again(stop_says, parameters=wrong),
        ]
    return tuple(made)


def instances(*, changed: Mapping[int, Call] | None = None) -> tuple[Call, ...]:
    """The nine calls of that scenario, some of them others, by their place:

    0 start, 1 probe of the second, 2 its start, 3 4 monitors, 5 stop, 6 7 monitors, 8 stop of the
    second.
    """
    calls = [
        start(0),
        of_second("monitor", 7, UP),
        of_second("start", 0, UP, BOTH),
        monitor(0, BOTH),
        of_second("monitor", 0, BOTH),
        stop(0, SECOND, BOTH),
        monitor(7, SECOND),
        of_second("monitor", 0, SECOND),
        of_second("stop", 0, SECOND, DOWN),
    ]
    for place, one in (changed or {}).items():
        calls[place] = one
    return tuple(calls)


def of_second(
    action: str,
    answer: Answer,
    at: State,
    then: State | None = None,
    *,
    parameters: Mapping[str, str] = FOR_SECOND,
) -> Call:
    """A call for the second resource."""
    return call(action, answer, at, then, instance=SECOND_INSTANCE, parameters=parameters)


def told(*words: str, **more: Any) -> Scenario:  # noqa: ANN401
    """The scenario `secrets`, in which a program was started with these words."""
    return scenario(
        "secrets",
        (validate(0), start(0), monitor(0), monitor(0, level=10), stop(0)),
        **{"starts": (Start(("/usr/sbin/pongd", *words), ()),), **more},
    )


_WELL: Mapping[str, Scenario] = {
    each.name: each
    for each in (
        scenario("meta-data", (meta_data(),) * 3 + (meta_data(uid=65534),) + (meta_data(),) * 3),
        scenario("cycle", cycle()),
        scenario(
            "stopped",
            (
                call(UNKNOWN_ACTION, 3),
                stop_again(0),
                *(monitor(7), monitor(7)),
                validate(0),
                monitor(7),
                *(call(each, 3) for each in ("notify", "reload", "migrate_to", "recover")),
            ),
        ),
        scenario(
            "levels",
            (
                start(0),
                *(monitor(0, level=level) for level in (0, 10, 11, 17)),
                stop(0),
            ),
        ),
        scenario(
            "optional",
            (
                start(0),
                *(call("promote", 0, UP), call("promote", 0, UP), monitor(8)),
                *(call("demote", 0, UP), call("demote", 0, UP), monitor(0)),
                *(validate(0, at=UP), monitor(0)),
                *(call("reload-agent", 0, UP), monitor(0)),
                stop(0),
            ),
        ),
        scenario("crash", (start(0), monitor(7), stop_again(0), start(0), monitor(0), stop(0))),
        scenario(
            "frozen",
            (start(0), monitor(0, FROZEN), monitor(1, FROZEN, level=10), stop(0, at=FROZEN)),
        ),
        scenario("foreign-pid", (FOREIGN, start(0), monitor(7), stop_again(0)), bystander=True),
        scenario("silent-listener", (start(0), monitor(7), monitor(7, level=10))),
        scenario("stranger", (monitor(7), start(1), monitor(7), stop_again(0)), bystander=True),
        scenario("missing-program", (MISSING, monitor(7), start(5), stop_again(0))),
        scenario("start-failure", (FAILS, start(1), monitor(7))),
        scenario("stop-failure", (SWALLOWED, start(0), stop(1, at=FROZEN))),
        scenario("bad-parameters", bad_parameters()),
        scenario("defaults", (validate(0), start(0), monitor(0), stop(0))),
        scenario("instances", instances()),
        told("foo"),
        scenario(
            "nobody",
            tuple(
                call(each, 4, uid=65534) for each in ("validate-all", "monitor", "start", "stop")
            ),
        ),
        scenario("person", (start(0), monitor(0), stop(0))),
    )
}

SCENARIOS = tuple(_WELL)


def seen(*changes: tuple[str, str], **scenarios: tuple[Step, ...] | Scenario) -> Transcript:
    """An agent that keeps every rule, but for these scenarios (`start_failure=` is one of them).

    `changes`: what stands in its meta-data, and what stands there instead.
    """
    made = dict(_WELL)
    for name, steps in scenarios.items():
        called = name.replace("_", "-")
        made[called] = steps if isinstance(steps, Scenario) else scenario(called, steps)
    xml = META_DATA
    for old, new in changes:
        assert old in xml, old
        xml = xml.replace(old, new)
    return Transcript(
        agent=PATH,
        name="ponger",
        description=parse(xml),
        parameters=GIVEN,
        secrets={"password": CANARY},
        service=Service(MAIN, (DAEMON,), tuple(UP.listeners), ("/run/pongd-foo.pid",)),
        schemas={"pcs, OCF 1.1": "", "Pacemaker": ""},
        scenarios=made,
    )


def unreached(name: str, why: str = "start ended with exit 1 (generic error)") -> Scenario:
    """A scenario that stopped before it began."""
    return scenario(name, unreached=why)


def out_of_time(name: ScenarioName, calls: int) -> Scenario:
    """A scenario of an agent that is well, with time for so many calls."""
    whole = seen()[name]
    return replace(
        whole,
        calls=whole.calls[:calls],
        fault=whole.fault if calls else None,
        bystander=None,
        unreached="the time for the whole check is over",
        out_of_time=True,
    )


def erring(name: str) -> Scenario:
    """A scenario in which the check itself failed."""
    return scenario(name, error="the sandbox died")


def without(name: str, run: Transcript | None = None) -> Transcript:
    """The transcript without a scenario."""
    run = run or seen()
    kept = {each: one for each, one in run.scenarios.items() if each != name}
    return replace(run, scenarios=kept)


def without_description(why: str = "it is no XML: syntax error") -> Transcript:
    """An agent whose meta-data nobody can read, but for that the same."""
    return replace(seen(), description=None, why_no_description=why, secrets={}, schemas={})


def without_processes() -> Transcript:
    """An agent that starts nothing: a file is there, or not."""
    here = State(files={"/run/ponger": "1"})
    run = seen()

    def bare(state: State) -> State:
        return here if state.processes else DOWN

    made = {
        name: replace(
            one,
            calls=tuple(
                replace(each, before=bare(each.before), after=bare(each.after))
                for each in one.calls
            ),
        )
        for name, one in run.scenarios.items()
    }
    nothing = "the agent leaves no process running"
    for name in ("crash", "frozen", "foreign-pid", "missing-program", "start-failure"):
        made[name] = unreached(name, nothing)
    return replace(run, service=None, scenarios=made)


_WITHOUT_A_START = ("cycle", "bad-parameters", "defaults", "instances", "nobody", "person")
"""They go on whatever the first start says."""


def that_does_not_start(answer: Answer = 1) -> Transcript:
    """An agent whose start fails from the first."""
    run = seen()
    no = scenario(
        "cycle",
        (
            *(monitor(7), start(answer), monitor(7), monitor(7), monitor(7)),
            *(start(answer), monitor(7), stop_again(0), monitor(7), stop_again(0)),
        ),
    )
    later = {
        name: unreached(name)
        for name in SCENARIOS
        if run.scenarios[name].of("start") and name not in _WITHOUT_A_START
    }
    return replace(run, service=None, scenarios={**run.scenarios, **later, "cycle": no})
