"""The agent http on a small web server; with nginx and Apache it is in tests/services."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from ocfkit.agents.http import Http
from ocfkit.linux import process
from ocfkit.testing import Instance, Node
from tests.ocfkit.daemons import free_port, pid_of, wait_for


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_text("It works")
    return folder


@pytest.fixture
def web(ocf: Node, site: Path) -> Instance:
    port = free_port()
    return ocf(
        Http,
        httpd="/usr/bin/python3",
        options=f"-m http.server {port} --bind 127.0.0.1 --directory '{site}'",
        port=port,
        testregex="It works",
        timeout=10,
    )


def test_a_start_is_done_when_the_page_comes_back(web: Instance) -> None:
    assert web.start().code == 0
    assert web.monitor().code == 0
    assert web.monitor(level=10).code == 0
    assert web.monitor(level=20).code == 0
    assert web.stop().code == 0
    assert web.probe().code == 7


def test_a_page_that_says_something_else_is_a_failure(web: Instance, site: Path) -> None:
    web.start()
    (site / "index.html").write_text("Sorry")
    outcome = web.monitor(level=10)
    assert outcome.code == 1
    assert "status 200, and the page is 'Sorry', without 'It works'" in outcome.reason
    assert web.monitor().code == 0
    web.parameters["tolerate"] = 1
    assert web.monitor(level=10).code == 190
    web.stop()


def test_another_status_may_be_the_right_one(web: Instance) -> None:
    web.start()
    web.parameters["statusurl"] = f"http://127.0.0.1:{web.parameters['port']}/nothing"
    web.parameters["testregex"] = "File not found"
    assert web.monitor(level=10).code == 1
    web.parameters["status"] = "200,404"
    assert web.monitor(level=10).code == 0
    web.stop()


def test_a_suspended_server_is_a_failure_at_every_depth(web: Instance) -> None:
    web.start()
    pid = pid_of(web)
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: process.stat(pid).state == "T", pid)
    assert web.monitor().code == 1
    assert web.monitor(level=10).code == 1
    assert web.stop().code == 0


def test_a_journey_that_is_none_keeps_it_from_starting(web: Instance, tmp_path: Path) -> None:
    (tmp_path / "journey.toml").write_text("[[step]]\nfetch = '/'\n")
    web.parameters["journey"] = tmp_path / "journey.toml"
    assert web.start().code == 2
    assert web.probe().code == 7


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"status": "ok"}, "parameter status: expected codes such as 200,204, seen 'ok'"),
        ({"init_script": "/etc/init.d/x", "unit": "x"}, "cannot both run it"),
        ({"testregex": "("}, "'(' is no regular expression"),
        (
            {"httpd": "true", "statusurl": "htp://web/"},
            "'htp://web/' is no address: it does not begin with http",
        ),
    ],
)
def test_a_mistake_is_told_before_anything_is_done(
    ocf: Node, parameters: dict[str, str], reason: str
) -> None:
    web = ocf(Http)
    web.parameters.update(parameters)
    outcome = web.start()
    assert outcome.code == 6
    assert reason in outcome.reason
