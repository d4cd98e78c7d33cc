"""What one run of lsbcheck costs, seen from outside: time, processors, memory.

The family is the process that the user started (the front), the server that it starts, and the
server's children: one PID 1 for each sandbox. What runs below a PID 1 is the script's own.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocfkit.linux import process

TOP = Path(__file__).resolve().parents[2]

TICK = 0.01
"""Seconds between two looks at the processors' time; what a PID 1 does after the last is unseen."""
_MEMORY_TICK = 0.2
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Run:
    """One run of the command."""

    wall: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict[str, float])
    """Seconds of processor time: of the front, the server, and all PID 1s."""
    sandboxes: int = 0
    front_memory: int = 0
    """Bytes (PSS) at the highest."""
    memory: int = 0
    """Of the whole family at the highest."""
    said: Any = None
    """The JSON report."""


def run(arguments: Sequence[str]) -> Run:
    """Run lsbcheck with these arguments, and look at its family all the while."""
    argv = [sys.executable, "-B", "-m", "lsbcheck", *arguments]
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        front = subprocess.Popen(argv, cwd=TOP, stdin=subprocess.DEVNULL, stdout=output)
        seen = _Family(front.pid)
        end = os.pidfd_open(front.pid)
        try:
            next_memory = began
            while not select.select([end], [], [], TICK)[0]:
                seen.look()
                if time.perf_counter() > next_memory:
                    seen.weigh()
                    next_memory = time.perf_counter() + _MEMORY_TICK
            seen.run.wall = time.perf_counter() - began
            last = process.stat(front.pid)  # a zombie: all of its threads are in it
            seen.run.cpu["front"] = _ticks(front.pid)
            assert last.state == "Z"
        finally:
            os.close(end)
            if front.poll() is None:
                front.terminate()
            front.wait()
        output.seek(0)
        seen.run.said = json.loads(output.read() or b"null")
    if front.returncode not in (0, 1, 3):
        raise SystemExit(f"lsbcheck ended with {front.returncode}")
    return seen.finished()


class _Family:
    def __init__(self, front: int) -> None:
        self.run = Run()
        self._front = front
        self._server = 0
        self._used: dict[tuple[int, int], float] = {}
        """Pid and start time of each PID 1 → seconds."""

    def look(self) -> None:
        """Note what each has used so far."""
        if not self._server:
            self._server = next((pid for pid in _children(self._front) if _is_server(pid)), 0)
            return
        with contextlib.suppress(OSError):
            self.run.cpu["server"] = _used(self._server)
        for pid in _children(self._server):
            with contextlib.suppress(OSError):
                self._used[pid, process.stat(pid).start] = _used(pid)

    def weigh(self) -> None:
        """Note the memory if it is more than ever before."""
        front = _memory(self._front)
        others = [self._server, *_children(self._server)] if self._server else []
        self.run.front_memory = max(self.run.front_memory, front)
        self.run.memory = max(self.run.memory, front + sum(map(_memory, others)))

    def finished(self) -> Run:
        """The run, with all that the PID 1s have used."""
        self.run.cpu["PID 1s"] = sum(self._used.values())
        self.run.sandboxes = len(self._used)
        return self.run


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{pid}/task/{thread}/children").read_text()
                found += map(int, text.split())
    return found


def _is_server(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return any("server.main(" in word for word in process.command_line(pid))
    return False


def _used(pid: int) -> float:
    """Seconds of a process with one thread, without its children: to the nanosecond if told."""
    with contextlib.suppress(FileNotFoundError):
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    return _ticks(pid)


def _ticks(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS  # utime and stime, proc(5)


def _memory(pid: int) -> int:
    """Its proportional share (PSS): a page that several have counts for each in part."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return 0
