"""Locks on plain files that are opened as devices; tests/services does the same on real ones."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from ocfkit.agents.sfex import store
from ocfkit.agents.sfex.layout import FREE, Control, FormatError, encode
from ocfkit.agents.sfex.record import Record
from ocfkit.agents.sfex.store import MismatchError, Store
from ocfkit.linux.blockdev import BlockDevice

HELD = Record(True, 2, b"nodeA")


@pytest.fixture(params=[512, 4096])
def sector(request: pytest.FixtureRequest) -> int:
    size: int = request.param
    return size


@pytest.fixture
def device(tmp_path: Path, sector: int) -> Iterator[BlockDevice]:
    """Six sectors full of something."""
    path = tmp_path / "disk"
    path.write_bytes(b"\xaa" * (6 * sector))
    with BlockDevice(str(path), writable=True, sector=sector) as opened:
        yield opened


@pytest.fixture
def area(device: BlockDevice) -> BlockDevice:
    """A device with three locks and two more sectors."""
    store.create(device, 3)
    return device


@pytest.fixture
def cut(device: BlockDevice) -> Callable[[int], None]:
    """Take away what lies behind so many bytes, while the device is open."""
    return partial(os.truncate, device.path)


def everything(device: BlockDevice) -> bytes:
    return Path(device.path).read_bytes()


def lose(_device: BlockDevice, _number: int, _data: bytes) -> None:
    """Write nothing, and say nothing."""


class TestCreate:
    def test_makes_free_locks_and_touches_nothing_behind_them(
        self, device: BlockDevice, sector: int
    ) -> None:
        store.create(device, 3)
        free = encode(FREE, sector)
        area = Control(sector, 3).encode() + 3 * free
        assert everything(device) == area + b"\xaa" * (2 * sector)

    def test_fills_a_device_to_its_last_sector(self, device: BlockDevice) -> None:
        store.create(device, 5)
        assert [Store(device, index).read() for index in range(1, 6)] == 5 * [FREE]

    def test_writes_nothing_to_a_device_that_is_too_small(self, device: BlockDevice) -> None:
        with pytest.raises(MismatchError, match=r"has \d+ bytes, and 6 locks need \d+"):
            store.create(device, 6)
        assert set(everything(device)) == {0xAA}

    @pytest.mark.parametrize("writes", [0, 1, 2, 3])
    def test_never_leaves_a_first_block_without_its_locks(
        self, device: BlockDevice, monkeypatch: pytest.MonkeyPatch, writes: int
    ) -> None:
        """The disk fails after so many of its four writes."""
        write = BlockDevice.write
        done: list[int] = []

        def failing(self: BlockDevice, number: int, data: bytes) -> None:
            if len(done) == writes:
                raise OSError(errno.EIO, "gone", self.path)
            done.append(number)
            write(self, number, data)

        monkeypatch.setattr(BlockDevice, "write", failing)
        with pytest.raises(OSError, match="gone"):
            store.create(device, 3)
        assert len(done) == writes
        with pytest.raises(FormatError):
            store.control_of(device)


class TestStore:
    @pytest.mark.parametrize("index", [1, 2, 3])
    def test_reads_and_writes_one_lock_and_no_other(
        self, area: BlockDevice, sector: int, index: int
    ) -> None:
        before = everything(area)
        one = Store(area, index)
        one.write(HELD, verify=True)
        assert one.read() == HELD
        start = index * sector
        after = before[:start] + encode(HELD, sector) + before[start + sector :]
        assert everything(area) == after

    def test_zeroes_what_lies_behind_the_fields_as_c_does(
        self, area: BlockDevice, sector: int
    ) -> None:
        area.write(2, encode(HELD, sector)[:261] + b"\xff" * (sector - 261))
        one = Store(area, 2)
        assert one.read() == HELD
        one.write(HELD)
        assert area.read(2) == encode(HELD, sector)

    def test_reads_what_is_there_now_whatever_it_has_read_before(
        self, area: BlockDevice, sector: int
    ) -> None:
        one = Store(area, 2)
        for _ in range(2):
            assert one.read() == FREE
        for _ in range(2):
            area.write(2, encode(HELD, sector))
            for _ in range(2):
                assert one.read() == HELD
            area.write(2, bytes(sector))
            for _ in range(2):
                with pytest.raises(FormatError, match="block 2 "):
                    one.read()
        area.write(2, encode(FREE, sector))
        assert one.read() == FREE

    @pytest.mark.parametrize("index", [-1, 0, 4, 999])
    def test_knows_the_locks_that_there_are(self, area: BlockDevice, index: int) -> None:
        with pytest.raises(MismatchError, match=f"has no lock {index}: it has locks 1 to 3"):
            Store(area, index)

    @pytest.mark.parametrize("numlocks", [0, -1])
    def test_knows_an_area_without_locks(
        self, area: BlockDevice, sector: int, numlocks: int
    ) -> None:
        area.write(0, Control(sector, numlocks).encode())
        with pytest.raises(MismatchError, match="has no lock 1"):
            Store(area, 1)

    def test_refuses_an_area_that_was_made_for_other_sectors(
        self, area: BlockDevice, sector: int
    ) -> None:
        other = {512: 4096, 4096: 512}[sector]
        area.write(0, Control(other, 3).encode()[:sector].ljust(sector, b"\0"))
        with pytest.raises(MismatchError, match=f"sectors of {sector} bytes.*made.*of {other} b"):
            Store(area, 1)

    def test_refuses_an_area_that_is_larger_than_the_device(
        self, area: BlockDevice, sector: int
    ) -> None:
        """A C tool that was told too many locks leaves such a first block behind."""
        area.write(0, Control(sector, 6).encode())
        with pytest.raises(MismatchError, match="6 locks need"):
            Store(area, 1)

    def test_says_where_a_block_is_that_cannot_be_parsed(
        self, area: BlockDevice, sector: int
    ) -> None:
        area.write(2, bytes(sector))
        with pytest.raises(FormatError, match=rf"block 2 \(byte {2 * sector}\): the status"):
            Store(area, 2).read()
        area.write(0, bytes(sector))
        with pytest.raises(FormatError, match=r"block 0 \(byte 0\): the magic"):
            Store(area, 2)

    def test_passes_on_what_the_system_says(
        self, area: BlockDevice, sector: int, cut: Callable[[int], None]
    ) -> None:
        one = Store(area, 3)
        cut(3 * sector)
        with pytest.raises(OSError, match=r"bytes of sector 3|Input/output error") as raised:
            one.read()
        assert (raised.value.errno, raised.value.filename) == (errno.EIO, area.path)

    def test_notices_a_write_that_was_lost_where_it_is_asked_to(
        self, area: BlockDevice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = Store(area, 1)
        monkeypatch.setattr(BlockDevice, "write", lose)
        one.write(HELD)
        with pytest.raises(OSError, match="lock 1 does not read back") as raised:
            one.write(HELD, verify=True)
        assert raised.value.errno == errno.EIO

    def test_notices_that_another_node_has_written_since(
        self, area: BlockDevice, monkeypatch: pytest.MonkeyPatch, sector: int
    ) -> None:
        other = encode(Record(True, 2, b"nodeB"), sector)
        write = BlockDevice.write

        def late(self: BlockDevice, number: int, data: bytes) -> None:
            write(self, number, data)
            write(self, number, other)

        one = Store(area, 1)
        monkeypatch.setattr(BlockDevice, "write", late)
        with pytest.raises(OSError, match="does not read back"):
            one.write(HELD, verify=True)

    def test_writes_nothing_that_has_no_room(self, area: BlockDevice) -> None:
        before = everything(area)
        with pytest.raises(FormatError, match="256 bytes"):
            Store(area, 1).write(Record(False, 0, b"n" * 256))
        assert everything(area) == before


class TestHeld:
    def test_is_none_where_there_is_no_area(self, device: BlockDevice) -> None:
        assert list(store.held(device)) == []

    def test_are_those_that_nobody_has_given_back(self, area: BlockDevice, sector: int) -> None:
        assert list(store.held(area)) == []
        Store(area, 1).write(Record(False, 4, b"nodeA"))
        Store(area, 3).write(HELD)
        area.write(2, b"x".ljust(sector, b"\0"))
        assert list(store.held(area)) == [(3, HELD)]

    def test_cannot_be_told_where_the_locks_lie_elsewhere(
        self, area: BlockDevice, sector: int
    ) -> None:
        area.write(0, Control(2 * sector, 3).encode()[:sector])
        with pytest.raises(MismatchError):
            list(store.held(area))
