"""Which processes belong to the image of a host."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.namespace import image

# PID 1 of a namespace looks at two dead processes, an orphan that it does not reap and the child
# of a living one; both are dead before it looks.
_FIRST_PROCESS = """
import os, signal, sys

def leave_a_dead_child():
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

mother = os.fork()  # has number 2, by which an image knows the kernel's threads
if not mother:
    leave_a_dead_child()
    os._exit(0)
os.waitpid(mother, 0)
ready, done = os.pipe()
if not os.fork():
    leave_a_dead_child()
    os.write(done, b".")
    signal.pause()
os.read(ready, 1)
os.execv(sys.executable, [sys.executable, sys.argv[1], "/nonexistent"])
"""


@pytest.fixture(scope="module")
def parents_of_the_dead() -> set[str]:
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
         sys.executable, "-c", _FIRST_PROCESS, str(Path(image.__file__))],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    seen: dict[str, str] = json.loads(done.stdout)["processes"]
    dead = [line.rpartition(")")[2].split() for line in seen.values() if ") Z " in line]
    return {parent for _state, parent, *_ in dead}


def test_a_dead_process_that_pid_1_has_to_reap_does_not_belong_to_it(
    parents_of_the_dead: set[str],
) -> None:
    assert "1" not in parents_of_the_dead


def test_a_dead_process_that_a_living_one_has_to_reap_belongs_to_it(
    parents_of_the_dead: set[str],
) -> None:
    assert parents_of_the_dead - {"1"}
