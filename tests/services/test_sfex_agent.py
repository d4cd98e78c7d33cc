"""The agent sfex on a loop device, under a guardian that would end its node.

A node is a pid namespace with a host name of its own: reboot(2) ends that, and nothing else.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ocfkit.agents.sfex import store
from ocfkit.agents.sfex.status import Status
from ocfkit.agents.sfex.store import Store
from ocfkit.linux import process, reboot
from ocfkit.linux.blockdev import BlockDevice
from ocfkit.linux.process import Identity
from tests.ocfkit.command import ROOT
from tests.services import loops
from tests.services.loops import Loop

COLLISION, LOCK = 1.0, 5.0
LEASE = LOCK - 1.0
MEGABYTE = 1024

WITHOUT_REBOOT = ("setpriv", "--bounding-set", "-sys_boot", "--inh-caps", "-all")


class PidNode:
    """A node on which the cluster's actions are called."""

    def __init__(
        self, name: str, loop: Loop, folder: Path, *, rights: tuple[str, ...] = ()
    ) -> None:
        self._run = folder / name
        self._loop = loop
        alone = ["unshare", "--pid", "--uts", "--fork", "--mount-proc", "--kill-child"]
        first = 'hostname "$0"; echo; exec sleep infinity'
        self.process = subprocess.Popen(
            [*alone, *rights, "sh", "-euc", first, name], stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()
        (self._first,) = _children(self.process.pid)
        own = os.readlink(f"/proc/{self._first}/ns/pid")
        assert own not in (os.readlink("/proc/self/ns/pid"), reboot.INITIAL_PID_NAMESPACE)
        self._rights = rights

    def call(self, action: str, **parameters: str) -> subprocess.CompletedProcess[str]:
        """Call an action of the agent as a person does, on this node."""
        values = {"device": self._loop.path, "lock_timeout": "5", "monitor_interval": "1"}
        words = [f"{name}={value}" for name, value in (values | parameters).items()]
        given = [each for word in words for each in ("-p", word)]
        inside = ["nsenter", "-t", str(self._first), "--pid", "--mount", "--uts"]
        call = [str(ROOT / "dev"), "ocfkit", "run", "--instance", "lock", *given, "sfex", action]
        return subprocess.run(
            [*inside, *self._rights, *call],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HA_RSCTMP": str(self._run)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def keeper(self) -> Identity:
        """As seen from outside."""
        return process.identify(self._seen_from_outside(self.status().process.pid))

    def guardian(self) -> Identity:
        return process.identify(self._seen_from_outside(self.status().guardians[0].process.pid))

    def status(self) -> Status:
        (file,) = self._run.rglob("*~lock")
        status = Status.decode(file.read_text())
        assert status is not None
        return status

    def processes(self) -> list[str]:
        """Names of all that runs there but its first process, which buries nobody."""
        mine = os.readlink(f"/proc/{self._first}/ns/pid")
        stats = [process.stat(pid) for pid in _in(mine) if pid != self._first]
        return [each.comm for each in stats if not each.ended]

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def ends(self, seconds: float) -> float:
        """The boot time at which it has ended, which is now."""
        self.process.wait(seconds)
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()

    def _seen_from_outside(self, pid: int) -> int:
        for each in _in(os.readlink(f"/proc/{self._first}/ns/pid")):
            text = Path(f"/proc/{each}/status").read_text()
            if re.search(rf"^NSpid:.*\s{pid}$", text, re.MULTILINE):
                return each
        raise AssertionError(f"no process {pid} there")


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(each) for each in text.split()]


def _in(namespace: str) -> Iterator[int]:
    for pid in process.pids():
        try:
            if os.readlink(f"/proc/{pid}/ns/pid") == namespace:
                yield pid
        except OSError:
            continue


def wait_for(what: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


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


def test_a_keeper_that_has_died_has_a_successor_at_once(node: PidNode) -> None:
    assert node.call("start").returncode == 0
    node.keeper().send(signal.SIGKILL)
    wait_for(lambda: node.call("monitor").returncode == 1)
    assert node.call("stop").returncode == 0
    began = time.monotonic()
    assert node.call("start").returncode == 0
    assert time.monotonic() - began < LOCK


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_a_node_whose_keeper_is_gone_ends_before_another_has_the_lock(
    node: PidNode, other: PidNode, number: signal.Signals
) -> None:
    assert node.call("start").returncode == 0
    node.keeper().send(number)
    deadline = node.status().deadline / 1e9
    ended = node.ends(LOCK + 2.0)
    print(
        f"{number.name}: the node has ended {1000 * (ended - deadline):.1f} ms after the deadline"
    )
    assert 0.0 <= ended - deadline < 0.05 + 0.2  # for the namespace to be taken down
    assert other.call("start").returncode == 0


def test_a_node_that_nothing_could_end_gets_no_lock_unless_it_is_wanted(
    loop: Loop, folder: Path
) -> None:
    node = PidNode("db1", loop, folder, rights=WITHOUT_REBOOT)
    try:
        refused = node.call("start")
        assert refused.returncode == 1
        lack = "nothing on this node could end who loses the lock: "
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
