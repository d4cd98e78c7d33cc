"""The agent service on Debian's own init scripts and daemons, driven by Pacemaker's tools."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.services.cluster_tools import Answer, Command, Machine, configured, forced, ocf_tester
from tests.services.conftest import debian

AGENT = "ocf:ocfkit:service"

NO_IPV6 = ["ip", "-6", "address", "flush", "dev", "lo"]

DAEMONS = {"nginx": "nginx", "apache2": "apache2", "snmpd": "snmpd", "memcached": "memcached"}
"""Init script → the name of its processes."""


@pytest.fixture(scope="module")
def servers(machine: Machine) -> Machine:
    """A machine with servers, and the agent installed."""
    return replace(machine, root=debian("servers"), prepare=[["ocfkit", "install", "service"]])


def run(machine: Machine, parameters: list[str], *commands: Command) -> list[Answer]:
    lab = replace(machine, prepare=[*machine.prepare, *configured(AGENT, parameters)])
    return lab.run(*commands)


def all_of(name: str) -> Command:
    """Print what lives of a name, and fail where nothing does; zombies do not live."""
    return f"ps -C {name} -o pid=,stat= | grep -v Z"


@pytest.mark.parametrize("script", DAEMONS)
def test_a_script_makes_a_round_and_leaves_nothing(servers: Machine, script: str) -> None:
    name = DAEMONS[script]
    parameters = [f"init_script={script}"]
    probed, started, there, checked, again, stopped, left, after, twice = run(
        servers,
        parameters,
        forced("check"),
        forced("start"),
        all_of(name),
        forced("check"),
        forced("start"),
        forced("stop"),
        all_of(name),
        forced("check"),
        forced("stop"),
    )
    assert [probed.code, started.code, there.code, checked.code] == [7, 0, 0, 0]
    assert [again.code, stopped.code, left.code, after.code, twice.code] == [0, 0, 1, 7, 0]


@pytest.mark.parametrize("script", DAEMONS)
def test_a_suspended_daemon_is_a_failure_and_can_be_stopped(servers: Machine, script: str) -> None:
    name = DAEMONS[script]
    started, _, status, checked, stopped, left = run(
        servers,
        [f"init_script={script}"],
        forced("start"),
        ["pkill", "-STOP", "-x", name],
        ["env", "SYSTEMCTL_SKIP_REDIRECT=1", f"/etc/init.d/{script}", "status"],
        forced("check"),
        forced("stop"),
        all_of(name),
    )
    assert started.code == 0
    assert status.code == 0, "its own script sees nothing"
    assert checked.code == 1
    assert "is suspended (state T)" in checked.stdout
    assert [stopped.code, left.code] == [0, 1]


@pytest.mark.parametrize("script", DAEMONS)
def test_all_that_is_killed_is_not_running(servers: Machine, script: str) -> None:
    name = DAEMONS[script]
    started, _, checked, stopped, again, last = run(
        servers,
        [f"init_script={script}"],
        forced("start"),
        f"pkill -KILL -x {name}; while {_living(name)}; do sleep 0.05; done",
        forced("check"),
        forced("stop"),
        forced("start"),
        forced("stop"),
    )
    assert [started.code, checked.code, stopped.code, again.code, last.code] == [0, 7, 0, 0, 0]


def test_workers_whose_master_was_killed_are_a_failure_and_can_be_stopped(
    servers: Machine,
) -> None:
    started, _, checked, stopped, left = run(
        servers,
        ["init_script=nginx"],
        forced("start"),
        "kill -KILL $(cat /run/nginx.pid); sleep 0.2",
        forced("check"),
        forced("stop"),
        all_of("nginx"),
    )
    assert started.code == 0
    assert checked.code == 1
    assert [stopped.code, left.code] == [0, 1]


def test_snmpd_without_an_ipv6_loopback_fails_its_start_with_a_reason(servers: Machine) -> None:
    """The script says 0, and its daemon dies: lsb:snmpd was started 101 times in six seconds."""
    _, started, left, checked, stopped = run(
        servers,
        ["init_script=snmpd"],
        NO_IPV6,
        forced("start"),
        all_of("snmpd"),
        forced("check"),
        forced("stop"),
    )
    assert started.code == 1
    assert "/etc/init.d/snmpd start said it was done, but" in started.stdout
    assert [left.code, checked.code, stopped.code] == [1, 7, 0]


def test_a_removed_script_does_not_prevent_a_stop(servers: Machine) -> None:
    started, _, checked, stopped, left, probed = run(
        servers,
        ["init_script=nginx"],
        forced("start"),
        ["rm", "/etc/init.d/nginx"],
        forced("check"),
        forced("stop"),
        all_of("nginx"),
        forced("check"),
    )
    assert [started.code, checked.code, stopped.code, left.code] == [0, 0, 0, 1]
    assert probed.code == 7


def test_one_that_was_started_at_boot_is_seen_and_stopped(servers: Machine) -> None:
    _, checked, stopped, left = run(
        servers,
        ["init_script=nginx", "pid_file=/run/nginx.pid"],
        ["/etc/init.d/nginx", "start"],
        forced("check"),
        forced("stop"),
        all_of("nginx"),
    )
    assert [checked.code, stopped.code, left.code] == [0, 0, 1]


@pytest.mark.parametrize("script", ["nginx", "snmpd"])
def test_the_tester_of_resource_agents_finds_nothing(servers: Machine, script: str) -> None:
    lab = replace(servers, prepare=[["ocfkit", "install", "--profile", "1.0", "service"]])
    (tested,) = lab.run(ocf_tester(AGENT, [f"init_script={script}"]), limit=120)
    assert tested.code == 0, tested
    assert "passed all tests" in tested.stdout


def test_a_unit_cannot_run_where_systemd_does_not(servers: Machine) -> None:
    started, checked, stopped = run(
        servers, ["unit=nginx"], forced("start"), forced("check"), forced("stop")
    )
    assert started.code == 5
    assert "systemd does not run on this node" in started.stdout
    assert [checked.code, stopped.code] == [7, 0]


def _living(name: str) -> str:
    return f"ps -C {name} -o stat= | grep -qv Z"
