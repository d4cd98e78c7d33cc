"""`--baseline`: only new findings fail, and gone is only what was seen to hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from lsbcheck.__main__ import main
from lsbcheck.report import Setting
from lsbcheck.report.baseline import Baseline, is_gone, standing
from lsbcheck.report.saved import merge, read
from lsbcheck.report.shape import Document
from lsbcheck.rules import Verdict
from lsbcheck.sandbox.interface import SandboxUnavailable
from tests.lsbcheck.reports import judged, run, saved
from tests.lsbcheck.test_main import Fake

RULE = "stop-succeeds"
VERDICTS: tuple[Verdict, ...] = ("pass", "fail", "not-provoked", "error")


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def found(verdict: Verdict, name: str = "webd") -> Document:
    return run((name, {RULE: judged(verdict, verdict)}))


@pytest.mark.parametrize("before", VERDICTS)
@pytest.mark.parametrize(("now", "code"), [*zip(VERDICTS, (0, 1, 3, 3), strict=True)])
def test_the_exit_code_is_that_of_new_findings(before: Verdict, now: Verdict, code: int) -> None:
    made = Baseline(found(before), "old.json").beside(found(now))
    known = before == now == "fail"
    assert made["exit_code"] == (0 if known else code)
    rules = {rule["id"]: rule for rule in made["scripts"][0]["rules"]}
    assert standing(rules[RULE]) == ("known" if known else now)
    assert is_gone(rules[RULE]) == (before == "fail" and now == "pass")


def test_a_rule_that_does_not_count_may_be_known_too() -> None:
    old = run(("webd", {"lsb-header": judged("fail", "x")}))
    made = Baseline(old, "old.json").beside(old)
    assert made["exit_code"] == 0
    assert "known" in [standing(rule) for rule in made["scripts"][0]["rules"]]


def test_says_nothing_of_another_script_of_the_same_rule() -> None:
    assert Baseline(found("fail", "maild"), "old").beside(found("fail"))["exit_code"] == 1


def test_a_known_finding_hides_no_lack_of_proof() -> None:
    now = run(("webd", {RULE: judged("fail", "x"), "start-succeeds": judged("error", "x")}))
    assert Baseline(found("fail"), "old").beside(now)["exit_code"] == 3


def test_no_sandbox_is_no_sandbox() -> None:
    lacking = run(unavailable=SandboxUnavailable("a", "b"))
    assert Baseline(found("fail"), "old").beside(lacking)["exit_code"] == 4
    both = merge([("a", lacking), ("b", found("fail"))])
    old = merge([("b", found("fail"))])
    assert Baseline(old, "old").beside(both)["exit_code"] == 3


def test_a_script_of_a_checkout_is_the_same_one_elsewhere() -> None:
    """`found` is of /etc/init.d, and so is what was called in /etc or /etc/init.d."""
    bad = {RULE: judged("fail", "x")}
    mine = run(("webd", bad), setting=Setting(directory="/etc/init.d"))
    (script,) = mine["scripts"]
    path = "/builds/init.d/webd"
    theirs: Document = {
        **mine,
        "directory": "/builds/init.d",
        "scripts": [{**script, "script": path, "source": path}],
    }
    assert Baseline(mine, "old").beside(theirs)["exit_code"] == 0
    elsewhere: Document = {**theirs, "directory": "/builds"}
    assert Baseline(mine, "old").beside(elsewhere)["exit_code"] == 1


def test_an_installed_script_is_the_same_one_wherever_lsbcheck_is_called() -> None:
    bad = {RULE: judged("fail", "x")}
    old = run(("webd", bad), setting=Setting(directory="/etc"))
    assert Baseline(old, "old").beside(found("fail"))["exit_code"] == 0


def test_of_merged_reports_each_host_has_its_own() -> None:
    old = merge([("web1.json", found("fail")), ("web2.json", found("pass"))])
    now = merge([("web1.json", found("fail")), ("web2.json", found("fail"))])
    made = Baseline(old, "old.json").beside(now)
    assert [script["exit_code"] for script in made["scripts"]] == [0, 1]


class TestCommand:
    @pytest.fixture
    def fake(self) -> Fake:
        Path("webd").write_text("#!/bin/sh\n")
        Path("webd").chmod(0o755)
        fake = Fake()
        fake.verdicts = {"webd": {RULE: "fail"}}
        assert fake.run("--format=json", "-o", "old.json", "./webd") == 1
        return fake

    def test_shows_what_is_known(self, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
        assert fake.run("--baseline", "old.json", "./webd") == 0
        out = capsys.readouterr().out
        assert "4 * known        stop-succeeds" in out
        assert "known 4 stop-succeeds" in out
        assert "webd: nothing broken that was not known" in out
        assert "FAIL" not in out

    def test_a_new_finding_fails(self, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
        fake.verdicts["webd"]["start-succeeds"] = "fail"
        assert fake.run("--baseline=old.json", "./webd") == 1
        out = capsys.readouterr().out
        assert "FAIL 2 start-succeeds" in out
        assert "known 4 stop-succeeds" in out

    def test_tells_what_is_gone(self, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
        fake.verdicts = {}
        assert fake.run("--baseline=old.json", "./webd") == 0
        assert "gone 4 stop-succeeds" in capsys.readouterr().out

    def test_what_was_not_provoked_is_not_gone(
        self, fake: Fake, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fake.verdicts["webd"][RULE] = "not-provoked"
        assert fake.run("--baseline=old.json", "./webd") == 3
        out = capsys.readouterr().out
        assert "gone" not in out
        assert "it failed there, and nothing shows that it holds now" in out

    def test_stands_in_the_document(self, fake: Fake) -> None:
        assert fake.run("--baseline=old.json", "--format=json", "-o", "new.json", "./webd") == 0
        made = read("new.json")
        assert made.get("baseline") == "old.json"
        assert {rule.get("baseline") for rule in made["scripts"][0]["rules"]} == {"pass", "fail"}

    def test_may_be_kept_by_writing_over_it(self, fake: Fake) -> None:
        again = ["--baseline=old.json", "--format=json", "-o", "old.json", "./webd"]
        assert fake.run(*again) == 0
        assert fake.run(*again) == 0

    @pytest.mark.parametrize("path", ["webd", "none.json", "."])
    def test_a_bad_file_is_a_wrong_call(
        self, fake: Fake, path: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fake.arguments = None
        capsys.readouterr()
        assert fake.run("--baseline", path, "./webd") == 2
        err = capsys.readouterr().err
        assert err.startswith(f"lsbcheck: --baseline {path}: ")
        assert len(err.splitlines()) == 1
        assert fake.arguments is None, "a backend was made"

    def test_one_run_and_many_are_not_compared(
        self, fake: Fake, capsys: pytest.CaptureFixture[str]
    ) -> None:
        saved("many.json", merge([("web1.json", found("fail"))]))
        assert fake.run("--baseline=many.json", "./webd") == 2
        assert "the report of many" in capsys.readouterr().err
        assert main(["merge", "--baseline=old.json", "old.json"]) == 2
        assert "the report of one run" in capsys.readouterr().err
        assert main(["merge", "--baseline=many.json", saved("web1.json", found("fail"))]) == 0
