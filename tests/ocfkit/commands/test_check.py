"""`ocfkit check` as far as no sandbox is made: what it refuses, and in which words."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from lsbcheck import exitcodes
from ocfkit.__main__ import main
from ocfkit.commands.conformance import inspection
from ocfkit.conformance.rules import RULES
from tests.ocfkit.command import argv, ocfkit

CANARY = "tweet-4711-canary"


def script(folder: Path, name: str = "agent", mode: int = 0o755) -> Path:
    """A file that would be an agent; nothing here gets as far as calling it."""
    path = folder / name
    path.write_text("#!/bin/sh\nexit 3\n")
    path.chmod(mode)
    return path


def refused(*words: str | Path) -> str:
    """What is said of a wrong call: one sentence, or two with the way to help."""
    done = ocfkit("check", *words)
    assert done.returncode == exitcodes.WRONG_CALL, done.stdout + done.stderr
    assert done.stdout == ""
    first, *more = done.stderr.removesuffix("\n").split("\n")
    assert more in ([], ["ocfkit: `ocfkit check --help` tells more"])
    return first.removeprefix("ocfkit: ")


class TestTheAgent:
    def test_has_to_be_named(self) -> None:
        assert refused() == "which agent? `ocfkit check --help` tells more"

    def test_that_is_not_there_is_told(self, tmp_path: Path) -> None:
        assert "No such file or directory" in refused(tmp_path / "gone")

    def test_that_is_a_folder_is_told(self, tmp_path: Path) -> None:
        assert refused(tmp_path) == f"{tmp_path} is no file: {tmp_path}"

    def test_that_is_not_executable_is_told_with_the_cure(self, tmp_path: Path) -> None:
        plain = script(tmp_path, mode=0o644)
        assert refused(plain) == f"{plain} is not executable: chmod +x {plain}"

    @pytest.mark.parametrize("word", ["ocf:heartbeat", "ocf:", "ocf:a:b:c", "ocf:..:x"])
    def test_of_half_a_name_is_told(self, word: str) -> None:
        assert refused(word) == f"{word!r} is no ocf:PROVIDER:TYPE"

    def test_of_another_system_is_looked_for_there(self, tmp_path: Path) -> None:
        assert str(tmp_path) in refused("--root", tmp_path, "ocf:heartbeat:Dummy")

    def test_that_is_registered_here_is_none_of_another_system(self, tmp_path: Path) -> None:
        sentence = refused("--root", tmp_path, "http")
        assert sentence == f"--root {tmp_path}: http is an agent of this system alone"

    def test_of_a_folder_without_a_system_is_not_blamed_for_it(self, tmp_path: Path) -> None:
        sentence = refused("--root", tmp_path, script(tmp_path))
        assert sentence.startswith(f"--root {tmp_path}: there is no system in it")

    def test_with_a_line_break_in_its_name_is_one_line(self) -> None:
        assert r"'a\nb'" in refused("a\nb")


class TestAnOption:
    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (["--rule", "stop-succeds"], "there is no rule 'stop-succeds'; did you mean stop-succ"),
            (["--rule", ""], "there is no rule ''; --list-rules shows them all"),
            (["--rule", "stop-succeeds,"], "there is no rule ''; --list-rules shows them all"),
            (["--explain", "nonsense"], "there is no rule 'nonsense'; --list-rules shows them all"),
            (["--ruel", "x"], "unexpected argument --ruel; did you mean --rule?"),
            (["another"], "unexpected argument another; "),
            (["--format", "xml"], "argument --format: invalid choice: 'xml'"),
            (["--profile", "lsb"], "argument --profile: invalid choice: 'lsb'"),
            (["--jobs", "0"], "argument --jobs: '0' is no number from 1 to 64"),
            (["--jobs", "1e3"], "argument --jobs: '1e3' is no number from 1 to 64"),
            (["--timeout", "0s"], "argument --timeout: in 0s no call can be answered"),
            (["--timeout", "soon"], "argument --timeout: 'soon' is no time such as 20s"),
            (["--root", "/nonexistent"], "--root /nonexistent: there is no such folder"),
            (["--root", "/dev/null"], "--root /dev/null: there is no such folder"),
            (["-o", "/nonexistent/report"], "--output /nonexistent/report: nothing can be written"),
            (["-o", "/"], "--output /: a folder stands there"),
            (["-o", "/dev/null"], "--output /dev/null: a device or pipe stands there"),
            (["-p", "name"], "NAME=VALUE is wanted, and 'name' is no name with a value"),
            (["-p", "=value"], "NAME=VALUE is wanted, and '' is no name with a value"),
            (["-p", "a=1", "-p", "a=2"], "a is given twice"),
            (["--second", "a b=1"], "NAME=VALUE is wanted, and 'a b' is no name with a value"),
            (["-p", "a=@/nonexistent"], "a=@/nonexistent cannot be read: No such file or directo"),
            (["-p", "a=@/"], "a=@/ cannot be read: Is a directory"),
            (["-p", "a=@/dev/zero"], "the value of a has a NUL character in it"),
            (["-p", f"a={'x' * 65537}"], "the value of a is longer than 64 KiB"),
        ],
    )
    def test_that_cannot_be_used_is_told_in_a_sentence(
        self, tmp_path: Path, words: Sequence[str], sentence: str
    ) -> None:
        assert refused(script(tmp_path), *words).startswith(sentence)

    def test_with_a_value_is_refused_without_the_value(self, tmp_path: Path) -> None:
        assert CANARY not in refused(script(tmp_path), "-p", f"pass word={CANARY}")

    def test_with_a_secret_in_a_file_is_refused_without_the_secret(self, tmp_path: Path) -> None:
        kept = tmp_path / "kept"
        kept.write_bytes(f"{CANARY}\xff".encode("latin-1"))
        sentence = refused(script(tmp_path), "-p", f"password=@{kept}")
        assert sentence == f"password=@{kept} cannot be read: it is no UTF-8"


def test_every_rule_is_listed_and_has_its_page() -> None:
    done = ocfkit("check", "--list-rules")
    assert (done.returncode, done.stderr) == (exitcodes.ALL_HOLD, "")
    assert [line.split()[0] for line in done.stdout.splitlines()] == [rule.id for rule in RULES]
    page = ocfkit("check", "--explain", RULES[-1].id)
    assert (page.returncode, page.stderr) == (exitcodes.ALL_HOLD, "")
    assert RULES[-1].title in page.stdout


def test_an_error_of_the_check_is_no_finding_about_the_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("one by none")

    monkeypatch.setattr(inspection, "_seen", fails)
    words = ["check", str(script(tmp_path))]
    assert main(words, {}) == exitcodes.NOT_PROVED
    assert main([*words, "--output", str(tmp_path / "report")], {}) == exitcodes.NOT_PROVED
    assert not (tmp_path / "report").exists()


def test_the_help_tells_every_exit_code() -> None:
    told = ocfkit("check", "--help").stdout
    codes = {int(code) for code in re.findall(r"\b\d+\b", told.partition("exit codes:")[2])}
    assert codes == {*exitcodes.MEANINGS, 129, 143}


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with open(write_end, "wb", buffering=0) as closed:
        done = subprocess.run(
            argv("check", "--list-rules"), stdout=closed, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (exitcodes.READER_GONE, b"")
