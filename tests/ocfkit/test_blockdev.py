"""Sectors, read and written whole; here those of plain files, on a device in tests/services."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ocfkit.linux.blockdev import BlockDevice


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Three sectors, each of one letter, and a rest that is none."""
    path = tmp_path / "disk"
    path.write_bytes(b"a" * 512 + b"b" * 512 + b"c" * 512 + b"d" * 100)
    return str(path)


def flags_of(path: str) -> int:
    """Of the descriptor that this process has of the file (proc(5), fdinfo)."""
    for name in os.listdir("/proc/self/fd"):
        link = f"/proc/self/fd/{name}"
        if os.path.islink(link) and os.path.samefile(link, path):
            text = Path(f"/proc/self/fdinfo/{name}").read_text("ascii")
            return int(text.split("flags:")[1].split()[0], 8)
    raise AssertionError(f"{path} is not open")


def a_hundred_bytes(_descriptor: int, _buffers: object, _offset: int) -> int:
    return 100


def refused(_descriptor: int, _offset: int, _whence: int) -> int:
    raise OSError(errno.EIO, "refused")


class TestSectors:
    def test_are_read_and_written_one_by_one(self, file: str) -> None:
        with BlockDevice(file, writable=True, sector=512) as device:
            assert device.size == 3 * 512 + 100
            assert device.read(1) == b"b" * 512
            device.write(1, b"B" * 512)
            assert device.read(1) == b"B" * 512
        assert Path(file).read_bytes() == b"a" * 512 + b"B" * 512 + b"c" * 512 + b"d" * 100

    def test_go_past_the_page_cache(self, file: str) -> None:
        with BlockDevice(file, sector=512):
            flags = flags_of(file)
        assert flags & os.O_DIRECT
        assert flags & os.O_SYNC == os.O_SYNC
        assert flags & os.O_CLOEXEC
        assert flags & os.O_ACCMODE == os.O_RDONLY

    @pytest.mark.parametrize("number", [3, 4])
    def test_that_are_cut_off_by_the_end_are_an_error(self, file: str, number: int) -> None:
        with (
            BlockDevice(file, sector=512) as device,
            pytest.raises(OSError, match=f"of 512 bytes of sector {number} ") as raised,
        ):
            device.read(number)
        assert (raised.value.errno, raised.value.filename) == (errno.EIO, file)

    def test_that_are_written_in_part_are_an_error(
        self, file: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with BlockDevice(file, writable=True, sector=512) as device:
            monkeypatch.setattr(os, "pwritev", a_hundred_bytes)
            with pytest.raises(OSError, match="100 of 512 bytes of sector 1"):
                device.write(1, bytes(512))

    def test_are_not_written_through_an_open_to_read(self, file: str) -> None:
        with (
            BlockDevice(file, sector=512) as device,
            pytest.raises(OSError, match="descriptor") as raised,
        ):
            device.write(0, bytes(512))
        assert raised.value.filename == file

    @pytest.mark.parametrize("length", [0, 511, 513])
    def test_are_never_written_with_more_or_less(self, file: str, length: int) -> None:
        with BlockDevice(file, writable=True, sector=512) as device, pytest.raises(IndexError):
            device.write(0, bytes(length))
        assert Path(file).read_bytes().startswith(b"a" * 512 + b"b")


class TestOpen:
    def test_refuses_a_plain_file_that_has_no_sectors(self, file: str) -> None:
        with pytest.raises(OSError, match="Block device required") as raised:
            BlockDevice(file)
        assert (raised.value.errno, raised.value.filename) == (errno.ENOTBLK, file)

    def test_does_not_wait_for_the_writer_of_a_fifo(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        with pytest.raises(OSError, match="Block device required"):
            BlockDevice(str(tmp_path / "fifo"))

    def test_names_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError) as raised:
            BlockDevice(str(tmp_path / "none"))
        assert raised.value.filename == str(tmp_path / "none")

    def test_leaves_no_descriptor_behind_that_nobody_can_close(
        self, file: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = os.listdir("/proc/self/fd")
        monkeypatch.setattr(os, "lseek", refused)
        with pytest.raises(OSError, match="refused"):
            BlockDevice(file, sector=512)
        assert os.listdir("/proc/self/fd") == before
