"""Tiers by folder; in CI a test that cannot run has failed."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Generator
from itertools import count
from pathlib import Path

import pytest

from tests.workers import Place, Stages

HERE = Path(__file__).parent

TIER_OF = {
    "agents": "plain",
    "browser": "browser",
    "cluster": "cluster",
    "conformance": "namespace",
    "containers": "containers",
    "examples": "plain",
    "lsbcheck": "plain",
    "monitors": "plain",
    "namespace": "namespace",
    "ocfkit": "plain",
    "packaging": "plain",
    "services": "services",
    "test_lint.py": "plain",
    "test_workers.py": "plain",
}
"""The marker of each folder (or file) right below tests/: nobody can forget to set it."""

TURNS = ("plain", "browser", "namespace", "services", "containers", "cluster")
"""In this order they begin. Engines and nodes run on between their tests: they come last."""

ALONE = (
    "browser",
    "conformance/test_hostile.py",
    "namespace/test_leftovers.py",
    "services/test_corpus.py",
    "services/test_fresh_machine.py",
)
"""What is timed, as the plain tests of a fresh machine are, or compares images of the whole one,
has the machine for itself.
"""

LANES = {"namespace": 0, "services": 0, "conformance": 1, "containers": 1, "cluster": 1}
"""Folder → which of two that run side by side: most of the time both wait. They take the same time,
and all that the engine's tests touch is in one of them.
"""

COMPUTING = {"test_lint.py", "test_model.py", "test_model_itself.py", "test_simulation.py"}
"""What keeps a processor busy comes first of all, and hardly anything that waits runs beside it."""

NEEDS_ROOT = {"cluster", "containers", "namespace", "services"}
CI = os.environ.get("CI") == "true"

times: defaultdict[str, float] = defaultdict(float)
"""Tier → seconds that its tests have taken, setup and teardown among them."""

began = time.monotonic()
terminals: list[pytest.TerminalReporter] = []
"""Where the beginning of each tier is told, in CI."""


def tier_of(path: Path) -> str:
    place = path.relative_to(HERE).parts[0]
    try:
        return TIER_OF[place]
    except KeyError:
        raise pytest.UsageError(f"tests/{place} has no tier: add it to tests/conftest.py") from None


def pytest_addoption(parser: pytest.Parser) -> None:
    about = "of each file only every Nth test, the first among them"
    parser.addoption("--every", type=int, default=1, metavar="N", help=about)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(tier_of(item.path))
    items.sort(key=_turn)
    every: int = config.option.every
    numbers: defaultdict[Path, count[int]] = defaultdict(count)
    items[:] = [item for item in items if next(numbers[item.path]) % every == 0]


def _turn(item: pytest.Item) -> tuple[int, bool]:
    return TURNS.index(tier_of(item.path)), item.path.name not in COMPUTING


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than processors: plain tests wait most of their time, and some must not be late."""
    return min(len(os.sched_getaffinity(0)) + 1, 8)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config) -> Stages:
    return Stages(len(config.option.tx), lambda test: stage_of(path_of(test)))


def stage_of(path: Path) -> Place:
    """Plain tests on all workers, then what has to be alone, then the others in two lanes."""
    tier = tier_of(path)
    if tier == "plain":
        return Place(0, None)
    if str(path.relative_to(HERE)).startswith(ALONE):
        return Place(1, 0)
    return Place(2, LANES[path.relative_to(HERE).parts[0]])


def path_of(nodeid: str) -> Path:
    return HERE.parent / nodeid.partition("::")[0]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    tier = tier_of(item.path)
    if tier in NEEDS_ROOT and os.geteuid() != 0:
        pytest.skip(f"needs root: sudo ./dev test {tier}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI may not: {report.longreprtext}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI may not: {report.longreprtext}"
    return report


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """In CI a test that has passed is counted and not shown: what is told is of the others."""
    return ("passed", "", "") if CI and report.passed and report.when == "call" else None


def pytest_sessionstart(session: pytest.Session) -> None:
    terminal = session.config.pluginmanager.getplugin("terminalreporter")
    if CI and isinstance(terminal, pytest.TerminalReporter):
        terminals.append(terminal)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    tier = tier_of(path_of(report.nodeid))
    if tier not in times:
        for terminal in terminals:
            terminal.write_line(f"{time.monotonic() - began:4.0f} s: {tier}")
            terminal.flush()
    times[tier] += report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    by_tier = ", ".join(f"{tier} {seconds:.0f} s" for tier, seconds in times.items())
    terminalreporter.write_line(f"time by tier, side by side: {by_tier or 'nothing ran'}")
