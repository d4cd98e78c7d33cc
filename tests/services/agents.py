"""Debian's OCF agents under `ocfkit check`, and the published table of its findings.

    python tests/services/agents.py [--jobs N] [--write] [AGENT…]

Each agent of resource-agents and pacemaker says its meta-data, and those of agents.toml are started
too. Without --write the run is compared with the table.
"""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP)]  # run as a file, by ./dev corpus agents

from lsbcheck.sandbox.grants import Device, Grants  # noqa: E402
from lsbcheck.sandbox.namespace import NamespaceBackend  # noqa: E402
from ocfkit.conformance import agent_file  # noqa: E402
from ocfkit.conformance.check import check  # noqa: E402
from ocfkit.conformance.rules import RULES  # noqa: E402
from ocfkit.conformance.visit import Traveller  # noqa: E402
from tests.services import loops, roots  # noqa: E402
from tests.services.agents_table import Row, Table, code_digest, differences  # noqa: E402

ROOT = "ocf-agents"
RECIPES = Path(__file__).with_name("agents.toml")
FOLDERS = ("heartbeat", "pacemaker")
JOBS = 3
"""Agents at the same time; each has two sandboxes."""

MOST = 20.0
"""Seconds for a call, what most of them ask for; the slowest start takes five."""

SHARED = "/dev/shared"
"""The disk of a recipe, in the sandbox."""

STATIC = tuple(rule for rule in RULES if rule.chapter.rpartition(".")[2] == "meta_data")


def installed(root: Path) -> list[str]:
    """Every agent of the root, as a cluster names it."""
    home = root / "usr/lib/ocf/resource.d"
    return [
        f"ocf:{folder}:{path.name}"
        for folder in FOLDERS
        for path in sorted((home / folder).iterdir())
        if path.is_file() and not path.name.startswith(".") and os.access(path, os.X_OK)
    ]


def recipes() -> dict[str, dict[str, Any]]:
    """What agents.toml says of those that are started."""
    return tomllib.loads(RECIPES.read_text("utf-8"))


def checked(word: str, root: Path) -> Row:
    """Check one agent: all of it if it has a recipe, else its meta-data."""
    recipe = recipes().get(word)
    rules = STATIC if recipe is None else RULES
    known = recipe or {}
    with granted(known) as grants, NamespaceBackend(str(root), grants) as backend:
        traveller = Traveller(
            agent_file.named(word, str(root)),
            backend,
            known.get("parameters", {}),
            known.get("second", {}),
            most=MOST,
            prepare=known.get("prepare"),
        )
        # two sandboxes at the same time would have the same disk
        report = check(traveller, rules, jobs=1 if grants.devices else 2)
    said = report.judgements
    return Row(
        agent=word,
        version=_version(root, word),
        started=recipe is not None and said["start-succeeds"].verdict == "pass",
        broken={rule: each.sentence for rule, each in said.items() if each.verdict == "fail"},
        open=sum(each.verdict in ("not-provoked", "error") for each in said.values()),
        held=sum(each.verdict == "pass" for each in said.values()),
    )


@contextmanager
def granted(recipe: Mapping[str, Any]) -> Generator[Grants]:
    """What a recipe asks for; its disk is an empty file of ours, and gone in the end."""
    capabilities = tuple(recipe.get("grants", ()))
    if "disk" not in recipe:
        yield Grants(capabilities)
        return
    with loops.folder() as folder:
        backing = folder / "disk"
        with backing.open("wb") as file:
            file.truncate(recipe["disk"] << 20)
        with loops.attached(backing, 512) as loop:
            yield Grants(capabilities, (Device(loop.path, SHARED),))


def _version(root: Path, word: str) -> str:
    """Package and version, from dpkg's records."""
    path = f"/usr/lib/ocf/resource.d/{word.removeprefix('ocf:').replace(':', '/')}\n"
    info = root / "var/lib/dpkg/info"
    owner = next(each for each in info.glob("*.list") if path in each.read_text("utf-8"))
    package = owner.stem.split(":")[0]
    for block in (root / "var/lib/dpkg/status").read_text("utf-8").split("\n\n"):
        if block.startswith(f"Package: {package}\n"):
            return f"{package} {block.partition('Version: ')[2].partition(chr(10))[0]}"
    return package


def all_checked(words: Sequence[str], root: Path, jobs: int) -> list[Row]:
    """Check them, those that are started first; tells of each on standard error."""
    known = recipes()

    def one(word: str) -> Row:
        row = checked(word, root)
        seen = "".join(f"\n  {rule}: {sentence}" for rule, sentence in row.broken.items())
        print(f"{word}: {len(row.broken)} broken{seen}", file=sys.stderr, flush=True)
        return row

    order = sorted(words, key=lambda word: word not in known)
    with ThreadPoolExecutor(jobs) as pool:
        rows = list(pool.map(one, order))
    return sorted(rows, key=lambda row: row.agent.lower())


def main(arguments: Iterable[str] | None = None) -> int:
    """Run them; 1 when another rule is broken than the table says."""
    parser = argparse.ArgumentParser(
        prog="./dev corpus agents", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("agents", nargs="*", metavar="AGENT", help="only these (default: all)")
    parser.add_argument("--jobs", type=int, default=JOBS, help="at the same time (%(default)s)")
    parser.add_argument("--write", action="store_true", help="make the table and its page anew")
    chosen = parser.parse_args(None if arguments is None else list(arguments))
    if chosen.write and chosen.agents:
        parser.error("--write makes the whole table: name no agent")
    if os.geteuid() != 0:
        parser.error("it needs root: sudo ./dev corpus agents")
    code, root = code_digest(), roots.root(ROOT)
    known = installed(root)
    if unknown := [word for word in chosen.agents if word not in known]:
        parser.error(f"no agent of Debian is called {' or '.join(unknown)}")
    rows = all_checked(chosen.agents or known, root, chosen.jobs)
    if chosen.write:
        Table(code, rows).write(given())
        return 0
    wrong = differences(rows, Table.read())
    print("\n".join(wrong) or f"{len(rows)} agents: findings as in the table")
    return 1 if wrong else 0


def given() -> Mapping[str, str]:
    """Agent → what it was given: words of a command line, and what the sandbox had besides."""
    return {word: ", ".join(_given(each)) for word, each in recipes().items()}


def _given(recipe: Mapping[str, Any]) -> Iterator[str]:
    if words := [f"-p {name}={value}" for name, value in recipe.get("parameters", {}).items()]:
        yield f"`{' '.join(words)}`"
    if names := recipe.get("grants"):
        yield f"the capability `{'`, `'.join(names)}`"
    if "disk" in recipe:
        yield f"an empty disk of {recipe['disk']} MiB as `{SHARED}`"


if __name__ == "__main__":
    sys.exit(main())
