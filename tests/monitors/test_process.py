"""A process that is watched: alive, the one that is meant, and moving."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from ocfkit.deadline import Deadline
from ocfkit.errors import ActionError
from ocfkit.linux import process as proc
from ocfkit.monitors import process
from tests.ocfkit.daemons import STUCK, by_hand, native, python, wait_for


@pytest.fixture
def napper(tmp_path: Path) -> str:
    return native(tmp_path)


@pytest.fixture
def pid(napper: str) -> Generator[int]:
    with by_hand(napper, "600") as pid:
        yield pid


@pytest.fixture
def pid_file(pid: int, tmp_path: Path) -> str:
    path = tmp_path / "pid"
    path.write_text(f"{pid}\n")
    return str(path)


def soon() -> Deadline:
    return Deadline.after(20)


class TestAProcessThatIsWell:
    def test_is_returned(self, pid: int) -> None:
        identity = proc.identify(pid)
        assert process.check(identity, deadline=soon()) is identity

    def test_is_found_by_its_pid_file(self, pid: int, pid_file: str, napper: str) -> None:
        assert process.check(pid_file, deadline=soon(), program=napper).pid == pid

    def test_is_known_by_its_program_through_a_link(
        self, pid: int, pid_file: str, napper: str, tmp_path: Path
    ) -> None:
        (tmp_path / "link").symlink_to(napper)
        link = str(tmp_path / "link")
        assert process.check(pid_file, deadline=soon(), program=link).pid == pid


class TestAFailure:
    def test_is_a_process_that_has_ended(self, napper: str) -> None:
        with by_hand(napper, "600") as pid:
            identity = proc.identify(pid)
        with pytest.raises(ActionError, match=f"^process {pid} has ended$"):
            process.check(identity, deadline=soon())

    def test_is_a_zombie(self) -> None:
        with subprocess.Popen(["true"]) as child:
            identity = proc.identify(child.pid)
            wait_for(lambda: proc.stat(child.pid).state == "Z")
            with pytest.raises(ActionError, match="has ended"):
                process.check(identity, deadline=soon())

    def test_is_a_suspended_process(self, pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: proc.stat(pid).state == "T", pid)
        with pytest.raises(ActionError, match=f"^process {pid} is suspended .state T.$"):
            process.check(proc.identify(pid), deadline=soon())
        os.kill(pid, signal.SIGCONT)

    def test_is_one_that_waits_in_the_kernel_for_too_long(self, tmp_path: Path) -> None:
        go = tmp_path / "go"
        with by_hand(python(tmp_path, STUCK), str(go)) as pid:
            go.touch()
            wait_for(lambda: proc.stat(pid).state == "D", pid)
            said: list[str] = []
            with pytest.raises(ActionError, match=r"sleep \(state D\), for 0\.[34]"):
                process.check(proc.identify(pid), deadline=soon(), stuck=0.3, doing=said.append)
            assert said == [f"looking at process {pid}, which is in uninterruptible sleep"]
            Path(f"{go}.fifo").write_text("")

    def test_is_another_program(self, pid: int, pid_file: str) -> None:
        with pytest.raises(ActionError, match=rf"process {pid} executes .*/napper, not /bin/sh"):
            process.check(pid_file, deadline=soon(), program="/bin/sh")

    def test_is_a_pid_file_that_is_older_than_its_process(self, pid: int, pid_file: str) -> None:
        os.utime(pid_file, (1.0, 1.0))
        with pytest.raises(ActionError, match=f"process {pid} is a stranger: it is younger than"):
            process.check(pid_file, deadline=soon())

    def test_is_a_pid_file_whose_process_has_ended(self, napper: str, tmp_path: Path) -> None:
        with by_hand(napper, "600") as pid:
            (tmp_path / "pid").write_text(str(pid))
        with pytest.raises(ActionError, match=f"process {pid}, which pid file .*/pid names, has"):
            process.check(str(tmp_path / "pid"), deadline=soon())

    @pytest.mark.parametrize("text", ["", "nginx", "-1", "0"])
    def test_is_a_pid_file_without_a_pid(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "pid").write_text(text)
        with pytest.raises(ActionError, match="no pid is in it"):
            process.check(str(tmp_path / "pid"), deadline=soon())

    def test_is_a_pid_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ActionError, match=r"pid file .*/gone: No such file or directory"):
            process.check(str(tmp_path / "gone"), deadline=soon())
