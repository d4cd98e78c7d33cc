"""What an operator sets, and which settings contradict each other."""

from __future__ import annotations

import re

import pytest

from ocfkit.agents.sfex.timing import SECOND, Timing

GOOD: dict[str, float] = {
    "collision": 1,
    "lock": 100,
    "interval": 10,
    "margin": 1,
    "look": 0.25,
    "io": 0.25,
}


def timing(**changes: float) -> Timing:
    return Timing(**{name: round(value * SECOND) for name, value in (GOOD | changes).items()})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"collision": 0}, "collision_timeout has to be more than nothing"),
        ({"lock": -1}, "lock_timeout has to be more than nothing"),
        ({"interval": 0}, "monitor_interval has to be more than nothing"),
        ({"margin": 0}, "the margin has to be more than nothing"),
        ({"look": 0}, "the look-ahead has to be more than nothing"),
        ({"lock": 11.5}, "a read and a write have to be done 1 s before its end; 11.5 s would not"),
        ({"collision": 98.5}, "has to be done 1 s before its end; 100.25 s would not be enough"),
        ({"interval": 0.1}, "could come round, and it would look dead; 98.9 s is the longest"),
        ({"lock": 1001, "interval": 2}, "a margin of 1 s is too small"),
        ({"io": 0.6}, "a margin of 1 s is too small"),
        ({"interval": 0.2}, "the look-ahead is longer than monitor_interval"),
        ({"io": 0.75, "margin": 2}, "collision_timeout is too short: a holder that looks each 0."),
    ],
)
def test_a_contradiction_is_told(changes: dict[str, float], sentence: str) -> None:
    timing()
    with pytest.raises(ValueError, match=re.escape(sentence)):
        timing(**changes)


def test_all_contradictions_are_told_at_once() -> None:
    with pytest.raises(ValueError, match="monitor_interval; collision_timeout is too short"):
        timing(collision=0.3, look=20)


@pytest.mark.parametrize(
    ("collision", "lock", "interval"),
    [(1, 100, 10), (1, 70, 10), (1, 60, 10), (1, 4, 1), (3, 20, 2), (1, 3, 1), (5, 3600, 60)],
)
def test_what_operators_set_has_room_for_the_rest(collision: int, lock: int, interval: int) -> None:
    usual = Timing.of(collision=collision * SECOND, lock=lock * SECOND, interval=interval * SECOND)
    assert usual.lease < usual.lock
    assert usual.fencing > usual.collision
    assert usual.look + 2 * usual.io < usual.collision


@pytest.mark.parametrize(("lock", "interval"), [(5, 10), (10, 10), (11, 10), (2, 1), (999, 1)])
def test_what_cannot_work_is_refused_with_the_rest(lock: int, interval: int) -> None:
    with pytest.raises(ValueError, match="lock_timeout is too"):
        Timing.of(collision=SECOND, lock=lock * SECOND, interval=interval * SECOND)
