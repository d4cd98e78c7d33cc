"""How a deep check is made: asked again within the deadline, and tolerated a few times."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ocfkit import (
    RUNNING,
    ActionError,
    DeadlineError,
    DegradedError,
    InstallationError,
    monitor,
    param,
)
from ocfkit.testing import Instance, Node
from tests.ocfkit.toy import Toy


def deep(
    answers: list[object], *, retries: int = 0, pause: str = "10ms", tolerate: int = 0
) -> type[Toy]:
    """A toy that runs, and whose check gives one answer after the other; the last for ever."""

    class Deep(Toy):
        """With a check."""

        asked: ClassVar[list[object]] = []

        @monitor.depth(10, retries=retries, pause=pause, tolerate=tolerate)
        def page_comes_back(self) -> Any:  # noqa: ANN401
            answer = answers[min(len(self.asked), len(answers) - 1)]
            self.asked.append(answer)
            if isinstance(answer, BaseException):
                raise answer
            return answer

    Deep.state = RUNNING
    return Deep


class TestAnswers:
    @pytest.mark.parametrize("answer", [None, True])
    def test_none_and_true_hold(self, ocf: Node, answer: object) -> None:
        assert ocf(deep([answer])).monitor(level=10).code == 0

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (False, "it does not hold"),
            (0, "the check returned 0, neither True nor False"),
            (1, "the check returned 1, neither True nor False"),
            ("", "the check returned '', neither True nor False"),
            (ActionError("page / answered 503"), "page / answered 503"),
            (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
            (TimeoutError("timed out"), "timed out"),
            (
                FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/run/web.sock"),
                "No such file or directory: /run/web.sock",
            ),
        ],
    )
    def test_all_else_fails_and_says_depth_and_fact(
        self, ocf: Node, answer: object, reason: str
    ) -> None:
        outcome = ocf(deep([answer])).monitor(level=10)
        assert outcome.code == 1
        assert outcome.reasons == [f"{reason} (depth 10: page comes back)"]

    def test_an_error_keeps_its_code(self, ocf: Node) -> None:
        outcome = ocf(deep([InstallationError("no client")])).monitor(level=10)
        assert (outcome.code, outcome.reason) == (5, "no client (depth 10: page comes back)")

    def test_an_error_that_nobody_foresaw_is_one_of_the_agent(self, ocf: Node) -> None:
        cls = deep([ValueError("3 is none")], retries=3, tolerate=3)
        outcome = ocf(cls).monitor(level=10)
        assert outcome.code == 1
        assert outcome.reason.startswith("error in the agent: monitor: ValueError: 3 is none")


class TestRetries:
    def test_it_is_asked_again_until_it_holds(self, ocf: Node) -> None:
        errors: list[object] = [ActionError("1"), ActionError("2"), None]
        cls = deep(errors, retries=5)
        assert ocf(cls).monitor(level=10).code == 0
        assert len(vars(cls)["asked"]) == 3

    def test_it_is_asked_so_often_and_the_last_answer_counts(self, ocf: Node) -> None:
        cls = deep([ActionError("1"), ActionError("2"), ActionError("3"), None], retries=2)
        outcome = ocf(cls).monitor(level=10)
        assert (outcome.code, outcome.reason) == (1, "3 (depth 10: page comes back)")

    def test_it_is_not_asked_again_when_time_is_over(self, ocf: Node) -> None:
        cls = deep([ActionError("no")], retries=100, pause="200ms")
        outcome = ocf(cls).monitor(level=10, timeout=0.5)
        assert (outcome.code, outcome.reason) == (1, "no (depth 10: page comes back)")
        assert outcome.duration < 5  # and not twenty
        assert 1 < len(vars(cls)["asked"]) < 4

    @pytest.mark.parametrize("answer", [DegradedError("slow"), DeadlineError("late")])
    def test_some_answers_are_final(self, ocf: Node, answer: object) -> None:
        cls = deep([answer], retries=5)
        ocf(cls).monitor(level=10)
        assert len(vars(cls)["asked"]) == 1

    def test_the_pause_is_kept(self, ocf: Node) -> None:
        cls = deep([ActionError("1"), ActionError("2"), None], retries=2, pause="100ms")
        began = time.monotonic()
        ocf(cls).monitor(level=10)
        assert time.monotonic() - began > 0.2


class TestTolerance:
    def codes(self, thing: Instance, times: int) -> list[int]:
        return [thing.monitor(level=10).code for _ in range(times)]

    def test_the_first_failures_in_a_row_are_degraded(self, ocf: Node) -> None:
        thing = ocf(deep([ActionError("no")], tolerate=2))
        outcome = thing.monitor(level=10)
        assert outcome.code == 190
        assert outcome.reasons == ["no (depth 10: page comes back); failure 1, 2 are tolerated"]
        assert self.codes(thing, 4) == [190, 1, 1, 1]

    def test_a_success_in_between_begins_a_new_row(self, ocf: Node) -> None:
        no = ActionError
        thing = ocf(deep([no(), no(), None, no(), no(), no()], tolerate=2))
        assert self.codes(thing, 6) == [190, 190, 0, 190, 190, 1]

    def test_what_is_degraded_anyway_begins_a_new_row(self, ocf: Node) -> None:
        no = ActionError
        thing = ocf(deep([no(), DegradedError("slow"), no(), no()], tolerate=1))
        assert self.codes(thing, 4) == [190, 190, 190, 1]

    def test_a_new_start_begins_a_new_row(self, ocf: Node) -> None:
        answers: list[object] = [ActionError("no"), ActionError("no"), None, ActionError("no")]
        thing = ocf(deep(answers, tolerate=1))
        assert self.codes(thing, 2) == [190, 1]
        assert thing.stop().code == 0
        assert thing.start().code == 0
        assert self.codes(thing, 2) == [190, 1]

    def test_a_probe_tolerates_nothing(self, ocf: Node) -> None:
        thing = ocf(deep([ActionError("no")], tolerate=2))
        assert thing.monitor(level=10, interval=0).code == 1

    def test_a_start_tolerates_nothing(self, ocf: Node) -> None:
        thing = ocf(deep([ActionError("no")], tolerate=2))
        assert thing.start(timeout=0.3).code == 1

    def test_each_instance_counts_for_itself(self, ocf: Node) -> None:
        cls = deep([ActionError("no")], tolerate=1)
        assert [ocf(cls).monitor(level=10).code for _ in range(3)] == [190, 190, 190]

    @pytest.mark.parametrize("text", ["", "x", "-5", "9" * 5000])
    def test_a_record_of_nonsense_counts_as_none(self, ocf: Node, text: str) -> None:
        thing = ocf(deep([ActionError("no")], tolerate=1))
        thing.monitor(level=10)
        record, *_ = Path(ocf.folder).rglob("*.failures")
        record.write_text(text)
        assert thing.monitor(level=10).code == 190

    @pytest.mark.parametrize(
        ("answer", "code"), [(ActionError("no"), 1), (None, 0), (DegradedError("slow"), 190)]
    )
    def test_what_cannot_be_counted_is_not_tolerated_and_no_failure_of_its_own(
        self, ocf: Node, answer: object, code: int, not_a_folder: Callable[[Node], None]
    ) -> None:
        not_a_folder(ocf)
        assert ocf(deep([answer], tolerate=2)).monitor(level=10).code == code


@pytest.fixture
def not_a_folder() -> Callable[[Node], None]:
    """Put a file where the folder for records should be; root could write anywhere else."""

    def spoil(node: Node) -> None:
        (Path(node.folder) / "ocfkit").touch()

    return spoil


class TestParameters:
    """An operator says how often is asked, and what is tolerated."""

    @pytest.fixture
    def asked(self) -> list[float]:
        return []

    @pytest.fixture
    def cls(self, asked: list[float]) -> type[Toy]:
        class Told(Toy):
            """With a check that fails."""

            again = param.integer("How often.", default=2, minimum=0)
            rest = param.duration("In between.", default="10ms")
            patience = param.integer("How many.", default=0)

            @monitor.depth(10, retries=again, pause=rest, tolerate=patience)
            def page_comes_back(self) -> None:
                asked.append(time.monotonic())
                raise ActionError("no")

        Told.state = RUNNING
        return Told

    def test_have_defaults(self, ocf: Node, cls: type[Toy], asked: list[float]) -> None:
        assert ocf(cls).monitor(level=10).code == 1
        assert len(asked) == 3

    def test_say_how_often_and_how_long(
        self, ocf: Node, cls: type[Toy], asked: list[float]
    ) -> None:
        assert ocf(cls, again=1, rest="300ms").monitor(level=10).code == 1
        assert len(asked) == 2
        assert asked[1] - asked[0] >= 0.3

    def test_say_what_is_tolerated(self, ocf: Node, cls: type[Toy]) -> None:
        thing = ocf(cls, again=0, patience=2)
        assert [thing.monitor(level=10).code for _ in range(3)] == [190, 190, 1]
        thing.parameters["patience"] = -1
        assert thing.monitor(level=10).code == 1
