"""Who may take, keep and lose the lock: a pure function of what was read and when.

It does no I/O and has no clock. A keeper feeds it what happened and carries out what it says; the
model and the simulation in tests/agents/sfex drive the very same code.

Taking is Fischer's algorithm (Lamport, "A fast mutual exclusion algorithm", 1987): write, wait for
collision_timeout, look whether it is still there. It excludes as long as nobody's write comes
later than that after the read that it was decided on; who comes later gives up. Keeping is a
light-weight lease (Chockler & Malkhi, "Light-weight leases for storage-centric coordination"): a
count that goes on. A lock whose record has not changed for lock_timeout is anybody's, so a holder
must be silent before that: its lease ends `margin` earlier, measured from the moment *before* its
last renewal was written. Somebody who does no I/O (the guardian) holds it to that.

Two clocks: the longest that something may take is told by the one that goes on in suspend
(CLOCK_BOOTTIME), the shortest by the one that does not (CLOCK_MONOTONIC). So a node that slept has
always waited long enough, and is never early to believe that it still holds the lock.
"""

from __future__ import annotations

from ocfkit.agents.sfex.messages import (
    FAILED,
    REFUSED,
    TAKEN,
    Exit,
    Extend,
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
from ocfkit.agents.sfex.record import COUNTS
from ocfkit.agents.sfex.stages import (
    Colliding,
    Confirming,
    Extending,
    Holding,
    Idle,
    Releasing,
    Reserving,
    Watching,
)
from ocfkit.agents.sfex.timing import seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from ocfkit.agents.sfex.messages import Command, Event
    from ocfkit.agents.sfex.record import Record
    from ocfkit.agents.sfex.stages import Doing, Stage
    from ocfkit.agents.sfex.timing import Now, Timing

    Step = tuple[Stage, tuple[Command, ...]]


class Protocol:
    """The rules for one node; they remember nothing but the stage that they are given."""

    __slots__ = ("name", "timing")

    def __init__(self, timing: Timing, name: bytes) -> None:
        """`name` of this node on the disk, and of no other node."""
        self.timing = timing
        self.name = name

    def step(self, stage: Stage, event: Event, now: Now) -> Step:
        """What to do after `event`. `now` is no earlier than it, and the commands come later."""
        if isinstance(stage, Idle) and stage.ended:
            return stage, ()  # after a loss not even a stop sends the guardian home
        if isinstance(event, Stop) and not isinstance(stage, Holding | Releasing):
            return _exit(FAILED, "told to stop before the lock was taken")
        match stage:
            case Idle():
                step = self._begin(stage, event, now)
            case Watching():
                step = self._watching(stage, event, now)
            case Reserving():
                step = self._reserving(stage, event, now)
            case Colliding():
                step = self._colliding(stage, event, now)
            case Extending():
                step = self._extending(stage, event, now)
            case Confirming():
                step = self._confirming(stage, event, now)
            case Holding():
                step = self._holding(stage, event, now)
            case _:
                step = self._releasing(stage, event)
        return step

    # Facts that the rules are made of.

    def deadline(self, issued: int) -> int:
        """End of a lease, a boot time.

        It is measured from before the write: a challenger may have seen the record as soon as that.
        """
        return issued + self.timing.lease

    def is_over(self, issued: int, now: Now) -> bool:
        """Whether a lease is; what has come back since, success or not, changes nothing of it."""
        return now.boot >= self.deadline(issued)

    def is_late(self, asked: int, now: Now) -> bool:
        """Whether another node may have claimed, and believed its claim, since we asked."""
        return now.boot - asked >= self.timing.decided

    def is_stale(self, stage: Watching, now: Now) -> bool:
        """Whether a record was not seen for so long that it may have come round unnoticed."""
        return now.boot - stage.whence > self.timing.lock

    def is_unchanged(self, stage: Watching, record: Record) -> bool:
        """Whether nobody has written since we saw it first."""
        return record == stage.record

    def is_dead(self, stage: Watching, asked: Now) -> bool:
        """Whether a record that is unchanged is the one of a holder whose lease is over."""
        return asked.mono - stage.since >= self.timing.lock

    def has_stood(self, stage: Colliding, now: Now) -> bool:
        """Whether whoever decided before our claim was there has written his, or gives up."""
        return now.mono - stage.since >= self.timing.collision

    def is_unharmed(self, claim: Record, record: Record) -> bool:
        """Whether our claim is what is on the disk."""
        return record == claim

    def is_own(self, stage: Holding, record: Record) -> bool:
        """Whether it is what we wrote: the last one, or one whose outcome is not known."""
        known, attempted = stage.record.count, stage.attempted.count
        return (
            record.locked
            and record.name == self.name
            and (record.count - known) % COUNTS <= (attempted - known) % COUNTS
        )

    def may_assert(self, stage: Holding, now: Now) -> bool:
        """Whether what stands over our record was written too late for anybody to believe in it.

        It came after we looked last, and its writer waits for collision_timeout before he does.
        """
        return not self.is_late(stage.seen, now)

    def may_release(self, stage: Holding, now: Now) -> bool:
        """Whether the lease is young enough that the write will be on the disk before its end."""
        return now.boot + self.timing.io < self.deadline(stage.issued)

    # Taking the lock.

    def _begin(self, stage: Idle, event: Event, now: Now) -> Step:
        if not isinstance(event, Started):
            return stage, ()
        if (lease := event.inherited) is None:
            return self._look(Watching(None, 0, 0, None), now)
        return Colliding(lease.record, lease.issued, 0, now, inherited=True), (Read(),)

    def _look(self, stage: Watching, now: Now) -> Step:
        return Watching(stage.record, stage.whence, stage.since, now), (Read(),)

    def _watching(self, stage: Watching, event: Event, now: Now) -> Step:
        asked = stage.asked
        if asked is None:
            return self._look(stage, now)
        match event:
            case ReadDone():
                return self._watched(stage, event.record, asked, now)
            case ReadFailed():
                if stage.record is None or self.is_stale(stage, now):
                    return _exit(FAILED, event.reason)
                return self._wait(stage, now)  # not seen is not unchanged
            case Malformed():
                return _exit(FAILED, event.reason)
            case _:
                return stage, ()

    def _watched(self, stage: Watching, record: Record, asked: Now, now: Now) -> Step:
        if not record.locked:
            return self._reserve(stage, record, asked, now)
        if stage.record is None or self.is_stale(stage, now):
            return self._wait(Watching(record, asked.boot, now.mono, None), now)
        if not self.is_unchanged(stage, record):
            return _exit(
                REFUSED, f"the lock is held by {_named(record)}, which has just written it"
            )
        seen = Watching(record, asked.boot, stage.since, None)
        if self.is_dead(stage, asked):
            return self._reserve(seen, record, asked, now)
        return self._wait(seen, now)

    def _wait(self, stage: Watching, now: Now) -> Step:
        left = stage.since + self.timing.lock - now.mono
        rest = min(left, self.timing.poll) if left > 0 else self.timing.poll
        return Watching(stage.record, stage.whence, stage.since, None), (Sleep(now.boot + rest),)

    def _reserve(self, stage: Watching, record: Record, asked: Now, now: Now) -> Step:
        if self.is_late(asked.boot, now):
            return self._look(stage, now)  # nothing is written yet, and nothing lost
        claim = record.successor(self.name)
        return Reserving(claim, asked.boot, now.boot), (Write(claim),)

    def _reserving(self, stage: Reserving, event: Event, now: Now) -> Step:
        match event:
            case WriteDone():
                if self.is_late(stage.asked, now):
                    # It may stand over the record of a holder who rightly believes his own claim.
                    # Our name there means nothing now: the next start waits for lock_timeout.
                    return _exit(REFUSED, "the claim came too late: another one may be older")
                return (
                    Colliding(stage.record, stage.issued, now.mono, None),
                    (Sleep(now.boot + self.timing.collision),),
                )
            case WriteFailed():
                return _exit(FAILED, event.reason)
            case _:
                return stage, ()

    def _colliding(self, stage: Colliding, event: Event, now: Now) -> Step:
        asked = stage.asked
        if asked is None:
            if self.has_stood(stage, now):
                return self._check(stage, now)
            return stage, (Sleep(now.boot + stage.since + self.timing.collision - now.mono),)
        match event:
            case ReadDone():
                return self._checked(stage, event.record, asked, now)
            case ReadFailed() | Malformed():
                return _exit(FAILED, event.reason)
            case _:
                return stage, ()

    def _check(self, stage: Colliding, now: Now) -> Step:
        checking = Colliding(
            stage.record, stage.issued, stage.since, now, inherited=stage.inherited
        )
        return checking, (Read(),)

    def _checked(self, stage: Colliding, record: Record, asked: Now, now: Now) -> Step:
        if not self.is_unharmed(stage.record, record) or self.is_over(stage.issued, now):
            if stage.inherited:  # it was no longer ours: we are one claimant among others
                return self._watched(Watching(None, 0, 0, asked), record, asked, now)
            return _exit(REFUSED, f"the lock was claimed by {_named(record)} at the same time")
        if self.is_late(asked.boot, now):
            return self._check(stage, now)
        claim = record.successor(self.name)
        return Extending(claim, stage.issued, asked.boot, now.boot), (Write(claim),)

    def _extending(self, stage: Extending, event: Event, now: Now) -> Step:
        match event:
            case WriteDone():
                if self.is_over(stage.before, now) or self.is_late(stage.asked, now):
                    return _exit(REFUSED, "the claim was written again too late")
                return Confirming(stage.record, stage.issued, now.boot), (Read(),)
            case WriteFailed():
                return _exit(FAILED, event.reason)
            case _:
                return stage, ()

    def _confirming(self, stage: Confirming, event: Event, now: Now) -> Step:
        match event:
            case ReadDone():
                return self._confirmed(stage, event.record, now)
            case ReadFailed() | Malformed():
                return _exit(FAILED, event.reason)
            case _:
                return stage, ()

    def _confirmed(self, stage: Confirming, record: Record, now: Now) -> Step:
        if not self.is_unharmed(stage.record, record) or self.is_over(stage.issued, now):
            return _exit(REFUSED, f"the lock was written by {_named(record)} at the same time")
        if self.is_late(stage.asked, now):
            return Confirming(stage.record, stage.issued, now.boot), (Read(),)
        held = Holding(
            record,
            record,
            issued=stage.issued,
            seen=stage.asked,
            due=stage.issued + self.timing.interval,
            doing="sleep",
            asked=stage.asked,
        )
        return self._rest(held, now, Hold(record, self.deadline(held.issued)))

    # Keeping it.

    def _holding(self, stage: Holding, event: Event, now: Now) -> Step:
        if self.is_over(stage.issued, now):
            last = stage.stops() if isinstance(event, Stop) else stage
            return self._lose(last, f"no renewal for {seconds(self.timing.lease)}")
        step: Step = stage, ()
        match event:
            case Stop():
                step = self._stop(stage, now)
            case Timer():
                if stage.doing == "sleep":
                    step = self._read(stage, now)
            case ReadDone():
                step = self._seen(stage, event.record, now)
            case WriteDone():
                step = self._renewed(stage, now)
            case ReadFailed() | WriteFailed():
                step = self._failed(stage, event.reason, now)
            case Malformed():
                step = self._lose(stage, event.reason)
            case Started():
                pass
        return step

    def _seen(self, stage: Holding, record: Record, now: Now) -> Step:
        if not self.is_own(stage, record):
            if not stage.stopping and self.may_assert(stage, now):
                return self._write(stage, "assert", now)
            what = "written" if record.locked else "released"
            return self._lose(stage, f"the lock was {what} by {_named(record)}")
        own = stage.found(record)
        if own.stopping:
            return self._release(own, now)
        if now.boot >= own.due:
            return self._write(own, "write", now)
        return self._rest(own, now)

    def _write(self, stage: Holding, doing: Doing, now: Now) -> Step:
        # Never what was written before, not even in vain: it would be as old as the first attempt
        # to those who saw that on the disk, and as young as the last one to us.
        record = stage.attempted.successor(self.name)
        return stage.writes(record, doing, now.boot), (Write(record),)

    def _renewed(self, stage: Holding, now: Now) -> Step:
        if stage.doing == "assert" and not self.may_assert(stage, now):
            return self._lose(stage, "another node may have taken the lock meanwhile")
        renewed = stage.renewed(stage.asked + self.timing.interval)
        extend = Extend(renewed.record, self.deadline(renewed.issued))
        if renewed.stopping:
            reading, commands = self._read(renewed, now)
            return reading, (extend, *commands)
        return self._rest(renewed, now, extend)

    def _failed(self, stage: Holding, reason: str, now: Now) -> Step:
        if stage.doing == "assert" or stage.stopping:
            return self._lose(stage, reason)
        # Ours as long as the lease lasts, so it is tried again.
        due = stage.due if stage.doing == "read" else stage.asked + self.timing.retry
        return self._rest(stage.failed(due), now)

    def _read(self, stage: Holding, now: Now) -> Step:
        return stage.reads(now.boot), (Read(),)

    def _rest(self, stage: Holding, now: Now, *first: Command) -> Step:
        until = stage.asked + self.timing.look
        if stage.due > now.boot:
            until = min(until, stage.due)
        return stage, (*first, Sleep(max(now.boot, min(until, self.deadline(stage.issued)))))

    def _lose(self, stage: Holding, reason: str) -> Step:
        if stage.stopping:  # nothing needs it any more
            return _exit(FAILED, f"not released: {reason}")
        return Idle(ended=True), (Fence(reason),)

    # Giving it back.

    def _stop(self, stage: Holding, now: Now) -> Step:
        stopping = stage.stops()
        return self._read(stopping, now) if stage.doing == "sleep" else (stopping, ())

    def _release(self, stage: Holding, now: Now) -> Step:
        if not self.may_release(stage, now):
            # The next holder could be there first, and find his lock released.
            return _exit(FAILED, "not released: the lease is all but over")
        record = stage.record.released()
        return Releasing(record), (Write(record),)

    def _releasing(self, stage: Releasing, event: Event) -> Step:
        match event:
            case WriteDone():
                return Releasing(stage.record, written=True), (Read(),)
            case ReadDone():
                if event.record.locked and event.record.name == self.name:
                    return _exit(FAILED, "not released: the write has had no effect")
                return _exit(TAKEN, "released")
            case WriteFailed() | ReadFailed() | Malformed():
                return _exit(FAILED, event.reason)
            case _:
                return stage, ()


def _exit(code: Literal[0, 1, 2], reason: str) -> Step:
    return Idle(ended=True), (Exit(code, reason),)


def _named(record: Record) -> str:
    return repr(record.name.decode(errors="replace"))
