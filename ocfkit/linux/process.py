"""What /proc says of a process, and whether it is still the one that was meant."""

from __future__ import annotations

import os
import select

TYPE_CHECKING = False  # as typing's, which every agent would pay for
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # without the enums of the front

STOPPED = "Tt"
"""States of a process that is suspended by a signal or by a tracer (proc(5))."""

DEAD = "ZXx"
"""States of a thread that runs no more, whether or not its parent has asked."""

UNINTERRUPTIBLE = "D"
"""State of a process that waits in the kernel, where no signal reaches it, SIGKILL neither."""


class Stat:
    """The fields of /proc/PID/stat that tell processes apart (proc(5))."""

    __slots__ = ("comm", "pgrp", "pid", "ppid", "session", "start", "state", "threads")

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
        self.threads = int(fields[17])
        self.start = int(fields[19])
        """Clock ticks since boot; with `pid` it names one process for ever."""

    @property
    def ended(self) -> bool:
        """Whether it runs no more. The state is its first thread's, which others may outlive."""
        return self.state in DEAD and self.threads < 2


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


def environment(pid: int, proc: str = "/proc") -> list[bytes]:
    """Its environment as it was at execve(2), unless it has written over it; [] for a zombie."""
    return _read(f"{proc}/{pid}/environ").split(b"\0")


def boot() -> str:
    """Name this boot of the machine: start times count from it."""
    return _read("/proc/sys/kernel/random/boot_id").decode().strip()


class Identity:
    """One process for ever: a pid is used again, a pid with its start time in one boot is not."""

    __slots__ = ("boot", "pid", "start")

    def __init__(self, pid: int, start: int, boot: str) -> None:
        """`start` in clock ticks since the boot, as `Stat.start`."""
        self.pid = pid
        self.start = start
        self.boot = boot

    def stat(self) -> Stat | None:
        """Its state now; None when it has ended, and its pid is free or another's.

        Raises PermissionError where /proc hides it from us (its mount option hidepid).
        """
        try:
            now = stat(self.pid)
        except (FileNotFoundError, ProcessLookupError):
            self._require_absence()
            return None
        same = now.start == self.start and self.boot == boot()
        return now if same and not now.ended else None

    def send(self, number: int) -> bool:
        """Send a signal to it and to no other; False when it has ended.

        The descriptor holds the process before its start time is compared, so that a pid that is
        given away in between is never hit (pidfd_send_signal(2)).
        """
        held = _hold(self.pid)
        if held is None:
            return False
        try:
            if self.stat() is None:
                return False
            signal.pidfd_send_signal(held, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(held)
        return True

    def wait(self, seconds: float) -> bool:
        """Wait for its end; False when it is still there after that time."""
        held = _hold(self.pid)
        if held is None:
            return True
        try:
            return self.stat() is None or _has_ended(held, seconds)
        finally:
            os.close(held)

    def _require_absence(self) -> None:
        """Raise PermissionError when the pid is somebody's, although /proc does not show him."""
        held = _hold(self.pid)
        if held is None:
            return
        try:
            if not _has_ended(held, 0.0) and not os.path.exists(f"/proc/{self.pid}"):
                from errno import EACCES

                raise PermissionError(EACCES, f"/proc hides process {self.pid}")
        finally:
            os.close(held)


def _hold(pid: int) -> int | None:
    """A descriptor of the process that has the pid; None when it is nobody's."""
    try:
        return os.pidfd_open(pid)
    except (ProcessLookupError, OverflowError):  # no pid is so large
        return None
    except OSError as error:
        from errno import EINVAL, ENOENT  # not where it is there

        if error.errno in (EINVAL, ENOENT):  # it is a thread's now
            return None
        raise


def _has_ended(held: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(held, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))


def identify(pid: int) -> Identity:
    """The process that has this pid now; raises FileNotFoundError or ProcessLookupError."""
    return Identity(pid, stat(pid).start, boot())


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        chunks: list[bytes] = []
        while chunk := os.read(descriptor, 65536):
            chunks.append(chunk)
        return b"".join(chunks)
    finally:
        os.close(descriptor)
