"""Scripts in, reports out: who waits for whom, what is asked again, and how all of it ends."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest

from lsbcheck import check, itinerary, live, visit
from lsbcheck.check import ALWAYS, NEEDS, Options, Report, Step, check_all
from lsbcheck.itinerary import PROVOKED, ROUTES, WITHOUT_SERVICE
from lsbcheck.rules import RULES, Rule
from lsbcheck.rules.registry import REPORT_ORDER
from lsbcheck.sandbox.interface import Ran, SandboxUnavailable
from lsbcheck.script import Script
from lsbcheck.transcript import Call, Program, Scenario, ScenarioName, Service, Transcript
from lsbcheck.visit import NOT_UP, Traveller
from tests.lsbcheck.world import (
    DAEMON,
    World,
    Worlds,
    comes_to_nothing,
    is_lost,
    takes,
)

PATIENCE = 20.0
MOMENT = 0.05
"""Seconds in which something that must not happen would have happened."""


def script(name: str = "thingd", folder: str = "/etc/init.d", source: str = "") -> Script:
    path = f"{folder}/{name}"
    return Script(name, path, source or path, "", "/bin/sh")


def unheard(_: Step) -> None:
    """Nobody watches."""


def check_one(backend: Worlds | None = None, options: Options | None = None) -> Report:
    (report,) = check_all([script()], backend or Worlds(), options or Options(), 1, unheard)
    return report


def well(name: ScenarioName, _: Traveller) -> Scenario:
    """How a scenario goes unless a test says otherwise."""
    return Scenario(name)


@dataclass
class Road:
    """Stands for the itinerary: remembers who travelled, and how many did at the same time."""

    scenario: Callable[[ScenarioName, Traveller], Scenario] = well
    again: Callable[[ScenarioName], Scenario] = Scenario
    travelled: list[tuple[str, ScenarioName, bool]] = field(
        default_factory=list[tuple[str, ScenarioName, bool]]
    )
    inside: int = 0
    most: int = 0
    alone: list[bool] = field(default_factory=list[bool])
    limits: list[float] = field(default_factory=list[float])
    service: Service | None = field(
        default_factory=lambda: Service(Program(DAEMON, DAEMON, (DAEMON,)))
    )
    lock: threading.Lock = field(default_factory=threading.Lock)

    def watched_start(self, traveller: Traveller) -> tuple[Scenario, Service | None]:
        del traveller
        return Scenario("watched"), self.service

    def travel(
        self, name: ScenarioName, traveller: Traveller, _: Service | None, *, again: bool = False
    ) -> Scenario:
        with self.lock:
            self.travelled.append((traveller.name, name, again))
            self.inside += 1
            self.most = max(self.most, self.inside)
            if again:
                self.alone.append(self.inside == 1)
                self.limits.append(traveller.limits.stop)
        try:
            return self.again(name) if again else self.scenario(name, traveller)
        finally:
            with self.lock:
                if again:
                    self.alone.append(self.inside == 1)
                self.inside -= 1


@pytest.fixture
def road(monkeypatch: pytest.MonkeyPatch) -> Road:
    made = Road()
    monkeypatch.setattr(check, "travel", made.travel)
    monkeypatch.setattr(check, "watched_start", made.watched_start)
    return made


class TestReports:
    def test_come_in_the_order_of_the_scripts(self, road: Road) -> None:
        second_is_done = threading.Event()

        def scenario(name: ScenarioName, traveller: Traveller) -> Scenario:
            if traveller.name == "first":
                assert second_is_done.wait(PATIENCE)
            return Scenario(name)

        def progress(step: Step) -> None:
            if step.report and step.script.name == "second":
                second_is_done.set()

        road.scenario = scenario
        reports = check_all([script("first"), script("second")], Worlds(), Options(), 2, progress)
        assert [report.script.name for report in reports] == ["first", "second"]

    def test_hold_every_scenario_and_a_judgement_of_every_rule(self) -> None:
        report = check_one()
        assert set(report.transcript.scenarios) == {"watched", *ROUTES}
        assert list(report.judgements) == list(REPORT_ORDER)
        assert report.transcript.service is not None

    def test_of_no_script_are_none(self) -> None:
        assert check_all([], Worlds(), Options(), 4, unheard) == []

    def test_without_a_service_hold_the_two_scenarios_that_need_none(self) -> None:
        backend = Worlds({"start": comes_to_nothing})
        report = check_one(backend)
        assert set(report.transcript.scenarios) == {"watched", *WITHOUT_SERVICE}

    def test_tell_whoever_watches_what_is_going_on(self) -> None:
        steps: list[Step] = []
        scripts = [script("a"), script("b")]
        check_all(scripts, Worlds(), Options(), 2, steps.append)
        for index, name in enumerate("ab"):
            mine = [step for step in steps if step.index == index]
            assert {step.script.name for step in mine} == {name}
            assert mine[0].what == "watched"
            assert {step.what for step in mine[1:-1]} == set(ROUTES)
            assert [step.report is not None for step in mine] == [False] * 13 + [True]


class TestJobs:
    @pytest.mark.parametrize("jobs", [1, 3])
    def test_so_many_scripts_are_under_way(self, road: Road, jobs: int) -> None:
        meeting = threading.Barrier(jobs)
        under_way: set[str] = set()
        most: list[int] = []

        def progress(step: Step) -> None:
            with road.lock:
                under_way.add(step.script.name)
                most.append(len(under_way))
            if step.what == "watched":
                meeting.wait(PATIENCE)
            if step.report:
                under_way.discard(step.script.name)

        check_all([script(f"s{at}") for at in range(6)], Worlds(), Options(), jobs, progress)
        assert max(most) == jobs

    def test_all_scenarios_of_a_script_run_together(self, road: Road) -> None:
        meeting = threading.Barrier(len(ROUTES))

        def scenario(name: ScenarioName, _: Traveller) -> Scenario:
            meeting.wait(PATIENCE)
            return Scenario(name)

        road.scenario = scenario
        check_one()
        assert road.most == len(ROUTES)


class TestWithoutIsolation:
    def test_one_script_at_a_time_makes_one_scenario_at_a_time(self, road: Road) -> None:
        def scenario(name: ScenarioName, _: Traveller) -> Scenario:
            threading.Event().wait(MOMENT / 10)  # so that others could come in
            return Scenario(name)

        road.scenario = scenario
        scripts = [script(f"s{at}") for at in range(3)]
        check_all(scripts, Worlds(isolates=False), Options(), 8, unheard)
        assert road.most == 1
        assert [name for name, _, _ in road.travelled] == sorted(
            name for name, _, _ in road.travelled
        )

    def test_nothing_is_falsified(self) -> None:
        backend = Worlds(isolates=False)
        report = check_one(backend)
        assert len(backend.made) == 1 + len(ROUTES) - len(PROVOKED)
        for name in PROVOKED:
            scenario = report.transcript[name]
            assert scenario.calls == ()
            assert scenario.unreached.startswith("this machine is not isolated")
        verdicts = {each: judged.verdict for each, judged in report.judgements.items()}
        for each, name in NEEDS.items():
            assert verdicts[each] == "not-provoked" or name not in PROVOKED
        assert "error" not in verdicts.values()


class TestAskedAgain:
    def test_a_close_call_is_alone_and_has_twice_the_limits(self) -> None:
        backend = Worlds({"status": takes(59)})
        report = check_one(backend, Options(timeout=60, stop_timeout=100, rules=()))
        cycle = report.transcript["cycle"]
        assert all(call.asked_again for call in cycle.calls)
        assert {call.limit for call in cycle.calls} == {120}
        assert not any(call.asked_again for call in report.transcript["watched"].calls)

    def test_a_service_that_did_not_come_up_is_started_once_more(self, road: Road) -> None:
        road.scenario = lambda name, _: Scenario(name, error=NOT_UP if name == "crash" else "")
        report = check_one()
        assert [each[1:] for each in road.travelled if each[2]] == [("crash", True)]
        assert report.transcript["crash"].error == ""
        assert road.limits == [200]

    def test_and_is_an_error_when_it_does_not_come_up_again(self, road: Road) -> None:
        road.scenario = lambda name, _: Scenario(name, error=NOT_UP if name == "crash" else "")
        road.again = lambda name: Scenario(name, error=NOT_UP)
        report = check_one()
        assert report.transcript["crash"].error == NOT_UP
        assert report.judgements["status-after-crash"].verdict == "error"
        assert len([each for each in road.travelled if each[2]]) == 1

    def test_nothing_else_is(self, road: Road) -> None:
        def scenario(name: ScenarioName, _: Traveller) -> Scenario:
            slow = Call(
                "stop", (), "no-answer", None, 60.0, 60.0, "", running_before=True,
                running_after=True,
            )  # fmt: skip
            errors = {"crash": "the sandbox has died", "restart": "no time"}
            return Scenario(name, (slow,), error=errors.get(name, ""))

        road.scenario = scenario
        check_one()
        assert not [each for each in road.travelled if each[2]]

    def test_nobody_else_is_under_way_meanwhile(self, road: Road) -> None:
        def linger(name: ScenarioName, _: object = None) -> Scenario:
            threading.Event().wait(MOMENT / 10)
            return Scenario(name, error=NOT_UP if name in ("crash", "cycle") else "")

        road.scenario = road.again = linger
        scripts = [script(f"s{at}") for at in range(6)]
        check_all(scripts, Worlds(), Options(), 3, unheard)
        assert len(road.alone) == 6 * 2 * 2
        assert all(road.alone)
        assert road.most > 1


class TestTurnstile:
    def test_who_wants_to_be_alone_waits_and_is(self) -> None:
        turnstile = check.Turnstile()
        let_go, lone_may_go = threading.Event(), threading.Event()
        came: list[str] = []
        changed = threading.Condition()

        def came_in(name: str) -> None:
            with changed:
                came.append(name)
                changed.notify_all()

        def has_come(count: int, seconds: float = PATIENCE) -> bool:
            with changed:
                return changed.wait_for(lambda: len(came) >= count, seconds)

        def among(name: str) -> None:
            with turnstile.among_others():
                came_in(name)
                assert let_go.wait(PATIENCE)

        def alone() -> None:
            with turnstile.alone():
                came_in("alone")
                assert lone_may_go.wait(PATIENCE)

        threads = [threading.Thread(target=among, args=(name,)) for name in ("a", "b")]
        for thread in threads:
            thread.start()
        assert has_come(2)
        threads.append(threading.Thread(target=alone))
        threads[-1].start()
        assert not has_come(3, MOMENT)  # two are inside
        let_go.set()
        assert has_come(3)
        threads.append(threading.Thread(target=among, args=("late",)))
        threads[-1].start()
        assert not has_come(4, MOMENT)  # it is still alone
        lone_may_go.set()
        assert has_come(4)
        for thread in threads:
            thread.join(PATIENCE)
        assert came[2:] == ["alone", "late"]

    def test_is_left_free_by_a_failure(self) -> None:
        turnstile = check.Turnstile()
        for enter in (turnstile.alone, turnstile.among_others, turnstile.alone):
            with pytest.raises(ZeroDivisionError), enter():
                raise ZeroDivisionError


class TestFailures:
    @pytest.mark.parametrize("made", [0, 1, 5])
    def test_no_sandbox_is_no_verdict(self, made: int) -> None:
        backend = Worlds()
        backend.unavailable_after = made
        with pytest.raises(SandboxUnavailable, match="no more"):
            check_one(backend)
        assert backend.closed.is_set()

    def test_one_ends_all_scripts(self, road: Road) -> None:
        backend = Worlds()
        waiting = threading.Event()

        def scenario(name: ScenarioName, traveller: Traveller) -> Scenario:
            if traveller.name == "patient":
                waiting.set()
                assert backend.closed.wait(PATIENCE)  # as a sandbox ends when its backend is closed
                return Scenario(name, error="the sandbox has died")
            assert waiting.wait(PATIENCE)
            raise ZeroDivisionError

        road.scenario = scenario
        scripts = [script("patient"), script("broken"), script("later")]
        with pytest.raises(ZeroDivisionError):
            check_all(scripts, backend, Options(), 2, unheard)
        assert backend.closed.is_set()

    def test_one_ends_the_other_scenarios_of_its_script(self, road: Road) -> None:
        backend = Worlds()

        def scenario(name: ScenarioName, _: Traveller) -> Scenario:
            if name == "restart":  # the last of them
                raise ZeroDivisionError
            assert backend.closed.wait(PATIENCE)
            raise SandboxUnavailable("the server has died", "run it again")

        road.scenario = scenario
        with pytest.raises(ZeroDivisionError):  # the first failure, not what follows from it
            check_one(backend)

    def test_an_interrupted_wait_ends_all(
        self, road: Road, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        backend = Worlds()
        started = threading.Event()

        def scenario(name: ScenarioName, _: Traveller) -> Scenario:
            started.set()
            assert backend.closed.wait(PATIENCE)
            return Scenario(name, error="the sandbox has died")

        def wait(
            futures: list[Future[Report]], return_when: str
        ) -> tuple[set[Future[Report]], set[Future[Report]]]:
            if threading.current_thread() is threading.main_thread():
                assert started.wait(PATIENCE)
                raise KeyboardInterrupt
            done, left = concurrent.futures.wait(futures, return_when=return_when)
            return done, left

        road.scenario = scenario
        monkeypatch.setattr(check, "wait", wait)
        with pytest.raises(KeyboardInterrupt):
            check_all([script("a"), script("b")], backend, Options(), 1, unheard)
        assert backend.closed.is_set()

    def test_a_sandbox_that_dies_is_an_error_of_its_scenario_alone(self) -> None:
        report = check_one(Worlds({"force-reload": is_lost}))
        errors = {name for name, scenario in report.transcript.scenarios.items() if scenario.error}
        assert errors == {"restart"}
        assert report.judgements["restart-actions"].verdict == "error"
        assert report.judgements["start-succeeds"].verdict == "pass"

    def test_in_the_watched_start_is_an_error_of_every_rule_and_keeps_what_was_seen(self) -> None:
        backend = Worlds()
        backend.last_word = "the kernel ended a process for want of memory"
        report = check_one(backend)
        assert report.transcript.refused == backend.last_word
        assert [call.action for call in report.transcript["watched"].calls] == ["start"]
        verdicts = {each: judged.verdict for each, judged in report.judgements.items()}
        assert {verdicts[each] for each in REPORT_ORDER if each != "lsb-header"} == {"error"}
        assert len(backend.made) == 1


class TestLive:
    def named(self, programs: Sequence[str], _pid_files: object, _root: object) -> str:
        return "it is running" if programs == ("/usr/sbin/live",) else ""

    def seen(self, _service: object, _root: object) -> str:
        return "it is running"

    def test_what_the_text_names_is_refused_before_anything_runs(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live, "named", self.named)
        backend = Worlds()
        alive = replace(script("live"), named_programs=("/usr/sbin/live",))
        refused, other = check_all([alive, script()], backend, Options(), 1, unheard)
        assert refused.transcript.refused.startswith("it is running; ")
        assert "--allow-live" in refused.transcript.refused
        assert {each.verdict for each in refused.judgements.values()} == {"error", "fail"}
        assert refused.judgements["lsb-header"].verdict == "fail"  # it has none; nothing was run
        assert {argv[0] for argv, _, _ in backend.calls} == {"/etc/init.d/thingd"}
        assert other.transcript.refused == ""

    def test_what_the_watched_start_has_shown_is_refused_after_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live, "seen", self.seen)
        backend = Worlds()
        report = check_one(backend)
        assert report.transcript.refused.startswith("it is running; ")
        assert len(backend.made) == 1
        assert set(report.transcript.scenarios) == {"watched"}
        assert report.transcript.service is not None
        assert report.judgements["start-succeeds"].verdict == "error"

    def test_is_not_asked_when_it_does_not_matter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(live, "named", None)
        monkeypatch.setattr(live, "seen", None)
        assert check_one(options=Options(allow_live=True)).transcript.refused == ""

    def test_is_asked_of_the_root_that_is_shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        roots: list[str] = []

        def asked(*arguments: object) -> str:
            roots.append(str(arguments[-1]))
            return ""

        monkeypatch.setattr(live, "named", asked)
        monkeypatch.setattr(live, "seen", asked)
        inside = script(source="/srv/root/etc/init.d/thingd")
        check_all([inside], Worlds(), Options(root="/srv/root"), 1, unheard)
        assert roots == ["/srv/root", "/srv/root"]


def only_what_is_needed(rule: Rule, run: Transcript) -> Transcript:
    """What the transcript would have been with `--rule` for this one."""
    names = {*ALWAYS, NEEDS.get(rule.id, "watched")}
    left: dict[str, Scenario] = {
        name: each for name, each in run.scenarios.items() if name in names
    }
    return replace(run, scenarios=left)


class TestChosenRules:
    def test_every_scenario_is_made_for_somebody(self) -> None:
        assert {*ALWAYS, *NEEDS.values()} == {"watched", *ROUTES}
        assert set(NEEDS) <= set(REPORT_ORDER)

    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
    def test_a_judgement_is_the_same_without_the_other_scenarios(self, rule: Rule) -> None:
        samples = [run for each in RULES for run in (*each.valid, *each.invalid)]
        for run in samples:
            assert rule.judge(only_what_is_needed(rule, run)) == rule.judge(run)

    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
    def test_a_run_for_one_rule_judges_as_a_run_for_all(self, rule: Rule) -> None:
        backend = Worlds()
        report = check_one(backend, Options(rules=(rule.id,)))
        assert report.judgements == {rule.id: check_one().judgements[rule.id]}
        made = {*ALWAYS, *([NEEDS[rule.id]] if rule.id in NEEDS else [])}
        assert set(report.transcript.scenarios) == made
        assert len(backend.made) == len(made)

    def test_two_rules_need_both_their_scenarios_in_the_usual_order(self) -> None:
        options = Options(rules=("restart-actions", "status-after-crash"))
        report = check_one(options=options)
        assert list(report.transcript.scenarios) == [*ALWAYS, "crash", "restart"]
        assert list(report.judgements) == ["status-after-crash", "restart-actions"]


class TestWhereTheScriptLies:
    def sent(self, made: Script, root: str = "/") -> tuple[tuple[str, ...], set[str]]:
        """The folders made visible, and the files carried, for the first sandbox."""
        backend = Worlds()
        check_all([made], backend, Options(root=root, rules=()), 1, unheard)
        carried = {str(event[1]) for event in backend.made[0].log if event[0] == "put"}
        return backend.visible[0], carried

    def test_in_the_root_it_is_there(self) -> None:
        assert self.sent(script()) == ((), set())

    @pytest.mark.parametrize("folder", ["/tmp/mine", "/run/mine", "/dev/shm"])  # noqa: S108
    def test_in_a_folder_that_a_sandbox_hides_the_folder_is_shown(self, folder: str) -> None:
        assert self.sent(script(folder=folder)) == ((folder,), set())

    def test_right_in_such_a_folder_the_file_alone_is_carried(self, tmp_path: object) -> None:
        source = f"{tmp_path}/script"
        with open(source, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n")
        assert self.sent(script(folder="/tmp", source=source)) == ((), {"/tmp/thingd"})  # noqa: S108

    def test_outside_of_another_root_it_is_carried(self, tmp_path: object) -> None:
        source = f"{tmp_path}/script"
        with open(source, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n")
        made = script(folder="/opt/x", source=source)
        assert self.sent(made, "/srv/root") == ((), {"/opt/x/thingd"})

    def test_inside_another_root_it_is_there(self) -> None:
        assert self.sent(script(source="/srv/root/etc/init.d/thingd"), "/srv/root") == ((), set())


class TestLimits:
    def test_reach_the_calls(self) -> None:
        backend = Worlds()
        check_one(backend, Options(timeout=7, stop_timeout=9))
        assert {limit for _, _, limit in backend.calls} == {7, 9}

    def test_the_time_for_the_script_begins_when_its_turn_comes(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [1000.0]
        clock = SimpleNamespace(monotonic=lambda: now[0])
        for module in (check, itinerary, visit):
            monkeypatch.setattr(module, "time", clock)

        def slow(_: World, ran: Ran) -> Ran:
            now[0] += 20
            return ran

        backend = Worlds({"start": slow})
        options = Options(script_timeout=30.0, rules=())
        check_all([script("a"), script("b")], backend, options, 1, unheard)
        first = {argv[0]: limit for argv, _, limit in reversed(backend.calls)}
        assert first == {"/etc/init.d/a": 30, "/etc/init.d/b": 30}
