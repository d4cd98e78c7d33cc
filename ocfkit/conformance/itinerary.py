"""Which calls are made, in which order, in which state: the scenarios, one private machine each.

The first cycle comes first, since it shows what the agent runs. The others do not need each other
and run at the same time. No scenario knows an agent: what is made to fail was found by looking.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from lsbcheck import faults
from lsbcheck.sandbox.interface import SandboxLost
from lsbcheck.transcript import Fault, Service
from ocfkit.conformance import listener, plan, traces
from ocfkit.conformance.description import DescriptionError, parse
from ocfkit.conformance.stand_ins import NODE
from ocfkit.conformance.transcript import (
    ACTIVE,
    ILL_TYPED,
    OPTIONAL,
    SECOND_INSTANCE,
    UNKNOWN_ACTION,
    Scenario,
    ScenarioName,
)
from ocfkit.conformance.visit import NOBODY, PATH, OutOfTime, Traveller, Unreached, Visit
from ocfkit.launchers import OCF_ROOT

if TYPE_CHECKING:
    from lsbcheck.sandbox.interface import Watch

REGULAR = 10.0
"""Seconds between the monitors of a resource that runs; a probe has none."""

CLOSE = 0.9
"""An answer later than this part of its limit came near to it."""

STARVED = 0.02
"""A call that waited for a processor for more than this part of its time is not believed when it
came near to its limit."""

PERSON = {
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "SHELL": "/bin/sh",
    "TERM": "xterm",
    "LANG": "C.UTF-8",
    "PWD": "/",
}
"""What a person's shell has, and the cluster's executor has not."""


def meta_data(visit: Visit) -> None:
    """The meta-data, as the cluster, a tool, nobody and an empty environment get it."""
    agent = visit.traveller.agent
    tool = {
        "PATH": PATH,
        "OCF_ROOT": OCF_ROOT,
        "OCF_RA_VERSION_MAJOR": "1",
        "OCF_RA_VERSION_MINOR": "1",
        "OCF_RESOURCE_INSTANCE": agent.name,
        "OCF_RESOURCE_TYPE": agent.name,
        "OCF_RESOURCE_PROVIDER": agent.provider,
    }
    visit.call("meta-data", instance=agent.name, parameters={})  # as of a type, and no resource
    visit.call_in(tool, "meta-data")
    visit.call_in(tool, "meta-data")
    visit.call_in({"PATH": PATH, "OCF_ROOT": OCF_ROOT}, "meta-data")
    visit.call_in(tool | {"OCF_OUTPUT_FORMAT": "text"}, "meta-data")
    visit.call_in(tool | PERSON, "meta-data")
    visit.call_in(tool, "meta-data", uid=NOBODY)


def cycle(visit: Visit) -> None:
    """From a probe to a second stop, the way that it should always go."""
    visit.call("monitor")
    visit.call("start")
    visit.call("monitor", interval=REGULAR)  # at once: a start is over when the service is there
    visit.outlast()
    visit.settle()
    visit.call("monitor", interval=REGULAR)
    visit.call("monitor", interval=REGULAR)
    visit.call("start", settle=True)
    visit.call("monitor", interval=REGULAR)
    visit.call("stop", settle=True)
    visit.call("monitor")
    visit.call("stop", settle=True)


def stopped(visit: Visit) -> None:
    """What it answers while nothing runs; the last call of each has a word too many."""
    visit.call(UNKNOWN_ACTION)
    visit.call("stop")
    visit.call("monitor")
    visit.call("monitor", interval=REGULAR)
    visit.call("validate-all")
    visit.call("monitor", words=("and", "more"))
    for action in OPTIONAL:
        if not visit.traveller.advertises(action):
            visit.call(action)
            if visit.others():  # it does what it does not advertise
                visit.kill_all()


def levels(visit: Visit) -> None:
    """Monitors of each level that is advertised, and of two that are not."""
    visit.start()
    advertised = plan.levels(visit.traveller)
    deepest = max(advertised)
    for level in (*advertised, deepest + 1, deepest + 7):
        visit.call("monitor", level=level, interval=REGULAR)
    visit.call("stop", settle=True)


def optional(visit: Visit) -> None:
    """Every action beyond the usual ones that is advertised, in a state that it is for.

    Last those that the agent alone knows: whatever they do, only a stop comes behind them.
    """
    visit.start()
    roles = {
        f"OCF_RESKEY_CRM_meta_{name}": value for name, value in plan.notification("start").items()
    }
    for action in ("notify", "promote", "promote", "monitor", "demote", "demote", "monitor"):
        if action == "monitor" or visit.traveller.advertises(action):
            more = roles if action == "notify" else None
            visit.call(action, more=more, interval=REGULAR if action == "monitor" else 0)
    for action in ("validate-all", "reload", "reload-agent", "recover"):
        if visit.traveller.advertises(action):
            visit.call(action)
            visit.call("monitor", interval=REGULAR)
    if visit.traveller.advertises("migrate_to"):
        elsewhere = {
            "OCF_RESKEY_CRM_meta_migrate_source": NODE,
            "OCF_RESKEY_CRM_meta_migrate_target": f"{NODE}-2",
        }
        visit.call("migrate_to", more=elsewhere, settle=True)
        visit.call("migrate_from", more=elsewhere, settle=True)
        visit.call("monitor", interval=REGULAR)
    for action in plan.of_its_own(visit.traveller):
        visit.call(action, settle=True)
    visit.call("stop", settle=True)


def crash(visit: Visit) -> None:
    """Everything is killed by SIGKILL; then a monitor, and what recovery does."""
    visit.start()
    traces.require_processes(visit)
    visit.kill_all()
    visit.call("monitor", interval=REGULAR)
    visit.call("stop", settle=True)
    visit.call("start", settle=True)
    visit.call("monitor", interval=REGULAR)
    visit.call("stop", settle=True)


def frozen(visit: Visit) -> None:
    """Everything stands still by SIGSTOP; monitors of each level, deepest last.

    That one is asked again when a cluster would: it may go by the age of the last sign of life.
    """
    visit.start()
    traces.require_processes(visit)
    visit.freeze()
    *others, deepest = plan.levels(visit.traveller)
    for level in others:
        visit.call("monitor", level=level, interval=REGULAR)
    if visit.call("monitor", level=deepest, interval=REGULAR).exited(*ACTIVE):
        visit.let_pass(REGULAR)
        visit.call("monitor", level=deepest, interval=REGULAR)
    visit.call("stop", settle=True)


def foreign_pid(visit: Visit) -> None:
    """The service is gone, and its pid files name a process that is somebody else's."""
    visit.start()
    files = traces.pid_files(visit)
    if not files:
        raise Unreached("no pid file was found")
    visit.kill_all()
    # not its name: no process of the service is called like that
    path = "/.ocfkit-check/somebody"
    visit.put(path, faults.sleeper(os.uname().machine), 0o755)
    somebody = visit.bystand((path,))
    for file in files:
        visit.put(file, b"%d\n" % somebody[0])
    visit.fault = Fault("foreign-pid", f"{', '.join(files)}: {somebody[0]}", effective=True)
    visit.call("monitor", interval=REGULAR)
    visit.call("stop", settle=True)
    visit.bystander = visit.is_there(somebody)


def silent_listener(visit: Visit) -> None:
    """The service is gone, and a program that says nothing listens where it did."""
    visit.start()
    places = traces.tcp(visit)
    traces.require_processes(visit)
    if not places:
        raise Unreached("the service listens on no TCP port")
    visit.kill_all()
    _listen(visit, places)
    for level in plan.levels(visit.traveller):
        visit.call("monitor", level=level, interval=REGULAR)


def stranger(visit: Visit) -> None:
    """Somebody else listens on the service's ports before it is started."""
    places = traces.tcp(visit)
    if not places:
        raise Unreached("the service listens on no TCP port")
    somebody = _listen(visit, places)
    visit.call("monitor")
    visit.call("start", settle=True)
    visit.call("monitor", interval=REGULAR)
    visit.call("stop", settle=True)
    visit.bystander = visit.is_there(somebody)


def missing_program(visit: Visit) -> None:
    """The service's program is not there."""
    main = traces.main(visit)
    tried = _tried("program-missing", visit, lambda: faults.take_away(visit.sandbox, main))
    if not tried:
        return
    visit.call("monitor")
    call = visit.call("start", settle=True)
    why = "the service came up all the same" if call.end.processes else ""
    visit.fault = Fault("program-missing", tried, effective=not why, why=why)
    visit.call("stop", settle=True)


def start_failure(visit: Visit) -> None:
    """The service's program exits with 1 when it is called as in a good start."""
    main = traces.main(visit)
    tried = _tried(
        "program-fails", visit, lambda: faults.make_it_fail(visit.sandbox, main, "at-once")
    )
    if not tried:
        return
    call = visit.call("start", settle=True)
    why = ""
    if call.end.processes:
        why = "the service came up all the same"
    elif not faults.was_hit(main, visit.sandbox.execs()):
        why = "the daemon was not called with the command line of the first start"
    visit.fault = Fault("program-fails", tried, effective=not why, why=why)
    visit.call("monitor", interval=REGULAR)


def stop_failure(visit: Visit) -> None:
    """The service stands still and signals to it are lost, as in uninterruptible sleep."""
    visit.start()
    traces.require_processes(visit)
    visit.sandbox.inject("signals-swallowed", [one.pid for one in visit.others()])
    visit.freeze()
    call = visit.call("stop", settle=True)
    why = "" if call.end.processes else "it stopped all the same"
    tried = "the service stands still and signals to it are lost, as in uninterruptible sleep"
    visit.fault = Fault("signals-swallowed", tried, effective=not why, why=why)


def bad_parameters(visit: Visit) -> None:
    """Parameters that are missing, empty or no value of their type, while nothing runs.

    Each is tried with validate-all; with a start, a probe and a stop too what is required, and
    the first one of a type.
    """
    given = visit.traveller.parameters
    for number, parameter in enumerate(plan.required(visit.traveller)):
        without = {name: value for name, value in given.items() if name != parameter.name}
        for values in (without, without | {parameter.name: ""}):
            visit.call("validate-all", parameters=values)
            if number == 0:
                for action in ("start", "monitor", "stop"):
                    visit.call(action, parameters=values)
                visit.kill_all()
    for number, parameter in enumerate(plan.typed(visit.traveller)):
        wrong = {**given, parameter.name: ILL_TYPED}
        visit.call("validate-all", parameters=wrong)
        if number == 0:
            for action in ("start", "monitor", "stop"):
                visit.call(action, parameters=wrong)
            visit.kill_all()


def defaults(visit: Visit) -> None:
    """What is advertised as a default, said outright: nothing may differ from the first start.

    It is asked for again: a default may be named after the resource.
    """
    try:
        described = parse(visit.call("meta-data").stdout).parameters
    except DescriptionError as error:
        raise Unreached(str(error)) from None
    said = {
        each.name: each.default
        for each in described
        if each.default is not None and each.name not in visit.traveller.parameters
    }
    if not said:
        raise Unreached("the meta-data has no default that the user has not set")
    parameters = {**said, **visit.traveller.parameters}
    visit.call("validate-all", parameters=parameters)
    visit.call("start", parameters=parameters, settle=True)
    visit.call("monitor", parameters=parameters, interval=REGULAR)
    visit.call("stop", parameters=parameters, settle=True)


def instances(visit: Visit) -> None:
    """Two resources side by side: the second is started, stopped and started beside the first."""
    second = {**visit.traveller.parameters, **plan.second(visit.traveller)}
    visit.call("start", settle=True)
    visit.call("monitor", instance=SECOND_INSTANCE, parameters=second)
    visit.call("start", instance=SECOND_INSTANCE, parameters=second, settle=True)
    visit.call("monitor", interval=REGULAR)
    visit.call("monitor", instance=SECOND_INSTANCE, parameters=second, interval=REGULAR)
    visit.call("stop", settle=True)
    visit.call("monitor")
    visit.call("monitor", instance=SECOND_INSTANCE, parameters=second, interval=REGULAR)
    visit.call("stop", instance=SECOND_INSTANCE, parameters=second, settle=True)


def secrets(visit: Visit) -> None:
    """A cycle with every secret set to a value that is found wherever it goes."""
    visit.call("validate-all")
    visit.call("start", settle=True)
    for level in plan.levels(visit.traveller):
        visit.call("monitor", level=level, interval=REGULAR)
    visit.call("stop", settle=True)


def nobody(visit: Visit) -> None:
    """As a user who is not root, while nothing runs."""
    for action in ("validate-all", "monitor", "start", "stop"):
        visit.call(action, uid=NOBODY, settle=action == "start")


def person(visit: Visit) -> None:
    """The same cycle in the environment of a person's shell."""
    for action in ("start", "monitor", "stop"):
        interval = REGULAR if action == "monitor" else 0.0
        visit.call(action, more=PERSON, interval=interval, settle=action != "monitor")


Route = Callable[[Visit], None]

ROUTES: Mapping[ScenarioName, tuple[Route, tuple[Watch, ...]]] = {
    "meta-data": (meta_data, ()),
    "cycle": (cycle, ("exec",)),
    "stopped": (stopped, ()),
    "levels": (levels, ()),
    "optional": (optional, ()),
    "crash": (crash, ()),
    "frozen": (frozen, ()),
    "foreign-pid": (foreign_pid, ()),
    "silent-listener": (silent_listener, ()),
    "stranger": (stranger, ()),
    "missing-program": (missing_program, ()),
    "start-failure": (start_failure, ("exec",)),
    "stop-failure": (stop_failure, ("signals",)),
    "bad-parameters": (bad_parameters, ()),
    "defaults": (defaults, ()),
    "instances": (instances, ()),
    "secrets": (secrets, ("exec",)),
    "nobody": (nobody, ()),
    "person": (person, ()),
}
"""Each scenario: its calls, and what its machine must watch."""


def travel(name: ScenarioName, traveller: Traveller) -> tuple[Scenario, Service | None]:
    """Make one scenario in a machine of its own, and see what it runs; raises SandboxUnavailable.

    Of the service the first cycle tells; None from every other.
    """
    began = time.monotonic()
    scenario = Scenario(name)
    service: Service | None = None
    watches = ROUTES[name][1]
    try:
        traveller.require_time()
        with traveller.backend.create(watches, traveller.agent.visible) as sandbox:
            visit = Visit(traveller, sandbox)
            scenario = _walked(name, visit)
            if name == "cycle" and not scenario.error:
                service = traces.service(visit, scenario)
    except OutOfTime as over:
        scenario = replace(scenario, unreached=str(over), out_of_time=True)
    except SandboxLost as lost:  # our own limits bent what was seen, as it turned out at the end
        scenario = replace(scenario, error=str(lost))
    return replace(scenario, seconds=time.monotonic() - began), service


def _walked(name: ScenarioName, visit: Visit) -> Scenario:
    """What was seen on the way, to its end or to where it ended early."""
    route, watches = ROUTES[name]
    starts = "exec" in watches
    try:
        visit.arrive()
        route(visit)
        return visit.scenario(name, starts=starts)
    except Unreached as reason:
        seen, over = visit.scenario(name, starts=starts), isinstance(reason, OutOfTime)
        return replace(seen, unreached=str(reason), out_of_time=over)
    except SandboxLost as lost:
        error = str(lost)
    except OSError as failure:
        error = f"the sandbox did not do it: {failure.strerror}: {failure.filename}"
    return Scenario(name, tuple(visit.calls), visit.fault, error=error)


def is_doubtful(scenario: Scenario) -> bool:
    """Whether another load might have changed what was seen: a call was starved and came late."""
    return any(
        call.late > STARVED * call.seconds and call.seconds > CLOSE * call.limit
        for call in scenario.calls
    )


# --- what is done to it ---------------------------------------------------------------------------


def _tried(name: str, visit: Visit, do: Callable[[], str]) -> str:
    """What was done, in words; "" if it could not be, which the fault then tells."""
    try:
        return do()
    except OSError as refusal:
        why = f"{refusal.strerror}: {refusal.filename}"
        visit.fault = Fault(name, "replace the program", effective=False, why=why)
        return ""


def _listen(visit: Visit, places: Iterable[tuple[str, int]]) -> tuple[int, int]:
    """Who listens there now: his identity."""
    try:
        return listener.put(visit, places)
    except listener.NoInterpreter as lack:
        raise Unreached(str(lack)) from None
