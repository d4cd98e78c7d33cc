"""Loop devices on files of a test's own, with sectors of any size.

What a killed run has left, the next one detaches: its folders say whose they were.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PREFIX = "ocfkit-test-loop-"
_OWNER = re.compile(rf"/{PREFIX}(\d+)-[^/]*/")
"""The process that made the folder of a backing file."""


@dataclass(frozen=True, slots=True)
class Loop:
    """An attached device."""

    path: str
    backing: Path
    sector: int


@contextmanager
def folder() -> Generator[Path]:
    """A folder for backing files; it is removed, and what is still attached of it is detached."""
    sweep()
    made = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    try:
        yield made
    finally:
        _detach_all(f"/{made.name}/")
        shutil.rmtree(made)


@contextmanager
def attached(backing: Path, sector: int, *, read_only: bool = False) -> Generator[Loop]:
    """Attach a file of a `folder`."""
    how = ["--read-only"] if read_only else []
    find = ["losetup", "--find", "--show", *how, "--sector-size", str(sector), str(backing)]
    done = subprocess.run(find, capture_output=True, text=True, check=True)
    path = done.stdout.strip()
    try:
        yield Loop(path, backing, sector)
    finally:
        subprocess.run(["losetup", "--detach", path], check=True)


def sweep() -> None:
    """Detach what runs have left that have ended."""
    for path, backing in _devices():
        owner = _OWNER.search(backing)
        if owner and not os.path.exists(f"/proc/{owner[1]}"):
            subprocess.run(["losetup", "--detach", path], check=False)
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = _OWNER.search(f"{left}/")
        if owner and not os.path.exists(f"/proc/{owner[1]}"):
            shutil.rmtree(left, ignore_errors=True)


def _detach_all(place: str) -> None:
    for path, backing in _devices():
        if place in backing:
            subprocess.run(["losetup", "--detach", path], check=False)


def _devices() -> list[tuple[str, str]]:
    """Path and backing file of each loop device that is attached; a removed file's is told too."""
    list_them = ["losetup", "--list", "--json", "--output", "NAME,BACK-FILE"]
    done = subprocess.run(list_them, capture_output=True, text=True, check=True)
    with contextlib.suppress(json.JSONDecodeError):  # nothing at all where there is none
        return [
            (row["name"], row["back-file"] or "") for row in json.loads(done.stdout)["loopdevices"]
        ]
    return []
