"""Which machines are made, and which once more, with an itinerary that is made up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import cast

import pytest

from lsbcheck.sandbox.interface import Backend
from lsbcheck.transcript import Service
from ocfkit.conformance import check as checking
from ocfkit.conformance.agent_file import AgentFile
from ocfkit.conformance.check import check
from ocfkit.conformance.itinerary import is_doubtful
from ocfkit.conformance.rules import Rule, by_id
from ocfkit.conformance.transcript import Call, Scenario, ScenarioName
from ocfkit.conformance.visit import Traveller

WELL = by_id("stop-when-stopped")
"""A rule that reads the first cycle and one other scenario at least."""


def call(seconds: float, late: float = 0.0, limit: float = 20.0) -> Call:
    return Call(
        action="monitor",
        argv=("/x", "monitor"),
        environ={},
        uid=0,
        outcome="exited",
        code=0,
        seconds=seconds,
        limit=limit,
        stdout="",
        stderr="",
        late=late,
    )


class NoMachine:
    """A backend that is never asked."""

    notes: tuple[str, ...] = ()


Made = Callable[[ScenarioName, Traveller], Scenario]


def seen(
    monkeypatch: pytest.MonkeyPatch, made: Made, jobs: int = 4, rule: Rule = WELL
) -> list[tuple[ScenarioName, int]]:
    """The scenarios that were made, and with how much patience, in their order."""
    asked: list[tuple[ScenarioName, int]] = []
    lock = threading.Lock()

    def travel(name: ScenarioName, traveller: Traveller) -> tuple[Scenario, Service | None]:
        with lock:
            asked.append((name, traveller.patience))
        return made(name, traveller), None

    monkeypatch.setattr(checking, "travel", travel)
    traveller = Traveller(AgentFile("x", "test", "/x"), cast("Backend", NoMachine()))
    check(traveller, [rule], jobs)
    return asked


@pytest.mark.parametrize(
    ("one", "doubtful"),
    [
        (call(19.0, late=2.0), True),
        (call(20.0, late=0.5), True),
        (call(19.0, late=0.1), False),
        (call(9.0, late=5.0), False),
    ],
)
def test_what_came_late_for_want_of_a_processor_is_doubtful(one: Call, *, doubtful: bool) -> None:
    assert is_doubtful(Scenario("cycle", (call(0.1), one))) is doubtful


def test_every_machine_is_made_once_on_an_idle_host(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = seen(monkeypatch, lambda name, _: Scenario(name, (call(0.1),)))
    assert asked[:2] == [("meta-data", 1), ("cycle", 1)]
    assert len(asked) == len(dict(asked))
    assert {name for name, _ in asked} == {"meta-data", "cycle", *WELL.needs}


def test_nothing_is_started_for_a_rule_on_what_the_agent_says_of_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rule = by_id("times-have-units")
    asked = seen(monkeypatch, lambda name, _: Scenario(name, (call(0.1),)), rule=rule)
    assert asked == [("meta-data", 1)]


def test_a_doubtful_one_is_made_again_with_twice_the_time_and_after_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    starved = call(20.0, late=5.0)
    asked = seen(monkeypatch, lambda name, _: Scenario(name, (starved,)))
    others = [name for name in WELL.needs if name not in ("meta-data", "cycle")]
    assert asked[:4] == [("meta-data", 1), ("meta-data", 2), ("cycle", 1), ("cycle", 2)]
    assert sorted(asked[4 : 4 + len(others)]) == sorted((name, 1) for name in others)
    assert sorted(asked[4 + len(others) :]) == sorted((name, 2) for name in others)


@pytest.mark.parametrize("patience", [1, 2])
def test_patience_is_of_every_limit(patience: int) -> None:
    traveller = Traveller(
        AgentFile("x", "test", "/x"), cast("Backend", NoMachine()), most=7.0, patience=patience
    )
    assert traveller.limit("start") == 7.0 * patience


@pytest.mark.parametrize(
    ("spoilt", "made"),
    [
        (Scenario("meta-data", error="--prepare ended with 9"), ["meta-data"]),
        (Scenario("cycle", error="the sandbox has died"), ["meta-data", "cycle"]),
        (Scenario("cycle", unreached="monitor gave no answer"), ["meta-data", "cycle"]),
        (Scenario("cycle", unreached="over", out_of_time=True), ["meta-data", "cycle"]),
    ],
)
def test_where_the_first_ones_tell_nothing_no_other_is_made(
    monkeypatch: pytest.MonkeyPatch, spoilt: Scenario, made: list[str]
) -> None:
    def first(name: ScenarioName, _: Traveller) -> Scenario:
        return spoilt if name == spoilt.name else Scenario(name, (call(0.1),))

    assert [name for name, _ in seen(monkeypatch, first)] == made
