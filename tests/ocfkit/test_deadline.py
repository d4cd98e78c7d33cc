"""One deadline, from which everything that waits gets what is left."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocfkit.deadline import Deadline
from ocfkit.environment import reserve


def test_counts_down_to_zero_and_no_further() -> None:
    assert Deadline.after(10).left() == pytest.approx(10, abs=0.1)
    assert Deadline.after(-10).left() == 0.0
    assert Deadline.after(-10).over()
    assert not Deadline.after(10).over()


@given(st.floats(0.001, 10**6))
def test_keeps_back_what_the_reason_needs(granted: float) -> None:
    kept = reserve(granted)
    assert 0 < kept <= min(1.0, granted / 10)
    left = Deadline.granted(granted).until - time.monotonic()
    assert left == pytest.approx(granted - kept, abs=0.5)


def test_what_is_used_is_gone() -> None:
    assert Deadline.granted(20, used=5).left() == pytest.approx(14, abs=0.1)
    assert Deadline.granted(20, used=50).over()


def test_a_part_is_a_share_of_what_is_left() -> None:
    assert Deadline.after(10).part(0.6).left() == pytest.approx(6, abs=0.1)
    assert Deadline.after(-1).part(0.6).over()


def test_the_earlier_of_two_ends_counts() -> None:
    assert Deadline.after(10).within(3).left() == pytest.approx(3, abs=0.1)
    assert Deadline.after(3).within(10).left() == pytest.approx(3, abs=0.1)


def test_sleeps_no_longer_than_it_lasts() -> None:
    began = time.monotonic()
    Deadline.after(0.05).sleep(10)
    Deadline.after(-1).sleep(10)
    Deadline.after(10).sleep(0.05)
    assert 0.09 < time.monotonic() - began < 5
