"""Documents of `ocfkit check` to try the formats on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hypothesis import strategies as st

from lsbcheck.transcript import Fault, Program, Service
from ocfkit.conformance.check import Report
from ocfkit.conformance.report.document import (
    HOST,
    NOTHING,
    Document,
    GrantedShown,
    MachineShown,
    document,
)
from ocfkit.conformance.rules import RULES, Judgement, Profile, Verdict, rules_of
from ocfkit.conformance.transcript import Transcript
from tests.lsbcheck.reports import HOSTILE
from tests.ocfkit.conformance.seen import DAEMON, GIVEN, PATH, UP, call, seen

AGAIN = ("ocfkit", "check", PATH, "-p", "name=foo")


def judged(run: Transcript, changed: Mapping[str, Judgement] | None = None) -> Report:
    """What the rules say of it, some of them told what to say."""
    said = {rule.id: rule.judge(run) for rule in RULES}
    return Report(run, {**said, **(changed or {})})


def shown(
    report: Report,
    *,
    profile: Profile = "pacemaker",
    chosen: Sequence[str] | None = None,
    again: Sequence[str] = AGAIN,
    machine: MachineShown = HOST,
    granted: GrantedShown = NOTHING,
) -> Document:
    """The document of a report."""
    counting = chosen if chosen is not None else [rule.id for rule in rules_of(profile)]
    verdicts = {report.judgements[rule].verdict for rule in counting}
    rules = RULES if chosen is None else [rule for rule in RULES if rule.id in chosen]
    return document(
        report,
        rules,
        profile=profile,
        chosen=chosen,
        counting=frozenset(counting),
        exit_code=1 if "fail" in verdicts else 0 if verdicts <= {"pass", "does-not-apply"} else 3,
        again=again,
        machine=machine,
        granted=granted,
    )


def saying(verdict: Verdict, words: str) -> Judgement:
    """A judgement that has these words wherever an agent's own may come in."""
    there = replace(UP, processes=(replace(DAEMON, argv=(words, words), comm=words),))
    one = call("start", 1, there, parameters={**GIVEN, "name": words}, stdout=words, stderr=words)
    fault = Fault("program-fails", words, effective=False, why=words)
    return Judgement(verdict, words, (replace(one, argv=(words, "start")),), fault, (words,))


def that_says(words: str, verdict: Verdict = "fail", rule: str = "stop-succeeds") -> Report:
    """A report in which an agent says these words wherever it can."""
    run = replace(
        seen(),
        agent=words,
        name=words,
        parameters={"name": words},
        service=Service(Program(words, words, (words,)), (DAEMON,), (words,), (words,)),
        schemas={"Pacemaker": words},
    )
    return replace(judged(run, {rule: saying(verdict, words)}), notes=(words,))


hostile = st.lists(st.one_of(st.sampled_from(HOSTILE), st.text()), max_size=4).map("".join)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Documents in which everything that an agent can say means harm."""
    verdicts: st.SearchStrategy[Verdict] = st.sampled_from(
        ["pass", "fail", "not-provoked", "does-not-apply", "error"]
    )
    rules = st.sampled_from([rule.id for rule in RULES])
    return shown(that_says(draw(hostile), draw(verdicts), draw(rules)))
