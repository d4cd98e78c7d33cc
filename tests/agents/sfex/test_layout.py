"""The format, as the C tools were seen to write and to accept it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocfkit.agents.sfex.layout import FREE, Control, FormatError, decode, encode, shown
from ocfkit.agents.sfex.record import Record

SECTORS = [512, 4096]

sectors = st.sampled_from(SECTORS)
nodenames = st.binary(max_size=255).filter(lambda name: b"\0" not in name)
counts = st.integers(0, 999)


def control_block(
    magic: bytes = b"SFEX",
    version: bytes = b"1\0\0\0",
    revision: bytes = b"3\0\0\0",
    blocksize: bytes = b"512\0\0\0\0\0",
    numlocks: bytes = b"3\0\0\0",
) -> bytes:
    """A first block with these fields, as they stand there."""
    return b"".join([magic, version, revision, blocksize, numlocks]).ljust(512, b"\0")


def lock_block(
    status: bytes = b"l", count: bytes = b"4\0\0\0", nodename: bytes = b"nodeA".ljust(256, b"\0")
) -> bytes:
    """A lock with these fields, as they stand there."""
    return b"".join([status, count, nodename]).ljust(512, b"\0")


class TestControl:
    def test_is_written_byte_for_byte_as_c_does(self) -> None:
        """By sfex_init -n 3, seen in a dump."""
        first = bytes.fromhex("53464558 31000000 33000000 35313200 00000000 33000000")
        assert Control(512, 3).encode() == first.ljust(512, b"\0")
        first = bytes.fromhex("53464558 31000000 33000000 34303936 00000000 33000000")
        assert Control(4096, 3).encode() == first.ljust(4096, b"\0")

    @given(blocksize=sectors, numlocks=st.integers(1, 999))
    def test_reads_back_as_it_was_written(self, blocksize: int, numlocks: int) -> None:
        block = Control(blocksize, numlocks).encode()
        assert len(block) == blocksize
        read = Control.decode(block)
        assert (read.blocksize, read.numlocks, read.revision) == (blocksize, numlocks, 3)

    @pytest.mark.parametrize(
        ("block", "revision", "blocksize", "numlocks"),
        [
            (control_block(version=b" 1\0\0"), 3, 512, 3),
            (control_block(version=b"01\0\0"), 3, 512, 3),
            (control_block(version=b"1x\0\0"), 3, 512, 3),
            (control_block(version=b"+1\0\0"), 3, 512, 3),
            (control_block(revision=b"\0\0\0\0"), 0, 512, 3),
            (control_block(revision=b"999\0"), 999, 512, 3),
            (control_block(revision=b"x\0\0\0"), 0, 512, 3),
            (control_block(revision=b"-7\0\0"), -7, 512, 3),
            (control_block(blocksize=b"0004096\0"), 3, 4096, 3),
            (control_block(blocksize=b"512\0junk"[:7] + b"\0"), 3, 512, 3),
            (control_block(numlocks=b"0\0\0\0"), 3, 512, 0),
            (control_block(numlocks=b"-1\0\0"), 3, 512, -1),
            (control_block(numlocks=b"\t7\0\0"), 3, 512, 7),
            (control_block(numlocks=b"\0\0\0\0"), 3, 512, 0),
            (control_block()[:24] + b"\xff" * 488, 3, 512, 3),
        ],
    )
    def test_accepts_what_c_accepts(
        self, block: bytes, revision: int, blocksize: int, numlocks: int
    ) -> None:
        read = Control.decode(block)
        assert (read.revision, read.blocksize, read.numlocks) == (revision, blocksize, numlocks)

    @pytest.mark.parametrize(
        ("block", "why"),
        [
            (bytes(512), r"the magic \(bytes 0 to 3\) is b'\\x00\\x00\\x00\\x00'"),
            (control_block(magic=b"sfex"), "the magic"),
            (control_block(magic=b"\x01\x1f\x71\x7f"), "the magic"),  # as its documentation has it
            (control_block(version=b"2\0\0\0"), r"the version \(bytes 4 to 7\) is 2"),
            (control_block(version=b"\0\0\0\0"), "the version .* is 0"),
            (control_block(version=b"x1\0\0"), "the version .* is 0"),
            (control_block(version=b"1\0\0x"), r"the version \(bytes 4 to 7\) has no NUL"),
            (control_block(revision=b"3333"), r"the revision \(bytes 8 to 11\) has no NUL"),
            (control_block(blocksize=b"512\0\0\0\0x"), r"the blocksize \(bytes 12 to 19\) has no"),
            (control_block(numlocks=b"1000"), r"the numlocks \(bytes 20 to 23\) has no NUL"),
            (control_block()[:23], "the numlocks"),
            (b"", "the magic"),
        ],
    )
    def test_refuses_what_c_refuses_and_names_the_field(self, block: bytes, why: str) -> None:
        with pytest.raises(FormatError, match=why):
            Control.decode(block)

    @pytest.mark.parametrize(
        "control", [Control(512, 1000), Control(10**7, 1), Control(512, 1, 1000)]
    )
    def test_refuses_to_write_a_number_that_has_no_room(self, control: Control) -> None:
        with pytest.raises(FormatError, match="fit"):
            control.encode()


class TestLock:
    @pytest.mark.parametrize(
        ("lock", "start"),
        [
            (FREE, b"u0\0\0\0"),
            (Record(True, 2, b"nodeA"), b"l2\0\0\0nodeA\0"),
            (Record(False, 4, b"nodeA"), b"u4\0\0\0nodeA\0"),
            (Record(True, 999, b"n" * 255), b"l999\0" + b"n" * 255 + b"\0"),
        ],
    )
    @pytest.mark.parametrize("blocksize", SECTORS)
    def test_is_written_byte_for_byte_as_c_does(
        self, lock: Record, start: bytes, blocksize: int
    ) -> None:
        assert encode(lock, blocksize) == start.ljust(blocksize, b"\0")

    @given(locked=st.booleans(), count=counts, nodename=nodenames, blocksize=sectors)
    def test_reads_back_as_it_was_written(
        self, *, locked: bool, count: int, nodename: bytes, blocksize: int
    ) -> None:
        lock = Record(locked, count, nodename)
        block = encode(lock, blocksize)
        assert len(block) == blocksize
        assert decode(block) == lock

    @given(block=st.binary(max_size=300))
    def test_can_be_written_whenever_it_could_be_read(self, block: bytes) -> None:
        try:
            lock = decode(block.ljust(512, b"\0"))
        except FormatError:
            return
        assert decode(encode(lock, 512)) == lock

    @pytest.mark.parametrize(
        ("block", "lock"),
        [
            (lock_block(count=b"12a\0"), Record(True, 12, b"nodeA")),
            (lock_block(count=b"ab\0\0"), Record(True, 0, b"nodeA")),
            (lock_block(count=b"\0\0\0\0"), Record(True, 0, b"nodeA")),
            (lock_block(count=b" 7\0\0"), Record(True, 7, b"nodeA")),
            (lock_block(count=b"\x0b7\0\0"), Record(True, 7, b"nodeA")),
            (lock_block(count=b"+12\0"), Record(True, 12, b"nodeA")),
            (lock_block(count=b"-0\0\0"), Record(True, 0, b"nodeA")),
            (lock_block(count=b"+-1\0"), Record(True, 0, b"nodeA")),
            (lock_block(count=b"998\0"), Record(True, 998, b"nodeA")),
            (lock_block(count=b"999\0"), Record(True, 999, b"nodeA")),
            (lock_block(nodename=bytes(256)), Record(True, 4, b"")),
            (
                lock_block(nodename=b"a\0b".ljust(256, b"\0")),
                Record(True, 4, b"a"),
            ),
            (lock_block(status=b"u"), Record(False, 4, b"nodeA")),
            (
                lock_block()[:261] + b"\xff" * 251,
                Record(True, 4, b"nodeA"),
            ),
        ],
    )
    def test_accepts_what_c_accepts(self, block: bytes, lock: Record) -> None:
        assert decode(block) == lock

    @pytest.mark.parametrize(
        ("block", "why"),
        [
            (bytes(512), r"the status \(byte 0\) is b'\\x00', neither b'l' \(locked\) nor b'u'"),
            (lock_block(status=b"x"), "the status .* is b'x'"),
            (lock_block(status=b"L"), "the status"),
            (lock_block(count=b"1234"), r"the count \(bytes 1 to 4\) has no NUL at its end"),
            (lock_block(nodename=b"n" * 256), r"the nodename \(bytes 5 to 260\) has no NUL"),
            (lock_block()[:260], "the nodename"),
            (b"", "the status"),
        ],
    )
    def test_refuses_what_c_refuses_and_names_the_field(self, block: bytes, why: str) -> None:
        with pytest.raises(FormatError, match=why):
            decode(block)

    @pytest.mark.parametrize(
        ("lock", "why"),
        [
            (Record(False, 0, b"n" * 256), "the nodename has 256 bytes, and 255 fit"),
            (Record(False, 0, b"a\0b"), "the nodename holds a NUL"),
        ],
    )
    def test_refuses_to_write_what_has_no_room(self, lock: Record, why: str) -> None:
        with pytest.raises(FormatError, match=why):
            encode(lock, 512)

    @pytest.mark.parametrize(
        ("digits", "count"), [(b"-1\0\0", -1), (b"-12\0", -12), (b"-99\0", -99)]
    )
    def test_refuses_a_count_that_c_reads_and_never_writes(self, digits: bytes, count: int) -> None:
        why = rf"the count \(bytes 1 to 4\) is {count}, and no tool writes that"
        with pytest.raises(FormatError, match=why):
            decode(lock_block(count=digits))


@given(nodename=nodenames)
def test_a_shown_name_can_be_told_from_every_other(nodename: bytes) -> None:
    assert shown(nodename).encode("utf-8", "surrogateescape") == nodename
