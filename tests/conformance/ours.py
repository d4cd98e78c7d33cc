"""Agents of this project as a cluster would find them: a launcher, where all can read it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from lsbcheck.sandbox.grants import NOTHING, Grants
from lsbcheck.sandbox.namespace import NamespaceBackend
from ocfkit import launchers
from ocfkit.conformance.agent_file import AgentFile
from ocfkit.conformance.check import check
from ocfkit.conformance.rules import Judgement
from ocfkit.conformance.visit import Traveller
from tests.conformance.broken import GOOD

TOP = Path(__file__).parents[2]
DRIVERS = "/usr/lib/python3/dist-packages"
"""Where Debian has those that databases are asked with."""


SCHEMAS = "schemas-accept-the-meta-data"
"""A rule that needs other people's files: on a bare machine it is not provoked."""


@dataclass(frozen=True)
class Ours:
    """An agent, what it is given, and what is known of it."""

    name: str
    target: str
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    second: Mapping[str, str] = field(default_factory=dict[str, str])
    prepare: str | None = None
    root: str = ""
    """Debian root with its server."""
    disk: bool = False
    """Whether it has one, as /dev/shared."""
    most: float = 20.0
    """Seconds for a call."""
    known: Mapping[str, str] = field(default_factory=dict[str, str])
    """Rule → its verdict, of those that neither hold nor have nothing to judge."""


@contextlib.contextmanager
def home() -> Generator[Path]:
    """A folder with ocfkit, the examples and the small service, where the user nobody gets."""
    with TemporaryDirectory(prefix="ocfkit-ours-") as made:
        home = Path(made)
        home.chmod(0o755)
        for name in ("ocfkit", "examples"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(TOP / name, home / name, ignore=ignored)
        shutil.copy2(GOOD["shell"].with_name("pinger.py"), home)
        yield home


def not_well(
    ours: Ours, home: Path, root: str = "/", grants: Grants = NOTHING
) -> dict[str, Judgement]:
    """Check it; all judgements but those that hold or have nothing to judge."""
    path = [str(home), str(home / "examples"), DRIVERS]
    text = launchers.render("/usr/bin/python3", path, ours.target, name=ours.name)
    place = launchers.Place().path(ours.name)
    agent = AgentFile(ours.name, launchers.PROVIDER, place, text.encode(), (str(home),), ours.name)
    prepare = ours.prepare and ours.prepare.replace("HOME", str(home))
    with NamespaceBackend(root, grants) as backend:
        traveller = Traveller(
            agent, backend, ours.parameters, ours.second, most=ours.most, prepare=prepare
        )
        # two sandboxes at the same time would have the same device
        judgements = dict(check(traveller, jobs=1 if grants.devices else None).judgements)
    if root == "/" and judgements[SCHEMAS].verdict == "not-provoked":
        del judgements[SCHEMAS]
    return {
        rule: judged
        for rule, judged in judgements.items()
        if judged.verdict not in ("pass", "does-not-apply")
    }
