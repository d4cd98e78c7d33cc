"""The table of findings in Debian's OCF agents: kept as data, published as a page."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ocfkit.conformance.rules import RULES, rules_of
from tests.digest import digest

TOP = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("agents.json")
PAGE = TOP / "docs/reference/debian-agents.md"
BY_HAND = Path(__file__).with_name("agents-by-hand.md")

NOT_DECIDING = "ocfkit/conformance/report"
"""What only shows a verdict."""

HEAD = """\
# What Debian's agents do

<!-- Made by `./dev corpus agents --write`: change tests/services/agents*, not this file. -->

{agents} OCF agents of Debian 12 under [`ocfkit check`](ocfkit.md): {started} were started, of the
others the meta-data alone was judged, since they need a cluster, a cloud, a kernel of their own or
a program that is not here. A rule that is broken is a finding; what each rule means is in
[the rules](ocf-rules.md). Those of the profile `strict` stand in brackets.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One agent."""

    agent: str
    version: str
    """Package and version."""
    started: bool
    broken: Mapping[str, str]
    """Rule → what was seen."""
    open: int
    """Rules without a verdict."""
    held: int


@dataclass(frozen=True, slots=True)
class Table:
    """What is published."""

    code: str
    """Digest of the code that made it."""
    rows: Sequence[Row]

    @classmethod
    def read(cls) -> Table:
        """The one that is published."""
        said = json.loads(TABLE.read_text("utf-8"))
        return cls(said["code"], [Row(**each) for each in said["agents"]])

    def write(self, given: Mapping[str, str]) -> None:
        """Publish it."""
        kept = {"code": self.code, "agents": [asdict(row) for row in self.rows]}
        for path, text in (
            (TABLE, json.dumps(kept, indent=1) + "\n"),
            (PAGE, self.page(given)),
        ):
            new = path.with_name(f".{path.name}.new")
            new.write_text(text, "utf-8")
            new.replace(path)

    def page(self, given: Mapping[str, str]) -> str:
        """As a page of the documentation; a test compares."""
        started = [row for row in self.rows if row.agent in given]
        lines = [
            HEAD.format(agents=len(self.rows), started=sum(row.started for row in self.rows)),
            "## Agents that were started\n",
            "| agent | package | hold | open | broken |",
            "| --- | --- | --- | --- | --- |",
            *map(_line, started),
            "\n## Meta-data\n",
            "Agents with a finding in their meta-data that were not started:\n",
            "| agent | package | broken |",
            "| --- | --- | --- |",
            *(
                f"| {row.agent} | {row.version} | {_rules(row)} |"
                for row in self.rows
                if row.agent not in given and row.broken
            ),
            "\n## How often a rule is broken\n",
            "| rule | agents |",
            "| --- | --- |",
            *_counts(self.rows),
            "\n## What they were given\n",
            *(f"- {agent}: {words}" for agent, words in given.items() if words),
            "",
            BY_HAND.read_text("utf-8").rstrip(),
        ]
        return "\n".join([*lines, ""])


def _line(row: Row) -> str:
    told = _rules(row) if row.started else "did not start here"
    return f"| {row.agent} | {row.version} | {row.held} | {row.open} | {told} |"


def _rules(row: Row) -> str:
    counted = {rule.id for rule in rules_of("pacemaker")}
    links = [
        f"[{rule}](ocf-rules.md#{rule})" if rule in counted else f"([{rule}](ocf-rules.md#{rule}))"
        for rule in row.broken
    ]
    return ", ".join(links)


def _counts(rows: Iterable[Row]) -> Iterator[str]:
    times = Counter(rule for row in rows for rule in row.broken)
    order = [rule.id for rule in RULES]
    for rule in sorted(times, key=lambda rule: (-times[rule], order.index(rule))):
        yield f"| [{rule}](ocf-rules.md#{rule}) | {times[rule]} |"


def code_digest() -> str:
    """A digest of the code that decides a verdict."""
    found = sorted((TOP / "ocfkit/conformance").rglob("*.py"))
    return digest(
        path for path in found if not path.relative_to(TOP).as_posix().startswith(NOT_DECIDING)
    )


def differences(rows: Iterable[Row], table: Table) -> list[str]:
    """Where the same agent of the same package breaks other rules; each in one line."""
    known = {row.agent: row for row in table.rows}
    found: list[str] = []
    for row in rows:
        old = known.get(row.agent)
        if old is None:
            found.append(f"{row.agent}: not in the table")
        elif row.version == old.version and row.broken.keys() != old.broken.keys():
            more = sorted(row.broken.keys() - old.broken.keys())
            less = sorted(old.broken.keys() - row.broken.keys())
            found.append(f"{row.agent}: breaks {more or 'nothing'} more, {less or 'nothing'} less")
    return found
