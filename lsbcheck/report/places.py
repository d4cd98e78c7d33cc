"""Where in its file a script does what: the arms of its `case`, and its header block."""

from __future__ import annotations

import re

from lsbcheck.report.shape import Document, LinesShown, RuleShown, ScriptShown

ACTIONS = frozenset({"start", "stop", "status", "restart", "force-reload", "*"})
"""Those that rules speak of, and the arm for all others."""

_NOWHERE: LinesShown = {"header": None, "actions": {}}


def lines_of_actions(text: str) -> LinesShown:
    """Lines from 1. Of several arms for one action the last: the main `case` is at the end."""
    header: int | None = None
    actions: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if header is None and line.startswith("### BEGIN INIT INFO"):
            header = number
        actions.update(dict.fromkeys(sorted(_arm(line)), number))
    return {"header": header, "actions": actions}


def _arm(line: str) -> set[str]:
    """The actions that an arm of a case is for: `start)`, `(start)`, `restart | force-reload)`."""
    text = line.strip()
    if text.startswith("case "):
        text = text.partition(" in ")[2].lstrip()
    patterns, closed, _ = text.removeprefix("(").partition(")")
    words = {word.strip().strip("\"'") for word in patterns.split("|")}
    is_arm = closed and not text.startswith("#") and not any(re.search(r"\s", one) for one in words)
    return words & ACTIONS if is_arm else set()


def line_of(script: ScriptShown, rule: RuleShown) -> int:
    """The line that a finding is shown at; the first where nothing better is known."""
    lines = script.get("lines", _NOWHERE)
    calls = rule["evidence"]["calls"]
    begin = lines["header"] or 1
    if not calls:
        return begin
    return lines["actions"].get(calls[-1]["action"], lines["actions"].get("*", begin))


def below(document: Document, script: ScriptShown) -> str | None:
    """The script's file from the folder that lsbcheck was called in; None if it is not below it.

    A checkout lies elsewhere for everybody, and its files are the same ones.
    """
    directory = document.get("directory", "")
    for run in document.get("merged", []):
        if run["origin"] == script.get("origin"):
            directory = run.get("directory", "")
    folder = directory.rstrip("/") + "/"
    path = script["source"]
    return path.removeprefix(folder) if folder != "/" and path.startswith(folder) else None
