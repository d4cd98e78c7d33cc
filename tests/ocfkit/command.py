"""The command `ocfkit` as a process, and agents in files for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

BARE = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}

PROGRAM = """\
import sys
sys.path.insert(0, {home!r})
from ocfkit.__main__ import entry
entry()
"""

FLAG = '''\
"""An agent that runs while a file is there."""

import os

from ocfkit import RUNNING, STOPPED, Agent, State, param


class Flag(Agent):
    """Be a file.

    It is <there> & "here", or it is not: 日本.
    """

    file = param.path("The file.", default="/nonexistent/flag", unique="file")
    mode = param.enum("How.", choices=["fast", "slow"], default="fast")
    count = param.integer("How often.", default=1, minimum=1, deprecated="Nobody counts.")
    password = param.secret("Who may.", default=None)
    needs_root = ()

    def start(self) -> None:
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(self.password or "")

    def stop(self) -> None:
        os.unlink(self.file)

    def monitor(self) -> State:
        return RUNNING if os.path.exists(self.file) else STOPPED
'''


def argv(*words: str | Path, python: str = sys.executable, home: Path = ROOT) -> list[str]:
    """How the command is called, from the checkout or from another place."""
    return [python, "-IB", "-c", PROGRAM.format(home=str(home)), *map(str, words)]


def ocfkit(
    *words: str | Path,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    python: str = sys.executable,
    home: Path = ROOT,
    cwd: Path | str = "/",
    umask: int = -1,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv(*words, python=python, home=home),
        env={**BARE, **(env or {})},
        input=stdin,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        umask=umask,
    )


def write(path: Path, text: str = FLAG) -> Path:
    """Write a file for everybody to read, whatever our umask is."""
    path.write_text(text, "utf-8")
    os.chmod(path, 0o644)
    return path


# --- what everybody can read, which a checkout and a test's own folder need not be ----------------


@contextmanager
def public_folder() -> Generator[Path]:
    """A folder that even nobody may enter; a TMPDIR may lie in somebody's home."""
    folder = Path(tempfile.mkdtemp(prefix="ocfkit-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def copy_of_ocfkit(folder: Path) -> Path:
    """Copy the package for everybody to read; return the folder that it lies in."""
    home = folder / "home"
    shutil.copytree(ROOT / "ocfkit", home / "ocfkit", ignore=shutil.ignore_patterns("__pycache__"))
    for path in [home, *home.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return home


def public_python() -> str:
    """A Python that even nobody may start."""
    user = 65534 if os.geteuid() == 0 else None
    code = "import sys; sys.exit(sys.version_info < (3, 11))"
    for path in ("/usr/bin/python3", os.path.realpath(sys.executable)):
        try:
            done = subprocess.run([path, "-IS", "-c", code], user=user, cwd="/", check=False)
        except OSError:
            continue
        if done.returncode == 0:
            return path
    pytest.skip("there is no Python 3.11 that everybody may start")
