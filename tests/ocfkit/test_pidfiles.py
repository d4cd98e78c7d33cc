"""Pid files that a dead process has left, and those that are somebody else's."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ocfkit.linux import process
from ocfkit.linux.process import Identity
from ocfkit.pidfiles import empty_ones, left_by


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "web").mkdir()
    return tmp_path


@pytest.fixture
def gone(run: Path) -> Identity:
    """A process that has written its pid into two files, and has ended."""
    with subprocess.Popen(["/bin/sleep", "600"]) as child:
        identity = process.identify(child.pid)
        (run / "web.pid").write_text(f"{child.pid}\n")
        (run / "web/main.pid").write_text(f" {child.pid}")
        child.kill()
    return identity


def left(gone: Identity, run: Path) -> list[str]:
    return sorted(path.removeprefix(f"{run}/") for path in left_by(gone, str(run)))


def test_those_that_name_a_dead_process_are_stale(run: Path, gone: Identity) -> None:
    assert left(gone, run) == ["web.pid", "web/main.pid"]


def test_those_of_a_living_one_are_not(run: Path) -> None:
    (run / "own.pid").write_text(str(os.getpid()))
    assert left(process.identify(os.getpid()), run) == []


def test_those_of_another_boot_are_not(run: Path, gone: Identity) -> None:
    assert left(Identity(gone.pid, gone.start, "another"), run) == []


def test_one_that_was_there_before_the_process_is_another_s(run: Path, gone: Identity) -> None:
    os.utime(run / "web.pid", (1, 1))
    assert left(gone, run) == ["web/main.pid"]


@pytest.mark.parametrize("name", ["web.pid.bak", "pid", "deep/er/web.pid"])
def test_other_files_are_left_alone(run: Path, gone: Identity, name: str) -> None:
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).write_text(f"{gone.pid}\n")
    assert left(gone, run) == ["web.pid", "web/main.pid"]


def test_what_leads_elsewhere_or_is_no_file_is_left_alone(run: Path, gone: Identity) -> None:
    (run / "link.pid").symlink_to(run / "web.pid")
    (run / "folder.pid").mkdir()
    (run / "linked").symlink_to(run / "web")
    os.mkfifo(run / "fifo.pid")
    assert left(gone, run) == ["web.pid", "web/main.pid"]


def test_where_there_is_no_such_folder_there_are_none(gone: Identity) -> None:
    assert left_by(gone, "/nowhere") == []


def test_empty_ones_name_nobody(run: Path) -> None:
    (run / "full.pid").write_text("1\n")
    (run / "web/empty.pid").touch()
    (run / "empty").touch()
    assert empty_ones(str(run)) == {f"{run}/web/empty.pid"}
