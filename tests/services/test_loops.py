"""Loop devices of the tests: none is left behind, and none of anybody else is taken away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services import loops

ROOT = Path(__file__).resolve().parents[2]

ATTACHES = f"""\
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from tests.services import loops
with loops.folder() as folder:
    (folder / "disk").write_bytes(bytes(8192))
    with loops.attached(folder / "disk", 512) as loop:
        print(loop.path, folder, flush=True)
        time.sleep(60)
"""


def backing(path: str) -> str:
    """Of an attached device (losetup(8)); "" of another one."""
    listed = ["losetup", "--list", "--noheadings", "--output", "BACK-FILE", path]
    return subprocess.run(listed, capture_output=True, text=True, check=False).stdout.strip()


def test_are_gone_after_a_test_that_failed() -> None:
    path, folder = "", Path()

    def fail() -> None:
        nonlocal path, folder
        with loops.folder() as folder:
            (folder / "disk").write_bytes(bytes(8192))
            with loops.attached(folder / "disk", 512) as loop:
                path = loop.path
                assert backing(path) == f"{folder}/disk"
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert backing(path) == ""
    assert not folder.exists()


def test_of_a_run_that_was_killed_are_gone_with_the_next_one() -> None:
    run = subprocess.Popen([sys.executable, "-IBc", ATTACHES], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    path, left = run.stdout.readline().split()
    loops.sweep()
    assert backing(path) == f"{left}/disk"  # of a run that is not over
    os.kill(run.pid, signal.SIGKILL)
    run.communicate(timeout=30)
    assert backing(path) == f"{left}/disk"
    with loops.folder():
        assert backing(path) == ""
        assert not os.path.exists(left)
