"""Where a keeper stands between two steps: small, immutable, and all that the rules remember."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, Literal

    from ocfkit.agents.sfex.record import Record
    from ocfkit.agents.sfex.timing import Now

    Doing = Literal["sleep", "read", "write", "assert"]


class Idle:
    """Nothing has begun, or all is over."""

    __slots__ = ("ended",)

    def __init__(self, *, ended: bool = False) -> None:
        self.ended = ended


class Watching:
    """The lock is somebody's; we wait for its record to change, or not to."""

    __slots__ = ("asked", "record", "since", "whence")

    record: Final[Record | None]
    """Seen first; None before that."""
    whence: Final[int]
    """Boot time before it was seen last: this old is what we know of it."""
    since: Final[int]
    """Monotonic time after it was seen first: so long it has not changed for certain."""
    asked: Final[Now | None]
    """Before the read that is under way; None while none is."""

    def __init__(self, record: Record | None, whence: int, since: int, asked: Now | None) -> None:
        self.record = record
        self.whence = whence
        self.since = since
        self.asked = asked


class Reserving:
    """The lock was free or dead; our name is being written over it."""

    __slots__ = ("asked", "issued", "record")

    record: Final[Record]
    asked: Final[int]
    """Boot time before the read on which that was decided."""
    issued: Final[int]
    """Boot time before it is written."""

    def __init__(self, record: Record, asked: int, issued: int) -> None:
        self.record = record
        self.asked = asked
        self.issued = issued


class Colliding:
    """Our name is on the disk, where it has to stay for collision_timeout."""

    __slots__ = ("asked", "inherited", "issued", "record", "since")

    record: Final[Record]
    issued: Final[int]
    since: Final[int]
    """Monotonic time after it was written."""
    asked: Final[Now | None]
    """Before the read that tells; None while we wait."""
    inherited: Final[bool]

    def __init__(
        self,
        record: Record,
        issued: int,
        since: int,
        asked: Now | None,
        *,
        inherited: bool = False,
    ) -> None:
        self.record = record
        self.issued = issued
        self.since = since
        self.asked = asked
        self.inherited = inherited


class Extending:
    """It stayed; the claim is written once more."""

    __slots__ = ("asked", "before", "issued", "record")

    record: Final[Record]
    before: Final[int]
    """Boot time before the record was written that this one succeeds."""
    asked: Final[int]
    """Boot time before the read that found that one unharmed."""
    issued: Final[int]
    """Boot time before this one is written."""

    def __init__(self, record: Record, before: int, asked: int, issued: int) -> None:
        self.record = record
        self.before = before
        self.asked = asked
        self.issued = issued


class Confirming:
    """It is written; we look whether it is there."""

    __slots__ = ("asked", "issued", "record")

    record: Final[Record]
    issued: Final[int]
    asked: Final[int]
    """Boot time before the read that tells."""

    def __init__(self, record: Record, issued: int, asked: int) -> None:
        self.record = record
        self.issued = issued
        self.asked = asked


class Holding:
    """The lock is ours."""

    __slots__ = ("asked", "attempted", "doing", "due", "issued", "record", "seen", "stopping")

    record: Final[Record]
    """On the disk, seen or written last."""
    attempted: Final[Record]
    """Written last, with whatever outcome: the disk has it, or `record`, or one in between."""
    issued: Final[int]
    """Boot time before the renewal was written that was accepted last: here the lease begins."""
    seen: Final[int]
    """Boot time before the last read that found our own record."""
    due: Final[int]
    """Boot time of the next renewal."""
    doing: Final[Doing]
    asked: Final[int]
    """Boot time before the read or write that is under way, or was the last one."""
    stopping: Final[bool]

    def __init__(
        self,
        record: Record,
        attempted: Record,
        *,
        issued: int,
        seen: int,
        due: int,
        doing: Doing,
        asked: int,
        stopping: bool = False,
    ) -> None:
        self.record = record
        self.attempted = attempted
        self.issued = issued
        self.seen = seen
        self.due = due
        self.doing = doing
        self.asked = asked
        self.stopping = stopping

    def found(self, record: Record) -> Holding:
        """After the read that was under way has found one of ours."""
        return Holding(
            record,
            self.attempted,
            issued=self.issued,
            seen=self.asked,
            due=self.due,
            doing="sleep",
            asked=self.asked,
            stopping=self.stopping,
        )

    def renewed(self, due: int) -> Holding:
        """After the write that was under way was accepted; the next one is due then."""
        return Holding(
            self.attempted,
            self.attempted,
            issued=self.asked,
            seen=self.seen,
            due=due,
            doing="sleep",
            asked=self.asked,
            stopping=self.stopping,
        )

    def failed(self, due: int) -> Holding:
        """After a read or write that has changed nothing."""
        return self._does("sleep", self.asked, self.attempted, due, stopping=self.stopping)

    def reads(self, asked: int) -> Holding:
        """While a read is under way."""
        return self._does("read", asked, self.attempted, self.due, stopping=self.stopping)

    def writes(self, record: Record, doing: Doing, asked: int) -> Holding:
        """While `record` is on its way to the disk."""
        return self._does(doing, asked, record, self.due, stopping=self.stopping)

    def stops(self) -> Holding:
        """When it has been told to release the lock."""
        return self._does(self.doing, self.asked, self.attempted, self.due, stopping=True)

    def _does(
        self, doing: Doing, asked: int, attempted: Record, due: int, *, stopping: bool
    ) -> Holding:
        return Holding(
            self.record,
            attempted,
            issued=self.issued,
            seen=self.seen,
            due=due,
            doing=doing,
            asked=asked,
            stopping=stopping,
        )


class Releasing:
    """Nothing needs the lock any more; the record is written as free, and looked at."""

    __slots__ = ("record", "written")

    record: Final[Record]
    written: Final[bool]

    def __init__(self, record: Record, *, written: bool = False) -> None:
        self.record = record
        self.written = written


if TYPE_CHECKING:
    Stage = Idle | Watching | Reserving | Colliding | Extending | Confirming | Holding | Releasing
