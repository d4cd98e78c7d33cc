"""What /proc says of a process, also when its name or its arguments are chosen to confuse."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocfkit.linux import process
from ocfkit.linux.process import Identity

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


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """One that answers every line with "up", unless it is asked to end."""
    script = "echo up; while read word; do echo up; done"
    with subprocess.Popen(
        ["/bin/sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as started:
        assert answers(started, ask=False)
        yield started
        started.kill()


def answers(child: subprocess.Popen[bytes], *, ask: bool = True) -> bool:
    """Whether it is there and has got no signal that would have ended it."""
    assert child.stdin is not None
    assert child.stdout is not None
    if ask:
        child.stdin.write(b"?\n")
        child.stdin.flush()
    return child.stdout.readline() == b"up\n"


def unreaped(child: subprocess.Popen[bytes]) -> None:
    """Kill it and leave it a zombie."""
    child.kill()
    until = time.monotonic() + PATIENCE
    while process.stat(child.pid).state != "Z":
        assert time.monotonic() < until


class TestIdentity:
    def test_names_a_process_that_runs(self, child: subprocess.Popen[bytes]) -> None:
        seen = process.identify(child.pid).stat()
        assert seen is not None
        assert (seen.pid, seen.ppid) == (child.pid, os.getpid())

    @pytest.mark.parametrize("later", [-1, 1])
    def test_of_another_time_is_another_process(
        self, child: subprocess.Popen[bytes], later: int
    ) -> None:
        real = process.identify(child.pid)
        other = Identity(real.pid, real.start + later, real.boot)
        assert other.stat() is None
        assert other.wait(0)
        assert not other.send(signal.SIGKILL)
        assert answers(child)

    def test_of_another_boot_is_another_process(self, child: subprocess.Popen[bytes]) -> None:
        real = process.identify(child.pid)
        other = Identity(real.pid, real.start, "00000000-0000-0000-0000-000000000000")
        assert other.stat() is None
        assert other.wait(0)
        assert not other.send(signal.SIGKILL)
        assert answers(child)

    def test_has_ended_although_nobody_has_collected_it(
        self, child: subprocess.Popen[bytes]
    ) -> None:
        identity = process.identify(child.pid)
        unreaped(child)
        assert identity.stat() is None
        assert identity.wait(0)
        assert not identity.send(signal.SIGTERM)

    def test_has_ended_when_it_is_collected(self, child: subprocess.Popen[bytes]) -> None:
        identity = process.identify(child.pid)
        child.kill()
        child.wait()
        assert identity.stat() is None
        assert identity.wait(0)
        assert not identity.send(signal.SIGTERM)

    def test_gets_its_signal_and_is_waited_for(self, child: subprocess.Popen[bytes]) -> None:
        identity = process.identify(child.pid)
        assert not identity.wait(0)
        assert not identity.wait(0.01)
        assert identity.send(signal.SIGTERM)
        assert identity.wait(PATIENCE)
        assert child.wait() == -signal.SIGTERM

    def test_whose_pid_is_a_threads_now_has_ended(self) -> None:
        tid: list[int] = []
        known, done = threading.Event(), threading.Event()

        def work() -> None:
            tid.append(threading.get_native_id())
            known.set()
            done.wait(PATIENCE)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            assert known.wait(PATIENCE)
            identity = Identity(tid[0], 1, process.boot())
            assert identity.stat() is None
            assert identity.wait(0)
            assert not identity.send(signal.SIGKILL)
        finally:
            done.set()
            thread.join()

    @pytest.mark.parametrize("pid", [0, 1 << 22, 1 << 31, 1 << 64])
    def test_with_a_number_that_no_process_has_has_ended(self, pid: int) -> None:
        identity = Identity(pid, 1, process.boot())
        assert identity.stat() is None
        assert identity.wait(0)
        assert not identity.send(signal.SIGKILL)

    def test_that_proc_hides_from_us_has_not_ended(self, child: subprocess.Popen[bytes]) -> None:
        identity = process.identify(child.pid)
        with (
            mock.patch.object(process, "stat", side_effect=FileNotFoundError),
            mock.patch.object(os.path, "exists", return_value=False),
        ):
            for ask in (identity.stat, lambda: identity.wait(0), lambda: identity.send(0)):
                with pytest.raises(PermissionError, match=f"/proc hides process {child.pid}"):
                    ask()

    def test_lives_on_in_its_other_threads_when_the_first_one_has_ended(self) -> None:
        script = (
            "import ctypes, threading, time; libc = ctypes.CDLL(None);"
            "threading.Thread(target=time.sleep, args=(600,)).start();"
            "print('up', flush=True); libc.pthread_exit(None)"
        )
        with running(sys.executable, "-c", script) as pid:
            identity = process.identify(pid)
            until = time.monotonic() + PATIENCE
            while process.stat(pid).state != "Z":
                assert time.monotonic() < until
            seen = identity.stat()
            assert seen is not None
            assert seen.threads == 2
            assert not identity.wait(0)
            assert identity.send(0)
            assert identity.send(signal.SIGKILL)
            assert identity.wait(PATIENCE)
            assert identity.stat() is None


class Kernel:
    """One pid, and the processes that have it one after the other.

    The schedule says what comes to pass before each call: an end, or an end and a birth, or more.
    """

    def __init__(self, schedule: list[int]) -> None:
        self.schedule = iter(schedule)
        self.generation = 0
        self.alive = True
        self.hit: list[int] = []

    def pass_time(self) -> None:
        for _ in range(next(self.schedule, 0)):
            self.alive = not self.alive
            self.generation += self.alive

    def pidfd_open(self, _pid: int) -> int:
        self.pass_time()
        if not self.alive:
            raise ProcessLookupError
        return 1000 + self.generation

    def stat(self, _pid: int) -> process.Stat:
        self.pass_time()
        if not self.alive:
            raise FileNotFoundError
        fields = ["0"] * 30
        fields[17:20] = ["1", "0", str(self.generation)]
        return process.Stat(f"7 (daemon) S {' '.join(fields[1:])}".encode())

    def pidfd_send_signal(self, held: int, _number: int) -> None:
        self.pass_time()
        if held != 1000 + self.generation or not self.alive:
            raise ProcessLookupError
        self.hit.append(self.generation)


@given(st.lists(st.integers(0, 3), max_size=8))
def test_a_signal_never_hits_a_later_process_with_the_pid(schedule: list[int]) -> None:
    kernel = Kernel(schedule)
    identity = Identity(7, 0, process.boot())
    with (
        mock.patch.object(os, "pidfd_open", kernel.pidfd_open),
        mock.patch.object(os, "close"),
        mock.patch.object(process, "stat", kernel.stat),
        mock.patch.object(process, "_has_ended", return_value=True),
        mock.patch.object(process, "boot", return_value=identity.boot),
        mock.patch("_signal.pidfd_send_signal", kernel.pidfd_send_signal),
    ):
        sent = identity.send(signal.SIGKILL)
    assert kernel.hit == ([0] if sent else [])
