"""The agent sfex on a loop device, under a guardian that would end its node."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocfkit.agents.sfex import store
from ocfkit.agents.sfex.store import Store
from ocfkit.linux.blockdev import BlockDevice
from tests.services import loops
from tests.services.loops import Loop
from tests.services.sfex_nodes import PidNode, wait_for

COLLISION, LOCK = 1.0, 5.0
LEASE = LOCK - 1.0
MEGABYTE = 1024

WITHOUT_REBOOT = ("setpriv", "--bounding-set", "-sys_boot", "--inh-caps", "-all")


@pytest.fixture
def folder() -> Iterator[Path]:
    with loops.folder() as made:
        yield made


@pytest.fixture
def loop(folder: Path) -> Iterator[Loop]:
    backing = folder / "disk"
    backing.write_bytes(bytes(64 * 512))
    with loops.attached(backing, 512) as made:
        with BlockDevice(made.path, writable=True) as device:
            store.create(device, 4)
        yield made


@pytest.fixture
def node(loop: Loop, folder: Path) -> Iterator[PidNode]:
    made = PidNode("db1", loop, folder)
    yield made
    made.close()


@pytest.fixture
def other(loop: Loop, folder: Path) -> Iterator[PidNode]:
    made = PidNode("db2", loop, folder)
    yield made
    made.close()


def resident(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0])


def test_keeps_the_lock_in_little_memory_and_leaves_nothing(node: PidNode, loop: Loop) -> None:
    started = node.call("start")
    assert started.returncode == 0, started.stderr
    assert "INFO: fences by reboot(2)" in started.stderr
    assert node.call("monitor").returncode == 0
    sizes = [resident(node.keeper().pid), resident(node.guardian().pid)]
    print(f"keeper and guardian: {sizes} kB resident")
    assert max(sizes) <= 20 * MEGABYTE
    with BlockDevice(loop.path) as device:
        assert Store(device, 1).read().name == b"db1"
    assert node.call("stop").returncode == 0
    assert node.call("monitor").returncode == 7
    wait_for(lambda: not node.processes())
    with BlockDevice(loop.path) as device:
        assert not Store(device, 1).read().locked


def test_says_who_has_the_lock_and_gets_it_when_it_is_given_back(
    node: PidNode, other: PidNode
) -> None:
    assert node.call("start").returncode == 0
    refused = other.call("start")
    assert refused.returncode == 1
    assert "the lock is held by 'db1', which has just written it" in refused.stdout
    assert other.call("monitor").returncode == 7
    assert node.call("stop").returncode == 0
    began = time.monotonic()
    assert other.call("start").returncode == 0
    assert time.monotonic() - began < COLLISION + 1.0
    assert other.call("monitor").returncode == 0


def test_a_stop_after_the_death_of_its_keeper_calls_off_the_fence(node: PidNode) -> None:
    assert node.call("start").returncode == 0
    guardian = node.guardian()
    deadline = node.status().deadline / 1e9
    node.keeper().send(signal.SIGKILL)
    wait_for(lambda: node.call("monitor").returncode == 1)
    reason = node.call("monitor").stdout
    assert "has died: unless this is stopped before, the node is fenced in" in reason
    assert node.call("stop").returncode == 0
    assert guardian.wait(1.0)
    assert node.call("monitor").returncode == 7
    while time.clock_gettime(time.CLOCK_BOOTTIME) < deadline + 1.0:
        assert node.is_alive()
        time.sleep(0.05)


def test_without_room_for_records_a_holder_goes_on_and_can_be_stopped(
    loop: Loop, folder: Path
) -> None:
    """/run is full: the record is renewed in its place."""
    node = PidNode("db1", loop, folder, run_size="32k")
    try:
        assert node.call("start").returncode == 0
        node.fill_run()
        first = node.status().deadline
        wait_for(lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME) > first)
        assert node.status().deadline > first
        seen = node.call("monitor")
        assert seen.returncode == 0, seen.stdout
        assert node.call("stop").returncode == 0
        assert node.call("monitor").returncode == 7
    finally:
        node.close()


def test_a_keeper_that_has_died_has_a_successor_at_once(node: PidNode) -> None:
    assert node.call("start").returncode == 0
    node.keeper().send(signal.SIGKILL)
    wait_for(lambda: node.call("monitor").returncode == 1)
    assert node.call("stop").returncode == 0
    began = time.monotonic()
    assert node.call("start").returncode == 0
    assert time.monotonic() - began < LOCK


def test_a_node_that_nothing_could_end_gets_no_lock_unless_it_is_wanted(
    loop: Loop, folder: Path
) -> None:
    node = PidNode("db1", loop, folder, rights=WITHOUT_REBOOT)
    try:
        refused = node.call("start")
        assert refused.returncode == 1
        lack = "nothing on this node could end in time who loses the lock: "
        assert f"not held without a guardian: {lack}" in refused.stdout
        assert "reboot(2) cannot be used (Operation not permitted)" in refused.stdout
        with BlockDevice(loop.path) as device:
            assert not Store(device, 1).read().locked
        advised = node.call("start", guard="advise")
        assert advised.returncode == 0
        assert f"WARNING: {lack}" in advised.stderr
        assert node.call("monitor", guard="advise").returncode == 0
        assert node.call("stop", guard="advise").returncode == 0
    finally:
        node.close()
