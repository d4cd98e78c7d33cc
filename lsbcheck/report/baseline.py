"""`--baseline`: a finding that an earlier report has does not fail again.

A rule that was not provoked, or met an error, is no better than before: it is not called gone, and
it decides the exit code as it would without a baseline.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from lsbcheck import exitcodes
from lsbcheck.exitcodes import ExitCode
from lsbcheck.report.places import below
from lsbcheck.report.shape import Document, RuleShown, ScriptShown
from lsbcheck.rules import Verdict

Standing = Literal["pass", "fail", "known", "not-provoked", "error"]
"""A verdict, where a fail is told from one that the baseline has."""

_Key = tuple[str | None, str]


class Baseline:
    """The verdicts of an earlier report."""

    def __init__(self, earlier: Document, file: str) -> None:
        """`file` is its name, for people."""
        self.file = file
        self._verdicts: dict[_Key, Mapping[str, Verdict]] = {
            key: {rule["id"]: rule["verdict"] for rule in script["rules"]}
            for script in earlier["scripts"]
            for key in _keys(earlier, script)
        }

    def beside(self, document: Document) -> Document:
        """The document with what the baseline has on each rule, and the exit codes that follow."""
        scripts = [self.beside_script(document, script) for script in document["scripts"]]
        codes: list[ExitCode] = [script["exit_code"] for script in scripts]
        sandboxes = [document["sandbox"], *(run["sandbox"] for run in document.get("merged", []))]
        if any(sandbox["unavailable"] is not None for sandbox in sandboxes):
            codes.append(exitcodes.NO_SANDBOX)
        return {
            **document,
            "exit_code": exitcodes.of_all(codes),
            "baseline": self.file,
            "scripts": scripts,
        }

    def beside_script(self, document: Document, script: ScriptShown) -> ScriptShown:
        """The same for one script of this document."""
        known = [self._verdicts[key] for key in _keys(document, script) if key in self._verdicts]
        earlier: Mapping[str, Verdict] = known[0] if known else {}
        rules: list[RuleShown] = [
            {**rule, "baseline": earlier.get(rule["id"])} for rule in script["rules"]
        ]
        return {**script, "exit_code": _exit_code(rules), "rules": rules}


def standing(rule: RuleShown) -> Standing:
    """The verdict, or `known`."""
    return "known" if rule["verdict"] == "fail" and was_broken(rule) else rule["verdict"]


def was_broken(rule: RuleShown) -> bool:
    """Whether the baseline has it as a finding."""
    return rule.get("baseline") == "fail"


def is_gone(rule: RuleShown) -> bool:
    """Whether it was a finding in the baseline and was seen to hold now."""
    return rule["verdict"] == "pass" and was_broken(rule)


def _keys(document: Document, script: ScriptShown) -> list[_Key]:
    """What a script is found by: its path, else its path in the folder of the call."""
    inside = below(document, script)
    paths = [script["script"]] if inside is None else [script["script"], f"./{inside}"]
    return [(script.get("origin"), path) for path in paths]


def _exit_code(rules: list[RuleShown]) -> ExitCode:
    counting = {standing(rule) for rule in rules if rule["counts"]}
    if "fail" in counting:
        return exitcodes.BROKEN
    return (
        exitcodes.ALL_HOLD if counting and counting <= {"pass", "known"} else exitcodes.NOT_PROVED
    )
