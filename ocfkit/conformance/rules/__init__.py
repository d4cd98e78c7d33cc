"""The rule book: each rule is a pure function of a finished transcript.

A rule's id is a fact in kebab-case, its function the same with underscores, its docstring the
title that users see. To add one: a function in the chapter that it belongs to, a section in the
chapter's file of `pages/` and a broken agent in tests/conformance/broken; the tests walk the
registry.
"""

from __future__ import annotations

import textwrap
from importlib import resources

from ocfkit.conformance.rules import (
    actions,
    faults,
    instances,
    meta_data,
    monitor,
    parameters,
    start_stop,
    telling,
)
from ocfkit.conformance.rules.registry import (
    PROFILES,
    Judgement,
    Profile,
    Rule,
    Verdict,
    entered,
)

__all__ = ["CHAPTERS", "PROFILES", "RULES", "Judgement", "Profile", "Rule", "Verdict", "by_id"]

CHAPTERS = (
    meta_data,
    actions,
    start_stop,
    monitor,
    faults,
    parameters,
    instances,
    telling,
)
"""The modules with the rules; importing them entered the rules into the book."""

RULES: tuple[Rule, ...] = tuple(
    sorted(entered(), key=lambda rule: [each.__name__ for each in CHAPTERS].index(rule.chapter))
)
"""All rules, chapter by chapter."""


def by_id(id: str) -> Rule:
    """The rule of this id; KeyError if there is none."""
    return {rule.id: rule for rule in RULES}[id]


def rules_of(profile: Profile) -> tuple[Rule, ...]:
    """The rules that this profile counts."""
    counted = PROFILES[: PROFILES.index(profile) + 1]
    return tuple(rule for rule in RULES if rule.profile in counted)


def page(id: str) -> str:
    """The rule's page in Markdown; KeyError if there is no such rule."""
    rule = by_id(id)
    facts = (
        f"Source: {rule.source}.",
        f"Profile: `{rule.profile}`.",
        f"Consequence: {rule.consequence}",
    )
    front = "\n\n".join(textwrap.fill(fact, 104) for fact in facts)
    return f"# {rule.title}\n\n{front}\n{section(rule).replace(_INNER, _OUTER)}"


_INNER, _OUTER = "\n### ", "\n## "
"""Headings below that of a rule, in the file of its chapter and on a page of its own."""


def section(rule: Rule) -> str:
    """What the file of the rule's chapter says of it, below its heading."""
    name = f"{rule.chapter.rpartition('.')[2]}.md"
    chapter = resources.files(__name__).joinpath("pages", name).read_text(encoding="utf-8")
    _, _, rest = chapter.partition(f"\n## {rule.id}\n")
    return f"{rest.partition(_OUTER)[0].rstrip()}\n"
