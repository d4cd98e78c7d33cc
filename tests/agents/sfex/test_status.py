"""What a keeper says of itself."""

from __future__ import annotations

import pytest

from ocfkit.agents.sfex.status import Guardian, Status
from ocfkit.linux.process import Identity

KEEPER = Identity(1, 2, "b")
GUARDIAN = Guardian(Identity(3, 4, "b"), 5, 6)


class TestStatus:
    @pytest.mark.parametrize(
        "status",
        [
            Status("waiting", KEEPER),
            Status("holding", KEEPER, guardian=GUARDIAN, renewed=5, deadline=7, count=9),
            Status("lost", KEEPER, guardian=GUARDIAN, why="no renewal"),
        ],
    )
    def test_reads_back_as_it_was_written(self, status: Status) -> None:
        read = Status.decode(status.encode())
        assert read is not None
        assert read.encode() == status.encode()
        assert (read.state, read.deadline, read.count) == (
            status.state,
            status.deadline,
            status.count,
        )
        assert (read.guardian is None) == (status.guardian is None)

    def test_keeps_a_sentence_to_one_line(self) -> None:
        read = Status.decode(Status("failed", KEEPER, why="one\nstate holding").encode())
        assert read is not None
        assert (read.state, read.why) == ("failed", "one state holding")

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "state holding\n",
            Status("holding", KEEPER).encode().replace("holding", "held"),
            Status("holding", KEEPER).encode().replace("deadline 0", "deadline x"),
            Status("holding", KEEPER).encode().replace("process 1", "process x"),
            Status("holding", KEEPER).encode()[:-8],
        ],
    )
    def test_is_none_where_it_is_no_status(self, text: str) -> None:
        assert Status.decode(text) is None
