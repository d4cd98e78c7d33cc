"""The keeper's side of the guardian: make it, tell it deadlines, and take its place if it dies."""

from __future__ import annotations

import os
import select

from ocfkit.agents.sfex import guardian, status
from ocfkit.agents.sfex.lifeline import AT_ONCE, Lifeline
from ocfkit.agents.sfex.means import (
    SYSRQ,
    Means,
    Sysrq,
    UnguardedError,
    Watchdog,
    watchdog_timeout,
)
from ocfkit.agents.sfex.timing import SECOND
from ocfkit.errors import told
from ocfkit.linux import process, realtime
from ocfkit.linux.timerfd import Timer

TYPE_CHECKING = False  # as typing's, which every agent would pay for
if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence
    from typing import Final, NoReturn

    from ocfkit.agents.sfex.means import Mode
    from ocfkit.agents.sfex.timing import Timing
else:
    import _signal as signal  # without the enums of the front

_FILES = 1 << 20
"""More than a process has open; closing those that are not there costs nothing."""

_READY = b"+"

_TO_SETTLE = 2 * SECOND
"""Time in which a guardian has to be ready; it takes some milliseconds."""


def armed(
    timing: Timing,
    *,
    mode: Mode,
    watchdog: str = "",
    sysrq: str = SYSRQ,
    tells: int = -1,
    predecessors: Sequence[status.Guardian] = (),
) -> Guard:
    """A guard with all means of this node, as `Guard`; the watchdog only where a path is given.

    Raises UnguardedError for a watchdog that does not suit the lease, too.
    """
    try:
        timeout = watchdog_timeout(timing) if watchdog else 0
    except ValueError as error:
        raise UnguardedError(str(error)) from error
    means = Means.found(
        sysrq=lambda: Sysrq(sysrq),
        watchdog=(lambda: Watchdog(watchdog, timeout)) if watchdog else None,
    )
    fencing = timing.fencing
    return Guard(means, mode=mode, fencing=fencing, tells=tells, predecessors=predecessors)


def send_home(where: status.Guardian, within: float) -> bool:
    """Let a guardian whose keeper is gone fence never; for who knows that nothing needs the lock.

    Whether it has gone `within` so many seconds, True also where it was not there any more; raises
    OSError where it cannot be reached.
    """
    lifeline = _lifeline(where)
    if lifeline is None:
        return True
    try:
        lifeline.release()
        where.process.send(signal.SIGCONT)  # whoever has stopped it
        return where.process.wait(within)
    finally:
        lifeline.close()


def _lifeline(where: status.Guardian) -> Lifeline | None:
    """That of a guardian, None when it is gone; raises OSError where it cannot be reached."""
    if where.process.stat() is None:
        return None
    try:
        return Lifeline.inherited(where.process.pid, where.page, where.rings)
    except OSError:
        if where.process.stat() is None:
            return None
        raise


class Guard:
    """A guardian that runs, as a keeper sees it (keeper.Guard)."""

    __slots__ = (
        "_deadline",
        "_end",
        "_fencing",
        "_means",
        "_mode",
        "_pidfd",
        "_predecessors",
        "_tells",
        "_where",
        "lifeline",
        "missing",
        "pid",
    )

    pid: int
    """Of the guardian."""
    lifeline: Final[Lifeline]
    missing: tuple[str, ...]
    """What it has not got, in sentences."""

    def __init__(
        self,
        means: Means,
        *,
        mode: Mode,
        fencing: int,
        tells: int = -1,
        predecessors: Sequence[status.Guardian] = (),
    ) -> None:
        """Start it; raises UnguardedError, or OSError, and then nothing runs or is open.

        The calling process is the keeper; it must have one thread. `fencing` is Timing.fencing,
        `tells` as in guardian.Guardian. `advise` starts without what is missing. `predecessors`
        are the guardians of keepers that have died: the first deadline sends them home.
        """
        self._means = means
        self._mode = mode
        self._fencing = fencing
        self._tells = tells
        self._pidfd: int | None = None
        self._where: status.Guardian | None = None
        self._deadline = 0
        try:
            means.require(mode)
            self._predecessors = [
                (each, line) for each in predecessors if (line := _lifeline(each)) is not None
            ]
            self.lifeline = Lifeline.made()
            self._start(guardian.boot() + _TO_SETTLE)
            if means.lack:
                self.missing = (means.lack, *self.missing)
        except BaseException:
            means.close()
            raise

    def deadline(self, boot: int) -> None:
        """Fence at this boot time, and not at the one that was told before.

        It is in the lifeline when this returns, and somebody is there who looks; see `stay`.
        """
        self.lifeline.hold(boot)
        self._deadline = boot
        self.stay()
        for _, line in self._predecessors:
            line.release()
            line.close()
        self._predecessors = []

    def stay(self) -> bool:
        """See to it that somebody guards the deadline: a guardian that was killed has a successor.

        Whether there is a new one. Where there can be none, `enforce` fences, and raises
        UnguardedError when that has had no effect; in `advise` the keeper goes on alone, and the
        next call is another attempt.
        """
        if not self._deadline:
            return False
        try:
            if self.is_there():
                return False
            self._start(min(self._deadline, guardian.boot() + _TO_SETTLE))
        except Exception as error:  # whatever it is, nobody is there
            why = f"the guardian has died, and there is no other ({_why(error)})"
            if self.missing != (why,):
                guardian.say(self._tells, why)
            self.missing = (why,)
            if self._mode == "enforce":
                self.fence(why)
                raise UnguardedError(why) from error
            return False
        return True

    @property
    def where(self) -> tuple[status.Guardian, ...]:
        """How a successor, or who stops the service, can reach it, and those before it."""
        own = () if self._where is None else (self._where,)
        return (*own, *(each for each, _ in self._predecessors))

    def is_there(self) -> bool:
        """Whether the guardian lives; it may be stopped."""
        if self._pidfd is None:
            return False
        if not self._end.poll(0):
            return True
        self._bury()
        return False

    def released(self) -> None:
        """Nothing needs the lock any more: it goes home."""
        self.lifeline.release()
        self._means.close()

    def fence(self, reason: str) -> None:
        """At once, and by ourselves as well: nobody has to wait for the guardian's turn.

        Returns when nothing has had an effect.
        """
        self.lifeline.hold(AT_ONCE)
        guardian.say(self._tells, f"fencing this node: {reason}")
        for each in self._means.firing:
            try:
                each.fire()
            except OSError as error:
                guardian.say(self._tells, f"{each} has failed: {told(error)}")

    def report(self) -> list[str]:
        """A sentence for each means that works, and for each that does not."""
        return self._means.report()

    def _start(self, until: int) -> None:
        answer, answers = os.pipe2(os.O_CLOEXEC)
        keeper = os.pidfd_open(os.getpid())
        timer = Timer()
        # From the first moment on: a handler of the keeper's is not for the guardian to run.
        before = guardian.block_signals()
        try:
            self.pid = os.fork()
            if self.pid == 0:
                self._guard(timer, keeper, answers)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            for each in (keeper, timer.descriptor, answers):
                os.close(each)
        self._pidfd = os.pidfd_open(self.pid)
        self._end = select.poll()
        self._end.register(self._pidfd, select.POLLIN)
        try:
            text = _all_of(answer, until)
        finally:
            os.close(answer)
        self.missing = tuple(text[1:].decode(errors="replace").splitlines())
        if not text.startswith(_READY):
            self._kill()
            raise UnguardedError("; ".join(self.missing) or "the guardian has died at its start")
        itself = process.identify(self.pid)
        self._where = status.Guardian(itself, self.lifeline.page, self.lifeline.rings)

    def _kill(self) -> None:
        if self._pidfd is not None:
            try:  # noqa: SIM105 - contextlib is 3 ms
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            except ProcessLookupError:  # it has ended by itself
                pass
            self._bury()

    def _bury(self) -> None:
        if self._pidfd is not None:
            try:  # noqa: SIM105 - contextlib is 3 ms
                os.waitpid(self.pid, 0)
            except ChildProcessError:  # whose parent does not want to know
                pass
            os.close(self._pidfd)
            self._pidfd = None
            self._where = None

    def _guard(self, timer: Timer, keeper: int, answers: int) -> NoReturn:
        """The life of the child."""
        code: int = guardian.UNFENCED
        try:
            self._let_go_of_files(timer.descriptor, keeper, answers)
            missing = guardian.settle()
            realtime.be_spared("sfex-guardian")
            watch = guardian.Guardian(
                self.lifeline,
                self._means,
                timer,
                keeper=keeper,
                fencing=self._fencing,
                tells=self._tells,
            ).watch
            refused = self._mode == "enforce" and bool(missing)
            _answer(answers, (b"-" if refused else _READY) + "\n".join(missing).encode())
            code = guardian.HOME if refused else watch()
        except BaseException as error:  # noqa: BLE001 - the next deadline makes another guardian
            guardian.say(self._tells, f"the guardian has died: {type(error).__name__}: {error}")
        finally:
            os._exit(code)

    def _let_go_of_files(self, *kept: int) -> None:
        """Above all of the device: a guardian that outlives its keeper must not hold it open."""
        lifeline = self.lifeline
        every = {
            *kept,
            *self._means.descriptors,
            *(lifeline.page, lifeline.heard, lifeline.rings, self._tells),
        }
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for standard in {0, 1, 2} - every:
            os.dup2(nothing, standard)
        first = 3
        for each in sorted(one for one in every if one > 2):
            os.closerange(first, each)
            first = each + 1
        os.closerange(first, _FILES)


def _answer(answers: int, text: bytes) -> None:
    try:  # noqa: SIM105 - contextlib is 3 ms
        os.write(answers, text)
    except OSError:  # the keeper has died meanwhile: then it is needed all the more
        pass
    os.close(answers)


def _all_of(descriptor: int, until: int) -> bytes:
    """What comes to its end, or by this boot time."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    chunks: list[bytes] = []
    while poll.poll(max(0, until - guardian.boot()) // 1_000_000):
        if not (chunk := os.read(descriptor, 4096)):
            break
        chunks.append(chunk)
    return b"".join(chunks)


def _why(error: Exception) -> str:
    return told(error) if isinstance(error, OSError) else str(error)
