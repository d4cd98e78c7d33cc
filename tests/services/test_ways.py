"""Two ways to one disk: what is told of them in the tests of sfex is true, and nothing stays."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocfkit.linux import process
from ocfkit.linux.blockdev import BlockDevice
from tests.services import loops, ways
from tests.services.sfex_nodes import wait_for
from tests.services.test_loops import ROOT, backing
from tests.services.ways import Way

OLD, NEW, OTHER = (bytes([byte]) * 512 for byte in (1, 2, 3))

WRITES = f"""\
import sys
sys.path.insert(0, {str(ROOT)!r})
from ocfkit.linux.blockdev import BlockDevice
with BlockDevice(sys.argv[1], writable=True) as device:
    device.write(5, {NEW!r})
"""

FREEZES = f"""\
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from tests.services import loops, ways
with loops.folder() as folder, ways.made(folder) as way:
    way.freeze()
    print(way.crooked.path, way.straight.path, way.crooked.backing, way._thawer.pid, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def way() -> Iterator[Way]:
    with loops.folder() as folder, ways.made(folder) as made:
        yield made


def read(device: str, number: int) -> bytes:
    with BlockDevice(device) as opened:
        return opened.read(number)


def write(device: str, number: int, data: bytes) -> None:
    with BlockDevice(device, writable=True) as opened:
        opened.write(number, data)


def writing(device: str) -> subprocess.Popen[bytes]:
    """Somebody who writes NEW, and hangs in it."""
    started = subprocess.Popen([sys.executable, "-IBc", WRITES, device])
    wait_for(lambda: process.stat(started.pid).state == process.UNINTERRUPTIBLE)
    time.sleep(0.1)  # it does so for a moment in each write
    assert process.stat(started.pid).state == process.UNINTERRUPTIBLE
    return started


def test_both_lead_to_the_same_bytes(way: Way) -> None:
    for one, other in ((way.straight, way.crooked), (way.crooked, way.straight)):
        for number in (0, 7, 8, 63):
            data = os.urandom(512)
            write(one.path, number, data)
            assert read(other.path, number) == data
    with BlockDevice(way.crooked.path) as crooked, BlockDevice(way.straight.path) as straight:
        assert (crooked.sector, crooked.size) == (straight.sector, straight.size) == (512, 64 * 512)


def test_who_writes_to_a_frozen_one_hangs_in_the_kernel_and_arrives_when_it_is_thawed(
    way: Way,
) -> None:
    write(way.straight.path, 5, OLD)
    way.freeze()
    assert read(way.crooked.path, 5) == OLD
    writer = writing(way.crooked.path)
    assert read(way.straight.path, 5) == OLD
    write(way.straight.path, 5, OTHER)
    writer.kill()
    with pytest.raises(subprocess.TimeoutExpired):
        writer.wait(0.3)
    assert read(way.straight.path, 5) == OTHER
    way.thaw()
    assert writer.wait(5) == -signal.SIGKILL
    wait_for(lambda: read(way.straight.path, 5) == NEW)


def test_one_that_was_cut_cannot_be_read_and_the_other_one_can(way: Way) -> None:
    write(way.crooked.path, 5, OLD)
    way.cut()
    with pytest.raises(OSError, match="Input/output error"):
        read(way.crooked.path, 5)
    assert read(way.straight.path, 5) == OLD


def test_one_that_is_write_protected_while_it_is_open_cannot_be_written(way: Way) -> None:
    with BlockDevice(way.crooked.path, writable=True) as opened:
        way.write_protect()
        with pytest.raises(PermissionError):
            opened.write(5, NEW)
        opened.read(5)
    write(way.straight.path, 5, OLD)


def test_of_one_that_was_write_protected_the_device_can_be_written_by_the_next_who_gets_it() -> (
    None
):
    with loops.folder() as folder:
        with ways.made(folder) as made:
            number = made.crooked.path
            made.write_protect()
        assert Path("/sys/block", Path(number).name, "ro").read_text() == "0\n"


def test_one_that_vanishes_while_it_is_open_has_nothing_any_more(way: Way) -> None:
    with BlockDevice(way.crooked.path, writable=True) as opened:
        way.vanish()
        with pytest.raises(OSError, match="0 of 512 bytes of sector 5 were transferred"):
            opened.read(5)
        with pytest.raises(OSError, match="No space left") as raised:
            opened.write(5, NEW)
        assert raised.value.errno == errno.ENOSPC
    write(way.straight.path, 5, OLD)


def test_a_freeze_is_over_after_its_time_whatever_the_test_does(way: Way) -> None:
    began = time.monotonic()
    way.freeze(1.0)
    writer = writing(way.crooked.path)
    assert writer.wait(10) == 0
    assert 1.0 <= time.monotonic() - began < 5.0
    way.thaw()


class Run:
    """Another run, which has frozen something."""

    def __init__(self) -> None:
        call = [sys.executable, "-IBc", FREEZES]
        self._process = subprocess.Popen(call, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.crooked, self.straight, file, thawer = self._process.stdout.readline().split()
        self.file = Path(file)
        self.thawer = int(thawer)

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=30)


@pytest.fixture
def run() -> Iterator[Run]:
    made = Run()
    yield made
    made.kill()
    loops.sweep()


def test_of_a_run_that_is_killed_nothing_stays_frozen(run: Run) -> None:
    writer = writing(run.crooked)
    run.kill()
    assert writer.wait(5) == 0
    assert read(run.straight, 5) == NEW
    with loops.folder():
        wait_for(lambda: backing(run.crooked) == backing(run.straight) == "")
    assert not run.file.parents[2].exists()


def test_what_is_still_frozen_of_a_killed_run_is_gone_with_the_next_one(run: Run) -> None:
    """Both have been killed: the run, and what it had for that case."""
    writer = writing(run.crooked)
    loops.sweep()
    assert backing(run.crooked) == str(run.file)  # of a run that is not over
    os.kill(run.thawer, signal.SIGKILL)
    run.kill()
    with pytest.raises(subprocess.TimeoutExpired):
        writer.wait(0.3)
    loops.sweep()
    assert writer.wait(5) == 0
    place = run.file.parents[2]
    assert str(place) not in Path("/proc/self/mounts").read_text()
    wait_for(lambda: backing(run.crooked) == backing(run.straight) == "")
    assert not place.exists()
