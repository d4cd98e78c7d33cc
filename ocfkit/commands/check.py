"""`ocfkit check`: run an OCF agent through an itinerary, in isolation, and judge what was seen."""

from __future__ import annotations

import argparse
import io
import sys
from typing import TYPE_CHECKING

from ocfkit.catalogue import AgentError
from ocfkit.commands.arguments import WrongCallError
from ocfkit.commands.conformance import delivery, inspection, words
from ocfkit.commands.conformance.delivery import NoVerdictError
from ocfkit.commands.conformance.options import configure
from ocfkit.commands.streams import columns

if TYPE_CHECKING:
    from lsbcheck.report.colour import Paper

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "check an OCF agent, in whatever language, in a sandbox"


def run(arguments: argparse.Namespace) -> int:
    """Check the agent, print the report, and return its exit code."""
    from lsbcheck.report.colour import Paper

    paper = Paper(
        sys.stdout or io.StringIO(),
        colour=delivery.has_colour(arguments),
        width=columns(delivery.WIDEST),
    )
    if arguments.list_rules:
        return _list_rules(paper)
    if arguments.explain is not None:
        return _explain(paper, arguments.explain)
    if arguments.agent is None:
        raise WrongCallError("which agent? `ocfkit check --help` tells more")
    try:
        return inspection.checked(arguments)
    except (WrongCallError, AgentError, NoVerdictError, BrokenPipeError):
        raise
    except Exception as error:
        why = f"error: {type(error).__name__}: {error}"
        raise NoVerdictError(why if arguments.verbose else f"{why}; -v shows where") from error


def _list_rules(paper: Paper) -> int:
    from ocfkit.conformance.rules import RULES

    longest = max(len(rule.id) for rule in RULES)
    for rule in RULES:
        name = rule.id.ljust(longest + 2)
        paper.line(("bold", name), ("dim", rule.profile.ljust(11)), rule.title)
    paper.flush()
    return 0


def _explain(paper: Paper, word: str) -> int:
    from lsbcheck.report.visible import lines_of
    from ocfkit.conformance.rules import page

    for line in lines_of(page(words.rule(word).id)):
        paper.line(("bold", line) if line.startswith("#") else line)
    paper.flush()
    return 0
