"""An agent for a program that runs all the time: an author says which, and what proves it works.

Its main process is told by pid and start time, from a record that its start has left; without a
record it is looked for. It is never told by a pid alone, and nothing is ever killed that is not of
this instance.
"""

from __future__ import annotations

import os
import time

from ocfkit.actions import action
from ocfkit.agent import Agent
from ocfkit.errors import (
    ActionError,
    DeclarationError,
    InstallationError,
    PrivilegeError,
    told,
)
from ocfkit.exitcodes import RUNNING, STOPPED
from ocfkit.linux import process
from ocfkit.linux.process import Identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Mapping, Sequence
    from typing import ClassVar, TypeVar

    from ocfkit.exitcodes import State
    from ocfkit.search import Found, Place

    T = TypeVar("T")
else:
    import _signal as signal

_AILING = process.STOPPED + process.UNINTERRUPTIBLE
"""States in which a process is looked at more closely."""

_GRACE = 2.0
"""Seconds that other processes have to end after the main one, and again when they are asked to."""

_TO_SAY_IT = 0.1
"""Seconds before the end of a stop in which is said what does not end."""


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

    def __init_subclass__(cls, *, abstract: bool = False, **options: object) -> None:
        """See Agent; raises DeclarationError besides where there is no command."""
        super().__init_subclass__(abstract=abstract, **options)
        if not abstract and cls.command is Daemon.command:
            raise DeclarationError(cls.__name__, ["it has no method command"])

    def command(self) -> Sequence[str]:
        """The program and its arguments. No secret may be among them."""
        raise NotImplementedError

    def goes_into_the_background(self) -> bool:
        """Whether it `forks`, for an agent whose parameter says so."""
        return self.forks

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
        """A file to append its standard output and error to. It grows without limit.

        What one that `forks` says until it is in the background is part of a reason instead.
        """
        return "/dev/null"

    def pid_in(self) -> str | None:
        """Where the program itself writes its pid, if it does."""
        return None

    def listens_on(self) -> Place | None:
        """Where only this instance can listen.

        A TCP port; an address with a port, where another instance may have the port on another
        address; or the path of a unix socket.
        """
        return None

    settle: ClassVar[float] = 0.5
    """Seconds that it has to have lived for a start to be done, where it does not say what it
    listens on: many a daemon ends when it has read its configuration.
    """

    stuck: ClassVar[float] = 5.0
    """Seconds in uninterruptible sleep (state D), seen without a break, that are a failure."""

    # --- actions ----------------------------------------------------------------------------------

    @action
    def start(self) -> None:
        """Run the command."""
        argv = self._argv()
        self._require_free_place()
        self._began = time.monotonic()
        if self.goes_into_the_background():
            self._run_into_the_background(argv)
        else:
            self._start_child(argv)

    @action
    def stop(self) -> None:
        """Ask it to end, and wait; then see to it that its other processes end too."""
        found = self._all()
        main, others = found.main, found.others
        if main is not None:
            self.log.info(f"stopping process {main.pid} with signal {self.stop_signal}")
            _ask_to_end(main, self.stop_signal)
            self.doing(f"waiting for the end of process {main.pid}")
            if not main.wait(self.deadline.left()):
                return
            others = self._wait_for(self._search(others).others)
        for each in others:
            self.log.info(f"stopping process {each.pid}, which belongs to it")
            _ask_to_end(each, signal.SIGTERM)
        self._kill(self._wait_for(others))

    def escalate(self) -> None:
        """Kill it with all that belongs to it, and what they start meanwhile."""
        while everything := _both(self._all()):
            if self.deadline.over():
                raise ActionError(f"{_named(everything)} still there")
            self._kill(everything)

    def tidy(self) -> None:
        """Remove the pid files below /run that a killed or crashed main process has left.

        One that stays, such as on a file system that is read-only by now, keeps none of the others.
        """
        gone = self._recorded()[0]
        if gone is None:
            return
        from ocfkit.pidfiles import left_by  # where something is stopped

        for path in left_by(gone):
            try:
                os.unlink(path)
            except FileNotFoundError:  # somebody else was faster
                continue
            except OSError as error:
                self.log.warning(f"process {gone.pid} has left a file that stays: {told(error)}")
            else:
                self.log.info(f"removed {path}, which process {gone.pid} has left")

    @action
    def monitor(self) -> State:
        """Tell whether it runs, and is neither suspended nor stuck in the kernel."""
        main = self._known()
        if main is None:
            found = self._search()
            main = found.main
            if main is None and found.others:
                raise ActionError(f"it has no main process, {_named(found.others)} still there")
        stat = main.stat() if main is not None else None
        if main is None or stat is None:
            return STOPPED
        if stat.state in _AILING:
            from ocfkit.monitors import process as monitor  # not for one that is well

            monitor.check(main, deadline=self.deadline, stuck=self.stuck, doing=self.doing)
        if self._began is not None:
            self._require_settled(main)
        return RUNNING

    def start_failure(self) -> str | None:
        """Tell whether the process that was started has ended."""
        if self._began is None:
            return None
        seconds = time.monotonic() - self._began
        if self._child is not None:
            pid, status = os.waitpid(self._child, os.WNOHANG)
            if pid == 0:
                return None
            self._child = None
            how = _in_words(status)
            if how == "exited with code 0" and self.remains():
                how += " and left others behind (is it one that forks?)"
            return f"{self._program} {how} after {seconds:.1f} s"
        main = self._recorded()[0] if self.goes_into_the_background() else None
        if main is not None and main.stat() is None and self.remains() is False:
            return f"process {main.pid} has ended after {seconds:.1f} s"
        return None

    def remains(self) -> bool | None:
        """Tell whether a process of this instance runs; None when that cannot be told."""
        try:
            return self._known() is not None or bool(_both(self._search()))
        except (ActionError, OSError):
            return None

    def main_process(self) -> Identity | None:
        """The process of this instance; None when there is none.

        One that something else has started is looked for and adopted. Raises ActionError when
        several could be it, or one cannot be told from a stranger.
        """
        return self._known() or self._search().main

    # --- while it starts -------------------------------------------------------------------------

    _began: float | None = None
    """When this very action has started it, on the monotonic clock."""

    _child: int | None = None
    """Its pid, where it is our child."""

    _program = ""
    """What was started, where it is our child."""

    def _argv(self) -> list[str]:
        from ocfkit.programs import require  # not in a monitor

        argv = [str(each) for each in self.command()]
        self.refuse_secrets(argv)
        return [require(argv[0]), *argv[1:]]

    def _variables(self) -> dict[str, str]:
        from ocfkit.programs import ENVIRONMENT
        from ocfkit.search import MARK

        given = {name: str(value) for name, value in self.variables().items()}
        return {**ENVIRONMENT, **given, MARK: self._mark()}

    def _start_child(self, argv: Sequence[str]) -> None:
        from ocfkit.linux import proc
        from ocfkit.programs import credentials_of
        from ocfkit.search import MAIN

        user = self.runs_as()
        self._program = argv[0]
        try:
            self._child = proc.start(
                argv,
                env=self._variables(),
                credentials=credentials_of(user) if user else None,
                folder=self.runs_in(),
                output=self.writes_to(),
                pid_variable=MAIN,
            )
        except OSError as error:
            raise _refusal(error, argv[0], user or "") from error
        self._adopt(process.identify(self._child))

    def _run_into_the_background(self, argv: Sequence[str]) -> None:
        from ocfkit.linux import proc
        from ocfkit.programs import credentials_of

        user = self.runs_as()
        self.doing(f"waiting until {argv[0]} is in the background")
        ended = proc.run(
            argv,
            env=self._variables(),
            deadline=self.deadline.left(),
            credentials=credentials_of(user) if user else None,
            folder=self.runs_in(),
        )
        said = (ended.stderr.strip() or ended.stdout.strip()).splitlines()[-1:]
        if ended.timed_out:
            how = f"did not go into the background within {ended.seconds:.1f} s"
        elif ended.signal is not None:
            how = f"was killed by signal {ended.signal}"
        elif ended.code:
            how = f"exited with code {ended.code}"
        else:
            return
        raise ActionError(": ".join([f"{argv[0]} {how}", *said]))

    def _require_free_place(self) -> None:
        """Raise ActionError where somebody else listens already: he would answer in its place."""
        from ocfkit.search import shown, who_listens

        place = self.listens_on()
        if place is None:
            return
        holders = who_listens(place)
        if holders is None:
            raise ActionError(f"somebody listens on {shown(place)}, and cannot be seen")
        if holders:
            pid = min(holders)
            raise ActionError(
                f"process {pid} ({process.executable(pid)}) listens on {shown(place)}"
            )

    def _require_settled(self, main: Identity) -> None:
        """Raise ActionError until it listens, or has lived for a while."""
        place = self.listens_on()
        if place is None:
            if time.monotonic() - (self._began or 0.0) < self.settle:
                raise ActionError(f"process {main.pid} is younger than {self.settle:g} s")
            return
        from ocfkit.search import beside, shown, who_listens

        ours = {each.pid for each in (main, *beside(main, self._mark()))}
        if not ours & (who_listens(place) or set()):
            raise ActionError(f"process {main.pid} does not listen on {shown(place)}")

    # --- which processes they are -----------------------------------------------------------------

    def _known(self) -> Identity | None:
        """The main process that the record names, if it is still there."""
        main, _group = self._recorded()
        return main if main is not None and main.stat() is not None else None

    def _recorded(self) -> tuple[Identity | None, int]:
        """The main process that the record names, and its process group."""
        from ocfkit.records import identity_in  # not for meta-data

        try:
            return identity_in(self.record().read())
        except OSError as error:  # it is found without
            self.log.debug(f"the record of its process: {told(error)}")
            return None, 0

    def _search(self, known: Sequence[Identity] = ()) -> Found:
        """Look at all processes of this machine, and adopt the main one if it is there.

        Those that are `known` to belong to it are no main process.
        """
        from ocfkit.search import Wanted, find_all  # only where the record does not tell

        gone, group = self._recorded() if self._began is None else (None, 0)
        wanted = Wanted(
            self._mark(),
            _said_by(self.command) or (),
            _said_by(self.pid_in),
            _said_by(self.listens_on),
            gone=gone,
            group=group,
            known=known,
            record=self.record(),
        )
        self.doing("searching for its process")
        found = find_all(wanted)
        if found.main is not None:
            self._adopt(found.main)
        return found

    def _all(self) -> Found:
        """The main process and all that belongs to it."""
        main = self._known()
        if main is None:
            return self._search()
        from ocfkit.search import Found, beside

        return Found(main, beside(main, self._mark()))

    def _adopt(self, main: Identity) -> None:
        from ocfkit.records import identity_text

        stat = main.stat()
        try:
            self.record().write(identity_text(main, stat.pgrp if stat is not None else 0))
        except OSError as error:  # it is found again without
            self.log.debug(f"no record of process {main.pid}: {told(error)}")

    def _mark(self) -> str:
        return f"{self.name}/{self.instance}"  # there is no slash in a name

    # --- while it stops ---------------------------------------------------------------------------

    def _wait_for(self, processes: Sequence[Identity]) -> list[Identity]:
        """Those that do not end for a while."""
        grace = self.deadline.within(_GRACE)
        return [each for each in processes if not each.wait(grace.left())]

    def _kill(self, processes: Sequence[Identity]) -> None:
        for each in processes:
            if each.send(signal.SIGKILL):
                self.log.warning(f"killed process {each.pid}")
        for each in processes:
            self.doing(f"waiting for the end of process {each.pid}, which was killed")
            if not each.wait(self.deadline.left() - _TO_SAY_IT):
                stat = each.stat()
                raise ActionError(
                    f"process {each.pid} does not end although it was killed"
                    + (f" (state {stat.state})" if stat else "")
                )


def _said_by(hook: Callable[[], T]) -> T | None:
    """What an author's method says, where parameters and files allow it to say anything."""
    try:
        return hook()
    except (ActionError, OSError):
        return None


def _ask_to_end(one: Identity, number: int) -> None:
    one.send(number)
    one.send(signal.SIGCONT)  # a suspended process gets no other signal before this one


def _refusal(error: OSError, program: str, user: str) -> ActionError:
    """Why the kernel did not start it: for what passes, or for what is missing on this node."""
    from errno import EAGAIN, EIO, EMFILE, ENFILE, ENOMEM, ENOSPC, ETXTBSY  # where it has failed

    if error.errno in (EAGAIN, EIO, EMFILE, ENFILE, ENOMEM, ENOSPC, ETXTBSY):
        return ActionError(f"{program} cannot be started now: {told(error)}")
    if error.filename is None:
        return PrivilegeError(f"{program} cannot be started as {user}: {error.strerror}")
    what = error.strerror if error.filename == program else told(error)
    whose = f" as {user}" if user else ""
    return InstallationError(f"{program} cannot be started{whose}: {what}")


def _in_words(status: int) -> str:
    """How a process ended, from what waitpid(2) says."""
    if os.WIFSIGNALED(status):
        return f"was killed by signal {os.WTERMSIG(status)}"
    return f"exited with code {os.WEXITSTATUS(status)}"


def _both(found: Found) -> list[Identity]:
    return [*([found.main] if found.main is not None else []), *found.others]


def _named(processes: Sequence[Identity]) -> str:
    pids = ", ".join(str(each.pid) for each in processes[:5])
    if len(processes) == 1:
        return f"process {pids} is"
    return f"{len(processes)} processes ({pids}{', …' if len(processes) > 5 else ''}) are"
