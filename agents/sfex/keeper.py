"""Keep one lock: feed the lease rules with what happens, and carry out what they say.

It decides nothing. Each read and write waits until it is done, be it for minutes: then the rules
tell what is left of the lease, and the guard, which never waits for a disk, has long acted.
"""

from __future__ import annotations

import os
import select
import time

from ocfkit.agents.sfex.layout import FormatError
from ocfkit.agents.sfex.messages import (
    FAILED,
    REFUSED,
    TAKEN,
    Exit,
    Fence,
    Hold,
    Malformed,
    Read,
    ReadDone,
    ReadFailed,
    Sleep,
    Started,
    Stop,
    Timer,
    Write,
    WriteDone,
    WriteFailed,
)
from ocfkit.agents.sfex.stages import Idle
from ocfkit.agents.sfex.timing import SECOND, Now
from ocfkit.errors import told

TYPE_CHECKING = False  # as typing's, which every agent would pay for
if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence
    from types import FrameType
    from typing import Protocol, Self

    from ocfkit.agents.sfex import lease
    from ocfkit.agents.sfex.messages import Command, Event, Lease
    from ocfkit.agents.sfex.record import Record
    from ocfkit.agents.sfex.stages import Stage
    from ocfkit.agents.sfex.status import State

    class Lock(Protocol):
        """A lock on a device, as `store.Store` is one."""

        def read(self) -> Record:
            """What is on the device now; raises FormatError or OSError."""
            ...

        def write(self, record: Record, /) -> None:
            """Replace it; raises OSError."""
            ...

    class Guard(Protocol):
        """Who ends everything on this node that needs the lock, when nobody has renewed it."""

        def deadline(self, boot: int, /) -> None:
            """From now on, fence at this boot time, and not at the one that was told before.

            Known to the guard when this returns. It comes first before anybody hears that the lock
            is taken.
            """
            ...

        def stay(self) -> bool:
            """Be there still, if there is a deadline; whether it is another one that is there."""
            ...

        def released(self) -> None:
            """Nothing needs the lock any more: fence never. Without this the keeper has died."""
            ...

        def fence(self, reason: str, /) -> None:
            """At once; the lock is another node's, or may soon be."""
            ...

    class Orders(Protocol):
        """Who sleeps, and is told to stop meanwhile."""

        stop: bool
        """Whether we have been told; from then on it is true."""

        def sleep(self, until: int, /) -> None:
            """Return at this boot time, or as soon as `stop` is true."""
            ...

    class Tell(Protocol):
        """Who lets others know how the keeper is; must not fail."""

        def __call__(self, state: State, *, why: str = "", held: Hold | None = None) -> None:
            """`state` and `why` as `status.Status` has them; `held` while we are holding."""
            ...

else:
    import _signal as signal  # without the enums of the front

_SLICE = 1 * SECOND
"""What we sleep at most: poll(2) does not count the time of a suspend."""

_MS = SECOND // 1000

_ENDED: dict[int, State] = {TAKEN: "stopped", FAILED: "failed", REFUSED: "refused"}


def now() -> Now:
    """This moment."""
    return Now(
        time.clock_gettime_ns(time.CLOCK_BOOTTIME), time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    )


class Keeper:
    """Takes one lock and keeps it until it is told to stop, or has lost it."""

    __slots__ = ("_guard", "_held", "_lock", "_orders", "_rules", "_stage", "_tell")

    def __init__(
        self, rules: lease.Protocol, lock: Lock, *, guard: Guard, orders: Orders, tell: Tell
    ) -> None:
        """Nothing is done yet."""
        self._rules = rules
        self._lock = lock
        self._guard = guard
        self._orders = orders
        self._tell = tell
        self._stage: Stage = Idle()
        self._held: Hold | None = None

    def run(self, inherited: Lease | None = None) -> int:
        """Return the exit code of the C daemon: TAKEN after a clean stop, FAILED, REFUSED.

        `inherited` as `messages.Started` has it. Whatever is raised leaves the guard to its last
        deadline: it was not told `released`.
        """
        self._tell("waiting")
        todo = self._after(Started(inherited))
        while True:
            command, *rest = todo
            match command:
                case Read():
                    todo = self._after(self._read())
                case Write():
                    todo = self._after(self._write(command.record))
                case Sleep():
                    self._orders.sleep(command.until)
                    if self._guard.stay():
                        self._tell("holding", held=self._held)  # how to reach this one
                    todo = self._after(Timer())
                case Hold():  # and Extend
                    self._held = command
                    self._guard.deadline(command.deadline)
                    self._tell("holding", held=command)
                    todo = rest
                case Fence():
                    return self._lost(command.reason)
                case Exit():
                    return self._ended(command)

    def _after(self, event: Event) -> Sequence[Command]:
        """What to do after it: at least something, and a read, write or sleep as the last.

        That we have been told to stop comes first, as often as there is something to tell: what has
        come back meanwhile must not make us believe, for a moment, that we have just got the lock.
        """
        if self._orders.stop and (commands := self._step(Stop())):
            return commands
        return self._step(event)

    def _step(self, event: Event) -> Sequence[Command]:
        self._stage, commands = self._rules.step(self._stage, event, now())
        return commands

    def _read(self) -> Event:
        try:
            return ReadDone(self._lock.read())
        except FormatError as error:
            return Malformed(str(error))
        except OSError as error:
            return ReadFailed(told(error))

    def _write(self, record: Record) -> Event:
        try:
            self._lock.write(record)
        except OSError as error:
            return WriteFailed(told(error))
        return WriteDone()

    def _lost(self, reason: str) -> int:
        self._guard.fence(reason)
        self._tell("lost", why=reason)
        return FAILED

    def _ended(self, command: Exit) -> int:
        self._guard.released()
        self._tell(_ENDED[command.code], why=command.reason)
        return command.code


class Signals:
    """Told to stop by SIGTERM, SIGINT or SIGHUP, in the main thread of a process.

    The handler sets a flag and no more: the C daemon's read the disk and logged, and was seen to
    wait for ever for a lock that the code that it had interrupted was holding.
    """

    STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    __slots__ = ("_before", "_poll", "_reader", "_writer", "stop")

    def __init__(self, *watched: int) -> None:
        """What can be read at the end of `watched`, such as a pipe's end, means stop, too."""
        self.stop = False
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._poll = select.poll()
        for each in (self._reader, *watched):
            self._poll.register(each, select.POLLIN)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._before = [(each, signal.signal(each, self._note)) for each in self.STOPPING]

    def sleep(self, until: int) -> None:
        """As `Orders` has it; until the signal comes, not until the sleep is over."""
        while not self.stop:
            left = until - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            if left <= 0:
                return
            for ready, _ in self._poll.poll(min(left, _SLICE) / _MS):
                if ready == self._reader:
                    os.read(ready, 4096)  # of signals that have come, and are no matter now
                else:
                    self.stop = True

    def ignore(self, watched: int) -> None:
        """Its end means nothing any more."""
        self._poll.unregister(watched)

    def close(self) -> None:
        """Leave the signals as they were."""
        for number, handler in self._before:
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        os.close(self._reader)
        os.close(self._writer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.stop = True
