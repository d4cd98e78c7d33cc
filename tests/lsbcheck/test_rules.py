"""The rule book: every rule against its samples, then the decisions one by one."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsbcheck.rules import PROFILES, RULES, Judgement, Rule, by_id, missing_actions, page, rules_of
from lsbcheck.rules.reference import reference
from lsbcheck.rules.registry import REPORT_ORDER
from lsbcheck.rules.samples import (
    DAEMON,
    FAILS,
    HANGS,
    HEADER,
    KILLED,
    MAIN,
    MISSING,
    SWALLOWED,
    USAGE,
    Answer,
    bystander,
    call,
    fault,
    force_reload,
    process,
    restart,
    scenario,
    seen,
    seen_without_processes,
    start,
    start_again,
    status,
    stop,
    stop_again,
    unimplemented,
    unknown,
    with_header,
)
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

EIGHT = RULES[:8]
NEEDS_A_RUN = tuple(rule for rule in RULES if rule.id != "lsb-header")
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)


def judge(id: str, run: Transcript) -> Judgement:
    return by_id(id).judge(run)


def verdict(id: str, run: Transcript) -> str:
    return judge(id, run).verdict


def fenced(text: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


@each_rule
class TestEveryRule:
    def test_accepts_its_valid_samples(self, rule: Rule) -> None:
        assert rule.valid
        assert [rule.judge(run).verdict for run in rule.valid] == ["pass"] * len(rule.valid)

    def test_refuses_its_invalid_samples(self, rule: Rule) -> None:
        assert rule.invalid
        assert [rule.judge(run).verdict for run in rule.invalid] == ["fail"] * len(rule.invalid)

    def test_its_invalid_samples_break_no_other_of_the_eight(self, rule: Rule) -> None:
        entailed = {"status-when-stopped-is-3": {"status-when-stopped"}}.get(rule.id, set())
        for run in rule.invalid:
            blamed = {other.id for other in EIGHT if other.judge(run).verdict == "fail"}
            assert blamed <= {rule.id} | entailed

    def test_says_what_the_cluster_does_and_why_it_knows(self, rule: Rule) -> None:
        for run in rule.invalid:
            judgement = rule.judge(run)
            assert re.fullmatch(r"[A-Z][^.]*(\.\w[^.]*)*\.", judgement.consequence)
            assert judgement.sentence
            assert not judgement.sentence.endswith(".")
            assert judgement.calls or rule.id == "lsb-header"

    def test_is_named_as_its_function_and_titled_by_its_docstring(self, rule: Rule) -> None:
        assert rule.judge.__name__ == rule.id.replace("-", "_")
        assert rule.judge.__doc__ == f"{rule.title}."

    def test_has_a_page_with_title_clause_reason_faulty_and_correct_code(self, rule: Rule) -> None:
        text = page(rule.id)
        assert text.startswith(f"# {rule.title}\n\nClause: {rule.clause}.\n")
        headings = re.findall(r"^## (.*)", text, flags=re.MULTILINE)
        assert headings == ["Why", "Faulty", "Correct", "How it is seen"]
        assert len(fenced(text)) == 2
        assert all(len(line) <= 110 for line in text.splitlines() if "Clause:" not in line)

    def test_has_code_on_its_page_that_a_shell_can_read(self, rule: Rule) -> None:
        for code in fenced(page(rule.id)):
            checked = subprocess.run(
                ["/bin/sh", "-n"], input=code, text=True, capture_output=True, check=False
            )
            assert (checked.returncode, checked.stderr) == (0, "")

    def test_judges_nothing_when_nothing_was_run(self, rule: Rule) -> None:
        judgement = rule.judge(Transcript("/etc/init.d/x"))
        if rule.id == "lsb-header":
            assert judgement.verdict == "fail"
        else:
            assert judgement == Judgement("not-provoked", "this scenario was not run")


class TestTheBook:
    def test_holds_every_id_of_the_issue_in_report_order(self) -> None:
        assert tuple(rule.id for rule in RULES) == REPORT_ORDER

    def test_numbers_the_eight_and_no_other(self) -> None:
        assert [rule.number for rule in RULES] == [1, 2, 3, 4, 5, 6, 7, 8] + [None] * 11

    def test_has_three_profiles_that_extend_each_other(self) -> None:
        lsb, pacemaker, strict = (rules_of(profile) for profile in PROFILES)
        assert lsb == EIGHT
        beyond = ["start-when-running", "status-when-stopped-is-3", "status-after-crash"]
        assert [rule.id for rule in pacemaker] == [rule.id for rule in EIGHT] + beyond
        assert strict == RULES

    def test_knows_no_other_id(self) -> None:
        with pytest.raises(KeyError):
            by_id("no-such-rule")
        with pytest.raises(KeyError):
            page("../no-such-page")

    def test_has_no_page_without_a_rule(self) -> None:
        pages = Path(__file__).parents[2] / "lsbcheck/rules/pages"
        assert {path.stem for path in pages.iterdir()} == set(REPORT_ORDER)

    def test_is_printed_in_the_reference(self) -> None:
        written = Path(__file__).parents[2] / "docs/reference/rules.md"
        assert written.read_text(encoding="utf-8") == reference(), "see lsbcheck/rules/reference.py"

    def test_blames_a_good_script_for_nothing(self) -> None:
        assert {rule.judge(seen()).verdict for rule in RULES} == {"pass"}


@pytest.mark.parametrize("rule", NEEDS_A_RUN, ids=lambda rule: rule.id)
class TestWithoutARun:
    def test_a_refused_script_is_an_error_with_its_sentence(self, rule: Rule) -> None:
        run = replace(seen(), refused="the service is live on the host")
        assert rule.judge(run) == Judgement("error", "the service is live on the host")

    def test_a_checker_that_failed_everywhere_is_an_error(self, rule: Rule) -> None:
        names = seen().scenarios
        broken = {name: Scenario(name, error="the sandbox could not be made") for name in names}
        run = replace(seen(), scenarios=broken, service=None)
        assert rule.judge(run) == Judgement("error", "the sandbox could not be made")

    def test_an_unreached_scenario_is_not_provoked_with_its_sentence(self, rule: Rule) -> None:
        names = seen().scenarios
        cut = {name: Scenario(name, unreached="no interpreter") for name in names}
        assert rule.judge(replace(seen(), scenarios=cut)) == Judgement(
            "not-provoked", "no interpreter"
        )

    @pytest.mark.parametrize("code", [0, 5, 6])
    def test_a_script_that_refuses_everything_is_not_judged(self, rule: Rule, code: int) -> None:
        def refused(action: str) -> Call:
            return unimplemented(action, code, output=f"sampled is disabled, no {action}")

        run = Transcript(
            "/etc/init.d/sample",
            header=HEADER,
            scenarios={
                "watched": scenario("watched", (refused("start"),)),
                "stopped": scenario(
                    "stopped", (refused(UNKNOWN_ACTION), refused("status"), refused("stop"))
                ),
                "cycle": scenario("cycle", (refused("start"), refused("status"), refused("stop"))),
            },
        )
        judgement = rule.judge(run)
        assert judgement.verdict == "not-provoked"
        assert "answers every action alike" in judgement.sentence


def test_the_header_is_judged_even_where_nothing_could_be_run() -> None:
    assert verdict("lsb-header", replace(seen(), refused="not executable")) == "pass"


NO_STATUS = seen(
    stopped=(unknown(1), unimplemented("status"), stop_again(0)),
    cycle=(start(0), unimplemented("status", up=True), stop(0)),
)
NO_STOP = seen(
    stopped=(unknown(2), status(3, up=False), unimplemented("stop", 2)),
    cycle=(start(0), status(0), unimplemented("stop", 2, up=True)),
)
NO_START = Transcript(
    "/etc/init.d/sample",
    scenarios={
        "watched": scenario("watched", (unimplemented("start"),)),
        "stopped": scenario("stopped", (unknown(1), status(3, up=False), stop_again(0))),
    },
)


class TestMissingActions:
    @pytest.mark.parametrize(
        "id",
        [
            "status-when-running",
            "status-when-stopped",
            "status-when-stopped-is-3",
            "status-after-crash",
            "status-when-suspended",
        ],
    )
    def test_without_status_its_rules_are_not_provoked(self, id: str) -> None:
        assert judge(id, NO_STATUS) == Judgement("not-provoked", "no status")

    @pytest.mark.parametrize(
        "id",
        [
            "stop-succeeds",
            "stop-failure-reported",
            "stop-when-stopped",
            "refused-stop-reported",
            "bystander-survives",
        ],
    )
    def test_without_stop_its_rules_are_not_provoked(self, id: str) -> None:
        assert judge(id, NO_STOP) == Judgement("not-provoked", "no stop")

    @pytest.mark.parametrize("id", ["start-succeeds", "start-failure-reported"])
    def test_without_start_its_rules_are_not_provoked(self, id: str) -> None:
        assert judge(id, NO_START) == Judgement("not-provoked", "no start")

    @pytest.mark.parametrize(
        ("run", "missing"),
        [(NO_STATUS, "status"), (NO_STOP, "stop"), (NO_START, "start"), (seen(), None)],
        ids=["status", "stop", "start", "none"],
    )
    def test_break_rule_1_alone(self, run: Transcript, missing: str | None) -> None:
        assert missing_actions(run) == ((missing,) if missing else ())
        blamed = [rule.id for rule in EIGHT if rule.judge(run).verdict == "fail"]
        assert blamed == (["actions-implemented"] if missing else [])

    def test_without_status_a_missing_program_is_judged_by_start_alone(self) -> None:
        claim = unimplemented("status", 0)
        run = replace(
            NO_STATUS,
            scenarios={
                **NO_STATUS.scenarios,
                "missing-program": scenario(
                    "missing-program", (MISSING, start(5, up=False), claim)
                ),
            },
        )
        assert verdict("missing-program", run) == "pass"

    def test_a_start_that_brings_a_service_up_is_implemented_whatever_it_prints(self) -> None:
        up = call("start", 1, after=(DAEMON,), output=USAGE)
        assert missing_actions(seen(watched=(up,), cycle=(up,))) == ()

    def test_a_stop_that_stops_is_implemented_whatever_it_prints(self) -> None:
        silent = call("stop", 0, (DAEMON,), (), output="")
        run = seen(
            stopped=(unknown(0, ""), status(3, up=False), stop_again(0, output="")),
            cycle=(start(0), status(0), silent),
        )
        assert missing_actions(run) == ()

    def test_a_silent_status_is_implemented_if_the_running_service_gets_another_answer(
        self,
    ) -> None:
        run = seen(
            stopped=(unknown(3, ""), status(3, up=False, output=""), stop_again(0)),
            cycle=(start(0), status(0, output=""), stop(0)),
        )
        assert missing_actions(run) == ()

    @pytest.mark.parametrize(
        ("answer", "refusal"),
        [
            ("usage: x {start|stop|status}", "usage: x {start|stop|status}"),
            ("status: unknown action", f"{UNKNOWN_ACTION}: unknown action"),
            ("x: 12: status: not found\n", f"x: 14: {UNKNOWN_ACTION}: not found"),
        ],
        ids=["the usage names the action", "the action is repeated", "a line number differs"],
    )
    def test_the_action_is_replaced_on_both_sides(self, answer: str, refusal: str) -> None:
        run = seen(
            stopped=(
                unknown(1, refusal),
                unimplemented("status", output=answer),
                stop_again(0),
            ),
            cycle=(start(0), unimplemented("status", up=True, output=answer), stop(0)),
        )
        assert missing_actions(run) == ("status",)

    def test_another_code_or_text_is_an_answer_of_its_own(self) -> None:
        for answered in (
            unimplemented("status", 2),
            unimplemented("status", 1, output="not running"),
        ):
            run = seen(stopped=(unknown(1), answered, stop_again(0)))
            assert missing_actions(run) == ()

    def test_silence_of_a_script_that_never_ran_convicts_nobody(self) -> None:
        run = seen_without_processes(0, 3)
        silent = (unknown(3, ""), status(3, up=False, output=""), stop_again(0))
        run = replace(
            run,
            scenarios={
                "watched": run["watched"],
                "stopped": scenario("stopped", silent),
            },
        )
        assert verdict("actions-implemented", run) == "not-provoked"

    def test_cannot_be_told_when_the_running_service_could_not_be_asked(self) -> None:
        run = seen(
            stopped=(unknown(1), unimplemented("status"), stop_again(0)),
            cycle=scenario("cycle", (), error="the sandbox died"),
        )
        assert judge("actions-implemented", run) == Judgement("error", "the sandbox died")

    def test_of_a_script_that_never_heard_of_any_action_are_all_three(self) -> None:
        run = Transcript(
            "/etc/init.d/sample",
            scenarios={
                "watched": scenario("watched", (unimplemented("start"),)),
                "stopped": scenario(
                    "stopped", (unknown(1), unimplemented("status"), unimplemented("stop"))
                ),
            },
        )
        assert missing_actions(run) == ("start", "stop", "status")
        assert verdict("actions-implemented", run) == "fail"


class TestWithoutProcesses:
    @pytest.mark.parametrize(
        ("run", "told"),
        [
            (seen_without_processes(0, 0), "a one-shot"),
            (seen_without_processes(0, 3, status_after=0), "a one-shot"),
            (seen_without_processes(1, 3), "start left no process (exit 1)"),
            (seen_without_processes(0, 3), "status does not call it running (exit 3)"),
        ],
        ids=["one-shot", "one-shot with state", "fails with a code", "fails silently"],
    )
    def test_the_reason_is_told_apart(self, run: Transcript, told: str) -> None:
        judgement = judge("start-succeeds", run)
        assert judgement.verdict == "not-provoked"
        assert told in judgement.sentence

    def test_a_one_shot_has_rules_2_to_6_not_provoked(self) -> None:
        verdicts = [rule.judge(seen_without_processes(0, 3, status_after=0)) for rule in EIGHT]
        assert [judgement.verdict for judgement in verdicts] == [
            "pass",
            *["not-provoked"] * 5,
            "pass",
            "pass",
        ]
        assert all("one-shot" in judgement.sentence for judgement in verdicts[1:6])

    @pytest.mark.parametrize("id", ["status-when-stopped", "status-when-stopped-is-3"])
    def test_nothing_speaks_against_a_status_of_0(self, id: str) -> None:
        assert verdict(id, seen_without_processes(0, 0)) == "not-provoked"
        assert verdict(id, seen_without_processes(0, 3)) == "pass"

    def test_a_watch_that_failed_is_no_evidence_either(self) -> None:
        run = seen_without_processes(0, 0)
        run = replace(
            run,
            scenarios={
                "watched": Scenario("watched", error="the watch failed"),
                "stopped": run["stopped"],
            },
        )
        assert judge("status-when-stopped", run) == Judgement("error", "the watch failed")

    def test_stop_of_the_stopped_is_judged_all_the_same(self) -> None:
        run = seen_without_processes(0, 0)
        stopped = (unknown(1), status(0, up=False), stop_again(1))
        run = replace(run, scenarios={**run.scenarios, "stopped": scenario("stopped", stopped)})
        assert verdict("stop-when-stopped", run) == "fail"

    def test_a_restart_is_not_asked_to_leave_a_process(self) -> None:
        run = seen_without_processes(0, 0)
        first = (restart(0, was_up=False, up=False),)
        run = replace(run, scenarios={**run.scenarios, "restart": scenario("restart", first)})
        assert verdict("restart-actions", run) == "not-provoked"


class TestStart:
    def test_one_start_that_said_0_does_not_excuse_another(self) -> None:
        assert verdict("start-succeeds", seen(watched=(start(0),), cycle=(start(1),))) == "fail"

    def test_a_start_that_came_up_counts_more_than_one_that_did_not(self) -> None:
        run = seen(watched=(start(0, up=False),))
        assert verdict("start-succeeds", run) == "pass"

    @pytest.mark.parametrize(
        ("id", "name"),
        [
            ("start-failure-reported", "start_failure"),
            ("late-start-failure-reported", "late_failure"),
        ],
    )
    def test_a_failure_that_did_not_act_proves_nothing(self, id: str, name: str) -> None:
        without = fault("program-fails", effective=False, why="the daemon never ran")
        for code in (0, 1):
            judgement = judge(id, seen(**{name: (without, start(code, up=False))}))
            assert judgement.verdict == "not-provoked"
            assert judgement.sentence == "the daemon never ran"
            assert judgement.fault == without
        assert verdict(id, seen(**{name: (start(0, up=False),)})) == "not-provoked"
        assert verdict(id, seen(**{name: (FAILS, start(0, up=True))})) == "not-provoked"

    def test_a_failed_start_without_an_answer_has_a_sentence_of_its_own(self) -> None:
        said_0 = judge("start-failure-reported", seen(start_failure=(FAILS, start(0, up=False))))
        silent = judge(
            "start-failure-reported", seen(start_failure=(FAILS, start(HANGS, up=False)))
        )
        assert said_0.sentence.startswith("start said 0")
        assert silent.sentence.startswith("start did not answer in 60 s")
        assert silent.calls[0].outcome == "no-answer"
        assert said_0.consequence != silent.consequence

    def test_a_killed_start_counts_as_not_0_and_says_so(self) -> None:
        run = seen(start_failure=(FAILS, start(KILLED, up=False)))
        judgement = judge("start-failure-reported", run)
        assert judgement.verdict == "pass"
        assert judgement.remarks == ("start was killed by signal 9, which counts as not 0",)

    def test_debians_0_for_a_missing_program_is_accepted_with_a_remark(self) -> None:
        run = seen(missing_program=(MISSING, start(0, up=False), status(3, up=False)))
        assert judge("missing-program", run).verdict == "pass"
        assert "Debian" in judge("missing-program", run).remarks[0]

    def test_a_service_that_runs_without_its_program_proves_nothing(self) -> None:
        run = seen(missing_program=(MISSING, start(0), status(0)))
        assert verdict("missing-program", run) == "not-provoked"


class TestStartWhenRunning:
    def second_start(
        self,
        before: tuple[Process, ...],
        after: tuple[Process, ...],
        main: Program | None = MAIN,
    ) -> Judgement:
        run = seen(second_start=(start(0), call("start", 0, before, after)))
        return judge("start-when-running", replace(run, service=Service(main)))

    def test_workers_may_be_replaced(self) -> None:
        old, new = process(101, ppid=100), process(201, ppid=100)
        assert self.second_start((DAEMON, old), (DAEMON, new)).verdict == "pass"

    def test_a_helper_may_come_or_go(self) -> None:
        helper = process(101, exe="/bin/sleep", argv=("sleep", "5"))
        assert self.second_start((DAEMON, helper), (DAEMON,)).verdict == "pass"
        assert self.second_start((DAEMON,), (DAEMON, helper)).verdict == "pass"
        assert self.second_start((DAEMON, helper), (DAEMON,), main=None).verdict == "pass"

    def test_a_helper_with_the_daemons_program_may_come(self) -> None:
        queue_runner = process(101, argv=("/usr/sbin/sampled", "-q"))
        assert self.second_start((DAEMON,), (DAEMON, queue_runner)).verdict == "pass"

    def test_a_zombie_is_no_second_daemon(self) -> None:
        assert self.second_start((DAEMON,), (DAEMON, process(200, state="Z"))).verdict == "pass"

    def test_a_second_daemon_below_a_wrapper_is_seen(self) -> None:
        wrapper = process(200, exe="/bin/sh", argv=("sh",))
        judgement = self.second_start((DAEMON,), (DAEMON, wrapper, process(201, ppid=200)))
        assert judgement.sentence == "start said 0 and started a second daemon, process 201"

    def test_a_replaced_daemon_is_seen_even_with_another_title(self) -> None:
        judgement = self.second_start((DAEMON,), (process(200, argv=("sampled: idle",)),))
        assert judgement.sentence == "start said 0 and replaced process 100 by 200"

    def test_the_same_number_at_another_time_is_another_process(self) -> None:
        later = replace(DAEMON, start=DAEMON.start + 1)
        assert self.second_start((DAEMON,), (later,)).verdict == "fail"

    @pytest.mark.parametrize(
        ("answer", "effect"),
        [(0, "starts the service on the other one"), (1, "fences"), (HANGS, "stop timeout")],
    )
    def test_a_stop_that_no_longer_finds_the_daemon_is_seen(
        self, answer: Answer, effect: str
    ) -> None:
        lost = seen(second_start=(start(0), start_again(0), stop(answer, left=True)))
        judgement = judge("start-when-running", lost)
        assert judgement.verdict == "fail"
        assert "the stop that follows leaves the service running" in judgement.sentence
        assert effect in judgement.consequence
        assert [each.action for each in judgement.calls] == ["start", "stop"]

    def test_a_stop_that_never_works_is_not_the_second_starts_fault(self) -> None:
        useless = stop(0, left=True)
        run = seen(
            cycle=(start(0), status(0), useless),
            second_start=(start(0), start_again(0), useless),
        )
        assert judge("start-when-running", run).verdict == "pass"

    def test_a_stop_that_stops_and_says_otherwise_is_not_this_rules_matter(self) -> None:
        run = seen(second_start=(start(0), start_again(0), stop(1)))
        assert judge("start-when-running", run).verdict == "pass"

    def test_one_of_two_daemons_restarted_is_seen(self) -> None:
        other = process(101, argv=("/usr/sbin/sampled", "--second"))
        judgement = self.second_start((DAEMON, other), (DAEMON, replace(other, pid=202)))
        assert judgement.sentence == "start said 0 and restarted a daemon, now process 202"

    def test_a_script_run_by_an_interpreter_is_told_from_other_scripts(self) -> None:
        main = Program("/opt/d.py", "/usr/bin/python3", ("python3", "/opt/d.py"))
        daemon = process(100, exe="/usr/bin/python3", argv=("python3", "/opt/d.py"))
        helper = process(101, exe="/usr/bin/python3", argv=("python3", "/opt/h.py"))
        later = replace(helper, pid=102)
        assert self.second_start((daemon, helper), (daemon, later), main).verdict == "pass"
        assert self.second_start((daemon, helper), (helper,), main).verdict == "fail"

    def test_a_service_that_ended_before_is_not_judged(self) -> None:
        run = seen(second_start=(start(0), start(0)))
        assert verdict("start-when-running", run) == "not-provoked"


class TestStop:
    @pytest.mark.parametrize(
        ("call", "told"),
        [
            (stop(0, left=True), "stop said 0 and left 1 process running"),
            (stop(1), "stop said 1, although it stopped the service"),
            (stop(1, left=True), "stop said 1 and did not stop a healthy service"),
            (stop(HANGS), "stop did not answer in 60 s; it stopped the service"),
            (stop(HANGS, left=True), "stop did not answer in 60 s; it left 1 process running"),
        ],
        ids=["lies", "denies", "fails", "hangs", "hangs and fails"],
    )
    def test_each_way_to_fail_has_its_sentence(self, call: Call, told: str) -> None:
        assert judge("stop-succeeds", seen(cycle=(start(0), status(0), call))).sentence == told

    def test_helpers_left_behind_are_a_remark(self) -> None:
        helper = process(300, exe="/usr/bin/epmd", argv=("epmd",))
        leaving = replace(stop(0), after=(helper,))
        judgement = judge("stop-succeeds", seen(cycle=(start(0), status(0), leaving)))
        assert judgement.verdict == "pass"
        assert judgement.remarks == ("1 process left behind, none of them the service itself",)

    @pytest.mark.parametrize(
        ("id", "name"),
        [("stop-failure-reported", "stop_failure"), ("refused-stop-reported", "refused_stop")],
    )
    def test_a_service_that_stopped_all_the_same_proves_nothing(self, id: str, name: str) -> None:
        for code in (0, 1):
            run = seen(**{name: (SWALLOWED, start(0), stop(code))})
            assert verdict(id, run) == "not-provoked"
        idle = fault("signals-swallowed", effective=False)
        assert verdict(id, seen(**{name: (idle, start(0), stop(0, left=True))})) == "not-provoked"

    def test_no_answer_is_never_mixed_with_a_0(self) -> None:
        run = seen(stop_failure=(SWALLOWED, start(0), stop(HANGS, left=True)))
        judgement = judge("stop-failure-reported", run)
        assert judgement.calls[-1].outcome == "no-answer"
        assert judgement.sentence == "stop did not answer in 60 s and left 1 process running"

    @pytest.mark.parametrize(
        ("id", "run"),
        [
            ("stop-succeeds", seen(cycle=(start(0), stop_again(0)))),
            ("stop-failure-reported", seen(stop_failure=(SWALLOWED, start(0), stop_again(0)))),
            ("status-when-running", seen(cycle=(start(0), status(3, up=False)))),
            ("status-when-suspended", seen(suspended=(start(0), status(3, up=False)))),
        ],
        ids=["stop", "failing stop", "status", "suspended"],
    )
    def test_a_service_that_ended_by_itself_is_not_held_against_the_script(
        self, id: str, run: Transcript
    ) -> None:
        assert verdict(id, run) == "not-provoked"
        assert "ended by itself" in judge(id, run).sentence

    @pytest.mark.parametrize(
        ("id", "run"),
        [
            ("stop-when-stopped", seen(stopped=(unknown(1), status(3, up=False), stop(1)))),
            ("status-when-stopped", seen(stopped=(unknown(1), status(0), stop_again(0)))),
            ("start-failure-reported", seen(start_failure=(FAILS, start_again(0, after=())))),
        ],
        ids=["stop", "status", "start"],
    )
    def test_a_service_that_was_running_is_no_proof_of_what_a_stopped_one_says(
        self, id: str, run: Transcript
    ) -> None:
        assert verdict(id, run) == "not-provoked"
        assert "was running before" in judge(id, run).sentence

    def test_a_bystander_killed_by_the_first_stop_needs_no_second(self) -> None:
        run = seen(bystander=(bystander(running=False, stopped=False), stop_again(0)))
        assert verdict("bystander-survives", run) == "fail"

    def test_a_service_that_did_not_come_up_this_time_is_told_from_one_that_ended(self) -> None:
        run = seen(cycle=(start(1, up=False), status(3, up=False), stop_again(0)))
        for rule_id, action in (("status-when-running", "status"), ("stop-succeeds", "stop")):
            told = f"the service did not come up before {action} was called (exit 1)"
            assert judge(rule_id, run).sentence == told
            assert verdict(rule_id, run) == "not-provoked"

    def test_a_bystander_beside_which_nothing_starts_is_not_judged(self) -> None:
        cut = scenario("bystander", (stop_again(0), start(1, up=False)), unreached="no start")
        assert judge("bystander-survives", seen(bystander=cut)).sentence == "no start"

    def test_a_bystander_is_safe_only_after_both_stops(self) -> None:
        run = seen(bystander=(bystander(), stop_again(0), start(0, up=False)))
        assert verdict("bystander-survives", run) == "not-provoked"
        assert verdict("bystander-survives", seen(bystander=(stop_again(0),))) == "not-provoked"


class TestStatus:
    def test_a_service_that_ends_during_the_call_is_not_judged(self) -> None:
        run = seen(cycle=(start(0), call("status", 3, (DAEMON,), ())))
        assert verdict("status-when-running", run) == "not-provoked"

    @pytest.mark.parametrize(
        ("code", "reading"),
        [
            (1, "cleanly stopped"),
            (2, "cleanly stopped"),
            (3, "cleanly stopped"),
            (4, "failed"),
            (5, "failed"),
            (150, "not installed"),
            (151, "not permitted"),
        ],
    )
    def test_a_crash_is_reported_with_what_pacemaker_reads(self, code: int, reading: str) -> None:
        judgement = judge("status-after-crash", seen(crash=(start(0), status(code, up=False))))
        assert judgement.verdict == "pass"
        assert judgement.remarks == (f'Pacemaker reads exit {code} as "{reading}"',)

    def test_a_crash_that_something_repairs_is_not_judged(self) -> None:
        assert verdict("status-after-crash", seen(crash=(start(0), status(0)))) == "not-provoked"

    @pytest.mark.parametrize(
        ("answer", "word", "expected"),
        [(0, "blind", "fail"), (HANGS, "hangs", "fail"), (3, "seen", "pass")],
        ids=["blind", "hangs", "seen"],
    )
    def test_a_suspended_service_has_three_outcomes(
        self, answer: int, word: str, expected: str
    ) -> None:
        judgement = judge("status-when-suspended", seen(suspended=(start(0), status(answer))))
        assert (judgement.verdict, judgement.sentence.partition(":")[0]) == (expected, word)

    def test_a_status_that_is_always_wrong_sees_no_suspended_service(self) -> None:
        run = seen(cycle=(start(0), status(4), stop(0)), suspended=(start(0), status(4)))
        assert verdict("status-when-suspended", run) == "not-provoked"

    @pytest.mark.parametrize(
        ("code", "told"), [(3, "starts the running service again"), (4, "stops and starts")]
    )
    def test_the_consequence_depends_on_what_pacemaker_reads(self, code: int, told: str) -> None:
        judgement = judge("status-when-running", seen(cycle=(start(0), status(code), stop(0))))
        assert told in judgement.consequence


class TestRestartAndUnknown:
    def test_a_silent_restart_that_acts_is_implemented(self) -> None:
        run = seen(
            stopped=(unknown(0, ""), status(3, up=False), stop_again(0)),
            restart=(
                restart(0, was_up=False, output=""),
                call("force-reload", 0, (DAEMON,), (process(200),), output=""),
                restart(0, output=""),
            ),
        )
        assert verdict("restart-actions", run) == "pass"

    def test_a_silent_0_for_a_reload_and_for_an_unknown_action_cannot_be_told_apart(self) -> None:
        run = seen(
            stopped=(unknown(0, ""), status(3, up=False), stop_again(0)),
            restart=(restart(0, was_up=False), force_reload(0, output=""), restart(0)),
        )
        assert verdict("restart-actions", run) == "not-provoked"

    def test_a_restart_that_was_not_reached_is_not_judged(self) -> None:
        run = seen(
            restart=scenario("restart", (restart(0, was_up=False),), unreached="it was cut off")
        )
        assert judge("restart-actions", run).sentence == "it was cut off"
        ended = replace(force_reload(0), running_before=False)
        run = seen(restart=(restart(0, was_up=False), ended))
        assert verdict("restart-actions", run) == "not-provoked"

    def test_a_call_that_was_made_is_judged_though_a_later_one_was_not_reached(self) -> None:
        cut = scenario("cycle", (start(0), status(3)), unreached="the limit was reached")
        assert verdict("status-when-running", seen(cycle=cut)) == "fail"
        assert judge("stop-succeeds", seen(cycle=cut)).sentence == "the limit was reached"


class TestHeader:
    def test_keywords_are_read_in_any_case(self) -> None:
        lower = {keyword.lower(): value for keyword, value in HEADER.items()}
        assert verdict("lsb-header", with_header(lower)) == "pass"

    def test_every_fault_is_named(self) -> None:
        judgement = judge("lsb-header", with_header({"Provides": " "}, "it is not closed"))
        assert judgement.sentence.split("; ") == [
            "it is not closed",
            "Required-Start is missing",
            "Required-Stop is missing",
            "Default-Start is missing",
            "Default-Stop is missing",
            "Short-Description is missing",
            "Provides is empty",
        ]


names = st.sampled_from(sorted(seen().scenarios))
actions = st.sampled_from(["start", "stop", "status", "restart", "force-reload", UNKNOWN_ACTION])
sentences = st.sampled_from(["", "it broke"])
processes = st.lists(
    st.builds(
        Process,
        pid=st.integers(2, 5),
        start=st.integers(1, 2),
        ppid=st.integers(1, 5),
        state=st.sampled_from("SZT"),
        uid=st.just(0),
        comm=st.just("d"),
        exe=st.sampled_from(["/d", "/e", ""]),
        argv=st.sampled_from([(), ("/d",), ("/e", "x")]),
    ),
    max_size=3,
).map(tuple)
calls = st.builds(
    Call,
    action=actions,
    argv=st.just(("x",)),
    outcome=st.sampled_from(["exited", "killed", "no-answer"]),
    code=st.none() | st.integers(0, 255),
    seconds=st.just(1.0),
    limit=st.just(2.0),
    output=st.sampled_from(["", "usage", "start"]),
    running_before=st.booleans(),
    running_after=st.booleans(),
    before=processes,
    after=processes,
)
faults = st.builds(Fault, st.just("f"), st.just("tried"), st.booleans(), sentences)
bystanders = st.builds(Bystander, st.just(("d",)), st.booleans(), st.booleans())
programs = st.builds(Program, st.just("/d"), st.sampled_from(["/d", "/e"]), st.just(("/d",)))
scenarios = st.builds(
    Scenario,
    st.just("any"),
    st.lists(calls, max_size=4).map(tuple),
    st.none() | faults,
    st.none() | bystanders,
    sentences,
    sentences,
)
transcripts = st.builds(
    Transcript,
    script=st.just("/x"),
    header=st.none() | st.dictionaries(st.sampled_from(sorted(HEADER)), sentences),
    service=st.none() | st.builds(Service, main=st.none() | programs),
    scenarios=st.dictionaries(names, scenarios, max_size=13),
    refused=st.sampled_from(["", "", "", "live"]),
)


@settings(max_examples=200, deadline=None)
@given(transcripts)
def test_any_transcript_gets_a_judgement_from_every_rule(run: Transcript) -> None:
    for rule in RULES:
        judgement = rule.judge(run)
        assert judgement.verdict in {"pass", "fail", "not-provoked", "error"}
        assert judgement.sentence
        assert bool(judgement.consequence) == (judgement.verdict == "fail")
        if judgement.verdict == "fail" and rule.id != "lsb-header":
            assert judgement.calls
