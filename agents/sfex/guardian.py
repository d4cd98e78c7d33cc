"""The process that ends everything on this node when the lease is over and nobody has renewed it.

It does no I/O on the device, so a disk that hangs does not hang it; all that it needs is open and
in memory before anything is held; and it outlives whoever made it. It fires at the deadline
that stands in the lifeline at that moment: not before, whatever becomes of the keeper, and never
after a release.
"""

from __future__ import annotations

import os
import select
import time

from ocfkit.agents.sfex.lifeline import AT_ONCE, NOTHING, RELEASED
from ocfkit.agents.sfex.timing import SECOND, seconds
from ocfkit.errors import told
from ocfkit.linux import realtime

TYPE_CHECKING = False  # as typing's, which every agent would pay for
if TYPE_CHECKING:
    import signal
    from typing import Literal

    from ocfkit.agents.sfex.lifeline import Lifeline
    from ocfkit.agents.sfex.means import Means
    from ocfkit.linux.timerfd import Timer
else:
    import _signal as signal  # without the enums of the front

PRIORITY = 2
"""One above a keeper that spins: among equals the kernel changes each 100 ms only (sched(7))."""

HOME: Literal[0] = 0
UNFENCED: Literal[1] = 1
"""Exit codes: there is nothing to fence for any more; the deadline is over, and nothing ends it."""

_AGAIN = 1 * SECOND
"""From one attempt to the next, when nothing has had an effect."""


class Guardian:
    """Waits for the deadline, for the bell, and for the keeper's end."""

    __slots__ = (
        "_expired",
        "_fencing",
        "_keeper",
        "_keeper_lives",
        "_lifeline",
        "_means",
        "_poll",
        "_tells",
        "_timer",
    )

    def __init__(
        self,
        lifeline: Lifeline,
        means: Means,
        timer: Timer,
        *,
        keeper: int,
        fencing: int,
        tells: int,
    ) -> None:
        """`keeper` is a pidfd of it.

        `fencing`: time after a deadline in which all has to be silent; a watchdog that was fed last
        has barked by then. `tells` takes what there is to say and never blocks; -1 for nobody.
        """
        self._lifeline = lifeline
        self._means = means
        self._timer = timer
        self._keeper = keeper
        self._fencing = fencing
        self._tells = tells
        self._keeper_lives = True
        self._expired = 0
        self._poll = select.poll()
        for each in (timer.descriptor, lifeline.heard, keeper):
            self._poll.register(each, select.POLLIN)

    def watch(self) -> int:
        """Return when there is nothing left to do: HOME or UNFENCED."""
        while True:
            self._lifeline.hear()  # first: what comes from here on rings again
            self._look_after_the_keeper()  # then: what it has written, it has written before
            deadline = self._lifeline.deadline
            now = boot()
            if deadline == RELEASED or (deadline == NOTHING and not self._keeper_lives):
                self._means.close()
                return HOME
            if 0 < deadline <= now:
                if not self._end_everything(deadline, now):
                    return UNFENCED
                self._wait(now + _AGAIN)
            else:
                self._wait(self._fed(deadline, now))

    def _look_after_the_keeper(self) -> None:
        if self._keeper_lives and has_ended(self._keeper):
            self._keeper_lives = False
            self._poll.unregister(self._keeper)  # it would be readable for ever
            if (deadline := self._lifeline.deadline) > 0:
                self._say(
                    "the keeper has died; unless another one renews the lease, this node is "
                    f"fenced in {seconds(max(0, deadline - boot()))}"
                )

    def _end_everything(self, deadline: int, now: int) -> bool:
        """Use each means; False when there is none, and nobody left to wait for.

        A watchdog is neither fed nor disarmed from here on.
        """
        if deadline != self._expired:
            self._expired = deadline
            late = f"the lease is over since {(now - deadline) / 1e6:.3f} ms"
            why = "the keeper wants it" if deadline == AT_ONCE else late
            self._say(f"{why}: fencing this node")
        for each in self._means.firing:
            try:
                each.fire()
            except OSError as error:
                self._say(f"{each} has failed: {told(error)}")
        has_means = bool(self._means.firing) or self._means.watchdog is not None
        return has_means or self._keeper_lives

    def _fed(self, deadline: int, now: int) -> int:
        """Feed the watchdog, while it may be; return when to look again, 0 for whenever.

        It bites a timeout after it was fed last: not later than all has to be silent, and, as it
        is fed at least twice in that time, not before the deadline.
        """
        dog = self._means.watchdog
        if dog is None:
            return deadline
        if deadline == NOTHING or now + dog.timeout <= deadline + self._fencing:
            try:
                dog.feed()
            except OSError as error:
                self._say(f"{dog} has not been fed: {told(error)}")
        soon = now + min(dog.timeout // 3, self._fencing // 2)
        return min(soon, deadline) if deadline else soon

    def _wait(self, until: int) -> None:
        """Until then, 0 for ever, or something happens."""
        self._timer.set(until)
        self._poll.poll()

    def _say(self, sentence: str) -> None:
        say(self._tells, sentence)


PREFIX = "<2>ocfkit sfex: "
"""LOG_CRIT to the kernel's log and to syslog's socket (syslog(3))."""


def say(to: int, sentence: str) -> None:
    """Write it there, or nowhere (-1)."""
    if to >= 0:
        try:
            os.write(to, f"{PREFIX}{sentence}\n".encode(errors="replace"))
        except OSError:  # nobody listens, or not now: there is no time to wait
            return


def boot() -> int:
    """Now, on the clock that counts the time of a suspend."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def has_ended(pidfd: int) -> bool:
    """Whether that process has."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def settle() -> list[str]:
    """Make this process the guardian: on its own, in memory and in time.

    Returns a sentence for each thing that was refused. Signals are as whoever forked left them,
    blocked: what the kernel lets a process refuse does not end it.
    """
    os.setsid()  # the executor kills the group of whoever started us
    os.chdir("/")
    missing: list[str] = []
    for what, how in (
        ("the guardian's memory is not locked", realtime.lock_memory),
        ("the guardian has no real-time class", _run_before_the_keeper),
    ):
        try:
            how()
        except OSError as error:
            missing.append(f"{what} ({error.strerror})")
    return missing


def _run_before_the_keeper() -> None:
    os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))


def block_signals() -> set[int]:
    """All that can be; returns what was blocked before."""
    return signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
