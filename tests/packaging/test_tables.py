"""Published tables: as old as the code that makes them, and the pages as the data says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.services import corpus, corpus_table, resumable, roots
from tests.services.corpus import Subject
from tests.services.corpus_table import PAGE, TABLE, Row, Table
from tests.services.resumable import Check

SCRIPT = "#!/bin/sh\nexit 0\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root file system with one script."""
    (tmp_path / "etc/init.d").mkdir(parents=True)
    (tmp_path / "etc/init.d/lab").write_text(SCRIPT)
    (tmp_path / ".ocfkit-root").write_text("made from this")
    return tmp_path


def test_the_table_of_verdicts_is_as_new_as_the_code_that_decides_them() -> None:
    assert Table.read().code == corpus_table.code_digest(), "make it anew: ./dev corpus --write"


def test_the_table_holds_at_least_a_hundred_services_that_really_run() -> None:
    assert sum(row.runs for row in Table.read().rows) >= 100


def test_no_script_of_the_table_is_without_a_verdict() -> None:
    assert not [row.script for row in Table.read().rows if "!" in row.verdicts]


def test_every_script_stands_in_the_table_once() -> None:
    names = [row.script for row in Table.read().rows]
    assert names == sorted(set(names))


def test_the_page_shows_the_table() -> None:
    assert PAGE.read_text("utf-8") == Table.read().page()


def test_a_table_is_read_as_it_was_written() -> None:
    assert Table.parse(TABLE.read_text("utf-8")).text() == TABLE.read_text("utf-8")
    fragment = "printf 'a\\nb\\tc' >/etc/x  # \\\\\nset -e\t\u3042\n"
    table = Table(["one", "two"], "c0de", [Row("lab", "pkg", "1:2", "0123", "+T", fragment)])
    assert Table.parse(table.text()) == table


def test_the_page_counts_and_tells_what_was_prepared() -> None:
    rows = [
        Row("a", "p", "1", "0", "+-", "touch /x"),
        Row("b", "p", "1", "0", "+T"),
        Row("c", "q", "2", "0", "??"),
    ]
    page = Table(["first", "second"], "c0de", rows).page()
    assert "3 init scripts of 2 Debian 12 packages" in page
    assert r"| a \* | p 1 | + | **-** |" in page
    assert "| c | q 2 | ? | ? |" in page
    assert "[second](../reference/rules.md#second) | 0 | 2 | 1 | 100 % | 1 |" in page
    assert "**a**\n\n```sh\ntouch /x\n```" in page


def test_another_verdict_is_a_difference_and_another_script_is_none() -> None:
    known = Table(["x"], "c0de", [Row("a", "p", "1", "0", "+"), Row("b", "p", "1", "0", "+")])
    same, worse = Row("a", "p", "1", "0", "+"), Row("b", "p", "1", "0", "-")
    assert corpus_table.differences([same, worse], known) == ["b: - now, + in the table"]
    assert not corpus_table.differences([Row("b", "p", "2", "1", "-")], known)
    assert corpus_table.differences([Row("z", "p", "1", "0", "+")], known)


@pytest.mark.parametrize("changed", ["script", "package", "version", "prepare", "root", "code"])
def test_a_report_counts_only_for_what_it_was_made_of(root: Path, changed: str) -> None:
    folder = root / "reports"
    told = {"package": "pkg", "version": "1", "prepare": ""}
    before = Subject(root, "lab", **told).check(folder, "c0de").report
    assert Subject(root, "lab", **told).check(folder, "c0de").report == before
    code = "c0de"
    match changed:
        case "script":
            (root / "etc/init.d/lab").write_text(SCRIPT + "# as Debian has changed it\n")
        case "root":
            (root / ".ocfkit-root").write_text("made from that")
        case "code":
            code = "other"
        case _:
            told[changed] = "other"
    assert Subject(root, "lab", **told).check(folder, code).report != before


def test_reports_of_other_code_are_swept_and_nothing_else(tmp_path: Path) -> None:
    kept, old, other = (tmp_path / name for name in ("a.1.json", "a.0.json", "notes.txt"))
    for path in (kept, old, other):
        path.touch()
    corpus.sweep(tmp_path, [kept])
    assert sorted(tmp_path.iterdir()) == [kept, other]


def test_the_digest_of_a_script_is_that_of_its_bytes(root: Path) -> None:
    subject = Subject(root, "lab", "pkg", "1", "")
    assert subject.digest == hashlib.sha256(SCRIPT.encode()).hexdigest()[:16]


def test_every_preparation_is_for_a_script_of_the_table() -> None:
    prepared = {row.script for row in Table.read().rows if row.prepare}
    assert prepared == set(roots.recipes()["prepare"])


def test_a_script_without_a_verdict_is_checked_once_more_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = root / "reports"
    log = root / "log"
    verdicts = ["pass", "error"]

    def run(checks: Sequence[Check], jobs: int, _: object) -> None:
        for check in checks:
            if not check.report.exists():
                verdict = verdicts.pop() if check.name == "lab" else "pass"
                rule = {"verdict": verdict, "evidence": {"outcome": "exited"}}
                check.report.write_text(json.dumps({"scripts": [{"rules": [rule]}]}))
                with log.open("a") as file:
                    print(check.name, jobs, verdict, file=file)

    monkeypatch.setattr(resumable, "run", run)
    (root / "etc/init.d/other").write_text(SCRIPT)
    subjects = [Subject(root, name, "pkg", "1", "") for name in ("lab", "other")]
    rows = corpus.checked(subjects, folder, 4)
    assert log.read_text() == "lab 4 error\nother 4 pass\nlab 1 pass\n"
    assert [row.verdicts for row in rows] == ["+", "+"]
