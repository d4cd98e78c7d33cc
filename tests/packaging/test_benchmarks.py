"""The published measurements speak of this code, and of no earlier one."""

from __future__ import annotations

from tests.bench import agents, check, containers, faults, lsbcheck, sfex
from tests.services.corpus_table import code_digest


def test_the_page_on_lsbcheck_measured_this_code() -> None:
    new = code_digest()
    assert lsbcheck.published_digest() == new, "on a quiet machine: sudo ./dev bench --write"


def test_the_page_on_containers_measured_this_code() -> None:
    new = containers.code_digest()
    wanted = "on a quiet machine: sudo ./dev bench containers --write"
    assert containers.published_digest() == new, wanted


def test_the_page_on_agents_measured_this_code() -> None:
    new = agents.code_digest()
    assert agents.published_digest() == new, "on a quiet machine: sudo ./dev bench agents --write"


def test_the_page_on_the_lock_measured_this_code() -> None:
    new = sfex.code_digest()
    assert sfex.published_digest() == new, "on a quiet machine: sudo ./dev bench sfex --write"


def test_the_page_on_checks_measured_this_code() -> None:
    new = check.code_digest()
    assert check.published_digest() == new, "on a quiet machine: sudo ./dev bench check --write"


def test_the_scoreboard_measured_this_code() -> None:
    new = faults.code_digest()
    assert faults.published_digest() == new, "on a quiet machine: sudo ./dev bench faults --write"
