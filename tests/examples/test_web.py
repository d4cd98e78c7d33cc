"""The agent of README.md, with its real server."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ocfkit.testing import Instance, Node
from tests import readme
from tests.examples.load import EXAMPLES, load

Web = load("web").Web


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.fixture
def web(ocf: Node) -> Instance:
    """A web server that runs."""
    instance = ocf(Web, port=free_port())
    started = instance.start()
    assert started.code == 0, started
    return instance


def pid_of(web: Instance) -> int:
    """The process as the record names it."""
    record = Path(web.node.folder, "ocfkit", "web", web.name)
    return int(record.read_text().split()[0])


def test_it_is_the_agent_of_the_readme() -> None:
    assert readme.blocks("python")[0] == (EXAMPLES / "web.py").read_text("utf-8")


def test_the_readme_shows_twelve_lines_of_code() -> None:
    lines = [line for line in readme.blocks("python")[0].splitlines() if line.strip()]
    assert len(lines) == 12


def test_a_page_comes_back_at_depth_10(web: Instance) -> None:
    assert web.monitor(level=10).code == 0


def test_a_second_start_starts_nothing(web: Instance) -> None:
    before = pid_of(web)
    assert web.start().code == 0
    assert pid_of(web) == before


def test_a_suspended_server_is_a_failure_and_can_be_stopped(web: Instance) -> None:
    web.suspend()
    seen = web.monitor()
    assert (seen.code, "is suspended" in seen.reason) == (1, True)
    assert web.stop().code == 0


def test_a_port_that_is_taken_is_told_with_who_has_it(ocf: Node) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        started = ocf(Web, port=port).start()
    assert started.code == 1
    assert f"listens on port {port}" in started.reason
