"""How long everything may take: the two clocks, and the times that an operator sets."""

from __future__ import annotations

from ocfkit.agents.sfex.record import COUNTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

SECOND = 1_000_000_000
"""Times are whole numbers, nanoseconds in earnest."""


class Now:
    """A moment on both clocks."""

    __slots__ = ("boot", "mono")

    boot: Final[int]
    mono: Final[int]

    def __init__(self, boot: int, mono: int) -> None:
        """`boot` counts the time that the machine was suspended, `mono` does not."""
        self.boot = boot
        self.mono = mono


class Timing:
    """How long everything may take; the same on all nodes of a cluster."""

    __slots__ = ("collision", "interval", "io", "lock", "look", "margin")

    collision: Final[int]
    """Time for which a claim must have stood unharmed."""
    lock: Final[int]
    """Time without a change after which a lock is anybody's."""
    interval: Final[int]
    """Time from one renewal to the next."""
    margin: Final[int]
    """Time before `lock` is over at which a holder is one no more."""
    look: Final[int]
    """Time from one look of a holder to the next."""
    io: Final[int]
    """Time that one read or write is expected to take at most; none is ever taken for granted."""

    def __init__(
        self, *, collision: int, lock: int, interval: int, margin: int, look: int, io: int
    ) -> None:
        """Raises ValueError with a sentence for each contradiction."""
        self.collision = collision
        self.lock = lock
        self.interval = interval
        self.margin = margin
        self.look = look
        self.io = io
        if sentences := "; ".join(self._contradictions()):
            raise ValueError(sentences)

    @classmethod
    def of(cls, *, collision: int, lock: int, interval: int) -> Timing:
        """What an operator sets, and the rest as it follows from that."""
        io = collision // 4
        return cls(
            collision=collision,
            lock=lock,
            interval=interval,
            margin=max(SECOND, 2 * io, -(-lock // 1000)),
            # With a read and a write it is 5/6 of the time for which a claim that came late waits.
            look=min(interval, collision // 3),
            io=io,
        )

    @property
    def lease(self) -> int:
        """Time that a holder has from the moment before a renewal is written."""
        return self.lock - self.margin

    @property
    def fencing(self) -> int:
        """Time after the end of a lease in which all that needs the lock must be silent.

        Nobody else holds it before: a challenger waits for collision_timeout once more.
        """
        return self.margin + self.collision

    @property
    def poll(self) -> int:
        """Time from one look of a waiting challenger to the next."""
        return max(1, min(SECOND, self.lock // 10))

    @property
    def retry(self) -> int:
        """Time from a renewal that failed to the next one.

        Each takes a count, of which there are but a thousand.
        """
        return max(self.look, self.lease // 100)

    @property
    def decided(self) -> int:
        """Time after which it is too late to act on what was read.

        A thousandth is left for clocks that do not agree: the kernel slews by 500 ppm at most.
        """
        return self.collision - self.collision // 1000

    @property
    def round(self) -> int:
        """Time in which the count of a holder cannot come round to where it was."""
        return (COUNTS - 1) * self.interval

    def _contradictions(self) -> Iterator[str]:
        for name, value in (
            ("collision_timeout", self.collision),
            ("lock_timeout", self.lock),
            ("monitor_interval", self.interval),
            ("the margin", self.margin),
            ("the look-ahead", self.look),
        ):
            if value <= 0:
                yield f"{name} has to be more than nothing"
        if self.lease <= self.interval + 2 * self.io:
            yield (
                "lock_timeout is too short: a renewal each monitor_interval, a read and a write "
                f"have to be done {seconds(self.margin)} before its end; "
                f"{seconds(self.interval + 2 * self.io + self.margin)} would not be enough"
            )
        if self.lease <= self.collision + 3 * self.io:
            yield (
                "lock_timeout is too short: a claim takes collision_timeout, two writes and a "
                f"read, and has to be done {seconds(self.margin)} before its end; "
                f"{seconds(self.collision + 3 * self.io + self.margin)} would not be enough"
            )
        if self.lock + self.margin > self.round:
            yield (
                "lock_timeout is too long: in it the count of a holder that renews each "
                f"{seconds(self.interval)} could come round, and it would look dead; "
                f"{seconds(self.round - self.margin)} is the longest"
            )
        if self.margin < 2 * self.io or self.margin * 1000 < self.lock:
            yield (
                f"a margin of {seconds(self.margin)} is too small: a read, a write and clocks "
                "that differ by a thousandth have to have room in it"
            )
        if self.look > self.interval:
            yield "the look-ahead is longer than monitor_interval"
        if self.look + self.io >= self.collision:
            yield (
                f"collision_timeout is too short: a holder that looks each {seconds(self.look)} "
                "would see a claim that came late only after it has been believed"
            )


def seconds(time: int) -> str:
    """For a sentence: "1.5 s"."""
    return f"{time / SECOND:g} s"
