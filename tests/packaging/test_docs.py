"""The documentation names only what exists, and shows only what is printed."""

from __future__ import annotations

import functools
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lsbcheck.exitcodes import MEANINGS
from lsbcheck.rules import RULES
from ocfkit.conformance.itinerary import ROUTES
from ocfkit.conformance.rules import RULES as RULES_FOR_AGENTS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
IDS = {rule.id for rule in RULES}
IDS_FOR_AGENTS = {rule.id for rule in RULES_FOR_AGENTS}

CODE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"(?<!!)\[[^]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
CALLS = {
    command: re.compile(rf"(?:^|[\s`;|])(?:\./dev )?{command}(?= |$)([^`#]*)", re.MULTILINE)
    for command in ("lsbcheck", "ocfkit check")
}
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")
RULE_LIKE = re.compile(
    r"`((?:actions|start|stop|status|late|refused|bystander|restart)-[a-z0-9-]+)`"
)

NOT_RULES = {"start-stop-daemon", *ROUTES}

page = pytest.mark.parametrize("page", PAGES, ids=[str(one.relative_to(ROOT)) for one in PAGES])


def prose(path: Path) -> str:
    """Return the page without its code blocks."""
    return CODE.sub("", path.read_text("utf-8"))


def anchor(heading: str) -> str:
    """Return what GitHub makes of a heading."""
    text = LINK.sub(lambda link: link[0][1:].partition("]")[0], heading).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    return {anchor(heading) for heading in HEADING.findall(prose(path))}


def dev(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "dev", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@functools.cache
def options(command: str) -> frozenset[str]:
    """Return every option that its help lists."""
    said = dev(*command.split(), "--help").stdout
    lines = [line for line in said.splitlines() if line.startswith("  -")]
    return frozenset(option for line in lines for option in OPTION.findall(line.split("   ")[0]))


def calls(path: Path, command: str) -> Iterator[str]:
    """Yield what follows the command wherever a page shows a call of it."""
    text = path.read_text("utf-8")
    shown = [block[2] for block in CODE.findall(text) if block[1] in {"console", "sh"}]
    shown += [code.strip("`") for code in INLINE.findall(prose(path))]
    for piece in shown:
        for found in CALLS[command].findall(piece.replace("\\\n", " ")):
            yield found.partition("|")[0].partition(">")[0]


@page
def test_every_link_leads_somewhere(page: Path) -> None:
    broken: list[str] = []
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, part = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (part and part not in anchors(path)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("command", CALLS)
@page
def test_every_option_of_a_tester_exists(page: Path, command: str) -> None:
    shown = map(without_values, calls(page, command))
    assert {option for call in shown for option in OPTION.findall(call)} <= options(command)


def without_values(call: str) -> str:
    """Return the call without other commands in it: `--prepare "sed -i …"`, `$(find -type f)`."""
    return re.sub(r"\"[^\"]*\"|'[^']*'|\$\([^)]*\)", "VALUE", call)


@page
def test_every_rule_named_exists(page: Path) -> None:
    named = set(RULE_LIKE.findall(prose(page))) - NOT_RULES
    assert named <= IDS | IDS_FOR_AGENTS
    numbers = {str(rule.number) for rule in RULES if rule.number}
    assert asked(page, "lsbcheck") <= IDS | numbers
    assert asked(page, "ocfkit check") <= IDS_FOR_AGENTS


def asked(page: Path, command: str) -> set[str]:
    """Return the rules that the page has a tester judge or explain."""
    return {
        word
        for call in calls(page, command)
        for words in re.findall(r"--(?:rule|explain)[ =](\S+)", call)
        for word in words.split(",")
        if word not in {"ID", "RULE", "…"}
    }


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs/README.md"
    listed = {(index.parent / link).resolve() for link in LINK.findall(prose(index))}
    pages = set((ROOT / "docs").rglob("*.md")) - {index}
    assert pages - listed == set()


@pytest.mark.parametrize("option", sorted(options("lsbcheck") - {"-h", "--help"}))
def test_every_option_stands_in_the_reference(option: str) -> None:
    assert f"`{option}" in (ROOT / "docs/reference/lsbcheck.md").read_text("utf-8")


def test_every_exit_code_stands_in_the_reference() -> None:
    reference = (ROOT / "docs/reference/lsbcheck.md").read_text("utf-8")
    assert [code for code in MEANINGS if f"\n| {code} | " not in reference] == []


def fragments() -> list[str]:
    """Return the shell fragments of the page on repairs."""
    text = (ROOT / "docs/how-to/repair-a-script.md").read_text("utf-8")
    return [block[2] for block in CODE.findall(text) if block[1] == "sh" and "() {" in block[2]]


@pytest.mark.parametrize("fragment", fragments())
def test_a_repair_is_correct_shell(fragment: str) -> None:
    done = subprocess.run(["sh", "-n"], input=fragment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def quiet_calls() -> list[tuple[str, str]]:
    """Return the shown calls that run no script, each with the first line that the page shows."""
    found: list[tuple[str, str]] = []
    for path in PAGES:
        for _indent, kind, block in CODE.findall(path.read_text("utf-8")):
            lines = block.splitlines()
            for number, line in enumerate(lines if kind == "console" else []):
                command = line.removeprefix("$ ").removeprefix("sudo ")
                if re.match(r"(\./dev )?lsbcheck --(explain|list-rules|version|help)\b", command):
                    shown = lines[number + 1] if number + 1 < len(lines) else ""
                    found.append((command, "" if shown.startswith("$ ") else shown))
    return found


@pytest.mark.parametrize(("command", "shown"), quiet_calls())
def test_a_call_prints_what_the_page_shows(command: str, shown: str) -> None:
    words = shlex.split(command.removeprefix("./dev "))
    done = dev(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(shown)
