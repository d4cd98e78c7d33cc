"""A process that has to be there, to be the one that is meant, and to move."""

from __future__ import annotations

import os
import time

from ocfkit.errors import ActionError, told
from ocfkit.linux import process
from ocfkit.linux.process import Identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ocfkit.deadline import Deadline

STUCK = 5.0
"""Seconds in uninterruptible sleep, seen without a break, from which a process counts as stuck."""

CLOCKS = 1.0
"""Seconds that the times of processes and of files may be apart."""


def check(
    which: Identity | str,
    *,
    deadline: Deadline,
    program: str = "",
    stuck: float = STUCK,
    doing: Callable[[str], None] = lambda _what: None,
) -> Identity:
    """Return the process when it is alive and moves; `which` is known, or named by a pid file.

    A process that a pid file names must have been there when the file was written, and, where
    `program` is given, execute that file. It fails when it has ended (as a zombie too), is
    suspended, or is seen in the state D for `stuck` seconds without a break; D for a moment is
    what a disk takes.
    """
    main = which if isinstance(which, Identity) else _named_in(which)
    stat = main.stat()
    if stat is None:
        raise ActionError(f"process {main.pid} has ended")
    if program and process.executable(main.pid) != os.path.realpath(program):
        seen = process.executable(main.pid) or "what we may not see"
        raise ActionError(f"process {main.pid} executes {seen}, not {program}")
    if stat.state in process.STOPPED:
        raise ActionError(f"process {main.pid} is suspended (state {stat.state})")
    if stat.state == process.UNINTERRUPTIBLE:
        doing(f"looking at process {main.pid}, which is in uninterruptible sleep")
        _require_movement(main, deadline.within(stuck))
    return main


def pid_in(text: bytes) -> int:
    """The number in the first line of a pid file; 0 when there is none."""
    word = text.strip().partition(b"\n")[0].strip()
    return int(word) if word.isdigit() else 0


def began(start: int) -> float:
    """When a process that has this start time was started, on the clock that files are dated by."""
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.time() - uptime + start / os.sysconf("SC_CLK_TCK")


def _require_movement(main: Identity, limit: Deadline) -> None:
    """Raise ActionError when it does not leave the state D before the limit."""
    began = time.monotonic()
    while not limit.over():
        stat = main.stat()
        if stat is None or stat.state != process.UNINTERRUPTIBLE:
            return
        limit.sleep(0.05)
    raise ActionError(
        f"process {main.pid} is in uninterruptible sleep (state D), for "
        f"{time.monotonic() - began:.1f} s now"
    )


def _named_in(path: str) -> Identity:
    try:
        with open(path, "rb") as file:
            pid = pid_in(file.read(64))
            written = os.fstat(file.fileno()).st_mtime
    except OSError as error:
        raise ActionError(f"pid file {path}: {error.strerror}") from error
    if not pid:
        raise ActionError(f"pid file {path}: no pid is in it")
    try:
        named = process.identify(pid)
    except (FileNotFoundError, ProcessLookupError):
        raise ActionError(f"process {pid}, which pid file {path} names, has ended") from None
    except OSError as error:
        raise ActionError(f"process {pid}, which pid file {path} names: {told(error)}") from error
    if began(named.start) > written + CLOCKS:
        raise ActionError(
            f"process {pid} is a stranger: it is younger than pid file {path}, which names it"
        )
    return named
