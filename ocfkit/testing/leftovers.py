"""What actions leave behind: daemons that shall run on, and processes that nobody has stopped."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress

from ocfkit.linux import process
from ocfkit.linux.namespaces import prctl
from ocfkit.linux.process import Identity
from ocfkit.search import family

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
            self._known |= _with_descendants(_children() - before)
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
        """Them, and the sessions that they lead."""
        found: dict[int, Identity] = {}
        boot = process.boot()
        for pid, start in self._known:
            for each in family(Identity(pid, start, boot), include_first=True):
                found[each.pid] = each
        return [each for _, each in sorted(found.items()) if each.stat() is not None]

    def _bury(self) -> None:
        """Collect those that have ended, and no others: a test may have children of its own."""
        for pid, _start in self._known & _children():
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def _children() -> set[tuple[int, int]]:
    """Pid and start time of each child of ours."""
    return {(each.pid, each.start) for each in _everybody() if each.ppid == os.getpid()}


def _with_descendants(found: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Them and all that descends from them."""
    everybody = _everybody()
    pids = {pid for pid, _ in found}
    while more := {each.pid for each in everybody if each.ppid in pids} - pids:
        pids |= more
    return found | {(each.pid, each.start) for each in everybody if each.pid in pids}


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
