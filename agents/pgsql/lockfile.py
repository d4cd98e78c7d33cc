"""postmaster.pid and the lock files of sockets: who has written them, and of what."""

from __future__ import annotations

import os

from ocfkit.linux import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from ocfkit.linux.process import Identity

NAME = "postmaster.pid"

_CLOCKS = 5.0
"""Seconds that the time in postmaster.pid and the kernel's may be apart, where a clock was set."""


class Lock:
    """What a postmaster has written into a lock file (PostgreSQL's miscinit.c and pidfile.h)."""

    __slots__ = ("address", "folder", "memory", "pid", "port", "socket_folder", "started", "status")

    def __init__(self, text: str) -> None:
        """A line may be missing: it is written in steps, and a full disk holds no more."""
        lines = [line.strip() for line in text.split("\n")] + [""] * 8
        self.pid = _number(lines[0])
        """0 where none is there; negative in single-user mode."""
        self.folder = lines[1]
        self.started = _number(lines[2])
        self.port = _number(lines[3])
        self.socket_folder = lines[4]
        self.address = lines[5]
        self.memory = tuple(_number(word) for word in lines[6].split())
        """Key and number of the System V segment."""
        self.status = lines[7]
        """Of "starting", "standby", "ready" and "stopping"."""

    @classmethod
    def read(cls, path: str) -> Self | None:
        """Raises OSError for a file that is there and cannot be read."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            return cls(os.read(descriptor, 4096).decode("utf-8", "surrogateescape"))
        finally:
            os.close(descriptor)

    def is_of(self, gone: Identity) -> bool:
        """Whether this very process has written it, on this node."""
        from ocfkit.monitors.process import began  # not for one that is well

        if gone.pid != self.pid or gone.boot != process.boot():
            return False
        return abs(began(gone.start) - self.started) < _CLOCKS

    def segment(self) -> Segment | None:
        """The segment of shared memory that it names, if there is one."""
        with open("/proc/sysvipc/shm", encoding="ascii") as file:
            next(file)  # the headings
            for line in file:
                key, number, _, _, _, _, attached, owner, *_ = map(int, line.split())
                if (key & 0xFFFFFFFF, number) == (self._key, self._number):
                    return Segment(number, attached, owner)
        return None

    @property
    def _key(self) -> int:
        return self.memory[0] & 0xFFFFFFFF if len(self.memory) == 2 else -1

    @property
    def _number(self) -> int:
        return self.memory[1] if len(self.memory) == 2 else -1


class Segment:
    """A System V segment of shared memory (proc(5), sysvipc/shm)."""

    __slots__ = ("attached", "number", "owner")

    def __init__(self, number: int, attached: int, owner: int) -> None:
        self.number = number
        self.attached = attached
        self.owner = owner


def _number(text: str) -> int:
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdecimal() and len(digits) < 19 else 0
