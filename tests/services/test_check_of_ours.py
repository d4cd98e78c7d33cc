"""The agents that run servers of Debian keep the rules of `ocfkit check`, each with its server.

So does `sfex`, on a disk of its own. A sandbox has no CAP_SYS_BOOT and writes no sysrq: nothing
there could end the machine, which the agent is told to put up with.
"""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from ocfkit.conformance.rules import Judgement
from tests.conformance import ours
from tests.conformance.ours import Ours
from tests.services import agents
from tests.services.conftest import debian

NGINX = """
cat >/etc/one.conf <<'END'
pid /run/one.pid; error_log /var/log/nginx/lab.log; worker_processes 2; events {}
http { server { listen 127.0.0.1:8001; location / { return 200 "It works"; } } }
END
sed 's/8001/8002/; s/one/two/' /etc/one.conf >/etc/two.conf
"""


AT_A_TIME = 3
"""Agents, each in two sandboxes; with more, one waits for the others instead of for itself.

The first takes longest: it has one sandbox at a time.
"""

OURS = (
    Ours(
        "sfex",
        "ocfkit.agents.sfex.agent:Sfex",
        root="pacemaker",
        parameters={
            "device": agents.SHARED,
            "lock_timeout": "3s",
            "monitor_interval": "1s",
            "guard": "advise",
        },
        second={"index": "2"},
        prepare=f"cd HOME && python3 -m ocfkit sfex init -n 2 --force {agents.SHARED}",
        disk=True,
        most=8.0,
        # its program is Python's own, and is called for much else
        known={"start-failure-is-told": "not-provoked"},
    ),
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
        most=10.0,
    ),
    Ours(
        "pgsql",
        "ocfkit.agents.pgsql.agent:Pgsql",
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
            # a script runs one service, whatever a resource is called
            "second-instance-is-another": "not-provoked",
            "stop-spares-the-other-instance": "not-provoked",
        },
        most=10.0,
    ),
    Ours("memcached", "memcached:Memcached", root="pacemaker", second={"port": "11212"}, most=10.0),
)


@pytest.fixture(scope="module")
def home() -> Generator[Path]:
    with ours.home() as made:
        yield made


@pytest.fixture(scope="module")
def checks(
    request: pytest.FixtureRequest, home: Path
) -> Generator[dict[str, Future[dict[str, Judgement]]]]:
    """Those that a test is going to ask for, all under way: most of their time they wait."""
    asked = {item.name for item in request.session.items}
    chosen = [agent for agent in OURS if f"test_is_well[{agent.name}]" in asked]
    places = {agent.name: str(debian(agent.root)) for agent in chosen}

    def check(agent: Ours) -> dict[str, Judgement]:
        with agents.granted({"disk": 1} if agent.disk else {}) as grants:
            return ours.not_well(agent, home, places[agent.name], grants)

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield {agent.name: pool.submit(check, agent) for agent in chosen}


@pytest.mark.parametrize("agent", OURS, ids=lambda agent: agent.name)
def test_is_well(agent: Ours, checks: dict[str, Future[dict[str, Judgement]]]) -> None:
    seen = checks[agent.name].result()
    assert {rule: each.verdict for rule, each in seen.items()} == agent.known, seen
