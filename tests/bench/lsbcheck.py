"""What lsbcheck costs: time, processors and memory, beside container engines in the same run.

Nothing here can fail: a benchmark is not a timed test. Each aim is told as met or not, and with
--write the tables become docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP)]  # run as a file, by ./dev bench; in front of this folder's lsbcheck.py

from lsbcheck.arguments import default_jobs  # noqa: E402
from lsbcheck.sandbox.namespace import NamespaceBackend  # noqa: E402
from lsbcheck.visit import ENVIRONMENT  # noqa: E402
from tests.bench import engines, family  # noqa: E402
from tests.services import roots  # noqa: E402
from tests.services.corpus_table import code_digest  # noqa: E402

PAGE = TOP / "docs/reference/benchmarks.md"
PARTS = ("sandbox", "scripts", "jobs")

SCRIPTS = ("snmpd", "ssh", "nginx", "apache2")
TWELVE = (
    # those that wait least: without a faulty stop that goes on for long, so that no single one
    # decides the whole, and with the most to do for each second
    "acpid",
    "distcc",
    "ganglia-monitor",
    "irqbalance",
    "openbsd-inetd",
    "prosody",
    "pure-ftpd",
    "ssh",
    "supervisor",
    "tinyproxy",
    "uptimed",
    "webfs",
)
"""Scripts of the root `corpus-a`."""


@dataclass(frozen=True, slots=True)
class Aim:
    """One promise, and what was measured of it."""

    what: str
    limit: str
    measured: str
    met: bool


@dataclass
class Page:
    """The tables, as they come."""

    lines: list[str] = field(default_factory=list[str])
    aims: list[Aim] = field(default_factory=list[Aim])
    facts: list[str] = field(default_factory=list[str])
    digest: str = field(default_factory=code_digest)
    """Of the code that is measured: taken before, since a run takes minutes."""

    def heading(self, text: str) -> None:
        self.add("", f"## {text}")

    def add(self, *lines: str) -> None:
        """Append lines, and show them: a run takes minutes."""
        self.lines += lines
        print(*lines, sep="\n", flush=True)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.add("", *table(head, rows))

    @property
    def promises(self) -> list[str]:
        """The table of aims."""
        rows = [(a.what, a.limit, a.measured, "met" if a.met else "**not met**") for a in self.aims]
        return table(("aim", "limit", "measured", ""), rows)

    def text(self) -> str:
        """The page as it is published."""
        top = [
            "# Benchmarks",
            "",
            "What lsbcheck costs, measured in one run on one machine and written by",
            "`sudo ./dev bench --write`. The aims are the project's own; nothing is tested here.",
            "",
            f"Code measured: `{self.digest}`",
            "",
            *(f"- {fact}" for fact in self.facts),
            "",
            "## Aims",
            "",
            *self.promises,
        ]
        return "\n".join([*top, *self.lines, ""])


def published_digest() -> str:
    """The digest of the code that the page speaks of, "" if it names none."""
    found = re.search(r"^Code measured: `(\w+)`$", PAGE.read_text("utf-8"), re.MULTILINE)
    return found[1] if found else ""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    marks = ["---" if index == 0 else "---:" for index in range(len(head))]
    return [f"| {' | '.join(row)} |" for row in (head, marks, *rows)]


_ALL_SAFETY = "The sandbox named no limit that it could not set."

# --- a private machine, beside container engines -------------------------------------------------


@dataclass
class _Cycles:
    """Sandboxes of one backend: seconds of set-up, of `true`, of tear-down."""

    backend: NamespaceBackend
    what: str
    seconds: list[tuple[float, float, float]] = field(
        default_factory=list[tuple[float, float, float]]
    )

    def one(self) -> None:
        began = time.perf_counter()
        sandbox = self.backend.create(("exec", "signals"))
        made = time.perf_counter()
        try:
            sandbox.run(("true",), env=ENVIRONMENT, deadline=10)
        finally:
            ran = time.perf_counter()
            sandbox.destroy()
        self.seconds.append((made - began, ran - made, time.perf_counter() - ran))

    @property
    def own(self) -> float:
        """Set-up and tear-down, in the middle."""
        return median(up + down for up, _, down in self.seconds)

    @property
    def whole(self) -> float:
        return median(map(sum, self.seconds))


def sandbox_part(page: Page, rounds: int, cycles: int) -> None:
    """In each round some sandboxes of each kind, and one container of each engine."""
    with ExitStack() as stack:
        kinds = [
            _Cycles(stack.enter_context(NamespaceBackend(root)), what)
            for root, what in (("/", "this machine's root"), (str(roots.root("base")), "Debian 12"))
        ]
        peers, inside = _peers(page, stack)
        times: dict[str, list[float]] = {peer.name: [] for peer in peers}
        for kind in kinds:
            kind.one()
            kind.seconds.clear()  # that was the first look at every file
        for _ in range(rounds):
            for kind in kinds:
                for _ in range(cycles):
                    kind.one()
            for peer in peers:
                if peer.argv and inside is not None:
                    code, seconds, _ = inside.run(*peer.argv)
                    if code == 0:
                        times[peer.name].append(seconds)
        notes = {note for kind in kinds for note in kind.backend.notes}
    _tell_sandbox(page, kinds, peers, times)
    named = "; ".join(sorted(notes))
    page.add("", f"The sandbox named what it could not do: {named}." if named else _ALL_SAFETY)


def _peers(page: Page, stack: ExitStack) -> tuple[list[engines.Engine], engines.Machine | None]:
    try:
        inside = stack.enter_context(engines.machine())
        peers = [engines.podman(inside), engines.docker(inside)]
        page.facts.append(f"Engines: {', '.join(inside.versions())}, of Debian 12")
    except (roots.RootError, OSError) as failure:
        page.facts.append(f"Engines: none, their machine could not be made: {failure}")
        return [], None
    return peers, inside


def _tell_sandbox(
    page: Page,
    kinds: Sequence[_Cycles],
    peers: Sequence[engines.Engine],
    times: Mapping[str, Sequence[float]],
) -> None:
    page.heading("A private machine, from nothing to nothing")
    mine = max(kind.whole for kind in kinds)
    rows: list[tuple[str, ...]] = []
    for kind in kinds:
        up, run, down = (median(column) for column in zip(*kind.seconds, strict=True))
        name = f"lsbcheck's sandbox, {kind.what}"
        times_of = (*map(_ms, (up, run, down, kind.whole)), str(len(kind.seconds)))
        rows.append((name, *times_of, f"{kind.whole / mine:.1f}"))
        measured = f"{_ms(kind.own)} ms"
        what = f"sandbox set-up + tear-down, {kind.what}"
        page.aims.append(Aim(what, "15 ms", measured, met=kind.own <= 0.015))
    remarks: list[str] = []
    for peer in peers:
        name, taken = f"`{' '.join(peer.command)}`", times[peer.name]
        if taken:
            middle = median(taken)
            ratio = f"{middle / mine:.1f}"
            rows.append((name, "", "", "", _ms(middle), str(len(taken)), ratio))
        else:
            rows.append((name, "", "", "", "does not run here", "0", ""))
        if peer.remark:
            remarks.append(f"{peer.name}: {peer.remark}.")
    page.table(("ms, median", "set-up", "`true`", "tear-down", "whole", "of", "times ours"), rows)
    page.add(
        "",
        "In one running lsbcheck, with all of the safety and both watches on, in turn with the",
        "engines, whose image (Debian 12) and records lie in memory here and not on a disk.",
    )
    for remark in remarks:
        page.add("", remark)


# --- whole scripts -------------------------------------------------------------------------------


def scripts_part(page: Page, scripts: Sequence[str]) -> None:
    """One run a script: where its time goes, what the checker takes for itself."""
    rows: list[tuple[str, ...]] = []
    costs: list[tuple[str, ...]] = []
    for name in scripts:
        seen = family.run(_arguments([name]))
        times = _scenarios(seen.said["scripts"][0])
        watched = times.pop("watched")
        slowest = max(times, key=lambda key: times[key])
        rest = seen.wall - watched - times[slowest]
        again = _asked_again(seen.said["scripts"][0])
        figures = (seen.wall, watched, times[slowest], rest)
        told = (f"{figure:.2f}" for figure in figures)
        rows.append((name, *told, slowest, again or "none"))
        cpu = sum(seen.cpu.values())
        parts = (seen.cpu["front"], seen.cpu["server"], seen.cpu["PID 1s"], cpu)
        memory = (seen.front_memory, seen.memory)
        told = (f"{part:.2f}" for part in parts)
        costs.append((name, *told, str(seen.sandboxes), *map(_mb, memory)))
        page.aims += [
            Aim(
                f"{name}: whole script less its watched start and its slowest scenario",
                "0.5 s",
                f"{rest:.2f} s" + (f" (asked again: {again})" if again else ""),
                met=rest <= 0.5,
            ),
            Aim(f"{name}: lsbcheck's own processor time", "1.5 s", f"{cpu:.2f} s", met=cpu <= 1.5),
            Aim(
                f"{name}: memory, front alone",
                "60 MB",
                f"{_mb(seen.front_memory)} MB",
                met=seen.front_memory <= 60e6,
            ),
            Aim(
                f"{name}: memory, all of lsbcheck's processes",
                "120 MB",
                f"{_mb(seen.memory)} MB",
                met=seen.memory <= 120e6,
            ),
        ]
    _tell_scripts(page, rows, costs)


def _tell_scripts(
    page: Page, rows: Sequence[Sequence[str]], costs: Sequence[Sequence[str]]
) -> None:
    page.heading("A whole script")
    head = ("seconds", "whole", "watched start", "slowest scenario", "rest", "which", "asked again")
    page.table(head, rows)
    page.add(
        "",
        "A scenario is timed from the making of its private machine until nothing of it is left;",
        "the whole is what the user waits.",
    )
    page.heading("What of it is lsbcheck's own")
    parts = ("", "front s", "server s", "PID 1s s", "sum s", "sandboxes", "front MB", "all MB")
    page.table(parts, costs)
    page.add(
        "",
        "Seen in /proc: processor time every 10 ms (what a PID 1 does after the last look is not",
        "in it), memory as PSS, the highest seen, every 0.2 s. The script's own processes are left",
        "out.",
    )


def _scenarios(script: Mapping[str, Any]) -> dict[str, float]:
    scenarios: Mapping[str, Any] = script["transcript"]["scenarios"]
    return {name: float(one["seconds"]) for name, one in scenarios.items()}


def _asked_again(script: Mapping[str, Any]) -> str:
    scenarios: Mapping[str, Any] = script["transcript"]["scenarios"]
    names = (n for n, one in scenarios.items() if any(c["asked_again"] for c in one["calls"]))
    return ", ".join(names)


def _arguments(scripts: Sequence[str], *options: str) -> list[str]:
    paths = [f"/etc/init.d/{name}" for name in scripts]
    return ["--root", str(roots.root("corpus-a")), "--format", "json", "-v", *options, *paths]


# --- several scripts at once ---------------------------------------------------------------------


def jobs_part(page: Page, scripts: Sequence[str]) -> None:
    """The same scripts as many at once as is usual, then one after the other."""
    usual = family.run(_arguments(scripts))  # first: whatever is still on disk slows this one
    single = family.run(_arguments(scripts, "--jobs", "1"))
    ratio = single.wall / usual.wall
    shares: dict[str, float] = {}
    for script in single.said["scripts"]:
        times = _scenarios(script)
        shares[script["name"]] = (times.pop("watched") + max(times.values())) / single.wall
    longest = max(shares, key=lambda name: shares[name])
    page.heading(f"{len(scripts)} scripts")
    page.table(
        ("", "seconds", "times as fast"),
        [
            ("`--jobs 1`", f"{single.wall:.1f}", "1"),
            (f"`--jobs {default_jobs()}`, the default here", f"{usual.wall:.1f}", f"{ratio:.2f}"),
        ],
    )
    names = ", ".join(scripts)
    page.add("", f"{names}. The longest is {longest}, {shares[longest]:.0%} of the first line.")
    fair = shares[longest] <= 1 / 6
    measured = f"{ratio:.2f} times" + ("" if fair else f" ({longest} is over a sixth of the total)")
    what = f"{len(scripts)} scripts, default `--jobs` against `--jobs 1`"
    page.aims.append(Aim(what, "1.7 times", measured, met=fair and ratio >= 1.7))


# --- the whole -----------------------------------------------------------------------------------


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f}" if seconds >= 0.0995 else f"{seconds * 1000:.1f}"


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f}"


def facts() -> list[str]:
    processors = len(os.sched_getaffinity(0))
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return [
        f"Linux {platform.release()}, {platform.machine()}, {memory / 2**30:.0f} GiB",
        f"{processors} processors{f': {model[1].strip()}' if model else ''}",
        f"Python {platform.python_version()}; the scripts are those of Debian 12",
        f"Load before the run: {os.getloadavg()[0]:.1f}",
    ]


def main() -> int:
    """Measure, print, and perhaps publish; the exit code says only that it was done."""
    about = (__doc__ or "").split("\n", maxsplit=1)[0]
    parser = argparse.ArgumentParser(prog="./dev bench", description=about)
    parser.add_argument("--write", action="store_true", help=f"publish {PAGE.relative_to(TOP)}")
    parser.add_argument("--quick", action="store_true", help="few repetitions, for a first look")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this; repeatable")
    parser.add_argument("--script", action="append", help=f"instead of {', '.join(SCRIPTS)}")
    arguments = parser.parse_args()
    whole = not (arguments.quick or arguments.part or arguments.script)
    if arguments.write and not whole:
        parser.error("--write publishes a whole run only")
    if os.geteuid() != 0:
        parser.exit(2, "bench: sandbox and engines are measured as root: sudo ./dev bench\n")
    parts = arguments.part or PARTS
    page = Page(facts=facts())
    with engines.control_groups():
        if "sandbox" in parts:
            rounds, cycles = (2, 5) if arguments.quick else (10, 5)
            sandbox_part(page, rounds, cycles)
        if "scripts" in parts:
            scripts_part(page, arguments.script or (("ssh",) if arguments.quick else SCRIPTS))
        if "jobs" in parts:
            jobs_part(page, TWELVE[:4] if arguments.quick else TWELVE)
    print("", *page.promises, sep="\n")
    if arguments.write and page.digest != code_digest():
        parser.exit(1, "bench: the code has changed meanwhile: nothing is written\n")
    if arguments.write:
        PAGE.write_text(page.text(), "utf-8")
        print(f"\nwritten: {PAGE.relative_to(TOP)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
