"""The agent service on real units of systemd, in a container whose process 1 it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.systemd_node import SystemdNode, systemd_node

UNIT = "my.app"
FILE = "/etc/systemd/system/my.app.service"
DROP_IN = "/run/systemd/system/my.app.service.d/50-ocfkit.conf"

NAPPER = "[Service]\nExecStart=/bin/sleep 600\nRestart=always\n"
STUBBORN = (
    "[Service]\nTimeoutStopSec=600\n"
    "ExecStart=/bin/sh -c 'trap \"\" TERM; while :; do sleep 0.1; done'\n"
)


@pytest.fixture(scope="module")
def node() -> Iterator[SystemdNode]:
    with systemd_node() as made:
        yield made


@pytest.fixture(autouse=True)
def tidy(node: SystemdNode) -> Iterator[None]:
    yield
    node.call("systemctl", "kill", "--signal=KILL", "my.app", "many@one")
    node.call("systemctl", "unmask", "my.app")
    node.call("systemctl", "stop", "my.app", "many@one")
    node.call("systemctl", "reset-failed")
    node.call("sh", "-c", "rm -rf /etc/systemd/system/my.app* /run/ocfkit /run/resource-agents")
    node.call("systemctl", "daemon-reload")


def has_unit(node: SystemdNode, text: str, file: str = FILE) -> None:
    node.put(file, text)
    node.call("systemctl", "daemon-reload")


def shown(node: SystemdNode, what: str, unit: str = UNIT) -> str:
    return node.call(
        "systemctl", "show", f"--property={what}", "--value", "--", unit
    ).stdout.strip()


def is_there(node: SystemdNode, path: str) -> bool:
    return node.call("test", "-e", path).code == 0


def test_a_round(node: SystemdNode) -> None:
    has_unit(node, NAPPER)
    assert node.agent("monitor", interval=0, unit=UNIT).code == 7
    started = node.agent("start", unit=UNIT)
    assert (started.code, started.stderr) == (0, "")
    assert shown(node, "ActiveState") == "active"
    assert node.agent("monitor", unit=UNIT).code == 0
    assert node.agent("start", unit=UNIT).code == 0
    stopped = node.agent("stop", unit=UNIT)
    assert (stopped.code, stopped.stderr) == (0, "")
    assert shown(node, "ActiveState") == "inactive"
    assert node.call("pgrep", "-x", "sleep").code == 1
    assert node.agent("monitor", interval=0, unit=UNIT).code == 7
    assert node.agent("stop", unit=UNIT).code == 0


def test_the_cluster_has_it_between_start_and_stop(node: SystemdNode) -> None:
    has_unit(node, NAPPER)
    assert node.agent("start", unit=UNIT).code == 0
    assert is_there(node, DROP_IN)
    assert shown(node, "Restart") == "no"
    assert "pacemaker.service" in shown(node, "Before")
    assert node.agent("stop", unit=UNIT).code == 0
    assert not is_there(node, DROP_IN)
    assert shown(node, "Restart") == "always"


def test_one_that_is_suspended_is_a_failure_and_can_be_stopped(node: SystemdNode) -> None:
    has_unit(node, NAPPER)
    assert node.agent("start", unit=UNIT).code == 0
    pid = shown(node, "MainPID")
    node.call("kill", "-STOP", pid)
    seen = node.agent("monitor", unit=UNIT)
    assert seen.code == 1
    assert f"process {pid} is suspended (state T)" in seen.stderr
    assert node.agent("stop", unit=UNIT).code == 0
    assert node.call("kill", "-0", pid).code != 0


def test_one_that_is_killed_is_not_running(node: SystemdNode) -> None:
    has_unit(node, NAPPER)
    assert node.agent("start", unit=UNIT).code == 0
    pid = shown(node, "MainPID")
    node.call("sh", "-c", f"kill -KILL {pid}; while kill -0 {pid}; do sleep 0.02; done")
    node.call("sh", "-c", "until systemctl is-failed my.app; do sleep 0.02; done")
    seen = node.agent("monitor", unit=UNIT)
    assert seen.code == 7
    assert "failed (result signal, status 9)" in seen.stderr
    assert node.agent("stop", unit=UNIT).code == 0
    assert node.agent("start", unit=UNIT).code == 0


def test_one_that_does_not_end_is_killed_in_time(node: SystemdNode) -> None:
    has_unit(node, STUBBORN)
    assert node.agent("start", unit=UNIT).code == 0
    pid = shown(node, "MainPID")
    stopped = node.agent("stop", timeout=5, unit=UNIT)
    assert stopped.code == 0, stopped.stderr
    assert node.call("kill", "-0", pid).code != 0


def test_what_a_stop_leaves_is_ended(node: SystemdNode) -> None:
    text = "[Service]\nKillMode=process\nExecStart=/bin/sh -c 'sleep 601 & sleep 602 & wait'\n"
    has_unit(node, text)
    assert node.agent("start", unit=UNIT).code == 0
    assert node.agent("stop", unit=UNIT).code == 0
    assert node.call("pgrep", "-x", "sleep").code == 1


def test_one_that_ends_at_once_is_a_failure_of_the_start(node: SystemdNode) -> None:
    has_unit(node, "[Service]\nType=exec\nExecStart=/bin/sh -c 'sleep 0.1; exit 3'\n")
    started = node.agent("start", unit=UNIT)
    assert started.code == 1
    assert "failed (result exit-code, status 3)" in started.stderr
    assert node.agent("stop", unit=UNIT).code == 0


def test_one_that_systemd_cannot_start_says_why(node: SystemdNode) -> None:
    has_unit(node, "[Service]\nType=oneshot\nExecStart=/bin/false\nRemainAfterExit=yes\n")
    started = node.agent("start", unit=UNIT)
    assert started.code == 1
    expected = (
        "systemctl start my.app.service: my.app.service is failed (result exit-code, status 1)"
    )
    assert expected in started.stderr


def test_a_start_that_failed_often_may_be_tried_again(node: SystemdNode) -> None:
    has_unit(node, f"[Unit]\nStartLimitBurst=2\nStartLimitIntervalSec=1h\n{NAPPER}")
    for _ in range(4):
        assert node.agent("start", unit=UNIT).code == 0
        node.call("systemctl", "kill", "--signal=KILL", UNIT)
        node.call("sh", "-c", "until systemctl is-failed my.app; do sleep 0.02; done")


def test_a_unit_without_processes_is_running_while_it_is_active(node: SystemdNode) -> None:
    has_unit(node, "[Service]\nType=oneshot\nExecStart=/bin/true\nRemainAfterExit=yes\n")
    assert node.agent("start", unit=UNIT).code == 0
    assert node.agent("monitor", unit=UNIT).code == 0
    assert node.agent("stop", unit=UNIT).code == 0
    assert node.agent("monitor", interval=0, unit=UNIT).code == 7


def test_an_instance_of_a_template(node: SystemdNode) -> None:
    has_unit(node, NAPPER, "/etc/systemd/system/many@.service")
    assert node.agent("start", unit="many@one").code == 0
    assert shown(node, "ActiveState", "many@one") == "active"
    assert node.agent("monitor", interval=0, unit="many@two").code == 7
    assert node.agent("stop", unit="many@one").code == 0


def test_a_unit_that_is_not_there_is_not_installed(node: SystemdNode) -> None:
    started = node.agent("start", unit="nobody")
    assert started.code == 5
    assert "there is no unit nobody.service on this node" in started.stderr
    assert node.agent("monitor", interval=0, unit="nobody").code == 7
    assert node.agent("stop", unit="nobody").code == 0


def test_a_masked_unit_is_not_started(node: SystemdNode) -> None:
    node.call("systemctl", "mask", "my.app.service")
    started = node.agent("start", unit=UNIT)
    assert started.code == 5
    assert "masked" in started.stderr


def test_a_stop_works_when_the_unit_file_is_gone(node: SystemdNode) -> None:
    has_unit(node, NAPPER)
    assert node.agent("start", unit=UNIT).code == 0
    node.call("rm", FILE)
    node.call("systemctl", "daemon-reload")
    assert node.agent("monitor", unit=UNIT).code == 0
    assert node.agent("stop", unit=UNIT).code == 0
    assert node.call("pgrep", "-x", "sleep").code == 1


def test_a_unit_that_starts_at_boot_is_warned_of(node: SystemdNode) -> None:
    has_unit(node, f"{NAPPER}[Install]\nWantedBy=multi-user.target\n")
    node.call("systemctl", "enable", UNIT)
    started = node.agent("start", unit=UNIT)
    assert started.code == 0
    assert "systemctl disable my.app.service" in started.stderr
    node.call("systemctl", "disable", UNIT)


def test_an_init_script_is_run_beside_systemd_and_not_by_it(node: SystemdNode) -> None:
    script = (
        "#!/bin/sh\ncase $1 in\nstart) setsid sleep 603 >/dev/null 2>&1 & ;;\n"
        "stop) pkill -f 'sleep 603'; true;;\nstatus) pgrep -f 'sleep 603' >/dev/null || exit 3;;\n"
        "esac\n"
    )
    node.put("/etc/init.d/napper", script)
    assert node.agent("start", init_script="napper").code == 0
    assert node.agent("monitor", init_script="napper").code == 0
    assert node.agent("stop", init_script="napper").code == 0
    assert node.call("pgrep", "-f", "sleep 603").code == 1
