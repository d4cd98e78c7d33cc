"""The lease rules, each time with one of them broken: what has to be found out.

Nothing of this can be switched on in what is shipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ocfkit.agents.sfex.lease import Protocol
from ocfkit.agents.sfex.messages import (
    Malformed,
    ReadDone,
    ReadFailed,
    Sleep,
    Write,
    WriteDone,
)
from ocfkit.agents.sfex.stages import (
    Colliding,
    Confirming,
    Extending,
    Holding,
    Releasing,
    Reserving,
    Watching,
)
from ocfkit.agents.sfex.timing import Now, Timing

if TYPE_CHECKING:
    from ocfkit.agents.sfex.lease import Step
    from ocfkit.agents.sfex.messages import Command, Event
    from ocfkit.agents.sfex.record import Record
    from ocfkit.agents.sfex.stages import Doing


class Loose(Timing):
    """Refuses nothing."""

    __slots__ = ()

    def _contradictions(self) -> Iterator[str]:
        return iter(())


class BelievesItsName(Protocol):
    """An own name on the disk is an own lock, as the C daemon has it."""

    def _watched(self, stage: Watching, record: Record, asked: Now, now: Now) -> Step:
        if record.name == self.name:
            return self._reserve(stage, record, asked, now)
        return super()._watched(stage, record, asked, now)


class NeverOver(Protocol):
    """A lease has no end."""

    def is_over(self, issued: int, now: Now) -> bool:
        return False


class RenewsLate(Protocol):
    """A renewal counts whenever it succeeds."""

    def _holding(self, stage: Holding, event: Event, now: Now) -> Step:
        if isinstance(event, WriteDone):
            return self._renewed(stage, now)
        return super()._holding(stage, event, now)


class RenewsFromAfter(Protocol):
    """A lease begins when its renewal has succeeded."""

    def _renewed(self, stage: Holding, now: Now) -> Step:
        return super()._renewed(stage.writes(stage.attempted, stage.doing, now.boot), now)


class NeverLate(Protocol):
    """However old what was read is, it is acted on."""

    def is_late(self, asked: int, now: Now) -> bool:
        return False


class LateByOne(Protocol):
    """A claim that comes just when another one is believed is not late yet."""

    def is_late(self, asked: int, now: Now) -> bool:
        return now.boot - asked > self.timing.collision


class LateFromAfter(Protocol):
    """A claim is late when it takes long from the answer to the read, not from the question."""

    def _reserve(self, stage: Watching, record: Record, asked: Now, now: Now) -> Step:
        return super()._reserve(stage, record, now, now)


class ClaimsOnceMoreLate(Protocol):
    """Only the first write of a claim may be late; the second counts whenever it succeeds."""

    def _extending(self, stage: Extending, event: Event, now: Now) -> Step:
        fresh = Extending(stage.record, stage.before, now.boot, stage.issued)
        return super()._extending(fresh, event, now)


class ClaimsWithoutEnd(Protocol):
    """A claim may be written once more after any time."""

    def _checked(self, stage: Colliding, record: Record, asked: Now, now: Now) -> Step:
        fresh = Colliding(stage.record, now.boot, stage.since, asked, inherited=stage.inherited)
        return super()._checked(fresh, record, asked, now)


class BelievesLate(Protocol):
    """What has confirmed a claim may be of any age."""

    def _confirmed(self, stage: Confirming, record: Record, now: Now) -> Step:
        return super()._confirmed(Confirming(stage.record, stage.issued, now.boot), record, now)


class SeesNoError(Protocol):
    """What cannot be read is unchanged."""

    def _watching(self, stage: Watching, event: Event, now: Now) -> Step:
        if isinstance(event, ReadFailed) and stage.record is not None:
            event = ReadDone(stage.record)
        return super()._watching(stage, event, now)


class LooksTwice(Protocol):
    """Waiting for the lock is one sleep between two reads, which may become a long one."""

    def _wait(self, stage: Watching, now: Now) -> Step:
        left = stage.since + self.timing.lock - now.mono
        resting = Watching(stage.record, stage.whence, stage.since, None)
        return resting, (Sleep(now.boot + max(1, left)),)

    def is_stale(self, stage: Watching, now: Now) -> bool:
        return False


class LooksTwiceInTime(LooksTwice):
    """The same, but a wait that became too long is begun again: no mutant, a weaker rule."""

    def is_stale(self, stage: Watching, now: Now) -> bool:
        return Protocol.is_stale(self, stage, now)


class ComparesCounts(LooksTwice):
    """Whose record it is makes no difference."""

    def is_unchanged(self, stage: Watching, record: Record) -> bool:
        assert stage.record is not None
        return stage.record.count == record.count


class ComparesCountsInTime(ComparesCounts):
    def is_stale(self, stage: Watching, now: Now) -> bool:
        return Protocol.is_stale(self, stage, now)


class WaitsFromBefore(Protocol):
    """What is unchanged is as old as the question that it was the answer to."""

    def _watched(self, stage: Watching, record: Record, asked: Now, now: Now) -> Step:
        after, commands = super()._watched(stage, record, asked, now)
        if isinstance(after, Watching) and after.record is not stage.record:
            after = Watching(after.record, after.whence, asked.mono, after.asked)
        return after, commands


class WaitsTooShort(Protocol):
    def is_dead(self, stage: Watching, asked: Now) -> bool:
        return asked.mono - stage.since >= self.timing.lease - 1

    def _wait(self, stage: Watching, now: Now) -> Step:
        resting = Watching(stage.record, stage.whence, stage.since, None)
        return resting, (Sleep(now.boot + 1),)


class StandsTooShort(Protocol):
    """A claim is believed a moment too early."""

    def _reserving(self, stage: Reserving, event: Event, now: Now) -> Step:
        after, commands = super()._reserving(stage, event, now)
        if isinstance(after, Colliding):
            after = Colliding(after.record, after.issued, after.since - 1, None)
            return after, (Sleep(now.boot + self.timing.collision - 1),)
        return after, commands


class LooksAtNames(Protocol):
    """Any record with the own name is the own claim."""

    def is_unharmed(self, claim: Record, record: Record) -> bool:
        return record.name == self.name


class WritesAgain(Protocol):
    """What could not be written is written once more as it was."""

    def _write(self, stage: Holding, doing: Doing, now: Now) -> Step:
        record = stage.record.successor(self.name)
        return stage.writes(record, doing, now.boot), (Write(record),)


class AlwaysAsserts(Protocol):
    """Whatever stands over the own record is written over."""

    def may_assert(self, stage: Holding, now: Now) -> bool:
        return True


class AssertsLate(Protocol):
    """What is written over counts whenever it succeeds."""

    def _renewed(self, stage: Holding, now: Now) -> Step:
        return super()._renewed(stage.writes(stage.attempted, "write", stage.asked), now)


class IgnoresWhatItSees(Protocol):
    """A holder renews what is there, whosever it is."""

    def is_own(self, stage: Holding, record: Record) -> bool:
        return True


class InheritsAnything(Protocol):
    """A predecessor's lease is ours, whatever became of it."""

    def _checked(self, stage: Colliding, record: Record, asked: Now, now: Now) -> Step:
        if stage.inherited:
            claim = record.successor(self.name)
            return Extending(claim, now.boot, asked.boot, now.boot), (Write(claim),)
        return super()._checked(stage, record, asked, now)


class InheritsForEver(Protocol):
    """A predecessor's lease has no end."""

    def _checked(self, stage: Colliding, record: Record, asked: Now, now: Now) -> Step:
        if stage.inherited:
            stage = Colliding(stage.record, now.boot, 0, stage.asked, inherited=True)
        return super()._checked(stage, record, asked, now)


class LateByTheOtherClock(Protocol):
    """What is too late is told by a clock that stands still in suspend."""

    def is_late(self, asked: int, now: Now) -> bool:
        return now.mono - asked >= self.timing.decided


class HoldsUnseen(Protocol):
    """A claim is believed when it is written, whether or not it is there."""

    def _confirmed(self, stage: Confirming, record: Record, now: Now) -> Step:
        return super()._confirmed(stage, stage.record, now)


class BelievesUnseen(Protocol):
    """A claim is believed when its time is over, whatever is there then."""

    def is_unharmed(self, claim: Record, record: Record) -> bool:
        return True


class ReleasesUnseen(Protocol):
    """A stop releases the lock at once."""

    def _stop(self, stage: Holding, now: Now) -> Step:
        record = stage.record.released()
        return Releasing(record), (Write(record),)


class ReleasesLate(Protocol):
    """A lease that is over is released like any other."""

    def _holding(self, stage: Holding, event: Event, now: Now) -> Step:
        if stage.stopping and isinstance(event, ReadDone):
            return self._seen(stage, event.record, now)
        return super()._holding(stage, event, now)

    def may_release(self, stage: Holding, now: Now) -> bool:
        return True


class TakesAnythingForARecord(Protocol):
    """What is no record changes nothing for a holder."""

    def _holding(self, stage: Holding, event: Event, now: Now) -> Step:
        if isinstance(event, Malformed):
            event = ReadDone(stage.record)
        return super()._holding(stage, event, now)


class NeverLooks(Protocol):
    """A holder looks before a renewal, and not in between."""

    def _rest(self, stage: Holding, now: Now, *first: Command) -> Step:
        until = max(now.boot, min(stage.due, self.deadline(stage.issued)))
        return stage, (*first, Sleep(until))
