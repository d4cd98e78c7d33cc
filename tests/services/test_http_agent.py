"""The agent http with real nginx and Apache, by Pacemaker's own tools."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.services.cluster_tools import Machine, configured, forced, ocf_tester
from tests.services.conftest import debian

CONFIG = """\
pid /run/lab.pid;
error_log /var/log/nginx/lab.log;
worker_processes 2;
events {}
http { server { listen 127.0.0.1:8001; location / { return 200 "It works"; } } }
"""
NGINX = [
    "httpd=/usr/sbin/nginx",
    "configfile=/lab/nginx.conf",
    "port=8001",
    "statusurl=http://127.0.0.1:8001/",
    "testregex=It works",
]
APACHE = ["httpd=/usr/sbin/apache2", "statusurl=http://127.0.0.1:80/", "testregex=</html>"]
NOTHING_LEFT = (
    "! pgrep -x 'nginx|apache2' && ! ss -Hltn 'sport = :8001 or sport = :80' | grep . && "
    "! ls /run/lab.pid /run/apache2/apache2.pid 2>/dev/null"
)


@pytest.fixture
def machine(machine: Machine) -> Machine:
    return replace(
        machine,
        root=debian("servers"),
        files={"/lab/nginx.conf": CONFIG},
        prepare=[["ocfkit", "install", "http"]],
    )


@pytest.mark.parametrize("parameters", [NGINX, APACHE], ids=["nginx", "apache"])
def test_a_web_server_starts_is_watched_and_stops(machine: Machine, parameters: list[str]) -> None:
    answers = machine.run(
        *configured("ocf:ocfkit:http", parameters),
        forced("validate=10"),
        forced("check"),
        forced("start"),
        forced("start"),
        forced("check=10"),
        forced("stop"),
        forced("stop"),
        forced("check"),
        NOTHING_LEFT,
    )[-9:]
    assert [each.code for each in answers] == [0, 7, 0, 0, 0, 0, 0, 7, 0]


@pytest.mark.parametrize(
    ("fault", "level", "code", "reason"),
    [
        ("pkill -KILL -o -x nginx", "check", 1, "are still there"),
        ("pkill -KILL -x nginx; while pgrep -x nginx; do sleep 0.05; done", "check", 7, ""),
        ("pkill -STOP -o -x nginx", "check", 1, "is suspended (state T)"),
        ("pkill -STOP -P $(pgrep -o -x nginx)", "check=10", 1, "no answer had come when time"),
        ("sed -i 's/It works/Sorry/' /lab/nginx.conf && pkill -HUP -o -x nginx && sleep 1",
         "check=10", 1, "the page is 'Sorry', without 'It works'"),
        ("sed -i 's/200 /500 /' /lab/nginx.conf && pkill -HUP -o -x nginx && sleep 1",
         "check=10", 1, "status 500, not 200"),
        ("rm /lab/nginx.conf", "check=10", 0, ""),
    ],
    ids=["killed", "all killed", "suspended", "workers", "text", "status", "configuration"],
)  # fmt: skip
def test_a_fault_is_seen_and_the_stop_works(
    machine: Machine, fault: str, level: str, code: int, reason: str
) -> None:
    seen, stopped, left = machine.run(
        *configured("ocf:ocfkit:http", NGINX),
        forced("start"),
        fault,
        forced("check=10" if level == "check=10" else "check"),
        forced("stop"),
        NOTHING_LEFT,
    )[-3:]
    assert seen.code == code
    assert reason in seen.stdout + seen.stderr
    assert (stopped.code, left.code) == (0, 0)


def test_a_start_that_is_refused_leaves_nothing(machine: Machine) -> None:
    stranger = (
        "(setsid python3 -m http.server 8001 >/dev/null 2>&1 &)\n"
        "for _ in $(seq 200); do ss -Hltn 'sport = :8001' | grep -q . && exit 0; sleep 0.05; done"
    )
    *_, started, stopped, left = machine.run(
        *configured("ocf:ocfkit:http", NGINX),
        stranger,
        forced("start"),
        forced("stop"),
        "! ls /run/*.pid",
    )
    assert (started.code, stopped.code, left.code) == (1, 0, 0)
    assert "listens on port 8001" in started.stdout


def test_a_wrong_configuration_is_told_in_the_programs_words(machine: Machine) -> None:
    machine = replace(machine, files={"/lab/nginx.conf": CONFIG.replace("listen", "hear")})
    started = machine.run(*configured("ocf:ocfkit:http", NGINX), forced("start"))[-1]
    assert started.code == 5
    assert 'unknown directive "hear"' in started.stdout + started.stderr


def test_ocf_tester_has_nothing_to_say(machine: Machine) -> None:
    machine = replace(machine, prepare=[["ocfkit", "install", "--profile=1.0", "http"]])
    (done,) = machine.run(ocf_tester("ocf:ocfkit:http", NGINX), limit=120)
    assert done.code == 0
