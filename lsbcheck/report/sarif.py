"""SARIF 2.1.0, as GitHub code scanning reads it: a result for each finding, at its line."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from lsbcheck.report.baseline import is_gone, standing
from lsbcheck.report.json import Json, dumps
from lsbcheck.report.places import below, line_of
from lsbcheck.report.shape import Document, RuleShown, ScriptShown
from lsbcheck.report.text import proof
from lsbcheck.report.visible import visible
from lsbcheck.report.words import answer, aside, lacking, name_of, rules_of
from lsbcheck.rules import page

SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def sarif(document: Document) -> str:
    """The document as SARIF.

    Only what is broken is a result: readers show each as an alarm. What could not be decided, what
    is gone and what the sandbox lacked are notifications of the run.
    """
    rules = [rule["id"] for rule in rules_of(document["scripts"])]
    found = [(script, rule) for script in document["scripts"] for rule in script["rules"]]
    results = [
        _result(document, script, rule, rules.index(rule["id"]))
        for script, rule in found
        if rule["verdict"] == "fail"
    ]
    run: dict[str, Json] = {
        "tool": {
            "driver": {
                "name": "lsbcheck",
                "version": document["lsbcheck"],
                "rules": [_rule(rule) for rule in rules_of(document["scripts"])],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not lacking(document)
                and not any(rule["verdict"] == "error" for _, rule in found),
                "exitCode": document["exit_code"],
                "toolExecutionNotifications": [*_run_notes(document), *_notes(document)],
            }
        ],
        "results": results,
    }
    return dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(rule: RuleShown) -> Json:
    shown: dict[str, Json] = {
        "id": rule["id"],
        "name": "".join(word.capitalize() for word in rule["id"].split("-")),
        "shortDescription": {"text": _message(rule["title"])},
        "fullDescription": {"text": _message(f"{rule['title']}. {rule['clause']}")},
        "defaultConfiguration": {"level": _level(rule)},
        "properties": {"tags": ["init-script", rule["profile"]]},
    }
    try:
        text = page(rule["id"])
    except KeyError:  # a rule of a newer lsbcheck, whose report was saved
        return shown
    return {**shown, "help": {"text": text, "markdown": text}}


def _level(rule: RuleShown) -> str:
    return "error" if rule["counts"] else "warning"


def _result(document: Document, script: ScriptShown, rule: RuleShown, index: int) -> Json:
    why = aside(document, rule)
    sentences = filter(None, (rule["sentence"], rule["evidence"]["consequence"]))
    said = ". ".join(each.rstrip(".") for each in sentences) + (f" ({why})" if why else "")
    shown: dict[str, Json] = {
        "ruleId": rule["id"],
        "ruleIndex": index,
        "level": _level(rule),
        "message": {"text": _message(f"{name_of(script)}: {said}.")},
        "locations": [_location(document, script, line_of(script, rule))],
        "partialFingerprints": {
            "scriptAndRule/v1": "\n".join(
                (visible(script.get("origin", "")), _uri(document, script), rule["id"])
            )
        },
        "properties": {"proof": proof(document, script, rule)},
    }
    if rule["evidence"]["calls"]:
        shown["codeFlows"] = [{"threadFlows": [{"locations": _flow(document, script, rule)}]}]
    if "baseline" in document:
        shown["baselineState"] = "unchanged" if standing(rule) == "known" else "new"
    return shown


def _flow(document: Document, script: ScriptShown, rule: RuleShown) -> list[Json]:
    """The calls of the proof, each at the arm of its action."""
    steps: list[Json] = []
    for call in rule["evidence"]["calls"]:
        at = line_of(script, {**rule, "evidence": {**rule["evidence"], "calls": [call]}})
        running = "running" if call["running_after"] else "stopped"
        said = f"{call['action']}: {answer(call)}, {running} afterwards"
        location = _location(document, script, at)
        steps.append({"location": {**location, "message": {"text": _message(said)}}})
    return steps


def _location(document: Document, script: ScriptShown, line: int) -> dict[str, Json]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(document, script)},
            "region": {"startLine": line},
        },
        "logicalLocations": [{"fullyQualifiedName": visible(name_of(script))}],
    }


def _uri(document: Document, script: ScriptShown) -> str:
    """Relative to where lsbcheck was called, so that a repository's file is found in it."""
    inside = below(document, script)
    path = script["source"] if inside is None else inside
    # bytes that are not UTF-8 are kept; half a surrogate pair has none
    sound = re.sub("[\ud800-\udc7f\udd00-\udfff]", "\ufffd", path)
    quoted = quote(sound.encode("utf-8", "surrogateescape"))
    return f"file://{quoted}" if inside is None else quoted


def _run_notes(document: Document) -> list[dict[str, Json]]:
    missing = [
        _note("error", f"{run}: no sandbox: {cause}" if run else f"no sandbox: {cause}")
        for run, cause in lacking(document)
    ]
    return missing + [_note("note", note) for note in document["sandbox"]["notes"]]


def _notes(document: Document) -> list[Json]:
    notes: list[Json] = []
    for script in document["scripts"]:
        for rule in script["rules"]:
            if is_gone(rule):
                said = "it failed in the baseline, and holds now"
            elif rule["verdict"] in ("error", "not-provoked"):
                said = f"{rule['verdict']}: {rule['sentence']}"
            else:
                continue
            level = "error" if rule["verdict"] == "error" and rule["counts"] else "note"
            note = _note(level, f"{name_of(script)}: {rule['id']}: {said}")
            notes.append({**note, "associatedRule": {"id": rule["id"]}})
    return notes


def _note(level: str, text: str) -> dict[str, Json]:
    return {"level": level, "message": {"text": _message(text)}}


def _message(text: str) -> str:
    """Plain text: no link (3.11.6) and no placeholder (3.11.5) is in it."""
    text = visible(text).replace("{", "{{").replace("}", "}}")
    return text.replace("[", "\\[").replace("]", "\\]") if "](" in text else text
