"""The life of an agent's process: argv and environment in, an exit code and one reason out.

`launch` and `main` are the whole of it, and end it. The work is done in a child; see `supervise`.
"""

from __future__ import annotations

import os
import sys
import time

from ocfkit.environment import forget, of_process, reserve
from ocfkit.log import Log, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from ocfkit.agent import Agent
    from ocfkit.environment import Environment
    from ocfkit.metadata import Profile

_HARD_AFTER = 0.75
"""Share of the time of a stop after which somebody else does it the hard way: the one who does it
should be at it by then (dispatch.py), unless he is stuck where no signal handler runs.
"""

_USAGE = ("usage", "help", "-h", "--help")


def main(cls: type[Agent], name: str = "", profile: Profile = "1.1") -> None:
    """Be the agent, and end the process, where the calling file was started as a program.

    The last line of a file that can be started without a launcher: `main(Web)`. Where the file is
    imported, as a launcher does, nothing happens. The cluster knows the agent by `name`, which is
    the file's where none is given.
    """
    if sys._getframe(1).f_globals.get("__name__") != "__main__":  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - who calls us
        return
    name = name or os.path.basename(sys.argv[0]).removesuffix(".py")
    _live(lambda: cls, name, profile)


def launch(target: str, *, name: str, profile: Profile = "1.1") -> NoReturn:
    """Be the agent `module:Class`; what a launcher below resource.d calls."""
    _live(lambda: _load(target), name, profile)


def _load(target: str) -> type[Agent]:
    module, _, attribute = target.partition(":")
    __import__(module)
    cls: type[Agent] = getattr(sys.modules[module], attribute)
    return cls


def _live(load: Callable[[], type[Agent]], name: str, profile: Profile) -> NoReturn:
    code = 1
    try:
        stdout = _take_stdout()
        action = sys.argv[1] if len(sys.argv) > 1 else ""  # the rest is ignored: OCF 1.1, 3.4
        environment = of_process()
        log = Log(environment, name)
        try:
            if action == "monitor" and not environment.is_probe:
                from ocfkit.agent import Agent

                Agent.is_trusted = True
            cls = load()
        except BaseException as error:  # noqa: BLE001 - whatever an author's module does
            log.crash("loading it", error)
        else:
            forget(each.name for each in cls.declaration.secrets)
            if action == "meta-data" or action in _USAGE:
                code = _describe(cls, name, profile, action, stdout, log)
            else:
                code = _Call(cls, name, action, environment, log).answer()
    except BaseException as error:  # noqa: BLE001 - not even our own fault goes without a reason
        say(f"ocf-exit-reason:error in ocfkit: {type(error).__name__}: {error}\n")
    finally:
        os._exit(code)  # spares a millisecond of tidying up; nothing of ours is in a buffer


def _take_stdout() -> int:
    """Keep standard output for meta-data alone, and see to it that 0, 1 and 2 are open.

    What an agent or a library prints goes to standard error from now on; and no file that is
    opened later can become the place where the reason is written.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open("/dev/null", os.O_RDWR)  # the lowest free number: this one
            os.set_inheritable(number, True)  # noqa: FBT003 - its only parameter
    stdout = os.dup(1)
    os.dup2(2, 1)
    return stdout


def _describe(  # noqa: PLR0917 - what a process knows of itself
    cls: type[Agent], name: str, profile: Profile, action: str, stdout: int, log: Log
) -> int:
    if action == "meta-data":
        from ocfkit.metadata import metadata

        text = metadata(cls, name, profile)
    else:
        known = "|".join([*cls.declaration.actions, "validate-all", "meta-data"])
        text = f"usage: {name} {{{known}}}\n"
    data = text.encode("utf-8")
    try:
        while data:
            data = data[os.write(stdout, data) :]
    except OSError as error:
        log.reason(f"{action}: standard output: {error.strerror}")
        return 1
    return 0


class _Call:
    """A call of an agent, with what is left of the time that was granted for it."""

    __slots__ = ("_action", "_began", "_cls", "_environment", "_log", "_name", "_until", "_used")

    def __init__(
        self, cls: type[Agent], name: str, action: str, environment: Environment, log: Log
    ) -> None:
        from ocfkit.dispatch import granted_time  # not for meta-data

        self._cls = cls
        self._name = name
        self._action = action
        self._environment = environment
        self._log = log
        self._began = time.monotonic()
        granted = granted_time(cls, action, environment)
        used = _age()
        if used > granted / 2:
            used = 0.0  # the clocks do not fit together (a container), or nothing helps any more
        self._used = used
        # later than the worker's own deadline, whose reason is better, and before the executor's
        self._until = self._began + granted - used - reserve(granted) / 2

    def answer(self) -> int:
        """Carry it out, and return an exit code in time."""
        from ocfkit.supervise import flush, watch

        # Repeated by the executor, it mostly finds a record that tells; a probe has to search.
        shallow = self._action == "monitor" and not self._environment.check_level
        if shallow and not self._environment.is_probe and not self._cls.looks_at_disks:
            code = watch(self._work, self._left(), self._overdue)
            flush()
            return code
        try:
            return self._supervised()
        except OSError as error:  # no process to be had, which a stop may change
            self._log.warning(f"nobody else can do it: {error.strerror}")
            return watch(self._work, self._left(), self._overdue)

    def _supervised(self) -> int:
        from ocfkit.agent import Agent  # has been loaded with the class
        from ocfkit.dispatch import HARD
        from ocfkit.supervise import supervise

        left = self._left()
        if self._action == "stop" and self._cls.escalate is not Agent.escalate:
            outcome = supervise(self._work, left, unless=(left * _HARD_AFTER, HARD))
            if outcome.code is None and not outcome.by_caller:
                self._log.warning(f"stop {outcome.reason}; stopping it the hard way")
                outcome = supervise(self._hard_work, self._left())
        else:
            outcome = supervise(self._work, left)
        if outcome.code is not None:
            return outcome.code
        if self._action == "notify":  # which must not fail
            self._log.error(f"notify {outcome.reason}")
            return 0
        self._overdue(outcome.reason)
        return 1

    def _work(self, doing: Callable[[str], None], *, hard: bool = False) -> int:
        from ocfkit.dispatch import run

        return run(
            self._cls,
            self._action,
            self._environment,
            self._log,
            name=self._name,
            used=self._used + time.monotonic() - self._began,
            doing=doing,
            hard=hard,
        )

    def _hard_work(self, doing: Callable[[str], None]) -> int:
        return self._work(doing, hard=True)

    def _overdue(self, why: str) -> None:
        self._log.reason(f"{self._action} {why}")

    def _left(self) -> float:
        return self._until - time.monotonic()


def _age() -> float:
    """Seconds since this process was forked: on a busy node the executor's clock runs meanwhile."""
    try:
        descriptor = os.open("/proc/self/stat", os.O_RDONLY | os.O_CLOEXEC)
        fields = os.read(descriptor, 4096).rpartition(b")")[2].split()  # proc(5)
        os.close(descriptor)
        started = int(fields[19])
    except (OSError, ValueError, IndexError):
        return 0.0
    ticks = os.sysconf("SC_CLK_TCK")
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started / ticks)
