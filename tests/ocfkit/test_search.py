"""Which process is it: what tells one from a stranger, and when nobody can say."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocfkit import search
from ocfkit.errors import ActionError
from ocfkit.linux import process
from ocfkit.linux.process import Identity
from ocfkit.monitors.process import pid_in
from ocfkit.search import Wanted, find_all
from tests.ocfkit.daemons import (
    LISTEN,
    by_hand,
    free_port,
    kill,
    listener,
    listening,
    native,
    python,
    script,
    wait_for,
)

OURS = f"test-{os.getpid()}/one"
"""A mark that no process of another run on this machine has."""

OTHER = f"test-{os.getpid()}/two"


@pytest.fixture
def napper(tmp_path: Path) -> str:
    return native(tmp_path)


def wanted(program: str = "/no/such/daemon", *words: str, mark: str = OURS) -> Wanted:
    return Wanted(mark, [program, *words])


def main_of(asked: Wanted) -> int | None:
    main = find_all(asked).main
    return None if main is None else main.pid


def others_of(asked: Wanted) -> list[int]:
    return [each.pid for each in find_all(asked).others]


@contextmanager
def marked(*argv: str, mark: str = OURS, main: int = 0) -> Generator[int]:
    """A process with a mark in its environment, which tells the pid of the main process too."""
    env = {"PATH": "/bin:/usr/bin", search.MARK: mark}
    if main:
        env[search.MAIN] = str(main)
    with subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL) as child:
        try:
            wait_for(lambda: process.command_line(child.pid)[-1:] == [argv[-1]], child.pid)
            yield child.pid
        finally:
            child.kill()


class TestAPidFile:
    @given(st.binary(max_size=64))
    def test_holds_a_number_or_nothing_whatever_its_bytes_are(self, text: bytes) -> None:
        pid = pid_in(text)
        assert pid >= 0
        assert not pid or str(pid).encode() in text

    @given(st.integers(1, 1 << 22), st.sampled_from(["", "\n", "\nmore\n", " \n", "\r\n", "\t"]))
    def test_is_read_as_daemons_write_it(self, pid: int, tail: str) -> None:
        assert pid_in(f"{pid}{tail}".encode()) == pid
        assert pid_in(f"  {pid}{tail}".encode()) == pid

    @pytest.mark.parametrize(
        "text", ["-7", "7x", "x7", "7 8", "0x7", "7.", "", "\u0667", "+7", "7\0"]
    )
    def test_with_anything_else_in_the_line_holds_nothing(self, text: str) -> None:
        assert pid_in(text.encode()) == 0

    def test_tells_which_of_several_it_is(self, napper: str, tmp_path: Path) -> None:
        file = tmp_path / "pid"
        with by_hand(napper, "600") as one, by_hand(napper, "600") as other:
            asked = Wanted(OURS, [napper, "600"], str(file))
            for each in (one, other):
                file.write_text(str(each))
                assert main_of(asked) == each
                assert others_of(asked) == []


class TestAMark:
    def test_tells_the_main_process_whatever_it_executes(self, napper: str) -> None:
        with marked(napper, "601") as pid:
            assert main_of(wanted()) == pid
            assert main_of(wanted(mark=OTHER)) is None

    def test_of_another_instance_is_stronger_than_everything_else(
        self, napper: str, tmp_path: Path
    ) -> None:
        (tmp_path / "pid").touch()
        with marked(napper, "600", mark=OTHER) as pid:
            (tmp_path / "pid").write_text(str(pid))
            asked = Wanted(OURS, [napper, "600"], str(tmp_path / "pid"))
            assert main_of(asked) is None

    @pytest.mark.parametrize(
        "value",
        ["", f"{OURS}2", OURS[:-1], OURS.upper(), f"x{OURS}"],
        ids=["nothing", "more", "less", "in capitals", "more in front"],
    )
    def test_is_compared_whole(self, value: str) -> None:
        with marked("/bin/sleep", "600", mark=value):
            assert find_all(wanted()).others == []
            assert main_of(wanted()) is None

    def test_with_the_pid_of_another_is_a_worker(self, napper: str) -> None:
        with marked(napper, "600", main=1) as pid:
            assert main_of(wanted()) is None
            assert others_of(wanted()) == [pid]

    def test_of_two_processes_that_descend_from_nobody_is_no_main_process(
        self, napper: str
    ) -> None:
        with marked(napper, "600") as one, marked(napper, "600") as other:
            found = find_all(wanted())
            assert found.main is None
            assert [each.pid for each in found.others] == sorted((one, other))


class TestAProgram:
    def test_may_be_called_by_a_name_alone(self, napper: str) -> None:
        pid = os.posix_spawn(napper, ["napper", "600"], {})
        try:
            # its arguments come a moment after its program
            wait_for(lambda: process.command_line(pid) == ["napper", "600"], pid)
            assert main_of(wanted(napper, "600")) == pid
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def test_may_be_reached_by_another_path(self, napper: str, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(napper)
        os.link(napper, tmp_path / "hard")
        with by_hand(napper, "600") as pid:
            for each in ("link", "hard"):
                assert main_of(wanted(str(tmp_path / each), "600")) == pid

    def test_that_many_services_are_made_of_needs_the_right_arguments(self, tmp_path: Path) -> None:
        (tmp_path / "pid").touch()
        with by_hand("/bin/sh", "-c", "sleep 600 & wait") as pid:
            (tmp_path / "pid").write_text(str(pid))
            shell = Wanted(OURS, ["/bin/sh", "-c", "other"], str(tmp_path / "pid"))
            assert main_of(shell) is None
            assert main_of(wanted("/bin/sh", "-c", "sleep 600 & wait")) == pid
            for each in find_all(wanted("/bin/sh", "-c", "sleep 600 & wait")).others:
                assert each.send(signal.SIGKILL)

    def test_that_is_a_script_does_not_stand_in_the_interpreters_place(
        self, tmp_path: Path
    ) -> None:
        """Another script is executed, and the arguments of ours begin with its name."""
        ours = script(tmp_path, "", "ours")
        other = script(tmp_path, "while :; do sleep 0.1; done", "other")
        with by_hand("/bin/sh", other, "a"):
            assert main_of(wanted(ours, other, "a")) is None

    @pytest.mark.parametrize(
        ("name", "answer"),
        [
            ("python3.11", True),
            ("python3", True),
            ("php8.2", True),
            ("sh", True),
            ("node", True),
            ("perl5.36.0", True),
            ("php-fpm8.2", False),
            ("node_exporter", False),
            ("shairport", False),
            ("memcached", False),
            ("", False),
        ],
    )
    def test_is_told_from_an_interpreter_by_its_whole_name(
        self, *, name: str, answer: bool
    ) -> None:
        assert search.is_multiple(f"/usr/bin/{name}") is answer

    def test_that_is_gone_is_told_by_where_it_was(self, tmp_path: Path, napper: str) -> None:
        with by_hand(napper, "600") as pid:
            os.unlink(napper)
            assert main_of(wanted(napper, "600")) == pid
            assert main_of(wanted(napper, "601")) is None
            assert main_of(wanted(str(tmp_path / "other"), "600")) is None

    def test_that_is_gone_is_told_by_where_its_name_may_have_been(
        self, napper: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ocfkit.programs.PATH", f"/nowhere:{tmp_path}")
        with by_hand(napper, "600") as pid:
            assert main_of(wanted("napper", "600")) == pid
            os.unlink(napper)
            assert main_of(wanted("napper", "600")) == pid

    def test_that_is_gone_may_have_been_the_one_of_a_link(
        self, napper: str, tmp_path: Path
    ) -> None:
        link = tmp_path / "link"
        link.symlink_to(napper)
        with by_hand(str(link), "600") as pid:
            link.unlink()
            with pytest.raises(ActionError, match=f"process {pid} could be it: it executes "):
                find_all(wanted(str(link), "600"))


class TestAPlace:
    def test_is_shown_as_people_write_it(self) -> None:
        assert search.shown(80) == "port 80"
        assert search.shown(("192.0.2.1", 80)) == "192.0.2.1:80"
        assert search.shown(("2001:db8::1", 80)) == "[2001:db8::1]:80"
        assert search.shown("/run/web.sock") == "/run/web.sock"

    def test_with_a_name_for_an_address_is_the_port(self) -> None:
        port = free_port()
        with listener(("127.0.0.1", port)):
            assert search.who_listens(("localhost", port)) == {os.getpid()}
            assert search.who_listens(("127.0.0.1", port)) == {os.getpid()}
            assert search.who_listens(("127.0.0.9", port)) == set()

    def test_of_somebody_who_is_not_to_be_seen_cannot_be_told(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def holders(_inodes: set[str]) -> set[int] | None:
            return None

        port = free_port()
        monkeypatch.setattr("ocfkit.linux.sockets.holders", holders)
        asked = Wanted(OURS, ["/no/such/daemon"], place=port)
        with listener(("127.0.0.1", port)):
            monkeypatch.setattr(os, "geteuid", lambda: 1000)
            with pytest.raises(ActionError, match=f"somebody listens on port {port}, and we may"):
                find_all(asked)
            monkeypatch.setattr(os, "geteuid", lambda: 0)  # it is none of this container
            assert main_of(asked) is None

    def test_does_not_tell_the_main_process_from_its_workers(self, tmp_path: Path) -> None:
        program, port = listening(tmp_path), free_port()
        text = LISTEN.replace("sleep 600", "fork; sleep 600")
        with by_hand(program, "-e", text, str(port)) as pid:
            asked = Wanted(OURS, [program, "--other"], place=port)
            wait_for(lambda: len(search.who_listens(port) or ()) == 2, pid)
            found = find_all(asked)
            assert found.main is not None
            assert found.main.pid == pid
            (worker,) = found.others
            assert worker.send(signal.SIGKILL)


class TestWhatIsHidden:
    """Where we may not look, nobody is declared dead."""

    def test_because_proc_shows_only_our_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = process.pids

        def pids(proc: str = "/proc") -> list[int]:
            return [each for each in real(proc) if each != 1]

        monkeypatch.setattr(process, "pids", pids)
        with pytest.raises(ActionError, match="/proc hides the processes of others from us"):
            find_all(wanted())

    def test_because_one_may_not_be_read(
        self, napper: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with by_hand(napper, "600") as pid:
            deny(monkeypatch, "stat", pid)
            with pytest.raises(ActionError, match=f"/proc hides process {pid} from us"):
                find_all(wanted())

    def test_does_not_matter_when_it_is_found(
        self, napper: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with by_hand(napper, "600") as pid, by_hand(napper, "601") as other:
            deny(monkeypatch, "stat", other)
            assert main_of(wanted(napper, "600")) == pid

    @pytest.mark.parametrize(
        ("called", "could_be_it"),
        [
            (["napper", "600"], True),
            (["/elsewhere/napper", "600"], True),
            (["another-name", "600"], True),  # the kernel has the file's as well
            (["nap: sleeping", "601"], True),  # whatever its title says
            (["napper", "601"], False),
        ],
    )
    def test_of_one_that_is_called_so_cannot_be_told(
        self, napper: str, monkeypatch: pytest.MonkeyPatch, *, called: list[str], could_be_it: bool
    ) -> None:
        pid = os.posix_spawn(napper, called, {})
        try:
            # the kernel tells the program of an execve(2) before its arguments are in place
            wait_for(lambda: process.command_line(pid) == called, pid)
            deny(monkeypatch, "environment", pid)
            if could_be_it:
                with pytest.raises(ActionError, match=f"{pid} could be it: we may not look at it"):
                    find_all(wanted(napper, "600"))
            else:
                assert main_of(wanted(napper, "600")) is None
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def test_of_another_program_with_the_arguments_does_not_matter(
        self, napper: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with by_hand("/bin/sleep", "600") as pid:
            deny(monkeypatch, "environment", pid)
            assert main_of(wanted(napper, "600")) is None

    def test_because_proc_is_of_another_namespace(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every number there is somebody else's here: nobody may be signalled by it."""
        me = os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: me + 1)
        with pytest.raises(ActionError, match="/proc shows another pid namespace"):
            find_all(wanted())


def deny(monkeypatch: pytest.MonkeyPatch, name: str, pid: int) -> None:
    """Refuse one answer about one process, as the kernel would."""
    real: Callable[..., object] = getattr(process, name)

    def asked(which: int, *more: object) -> object:
        if which == pid:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(which, *more)

    monkeypatch.setattr(process, name, asked)


class TestARace:
    def test_with_processes_that_end_while_they_are_looked_at(self, napper: str) -> None:
        """Whoever comes and goes by the hundreds: one that stays is seen each time."""
        storm = "while :; do for each in 1 2 3 4 5 6 7 8; do (:) & done; wait; done"
        with by_hand(napper, "600") as pid, ExitStack() as stack:
            for _ in range(2):
                stack.enter_context(by_hand("/bin/sh", "-c", storm))
            for _ in range(30):
                assert main_of(wanted(napper, "600")) == pid
                assert main_of(wanted(napper, "601")) is None

    @pytest.mark.parametrize("asked", ["stat", "command_line", "environment"])
    @pytest.mark.parametrize("error", [FileNotFoundError, ProcessLookupError])
    def test_with_one_that_ends_just_then(
        self,
        napper: str,
        monkeypatch: pytest.MonkeyPatch,
        asked: str,
        error: type[OSError],
    ) -> None:
        with by_hand(napper, "600") as pid:
            real: Callable[..., object] = getattr(process, asked)

            def ending(which: int, *more: object) -> object:
                if which == pid:
                    raise error
                return real(which, *more)

            monkeypatch.setattr(process, asked, ending)
            assert main_of(wanted(napper, "600")) is None

    def test_with_one_that_is_about_to_end(
        self, napper: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its memory is gone before it is: nothing can be read then, as if we might not."""
        with by_hand(napper, "600") as pid:
            real = process.executable
            looked_at: list[int] = []

            def executable(which: int, proc: str = "/proc") -> str:
                if which != pid:
                    return real(which, proc)
                looked_at.append(which)
                return ""

            monkeypatch.setattr(process, "executable", executable)
            identity = process.identify(pid)

            def end_it() -> None:
                wait_for(lambda: looked_at)
                time.sleep(0.01)  # the search goes on meanwhile
                identity.send(signal.SIGKILL)

            killer = threading.Thread(target=end_it)
            killer.start()
            assert main_of(wanted(napper, "600")) is None
            killer.join()

    def test_with_one_that_goes_into_the_background_meanwhile(
        self, napper: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its parent is gone when it is looked at, and it was not there when all were listed."""
        real = process.pids
        children: list[subprocess.Popen[bytes]] = []

        def listed(*at: str) -> list[int]:
            found = real(*at)
            if not children:
                children.append(subprocess.Popen([napper, "600"]))
            return found

        monkeypatch.setattr(process, "pids", listed)
        try:
            assert main_of(wanted(napper, "600")) == children[0].pid
        finally:
            children[0].kill()
            children[0].wait()


def test_one_whose_first_thread_has_ended_is_read_through_another(tmp_path: Path) -> None:
    text = """
import ctypes, threading
threading.Thread(target=time.sleep, args=(600,)).start()
ctypes.CDLL(None).pthread_exit(None)
"""
    program = python(tmp_path, text)
    with by_hand(program, "a") as pid:
        wait_for(lambda: process.stat(pid).state == "Z", pid)
        assert main_of(wanted(program, "a")) == pid


def test_an_agent_like_ourselves_is_nobody(tmp_path: Path) -> None:
    """Two actions at the same time: what they are called with is not what they look for."""
    text = f"""
sys.path.insert(0, {str(Path(search.__file__).parents[1])!r})
from ocfkit.search import Wanted, find_all
if os.fork() == 0:
    time.sleep(600)
found = find_all(Wanted({OURS!r}, [sys.argv[0], "a"]))
print(found.main, found.others, flush=True)
os.kill(0, signal.SIGKILL)
"""
    program = python(tmp_path, text)
    done = subprocess.run(
        [program, "a"], env={search.MARK: OURS}, stdout=-1, check=False, process_group=0
    )
    assert done.stdout == b"None []\n"


class TestAFamily:
    def test_is_a_session_and_what_descends_from_it(self, tmp_path: Path) -> None:
        pids = tmp_path / "pids"
        text = f"sleep 600 & echo $! >{pids}; setsid sleep 600 & echo $! >>{pids}; wait"
        with by_hand("/bin/sh", "-c", text, session=True) as pid:
            first = process.identify(pid)
            wait_for(lambda: pids.exists() and len(pids.read_text().split()) == 2, pid)
            beside, apart = map(int, pids.read_text().split())
            wait_for(lambda: process.stat(apart).session == apart, apart)
            assert _family(first) == sorted((beside, apart))
            whole = search.family(first, include_first=True)
            assert [each.pid for each in whole] == sorted((pid, beside, apart))
            kill(pid)
            assert _family(first) == [beside]  # the other one has lost its parent
            kill(beside)
            kill(apart)

    def test_of_another_process_with_the_pid_is_nobody(self) -> None:
        with by_hand("/bin/sleep", "600", session=True) as pid:
            real = process.identify(pid)
            for other in (
                Identity(pid, real.start - 1, real.boot),
                Identity(pid, real.start, "another-boot"),
            ):
                assert search.family(other, include_first=True) == []
            assert [each.pid for each in search.family(real, include_first=True)] == [pid]


def _family(first: Identity) -> list[int]:
    return [each.pid for each in search.family(first, include_first=False)]
