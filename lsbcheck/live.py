"""Whether the service runs on this host, outside of any sandbox.

A second daemon over the data of a live one would see files change under it, and the overlay's
lower layer must not change at all. Processes are compared by the device and inode of what they
run, so a container's copy of the same program is not taken for the host's.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator

from lsbcheck.faults import is_interpreter, program_file
from lsbcheck.mentions import is_everyday
from lsbcheck.script import resolve
from lsbcheck.transcript import Program, Service
from ocfkit.linux import process


def named(programs: Iterable[str], pid_files: Iterable[str], root: str) -> str:
    """Why the service seems live, going by what the script's text names; "" if it does not."""
    for path in programs:
        file = _on_host(path, root)
        pid = 0 if is_interpreter(file) else _runs(file)
        if pid:
            return f"{path} is running on this host (pid {pid})"
    for path in pid_files:
        pid = _pid_in(path, root)
        if pid:
            return f"{path} names a process that is running on this host (pid {pid})"
    return ""


def seen(service: Service, root: str) -> str:
    """Why the service seems live, going by what a start in the sandbox has shown."""
    if service.main is None:
        return named((), service.pid_files, root)
    return _main_runs(service.main, root) or named((), service.pid_files, root)


def _main_runs(main: Program, root: str) -> str:
    path = program_file(main)
    if path and path != main.exe and is_interpreter(main.exe):
        pid = _interprets(path, root)
    elif is_everyday(main.exe):
        return ""  # somebody's `sleep` is not this service
    else:
        pid = _runs(_on_host(main.exe, root))
    return f"{path} is running on this host (pid {pid})" if pid else ""


def _on_host(path: str, root: str) -> str:
    """The file, with links as the root's own processes see them; "" if there is none."""
    try:
        return os.path.join(root, resolve(root, path).lstrip("/"))
    except OSError:
        return ""


def _runs(file: str) -> int:
    """A process whose program is this very file, or 0."""
    try:
        wanted = _identity(os.stat(file))
    except OSError:
        return 0
    for pid in _host_processes():
        with contextlib.suppress(OSError):
            if _identity(os.stat(f"/proc/{pid}/exe")) == wanted:
                return pid
    return 0


def _interprets(script: str, root: str) -> int:
    """A process that was given this very script to run, or 0."""
    try:
        wanted = _identity(os.stat(_on_host(script, root)))
    except OSError:
        return 0
    for pid in _host_processes():
        with contextlib.suppress(OSError):
            for argument in process.command_line(pid)[1:3]:
                if argument == script and _identity(os.stat(f"/proc/{pid}/root{script}")) == wanted:
                    return pid
    return 0


def _pid_in(path: str, root: str) -> int:
    """The living process that a pid file names, if it has the same root as the file; or 0."""
    try:
        # a FIFO in its place must not hold us up
        descriptor = os.open(_on_host(path, root), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            pid = int((file.read(32) or b"").split()[0])
        here = _identity(os.stat(root))
        there = _identity(os.stat(f"/proc/{pid}/root/"))
    except (OSError, ValueError, IndexError):
        return 0
    return pid if pid > 1 and here == there else 0


def _host_processes() -> Iterator[int]:
    yield from process.pids()


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
