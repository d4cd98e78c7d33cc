"""The calls of every scenario, in a small world that stands for a sandbox."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from lsbcheck import faults, itinerary, transcript, visit
from lsbcheck.itinerary import ROUTES, is_doubtful, travel, watched_start
from lsbcheck.sandbox.interface import Ran
from lsbcheck.transcript import (
    UNKNOWN_ACTION,
    Call,
    Fault,
    Program,
    Scenario,
    ScenarioName,
    Service,
)
from lsbcheck.visit import ENVIRONMENT, NOT_UP, OUT_OF_TIME, Limits, Traveller
from tests.lsbcheck.world import (
    DAEMON,
    PID_FILE,
    SCRIPT,
    Log,
    World,
    Worlds,
    after,
    comes_to_nothing,
    hangs,
    is_lost,
    says,
    takes,
)

SERVICE = Service(Program(DAEMON, DAEMON, (DAEMON, "-f")))
LIMITS = Limits(call=60, stop=100, quiet=0.5)
NAMES: tuple[ScenarioName, ...] = ("watched", *ROUTES)


def traveller(backend: Worlds, limits: Limits = LIMITS) -> Traveller:
    return Traveller(argv=(SCRIPT,), backend=backend, limits=limits)


def go(
    name: ScenarioName,
    backend: Worlds | None = None,
    *,
    limits: Limits = LIMITS,
    prepare: str | None = None,
    carried: str = "",
) -> Scenario:
    """Make one scenario; `carried` is the path of a file that is carried in."""
    who = replace(traveller(backend or Worlds(), limits), prepare=prepare)
    if carried:
        who = replace(who, carried=((carried, b"#!/bin/sh\n", 0o755),), visible=("/home",))
    return watched_start(who)[0] if name == "watched" else travel(name, who, SERVICE)


def log_of(name: ScenarioName, backend: Worlds | None = None) -> Log:
    """What was done to the world, without the settling."""
    backend = backend or Worlds()
    go(name, backend)
    assert len(backend.made) == 1
    return [event for event in backend.made[0].log if event[0] != "settle"]


def promised() -> dict[str, list[tuple[str, bool | None]]]:
    """What the docstring of `ScenarioName` says: for each scenario its calls, and whether the
    service runs before each of them (None where it does not say).
    """
    source = Path(transcript.__file__).read_text(encoding="utf-8")
    found: dict[str, list[tuple[str, bool | None]]] = {}
    for name, text in re.findall(r"^- `([a-z-]+)`: ((?:.|\n  )*)", source, re.MULTILINE):
        plain = re.sub(r"`[^`]*`|\([^)]*\)", "", text)
        action = r"\b(UNKNOWN_ACTION|start|stop|status|restart|force-reload)\b(?: \[(\w+)\])?"
        calls = re.findall(action, plain)
        for_all = re.search(r"all \[(\w+)\]", plain)
        states = {"running": True, "stopped": False, "": None}
        found[name] = [
            (
                UNKNOWN_ACTION if word == "UNKNOWN_ACTION" else word,
                states[for_all[1] if for_all else state],
            )
            for word, state in calls
        ]
    return found


class TestEveryScenario:
    def test_is_described(self) -> None:
        assert set(promised()) == set(NAMES)
        assert all(promised().values())

    @pytest.mark.parametrize("name", NAMES)
    def test_makes_the_calls_that_are_described(self, name: ScenarioName) -> None:
        scenario = go(name)
        assert [call.action for call in scenario.calls] == [word for word, _ in promised()[name]]
        for call, (word, runs) in zip(scenario.calls, promised()[name], strict=True):
            assert runs in (None, call.running_before), (word, runs)
        assert (scenario.name, scenario.error, scenario.unreached) == (name, "", "")

    @pytest.mark.parametrize("name", NAMES)
    def test_has_a_machine_of_its_own_and_leaves_none(self, name: ScenarioName) -> None:
        backend = Worlds()
        go(name, backend)
        assert [world.destroyed for world in backend.made] == [True]

    @pytest.mark.parametrize("name", NAMES)
    def test_calls_the_script_with_a_bare_environment(self, name: ScenarioName) -> None:
        backend = Worlds()
        go(name, backend)
        for argv, env, _ in backend.calls:
            assert argv[0] == SCRIPT
            assert len(argv) == 2
            assert env == ENVIRONMENT

    @pytest.mark.parametrize("name", NAMES)
    def test_gives_each_call_its_limit(self, name: ScenarioName) -> None:
        backend = Worlds()
        go(name, backend)
        long = [argv[1] for argv, _, limit in backend.calls if limit == LIMITS.stop]
        short = [argv[1] for argv, _, limit in backend.calls if limit == LIMITS.call]
        assert len(long) + len(short) == len(backend.calls)
        assert long == (["stop"] if name in ("stop-failure", "refused-stop") else [])

    @pytest.mark.parametrize("name", NAMES)
    def test_does_not_count_what_was_there_before(self, name: ScenarioName) -> None:
        for call in go(name).calls:
            assert not [one for one in (*call.before, *call.after) if one.comm == "was-here"]

    @pytest.mark.parametrize("name", NAMES)
    def test_carries_files_in_and_prepares_before_the_first_call(self, name: ScenarioName) -> None:
        backend = Worlds()
        go(name, backend, carried="/home/x", prepare="touch /etc/enabled")
        assert backend.visible == [("/home",)]
        log = backend.made[0].log
        assert log[0] == ("put", "/home/x")
        assert log[1] == ("run", "-c", "touch /etc/enabled")

    @pytest.mark.parametrize("name", NAMES)
    def test_counts_what_preparing_has_started_as_there_before(self, name: ScenarioName) -> None:
        backend = Worlds()

        def prepare(world: World, ran: Ran) -> Ran:
            world.add(50, "/usr/sbin/database", ("database",))
            return ran

        backend.prepare = prepare
        for call in go(name, backend, prepare="database").calls:
            assert not [one for one in (*call.before, *call.after) if one.pid == 50]

    @pytest.mark.parametrize("name", NAMES)
    def test_that_cannot_be_prepared_is_an_error_with_the_reason(self, name: ScenarioName) -> None:
        backend = Worlds()
        backend.prepare = lambda _, ran: replace(ran, code=3, stderr="a\nno such user\n")
        scenario = go(name, backend, prepare="x")
        assert scenario.error == "the command of --prepare ended with 3: no such user"
        assert scenario.calls == ()
        assert backend.made[0].destroyed

    @pytest.mark.parametrize("name", NAMES)
    def test_whose_preparing_hangs_is_an_error(self, name: ScenarioName) -> None:
        backend = Worlds()
        backend.prepare = hangs
        scenario = go(name, backend, prepare="x")
        assert scenario.error == "the command of --prepare did not end in time: silent"

    @pytest.mark.parametrize("name", NAMES)
    def test_that_cannot_be_given_its_files_is_an_error(self, name: ScenarioName) -> None:
        backend = Worlds()
        backend.read_only = True
        scenario = go(name, backend, carried="/etc/init.d/x")
        assert "Read-only file system: /etc/init.d/x" in scenario.error

    @pytest.mark.parametrize("name", [name for name in NAMES if len(promised()[name]) > 1])
    def test_keeps_what_was_seen_when_the_sandbox_dies(self, name: ScenarioName) -> None:
        actions = [word for word, _ in promised()[name]]
        backend = Worlds({actions[-1]: after(actions.count(actions[-1]) - 1, is_lost)})
        scenario = go(name, backend)
        assert scenario.error == f"died while {actions[-1]} was called"
        assert [call.action for call in scenario.calls] == actions[:-1]

    @pytest.mark.parametrize("name", NAMES)
    def test_that_its_machine_disowns_at_the_end_is_an_error(self, name: ScenarioName) -> None:
        backend = Worlds()
        backend.last_word = "the kernel ended a process for want of memory"
        scenario = go(name, backend)
        assert scenario.error == backend.last_word
        assert scenario.calls


class TestWatched:
    def service(self, backend: Worlds | None = None) -> Service | None:
        return watched_start(traveller(backend or Worlds()))[1]

    def test_finds_out_what_the_service_is(self) -> None:
        service = self.service()
        assert service is not None
        assert service.main == Program(DAEMON, DAEMON, (DAEMON, "-f"))
        assert [one.exe for one in service.processes] == [DAEMON]
        assert service.listeners == ("tcp 0.0.0.0:7",)
        assert service.pid_files == (PID_FILE,)

    def test_watches_program_starts(self) -> None:
        backend = Worlds()
        self.service(backend)
        assert backend.made[0].watch == ("exec",)

    def test_without_a_process_there_is_no_service(self) -> None:
        assert self.service(Worlds({"start": comes_to_nothing})) is None

    @pytest.mark.parametrize("content", [b"", b"\n", b"thingd\n", b"-5\n"])
    def test_is_not_confused_by_an_odd_pid_file(self, content: bytes) -> None:
        def odd(world: World, ran: Ran) -> Ran:
            world.files[PID_FILE] = content
            return ran

        service = self.service(Worlds({"start": odd}))
        assert service is not None
        assert service.main is not None
        assert service.pid_files == ()

    def test_a_start_that_hangs_is_seen_with_what_it_left(self) -> None:
        scenario, service = watched_start(traveller(Worlds({"start": hangs})))
        assert scenario.calls[0].outcome == "no-answer"
        assert scenario.calls[0].code is None
        assert service is not None


class TestOrder:
    """What is done between the calls."""

    def test_start_failure_lays_the_shim_first(self) -> None:
        log = log_of("start-failure")
        assert log[-1] == ("run", "start")
        assert ("move", DAEMON) in log
        assert log.index(("move", DAEMON)) < log.index(("put", DAEMON))

    def test_missing_program_removes_it_first(self) -> None:
        assert log_of("missing-program") == [
            ("remove", DAEMON),
            ("run", "start"),
            ("run", "status"),
        ]

    def test_stop_failure_catches_signals_then_freezes_then_stops(self) -> None:
        assert log_of("stop-failure") == [
            ("run", "start"),
            ("inject", "signals-swallowed"),
            ("signal", signal.SIGSTOP),
            ("run", "stop"),
        ]

    def test_refused_stop_does_not_freeze(self) -> None:
        assert log_of("refused-stop") == [
            ("run", "start"),
            ("inject", "signals-refused"),
            ("run", "stop"),
        ]

    def test_crash_kills_before_it_asks(self) -> None:
        assert log_of("crash") == [("run", "start"), ("signal", signal.SIGKILL), ("run", "status")]

    def test_suspended_freezes_before_it_asks(self) -> None:
        log = log_of("suspended")
        assert log == [("run", "start"), ("signal", signal.SIGSTOP), ("run", "status")]
        status = go("suspended").call("status")
        assert status is not None
        assert [one.state for one in status.before] == ["T"]

    def test_bystander_comes_first_and_belongs_to_nobody(self) -> None:
        log = log_of("bystander")
        assert log[1:] == [("spawn", 65534), ("run", "stop"), ("run", "start"), ("run", "stop")]

    def test_nothing_is_waited_for_after_a_status(self) -> None:
        backend = Worlds()
        go("stopped", backend)
        runs = [event[0] for event in backend.made[0].log]
        assert runs == ["run", "run", "run", "settle"]

    @pytest.mark.parametrize(
        ("name", "waited_for"),
        [("cycle", [0, 1]), ("stop-failure", [0, 0]), ("bystander", [0, 0, 1])],
    )
    def test_only_a_stop_that_should_work_waits_for_what_leaves(
        self, name: ScenarioName, waited_for: list[int]
    ) -> None:
        backend = Worlds()
        go(name, backend)
        assert [event[2] for event in backend.made[0].log if event[0] == "settle"] == waited_for


class TestFaults:
    def fault(self, name: ScenarioName, backend: Worlds | None = None) -> transcript.Fault:
        fault = go(name, backend).fault
        assert fault is not None
        return fault

    @pytest.mark.parametrize(
        ("name", "fault"),
        [
            ("start-failure", "program-fails"),
            ("late-failure", "program-fails-late"),
            ("missing-program", "program-missing"),
            ("stop-failure", "signals-swallowed"),
            ("refused-stop", "signals-refused"),
        ],
    )
    def test_is_effective_when_it_was_seen_to_act(self, name: ScenarioName, fault: str) -> None:
        seen = self.fault(name)
        assert (seen.name, seen.effective, seen.why) == (fault, True, "")
        assert seen.tried

    def up_all_the_same(self, world: World, ran: Ran) -> Ran:
        world.add(99, DAEMON, (DAEMON,))
        return ran

    @pytest.mark.parametrize("name", ["start-failure", "late-failure", "missing-program"])
    def test_is_not_when_the_service_came_up(self, name: ScenarioName) -> None:
        seen = self.fault(name, Worlds({"start": self.up_all_the_same}))
        assert (seen.effective, seen.why) == (False, "the service came up all the same")

    @pytest.mark.parametrize("name", ["stop-failure", "refused-stop"])
    def test_is_not_when_it_stopped(self, name: ScenarioName) -> None:
        seen = self.fault(name, Worlds({"stop": comes_to_nothing}))
        assert not seen.effective
        assert "stopped all the same" in seen.why

    def test_is_not_when_no_signal_was_sent(self) -> None:
        def by_a_socket(world: World, ran: Ran) -> Ran:
            world.sent.clear()
            return ran

        seen = self.fault("refused-stop", Worlds({"stop": by_a_socket}))
        assert (seen.effective, seen.why) == (False, "the script sent the service no signal")

    @pytest.mark.parametrize("name", ["start-failure", "late-failure", "missing-program"])
    def test_is_not_tried_on_an_unknown_program(self, name: ScenarioName) -> None:
        scenario = travel(name, traveller(Worlds()), Service(None))
        assert scenario.calls == ()
        assert scenario.fault is not None
        assert not scenario.fault.effective

    @pytest.mark.parametrize("name", ["start-failure", "late-failure", "missing-program"])
    def test_that_cannot_be_laid_is_told(self, name: ScenarioName) -> None:
        backend = Worlds()
        backend.read_only = True
        seen = self.fault(name, backend)
        assert not seen.effective
        assert "Read-only file system" in seen.why
        assert len(backend.calls) == 0


class TestBluntStartFailure:
    """Where the command line changes from start to start."""

    def backend(self) -> Worlds:
        backend = Worlds()
        backend.arguments = lambda _: ("--id", str(len(backend.made)))
        return backend

    def test_fails_for_every_command_line(self) -> None:
        backend = self.backend()
        service = watched_start(traveller(backend))[1]
        scenario = travel("start-failure", traveller(backend), service)
        assert len(backend.made) == 3
        assert scenario.fault is not None
        assert scenario.fault.effective
        assert "whatever it is called with" in scenario.fault.tried

    def test_is_given_up_when_that_does_not_help_either(self) -> None:
        backend = self.backend()
        service = watched_start(traveller(backend))[1]
        backend.hooks["start"] = TestFaults().up_all_the_same
        scenario = travel("start-failure", traveller(backend), service)
        assert scenario.fault is not None
        assert not scenario.fault.effective
        assert "whatever" not in scenario.fault.tried

    def test_is_not_tried_when_the_usual_shim_acted(self) -> None:
        backend = Worlds()
        go("start-failure", backend)
        assert len(backend.made) == 1

    def test_is_not_tried_when_the_service_came_up_in_spite_of_it(self) -> None:
        backend = Worlds({"start": TestFaults().up_all_the_same})
        go("start-failure", backend)
        assert len(backend.made) == 1

    def test_is_not_tried_for_a_late_failure(self) -> None:
        backend = self.backend()
        service = watched_start(traveller(backend))[1]
        scenario = travel("late-failure", traveller(backend), service)
        assert len(backend.made) == 2
        assert scenario.fault is not None
        assert not scenario.fault.effective


class TestNotUp:
    NEEDS_IT_UP: tuple[ScenarioName, ...] = (
        "stop-failure",
        "refused-stop",
        "second-start",
        "crash",
        "suspended",
    )

    @pytest.mark.parametrize("name", NEEDS_IT_UP)
    def test_is_an_error_where_the_service_is_needed(self, name: ScenarioName) -> None:
        scenario = go(name, Worlds({"start": comes_to_nothing}))
        assert scenario.error == NOT_UP
        assert [call.action for call in scenario.calls] == ["start"]
        assert is_doubtful(scenario)

    def test_is_an_answer_in_the_cycle(self) -> None:
        scenario = go("cycle", Worlds({"start": comes_to_nothing}))
        assert scenario.error == ""
        assert not is_doubtful(scenario)

    def test_beside_a_bystander_is_a_reason(self) -> None:
        scenario = go("bystander", Worlds({"start": drop_daemon}))
        assert (
            scenario.unreached == "the service does not start beside a process that bears its name"
        )
        assert scenario.error == ""

    def test_a_restart_that_does_not_start_is_helped(self) -> None:
        scenario = go("restart", Worlds({"restart": after(0, comes_to_nothing, until=1)}))
        actions = [call.action for call in scenario.calls]
        assert actions == ["restart", "start", "force-reload", "restart"]


def drop_daemon(world: World, ran: Ran) -> Ran:
    for one in world.daemons():
        del world.table[one.pid]
    return ran


class TestBystander:
    def kills_all_of_the_name(self, world: World, ran: Ran) -> Ran:
        for one in list(world.table.values()):
            if one.comm == "thingd":
                del world.table[one.pid]
        return ran

    def test_survives_a_careful_script(self) -> None:
        seen = go("bystander").bystander
        assert seen is not None
        assert (seen.survived_stop_when_stopped, seen.survived_stop) == (True, True)

    def test_is_replaced_when_the_first_stop_has_killed_it(self) -> None:
        backend = Worlds({"stop": after(0, self.kills_all_of_the_name, until=1)})
        scenario = go("bystander", backend)
        assert scenario.bystander is not None
        assert scenario.bystander.survived_stop_when_stopped is False
        assert scenario.bystander.survived_stop is True
        assert backend.made[0].log.count(("spawn", 65534)) == 2

    def test_is_killed_by_the_second_stop_alone(self) -> None:
        backend = Worlds({"stop": after(1, self.kills_all_of_the_name)})
        seen = go("bystander", backend).bystander
        assert seen is not None
        assert (seen.survived_stop_when_stopped, seen.survived_stop) == (True, False)


class Clock:
    """Time that passes only when a call takes it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        clock = SimpleNamespace(monotonic=lambda: self.now)
        for module in (itinerary, visit):
            monkeypatch.setattr(module, "time", clock)

    def passes(self, seconds: float, *, hangs: bool = False) -> Callable[..., Ran]:
        def hook(_: World, ran: Ran) -> Ran:
            self.now += seconds
            code = None if hangs else ran.code
            return replace(ran, seconds=seconds, timed_out=hangs, code=code)

        return hook


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class TestTimeForTheScript:
    def limits(self, seconds: float) -> Limits:
        return replace(LIMITS, script_end=1000 + seconds)

    def test_shortens_a_call(self, clock: Clock) -> None:
        backend = Worlds({"start": clock.passes(10)})
        go("cycle", backend, limits=self.limits(30))
        assert [limit for _, _, limit in backend.calls] == [30, 20, 20]

    def test_leaves_a_shorter_call_alone(self, clock: Clock) -> None:
        backend = Worlds({"start": clock.passes(10)})
        go("cycle", backend, limits=self.limits(500))
        assert [limit for _, _, limit in backend.calls] == [60, 60, 60]

    @pytest.mark.parametrize("action", ["start", "status", "stop"])
    def test_that_cuts_a_call_off_is_no_answer_of_the_script(
        self, clock: Clock, action: str
    ) -> None:
        scenario = go(
            "cycle", Worlds({action: clock.passes(30, hangs=True)}), limits=self.limits(30)
        )
        assert scenario.error == OUT_OF_TIME
        assert scenario.calls[-1].action == action
        assert scenario.calls[-1].outcome == "no-answer"

    def test_a_call_that_used_up_its_own_limit_is_an_answer(self, clock: Clock) -> None:
        backend = Worlds({"status": clock.passes(60, hangs=True)})
        scenario = go("cycle", backend, limits=self.limits(100))
        assert scenario.error == ""
        assert [call.outcome for call in scenario.calls] == ["exited", "no-answer", "exited"]

    @pytest.mark.parametrize("name", NAMES)
    def test_that_is_over_is_an_error_of_every_scenario(
        self, clock: Clock, name: ScenarioName
    ) -> None:
        assert clock.now == 1000
        scenario = go(name, limits=self.limits(0))
        assert scenario.error == OUT_OF_TIME
        assert scenario.calls == ()
        assert not is_doubtful(scenario)


class TestDoubt:
    def scenario(self, seconds: float, limit: float, *, hung: bool = False) -> Scenario:
        call = Call(
            "stop", (), "no-answer" if hung else "exited", None if hung else 0, seconds, limit, "",
            running_before=True, running_after=False,
        )  # fmt: skip
        return Scenario("cycle", (call,))

    def test_is_about_an_answer_that_came_near_to_its_limit(self) -> None:
        assert is_doubtful(self.scenario(90.1, 100))
        assert not is_doubtful(self.scenario(89.9, 100))

    def test_is_not_about_a_call_without_an_answer(self) -> None:
        assert not is_doubtful(self.scenario(100, 100, hung=True))

    @pytest.mark.parametrize("late", [0.0, 1.0])
    def test_is_about_a_starved_call_that_disappoints(self, late: float) -> None:
        def said(name: str, action: str, code: int | None, *, fault: bool = False) -> bool:
            call = Call(
                action, (), "no-answer" if code is None else "exited", code, 10, 60, "",
                running_before=action != "start", running_after=True, late=late,
            )  # fmt: skip
            provoked = Fault("program-fails", "", effective=True) if fault else None
            return is_doubtful(Scenario(name, (call,), provoked))

        starved = late > 0
        assert said("cycle", "start", 1) == starved
        assert said("cycle", "status", 3) == starved
        assert said("start-failure", "start", None, fault=True) == starved
        assert not said("cycle", "start", 0)
        assert not said("start-failure", "start", 1, fault=True)  # as it should be
        assert not said("crash", "status", 1)
        assert not said("stopped", UNKNOWN_ACTION, 2)
        assert not said("stop-failure", "stop", None, fault=True)

    def test_gives_a_second_answer_twice_the_limit_and_marks_it(self) -> None:
        backend = Worlds({"stop": takes(95)})
        patient = traveller(backend, LIMITS.doubled())
        scenario = travel("stop-failure", patient, SERVICE, again=True)
        assert [limit for _, _, limit in backend.calls] == [120, 200]
        assert all(call.asked_again for call in scenario.calls)
        assert not is_doubtful(scenario)

    def test_the_quiet_time_stays(self) -> None:
        assert LIMITS.doubled().quiet == LIMITS.quiet


class TestCalls:
    def test_are_written_down_as_they_ended(self) -> None:
        def killed(_: World, ran: Ran) -> Ran:
            return replace(ran, code=None, signal=9)

        scenario = go("cycle", Worlds({"status": killed, "stop": says(7)}))
        answers = [(call.outcome, call.code) for call in scenario.calls]
        assert answers == [("exited", 0), ("killed", 9), ("exited", 7)]

    def test_keep_the_last_lines_of_both_streams(self) -> None:
        def chatty(_: World, ran: Ran) -> Ran:
            lines = "".join(f"{number}\n" for number in range(100))
            return replace(ran, stdout=lines, stderr="failed!\n")

        call = go("cycle", Worlds({"start": chatty})).calls[0]
        assert call.output.splitlines() == [*(str(number) for number in range(81, 100)), "failed!"]

    def test_a_helper_left_behind_is_seen_and_is_not_the_service(self) -> None:
        def leaves_a_helper(world: World, ran: Ran) -> Ran:
            world.add(98, "/usr/sbin/epmd", ("epmd",))
            return ran

        stop = go("cycle", Worlds({"stop": leaves_a_helper})).call("stop")
        assert stop is not None
        assert [one.pid for one in stop.after] == [98]
        assert not stop.running_after


def test_what_needs_isolation_is_what_falsifies_something() -> None:
    falsifies = {
        name
        for name in ROUTES
        if {"inject", "put", "move", "remove", "spawn"} & {str(event[0]) for event in log_of(name)}
    }
    assert set(itinerary.PROVOKED) == falsifies


def test_the_original_is_still_the_service() -> None:
    # the daemon behind a shim that has let it pass
    process = transcript.Process(5, 5, 1, "S", 0, "thingd", faults.HIDDEN + DAEMON, (DAEMON,))
    assert faults.belongs(process, SERVICE.main)
