"""`ocfkit sfex hold` and Debian's sfex_daemon when one of them is late, and in each other's place.

Who is late has a way to the disk of its own, which is frozen while it writes: it has decided long
before its write arrives.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from ocfkit.agents.sfex import store
from ocfkit.agents.sfex.record import Record
from ocfkit.linux import process
from ocfkit.linux.blockdev import BlockDevice
from tests.agents.sfex.test_layout import lock_block
from tests.services import loops
from tests.services.cluster_tools import Machine
from tests.services.loops import Loop
from tests.services.sfex_nodes import (
    C,
    Contest,
    Node,
    PidNode,
    Python,
    Torn,
    c_daemon,
    punctual,
    wait_for,
)
from tests.services.side_by_side import side_by_side
from tests.services.test_sfex_tools import BROKEN_LOCKS, ODD_LOCKS, put

SHORT = ("-c", "1", "-t", "3", "-m", "1")
LEASE = 2.0
RARELY = {"lock_timeout": "20", "monitor_interval": "8"}


# --- who is late ----------------------------------------------------------------------------------


def late_claim(torn: Torn, late: C | PidNode) -> None:
    """It has found the lock free, and its claim does not get to the disk."""
    wait_for(late.hangs)
    assert not torn.lock.read().locked


@pytest.mark.parametrize("collision", ["1", "3"])
@side_by_side
def test_a_claim_of_c_that_comes_after_another_has_believed_its_own_is_written_over(
    torn: Torn, collision: str
) -> None:
    """Recipe 14, and 12 with three seconds: C finds our name when its wait is over.

    The next renewal would come 8 seconds after the last: two C nodes would both have it till then.
    """
    torn.way.freeze()
    late = torn.c("dbC", "-c", collision, "-t", "20", "-m", "8", on=torn.way.crooked)
    late_claim(torn, late)
    began = time.monotonic()
    holder = torn.pid_node("db1")
    holder.start(collision_timeout=collision, **RARELY)
    assert torn.answer(holder).result() == 0
    time.sleep(max(0.0, began + 2.5 - time.monotonic()))
    answer = torn.answer(late)
    torn.way.thaw()
    assert answer.result() == 2
    assert torn.lock.read().name == b"db1"
    assert holder.call("monitor", collision_timeout=collision, **RARELY).returncode == 0
    assert torn.witness.turns() == ["db1"]


@side_by_side
def test_of_two_that_have_both_found_it_free_c_has_it_when_it_claims_last(torn: Torn) -> None:
    torn.way.freeze()
    last = torn.c("dbC", *SHORT, on=torn.way.crooked)
    late_claim(torn, last)
    first = torn.pid_node("db1")
    first.start(lock_timeout="3")
    answers = [torn.answer(each) for each in (last, first)]
    with punctual():
        wait_for(lambda: torn.lock.read().name == b"db1", pause=0.001)
        torn.way.thaw()
    assert [answer.result() for answer in answers] == [0, 1]
    assert "the lock was claimed by 'dbC' at the same time" in first.said
    assert torn.witness.turns() == ["dbC"]


@side_by_side
def test_of_two_that_have_both_found_it_free_ours_has_it_when_it_claims_last(torn: Torn) -> None:
    first = torn.c("dbC", *SHORT, waits=True)
    torn.way.freeze()
    last = torn.pid_node("db1", on=torn.way.crooked)
    last.start(lock_timeout="3")
    late_claim(torn, last)
    with punctual():
        first.go()
        wait_for(lambda: torn.lock.read().name == b"dbC", pause=0.001)
        torn.way.thaw()
    answers = [torn.answer(each) for each in (last, first)]
    assert [answer.result() for answer in answers] == [0, 2]
    assert torn.witness.turns() == ["db1"]


@pytest.mark.parametrize("kind", ["c", "ours"])
@side_by_side
def test_a_claim_of_ours_that_comes_too_late_is_given_up(torn: Torn, kind: str) -> None:
    """Recipe 17. One that is ours keeps the lock; the C daemon resets its machine all the same."""
    torn.way.freeze()
    late = torn.pid_node("db1", on=torn.way.crooked)
    late.start(lock_timeout="3")
    late_claim(torn, late)
    holder: C | PidNode
    if kind == "c":
        holder = torn.c("db2", *SHORT)
    else:
        holder = torn.pid_node("db2")
        holder.start(lock_timeout="3")
    assert torn.answer(holder).result() == 0
    answer = torn.answer(late)
    torn.way.thaw()
    assert answer.result() == 1
    assert "the claim came too late: another one may be older" in late.said
    if isinstance(holder, C):
        wait_for(holder.lost)
    else:
        wait_for(lambda: torn.lock.read().name == b"db2")
        time.sleep(1.2)
        assert torn.lock.read().name == b"db2"
        assert holder.call("monitor", lock_timeout="3").returncode == 0
    assert torn.witness.turns() == ["db2"]


@side_by_side
def test_a_claim_of_ours_that_is_written_again_too_late_is_given_up(torn: Torn) -> None:
    """Recipe 17, for the second write, which comes after collision_timeout."""
    late = torn.pid_node("db1", on=torn.way.crooked)
    late.start(**RARELY)
    with punctual():
        wait_for(lambda: torn.lock.read() == Record(True, 1, b"db1"), pause=0.001)
        torn.way.freeze()
    wait_for(late.hangs)
    time.sleep(1.1)
    answer = torn.answer(late)
    torn.way.thaw()
    assert answer.result() == 1
    assert "the claim was written again too late" in late.said
    assert torn.witness.turns() == []


def hanging(torn: Torn) -> Python:
    """A holder with a diary, whose renewal does not get to the disk."""
    holder = torn.python("db1", *SHORT, on=torn.way.crooked)
    assert holder.code() == 0
    torn.way.freeze()
    wait_for(holder.hangs)
    return holder


@side_by_side
def test_a_renewal_that_arrives_after_the_lease_renews_nothing(torn: Torn) -> None:
    """Recipe 16, for a keeper that nobody has ended."""
    holder = hanging(torn)
    deadlines = holder.told().count("deadline")
    time.sleep(LEASE)
    torn.way.thaw()
    wait_for(holder.lost)
    assert holder.told()[-1] == "fence"
    assert holder.told().count("deadline") == deadlines
    assert torn.lock.read().name == b"db1"


@pytest.mark.parametrize("late", [False, True], ids=["within the lease", "after it"])
@side_by_side
def test_a_keeper_that_hangs_when_it_is_stopped_releases_within_its_lease_only(
    torn: Torn, *, late: bool
) -> None:
    """Recipe 18."""
    holder = hanging(torn)
    keeper = process.identify(holder.keeper())
    keeper.send(signal.SIGTERM)
    time.sleep(LEASE if late else 0.1)
    torn.way.thaw()
    assert keeper.wait(5.0)
    assert holder.told()[-1] == "released"
    assert torn.lock.read().locked == late


# --- names, and what is on the disk ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("n", "nn"),
        ("n" * 63, "n" * 62),
        ("n" * 255, "n" * 254),
        ("ノード", "ノー"),
        ("nodeA", "nodeAB"),
        ("nodeAB", "nodeA"),
        ("\udcff \udcfe", "\udcff"),
    ],
    ids=["1 byte", "63 bytes", "255 bytes", "UTF-8", "a prefix", "a longer one", "no text"],
)
@side_by_side
def test_a_name_is_the_same_for_both_and_no_other_is(nodes: Contest, name: str, other: str) -> None:
    """Recipe 23."""
    raw = name.encode(errors="surrogateescape")
    holders: tuple[type[Node], ...] = (C, Python)
    for kind in holders:
        holder = nodes.c(name, *SHORT) if kind is C else nodes.python(name, *SHORT)
        assert holder.code() == 0
        found = nodes.lock.read()
        assert (found.locked, found.name) == (True, raw)
        rival = nodes.python(other, *SHORT) if kind is C else nodes.c(other, *SHORT)
        assert rival.code() == 2
        assert not holder.lost()
        assert nodes.lock.read().name == raw
        holder.end()
        assert not nodes.lock.read().locked


@side_by_side
def test_a_name_of_256_bytes_is_refused_by_both(nodes: Contest) -> None:
    before = nodes.lock.read()
    assert nodes.c("n" * 256, *SHORT).code() == 1
    ours = nodes.python("n" * 256, *SHORT)
    assert ours.code() == 1
    assert ours.said() == "ocfkit: the name has 256 bytes, and 255 fit\n"
    assert nodes.lock.read() == before


@side_by_side
def test_an_area_for_sectors_of_another_size_is_refused_by_both(nodes: Contest) -> None:
    """Recipe 21."""
    with loops.attached(nodes.loop.backing, 4096) as other:
        assert nodes.c("n", *SHORT, on=other).code() == 1
        ours = nodes.python("n", *SHORT, on=other)
        assert ours.code() == 1
        assert "the area was made for sectors of 512 bytes" in ours.said()


def taken(nodes: Contest, node: Node) -> tuple[int, bytes]:
    """Its exit code, and what is on the disk then."""
    code = node.code()
    with BlockDevice(nodes.loop.path) as device:
        return code, device.read(nodes.index)


@pytest.mark.parametrize(
    "block",
    [*(lock_block(**fields) for fields in ODD_LOCKS.values()), *BROKEN_LOCKS.values()],
    ids=[*ODD_LOCKS.keys(), *BROKEN_LOCKS.keys()],
)
@side_by_side
def test_what_is_on_the_disk_is_taken_by_both_or_by_none_and_becomes_the_same(
    nodes: Contest, block: bytes
) -> str:
    """Recipe 4."""
    put(nodes.loop, nodes.index, block)
    holder = nodes.c("db1", *SHORT)
    by_c = taken(nodes, holder)
    if by_c[0] == 0:
        holder.end(signal.SIGKILL)
    put(nodes.loop, nodes.index, block)
    by_us = taken(nodes, nodes.python("db1", *SHORT))
    assert by_us == by_c
    return f"{by_c[0]}, {by_c[1][:12]!r}"


# --- in the place of the other's daemon -----------------------------------------------------------

DAEMON = """\
#!/bin/sh
exec ocfkit sfex hold --title "$0" "$@"
"""


@pytest.fixture
def loop() -> Iterator[Loop]:
    with loops.folder() as folder:
        backing = folder / "disk"
        backing.write_bytes(bytes(512 * 64))
        with loops.attached(backing, 512) as made:
            with BlockDevice(made.path, writable=True) as device:
                store.create(device, 4)
            yield made


def test_the_c_agent_starts_watches_and_stops_ours_in_place_of_its_daemon(
    machine: Machine, loop: Loop
) -> None:
    """Recipe 22: it finds a daemon by its command line."""
    daemon = f"/{c_daemon(machine.root).relative_to(machine.root)}"
    device = os.stat(loop.path).st_rdev
    numbers = f"{os.major(device)} {os.minor(device)}"
    parameters = f"OCF_RESKEY_device={loop.path} OCF_RESKEY_index=2"
    agent = "/usr/lib/ocf/resource.d/heartbeat/sfex"
    call = f"OCF_ROOT=/usr/lib/ocf OCF_RESOURCE_INSTANCE=lab {parameters} {agent}"
    node = replace(machine, files={daemon: DAEMON}, prepare=[f"mknod {loop.path} b {numbers}"])
    shows = f"/usr/sbin/sfex_stat -i 2 {loop.path}"
    answers = node.run(
        f"{call} monitor",
        f"{call} start",
        f"{call} monitor",
        f"pgrep -f '{daemon} .* lab ' && ps -eo comm,args | cut -c-400",
        shows,
        f"{call} start",
        f"OCF_RESKEY_CRM_meta_timeout=20000 {call} stop",
        f"{call} monitor",
        shows,
    )
    assert [answer.code for answer in answers] == [7, 0, 0, 0, 0, 0, 0, 7, 2]
    assert "sfex-guardian" in answers[3].stdout
    assert "status: lock\n" in answers[4].stdout
    assert "status: unlock\n" in answers[8].stdout
    with BlockDevice(loop.path) as opened:
        assert store.Store(opened, 2).read().count == 2
