"""The rule book: every rule against its samples, and what holds for each of them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import get_args

import pytest

from ocfkit.conformance.rules import PROFILES, RULES, Judgement, Rule, Verdict, by_id, rules_of
from ocfkit.conformance.rules.registry import rule as entered
from ocfkit.conformance.transcript import Scenario, ScenarioName, Transcript
from tests.ocfkit.conformance.samples import SAMPLES, Samples
from tests.ocfkit.conformance.seen import (
    SCENARIOS,
    erring,
    out_of_time,
    seen,
    start,
    that_does_not_start,
)

NEVER_BREAKS = {"start-succeeds"}
"""Whether the agent or its parameters are wrong cannot be told."""

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)


def samples_of(rule: Rule) -> Samples:
    return SAMPLES.get(rule.id, Samples())


@each_rule
class TestEveryRule:
    @pytest.mark.parametrize("verdict", ["pass", "fail", "not-provoked", "does-not-apply"])
    def test_says_of_its_samples_what_it_must(self, rule: Rule, verdict: Verdict) -> None:
        for number, run in enumerate(samples_of(rule).by_verdict()[verdict]):
            judged = rule.judge(run)
            assert judged.verdict == verdict, f"sample {number}: {judged.sentence}"

    def test_has_samples_that_it_refuses_and_some_that_leave_it_open(self, rule: Rule) -> None:
        samples = samples_of(rule)
        assert samples.breaks or rule.id in NEVER_BREAKS
        assert samples.not_provoked

    def test_tells_in_a_clause_what_was_seen(self, rule: Rule) -> None:
        for runs in samples_of(rule).by_verdict().values():
            for run in runs:
                sentence = rule.judge(run).sentence
                assert sentence == sentence.strip()
                assert sentence
                assert not sentence.endswith((".", ":"))

    def test_has_a_proof_where_it_refuses(self, rule: Rule) -> None:
        for run in samples_of(rule).breaks:
            assert rule.judge(run).calls

    def test_claims_nothing_of_what_was_not_seen(self, rule: Rule) -> None:
        assert rule.judge(Transcript("/x", "x")).verdict == "not-provoked"

    def test_depends_only_on_the_scenarios_that_it_names(self, rule: Rule) -> None:
        for name in set(SCENARIOS) - {*rule.needs, "meta-data", "cycle"}:
            kept = {each: one for each, one in seen().scenarios.items() if each != name}
            assert rule.judge(replace(seen(), scenarios=kept)) == rule.judge(seen()), name

    def test_has_no_verdict_where_the_check_itself_failed(self, rule: Rule) -> None:
        for name in read_by(rule):
            run = replace(seen(), scenarios={**seen().scenarios, name: erring(name)})
            assert rule.judge(run) == Judgement("error", "the sandbox died"), name

    def test_has_no_verdict_where_the_check_failed_halfway(self, rule: Rule) -> None:
        for name in read_by(rule):
            half = replace(seen()[name], error="the sandbox died")
            run = replace(seen(), scenarios={**seen().scenarios, name: half})
            assert rule.judge(run).verdict == "error", name

    def test_holds_for_nothing_that_the_check_had_no_time_to_see(self, rule: Rule) -> None:
        for name in rule.needs or (() if rule.is_static else ("cycle",)):
            for length in range(len(seen()[name].calls)):
                cut = out_of_time(name, length)
                run = replace(seen(), scenarios={**seen().scenarios, name: cut})
                judged = rule.judge(run)
                assert judged.verdict == "not-provoked", f"{name}, {length} calls"
                assert judged.sentence == cut.unreached

    def test_judges_an_agent_that_never_starts(self, rule: Rule) -> None:
        assert rule.judge(that_does_not_start()).verdict in ("pass", "not-provoked", "fail")

    def test_survives_a_scenario_that_ended_anywhere(self, rule: Rule) -> None:
        for name in rule.needs or ("cycle",):
            whole = seen()[name]
            for length in range(len(whole.calls)):
                cut = replace(whole, calls=whole.calls[:length])
                run = replace(seen(), scenarios={**seen().scenarios, name: cut})
                assert rule.judge(run).verdict != "error"

    def test_is_named_as_its_function_and_titled_by_its_docstring(self, rule: Rule) -> None:
        assert rule.judge.__name__ == rule.id.replace("-", "_")
        assert rule.judge.__doc__ == f"{rule.title}."

    def test_says_what_it_is_good_for_and_why_it_knows(self, rule: Rule) -> None:
        assert re.fullmatch(r"([A-Z`]|pcs|crmsh).*\.", rule.consequence)
        assert rule.source
        assert not rule.source.endswith(".")


class Watched(Transcript):
    """A transcript that remembers which of its scenarios a rule has looked into."""

    __slots__ = ("looked",)
    looked: set[ScenarioName]

    def __getitem__(self, name: ScenarioName) -> Scenario:
        self.looked.add(name)
        return Transcript.__getitem__(self, name)


def read_by(rule: Rule) -> set[ScenarioName]:
    """The scenarios that it looks into while all is well."""
    run = seen()
    watched = Watched(
        run.agent,
        run.name,
        run.description,
        run.why_no_description,
        run.parameters,
        run.secrets,
        run.service,
        run.schemas,
        run.scenarios,
    )
    object.__setattr__(watched, "looked", set())
    rule.judge(watched)
    return watched.looked


class TestTheBook:
    def test_has_samples_of_its_rules_and_of_no_other(self) -> None:
        assert SAMPLES.keys() == {rule.id for rule in RULES}

    def test_finds_a_rule_by_its_id(self) -> None:
        assert by_id("stop-succeeds").id == "stop-succeeds"
        with pytest.raises(KeyError):
            by_id("stop_succeeds")

    def test_has_profiles_of_which_each_extends_the_one_before(self) -> None:
        counted = [set(rules_of(profile)) for profile in PROFILES]
        assert counted[0] < counted[1] < counted[2] == set(RULES)

    def test_takes_no_second_rule_of_the_same_id(self) -> None:
        with pytest.raises(ValueError, match="there is a rule stop-succeeds already"):
            entered("stop-succeeds", source="x", consequence="X.")(lambda _: Judgement("pass", "x"))


class TestTheSamples:
    def test_an_agent_that_is_well_keeps_every_rule(self) -> None:
        verdicts = {rule.id: rule.judge(seen()).verdict for rule in RULES}
        assert {rule for rule, verdict in verdicts.items() if verdict != "pass"} == set()

    def test_make_every_scenario_that_there_is(self) -> None:
        assert set(SCENARIOS) == set(get_args(ScenarioName))

    def test_a_failed_start_is_told_with_its_reason_and_with_what_helps(self) -> None:
        run = replace(that_does_not_start(), parameters={})
        judged = by_id("start-succeeds").judge(run)
        assert judged.sentence == (
            "start said 1 (generic error): it is so; -p NAME=VALUE gives the agent its parameters"
        )

    @pytest.mark.parametrize(
        ("answer", "stderr"),
        [
            (4, "ocf-exit-reason:only root can do that\n"),
            (1, "mount: /mnt: permission denied.\n"),
            (1, "mknod: /dev/x: Operation not permitted\n"),
        ],
    )
    def test_a_start_that_was_refused_something_is_told_what_may_help(
        self, answer: int, stderr: str
    ) -> None:
        run = seen(cycle=(start(answer, stderr=stderr),))
        sentence = by_id("start-succeeds").judge(run).sentence
        assert sentence.endswith(
            "; --grant CAP or --device PATH may give what root was refused here"
        )

    def test_a_start_that_says_nothing_is_told_so(self) -> None:
        run = seen(cycle=(start(1, stderr=""),))
        assert by_id("start-succeeds").judge(run).sentence.endswith(": no reason is told")
