"""Where in its file a script does what: the arms of its `case`, and its header block."""

from __future__ import annotations

import re

from lsbcheck.report.shape import LinesShown, RuleShown, ScriptShown

ACTIONS = frozenset({"start", "stop", "status", "restart", "force-reload", "*"})
"""Those that rules speak of, and the arm for all others."""

_NOWHERE: LinesShown = {"header": None, "actions": {}}

_ARM = re.compile(r"^\s*(?:case\s[^)]*\sin\s+)?\(?\s*([\w*\"'|\s-]+)\)")


def lines_of_actions(text: str) -> LinesShown:
    """Lines from 1. Of several arms for one action the last: the main `case` is at the end."""
    header: int | None = None
    actions: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if header is None and line.startswith("### BEGIN INIT INFO"):
            header = number
        arm = _ARM.match(line)
        if arm is not None:
            words = {word.strip(" \t\"'") for word in arm[1].split("|")}
            actions.update(dict.fromkeys(sorted(words & ACTIONS), number))
    return {"header": header, "actions": actions}


def line_of(script: ScriptShown, rule: RuleShown) -> int:
    """The line that a finding is shown at; the first where nothing better is known."""
    lines = script.get("lines", _NOWHERE)
    calls = rule["evidence"]["calls"]
    begin = lines["header"] or 1
    if not calls:
        return begin
    return lines["actions"].get(calls[-1]["action"], lines["actions"].get("*", begin))
