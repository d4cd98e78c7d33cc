"""Real Debian init scripts under lsbcheck, and the published table of its verdicts.

    python tests/services/corpus.py [--jobs N] [--hog] [--fresh] [--write] [--report FILE] [SCRIPT…]

A run can be stopped and called again: the report of each script is kept in the cache folder for as
long as the script, its package, its root and the code that decides the verdicts stay as they are.
Without --write the run is compared with the table, row by row. A verdict must not depend on how
many scripts run at the same time, nor on what else the machine does: --jobs, --hog and --fresh vary
that.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP)]  # run as a file, by ./dev corpus

from tests.namespace.image import TREES, HostImage  # noqa: E402
from tests.services import resumable, roots  # noqa: E402
from tests.services.corpus_table import Row, Table, code_digest, differences  # noqa: E402
from tests.services.resumable import Check, CheckError  # noqa: E402

ROOTS = ("corpus-a", "corpus-b", "corpus-c")
"""Where the scripts are; one that is in two of them is checked in the first."""

LEFT_OUT = ("rabbitmq-server",)
"""Its failing start forks beyond a sandbox's 512 processes: half of its rules have no verdict."""

JOBS = 16
"""Scripts at the same time: each mostly waits, for a stop that is made to fail."""

SPACE = 1 << 30
"""Bytes of disk that must be free; the reports of a run take a tenth of it."""

LETTERS = {"pass": "+", "fail": "-", "not-provoked": "?", "error": "!"}
"""A fail without an answer is told as `T`: the script did not come back."""

ORPHANS = "/usr/share/orphan-sysvinit-scripts/"
"""The package of that name copies from here what other packages have dropped."""


@dataclass(frozen=True, slots=True)
class Subject:
    """An init script in a root."""

    root: Path
    name: str
    package: str
    version: str
    prepare: str

    @property
    def digest(self) -> str:
        """First 16 hex digits of its SHA-256."""
        return hashlib.sha256((self.root / "etc/init.d" / self.name).read_bytes()).hexdigest()[:16]

    def check(self, folder: Path, code: str) -> Check:
        """What to run; the report's name holds all that may make another one of it."""
        mark = (self.root / roots.MARK).read_text("utf-8")
        what = [code, mark, self.package, self.version, self.digest, self.prepare]
        key = hashlib.sha256("\0".join(what).encode()).hexdigest()[:16]
        report = folder / f"{self.name}.{key}.json"
        lsbcheck = (str(TOP / "dev"), "lsbcheck", "--root", str(self.root))
        prepare = ("--prepare", self.prepare) if self.prepare else ()
        kept = ("--format", "json", "--output", str(report))
        return Check(self.name, (*lsbcheck, *prepare, *kept, f"/etc/init.d/{self.name}"), report)

    def row(self, report: Path) -> Row:
        """The row of the table that a report amounts to."""
        (said,) = json.loads(report.read_text("utf-8"))["scripts"]
        verdicts = "".join(_letter(rule) for rule in said["rules"])
        return Row(self.name, self.package, self.version, self.digest, verdicts, self.prepare)


def _letter(rule: dict[str, Any]) -> str:
    if rule["verdict"] == "fail" and rule["evidence"]["outcome"] == "no-answer":
        return "T"
    return LETTERS[rule["verdict"]]


def subjects_of(root: Path) -> list[Subject]:
    """Every init script of the root that can be checked."""
    packages = _packages_of(root)
    prepare = roots.recipes()["prepare"]
    names = (path.name for path in (root / "etc/init.d").iterdir() if os.access(path, os.X_OK))
    return [
        Subject(root, name, *packages.get(name, ("-", "-")), prepare.get(name, "").strip())
        for name in sorted(names)
    ]


def _packages_of(root: Path) -> dict[str, tuple[str, str]]:
    """Name of each init script → its package and that package's version, from dpkg's records."""
    versions: dict[str, str] = {}
    for block in (root / "var/lib/dpkg/status").read_text("utf-8").split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in block.splitlines() if ": " in line and line[0] != " "
        )
        if "Package" in fields:
            versions[fields["Package"]] = fields.get("Version", "-")
    found: dict[str, tuple[str, str]] = {}
    for listing in (root / "var/lib/dpkg/info").glob("*.list"):
        package = listing.stem.split(":")[0]
        for line in listing.read_text("utf-8").splitlines():
            if line.startswith(("/etc/init.d/", ORPHANS)):
                found[line.rpartition("/")[2]] = (package, versions.get(package, "-"))
    return found


def corpus() -> list[Subject]:
    """All of them, by name; missing roots are built."""
    found: dict[str, Subject] = {}
    for name in ROOTS:
        for subject in subjects_of(roots.root(name)):
            found.setdefault(subject.name, subject)
    return [found[name] for name in sorted(found) if name not in LEFT_OUT]


def checked(
    subjects: Sequence[Subject], folder: Path, jobs: int, *, fresh: bool = False
) -> list[Row]:
    """Check what has no report in the folder, and read the reports."""
    folder.mkdir(parents=True, exist_ok=True)
    code = code_digest()
    checks = [subject.check(folder, code) for subject in subjects]
    if fresh:
        for check in checks:
            check.report.unlink(missing_ok=True)
    shown = resumable.Shown()
    try:
        resumable.run(checks, jobs, shown)
        # Without a verdict: it may have been starved by the others.
        alone = [check for check in checks if "error" in _verdicts(check.report)]
        for check in alone:
            check.report.unlink()
        resumable.run(alone, 1, shown)
    finally:
        shown.close()
    return [subject.row(check.report) for subject, check in zip(subjects, checks, strict=True)]


def _verdicts(report: Path) -> set[str]:
    (said,) = json.loads(report.read_text("utf-8"))["scripts"]
    return {rule["verdict"] for rule in said["rules"]}


def reports(subjects: Iterable[Subject], folder: Path) -> list[Path]:
    """Where the reports of these are."""
    code = code_digest()
    return [subject.check(folder, code).report for subject in subjects]


def sweep(folder: Path, keep: Iterable[Path]) -> None:
    """Remove the reports of other code and other roots."""
    wanted = set(keep)
    for path in folder.glob("*.json"):
        if path not in wanted:
            path.unlink()


@contextlib.contextmanager
def hogs() -> Generator[None]:
    """Keep every processor busy."""
    busy = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in os.sched_getaffinity(0)
    ]
    try:
        yield
    finally:
        for each in busy:
            each.kill()
            each.wait()


class _Arguments(argparse.Namespace):
    scripts: list[str]
    jobs: int
    hog: bool
    fresh: bool
    write: bool
    show: bool
    report: str | None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./dev corpus", description=(__doc__ or "").split("\n")[0]
    )
    add = parser.add_argument
    add("scripts", nargs="*", metavar="SCRIPT", help="only these (default: all)")
    add("--jobs", type=int, default=JOBS, help="scripts at the same time (default: %(default)s)")
    add("--hog", action="store_true", help="with a busy loop on every processor")
    add("--fresh", action="store_true", help="check anew what has a report from a run before")
    add("--write", action="store_true", help="make the table and its page anew")
    add("--show", action="store_true", help="print the rows")
    add("--report", metavar="FILE", help="write a page to look at (HTML)")
    return parser


def main() -> int:
    """Run the corpus; 1 when a verdict differs from the table."""
    parser = _parser()
    arguments = parser.parse_args(namespace=_Arguments())
    if arguments.write and arguments.scripts:
        parser.error("--write makes the whole table: name no script")
    try:
        return _run(arguments)
    except (CheckError, roots.RootError, CorpusError) as error:
        print(f"corpus: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("corpus: stopped; call it again, and it goes on", file=sys.stderr)
        return 130


class CorpusError(Exception):
    """The corpus cannot be run; the sentence says why."""


def _run(arguments: _Arguments) -> int:
    if os.geteuid() != 0:
        message = "it needs root: sudo ./dev corpus"
        raise CorpusError(message)
    folder = roots.folder().parent / "corpus"
    subjects = _chosen(corpus(), arguments.scripts)
    _require_space(folder)
    trees = (*TREES, *(str(roots.folder() / name) for name in ROOTS))
    before = HostImage.take(trees)
    with hogs() if arguments.hog else contextlib.nullcontext():
        rows = checked(subjects, folder, arguments.jobs, fresh=arguments.fresh)
    left = before.difference(HostImage.take(trees))
    print(
        "\n".join(left) or "the host is as it was: files, mounts, processes, groups, sysctls, net"
    )
    if arguments.show:
        print("\n".join(row.text() for row in rows))
    kept = reports(subjects, folder)
    if not arguments.scripts:
        sweep(folder, kept)
    if arguments.report is not None:
        _merge(kept, arguments.report)
    if arguments.write:
        from lsbcheck.rules import RULES

        Table([rule.id for rule in RULES], code_digest(), rows).write()
        return 0
    wrong = differences(rows, Table.read())
    print("\n".join(wrong) or f"{len(rows)} scripts: verdicts as in the table")
    return 1 if wrong or left else 0


def _merge(kept: Sequence[Path], page: str) -> None:
    """Make one page of all reports."""
    merge = [str(TOP / "dev"), "lsbcheck", "merge", "--format", "html", "--output", page]
    done = subprocess.run([*merge, *map(str, kept)], check=False)
    if done.returncode not in resumable.USUAL_ENDS:
        message = f"--report: lsbcheck merge ended with {done.returncode}"
        raise CorpusError(message)


def _chosen(subjects: list[Subject], names: Sequence[str]) -> list[Subject]:
    if not names:
        return subjects
    known = {subject.name: subject for subject in subjects}
    if unknown := [name for name in names if name not in known]:
        message = f"no script of the corpus is called {' or '.join(unknown)}"
        raise CorpusError(message)
    return [known[name] for name in names]


def _require_space(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < SPACE:
        message = f"{folder}: {free >> 20} MiB are free, {SPACE >> 20} are needed"
        raise CorpusError(message)


def _stop(number: int, _: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt(number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGHUP, _stop)
    sys.exit(main())
