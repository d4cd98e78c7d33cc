"""What stands above the matrix: the headline, what was lacking, the setting, the counts."""

from __future__ import annotations

from collections import Counter
from html import escape

from lsbcheck.report.html.words import LOOKS_LIKE, ending, letter, sentence, sign, worded
from lsbcheck.report.shape import Document, SandboxShown
from lsbcheck.report.visible import visible
from lsbcheck.report.words import name_of


def title(document: Document) -> str:
    """The name of the window."""
    scripts = document["scripts"]
    what = visible(name_of(scripts[0])) if len(scripts) == 1 else f"{len(scripts)} scripts"
    return escape(f"lsbcheck: {what}")


def headline(document: Document) -> str:
    """The report in one sentence."""
    scripts = document["scripts"]
    if len(scripts) == 1:
        found = ending(scripts[0])
        word = worded(f'<span data-word="ending-{found}"></span>')
        name = escape(visible(name_of(scripts[0])))
        return f'<h1><span lang="en">{name}</span>: {sign(found, decides=True)} {word}</h1>'
    codes = Counter(script["exit_code"] for script in scripts)
    if codes[1]:
        return sentence("h1", "headline-broken", broken=codes[1], count=len(scripts))
    if codes[3]:
        return sentence("h1", "headline-open", open=codes[3], count=len(scripts))
    return sentence("h1", "headline-hold" if scripts else "headline-none", count=len(scripts))


def notices(document: Document) -> str:
    """Why scripts are missing from the report."""
    runs = document.get("merged", [])
    lacking = [("", document["sandbox"]), *((run["origin"], run["sandbox"]) for run in runs)]
    return "".join(_notice(origin, sandbox) for origin, sandbox in lacking)


def _notice(origin: str, sandbox: SandboxShown) -> str:
    why = sandbox["unavailable"]
    if why is None:
        return ""
    where = f"{origin}: " * bool(origin)
    return sentence('p class="notice"', "unavailable", cause=where + why["cause"], cure=why["cure"])


def setting(document: Document) -> str:
    """What held for every script."""
    sandbox = document["sandbox"]
    pairs = [
        ("profile", document["profile"]),
        ("chosen", ", ".join(document["chosen_rules"] or ())),
        ("baseline", document.get("baseline", "")),
        ("sandbox", sandbox["backend"]),
        ("image", sandbox.get("image") or ""),
        ("root", sandbox["root"]),
        ("prepare", sandbox["prepare"] or ""),
        ("version", document["lsbcheck"]),
        *(("note", note) for note in sandbox["notes"]),
    ]
    return "".join(
        worded(f'<div><dt data-word="{key}"></dt>') + f"<dd>{escape(visible(text))}</dd></div>"
        for key, text in pairs
        if text
    )


def chips(document: Document) -> str:
    """How many scripts came to what, each a filter."""
    codes = Counter(script["exit_code"] for script in document["scripts"])
    return worded(
        "".join(
            f'<button type="button" data-code="{code}" aria-pressed="false">'
            f"{sign(found, decides=True)} <b>{codes[code]}</b> "
            f'<span id="w-{letter(found)}" data-word="ending-{found}"></span></button>'
            for code, found in LOOKS_LIKE.items()
        )
    )
