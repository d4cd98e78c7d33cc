"""What actions leave behind: daemons that shall run on, and processes that nobody has stopped."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress

from ocfkit.linux import process
from ocfkit.linux.namespaces import prctl
from ocfkit.linux.process import Identity

_PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>
_PATIENCE = 10.0
"""Seconds for a process to end after SIGKILL."""


class Leftovers:
    """Processes that were left behind while somebody watched.

    Between the first that is opened and the last that is closed, this process is the parent of
    whatever loses its own, so that nothing escapes (PR_SET_CHILD_SUBREAPER).
    """

    _opened = 0

    def __init__(self) -> None:
        """Open it."""
        self._known: set[tuple[int, int]] = set()
        Leftovers._opened += 1
        prctl(_PR_SET_CHILD_SUBREAPER, 1)

    @contextmanager
    def watched(self) -> Generator[None]:
        """Remember what is left behind by what happens inside."""
        before = _children()
        try:
            yield
        finally:
            left = _children() - before
            self._known |= left | _with_descendants(left)
            self._bury()

    def close(self) -> list[str]:
        """Kill what still runs, and tell what it was."""
        living = self._living()
        told = [f"process {each.pid} is left: {_called(each.pid)}" for each in living]
        for each in living:
            each.send(signal.SIGKILL)
        for each in living:
            each.wait(_PATIENCE)
        self._bury()
        Leftovers._opened -= 1
        if not Leftovers._opened:
            prctl(_PR_SET_CHILD_SUBREAPER, 0)
        return told

    def _living(self) -> list[Identity]:
        """Those that have not ended, with the sessions that they led and all that descends."""
        everybody = _everybody()
        taken = {each.pid for each in everybody if _name(each) not in self._known}
        # a session keeps its leader's pid from being given to another (credentials(7))
        sessions = {pid for pid, _ in self._known} - taken
        members = {_name(each) for each in everybody if each.session in sessions}
        found: list[Identity] = []
        for pid, start in sorted(_with_descendants(self._known | members)):
            with suppress(OSError):  # gone meanwhile
                living = process.identify(pid)
                if living.start == start and living.stat() is not None:
                    found.append(living)
        return found

    def _bury(self) -> None:
        """Collect those that have ended, and no others: a test may have children of its own."""
        for pid, _start in self._known & _children():
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def _name(stat: process.Stat) -> tuple[int, int]:
    """Pid and start time, which no other process has."""
    return (stat.pid, stat.start)


def _children() -> set[tuple[int, int]]:
    """All children of ours."""
    return {_name(each) for each in _everybody() if each.ppid == os.getpid()}


def _with_descendants(found: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """What is there of them, and all that descends from it."""
    everybody = _everybody()
    pids = {each.pid for each in everybody if _name(each) in found}
    while more := {each.pid for each in everybody if each.ppid in pids} - pids:
        pids |= more
    return {_name(each) for each in everybody if each.pid in pids}


def _everybody() -> list[process.Stat]:
    found: list[process.Stat] = []
    for pid in process.pids():
        with suppress(OSError):  # gone meanwhile
            found.append(process.stat(pid))
    return found


def _called(pid: int) -> str:
    with suppress(OSError):
        return " ".join(process.command_line(pid))
    return "it has ended meanwhile"
