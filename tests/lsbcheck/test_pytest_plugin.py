"""`pytest --lsb-script`: each rule of a script is a test."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lsbcheck import check, pytest_plugin
from lsbcheck.check import Options, Report, Step
from lsbcheck.rules import PROFILES, RULES, Judgement, rules_of
from lsbcheck.sandbox.interface import Backend, SandboxUnavailable
from lsbcheck.script import Script
from lsbcheck.transcript import Transcript
from tests.lsbcheck.reports import BROKEN
from tests.packaging.checkout import ROOT

pytest_plugins = ["pytester"]

PLUGIN = ("-p", "lsbcheck.pytest_plugin", "-p", "no:cacheprovider")


class Checker:
    """Plays `check_all`, and counts."""

    def __init__(self) -> None:
        self.judged: dict[str, Judgement] = {}
        self.unavailable = False
        self.seen: list[tuple[str, Options]] = []

    def __call__(
        self,
        scripts: Sequence[Script],
        backend: Backend,
        options: Options,
        jobs: int,
        on_progress: Callable[[Step], None],
    ) -> list[Report]:
        del backend, jobs, on_progress
        (script,) = scripts
        self.seen.append((script.name, options))
        if self.unavailable:
            raise SandboxUnavailable("no SYS_ADMIN", "--cap-add it")
        holds = Judgement("pass", "all is well")
        judged = {rule: self.judged.get(rule, holds) for rule in options.rules or ()}
        return [Report(script, Transcript(script.path), judged)]


@pytest.fixture
def checker(monkeypatch: pytest.MonkeyPatch) -> Checker:
    made = Checker()
    monkeypatch.setattr(check, "check_all", made)
    return made


@pytest.fixture
def scripts(pytester: pytest.Pytester) -> list[str]:
    for name in ("webd", "maild"):
        path = pytester.path / name
        path.write_text("#!/bin/sh\ncase $1 in\nstart) ;;\nesac\n")
        path.chmod(0o755)
    return ["--lsb-script=./webd", "--lsb-script=./maild"]


def test_each_rule_of_the_profile_is_a_test(
    pytester: pytest.Pytester, checker: Checker, scripts: list[str]
) -> None:
    pytester.runpytest(*PLUGIN, *scripts).assert_outcomes(passed=2 * 8)
    pytester.runpytest(*PLUGIN, "--lsb-profile=strict", *scripts).assert_outcomes(
        passed=2 * len(RULES)
    )
    assert [name for name, _ in checker.seen] == ["webd", "maild"] * 2, "each is checked once"
    assert checker.seen[0][1].rules == tuple(rule.id for rule in rules_of("lsb"))


def test_a_broken_rule_fails_with_its_proof_alone(
    pytester: pytest.Pytester, checker: Checker, scripts: list[str]
) -> None:
    checker.judged = {"start-failure-reported": BROKEN}
    ended = pytester.runpytest(*PLUGIN, scripts[0])
    ended.assert_outcomes(passed=7, failed=1)
    ended.stdout.fnmatch_lines(
        [
            "FAIL 3 start-failure-reported",
            "  start said 0 although the daemon exited 1",
            "  $ /etc/init.d/webd start",
            "  clause: LSB Core*",
            "*/webd:3: A start that fails does not say 0",
        ]
    )
    ended.stdout.no_fnmatch_line("*BrokenError*:*raise*")
    ended.stdout.no_fnmatch_line("*pytest_items.py*")


def test_what_was_not_provoked_is_skipped_with_its_reason(
    pytester: pytest.Pytester, checker: Checker, scripts: list[str]
) -> None:
    checker.judged = {"stop-succeeds": Judgement("not-provoked", "no stop")}
    ended = pytester.runpytest(*PLUGIN, "-rs", scripts[0])
    ended.assert_outcomes(passed=7, skipped=1)
    ended.stdout.fnmatch_lines(["*not provoked: no stop*"])


def test_what_has_no_verdict_is_an_error(
    pytester: pytest.Pytester, checker: Checker, scripts: list[str]
) -> None:
    checker.judged = {"stop-succeeds": Judgement("error", "the sandbox died")}
    ended = pytester.runpytest(*PLUGIN, scripts[0])
    ended.assert_outcomes(passed=7, errors=1)
    ended.stdout.fnmatch_lines(["the sandbox died"])


def test_without_a_sandbox_every_rule_is_an_error_and_it_is_tried_once(
    pytester: pytest.Pytester, checker: Checker, scripts: list[str]
) -> None:
    checker.unavailable = True
    ended = pytester.runpytest(*PLUGIN, scripts[0])
    ended.assert_outcomes(errors=8)
    ended.stdout.fnmatch_lines(["no sandbox: no SYS_ADMIN", "cure: --cap-add it"])
    assert len(checker.seen) == 1


def test_rules_are_chosen_as_tests_are(
    pytester: pytest.Pytester, checker: Checker, scripts: list[str]
) -> None:
    pytester.makepyfile("def test_other(): pass")
    ended = pytester.runpytest(*PLUGIN, *scripts, "-m", "lsbcheck", "-k", "webd and stop-succeeds")
    ended.assert_outcomes(passed=1, deselected=16)
    assert [name for name, _ in checker.seen] == ["webd"]


def test_options_reach_the_check(
    pytester: pytest.Pytester, checker: Checker, scripts: list[str]
) -> None:
    pytester.runpytest(*PLUGIN, scripts[0], "--lsb-prepare=touch /x", "--lsb-root=/usr/..")
    assert (checker.seen[0][1].prepare, checker.seen[0][1].root) == ("touch /x", "/")


def test_scripts_that_cannot_be_run_are_all_named(
    pytester: pytest.Pytester, checker: Checker, scripts: list[str]
) -> None:
    ended = pytester.runpytest(*PLUGIN, scripts[0], "--lsb-script=/no", "--lsb-script=/etc")
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    ended.stderr.fnmatch_lines(["*--lsb-script /no: *", "*--lsb-script /etc: a directory*"])
    assert checker.seen == []


def test_without_a_script_nothing_is_added(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_other(): pass")
    pytester.runpytest(*PLUGIN).assert_outcomes(passed=1)


def test_costs_nothing_where_no_script_is_named(tmp_path: Path) -> None:
    program = (
        "import sys, pytest; pytest.main(['-p', 'lsbcheck.pytest_plugin', '-q', '--co']);"
        "print(*(name for name in sys.modules if name.startswith(('lsbcheck', 'ocfkit'))))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.split("\n")[-2].split() == ["ocfkit", "lsbcheck", "lsbcheck.pytest_plugin"]


def test_is_found_by_pytest_where_lsbcheck_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"]["pytest11"]["lsbcheck"] == pytest_plugin.__name__


def test_knows_every_profile() -> None:
    assert pytest_plugin.PROFILES == PROFILES
