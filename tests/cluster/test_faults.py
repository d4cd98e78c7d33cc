"""The promises of the scoreboard: a sample of it, and what is shown of the agent http."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bench import faults
from tests.bench.faults_cell import RESOURCE, STOPPED, WITHIN, Bench, Cell, reset
from tests.bench.faults_history import Node
from tests.bench.faults_right import FAULTS, Fault
from tests.bench.faults_services import PAGE, URL

SAMPLE = {
    "ocf:ocfkit:http": (
        "suspended",
        "every worker suspended",
        "foreign pid in the pid file",
        "status 404 with the expected text",
        "one byte a second",
        "certificate expired",
        "configuration removed",
    ),
    "ocf:ocfkit:pgsql": (
        "suspended",
        "max_connections reached",
        "long lock",
        "folder of the socket removed",
    ),
    "lsb:nginx": ("every worker suspended",),
    "ocf:heartbeat:nginx": ("status 404 with the expected text",),
}
"""Agent → faults; the last two agents pass what is broken, and so prove nothing but the fault."""

OURS = [(name, fault) for name in faults.OURS for fault in SAMPLE[name]]
PEERS = [(name, fault) for name in SAMPLE if name not in faults.OURS for fault in SAMPLE[name]]

Cells = Mapping[tuple[str, str], Cell]

WEB = (
    "httpd=/usr/sbin/nginx configfile=/etc/nginx/nginx.conf port=80 "
    f"statusurl={URL} testregex='{PAGE}'"
)


@pytest.fixture(scope="module")
def run() -> Generator[faults.Run]:
    with faults.laboratory(3) as clusters:
        yield clusters


@pytest.fixture(scope="module")
def cells(run: faults.Run) -> Cells:
    wanted = [
        (subject, fault)
        for subject, fault in faults.quests([], [])
        if fault.name in SAMPLE.get(subject.name, ())
    ]
    measured = run.cells(wanted)
    return {(cell.subject, cell.fault): cell for cell in measured}


@pytest.fixture
def bench(run: faults.Run) -> Generator[Bench]:
    bench = run.benches[0]
    bench.require_nodes()
    reset(bench.nodes)
    bench.history.begin(RESOURCE)
    yield bench
    bench.remove()


def known(name: str, subject: str) -> Fault:
    about = "database" if "pgsql" in subject else "web"
    return next(each for each in FAULTS if each.name == name and each.about == about)


@pytest.mark.parametrize(("subject", "name"), OURS)
def test_our_agent_tells_the_fault_in_time_and_the_cluster_does_what_is_right(
    cells: Cells, subject: str, name: str
) -> None:
    cell, fault = cells[subject, name], known(name, subject)
    assert not cell.unmeasured
    assert cell.code in fault.right.codes, cell
    assert cell.reaction in fault.right.reactions, cell
    assert cell.is_right(fault), f"{cell}\nthe reason should tell {fault.right.told}"
    if cell.code:
        assert cell.seconds is not None
        assert cell.seconds <= WITHIN, cell


@pytest.mark.parametrize(("subject", "name"), OURS)
def test_the_reason_of_our_agent_stands_in_crm_mon(cells: Cells, subject: str, name: str) -> None:
    cell = cells[subject, name]
    assert not cell.unmeasured
    if cell.code not in (0, STOPPED):
        assert cell.reason
        assert cell.shown, cell


@pytest.mark.parametrize(("subject", "name"), OURS)
def test_a_stop_of_our_agent_leaves_nothing(cells: Cells, subject: str, name: str) -> None:
    cell = cells[subject, name]
    assert not cell.unmeasured
    assert not cell.stop_code, cell
    assert not cell.left, cell


@pytest.mark.parametrize(("subject", "name"), PEERS)
def test_the_fault_is_real_for_another_agent_passes_it(
    cells: Cells, subject: str, name: str
) -> None:
    cell = cells[subject, name]
    assert not cell.unmeasured
    assert not cell.detected(), cell


def test_a_web_server_moves_when_its_page_is_wrong_and_crm_mon_says_why(bench: Bench) -> None:
    here, other = bench.nodes
    bench.configure(
        f"primitive {RESOURCE} ocf:ocfkit:http params {WEB} "
        "op monitor interval=5s timeout=10s OCF_CHECK_LEVEL=10 "
        "op start interval=0 timeout=20s op stop interval=0 timeout=20s "
        "meta migration-threshold=1\n"
        f"location {RESOURCE}-here {RESOURCE} 50: {here.name}\n"
    )
    bench.require_monitor(RESOURCE)
    here.put("/srv/lab/status", "no database\n")
    until(WITHIN + 30, lambda: runs_on(other), "it did not move")
    seen = other.run(["crm_mon", "-1", "--inactive"]).stdout
    assert f"{RESOURCE} 5s-interval monitor on {here.name} returned 'error'" in seen
    assert URL in seen
    assert PAGE in seen


def test_a_stop_that_cannot_succeed_says_so_and_the_node_is_fenced(
    bench: Bench, tmp_path: Path
) -> None:
    here, other = bench.nodes
    with frozen_log(here, tmp_path) as freeze:
        bench.configure(
            f"primitive {RESOURCE} ocf:ocfkit:http params {WEB} "
            "op monitor interval=5s timeout=10s op start interval=0 timeout=40s "
            "op stop interval=0 timeout=8s\n"
            f"location {RESOURCE}-here {RESOURCE} 50: {here.name}\n"
        )
        bench.require_monitor(RESOURCE)
        fences = bench.count_fences()
        freeze()
        here.run(["curl", "--max-time", "1", "--silent", URL])  # its log stops the worker
        other.run(["crm_resource", "-r", RESOURCE, "--ban", "--node", here.name])
        until(30, lambda: is_doubted(here, other), "the stop did not fail")
    until(90, lambda: bench.count_fences() > fences, "the node was not fenced")
    until(60, lambda: runs_on(other), "it did not run on the other node")
    stop = bench.wait_for_failure("stop", 90)  # its log, when the node is back
    assert stop is not None
    assert "does not end although it was killed (state D)" in stop.reason


@contextmanager
def frozen_log(node: Node, place: Path) -> Generator[Callable[[], object]]:
    """Give the server's log a disk of its own, and what freezes it; it is thawed afterwards.

    Whoever writes there stays in the kernel (state D), and no signal ends him: not before the thaw
    can the engine kill the container either. The disk is mounted on the host too: from there it is
    thawed, whatever becomes of the node.
    """
    disk, mount = place / "disk", place / "mount"
    mount.mkdir()
    with disk.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", disk], check=True)
    subprocess.run(["mount", "-o", "loop", disk, mount], check=True)
    thaw = f"timeout 60 cat; fsfreeze --unfreeze {mount} 2>/dev/null"  # it may not be frozen
    thawing = subprocess.Popen(["sh", "-c", thaw], stdin=subprocess.PIPE, start_new_session=True)
    assert thawing.stdin is not None
    try:
        _mount_device(node, mount.stat().st_dev, "/var/log/nginx")
        yield lambda: subprocess.run(["fsfreeze", "--freeze", mount], check=True)
    finally:
        thawing.stdin.close()
        thawing.wait(90)
        subprocess.run(["umount", mount], check=True)


def _mount_device(node: Node, device: int, folder: str) -> None:
    node.container.reload()
    pid = node.container.attrs["State"]["Pid"]
    script = (
        f"rm -f /dev/lab; mknod /dev/lab b {os.major(device)} {os.minor(device)} && "
        f"mount /dev/lab {folder}"
    )
    inside = ["nsenter", "--target", str(pid), "--mount", "--pid", "sh", "-c", script]
    subprocess.run(inside, check=True)


def is_doubted(node: Node, asked: Node) -> bool:
    """Whether a stop there has failed, so that the node has to be fenced."""
    said = asked.run(["crm_mon", "-1"]).stdout
    return f"stop on {node.name} returned 'error'" in said or f"{node.name}: UNCLEAN" in said


def runs_on(node: Node) -> bool:
    said = node.run(["crm_resource", "-r", RESOURCE, "--locate"]).stdout
    return f"is running on: {node.name}" in said


def until(seconds: float, holds: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, otherwise
        time.sleep(0.5)
