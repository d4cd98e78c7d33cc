"""The rule book: each rule is a pure function of a finished transcript.

A rule's id is a fact in kebab-case, its function the same with underscores, its docstring the
title that users see. The samples that it must accept and refuse stand beside it, its page is the
Markdown file of the same name in `pages/`. To add a rule: its id into `registry.REPORT_ORDER`, a
function, a page; the tests walk the registry.
"""

from __future__ import annotations

from importlib import resources

from lsbcheck.rules import actions, header, start, status, stop
from lsbcheck.rules.answers import missing_actions
from lsbcheck.rules.registry import PROFILES, Judgement, Profile, Rule, Verdict, entered

__all__ = [
    "CHAPTERS",
    "PROFILES",
    "RULES",
    "Judgement",
    "Profile",
    "Rule",
    "Verdict",
    "by_id",
    "missing_actions",
    "page",
    "rules_of",
]

CHAPTERS = (actions, start, stop, status, header)
"""The modules with the rules; importing them entered the rules into the book."""

RULES: tuple[Rule, ...] = entered()
"""All rules in report order: the eight by number, then those beyond them."""


def rules_of(profile: Profile) -> tuple[Rule, ...]:
    """The rules that this profile counts, in report order."""
    counted = PROFILES[: PROFILES.index(profile) + 1]
    return tuple(rule for rule in RULES if rule.profile in counted)


def by_id(id: str) -> Rule:
    """The rule of this id; KeyError if there is none."""
    return {rule.id: rule for rule in RULES}[id]


def page(id: str) -> str:
    """The rule's page in Markdown; KeyError if there is no such rule."""
    name = f"{by_id(id).id}.md"
    return resources.files(__name__).joinpath("pages", name).read_text(encoding="utf-8")
