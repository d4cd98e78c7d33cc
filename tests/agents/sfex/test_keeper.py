"""A keeper on a plain file that stands for a device, with faults of the disk."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections.abc import Callable, Container, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ocfkit.agents.sfex import store
from ocfkit.agents.sfex.keeper import Keeper, Signals
from ocfkit.agents.sfex.layout import FREE
from ocfkit.agents.sfex.lease import Protocol
from ocfkit.agents.sfex.messages import FAILED, REFUSED, TAKEN
from ocfkit.agents.sfex.record import Record
from ocfkit.agents.sfex.store import Store
from ocfkit.agents.sfex.timing import SECOND, Timing
from ocfkit.linux.blockdev import BlockDevice

if TYPE_CHECKING:
    from ocfkit.agents.sfex.messages import Hold
    from ocfkit.agents.sfex.status import State

MS = SECOND // 1000

QUICK = Timing(
    collision=200 * MS, lock=1200 * MS, interval=200 * MS, margin=200 * MS, look=50 * MS, io=50 * MS
)
"""A lease lasts 1 s."""

BLIND = Timing(
    collision=300 * MS,
    lock=1200 * MS,
    interval=200 * MS,
    margin=200 * MS,
    look=200 * MS,
    io=50 * MS,
)
"""It looks when it renews, and not in between."""


def boot() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[BlockDevice]:
    path = tmp_path / "disk"
    path.write_bytes(bytes(8 * 512))
    with BlockDevice(str(path), writable=True, sector=512) as opened:
        store.create(opened, 4)
        yield opened


@pytest.fixture
def disk(device: BlockDevice) -> Disk:
    return Disk(device)


def eio() -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def at(numbers: Container[int], act: Callable[[], object]) -> Callable[[int], None]:
    """What acts at the reads or writes of these numbers, counted from 1."""

    def before(number: int) -> None:
        if number in numbers:
            act()

    return before


class Disk:
    """A lock whose reads and writes can fail, and that counts them."""

    def __init__(self, device: BlockDevice) -> None:
        self.lock = Store(device, 1)
        self.reads = 0
        self.writes = 0
        self.before_read: Callable[[int], object] = at((), eio)
        """Called with the number of the read, which it may let fail, or last."""
        self.before_write: Callable[[int], object] = at((), eio)
        self.journal: list[str] = []

    def read(self) -> Record:
        self.reads += 1
        self.before_read(self.reads)
        return self.lock.read()

    def write(self, record: Record) -> None:
        self.writes += 1
        self.before_write(self.writes)
        self.lock.write(record)
        self.journal.append("wrote" if record.locked else "freed")


class Life:
    """A keeper and whatever it tells others; it is told to stop at the given event."""

    def __init__(
        self,
        disk: Disk,
        timing: Timing = QUICK,
        *,
        stop: str = "",
        after: int = 1,
        name: bytes = b"a",
    ) -> None:
        """With `stop`, it is told to when it has told something of that name `after` times."""
        self.disk = disk
        self.journal = disk.journal
        self.deadlines: list[tuple[int, int]] = []
        """Each with the boot time at which it was told."""
        self.stop = False
        self.stays = 0
        """How often the guard was asked whether it is there."""
        self.another = 0
        """The number of the time at which there is another one."""
        self._stop_at = stop, after
        self.keeper = Keeper(Protocol(timing, name), disk, guard=self, orders=self, tell=self.tell)

    def run(self) -> int:
        return self.keeper.run()

    def sleep(self, until: int) -> None:
        while not self.stop and (left := until - boot()) > 0:
            time.sleep(min(left, 20 * MS) / SECOND)

    def deadline(self, boot_time: int) -> None:
        self.deadlines.append((boot(), boot_time))
        self._note("deadline")

    def stay(self) -> bool:
        self.stays += 1
        return self.stays == self.another

    def released(self) -> None:
        self._note("released")

    def fence(self, reason: str) -> None:
        self._note(f"fence: {reason}")

    def tell(self, state: State, *, why: str = "", held: Hold | None = None) -> None:
        del held
        self._note(f"{state}: {why}" if why else state)

    def _note(self, what: str) -> None:
        self.journal.append(what)
        awaited, times = self._stop_at
        if self.journal.count(awaited) == times and what == awaited:
            self.stop = True


class TestKeeper:
    def test_arms_its_guard_before_anybody_hears_that_it_has_the_lock(self, disk: Disk) -> None:
        life = Life(disk, stop="holding")
        assert life.run() == TAKEN
        assert life.journal == [
            "waiting",
            "wrote",
            "wrote",
            "deadline",
            "holding",
            "freed",
            "released",
            "stopped: released",
        ]

    def test_takes_a_free_lock_in_collision_timeout_and_five_transfers(self, disk: Disk) -> None:
        began = boot()
        life = Life(disk, stop="holding")
        life.run()
        told, deadline = life.deadlines[0]
        assert QUICK.collision <= told - began < QUICK.collision + 250 * MS
        assert deadline - told <= QUICK.lease
        assert (disk.reads, disk.writes) == (3 + 2, 2 + 1)  # and a look, and the release

    def test_asks_for_its_guard_each_time_that_it_has_slept(self, disk: Disk) -> None:
        """Not at each renewal only: they may be ten seconds apart."""
        life = Life(disk, stop="holding", after=4)
        life.run()
        assert life.stays > 4

    def test_tells_where_a_new_guard_is_before_the_next_renewal(self, disk: Disk) -> None:
        life = Life(disk, stop="holding", after=3)
        life.another = 3
        life.run()
        assert life.journal.count("deadline") < 3

    def test_leaves_count_and_name_behind(self, disk: Disk) -> None:
        Life(disk, stop="holding", after=3).run()
        assert disk.lock.read() == Record(False, 4, b"a")

    def test_moves_the_deadline_with_each_renewal(self, disk: Disk) -> None:
        life = Life(disk, stop="holding", after=4)
        life.run()
        ends = [deadline for _, deadline in life.deadlines]
        assert len(ends) == 4
        assert all(later - end >= QUICK.interval for end, later in pairwise(ends))
        assert all(0 < end - told <= QUICK.lease for told, end in life.deadlines)

    def test_reads_once_and_writes_once_a_tick(self, disk: Disk) -> None:
        life = Life(disk, BLIND, stop="holding", after=6)
        life.run()
        assert (disk.reads, disk.writes) == (3 + 5 + 2, 2 + 5 + 1)

    def test_leaves_the_lock_of_a_living_holder_alone(self, disk: Disk) -> None:
        theirs = Record(True, 7, b"b")
        disk.lock.write(theirs)
        disk.before_read = at([3], lambda: disk.lock.write(theirs.successor(b"b")))
        life = Life(disk)
        assert life.run() == REFUSED
        assert disk.lock.read() == Record(True, 8, b"b")
        assert life.journal == [
            "waiting",
            "released",
            "refused: the lock is held by 'b', which has just written it",
        ]

    @pytest.mark.parametrize("name", [b"b", b"a"])
    def test_takes_the_lock_of_a_dead_holder_after_lock_timeout(
        self, disk: Disk, name: bytes
    ) -> None:
        """Even when it has our own name: that may be left from a claim that was given up."""
        disk.lock.write(Record(True, 999, name))
        began = boot()
        life = Life(disk, stop="holding")
        assert life.run() == TAKEN
        taken = life.deadlines[0][0] - began
        assert QUICK.lock + QUICK.collision <= taken < QUICK.lock + QUICK.collision + 250 * MS
        assert disk.lock.read() == Record(False, 1, b"a")  # 999 is followed by 0

    def test_is_told_to_stop_while_it_waits(self, disk: Disk) -> None:
        disk.lock.write(Record(True, 7, b"b"))
        life = Life(disk, stop="waiting")
        assert life.run() == FAILED
        assert disk.reads == 0
        assert disk.lock.read() == Record(True, 7, b"b")
        assert life.journal[-2:] == [
            "released",
            "failed: told to stop before the lock was taken",
        ]

    def test_claims_nothing_when_it_is_told_to_stop_before(self, disk: Disk) -> None:
        life = Life(disk)
        disk.before_read = lambda _: setattr(life, "stop", True)
        assert life.run() == FAILED
        assert disk.writes == 0

    def test_says_why_it_cannot_read(self, disk: Disk) -> None:
        disk.before_read = at(range(1, 9), eio)
        life = Life(disk)
        assert life.run() == FAILED
        assert life.journal == ["waiting", "released", "failed: Input/output error"]
        assert disk.lock.read() == FREE

    def test_says_why_it_cannot_claim(self, disk: Disk) -> None:
        disk.before_write = at(range(1, 9), eio)
        life = Life(disk)
        assert life.run() == FAILED
        assert life.journal[-1] == "failed: Input/output error"

    def test_says_what_is_no_lock(self, disk: Disk, device: BlockDevice) -> None:
        device.write(1, bytes(512))
        life = Life(disk)
        assert life.run() == FAILED
        assert "block 1 (byte 512): the status" in life.journal[-1]


class TestHolder:
    """What becomes of one that has the lock."""

    def test_outlives_errors_that_end_before_its_lease(self, disk: Disk) -> None:
        disk.before_read = at(range(5, 10), eio)
        disk.before_write = at(range(5, 7), eio)
        life = Life(disk, stop="holding", after=6)
        assert life.run() == TAKEN
        assert not [each for each in life.journal if each.startswith("fence")]

    @pytest.mark.parametrize("what", ["before_read", "before_write"])
    def test_is_fenced_when_its_lease_is_over(self, disk: Disk, what: str) -> None:
        setattr(disk, what, at(range(5, 1000), eio))
        life = Life(disk)
        assert life.run() == FAILED
        told, deadline = life.deadlines[-1]
        assert told < deadline
        assert 0 <= boot() - deadline < 100 * MS
        assert life.journal[-2:] == [
            "fence: no renewal for 1 s",
            "lost: no renewal for 1 s",
        ]
        assert "released" not in life.journal

    def test_does_not_believe_a_write_that_comes_back_too_late(self, disk: Disk) -> None:
        """It has succeeded, and another node may have counted it for dead before."""
        disk.before_write = at([4], lambda: time.sleep(1.1))
        life = Life(disk)
        assert life.run() == FAILED
        assert len(life.deadlines) == 2  # the claim's, and that of one renewal
        assert life.journal[-3:] == [
            "wrote",
            "fence: no renewal for 1 s",
            "lost: no renewal for 1 s",
        ]

    def test_does_not_believe_a_read_that_comes_back_too_late(self, disk: Disk) -> None:
        disk.before_read = at([5], lambda: time.sleep(1.1))
        life = Life(disk)
        assert life.run() == FAILED
        assert life.journal[-2] == "fence: no renewal for 1 s"

    def test_is_fenced_when_the_lock_is_no_lock_any_more(
        self, disk: Disk, device: BlockDevice
    ) -> None:
        disk.before_read = at([6], lambda: device.write(1, bytes(512)))
        life = Life(disk)
        assert life.run() == FAILED
        assert life.journal[-2].startswith("fence: ")
        assert "block 1 (byte 512): the status" in life.journal[-2]

    def test_is_fenced_when_another_node_has_believed_its_claim(self, disk: Disk) -> None:
        def sleep_and_find_another(number: int) -> None:
            if number == 6:
                time.sleep(0.3)  # longer than collision_timeout
                disk.lock.write(Record(True, 500, b"b"))

        disk.before_read = sleep_and_find_another
        life = Life(disk)
        assert life.run() == FAILED
        assert life.journal[-2] == "fence: the lock was written by 'b'"
        assert disk.lock.read() == Record(True, 500, b"b")

    def test_writes_over_a_claim_that_nobody_can_have_believed_yet(self, disk: Disk) -> None:
        disk.before_read = at([6], lambda: disk.lock.write(Record(True, 3, b"b")))
        life = Life(disk, stop="holding", after=5)
        assert life.run() == TAKEN
        assert disk.lock.read().name == b"a"

    def test_does_not_release_a_lock_that_may_be_anothers(self, disk: Disk) -> None:
        """The renewal that was under way when it was told to stop came back at the last moment."""
        life = Life(disk)

        def hang(number: int) -> None:
            if number == 4:
                life.stop = True
                time.sleep(1.1)

        disk.before_write = hang
        assert life.run() == FAILED
        assert disk.lock.read().locked

    def test_that_dies_of_an_error_of_its_own_leaves_its_guard_armed(self, disk: Disk) -> None:
        def bug(number: int) -> None:
            if number == 5:
                raise MemoryError

        disk.before_read = bug
        life = Life(disk)
        with pytest.raises(MemoryError):
            life.run()
        assert "released" not in life.journal


def nothing(*_: object) -> None:
    """Do it, and let nobody be killed."""


class TestSignals:
    def test_end_a_sleep(self) -> None:
        with Signals() as orders:
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
            began = boot()
            orders.sleep(began + 5 * SECOND)
            assert orders.stop
            assert boot() - began < SECOND

    def test_that_come_before_a_sleep_let_it_not_begin(self) -> None:
        with Signals() as orders:
            os.kill(os.getpid(), signal.SIGHUP)
            began = boot()
            orders.sleep(began + 5 * SECOND)
            assert orders.stop
            assert boot() - began < SECOND

    def test_that_mean_nothing_do_not_end_one(self) -> None:
        before = signal.signal(signal.SIGUSR1, nothing)
        try:
            with Signals() as orders:
                threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
                until, busy = boot() + 200 * MS, time.process_time()
                orders.sleep(until)
                assert not orders.stop
                assert time.process_time() - busy < 0.05
                assert until <= boot() < until + 50 * MS
        finally:
            signal.signal(signal.SIGUSR1, before)

    def test_a_sleep_until_a_time_that_is_over_is_none(self) -> None:
        with Signals() as orders:
            began = boot()
            orders.sleep(began - SECOND)
            assert boot() - began < 50 * MS

    def test_are_as_they_were_afterwards(self) -> None:
        before = [signal.getsignal(each) for each in Signals.STOPPING]
        with Signals():
            assert [signal.getsignal(each) for each in Signals.STOPPING] != before
        assert [signal.getsignal(each) for each in Signals.STOPPING] == before
        assert signal.set_wakeup_fd(-1) == -1

    def test_the_end_of_a_watched_pipe_is_one(self) -> None:
        reader, writer = os.pipe()
        with Signals(reader) as orders:
            threading.Timer(0.1, os.close, (writer,)).start()
            orders.sleep(boot() + 5 * SECOND)
            assert orders.stop
        os.close(reader)
