"""`ocfkit sfex` on plain files that stand for devices; tests/services has it on real ones."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ocfkit.__main__ import main
from ocfkit.agents.sfex import store, tool
from ocfkit.agents.sfex.record import Record
from ocfkit.agents.sfex.store import Store
from ocfkit.linux import proc
from ocfkit.linux.blockdev import BlockDevice
from ocfkit.linux.proc import Ended

Capture = pytest.CaptureFixture[str]

IN_SECTORS = functools.partial(BlockDevice, sector=512)

ENTRY = bytes.fromhex("00000000 83000000 01000000 04000000")
PARTITIONED = bytes(446) + ENTRY + bytes(48) + b"\x55\xaa"
"""A sector that holds a partition table (dos) with one partition."""


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Six sectors of something."""
    monkeypatch.setattr(tool, "BlockDevice", IN_SECTORS)
    path = tmp_path / "disk"
    path.write_bytes(b"\xaa" * 6 * 512)
    return str(path)


def lock(disk: str, index: int, record: Record) -> None:
    with IN_SECTORS(disk, writable=True) as device:
        Store(device, index).write(record)


def blkid(code: int | None, stdout: str = "", stderr: str = "") -> Ended:
    """How it ended; without a code it was killed, since it took too long."""
    return Ended([], (code or 0) << 8, 0.0, [stdout, stderr], timed_out=code is None)


def ending(ended: Ended) -> Callable[..., Ended]:
    def run(*_: object, **__: object) -> Ended:
        return ended

    return run


def sfex(*words: str) -> int:
    return main(["sfex", *words])


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "the following arguments are required: ACTION, DEVICE"),
        (["init"], "the following arguments are required: DEVICE"),
        (["inti", "DISK"], "argument ACTION: invalid choice: 'inti'"),
        (["init", "DISK", "DISK"], "unexpected argument "),
        (["init", "-L", "DISK"], "unexpected argument -L"),
        (["init", "-b", "512", "DISK"], "unexpected argument -b"),
        (["init", "-n", "0", "DISK"], "argument -n: '0' is no number from 1 to 999"),
        (["init", "-n", "1000", "DISK"], "argument -n: '1000' is no number"),
        (["init", "-n", "10x", "DISK"], "argument -n: '10x' is no number"),
        (["init", "-n", "٣", "DISK"], "argument -n: '٣' is no number"),  # int() would take it
        (["init", "-n", "9" * 5000, "DISK"], "argument -n: '999"),
        (["init", "-n", "", "DISK"], "argument -n: '' is no number"),
        (["init", "-n"], "argument -n: expected one argument"),
        (["init", "-i", "1", "DISK"], "init takes no -i"),
        (["init", "--json", "DISK"], "init takes no --json"),
        (["stat", "-n", "1", "DISK"], "stat takes no -n"),
        (["stat", "--force", "DISK"], "stat takes no --force"),
        (["stat", "-i", "-1", "DISK"], "argument -i: "),
    ],
)
def test_a_wrong_call_ends_with_4_and_touches_nothing(
    disk: str, capsys: Capture, words: list[str], why: str
) -> None:
    before = Path(disk).read_bytes()
    assert sfex(*(disk if word == "DISK" else word for word in words)) == 4
    said, complained = capsys.readouterr()
    assert said == ""
    assert complained.startswith(f"ocfkit: {why}")
    assert Path(disk).read_bytes() == before


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("none", (3, "No such file or directory")),
        ("none/none", (3, "No such file or directory")),
        ("plain/none", (3, "Not a directory")),
        (".", (1, "Block device required")),
        ("plain", (1, "Block device required")),
    ],
)
def test_what_is_no_device_is_refused_in_a_sentence(
    tmp_path: Path, capsys: Capture, path: str, answer: tuple[int, str]
) -> None:
    (tmp_path / "plain").write_bytes(bytes(4096))
    code, why = answer
    for words in (["init"], ["init", "--force"], ["stat"]):
        assert sfex(*words, f"{tmp_path}/{path}") == code
        assert capsys.readouterr() == ("", f"ocfkit: {why}: {tmp_path}/{path}\n")
    assert (tmp_path / "plain").read_bytes() == bytes(4096)


class TestInit:
    def test_prints_nothing_when_it_is_done(self, disk: str, capsys: Capture) -> None:
        assert sfex("init", "-n", "3", disk) == 0
        assert capsys.readouterr() == ("", "")
        with IN_SECTORS(disk) as device:
            assert store.control_of(device).numlocks == 3
        assert Path(disk).read_bytes().endswith(b"\xaa" * 2 * 512)

    def test_asks_for_the_device_alone_unless_forced(
        self, disk: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[tuple[bool, bool]] = []

        def opened(path: str, *, writable: bool = False, exclusive: bool = False) -> BlockDevice:
            asked.append((writable, exclusive))
            return IN_SECTORS(path, writable=writable)

        monkeypatch.setattr(tool, "BlockDevice", opened)
        assert sfex("init", disk) == sfex("init", "--force", disk) == 0
        sfex("stat", disk)
        assert asked == [(True, True), (True, False), (False, False)]

    @pytest.mark.parametrize(
        ("ended", "why"),
        [
            (blkid(0, "ext4\n"), "holds ext4;"),
            (blkid(0, "iso9660\ndos\n"), "holds iso9660 and dos;"),
            (blkid(8), "holds what blkid cannot tell (code 8);"),
            (blkid(127, stderr="blkid: gone\n"), "holds what blkid cannot tell (blkid: gone);"),
            (blkid(None), "holds what blkid cannot tell (time is over);"),
        ],
    )
    def test_refuses_what_blkid_knows_and_what_it_cannot_tell(
        self, disk: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch, ended: Ended, why: str
    ) -> None:
        monkeypatch.setattr(proc, "run", ending(ended))
        assert sfex("init", disk) == 3
        assert why in capsys.readouterr().err
        assert set(Path(disk).read_bytes()) == {0xAA}
        assert sfex("init", "--force", disk) == 0

    @pytest.mark.parametrize("code", [0, 2])
    def test_takes_what_blkid_finds_nothing_on(
        self, disk: str, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        """It ends with 0 for an empty partition: it knows where that is."""
        monkeypatch.setattr(proc, "run", ending(blkid(code)))
        assert sfex("init", disk) == 0

    def test_looks_at_its_device_from_wherever_it_is_called(
        self, disk: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """To blkid a file that it does not find is one with nothing on it."""
        with IN_SECTORS(disk, writable=True) as device:
            device.write(0, PARTITIONED)
        monkeypatch.chdir(os.path.dirname(disk))
        assert sfex("init", os.path.basename(disk)) == 3
        assert "disk holds dos;" in capsys.readouterr().err


class TestStat:
    def test_tells_by_its_code_whether_this_node_holds_the_lock(
        self, disk: str, capsys: Capture
    ) -> None:
        sfex("init", "-n", "2", disk)
        assert sfex("stat", disk) == 2
        lock(disk, 2, Record(True, 12, os.fsencode(os.uname().nodename)))
        capsys.readouterr()
        assert sfex("stat", "-i", "2", disk) == 0
        assert capsys.readouterr().out.splitlines() == [
            "control data:",
            "  magic: 0x53, 0x46, 0x45, 0x58",
            "  version: 1",
            "  revision: 3",
            "  blocksize: 512",
            "  numlocks: 2",
            "lock data #2:",
            "  status: lock",
            "  count: 12",
            f"  nodename: {os.uname().nodename}",
            "status is LOCKED.",
        ]

    @pytest.mark.parametrize(
        ("name", "code"), [(b"node-a", 0), (b"node-", 2), (b"node-ab", 2), (b"Node-a", 2)]
    )
    def test_takes_a_name_for_its_own_only_when_all_of_it_is(
        self, disk: str, monkeypatch: pytest.MonkeyPatch, name: bytes, code: int
    ) -> None:
        here = os.uname_result(("Linux", "node-a", "6", "#1", "x86_64"))
        monkeypatch.setattr(os, "uname", lambda: here)
        sfex("init", disk)
        lock(disk, 1, Record(True, 1, name))
        assert sfex("stat", disk) == code

    def test_as_json_shows_a_name_that_is_no_text(self, disk: str, capsys: Capture) -> None:
        sfex("init", disk)
        lock(disk, 1, Record(True, 1, b"\xff\n"))
        assert sfex("stat", "--json", disk) == 2
        (line,) = capsys.readouterr().out.splitlines()
        facts = json.loads(line)
        assert facts["nodename"].encode("utf-8", "surrogateescape") == b"\xff\n"
        assert (facts["locked"], facts["held_by_this_node"]) == (True, False)

    def test_shows_where_the_error_is_when_asked(self, disk: str, capsys: Capture) -> None:
        assert sfex("stat", "-v", disk) == 3
        complained = capsys.readouterr().err
        assert "Traceback" in complained
        assert f"ocfkit: {disk}, block 0 (byte 0): the magic" in complained

    def test_needs_a_device_of_one_sector_at_least(self, disk: str, capsys: Capture) -> None:
        os.truncate(disk, 511)
        assert sfex("stat", disk) == 3
        assert "511 of 512 bytes of sector 0" in capsys.readouterr().err


class TestHold:
    """What is refused before anything is done; tests/agents/sfex/test_hold.py has the rest."""

    @pytest.fixture(autouse=True)
    def nobody_holds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def become(*_: object) -> None:
            raise AssertionError("a keeper was started")

        monkeypatch.setattr("ocfkit.agents.sfex.hold._become", become)

    @pytest.mark.parametrize(
        ("words", "answer"),
        [
            (["-c", "0"], (4, "argument -c: '0' is no number of seconds")),
            (["-t", "1x"], (4, "argument -t: '1x' is no number of seconds")),
            (["-m", "-1"], (4, "argument -m: ")),
            (["-i", "1000"], (4, "argument -i: '1000' is no number from 1 to 999")),
            (["--force"], (4, "hold takes no --force")),
            (["--json"], (4, "hold takes no --json")),
            (["-t", "5", "-m", "10"], (4, "lock_timeout is too short")),
            (["-t", "5", "-c", "5", "-m", "1"], (4, "lock_timeout is too short")),
            (["-t", "1000", "-m", "1"], (4, "lock_timeout is too long")),
            (["-n", ""], (1, "'' is no name of one node among others")),
            (["-n", "localhost"], (1, "'localhost' is no name of one node among others")),
            (["-n", "localhost.localdomain"], (1, "'localhost.localdomain' is no name of one")),
            (["-n", "n" * 256], (1, "the name has 256 bytes, and 255 fit")),
            (["-n", "ö" * 128], (1, "the name has 256 bytes, and 255 fit")),
        ],
    )
    def test_a_call_that_contradicts_itself_starts_nothing(
        self, disk: str, capsys: Capture, words: list[str], answer: tuple[int, str]
    ) -> None:
        code, why = answer
        assert sfex("hold", *words, disk) == code
        assert capsys.readouterr().err.startswith(f"ocfkit: {why}")

    @pytest.mark.parametrize(
        "words", [["-c", "1"], ["-r", "x"], ["--foreground"], ["-m", "1"], ["--guard", "advise"]]
    )
    def test_has_options_that_are_of_nothing_else(
        self, disk: str, capsys: Capture, words: list[str]
    ) -> None:
        for action in ("init", "stat"):
            assert sfex(action, *words, disk) == 4
            assert capsys.readouterr().err == f"ocfkit: {action} takes no {words[0]}\n"
