"""The report to look at: one page without a script, which asks for nothing.

A pure function of the JSON document; `page.html` and `style.css` lie beside this file.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from string import Template

from lsbcheck.report.visible import command, lines_of, visible
from ocfkit.conformance.report.document import CallShown, Document, RuleShown
from ocfkit.conformance.report.words import (
    ENDINGS,
    again,
    around,
    asked,
    basis,
    beyond,
    counts,
    ended,
    granted,
    groups,
    machine,
)
from ocfkit.conformance.rules import Verdict

_SIGNS: Mapping[Verdict, str] = {
    "pass": "\N{CHECK MARK} holds",
    "fail": "\N{BALLOT X} broken",
    "error": "! no verdict",
    "not-provoked": "? not provoked",
    "does-not-apply": "\N{EN DASH} nothing to judge",
}
"""A verdict is a sign and a word, and only then a colour."""


def page(shown: Document) -> str:
    """The page of a document, all ASCII."""
    style = _part("style.css")
    name, ending = _text(shown["name"]), ENDINGS[shown["exit_code"]]
    filled = Template(_part("page.html")).substitute(
        policy=_policy(style),
        title=f"ocfkit check: {name}",
        headline=f'{name}: <span class="{_verdict(shown)}">{ending}</span>',
        counts=_text(counts(shown).capitalize()),
        facts=_pairs(_facts(shown)),
        sections="\n".join(_sections(shown)),
        style=style,
    )
    return filled.encode("ascii", "xmlcharrefreplace").decode()


def _policy(style: str) -> str:
    """Nothing can be fetched, and this style alone acts."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _part(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")


def _text(foreign: str) -> str:
    return escape(visible(foreign))


def _verdict(shown: Document) -> Verdict:
    verdicts: Mapping[int, Verdict] = {0: "pass", 1: "fail"}
    return verdicts.get(shown["exit_code"], "not-provoked")


def _facts(shown: Document) -> list[tuple[str, str]]:
    service = shown["service"]
    facts = [("agent", shown["agent"])]
    made = (("in", machine(shown)), ("granted", granted(shown)))
    facts += [(name, words) for name, words in made if words]
    facts += [("with", f"{name}={value}") for name, value in shown["parameters"].items()]
    if service is not None:
        facts.append(("it runs", command(service["daemon"] or []) or "its processes"))
        facts += [("it listens on", each) for each in service["listeners"]]
    facts += [("note", note) for note in shown["notes"]]
    return [*facts, ("ocfkit", shown["ocfkit"])]


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in pairs)


def _sections(shown: Document) -> Iterable[str]:
    headings: Mapping[Verdict, str] = {
        "fail": "Broken",
        "error": "Without a verdict",
        "not-provoked": "Not provoked",
    }
    for verdict, heading in headings.items():
        found = groups(shown, verdict)
        yield from _section(heading, (_finding(shown, each, opened=True) for each in found))
    others = [_finding(shown, [rule], opened=False) for rule in beyond(shown)]
    yield from _section(f"Seen as well, and not counted ({basis(shown)})", others)
    for settled, heading in (("pass", "Holds"), ("does-not-apply", "Nothing to judge")):
        rules = [rule for rule in shown["rules"] if rule["verdict"] == settled]
        yield from _section(heading, (_finding(shown, [rule], opened=False) for rule in rules))


def _section(heading: str, findings: Iterable[str]) -> Iterable[str]:
    found = list(findings)
    if found:
        yield f"<section><h2>{_text(heading)}</h2>{''.join(found)}</section>"


def _finding(shown: Document, rules: Sequence[RuleShown], *, opened: bool) -> str:
    """One rule, or several that are open for the same reason."""
    first = rules[0]
    verdict = first["verdict"]
    names = ", ".join(f"<b><code>{_text(rule['id'])}</code></b>" for rule in rules)
    title = _text(first["title"]) if len(rules) == 1 else ""
    labelled = (
        ("seen", first["sentence"]),
        ("so", first["consequence"]),
        ("provoked", first["provoked"]),
        *(("remark", remark) for remark in first["remarks"]),
        ("source", first["source"] if len(rules) == 1 else ""),
    )
    return (
        f"<details{' open' * opened}><summary>"
        f'<span class="{verdict}">{escape(_SIGNS[verdict])}</span> {names}'
        f'<br><span class="quiet">{title}</span></summary>'
        f"<dl>{_pairs((label, text) for label, text in labelled if text)}</dl>"
        f"{''.join(map(_call, first['calls']))}"
        f'<p class="quiet">Again:</p><pre class="again">{_text(again(shown, first))}</pre>'
        "</details>\n"
    )


def _call(call: CallShown) -> str:
    # a line of a log that begins with :: is a command to the runner of GitHub Actions
    lines = (_text(line).replace("::", "&#58;:") for line in lines_of(call["output"]))
    output = "\n".join(lines)
    shown = f'<pre class="output">{output}</pre>' if output.strip() else ""
    processes = [(label, one) for label, those in around(call) for one in those]
    return (
        f'<div class="call"><pre>$ {_text(asked(call))}</pre>'
        f'<p><b>{_text(call["answer"])}</b> <span class="quiet">{_text(ended(call))}</span></p>'
        f"{shown}<dl>{_pairs(processes)}</dl></div>"
    )
