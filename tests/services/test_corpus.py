"""Real Debian init scripts: the verdicts of the table, and a host that stays as it was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.namespace.image import TREES, HostImage
from tests.services import corpus
from tests.services.corpus_table import Row, Table, differences

SAMPLE = (
    # one of each style, and none whose faulty stop is waited for longer than half a minute
    "autolog",
    "cron",
    "ganglia-monitor",
    "hwclock.sh",
    "kmod",
    "lldpad",
    "monit",
    "munin-node",
    "nginx",
    "policyd-rate-limit",
    "postgrey",
    "pure-ftpd",
    "snmpd",
    "ssh",
    "tinyproxy",
    "v2ray",
    "webfs",
)
"""What CI runs of the table; all of it is for `./dev corpus`."""


@dataclass(frozen=True)
class Run:
    rows: dict[str, Row]
    left_on_the_host: list[str]


@pytest.fixture(scope="module")
def run(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run over the sample, between two images of the host."""
    folder = tmp_path_factory.mktemp("reports")
    subjects = [one for one in corpus.subjects_of(sample) if one.name in SAMPLE]
    trees = (*TREES, str(sample))
    before = HostImage.take(trees)
    rows = corpus.checked(subjects, folder, jobs=len(SAMPLE))
    left = before.difference(HostImage.take(trees))
    return Run({row.script: row for row in rows}, left)


@pytest.fixture(scope="module")
def rows(run: Run) -> dict[str, Row]:
    return run.rows


def test_the_host_is_afterwards_as_it_was(run: Run) -> None:
    assert run.left_on_the_host == []


@pytest.mark.parametrize("script", SAMPLE)
def test_a_script_is_judged_as_in_the_table(script: str, rows: dict[str, Row]) -> None:
    assert not differences([rows[script]], Table.read())


def test_most_of_the_packages_are_still_those_of_the_table(rows: dict[str, Row]) -> None:
    """A script that a Debian update has changed is not compared; that must stay the exception."""
    table = Table.read().named()
    same = [row for row in rows.values() if row.same_script(table[row.script])]
    assert len(same) > len(SAMPLE) * 3 / 4


def test_each_rule_is_seen_to_hold_to_be_broken_and_to_be_not_provoked() -> None:
    """A verdict that the table shows somewhere is one that this sample shows as well."""
    table = Table.read()
    named = table.named()
    shown = {pair for script in SAMPLE for pair in enumerate(named[script].verdicts)}
    missing = {pair for row in table.rows for pair in enumerate(row.verdicts)} - shown
    assert {pair for pair in missing if pair[1] != "T"} == set()  # T takes longer than CI has


def test_snmpd_breaks_rule_3_and_no_other_of_the_eight(rows: dict[str, Row]) -> None:
    assert rows["snmpd"].verdicts[:8] == "++-+++++"
