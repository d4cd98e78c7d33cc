"""One sandbox under way: calls of the script, and what was there before and after each of them.

Running and stopped are told by the processes that are there, never by what the script says.
"""

from __future__ import annotations

import posixpath
import signal
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lsbcheck import faults
from lsbcheck.sandbox.interface import Backend, Ran, Sandbox, SandboxLost
from lsbcheck.transcript import (
    Bystander,
    Call,
    Fault,
    Outcome,
    Process,
    Service,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}
"""All that a script may rely on (LSB: not on the caller's PATH, USER, LOGNAME, …)."""

OUT_OF_TIME = "the time for the whole script was over (--script-timeout)"
NOT_UP = "the service came up in the watched start, and here it did not"

_SETTLE_AT_MOST = 8.0
"""Seconds for a service that comes up or goes down late (seven of 122 took a while to die)."""

_OUTPUT_LINES = 20
_OUTPUT_CHARACTERS = 4000
PATIENCE = 5.0
"""Seconds that a signal or an exec of ours gets to be seen in the table of processes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds."""

    call: float
    """For each call of the script."""
    stop: float
    """For a stop that is made to fail, which a correct script may drag out."""
    quiet: float
    """The set of processes is settled when it has not changed for so long."""
    script_end: float | None = None
    """On the clock of time.monotonic(): when the whole script must be done."""

    def doubled(self) -> Limits:
        """For a close call that is asked again."""
        return replace(self, call=2 * self.call, stop=2 * self.stop)


class Unreached(Exception):  # noqa: N818 - not an error: the itinerary cannot go on
    """Why a scenario stopped early, in words; the rules will say that it was not provoked."""


class NotUp(Exception):  # noqa: N818 - see above
    """The service, which came up in the watched start, did not come up in this scenario."""


class OutOfTime(Exception):  # noqa: N818 - see above
    """The time for the whole script is over."""


@dataclass(frozen=True, slots=True)
class Traveller:
    """What every scenario of one script shares."""

    argv: tuple[str, ...]
    """The script as it is called, without its action."""
    backend: Backend
    limits: Limits
    visible: tuple[str, ...] = ()
    """Folders of the host that must be seen at their own path."""
    carried: tuple[tuple[str, bytes, int], ...] = ()
    """Files put into every sandbox first: path, content, mode."""
    prepare: str | None = None
    """A command for /bin/sh, run in every sandbox before the script."""

    @property
    def name(self) -> str:
        """The script's name."""
        return posixpath.basename(self.argv[-1])


class Visit:
    """One sandbox under way: makes calls and writes down what was there before and after."""

    def __init__(
        self, traveller: Traveller, sandbox: Sandbox, service: Service | None, *, again: bool
    ) -> None:
        """Nothing is done before `arrive`."""
        self.traveller = traveller
        self.sandbox = sandbox
        self.service = service
        self.again = again
        self.calls: list[Call] = []
        self.fault: Fault | None = None
        self.bystander: Bystander | None = None
        self.base: set[tuple[int, int]] = set()

    def arrive(self) -> None:
        """Carry in the files and prepare; what runs then is not the service's."""
        for path, content, mode in self.traveller.carried:
            self.sandbox.put_file(path, content, mode)
        if self.traveller.prepare is not None:
            self._prepare(self.traveller.prepare)
        self.base = {one.identity for one in self.sandbox.processes()}

    def _prepare(self, command: str) -> None:
        ran = self.sandbox.run(
            ("/bin/sh", "-c", command), env=ENVIRONMENT, deadline=self.traveller.limits.call
        )
        if ran.code != 0:
            said = (ran.stderr or ran.stdout).strip().splitlines()
            how = "did not end in time" if ran.timed_out else f"ended with {ran.code}"
            raise SandboxLost(f"the command of --prepare {how}: {said[-1] if said else 'silent'}")
        self.sandbox.settle(self.traveller.limits.quiet, _SETTLE_AT_MOST)

    def leave(self) -> None:
        """Stop the service as it wants to be stopped: nothing else undoes what it left behind."""
        self.sandbox.send_signal(self.main_pids, signal.SIGCONT)
        self._run("stop", self.traveller.limits.call, [])

    def others(self) -> list[Process]:
        """Every process that was not there at first."""
        return [one for one in self.sandbox.processes() if one.identity not in self.base]

    def runs(self, processes: Iterable[Process]) -> bool:
        """Whether one of the processes is the service's own."""
        main = self.service.main if self.service else None
        return any(faults.belongs(one, main) for one in processes)

    def call(self, action: str, *, limit: float | None = None, gone: bool = False) -> Call:
        """Call the script, wait until all is quiet, and write it down.

        `gone`: what runs now is expected to leave, and is given a moment for it.
        """
        limits = self.traveller.limits
        before = self.others()
        ran, granted = self._run(action, limits.call if limit is None else limit, before)
        leaving = [one.identity for one in before if self.runs([one])] if gone else []
        after = self.sandbox.settle(limits.quiet, _SETTLE_AT_MOST, self.base, leaving)
        return self._write_down(action, ran, granted, before, after)

    def ask(self, action: str) -> Call:
        """Call the script for an answer that starts and stops nothing: no settling."""
        before = self.others()
        ran, granted = self._run(action, self.traveller.limits.call, before)
        return self._write_down(action, ran, granted, before, self.others())

    def _run(self, action: str, limit: float, before: list[Process]) -> tuple[Ran, float]:
        """Call the script; how it ended, and the time that it was given."""
        end = self.traveller.limits.script_end
        if end is not None:
            limit = min(limit, end - time.monotonic())
            if limit <= 0:
                raise OutOfTime
        argv = (*self.traveller.argv, action)
        ran = self.sandbox.run(argv, env=ENVIRONMENT, deadline=limit)
        if ran.timed_out and end is not None and time.monotonic() >= end:
            # its own limit was not over: this is no answer that a rule may judge
            self._write_down(action, ran, limit, before, self.others())
            raise OutOfTime
        return ran, limit

    def _write_down(
        self, action: str, ran: Ran, limit: float, before: list[Process], after: list[Process]
    ) -> Call:
        outcome: Outcome = "exited"
        if ran.timed_out:
            outcome = "no-answer"
        elif ran.signal is not None:
            outcome = "killed"
        lines = (ran.stdout + ran.stderr).splitlines()
        call = Call(
            action=action,
            argv=ran.argv,
            outcome=outcome,
            code=None if ran.timed_out else ran.signal if ran.code is None else ran.code,
            seconds=ran.seconds,
            limit=limit,
            output="\n".join(lines[-_OUTPUT_LINES:])[-_OUTPUT_CHARACTERS:],
            running_before=self.runs(before),
            running_after=self.runs(after),
            before=tuple(before),
            after=tuple(after),
            late=ran.late,
            asked_again=self.again,
        )
        self.calls.append(call)
        return call

    def start(self) -> list[Process]:
        """Start the service, which must come up as it did in the watched start."""
        call = self.call("start")
        if not call.running_after:
            raise NotUp
        return list(call.after)

    @property
    def main_pids(self) -> list[int]:
        """Every process that the start has brought."""
        return [one.pid for one in self.others()]

    def kill_all(self) -> None:
        """SIGKILL everything that the start has brought, until nothing is left."""
        until = time.monotonic() + PATIENCE
        while (pids := self.main_pids) and time.monotonic() < until:
            self.sandbox.send_signal(pids, signal.SIGKILL)
        self.sandbox.settle(self.traveller.limits.quiet / 2, _SETTLE_AT_MOST, self.base)

    def freeze(self) -> list[int]:
        """SIGSTOP everything that the start has brought, until all of it stands still."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            moving = [one.pid for one in self.others() if one.state not in "Tt"]
            if not moving:
                break
            self.sandbox.send_signal(moving, signal.SIGSTOP)
        return self.main_pids
