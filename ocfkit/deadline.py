"""The one deadline of an action: every wait, command and query gets what is left of it."""

from __future__ import annotations

import time

from ocfkit.environment import reserve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self


class Deadline:
    """A moment on the monotonic clock."""

    __slots__ = ("until",)

    def __init__(self, until: float) -> None:
        """`until` as time.monotonic() tells it."""
        self.until = until

    @classmethod
    def after(cls, seconds: float) -> Self:
        """So many seconds from now."""
        return cls(time.monotonic() + seconds)

    @classmethod
    def granted(cls, seconds: float, *, used: float = 0.0) -> Self:
        """What is safe of a time that the cluster grants, `used` seconds of which are over."""
        return cls.after(seconds - used - reserve(seconds))

    def left(self) -> float:
        """Seconds that are left, never below zero."""
        return max(0.0, self.until - time.monotonic())

    def over(self) -> bool:
        """Whether nothing is left."""
        return time.monotonic() >= self.until

    def part(self, share: float) -> Deadline:
        """An earlier deadline: this share of what is left."""
        return Deadline.after(self.left() * share)

    def within(self, seconds: float) -> Deadline:
        """The earlier of this one and so many seconds from now."""
        return Deadline(min(self.until, time.monotonic() + seconds))

    def sleep(self, seconds: float) -> None:
        """Sleep so long, or until it is over."""
        time.sleep(min(seconds, self.left()))
