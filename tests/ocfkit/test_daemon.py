"""Daemons as the cluster meets them: real processes that die, hang, hide and multiply."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ocfkit import Daemon, DeclarationError
from ocfkit.linux import process
from ocfkit.testing import Instance, Node, Outcome
from tests.ocfkit.daemons import (
    FORKS,
    HAS_IPV6,
    LISTEN,
    PATIENCE,
    STUBBORN,
    STUCK,
    WITH_WORKERS,
    Forking,
    Service,
    Witness,
    by_hand,
    free_port,
    is_alive,
    kill,
    listener,
    listening,
    native,
    pid_of,
    python,
    record_of,
    script,
    wait_for,
)


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not end by itself need not be waited for so long."""
    monkeypatch.setattr("ocfkit.daemon._GRACE", 0.3)


@pytest.fixture
def napper(tmp_path: Path) -> str:
    return native(tmp_path)


@pytest.fixture
def service(ocf: Node, napper: str) -> Instance:
    return ocf(Service, program=napper)


@pytest.fixture
def witness() -> Iterator[Witness]:
    with closing(Witness()) as stranger:
        yield stranger


def codes(*outcomes: Outcome) -> list[int]:
    return [each.code for each in outcomes]


def seen(outcome: Outcome) -> tuple[int, str]:
    return outcome.code, outcome.reason


def pids_in(file: Path, count: int) -> list[int]:
    """The numbers in a file, once there are so many."""
    wait_for(lambda: file.exists() and len(file.read_text().split()) >= count)
    return [int(word) for word in file.read_text().split()]


class TestARound:
    def test_of_probe_start_monitor_and_stop(self, service: Instance) -> None:
        assert service.probe().code == 7
        assert service.start().code == 0
        pid = pid_of(service)
        assert codes(service.monitor(), service.probe()) == [0, 0]
        assert service.stop().code == 0
        assert not is_alive(pid)
        assert not record_of(service).exists()
        assert codes(service.monitor(), service.probe(), service.stop()) == [7, 7, 0]

    def test_as_processes_of_their_own(self, service: Instance) -> None:
        assert service.run_process("start").code == 0
        pid = pid_of(service)
        assert service.run_process("monitor", interval=10).code == 0
        assert process.command_line(pid) == [service.parameters["program"], "600"]
        assert service.run_process("stop").code == 0
        assert service.run_process("monitor", interval=0).code == 7
        assert not is_alive(pid)

    def test_a_second_start_starts_nothing(self, service: Instance) -> None:
        service.start()
        pid = pid_of(service)
        assert service.start().code == 0
        assert pid_of(service) == pid
        assert is_alive(pid)

    def test_a_script_is_started_by_its_name_and_found_without_its_record(
        self, ocf: Node, tmp_path: Path
    ) -> None:
        service = ocf(Service, program=script(tmp_path, "while :; do sleep 0.1; done"), words="a b")
        service.start()
        pid = pid_of(service)
        record_of(service).unlink()
        assert service.probe().code == 0
        assert pid_of(service) == pid


class TestADaemonThatIsStarted:
    def test_leads_its_own_session_and_group(self, service: Instance) -> None:
        service.start()
        stat = process.stat(pid_of(service))
        assert stat.pid == stat.pgrp == stat.session

    @pytest.mark.parametrize("cls", [Service, Forking])
    def test_gets_nothing_of_the_clusters_environment_but_a_mark(
        self, ocf: Node, tmp_path: Path, cls: type[Service]
    ) -> None:
        pid_file = tmp_path / "pid"
        text = FORKS.format(pid_file=str(pid_file)) if cls is Forking else "time.sleep(600)"
        service = ocf(
            cls,
            program=python(tmp_path, text),
            pid_file=str(pid_file),
            password="canary-in-a-mine",  # noqa: S106
        )
        assert service.run_process("start").code == 0
        environment = process.environment(pid_of(service))
        names = {each.partition(b"=")[0].decode() for each in environment if each}
        marks = ["OCFKIT_INSTANCE", "OCFKIT_MAIN_PID"] if cls is Service else ["OCFKIT_INSTANCE"]
        assert names - {"LC_CTYPE"} == {"PATH", "LC_ALL", "HOME", "COLOUR", *marks}
        assert not any(b"canary" in each for each in environment)

    def test_has_no_descriptor_of_ours(self, service: Instance) -> None:
        assert service.run_process("start").code == 0
        folder = Path(f"/proc/{pid_of(service)}/fd")
        assert {each.name: os.readlink(each) for each in folder.iterdir()} == dict.fromkeys(
            ("0", "1", "2"), "/dev/null"
        )

    def test_runs_in_its_folder_and_appends_its_output(self, ocf: Node, tmp_path: Path) -> None:
        output = tmp_path / "output"
        program = script(tmp_path, "pwd; exec sleep 600")
        service = ocf(Service, program=program, folder=str(tmp_path), output=str(output))
        assert service.start().code == 0
        assert output.read_text() == f"{tmp_path}\n"

    def test_has_no_secret_among_its_arguments(self, service: Instance) -> None:
        secret = "hunter22"  # noqa: S105
        service.parameters.update(words=f"600 --password={secret}", password=secret)
        outcome = service.start()
        assert outcome.code == 6
        assert secret not in repr(outcome)
        assert "the value of password would be seen by everybody" in outcome.reason
        assert service.probe().code == 7

    def test_may_have_a_twin_with_the_same_arguments(self, ocf: Node, napper: str) -> None:
        one, other = ocf(Service, program=napper), ocf(Service, program=napper)
        one.start()
        assert other.probe().code == 7
        assert other.start().code == 0
        first, second = pid_of(one), pid_of(other)
        assert first != second
        for each in (one, other):
            record_of(each).unlink()
        assert codes(one.probe(), other.probe()) == [0, 0]
        assert (pid_of(one), pid_of(other)) == (first, second)
        assert one.stop().code == 0
        assert not is_alive(first)
        assert is_alive(second)
        assert codes(one.monitor(), other.monitor()) == [7, 0]


class TestAStartThatFails:
    """Nothing is left of it, whatever the reason; the cluster would stop it first."""

    @pytest.fixture(autouse=True)
    def nothing_is_left(self, ocf: Node) -> Iterator[None]:
        yield
        for instance in list(ocf.started.values()):
            assert instance.probe().code == 7

    @pytest.fixture(autouse=True)
    def nobody_settles(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """However late a daemon comes to its end, it has not started."""
        monkeypatch.setattr(Service, "settle", 30.0)

    def test_for_there_is_no_program(self, ocf: Node) -> None:
        service = ocf(Service, program="/no/such/daemon")
        assert seen(service.start()) == (
            5,
            "there is no program /no/such/daemon on this node (parameter program)",
        )

    def test_for_it_may_not_be_executed(self, ocf: Node, tmp_path: Path) -> None:
        (tmp_path / "daemon").write_text("#!/bin/sh\n")
        service = ocf(Service, program=str(tmp_path / "daemon"))
        assert service.start().code == 5

    @pytest.mark.parametrize("cls", [Service, Forking])
    @pytest.mark.parametrize(
        ("interpreter", "missing"),
        [("/no/such/python", "/no/such/python"), ("/usr/bin/env no-such-python", "no-such-python")],
    )
    def test_for_the_interpreter_of_the_script_is_missing(
        self, ocf: Node, tmp_path: Path, cls: type[Service], interpreter: str, missing: str
    ) -> None:
        program = script(tmp_path, "", interpreter=interpreter)
        assert seen(ocf(cls, program=program).start()) == (
            5,
            f"{program} is a script for {missing}, which cannot be executed on this node",
        )

    def test_for_it_is_no_program(self, ocf: Node, tmp_path: Path) -> None:
        program = tmp_path / "daemon"
        program.write_text("nothing\n")
        program.chmod(0o755)
        outcome = ocf(Service, program=str(program)).start()
        assert seen(outcome) == (5, f"{program} cannot be started: Exec format error")

    def test_for_its_folder_is_missing(self, service: Instance) -> None:
        service.parameters["folder"] = "/no/such/folder"
        outcome = service.start()
        assert outcome.code == 5
        assert outcome.reason.endswith(
            "napper cannot be started: No such file or directory: /no/such/folder"
        )

    def test_for_its_output_is_a_link(self, service: Instance, tmp_path: Path) -> None:
        (tmp_path / "output").symlink_to("/etc/passwd")
        service.parameters["output"] = str(tmp_path / "output")
        outcome = service.start()
        assert outcome.code == 5
        assert outcome.reason.endswith(f"Too many levels of symbolic links: {tmp_path}/output")

    @pytest.mark.parametrize("cls", [Service, Forking])
    def test_for_there_is_no_such_user(self, service: Instance, cls: type[Service]) -> None:
        service.cls = cls
        service.parameters["user"] = "no-such-user"
        assert seen(service.start()) == (5, "there is no user no-such-user on this node")

    @pytest.mark.parametrize("delay", [0, 0.05])
    def test_for_it_ends_is_told_at_once_with_its_code(
        self, ocf: Node, tmp_path: Path, delay: float
    ) -> None:
        program = script(tmp_path, f"sleep {delay}; exit 3")
        outcome = ocf(Service, program=program).start(timeout=60)
        assert outcome.code == 1
        assert outcome.reason.startswith(f"start failed: {program} exited with code 3 after ")
        assert outcome.duration < PATIENCE / 2

    def test_for_it_is_killed_is_told_with_the_signal(self, ocf: Node, tmp_path: Path) -> None:
        program = script(tmp_path, "kill -9 $$")
        outcome = ocf(Service, program=program).start()
        assert outcome.code == 1
        assert outcome.reason.startswith(f"start failed: {program} was killed by signal 9 after ")

    def test_for_it_ends_while_it_settles(self, ocf: Node, tmp_path: Path) -> None:
        program = script(tmp_path, "sleep 0.2; exit 3")
        outcome = ocf(Service, program=program).start(timeout=60)
        assert outcome.reason.startswith(f"start failed: {program} exited with code 3 after 0.")
        assert outcome.duration < PATIENCE / 2

    def test_for_it_never_listens_says_so_at_the_deadline(self, service: Instance) -> None:
        service.parameters["port"] = port = free_port()
        outcome = service.start(timeout=2)
        pid = pid_of(service)
        assert seen(outcome) == (
            1,
            f"start: not up in time; last seen: process {pid} does not listen on port {port}",
        )
        assert service.stop().code == 0

    @pytest.mark.parametrize("kind", ["port", "address", "socket"])
    def test_for_a_stranger_listens_in_its_place(
        self, service: Instance, tmp_path: Path, kind: str
    ) -> None:
        place: str | tuple[str, int] = str(tmp_path / "s")
        service.parameters["socket"], shown = place, place
        if kind != "socket":
            address = "127.0.0.1" if kind == "port" else "127.0.0.2"
            place = (address, free_port(address))
            service.parameters.update(socket=None, port=place[1])
            shown = f"port {place[1]}"
        if kind == "address":
            service.parameters["address"] = "127.0.0.2"
            shown = f"127.0.0.2:{place[1]}"
        with listener(place):
            outcome = service.start()
            exe = process.executable(os.getpid())
            assert seen(outcome) == (1, f"process {os.getpid()} ({exe}) listens on {shown}")
            assert service.stop().code == 0

    def test_for_it_leaves_the_foreground_is_told(self, ocf: Node, tmp_path: Path) -> None:
        program = python(tmp_path, FORKS.format(pid_file=str(tmp_path / "pid")))
        service = ocf(Service, program=program)
        outcome = service.start()
        assert outcome.reason.startswith(f"start failed: {program} exited with code 0 and left ")
        assert "forks" in outcome.reason
        assert service.monitor().code == 1
        assert service.stop().code == 0
        wait_for((tmp_path / "pid").exists)
        assert not is_alive(int((tmp_path / "pid").read_text()))


def test_another_address_of_the_same_port_is_another_place(ocf: Node, tmp_path: Path) -> None:
    listens = (
        "import socket; one = socket.socket(); one.bind((sys.argv[1], int(sys.argv[2])));"
        "one.listen(); time.sleep(600)"
    )
    program, port = python(tmp_path, listens), free_port("127.0.0.2")
    with listener(("127.0.0.3", port)):
        service = ocf(
            Service, program=program, words=f"127.0.0.2 {port}", port=port, address="127.0.0.2"
        )
        assert service.start().code == 0
        assert service.stop().code == 0


class TestAMainProcessThatDies:
    def test_is_not_running_any_more_and_can_be_started_again(self, service: Instance) -> None:
        service.start()
        kill(first := pid_of(service))
        assert seen(service.monitor()) == (7, f"{service.name} is not running")
        assert service.stop().code == 0
        assert service.start().code == 0
        assert pid_of(service) != first

    def test_can_be_started_again_without_a_stop(self, service: Instance) -> None:
        service.start()
        kill(first := pid_of(service))
        assert service.start().code == 0
        assert pid_of(service) != first

    def test_is_not_running_although_nobody_has_collected_it(
        self, service: Instance, napper: str
    ) -> None:
        """A zombie has a pid, a start time and a pid file that names it, and does nothing."""
        with by_hand(napper, "600") as pid:
            assert service.probe().code == 0
            kill(pid)
            assert process.stat(pid).state == "Z"
            assert codes(service.monitor(), service.probe(), service.stop()) == [7, 7, 0]

    @pytest.fixture
    def parent(self, ocf: Node, tmp_path: Path) -> tuple[Instance, list[int]]:
        file = tmp_path / "pids"
        program = script(tmp_path, WITH_WORKERS.format(pids=file))
        service = ocf(Service, program=program)
        assert service.start().code == 0
        return service, pids_in(file, 3)

    def test_leaves_workers_which_are_a_failure(self, parent: tuple[Instance, list[int]]) -> None:
        service, (main, one, other) = parent
        kill(main)
        left = f"2 processes ({one}, {other}) are"
        assert seen(service.monitor()) == (1, f"it has no main process, {left} still there")
        kill(one)
        assert seen(service.monitor()) == (
            1,
            f"it has no main process, process {other} is still there",
        )
        assert service.stop().code == 0
        assert not is_alive(other)
        assert service.start().code == 0

    def test_leaves_a_worker_that_is_no_service_without_a_record(
        self, parent: tuple[Instance, list[int]]
    ) -> None:
        service, (main, one, other) = parent
        kill(main)
        kill(one)
        record_of(service).unlink()
        assert service.probe().code == 1
        assert service.start().code == 1
        assert service.stop().code == 0
        assert not is_alive(other)


class TestAStrangersPid:
    """What the record or the pid file says is no proof, and nobody is harmed who is named there."""

    @pytest.mark.parametrize("wrong", ["start", "boot", "text", "number", "binary"])
    def test_in_the_record(self, service: Instance, witness: Witness, wrong: str) -> None:
        main = witness.identity
        texts = {
            "start": f"{main.pid} {main.start - 1} {main.boot} {main.pid}\n",
            "boot": f"{main.pid} {main.start} 00000000-0000-0000-0000-000000000000 {main.pid}\n",
            "text": f"{main.pid}\n",
            "number": f"{'9' * 40} {main.start} {main.boot}\n",
            "binary": f"{main.pid}\0{main.start}\udcff",
        }
        record_of(service).parent.mkdir(parents=True)
        record_of(service).write_text(texts[wrong], errors="surrogateescape")
        assert codes(service.monitor(), service.probe(), service.stop()) == [7, 7, 0]
        assert witness.is_untouched()
        assert service.start().code == 0
        assert pid_of(service) != witness.pid
        assert service.stop().code == 0
        assert witness.is_untouched()

    def test_in_a_pid_file(self, service: Instance, witness: Witness, tmp_path: Path) -> None:
        file = tmp_path / "pid"
        file.write_text(f"{witness.pid}\n")
        service.parameters["pid_file"] = str(file)
        assert codes(service.probe(), service.stop()) == [7, 0]
        assert service.start().code == 0
        assert pid_of(service) != witness.pid
        assert service.stop().code == 0
        assert witness.is_untouched()

    def test_in_a_pid_file_of_a_script_with_the_same_interpreter(
        self, ocf: Node, witness: Witness, tmp_path: Path
    ) -> None:
        file = tmp_path / "pid"
        file.write_text(f"{witness.pid}\n")
        program = python(tmp_path, "time.sleep(600)")
        service = ocf(Service, program=program, pid_file=str(file))
        assert codes(service.probe(), service.stop()) == [7, 0]
        assert service.start().code == 0
        assert pid_of(service) != witness.pid
        assert service.stop().code == 0
        assert witness.is_untouched()

    def test_of_another_instance_in_a_pid_file(
        self, ocf: Node, napper: str, tmp_path: Path
    ) -> None:
        file = tmp_path / "pid"
        other = ocf(Service, program=napper, words="601")
        other.start()
        file.write_text(str(pid_of(other)))
        service = ocf(Service, program=napper, pid_file=str(file))
        assert codes(service.probe(), service.stop()) == [7, 0]
        assert other.monitor().code == 0

    def test_of_the_same_program_that_is_younger_than_the_pid_file(
        self, service: Instance, napper: str, tmp_path: Path
    ) -> None:
        """The number was given away again, to a process of another service with this program."""
        file = tmp_path / "pid"
        service.parameters["pid_file"] = str(file)
        with by_hand(napper, "601") as pid:
            file.write_text(str(pid))
            os.utime(file, (time.time() - 60, time.time() - 60))
            assert codes(service.probe(), service.stop()) == [7, 0]
            assert is_alive(pid)

    @pytest.mark.parametrize(
        "text", ["", "\n", "x", "-1", "0", "99999999", "9" * 60, "\0", "7\0", " \n7", "\udcff"]
    )
    def test_cannot_be_read_from_any_text(
        self, service: Instance, tmp_path: Path, text: str
    ) -> None:
        (tmp_path / "pid").write_text(text, errors="surrogateescape")
        service.parameters["pid_file"] = str(tmp_path / "pid")
        assert codes(service.probe(), service.stop()) == [7, 0]

    def test_cannot_be_read_from_what_is_no_file(self, service: Instance, tmp_path: Path) -> None:
        service.parameters["pid_file"] = str(tmp_path)
        outcome = service.probe()
        assert seen(outcome) == (1, f"pid file {tmp_path}: Is a directory")
        os.mkfifo(tmp_path / "fifo")
        service.parameters["pid_file"] = str(tmp_path / "fifo")
        outcome = service.probe()
        assert outcome.code == 7
        assert outcome.duration < PATIENCE / 2


class TestASuspendedDaemon:
    def test_is_a_failure(self, service: Instance) -> None:
        service.start()
        pid = pid_of(service)
        kill(pid, signal.SIGSTOP)
        wait_for(lambda: process.stat(pid).state == "T")
        assert seen(service.monitor()) == (1, f"process {pid} is suspended (state T)")
        kill(pid, signal.SIGCONT)
        wait_for(lambda: process.stat(pid).state != "T")
        assert service.monitor().code == 0

    def test_can_be_stopped_by_its_signal(self, service: Instance) -> None:
        service.start()
        pid = pid_of(service)
        kill(pid, signal.SIGSTOP)
        wait_for(lambda: process.stat(pid).state == "T")
        outcome = service.stop()
        assert outcome.code == 0
        assert "killed" not in outcome.log
        assert not is_alive(pid)


class TestADaemonThatIsStuckInTheKernel:
    @pytest.fixture
    def stuck(
        self, ocf: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> tuple[Instance, int, Path]:
        """Its state is D from now on, until somebody writes to the pipe."""
        monkeypatch.setattr(Service, "stuck", 0.5)
        go = tmp_path / "go"
        service = ocf(Service, program=python(tmp_path, STUCK), words=str(go), timeout=3)
        assert service.start().code == 0
        go.touch()
        pid = pid_of(service)
        wait_for(lambda: process.stat(pid).state == "D", pid)
        return service, pid, Path(f"{go}.fifo")

    def test_is_a_failure_after_a_while(self, stuck: tuple[Instance, int, Path]) -> None:
        service, pid, _ = stuck
        outcome = service.monitor()
        assert seen(outcome) == (
            1,
            f"process {pid} is in uninterruptible sleep (state D), for 0.5 s now",
        )
        assert 0.5 <= outcome.duration < PATIENCE

    def test_is_well_when_it_moves_again(
        self, stuck: tuple[Instance, int, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        service, pid, fifo = stuck
        monkeypatch.setattr(Service, "stuck", PATIENCE)
        helper = os.posix_spawn(
            "/bin/sh", ["sh", "-c", f"sleep 0.2; : >{fifo}"], {"PATH": "/bin:/usr/bin"}
        )
        assert service.monitor().code == 0
        os.waitpid(helper, 0)
        assert process.stat(pid).state in "RS"

    def test_that_no_signal_reaches_cannot_be_stopped_and_says_so(
        self, stuck: tuple[Instance, int, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A disk that is gone, say: the cluster has to fence the node."""
        service, pid, _ = stuck
        with monkeypatch.context() as kernel:
            kernel.setattr("_signal.pidfd_send_signal", print)
            outcome = service.stop(timeout=2)
        assert outcome.code == 1
        assert outcome.reason.startswith(
            f"stop: process {pid} does not end although it was killed (state D)"
        )
        assert outcome.duration < 2
        assert record_of(service).exists()


class TestADaemonThatForks:
    @pytest.fixture
    def forking(self, ocf: Node, tmp_path: Path) -> Instance:
        pid_file = str(tmp_path / "pid")
        program = python(tmp_path, FORKS.format(pid_file=pid_file))
        return ocf(Forking, program=program, words="none", pid_file=pid_file)

    @pytest.mark.parametrize("tells", [True, False], ids=["with a pid file", "without"])
    def test_makes_the_round(self, forking: Instance, tmp_path: Path, *, tells: bool) -> None:
        if not tells:
            forking.parameters["pid_file"] = None
        assert forking.start().code == 0
        wait_for((tmp_path / "pid").exists)
        pid = int((tmp_path / "pid").read_text())
        assert pid_of(forking) == pid
        record_of(forking).unlink()
        assert codes(forking.monitor(), forking.probe(), forking.start()) == [0, 0, 0]
        assert pid_of(forking) == pid
        kill(pid)
        assert codes(forking.probe(), forking.start()) == [7, 0]
        assert forking.stop().code == 0
        assert not is_alive(int((tmp_path / "pid").read_text()))
        assert forking.probe().code == 7

    def test_may_have_a_twin(self, ocf: Node, forking: Instance) -> None:
        forking.parameters["pid_file"] = None
        other = ocf(Forking, forking.parameters)
        assert codes(forking.start(), other.probe(), other.start()) == [0, 7, 0]
        assert pid_of(forking) != pid_of(other)
        assert forking.stop().code == 0
        assert codes(forking.probe(), other.monitor()) == [7, 0]

    @pytest.mark.parametrize("recorded", [True, False])
    def test_leaves_workers_which_are_a_failure(
        self, ocf: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, recorded: bool
    ) -> None:
        monkeypatch.setattr(Forking, "settle", 0.5)  # well above what its parents live
        pids = tmp_path / "pids"
        text = f"""
os.fork() and os._exit(0)
os.setsid()
os.fork() and os._exit(0)
with open({str(pids)!r}, "w") as file:
    print(os.getpid(), os.fork() or time.sleep(600), os.fork() or time.sleep(600), file=file)
time.sleep(600)
"""
        service = ocf(Forking, program=python(tmp_path, text), words="none")
        assert service.start().code == 0
        main, one, other = pids_in(pids, 3)
        assert pid_of(service) == main
        if not recorded:
            record_of(service).unlink()
        kill(main)
        assert service.monitor().code == 1
        assert service.start().code == 1
        assert service.stop().code == 0
        assert not is_alive(one)
        assert not is_alive(other)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("echo one; echo two >&2; exit 3", "exited with code 3: two"),
            ("echo one; exit 1", "exited with code 1: one"),
            ("kill -9 $$", "was killed by signal 9"),
        ],
    )
    def test_that_fails_tells_how_and_what_it_said_last(
        self, ocf: Node, tmp_path: Path, text: str, reason: str
    ) -> None:
        program = script(tmp_path, text)
        service = ocf(Forking, program=program)
        assert seen(service.start()) == (1, f"{program} {reason}")
        assert service.stop().code == 0

    def test_that_stays_in_the_foreground_fails_in_time(self, ocf: Node, tmp_path: Path) -> None:
        program = script(tmp_path, "echo waiting; exec sleep 600")
        service = ocf(Forking, program=program)
        outcome = service.start(timeout=2)
        assert outcome.code == 1
        assert outcome.reason.startswith(f"{program} did not go into the background within 1.")
        assert outcome.reason.endswith(": waiting")
        assert service.probe().code == 7

    def test_that_ends_later_is_told_at_once(
        self, ocf: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Forking, "settle", 30.0)
        service = ocf(Forking, program=script(tmp_path, "setsid sleep 0.5 &"), words="none")
        outcome = service.start(timeout=60)
        assert outcome.code == 1
        assert "start failed: process " in outcome.reason
        assert " has ended after " in outcome.reason
        assert outcome.duration < PATIENCE / 2


class TestWithoutARecord:
    """It is a shortcut; where none can be written, everything works by search."""

    @pytest.mark.parametrize("cls", [Service, Forking])
    def test_makes_the_round(self, ocf: Node, tmp_path: Path, cls: type[Service]) -> None:
        (tmp_path / "ocfkit").touch()  # where the folder would be
        pid_file = tmp_path / "pid"
        text = FORKS.format(pid_file=str(pid_file)) if cls is Forking else "time.sleep(600)"
        service = ocf(cls, program=python(tmp_path, text), words="none")
        assert codes(service.probe(), service.start(), service.start()) == [7, 0, 0]
        assert codes(service.monitor(), service.probe()) == [0, 0]
        (pid,) = _children(os.getpid())
        kill(pid)
        assert codes(service.monitor(), service.start(), service.stop()) == [7, 0, 0]
        assert codes(service.probe(), service.stop()) == [7, 0]
        assert not _children(os.getpid())

    def test_that_others_could_have_written_nobody_is_stopped(
        self, service: Instance, witness: Witness
    ) -> None:
        record = record_of(service)
        record.parent.mkdir(parents=True)
        main = witness.identity
        record.write_text(f"{main.pid} {main.start} {main.boot} {main.pid}\n")
        record.parent.chmod(0o777)
        assert codes(service.monitor(), service.stop()) == [7, 0]
        assert codes(service.start(), service.monitor(), service.stop()) == [0, 0, 0]
        assert witness.is_untouched()


class TestAStop:
    def test_kills_what_does_not_listen_before_the_deadline(
        self, ocf: Node, tmp_path: Path
    ) -> None:
        service = ocf(Service, program=script(tmp_path, STUBBORN))
        service.start()
        pid = pid_of(service)
        outcome = service.stop(timeout=3)
        assert outcome.code == 0
        assert f"killed process {pid}" in outcome.log
        assert 1 < outcome.duration < 3
        assert not is_alive(pid)

    @pytest.mark.parametrize("escapes", ["", "setsid "], ids=["in its session", "in another"])
    @pytest.mark.parametrize("trap", ["", "trap '' TERM;"], ids=["obedient", "stubborn"])
    def test_ends_workers_that_outlive_the_main_process(
        self, ocf: Node, tmp_path: Path, escapes: str, trap: str
    ) -> None:
        file = tmp_path / "pids"
        worker = script(tmp_path, f"{trap} echo $$ >>{file}; while :; do sleep 0.1; done", "worker")
        program = script(tmp_path, f"echo $$ >>{file}; {escapes}{worker} & wait")
        service = ocf(Service, program=program)
        service.start()
        pids = pids_in(file, 2)
        outcome = service.stop()
        assert outcome.code == 0
        assert ("killed" in outcome.log) == bool(trap)
        assert not any(map(is_alive, pids))
        assert service.probe().code == 7

    def test_ends_a_worker_that_has_hidden_in_another_session_and_lost_its_parent(
        self, ocf: Node, tmp_path: Path
    ) -> None:
        file = tmp_path / "pids"
        worker = script(tmp_path, f"echo $$ >>{file}; exec sleep 600", "worker")
        program = script(tmp_path, f"(setsid {worker} &) & wait; exec sleep 600")
        service = ocf(Service, program=program)
        service.start()
        (pid,) = pids_in(file, 1)
        assert service.stop().code == 0
        assert not is_alive(pid)

    def test_ends_what_a_worker_forks_meanwhile(self, ocf: Node, tmp_path: Path) -> None:
        """A worker that answers SIGTERM with another process."""
        file = tmp_path / "pids"
        program = script(
            tmp_path,
            f"trap 'setsid sleep 600 & echo $! >>{file}; exit 0' TERM; echo up >{file}.up;"
            "while :; do sleep 0.05; done",
        )
        service = ocf(Service, program=program)
        service.start()
        wait_for(Path(f"{file}.up").exists)
        assert service.stop().code == 0
        (pid,) = pids_in(file, 1)
        assert not is_alive(pid)

    def test_removes_each_pid_file_that_is_left_and_names_one_that_stays(
        self, service: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stays, gone, left = (tmp_path / f"{name}.pid" for name in ("stays", "gone", "left"))
        stays.mkdir()  # which no unlink(2) removes
        left.touch()

        def left_by(_gone: process.Identity) -> list[str]:
            return [str(stays), str(gone), str(left)]

        monkeypatch.setattr("ocfkit.pidfiles.left_by", left_by)
        service.start()
        kill(pid_of(service))
        outcome = service.stop()
        assert outcome.code == 0
        assert not left.exists()
        assert f"has left a file that stays: Is a directory: {stays}" in outcome.log
        assert str(gone) not in outcome.log

    def test_of_what_cannot_be_told_stops_nobody(self, service: Instance, napper: str) -> None:
        with by_hand(napper, "600") as one, by_hand(napper, "600") as other:
            outcome = service.stop(timeout=2)
            pids = ", ".join(map(str, sorted((one, other))))
            assert outcome.code == 1
            assert f"processes {pids} could all be it" in outcome.reason
            assert is_alive(one)
            assert is_alive(other)


class TestAbsence:
    """What is missing decides nothing while something runs."""

    @pytest.fixture(params=["record", "no record", "by hand"])
    def running(
        self, request: pytest.FixtureRequest, service: Instance, napper: str, tmp_path: Path
    ) -> Iterator[int]:
        """A daemon that runs: known by its record, by its mark, or by its arguments alone."""
        config = tmp_path / "config"
        config.touch()
        service.parameters["config"] = str(config)
        if request.param == "by hand":
            with by_hand(napper, "600", session=True) as pid:
                yield pid
            return
        assert service.start().code == 0
        pid = pid_of(service)
        if request.param == "no record":
            record_of(service).unlink()
        yield pid

    def test_of_the_program(self, service: Instance, running: int, napper: str) -> None:
        os.unlink(napper)
        assert service.probe().code == 0
        assert service.start().code == 5
        assert service.monitor().code == 0
        assert service.stop().code == 0
        assert not is_alive(running)
        assert codes(service.probe(), service.stop()) == [7, 0]

    def test_of_the_configuration(self, service: Instance, running: int, tmp_path: Path) -> None:
        (tmp_path / "config").unlink()
        assert service.probe().code == 0
        assert service.start().code == 5
        assert service.stop().code == 0
        assert not is_alive(running)
        assert codes(service.probe(), service.stop()) == [7, 0]

    def test_of_the_program_behind_a_newer_one(
        self, service: Instance, running: int, napper: str, tmp_path: Path
    ) -> None:
        os.rename(native(tmp_path, "newer"), napper)
        assert service.probe().code == 0
        assert service.stop().code == 0
        assert not is_alive(running)

    @pytest.mark.parametrize("wrong", [{"number": "many"}, {"program": None}, {"program": "a/b"}])
    def test_of_a_usable_parameter(
        self, ocf: Node, napper: str, wrong: dict[str, str | None]
    ) -> None:
        for forget in (False, True):
            service = ocf(Service, program=napper)
            service.start()
            pid = pid_of(service)
            if forget:
                record_of(service).unlink()
            service.parameters.update(wrong)
            assert service.probe().code == 0
            assert service.start().code == 6
            assert is_alive(pid)
            assert service.stop().code == 0
            assert not is_alive(pid)
            assert codes(service.probe(), service.stop()) == [7, 0]

    def test_of_a_usable_parameter_where_a_pid_file_names_somebody(
        self, service: Instance, witness: Witness, tmp_path: Path
    ) -> None:
        """What it should execute is not known: it may be the service, and may be anybody."""
        (tmp_path / "pid").write_text(str(witness.pid))
        service.parameters.update(number="many", pid_file=str(tmp_path / "pid"))
        outcome = service.probe()
        assert outcome.code == 1
        assert service.stop(timeout=2).code == 1
        assert witness.is_untouched()
        assert "cannot be told" in outcome.reason

    def test_of_a_link_by_which_it_was_called(
        self, service: Instance, napper: str, tmp_path: Path
    ) -> None:
        """Its program is still there, under another name: it may be ours."""
        (tmp_path / "link").symlink_to(napper)
        service.parameters["program"] = str(tmp_path / "link")
        with by_hand(str(tmp_path / "link"), "600") as pid:
            assert service.probe().code == 0
            record_of(service).unlink()
            (tmp_path / "link").unlink()
            assert service.probe().code == 1
            assert is_alive(pid)

    def test_of_a_script(self, ocf: Node, tmp_path: Path) -> None:
        program = script(tmp_path, f": >{tmp_path}/up; while :; do sleep 0.1; done")
        service = ocf(Service, program=program, words="a b")
        with by_hand(program, "a", "b") as pid:
            wait_for((tmp_path / "up").exists, pid)  # its interpreter has read it
            os.unlink(program)
            assert service.probe().code == 0
            assert service.stop().code == 0
            assert not is_alive(pid)
            assert service.probe().code == 7

    def test_of_everything_where_nothing_runs_is_stopped(self, ocf: Node) -> None:
        service = ocf(Service, program="/no/such/daemon", config="/no/such/file")
        assert codes(service.probe(), service.monitor(), service.stop()) == [7, 7, 0]


class TestAdoption:
    """A service that something else has started is the service."""

    def adopted(self, service: Instance, pid: int) -> None:
        assert service.probe().code == 0
        assert pid_of(service) == pid
        assert service.monitor().code == 0
        assert service.start().code == 0
        assert service.stop().code == 0
        assert not is_alive(pid)
        assert service.probe().code == 7

    def test_by_the_same_program_and_arguments(self, service: Instance, napper: str) -> None:
        with by_hand(napper, "600") as pid:
            self.adopted(service, pid)

    def test_not_with_other_arguments(self, service: Instance, napper: str) -> None:
        with by_hand(napper, "601") as pid:
            assert codes(service.probe(), service.stop()) == [7, 0]
            assert is_alive(pid)

    def test_not_by_another_program_with_the_same_arguments(
        self, service: Instance, tmp_path: Path
    ) -> None:
        with by_hand(native(tmp_path, "other"), "600") as pid:
            assert codes(service.probe(), service.stop()) == [7, 0]
            assert is_alive(pid)

    def test_of_a_script_by_its_path(self, ocf: Node, tmp_path: Path) -> None:
        program = script(tmp_path, "while :; do sleep 0.1; done")
        service = ocf(Service, program=program, words="a b")
        with by_hand("/bin/sh", program, "a", "b") as pid:
            self.adopted(service, pid)

    def test_of_a_script_by_its_path_from_where_it_was_called(
        self, ocf: Node, tmp_path: Path
    ) -> None:
        program = script(tmp_path, "while :; do sleep 0.1; done")
        service = ocf(Service, program=program, words="a b")
        argv = ("/bin/sh", "-c", f"cd {tmp_path}; exec ./daemon a b")
        pid = os.posix_spawn(argv[0], argv, os.environ)
        try:
            wait_for(lambda: process.command_line(pid)[1:] == ["./daemon", "a", "b"], pid)
            self.adopted(service, pid)
        finally:
            os.waitpid(pid, 0)

    @pytest.mark.parametrize(
        "viewer", ["tail -f {program}", "/bin/sh -c 'kill -STOP $$' {program}"]
    )
    def test_not_of_what_only_has_the_script_among_its_arguments(
        self, ocf: Node, tmp_path: Path, viewer: str
    ) -> None:
        """Whoever reads a script does not run it."""
        program = script(tmp_path, "while :; do sleep 0.1; done")
        service = ocf(Service, program=program, words="none")
        argv = ("/bin/sh", "-c", f"exec {viewer.format(program=program)}")
        pid = os.posix_spawn(argv[0], argv, os.environ)
        try:
            wait_for(lambda: process.command_line(pid)[-1:] == [program], pid)
            assert codes(service.probe(), service.stop()) == [7, 0]
            assert is_alive(pid)
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def test_by_its_pid_file_whatever_its_arguments_are(
        self, service: Instance, napper: str, tmp_path: Path
    ) -> None:
        service.parameters["pid_file"] = str(tmp_path / "pid")
        with by_hand(napper, "601") as pid:
            (tmp_path / "pid").write_text(f"{pid}\nmore lines\n")
            self.adopted(service, pid)

    @pytest.mark.parametrize(
        "where",
        ["{free}", "127.0.0.1 {free}", "{folder}/s", *(["::1 {free}"] if HAS_IPV6 else [])],
        ids=["port", "address", "path", *(["IPv6"] if HAS_IPV6 else [])],
    )
    def test_by_its_socket_whatever_its_arguments_are(
        self, ocf: Node, tmp_path: Path, where: str
    ) -> None:
        program = listening(tmp_path)
        where = where.format(free=free_port(), folder=tmp_path)
        *address, place = where.split()
        service = ocf(Service, program=program, words="--other")
        service.parameters["socket" if "/" in place else "port"] = place
        service.parameters["address"] = address[0] if address else None
        with by_hand(program, "-e", LISTEN, where) as pid:
            wait_for(lambda: service.probe().code == 0, pid)
            self.adopted(service, pid)

    def test_not_of_a_stranger_on_its_socket(self, service: Instance) -> None:
        service.parameters["port"] = port = free_port()
        with listener(("127.0.0.1", port)):
            assert codes(service.probe(), service.stop()) == [7, 0]

    def test_of_two_cannot_be_told(self, service: Instance, napper: str) -> None:
        with by_hand(napper, "600") as one, by_hand(napper, "600") as other:
            pids = ", ".join(map(str, sorted((one, other))))
            assert seen(service.probe()) == (1, f"processes {pids} could all be it")
            assert service.start().code == 1
            kill(other)
            self.adopted(service, one)

    def test_of_a_parent_with_workers_is_that_of_the_parent(
        self, ocf: Node, tmp_path: Path
    ) -> None:
        program = python(
            tmp_path, "for each in range(3):\n    os.fork() or time.sleep(600)\ntime.sleep(600)"
        )
        service = ocf(Service, program=program, words="none")
        with by_hand(program) as pid:
            wait_for(lambda: len(_children(pid)) == 3, pid)
            children = _children(pid)
            self.adopted(service, pid)
            assert not any(map(is_alive, children))

    def test_of_a_parent_that_dies_leaves_workers_which_are_no_service(
        self, ocf: Node, tmp_path: Path
    ) -> None:
        """They look exactly as the parent did."""
        program = python(tmp_path, "os.fork() or time.sleep(600)\ntime.sleep(600)")
        service = ocf(Service, program=program, words="none")
        with by_hand(program, session=True) as pid:
            wait_for(lambda: _children(pid), pid)
            (child,) = _children(pid)
            assert service.probe().code == 0
            kill(pid)
            assert service.monitor().code == 1
            assert service.stop().code == 0
            assert not is_alive(child)

    def test_is_of_one_instance_alone(self, ocf: Node, napper: str) -> None:
        one, other = ocf(Service, program=napper), ocf(Service, program=napper)
        with by_hand(napper, "600") as pid:
            assert one.probe().code == 0
            assert codes(other.probe(), other.stop()) == [7, 0]
            assert is_alive(pid)

    def test_of_a_process_with_another_title_needs_its_pid_file(
        self, service: Instance, napper: str, tmp_path: Path
    ) -> None:
        """It has written over its arguments and its environment, as many do."""
        pid = os.posix_spawn(napper, ["nap: serving", "601"], {})
        try:
            wait_for(lambda: process.executable(pid) == napper, pid)
            outcome = service.probe()
            assert seen(outcome) == (1, f"process {pid} could be it: it executes {napper}")
            assert service.stop(timeout=2).code == 1
            assert is_alive(pid)
            (tmp_path / "pid").write_text(str(pid))
            service.parameters["pid_file"] = str(tmp_path / "pid")
            assert service.probe().code == 0
            assert service.stop().code == 0
            assert not is_alive(pid)
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def test_of_a_process_with_another_title_is_by_its_record(
        self, ocf: Node, tmp_path: Path
    ) -> None:
        program = python(tmp_path, RETITLES)
        service = ocf(Service, program=program, words="none")
        service.start()
        pid = pid_of(service)
        wait_for(lambda: process.command_line(pid)[0] == "title", pid)
        assert process.environment(pid)[0].startswith(b"x")
        assert service.monitor().code == 0
        assert service.stop().code == 0
        assert not is_alive(pid)


RETITLES = """
with open("/proc/self/stat") as file:
    fields = file.read().rpartition(")")[2].split()
first, last, environment, end = (int(fields[at]) for at in (45, 46, 47, 48))
memory = os.open("/proc/self/mem", os.O_RDWR)
os.pwrite(memory, b"title" + bytes(last - first - 5), first)
os.pwrite(memory, b"x" * (end - environment), environment)
time.sleep(600)
"""
"""Writes over its arguments and its environment, as setproctitle does (proc(5): arg_start)."""


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for each in process.pids():
        try:
            if process.stat(each).ppid == pid:
                found.append(each)
        except OSError:
            continue
    return found


def test_a_daemon_without_a_command_is_no_agent() -> None:
    with pytest.raises(DeclarationError, match="Mute is no agent: it has no method command"):
        type("Mute", (Daemon,), {"__doc__": "Say nothing."})
