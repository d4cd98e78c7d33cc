"""Whose a container or image of ours is, and what a killed run has left behind.

Every one carries a label that names the process it was made by. Only what names a process of this
very machine that is gone is removed; many may share an engine, and their runs are theirs.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

from lsbcheck.sandbox.container.engine import Client
from ocfkit.linux import process

LABEL = "lsbcheck.owner"
RUN = "lsbcheck.run"
"""The label that tells one run of a process from its others."""
_REMOVAL = 15.0
_LOOK = 0.02
_MACHINE_ID = "/etc/machine-id"
_FIRST = "4026531836"  # PROC_PID_INIT_INO, <linux/proc_ns.h>: of the machine, and no container

Json = Any  # the SDK's answers are JSON as it came


def mark() -> str:
    """The label's value for this process: machine, boot, process namespace, pid, start time."""
    me = process.stat(os.getpid())
    return " ".join((_machine(), process.boot(), _namespace(), str(me.pid), str(me.start)))


def sweep(client: Client) -> list[str]:
    """Remove what runs of this machine have left that were killed; names what it was.

    Raises docker.errors.DockerException when the engine does not even list them.
    """
    containers: list[Json] = client.containers(all=True, filters={"label": LABEL})
    swept = [
        f"container {one['Id'][:12]}"
        for one in containers
        if is_left_behind(one["Labels"][LABEL]) and remove_container(client, one["Id"])
    ]
    images: list[Json] = client.images(filters={"label": LABEL})
    return swept + [
        f"image {one['Id'].removeprefix('sha256:')[:12]}"
        for one in images
        if is_left_behind(one["Labels"][LABEL]) and remove_image(client, one["Id"])
    ]


def remove_run(client: Client, run: str) -> None:
    """Remove what one run has made, also such as it has heard no answer about: it was interrupted.

    Raises docker.errors.DockerException when the engine does not even list them.
    """
    ours = {"label": f"{RUN}={run}"}
    containers: list[Json] = client.containers(all=True, filters=ours)
    for one in containers:
        remove_container(client, one["Id"])
    images: list[Json] = client.images(filters=ours)
    for one in images:
        remove_image(client, one["Id"])


def is_left_behind(owner: str) -> bool:
    """Whether the process that a label names was of this machine, and is no more."""
    try:
        machine, boot, namespace, pid, start = owner.split(" ")
        number, ticks = int(pid), int(start)
    except ValueError:
        return False  # not one of ours
    if boot != process.boot():
        # what one container image is the root of shares a machine id, and an engine, and no boot
        return bool(machine) and machine == _machine() and namespace == _namespace() == _FIRST
    if namespace != _namespace():
        return False  # in a container of its own: nobody out here can see whether it lives
    try:
        return process.stat(number).start != ticks
    except OSError:
        return True


def remove_container(client: Client, name: str) -> bool:
    """End it and have it removed, by us or by the engine; whether it was there and is gone."""
    from docker.errors import APIError, NotFound

    until = time.monotonic() + _REMOVAL
    there = False
    while time.monotonic() < until:
        try:
            client.remove_container(name, v=True, force=True)
        except NotFound:
            return there
        except APIError:  # it is going: an engine removes by itself what has ended
            time.sleep(_LOOK)
        there = True
    return False


def remove_image(client: Client, name: str) -> bool:
    """Remove an image of ours; whether that was done."""
    from docker.errors import APIError

    with contextlib.suppress(APIError):
        client.remove_image(name, force=True)
        return True
    return False


def _machine() -> str:
    try:
        with open(_MACHINE_ID, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _namespace() -> str:
    return str(os.stat("/proc/self/ns/pid").st_ino)
