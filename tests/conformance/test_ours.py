"""The examples and the agent `service` keep every rule, each with a service that needs no package.

The agents that run servers of Debian are checked in tests/services/test_check_of_ours.py. `sfex`
wants a block device, and a sandbox has none.
"""

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
from tests.conformance.broken import GOOD

TOP = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ours:
    """An agent, what it is given, and what stays open of it."""

    name: str
    target: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    second: Mapping[str, str] = field(default_factory=dict)
    open: Mapping[str, str] = field(default_factory=dict)
    """Rule → why it could not be judged."""


OURS = (
    Ours("dummy", "dummy:Dummy", open={"failures-have-reasons": "no call failed"}),
    Ours("lead", "promotable:Lead"),
    Ours(
        "web",
        "web:Web",
        # the word after --directory is taken for the program that python3 runs
        open={"missing-program-is-told": "Is a directory: /srv"},
    ),
    Ours(
        "service",
        "ocfkit.agents.service:Service",
        {
            "command": "/usr/local/bin/pinger serve 7007 /var/lib/one.pid",
            "tcp_port": "7007",
        },
        {
            "command": "/usr/local/bin/pinger serve 7008 /var/lib/two.pid",
            "tcp_port": "7008",
        },
    ),
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
        shutil.copy2(GOOD["shell"].with_name("pinger.py"), home)
        yield home


@pytest.mark.parametrize("ours", OURS, ids=lambda ours: ours.name)
def test_is_well(ours: Ours, home: Path) -> None:
    path = [str(home), str(home / "examples")]
    text = launchers.render("/usr/bin/python3", path, ours.target, name=ours.name)
    place = launchers.Place().path(ours.name)
    agent = AgentFile(ours.name, launchers.PROVIDER, place, text.encode(), (str(home),), ours.name)
    with NamespaceBackend() as backend:
        judgements = check(
            Traveller(
                agent,
                backend,
                ours.parameters,
                ours.second,
                most=20.0,
                prepare=f"install {home}/pinger.py /usr/local/bin/pinger",
            )
        ).judgements
    bad = {
        rule: judged.sentence
        for rule, judged in judgements.items()
        if judged.verdict not in ("pass", "does-not-apply")
    }
    assert bad == ours.open
