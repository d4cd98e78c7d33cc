"""TAP: a test for each script and rule, with its proof as YAML.

Named version 13, which says the same as 14 of all that is used here: the prove of Debian 12 refuses
what calls itself 14.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from lsbcheck.report.baseline import standing
from lsbcheck.report.shape import Document, RuleShown, ScriptShown
from lsbcheck.report.text import proof
from lsbcheck.report.visible import visible
from lsbcheck.report.words import aside, lacking, name_of


def tap(document: Document) -> str:
    """The document as TAP.

    What decides no exit code is a TODO, which fails nothing; what was not provoked is skipped.
    """
    tests = [
        _test(document, script, rule) for script in document["scripts"] for rule in script["rules"]
    ]
    tests += [_no_sandbox(run, cause) for run, cause in lacking(document)]
    lines = [
        "TAP version 13",
        f"1..{len(tests)}" + ("" if tests else " # SKIP nothing was checked"),
    ]
    for number, (verdict, description, *diagnostics) in enumerate(tests, 1):
        lines += [f"{verdict} {number} - {description}", *diagnostics]
    return "\n".join(lines) + "\n"


def _test(document: Document, script: ScriptShown, rule: RuleShown) -> Sequence[str]:
    found, why = standing(rule), aside(document, rule)
    about = _escaped(f"{name_of(script)}: {rule['id']}")
    if found == "pass":
        return "ok", about
    if found == "not-provoked":
        about += f" # SKIP {_escaped(rule['sentence'])}"
        return "ok", about, *_yaml(document, script, rule)
    if why:
        about += f" # TODO {_escaped(why)}"
    return "not ok", about, *_yaml(document, script, rule)


def _yaml(document: Document, script: ScriptShown, rule: RuleShown) -> Iterator[str]:
    yield "  ---"
    yield f"  message: {_quoted(rule['sentence'])}"
    yield f"  severity: {'fail' if standing(rule) == 'known' else standing(rule)}"
    yield f"  rule: {_quoted(rule['title'])}"
    yield f"  script: {_quoted(script['script'])}"
    yield "  proof: |"
    for line in proof(document, script, rule).splitlines():
        yield f"    {_inside(line)}"
    yield "  ..."


def _no_sandbox(run: str, cause: str) -> Sequence[str]:
    about = f"{run}: sandbox" if run else "sandbox"
    message = f"  message: {_quoted(f'no sandbox: {cause}')}"
    return "not ok", _escaped(about), "  ---", message, "  severity: error", "  ..."


def _escaped(text: str) -> str:
    r"""On one line, and with no directive in it: not every reader knows `\#`."""
    return visible(text).replace("#", r"\x23")


def _inside(line: str) -> str:
    """A line of a block. Three dots end it, to tap.py however far they are indented."""
    return re.sub(r"^( *)\.(?=\.\.)", r"\1\\x2e", line)


def _quoted(text: str) -> str:
    """A string of YAML on one line; JSON's are."""
    return json.dumps(visible(text), ensure_ascii=False)
