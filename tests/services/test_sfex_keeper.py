"""`ocfkit sfex hold` and Debian's sfex_daemon on one lock, each a node of its own."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from ocfkit.agents.sfex.record import Record
from tests.services import loops
from tests.services.sfex_nodes import COLLISION, LOCK, Contest, Python, field, wait_for
from tests.services.side_by_side import side_by_side
from tests.services.test_sfex_tools import ours, theirs

FREE_ROUNDS, EXPIRED_ROUNDS, STOPS = 20, 6, 40
"""Of recipes 10 and 24, which ask for 100 and 200: that many take minutes."""

LATE = 0.25
"""Seconds that a takeover may take longer than the timeouts."""

STARTING = 0.5
"""Seconds that an interpreter may take to start beside a dozen others."""

both_ways = pytest.mark.parametrize(("first", "second"), [("c", "python"), ("python", "c")])
either = pytest.mark.parametrize("kind", ["c", "python"])


@pytest.mark.parametrize("sector", [512, 4096])
@either
def test_what_one_has_taken_the_other_shows(pacemaker: Path, sector: int, kind: str) -> None:
    """Recipe 5."""
    with (
        loops.folder() as folder,
        field(pacemaker, folder, sector) as locks,
        locks.contest() as nodes,
    ):
        holder = nodes.c("nöde") if kind == "c" else nodes.python("nöde")
        assert holder.code() == 0
        raw = nodes.loop.backing.read_bytes()[sector : 2 * sector]
        assert raw.startswith(b"l2\0\0\0" + "nöde".encode() + b"\0")
        assert raw.count(0) == sector - 2 - 5
        shown = ours("stat", nodes.loop.path)
        assert shown.code == 2
        assert b"status: lock\n" in shown.stdout
        assert shown == theirs(pacemaker, "sfex_stat", nodes.loop.path)
        holder.end()
        assert nodes.lock.read().released() == nodes.lock.read()


@both_ways
@side_by_side
def test_a_living_holder_keeps_its_lock(nodes: Contest, first: str, second: str) -> None:
    """Recipes 6 and 7."""
    holder = nodes.node(first)
    assert holder.code() == 0
    name = nodes.lock.read().name
    challenger = nodes.node(second)
    assert challenger.code() == 2
    assert challenger.took < LOCK + 1.0
    if isinstance(challenger, Python):
        said = "the lock is held by 'nodeC', which has just written it"
        assert challenger.said() == f"ocfkit: {said}\n"
    time.sleep(1.2)
    assert nodes.lock.read().name == name
    assert not holder.lost()
    if isinstance(holder, Python):
        assert holder.end() < 1.0
        assert holder.told()[-1] == "released"


@both_ways
@side_by_side
def test_the_lock_of_one_that_was_killed_goes_to_the_other(
    nodes: Contest, first: str, second: str
) -> str:
    """Recipe 8."""
    holder = nodes.node(first)
    assert holder.code() == 0
    holder.end(signal.SIGKILL)
    assert nodes.lock.read().locked
    challenger = nodes.node(second)
    assert challenger.code() == 0
    assert LOCK + COLLISION <= challenger.took < LOCK + COLLISION + LATE + STARTING
    return f"{second} after a dead {first}: {challenger.took:.3f} s"


@both_ways
@side_by_side
def test_a_lock_that_was_given_back_is_free_for_the_other(
    nodes: Contest, first: str, second: str
) -> None:
    """Recipe 9."""
    holder = nodes.node(first)
    assert holder.code() == 0
    held = nodes.lock.read()
    holder.end()
    assert nodes.lock.read() == held.released()
    challenger = nodes.node(second)
    assert challenger.code() == 0
    assert challenger.took < COLLISION + LATE + STARTING
    assert nodes.lock.read().count == (held.count + 2) % 1000


FREE, DEAD = Record(False, 0, b""), Record(True, 7, b"dead")


@pytest.mark.parametrize(
    ("record", "number"),
    [
        *(pytest.param(FREE, number, id=f"free-{number}") for number in range(FREE_ROUNDS)),
        *(pytest.param(DEAD, number, id=f"dead-{number}") for number in range(EXPIRED_ROUNDS)),
    ],
)
@side_by_side
def test_of_two_that_start_at_once_one_has_it(nodes: Contest, record: Record, number: int) -> str:
    """Recipe 10: at once is within some milliseconds, as much as C takes to be started."""
    nodes.lock.write(record)
    c, python = nodes.c(waits=True), nodes.python(waits=True)
    wait_for(lambda: python.notes.exists() and "armed" in python.notes.read_text(), 10.0)
    c.go()
    time.sleep(random.Random(number).uniform(0.0, 0.01))  # noqa: S311 - the same each time
    python.go()
    codes = (c.code(), python.code())
    assert sorted(codes) == [0, 2], codes
    winner = c if codes[0] == 0 else python
    time.sleep(1.2)
    assert not winner.lost()
    assert nodes.lock.read().name == (b"nodeC" if winner is c else b"nodeP")
    return f"taken by {type(winner).__name__}"


@side_by_side
def test_of_four_that_wait_for_a_dead_one_one_has_it(nodes: Contest) -> None:
    """Recipe 11."""
    nodes.lock.write(DEAD)
    started = [nodes.c("c1"), nodes.python("p1"), nodes.c("c2"), nodes.python("p2")]
    codes = [each.code() for each in started]
    assert sorted(codes) == [0, 2, 2, 2]
    winner = started[codes.index(0)]
    time.sleep(2.2)
    assert not winner.lost()
    assert nodes.lock.read().name.decode() == ["c1", "p1", "c2", "p2"][codes.index(0)]


@side_by_side
def test_c_would_end_its_machine_when_another_has_written(nodes: Contest) -> None:
    """Recipe 13: and a test notices."""
    holder = nodes.c()
    assert holder.code() == 0
    assert not holder.lost()
    nodes.lock.write(Record(True, 500, b"x"))
    wait_for(holder.lost, 3.0)


@side_by_side
def test_ours_ends_its_machine_when_another_has_believed_its_claim(nodes: Contest) -> None:
    """Recipe 13: one that was suspended for longer than collision_timeout finds another's name."""
    holder = nodes.python()
    assert holder.code() == 0
    os.kill(holder.keeper(), signal.SIGSTOP)
    time.sleep(COLLISION + 0.2)
    nodes.lock.write(Record(True, 500, b"x"))
    os.kill(holder.keeper(), signal.SIGCONT)
    wait_for(holder.lost, 1.0)
    assert nodes.lock.read() == Record(True, 500, b"x")


@either
@side_by_side
def test_its_own_name_on_the_disk_is_no_proof(nodes: Contest, kind: str) -> None:
    """Recipe 19: it may be left from a claim over a living holder. C takes it at once."""
    nodes.lock.write(Record(True, 7, b"nodeC" if kind == "c" else b"nodeP"))
    node = nodes.node(kind)
    assert node.code() == 0
    assert (node.took < LOCK) == (kind == "c")


@side_by_side
def test_the_count_goes_round_across_both(nodes: Contest) -> None:
    """Recipe 20."""
    nodes.lock.write(Record(False, 997, b"x"))
    seen: list[int] = []
    for kind in ("python", "c"):
        holder = nodes.node(kind)
        assert holder.code() == 0
        seen.append(nodes.lock.read().count)
        holder.end()
    assert seen == [999, 1]


@pytest.mark.parametrize("number", range(STOPS))
@side_by_side
def test_told_to_stop_at_any_moment_it_ends_at_once(nodes: Contest, number: int) -> str:
    """Recipe 24, with a lock that is free, and one whose holder has died: taken after 5 seconds."""
    before = DEAD if number % 4 == 0 else Record(False, 7, b"x")
    nodes.lock.write(before)
    node = nodes.python()
    wait_for(lambda: node.notes.exists() and "armed" in node.notes.read_text(), 5.0)
    longest = COLLISION + 0.8 + (LOCK if before.locked else 0.0)
    chance = random.Random(number).random()  # noqa: S311 - the same each time
    moment = longest * (number + chance) / STOPS
    time.sleep(moment)
    took = node.end()
    assert took < 1.0
    found = nodes.lock.read()
    # A claim stays: written as free, it could free the lock of one who has claimed after us.
    assert not found.locked or found in (before, Record(True, 8, b"nodeP"))
    assert node.told()[-1] == "released"
    node.code()
    return f"after {moment:.3f} s: {found}, in {1000 * took:.0f} ms"
