"""What a container costs lsbcheck: beside its own namespaces, and beside the engines' bare `run`.

Nothing here can fail: a benchmark is not a timed test. With --write the tables become
docs/reference/container-cost.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP)]  # run as a file, by ./dev bench; in front of this folder's lsbcheck.py

from lsbcheck.sandbox.container import ulimits  # noqa: E402
from lsbcheck.sandbox.interface import Backend  # noqa: E402
from lsbcheck.sandbox.namespace import NamespaceBackend  # noqa: E402
from lsbcheck.visit import ENVIRONMENT  # noqa: E402
from tests.bench.lsbcheck import facts, table  # noqa: E402
from tests.containers import engines, images  # noqa: E402
from tests.digest import digest  # noqa: E402
from tests.services import roots  # noqa: E402

PAGE = TOP / "docs/reference/container-cost.md"
DECIDING = (
    "lsbcheck/sandbox/*.py",
    "lsbcheck/sandbox/container/*.py",
    "tests/bench/containers.py",
)
ROOT = "sample"
SCRIPTS = ("snmpd", "cron", "ssh", "memcached")
SEVERAL = ("ganglia-monitor", "ssh", "supervisor", "tinyproxy", "uptimed", "webfs")
"""With little waiting, so that what is measured is ours."""
JOBS = (1, 2, 4)

PAGE_HEAD = """\
# What a container costs

lsbcheck in containers of docker and podman, beside its own namespace sandbox over the same root and
beside the engines' bare `run --rm IMAGE true`, interleaved in one run on one machine. Written by
`sudo ./dev bench containers --write`; the same scripts get the same verdicts everywhere, which is
tested.
"""


def code_digest() -> str:
    """A digest of the code that a figure depends on."""
    return digest(path for pattern in DECIDING for path in sorted(TOP.glob(pattern)))


def published_digest() -> str:
    """The digest of the code that the page speaks of, "" if it names none."""
    found = re.search(r"^Code measured: `(\w+)`$", PAGE.read_text("utf-8"), re.MULTILINE)
    return found[1] if found else ""


@dataclass
class Kind:
    """One way to make machines."""

    name: str
    options: Sequence[str]
    """For the command lsbcheck."""
    environ: Mapping[str, str]
    bare: Sequence[str] = ()
    """The engine's own way to run `true` and nothing else."""
    cycles: list[tuple[float, float, float]] = field(
        default_factory=list[tuple[float, float, float]]
    )
    floor: list[float] = field(default_factory=list[float])
    once: list[float] = field(default_factory=list[float])
    """Seconds that a run takes besides, however many machines it makes."""


def kinds(stack: ExitStack) -> tuple[list[Kind], dict[str, engines.Engine]]:
    """All three, over the same root."""
    found = {
        "docker": stack.enter_context(engines.docker()),
        "podman": stack.enter_context(engines.podman()),
    }
    made = [Kind("namespace", ["--root", str(roots.root(ROOT))], {})]
    for name, engine in found.items():
        image = images.of_root(engine.client, ROOT)
        runtime = engines.RUNTIME[engine.kind]
        bare = [
            *(name, *([f"--runtime={runtime}"] if runtime else []), "run", "--rm"),
            *("--network=none", *_ulimits(), image, "true"),
        ]
        made.append(Kind(name, [*engine.options, "--image", image], engine.environ, bare))
    return made, found


def _ulimits() -> list[str]:
    return [f"--ulimit={one['Name']}={one['Soft']}:{one['Hard']}" for one in ulimits.ours()]


def machines(of: Sequence[Kind], found: Mapping[str, engines.Engine], rounds: int) -> None:
    """In each round one machine of each kind, and one bare container of each engine."""
    with ExitStack() as stack:
        backends: dict[str, Backend] = {}
        for kind in of:
            began = time.perf_counter()
            backends[kind.name] = made = _backend(kind, found)
            stack.callback(made.close)
            kind.once.append(time.perf_counter() - began)
            _cycle(backends[kind.name])  # the first look at every file
        for _ in range(rounds):
            for kind in of:
                kind.cycles.append(_cycle(backends[kind.name]))
                if kind.bare:
                    began = time.perf_counter()
                    subprocess.run(kind.bare, check=True, stdout=subprocess.DEVNULL)
                    kind.floor.append(time.perf_counter() - began)


def _backend(kind: Kind, found: Mapping[str, engines.Engine]) -> Backend:
    if kind.name == "namespace":
        return NamespaceBackend(kind.options[-1])
    return found[kind.name].backend(kind.options[-1])


def _cycle(backend: Backend) -> tuple[float, float, float]:
    """Seconds of set-up, of `true`, of tear-down."""
    began = time.perf_counter()
    sandbox = backend.create(("exec", "signals"))
    made = time.perf_counter()
    try:
        sandbox.run(("true",), env=ENVIRONMENT, deadline=60)
    finally:
        ran = time.perf_counter()
        sandbox.destroy()
    return made - began, ran - made, time.perf_counter() - ran


def checked(kind: Kind, scripts: Sequence[str], jobs: int) -> float:
    """Seconds of a whole run over these scripts."""
    words = ["--format", "json", "--jobs", str(jobs), *kind.options]
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-B", "-m", "lsbcheck", *words, *scripts],
        cwd=TOP,
        env={**os.environ, **kind.environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=False,
    )
    seconds = time.perf_counter() - began
    said = json.loads(done.stdout)
    assert [each["name"] for each in said["scripts"]] == list(scripts), said["sandbox"]
    return seconds


def page(of: Sequence[Kind], *, quick: bool) -> list[str]:
    """The tables, shown as they come."""
    lines: list[str] = []

    def add(*more: str) -> None:
        lines.extend(more)
        print(*more, sep="\n", flush=True)

    add("", "## A private machine, from nothing to nothing")
    rows: list[Sequence[str]] = []
    for kind in of:
        up, ran, down = (median(column) for column in zip(*kind.cycles, strict=True))
        whole = median(map(sum, kind.cycles))
        rows.append((f"lsbcheck, {kind.name}", *map(_ms, (up, ran, down, whole)), ""))
        if kind.floor:
            floor = median(kind.floor)
            bare = f"`{kind.name} run --rm IMAGE true`"
            rows.append((bare, "", "", "", _ms(floor), f"{whole / floor:.2f}"))
    head = ("ms, median", "set-up", "`true`", "tear-down", "whole", "ours, times bare")
    add("", *table(head, rows))
    add("", f"{len(of[0].cycles)} of each. Once a run besides: {_once(of)}.")

    scripts = SCRIPTS[2:] if quick else SCRIPTS
    add("", "## A whole script")
    rows = []
    for script in scripts:
        taken = [checked(kind, [script], 1) for kind in of]
        ratios = [f"{each / taken[0]:.2f}" for each in taken[1:]]
        rows.append((script, *(f"{each:.1f}" for each in taken), *ratios))
    names = [kind.name for kind in of]
    add("", *table(("s", *names, *(f"{name}, times" for name in names[1:])), rows))
    add("", "All nineteen rules, thirteen machines. Most of it is the script's own waiting.")

    add("", f"## {len(SEVERAL)} scripts, some at a time")
    rows = []
    for kind in of:
        taken = [checked(kind, SEVERAL, jobs) for jobs in JOBS]
        rows.append((kind.name, *(f"{each:.1f}" for each in taken), f"{taken[0] / taken[-1]:.2f}"))
    add("", *table(("s", *(f"`--jobs {jobs}`" for jobs in JOBS), "times as fast"), rows))
    add("", f"{', '.join(SEVERAL)}.")
    return lines


def _once(of: Sequence[Kind]) -> str:
    return ", ".join(f"{kind.name} {median(kind.once):.2f} s" for kind in of)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f}" if seconds >= 0.0995 else f"{seconds * 1000:.1f}"


def main() -> int:
    """Measure, print, and perhaps publish; the exit code says only that it was done."""
    about = (__doc__ or "").split("\n", maxsplit=1)[0]
    parser = argparse.ArgumentParser(prog="./dev bench containers", description=about)
    parser.add_argument("--write", action="store_true", help=f"publish {PAGE.relative_to(TOP)}")
    parser.add_argument("--quick", action="store_true", help="few repetitions, for a first look")
    arguments = parser.parse_args()
    if arguments.write and arguments.quick:
        parser.error("--write publishes a whole run only")
    if os.geteuid() != 0:
        parser.exit(2, "bench: engines are measured as root: sudo ./dev bench containers\n")
    before, where = code_digest(), facts()
    with ExitStack() as stack:
        of, found = kinds(stack)
        where.append(f"Engines: {_versions(found)}")
        machines(of, found, 3 if arguments.quick else 15)
        lines = page(of, quick=arguments.quick)
    if arguments.write and before != code_digest():
        parser.exit(1, "bench: the code has changed meanwhile: nothing is written\n")
    if arguments.write:
        top = [PAGE_HEAD, f"Code measured: `{before}`", "", *(f"- {fact}" for fact in where)]
        PAGE.write_text("\n".join([*top, *lines, ""]), "utf-8")
        print(f"\nwritten: {PAGE.relative_to(TOP)}")
    return 0


def _versions(found: Mapping[str, engines.Engine]) -> str:
    return ", ".join(f"{name} {each.client.version()['Version']}" for name, each in found.items())


if __name__ == "__main__":
    sys.exit(main())
