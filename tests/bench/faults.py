"""The scoreboard: faults of a web server and a database, made in a real cluster, agent by agent.

First it says what is right, then it measures: whether a fault is on record within interval and
timeout, with which code and reason, what the cluster did, and what a stop leaves behind. Then the
reverse: a hard time that is no fault. Nothing here can fail; what could not be measured says why.
With --write the tables become docs/reference/scoreboard.md.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import re
import sys
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP)]  # run as a file, by ./dev bench

from tests.bench.faults_cell import (  # noqa: E402
    INTERVAL,
    SUBJECTS,
    TIMEOUT,
    WITHIN,
    Bench,
    Cell,
    Subject,
    prepare,
)
from tests.bench.faults_quiet import HARDSHIPS, MONITORS, Hardship, Quiet, watch  # noqa: E402
from tests.bench.faults_right import FAULTS, Fault, Kind  # noqa: E402
from tests.bench.lsbcheck import facts  # noqa: E402
from tests.digest import digest  # noqa: E402

if TYPE_CHECKING:
    from tests.cluster.lab import Cluster

PAGE = TOP / "docs/reference/scoreboard.md"

DECIDING = (
    "agents/http.py",
    "agents/pgsql/*.py",
    "ocfkit/monitors/*.py",
    "ocfkit/checking.py",
    "ocfkit/daemon.py",
    "ocfkit/service.py",
    "ocfkit/transitions.py",
    "tests/bench/faults*.py",
)
"""What a cell depends on: the measured agents, what they are built on, and what measures them."""

CLUSTERS = 4
QUICK = 60

OURS = ("ocf:ocfkit:http", "ocf:ocfkit:pgsql")
PEERS = ("ocf:heartbeat:nginx", "ocf:heartbeat:pgsql")

Quest = tuple[Subject, Fault]


def code_digest() -> str:
    """A digest of the code that a cell depends on."""
    return digest(path for pattern in DECIDING for path in sorted(TOP.glob(pattern)))


def published_digest() -> str:
    """The digest of the code that the page speaks of, "" if it names none."""
    if not PAGE.exists():
        return ""
    found = re.search(r"^Code measured: `(\w+)`$", PAGE.read_text("utf-8"), re.MULTILINE)
    return found[1] if found else ""


# --- the run --------------------------------------------------------------------------------------


def quests(only: Sequence[str], agents: Sequence[str]) -> list[Quest]:
    """Which faults of which agents are asked for."""
    return [
        (subject, fault)
        for subject in SUBJECTS
        for fault in FAULTS
        if fault.about == subject.about
        and (not agents or any(each in subject.name for each in agents))
        and (not only or any(each in fault.key for each in only))
    ]


class Run:
    """Clusters that measure side by side."""

    def __init__(self, clusters: Sequence[Cluster]) -> None:
        self.benches = [Bench(each.nodes) for each in clusters]

    def cells(self, wanted: Sequence[Quest]) -> list[Cell]:
        """Measure all cells, each cluster the next one when it has finished one."""
        waiting: queue.SimpleQueue[tuple[int, Quest]] = queue.SimpleQueue()
        for each in enumerate(wanted):
            waiting.put(each)
        done: dict[int, Cell] = {}

        def work(bench: Bench) -> None:
            while True:
                try:
                    index, (subject, fault) = waiting.get_nowait()
                except queue.Empty:
                    return
                done[index] = bench.measure(subject, fault)
                say(f"{len(done)}/{len(wanted)} {subject.name}, {fault.name}: {told(done[index])}")

        self._at_once([threading.Thread(target=work, args=[bench]) for bench in self.benches])
        return [done[index] for index in range(len(wanted))]

    def quiet(self, names: Sequence[str], wanted: int) -> list[Quiet]:
        """Let the agents live through all hardships, as many at once as there are clusters."""
        subjects = [each for each in SUBJECTS if each.name in names]
        rows: list[Quiet] = []

        def work(bench: Bench, hardship: Hardship) -> None:
            seen = watch(bench, subjects, hardship, wanted)
            rows.extend(seen)
            for each in seen:
                say(f"{hardship.name}, {each.subject}: {len(each.failures)} failures")

        step = len(self.benches)
        for first in range(0, len(HARDSHIPS), step):
            some = zip(self.benches, HARDSHIPS[first : first + step], strict=False)
            self._at_once([threading.Thread(target=work, args=pair) for pair in some])
        return rows

    @staticmethod
    def _at_once(threads: Sequence[threading.Thread]) -> None:
        for each in threads:
            each.start()
        for each in threads:
            each.join()


@contextlib.contextmanager
def laboratory(count: int) -> Generator[Run]:
    """So many clusters, with the services on their nodes; they are gone afterwards."""
    from tests.cluster.lab import Cluster  # --help needs no container engine

    clusters = [Cluster(f"faults{number}") for number in range(1, count + 1)]
    try:
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(_raise_cluster, clusters))
        say("the clusters are up")
        yield Run(clusters)
    finally:
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(_end_cluster, clusters))


def _raise_cluster(cluster: Cluster) -> None:
    cluster.up(2)
    prepare(cluster.nodes)


def _end_cluster(cluster: Cluster) -> None:
    cluster.down()


def say(text: str) -> None:
    """Tell on standard error how far it is."""
    print(f"faults: {text}", file=sys.stderr, flush=True)


# --- the page -------------------------------------------------------------------------------------


def told(cell: Cell) -> str:
    """A cell in words."""
    if cell.unmeasured:
        return f"not measured: {cell.unmeasured}"
    if cell.seconds is None:
        words = "not seen"
    else:
        words = f"{cell.code} after {cell.seconds:.0f} s"
        words += "" if cell.reaction == "nothing" else f", {cell.reaction}"
    if cell.stop_code:
        words += f"; stop gave {cell.stop_code}"
    if cell.left:
        words += f"; {len(cell.left)} left"
    return words


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table of words."""
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(each.replace('|', '/') for each in row)} |"


def mark(cell: Cell, fault: Fault) -> str:
    """How good it was, at a glance."""
    if cell.is_right(fault):
        return "✓"
    return "○" if cell.is_handled(fault) else "✗"


def right_lines(about: Kind) -> Iterator[str]:
    """The table of what is right for one kind of service."""
    yield from table(
        ("fault", "code", "the reason tells", "the cluster", "why"),
        [
            (
                fault.name,
                " or ".join(map(str, fault.right.codes)),
                fault.right.told,
                " or ".join(fault.right.reactions),
                fault.right.why,
            )
            for fault in FAULTS
            if fault.about == about
        ],
    )


def measured_lines(about: Kind, cells: Sequence[Cell]) -> Iterator[str]:
    """The table of what was measured for one kind of service."""
    names = [each.name for each in SUBJECTS if each.about == about]
    faults = [each for each in FAULTS if each.about == about]
    by_place = {(cell.fault, cell.subject): cell for cell in cells}
    rows: list[tuple[str, ...]] = []
    score: dict[str, list[str]] = {name: [] for name in names}
    for fault in faults:
        row = [fault.name]
        for name in names:
            cell = by_place.get((fault.name, name))
            if cell is not None:
                score[name].append(mark(cell, fault))
            row.append(f"{score[name][-1]} {told(cell)}" if cell else "")
        rows.append(tuple(row))
    for each, meaning in MARKS.items():
        counted = (f"**{score[name].count(each)}**" for name in names)
        rows.append((f"**{each} {meaning}**", *counted))
    yield from table(("fault", *names), rows)


def reason_lines(about: Kind, cells: Sequence[Cell]) -> Iterator[str]:
    """What an operator reads of each fault, and what is left behind."""
    names = [each.name for each in SUBJECTS if each.about == about]
    for cell in (each for each in cells if each.subject in names):
        said = [f"“{cell.reason}”"] if cell.reason else []
        said += [f"then “{cell.start_reason}”"] if cell.start_reason else []
        said += [f"left: {_some(cell.left)}"] if cell.left else []
        if said:
            yield f"- {cell.fault}, {cell.subject}: {'; '.join(said)}"


def _some(left: Sequence[str]) -> str:
    more = len(left) - 3
    return ", ".join(left[:3]) + (f" and {more} more" if more > 0 else "")


def quiet_lines(rows: Sequence[Quiet]) -> Iterator[str]:
    """The table of the reverse."""
    yield from table(
        ("hardship", "seen of it", "agent", "monitors", "seconds", "failures"),
        [
            (
                each.hardship,
                each.proof,
                each.subject,
                each.unmeasured or str(each.monitors),
                f"{each.seconds:.0f}",
                str(len(each.failures)) + "".join(f" ({said})" for said in each.failures[:2]),
            )
            for each in rows
        ],
    )


def page(cells: Sequence[Cell], quiet: Sequence[Quiet], head: str) -> Iterator[str]:
    """All of it."""
    yield head
    kinds: tuple[tuple[Kind, str], ...] = (("web", "Web server"), ("database", "Database"))
    yield "## What is right"
    for about, title in kinds:
        yield from ("", f"### {title}: what is right", "", *right_lines(about))
    yield from ("", "## What was measured", "", LEGEND)
    for about, title in kinds:
        yield from ("", f"### {title}: what was measured", "", *measured_lines(about, cells))
        reasons = [*reason_lines(about, cells)]
        if reasons:
            yield from ("", "What stands in `crm_mon`, and what the stop left:", "", *reasons)
    if quiet:
        yield from ("", "## No false alarm", "", HARD, "")
        yield from (f"- {each.name}: {each.told}" for each in HARDSHIPS)
        yield from ("", *quiet_lines(quiet))
    yield from ("", "## How the agents were configured", "", CONFIGURED, "", "```")
    yield from (each.text(None).rstrip() for each in SUBJECTS)
    yield from ("```", "")


MARKS = {"✓": "right", "○": "handled", "✗": "wrong"}

LEGEND = f"""\
The monitor runs every {INTERVAL} s and has {TIMEOUT} s: a fault has to be on record after
{WITHIN} s at most. A cell has the code of the first failing monitor and the time to its record,
what the cluster did, and how many things were left after the stop that ended the experiment.

- ✓: all is as above, and the stop leaves nothing;
- ○: code and reaction are right, but the reason does not tell, or something is left;
- ✗: the fault is not seen, or the cluster does what is wrong, or the stop fails."""

HARD = f"""\
A monitor every second with {TIMEOUT} s of time, all hardships at once on one machine, each in a
cluster of its own. The monitors are those that the server itself has counted."""

CONFIGURED = """\
Each with the deepest monitor that it advertises, on the same page and the same table. Where the
fault is a certificate, the page is asked for over https; the authority is among the system's. The
cluster is Pacemaker's default but for what stands here: no migration-threshold, fencing enabled."""

HEAD = """\
# Scoreboard

What agents see of a service that is broken, and what Pacemaker then does: measured, in clusters of
two nodes, fault by fault. Written by `sudo ./dev bench faults --write`.

Code measured: `{digest}`

{facts}
"""


def main() -> int:
    """Measure, print, and perhaps publish; the exit code says only that it was done."""
    about = (__doc__ or "").split("\n", maxsplit=1)[0]
    parser = argparse.ArgumentParser(prog="./dev bench faults", description=about)
    parser.add_argument("--write", action="store_true", help=f"publish {PAGE.relative_to(TOP)}")
    parser.add_argument("--only", nargs="+", default=[], metavar="FAULT", help="part of its name")
    parser.add_argument("--agents", nargs="+", default=[], metavar="AGENT", help="part of its name")
    parser.add_argument("--clusters", type=int, default=CLUSTERS, help="how many at once")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} monitors, not {MONITORS}")
    parser.add_argument("--no-quiet", action="store_true", help="without the reverse")
    arguments = parser.parse_args()
    wanted = quests(arguments.only, arguments.agents)
    if os.geteuid() != 0:
        parser.exit(2, "bench: it needs root: sudo ./dev bench faults\n")
    if not wanted:
        parser.exit(2, "bench: no fault of that name; there are\n" + _all_names())
    if arguments.write and (arguments.only or arguments.agents or arguments.no_quiet):
        parser.exit(2, "bench: only a whole run is published\n")
    begun, before, known = time.monotonic(), code_digest(), facts()
    with laboratory(min(arguments.clusters, len(wanted))) as run:
        cells = run.cells(wanted)
        monitors = QUICK if arguments.quick else MONITORS
        quiet = []
        if not arguments.no_quiet:
            quiet = [row for names in (OURS, PEERS) for row in run.quiet(names, monitors)]
    minutes = (time.monotonic() - begun) / 60
    listed = "\n".join(f"- {fact}" for fact in [*known, f"The run took {minutes:.0f} minutes"])
    text = "\n".join(page(cells, quiet, HEAD.format(digest=before, facts=listed)))
    print(text)
    if arguments.write and before != code_digest():
        parser.exit(1, "bench: the code has changed meanwhile: nothing is written\n")
    if arguments.write:
        PAGE.write_text(text, "utf-8")
        print(f"\nwritten: {PAGE.relative_to(TOP)}")
    return 0


def _all_names() -> str:
    return "".join(f"  {fault.key}\n" for fault in FAULTS)


if __name__ == "__main__":
    sys.exit(main())
