"""The file of `--output`: whole or not at all, and never in the place of something else."""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from pathlib import Path

import pytest

from lsbcheck.report.file import require_writable, write_whole
from lsbcheck.report.formats import FORMATS
from tests.lsbcheck import test_main
from tests.lsbcheck.test_main import Fake


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The only file in the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("webd").write_text("#!/bin/sh\nexit 0\n")
    Path("webd").chmod(0o755)
    return "./webd"


def listed() -> list[str]:
    return sorted(path.name for path in Path.cwd().iterdir())


@pytest.mark.parametrize("name", ["text", *FORMATS])
def test_holds_what_standard_output_would_have_shown(
    fake: Fake, script: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fake.run("--format", name, script) == 0
    shown = capsys.readouterr().out
    assert fake.run("--format", name, "-o", "report", "--color=always", script) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", "lsbcheck: the report is in report\n")
    assert Path("report").read_text("utf-8") == shown
    assert listed() == ["report", "webd"]


def test_takes_the_place_of_an_older_one(fake: Fake, script: str) -> None:
    Path("report.json").write_text("older")
    fake.verdicts = {"webd": {"start-succeeds": "fail"}}
    assert fake.run("--format=json", "--output=report.json", script) == 1
    assert json.loads(Path("report.json").read_text())["exit_code"] == 1


def test_is_readable_by_whom_the_umask_lets(fake: Fake, script: str) -> None:
    before = os.umask(0o027)
    try:
        assert fake.run("-o", "report", script) == 0
    finally:
        os.umask(before)
    assert Path("report").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("no/such/report", "--output no/such/report: nothing can be written to no/such: no such"),
        ("webd/report", "not a directory"),
        (".", "a folder stands there"),
        ("new/", "names a folder"),
        ("", "names a folder"),
        ("link", "a link stands there"),
        ("/dev/null", "a device or pipe stands there"),
        ("a\0b", "null"),
        ("/proc/report", "nothing can be written to /proc"),
    ],
    ids=repr,
)
def test_what_cannot_be_written_is_a_wrong_call_and_nothing_is_run(
    fake: Fake, script: str, path: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("link").symlink_to("webd")
    assert fake.run("-o", path, script) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert len(err.splitlines()) == 1
    assert fake.arguments is None, "a backend was made"
    assert listed() == ["link", "webd"]


def test_is_no_place_for_a_list_of_rules(
    fake: Fake, script: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fake.run("--list-rules", "-o", "rules", script) == 2
    assert "takes the report of a check" in capsys.readouterr().err


def test_says_that_there_was_no_sandbox(fake: Fake, script: str) -> None:
    from lsbcheck.__main__ import main
    from lsbcheck.arguments import Arguments
    from lsbcheck.sandbox.interface import Backend, SandboxUnavailable

    def refuse(_: Arguments) -> Backend:
        raise SandboxUnavailable("CAP_SYS_ADMIN is missing", "add it")

    assert main(["-o", "report", script], checker=fake.check_all, backends=refuse) == 4
    assert Path("report").read_text() == "no sandbox: CAP_SYS_ADMIN is missing\n"


def test_that_does_not_fit_leaves_the_older_one(tmp_path: Path) -> None:
    path = tmp_path / "report"
    write_whole(str(path), "older")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            write_whole(str(path), "x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_text() == "older"
    assert [each.name for each in tmp_path.iterdir()] == ["report"]


def test_that_is_lost_at_the_end_is_not_proved(
    fake: Fake, script: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("there").mkdir()
    fake.behaviour = lambda _: Path("there").rmdir()
    assert fake.run("-o", "there/report", script) == 3
    assert "the report could not be written: there/report" in capsys.readouterr().err


@pytest.mark.usefixtures("script")
def test_an_interrupted_run_leaves_nothing() -> None:
    Path("report").write_text("older")
    behaviour = "print('up', file=sys.stderr, flush=True); time.sleep(60)"
    process = test_main.TestEndings().start(["-o", "report", "./webd"], behaviour)
    assert process.stderr is not None
    assert process.stderr.readline() == b"up\n"
    began = time.monotonic()
    process.kill()
    process.communicate(timeout=10)
    assert time.monotonic() - began < 10
    assert listed() == ["report", "webd"]
    assert Path("report").read_text() == "older"


def test_asking_leaves_nothing(tmp_path: Path) -> None:
    require_writable(str(tmp_path / "report"))
    assert list(tmp_path.iterdir()) == []


def test_half_a_surrogate_pair_is_escaped(tmp_path: Path) -> None:
    write_whole(str(tmp_path / "report"), "a\udcffb\n")
    assert (tmp_path / "report").read_bytes() == b"a\\udcffb\n"
