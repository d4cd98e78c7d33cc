"""A container whose process 1 is systemd, with the checkout's ocfkit in it, driven by the SDK.

The image is Debian 12 of debootstrap, built once for a recipe. The container gets SYS_ADMIN, no
seccomp filter and systemd's own hierarchy of control groups, and is never privileged.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
from docker.errors import ImageNotFound

from ocfkit.launchers import render
from ocfkit.linux import process
from ocfkit.records import identity_in, identity_text
from tests.cluster.image import building
from tests.cluster.lab import Node, Ran
from tests.services import roots

TOP = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
LABEL = "ocfkit.systemd-node"

_RECIPE = ["--variant=minbase", "--include=procps,python3,systemd", "bookworm"]
_PACKAGES = "/opt/ocfkit"
_CGROUPS = "/sys/fs/cgroup"
_OF_VERSION_1 = f"{_CGROUPS}/systemd"

_AGENT = render("/usr/bin/python3", [_PACKAGES], "ocfkit.agents.service:Service", name="service")


class SystemdNode(Node):
    """The container, from where a test stands."""

    def call(self, *argv: str) -> Ran:
        """Run a command in there to its end."""
        return self.run(argv)

    def agent(self, action: str, *, timeout: int = 20, interval: int = 10, **values: str) -> Ran:
        """Call the agent service as the cluster does."""
        env = {
            "OCF_ROOT": "/usr/lib/ocf",
            "OCF_RA_VERSION_MAJOR": "1",
            "OCF_RESOURCE_INSTANCE": "lab",
            "OCF_RESOURCE_TYPE": "service",
            "OCF_RESKEY_CRM_meta_timeout": str(timeout * 1000),
        }
        if action == "monitor":
            env["OCF_RESKEY_CRM_meta_interval"] = str(interval * 1000)
        given = {f"OCF_RESKEY_{name}": value for name, value in values.items()}
        return self.run([f"{_PACKAGES}/service", action], env={**env, **given})


@contextmanager
def systemd_node() -> Generator[SystemdNode]:
    """A node that is up; it is gone afterwards."""
    client: docker.DockerClient = docker.from_env()
    _sweep(client)
    tree = _OF_VERSION_1 if os.path.isdir(_OF_VERSION_1) else _CGROUPS
    container = client.containers.run(
        _image(client),
        detach=True,
        labels={LABEL: identity_text(process.identify(os.getpid()), 0)},
        network_mode="none",
        cap_add=["SYS_ADMIN"],
        security_opt=["seccomp=unconfined"],
        tmpfs={"/run": "", "/tmp": ""},  # noqa: S108 - in there
        volumes={tree: {"bind": tree, "mode": "rw"}},
        cgroupns="host",  # its own groups lie below the one that the engine has made for it
    )
    try:
        node = SystemdNode(container, "systemd")
        node.put_all(dict(_checkout()))
        node.put(f"{_PACKAGES}/service", _AGENT)
        _wait_until_up(node)
        yield node
    finally:
        container.remove(force=True, v=True)
        client.close()


def _sweep(client: docker.DockerClient) -> None:
    """Remove what a run has left that is not there any more."""
    for left in client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True):
        owner, _ = identity_in(left.labels[LABEL])
        if owner is None or owner.stat() is None:
            left.remove(force=True, v=True)


def _wait_until_up(node: SystemdNode) -> None:
    until = time.monotonic() + PATIENCE
    seen = ""
    while time.monotonic() < until:
        node.container.reload()
        assert node.container.status == "running", node.container.logs()
        seen = node.run(["systemctl", "is-system-running"], timeout=10).stdout.strip()
        if seen in ("running", "degraded"):
            return
        time.sleep(0.1)
    raise TimeoutError(f"systemd is {seen}: {node.container.logs()!r}")


def _image(client: docker.DockerClient) -> str:
    """Its name; built where it is missing."""
    digest = hashlib.sha256(" ".join(_RECIPE).encode()).hexdigest()[:12]
    name = f"ocfkit-systemd-node:{digest}"
    with building():
        try:
            client.images.get(name)
        except ImageNotFound:
            _build(client, name)
    return name


def _build(client: docker.DockerClient, name: str) -> None:
    repository, tag = name.split(":")
    place = roots.folder() / "systemd-node"
    shutil.rmtree(place, ignore_errors=True)  # of a run that was killed
    try:
        options, suite = _RECIPE[:-1], _RECIPE[-1]
        build = ["unshare", "--mount", "debootstrap", *options, suite, str(place / "root")]
        done = subprocess.run(build, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        packed = str(place / "root.tar")
        subprocess.run(["tar", "-C", place / "root", "-cf", packed, "."], check=True)
        changes = ['CMD ["/lib/systemd/systemd"]', f"LABEL {LABEL}=image"]
        untyped: Any = client
        untyped.api.import_image_from_file(packed, repository=repository, tag=tag, changes=changes)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _checkout() -> Iterator[tuple[str, bytes]]:
    """The packages of the checkout, as they are now: path in the node, and content."""
    for package, folder in {"ocfkit": "ocfkit", "ocfkit/agents": "agents"}.items():
        for path in sorted((TOP / folder).rglob("*.py")):
            yield f"{_PACKAGES}/{package}/{path.relative_to(TOP / folder)}", path.read_bytes()
