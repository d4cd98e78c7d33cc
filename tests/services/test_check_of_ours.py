"""The agents that run servers of Debian keep the rules of `ocfkit check`, each with its server."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.conformance import ours
from tests.conformance.ours import Ours
from tests.services.conftest import debian

NGINX = """
cat >/etc/one.conf <<'END'
pid /run/one.pid; error_log /var/log/nginx/lab.log; worker_processes 2; events {}
http { server { listen 127.0.0.1:8001; location / { return 200 "It works"; } } }
END
sed 's/8001/8002/; s/one/two/' /etc/one.conf >/etc/two.conf
"""


OURS = (
    Ours(
        "http",
        "ocfkit.agents.http:Http",
        root="servers",
        parameters={
            "httpd": "/usr/sbin/nginx",
            "configfile": "/etc/one.conf",
            "port": "8001",
            "statusurl": "http://127.0.0.1:8001/",
            "testregex": "It works",
        },
        second={
            "configfile": "/etc/two.conf",
            "port": "8002",
            "statusurl": "http://127.0.0.1:8002/",
        },
        prepare=NGINX,
    ),
    Ours(
        "pgsql",
        "ocfkit.agents.pgsql:Pgsql",
        root="servers",
        parameters={"pgdata": "/var/lib/postgresql/15/main"},
        known={
            # it asks the program for its version first, and says why that fails
            "start-failure-is-told": "not-provoked",
            # a second one needs a second cluster of databases
            "second-instance-is-another": "not-provoked",
            "stop-spares-the-other-instance": "not-provoked",
        },
    ),
    Ours(
        "service",
        "ocfkit.agents.service:Service",
        root="pacemaker",
        parameters={"init_script": "memcached", "tcp_port": "11211"},
        known={
            # Debian's script says 0 to everything where its program is missing, and the agent
            # believes it: a probe finds a service that is not installed
            "missing-program-is-told": "fail",
            # a script runs one service, whatever a resource is called
            "second-instance-is-another": "not-provoked",
            "stop-spares-the-other-instance": "not-provoked",
        },
    ),
    Ours("memcached", "memcached:Memcached", root="pacemaker", second={"port": "11212"}),
)


@pytest.fixture(scope="module")
def home() -> Generator[Path]:
    with ours.home() as made:
        yield made


@pytest.mark.parametrize("agent", OURS, ids=lambda agent: agent.name)
def test_is_well(agent: Ours, home: Path) -> None:
    seen = ours.not_well(agent, home, str(debian(agent.root)))
    assert {rule: each.verdict for rule, each in seen.items()} == agent.known, seen
