"""Is it running on this host? Asked about real processes of our own making."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lsbcheck import faults, live
from lsbcheck.transcript import Program, Service


@contextmanager
def running(*argv: str, root: str | None = None) -> Generator[int]:
    """A process that is past its execve(2)."""
    read, write = os.pipe()  # closed by execve, or by the end

    def enter() -> None:
        if root:
            os.chroot(root)
        os.chdir("/")

    child = subprocess.Popen(argv, preexec_fn=enter, stdin=subprocess.PIPE)  # noqa: PLW1509
    os.close(write)
    os.read(read, 1)
    os.close(read)
    try:
        yield child.pid
    finally:
        child.kill()
        child.communicate()


@pytest.fixture
def daemon(tmp_path: Path) -> Path:
    """A program that is nobody else's: it sleeps for ever."""
    program = tmp_path / "usr/sbin/thingd"
    program.parent.mkdir(parents=True)
    program.write_bytes(faults.sleeper(os.uname().machine))
    program.chmod(0o755)
    return program


def named(program: object = "", pid_file: object = "", root: str = "/") -> str:
    return live.named([str(program)] if program else [], [str(pid_file)] if pid_file else [], root)


class TestAProgramThatTheTextNames:
    def test_is_live_when_a_process_runs_this_very_file(self, daemon: Path) -> None:
        assert named(daemon) == ""
        with running(str(daemon)) as pid:
            assert named(daemon) == f"{daemon} is running on this host (pid {pid})"
        assert named(daemon) == ""

    def test_is_known_by_any_of_its_names(self, daemon: Path, tmp_path: Path) -> None:
        link, hard = tmp_path / "link", tmp_path / "hard"
        link.symlink_to(daemon)
        os.link(daemon, hard)
        with running(str(daemon)):
            assert named(link)
            assert named(hard)

    def test_is_not_live_when_a_copy_runs(self, daemon: Path, tmp_path: Path) -> None:
        copy = tmp_path / "elsewhere" / daemon.name
        copy.parent.mkdir()
        shutil.copy(daemon, copy)
        with running(str(copy)):
            assert named(daemon) == ""

    def test_may_not_exist_or_be_a_folder(self, tmp_path: Path) -> None:
        assert named(tmp_path / "no") == ""
        assert named(tmp_path) == ""

    def test_says_nothing_when_it_is_an_interpreter(self) -> None:
        with running("/bin/sh", "-c", "read word"), running(sys.executable, "-c", "input()"):
            assert named("/bin/sh") == ""
            assert named(os.path.realpath(sys.executable)) == ""


class TestAnotherRoot:
    def test_is_where_the_program_is_looked_up(self, daemon: Path, tmp_path: Path) -> None:
        with running(str(daemon)):
            assert named("/usr/sbin/thingd", root=str(tmp_path))
            assert named("/usr/sbin/thingd") == ""

    def test_keeps_its_links_to_itself(self, daemon: Path, tmp_path: Path) -> None:
        root = tmp_path / "root"
        (root / "usr/bin").mkdir(parents=True)
        # absolute, as the alternatives of Debian are: not the host's file
        (root / "usr/bin/thingd").symlink_to(daemon)
        with running(str(daemon)):
            assert named("/usr/bin/thingd", root=str(root)) == ""
        inside = Path(f"{root}{daemon}")
        inside.parent.mkdir(parents=True)
        shutil.copy(daemon, inside)
        with running(str(inside)):
            assert named("/usr/bin/thingd", root=str(root))


class TestAPidFileThatTheTextNames:
    def test_names_a_living_process_of_this_host(self, daemon: Path, tmp_path: Path) -> None:
        file = tmp_path / "thingd.pid"
        with running(str(daemon)) as pid:
            file.write_text(f"{pid}\n")
            said = f"{file} names a process that is running on this host (pid {pid})"
            assert named(pid_file=file) == said
        assert named(pid_file=file) == ""

    @pytest.mark.parametrize("content", ["", "\n", "thingd", "0", "1", "-1", "99999999999999", "+"])
    def test_may_hold_no_process(self, tmp_path: Path, content: str) -> None:
        file = tmp_path / "thingd.pid"
        file.write_text(content)
        assert named(pid_file=file) == ""

    def test_may_be_missing_a_folder_or_a_pipe(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        for name in ("missing", ".", "pipe"):
            assert named(pid_file=tmp_path / name) == ""


class TestWhatAStartHasShown:
    def test_is_live_when_the_daemon_runs_here_too(self, daemon: Path) -> None:
        service = Service(Program(str(daemon), str(daemon), ("thingd",)))
        assert live.seen(service, "/") == ""
        with running(str(daemon)) as pid:
            assert live.seen(service, "/") == f"{daemon} is running on this host (pid {pid})"

    def test_is_live_when_an_interpreter_runs_the_same_script_here(self, tmp_path: Path) -> None:
        script, other = tmp_path / "thing.py", tmp_path / "other.py"
        for file in (script, other):
            file.write_text("import sys; sys.stdin.read()\n")
        python = os.path.realpath(sys.executable)
        service = Service(Program(str(script), python, (str(script), "-d")))
        with running(python, str(other), "-d"):
            assert live.seen(service, "/") == ""
        for argv in ((python, str(script)), (python, "-E", str(script), "-d")):
            with running(*argv) as pid:
                assert live.seen(service, "/") == f"{script} is running on this host (pid {pid})"

    def test_is_not_live_for_an_interpreter_without_a_script(self) -> None:
        python = os.path.realpath(sys.executable)
        service = Service(Program(python, python, ("python3", "-c", "input()")))
        with running(python, "-c", "input()"):
            assert live.seen(service, "/") == ""

    def test_is_live_by_its_pid_file_when_the_daemon_is_not_known(
        self, daemon: Path, tmp_path: Path
    ) -> None:
        file = tmp_path / "thingd.pid"
        service = Service(None, pid_files=(str(file),))
        with running(str(daemon)) as pid:
            file.write_text(str(pid))
            assert f"(pid {pid})" in live.seen(service, "/")
        assert live.seen(service, "/") == ""
