"""What a keeper says of itself."""

from __future__ import annotations

import pytest

from ocfkit.agents.sfex.status import Guardian, Status
from ocfkit.linux.process import Identity

KEEPER = Identity(1, 2, "b")
GUARDIAN = Guardian(Identity(3, 4, "b"), 5, 6)
OTHER = Guardian(Identity(7, 8, "b"), 9, 10)
WAITING = Status("waiting", KEEPER, lock="8:1#1", name=b"n\xc3\xb6de 1\n\xff")
HOLDING = WAITING.becoming("holding", "", guardians=[GUARDIAN]).encode()


class TestStatus:
    @pytest.mark.parametrize(
        "status",
        [
            WAITING,
            WAITING.becoming("holding", "", guardians=[GUARDIAN], lease=(5, 7, 9)),
            WAITING.becoming("lost", "no renewal", guardians=[GUARDIAN, OTHER]),
        ],
    )
    def test_reads_back_as_it_was_written(self, status: Status) -> None:
        read = Status.decode(status.encode())
        assert read is not None
        assert read.encode() == status.encode()
        assert (read.state, read.lease, read.name) == (status.state, status.lease, WAITING.name)
        assert [each.page for each in read.guardians] == [each.page for each in status.guardians]

    def test_keeps_a_sentence_to_one_line(self) -> None:
        read = Status.decode(WAITING.becoming("failed", "one\nstate holding").encode())
        assert read is not None
        assert (read.state, read.why) == ("failed", "one state holding")

    def test_is_none_where_it_is_half_of_one_and_half_of_another(self) -> None:
        old, new = (
            WAITING.becoming("holding", "", guardians=[GUARDIAN], lease=(at, at + 9, 7)).encode()
            for at in (1000, 2000)
        )
        first = next(place for place, (a, b) in enumerate(zip(old, new, strict=True)) if a != b)
        last = len(old) - 5  # the first figure of the number that stands there again
        for cut in range(first + 1, last + 1):
            assert Status.decode(new[:cut] + old[cut:]) is None

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "state holding\n",
            HOLDING.replace("holding", "held"),
            HOLDING.replace("deadline 0", "deadline x"),
            HOLDING.replace("again 0", "again 1"),
            HOLDING.replace("process 1", "process x"),
            HOLDING.replace("guardians 3", "guardians x"),
            HOLDING.replace(" 5 6\n", " 5\n"),
            HOLDING[:-8],
            HOLDING + "\n",
        ],
    )
    def test_is_none_where_it_is_no_status(self, text: str) -> None:
        assert Status.decode(text) is None
