"""What /proc says of a process, also when its name or its arguments are chosen to confuse."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocfkit.linux import process

PATIENCE = 20.0


@contextmanager
def running(*argv: str, executable: str | None = None) -> Generator[int]:
    """A child that is past its execve(2)."""
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, executable=executable, stdin=pipe, stdout=pipe) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == b"up\n"
            yield child.pid
        finally:
            child.kill()


SHELL = ("/bin/sh", "-c", "echo up; read word")


class TestStat:
    @given(
        pid=st.integers(1, 1 << 22),
        comm=st.binary(max_size=63).filter(lambda text: b"\0" not in text),
        state=st.sampled_from("RSDTtZXI"),
        numbers=st.lists(st.integers(-(1 << 63), 1 << 64), min_size=48, max_size=48),
    )
    def test_reads_every_field_whatever_the_name_is(
        self, pid: int, comm: bytes, state: str, numbers: list[int]
    ) -> None:
        fields = " ".join(str(number) for number in numbers)
        stat = process.Stat(b"%d (%s) %s %s\n" % (pid, comm, state.encode(), fields.encode()))
        assert (stat.pid, stat.state) == (pid, state)
        assert stat.comm == comm.decode(errors="replace")
        assert [stat.ppid, stat.pgrp, stat.session] == numbers[:3]
        assert stat.start == numbers[18]

    @pytest.mark.parametrize("comm", ["a) R 1 1", "(", ") (", "tmux: server", "a b  c", ""])
    def test_is_not_confused_by_a_name_that_looks_like_the_rest(self, comm: str) -> None:
        line = f"7 ({comm}) S 5 6 4 " + " ".join(str(number) for number in range(100, 140))
        stat = process.Stat(line.encode())
        assert (stat.comm, stat.state, stat.ppid, stat.pgrp, stat.session) == (comm, "S", 5, 6, 4)

    def test_reads_a_real_process_with_a_name_of_that_kind(self, tmp_path: Path) -> None:
        program = tmp_path / "a) R 1 (b"
        shutil.copy("/bin/sh", program)
        with running(str(program), *SHELL[1:]) as pid:
            stat = process.stat(pid)
            assert (stat.comm, stat.ppid, stat.pid) == ("a) R 1 (b", os.getpid(), pid)
            assert stat.state in "RS"

    def test_tells_a_process_from_a_later_one(self) -> None:
        me = process.stat(os.getpid())
        assert me.start == process.stat(os.getpid()).start
        with running(*SHELL) as pid:
            assert process.stat(pid).start >= me.start
        with pytest.raises((FileNotFoundError, ProcessLookupError)):
            process.stat(pid)


class TestPids:
    def test_lists_processes_in_rising_order(self) -> None:
        with running(*SHELL) as pid:
            found = process.pids()
            assert {os.getpid(), pid} <= set(found)
            assert found == sorted(found)

    def test_leaves_other_entries_of_proc_out(self, tmp_path: Path) -> None:
        for name in ("1", "30", "self", "sys", "12a"):
            (tmp_path / name).mkdir()
        assert process.pids(str(tmp_path)) == [1, 30]


class TestCommandLine:
    def test_keeps_empty_and_odd_arguments(self) -> None:
        odd = ["", "a b", "日本", "x\ny", ""]
        with running(*SHELL, "name", *odd) as pid:
            assert process.command_line(pid) == [*SHELL, "name", *odd]

    def test_reads_long_ones_whole(self) -> None:
        long = ["x" * 100_000, "y" * 100_000]
        with running(*SHELL, "name", *long) as pid:
            assert process.command_line(pid)[4:] == long

    def test_replaces_bytes_that_are_no_text(self, tmp_path: Path) -> None:
        (tmp_path / "5").mkdir()
        (tmp_path / "5/cmdline").write_bytes(b"daemon\0-n\0\xff\0")
        assert process.command_line(5, str(tmp_path)) == ["daemon", "-n", "\ufffd"]

    def test_of_a_zombie_is_empty(self) -> None:
        child = subprocess.Popen(["true"])
        until = time.monotonic() + PATIENCE
        while process.stat(child.pid).state != "Z":
            assert time.monotonic() < until
        assert process.command_line(child.pid) == []
        assert process.executable(child.pid) == ""
        child.wait()


class TestExecutable:
    def test_is_the_file_and_not_the_name_it_was_called_by(self) -> None:
        with running("a-name", *SHELL[1:], executable="/bin/sh") as pid:
            assert process.executable(pid) == os.path.realpath("/bin/sh")

    def test_is_still_told_when_the_file_has_been_removed(self, tmp_path: Path) -> None:
        program = tmp_path / "daemon"
        shutil.copy("/bin/sh", program)
        with running(str(program), *SHELL[1:]) as pid:
            program.unlink()
            assert process.executable(pid) == str(program)

    def test_of_a_process_that_is_gone_is_empty(self, tmp_path: Path) -> None:
        assert process.executable(1, str(tmp_path)) == ""


class TestOwner:
    def test_is_the_effective_user(self, tmp_path: Path) -> None:
        assert process.owner(os.getpid()) == os.geteuid()
        (tmp_path / "9").mkdir()
        (tmp_path / "9/status").write_bytes(b"Name:\tx\nUid:\t1000\t33\t34\t35\nGid:\t1\t1\t1\t1\n")
        assert process.owner(9, str(tmp_path)) == 33

    def test_is_not_found_in_a_name(self, tmp_path: Path) -> None:
        # the kernel escapes a newline in the name; a line of another kind must not be taken
        (tmp_path / "9").mkdir()
        (tmp_path / "9/status").write_bytes(b"Name:\tUid: 5 6 7\nUid:\t1\t2\t3\t4\n")
        assert process.owner(9, str(tmp_path)) == 2
