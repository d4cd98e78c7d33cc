"""What `ocfkit check` takes for an agent, beside ocf-tester, which asks for less.

Nothing here can fail: a benchmark is not a timed test. With --write the table becomes
docs/reference/check-cost.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP)]  # run as a file, by ./dev bench; in front of this folder's lsbcheck.py

from tests.bench.lsbcheck import facts, table  # noqa: E402
from tests.digest import digest  # noqa: E402
from tests.services import roots  # noqa: E402

PAGE = TOP / "docs/reference/check-cost.md"
ENTER = TOP / "tests/services/enter"
DECIDING = ("ocfkit/conformance/*.py", "ocfkit/conformance/rules/*.py", "tests/bench/check.py")
ROOT = "pacemaker"
ROUNDS = 3

PAGE_HEAD = """\
# What a check takes

`ocfkit check` beside `ocf-tester` of resource-agents, for the same agents in the same root, in
turns in one run on one machine. Written by `sudo ./dev bench check --write`. They do not do the
same: ocf-tester calls an agent some twenty times, the check some hundred times, in some twenty
private machines, and it waits after each start and stop until nothing moves any more.
"""

TESTED = 'began=$(date +%s%N); ocf-tester "$@" >/tmp/said 2>&1; code=$?; ended=$(date +%s%N); '


@dataclass
class Subject:
    """An agent, and what was measured of it; seconds."""

    name: str
    file: str
    """Of the root, or of this project."""
    parameters: Sequence[str] = ()
    tester: list[float] = field(default_factory=list[float])
    ours: list[float] = field(default_factory=list[float])
    passed: bool = False
    """Whether ocf-tester passes it."""
    broken: int = 0
    """Rules that count and that it breaks."""

    @property
    def source(self) -> Path | None:
        """Where its file is, if not in the root."""
        return None if self.file.startswith("/") else TOP / self.file


def subjects() -> list[Subject]:
    """One that touches a file, one that runs anything, and one that was made with faults."""
    folder = "/usr/lib/ocf/resource.d/heartbeat"
    sleeper = ("binfile=/usr/bin/sleep", "cmdline_options=1000000")
    return [
        Subject("ocf:heartbeat:Dummy", f"{folder}/Dummy"),
        Subject("ocf:heartbeat:anything", f"{folder}/anything", sleeper),
        Subject("examples/resource.d/legacy", "examples/resource.d/legacy"),
    ]


def code_digest() -> str:
    """A digest of the code that a figure depends on."""
    return digest(path for pattern in DECIDING for path in sorted(TOP.glob(pattern)))


def published_digest() -> str:
    """The digest of the code that the page speaks of, "" if it names none."""
    found = re.search(r"^Code measured: `(\w+)`$", PAGE.read_text("utf-8"), re.MULTILINE)
    return found[1] if found else ""


def test_with_ocf_tester(subject: Subject, root: Path) -> None:
    """In a machine to throw away; what that takes is not counted."""
    words = [word for each in subject.parameters for word in ("-o", each)]
    path = subject.file if subject.source is None else f"/usr/lib/{subject.name.rsplit('/', 1)[1]}"
    text = b"" if subject.source is None else subject.source.read_bytes()
    bring = "" if subject.source is None else f"cat >{path} && chmod 755 {path}; "
    said = subprocess.run(
        [
            *(str(ENTER), "machine", str(root), "sh", "-c"),
            f"{bring}{TESTED} echo $code $((ended - began))",
            *("sh", "-n", "measured", *words, path),
        ],
        input=text,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout.split()
    subject.passed = said[-2] == b"0"
    subject.tester.append(int(said[-1]) / 1e9)


def check(subject: Subject, root: Path) -> None:
    """As its user would, from the checkout."""
    words = [word for each in subject.parameters for word in ("-p", each)]
    where = ["--root", str(root)] if subject.source is None else []
    began = time.perf_counter()
    done = subprocess.run(
        [
            *(sys.executable, "-B", "-m", "ocfkit", "check", "--format", "json"),
            *(*where, *words, subject.name),
        ],
        cwd=TOP,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=False,
    )
    subject.ours.append(time.perf_counter() - began)
    rules = json.loads(done.stdout)["rules"]
    subject.broken = sum(rule["counts"] and rule["verdict"] == "fail" for rule in rules)


def page(measured: Sequence[Subject]) -> list[str]:
    """The table."""
    head = ("agent", "ocf-tester, s", "it says", "`ocfkit check`, s", "times", "broken rules")
    rows: list[Sequence[str]] = []
    for one in measured:
        tester, ours = median(one.tester), median(one.ours)
        said = "passed" if one.passed else "failed"
        times = f"{ours / tester:.1f}"
        rows.append((one.name, f"{tester:.2f}", said, f"{ours:.2f}", times, str(one.broken)))
    times = f"Median of {len(measured[0].ours)}."
    hangs = "An agent that hangs: the check ends it at its limit, ocf-tester waits for ever."
    return ["", *table(head, rows), "", f"{times} {hangs}"]


def main() -> int:
    """Measure, print, and perhaps publish; the exit code says only that it was done."""
    about = (__doc__ or "").split("\n", maxsplit=1)[0]
    parser = argparse.ArgumentParser(prog="./dev bench check", description=about)
    parser.add_argument("--write", action="store_true", help=f"publish {PAGE.relative_to(TOP)}")
    parser.add_argument("--quick", action="store_true", help="once, for a first look")
    arguments = parser.parse_args()
    if arguments.write and arguments.quick:
        parser.error("--write publishes a whole run only")
    if os.geteuid() != 0:
        parser.exit(2, "bench: ocf-tester wants root: sudo ./dev bench check\n")
    before, about_machine = code_digest(), facts()
    root, measured = roots.root(ROOT), subjects()
    for _ in range(1 if arguments.quick else ROUNDS):
        for one in measured:
            test_with_ocf_tester(one, root)
            check(one, root)
    lines = page(measured)
    print(*lines, sep="\n")
    if not arguments.write:
        return 0
    if before != code_digest():
        parser.exit(1, "bench: the code has changed meanwhile: nothing is written\n")
    end = ["", "## Machine", "", *(f"- {fact}" for fact in about_machine), ""]
    text = "\n".join([PAGE_HEAD.rstrip("\n"), *lines, *end, f"Code measured: `{before}`", ""])
    PAGE.write_text(text, "utf-8")
    print(f"\nwritten: {PAGE.relative_to(TOP)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
