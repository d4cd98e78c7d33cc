"""`ocfkit sfex` beside Debian's sfex_init and sfex_stat, on loop devices of both sector sizes.

Their daemon is never started here: it would reset the machine.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from ocfkit.agents.sfex import store
from ocfkit.agents.sfex.layout import FREE, Control, encode
from ocfkit.agents.sfex.record import Record
from ocfkit.agents.sfex.store import Store
from ocfkit.linux.blockdev import BlockDevice
from tests.agents.sfex import test_store
from tests.agents.sfex.test_layout import control_block, lock_block
from tests.agents.sfex.test_tool import PARTITIONED
from tests.ocfkit.command import BARE, argv
from tests.services import loops
from tests.services.loops import Loop
from tests.services.roots import ENTER

HERE = os.fsencode(os.uname().nodename)
FILLED = b"\xaa"
"""What is on a disk that nothing has been written to."""


class Said(NamedTuple):
    """How a tool ended."""

    code: int
    stdout: bytes
    stderr: bytes


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with loops.folder() as made:
        yield made


@pytest.fixture(params=[512, 4096])
def sector(request: pytest.FixtureRequest) -> int:
    size: int = request.param
    return size


@contextmanager
def disk(folder: Path, sector: int, sectors: int, *, read_only: bool = False) -> Generator[Loop]:
    """A device of so many sectors."""
    backing = folder / "disk"
    backing.write_bytes(FILLED * (sector * sectors))
    with loops.attached(backing, sector, read_only=read_only) as loop:
        yield loop


@pytest.fixture
def area(folder: Path, sector: int) -> Iterator[Loop]:
    """A device with 60 locks, prepared by us."""
    with disk(folder, sector, 64) as loop:
        with BlockDevice(loop.path, writable=True) as opened:
            store.create(opened, 60)
        yield loop


def ours(*words: str, before: tuple[str, ...] = ()) -> Said:
    """`ocfkit sfex` in a process of its own."""
    done = subprocess.run(
        [*before, *argv("sfex", *words)], env=BARE, capture_output=True, timeout=60, check=False
    )
    return Said(done.returncode, done.stdout, done.stderr)


def theirs(
    root: Path, tool: str, *words: str, prepare: str = ":", before: tuple[str, ...] = ()
) -> Said:
    """A C tool in its root, which gets the node of each device that is named."""
    numbers = {word: os.stat(word).st_rdev for word in words if word.startswith("/dev/")}
    nodes = [f"mknod {each} b {os.major(one)} {os.minor(one)}" for each, one in numbers.items()]
    first = " && ".join([*nodes, prepare, 'exec "$@"'])
    call = [str(ENTER), "offline", str(root), "sh", "-euc", first, "sh"]
    call += [*before, f"/usr/sbin/{tool}", *words]
    done = subprocess.run(call, capture_output=True, timeout=60, check=False)
    return Said(done.returncode, done.stdout, done.stderr)


def put(loop: Loop, number: int, block: bytes) -> None:
    """Write a block that starts so."""
    with BlockDevice(loop.path, writable=True) as device:
        device.write(number, block[: loop.sector].ljust(loop.sector, b"\0"))


def lock(loop: Loop, index: int, record: Record) -> None:
    with BlockDevice(loop.path, writable=True) as device:
        Store(device, index).write(record, verify=True)


# --- init -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("numlocks", [1, 3, 999])
def test_init_writes_the_bytes_that_c_writes_and_no_others(
    pacemaker: Path, folder: Path, sector: int, numlocks: int
) -> None:
    images: list[bytes] = []
    for by_us in (True, False):
        with disk(folder, sector, numlocks + 4) as loop:
            words = ["-n", str(numlocks), loop.path]
            done = ours("init", *words) if by_us else theirs(pacemaker, "sfex_init", *words)
            assert done == (0, b"", b"")
        images.append(loop.backing.read_bytes())
    assert images[0] == images[1]
    assert images[0].endswith(b"\0" + FILLED * 3 * sector)


def test_init_makes_one_lock_unless_told_otherwise(folder: Path, sector: int) -> None:
    with disk(folder, sector, 4) as loop:
        assert ours("init", loop.path) == (0, b"", b"")
        with BlockDevice(loop.path) as device:
            assert store.control_of(device).numlocks == 1


class TestInitRefuses:
    """With one sentence and code 3, and nothing is written; unless it is forced to."""

    @staticmethod
    def refusal(loop: Loop, *words: str, before: tuple[str, ...] = ()) -> str:
        image = loop.backing.read_bytes()
        done = ours("init", *words, loop.path, before=before)
        assert (done.code, done.stdout) == (3, b"")
        assert loop.backing.read_bytes() == image
        (sentence,) = done.stderr.decode().splitlines()
        return sentence

    @staticmethod
    def force(loop: Loop) -> None:
        assert ours("init", "--force", loop.path) == (0, b"", b"")
        with BlockDevice(loop.path) as device:
            assert Store(device, 1).read() == FREE

    def test_a_lock_that_is_held(self, area: Loop) -> None:
        lock(area, 60, Record(True, 4, "nöde".encode()))
        said = f"ocfkit: lock 60 of {area.path} is held by 'nöde' (count 4); nothing was written"
        assert self.refusal(area).startswith(said)
        lock(area, 60, Record(False, 4, b"node"))
        assert ours("init", area.path) == (0, b"", b"")

    def test_a_lock_that_is_held_by_c_tools_understanding(self, area: Loop) -> None:
        put(area, 1, lock_block(count=b"ab\0\0"))
        assert "is held by 'nodeA' (count 0)" in self.refusal(area)
        self.force(area)

    def test_an_area_whose_locks_it_cannot_find(self, folder: Path) -> None:
        with disk(folder, 512, 64) as loop:
            ours("init", loop.path)
        with loops.attached(loop.backing, 4096) as other:
            assert "has sectors of 4096 bytes, and the area was made for" in self.refusal(other)
            self.force(other)

    def test_a_file_system(self, folder: Path, sector: int) -> None:
        with disk(folder, sector, 2048) as loop:
            subprocess.run(["mkfs.ext4", "-qF", loop.path], check=True)
            assert f"{loop.path} holds ext4; nothing was written" in self.refusal(loop)
            self.force(loop)

    def test_a_partition_table(self, folder: Path) -> None:
        with disk(folder, 512, 64) as loop:
            put(loop, 0, PARTITIONED)
            assert f"{loop.path} holds dos; nothing was written" in self.refusal(loop)
            self.force(loop)

    def test_a_device_that_is_mounted(self, folder: Path, sector: int) -> None:
        private = ("unshare", "--mount", "--propagation", "private", "sh", "-euc")
        point = folder / "point"
        point.mkdir(exist_ok=True)
        with disk(folder, sector, 2048) as loop:
            subprocess.run(["mkfs.ext4", "-qF", loop.path], check=True)
            mount = f'mount -o ro,noload {loop.path} {point} && exec "$@"'
            said = self.refusal(loop, before=(*private, mount, "sh"))
        assert f"{loop.path} is mounted, or part of another device; nothing was written" in said

    def test_a_device_that_somebody_has_for_himself(self, folder: Path, sector: int) -> None:
        with disk(folder, sector, 4) as loop:
            with BlockDevice(loop.path, exclusive=True):
                assert "is mounted, or part of another device" in self.refusal(loop)
                self.force(loop)
            assert ours("init", loop.path).code == 0

    def test_a_device_that_is_too_small_however_it_is_told(self, folder: Path, sector: int) -> None:
        with disk(folder, sector, 3) as loop:
            needed = f"has {3 * sector} bytes, and 3 locks need {4 * sector}"
            assert self.refusal(loop, "-n", "3").endswith(needed)
            assert self.refusal(loop, "-n", "3", "--force").endswith(needed)
            assert ours("init", "-n", "2", loop.path).code == 0

    def test_a_device_that_may_not_be_written(self, folder: Path, sector: int) -> None:
        with disk(folder, sector, 4, read_only=True) as loop:
            for words in ([], ["--force"]):
                assert self.refusal(loop, *words).endswith(f": {loop.path}")


# --- stat -----------------------------------------------------------------------------------------


def test_stat_says_what_c_says_of_every_lock(pacemaker: Path, area: Loop) -> None:
    records = [
        FREE,
        Record(True, 2, HERE),
        Record(False, 4, HERE),
        Record(True, 999, b"nodeA"),
        Record(False, 0, b"nodeA"),
        Record(True, 7, b""),
    ]
    codes: list[int] = []
    for index, record in enumerate(records, start=1):
        lock(area, index, record)
        seen = ours("stat", "-i", str(index), area.path)
        assert seen == theirs(pacemaker, "sfex_stat", "-i", str(index), area.path)
        codes.append(seen.code)
    assert codes == [2, 0, 2, 2, 2, 2]
    assert ours("stat", area.path, "-i", "60") == theirs(
        pacemaker, "sfex_stat", "-i", "60", area.path
    )
    assert ours("stat", area.path) == theirs(pacemaker, "sfex_stat", area.path)


@pytest.mark.parametrize(
    "name",
    [
        b"n",
        b"n" * 63,
        b"n" * 255,
        "ノード".encode(),
        b"\xff\xfe \x01",
        HERE[:-1],
        HERE + b"x",
        HERE.upper() + b".example",
    ],
)
def test_stat_shows_a_name_byte_for_byte_as_c_does(
    pacemaker: Path, area: Loop, name: bytes
) -> None:
    """And a name that begins like ours is another's."""
    lock(area, 1, Record(True, 1, name))
    seen = ours("stat", area.path)
    assert seen == theirs(pacemaker, "sfex_stat", area.path)
    assert seen.code == 2
    assert b"\n  nodename: " + name + b"\nstatus is UNLOCKED.\n" in seen.stdout


ACCEPTED_HEADERS = {
    "as it is": {},
    "version with a blank": {"version": b" 1\0\0"},
    "version with a zero": {"version": b"01\0\0"},
    "version with more behind": {"version": b"1x\0\0"},
    "version with a sign": {"version": b"+1\0\0"},
    "revision empty": {"revision": b"\0\0\0\0"},
    "revision of another": {"revision": b"9\0\0\0"},
    "revision no number": {"revision": b"x\0\0\0"},
    "numlocks 59": {"numlocks": b"59\0\0"},
    "numlocks with more behind": {"numlocks": b"5x\0\0"},
}
REFUSED_HEADERS = {
    "magic small": {"magic": b"sfex"},
    "magic as documented": {"magic": b"\x01\x1f\x71\x7f"},
    "magic nothing": {"magic": bytes(4)},
    "version 2": {"version": b"2\0\0\0"},
    "version empty": {"version": bytes(4)},
    "version not ended": {"version": b"1\0\0x"},
    "revision not ended": {"revision": b"3333"},
    "blocksize of another": {"blocksize": b"1024\0\0\0\0"},
    "blocksize empty": {"blocksize": bytes(8)},
    "blocksize not ended": {"blocksize": b"512\0\0\0\0x"},
    "numlocks 0": {"numlocks": b"0\0\0\0"},
    "numlocks -1": {"numlocks": b"-1\0\0"},
    "numlocks not ended": {"numlocks": b"1000"},
}


def header(loop: Loop, fields: dict[str, bytes]) -> bytes:
    own = str(loop.sector).encode().ljust(8, b"\0")
    return control_block(**{"blocksize": own, "numlocks": b"60\0\0", **fields})


@pytest.mark.parametrize("fields", ACCEPTED_HEADERS.values(), ids=ACCEPTED_HEADERS.keys())
def test_stat_accepts_a_first_block_that_c_accepts(
    pacemaker: Path, area: Loop, fields: dict[str, bytes]
) -> None:
    put(area, 0, header(area, fields))
    seen = ours("stat", area.path)
    assert seen == theirs(pacemaker, "sfex_stat", area.path)
    assert seen.code == 2


@pytest.mark.parametrize("digits", [b"0512", b"512x", b" 512"])
def test_stat_reads_a_block_size_as_c_does(pacemaker: Path, area: Loop, digits: bytes) -> None:
    own = digits.replace(b"512", str(area.sector).encode()).ljust(8, b"\0")
    put(area, 0, header(area, {"blocksize": own}))
    seen = ours("stat", area.path)
    assert seen == theirs(pacemaker, "sfex_stat", area.path)
    assert seen.code == 2


@pytest.mark.parametrize("fields", REFUSED_HEADERS.values(), ids=REFUSED_HEADERS.keys())
def test_stat_refuses_a_first_block_that_c_refuses(
    pacemaker: Path, area: Loop, fields: dict[str, bytes]
) -> None:
    put(area, 0, header(area, fields))
    seen, c_saw = ours("stat", area.path), theirs(pacemaker, "sfex_stat", area.path)
    assert (c_saw.code, c_saw.stdout) == (1, b"")
    assert seen.stdout == b""
    assert seen.code in (1, 3)
    assert len(seen.stderr.splitlines()) == 1


def test_stat_refuses_a_lock_that_there_is_not(pacemaker: Path, area: Loop) -> None:
    seen = ours("stat", "-i", "61", area.path)
    assert seen == (1, b"", f"ocfkit: {area.path} has no lock 61: it has locks 1 to 60\n".encode())
    assert theirs(pacemaker, "sfex_stat", "-i", "61", area.path).code == 1


@pytest.mark.parametrize("tool", ["ours", "theirs"])
def test_stat_refuses_an_area_that_was_made_for_other_sectors(
    pacemaker: Path, folder: Path, tool: str
) -> None:
    with disk(folder, 512, 64) as loop:
        assert ours("init", "-n", "60", loop.path).code == 0
    with loops.attached(loop.backing, 4096) as other:
        words = ("stat", other.path)
        seen = ours(*words) if tool == "ours" else theirs(pacemaker, "sfex_stat", other.path)
    assert (seen.code, seen.stdout) == (1, b"")


ODD_LOCKS = {
    "count with more behind": {"count": b"12a\0"},
    "count no number": {"count": b"ab\0\0"},
    "count empty": {"count": bytes(4)},
    "count with a blank": {"count": b" 7\0\0"},
    "count before the last": {"count": b"998\0"},
    "count the last": {"count": b"999\0"},
    "name with more behind": {"nodename": b"a\0b".ljust(256, b"\0")},
    "free": {"status": b"u"},
}
BROKEN_LOCKS = {
    "nothing": bytes(512),
    "status x": lock_block(status=b"x"),
    "count not ended": lock_block(count=b"1234"),
    "name not ended": lock_block(nodename=b"n" * 256),
}


@pytest.mark.parametrize("fields", ODD_LOCKS.values(), ids=ODD_LOCKS.keys())
def test_stat_reads_a_lock_as_c_does(pacemaker: Path, area: Loop, fields: dict[str, bytes]) -> None:
    put(area, 3, lock_block(**fields)[:261] + b"\xff" * 251)
    seen = ours("stat", "-i", "3", area.path)
    assert seen == theirs(pacemaker, "sfex_stat", "-i", "3", area.path)
    assert seen.code == 2


@pytest.mark.parametrize("block", BROKEN_LOCKS.values(), ids=BROKEN_LOCKS.keys())
def test_stat_makes_nothing_up_of_a_lock_that_cannot_be_parsed(
    pacemaker: Path, area: Loop, block: bytes
) -> None:
    """The C tool says that it is locked, with count 0 and no name."""
    put(area, 3, block)
    seen = ours("stat", "-i", "3", area.path)
    assert (seen.code, seen.stdout) == (3, b"")
    place = f"ocfkit: {area.path}, block 3 (byte {3 * area.sector}): the "
    assert seen.stderr.startswith(place.encode())
    c_saw = theirs(pacemaker, "sfex_stat", "-i", "3", area.path)
    assert c_saw.code == 2
    assert b"status: lock\n  count: 0\n" in c_saw.stdout


def test_stat_takes_a_count_that_no_tool_writes_for_damage(pacemaker: Path, area: Loop) -> None:
    put(area, 3, lock_block(count=b"-12\0"))
    seen = ours("stat", "-i", "3", area.path)
    assert (seen.code, seen.stdout) == (3, b"")
    assert b"the count (bytes 1 to 4) is -12" in seen.stderr
    assert b"count: -12\n" in theirs(pacemaker, "sfex_stat", "-i", "3", area.path).stdout


def test_stat_makes_nothing_up_of_a_lock_that_cannot_be_read(area: Loop) -> None:
    os.truncate(area.backing, 3 * area.sector)
    seen = ours("stat", "-i", "40", area.path)
    assert seen == (3, b"", f"ocfkit: Input/output error: {area.path}\n".encode())


def test_stat_needs_no_right_to_write(pacemaker: Path, area: Loop) -> None:
    """Root without his capability is held to the mode of the node."""
    bound = ("setpriv", "--bounding-set", "-dac_override")
    node = area.backing.with_name("node")
    os.mknod(node, stat.S_IFBLK | 0o444, os.stat(area.path).st_rdev)
    try:
        assert ours("stat", str(node), before=bound).code == 2
        assert ours("init", str(node), before=bound).code == 3
    finally:
        node.unlink()
    prepare = f"chmod 0444 {area.path}"
    assert theirs(pacemaker, "sfex_stat", area.path, prepare=prepare, before=bound).code == 3


def test_stat_as_json_tells_who_holds_it(area: Loop) -> None:
    lock(area, 2, Record(True, 5, HERE))
    seen = ours("stat", "--json", "-i", "2", area.path)
    assert json.loads(seen.stdout) == {
        "device": area.path,
        "version": 1,
        "revision": 3,
        "blocksize": area.sector,
        "numlocks": 60,
        "index": 2,
        "locked": True,
        "count": 5,
        "nodename": HERE.decode(),
        "held_by_this_node": True,
    }
    assert seen.code == 0


def test_a_plain_file_is_refused_as_c_does(pacemaker: Path, folder: Path) -> None:
    """Its code is that of a wrong ioctl."""
    file = folder / "plain"
    file.write_bytes(Control(512, 1).encode() + encode(FREE, 512))
    before = file.read_bytes()
    for words in (["init"], ["init", "--force"], ["stat"]):
        seen = ours(*words, str(file))
        assert seen == (1, b"", f"ocfkit: Block device required: {file}\n".encode())
    assert file.read_bytes() == before
    for tool in ("sfex_init", "sfex_stat"):
        there = "/tmp/plain"  # noqa: S108 - in there it is private
        assert theirs(pacemaker, tool, there, prepare=f"printf x >{there}").code == 1


# --- the store, as on plain files -----------------------------------------------------------------


class TestOnADevice:
    """What `tests/agents/sfex/test_store.py` asks of a plain file."""

    @pytest.fixture
    def device(self, folder: Path, sector: int) -> Iterator[BlockDevice]:
        with disk(folder, sector, 6) as loop, BlockDevice(loop.path, writable=True) as opened:
            assert opened.sector == sector
            yield opened

    @pytest.fixture
    def cut(self, folder: Path) -> Callable[[int], None]:
        return partial(os.truncate, folder / "disk")

    @pytest.fixture
    def area(self, device: BlockDevice) -> BlockDevice:
        store.create(device, 3)
        return device

    class TestCreate(test_store.TestCreate):
        pass

    class TestStore(test_store.TestStore):
        pass

    class TestHeld(test_store.TestHeld):
        pass
