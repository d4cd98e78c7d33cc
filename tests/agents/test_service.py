"""The agent service, by command and by init script, with what its parameters make it ask."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ocfkit.agents.service import Service
from ocfkit.testing import Node
from tests.ocfkit.daemons import FORKS, is_alive, native, pid_of, python, record_of


def test_runs_a_command_split_as_a_shell_does_it(ocf: Node, tmp_path: Path) -> None:
    program = python(tmp_path, "print(sys.argv[1:], flush=True); time.sleep(600)")
    output = tmp_path / "output"
    service = ocf(Service, command=f"{program} 'a b' c\\ d", output=str(output))
    assert service.start().code == 0
    assert output.read_text() == "['a b', 'c d']\n"
    assert service.monitor(level=20).code == 0
    assert service.stop().code == 0


def test_runs_a_command_that_forks(ocf: Node, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    program = python(tmp_path, FORKS.format(pid_file=str(pid_file)))
    service = ocf(Service, command=program, forks=True, pid_file=str(pid_file))
    assert service.start().code == 0
    pid = int(pid_file.read_text())
    assert pid_of(service) == pid
    assert service.stop().code == 0
    assert not is_alive(pid)


def test_runs_an_init_script(ocf: Node, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(
        "#!/bin/sh\ncase $1 in\n"
        f"start) touch {tmp_path}/on;;\nstop) rm -f {tmp_path}/on;;\n"
        f"status) [ -e {tmp_path}/on ] || exit 3;;\nesac\n"
    )
    script.chmod(0o755)
    service = ocf(Service, init_script=str(script))
    assert service.start().code == 0
    assert service.monitor().code == 0
    assert service.stop().code == 0
    assert not record_of(service).exists()


class TestAScriptWhoseProgramIsMissing:
    """It says 0 to everything, as many of Debian's do."""

    @pytest.fixture
    def script(self, tmp_path: Path) -> Path:
        script = tmp_path / "script"
        script.write_text(
            f"#!/bin/sh\nDAEMON={tmp_path}/webd\n[ -x $DAEMON ] || exit 0\ncase $1 in\n"
            f"start) $DAEMON 600 & echo $! >>{tmp_path}/pid;;\nstop) kill `cat {tmp_path}/pid`;;\n"
            f"status) kill -0 `cat {tmp_path}/pid` || exit 3;;\nesac\n"
        )
        script.chmod(0o755)
        return script

    @pytest.mark.parametrize(
        "told",
        [{}, {"binary": "webd-of-nobody"}, {"pid_file": "/nowhere/pid"}, {"port": 1}],
        ids=["", "told", "with a pid file", "with a port"],
    )
    def test_is_not_believed(self, ocf: Node, script: Path, told: dict[str, object]) -> None:
        service = ocf(Service, told, init_script=str(script))
        assert service.probe().code == 7
        started = service.start()
        assert started.code == 5
        assert "there is no program" in started.reason
        assert service.stop().code == 0

    def test_is_believed_while_a_process_runs(
        self, ocf: Node, script: Path, tmp_path: Path
    ) -> None:
        native(tmp_path, "webd")
        service = ocf(Service, init_script=str(script))
        assert service.probe().code == 7
        assert service.start().code == 0
        (tmp_path / "webd").rename(tmp_path / "away")
        assert service.monitor().code == 0
        (tmp_path / "away").rename(tmp_path / "webd")
        assert service.stop().code == 0

    def test_is_believed_while_several_processes_run(
        self, ocf: Node, script: Path, tmp_path: Path
    ) -> None:
        native(tmp_path, "webd")
        script.write_text(
            script.read_text().replace("start) ", f"start) $DAEMON 599 & echo $! >{tmp_path}/pid; ")
        )
        service = ocf(Service, init_script=str(script))
        assert service.start().code == 0
        (tmp_path / "webd").rename(tmp_path / "away")
        assert service.monitor().code == 0
        (tmp_path / "away").rename(tmp_path / "webd")
        assert service.stop().code == 0

    def test_is_believed_of_a_process_at_its_place(
        self, ocf: Node, script: Path, tmp_path: Path
    ) -> None:
        """One that was started at boot, and whose program was taken away since."""
        pid_file = tmp_path / "pid"
        with subprocess.Popen([native(tmp_path), "600"]) as one:
            pid_file.write_text(f"{one.pid}\n")
            service = ocf(Service, init_script=str(script), pid_file=str(pid_file))
            code = service.probe().code
            one.kill()
        assert code == 0


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({}, "set exactly one of init_script, unit and command: none is set"),
        ({"command": "a", "unit": "b"}, "init_script, unit and command: 2 are set"),
        ({"command": "a 'b"}, "parameter command: No closing quotation"),
        ({"command": "''"}, "parameter command is blank"),
        ({"unit": "no such unit"}, "cannot be the name of a unit"),
        ({"unit": "getty@"}, "getty@.service is a template"),
        ({"command": "a", "http_status": "20"}, "parameter http_status: expected codes"),
        ({"command": "a", "http_match": "("}, "'(' is no regular expression"),
        ({"command": "a", "check_command": '"'}, "parameter check_command"),
    ],
)
def test_a_mistake_in_its_parameters_is_told(
    ocf: Node, parameters: dict[str, object], reason: str
) -> None:
    outcome = ocf(Service, parameters).run("validate-all")
    assert outcome.code == 6
    assert reason in outcome.reason


def test_a_secret_in_the_command_is_refused(ocf: Node) -> None:
    outcome = ocf(Service, command="/bin/sleep canary", sql_password="canary").start()  # noqa: S106
    assert outcome.code == 6
    assert "canary" not in outcome.reason + outcome.log


class TestACheck:
    @pytest.fixture
    def parameters(self, tmp_path: Path) -> dict[str, object]:
        return {"command": f"{native(tmp_path)} 600"}

    def test_of_a_command_has_to_print_what_is_wanted(
        self, ocf: Node, parameters: dict[str, object]
    ) -> None:
        service = ocf(Service, parameters, check_command="echo ready", check_match="ready")
        assert service.start().code == 0
        service.parameters["check_match"] = "steady"
        outcome = service.monitor(level=10)
        assert outcome.code == 1
        assert "without 'steady'" in outcome.reason
        assert "(depth 10: command succeeds)" in outcome.reason
        assert service.monitor().code == 0

    def test_may_fail_as_often_as_is_tolerated(
        self, ocf: Node, parameters: dict[str, object]
    ) -> None:
        service = ocf(Service, parameters, check_command="true", tolerate=1)
        assert service.start().code == 0
        service.parameters["check_command"] = "false"
        assert [service.monitor(level=10).code for _ in range(3)] == [190, 1, 1]

    def test_of_a_port_has_to_connect(
        self, ocf: Node, parameters: dict[str, object], port: int
    ) -> None:
        service = ocf(Service, parameters, tcp_port=port, tcp_banner="^220 ")
        assert service.start().code == 0
        service.parameters["tcp_banner"] = "SSH"
        assert service.monitor(level=10, timeout=2).code == 1

    @pytest.fixture
    def port(self) -> Iterator[int]:
        """Of somebody who greets all that come."""
        with closing(socket.create_server(("127.0.0.1", 0))) as server:

            def greet() -> None:
                while True:
                    try:
                        connection, _ = server.accept()
                    except OSError:
                        return
                    with connection:
                        connection.sendall(b"220 at your service\r\n")

            thread = threading.Thread(target=greet)
            thread.start()
            yield server.getsockname()[1]
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
