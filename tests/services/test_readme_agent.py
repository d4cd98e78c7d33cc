"""The agent of README.md, copied into a file, installed, and driven by Pacemaker's own tools."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests import readme
from tests.services.cluster_tools import Machine, configured, forced

AGENT = "ocf:ocfkit:web"
FILE = "/usr/local/lib/web.py"
SERVER = "http.server 8081"


@pytest.fixture(scope="module")
def lab(machine: Machine) -> Machine:
    """A machine with the agent installed, and a resource of it on port 8081."""
    (text,) = readme.blocks("python")
    prepare = [["ocfkit", "install", FILE], *configured(AGENT, ["port=8081"])]
    return replace(machine, files={FILE: text}, prepare=prepare)


def test_a_suspended_server_is_noticed_and_can_be_stopped(lab: Machine) -> None:
    started, _, checked, stopped, left = lab.run(
        forced("start"),
        ["pkill", "-STOP", "-f", SERVER],
        forced("check"),
        forced("stop"),
        ["pgrep", "-f", SERVER],
    )
    assert started.code == 0
    assert checked.code == 1
    assert "is suspended (state T)" in checked.stdout
    assert stopped.code == 0
    assert left.code == 1


def test_a_page_that_is_gone_is_noticed_at_depth_10_alone(lab: Machine) -> None:
    *_, shallow, deep, stopped = lab.run(
        forced("start"),
        "mv /srv /gone",
        forced("check"),
        forced("check=10"),
        forced("stop"),
    )
    assert shallow.code == 0
    assert deep.code == 1
    assert "HTTP Error 404" in deep.stdout
    assert "(depth 10: page comes back)" in deep.stdout
    assert stopped.code == 0


def test_a_killed_server_is_not_running_and_starts_again(lab: Machine) -> None:
    codes = [
        done.code
        for done in lab.run(
            forced("start"),
            ["pkill", "-KILL", "-f", SERVER],
            forced("check"),
            forced("start"),
            forced("check"),
            forced("stop"),
        )
    ]
    assert codes == [0, 0, 7, 0, 0, 0]


def test_a_stranger_on_the_port_does_not_pass_for_the_server(lab: Machine) -> None:
    *_, started, checked = lab.run(
        "cd / && setsid memcached -u root -l 127.0.0.1 -p 8081 -d",
        "until ss -Hltn | grep :8081; do sleep 0.02; done",
        forced("start"),
        forced("check"),
    )
    assert started.code == 1
    assert "memcached) listens on port 8081" in started.stdout
    assert checked.code == 7
