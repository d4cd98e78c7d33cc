"""The tests that `lsbcheck.pytest_plugin` adds: one for each rule of each script."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from lsbcheck import check
from lsbcheck.check import Options
from lsbcheck.report import Setting
from lsbcheck.report.json import document
from lsbcheck.report.places import line_of
from lsbcheck.report.shape import Document, RuleShown
from lsbcheck.report.text import proof
from lsbcheck.rules import Rule, rules_of
from lsbcheck.sandbox.interface import SandboxUnavailable
from lsbcheck.sandbox.namespace import NamespaceBackend
from lsbcheck.script import Script, ScriptError, find


def collected(session: pytest.Session) -> list[pytest.Item]:
    """All tests; raises pytest.UsageError with a sentence for each script that cannot be run."""
    asked = session.config.option
    root = os.path.realpath(asked.lsb_root)
    items: list[pytest.Item] = []
    faults: list[str] = []
    for word in dict.fromkeys(asked.lsb_script):
        try:
            script = find(word, root)
        except ScriptError as error:
            faults.append(f"--lsb-script {error}")
            continue
        made = LsbScript.from_parent(  # pyright: ignore[reportUnknownMemberType]
            session, name=script.name, nodeid=script.path, script=script, root=root
        )
        items += made.collect()
    if faults:
        raise pytest.UsageError(*faults)
    return items


class LsbScript(pytest.Collector):
    """An init script. It is checked once, when the first of its rules is tried."""

    def __init__(self, *, script: Script, root: str, **node: Any) -> None:  # noqa: ANN401
        super().__init__(**node)
        self.path = Path(script.source)
        self._script = script
        self._setting = Setting(
            profile=self.config.option.lsb_profile,
            root=root,
            prepare=self.config.option.lsb_prepare,
            directory=str(self.config.invocation_params.dir),
        )

    def collect(self) -> Iterator[LsbRule]:
        """A test for each rule of the profile."""
        for rule in rules_of(self._setting.profile):
            yield LsbRule.from_parent(  # pyright: ignore[reportUnknownMemberType]
                self, name=rule.id, rule=rule, script=self
            )

    @cached_property
    def seen(self) -> Document | SandboxUnavailable:
        """What was seen, or why nothing could be."""
        setting = self._setting
        options = Options(
            rules=tuple(rule.id for rule in rules_of(setting.profile)),
            prepare=setting.prepare,
            root=setting.root,
        )
        try:
            with NamespaceBackend(setting.root) as backend:
                reports = check.check_all([self._script], backend, options, 1, lambda _: None)
        except SandboxUnavailable as error:
            return error
        return document(reports, setting, setting.exit_code(reports[0]))


class LsbRule(pytest.Item):
    """A rule of a script: fails with its proof, is skipped when it could not be provoked."""

    def __init__(self, *, rule: Rule, script: LsbScript, **node: Any) -> None:  # noqa: ANN401
        super().__init__(**node)  # pyright: ignore[reportUnknownMemberType]
        self._script = script
        self.add_marker("lsbcheck")
        self._rule = rule

    def setup(self) -> None:
        """Check the script; what keeps it from being checked is an error and no failure."""
        seen = self._script.seen
        if isinstance(seen, SandboxUnavailable):
            pytest.fail(f"no sandbox: {seen.cause}\ncure: {seen.cure}", pytrace=False)
        shown = self._shown(seen)
        if shown["verdict"] == "error":
            pytest.fail(shown["sentence"], pytrace=False)

    def runtest(self) -> None:
        """Say what was seen."""
        seen = self._script.seen
        assert not isinstance(seen, SandboxUnavailable)  # noqa: S101 - setup has seen to it
        shown = self._shown(seen)
        if shown["verdict"] == "not-provoked":
            pytest.skip(f"not provoked: {shown['sentence']}")
        if shown["verdict"] == "fail":
            script = seen["scripts"][0]
            where = f"{script['source']}:{line_of(script, shown)}: {shown['title']}"
            pytest.fail(f"{proof(seen, script, shown)}\n\n{where}", pytrace=False)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the test is, for pytest's own report."""
        return self.path, None, f"{self._script.name}: {self.name}"

    def _shown(self, seen: Document) -> RuleShown:
        (shown,) = (one for one in seen["scripts"][0]["rules"] if one["id"] == self._rule.id)
        return shown
