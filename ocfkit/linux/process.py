"""What /proc says of a process: who it is, what it runs, and in which state it is."""

from __future__ import annotations

import os


class Stat:
    """The fields of /proc/PID/stat that tell processes apart (proc(5))."""

    __slots__ = ("comm", "pgrp", "pid", "ppid", "session", "start", "state")

    def __init__(self, line: bytes) -> None:
        """Parse a line; the name may hold spaces and parentheses, so the last `)` ends it."""
        head, _, tail = line.rpartition(b")")
        pid, _, comm = head.partition(b"(")
        fields = tail.split()
        self.pid = int(pid)
        self.comm = comm.decode(errors="replace")
        self.state = fields[0].decode()
        self.ppid = int(fields[1])
        self.pgrp = int(fields[2])
        self.session = int(fields[3])
        self.start = int(fields[19])
        """Clock ticks since boot; with `pid` it names one process for ever."""


def stat(pid: int, proc: str = "/proc") -> Stat:
    """Read one process; raises FileNotFoundError or ProcessLookupError when it is gone."""
    return Stat(_read(f"{proc}/{pid}/stat"))


def pids(proc: str = "/proc") -> list[int]:
    """All that are there now, threads left out, in rising order."""
    return sorted(int(name) for name in os.listdir(proc) if name.isdecimal())


def command_line(pid: int, proc: str = "/proc") -> list[str]:
    """Its arguments as they stand in its memory now; [] for a zombie or a kernel thread."""
    text = _read(f"{proc}/{pid}/cmdline").removesuffix(b"\0")
    return [part.decode(errors="replace") for part in text.split(b"\0")] if text else []


def executable(pid: int, proc: str = "/proc") -> str:
    """Path of its program, without the kernel's ` (deleted)`; "" where it may not be read."""
    try:
        return os.readlink(f"{proc}/{pid}/exe").removesuffix(" (deleted)")
    except OSError:
        return ""


def owner(pid: int, proc: str = "/proc") -> int:
    """Its effective uid.

    Read from its status: the folder belongs to root when the process is not dumpable.
    """
    for line in _read(f"{proc}/{pid}/status").splitlines():
        if line.startswith(b"Uid:"):
            return int(line.split()[2])
    return -1


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        chunks: list[bytes] = []
        while chunk := os.read(descriptor, 65536):
            chunks.append(chunk)
        return b"".join(chunks)
    finally:
        os.close(descriptor)
