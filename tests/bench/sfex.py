"""What a lock costs: to take it, to hold it, to give it back, beside the C tools.

Everything runs in one machine of Debian 12, ours and Debian's own in turn, each on a loop device of
its own, in one run. Nothing here can fail: a benchmark is not a timed test. Each aim is told as met
or not, and with --write the tables become docs/reference/sfex-cost.md.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP)]  # run as a file, by ./dev bench

from tests.bench.lsbcheck import facts, table  # noqa: E402
from tests.bench.sfex_inside import (  # noqa: E402
    ADVISED,
    BLIND,
    HOLDERS,
    LOCKS,
    OURS,
    SHORT,
    THEIRS,
    TIMES,
    WINDOW,
)
from tests.digest import digest  # noqa: E402
from tests.services import loops, roots  # noqa: E402
from tests.services.cluster_tools import Command, Machine, build_wheel  # noqa: E402

PAGE = TOP / "docs/reference/sfex-cost.md"
INSIDE = tuple(Path(__file__).with_name(f"sfex_{part}.py") for part in ("inside", "fence"))
"""What the machine gets."""

SECTOR = 512

DECIDING = (
    "agents/sfex/*.py",
    *(f"ocfkit/{name}.py" for name in ("environment", "errors", "log", "programs", "records")),
    *(
        f"ocfkit/linux/{name}.py"
        for name in ("blockdev", "process", "realtime", "reboot", "timerfd")
    ),
    "tests/bench/sfex*.py",
)
"""What a figure depends on: what the processes load that hold a lock, and what measures them."""

Figures = Mapping[str, Mapping[str, Sequence[float]]]
"""What → whose → values, as `sfex_inside` notes them."""


def code_digest() -> str:
    """A digest of the code that a figure depends on."""
    return digest(path for pattern in DECIDING for path in sorted(TOP.glob(pattern)))


def published_digest() -> str:
    """The digest of the code that the page speaks of, "" if it names none."""
    found = re.search(r"^Code measured: `(\w+)`$", PAGE.read_text("utf-8"), re.MULTILINE)
    return found[1] if found else ""


# --- measuring ------------------------------------------------------------------------------------


def measure(rounds: int, windows: int) -> Figures:
    """All figures; raises RuntimeError with what the machine has said where there are none."""
    with tempfile.TemporaryDirectory() as place, devices() as paths:
        job = {"rounds": rounds, "windows": windows, "devices": paths}
        files = {f"/lab/{path.name}": path.read_text("utf-8") for path in INSIDE}
        machine = Machine(
            roots.root("pacemaker"),
            build_wheel(Path(place)),
            files={**files, "/lab/job": json.dumps(job)},
            prepare=[["ocfkit", "install"], *map(node, paths.values())],
        )
        with contextlib.redirect_stdout(io.StringIO()):  # each command, and all figures
            (done,) = machine.run("/usr/bin/python3 -IB /lab/sfex_inside.py </lab/job", limit=600)
    if done.code:
        raise RuntimeError(done.stderr)
    figures: Figures = json.loads(done.stdout)
    return figures


@contextmanager
def devices() -> Generator[dict[str, str]]:
    """A loop device for each holder."""
    with loops.folder() as folder, ExitStack() as stack:
        paths: dict[str, str] = {}
        for number, name in enumerate(HOLDERS):
            backing = folder / f"disk{number}"
            backing.write_bytes(bytes(SECTOR * (LOCKS + 2)))
            paths[name] = stack.enter_context(loops.attached(backing, SECTOR)).path
        yield paths


def node(path: str) -> Command:
    """Make a device known in a machine."""
    device = os.stat(path).st_rdev
    return ["mknod", path, "b", str(os.major(device)), str(os.minor(device))]


# --- telling --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Aim:
    """One promise, and what was measured of it."""

    what: str
    limit: str
    measured: str
    theirs: str
    met: bool

    def row(self) -> tuple[str, ...]:
        met = "met" if self.met else "**not met**"
        return (self.what, self.limit, self.measured, self.theirs, met)


def aims(figures: Figures) -> Iterator[Aim]:
    """The worst value counts, but of a processor's time: a virtual one is away now and then."""
    collision, lock, _ = SHORT
    yield timed(figures, "take", f"take a free lock, collision_timeout {TIMES[0]} s", 250, TIMES[0])
    what = f"take over after kill -9, lock_timeout {lock} s, collision_timeout {collision} s"
    yield timed(figures, "take over", what, 250, lock + collision)
    yield timed(figures, "release", "release, from SIGTERM until nothing is left", 50)
    yield timed(figures, "fence", "self-fence, keeper suspended: after the deadline", 50)
    for name in ("keeper", "guardian"):
        size = max(figures["Rss"][name]) * 1024
        theirs = f"{megabytes(max(figures['Rss']['daemon']) * 1024)} MB" if name == "keeper" else ""
        what = f"resident memory of the {name}"
        yield Aim(what, "20 MB", f"{megabytes(size)} MB", theirs, met=size <= 20e6)
    parts = busy(figures, OURS)
    part = median(parts)
    what = f"processor, monitor_interval {TIMES[2]} s, keeper and guardian"
    measured = f"{part:.3f} %, at most {max(parts):.3f} %"
    theirs = f"{median(busy(figures, THEIRS)):.3f} %"
    yield Aim(what, "0.1 %", measured, theirs, met=part <= 0.1)
    for kind in ("reads", "writes"):
        ours, theirs = (f"{per_renewal(figures, kind, name):.2f}" for name in (BLIND, THEIRS))
        met = abs(per_renewal(figures, kind, BLIND) - 1) < 0.05  # the last one may be half counted
        yield Aim(f"{kind} per renewal, the look-ahead apart", "1", ours, theirs, met=met)


def timed(figures: Figures, key: str, what: str, most: float, seconds: int = 0) -> Aim:
    """At most so many milliseconds more than the timeouts, which are seconds."""
    ours, theirs = figures[key][OURS], figures[key][THEIRS]
    limit = seconds * 1000 + most
    unit = spell_seconds if seconds else spell_ms
    measured = f"{unit(median(ours))}, at most {unit(max(ours))}"
    beside = "never" if max(theirs) == float("inf") else unit(median(theirs))
    return Aim(what, unit(limit), measured, beside, met=max(ours) <= limit)


TIMED = {
    "take": "take a free lock, collision_timeout 1 s",
    "no such lock": "the same of a lock that there is not: start-up alone",
    "interpreter": "`python3 -IS -c pass`",
    "take over": "take over after kill -9, lock_timeout 3 s",
    "release": "release",
    "stat": "`ocfkit sfex stat`, `sfex_stat`",
    "init": "`ocfkit sfex init`, `sfex_init` of 999 locks",
    "start": "agent: start",
    "monitor": "agent: monitor",
    "stop": "agent: stop",
}

HELD = {
    OURS: "ours, collision_timeout 1 s, monitor_interval 1 s",
    THEIRS: "`sfex_daemon`, monitor_interval 1 s",
    BLIND: "ours, collision_timeout 4 s, monitor_interval 1 s",
    ADVISED: "ours, collision_timeout 1 s, monitor_interval 10 s, as advised",
}


def told(figures: Figures) -> Iterator[str]:
    """The tables of a run."""
    yield from ("## Promises", "")
    head: tuple[str, ...] = ("aim", "at most", "measured", "the C tools", "")
    yield from table(head, [aim.row() for aim in aims(figures)])
    yield from ("", PROMISES, "", "## How long", "")
    head = ("ms", "ours", "worst", "C", "worst", "times", "processor, ours", "processor, C")
    yield from table(head, [(name, *duration(figures, key)) for key, name in TIMED.items()])
    yield from ("", LONG, "", "## A lock that is held", "")
    head = ("", "processor", "waits a second", "blocks read", "blocks written")
    yield from table(head, [(name, *held(figures, key)) for key, name in HELD.items()])
    yield from ("", HOLDING, "", "## Memory", "")
    head = ("MB", "resident", "share (PSS)", "share, locked")
    yield from table(head, [(name, *weight(figures, key)) for key, name in PROCESSES.items()])
    yield from ("", WEIGHT)


def duration(figures: Figures, key: str) -> tuple[str, ...]:
    """The cells of a row."""
    sides = figures[key]
    ours, theirs = sides[OURS], sides.get(THEIRS, ())
    cells = [spell(median(ours)), spell(max(ours))]
    cells += [spell(median(theirs)), spell(max(theirs))] if theirs else ["", ""]
    cells.append(f"{median(ours) / median(theirs):.2f}" if theirs else "")
    spent = figures.get(f"{key}, processor", {})
    cells += [spell(median(spent[side])) if side in spent else "" for side in (OURS, THEIRS)]
    return tuple(cells)


def held(figures: Figures, key: str) -> tuple[str, ...]:
    """The cells of a row."""
    waits = sum(sum(figures[f"waits of the {name}"][key]) for name in who(key))
    return (
        f"{median(busy(figures, key)):.3f} %",
        f"{waits / sum(figures['seconds'][key]):.1f}",
        f"{per_renewal(figures, 'reads', key):.2f}",
        f"{per_renewal(figures, 'writes', key):.2f}",
    )


def weight(figures: Figures, key: str) -> tuple[str, ...]:
    """The cells of a row."""
    kinds = ("Rss", "Pss", "Locked")
    return tuple(megabytes(median(figures[kind][key]) * 1024) for kind in kinds)


def who(key: str) -> tuple[str, ...]:
    """The processes of a holder."""
    return ("daemon",) if key == THEIRS else ("keeper", "guardian")


def busy(figures: Figures, key: str) -> list[float]:
    """Percent of a processor, in each window."""
    each = (figures[f"processor of the {name}"][key] for name in who(key))
    spent = map(sum, zip(*each, strict=True))
    return [ms / s / 10 for ms, s in zip(spent, figures["seconds"][key], strict=True)]


def per_renewal(figures: Figures, kind: str, key: str) -> float:
    """Blocks that were read or written, for each step of the count on the disk."""
    return sum(figures[kind][key]) / sum(figures["renewals"][key])


def spell(ms: float) -> str:
    """Milliseconds as digits that mean something."""
    return f"{ms:.0f}" if ms >= 99.5 else f"{ms:.1f}"


def spell_ms(ms: float) -> str:
    return f"{ms:.3g} ms"


def spell_seconds(ms: float) -> str:
    return f"{ms / 1000:.3f} s"


def megabytes(size: float) -> str:
    """As lsbcheck's page has them."""
    return f"{size / 1e6:.1f}"


PROCESSES = {"keeper": "keeper", "guardian": "guardian", "daemon": "`sfex_daemon`"}

PROMISES = """\
The worst value counts; of the processor's time the median of windows of 10 s, since a virtual
machine is away now and then. Reads and writes are those of a holder that looks no oftener than it
renews. The C daemon has no deadline: suspended, it had not fenced when lock_timeout and
collision_timeout were over and another node could have had the lock."""

LONG = """\
Medians, and the worst; "times" compares the medians. A start of ours is two interpreters, the
command and the keeper, and ends when all memory is locked; that of `sfex_daemon` ends before. Who
was killed is a `sfex_daemon`, for both. A release is over when the guardian is gone, too. The start
of C's agent has some 5 ms in it that keep its daemon from /proc/sysrq-trigger, and its stop sleeps
for a second when the daemon is still there at the first look. A monitor of C looks for a process of
that name; ours reads the lock as well."""

HOLDING = """\
Blocks per renewal. Ours looks at the lock three times in each collision_timeout, so that it sees a
claim that came late before its claimer believes it: with 1 s that is two reads more than the one of
a renewal, and with 4 s none. C looks when it renews."""

WEIGHT = """\
While it holds a lock; the shares are those of a node on which one more Python runs, which measured
this."""

HEAD = """\
# What a lock costs

`ocfkit sfex` beside sfex_daemon, sfex_stat, sfex_init and the agent of resource-agents: {rounds}
rounds of each, in turn in one run, and a lock that each holds for {seconds} s; in a Debian 12
with its own python3, on loop devices with sectors of {sector} bytes. Written by
`sudo ./dev bench sfex --write`.

Code measured: `{digest}`

{facts}
"""


def c_tools() -> str:
    """The package that they come from."""
    status = (roots.root("pacemaker") / "var/lib/dpkg/status").read_text("utf-8")
    found = re.search(r"^Package: resource-agents\n(?:.+\n)*?Version: (.+)$", status, re.MULTILINE)
    return f"C tools: resource-agents {found[1] if found else 'of an unknown version'}"


def main() -> int:
    """Measure, print, and perhaps publish; the exit code says only that it was done."""
    about = (__doc__ or "").split("\n", maxsplit=1)[0]
    parser = argparse.ArgumentParser(prog="./dev bench sfex", description=about)
    parser.add_argument("--write", action="store_true", help=f"publish {PAGE.relative_to(TOP)}")
    parser.add_argument("--rounds", type=int, default=10, help="of each (default: 10)")
    parser.add_argument(
        "--windows", type=int, default=4, help=f"of {WINDOW} s, to hold a lock (default: 4)"
    )
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        parser.exit(2, "bench: its machine is made as root: sudo ./dev bench sfex\n")
    begun, before = time.monotonic(), code_digest()
    known = [*facts(), c_tools()]
    lines = list(told(measure(arguments.rounds, arguments.windows)))
    known.append(f"The run took {time.monotonic() - begun:.0f} s")
    print(*lines, sep="\n")
    if arguments.write and before != code_digest():
        parser.exit(1, "bench: the code has changed meanwhile: nothing is written\n")
    if arguments.write:
        head = HEAD.format(
            rounds=arguments.rounds,
            seconds=arguments.windows * WINDOW,
            sector=SECTOR,
            digest=before,
            facts="\n".join(f"- {fact}" for fact in known),
        )
        PAGE.write_text("\n".join([head, *lines, ""]), "utf-8")
        print(f"\nwritten: {PAGE.relative_to(TOP)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
