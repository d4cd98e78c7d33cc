"""Tiers by folder; in CI a test that cannot run has failed."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path

import pytest

HERE = Path(__file__).parent

TIER_OF = {
    "agents": "plain",
    "browser": "browser",
    "cluster": "cluster",
    "containers": "containers",
    "examples": "plain",
    "lsbcheck": "plain",
    "monitors": "plain",
    "namespace": "namespace",
    "ocfkit": "plain",
    "packaging": "plain",
    "services": "services",
    "test_lint.py": "plain",
}
"""The marker of each folder (or file) right below tests/: nobody can forget to set it."""

LAST = ("containers", "cluster")
NEEDS_ROOT = {"cluster", "containers", "namespace", "services"}
CI = os.environ.get("CI") == "true"

seconds_of: defaultdict[str, float] = defaultdict(float)


def tier_of(path: Path) -> str:
    place = path.relative_to(HERE).parts[0]
    try:
        return TIER_OF[place]
    except KeyError:
        raise pytest.UsageError(f"tests/{place} has no tier: add it to tests/conftest.py") from None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(tier_of(item.path))
    # Last: engines and nodes run on between their tests, and others look for what is left.
    items.sort(key=lambda item: LAST.index(tier) if (tier := tier_of(item.path)) in LAST else -1)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    tier = tier_of(item.path)
    if tier in NEEDS_ROOT and os.geteuid() != 0:
        pytest.skip(f"needs root: sudo ./dev test {tier}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    seconds_of[tier_of(item.path)] += report.duration
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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    times = ", ".join(f"{tier} {seconds:.0f} s" for tier, seconds in seconds_of.items())
    terminalreporter.write_line(f"time by tier: {times or 'nothing ran'}")
