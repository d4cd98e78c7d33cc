"""What the framework does around an author's methods, in one process; see test_runtime too."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocfkit import (
    DEGRADED,
    DEGRADED_PROMOTED,
    FAILED_PROMOTED,
    PROMOTED,
    RUNNING,
    STOPPED,
    ActionError,
    ConfigurationError,
    Daemon,
    DegradedError,
    InstallationError,
    Notice,
    ParameterError,
    PrivilegeError,
    State,
    action,
    monitor,
    param,
)
from ocfkit.exitcodes import NAMES
from ocfkit.testing import Instance, Node, Outcome
from tests.ocfkit.toy import Leader, Toy


def seen(outcome: Outcome) -> tuple[int, str]:
    return outcome.code, outcome.reason


class TestIdempotence:
    def test_a_start_calls_the_author_once(self, ocf: Node) -> None:
        class Thing(Toy):
            """A thing."""

        thing = ocf(Thing)
        assert [thing.start().code, thing.start().code] == [0, 0]
        assert Thing.calls == ["start"]

    def test_a_stop_of_what_is_stopped_calls_nobody(self, ocf: Node) -> None:
        class Thing(Toy):
            """A thing."""

        assert ocf(Thing).stop().code == 0
        assert Thing.calls == []

    def test_a_promotion_calls_the_author_once(self, ocf: Node) -> None:
        class Thing(Leader):
            """A thing."""

        thing = ocf(Thing)
        thing.start()
        assert [thing.run("promote").code for _ in range(2)] == [0, 0]
        assert thing.monitor().code == 8
        assert Thing.calls == ["start", "promote"]

    def test_a_demotion_of_what_follows_calls_nobody(self, ocf: Node) -> None:
        class Thing(Leader):
            """A thing."""

        thing = ocf(Thing)
        thing.start()
        assert [thing.run("demote").code for _ in range(2)] == [0, 0]
        assert Thing.calls == ["start"]

    @pytest.mark.parametrize("state", [RUNNING, PROMOTED, DEGRADED, DEGRADED_PROMOTED])
    def test_whatever_is_active_is_started(self, ocf: Node, state: State) -> None:
        class Thing(Leader):
            """A thing."""

        Thing.state = state
        assert ocf(Thing).start().code == 0
        assert Thing.calls == []

    def test_what_has_failed_in_its_role_is_not_started_over(self, ocf: Node) -> None:
        class Thing(Leader):
            """A thing."""

        Thing.state = FAILED_PROMOTED
        assert seen(ocf(Thing).start()) == (
            1,
            "it is there and has failed: it has to be stopped first",
        )
        assert Thing.calls == []


class TestStart:
    def test_waits_until_the_monitor_agrees(self, ocf: Node) -> None:
        class Slow(Toy):
            """Up at the third look."""

            looks: ClassVar[list[int]] = []

            @action
            def monitor(self) -> State:
                if not self.calls:
                    return STOPPED
                self.looks.append(1)
                return self.state if len(self.looks) > 2 else STOPPED

        assert ocf(Slow).start().code == 0
        assert len(Slow.looks) == 3

    def test_waits_until_the_checks_down_to_depth_10_hold(self, ocf: Node) -> None:
        class Deep(Toy):
            """With checks at 10 and 20."""

            asked: ClassVar[list[int]] = []

            @monitor.depth(10, interval="30s")
            def answers(self) -> None:
                self.asked.append(10)
                if self.asked.count(10) < 3:
                    raise ActionError("not yet")

            @monitor.depth(20, interval="60s")
            def is_never_asked(self) -> None:
                self.asked.append(20)

        assert ocf(Deep).start().code == 0
        assert Deep.asked == [10, 10, 10]

    def test_waits_for_the_depth_that_the_author_chooses(self, ocf: Node) -> None:
        class Deep(Toy):
            """With checks at 10 and 20."""

            start_depth = 20
            asked: ClassVar[list[int]] = []

            @monitor.depth(10, interval="30s")
            def is_asked(self) -> None:
                self.asked.append(10)

            @monitor.depth(20, interval="60s")
            def is_asked_too(self) -> None:
                self.asked.append(20)

        assert ocf(Deep).start().code == 0
        assert Deep.asked == [10, 20]

    def test_waits_for_no_check_where_the_author_says_so(self, ocf: Node) -> None:
        class Deep(Toy):
            """With a check that does not hold."""

            start_depth = 0

            @monitor.depth(10)
            def holds(self) -> bool:
                return False

        assert ocf(Deep).start().code == 0

    def test_of_what_runs_waits_for_the_checks_as_well(self, ocf: Node) -> None:
        class Deep(Toy):
            """The first start came too early."""

            asked: ClassVar[list[int]] = []

            @monitor.depth(10)
            def answers(self) -> bool:
                self.asked.append(10)
                return len(self.asked) > 2

        Deep.state = RUNNING
        assert ocf(Deep).start().code == 0
        assert len(Deep.asked) == 3

    def test_says_at_the_deadline_what_was_seen_last(self, ocf: Node) -> None:
        class Mute(Toy):
            """Its check never holds."""

            @monitor.depth(10)
            def page_comes_back(self) -> None:
                raise ActionError("page / answered 503, expected 200")

        began = time.monotonic()
        assert seen(ocf(Mute).start(timeout=0.5)) == (
            1,
            (
                "start: not up in time; last seen: page / answered 503, expected 200 "
                "(depth 10: page comes back)"
            ),
        )
        assert time.monotonic() - began < 10

    def test_tells_what_was_seen_while_there_was_time(self, ocf: Node) -> None:
        class Hasty(Toy):
            """Its check tells less when it has no time."""

            @monitor.depth(10)
            def page_comes_back(self) -> None:
                if self.deadline.over():
                    raise ActionError("time was over")
                raise ActionError("3 bytes had come")

        code, reason = seen(ocf(Hasty).start(timeout=0.5))
        assert code == 1
        assert reason.startswith("start: not up in time; last seen: 3 bytes had come")

    def test_that_has_no_effect_fails(self, ocf: Node) -> None:
        class Idle(Toy):
            """It never runs."""

            @action
            def start(self) -> None:
                self.calls.append("start")

        assert seen(ocf(Idle).start(timeout=0.3)) == (
            1,
            "start: not up in time; last seen: it is not running",
        )

    def test_ends_at_once_when_the_author_knows_that_it_failed(self, ocf: Node) -> None:
        class Dead(Toy):
            """It ends as it begins."""

            @action
            def start(self) -> None:
                self.calls.append("start")

            def start_failure(self) -> str | None:
                return "it exited with code 3"

        began = time.monotonic()
        assert seen(ocf(Dead).start()) == (1, "start failed: it exited with code 3")
        assert time.monotonic() - began < 5

    def test_may_end_degraded(self, ocf: Node) -> None:
        class Lame(Toy):
            """It works, for now."""

            @monitor.depth(10)
            def has_room(self) -> None:
                raise DegradedError("the disk is nearly full")

        outcome = ocf(Lame).start()
        assert seen(outcome) == (0, "")
        assert "WARNING: the disk is nearly full (depth 10: has room)" in outcome.log

    def test_never_answers_degraded(self, ocf: Node) -> None:
        class Confused(Toy):
            """It raises what only a monitor may."""

            @action
            def start(self) -> None:
                raise DegradedError("it limps")

        assert seen(ocf(Confused).start()) == (1, "it limps")


class TestStop:
    def test_waits_until_it_is_stopped(self, ocf: Node) -> None:
        class Slow(Toy):
            """Gone at the third look."""

            looks: ClassVar[list[int]] = []

            @action
            def stop(self) -> None:
                self.calls.append("stop")

            @action
            def monitor(self) -> State:
                if "stop" in self.calls:
                    self.looks.append(1)
                return STOPPED if len(self.looks) > 2 else RUNNING

        assert ocf(Slow).stop().code == 0
        assert Slow.calls == ["stop"]
        assert len(Slow.looks) == 3

    @pytest.mark.parametrize("state", [RUNNING, STOPPED])
    def test_tidies_up_when_nothing_runs(self, ocf: Node, state: State) -> None:
        class Tidy(Toy):
            """What it leaves cannot be removed."""

            def tidy(self) -> None:
                self.calls.append(f"tidy {Tidy.state}")
                raise OSError(5, "Input/output error", "/run/toy.pid")

        Tidy.state = state
        outcome = ocf(Tidy).stop()
        assert outcome.code == 0
        assert Tidy.calls[-1] == f"tidy {STOPPED}"
        assert "something is left" in outcome.stderr

    def test_that_has_no_effect_fails(self, ocf: Node) -> None:
        class Eternal(Toy):
            """It runs for ever."""

            @action
            def monitor(self) -> State:
                return RUNNING

        assert seen(ocf(Eternal).stop(timeout=0.3)) == (
            1,
            "stop: not stopped in time: it is still running",
        )

    @pytest.mark.parametrize("state", [FAILED_PROMOTED, DEGRADED, PROMOTED])
    def test_stops_whatever_is_there(self, ocf: Node, state: State) -> None:
        class Thing(Leader):
            """A thing."""

        Thing.state = state
        assert ocf(Thing).stop().code == 0
        assert Thing.calls == ["stop"]

    @pytest.mark.parametrize(
        "error", [ActionError("unclear"), OSError(5, "I/O error"), ValueError("?"), SystemExit(0)]
    )
    def test_is_tried_when_the_monitor_fails(self, ocf: Node, error: BaseException) -> None:
        class Unclear(Toy):
            """Its monitor works when it is stopped only."""

            @action
            def monitor(self) -> State:
                if "stop" in self.calls:
                    return STOPPED
                raise error

        assert ocf(Unclear).stop().code == 0
        assert Unclear.calls == ["stop"]

    def test_is_tried_when_the_monitor_hangs(self, ocf: Node) -> None:
        class Hung(Toy):
            """Its monitor asks the service, and the service hangs."""

            @action
            def monitor(self) -> State:
                if "stop" in self.calls:
                    return STOPPED
                time.sleep(60)
                return RUNNING

        outcome = ocf(Hung).stop(timeout=1.5)
        assert outcome.code == 0
        assert Hung.calls == ["stop"]
        assert "the monitor did not end in time" in outcome.log

    @pytest.mark.parametrize(
        "failure",
        [
            pytest.param(lambda: time.sleep(60), id="hangs"),
            pytest.param(lambda: _raise(ActionError("no")), id="raises an error of ours"),
            pytest.param(lambda: _raise(OSError(5, "I/O error")), id="raises an error of Python"),
            pytest.param(lambda: _raise(SystemExit(0)), id="wants to end the process"),
            pytest.param(lambda: None, id="does nothing"),
        ],
    )
    def test_goes_on_the_hard_way_when_the_first(
        self, ocf: Node, failure: Callable[[], object]
    ) -> None:
        class Hard(Toy):
            """It is hard to stop."""

            left: ClassVar[list[float]] = []

            @action
            def stop(self) -> None:
                self.calls.append("stop")
                failure()

            def escalate(self) -> None:
                self.left.append(self.deadline.left())
                self.become("escalate", STOPPED)

        Hard.state = RUNNING
        outcome = ocf(Hard).stop(timeout=2)
        assert outcome.code == 0
        assert Hard.calls == ["stop", "escalate"]
        assert Hard.left[0] > 0.5
        assert "stopping it the hard way" in outcome.log

    def test_interrupts_an_author_who_does_not_want_to_hear_of_it(self, ocf: Node) -> None:
        class Deaf(Toy):
            """It catches everything."""

            @action
            def stop(self) -> None:
                self.calls.append("stop")
                for _ in range(2):
                    with suppress(Exception):
                        time.sleep(60)

            def escalate(self) -> None:
                self.become("escalate", STOPPED)

        Deaf.state = RUNNING
        assert ocf(Deaf).stop(timeout=4).code == 0
        assert Deaf.calls == ["stop", "escalate"]

    def test_goes_on_the_hard_way_when_the_monitor_hangs_afterwards(self, ocf: Node) -> None:
        class Hung(Toy):
            """What is half stopped does not answer."""

            @action
            def monitor(self) -> State:
                if self.calls == ["stop"]:
                    time.sleep(60)
                return self.state

            def escalate(self) -> None:
                self.become("escalate", STOPPED)

        Hung.state = RUNNING
        assert ocf(Hung).stop(timeout=2).code == 0
        assert Hung.calls == ["stop", "escalate"]

    def test_has_the_whole_time_where_there_is_no_hard_way(self, ocf: Node) -> None:
        class Soft(Toy):
            """It notes how much time it has."""

            left: ClassVar[list[float]] = []

            @action
            def stop(self) -> None:
                self.left.append(self.deadline.left())
                self.become("stop", STOPPED)

        class Hard(Soft):
            """The same, with a hard way."""

            left: ClassVar[list[float]] = []

            def escalate(self) -> None:
                raise AssertionError

        for cls in (Soft, Hard):
            cls.state = RUNNING
            assert ocf(cls).stop(timeout=10).code == 0
        assert Soft.left[0] == pytest.approx(9, abs=0.5)
        assert Hard.left[0] == pytest.approx(5.4, abs=0.5)

    def test_says_why_both_ways_failed(self, ocf: Node) -> None:
        class Eternal(Toy):
            """Nothing helps."""

            @action
            def stop(self) -> None:
                raise ActionError("it says no")

            def escalate(self) -> None:
                raise ActionError("it says no again")

        Eternal.state = RUNNING
        outcome = ocf(Eternal).stop(timeout=1)
        assert seen(outcome) == (1, "stop: it says no again; it is still running")
        assert "it says no; it is still running; stopping it the hard way" in outcome.log

    def test_that_raises_and_works_is_done(self, ocf: Node) -> None:
        class Noisy(Toy):
            """It complains, and is gone."""

            @action
            def stop(self) -> None:
                self.become("stop", STOPPED)
                raise ActionError("it did not like that")

        Noisy.state = RUNNING
        assert ocf(Noisy).stop().code == 0

    @pytest.mark.parametrize("code", [0, 7, 8, 9, 190, 300])
    def test_never_answers_with_a_state(self, ocf: Node, code: int) -> None:
        class OddError(ActionError):
            exit_code: ClassVar[Any] = code

        class Odd(Toy):
            """Its author has errors of his own."""

            def validate(self) -> None:
                raise OddError("odd")

        Odd.state = RUNNING
        thing = ocf(Odd)
        assert seen(thing.run("validate-all")) == (1, "odd")
        assert thing.start().code == 1


def _raise(error: BaseException) -> None:
    raise error


class TestRoles:
    def test_a_promotion_waits_until_it_is_promoted(self, ocf: Node) -> None:
        class Slow(Leader):
            """Promoted at the third look."""

            looks: ClassVar[list[int]] = []

            @action
            def promote(self) -> None:
                self.calls.append("promote")

            @action
            def monitor(self) -> State:
                if "promote" in self.calls:
                    self.looks.append(1)
                return PROMOTED if len(self.looks) > 2 else RUNNING

        assert ocf(Slow).run("promote").code == 0
        assert len(Slow.looks) == 3

    def test_a_promotion_that_has_no_effect_fails(self, ocf: Node) -> None:
        class Lazy(Leader):
            """It stays where it is."""

            @action
            def promote(self) -> None:
                self.calls.append("promote")

        Lazy.state = RUNNING
        assert seen(ocf(Lazy).run("promote", timeout=0.3)) == (
            1,
            "promote: not done in time; last seen: it is running",
        )

    def test_what_stops_meanwhile_is_not_promoted(self, ocf: Node) -> None:
        class Weak(Leader):
            """It breaks down under the burden."""

            @action
            def promote(self) -> None:
                self.become("promote", STOPPED)

        Weak.state = RUNNING
        assert seen(ocf(Weak).run("promote")) == (1, "promote: it is not running any more")

    @pytest.mark.parametrize("what", ["promote", "demote", "reload", "reload-agent", "migrate_to"])
    def test_what_is_stopped_gets_no_other_role(self, ocf: Node, what: str) -> None:
        class Everything(Leader):
            """It can do everything."""

            def reload(self) -> None:
                self.calls.append("reload")

            def reload_agent(self) -> None:
                self.calls.append("reload_agent")

            def migrate_to(self) -> None:
                self.calls.append("migrate_to")

            def migrate_from(self) -> None:
                self.calls.append("migrate_from")

        thing = ocf(Everything)
        assert seen(thing.run(what)) == (1, f"{what}: {thing.name} is not running")
        assert Everything.calls == []
        Everything.state = RUNNING
        assert thing.run(what).code == 0

    def test_what_has_failed_is_not_promoted(self, ocf: Node) -> None:
        class Thing(Leader):
            """A thing."""

        Thing.state = FAILED_PROMOTED
        assert seen(ocf(Thing).run("promote")) == (
            1,
            "promote: it is promoted already, and has failed",
        )

    def test_what_fails_while_it_is_promoted_is_not_promoted(self, ocf: Node) -> None:
        class Thing(Leader):
            """A thing."""

            @action
            def promote(self) -> None:
                self.become("promote", FAILED_PROMOTED)

        Thing.state = RUNNING
        assert seen(ocf(Thing).run("promote", timeout=0.3)) == (
            1,
            "promote: not done in time; last seen: it is failed (promoted)",
        )

    def test_what_has_failed_is_demoted(self, ocf: Node) -> None:
        class Thing(Leader):
            """A thing."""

        Thing.state = FAILED_PROMOTED
        assert ocf(Thing).run("demote").code == 0
        assert Thing.calls == ["demote"]

    def test_degraded_roles_count_as_roles(self, ocf: Node) -> None:
        class Thing(Leader):
            """A thing."""

        thing = ocf(Thing)
        Thing.state = DEGRADED_PROMOTED
        assert thing.run("promote").code == 0
        Thing.state = DEGRADED
        assert thing.run("demote").code == 0
        assert Thing.calls == []

    def test_what_has_failed_is_not_reloaded(self, ocf: Node) -> None:
        class Thing(Leader):
            """A thing."""

            def reload(self) -> None:
                self.calls.append("reload")

        Thing.state = FAILED_PROMOTED
        thing = ocf(Thing)
        assert seen(thing.run("reload")) == (1, f"reload: {thing.name} has failed")
        assert Thing.calls == []

    def test_a_migration_waits_until_it_is_up(self, ocf: Node) -> None:
        class Mobile(Toy):
            """It comes from elsewhere."""

            def migrate_to(self) -> None:
                self.calls.append("migrate_to")

            def migrate_from(self) -> None:
                self.become("migrate_from", RUNNING)

            @monitor.depth(10)
            def has_arrived(self) -> bool:
                self.become("look", RUNNING)
                return self.calls.count("look") > 2

        thing = ocf(Mobile)
        assert thing.run("migrate_from").code == 0
        assert Mobile.calls == ["migrate_from", "look", "look", "look"]

    def test_a_check_for_one_role_is_made_in_that_role(self, ocf: Node) -> None:
        class Thing(Leader):
            """A thing."""

            asked: ClassVar[list[str]] = []

            @monitor.depth(10, role="Promoted", interval="31s")
            def leads(self) -> None:
                self.asked.append("leads")

            @monitor.depth(10, role="Unpromoted", interval="32s")
            def follows(self) -> None:
                self.asked.append("follows")

        thing = ocf(Thing)
        Thing.state = RUNNING
        thing.monitor(level=10)
        Thing.state = PROMOTED
        assert thing.monitor(level=10).code == 8
        assert Thing.asked == ["follows", "leads"]


class TestLevels:
    def asked(self, ocf: Node, level: int) -> list[int]:
        class Deep(Toy):
            """With checks at 10, 20 and 30."""

            asked: ClassVar[list[int]] = []

            @monitor.depth(30, interval="33s")
            def deepest(self) -> None:
                self.asked.append(30)

            @monitor.depth(10, interval="31s")
            def shallow(self) -> None:
                self.asked.append(10)

            @monitor.depth(20, interval="32s")
            def deep(self) -> None:
                self.asked.append(20)

        Deep.state = RUNNING
        assert ocf(Deep).monitor(level=level).code == 0
        return Deep.asked

    @pytest.mark.parametrize(
        ("level", "asked"),
        [
            (0, []),
            (9, []),
            (10, [10]),
            (19, [10]),
            (20, [10, 20]),
            (29, [10, 20]),
            (30, [10, 20, 30]),
            (10**17, [10, 20, 30]),
        ],
    )
    def test_the_next_lower_one_is_made_and_all_above_it(
        self, ocf: Node, level: int, asked: list[int]
    ) -> None:
        assert self.asked(ocf, level) == asked

    def test_nothing_is_asked_of_what_is_stopped(self, ocf: Node) -> None:
        class Deep(Toy):
            """With a check that nothing holds."""

            @monitor.depth(10)
            def holds(self) -> bool:
                raise AssertionError

        assert ocf(Deep).monitor(level=10).code == 7

    def test_the_first_that_fails_is_told_and_the_deeper_are_not_made(self, ocf: Node) -> None:
        class Deep(Toy):
            """With a check that does not hold."""

            @monitor.depth(10, interval="31s")
            def port_answers(self) -> None:
                raise ActionError("connection refused")

            @monitor.depth(20, interval="32s")
            def never_gets_there(self) -> None:
                raise AssertionError

        Deep.state = RUNNING
        assert seen(ocf(Deep).monitor(level=20)) == (
            1,
            "connection refused (depth 10: port answers)",
        )

    @pytest.mark.parametrize(("state", "code"), [(RUNNING, 190), (PROMOTED, 191)])
    def test_one_that_is_degraded_does_not_hide_what_is_deeper(
        self, ocf: Node, state: State, code: int
    ) -> None:
        class Deep(Leader):
            """With checks that worry."""

            @monitor.depth(10, interval="31s")
            def has_room(self) -> None:
                raise DegradedError("5 % are free")

            @monitor.depth(20, interval="32s")
            def is_fast(self) -> None:
                raise DegradedError("it took 3 s")

        Deep.state = state
        outcome = ocf(Deep).monitor(level=20)
        assert outcome.code == code
        assert outcome.reasons == [
            "5 % are free (depth 10: has room); it took 3 s (depth 20: is fast)"
        ]

    def test_one_that_fails_outweighs_one_that_is_degraded(self, ocf: Node) -> None:
        class Deep(Toy):
            """With a worry and a failure."""

            @monitor.depth(10, interval="31s")
            def has_room(self) -> None:
                raise DegradedError("5 % are free")

            @monitor.depth(20, interval="32s")
            def answers(self) -> None:
                raise ActionError("no answer")

        Deep.state = RUNNING
        outcome = ocf(Deep).monitor(level=20)
        assert (outcome.code, outcome.reasons) == (1, ["no answer (depth 20: answers)"])

    def test_a_deeper_monitor_has_the_time_that_is_advised_for_it(self, ocf: Node) -> None:
        class Deep(Toy):
            """With a check that takes its time."""

            left: ClassVar[list[float]] = []

            @monitor.depth(10, timeout="60s")
            def answers(self) -> None:
                self.left.append(self.deadline.left())

        Deep.state = RUNNING
        ocf(Deep).monitor(level=10)
        assert Deep.left[0] == pytest.approx(59, abs=1)


class TestMonitor:
    @pytest.mark.parametrize("state", [0, 7, 8, 9, 190, 191])
    def test_its_state_is_the_code(self, ocf: Node, state: State) -> None:
        class Thing(Leader):
            """A thing."""

        Thing.state = state
        assert ocf(Thing).monitor().code == state

    @pytest.mark.parametrize("state", [7, 9, 190, 191])
    @pytest.mark.parametrize("how", [Instance.monitor, Instance.probe])
    def test_what_is_not_well_has_a_reason(
        self, ocf: Node, state: State, how: Callable[[Instance], Outcome]
    ) -> None:
        class Thing(Leader):
            """A thing."""

        Thing.state = state
        thing = ocf(Thing)
        assert how(thing).reasons == [f"{thing.name} is {NAMES[state]}"]

    @pytest.mark.parametrize("state", [0, 8])
    def test_what_is_well_has_none(self, ocf: Node, state: State) -> None:
        class Thing(Leader):
            """A thing."""

        Thing.state = state
        assert ocf(Thing).monitor().stderr == ""

    @pytest.mark.parametrize(
        "answer", [None, True, False, "x", "0", 1, 2, 3, 5, 42, -1, [], {}, 0.5, ValueError]
    )
    def test_what_is_no_state_is_a_failure(self, ocf: Node, answer: object) -> None:
        class Odd(Toy):
            """Its author has not read the page."""

            @action
            def monitor(self) -> State:
                return answer  # type: ignore[return-value]

        assert seen(ocf(Odd).monitor()) == (
            1,
            f"the monitor of odd returned {answer!r}, which is no state",
        )

    def test_what_cannot_be_compared_or_shown_is_a_failure_too(self, ocf: Node) -> None:
        class Nasty:
            __hash__ = None  # type: ignore[assignment]

            def __eq__(self, other: object) -> bool:
                raise ValueError("do not compare me")

            def __repr__(self) -> str:
                raise ValueError("do not look at me")

        class Odd(Toy):
            """Its author has a sense of humour."""

            @action
            def monitor(self) -> State:
                return Nasty()  # type: ignore[return-value]

        outcome = ocf(Odd).monitor()
        assert outcome.code == 1
        assert outcome.reason.startswith("error in the agent: monitor: ValueError: do not compare")

    def test_an_error_that_cannot_be_shown_is_a_failure_with_a_reason(self, ocf: Node) -> None:
        class NastyError(Exception):
            def __str__(self) -> str:
                raise ValueError("do not look at me")

        class NastyActionError(NastyError, ActionError):
            pass

        for error in (NastyError(), NastyActionError()):

            class Odd(Toy):
                """Its author has a sense of humour."""

                @action
                def monitor(self) -> State:
                    raise error  # noqa: B023

            outcome = ocf(Odd).monitor()
            assert outcome.code == 1
            assert "(it cannot be shown)" in outcome.reason

    def test_a_degraded_error_of_its_own_is_degraded(self, ocf: Node) -> None:
        class Lame(Toy):
            """It limps."""

            asked: ClassVar[list[int]] = []

            @action
            def monitor(self) -> State:
                if self.state == STOPPED and self.calls:
                    return STOPPED
                raise DegradedError("it limps")

            @monitor.depth(10)
            def is_asked_all_the_same(self) -> None:
                self.asked.append(10)

        thing = ocf(Lame)
        assert seen(thing.monitor(level=10)) == (190, "it limps")
        assert Lame.asked == [10]
        assert thing.start().code == 0

    def test_an_error_of_the_system_says_which_file(self, ocf: Node, tmp_path: Path) -> None:
        class Reader(Toy):
            """It reads what is not there."""

            @action
            def monitor(self) -> State:
                os.stat(tmp_path / "nothing")
                return RUNNING

        assert seen(ocf(Reader).monitor()) == (
            1,
            f"the monitor: No such file or directory: {tmp_path}/nothing",
        )

    @pytest.mark.parametrize(
        ("error", "name"),
        [
            (ValueError("3 is none"), "ValueError: 3 is none"),
            (KeyError("port"), "KeyError: 'port'"),
            (AssertionError(), "AssertionError:"),
            (RecursionError("too deep"), "RecursionError: too deep"),
            (MemoryError(), "MemoryError:"),
            (SystemExit(0), "SystemExit: 0"),
            (SystemExit(), "SystemExit:"),
            (StopIteration("x"), "StopIteration: x"),
        ],
    )
    def test_whatever_it_raises_is_a_failure_in_one_line(
        self, ocf: Node, tmp_path: Path, error: BaseException, name: str
    ) -> None:
        class Broken(Toy):
            """It does not work."""

            @action
            def monitor(self) -> State:
                raise error

        log = tmp_path / "log"
        outcome = ocf(Broken).run("monitor", env={"HA_LOGFILE": str(log)})
        assert outcome.code == 1
        assert outcome.stderr.count("\n") == 1
        assert outcome.reason.startswith(f"error in the agent: monitor: {name}")
        assert "(test_dispatch.py, line" in outcome.reason
        assert "Traceback (most recent call last)" in log.read_text()

    def test_a_traceback_is_not_on_standard_error(self, ocf: Node) -> None:
        class Broken(Toy):
            """It does not work."""

            @action
            def monitor(self) -> State:
                raise ValueError("it does not work")

        assert ocf(Broken).monitor().stderr.count("\n") == 1
        shown = ocf(Broken).run("monitor", env={"HA_debug": "1"}).stderr
        assert "Traceback" in shown

    def test_a_child_that_comes_back_from_it_gives_no_answer(
        self, ocf: Node, tmp_path: Path
    ) -> None:
        class Forker(Toy):
            """It is two, and both want to answer."""

            @action
            def monitor(self) -> State:
                child = os.fork()
                if child:
                    os.waitpid(child, 0)
                    return RUNNING
                return FAILED_PROMOTED

            @monitor.depth(10)
            def is_made_by_one(self) -> None:
                with (tmp_path / "made").open("a") as file:
                    file.write("x")

        outcome = ocf(Forker).monitor(level=10)
        assert seen(outcome) == (0, "")
        assert (tmp_path / "made").read_text() == "x"


class TestProblems:
    """Of parameters and of software: what runs decides, and not what is missing."""

    def test_a_required_parameter_that_is_missing(self, ocf: Node) -> None:
        class Picky(Toy):
            """It wants a file."""

            config = param.path("A file.", required=True)

        thing = ocf(Picky)
        why = "parameter config is required and not set"
        assert seen(thing.start()) == (6, why)
        assert seen(thing.probe()) == (7, why)
        assert seen(thing.monitor()) == (7, why)
        assert thing.stop().code == 0
        assert seen(thing.run("validate-all")) == (6, why)
        assert Picky.calls == []

    def test_all_mistakes_stand_in_one_reason(self, ocf: Node) -> None:
        class Picky(Toy):
            """It wants a lot."""

            config = param.path("A file.", required=True)
            port = param.port("A port.", default=80)
            mode = param.enum("A mode.", choices=["fast", "safe"], default="safe")
            wait = param.duration("A time.", default="5s")

        outcome = ocf(Picky, port="http", mode="loud", wait="long").start()
        assert outcome.code == 6
        assert outcome.reasons == [
            (
                "parameter config is required and not set; "
                "parameter port: expected an integer from 1 to 65535, seen 'http'; "
                "parameter mode: expected one of fast, safe, seen 'loud'; "
                "parameter wait: expected a duration such as 20s, 500ms, 5min or 1h, seen 'long'"
            )
        ]

    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (ConfigurationError("low is above high"), 6),
            (ParameterError("low is above high"), 2),
            (ActionError("low is above high"), 1),
        ],
    )
    def test_values_that_do_not_fit_together(
        self, ocf: Node, error: ActionError, code: int
    ) -> None:
        class Picky(Toy):
            """It wants an order."""

            def validate(self) -> None:
                raise error

            def remains(self) -> bool:
                return False

        thing = ocf(Picky)
        assert seen(thing.start()) == (code, "low is above high")
        assert seen(thing.run("validate-all")) == (code, "low is above high")
        assert seen(thing.probe()) == (7, "low is above high")
        assert thing.stop().code == 0

    def test_a_program_that_is_missing(self, ocf: Node) -> None:
        class Wrapper(Toy):
            """It needs a program."""

            binary = param.executable("A program.", default="/nonexistent/daemon")

        thing = ocf(Wrapper)
        why = "there is no program /nonexistent/daemon on this node (parameter binary)"
        assert seen(thing.start()) == (5, why)
        assert seen(thing.probe()) == (7, why)
        assert thing.stop().code == 0
        assert Wrapper.calls == []

    def test_software_that_the_monitor_misses(self, ocf: Node) -> None:
        class Client(Toy):
            """Its monitor asks with a program."""

            @action
            def monitor(self) -> State:
                self.run(["nonexistent-client", "ping"])
                return RUNNING

        thing = ocf(Client)
        why = "there is no program nonexistent-client on this node"
        assert seen(thing.probe()) == (7, why)
        assert thing.stop().code == 0
        assert seen(thing.start()) == (5, why)

    @pytest.mark.parametrize("error", [ParameterError("no"), ConfigurationError("no")])
    def test_what_the_monitor_finds_wrong_is_like_what_is_declared(
        self, ocf: Node, error: ActionError
    ) -> None:
        class Client(Toy):
            """Its monitor reads a file of its own accord."""

            @action
            def monitor(self) -> State:
                raise error

        thing = ocf(Client)
        assert seen(thing.probe()) == (7, "no")
        assert thing.stop().code == 0

    def test_a_monitor_that_reads_the_missing_file_itself(self, ocf: Node, tmp_path: Path) -> None:
        class Reader(Toy):
            """It reads its configuration in the monitor."""

            config = param.path("A file.", required=True, exists="file")

            @action
            def monitor(self) -> State:
                with open(self.config, encoding="utf-8") as file:
                    return RUNNING if file.read() else STOPPED

        thing = ocf(Reader, config=tmp_path / "nothing")
        why = f"there is no file {tmp_path}/nothing on this node (parameter config)"
        assert seen(thing.probe()) == (7, why)
        assert thing.stop().code == 0

    def test_after_a_start_nobody_says_stopped_before_the_monitor_does(
        self, ocf: Node, tmp_path: Path
    ) -> None:
        class Wrapper(Toy):
            """It needs a file, its monitor too."""

            config = param.path("A file.", required=True, exists="file")

            @action
            def monitor(self) -> State:
                if not os.path.exists(self.config):
                    raise InstallationError("the client needs the file as well")
                return self.state

        config = tmp_path / "config"
        config.touch()
        thing = ocf(Wrapper, config=config)
        assert thing.start().code == 0
        config.unlink()
        cannot = f"whether something of {thing.name} still runs cannot be told"
        for outcome in (thing.probe(), thing.monitor()):
            assert outcome.code == 1
            assert outcome.reason.endswith(cannot)
        assert thing.stop(timeout=0.3).code == 1
        config.touch()
        assert thing.stop().code == 0

    def test_after_a_start_a_wrong_parameter_does_not_hide_what_runs(self, ocf: Node) -> None:
        class Picky(Toy):
            """Its monitor needs no parameter."""

            port = param.port("A port.", default=80)

        thing = ocf(Picky)
        assert thing.start().code == 0
        thing.parameters["port"] = "none"
        for outcome in (thing.probe(), thing.monitor()):
            assert seen(outcome) == (0, "")
            assert "it runs, although parameter port: expected an integer" in outcome.log
        assert thing.start().code == 6
        assert thing.stop().code == 0
        assert Picky.calls == ["start", "stop"]
        assert thing.probe().code == 7

    def test_after_a_start_a_monitor_that_needs_the_parameter_cannot_tell(self, ocf: Node) -> None:
        class Picky(Toy):
            """Its monitor needs the parameter."""

            port = param.port("A port.", default=80)

            @action
            def monitor(self) -> State:
                return self.state if self.port else STOPPED

        thing = ocf(Picky)
        assert thing.start().code == 0
        thing.parameters["port"] = "none"
        assert thing.probe().code == 1
        assert thing.monitor().code == 1
        assert thing.stop(timeout=0.3).code == 1
        thing.parameters["port"] = 80
        assert thing.stop().code == 0

    def test_a_start_that_failed_counts_as_one(self, ocf: Node) -> None:
        class Half(Toy):
            """Its start leaves something behind."""

            port = param.port("A port.", default=80)

            @action
            def start(self) -> None:
                self.become("start", RUNNING)
                raise ActionError("it is only half up")

        thing = ocf(Half)
        assert thing.start().code == 1
        thing.parameters["port"] = "none"
        assert thing.probe().code == 0
        assert thing.stop().code == 0
        assert Half.calls == ["start", "stop"]

    def test_a_daemon_whose_command_misses_its_software_is_told_by_what_runs(
        self, ocf: Node, tmp_path: Path
    ) -> None:
        class Wrapper(Daemon):
            """It looks for its configuration of its own accord."""

            config = param.path("A file.", required=True)

            def command(self) -> list[str]:
                if not os.path.exists(self.config):
                    raise InstallationError(f"there is no {self.config}")
                return ["sleep", "1004001"]

        config = tmp_path / "config"
        thing = ocf(Wrapper, config=config)
        assert [thing.probe().code, thing.stop().code, thing.start().code] == [7, 0, 5]
        config.touch()
        assert thing.start().code == 0
        config.unlink()
        assert [thing.probe().code, thing.stop().code, thing.probe().code] == [0, 0, 7]

    def test_the_checks_are_made_where_it_runs_although_something_is_missing(
        self, ocf: Node
    ) -> None:
        class Wrapper(Toy):
            """It needs a program."""

            binary = param.executable("A program.", default="/nonexistent/daemon")

            @monitor.depth(10)
            def answers(self) -> None:
                raise ActionError("no answer")

        Wrapper.state = RUNNING
        thing = ocf(Wrapper)
        assert thing.monitor().code == 0
        assert seen(thing.monitor(level=10)) == (1, "no answer (depth 10: answers)")

    def test_a_check_that_misses_its_program_says_so_and_not_stopped(self, ocf: Node) -> None:
        class Client(Toy):
            """Its check asks with a program."""

            @monitor.depth(10)
            def answers(self) -> None:
                self.run(["nonexistent-client", "ping"])

        Client.state = RUNNING
        thing = ocf(Client)
        why = "there is no program nonexistent-client on this node (depth 10: answers)"
        assert seen(thing.monitor(level=10)) == (5, why)
        assert seen(thing.monitor(level=10, interval=0)) == (1, why)

    def test_who_cannot_tell_what_remains_says_so(self, ocf: Node) -> None:
        class Unclear(Toy):
            """It never knows."""

            port = param.port("A port.", required=True)

            def remains(self) -> bool | None:
                return None

        thing = ocf(Unclear)
        assert seen(thing.probe()) == (
            1,
            (
                f"parameter port is required and not set; "
                f"whether something of {thing.name} still runs cannot be told"
            ),
        )

    def test_a_monitor_in_doubt_outweighs_what_is_missing(self, ocf: Node) -> None:
        class Unclear(Toy):
            """It needs a program, and something is there."""

            binary = param.executable("A program.", default="/nonexistent/daemon")

            @action
            def monitor(self) -> State:
                raise ActionError("process 17 is suspended")

        assert seen(ocf(Unclear).probe()) == (
            1,
            (
                "process 17 is suspended; besides, "
                "there is no program /nonexistent/daemon on this node (parameter binary)"
            ),
        )

    def test_unknown_parameters_are_a_line_in_the_log(self, ocf: Node) -> None:
        class Thing(Toy):
            """A thing."""

        outcome = ocf(Thing, prot=80).start()
        assert seen(outcome) == (0, "")
        assert "WARNING: there is no parameter prot: it is ignored" in outcome.log


class TestValidation:
    class Wrapper(Toy):
        """It needs a program and a file, and asks for more."""

        binary = param.executable("A program.", default="/nonexistent/daemon")
        config = param.path("A file.", default="/nonexistent/config", exists="file")

        def validate_host(self) -> None:
            raise ParameterError("the host is not to my taste")

    @pytest.mark.parametrize("level", [0, 5, 9])
    def test_at_level_0_the_host_is_not_looked_at(self, ocf: Node, level: int) -> None:
        assert ocf(self.Wrapper).run("validate-all", level=level).code == 0

    @pytest.mark.parametrize("level", [10, 20])
    def test_from_level_10_on_it_is(self, ocf: Node, level: int) -> None:
        thing = ocf(self.Wrapper)
        assert thing.run("validate-all", level=level).code == 5
        thing.parameters["binary"] = "sh"
        assert thing.run("validate-all", level=level).code == 5
        thing.parameters["config"] = "/etc/passwd"
        assert seen(thing.run("validate-all", level=level)) == (2, "the host is not to my taste")

    def test_a_start_looks_at_it(self, ocf: Node) -> None:
        thing = ocf(self.Wrapper, binary="sh", config="/etc/passwd")
        assert thing.start().code == 2


class TestPrivileges:
    @pytest.mark.parametrize("what", ["start", "stop", "promote", "demote"])
    def test_what_needs_root_is_refused(self, ocf: Node, what: str) -> None:
        class Thing(Leader):
            """A thing."""

        assert seen(ocf(Thing, as_root=False).run(what)) == (4, f"{what} needs root")
        assert Thing.calls == []

    @pytest.mark.parametrize(("what", "code"), [("monitor", 7), ("validate-all", 0)])
    def test_what_looks_only_is_not(self, ocf: Node, what: str, code: int) -> None:
        class Thing(Leader):
            """A thing."""

        assert ocf(Thing, as_root=False).run(what).code == code

    def test_the_author_says_what_needs_root(self, ocf: Node) -> None:
        class Thing(Leader):
            """A thing."""

            needs_root: ClassVar[Sequence[str]] = ("monitor",)

        thing = ocf(Thing, as_root=False)
        assert thing.start().code == 0
        assert thing.run("monitor").code == 4
        assert thing.stop().code == 0

    def test_a_monitor_that_may_not_look_says_so(self, ocf: Node) -> None:
        class Thing(Toy):
            """A thing."""

            @action
            def monitor(self) -> State:
                raise PrivilegeError("only root may ask")

        assert seen(ocf(Thing).probe()) == (4, "only root may ask")


class TestActions:
    @pytest.mark.parametrize(
        "what", ["promote", "bla", "", "Start", "validate_all", "status", "a\nb"]
    )
    def test_one_that_is_not_there(self, ocf: Node, what: str) -> None:
        class Thing(Toy):
            """A thing."""

        outcome = ocf(Thing).run(what)
        assert outcome.code == 3
        assert outcome.reasons == [
            f"thing has no action {what!r}; it has start, stop, monitor, validate-all, meta-data"
        ]

    @pytest.mark.parametrize("major", ["0", "2"])
    def test_another_version_of_ocf_is_refused(self, ocf: Node, major: str) -> None:
        class Thing(Toy):
            """A thing."""

        outcome = ocf(Thing).run("monitor", env={"OCF_RA_VERSION_MAJOR": major})
        assert outcome.code == 1
        assert f"version {major} of OCF" in outcome.reason

    @pytest.mark.parametrize("major", [None, "", "1", "one"])
    def test_no_version_is_every_version(self, ocf: Node, major: str | None) -> None:
        class Thing(Toy):
            """A thing."""

        assert ocf(Thing).run("monitor", env={"OCF_RA_VERSION_MAJOR": major}).code == 7

    @pytest.mark.parametrize(
        "error",
        [None, ActionError("no"), ValueError("no"), OSError(5, "no"), SystemExit(3)],
    )
    def test_a_notification_never_fails(self, ocf: Node, error: BaseException | None) -> None:
        class Thing(Toy):
            """A thing."""

            port = param.port("A port.", required=True)

            def notify(self, notice: Notice) -> None:
                self.calls.append(f"{notice.when}-{notice.action}")
                if error is not None:
                    raise error

        meta = {"notify_type": "pre", "notify_operation": "promote"}
        outcome = ocf(Thing).run("notify", meta=meta)
        assert seen(outcome) == (0, "")
        assert Thing.calls == ["pre-promote"]
        assert ("notify: " in outcome.log) == (error is not None)

    def test_debug_lines_are_for_those_who_ask(self, ocf: Node) -> None:
        class Thing(Toy):
            """A thing."""

            @action
            def monitor(self) -> State:
                self.log.debug("looking")
                return RUNNING

        thing = ocf(Thing)
        for quiet in ({}, {"HA_debug": "0"}, {"HA_debug": "yes"}):
            assert thing.run("monitor", env={**quiet}).stderr == ""
        for loud in ({"HA_debug": "1"}, {"OCF_RESKEY_debug": "true"}):
            assert "DEBUG: looking" in thing.run("monitor", env={**loud}).log


class TestTime:
    @pytest.mark.parametrize(
        ("text", "left"),
        [(None, 44), ("", 44), ("0", 44), ("nonsense", 44), ("-5", 44), ("10000", 9)],
    )
    def test_what_is_granted_less_a_reserve_is_the_deadline(
        self, ocf: Node, text: str | None, left: float
    ) -> None:
        class Clock(Toy):
            """It looks at the clock."""

            left: ClassVar[list[float]] = []

            @action(timeout="45s")
            def monitor(self) -> State:
                self.left.append(self.deadline.left())
                return RUNNING

        ocf(Clock).run("monitor", env={"OCF_RESKEY_CRM_meta_timeout": text})
        assert Clock.left[0] == pytest.approx(left, abs=0.5)

    def test_more_than_a_week_is_a_week(self, ocf: Node) -> None:
        class Clock(Toy):
            """It looks at the clock."""

            left: ClassVar[list[float]] = []

            @action
            def monitor(self) -> State:
                self.left.append(self.deadline.left())
                return RUNNING

        ocf(Clock).run("monitor", env={"OCF_RESKEY_CRM_meta_timeout": "9" * 18})
        assert Clock.left[0] == pytest.approx(7 * 86400, abs=5)

    def test_an_action_that_hangs_says_so(self, ocf: Node) -> None:
        class Hung(Toy):
            """It hangs."""

            @action
            def monitor(self) -> State:
                time.sleep(60)
                return RUNNING

        outcome = ocf(Hung).monitor(timeout=0.4)
        assert outcome.code == 1
        assert outcome.reason == "monitor did not end within 0.4 s"
        assert outcome.duration < 2


class Rich(Leader):
    """Have one of everything."""

    word = param.string("A word.", default=None, pattern="[a-z]+")
    number = param.integer("A number.", default=5, minimum=1, maximum=9)
    truth = param.boolean("A truth.", default=True)
    wait = param.duration("A time.", default="5s")
    file = param.path("A file.", default="/", exists="any")
    binary = param.executable("A program.", default="sh")
    host = param.host("A host.", default="localhost")
    mode = param.enum("A mode.", choices=["fast", "safe"], default="safe")
    secret = param.secret("A secret.", default=None)
    needed = param.string("A word that must be.", required=True)

    @action
    def monitor(self) -> State:
        self.log.info(f"{self.word} {self.number} {self.host} {self.secret} {self.needed}")
        return self.state

    @monitor.depth(10, tolerate=1)
    def holds(self) -> bool:
        return self.truth

    def reload(self) -> None:
        self.log.info(self.mode)

    def reload_agent(self) -> None:
        self.log.info(self.mode)

    def notify(self, notice: Notice) -> None:
        self.log.info(f"{notice.when} {notice.promoting} {notice.active}")


WORDS = st.text(max_size=20) | st.sampled_from(
    [
        "",
        "0",
        "1",
        "-1",
        "5",
        "10",
        "20",
        "20000",
        "9" * 18,
        "9" * 5000,
        "true",
        "no",
        "fast",
        "x:1",
    ]
)
PARAMETERS = [f"OCF_RESKEY_{name}" for name in vars(Rich) if not name.startswith("_")]
METAS = [
    "interval",
    "on_node",
    "clone",
    "globally_unique",
    "notify_type",
    "notify_promote_resource",
]
VARIABLES = [
    *("OCF_RESOURCE_INSTANCE", "OCF_CHECK_LEVEL", "OCF_RA_VERSION_MAJOR", "HA_debug"),
    *("OCF_EXIT_REASON_PREFIX", "OCF_OUTPUT_FORMAT", "OCF_RESKEY_", "OCF_RESKEY_debug"),
    *(f"OCF_RESKEY_CRM_meta_{name}" for name in METAS),
    *PARAMETERS,
]
STATES_OF_RICH = st.sampled_from([0, 7, 8, 9, 190, 191])


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    what=st.sampled_from([*Rich.declaration.actions, "validate-all", "nonsense", ""]),
    state=STATES_OF_RICH,
    env=st.dictionaries(st.sampled_from(VARIABLES), WORDS),
    needed=st.booleans(),
)
def test_any_environment_ends_in_a_code_of_ocf(
    tmp_path: Path,
    what: str,
    state: State,
    env: dict[str, str],
    needed: bool,  # noqa: FBT001
) -> None:
    Rich.state = state
    if needed:
        env = {"OCF_RESKEY_needed": "yes", **env}
    node = Node(tmp_path)
    outcome = node(Rich, timeout=0.2, env={"OCF_EXIT_REASON_PREFIX": None, **env}).run(what)
    node.started.clear()
    node.close()
    allowed = set(NAMES) if what == "monitor" else set(range(7))
    assert outcome.code in allowed
    prefix = env.get("OCF_EXIT_REASON_PREFIX") or "ocf-exit-reason:"
    assert outcome.stderr.count(prefix) >= (outcome.code not in (0, 8))
    if outcome.code == 0 and prefix not in "".join(env.values()):
        assert prefix not in outcome.stderr
