"""A hundred rounds of each shipped agent; `./dev soak` does a thousand."""

from __future__ import annotations

from tests.services import soak


def test_a_hundred_rounds_leave_nothing_behind() -> None:
    for each in soak.soak_all(list(soak.AGENTS), cycles=100):
        assert each.left == [], each
