"""The table of verdicts on real Debian init scripts: kept as data, published as a page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.digest import digest

TOP = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("corpus.tsv")
PAGE = TOP / "docs/corpus/table.md"

HEAD = """\
# Verdicts of lsbcheck on real init scripts of Debian 12, by ./dev corpus --write.
# One letter a rule: + holds, - broken, T broken: no answer, ? not provoked, ! no verdict
# rules: {rules}
# code: {code}
# script\tpackage\tversion\tSHA-256 of the script\tverdicts\tprepared by
"""

PAGE_HEAD = """\
# The table

{scripts} init scripts of {packages} Debian 12 packages, as lsbcheck judges them; {running} of them
start a service. Made by `./dev corpus --write`, and never edited. [What this is](README.md).

`+` holds, **`-`** broken, **`T`** broken: no answer within the limit, `?` not provoked, `!` no
verdict. The columns are named [below the table](#the-rules). A script with a `*` was
[prepared](#prepared).
"""

RULES_HEAD = """
## The rules

Percentages are of the scripts for which the rule could be provoked.

| column | rule | holds | broken | of these: no answer | share broken | not provoked |
|---|---|---|---|---|---|---|"""

PREPARED_HEAD = """
## Prepared

Some services do not start, or not in a container, with the configuration that their package brings.
They were checked with `--prepare` and this:
"""

DECIDING = ("lsbcheck", "ocfkit/linux")
NOT_DECIDING = (
    *("lsbcheck/report", "lsbcheck/__main__.py", "lsbcheck/rules/samples.py"),
    *("lsbcheck/pytest_items.py", "lsbcheck/pytest_plugin.py"),
    # that containers give the verdicts of the namespace sandbox, which this table is made with, is
    # tested beside it
    "lsbcheck/sandbox/container",
    # lsbcheck imports none of these
    *(
        f"ocfkit/linux/{name}.py"
        for name in ("blockdev", "realtime", "reboot", "sockets", "timerfd")
    ),
)
"""What only words or shows a verdict may change without a new table."""


@dataclass(frozen=True, slots=True)
class Row:
    """One script of the table."""

    script: str
    package: str
    version: str
    digest: str
    """First 16 hex digits of the script's SHA-256."""
    verdicts: str
    """One letter a rule, in report order; `HEAD` tells them."""
    prepare: str = ""
    """Shell commands that were run in each sandbox first."""

    def text(self) -> str:
        """As a line of the table."""
        cells = [self.script, self.package, self.version, self.digest, self.verdicts]
        return "\t".join([*cells, json.dumps(self.prepare)])

    @classmethod
    def parse(cls, line: str) -> Row:
        """What `text` has made."""
        script, package, version, its_digest, verdicts, prepare = line.split("\t")
        return cls(script, package, version, its_digest, verdicts, json.loads(prepare))

    @property
    def runs(self) -> bool:
        """Whether its service was found running after a start."""
        return self.verdicts[1] == "+"

    def same_script(self, other: Row) -> bool:
        """Whether it is the same script of the same package, prepared alike."""
        mine, its = ((row.version, row.digest, row.prepare) for row in (self, other))
        return mine == its


@dataclass(frozen=True, slots=True)
class Table:
    """What is published."""

    rules: Sequence[str]
    """Their ids, in report order."""
    code: str
    """Digest of the code that made the table."""
    rows: Sequence[Row]

    def text(self) -> str:
        """As a file."""
        head = HEAD.format(rules=" ".join(self.rules), code=self.code).splitlines()
        return "\n".join([*head, *(row.text() for row in self.rows), ""])

    @classmethod
    def parse(cls, text: str) -> Table:
        """What `text` has made."""
        lines = text.splitlines()
        head = dict(line[2:].split(": ", 1) for line in lines if line[:2] == "# " and ": " in line)
        rows = [Row.parse(line) for line in lines if not line.startswith("#")]
        return cls(head["rules"].split(), head["code"], rows)

    @classmethod
    def read(cls) -> Table:
        """The one that is published."""
        return cls.parse(TABLE.read_text("utf-8"))

    def write(self) -> None:
        """Publish it."""
        for path, text in ((TABLE, self.text()), (PAGE, self.page())):
            new = path.with_name(f".{path.name}.new")
            new.write_text(text, "utf-8")
            new.replace(path)

    def named(self) -> dict[str, Row]:
        """Its rows by the script's name."""
        return {row.script: row for row in self.rows}

    def page(self) -> str:
        """As a page of the documentation; a test compares."""
        packages = {row.package for row in self.rows if row.package != "-"}
        running = sum(row.runs for row in self.rows)
        head = PAGE_HEAD.format(scripts=len(self.rows), packages=len(packages), running=running)
        lines = [head, *self._lines_of_scripts(), RULES_HEAD, *self._lines_of_rules()]
        return "\n".join([*lines, PREPARED_HEAD, *self._lines_of_preparations()])

    def _lines_of_scripts(self) -> Iterable[str]:
        numbers = range(1, len(self.rules) + 1)
        yield f"| script | version | {' | '.join(map(str, numbers))} |"
        yield "|---|---|" + "---|" * len(self.rules)
        for row in self.rows:
            marks = " | ".join(f"**{mark}**" if mark in "-T" else mark for mark in row.verdicts)
            star = r" \*" if row.prepare else ""
            yield f"| {row.script}{star} | {row.package} {row.version} | {marks} |"

    def _lines_of_rules(self) -> Iterable[str]:
        for number, rule in enumerate(self.rules):
            letters = [row.verdicts[number] for row in self.rows]
            held, silent, idle = (letters.count(letter) for letter in "+T?")
            broken = letters.count("-") + silent
            share = f"{100 * broken / (held + broken):.0f} %" if held + broken else ""
            yield (
                f"| {number + 1} | [{rule}](../reference/rules.md#{rule}) | {held} | {broken} "
                f"| {silent or ''} | {share} | {idle} |"
            )

    def _lines_of_preparations(self) -> Iterable[str]:
        for row in self.rows:
            if row.prepare:
                yield f"**{row.script}**\n\n```sh\n{row.prepare.strip()}\n```\n"


def code_digest() -> str:
    """A digest of the code that decides a verdict."""
    found = [path for top in DECIDING for path in sorted((TOP / top).rglob("*.py"))]
    names = {path: path.relative_to(TOP).as_posix() for path in found}
    return digest(path for path in found if not names[path].startswith(NOT_DECIDING))


def differences(rows: Iterable[Row], table: Table) -> list[str]:
    """Where the same script of the same package got other verdicts; each in one line."""
    found: list[str] = []
    known = table.named()
    for row in rows:
        old = known.get(row.script)
        if old is None:
            found.append(f"{row.script}: not in the table")
        elif row.same_script(old) and row.verdicts != old.verdicts:
            found.append(f"{row.script}: {row.verdicts} now, {old.verdicts} in the table")
    return found
