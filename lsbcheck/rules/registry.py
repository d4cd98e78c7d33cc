"""What a rule and its judgement are, and the decorator that enters a rule into the book."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Literal

from lsbcheck.transcript import Call, Fault, Transcript

Verdict = Literal["pass", "fail", "not-provoked", "error"]
Profile = Literal["lsb", "pacemaker", "strict"]
PROFILES: tuple[Profile, ...] = ("lsb", "pacemaker", "strict")
"""Each extends the one before."""

REPORT_ORDER = (
    "actions-implemented",
    "start-succeeds",
    "start-failure-reported",
    "stop-succeeds",
    "stop-failure-reported",
    "status-when-running",
    "status-when-stopped",
    "stop-when-stopped",
    "start-when-running",
    "status-when-stopped-is-3",
    "status-after-crash",
    "status-when-suspended",
    "missing-program",
    "late-start-failure-reported",
    "refused-stop-reported",
    "bystander-survives",
    "restart-actions",
    "unknown-action",
    "lsb-header",
)
"""Every id there is, in the order of a report. People script on them: never rename one."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a rule says of a transcript."""

    verdict: Verdict
    sentence: str
    """What was seen, without a full stop ("start said 0 although the daemon exited 1")."""
    consequence: str = ""
    """For `fail`: one sentence of what the cluster will do because of it."""
    calls: tuple[Call, ...] = ()
    """The proof: the calls that led to the verdict, in order."""
    fault: Fault | None = None
    remarks: tuple[str, ...] = ()
    """What a reader should know besides; decides nothing."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A fact that a script must satisfy."""

    id: str
    number: int | None
    """1 to 8 for the eight rules, None beyond them."""
    title: str
    clause: str
    """Where the fact is written: specification, section, own words."""
    profile: Profile
    """The first profile that counts it."""
    judge: Callable[[Transcript], Judgement]
    valid: tuple[Transcript, ...]
    invalid: tuple[Transcript, ...]


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
    number: int | None = None,
    clause: str,
    profile: Profile,
    valid: tuple[Transcript, ...],
    invalid: tuple[Transcript, ...],
) -> Callable[[Judge], Judge]:
    """Enter the decorated function into the book; its docstring is the title."""

    def enter(function: Judge) -> Judge:
        @wraps(function)
        def judge(run: Transcript) -> Judgement:
            try:
                return function(run)
            except UndecidedError as undecided:
                return undecided.judgement

        title = (function.__doc__ or "").rstrip(".")
        _entered[id] = Rule(id, number, title, clause, profile, judge, valid, invalid)
        return judge

    return enter


def entered() -> tuple[Rule, ...]:
    """All rules entered so far, in report order; an id outside REPORT_ORDER is a ValueError."""
    return tuple(sorted(_entered.values(), key=lambda entry: REPORT_ORDER.index(entry.id)))
