"""An agent for a program that runs all the time: an author says which, and what proves it works.

The process is told by pid and start time, from a record that its start has left; without a record
it is looked for. It is never told by a pid alone, and nothing is ever killed that is not it.
"""

from __future__ import annotations

import os
import time

from ocfkit.actions import action
from ocfkit.agent import Agent
from ocfkit.errors import ActionError, ConfigurationError, InstallationError
from ocfkit.exitcodes import RUNNING, STOPPED
from ocfkit.linux import process
from ocfkit.linux.process import Identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Mapping, Sequence
    from typing import ClassVar, TypeVar

    from ocfkit.exitcodes import State

    T = TypeVar("T")
else:
    import _signal as signal

_STUCK = 5.0
"""Seconds in uninterruptible sleep, seen without a break, from which a process counts as stuck."""

_WORKERS_GRACE = 2.0
"""Seconds that a daemon's other processes have to end after it."""


class Daemon(Agent, abstract=True):
    """An agent that starts, stops and watches one program.

    `command` is all that a subclass has to write. The program is expected to stay in the
    foreground; one that puts itself into the background says `forks = True`, and should tell its
    `pid_in` or what it `listens_on`.
    """

    forks: ClassVar[bool] = False
    """Whether the command ends at once, and leaves the daemon behind."""

    stop_signal: ClassVar[int] = signal.SIGTERM
    """What asks it to end."""

    def command(self) -> Sequence[str]:
        """The program and its arguments. No secret may be among them."""
        raise NotImplementedError

    def runs_as(self) -> str | None:
        """Who runs it; root when None."""
        return None

    def variables(self) -> Mapping[str, str]:
        """Its environment beside PATH, LC_ALL and HOME; nothing of the cluster's gets there."""
        return {}

    def runs_in(self) -> str:
        """Its working directory."""
        return "/"

    def writes_to(self) -> str:
        """A file to append its standard output and error to. It grows without limit."""
        return "/dev/null"

    def pid_in(self) -> str | None:
        """Where the program itself writes its pid, if it does."""
        return None

    def listens_on(self) -> int | str | None:
        """A TCP port or the path of a unix socket that only this instance can have."""
        return None

    settle: ClassVar[float] = 0.5
    """Seconds that it has to have lived for a start to be done, where it does not say what it
    listens on: many a daemon ends when it has read its configuration.
    """

    # --- actions ----------------------------------------------------------------------------------

    @action
    def start(self) -> None:
        """Run the command."""
        from ocfkit.search import MARK  # not in a healthy monitor

        argv = self._argv()
        self._require_free_place()
        self._began = time.monotonic()
        mark = {MARK: self._mark()}
        if self.forks:
            ended = self.run(argv, env={**self.variables(), **mark}, user=self.runs_as())
            if ended.code:
                said = (ended.stderr or ended.stdout).strip().splitlines()[-1:]
                raise ActionError(": ".join([f"{argv[0]} exited with code {ended.code}", *said]))
            return
        from ocfkit.linux import proc  # not in a monitor
        from ocfkit.programs import ENVIRONMENT, credentials_of

        user = self.runs_as()
        try:
            self._child = proc.start(
                argv,
                env={**ENVIRONMENT, **self.variables(), **mark},
                credentials=credentials_of(user) if user else None,
                folder=self.runs_in(),
                output=self.writes_to(),
            )
        except OSError as error:
            raise InstallationError(f"{argv[0]} cannot be started: {error.strerror}") from error
        self._adopt(process.identify(self._child))

    @action
    def stop(self) -> None:
        """Ask it to end, and wait; then see to it that its other processes end too."""
        main = self.main_process()
        family = self._family(main)
        if main is not None:
            self.log.info(f"stopping process {main.pid} with signal {self.stop_signal}")
            main.send(self.stop_signal)
            main.send(signal.SIGCONT)  # a suspended process gets no other signal before this one
            self.doing(f"waiting for the end of process {main.pid}")
            if not main.wait(self.deadline.left()):
                return
        grace = self.deadline.within(_WORKERS_GRACE)
        if not all(each.wait(grace.left()) for each in family):
            self._kill(family)

    def escalate(self) -> None:
        """Kill it with all that belongs to it."""
        main = self.main_process()
        family = self._family(main)
        self._kill([*([main] if main else []), *family])

    @action
    def monitor(self) -> State:
        """Tell whether it runs, and is neither suspended nor stuck in the kernel."""
        main = self.main_process()
        if main is None:
            left = self._family(None)
            if left:
                raise ActionError(f"its main process is gone, {_named(left)} still there")
            return STOPPED
        stat = main.stat()
        if stat is not None and stat.state in process.STOPPED:
            raise ActionError(f"process {main.pid} is suspended (state {stat.state})")
        if stat is not None and stat.state == process.UNINTERRUPTIBLE:
            self._require_movement(main)
        if self._began is not None:
            self._require_settled(main)
        return RUNNING

    def start_failure(self) -> str | None:
        """Tell whether the process that was started has ended."""
        if self._child is None or self._began is None:
            return None
        pid, status = os.waitpid(self._child, os.WNOHANG)
        if pid == 0:
            return None
        seconds = time.monotonic() - self._began
        how = (
            f"was killed by signal {os.WTERMSIG(status)}"
            if os.WIFSIGNALED(status)
            else f"exited with code {os.WEXITSTATUS(status)}"
        )
        self._child = None
        return f"{self._argv()[0]} {how} after {seconds:.1f} s"

    def remains(self) -> bool | None:
        """Tell whether a process of this instance runs, as far as the record and marks show."""
        try:
            return self.main_process() is not None or bool(self._family(None))
        except ActionError:
            return None

    def main_process(self) -> Identity | None:
        """The process of this instance; None when there is none.

        One that something else has started is looked for and adopted. Raises ActionError when
        several could be it, or one cannot be told from a stranger.
        """
        recorded = self._recorded()
        if recorded is not None and recorded.stat() is not None:
            return recorded
        from ocfkit.search import Wanted, find_main  # only where the record does not tell

        wanted = Wanted(
            self._mark(), _told(self.command) or (), _told(self.pid_in), _told(self.listens_on)
        )
        self.doing("searching for its process")
        found = find_main(wanted)
        if found is not None:
            self._adopt(found)
        return found

    # --- while it starts -------------------------------------------------------------------------

    _began: float | None = None
    """When this very action has started it, on the monotonic clock."""

    _child: int | None = None
    """Its pid, where it is our child."""

    def _require_free_place(self) -> None:
        """Raise ActionError where somebody else listens already: he would answer in its place."""
        place = self.listens_on()
        holders = self._holders(place)
        if holders:
            pid = min(holders)
            raise ActionError(f"process {pid} ({process.executable(pid)}) listens on {place}")

    def _require_settled(self, main: Identity) -> None:
        """Raise ActionError until it listens, or has lived for a while."""
        place = self.listens_on()
        if place is None:
            if time.monotonic() - (self._began or 0.0) < self.settle:
                raise ActionError(f"process {main.pid} is younger than {self.settle:g} s")
            return
        ours = {main.pid, *(each.pid for each in self._family(main))}
        if not ours & self._holders(place):
            raise ActionError(f"process {main.pid} does not listen on {place}")

    @staticmethod
    def _holders(place: int | str | None) -> set[int]:
        from ocfkit.linux import sockets  # not in a monitor

        if place is None:
            return set()
        inodes = sockets.listening(place) if isinstance(place, int) else sockets.bound(place)
        return sockets.holders(inodes) or set()

    # --- the record -------------------------------------------------------------------------------

    def _recorded(self) -> Identity | None:
        try:
            text = self.record().read()
        except OSError as error:
            raise ActionError(f"the record of the process: {error.strerror}") from error
        words = text.split()
        if len(words) != 3 or not (words[0].isdecimal() and words[1].isdecimal()):
            return None
        return Identity(int(words[0]), int(words[1]), words[2])

    def _adopt(self, main: Identity) -> None:
        try:
            self.record().write(f"{main.pid} {main.start} {main.boot}\n")
        except OSError as error:  # it is found again without
            self.log.debug(f"no record of process {main.pid}: {error}")

    def _mark(self) -> str:
        return f"{self.name}:{self.instance}"

    # --- its processes ----------------------------------------------------------------------------

    def _argv(self) -> list[str]:
        from ocfkit.programs import find  # not in a monitor

        argv = [str(each) for each in self.command()]
        self.refuse_secrets(argv)
        program = find(argv[0])
        if program is None:
            raise InstallationError(f"there is no program {argv[0]} on this node")
        return [program, *argv[1:]]

    def _family(self, main: Identity | None) -> list[Identity]:
        """What else belongs to it: its session, or its descendants where it leads none."""
        from ocfkit.search import family  # not in a healthy monitor

        return family(main or self._recorded(), include_first=False)

    def _kill(self, family: Sequence[Identity]) -> None:
        for each in family:
            if each.send(signal.SIGKILL):
                self.log.warning(f"killed process {each.pid}")
        for each in family:
            self.doing(f"waiting for the end of process {each.pid}, which was killed")
            if not each.wait(self.deadline.left()):
                stat = each.stat()
                raise ActionError(
                    f"process {each.pid} does not end although it was killed"
                    + (f" (state {stat.state})" if stat else "")
                )

    def _require_movement(self, main: Identity) -> None:
        """Raise ActionError when it does not leave the state D for a while."""
        limit = self.deadline.within(_STUCK)
        began = time.monotonic()
        self.doing(f"looking at process {main.pid}, which is in uninterruptible sleep")
        while not limit.over():
            stat = main.stat()
            if stat is None or stat.state != process.UNINTERRUPTIBLE:
                return
            limit.sleep(0.05)
        raise ActionError(
            f"process {main.pid} has been in uninterruptible sleep (state D) for "
            f"{time.monotonic() - began:.1f} s"
        )


def _told(hook: Callable[[], T]) -> T | None:
    """What an author's method says, where the parameters allow it to say anything."""
    try:
        return hook()
    except ConfigurationError:
        return None


def _named(family: Sequence[Identity]) -> str:
    pids = ", ".join(str(each.pid) for each in family[:5])
    return f"process {pids} is" if len(family) == 1 else f"{len(family)} others ({pids}) are"
