"""An agent for a service that an init script, a systemd unit or a command runs.

What the script or systemd says is held against the processes, and where the two differ the
processes are right: a service is running when both say so, and stopped when nothing of it is left.
docs/explanation/whom-a-service-believes.md has the table.
"""

from __future__ import annotations

import time

from ocfkit.actions import action
from ocfkit.daemon import Daemon
from ocfkit.errors import (
    ActionError,
    ConfigurationError,
    DeadlineError,
    DeclarationError,
    InstallationError,
    told,
)
from ocfkit.exitcodes import RUNNING, STOPPED
from ocfkit.linux import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Container, Sequence

    from ocfkit.exitcodes import State
    from ocfkit.initscript import Status
    from ocfkit.linux.proc import Ended
    from ocfkit.linux.process import Identity
    from ocfkit.search import Found
    from ocfkit.systemd import Shown
else:
    import _signal as signal

_AILING = process.STOPPED + process.UNINTERRUPTIBLE
_APPEARS = 2.0
"""Seconds after its start in which a service may still appear that a script has left to others."""

_AT_LEAST = 0.15
"""Seconds that a script has to say its status, even where time is over; a stop then looks for a
quarter of a second.
"""

_SHARE_OF_SCRIPT = 0.75
"""Share of the time before the hard way that a script's stop gets: one that hangs leaves some for
asking the processes themselves.
"""

_POLITE = 0.5
"""Share of the time that is left in which a script's own stop is waited for."""

_TO_TIDY = 0.1
"""Seconds before the end of an action in which a script that hangs is ended."""


class _Scripted(Daemon, abstract=True):
    """The way of an init script; without one, a daemon's."""

    def init_script(self) -> str | None:
        """The init script that runs it, by path or, below /etc/init.d, by name; None: none does.

        Tell `pid_in` or what it `listens_on` too where more than one process is started, or where
        something else than the cluster may restart it.
        """
        return None

    # --- actions ----------------------------------------------------------------------------------

    @action
    def start(self) -> None:
        """Call the script, then look what it has left running."""
        script = self._script()
        if script is None:
            super().start()
            return
        self._require_program(script)
        self._require_free_place()
        from ocfkit.initscript import descendants, how, keep_orphans, last_line

        keep_orphans()
        self._others = {each.pid for each in descendants()}
        self._began = time.monotonic()
        ended = self._call(script, "start", max(0.0, self.deadline.left() - _TO_TIDY))
        self._note_what_is_left()
        if ended.code != 0:
            raise ActionError(f"{script} start: {how(ended)}{last_line(ended)}")
        self._said = last_line(ended)

    @action
    def stop(self) -> None:
        """Call the script, wait, and see to it that nothing is left, as a daemon's stop does."""
        script = self._script()
        if script is None:
            super().stop()
            return
        self._stops = True
        processes = self._everything()
        self._stranger = None if processes else self._at_its_place()
        self._had_processes = bool(processes) or self._had_some() or self._stranger is not None
        for each in processes:
            each.send(signal.SIGCONT)  # a suspended one would not hear what the script sends
        if self._is_there(script):
            self._stop_by_script(script, processes)
        else:
            self.log.warning(f"{script} is not on this node: it is stopped by its processes")
        if self._everything():
            super().stop()

    def escalate(self) -> None:
        """Kill it with all that belongs to it."""
        self._stops = True
        self._had_processes = self._had_processes or self._had_some()
        super().escalate()

    @action
    def monitor(self) -> State:
        """Hold what the script says against the processes."""
        script = self._script()
        if script is None:
            return super().monitor()
        if self._began is not None:
            self._note_what_is_left()
        main = self._living_main()
        if not self._is_there(script):
            return self._monitored_without(script, main)
        status = self._status(script)
        if main is None:
            main = self._main_instead(status)
        if status.stopped:
            return self._stopped_by(status, main)
        if not status.runs:
            return self._unclear(status, main)
        if main is None:
            return self._running_without_main(status)
        if self._began is not None:
            self._require_rest()
            self._require_settled(main)
        return RUNNING

    def start_failure(self) -> str | None:
        """Tell whether what the script has started is gone."""
        script = self._script()
        if script is None:
            return super().start_failure()
        if self._began is None or self._last is None or self.remains() is True:
            return None
        seconds = time.monotonic() - self._began
        gone = self._recorded()[0]
        if gone is None and (seconds < _APPEARS or self._last.runs):
            return None
        seen = f"process {gone.pid} has ended" if gone is not None else "nothing of it runs"
        return (
            f"{script} start said it was done, but {seen} after {seconds:.1f} s, and "
            f"{self._last.told}{self._said}"
        )

    def remains(self) -> bool | None:
        """Tell whether a process runs; None of a service that was started and never had one."""
        there = super().remains()
        if there is False and self._script() is not None and not self._had_some():
            return None if self.record().exists() is not False else False
        return there

    def absence(self) -> InstallationError | None:
        """Tell besides whether the script is missing."""
        absent = super().absence()
        script = self._script()
        if absent is None and script is not None:
            try:
                self._require_program(script)
            except InstallationError as error:
                return error
        return absent

    # --- the script -------------------------------------------------------------------------------

    _others: Container[int] = ()
    """What lived below this process before it was started."""

    _left: Sequence[Identity] = ()
    """What the start has left, as far as it has no parent there."""

    _first: Identity | None = None
    """Its main process among them."""

    _at_rest_since = 0.0
    """Since when it is that one, or they are those, on the monotonic clock."""

    _stops = False
    """Whether this very action has asked it to stop."""

    _had_processes = False
    """Whether there were processes when it was asked."""

    _stranger: Identity | None = None
    """Who was at its place then, where no process of it was known."""

    _said = ""
    """The last line of its start."""

    _last: Status | None = None
    """What it has said last."""

    def _script(self) -> str | None:
        script = self.init_script()
        if not script:
            return None
        from ocfkit.initscript import path_of

        return path_of(script)

    def _is_there(self, script: str) -> bool:
        from ocfkit.programs import find

        return find(script) is not None

    def _require_program(self, script: str) -> None:
        from ocfkit.programs import require

        require(script)

    def _call(self, script: str, what: str, seconds: float) -> Ended:
        from ocfkit.initscript import call
        from ocfkit.search import MARK

        self.doing(f"waiting for {script} {what}")
        given = {name: str(value) for name, value in self.variables().items()}
        marked = {**given, MARK: self._mark()} if what == "start" else given
        return call(script, what, env=marked, seconds=seconds)

    def _status(self, script: str) -> Status:
        from ocfkit.initscript import Status

        seconds = max(self.deadline.left() - _TO_TIDY, _AT_LEAST)
        ended = self._call(script, "status", seconds)
        self._last = Status(script, ended)
        return self._last

    def _stop_by_script(self, script: str, processes: Sequence[Identity]) -> None:
        """Let the script stop it; then wait for those that have heard it."""
        from ocfkit.initscript import how, last_line

        if self._stranger is not None:
            processes = [*processes, self._stranger]
        ended = self._call(script, "stop", self.deadline.left() * _SHARE_OF_SCRIPT)
        if ended.code != 0:
            self.log.warning(f"{script} stop: {how(ended)}{last_line(ended)}")
            return
        polite = self.deadline.part(_POLITE)
        for each in processes:
            self.doing(f"waiting for the end of process {each.pid}")
            each.wait(polite.left())

    # --- its word against the processes -----------------------------------------------------------

    def _living_main(self) -> Identity | None:
        """The main process by the record; raises ActionError when it is not well."""
        main = self._known()
        if main is not None:
            self._require_health(main)
        return main

    def _require_health(self, one: Identity) -> None:
        stat = one.stat()
        if stat is not None and stat.state in _AILING:
            from ocfkit.monitors import process as monitor  # not for one that is well

            monitor.check(one, deadline=self.deadline, stuck=self.stuck, doing=self.doing)

    def _main_instead(self, status: Status) -> Identity | None:
        """The main process where the record names none that lives: a restart by somebody else."""
        main = self._search().main
        if main is None and status.runs:
            main = self._at_its_place()
        if main is not None:
            self._require_health(main)
        return main

    def _at_its_place(self) -> Identity | None:
        """Who is in the pid file or listens, without a mark of ours.

        It may be a stranger, whom a wrong pid file names, say: it is looked at, and waited for in a
        stop, and no signal is sent to it.
        """
        from ocfkit.initscript import named_in, tops

        path = self.pid_in()
        place = self.listens_on()
        if path is not None:
            return named_in(path)
        if place is None:
            return None
        from ocfkit.search import who_listens

        holders: list[Identity] = []
        for pid in sorted(who_listens(place) or ()):
            try:
                holders.append(process.identify(pid))
            except OSError:  # gone meanwhile
                continue
        oldest = tops(holders)
        return oldest[0] if len(oldest) == 1 else None

    def _stopped_by(self, status: Status, main: Identity | None) -> State:
        everything = [main] if main is not None else self._everything() or self._waited_for()
        if everything:
            raise ActionError(f"{status.told}, although {_are_there(everything)}")
        return STOPPED

    def _waited_for(self) -> list[Identity]:
        """Who was at its place when it was asked to stop, and still lives."""
        one = self._stranger
        return [one] if one is not None and one.stat() is not None else []

    def _unclear(self, status: Status, main: Identity | None) -> State:
        """Neither running nor stopped: only after a stop do the processes alone decide."""
        everything = [main] if main is not None else self._everything() or self._waited_for()
        if everything:
            raise ActionError(f"{status.told}; {_are_there(everything)}")
        if self._stops and self._had_processes:
            self.log.warning(f"{status.told}; its processes have ended")
            return STOPPED
        raise ActionError(f"{status.told}; no process of it is known")

    def _running_without_main(self, status: Status) -> State:
        """Say "running" of several that are equal, or of a service that has no process at all."""
        others = self._everything()
        gone = self._recorded()[0]
        if gone is not None and others:
            raise ActionError(
                f"{status.told}, although process {gone.pid} has ended; {_are_there(others)}"
            )
        for each in others:
            self._require_health(each)
        if others:
            self._require_several_settled(others)
            return RUNNING
        if self._stops and self._had_processes:
            self.log.warning(f"{status.told}, although nothing of it is left")
            return STOPPED
        if gone is not None:
            raise ActionError(f"{status.told}, although process {gone.pid} has ended")
        if self._had_some():
            raise ActionError(f"{status.told}, although its processes have ended")
        if self._stops:
            raise ActionError(f"{status.told} after its stop; no process of it is known")
        if self.listens_on() is not None or self.pid_in() is not None:
            raise ActionError(f"{status.told}, although no process of it is to be found")
        return RUNNING

    def _require_rest(self) -> None:
        """Raise ActionError while processes come and go: a daemon forks, and its parents end."""
        if time.monotonic() - self._at_rest_since < self.settle:
            raise ActionError(f"it has not been at rest for {self.settle:g} s yet")

    def _require_several_settled(self, ours: Sequence[Identity]) -> None:
        place = self.listens_on()
        if self._began is None:
            return
        self._require_rest()
        if place is not None:
            from ocfkit.search import shown, who_listens

            if not {each.pid for each in ours} & (who_listens(place) or set()):
                raise ActionError(f"no process of it listens on {shown(place)}")

    def _monitored_without(self, script: str, main: Identity | None) -> State:
        """Without the script, the processes say whether it runs; and nobody, that it is stopped."""
        main = main or self._search().main
        if main is not None:
            self._require_health(main)
            return RUNNING
        others = self._everything()
        if others and self._recorded()[0] is not None:
            raise ActionError(
                f"it has no main process and {script} is not on this node; {_are_there(others)}"
            )
        for each in others:
            self._require_health(each)
        if others:
            return RUNNING
        if self._had_some() or self._had_processes:
            return STOPPED
        self._require_program(script)
        raise InstallationError(f"{script} is not on this node")

    # --- which processes they are -----------------------------------------------------------------

    def _note_what_is_left(self) -> None:
        """See what the start has left by now, and remember it where it is not what it was.

        A daemon that puts itself into the background is there before it is alone. Once it is, it
        stays the main process while it lives, whatever orphans its work leaves.
        """
        from ocfkit.initscript import descendants, tops

        left = tops([each for each in descendants() if each.pid not in self._others])
        pids = {each.pid for each in left}
        if pids == {each.pid for each in self._left}:
            return
        self._left = left
        if self._first is None or self._first.pid not in pids:
            self._first = left[0] if len(left) == 1 else None
            self._at_rest_since = time.monotonic()
        if left:  # what is gone stays on record, to be told of
            self._note(self._first, left)

    def _note(self, main: Identity | None, left: Sequence[Identity]) -> None:
        """Remember the main process, and all that a start has left without a parent there."""
        from ocfkit.initscript import identities_text
        from ocfkit.records import identity_text

        stat = main.stat() if main is not None else None
        group = stat.pgrp if stat is not None else 0
        head = identity_text(main, group) if main is not None else "started\n"
        try:
            self.record().write(head + identities_text(left))
        except OSError as error:  # they are found without, as long as they keep the mark
            self.log.warning(f"no record of its processes: {told(error)}")

    def _adopt(self, main: Identity) -> None:
        noted = self._noted() if self._script() is not None else []
        super()._adopt(main)
        if noted:
            from ocfkit.initscript import identities_text

            try:
                record = self.record()
                record.write(record.read() + identities_text(noted))
            except OSError as error:
                self.log.debug(f"no record of its processes: {told(error)}")

    def _noted(self) -> list[Identity]:
        """What a start has left, whether or not it still lives."""
        from ocfkit.initscript import identities_in

        try:
            return identities_in(self.record().read())
        except OSError:
            return []

    def _had_some(self) -> bool:
        """Whether processes of it are on record, be they gone."""
        return self._recorded()[0] is not None or bool(self._noted())

    def _everything(self) -> list[Identity]:
        found = self._all()
        return [*([found.main] if found.main is not None else ()), *found.others]

    def _search(self, known: Sequence[Identity] = ()) -> Found:
        """Look by the mark and the records; a script's program and arguments are not known."""
        if self._script() is None:
            return super()._search(known)
        from ocfkit.search import Wanted, family, find_all

        gone, group = self._recorded()
        noted = [each for top in self._noted() for each in family(top, include_first=True)]
        self.doing("searching for its processes")
        wanted = Wanted(
            self._mark(),
            gone=gone if gone is not None and gone.stat() is None else None,
            group=group,
            known=[*known, *noted],
            record=self.record(),
        )
        found = find_all(wanted)
        if found.main is not None and not known:
            self._adopt(found.main)
        return found

    def _all(self) -> Found:
        found = super()._all()
        if self._script() is None or found.main is None:
            return found
        from ocfkit.search import Found, family

        more = [each for top in self._noted() for each in family(top, include_first=True)]
        seen = {found.main.pid, *(each.pid for each in found.others)}
        return Found(found.main, [*found.others, *(e for e in more if e.pid not in seen)])


class Service(_Scripted, abstract=True):
    """An agent that runs a service by an init script, a systemd unit or a command.

    A subclass says which by `init_script`, `unit` or `command`, and may say all three where a
    parameter chooses: a unit comes before a script, and a script before a command. All that a
    `Daemon` can say besides, holds for a command; `pid_in`, `listens_on` and `variables` for a
    script too, and `listens_on` for a unit.
    """

    def __init_subclass__(cls, *, abstract: bool = False, **options: object) -> None:
        """See Daemon; raises DeclarationError besides where nothing says what runs it."""
        super().__init_subclass__(abstract=abstract, **options)
        ways = (cls.unit, cls.init_script, cls.command)
        if not abstract and ways == (Service.unit, Service.init_script, Service.command):
            raise DeclarationError(cls.__name__, ["it has none of init_script, unit and command"])

    def unit(self) -> str | None:
        """The systemd unit that runs it, with or without `.service`; None: none does."""
        return None

    def command(self) -> Sequence[str]:
        """The program and its arguments, where neither a script nor a unit runs it."""
        raise ConfigurationError("nothing says what runs it")

    # --- actions ----------------------------------------------------------------------------------

    @action
    def start(self) -> None:
        """Let systemd start the unit, or the script, or run the command."""
        unit = self._unit()
        if unit is None:
            super().start()
            return
        shown = self._shown(unit)
        absent = shown.absence(unit)
        if absent is not None:
            raise absent
        if shown.is_enabled:
            self.log.warning(
                f"{unit} is enabled: systemd starts it at boot, beside the cluster; "
                f"systemctl disable {unit}"
            )
        self._take(unit)
        if shown.active == "failed":  # else systemd counts starts, and refuses when they are many
            self._systemctl("reset-failed", unit)
        self._began = time.monotonic()
        ended = self._systemctl("start", unit)
        if ended.code != 0:
            why = (ended.stderr.strip() or ended.stdout.strip()).splitlines()[:1]
            seen = f"{unit} is {self._shown(unit).told}"
            raise ActionError(": ".join([f"systemctl start {unit}", *why, seen]))

    @action
    def stop(self) -> None:
        """Let systemd stop the unit, or the script, or end the process."""
        unit = self._unit()
        if unit is None:
            super().stop()
            return
        group = self._shown(unit).group
        limit = max(0.0, self.deadline.left() - _TO_TIDY)
        ended = self._systemctl("stop", unit, limit=limit)
        if ended.code != 0:
            self.log.warning(f"systemctl stop {unit}: {ended.stderr.strip()}")
        for each in self._processes(group):
            self.log.info(f"stopping process {each.pid}, which {unit} has left")
            each.send(self.stop_signal)
            each.send(signal.SIGCONT)
        self._wait_for(self._processes(group))
        self._release(unit)

    def escalate(self) -> None:
        """Kill all that is in the unit's control group."""
        unit = self._unit()
        if unit is None:
            super().escalate()
            return
        group = self._shown(unit).group
        self._systemctl("kill", "--signal=KILL", unit)
        self._kill(self._processes(group))
        self._systemctl("stop", unit)
        self._release(unit)

    @action
    def monitor(self) -> State:
        """Hold what systemd says of the unit against its processes; or see the other ways."""
        unit = self._unit()
        if unit is None:
            return super().monitor()
        from ocfkit import systemd

        systemd.require()
        shown = self._shown(unit)
        if shown.active in ("active", "reloading", "refreshing"):
            return self._running_unit(unit, shown)
        if shown.active not in ("inactive", "failed") or shown.job:
            raise ActionError(f"{unit} is {shown.told}{', and about to change' * shown.job}")
        left = self._processes(shown.group)
        if left:
            raise ActionError(f"{unit} is {shown.told}, although {_are_there(left)}")
        absent = shown.absence(unit)
        if absent is not None:
            raise absent
        if shown.active == "failed":
            self.log.info(f"{unit} is {shown.told}")
        return STOPPED

    def start_failure(self) -> str | None:
        """Tell whether the unit has failed since it was started."""
        unit = self._unit()
        if unit is None:
            return super().start_failure()
        if self._began is None:
            return None
        shown = self._shown(unit)
        if shown.active not in ("failed", "inactive") or shown.job:
            return None
        seconds = time.monotonic() - self._began
        return f"{unit} is {shown.told} after {seconds:.1f} s"

    def remains(self) -> bool | None:
        """Tell whether systemd has it, or a process is in its control group."""
        try:
            unit = self._unit()
            if unit is None:
                return super().remains()
            from ocfkit import systemd

            systemd.require()
            shown = self._shown(unit)
        except InstallationError:
            return False  # where systemd is not, no unit runs
        except (ActionError, OSError):
            return None
        return shown.active not in ("inactive", "failed") or bool(self._processes(shown.group))

    def main_process(self) -> Identity | None:
        """The process of this instance; None when there is none."""
        unit = self._unit()
        if unit is not None:
            return self._main_of(self._shown(unit))
        if self._script() is None:
            return super().main_process()
        return self._known() or self._search().main or self._at_its_place()

    def problem(self) -> ConfigurationError | None:
        """Tell besides what is wrong with the name of the unit."""
        wrong = super().problem()
        if wrong is None:
            try:
                self._unit()
            except ConfigurationError as error:
                return error
        return wrong

    def absence(self) -> InstallationError | None:
        """Tell besides whether systemd does not run here."""
        absent = super().absence()
        if absent is None and self.unit():
            from ocfkit import systemd

            try:
                systemd.require()
            except InstallationError as error:
                return error
        return absent

    def validate_host(self) -> None:
        """Look whether there is such a unit."""
        super().validate_host()
        unit = self._unit()
        if unit is not None:
            absent = self._shown(unit).absence(unit)
            if absent is not None:
                raise absent

    # --- the unit ---------------------------------------------------------------------------------

    def _unit(self) -> str | None:
        unit = self.unit()
        if not unit:
            return None
        from ocfkit.systemd import unit_name

        return unit_name(unit)

    def _script(self) -> str | None:
        return None if self.unit() else super()._script()

    def _shown(self, unit: str) -> Shown:
        from ocfkit.systemd import Shown, show_command

        ended = self.run(show_command(unit))
        if ended.code != 0:
            raise ActionError(f"systemctl show {unit}: {ended.stderr.strip()}")
        return Shown(ended.stdout)

    def _systemctl(self, verb: str, *words: str, limit: float | None = None) -> Ended:
        return self.run(["systemctl", "--no-ask-password", "--quiet", verb, *words], limit=limit)

    def _processes(self, group: str) -> list[Identity]:
        from ocfkit.systemd import processes

        return processes(group)

    def _main_of(self, shown: Shown) -> Identity | None:
        if not shown.main_pid:
            return None
        try:
            return process.identify(shown.main_pid)
        except (FileNotFoundError, ProcessLookupError):
            return None

    def _running_unit(self, unit: str, shown: Shown) -> State:
        """Look at its main process; without one, at all of them."""
        main = self._main_of(shown)
        if shown.main_pid and main is None:
            raise ActionError(f"{unit} is {shown.told}, although process {shown.main_pid} is gone")
        processes = [main] if main is not None else self._processes(shown.group)
        if not processes and shown.sub == "running" and unit.endswith(".service"):
            raise ActionError(f"{unit} is {shown.told}, although no process of it is there")
        for each in processes:
            self._require_health(each)
        if self._began is not None:
            self._require_unit_settled(unit, shown)
        return RUNNING

    def _require_unit_settled(self, unit: str, shown: Shown) -> None:
        place = self.listens_on()
        if place is not None:
            from ocfkit.search import shown as named
            from ocfkit.search import who_listens

            ours = {1, *(each.pid for each in self._processes(shown.group))}  # 1 for its sockets
            if not ours & (who_listens(place) or set()):
                raise ActionError(f"{unit} does not listen on {named(place)}")
        elif shown.main_pid and time.monotonic() - (self._began or 0.0) < self.settle:
            raise ActionError(f"{unit} is younger than {self.settle:g} s")

    def _take(self, unit: str) -> None:
        """Tell systemd that a cluster has the unit."""
        from ocfkit.systemd import drop_in, take_under_control

        try:
            if take_under_control(unit):
                self._systemctl("daemon-reload")
        except OSError as error:
            raise ActionError(f"{drop_in(unit)} cannot be written: {told(error)}") from error

    def _release(self, unit: str) -> None:
        """Tell systemd that it has the unit again; nothing depends on it."""
        from ocfkit.systemd import release

        try:
            if release(unit):
                self._systemctl("daemon-reload")
        except (OSError, DeadlineError) as error:
            self.log.warning(f"{unit} still counts as the cluster's: {error}")


def _are_there(processes: Sequence[Identity]) -> str:
    pids = ", ".join(str(each.pid) for each in processes[:5])
    if len(processes) == 1:
        return f"process {pids} is there"
    return f"{len(processes)} processes are there ({pids}{', …' if len(processes) > 5 else ''})"
