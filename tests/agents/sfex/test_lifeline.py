"""The word that a keeper and its guardian share, from both sides and from two processes."""

from __future__ import annotations

import mmap
import os
import select
import signal
from collections.abc import Iterator

import pytest

from ocfkit.agents.sfex.lifeline import NOTHING, RELEASED, Lifeline
from tests.ocfkit.daemons import wait_for


@pytest.fixture
def lifeline() -> Iterator[Lifeline]:
    made = Lifeline.made()
    assert not os.get_blocking(made.heard)
    assert not os.get_blocking(made.rings)
    yield made
    for each in (made.page, made.heard, made.rings):
        os.close(each)


def rung(lifeline: Lifeline) -> bool:
    ready, _, _ = select.select([lifeline.heard], [], [], 0)
    lifeline.hear()
    return bool(ready)


def test_nothing_is_held_at_first_and_the_bell_is_silent(lifeline: Lifeline) -> None:
    assert lifeline.deadline == NOTHING
    assert not rung(lifeline)


def test_the_first_deadline_rings(lifeline: Lifeline) -> None:
    lifeline.hold(1_000)
    assert lifeline.deadline == 1_000
    assert rung(lifeline)


def test_a_later_deadline_wakes_nobody(lifeline: Lifeline) -> None:
    lifeline.hold(1_000)
    lifeline.hear()
    lifeline.hold(2_000)
    assert lifeline.deadline == 2_000
    assert not rung(lifeline)


def test_an_earlier_deadline_rings(lifeline: Lifeline) -> None:
    lifeline.hold(2_000)
    lifeline.hear()
    lifeline.hold(1_000)
    assert rung(lifeline)


def test_a_release_rings(lifeline: Lifeline) -> None:
    lifeline.hold(2_000)
    lifeline.hear()
    lifeline.release()
    assert lifeline.deadline == RELEASED
    assert rung(lifeline)


def test_a_bell_that_nobody_hears_stops_nobody(lifeline: Lifeline) -> None:
    for _ in range(70_000):  # more than a pipe holds
        lifeline.ring()
    assert rung(lifeline)


def test_hearing_does_not_wait_for_the_bell(lifeline: Lifeline) -> None:
    lifeline.hear()


def test_the_page_cannot_be_cut_off(lifeline: Lifeline) -> None:
    with pytest.raises(PermissionError):
        os.ftruncate(lifeline.page, 0)


def test_a_child_sees_what_is_written_after_the_fork(lifeline: Lifeline) -> None:
    child = os.fork()
    if child == 0:
        select.select([lifeline.heard], [], [], 5)
        os._exit(lifeline.deadline == 4_711)
    lifeline.hold(4_711)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


def test_a_successor_finds_it_by_the_guardian(lifeline: Lifeline) -> None:
    lifeline.hold(1_000)
    heir = Lifeline.inherited(os.getpid(), lifeline.page, lifeline.rings)
    assert heir.deadline == 1_000
    lifeline.hear()
    heir.release()
    assert lifeline.deadline == RELEASED
    assert rung(lifeline)
    for each in (heir.page, heir.heard, heir.rings):
        os.close(each)


def test_the_word_is_where_a_processor_stores_it_as_a_whole(lifeline: Lifeline) -> None:
    lifeline.hold(0x0102030405060708)
    with mmap.mmap(lifeline.page, mmap.PAGESIZE) as page:
        assert page[:8] == (0x0102030405060708).to_bytes(8, "little")
        assert not any(page[8:])


def test_a_word_is_never_seen_half_written(lifeline: Lifeline) -> None:
    words = [int.from_bytes(bytes([digit] * 8), "little") for digit in (0x11, 0x22)]
    seen: set[int] = set()

    def several_seen() -> bool:
        seen.update(lifeline.deadline for _ in range(1_000_000))
        return len(seen) > 1

    lifeline.hold(words[0])
    child = os.fork()
    if child == 0:
        while True:
            for word in words:
                lifeline.hold(word)
    try:
        wait_for(several_seen, child)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert seen == set(words)
