"""What a rule and its judgement are, and the decorator that enters a rule into the book."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Literal, Never, get_args

from lsbcheck.transcript import Fault
from ocfkit.conformance.transcript import ACTIVE, Call, Scenario, ScenarioName, Transcript

Verdict = Literal["pass", "fail", "not-provoked", "does-not-apply", "error"]
"""`does-not-apply`: it was seen that there is nothing to judge, such as a promote that the agent
does not advertise; `not-provoked`: there may be, and the check could not bring it about."""

Profile = Literal["ocf", "pacemaker", "strict"]
PROFILES: tuple[Profile, ...] = ("ocf", "pacemaker", "strict")
"""The OCF text; what Pacemaker and its tools rely on besides; what experience asks for. Each
extends the one before."""


EVERYWHERE: tuple[ScenarioName, ...] = tuple(
    name for name in get_args(ScenarioName) if name != "nobody"
)
"""What a rule reads that is about every call, whatever was done to the service. The cluster calls
as root: what is said without it has a rule of its own."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a rule says of a transcript."""

    verdict: Verdict
    sentence: str
    """What was seen, without a full stop ("monitor said 0 although nothing runs")."""
    calls: tuple[Call, ...] = ()
    """The proof: the calls that led to the verdict, in order."""
    fault: Fault | None = None
    remarks: tuple[str, ...] = ()
    """What a reader should know besides; decides nothing."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A fact that an agent must satisfy."""

    id: str
    title: str
    source: str
    """Where the fact is written, or who taught it: a clause, a document, an issue."""
    profile: Profile
    """The first profile that counts it."""
    needs: tuple[ScenarioName, ...]
    """What it reads; `meta-data` is made for every rule, and `cycle` for every one that is not
    static: they need not be named where a guard below asks for them."""
    consequence: str
    """What a broken one does to a cluster or its operator."""
    judge: Callable[[Transcript], Judgement]
    chapter: str
    """The module that it stands in."""
    schemas: bool = False
    """Whether it reads what the schemas of the tools say."""

    @property
    def is_static(self) -> bool:
        """Whether it reads what the agent says of itself, and nothing of what it does."""
        return self.chapter.endswith(".meta_data")


class UndecidedError(Exception):
    """Ends a rule early: what it needs to see was not there. Never leaves `Rule.judge`."""

    def __init__(self, judgement: Judgement) -> None:
        super().__init__(judgement.sentence)
        self.judgement = judgement


Judge = Callable[[Transcript], Judgement]

_entered: dict[str, Rule] = {}


def rule(
    id: str,
    *,
    source: str,
    consequence: str,
    profile: Profile = "ocf",
    needs: tuple[ScenarioName, ...] = (),
    schemas: bool = False,
) -> Callable[[Judge], Judge]:
    """Enter the decorated function into the book; its docstring is the title.

    The rule has no verdict where a scenario that it needs met an error of the check, nor against an
    agent that was given less time than it asks for; it does not hold where the time for the whole
    check was over first.
    """

    def enter(function: Judge) -> Judge:
        @wraps(function)
        def judge(run: Transcript) -> Judgement:
            for name in needs:
                if run[name].error:
                    return Judgement("error", run[name].error)
            try:
                judgement = _in_its_time(run, function(run))
            except UndecidedError as undecided:
                judgement = undecided.judgement
            return _seen_to_the_end(run, made, judgement)

        title = (function.__doc__ or "").rstrip(".")
        if id in _entered:
            raise ValueError(f"there is a rule {id} already")
        chapter = function.__module__
        made = Rule(id, title, source, profile, needs, consequence, judge, chapter, schemas)
        _entered[id] = made
        return judge

    return enter


def _in_its_time(run: Transcript, judgement: Judgement) -> Judgement:
    """A call that the check's own limit has cut short breaks no rule."""
    if judgement.verdict != "fail" or run.description is None:
        return judgement
    for call in judgement.calls:
        level = int(call.environ.get("OCF_CHECK_LEVEL", "0"))
        advised = run.description.timeout(call.action, level) or 0.0
        if call.outcome == "no-answer" and call.limit < advised:
            sentence = f"{said(call)}; --timeout {advised:g}s gives it what it asks for"
            return not_provoked(sentence, *judgement.calls, fault=judgement.fault)
    return judgement


def _seen_to_the_end(run: Transcript, rule: Rule, judgement: Judgement) -> Judgement:
    """What the check had no time for might have broken the rule; what was seen until then has."""
    if judgement.verdict not in ("fail", "error"):
        for name in rule.needs or (() if rule.is_static else ("cycle",)):
            if run[name].out_of_time:
                return not_provoked(run[name].unreached)
    return judgement


def entered() -> tuple[Rule, ...]:
    """All rules entered so far, in the order of their modules and of these."""
    return tuple(_entered.values())


# --- verdicts -------------------------------------------------------------------------------------


def holds(sentence: str, *calls: Call, remarks: tuple[str, ...] = ()) -> Judgement:
    """The verdict `pass`."""
    return Judgement("pass", sentence, calls, remarks=remarks)


def broken(
    sentence: str, *calls: Call, fault: Fault | None = None, remarks: tuple[str, ...] = ()
) -> Judgement:
    """The verdict `fail`."""
    return Judgement("fail", sentence, calls, fault, remarks)


def not_provoked(sentence: str, *calls: Call, fault: Fault | None = None) -> Judgement:
    """The state that the rule is about may exist, and was not seen."""
    return Judgement("not-provoked", sentence, calls, fault)


def does_not_apply(sentence: str) -> Judgement:
    """The agent has nothing that the rule is about."""
    return Judgement("does-not-apply", sentence)


def undecided(judgement: Judgement) -> Never:
    """End the rule with this judgement."""
    raise UndecidedError(judgement)


# --- guards: they end a rule where there is nothing to judge --------------------------------------


def asked(run: Transcript, name: ScenarioName, action: str, nth: int = 0) -> Call:
    """The `nth` call of this action in the scenario; undecided if it was not reached."""
    scenario = _whole(run, name)
    call = scenario.call(action, nth)
    if call is None:
        undecided(not_provoked(why_unreached(run, scenario, action), *scenario.calls[-1:]))
    return call


def calls_in(run: Transcript, names: Iterable[ScenarioName]) -> list[Call]:
    """All calls of these scenarios of which it is known what they should do."""
    return [call for name in names for call in run[name].calls if not call.is_of_its_own]


def why_unreached(run: Transcript, scenario: Scenario, action: str) -> str:
    """Why there is no such call, in words."""
    fault = scenario.fault
    return (
        scenario.unreached
        or (fault.why if fault else "")
        or run.why_no_description
        or f"{action} was not called"
    )


def _whole(run: Transcript, name: ScenarioName) -> Scenario:
    """The scenario; no verdict where the check itself failed in it."""
    if run[name].error:
        undecided(Judgement("error", run[name].error))
    return run[name]


def described(run: Transcript) -> None:
    """Go on only where there is meta-data."""
    _whole(run, "meta-data")
    if run.description is None:
        undecided(not_provoked(f"there is no meta-data to read: {run.why_no_description}"))


def started(run: Transcript) -> Call:
    """The first start, which must have succeeded for anything to be said of what runs."""
    call = asked(run, "cycle", "start")
    if not call.succeeded:
        undecided(not_provoked(f"the agent did not start: {said(call)}", call))
    return call


def with_processes(run: Transcript) -> None:
    """Go on only where the agent has processes that can be killed or stopped."""
    started(run)
    if run.service is None:
        undecided(does_not_apply("the agent leaves no process running"))


def provoked(run: Transcript, name: ScenarioName) -> Fault:
    """The fault of this scenario; undecided where it was not seen to act."""
    scenario = run[name]
    fault = scenario.fault
    if fault is None or not fault.effective:
        why = scenario.unreached or (fault.why if fault else "") or "the fault did not act"
        undecided(not_provoked(why, *scenario.calls, fault=fault))
    return fault


def require_reach(calls: Iterable[Call]) -> None:
    """Go on only where every caller could execute the agent at all."""
    refused = [call for call in calls if call.is_out_of_reach]
    if refused:
        sentence = f"{refused[0].argv[0]} cannot be executed by uid {refused[0].uid} where it lies"
        undecided(not_provoked(sentence, refused[0]))


def is_active(call: Call) -> bool:
    """Whether a monitor said that the service is there and works, in whatever role."""
    return call.exited(*ACTIVE)


def said(call: Call) -> str:
    """The answer as a clause: `stop said 1 (generic error)`, `monitor gave no answer in 20 s`."""
    what = call.action if call.uid == 0 else f"{call.action} as uid {call.uid}"
    if call.outcome == "exited":
        return f"{what} said {call.answer.removeprefix('exit ')}"
    if call.outcome == "killed":
        return f"{what} was {call.answer}"
    return f"{what} gave {call.answer}"
