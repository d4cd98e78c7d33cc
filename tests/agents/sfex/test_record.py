"""What one lock on the disk says."""

from __future__ import annotations

import pytest

from ocfkit.agents.sfex.record import Record


def test_each_write_takes_the_next_count() -> None:
    assert Record(False, 0, b"").successor(b"a") == Record(True, 1, b"a")
    assert Record(True, 41, b"b").successor(b"a") == Record(True, 42, b"a")


def test_999_is_followed_by_0() -> None:
    assert Record(True, 999, b"a").successor(b"a") == Record(True, 0, b"a")


def test_a_release_keeps_count_and_name() -> None:
    assert Record(True, 4, b"a").released() == Record(False, 4, b"a")


@pytest.mark.parametrize(
    "other",
    [Record(False, 4, b"a"), Record(True, 5, b"a"), Record(True, 4, b"ab"), (True, 4, b"a")],
)
def test_two_are_the_same_when_all_of_them_is(other: object) -> None:
    assert Record(True, 4, b"a") != other
    assert len({Record(True, 4, b"a"), Record(True, 4, b"a"), other}) == 2


@pytest.mark.parametrize("count", [-1, 1000])
def test_a_count_has_three_digits(count: int) -> None:
    with pytest.raises(ValueError, match="0 to 999"):
        Record(True, count, b"a")
