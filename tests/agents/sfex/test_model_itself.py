"""What the model leaves out makes no difference: it is shown, not believed."""

from __future__ import annotations

import pytest

from ocfkit.agents.sfex.lease import Protocol
from tests.agents.sfex.model import NEVER, Book, Disks, Model, Node, Pace, counting
from tests.agents.sfex.test_model import ANYWHERE, PAUSES, T3, T4, nodes

MODULUS = 8


class Same(Protocol):
    """The rules as they are; the model does not know that, and leaves nothing out."""


@pytest.mark.parametrize(
    "pace", [ANYWHERE, {**PAUSES, "Watching.took": 1}], ids=["anywhere", "deciding"]
)
def test_what_no_rule_looks_at_changes_nothing(pace: Pace) -> None:
    whole = Model(*nodes(2, T3, pace, Same, kills=True, stops=True), cap=7, modulus=MODULUS)
    whole.explore()
    book = whole.books[0]
    tidy = Book(Node(Protocol(T3, b"a"), pace, kills=True, stops=True), Disks(), 7, MODULUS)

    def tidied(number: int) -> int:
        return NEVER if number == NEVER else tidy.enter(book.all[number])

    with counting(MODULUS):
        for number in range(len(book.all)):
            assert tidied(book.tick(number)) == tidy.tick(tidied(number))
            for each in whole.disks.all:
                moves = {
                    (name, tidied(after), None if disk == NEVER else whole.disks.all[disk], by)
                    for name, after, disk, by in book.moves(number, whole.disks.enter(each))
                }
                assert moves == {
                    (name, after, None if disk == NEVER else tidy.disks.all[disk], by)
                    for name, after, disk, by in tidy.moves(tidied(number), tidy.disks.enter(each))
                }
    assert len(tidy.all) < len(book.all)


@pytest.mark.parametrize("count", [2, 3])
def test_it_does_not_matter_which_node_is_which(count: int) -> None:
    pace: Pace = PAUSES if count == 2 else {"Holding.wake": None}
    sorted_ones = Model(*nodes(count, T4, pace), cap=9)
    as_they_are = Model(*nodes(count, T4, pace), cap=9)
    as_they_are.alike = False
    few, all_of_them = sorted_ones.explore(), as_they_are.explore()
    assert few.story == all_of_them.story == []
    assert few.states < all_of_them.states


def test_more_counts_make_no_difference() -> None:
    found = [Model(*nodes(2, T4, ANYWHERE), cap=9, modulus=each).explore() for each in (8, 32)]
    assert [each.story for each in found] == [[], []]
