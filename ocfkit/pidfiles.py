"""Pid files that a daemon has left: one that was killed, or has crashed, removes none itself."""

from __future__ import annotations

import os

from ocfkit.linux import process
from ocfkit.monitors.process import CLOCKS, began, pid_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocfkit.linux.process import Identity

_RUN = "/run"


def left_by(gone: Identity, run: str = _RUN) -> list[str]:
    """The files `*.pid` in /run, and in the folders right below it, that name a dead process.

    They have to be younger than the process, and its number nobody else's by now: then they are
    stale, whoever has written them.
    """
    if gone.boot != process.boot() or os.path.exists(f"/proc/{gone.pid}"):
        return []
    since = began(gone.start) - CLOCKS
    return [path for path in _pid_files(run) if _names(path, gone.pid, since)]


def empty_ones(run: str = _RUN) -> set[str]:
    """The files `*.pid` there that hold nothing."""
    found: set[str] = set()
    for path in _pid_files(run):
        try:
            if not os.lstat(path).st_size:
                found.add(path)
        except OSError:  # gone meanwhile
            continue
    return found


def _pid_files(run: str) -> Iterator[str]:
    folders = [run]
    try:
        with os.scandir(run) as entries:
            folders += [each.path for each in entries if each.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for folder in folders:
        try:
            names = os.listdir(folder)
        except OSError:  # gone meanwhile, or not for us
            continue
        yield from (f"{folder}/{name}" for name in names if name.endswith(".pid"))


def _names(path: str, pid: int, since: float) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return pid_in(os.read(descriptor, 64)) == pid and os.fstat(descriptor).st_mtime >= since
    except OSError:  # a folder of that name
        return False
    finally:
        os.close(descriptor)
