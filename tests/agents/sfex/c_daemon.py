"""What the C daemon does, as far as the lock goes: written from its behaviour, for the model.

It acts on what it read before a wait of any length, compares the count alone when it waited for
the lock and the name alone afterwards, has no deadline, and takes its own name for its own lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocfkit.agents.sfex.messages import (
    FAILED,
    REFUSED,
    TAKEN,
    Exit,
    Fence,
    Hold,
    Read,
    ReadDone,
    Sleep,
    Started,
    Stop,
    Timer,
    Write,
    WriteDone,
)
from ocfkit.agents.sfex.record import Record
from ocfkit.agents.sfex.stages import Idle
from ocfkit.agents.sfex.timing import Now

if TYPE_CHECKING:
    from ocfkit.agents.sfex.messages import Command, Event

    Step = tuple[object, tuple[Command, ...]]


class At:
    """A stage of it; each has what it read or wrote last, if that matters any more."""

    __slots__ = ("record",)

    def __init__(self, record: Record | None = None) -> None:
        self.record = record


class COpening(At):
    __slots__ = ()


class CWaiting(At):
    __slots__ = ()


class CReserving(At):
    __slots__ = ()


class CColliding(At):
    __slots__ = ()


class CExtending(At):
    __slots__ = ()


class CHeld(At):
    __slots__ = ()


class CReleasing(At):
    __slots__ = ()


class CDaemon:
    def __init__(self, name: bytes, *, collision: int, lock: int, interval: int) -> None:
        self.name = name
        self.collision = collision
        self.lock = lock
        self.interval = interval

    def step(self, stage: object, event: Event, now: Now) -> Step:
        match stage:
            case Idle():
                return (COpening(), (Read(),)) if isinstance(event, Started) else (stage, ())
            case COpening() | CWaiting():
                step = self._waits(stage, event, now)
            case CReserving() | CColliding() | CExtending():
                step = self._claims(stage, event, now)
            case _:
                assert isinstance(stage, At)
                step = self._holds(stage, event, now)
        return step

    def _waits(self, stage: At, event: Event, now: Now) -> Step:
        match stage, event:
            case COpening(), ReadDone(record=record):
                if record.locked and record.name != self.name:
                    return CWaiting(record), (Sleep(now.boot + self.lock),)
                return self._reserve(record)
            case CWaiting(), Timer():
                return stage, (Read(),)
            case CWaiting(record=known), ReadDone(record=record):
                assert known is not None
                if record.count != known.count:
                    return Idle(ended=True), (Exit(REFUSED, "held"),)
                return self._reserve(known)
            case _:
                return stage, ()

    def _reserve(self, record: Record) -> Step:
        claim = record.successor(self.name)
        return CReserving(claim), (Write(claim),)

    def _claims(self, stage: At, event: Event, now: Now) -> Step:
        match stage, event:
            case CReserving(), WriteDone():
                return CColliding(stage.record), (Sleep(now.boot + self.collision),)
            case CColliding(), Timer():
                return stage, (Read(),)
            case CColliding(), ReadDone(record=record):
                if record.name != self.name:
                    return Idle(ended=True), (Exit(REFUSED, "collision"),)
                return CExtending(), (Write(record.successor(self.name)),)
            case CExtending(), WriteDone():
                hold = Hold(Record(True, 0, self.name), 0)
                return CHeld(), (hold, Sleep(now.boot + self.interval))
            case _:
                return stage, ()

    def _holds(self, stage: At, event: Event, now: Now) -> Step:
        match event:
            case ReadDone():
                return self._looks(stage, event.record)
            case Timer() if isinstance(stage, CHeld):
                return stage, (Read(),)
            case Stop() if isinstance(stage, CHeld):
                return CReleasing(), (Read(),)
            case WriteDone() if isinstance(stage, CHeld):
                return stage, (Sleep(now.boot + self.interval),)
            case WriteDone():
                return Idle(ended=True), (Exit(TAKEN, "released"),)
            case _:
                return stage, ()

    def _looks(self, stage: At, record: Record) -> Step:
        own = record.locked and record.name == self.name
        if isinstance(stage, CHeld):
            if own:
                return stage, (Write(record.successor(self.name)),)
            return Idle(ended=True), (Fence("lost"),)
        if own:
            return stage, (Write(record.released()),)
        return Idle(ended=True), (Exit(FAILED, "released"),)
