"""Nodes in which a lock on a shared disk can be kept: what they may do, and what they may not.

A means is fired in a container alone, where reboot(2) ends that: who fires looks first where he is.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from tests.cluster import budget
from tests.cluster.conftest import NAME
from tests.cluster.engine import Engine
from tests.cluster.fence_proxy import LABEL
from tests.cluster.lab import DISK, SHARED, Cluster, LabError, Node, Ran

ARMED = """\
import json, os, signal, sys, time
from ocfkit.agents.sfex.guard import armed
from ocfkit.agents.sfex.means import UnguardedError
from ocfkit.agents.sfex.timing import SECOND, Timing
from ocfkit.linux import reboot

assert reboot.is_contained()
timing = Timing.of(collision=SECOND, lock=10 * SECOND, interval=SECOND)
try:
    guard = armed(timing, mode=sys.argv[1])
except UnguardedError as error:
    sys.exit(str(error))
status = open(f"/proc/{guard.pid}/status").read()
locked = next(line for line in status.splitlines() if line.startswith("VmLck:"))
print(json.dumps({
    "report": guard.report(),
    "missing": guard.missing,
    "policy": os.sched_getscheduler(guard.pid),
    "locked": int(locked.split()[1]),
}), flush=True)
"""
"""Whoever keeps a lock, as far as his guard."""

GOES_HOME = f"{ARMED}guard.released()\n"

DEADLINE = "/var/lib/deadline"

STOPS = f"""{ARMED}
ends = time.time() + 1
with open({DEADLINE!r}, "w") as file:
    file.write(str(ends))
guard.deadline(time.clock_gettime_ns(time.CLOCK_BOOTTIME) + int((ends - time.time()) * 1e9))
os.kill(os.getpid(), signal.SIGSTOP)
"""

SCHED_RR, SCHED_RESET_ON_FORK = 2, 0x40000000  # <linux/sched.h>
ENDED_BY_REBOOT = 129
"""Exit code of a container: 128 and SIGHUP, as pid_namespaces(7) has it."""


def guard_in(node: Node, mode: str, *without: str) -> Ran:
    """Arm a guard and let it go home, without those capabilities."""
    argv = ["prlimit", "--memlock=65536"]  # some engines give more, and then no right is missing
    if without:
        argv += ["setpriv", "--bounding-set", ",".join(f"-{each}" for each in without)]
    return node.run([*argv, "python3", "-IBc", GOES_HOME, mode], timeout=20)


def agent_in(node: Node, action: str, guard: str) -> Ran:
    """Call the agent as the cluster does, without what a keeper needs."""
    env = {
        "OCF_ROOT": "/usr/lib/ocf",
        "OCF_RESOURCE_INSTANCE": "lock",
        "OCF_RESOURCE_TYPE": "sfex",
        "OCF_RESKEY_device": DISK,
        "OCF_RESKEY_guard": guard,
        "OCF_RESKEY_CRM_meta_timeout": "120000",
    }
    argv = ["prlimit", "--memlock=65536", "setpriv", "--bounding-set=-ipc_lock,-sys_boot,-sys_nice"]
    return node.run([*argv, "/usr/lib/ocf/resource.d/ocfkit/sfex", action], env=env)


def told(done: Ran) -> dict[str, Any]:
    assert done.code == 0, done
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_guardian_is_in_memory_and_in_time_and_has_reboot_alone(keepers: Cluster) -> None:
    for node in keepers.nodes:
        armed = told(guard_in(node, "enforce"))
        by, without = armed["report"]
        assert armed["missing"] == []
        assert by == "fences by reboot(2), which ends this container"
        refused = "No such file or directory|Read-only file system"
        assert re.fullmatch(
            rf"sysrq cannot be used \(({refused}): /proc/sysrq-trigger\)", without
        ), without
        assert armed["policy"] == SCHED_RR | SCHED_RESET_ON_FORK
        assert armed["locked"] > 0


def test_a_node_whose_keeper_is_stopped_ends_and_nothing_else_does(
    keepers: Cluster, engine: Engine
) -> None:
    here, other = keepers.nodes
    fenced = keepers.status().fenced(here.name)
    began = time.time()
    untyped: Any = here.container
    untyped.exec_run(["python3", "-IBc", STOPS, "enforce"], detach=True)
    keepers.wait_for(lambda now: now.fenced(here.name) > fenced, 60, "the other node misses it")
    keepers.wait_for(lambda now: here.name in now.online, 60, "it is back")
    ends = engine.ends(began)
    assert [(end.name, end.code) for end in ends] == [(here.container.name, ENDED_BY_REBOOT)]
    late = ends[0].second - float(here.run(["cat", DEADLINE]).stdout)
    assert 0 < late < 1, late  # the engine takes its time to see it
    told(guard_in(here, "enforce"))  # it is the node that it was
    told(guard_in(other, "enforce"))


def test_a_node_without_the_capabilities_is_refused_and_told_which(keepers: Cluster) -> None:
    here = keepers.nodes[0]
    done = guard_in(here, "enforce", "ipc_lock", "sys_nice")
    assert (done.code, done.stdout) == (1, "")
    assert done.stderr == (
        "the guardian's memory is not locked (Cannot allocate memory); "
        "the guardian has no real-time class (Operation not permitted)\n"
    )
    done = guard_in(here, "enforce", "sys_boot")
    assert (done.code, done.stdout) == (1, "")
    assert re.fullmatch(
        r"nothing on this node could end in time who loses the lock: sysrq cannot be used \(.*\); "
        r"reboot\(2\) cannot be used \(Operation not permitted\)\n",
        done.stderr,
    )


def test_an_ordinary_node_is_refused_and_advised(cluster: Cluster) -> None:
    here = cluster.nodes[0]
    done = guard_in(here, "enforce")
    assert done.code == 1
    assert "reboot(2) cannot be used (Operation not permitted)" in done.stderr
    armed = told(guard_in(here, "advise"))
    no_means, *rest = armed["missing"]
    assert no_means.startswith("nothing on this node could end in time who loses the lock: sysrq")
    assert "reboot(2) cannot be used (Operation not permitted)" in no_means
    assert rest == [
        "the guardian's memory is not locked (Cannot allocate memory)",
        "the guardian has no real-time class (Operation not permitted)",
    ]
    assert (armed["policy"], armed["locked"]) == (0, 0)


def test_the_agent_does_not_start_there_or_says_what_is_missing(keepers: Cluster) -> None:
    here = keepers.nodes[0]
    assert here.run(["ocfkit", "sfex", "init", "--force", DISK]).code == 0
    refused = agent_in(here, "start", "enforce")
    assert refused.code == 1
    reason = f"ocf-exit-reason:lock 1 of {DISK}: not held without a guardian: nothing on this node"
    assert refused.stderr.startswith(reason)
    assert "reboot(2) cannot be used (Operation not permitted)" in refused.stderr
    advised = agent_in(here, "start", "advise")
    assert advised.code == 0
    for missing in (
        "nothing on this node could end in time who loses the lock",
        "the keeper's memory is not locked (Cannot allocate memory)",
        "the keeper has no real-time class (Operation not permitted)",
        "the guardian's memory is not locked (Cannot allocate memory)",
        "the guardian has no real-time class (Operation not permitted)",
    ):
        assert f"WARNING: {missing}" in advised.stderr
    assert agent_in(here, "stop", "advise").code == 0


def test_all_nodes_have_the_same_disk(keepers: Cluster) -> None:
    here, other = keepers.nodes
    assert here.run(["ocfkit", "sfex", "init", "--force", "-n", "3", DISK]).code == 0
    seen = other.run(["ocfkit", "sfex", "stat", "-i", "3", "--json", DISK])
    assert json.loads(seen.stdout)["numlocks"] == 3


def test_a_node_that_keeps_a_lock_may_do_that_and_no_more(keepers: Cluster) -> None:
    for node in keepers.nodes:
        node.container.reload()
        how = node.container.attrs["HostConfig"]
        assert how["Privileged"] is False
        assert sorted(how["CapAdd"]) == [
            "IPC_LOCK",
            "NET_ADMIN",
            "SYS_BOOT",
            "SYS_NICE",
            "SYS_PTRACE",
        ]
        assert [each["PathInContainer"] for each in how["Devices"]] == [DISK]
        assert how["Devices"][0]["CgroupPermissions"] == "rw"
        assert how["Binds"] == [f"{keepers.shared}:{SHARED}:rw"]
        assert (how["PidMode"], how["IpcMode"]) == ("", "private")


def test_a_disk_that_is_not_there_is_an_error_and_leaves_nothing(engine: Engine) -> None:
    name = f"{NAME}-diskless"
    with pytest.raises(LabError, match="no block device"):
        Cluster(name, disk="/dev/not-there").up(1)
    assert budget.left(name) == []
    assert engine.client.containers.list(all=True, filters={"label": f"{LABEL}={name}"}) == []


def test_real_time_that_a_killed_run_has_left_goes_down_all_the_same(engine: Engine) -> None:
    name = f"{NAME}-left"
    budget.grant(engine.client, name, 1)
    Cluster(name).down()
    assert budget.left(name) == []


def test_more_real_time_than_there_is_is_refused(engine: Engine) -> None:
    name = f"{NAME}-greedy"
    try:
        granted = budget.grant(engine.client, name, 100)
    except budget.BudgetError as error:
        assert re.search(  # noqa: PT017 - a kernel that does not share it out has nothing to refuse
            r"100 nodes need 20000000 µs of real time in each second, and of the \d+ µs", str(error)
        )
    else:
        assert granted == {}
    assert budget.left(name) == []
