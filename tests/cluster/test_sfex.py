"""A lock and a database in a group, in a cluster that is split while fencing fails.

The data directory is in a folder that all nodes see, and PostgreSQL itself is deceived there: its
postmaster.pid names a process of another node. A client on each node inserts a row each 50 ms as
long as it is served, and writes down when: that is the witness.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ocfkit.agents.sfex.record import Record
from ocfkit.agents.sfex.store import Store
from ocfkit.linux.blockdev import BlockDevice
from tests.bench.faults_services import BINARIES, SOCKETS
from tests.cluster.conftest import require_nothing
from tests.cluster.engine import Engine
from tests.cluster.lab import DISK, SHARED, Cluster, Node, seen_from
from tests.cluster.status import Failure, Operation

COLLISION, LOCK = 1.0, 10.0
LATE = 1.0
"""Seconds that a start may take longer than these on two processors with two nodes on them."""
ENDED_BY_REBOOT = 129
"""Exit code of a container: 128 and SIGHUP, as pid_namespaces(7) has it."""

DATA = f"{SHARED}/data"
WITNESS = "witness"
CLIENT = "/usr/local/lib/client.py"
AS_POSTGRES = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]

PREPARE = f"""\
set -eu
cd {SHARED}
rm -rf ./*
install -d -o postgres -g postgres {DATA}
install -o postgres -g postgres /dev/null {WITNESS}
postgres() {{ program=$1; shift; {" ".join(AS_POSTGRES)} {BINARIES}/$program "$@"; }}
postgres initdb --no-sync --auth=trust {DATA} >/dev/null
echo 'create table witness (node text, boot bigint)' |
	postgres postgres --single -D {DATA} postgres >/dev/null 2>&1
ocfkit sfex init --force {DISK}
"""

INSERT = f"""\
import os, time
import psycopg2

def boot():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

node = os.uname().nodename
witness = os.open("{SHARED}/{WITNESS}", os.O_WRONLY | os.O_APPEND)
while True:
    try:
        connection = psycopg2.connect(host="{SOCKETS}", dbname="postgres")
        connection.autocommit = True
        cursor = connection.cursor()
        while True:
            began = boot()
            cursor.execute("insert into witness values (%s, %s)", (node, began))
            os.write(witness, f"{{node}} {{began}} {{boot()}}\\n".encode())
            time.sleep(0.05)
    except psycopg2.Error:
        time.sleep(0.05)
"""  # noqa: S608 - a program with SQL in it

LOCKED = f"""\
primitive lock ocf:ocfkit:sfex \
params device={DISK} collision_timeout={COLLISION:g}s lock_timeout={LOCK:g}s monitor_interval=1s \
op start interval=0 timeout=60s op stop interval=0 timeout=20s \
op monitor interval=1s timeout=10s on-fail=fence
"""
DATABASE = f"""\
primitive database ocf:ocfkit:pgsql params pgdata={DATA} \
op start interval=0 timeout=60s op stop interval=0 timeout=60s op monitor interval=2s timeout=20s
"""
STAYS = "meta resource-stickiness=100"
GROUP = f"{LOCKED}{DATABASE}group service lock database {STAYS}\n"
UNLOCKED = f"{DATABASE}group service database {STAYS}\n"

CUT = "iptables -A INPUT -i eth0 -j DROP; iptables -A OUTPUT -o eth0 -p tcp -j REJECT"
"""The switch is dead: no node hears the other one, and the fencing device is out of reach."""
KEEPER = "for pid in $(pgrep -f '[o]cfkit sfex hold'); do echo $pid $(cat /proc/$pid/comm); done"


@dataclass(frozen=True, slots=True, order=True)
class Insert:
    """One that was acknowledged; boot times, which are the same in all containers."""

    began: int
    ended: int
    node: str


@dataclass(frozen=True, slots=True)
class Service:
    """The group, which runs here and not on the other node."""

    cluster: Cluster
    here: Node
    other: Node

    def inserts(self) -> list[Insert]:
        """In the order in which they began."""
        assert self.cluster.shared is not None
        lines = (self.cluster.shared / WITNESS).read_text("utf-8").splitlines()
        words = [line.split() for line in lines]
        return sorted(Insert(int(began), int(ended), node) for node, began, ended in words)

    def goes_on(self, node: Node) -> None:
        """Wait until more is written there."""
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        until(
            30,
            lambda: any(each.began > now for each in self.inserts() if each.node == node.name),
            f"nothing is written on {node.name}",
        )

    def writers(self) -> list[str]:
        """The nodes that have written, one after the other; "both" where one was too early."""
        nodes: list[str] = []
        ended = 0
        for each in self.inserts():
            if nodes[-1:] != [each.node]:
                nodes += ["both", each.node] if each.began <= ended else [each.node]
            ended = max(ended, each.ended)
        return nodes

    def lost(self, asked: Node) -> set[tuple[str, int]]:
        """What was acknowledged, and is not in the database of that node."""
        acknowledged = {(each.node, each.began) for each in self.inserts()}  # more come meanwhile
        query = ["psql", "-tAF ", "-h", SOCKETS, "-c", "select * from witness"]
        done = asked.run([*AS_POSTGRES, *query, "postgres"])
        assert done.code == 0, done
        rows = [line.split() for line in done.stdout.splitlines()]
        return acknowledged - {(node, int(began)) for node, began in rows}

    def holder(self) -> str:
        """Who has the lock, or claims it, as it is on the disk; "" for nobody."""
        with BlockDevice(self.cluster.disk) as device:
            record: Record = Store(device, 1).read()
        return record.name.decode() if record.locked else ""

    def is_split(self) -> None:
        """Split the cluster; fencing fails, and somebody says that this node is down: it is not."""
        for node in self.cluster.nodes:
            node.run(["sh", "-c", CUT])
        until(60, self._fencing_has_failed, "no fencing has failed")
        said = self.other.run(["stonith_admin", "--confirm", self.here.name])
        assert said.code == 0, said

    def _fencing_has_failed(self) -> bool:
        seen = seen_from(self.other)
        return seen is not None and any(
            (each.target, each.status) == (self.here.name, "failed") for each in seen.fencings
        )

    def refusal(self) -> Failure:
        """Wait until the lock has not been got on the other node."""
        found: list[Failure] = []

        def is_refused() -> bool:
            seen = seen_from(self.other)
            failures = seen.failures if seen is not None else ()
            found.extend(each for each in failures if each.resource == "lock")
            return bool(found)

        until(60, is_refused, "it was not refused")
        return found[0]

    def has_moved(self) -> Operation:
        """Wait until the database runs on the other node; return the start of the lock there."""

        def runs() -> bool:
            seen = seen_from(self.other)
            if seen is None:
                return False
            database = seen.resources["database"]
            return (database.state, database.node) == ("Started", self.other.name)

        until(90, runs, "it does not run on the other node")
        seen = seen_from(self.other)
        assert seen is not None
        (start,) = [
            each
            for each in seen.operations
            if (each.node, each.resource, each.task, each.code)
            == (self.other.name, "lock", "start", 0)
        ]
        return start


def until(seconds: float, holds: Callable[[], bool], otherwise: str, pause: float = 0.25) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, otherwise
        time.sleep(pause)


def begin(cluster: Cluster, configuration: str) -> Service:
    for node in cluster.nodes:
        node.run(["pkill", "-f", CLIENT])
    done = cluster.nodes[0].run(["sh", "-c", PREPARE])
    assert done.code == 0, done
    for node in cluster.nodes:
        node.put(CLIENT, INSERT)
        untyped: Any = node.container
        untyped.exec_run([*AS_POSTGRES, "python3", "-IB", CLIENT], detach=True)
    cluster.configure(configuration)
    now = cluster.wait_for(lambda now: now.resources["database"].state == "Started", 60, "it runs")
    here = cluster.node(now.resources["database"].node)
    other = next(node for node in cluster.nodes if node is not here)
    service = Service(cluster, here, other)
    service.goes_on(here)
    return service


@pytest.fixture
def healed(keepers: Cluster) -> Iterator[Cluster]:
    """The nodes; afterwards they have been switched off, all at once, and on again.

    A network that comes back would let them first do what they have not been able to do so far:
    each would fence the other one.
    """
    yield keepers
    for node in keepers.nodes:
        if node.is_on():
            node.container.kill()
    require_nothing(keepers)


def test_without_a_lock_both_sides_of_a_split_cluster_write(healed: Cluster) -> None:
    service = begin(healed, UNLOCKED)
    service.is_split()
    until(60, lambda: len(service.writers()) > 3, "they have not taken turns")


def test_a_split_cluster_writes_where_the_lock_is(healed: Cluster) -> None:
    service = begin(healed, GROUP)
    service.is_split()
    refusal = service.refusal()
    assert (refusal.operation, refusal.node) == ("start", service.other.name)
    assert f"lock 1 of {DISK}: the lock is held by" in refusal.reason
    assert service.here.name in refusal.reason
    service.goes_on(service.here)
    assert service.writers() == [service.here.name]
    assert service.lost(service.here) == set()


def test_a_node_whose_keeper_is_stopped_ends_before_the_other_gets_the_lock(
    healed: Cluster, engine: Engine
) -> None:
    service = begin(healed, GROUP)
    here, other = service.here, service.other
    service.is_split()
    service.refusal()
    # A start that fails is one too many; an operator lets it be tried again.
    other.run(["crm_attribute", "--name", "start-failure-is-fatal", "--update", "false"])
    other.run(["crm_resource", "--cleanup", "--resource", "lock"])
    keepers = here.run(["sh", "-c", KEEPER]).stdout.splitlines()
    (keeper,) = [each.split()[0] for each in keepers if "sfex-guardian" not in each]
    began = time.time()
    here.run(["kill", "-STOP", keeper])
    until(60, lambda: service.holder() == other.name, "no other claims the lock", pause=0.02)
    claimed = time.time()
    ends = engine.ends(began)
    assert [(end.name, end.code) for end in ends] == [(here.container.name, ENDED_BY_REBOOT)]
    assert ends[0].second < claimed
    service.has_moved()
    service.goes_on(other)
    assert service.writers() == [here.name, other.name]
    assert service.lost(other) == set()


def test_the_lock_of_a_node_that_lost_its_power_is_taken_over_in_time(keepers: Cluster) -> None:
    service = begin(keepers, GROUP)
    service.here.container.kill()
    start = service.has_moved()
    assert LOCK <= start.took / 1000 <= LOCK + COLLISION + LATE
    service.goes_on(service.other)
    assert service.writers() == [service.here.name, service.other.name]
    assert service.lost(service.other) == set()


def test_a_lock_that_moves_is_released_and_taken_at_once(keepers: Cluster) -> None:
    service = begin(keepers, GROUP)
    moved = service.here.run(["crm", "resource", "move", "service", service.other.name])
    assert moved.code == 0, moved
    start = service.has_moved()
    assert COLLISION <= start.took / 1000 <= COLLISION + LATE
    service.goes_on(service.other)
    assert service.writers() == [service.here.name, service.other.name]
    assert service.lost(service.other) == set()
