"""One command to its end or its deadline: real commands, and nothing of them left."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path

import pytest

from ocfkit.deadline import Deadline
from ocfkit.interrupt import interrupted_at
from ocfkit.linux import proc, process

ENV = {"PATH": "/usr/bin:/bin"}
PATIENCE = 30.0


def sh(text: str, *arguments: str, deadline: float = PATIENCE, tail: int = 65536) -> proc.Ended:
    return proc.run(("sh", "-c", text, "sh", *arguments), env=ENV, deadline=deadline, tail=tail)


def is_gone(pid: int) -> bool:
    """Ended, whether or not its new parent has collected it."""
    try:
        return process.stat(pid).state in "ZX"
    except OSError:
        return True


def children() -> list[int]:
    return [pid for pid in process.pids() if _parent(pid) == os.getpid()]


def _parent(pid: int) -> int:
    try:
        return process.stat(pid).ppid
    except OSError:
        return 0


def wait_until_gone(pid: int) -> None:
    until = time.monotonic() + PATIENCE
    while not is_gone(pid):
        assert time.monotonic() < until, f"{pid} is still there"


@contextlib.contextmanager
def ignoring_and_blocking(*numbers: signal.Signals) -> Generator[None]:
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers[:-1]}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)


def signals(status: str) -> dict[str, int]:
    """Masks in what /proc says of a process."""
    rows = (line.split(":") for line in status.splitlines() if line.startswith("Sig"))
    return {name: int(mask, 16) for name, mask in rows if name != "SigQ"}


class TestHowACommandEnds:
    @pytest.mark.parametrize("code", [0, 1, 3, 126, 127, 255])
    def test_tells_the_exit_code(self, code: int) -> None:
        ended = sh(f"exit {code}")
        assert (ended.code, ended.signal, ended.timed_out) == (code, None, False)

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
    def test_tells_the_signal(self, number: signal.Signals) -> None:
        ended = sh("ulimit -c 0; kill -$1 $$", str(int(number)))
        assert (ended.code, ended.signal, ended.timed_out) == (None, number, False)

    def test_a_missing_program_is_127(self) -> None:
        ended = proc.run(("no-such-program",), env=ENV, deadline=PATIENCE)
        assert ended.code == 127
        assert ended.stderr == "no-such-program: No such file or directory\n"

    @pytest.mark.parametrize("content", ["#!/bin/sh\n", "no program\n"])
    def test_what_cannot_be_executed_is_126(self, tmp_path: Path, content: str) -> None:
        file = tmp_path / "file"
        file.write_text(content)
        file.chmod(0o755 if content.startswith("no") else 0o644)
        assert proc.run((str(file),), env=ENV, deadline=PATIENCE).code == 126

    def test_arguments_that_no_program_can_have_never_make_two_of_us(self, tmp_path: Path) -> None:
        mark = tmp_path / "mark"
        ended = proc.run(("true", "a\0b"), env=ENV, deadline=PATIENCE)
        with mark.open("a") as file:
            file.write(f"{os.getpid()}\n")
        assert mark.read_text() == f"{os.getpid()}\n"
        assert ended.code == 126

    def test_keeps_what_was_called(self) -> None:
        assert proc.run(["true", "日本"], env=ENV, deadline=PATIENCE).argv == ("true", "日本")


class TestDeadline:
    def test_kills_the_whole_group(self, tmp_path: Path) -> None:
        pids = tmp_path / "pids"
        ended = sh("sleep 600 & echo $! $$ >$1; wait", str(pids), deadline=1)
        assert (ended.code, ended.signal, ended.timed_out) == (None, None, True)
        assert 1 <= ended.seconds < PATIENCE
        for pid in pids.read_text().split():
            wait_until_gone(int(pid))

    def test_also_ends_what_refuses_to(self) -> None:
        assert sh("trap '' TERM INT HUP; while :; do sleep 1; done", deadline=0.5).timed_out

    def test_also_ends_what_stands_still(self) -> None:
        assert sh("kill -STOP $$", deadline=0.5).timed_out

    @pytest.mark.parametrize("deadline", [0.0, 1e-9, 0.001])
    def test_may_be_over_before_the_command_begins(self, deadline: float) -> None:
        ended = sh("sleep 600", deadline=deadline)
        assert ended.timed_out
        assert ended.seconds < PATIENCE

    def test_keeps_what_was_said_before(self) -> None:
        ended = sh("echo out; echo err >&2; sleep 600", deadline=1)
        assert (ended.stdout, ended.stderr) == ("out\n", "err\n")


class TestOutput:
    def test_keeps_the_two_apart(self) -> None:
        ended = sh("echo out; echo err >&2")
        assert (ended.stdout, ended.stderr) == ("out\n", "err\n")

    def test_of_a_flood_is_its_end(self) -> None:
        ended = sh("head -c 20000000 /dev/zero | tr '\\0' x; echo end", tail=1000)
        assert ended.code == 0
        assert len(ended.stdout) == 1000
        assert ended.stdout.endswith("xend\n")

    def test_of_an_endless_flood_ends_with_the_deadline(self) -> None:
        ended = sh("exec yes", deadline=1, tail=1000)
        assert ended.timed_out
        assert len(ended.stdout) == 1000

    def test_may_hold_bytes_that_are_no_text(self) -> None:
        assert sh(r"printf 'a\377\000b'").stdout == "a\ufffd\0b"

    def test_of_a_daemon_that_keeps_the_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        file = tmp_path / "pid"
        ended = sh("echo up; setsid sleep 600 & echo $! >$1", str(file))
        daemon = int(file.read_text())
        try:
            assert (ended.code, ended.stdout) == (0, "up\n")
            assert ended.seconds < PATIENCE / 2
            assert not is_gone(daemon)
        finally:
            os.kill(daemon, signal.SIGKILL)

    def test_of_a_daemon_that_floods_the_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        file = tmp_path / "pid"
        ended = sh("setsid yes & echo $! >$1", str(file))
        try:
            assert ended.code == 0
            assert ended.seconds < PATIENCE / 2
        finally:
            with contextlib.suppress(ProcessLookupError):  # the pipe's end has ended it already
                os.kill(int(file.read_text()), signal.SIGKILL)


class TestSurroundings:
    def test_are_exactly_those_given(self) -> None:
        env = {"PATH": "/usr/bin:/bin", "A": "b c", "日": "本"}
        ended = proc.run(("/usr/bin/env",), env=env, deadline=PATIENCE)
        assert dict(line.split("=", 1) for line in ended.stdout.splitlines()) == env

    def test_stdin_is_empty_and_the_folder_is_the_root(self) -> None:
        assert sh("cat; pwd; readlink /proc/self/fd/0").stdout == "/\n/dev/null\n"

    def test_the_folder_may_be_another(self, tmp_path: Path) -> None:
        argv = ("sh", "-c", "pwd -P")
        ended = proc.run(argv, env=ENV, deadline=PATIENCE, folder=str(tmp_path))
        assert ended.stdout == f"{tmp_path.resolve()}\n"

    def test_no_other_descriptor_is_open(self, tmp_path: Path) -> None:
        with (tmp_path / "secret").open("w") as secret:
            os.set_inheritable(secret.fileno(), True)  # noqa: FBT003
            seen = sh("ls /proc/self/fd").stdout.split()
        assert seen == ["0", "1", "2", "3"]  # 3 is the folder that ls reads

    def test_signals_do_what_they_do_by_default(self) -> None:
        # Python ignores SIGPIPE and SIGXFSZ, nohup SIGHUP, and a child would inherit that
        with ignoring_and_blocking(signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD):
            seen = signals(sh("grep Sig /proc/self/status").stdout)
        assert (seen["SigIgn"], seen["SigBlk"]) == (0, 0)

    @pytest.mark.parametrize("size", [1, 100_000, 10_000_000])
    def test_stdin_is_the_text_that_is_given(self, size: int) -> None:
        text = os.urandom(size)
        argv = ("sh", "-c", "readlink /proc/self/fd/0; wc -c; cksum </proc/self/fd/0")
        ended = proc.run(argv, env=ENV, deadline=PATIENCE, stdin=text)
        link, count, *_ = ended.stdout.splitlines()
        assert link == "/memfd:stdin (deleted)"  # never in a file, nor in a pipe that could fill
        assert int(count) == size

    def test_stdin_comes_unchanged(self) -> None:
        ended = proc.run(("cat",), env=ENV, deadline=PATIENCE, stdin="p\u00e4ss\n\0x".encode())
        assert ended.stdout == "p\u00e4ss\n\0x"

    def test_it_leads_a_session_of_its_own(self) -> None:
        pid, _name, _state, _parent, group, session = sh("cat /proc/$$/stat").stdout.split()[:6]
        assert pid == group == session


class TestLeftovers:
    def test_no_descriptor_and_no_zombie_stays(self) -> None:
        before = os.listdir("/proc/self/fd"), children()
        for text, deadline in (("exit 0", PATIENCE), ("sleep 600", 0.1), ("kill -9 $$", PATIENCE)):
            sh(text, deadline=deadline)
        assert (os.listdir("/proc/self/fd"), children()) == before

    def test_it_runs_from_any_thread(self) -> None:
        codes: list[int | None] = []

        def run(text: str) -> None:
            codes.append(sh(text).code)

        threads = [threading.Thread(target=run, args=(f"exit {code}",)) for code in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert sorted(codes, key=str) == [0, 1, 2, 3]

    def test_the_module_loads_nothing_dear(self) -> None:
        root = str(Path(__file__).parents[2])
        text = (
            f"import sys; sys.path.insert(0, {root!r}); before = set(sys.modules); "
            "from ocfkit.linux import proc; print(*sorted(set(sys.modules) - before))"
        )
        ended = proc.run((sys.executable, "-IS", "-c", text), env={}, deadline=PATIENCE)
        loaded = set(ended.stdout.split())
        assert "ocfkit.linux.proc" in loaded
        assert not loaded & {"subprocess", "logging", "dataclasses", "typing", "re", "socket"}


class Daemons:
    """Starts daemons, and kills those that are left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[int] = []

    def start(
        self,
        *argv: str,
        env: Mapping[str, str] = ENV,
        folder: str = "/",
        output: str = "/dev/null",
        pid_variable: str = "",
    ) -> int:
        pid = proc.start(argv, env=env, folder=folder, output=output, pid_variable=pid_variable)
        self.started.append(pid)
        return pid

    def close(self) -> None:
        for pid in self.started:
            os.kill(pid, signal.SIGKILL)  # our child: the pid is nobody else's
            os.waitpid(pid, 0)


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[Daemons]:
    made = Daemons(tmp_path)
    yield made
    made.close()


def descriptors(pid: int) -> dict[str, str]:
    """What a process has open now; what it closes meanwhile is left out."""
    seen: dict[str, str] = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            seen[name] = os.readlink(f"/proc/{pid}/fd/{name}")
    return seen


def wait_for(fact: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not fact():
        assert time.monotonic() < until
        time.sleep(0.01)


class TestADaemon:
    def test_is_past_its_execve_and_leads_a_session(self, daemons: Daemons) -> None:
        pid = daemons.start("sleep", "600")
        seen = process.stat(pid)
        assert process.command_line(pid) == ["sleep", "600"]
        assert (seen.ppid, seen.pgrp, seen.session) == (os.getpid(), pid, pid)

    def test_gets_exactly_the_environment_and_the_folder_given(
        self, daemons: Daemons, tmp_path: Path
    ) -> None:
        pid = daemons.start("sleep", "600", env={**ENV, "A": "b c"}, folder=str(tmp_path))
        assert process.environment(pid) == [b"PATH=/usr/bin:/bin", b"A=b c", b""]
        assert os.readlink(f"/proc/{pid}/cwd") == str(tmp_path)

    def test_may_be_told_its_own_pid_which_what_it_forks_inherits(
        self, daemons: Daemons, tmp_path: Path
    ) -> None:
        output = tmp_path / "output"
        argv = ("sh", "-c", "sleep 600 & echo $!; wait")
        pid = daemons.start(*argv, output=str(output), pid_variable="MAIN")
        wait_for(lambda: output.read_text().endswith("\n"))
        child = int(output.read_text())
        try:
            wait_for(lambda: process.command_line(child) == ["sleep", "600"])
            for each in (pid, child):
                assert f"MAIN={pid}".encode() in process.environment(each)
        finally:
            os.kill(child, signal.SIGKILL)

    def test_has_three_descriptors_and_none_of_ours(self, daemons: Daemons, tmp_path: Path) -> None:
        output = tmp_path / "output"
        with (tmp_path / "secret").open("w") as secret:
            os.set_inheritable(secret.fileno(), True)  # noqa: FBT003
            high = os.dup2(secret.fileno(), 900)
            pid = daemons.start("sleep", "600", output=str(output))
            os.close(high)
        wanted = {"0": "/dev/null", "1": str(output), "2": str(output)}
        wait_for(lambda: descriptors(pid) == wanted)  # its loader opens a library first

    def test_heeds_the_signals_that_we_do_not(self, daemons: Daemons) -> None:
        with ignoring_and_blocking(signal.SIGHUP, signal.SIGTERM):
            pid = daemons.start("sleep", "600")
        seen = signals(Path(f"/proc/{pid}/status").read_text())
        assert (seen["SigIgn"], seen["SigBlk"]) == (0, 0)

    def test_appends_to_its_output(self, daemons: Daemons, tmp_path: Path) -> None:
        output = tmp_path / "output"
        output.write_text("before\n")
        daemons.start("sh", "-c", "echo out; echo err >&2; exec sleep 600", output=str(output))
        wait_for(lambda: output.read_text() == "before\nout\nerr\n")

    def test_makes_a_file_for_its_output_that_not_everybody_reads(
        self, daemons: Daemons, tmp_path: Path
    ) -> None:
        output = tmp_path / "output"
        daemons.start("sleep", "600", output=str(output))
        assert output.stat().st_mode & 0o007 == 0

    def test_blocks_when_it_writes_to_a_pipe_that_is_full(
        self, daemons: Daemons, tmp_path: Path
    ) -> None:
        """A daemon expects that: what it would lose otherwise is its log."""
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        try:
            pid = daemons.start("sleep", "600", output=str(fifo))
            flags = Path(f"/proc/{pid}/fdinfo/1").read_text().split()[3]
            assert not int(flags, 8) & os.O_NONBLOCK
        finally:
            os.close(reader)


class TestADaemonThatCannotBeStarted:
    """Whatever the reason is: nothing of it is left, and the error says what was refused."""

    @pytest.fixture(autouse=True)
    def nothing_is_left(self) -> Iterator[None]:
        before = os.listdir("/proc/self/fd"), children()
        yield
        assert (os.listdir("/proc/self/fd"), children()) == before

    def refused(self, *argv: str, folder: str = "/", output: str = "/dev/null") -> OSError:
        with pytest.raises(OSError, match=r"^\[Errno") as caught:
            proc.start(argv, env=ENV, folder=folder, output=output)
        return caught.value

    def test_for_there_is_no_such_program(self) -> None:
        error = self.refused("/no/such/program")
        assert (error.errno, error.filename) == (errno.ENOENT, "/no/such/program")

    def test_for_it_may_not_be_executed(self, tmp_path: Path) -> None:
        program = tmp_path / "program"
        program.write_text("#!/bin/sh\n")
        error = self.refused(str(program))
        assert (error.errno, error.filename) == (errno.EACCES, str(program))

    def test_for_it_is_no_program(self, tmp_path: Path) -> None:
        program = tmp_path / "program"
        program.write_text("no program\n")
        program.chmod(0o755)
        assert self.refused(str(program)).errno == errno.ENOEXEC

    def test_for_the_interpreter_of_the_script_is_missing(self, tmp_path: Path) -> None:
        program = tmp_path / "program"
        program.write_text("#!/no/such/interpreter\n")
        program.chmod(0o755)
        assert self.refused(str(program)).errno == errno.ENOENT

    @pytest.mark.parametrize("argument", ["a\0b", "\ud800"])
    def test_for_no_program_can_have_such_an_argument(self, argument: str) -> None:
        assert self.refused("/bin/true", argument).errno == errno.EINVAL

    def test_for_its_folder_is_missing(self, tmp_path: Path) -> None:
        folder = str(tmp_path / "missing")
        error = self.refused("/bin/true", folder=folder)
        assert (error.errno, error.filename) == (errno.ENOENT, folder)

    def test_for_the_folder_of_its_output_is_missing(self, tmp_path: Path) -> None:
        output = str(tmp_path / "missing/output")
        error = self.refused("/bin/true", output=output)
        assert (error.errno, error.filename) == (errno.ENOENT, output)

    @pytest.mark.parametrize("target", ["/etc/passwd", "elsewhere"])
    def test_for_its_output_is_a_link(self, tmp_path: Path, target: str) -> None:
        """Whoever owns the folder would have us write where he may not."""
        output = tmp_path / "output"
        output.symlink_to(target)
        error = self.refused("/bin/true", output=str(output))
        assert (error.errno, error.filename) == (errno.ELOOP, str(output))
        assert not (tmp_path / "elsewhere").exists()

    def test_for_its_output_is_a_pipe_that_nobody_reads(self, tmp_path: Path) -> None:
        output = tmp_path / "output"
        os.mkfifo(output)
        with interrupted_at(Deadline.after(PATIENCE), "it waits for a reader"):
            error = self.refused("/bin/true", output=str(output))
        assert (error.errno, error.filename) == (errno.ENXIO, str(output))

    def test_for_its_output_is_a_folder(self, tmp_path: Path) -> None:
        error = self.refused("/bin/true", output=str(tmp_path))
        assert (error.errno, error.filename) == (errno.EISDIR, str(tmp_path))

    def test_for_the_memory_of_arguments_is_limited(self) -> None:
        assert self.refused("/bin/true", "x" * 200_000).errno == errno.E2BIG
