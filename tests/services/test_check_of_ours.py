"""The agents that run servers of Debian keep the rules of `ocfkit check`, each with its server."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lsbcheck.sandbox.namespace import NamespaceBackend
from ocfkit import launchers
from ocfkit.conformance.agent_file import AgentFile
from ocfkit.conformance.check import check
from ocfkit.conformance.visit import Traveller
from tests.services.conftest import debian

TOP = Path(__file__).parents[2]
DEBIAN = "/usr/lib/python3/dist-packages"
"""Where the drivers are that the agents ask databases with."""

NGINX = """
cat >/etc/one.conf <<'END'
pid /run/one.pid; error_log /var/log/nginx/lab.log; worker_processes 2; events {}
http { server { listen 127.0.0.1:8001; location / { return 200 "It works"; } } }
END
sed 's/8001/8002/; s/one/two/' /etc/one.conf >/etc/two.conf
"""


@dataclass(frozen=True)
class Ours:
    """An agent, the root and what else it needs, and what is known of it that is not well."""

    name: str
    target: str
    root: str = "servers"
    parameters: Mapping[str, str] = field(default_factory=dict)
    second: Mapping[str, str] = field(default_factory=dict)
    prepare: str | None = None
    known: Mapping[str, str] = field(default_factory=dict)
    """Rule → its verdict."""


OURS = (
    Ours(
        "http",
        "ocfkit.agents.http:Http",
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
    """A folder with ocfkit and the examples, where the user nobody gets."""
    with TemporaryDirectory(prefix="ocfkit-ours-") as made:
        home = Path(made)
        home.chmod(0o755)
        for name in ("ocfkit", "examples"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(TOP / name, home / name, ignore=ignored)
        yield home


@pytest.mark.parametrize("ours", OURS, ids=lambda ours: ours.name)
def test_is_well(ours: Ours, home: Path) -> None:
    path = [str(home), str(home / "examples"), DEBIAN]
    text = launchers.render("/usr/bin/python3", path, ours.target, name=ours.name)
    place = launchers.Place().path(ours.name)
    agent = AgentFile(ours.name, launchers.PROVIDER, place, text.encode(), (str(home),), ours.name)
    with NamespaceBackend(str(debian(ours.root))) as backend:
        judgements = check(
            Traveller(
                agent,
                backend,
                ours.parameters,
                ours.second,
                most=20.0,
                prepare=ours.prepare,
            )
        ).judgements
    seen = {rule: judged.verdict for rule, judged in judgements.items()}
    bad = {rule: said for rule, said in seen.items() if said not in ("pass", "does-not-apply")}
    assert bad == ours.known
