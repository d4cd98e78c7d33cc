"""Markdown as GitHub shows it: scripts by rules, then each finding with its proof."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from lsbcheck import exitcodes
from lsbcheck.report.baseline import Standing, is_gone, standing
from lsbcheck.report.shape import Document, RuleShown, ScriptShown
from lsbcheck.report.text import findings, proof
from lsbcheck.report.visible import visible
from lsbcheck.report.words import aside, basis, lacking, name_of, rules_of

AT_MOST = 1_000_000
"""Bytes; GitHub takes a job summary of 1 MiB and drops a longer one."""

MARKS: Mapping[Standing, str] = {
    "pass": "✅",
    "fail": "❌",
    "known": "🔶",
    "not-provoked": "❔",
    "error": "⚠️",
}
_ENDINGS = {
    exitcodes.ALL_HOLD: "passes",
    exitcodes.BROKEN: "**not safe to hand to Pacemaker**",
    exitcodes.NOT_PROVED: "nothing broken, but not proved",
}


Detail = Literal["proofs", "sentences", "matrix"]
DETAILS: tuple[Detail, ...] = ("proofs", "sentences", "matrix")


def markdown(document: Document) -> str:
    """The document as Markdown, in as much detail as GitHub takes."""
    for detail in DETAILS[:-1]:
        written = _written(document, detail)
        if len(written.encode("utf-8", "replace")) <= AT_MOST:
            return written
    return _written(document, DETAILS[-1])


def _written(document: Document, detail: Detail) -> str:
    lines = [f"# lsbcheck: {_counts(document)}", ""]
    for run, cause in lacking(document):
        lines += [f"> no sandbox: {_escaped(f'{run}: {cause}' if run else cause)}", ""]
    if document["scripts"]:
        lines += [*_matrix(document), "", *_legend(document)]
    if detail != "proofs":
        lines += ["", f"Only {detail}: the rest would be too long for GitHub."]
    for script in document["scripts"] if detail != "matrix" else ():
        lines += _findings(document, script, proofs=detail == "proofs")
    notes = dict.fromkeys(document["sandbox"]["notes"])
    lines += ["", *(f"- note: {_escaped(note)}" for note in notes)] if notes else []
    return "\n".join(lines) + "\n"


def _counts(document: Document) -> str:
    codes = [script["exit_code"] for script in document["scripts"]]
    return (
        f"{len(codes)} script{'s' * (len(codes) != 1)} ({_escaped(basis(document))}): "
        f"{codes.count(exitcodes.ALL_HOLD)} hold, {codes.count(exitcodes.BROKEN)} broken, "
        f"{codes.count(exitcodes.NOT_PROVED)} not proved"
    )


def _matrix(document: Document) -> Iterator[str]:
    rules = rules_of(document["scripts"])
    yield _row(["script", *_columns(rules), "result"])
    yield _row(["---", *[":-:"] * len(rules), "---"])
    for script in document["scripts"]:
        found = {rule["id"]: MARKS[standing(rule)] for rule in script["rules"]}
        cells = [found.get(rule["id"], "") for rule in rules]
        yield _row([_escaped(name_of(script)), *cells, _ENDINGS[script["exit_code"]]])


def _legend(document: Document) -> Iterator[str]:
    rules = rules_of(document["scripts"])
    yield "<details><summary>the rules</summary>"
    yield ""
    yield " · ".join(f"{mark} {word}" for word, mark in MARKS.items())
    yield ""
    yield _row(["", "rule", "says", "decides"])
    yield _row(["---", "---", "---", "---"])
    for column, rule in zip(_columns(rules), rules, strict=True):
        counts = "yes" if rule["counts"] else ""
        yield _row([column, _escaped(rule["id"]), _escaped(rule["title"]), counts])
    yield ""
    yield "</details>"


def _columns(rules: Sequence[RuleShown]) -> list[str]:
    """The numbers of the eight, then letters."""
    beyond = sum(rule["number"] is None for rule in rules)
    letters = iter([chr(ord("a") + at) if at < 26 else "+" for at in range(beyond)])
    return [str(rule["number"] or next(letters)) for rule in rules]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _findings(document: Document, script: ScriptShown, *, proofs: bool) -> Iterator[str]:
    found = findings(script)
    gone = [rule for rule in script["rules"] if is_gone(rule)]
    if found or gone:
        yield ""
        yield f"## {_escaped(name_of(script))}"
    if script["refused"]:
        yield ""
        yield f"not run: {_escaped(script['refused'])}"
    for rules in found:
        yield ""
        yield from _finding(document, script, rules, proofs=proofs)
    for rule in gone:
        yield ""
        yield f"🎉 {_escaped(rule['id'])} failed in the baseline, and holds now"


def _finding(
    document: Document, script: ScriptShown, rules: Sequence[RuleShown], *, proofs: bool
) -> Iterator[str]:
    first = rules[0]
    names = ", ".join(rule["id"] for rule in rules)
    why = aside(document, first) if len(rules) == 1 else ""
    told = f"{names}{f' ({why})' if why else ''}: {first['sentence']}"
    if not proofs:
        yield f"{MARKS[standing(first)]} {_escaped(told)}"
        return
    shown = proof(document, script, *rules)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", shown)), default=0))
    yield f"<details><summary>{MARKS[standing(first)]} {html.escape(visible(told))}</summary>"
    yield ""
    yield f"{fence}text"
    yield shown
    yield fence
    yield ""
    yield "</details>"


def _escaped(text: str) -> str:
    """Text of one line that is never at the begin of one, and has no markup."""
    return re.sub(r"([\\`*_\[\]<>#!|~&:@$.])", r"\\\1", visible(text))
