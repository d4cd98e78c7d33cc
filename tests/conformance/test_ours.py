"""The examples and the agent `service` keep every rule, each with a service that needs no package.

Those that run servers of Debian, and `sfex` with its disk, are in
tests/services/test_check_of_ours.py.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from ocfkit.conformance.rules import Judgement
from tests.conformance import ours
from tests.conformance.ours import Ours

OURS = (
    Ours("dummy", "dummy:Dummy"),
    Ours("lead", "promotable:Lead"),
    Ours("web", "web:Web"),
    Ours(
        "service",
        "ocfkit.agents.service:Service",
        {"command": "/usr/local/bin/pinger serve 7007 /var/lib/one.pid", "port": "7007"},
        {"command": "/usr/local/bin/pinger serve 7008 /var/lib/two.pid", "port": "7008"},
        prepare="install HOME/pinger.py /usr/local/bin/pinger",
    ),
)


@pytest.fixture(scope="module")
def home() -> Generator[Path]:
    with ours.home() as made:
        yield made


@pytest.fixture(scope="module")
def checks(home: Path) -> Generator[Mapping[str, Future[Mapping[str, Judgement]]]]:
    """All under way: most of their time they wait."""
    with ThreadPoolExecutor() as pool:
        yield {agent.name: pool.submit(ours.not_well, agent, home) for agent in OURS}


@pytest.mark.parametrize("agent", OURS, ids=lambda agent: agent.name)
def test_is_well(agent: Ours, checks: Mapping[str, Future[Mapping[str, Judgement]]]) -> None:
    seen = checks[agent.name].result()
    assert {rule: each.verdict for rule, each in seen.items()} == agent.known, seen
