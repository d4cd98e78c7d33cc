"""Real Debian init scripts: the verdicts of the table, and a host that stays as it was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.namespace.image import TREES, HostImage
from tests.services import corpus

SAMPLE = [
    # one of each kind, and none whose faulty stop is waited for longer than a minute
    "acpid",
    "apache2",
    "atd",
    "cron",
    "dbus",
    "dictd",
    "dnsmasq",
    "exim4",
    "ganglia-monitor",
    "hwclock.sh",
    "irqbalance",
    "kmod",
    "lighttpd",
    "memcached",
    "munin-node",
    "nagios-nrpe-server",
    "nginx",
    "policyd-rate-limit",
    "postgrey",
    "procps",
    "prosody",
    "pure-ftpd",
    "rsync",
    "snmpd",
    "ssh",
    "stunnel4",
    "supervisor",
    "tinyproxy",
    "webfs",
]
"""What CI runs of the table; the rest is for `./dev corpus`."""


@dataclass(frozen=True)
class Run:
    rows: dict[str, corpus.Row]
    left_on_the_host: list[str]


@pytest.fixture(scope="module")
def run(sample: Path) -> Run:
    """One run over the sample, between two images of the host."""
    trees = (*TREES, str(sample))
    before = HostImage.take(trees)
    rows = {row.script: row for row in corpus.run(sample, SAMPLE)}
    return Run(rows, before.difference(HostImage.take(trees)))


@pytest.fixture(scope="module")
def rows(run: Run) -> dict[str, corpus.Row]:
    return run.rows


def test_the_host_is_afterwards_as_it_was(run: Run) -> None:
    assert run.left_on_the_host == []


@pytest.mark.parametrize("script", SAMPLE)
def test_a_script_is_judged_as_in_the_table(script: str, rows: dict[str, corpus.Row]) -> None:
    assert not corpus.differences([rows[script]], corpus.read_table()[1])


def test_most_of_the_packages_are_still_those_of_the_table(rows: dict[str, corpus.Row]) -> None:
    """A script that a Debian update has changed is not compared; that must stay the exception."""
    table = corpus.read_table()[1]
    same = [row for row in rows.values() if row.digest == table[row.script].digest]
    assert len(same) > len(SAMPLE) * 3 / 4


def test_snmpd_breaks_rule_3_and_no_other_of_the_eight(rows: dict[str, corpus.Row]) -> None:
    assert rows["snmpd"].verdicts[:8] == "++-+++++"
