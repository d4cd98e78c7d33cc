"""The page of every rule: in the file of its chapter, in the reference, and behind --explain."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from ocfkit.__main__ import main
from ocfkit.conformance.itinerary import ROUTES
from ocfkit.conformance.rules import CHAPTERS, RULES, Rule, page, section
from ocfkit.conformance.rules.reference import reference
from ocfkit.conformance.stand_ins import NAMES

ROOT = Path(__file__).parents[3]
PAGES = ROOT / "ocfkit/conformance/rules/pages"
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


def headings(text: str, level: int) -> list[str]:
    """Those outside of samples."""
    return re.findall(rf"^{'#' * level} (.*)$", FENCED.sub("", text), flags=re.MULTILINE)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
class TestEachRule:
    def test_has_a_page_with_its_title_source_profile_and_consequence(self, rule: Rule) -> None:
        title, *front = page(rule.id).partition("\n\n## ")[0].split("\n\n")
        assert title == f"# {rule.title}"
        assert [" ".join(fact.split()) for fact in front] == [
            f"Source: {rule.source}.",
            f"Profile: `{rule.profile}`.",
            f"Consequence: {rule.consequence}",
        ]

    def test_tells_why_and_how_it_is_seen_with_both_samples_or_none(self, rule: Rule) -> None:
        told = headings(page(rule.id), 2)
        assert told in (
            ["Why", "How it is seen"],
            ["Why", "Faulty", "Correct", "How it is seen"],
        )
        assert len(FENCED.findall(page(rule.id))) == len(told) - 2
        for part in section(rule).split("\n### ")[1:]:
            assert part.partition("\n")[2].strip(), f"nothing stands below {part!r}"

    def test_has_samples_that_can_be_read(self, rule: Rule) -> None:
        for language, code in FENCED.findall(section(rule)):
            if language == "xml":
                ET.fromstring(f"<sample>{code}</sample>")  # noqa: S314 - it is our own
                continue
            assert language == "sh"
            command = ["/bin/sh", "-n"]
            read = subprocess.run(command, input=code, text=True, capture_output=True, check=False)
            assert (read.returncode, read.stderr) == (0, "")

    def test_is_explained_by_its_page(self, rule: Rule, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["check", "--explain", rule.id]) == 0
        assert capsys.readouterr() == (page(rule.id).expandtabs(), "")

    def test_has_lines_that_a_terminal_shows_whole(self, rule: Rule) -> None:
        assert all(len(line.expandtabs()) <= 110 for line in page(rule.id).splitlines())


def test_every_chapter_has_the_sections_of_its_rules_in_order_and_no_other() -> None:
    names = [chapter.__name__.rpartition(".")[2] for chapter in CHAPTERS]
    assert sorted(path.name for path in PAGES.iterdir()) == sorted(f"{name}.md" for name in names)
    for name in names:
        ids = [rule.id for rule in RULES if rule.chapter.endswith(f".{name}")]
        assert headings((PAGES / f"{name}.md").read_text(encoding="utf-8"), 2) == ids


def test_no_rule_has_a_page_that_is_not_there() -> None:
    with pytest.raises(KeyError):
        page("../no-such-page")


def test_the_reference_is_written_from_the_pages() -> None:
    written = (ROOT / "docs/reference/ocf-rules.md").read_text(encoding="utf-8")
    assert written == reference(), "see ocfkit/conformance/rules/reference.py"


def test_the_explanation_has_a_row_for_each_scenario_in_order() -> None:
    told = (ROOT / "docs/explanation/how-check-knows.md").read_text(encoding="utf-8")
    table = told.partition("| scenario | what is done |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `([^`]*)` \|", table, flags=re.MULTILINE) == list(ROUTES)


def test_the_how_to_names_each_stand_in() -> None:
    told = (ROOT / "docs/how-to/check-an-agent.md").read_text(encoding="utf-8")
    table = told.partition("| command | what the stand-in does |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| (.*?) \|", table, flags=re.MULTILINE)
    assert sorted(re.findall(r"`([^`]*)`", " ".join(cells))) == sorted(NAMES)
