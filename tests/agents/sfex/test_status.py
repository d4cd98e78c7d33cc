"""What a keeper says of itself."""

from __future__ import annotations

import pytest

from ocfkit.agents.sfex.status import Status


class TestStatus:
    @pytest.mark.parametrize(
        "status",
        [
            Status("waiting", "1 2 b 0"),
            Status("holding", "1 2 b 0", renewed=5, deadline=7),
            Status("lost", "1 2 b 0", why="no renewal"),
        ],
    )
    def test_reads_back_as_it_was_written(self, status: Status) -> None:
        read = Status.decode(status.encode())
        assert read is not None
        assert read.encode() == status.encode()
        assert (read.state, read.deadline) == (status.state, status.deadline)

    def test_keeps_a_sentence_to_one_line(self) -> None:
        read = Status.decode(Status("failed", "1 2 b 0", why="one\nstate holding").encode())
        assert read is not None
        assert (read.state, read.why) == ("failed", "one state holding")

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "state holding\n",
            Status("holding", "1 2 b 0").encode().replace("holding", "held"),
            Status("holding", "1 2 b 0").encode().replace("deadline 0", "deadline x"),
            Status("holding", "1 2 b 0").encode()[:-8],
        ],
    )
    def test_is_none_where_it_is_no_status(self, text: str) -> None:
        assert Status.decode(text) is None
