"""One command to its end or its deadline: real commands, and nothing of them left."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

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

    def test_no_other_descriptor_is_open(self, tmp_path: Path) -> None:
        with (tmp_path / "secret").open("w") as secret:
            os.set_inheritable(secret.fileno(), True)  # noqa: FBT003
            seen = sh("ls /proc/self/fd").stdout.split()
        assert seen == ["0", "1", "2", "3"]  # 3 is the folder that ls reads

    def test_signals_do_what_they_do_by_default(self) -> None:
        # Python ignores SIGPIPE and SIGXFSZ, and a child would inherit that
        seen = sh("grep SigIgn /proc/self/status").stdout.split()
        assert int(seen[1], 16) & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1) == 0

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
