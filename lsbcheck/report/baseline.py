"""`--baseline`: a finding that an earlier report has does not fail again.

A rule that was not provoked, or met an error, is no better than before: it is not called gone, and
it decides the exit code as it would without a baseline.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from lsbcheck import exitcodes
from lsbcheck.exitcodes import ExitCode
from lsbcheck.report.shape import Document, RuleShown, ScriptShown
from lsbcheck.rules import Verdict

Standing = Literal["pass", "fail", "known", "not-provoked", "error"]
"""A verdict, where a fail is told from one that the baseline has."""


class Baseline:
    """The verdicts of an earlier report."""

    def __init__(self, earlier: Document, file: str) -> None:
        """`file` is its name, for people."""
        self.file = file
        self._verdicts: dict[tuple[str | None, str], Mapping[str, Verdict]] = {
            _key(script): {rule["id"]: rule["verdict"] for rule in script["rules"]}
            for script in earlier["scripts"]
        }

    def beside(self, document: Document) -> Document:
        """The document with what the baseline has on each rule, and the exit codes that follow."""
        scripts = [self.beside_script(script) for script in document["scripts"]]
        codes: list[ExitCode] = [script["exit_code"] for script in scripts]
        lacking = [document["sandbox"], *(run["sandbox"] for run in document.get("merged", []))]
        if any(sandbox["unavailable"] is not None for sandbox in lacking):
            codes.append(exitcodes.NO_SANDBOX)
        return {
            **document,
            "exit_code": exitcodes.of_all(codes),
            "baseline": self.file,
            "scripts": scripts,
        }

    def beside_script(self, script: ScriptShown) -> ScriptShown:
        """The same for one script."""
        earlier = self._verdicts.get(_key(script), {})
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


def _key(script: ScriptShown) -> tuple[str | None, str]:
    return script.get("origin"), script["script"]


def _exit_code(rules: list[RuleShown]) -> ExitCode:
    counting = {standing(rule) for rule in rules if rule["counts"]}
    if "fail" in counting:
        return exitcodes.BROKEN
    return (
        exitcodes.ALL_HOLD if counting and counting <= {"pass", "known"} else exitcodes.NOT_PROVED
    )
