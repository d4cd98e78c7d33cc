"""The document in words that several formats use."""

from __future__ import annotations

from collections.abc import Iterable

from lsbcheck.report.baseline import standing
from lsbcheck.report.shape import CallShown, Document, RuleShown, SandboxShown, ScriptShown


def name_of(script: ScriptShown) -> str:
    """`snmpd`, or `web1: snmpd` where several reports were merged."""
    return f"{script['origin']}: {script['name']}" if "origin" in script else script["name"]


def rules_of(scripts: Iterable[ScriptShown]) -> list[RuleShown]:
    """Each rule once, as the first script that has it shows it; the eight by number come first."""
    rules: dict[str, RuleShown] = {}
    for script in scripts:
        for rule in script["rules"]:
            rules.setdefault(rule["id"], rule)
    return sorted(rules.values(), key=lambda rule: rule["number"] or 9)


def sandbox_of(document: Document, script: ScriptShown) -> SandboxShown:
    """Where this script was run."""
    for run in document.get("merged", []):
        if run["origin"] == script.get("origin"):
            return run["sandbox"]
    return document["sandbox"]


def basis(document: Document) -> str:
    """What the exit code rests on, in words."""
    chosen = document["chosen_rules"]
    if chosen is not None:
        return "the chosen rules" if len(chosen) > 1 else "the chosen rule"
    return f"profile {document['profile']}"


def answer(call: CallShown) -> str:
    """How a call ended: `exit 3`, `killed by signal 9`, `no answer in 60 s`."""
    if call["outcome"] == "exited":
        return f"exit {call['code']}"
    if call["outcome"] == "killed":
        return f"killed by signal {call['code']}"
    return f"no answer in {call['limit']:g} s"


def lacking(document: Document) -> list[tuple[str, str]]:
    """What could make no sandbox, and why: the run (empty if it is the only one) and the cause."""
    runs = document.get("merged")
    if runs is None:
        cause = document["sandbox"]["unavailable"]
        return [] if cause is None else [("", cause["cause"])]
    return [
        (run["origin"], run["sandbox"]["unavailable"]["cause"])
        for run in runs
        if run["sandbox"]["unavailable"] is not None
    ]


def aside(document: Document, rule: RuleShown) -> str:
    """Why a finding does not decide the exit code; empty if it does."""
    if standing(rule) == "known":
        return f"known in {document.get('baseline', '')}"
    return "" if rule["counts"] else f"does not count ({basis(document)})"
