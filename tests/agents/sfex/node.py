"""One node whose reads, writes and clocks a test decides about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocfkit.agents.sfex.lease import Protocol
from ocfkit.agents.sfex.messages import (
    Exit,
    Extend,
    Fence,
    Hold,
    Lease,
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
from ocfkit.agents.sfex.record import Record
from ocfkit.agents.sfex.stages import Idle
from ocfkit.agents.sfex.timing import SECOND, Now, Timing

if TYPE_CHECKING:
    from ocfkit.agents.sfex.messages import Command, Event
    from ocfkit.agents.sfex.stages import Stage

TIMING = Timing(
    collision=2 * SECOND,
    lock=20 * SECOND,
    interval=4 * SECOND,
    margin=SECOND,
    look=SECOND // 2,
    io=SECOND // 2,
)
"""In it a lease lasts 19 s."""

FREE = Record(False, 7, b"b")
THEIRS = Record(True, 7, b"b")


def ours(count: int) -> Record:
    return Record(True, count, b"a")


def ns(seconds: float) -> int:
    return round(seconds * SECOND)


def plainly(command: Command) -> tuple[object, ...]:  # noqa: PLR0911 - one a command
    """The command as a test writes it, in seconds."""
    match command:
        case Read():
            return ("read",)
        case Write():
            return ("write", command.record)
        case Sleep():
            return ("sleep", command.until / SECOND)
        case Extend():
            return ("extend", command.record, command.deadline / SECOND)
        case Hold():
            return ("hold", command.record, command.deadline / SECOND)
        case Fence():
            return ("fence", command.reason)
        case Exit():
            return ("exit", command.code, command.reason)


class Node:
    """A node called a. What it does is answered with what it is told to do next."""

    def __init__(self, timing: Timing = TIMING, at: float = 1000.0, asleep: float = 0.0) -> None:
        self.protocol = Protocol(timing, b"a")
        self.stage: Stage = Idle()
        self.boot = ns(at)
        self.slept = ns(asleep)

    def after(self, seconds: float) -> Node:
        """The same node later."""
        self.boot += ns(seconds)
        return self

    def after_sleep(self, seconds: float) -> Node:
        """The same node after a suspend, in which one clock has stood still."""
        self.slept += ns(seconds)
        return self.after(seconds)

    def tell(self, event: Event) -> list[tuple[object, ...]]:
        now = Now(self.boot, self.boot - self.slept)
        self.stage, commands = self.protocol.step(self.stage, event, now)
        return [plainly(each) for each in commands]

    def start(self, inherited: Lease | None = None) -> list[tuple[object, ...]]:
        return self.tell(Started(inherited))

    def finds(self, record: Record) -> list[tuple[object, ...]]:
        return self.tell(ReadDone(record))

    def cannot_read(self) -> list[tuple[object, ...]]:
        return self.tell(ReadFailed("EIO"))

    def finds_rubbish(self) -> list[tuple[object, ...]]:
        return self.tell(Malformed("rubbish"))

    def has_written(self) -> list[tuple[object, ...]]:
        return self.tell(WriteDone())

    def cannot_write(self) -> list[tuple[object, ...]]:
        return self.tell(WriteFailed("EIO"))

    def wakes(self) -> list[tuple[object, ...]]:
        return self.tell(Timer())

    def stop(self) -> list[tuple[object, ...]]:
        return self.tell(Stop())


def holder(**options: float) -> Node:
    """One that has taken the lock at 1002 s; its record is the one with count 9."""
    node = Node(**options)  # type: ignore[arg-type]
    node.start()
    node.finds(FREE)
    node.has_written()
    node.after(2).wakes()
    node.finds(ours(8))
    node.has_written()
    assert node.finds(ours(9))[0][0] == "hold"
    return node
