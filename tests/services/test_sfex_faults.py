"""Faults of nodes whose guardians fence in earnest: the lock never has two owners at once.

Each node is a pid namespace, and a process in it writes down every 10 ms that it owns the lock, as
long as it believes so. The node that gets into trouble has a way to the disk of its own.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from tests.services.loops import Loop
from tests.services.sfex_nodes import C, Owner, PidNode, Torn, boot, punctual, wait_for
from tests.services.side_by_side import side_by_side

MS = 1_000_000
SECOND = 1000 * MS
IN_TIME = 50 * MS
"""After a deadline, the issue's."""

SHORT = {"lock_timeout": "3"}
TIMES = ("-c", "1", "-t", "3", "-m", "1")
"""The shortest that there are: a lease of two seconds."""

SLOW = {"lock_timeout": "7", "monitor_interval": "4"}
SLOW_TIMES = ("-c", "1", "-t", "7", "-m", "4")
"""Where something has to happen between two renewals."""

LOGS = os.path.exists("/dev/kmsg")


def holding(torn: Torn, **parameters: str) -> tuple[PidNode, Owner]:
    """A node that has the lock, by the way that will be hung or broken."""
    holder = torn.pid_node("db1", on=torn.way.crooked)
    holder.start(**(SHORT | parameters))
    assert holder.code() == 0, holder.said
    return holder, torn.witness.sees(holder)


def ours(torn: Torn, name: str = "db2", on: Loop | None = None, **parameters: str) -> PidNode:
    """A node that wants it, by the way that nobody hinders unless it is told."""
    rival = torn.pid_node(name, on=on)
    rival.start(**(SHORT | parameters))
    return rival


def theirs(torn: Torn, name: str = "db2", on: Loop | None = None) -> C:
    """A node with the C daemon."""
    return torn.c(name, *TIMES, on=on)


RIVALS: dict[str, Callable[[Torn], C | PidNode]] = {"c": theirs, "ours": ours}
rivals = pytest.mark.parametrize("challenging", RIVALS.values(), ids=RIVALS.keys())


def fenced(owner: Owner, deadline: int) -> float:
    """How many milliseconds after its deadline the node has ended."""
    gone = owner.gone(deadline + SECOND)
    assert gone, "it lives"
    late = gone - deadline
    assert 0 <= late <= IN_TIME, f"{late / MS:.1f} ms"
    return late / MS


def suspend(holder: PidNode, _: Torn) -> None:
    holder.keeper().send(signal.SIGSTOP)


def kill(holder: PidNode, _: Torn) -> None:
    holder.keeper().send(signal.SIGKILL)


def freeze(holder: PidNode, torn: Torn) -> None:
    torn.way.freeze()
    wait_for(holder.hangs)


def cut(_: PidNode, torn: Torn) -> None:
    torn.way.cut()


def write_protect(_: PidNode, torn: Torn) -> None:
    torn.way.write_protect()


def vanish(_: PidNode, torn: Torn) -> None:
    torn.way.vanish()


FAULTS = {
    "whose keeper is suspended": suspend,
    "whose keeper is killed": kill,
    "whose keeper hangs in the kernel": freeze,
    "that cannot read the disk": cut,
    "that may not write to the disk": write_protect,
    "whose disk is gone": vanish,
}


@rivals
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
@side_by_side
def test_a_node_has_ended_before_another_has_its_lock(
    torn: Torn,
    fault: Callable[[PidNode, Torn], None],
    challenging: Callable[[Torn], C | PidNode],
) -> str:
    """Recipe 15."""
    holder, owner = holding(torn)
    fault(holder, torn)
    deadline = holder.deadline()
    answer = torn.answer(challenging(torn))
    late = fenced(owner, deadline)
    assert answer.result() == 0
    taken = boot()
    time.sleep(0.3)
    assert torn.witness.turns() == ["db1", "db2"]
    assert torn.lock.read().name == b"db2"
    if LOGS:
        assert "fencing this node" in holder.log()
    return (
        f"ended {late:.2f} ms after the deadline, taken {(taken - deadline) / SECOND:.2f} s after "
        f"it; {holder.log()!r}"
    )


Rival = TypeVar("Rival", bound=C | PidNode)


def frozen_and_taken(torn: Torn, challenging: Callable[[Torn], Rival]) -> Rival:
    """Another has the lock of a node whose keeper hangs in its last write."""
    holder, owner = holding(torn)
    freeze(holder, torn)
    deadline = holder.deadline()
    rival = challenging(torn)
    answer = torn.answer(rival)
    fenced(owner, deadline)
    assert answer.result() == 0
    assert holder.is_alive()  # as long as a process of it hangs
    return rival


@contextmanager
def suspended(node: PidNode) -> Generator[None]:
    keeper = node.keeper()
    with punctual():
        keeper.send(signal.SIGSTOP)
        yield
        keeper.send(signal.SIGCONT)


@side_by_side
def test_what_a_dead_node_has_written_last_arrives_late_and_is_written_over(torn: Torn) -> None:
    """Recipe 16."""
    rival = frozen_and_taken(torn, ours)
    with suspended(rival):  # or it would be gone before it is seen
        torn.way.thaw()
        wait_for(lambda: torn.lock.read().name == b"db1", pause=0.001)
        assert torn.lock.read().locked
    wait_for(lambda: torn.lock.read().name == b"db2")
    time.sleep(2.5)  # longer than a lease
    assert torn.lock.read().name == b"db2"
    assert rival.call("monitor", **SHORT).returncode == 0
    assert torn.witness.turns() == ["db1", "db2"]


@side_by_side
def test_what_a_dead_node_has_written_last_ends_a_c_node_and_the_next_start_has_the_lock(
    torn: Torn,
) -> None:
    """Recipe 16: the C daemon does not ask how old the foreign name is, and resets its machine."""
    rival = frozen_and_taken(torn, theirs)
    assert not rival.lost()
    torn.way.thaw()
    wait_for(rival.lost)
    assert torn.lock.read().name == b"db1"
    assert torn.answer(ours(torn, "db3")).result() == 0
    time.sleep(0.3)
    assert torn.witness.turns() == ["db1", "db2", "db3"]


@side_by_side
def test_a_disk_that_hangs_for_all_ends_its_owner_and_gives_the_lock_to_one(torn: Torn) -> str:
    """All else waits behind the write of the owner, and what is read then is a new beginning."""
    holder, owner = holding(torn)
    freeze(holder, torn)
    deadline = holder.deadline()
    both = (theirs(torn, "dbC", torn.way.crooked), ours(torn, "db2", torn.way.crooked))
    answers = [torn.answer(rival) for rival in both]
    fenced(owner, deadline)
    time.sleep(4.5)  # another disk would have given it to one of them by now
    torn.way.thaw()
    codes = [answer.result() for answer in answers]
    assert codes.count(0) == 1
    winner = both[codes.index(0)]
    time.sleep(1.3)
    assert torn.lock.read().name == winner.name.encode()
    assert torn.witness.turns() == ["db1", winner.name]
    return f"{winner.name}, after {codes}; {both[1].said}"


@side_by_side
def test_a_disk_that_fails_for_all_ends_its_owner_and_gives_the_lock_to_nobody(torn: Torn) -> str:
    holder, owner = holding(torn, **SLOW)
    c = torn.c("dbC", *SLOW_TIMES, on=torn.way.crooked)
    waiting = ours(torn, "db2", torn.way.crooked, **SLOW)
    answers = [torn.answer(c), torn.answer(waiting)]
    wait_for(lambda: waiting.state() == "waiting")
    time.sleep(0.3)  # they have seen who has it, and he has not written since
    cut(holder, torn)
    fenced(owner, holder.deadline())
    assert answers[0].result() != 0
    assert answers[1].result() == 1
    late = ours(torn, "db3", torn.way.crooked, **SLOW)
    assert torn.answer(late).result() == 1
    for rival in (waiting, late):
        assert f"Input/output error: {rival.device}" in rival.said
    assert torn.witness.turns() == ["db1"]
    return waiting.said + late.said


@side_by_side
def test_a_release_that_hangs_past_the_lease_arrives_late_and_gives_the_lock_to_nobody(
    torn: Torn,
) -> str:
    """Recipe 18: nothing recalls what is on its way, so the next owner writes over it.

    A third node that sees it claims the lock in good faith, and finds its claim gone.
    """
    holder, owner = holding(torn, **SLOW)
    owner.rest()
    torn.way.freeze()
    keeper, guardian, deadline = holder.keeper(), holder.guardian(), holder.deadline()
    assert deadline - boot() > 2.5 * SECOND  # or a renewal is what hangs
    keeper.send(signal.SIGTERM)
    wait_for(holder.hangs)
    rival = ours(torn, "db2", None, **SLOW)
    third = torn.c("db3", *SLOW_TIMES, waits=True)
    answer = torn.answer(rival)
    with punctual():
        assert guardian.wait((deadline - boot()) / SECOND + 1.0)
        late = boot() - deadline
    assert 0 <= late <= IN_TIME
    assert answer.result() == 0
    with suspended(rival):
        torn.way.thaw()
        wait_for(lambda: not torn.lock.read().locked, pause=0.001)
        assert torn.lock.read().name == b"db1"
        third.go()
        wait_for(lambda: torn.lock.read().name == b"db3", pause=0.001)
    assert third.code() == 2
    assert rival.call("monitor", **SLOW).returncode == 0
    assert torn.lock.read().name == b"db2"
    assert torn.witness.turns() == ["db1", "db2"]
    return f"the guardian has ended the node {late / MS:.2f} ms after the deadline"


@side_by_side
def test_a_stop_of_a_keeper_that_hangs_in_the_kernel_fails_and_its_node_ends_in_time(
    torn: Torn,
) -> str:
    """What it is writing may yet arrive, so nobody may be told that it has stopped."""
    times = {"lock_timeout": "10"}
    holder, owner = holding(torn, **times)
    freeze(holder, torn)
    deadline = holder.deadline()
    monitor = holder.call("monitor", "--timeout", "3s", **times)
    assert monitor.returncode == 190
    assert f"{holder.device} has not answered a read in time" in monitor.stdout
    stop = holder.call("stop", "--timeout", "4s", **times)
    assert stop.returncode == 1
    assert f"hangs in the kernel, where nothing ends it: {holder.device}" in stop.stdout
    late = fenced(owner, deadline)
    return f"{stop.stdout}ended {late:.2f} ms after the deadline"


# --- the guardian ---------------------------------------------------------------------------------


@side_by_side
def test_a_guardian_that_was_killed_has_a_successor_as_soon_as_its_keeper_looks(torn: Torn) -> str:
    holder, owner = holding(torn, **SLOW)
    first = holder.guardian()
    first.send(signal.SIGKILL)
    killed = boot()
    assert first.wait(5.0)
    wait_for(holder.guards)
    without = (boot() - killed) / SECOND
    assert without < 0.6  # of renewals four seconds apart
    assert holder.call("monitor", **SLOW).returncode == 0
    suspend(holder, torn)
    late = fenced(owner, holder.deadline())
    return f"no guardian for {without:.2f} s, ended {late:.2f} ms after the deadline"


def kill_both(holder: PidNode) -> None:
    """The guardian first, or it would say so."""
    keeper, guardian = holder.keeper(), holder.guardian()
    guardian.send(signal.SIGKILL)
    keeper.send(signal.SIGKILL)
    assert keeper.wait(5.0)


def suspend_both(holder: PidNode) -> None:
    keeper, guardian = holder.keeper(), holder.guardian()
    guardian.send(signal.SIGSTOP)
    keeper.send(signal.SIGSTOP)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (
            kill_both,
            "the keeper, process {pid}, and its guardian have died: nothing ends this node",
        ),
        (suspend_both, "the keeper, process {pid}, which is suspended, has not renewed"),
    ],
    ids=["killed", "suspended"],
)
@side_by_side
def test_a_node_without_keeper_and_guardian_goes_on_and_only_its_monitor_says_so(
    torn: Torn, fault: Callable[[PidNode], None], sentence: str
) -> str:
    """This is not safe, and cannot be made so by processes: a watchdog of its own can."""
    holder, owner = holding(torn)
    pid = holder.status().process.pid
    fault(holder)
    deadline = holder.status().deadline
    answer = torn.answer(ours(torn))
    assert not owner.gone(deadline + SECOND)
    monitor = holder.call("monitor", **SHORT)
    assert monitor.returncode == 1
    assert sentence.format(pid=pid) in monitor.stdout
    assert answer.result() == 0
    time.sleep(0.3)
    assert torn.witness.turns()[:3] == ["db1", "db2", "db1"]
    owner.rest()
    assert holder.call("stop", **SHORT).returncode == 0
    assert holder.processes() == []
    assert holder.call("monitor", **SHORT).returncode == 7
    assert torn.lock.read().name == b"db2"
    return monitor.stdout
