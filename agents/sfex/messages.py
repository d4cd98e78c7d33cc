"""What a keeper tells the lease rules (events), and what they tell it to do (commands)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, Literal

    from ocfkit.agents.sfex.record import Record

TAKEN: Literal[0] = 0
FAILED: Literal[1] = 1
REFUSED: Literal[2] = 2
"""Exit codes, the C daemon's. Taken is a clean stop, too; refused is held by another node."""


class Lease:
    """The end of a lease that a keeper of this boot held when it died."""

    __slots__ = ("issued", "record")

    record: Final[Record]
    issued: Final[int]

    def __init__(self, record: Record, issued: int) -> None:
        """`record` that was accepted last, and the boot time before it was written."""
        self.record = record
        self.issued = issued


# What happened.


class Started:
    """The keeper runs and has the device open."""

    __slots__ = ("inherited",)

    def __init__(self, inherited: Lease | None = None) -> None:
        """`inherited` only if the process that held this lease is known to be gone.

        Its own name alone is no proof of anything: on the disk it may be left from a claim that
        was given up because another node holds the lock.
        """
        self.inherited = inherited


class ReadDone:
    """The read that was asked for has brought this."""

    __slots__ = ("record",)

    def __init__(self, record: Record) -> None:
        self.record = record


class ReadFailed:
    """The read that was asked for has brought nothing."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


class Malformed:
    """The read that was asked for has brought what is no record."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


class WriteDone:
    """The write that was asked for is on the disk."""

    __slots__ = ()


class WriteFailed:
    """The write that was asked for is on the disk or not, and may yet get there."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


class Timer:
    """Time has passed; it does no harm if it is too early."""

    __slots__ = ()


class Stop:
    """The keeper is told to end: whoever says so vouches that nothing needs the lock any more."""

    __slots__ = ()


# What to do. A step asks for at most one read, write or sleep, and an event answers it; only `Stop`
# may come in between, and a timer that nobody waits for.


class Read:
    """Read the record, past all caches."""

    __slots__ = ()


class Write:
    """Write this record, past all caches."""

    __slots__ = ("record",)

    record: Final[Record]

    def __init__(self, record: Record) -> None:
        self.record = record


class Sleep:
    """Send a timer event at this boot time."""

    __slots__ = ("until",)

    until: Final[int]

    def __init__(self, until: int) -> None:
        self.until = until


class Hold:
    """The lock is ours. First let the guardian know the deadline, a boot time, then tell it."""

    __slots__ = ("deadline", "record")

    record: Final[Record]
    """On the disk; with `deadline` what a successor of this process could inherit."""
    deadline: Final[int]

    def __init__(self, record: Record, deadline: int) -> None:
        self.record = record
        self.deadline = deadline


class Extend(Hold):
    """The lock is still ours: the guardian's deadline is a later one."""

    __slots__ = ()


class Fence:
    """The lock is lost while things run that need it: nothing of them may write any more."""

    __slots__ = ("reason",)

    reason: Final[str]

    def __init__(self, reason: str) -> None:
        self.reason = reason


class Exit:
    """End with this code; the guardian, if there is one, may go home."""

    __slots__ = ("code", "reason")

    code: Final[Literal[0, 1, 2]]
    reason: Final[str]

    def __init__(self, code: Literal[0, 1, 2], reason: str) -> None:
        self.code = code
        self.reason = reason


if TYPE_CHECKING:
    Event = Started | ReadDone | ReadFailed | Malformed | WriteDone | WriteFailed | Timer | Stop
    Command = Read | Write | Sleep | Hold | Extend | Fence | Exit
