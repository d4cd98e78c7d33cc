"""A control group in which the containers of a cluster may have processes of the real-time class.

A kernel that shares real time out by groups (CONFIG_RT_GROUP_SCHED, with control groups of version
1) gives none to a new group, and there SCHED_RR is refused (EPERM), whatever capabilities one has.
A container gets some as its own cpu.rt_runtime_us only from groups above it that all have as much;
docker's has none, and how the engine was started is not ours to say. So the containers get a
parent of ours. Elsewhere, as with Debian's own kernels or with version 2, nothing has to be done.
"""

from __future__ import annotations

from collections.abc import Iterator
from errno import EINVAL
from pathlib import Path

import docker

from ocfkit.linux import cgroups

EACH = 200_000
"""Microseconds of a second, on each processor: corosync takes real time too, if it is offered."""

_PREFIX = "ocfkit-cluster-"
_FILE = "cpu.rt_runtime_us"


class BudgetError(Exception):
    """The machine does not give away that much real time; the text says how much it has."""


def grant(client: docker.DockerClient, name: str, containers: int) -> dict[str, str | int]:
    """Make the group for a cluster; return what `create_host_config` has to be told of it."""
    top = next((each for each in _hierarchies() if (each / _FILE).exists()), None)
    if top is None:
        return {}
    driver = client.info()["CgroupDriver"]
    if driver != "cgroupfs":
        raise BudgetError(f"the engine leaves control groups to {driver}, and none is ours to make")
    group = top / f"{_PREFIX}{name}"
    group.mkdir(exist_ok=True)
    try:
        (group / _FILE).write_text(str(EACH * containers))
    except OSError as error:
        group.rmdir()
        if error.errno != EINVAL:
            raise
        has = (top / _FILE).read_text().strip()
        raise BudgetError(
            f"{containers} nodes need {EACH * containers} µs of real time in each second, and of "
            f"the {has} µs that {top} has, other groups have taken too much"
        ) from error
    return {"cgroup_parent": f"/{group.name}", "cpu_rt_runtime": EACH}


def left(name: str) -> list[Path]:
    """The groups of that cluster: the engine has made one in every other hierarchy too."""
    return [place for each in _hierarchies() if (place := each / f"{_PREFIX}{name}").is_dir()]


def remove(name: str) -> None:
    """Remove them, whoever made them; the containers have to be gone."""
    for place in left(name):
        cgroups.remove(str(place))


def _hierarchies() -> Iterator[Path]:
    """Where they are mounted."""
    for line in Path("/proc/mounts").read_text("utf-8", "surrogateescape").splitlines():
        _, point, kind, *_ = line.split()
        if kind in ("cgroup", "cgroup2"):
            yield Path(point)
