"""What every sandbox must do, and what every sandbox that isolates must do besides.

One class for all implementations. What runs inside is `sh` and Python, which every root has.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import textwrap
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lsbcheck.sandbox.interface import Backend, Exec, FaultName, Ran, Sandbox, SandboxLost, Watch
from lsbcheck.transcript import Process
from tests.namespace import backends

ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
PATIENCE = 60.0
NOBODY = 65534
QUIET = 0.5


@pytest.fixture(scope="session")
def small_root(tmp_path_factory: pytest.TempPathFactory) -> str:
    return backends.small_root(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module", params=["host", "namespace", "namespace-with-a-root"])
def any_backend(request: pytest.FixtureRequest, small_root: str) -> Generator[Backend]:
    how: str = request.param
    if how == "host":
        made = backends.host()
    else:
        made = backends.namespaces("/" if how == "namespace" else small_root)
    with made as backend:
        yield backend


@pytest.fixture(scope="module", params=["namespace", "namespace-with-a-root"])
def isolating(request: pytest.FixtureRequest, small_root: str) -> Generator[Backend]:
    root = "/" if request.param == "namespace" else small_root
    with backends.namespaces(root) as backend:
        yield backend


@pytest.fixture
def anywhere(any_backend: Backend) -> Generator[Sandbox]:
    with any_backend.create() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(isolating: Backend) -> Generator[Sandbox]:
    with isolating.create() as made:
        yield made


@pytest.fixture
def watched(isolating: Backend) -> Generator[Sandbox]:
    with isolating.create(("exec",)) as made:
        yield made


@pytest.fixture
def guarded(isolating: Backend) -> Generator[Sandbox]:
    with isolating.create(("signals",)) as made:
        yield made


def sh(sandbox: Sandbox, text: str, *arguments: str, deadline: float = PATIENCE) -> Ran:
    return sandbox.run(("sh", "-c", text, "sh", *arguments), env=ENV, deadline=deadline)


def python(sandbox: Sandbox, text: str, *arguments: str, uid: int = 0) -> str:
    """What a program prints; it must end well."""
    command = ("/usr/bin/python3", "-IS", "-c", textwrap.dedent(text), *arguments)
    ran = sandbox.run(command, env=ENV, deadline=PATIENCE, uid=uid)
    assert (ran.code, ran.stderr) == (0, ""), ran
    return ran.stdout.strip()


def daemon(sandbox: Sandbox, *argv: str) -> int:
    """A process that stays; its pid inside."""
    ran = sh(sandbox, 'setsid "$@" >/dev/null 2>&1 & echo $!', *argv)
    pid = int(ran.stdout)
    wait_until(lambda: (found := find(sandbox, pid)) is not None and found.argv == argv)
    return pid


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        threading.Event().wait(0.01)


def find(sandbox: Sandbox, pid: int) -> Process | None:
    return next((one for one in sandbox.processes() if one.pid == pid), None)


@contextmanager
def busy_machine() -> Generator[None]:
    """Two hogs for every processor."""
    hogs = [
        subprocess.Popen(["sh", "-c", "while :; do :; done"])
        for _ in range(2 * (os.cpu_count() or 1))
    ]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


class TestRun:
    def test_hands_over_every_argument_unchanged(self, anywhere: Sandbox) -> None:
        odd = ["", "a b", "日本", "x\ny", "$(id)", "'\"", "-n"]
        said = anywhere.run(("printf", "[%s]", *odd), env=ENV, deadline=PATIENCE)
        assert said.stdout == "".join(f"[{each}]" for each in odd)
        assert said.argv == ("printf", "[%s]", *odd)

    def test_hands_over_exactly_this_environment(self, anywhere: Sandbox) -> None:
        env = {"PATH": "/usr/bin:/bin", "A": "b c", "EMPTY": "", "日": "本"}
        said = anywhere.run(("env",), env=env, deadline=PATIENCE).stdout
        assert dict(line.split("=", 1) for line in said.splitlines()) == env
        assert anywhere.run(("/usr/bin/env",), env={}, deadline=PATIENCE).stdout == ""

    def test_starts_in_the_root_with_empty_input_and_no_terminal(self, anywhere: Sandbox) -> None:
        assert (
            sh(anywhere, "pwd; cat; (: </dev/tty) 2>/dev/null || echo none").stdout == "/\nnone\n"
        )

    def test_leaves_no_descriptor_open_and_no_signal_ignored_or_blocked(
        self, anywhere: Sandbox
    ) -> None:
        said = python(
            anywhere,
            """
            import os
            print(sorted(int(each) for each in os.listdir("/proc/self/fd"))[:-1])
            """,
        )
        assert said == "[0, 1, 2]"
        states = sh(anywhere, "while read -r k v; do case $k in Sig[BI]*) echo $v; esac; done"
                    " </proc/self/status").stdout.split()  # fmt: skip
        assert {int(each, 16) for each in states} == {0}

    @pytest.mark.parametrize("code", [0, 1, 3, 126, 127, 255])
    def test_tells_the_exit_code(self, anywhere: Sandbox, code: int) -> None:
        ran = sh(anywhere, f"exit {code}")
        assert (ran.code, ran.signal, ran.timed_out) == (code, None, False)

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
    def test_tells_the_signal(self, anywhere: Sandbox, number: signal.Signals) -> None:
        ran = sh(anywhere, "kill -$1 $$", str(int(number)))
        assert (ran.code, ran.signal, ran.timed_out) == (None, number, False)

    def test_of_a_missing_program_is_127(self, anywhere: Sandbox) -> None:
        ran = anywhere.run(("/no/such/program",), env=ENV, deadline=PATIENCE)
        assert (ran.code, ran.stderr) == (127, "/no/such/program: No such file or directory\n")

    @pytest.mark.parametrize("what", ["/etc/passwd", "/etc"])
    def test_of_what_cannot_be_executed_is_126(self, anywhere: Sandbox, what: str) -> None:
        assert anywhere.run((what,), env=ENV, deadline=PATIENCE).code == 126

    def test_becomes_another_user(self, anywhere: Sandbox) -> None:
        ran = anywhere.run(("id",), env=ENV, deadline=PATIENCE, uid=NOBODY)
        assert ran.stdout.startswith(f"uid={NOBODY}")
        assert "(root)" not in ran.stdout

    def test_takes_as_long_as_it_says(self, anywhere: Sandbox) -> None:
        began = time.monotonic()
        ran = sh(anywhere, "sleep 0.3")
        assert 0.3 <= ran.seconds <= time.monotonic() - began


class TestDeadline:
    def test_ends_the_whole_process_group(self, anywhere: Sandbox) -> None:
        ran = sh(anywhere, "sleep 600 & sleep 600 & wait", deadline=0.5)
        assert ran.timed_out
        assert 0.5 <= ran.seconds < PATIENCE
        wait_until(lambda: not anywhere.processes())

    def test_ends_what_ignores_signals_or_stands_still(self, anywhere: Sandbox) -> None:
        assert sh(
            anywhere, "trap '' TERM INT HUP; while :; do sleep 9; done", deadline=0.3
        ).timed_out
        assert sh(anywhere, "kill -STOP $$", deadline=0.3).timed_out

    @pytest.mark.parametrize("deadline", [0.0, 1e-9, 0.001])
    def test_may_be_over_at_once(self, anywhere: Sandbox, deadline: float) -> None:
        ran = sh(anywhere, "sleep 600", deadline=deadline)
        assert ran.timed_out
        assert ran.seconds < PATIENCE

    def test_keeps_what_was_said(self, anywhere: Sandbox) -> None:
        ran = sh(anywhere, "echo out; echo err >&2; sleep 600", deadline=1)
        assert (ran.stdout, ran.stderr) == ("out\n", "err\n")

    def test_leaves_daemons_alone(self, anywhere: Sandbox) -> None:
        ran = sh(anywhere, "setsid sleep 600 & sleep 500", deadline=0.5)
        assert ran.timed_out
        # what was killed beside the command's first process may take a moment to go
        wait_until(lambda: ("sleep", "500") not in _commands(anywhere))
        assert _commands(anywhere) == [("sleep", "600")]


def _commands(sandbox: Sandbox) -> list[tuple[str, ...]]:
    return [one.argv for one in sandbox.processes()]


class TestOutput:
    def test_is_kept_apart(self, anywhere: Sandbox) -> None:
        ran = sh(anywhere, "echo out; echo err >&2")
        assert (ran.stdout, ran.stderr) == ("out\n", "err\n")

    def test_of_a_flood_is_its_last_64_kib(self, anywhere: Sandbox) -> None:
        ran = sh(anywhere, "head -c 6000000 /dev/zero; echo end; head -c 70000 /dev/zero >&2")
        assert (ran.code, len(ran.stdout), len(ran.stderr)) == (0, 65536, 65536)
        assert ran.stdout.endswith("\0end\n")

    def test_of_an_endless_flood_does_not_hold_up_the_deadline(self, anywhere: Sandbox) -> None:
        ran = sh(anywhere, "yes & yes >&2", deadline=1)
        assert ran.timed_out
        assert ran.seconds < PATIENCE / 2

    def test_may_hold_bytes_that_are_no_text(self, anywhere: Sandbox) -> None:
        assert sh(anywhere, r"printf 'a\377\000b\360\237'").stdout == "a\ufffd\0b\ufffd"

    def test_of_a_daemon_that_keeps_the_pipe_is_not_waited_for(self, anywhere: Sandbox) -> None:
        ran = sh(anywhere, "setsid sleep 600 & setsid yes & echo up")
        assert ran.code == 0
        assert ran.seconds < PATIENCE / 2
        assert sh(anywhere, "echo next").stdout == "next\n"


class TestProcesses:
    def test_are_none_at_first(self, anywhere: Sandbox) -> None:
        assert anywhere.processes() == []

    def test_are_described(self, anywhere: Sandbox) -> None:
        pid = daemon(anywhere, "sleep", "600")
        found = find(anywhere, pid)
        assert found is not None
        boot = float(sh(anywhere, "cat /proc/uptime").stdout.split()[0])
        age = boot - found.start / os.sysconf("SC_CLK_TCK")
        assert 0 <= age < PATIENCE
        assert (found.uid, found.comm, found.argv) == (0, "sleep", ("sleep", "600"))
        assert found.state in "RSD"
        assert found.exe == sh(anywhere, "readlink -f $(command -v sleep)").stdout.strip()
        assert found.ppid == 1

    def test_keep_their_identity(self, anywhere: Sandbox) -> None:
        pid = daemon(anywhere, "sleep", "600")
        first, second = find(anywhere, pid), find(anywhere, pid)
        assert first is not None
        assert second is not None
        assert first.identity == second.identity

    def test_that_are_zombies_are_left_out(self, anywhere: Sandbox) -> None:
        program = "import os, time\nif os.fork(): time.sleep(600)"
        pid = daemon(anywhere, "/usr/bin/python3", "-IS", "-c", program)
        # Its child is there before it has ended.
        zombie = re.compile(rf"^State:\tZ.*\n(?:(?!Name:).*\n)*?PPid:\t{pid}$", re.MULTILINE)
        wait_until(lambda: zombie.search(all_status(anywhere)) is not None)
        assert [one.pid for one in anywhere.processes()] == [pid]

    def test_that_have_ended_are_gone(self, anywhere: Sandbox) -> None:
        sh(anywhere, "sleep 0.1 & true")
        wait_until(lambda: not anywhere.processes())

    def test_can_be_sent_signals(self, anywhere: Sandbox) -> None:
        one, other = daemon(anywhere, "sleep", "600"), daemon(anywhere, "sleep", "600")
        anywhere.send_signal([one], signal.SIGSTOP)
        wait_until(lambda: [each.state for each in anywhere.processes()].count("T") == 1)
        anywhere.send_signal([one, 99999, other], signal.SIGKILL)
        wait_until(lambda: not anywhere.processes())


def all_status(sandbox: Sandbox) -> str:
    return sh(sandbox, "cat /proc/[0-9]*/status 2>/dev/null").stdout


class TestSettle:
    def test_waits_for_a_late_fork(self, anywhere: Sandbox) -> None:
        sh(anywhere, "(sleep 0.3; exec tail -f /dev/null) >/dev/null 2>&1 &")
        assert [one.comm for one in anywhere.settle(QUIET, 8)] == ["tail"]

    def test_waits_for_a_service_that_dies(self, anywhere: Sandbox) -> None:
        sh(anywhere, "setsid sleep 0.3 >/dev/null 2>&1 &")
        assert anywhere.settle(QUIET, 8) == []

    def test_says_the_same_on_a_busy_machine(self, anywhere: Sandbox) -> None:
        with busy_machine():
            self.test_waits_for_a_late_fork(anywhere)
            anywhere.send_signal([one.pid for one in anywhere.processes()], signal.SIGKILL)
            self.test_waits_for_a_service_that_dies(anywhere)

    def test_does_not_wait_for_helpers_that_come_and_go(self, anywhere: Sandbox) -> None:
        program = "while :; do sleep 0.2; done"
        sh(anywhere, f"setsid sh -c '{program}' >/dev/null 2>&1 &")
        began = time.monotonic()
        assert "sh" in {one.comm for one in anywhere.settle(QUIET, 30)}
        assert time.monotonic() - began < 25

    def test_is_not_quiet_while_one_process_follows_the_other(self, anywhere: Sandbox) -> None:
        program = (
            "import os, time\\nfor _ in range(8):\\n time.sleep(0.1)\\n if os.fork(): os._exit(0)"
        )
        text = f"setsid /usr/bin/python3 -IS -c \"$(printf '{program}')\" >/dev/null 2>&1 &"
        sh(anywhere, text)
        assert anywhere.settle(QUIET, 20) == []

    def test_leaves_the_base_out(self, anywhere: Sandbox) -> None:
        daemon(anywhere, "sleep", "600")
        base = [one.identity for one in anywhere.processes()]
        pid = daemon(anywhere, "tail", "-f", "/dev/null")
        assert [one.pid for one in anywhere.settle(0.1, 8, base)] == [pid]

    def test_waits_for_what_is_expected_to_leave(self, anywhere: Sandbox) -> None:
        daemon(anywhere, "sleep", "1.5")
        leaving = [one.identity for one in anywhere.processes()]
        assert anywhere.settle(0.1, 20, (), leaving) == []

    def test_ends_when_that_does_not_leave(self, anywhere: Sandbox) -> None:
        pid = daemon(anywhere, "sleep", "600")
        leaving = [one.identity for one in anywhere.processes()]
        began = time.monotonic()
        assert [one.pid for one in anywhere.settle(0.1, 0.6, (), leaving)] == [pid]
        assert time.monotonic() - began >= 0.6


class TestDestroy:
    def test_ends_everything_and_may_be_repeated(self, any_backend: Backend) -> None:
        sandbox = any_backend.create()
        mark = str(time.monotonic_ns())
        daemon(sandbox, "sleep", f"600.{mark}")
        sandbox.send_signal([one.pid for one in sandbox.processes()], signal.SIGSTOP)
        sandbox.destroy()
        sandbox.destroy()
        assert not host_runs(mark)

    def test_comes_with_the_end_of_the_block(self, any_backend: Backend) -> None:
        mark = str(time.monotonic_ns())
        with any_backend.create() as sandbox:
            daemon(sandbox, "sleep", f"600.{mark}")
            assert host_runs(mark)
        assert not host_runs(mark)

    def test_leaves_nothing_of_it_to_the_next(self, any_backend: Backend) -> None:
        with any_backend.create() as first:
            daemon(first, "sleep", "600")
        with any_backend.create() as second:
            assert second.processes() == []


def host_runs(mark: str) -> bool:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if mark.encode() in (entry / "cmdline").read_bytes():
                    return True
            except OSError:
                continue
    return False


class TestReadFile:
    def test_reads_the_beginning_of_a_file(self, anywhere: Sandbox) -> None:
        assert anywhere.read_file("/etc/passwd", 5) == b"root:"
        assert anywhere.read_file("/etc/passwd").startswith(b"root:")

    def test_a_file_of_the_kernel_is_read_to_its_end(self, anywhere: Sandbox) -> None:
        """It comes in pages: read(2) gives one at most, however much is asked for."""
        several = 3 * resource.getpagesize()
        assert len(anywhere.read_file("/proc/kallsyms", several)) == several

    @pytest.mark.parametrize("path", ["/no/such/file", "/etc", "/dev/null", "/etc/passwd/x"])
    def test_refuses_what_is_no_file(self, anywhere: Sandbox, path: str) -> None:
        with pytest.raises(OSError, match=path):
            anywhere.read_file(path)

    def test_does_not_wait_for_a_fifo(self, anywhere: Sandbox) -> None:
        name = f"/tmp/fifo-{time.monotonic_ns()}"  # noqa: S108
        assert sh(anywhere, "mkfifo $1", name).code == 0
        try:
            with pytest.raises(OSError, match=name):
                anywhere.read_file(name)
        finally:
            sh(anywhere, "exec python3 -IS -c 'import os, sys; os.unlink(sys.argv[1])' $1", name)


class TestWithoutIsolation:
    """What a backend that shares this machine refuses."""

    @pytest.fixture
    def shared(self) -> Generator[Sandbox]:
        with backends.host() as backend, backend.create() as made:
            yield made

    def test_nothing_is_falsified(self, shared: Sandbox) -> None:
        before = Path("/etc/passwd").read_bytes()
        attempts: list[Callable[[], object]] = [
            lambda: shared.put_file("/etc/x", b""),
            lambda: shared.move_file("/etc/passwd", "/etc/x"),
            lambda: shared.remove_file("/etc/passwd"),
            lambda: shared.spawn(["sleep", "1"]),
            lambda: shared.inject("signals-swallowed", []),
        ]
        for attempt in attempts:
            with pytest.raises(PermissionError, match="not isolated"):
                attempt()
        assert Path("/etc/passwd").read_bytes() == before
        assert not Path("/etc/x").exists()

    def test_nothing_is_told_that_would_be_the_machines(self, shared: Sandbox) -> None:
        seen = (shared.listeners(), shared.execs(), shared.signals(), shared.changed_files())
        assert seen == ([], [], [], [])

    def test_only_what_came_later_is_sent_signals(self) -> None:
        with backends.host() as backend, backend.create() as first:
            pid = daemon(first, "sleep", "600")
            with backend.create() as second:
                second.send_signal([pid], signal.SIGKILL)
                assert second.processes() == []
            assert find(first, pid) is not None


class TestListeners:
    def test_are_told_by_protocol_and_address(self, sandbox: Sandbox) -> None:
        assert sandbox.listeners() == []
        program = """
            import socket, time
            kept = []
            def listen(family, kind, address):
                one = socket.socket(family, kind)
                one.bind(address)
                if kind == socket.SOCK_STREAM:
                    one.listen()
                kept.append(one)
            listen(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 8161))
            listen(socket.AF_INET, socket.SOCK_STREAM, ("0.0.0.0", 80))
            listen(socket.AF_INET, socket.SOCK_DGRAM, ("0.0.0.0", 161))
            listen(socket.AF_UNIX, socket.SOCK_STREAM, "/run/x y.sock")
            listen(socket.AF_UNIX, socket.SOCK_STREAM, "\\0abstract")
            if socket.has_ipv6 and __import__("os").path.exists("/proc/net/if_inet6"):
                listen(socket.AF_INET6, socket.SOCK_STREAM, ("::1", 8161))
            client = socket.create_connection(("127.0.0.1", 8161))
            time.sleep(600)
            """
        daemon(sandbox, "/usr/bin/python3", "-IS", "-c", textwrap.dedent(program))
        expected = {
            "tcp 127.0.0.1:8161",
            "tcp 0.0.0.0:80",
            "udp 0.0.0.0:161",
            "unix /run/x y.sock",
            "unix @abstract",
        }
        if Path("/proc/net/if_inet6").exists():
            expected.add("tcp [::1]:8161")
        wait_until(lambda: set(sandbox.listeners()) == expected)


class TestExecWatch:
    def only(self, sandbox: Sandbox, path_end: str) -> Exec:
        found = [each for each in sandbox.execs() if each.path.endswith(path_end)]
        assert len(found) == 1, found
        return found[0]

    def test_sees_a_start_as_it_was_handed_to_the_kernel(self, watched: Sandbox) -> None:
        odd = ["", "a b", "日本", "x\ny"]
        env = {"PATH": "/usr/bin:/bin", "A": "b c"}
        before = time.clock_gettime(time.CLOCK_BOOTTIME)
        watched.run(("true", *odd), env=env, deadline=PATIENCE)
        seen = self.only(watched, "/true")
        assert seen.argv == seen.cmdline == ("true", *odd)
        assert seen.exe == seen.path
        assert dict(each.split("=", 1) for each in seen.environ) == env
        assert before <= seen.at <= time.clock_gettime(time.CLOCK_BOOTTIME)
        assert seen.ppid == 1

    def test_sees_descendants_and_whose_they_are(self, watched: Sandbox) -> None:
        said = sh(watched, "sh -c 'echo $$ $PPID; : ; true'; exit 0").stdout.split()
        shell = [each for each in watched.execs() if each.argv[:2] == ("sh", "-c")]
        assert [str(shell[1].pid), str(shell[1].ppid)] == said
        assert shell[0].pid == shell[1].ppid

    def test_sees_a_daemon_under_the_pid_that_it_keeps(self, watched: Sandbox) -> None:
        pid = daemon(watched, "sleep", "600")
        seen = self.only(watched, "/sleep")
        found = find(watched, pid)
        assert found is not None
        assert (seen.pid, seen.exe, seen.cmdline) == (pid, found.exe, found.argv)
        assert seen.at + 1 > found.start / os.sysconf("SC_CLK_TCK")

    def test_knows_the_command_line_behind_a_chain_of_interpreters(self, watched: Sandbox) -> None:
        inner = "#!/usr/bin/python3 -IS\nprint(open('/proc/self/cmdline').read(), end='')\n"
        watched.put_file("/usr/local/bin/inner", inner.encode(), 0o755)
        watched.put_file("/usr/local/bin/outer", b"#! /usr/local/bin/inner  -x y \n", 0o755)
        ran = sh(watched, "exec /usr/local/bin/outer a 'b c'")
        seen = self.only(watched, "/outer")
        assert seen.path == "/usr/local/bin/outer"
        assert seen.argv == ("/usr/local/bin/outer", "a", "b c")
        assert list(seen.cmdline) == ran.stdout.split("\0")[:-1]
        assert seen.exe == os.path.realpath("/usr/bin/python3")

    @pytest.mark.parametrize(
        "how",
        [
            "os.posix_spawn('/bin/true', ['true', 'mark'], {})",
            "subprocess.run(['true', 'mark'], executable='/bin/true')",  # vfork
            "os.execve(os.open('/bin/true', os.O_RDONLY), ['true', 'mark'], {})",  # fexecve
            "execveat(os.open('/bin', os.O_RDONLY), b'true', 0)",
            "execveat(-100, b'/bin/true', 0)",
            "execveat(os.open('/bin/true', os.O_PATH), b'', 0x1000)",
            "(os.chdir('/usr'), os.execv('bin/true', ['true', 'mark']))",
            "(os.symlink('/bin/true', '/tmp/link'), os.execv('/tmp/link', ['true', 'mark']))",
        ],
        ids=[
            "posix_spawn", "vfork", "fexecve", "execveat in a folder", "execveat absolute",
            "execveat of a descriptor", "relative", "by a link",
        ],
    )  # fmt: skip
    def test_sees_every_way_to_start_a_program(self, watched: Sandbox, how: str) -> None:
        program = f"""
            import ctypes, os, subprocess
            def execveat(folder, path, flags):
                array = (ctypes.c_char_p * 3)(b"true", b"mark", None)
                number = {{"x86_64": 322, "aarch64": 281}}[os.uname().machine]
                nothing = (ctypes.c_char_p * 1)()
                ctypes.CDLL(None).syscall(number, folder, path, array, nothing, flags)
                raise SystemExit(1)
            {how}
            """
        python(watched, program)
        seen = [each for each in watched.execs() if each.argv == ("true", "mark")]
        assert [each.path for each in seen] == [os.path.realpath("/bin/true")]

    def test_names_the_process_when_a_thread_becomes_the_program(self, watched: Sandbox) -> None:
        program = """
            import os, threading
            threading.Thread(target=os.execv, args=("/bin/sh", ["sh", "-c", "echo $$"])).start()
            """
        pid = int(python(watched, program))
        seen = [each for each in watched.execs() if each.argv == ("sh", "-c", "echo $$")]
        assert [each.pid for each in seen] == [pid]

    def test_is_not_in_the_way_of_long_arguments(self, watched: Sandbox) -> None:
        long = ["x" * 100_000, "y" * 100_000, "z" * 100_000]
        ran = watched.run(
            ("python3", "-IS", "-c", "import sys; print(*map(len, sys.argv[1:]))", *long),
            env=ENV,
            deadline=PATIENCE,
        )
        assert ran.stdout == "100000 100000 100000\n"
        seen = [each for each in watched.execs() if each.argv[:2] == ("python3", "-IS")]
        assert seen[0].argv[4] == long[0]

    def test_leaves_out_what_was_not_executed(self, watched: Sandbox) -> None:
        watched.put_file("/usr/local/bin/data", b"#!/bin/sh\n", 0o644)
        ran = sh(watched, "no-such-program; /usr/local/bin/data; /etc; true")
        assert ran.code == 0
        assert {each.path.rpartition("/")[2] for each in watched.execs()} <= {
            os.path.realpath("/bin/sh").rpartition("/")[2],
            "true",
        }

    @pytest.mark.parametrize(
        "watch", [(), ("exec",), ("exec", "signals")], ids=["none", "one", "both"]
    )
    def test_does_not_take_setuid_and_file_capabilities_away(
        self, isolating: Backend, watch: tuple[Watch, ...]
    ) -> None:
        with isolating.create(watch) as sandbox:
            program = """
                import os, shutil, struct
                shutil.copy("/usr/bin/id", "/usr/local/bin/setuid")
                os.chmod("/usr/local/bin/setuid", 0o4755)
                shutil.copy("/usr/bin/cat", "/usr/local/bin/capable")
                os.chmod("/usr/local/bin/capable", 0o755)
                value = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)  # NET_BIND_SERVICE
                os.setxattr("/usr/local/bin/capable", "security.capability", value)
                """
            python(sandbox, program)
            argv = ("/usr/local/bin/setuid", "-u")
            assert sandbox.run(argv, env=ENV, uid=NOBODY, deadline=PATIENCE).stdout == "0\n"
            status = sandbox.run(
                ("/usr/local/bin/capable", "/proc/self/status"),
                env=ENV,
                uid=NOBODY,
                deadline=PATIENCE,
            ).stdout
            assert "CapEff:\t0000000000000400\n" in status
            assert "NoNewPrivs:\t0\n" in status


CALLS = """
    import ctypes, os, signal, struct, sys
    how, pid, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    libc = ctypes.CDLL(None, use_errno=True)
    x86 = os.uname().machine == "x86_64"
    def call(for_x86, for_arm, *arguments):
        if libc.syscall(for_x86 if x86 else for_arm, *arguments) < 0:
            raise OSError(ctypes.get_errno(), "")
    info = struct.pack("=iii", number, 0, -1).ljust(128, b"\\0")
    try:
        if how == "kill": os.kill(pid, number)
        elif how == "group": os.kill(-os.getpgid(pid), number)
        elif how == "everybody": os.kill(-1, number)
        elif how == "tkill": call(200, 130, pid, number)
        elif how == "tgkill": call(234, 131, pid, pid, number)
        elif how == "pidfd": signal.pidfd_send_signal(os.pidfd_open(pid), number)
        elif how == "sigqueue": call(129, 138, pid, number, info)
        elif how == "tgsigqueue": call(297, 240, pid, pid, number, info)
        else: raise SystemExit(3)
    except OSError as failure: print(failure.errno)
    else: print(0)
    """
WAYS = ("kill", "group", "everybody", "tkill", "tgkill", "pidfd", "sigqueue", "tgsigqueue")


@pytest.mark.parametrize("way", WAYS)
class TestSignalsOf:
    """A script that sends signals in any way there is."""

    def send(self, sandbox: Sandbox, way: str, pid: int, number: int) -> int:
        return int(python(sandbox, CALLS, way, str(pid), str(number)))

    @pytest.mark.parametrize(
        ("fault", "answer"), [("signals-swallowed", 0), ("signals-refused", 1)]
    )
    def test_do_nothing_to_the_service(
        self, guarded: Sandbox, way: str, fault: FaultName, answer: int
    ) -> None:
        pid = daemon(guarded, "sleep", "600")
        guarded.inject(fault, [pid])
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP):
            assert self.send(guarded, way, pid, number) == answer
        found = find(guarded, pid)
        assert found is not None
        assert found.state == "S"
        seen = guarded.signals()
        assert [each.signal for each in seen] == [15, 9, 19]
        assert {each.swallowed for each in seen} == {answer == 0}
        expected = {"group": -pid, "everybody": -1}.get(way, pid)
        assert {each.target for each in seen} == {expected}
        guarded.send_signal([pid], signal.SIGKILL)  # ours pass
        wait_until(lambda: find(guarded, pid) is None)

    def test_with_number_0_tell_the_truth(self, guarded: Sandbox, way: str) -> None:
        pid = daemon(guarded, "sleep", "600")
        guarded.inject("signals-refused", [pid])
        assert self.send(guarded, way, pid, 0) == 0
        assert guarded.signals() == []

    def test_act_on_what_is_not_the_services(self, guarded: Sandbox, way: str) -> None:
        service, other = daemon(guarded, "sleep", "600"), daemon(guarded, "tail", "-f", "/dev/null")
        guarded.inject("signals-swallowed", [service])
        if way != "everybody":
            assert self.send(guarded, way, other, signal.SIGKILL) == 0
            wait_until(lambda: find(guarded, other) is None)
            assert guarded.signals() == []

    def test_act_before_a_fault_is_injected(self, guarded: Sandbox, way: str) -> None:
        if way == "everybody":
            return  # it would hit the sender, too
        pid = daemon(guarded, "sleep", "600")
        assert self.send(guarded, way, pid, signal.SIGTERM) == 0
        wait_until(lambda: find(guarded, pid) is None)


class TestSignals:
    def test_among_the_services_own_processes_pass(self, guarded: Sandbox) -> None:
        program = """
            import os, time
            worker = os.fork()
            if not worker: time.sleep(600)
            while not os.path.exists("/run/go"): time.sleep(0.02)
            os.kill(worker, 15)
            os.waitpid(worker, 0)
            open("/run/done", "w").close()
            time.sleep(600)
            """
        daemon(guarded, "/usr/bin/python3", "-IS", "-c", textwrap.dedent(program))
        wait_until(lambda: len(guarded.processes()) == 2)
        guarded.inject("signals-swallowed", [one.pid for one in guarded.processes()])
        guarded.put_file("/run/go", b"")
        wait_until(lambda: sh(guarded, "ls /run/done").code == 0)
        assert guarded.signals() == []

    def test_reach_no_child_that_the_service_has_got_meanwhile(self, guarded: Sandbox) -> None:
        program = "while :; do sleep 600 & echo $! >/run/child; wait; done"
        pid = int(sh(guarded, f"setsid sh -c '{program}' >/dev/null 2>&1 & echo $!").stdout)
        wait_until(lambda: sh(guarded, "cat /run/child").stdout.strip() != "")
        guarded.inject("signals-refused", [pid])
        child = int(sh(guarded, "cat /run/child").stdout)
        assert sh(guarded, "kill -9 $1", str(child)).code != 0
        assert find(guarded, child) is not None

    def test_to_nobody_fail_as_ever(self, guarded: Sandbox) -> None:
        pid = daemon(guarded, "sleep", "600")
        guarded.inject("signals-swallowed", [pid])
        assert python(guarded, CALLS, "kill", "99999", "15") == "3"  # ESRCH
        program = """
            import os, signal
            child = os.fork()
            if not child: os._exit(0)
            one = os.pidfd_open(child)
            os.waitpid(child, 0)
            try: signal.pidfd_send_signal(one, 15)
            except ProcessLookupError: print("gone")
            """
        assert python(guarded, program) == "gone"
        assert guarded.signals() == []


class TestFiles:
    def test_are_put_with_parents_and_mode(self, sandbox: Sandbox) -> None:
        sandbox.put_file("/opt/a/b/program", b"#!/bin/sh\necho here\n", 0o755)
        assert sh(sandbox, "/opt/a/b/program").stdout == "here\n"
        assert sandbox.read_file("/opt/a/b/program", 9) == b"#!/bin/sh"
        assert not Path("/opt/a").exists()

    def test_are_replaced_without_hurting_who_runs_them(self, sandbox: Sandbox) -> None:
        sandbox.put_file("/usr/local/bin/d", sandbox.read_file("/usr/bin/sleep", 1 << 22), 0o755)
        pid = daemon(sandbox, "/usr/local/bin/d", "600")
        sandbox.put_file("/usr/local/bin/d", b"#!/bin/sh\necho new\n", 0o755)
        assert sh(sandbox, "/usr/local/bin/d").stdout == "new\n"
        assert find(sandbox, pid) is not None

    def test_replace_a_link_and_not_what_it_names(self, sandbox: Sandbox) -> None:
        sh(sandbox, 'cd /etc; python3 -IS -c \'import os; os.symlink("passwd", "link")\'')
        sandbox.put_file("/etc/link", b"new")
        assert sandbox.read_file("/etc/link") == b"new"
        assert sandbox.read_file("/etc/passwd").startswith(b"root")

    @pytest.mark.parametrize("to", ["/usr/local/bin/moved", "/run/deep/moved", "/var/run/moved"])
    def test_are_moved_with_mode_owner_and_capabilities(self, sandbox: Sandbox, to: str) -> None:
        program = """
            import os, struct
            open("/opt.file", "w").write("content")
            os.chown("/opt.file", 3, 4)
            os.chmod("/opt.file", 0o6751)
            value = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
            os.setxattr("/opt.file", "security.capability", value)
            """
        python(sandbox, program)
        sandbox.move_file("/opt.file", to)
        program = """
            import os, sys
            now = os.stat(sys.argv[1])
            print(now.st_uid, now.st_gid, oct(now.st_mode),
                  len(os.getxattr(sys.argv[1], "security.capability")),
                  open(sys.argv[1]).read(), os.path.exists("/opt.file"))
            """
        assert python(sandbox, program, to) == "3 4 0o106751 20 content False"

    def test_are_removed(self, sandbox: Sandbox) -> None:
        before = Path("/etc/passwd").read_bytes()
        sandbox.remove_file("/etc/passwd")
        with pytest.raises(FileNotFoundError, match="/etc/passwd"):
            sandbox.read_file("/etc/passwd")
        assert Path("/etc/passwd").read_bytes() == before

    @pytest.mark.parametrize("place", ["/proc/x", "/sys/x", "/proc/sys/x", "/etc/passwd/x"])
    def test_are_not_put_where_nothing_can_be_written(self, sandbox: Sandbox, place: str) -> None:
        with pytest.raises(OSError, match=r"\[Errno"):
            sandbox.put_file(place, b"")
        with pytest.raises(OSError, match=r"\[Errno"):
            sandbox.move_file("/etc/passwd", place)
        assert sandbox.read_file("/etc/passwd").startswith(b"root")

    def test_that_are_missing_are_an_error(self, sandbox: Sandbox) -> None:
        with pytest.raises(FileNotFoundError):
            sandbox.remove_file("/no/such")
        with pytest.raises(FileNotFoundError):
            sandbox.move_file("/no/such", "/run/x")

    def test_may_be_large(self, sandbox: Sandbox) -> None:
        content = os.urandom(5 << 20)
        sandbox.put_file("/opt/large", content)
        assert sandbox.read_file("/opt/large", 6 << 20) == content


class TestChangedFiles:
    def test_are_none_at_first(self, sandbox: Sandbox) -> None:
        assert sandbox.changed_files() == []

    def test_are_told_wherever_they_lie(self, sandbox: Sandbox) -> None:
        program = """
            import os
            for path in ("/etc/new", "/run/a.pid", "/tmp/file", "/var/tmp/file", "/etc/passwd"):
                open(path, "a").write("x")
            os.mkdir("/opt.new"); open("/opt.new/file", "w")
            os.symlink("/etc", "/etc/link-to-a-folder")
            os.mkfifo("/run/fifo")
            open("/dev/shm/file", "w")
            """
        python(sandbox, program)
        expected = "/etc/new /run/a.pid /tmp/file /var/tmp/file /etc/passwd /opt.new/file /run/fifo"
        expected += " /etc/link-to-a-folder"
        assert sandbox.changed_files() == sorted(expected.split())

    def test_are_not_a_folders_that_is_only_shown(self, isolating: Backend, tmp_path: Path) -> None:
        (tmp_path / "old").touch()
        with isolating.create(visible=[str(tmp_path)]) as sandbox:
            sandbox.put_file(f"{tmp_path}/new", b"")
            assert sandbox.changed_files() == [f"{tmp_path}/new"]


class TestRemovedFiles:
    """Only a layer of its own for what is written knows of these."""

    def test_count_as_changed(self, sandbox: Sandbox) -> None:
        python(sandbox, "import os; os.unlink('/usr/bin/head')")
        assert sandbox.changed_files() == [os.path.realpath("/usr/bin/head")]


class TestVisibleFolders:
    def test_are_seen_at_their_own_path_copy_on_write(
        self, isolating: Backend, tmp_path: Path
    ) -> None:
        folder = tmp_path / "a folder, 日本: x"
        folder.mkdir()
        (folder / "script").write_text("#!/bin/sh\necho $0\n")
        (folder / "script").chmod(0o755)
        with isolating.create(visible=[str(folder)]) as sandbox:
            ran = sandbox.run((f"{folder}/script",), env=ENV, deadline=PATIENCE)
            assert ran.stdout == f"{folder}/script\n"
            sandbox.put_file(f"{folder}/new", b"")
            sandbox.remove_file(f"{folder}/script")
        assert sorted(os.listdir(folder)) == ["script"]

    def test_are_the_only_ones_below_tmp_and_run(self, isolating: Backend, tmp_path: Path) -> None:
        shown, hidden = tmp_path / "shown", tmp_path / "hidden"
        for folder in (shown, hidden):
            folder.mkdir()
        with isolating.create(visible=[str(shown)]) as sandbox:
            assert sh(sandbox, "ls $1", str(tmp_path)).stdout == "shown\n"


class TestFreshness:
    def test_nothing_of_one_sandbox_is_in_the_next(self, isolating: Backend) -> None:
        for _ in range(2):
            with isolating.create() as sandbox:
                assert sh(sandbox, "echo x >>/etc/mark; cat /etc/mark").stdout == "x\n"
                assert sh(sandbox, "echo x >>/run/mark; cat /run/mark").stdout == "x\n"
                daemon(sandbox, "sleep", "600")
        assert not Path("/etc/mark").exists()

    def test_two_at_a_time_do_not_see_each_other(self, isolating: Backend) -> None:
        with isolating.create() as one, isolating.create() as other:
            one.put_file("/etc/mark", b"one")
            daemon(one, "sleep", "600")
            assert other.processes() == []
            with pytest.raises(FileNotFoundError):
                other.read_file("/etc/mark")

    def test_many_are_made_and_used_from_threads(self, isolating: Backend) -> None:
        said: dict[int, str] = {}

        def use(number: int) -> None:
            for _ in range(3):
                with isolating.create(("exec",)) as sandbox:
                    sandbox.put_file("/etc/mark", str(number).encode())
                    said[number] = sh(sandbox, "cat /etc/mark").stdout

        threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert said == {number: str(number) for number in range(8)}

    def test_another_root_is_what_is_seen(self, small_root: str) -> None:
        with backends.namespaces(small_root) as backend, backend.create() as sandbox:
            assert sh(sandbox, "ls /etc").stdout.split() == ["only-in-this-root", "passwd"]


class TestAfterItsEnd:
    def test_every_question_says_that_it_is_lost(self, isolating: Backend) -> None:
        sandbox = isolating.create()
        sandbox.destroy()
        questions: list[Callable[[], object]] = [
            lambda: sandbox.run(("true",), env={}, deadline=1),
            sandbox.processes,
            lambda: sandbox.settle(0.1, 1),
            sandbox.listeners,
            sandbox.execs,
            sandbox.signals,
            sandbox.changed_files,
            lambda: sandbox.read_file("/etc/passwd"),
            lambda: sandbox.put_file("/etc/x", b""),
            lambda: sandbox.move_file("/etc/passwd", "/x"),
            lambda: sandbox.remove_file("/etc/passwd"),
            lambda: sandbox.spawn(("true",)),
            lambda: sandbox.send_signal([2], 9),
            lambda: sandbox.inject("signals-refused", [2]),
        ]
        for ask in questions:
            with pytest.raises(SandboxLost):
                ask()

    def test_a_sandbox_whose_first_process_is_killed_is_lost(self, isolating: Backend) -> None:
        sandbox = isolating.create()
        mark = f"600.{time.monotonic_ns()}"
        daemon(sandbox, "sleep", mark)
        init = next(
            parent_of(int(entry.name))
            for entry in Path("/proc").iterdir()
            if entry.name.isdecimal() and mark in command_line(int(entry.name))
        )
        os.kill(init, signal.SIGKILL)
        with pytest.raises(SandboxLost):
            sandbox.run(("sleep", "60"), env=ENV, deadline=60)
        sandbox.destroy()

    def test_closing_the_backend_ends_a_call_under_way(self, small_root: str) -> None:
        lost: list[SandboxLost] = []
        with backends.namespaces(small_root) as backend:
            sandbox = backend.create()
            daemon(sandbox, "tail", "-f", "/dev/null")

            def wait_for_it() -> None:
                try:
                    sandbox.run(("sleep", "600"), env=ENV, deadline=600)
                except SandboxLost as end:
                    lost.append(end)

            thread = threading.Thread(target=wait_for_it)
            thread.start()
        thread.join(PATIENCE)
        assert len(lost) == 1
        sandbox.destroy()


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


class TestSpawn:
    def test_starts_a_program_that_stays(self, sandbox: Sandbox) -> None:
        pid = sandbox.spawn(("/usr/bin/sleep", "600"), uid=NOBODY)
        wait_until(lambda: (found := find(sandbox, pid)) is not None and found.comm == "sleep")
        found = find(sandbox, pid)
        assert found is not None
        assert (found.uid, found.argv, found.ppid) == (NOBODY, ("/usr/bin/sleep", "600"), 1)
        fields = sandbox.read_file(f"/proc/{pid}/stat").decode().rpartition(")")[2].split()
        assert fields[2:4] == [str(pid), str(pid)]  # its own group and session
        assert sandbox.read_file(f"/proc/{pid}/environ") == b""


def test_names_that_are_no_text_come_and_go_unharmed(small_root: str) -> None:
    with backends.namespaces(small_root) as backend, backend.create(("exec",)) as sandbox:
        name = os.fsdecode(b"/usr/local/bin/\xff\xfe")
        sandbox.put_file(name, b"#!/bin/sh\necho $0 $1 | cat -v\n", 0o755)
        ran = sandbox.run((name, os.fsdecode(b"\x80")), env=ENV, deadline=PATIENCE)
        assert ran.stdout == "/usr/local/bin/M-^?M-~ M-^@\n"
        assert name in [each.path for each in sandbox.execs()]
        assert sandbox.changed_files() == [name]
