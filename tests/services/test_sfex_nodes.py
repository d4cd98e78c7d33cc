"""The nodes of the sfex tests: two owners are noticed, nothing leaves a node or outlives a run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ocfkit.linux import process
from tests.services import loops, sfex_nodes
from tests.services.sfex_nodes import Contest, Field, Owner, PidNode, Witness, wait_for
from tests.services.test_loops import ROOT

RUNS = f"""\
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from tests.services import loops, sfex_nodes
root, = sys.argv[1:]
with loops.folder() as folder, sfex_nodes.field(Path(root), folder) as locks:
    with locks.contest() as nodes:
        ours, theirs = nodes.pid_node("ours"), nodes.c("theirs", waits=True)
        ours.start()
        assert ours.code() == 0
        theirs.go()
        nodes.witness.sees(ours)
        print(ours.first, ours.keeper().pid, ours.guardian().pid, theirs.first, flush=True)
        time.sleep(60)
"""


@pytest.fixture
def locks(pacemaker: Path) -> Iterator[Field]:
    with loops.folder() as folder, sfex_nodes.field(pacemaker, folder) as made:
        yield made


@pytest.fixture
def nodes(locks: Field) -> Iterator[Contest]:
    with locks.contest() as made:
        yield made


def seen_by(witness: Witness, *nodes: PidNode) -> list[Owner]:
    return [witness.sees(node) for node in nodes]


def test_two_owners_at_once_are_noticed_and_two_in_turn_are_not(nodes: Contest) -> None:
    one, other = nodes.pid_node("one"), nodes.pid_node("other")
    (first,) = seen_by(nodes.witness, one)
    first.rest()
    (second,) = seen_by(nodes.witness, other)
    assert nodes.witness.turns() == ["one", "other"]
    seen_by(nodes.witness, one)
    wait_for(lambda: len(nodes.witness.turns()) > 5)
    one.close()
    assert not second.gone(sfex_nodes.boot() + 50_000_000)
    other.close()
    assert second.gone(sfex_nodes.boot() + 1_000_000_000)


@pytest.mark.parametrize("path", ["/dev/kmsg", "/proc/sysrq-trigger"])
def test_what_reaches_the_machine_is_covered_in_a_node(nodes: Contest, path: str) -> None:
    there = Path(path)
    node = nodes.pid_node("one")
    inside = Path(f"/proc/{node.first}/root{path}")
    if not there.exists():
        assert not inside.exists()
        return
    assert inside.stat().st_dev != there.stat().st_dev
    assert inside.read_bytes() == b""


def gone(pid: int) -> Callable[[], bool]:
    return lambda: not os.path.exists(f"/proc/{pid}") or process.stat(pid).ended


def test_of_a_run_that_is_killed_no_node_stays(pacemaker: Path) -> None:
    call = [sys.executable, "-IBc", RUNS, str(pacemaker)]
    run = subprocess.Popen(call, stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    pids = [int(pid) for pid in run.stdout.readline().split()]
    assert len(pids) == 4
    assert not any(gone(pid)() for pid in pids)
    run.kill()
    run.communicate(timeout=10)
    for pid in pids:
        wait_for(gone(pid))
    loops.sweep()
