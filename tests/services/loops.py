"""Loop devices on files of a test's own, with sectors of any size, and what is mounted from them.

What a killed run has left, the next one takes away: its folders say whose they were.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PREFIX = "ocfkit-test-loop-"
_OWNER = re.compile(rf"/{PREFIX}(\d+)-[^/]*/")
"""The process that made the folder of a backing file."""

FIFREEZE, FITHAW = 0xC0045877, 0xC0045878  # <linux/fs.h>


@dataclass(frozen=True, slots=True)
class Loop:
    """An attached device."""

    path: str
    backing: Path
    sector: int


@contextmanager
def folder() -> Generator[Path]:
    """A folder for backing files; it is removed, and nothing of it stays attached or mounted."""
    sweep()
    made = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    try:
        yield made
    finally:
        _take_away(lambda place: f"/{made.name}/" in place)
        shutil.rmtree(made)


@contextmanager
def attached(backing: Path, sector: int, *options: str, read_only: bool = False) -> Generator[Loop]:
    """Attach a file of a `folder`; `options` are losetup's."""
    how = [*options, "--read-only"] if read_only else options
    find = ["losetup", "--find", "--show", *how, "--sector-size", str(sector), str(backing)]
    done = subprocess.run(find, capture_output=True, text=True, check=True)
    path = done.stdout.strip()
    try:
        yield Loop(path, backing, sector)
    finally:
        detach(path)


@contextmanager
def mounted(loop: Loop, point: Path) -> Generator[None]:
    """Mount it at a new folder in a `folder`; whoever is frozen there gets thawed at the end."""
    point.mkdir()
    # A file system that is found to be damaged must not end the machine, whatever its default is.
    how = ["-o", "noatime,errors=continue"]
    subprocess.run(["mount", *how, loop.path, str(point)], check=True)
    try:
        yield
    finally:
        thaw(point)
        # Lazily: who hung there may take a moment to be gone.
        subprocess.run(["umount", "--lazy", str(point)], check=True)


def detach(path: str) -> None:
    """As soon as nobody has it open."""
    # The number keeps what was set (BLKROSET), and somebody else's device will get it.
    subprocess.run(["blockdev", "--setrw", path], check=False)
    subprocess.run(["losetup", "--detach", path], check=True)


def thaw(point: Path) -> bool:
    """Let go on whoever waits to write to what is mounted there; False when it was not frozen."""
    place = os.open(point, os.O_RDONLY)
    try:
        fcntl.ioctl(place, FITHAW, 0)
    except OSError:  # EINVAL
        return False
    finally:
        os.close(place)
    return True


def sweep() -> None:
    """Take away what runs have left that have ended."""
    _take_away(_is_left)
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if _is_left(f"{left}/"):
            shutil.rmtree(left, ignore_errors=True)


def _is_left(place: str) -> bool:
    owner = _OWNER.search(place)
    return owner is not None and not os.path.exists(f"/proc/{owner[1]}")


def _take_away(is_meant: Callable[[str], bool]) -> None:
    """Of these places, which may still be in use by who hangs in the kernel."""
    points = [point for point in _mount_points() if is_meant(f"{point}/")]
    for point in points:
        thaw(point)
    for path, backing in _devices():
        if is_meant(backing):
            with contextlib.suppress(subprocess.CalledProcessError):  # another run sweeps, too
                detach(path)
    for point in points:
        subprocess.run(["umount", "--lazy", str(point)], check=False)


def _mount_points() -> list[Path]:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
        return [Path(line.split()[4]) for line in mounts]


def _devices() -> list[tuple[str, str]]:
    """Path and backing file of each loop device that is attached; a removed file's is told too."""
    list_them = ["losetup", "--list", "--json", "--output", "NAME,BACK-FILE"]
    done = subprocess.run(list_them, capture_output=True, text=True, check=True)
    with contextlib.suppress(json.JSONDecodeError):  # nothing at all where there is none
        return [
            (row["name"], row["back-file"] or "") for row in json.loads(done.stdout)["loopdevices"]
        ]
    return []
