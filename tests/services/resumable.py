"""Many checks at the same time. Each leaves a report, so a run can be stopped and called again.

A report is there whole or not at all, so a check whose report is there is not made again.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOM = 2 << 30
"""Bytes of memory that must be available before another check begins beside others."""

USUAL_ENDS = (0, 1, 3)
"""Exit codes of lsbcheck with which there is a report: all hold, one is broken, not proved."""


class CheckError(Exception):
    """A check ended without a report; the text is what it said."""


@dataclass(frozen=True, slots=True)
class Check:
    """A command that leaves a report, in one piece, at its end."""

    name: str
    argv: tuple[str, ...]
    report: Path


@dataclass(slots=True)
class Progress:
    """How far a run is, times in seconds."""

    kept: int
    """Checks whose report was there before."""
    waiting: int
    jobs: int
    ended: int = 0
    spent: float = 0.0
    """By the checks that have ended, together."""
    ages: dict[str, float] = field(default_factory=dict[str, float])
    """Name → time since it began, of each check that is under way."""

    @property
    def left(self) -> float | None:
        """Until the last one ends, as far as those that have ended tell; None before the first.

        The quick ones end first. So what is spent on the others counts as well.
        """
        if not self.ended:
            return None
        each = (self.spent + sum(self.ages.values())) / self.ended
        return each * (self.waiting + len(self.ages)) / self.jobs

    def __str__(self) -> str:
        done = self.kept + self.ended
        left = "" if self.left is None else f", about {_minutes(self.left)} left"
        oldest = sorted(self.ages, key=lambda name: -self.ages[name])[:3]
        under_way = f", {len(self.ages)} under way ({' '.join(oldest)} …)" if oldest else ""
        return f"{done} of {done + self.waiting + len(self.ages)} done{left}{under_way}"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def run(
    checks: Sequence[Check],
    jobs: int,
    tell: Callable[[Progress], None],
    available: Callable[[], int] | None = None,
) -> None:
    """Make every check that has no report yet, `jobs` at the same time.

    Whatever ends this early, the checks under way are ended and waited for, and reports stay.
    Raises CheckError at the first check that ends without one.
    """
    waiting = [check for check in checks if not check.report.exists()]
    progress = Progress(len(checks) - len(waiting), len(waiting), jobs)
    under_way: list[_UnderWay] = []
    try:
        while waiting or under_way:
            while waiting and _may_begin(under_way, jobs, available or memory_available):
                under_way.append(_UnderWay(waiting.pop(0)))
            for one in [one for one in under_way if one.process.poll() is not None]:
                under_way.remove(one)
                progress.ended += 1
                progress.spent += one.age
                one.require_report()
            progress.waiting = len(waiting)
            progress.ages = {one.check.name: one.age for one in under_way}
            tell(progress)
            _pause(under_way)
    finally:
        for one in under_way:
            one.process.terminate()
        for one in under_way:
            one.end()


def _may_begin(under_way: Collection[_UnderWay], jobs: int, available: Callable[[], int]) -> bool:
    """One always may: what is short then is not taken by us."""
    return not under_way or (len(under_way) < jobs and available() > ROOM)


def _pause(under_way: Sequence[_UnderWay]) -> None:
    """Until the oldest one ends, or it is time to look at the others."""
    if under_way:
        with contextlib.suppress(subprocess.TimeoutExpired):
            under_way[0].process.wait(0.2)


class _UnderWay:
    def __init__(self, check: Check) -> None:
        self.check = check
        self._began = time.monotonic()
        # No pipe: whatever is left of a check that was ended would hold it open.
        self._said = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self.process = subprocess.Popen(
            # Not left alone if we are killed. Ctrl-C is for us: a second signal, ours, would break
            # into the clearing up after the first.
            ["setpriv", "--pdeathsig", "TERM", *check.argv],
            process_group=0,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
        )

    @property
    def age(self) -> float:
        return time.monotonic() - self._began

    def require_report(self) -> None:
        """Raise CheckError if it has ended without one."""
        said = self.end()
        if self.process.returncode not in USUAL_ENDS:
            self.check.report.unlink(missing_ok=True)  # it tells of no sandbox, say
        if not self.check.report.exists():
            message = f"{self.check.name}: no report, exit {self.process.returncode}\n{said}"
            raise CheckError(message)

    def end(self) -> str:
        """Wait for its end, and return what it has said."""
        self.process.wait()
        with self._said:
            self._said.seek(0)
            return self._said.read()


def memory_available() -> int:
    """Bytes that could be had without swapping, by the kernel's estimate."""
    with open("/proc/meminfo", encoding="ascii") as lines:
        line = next(line for line in lines if line.startswith("MemAvailable:"))
    return int(line.split()[1]) << 10


class Shown:
    """Progress for people: one line that changes on a terminal, a line a minute elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._last = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._last < (1 if self._terminal else 60):
            return
        self._last = now
        if self._terminal:
            print(f"\r{progress}\x1b[K", end="", file=sys.stderr, flush=True)
        else:
            print(progress, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Take the line away."""
        if self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
