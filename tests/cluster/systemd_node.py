"""A container whose process 1 is systemd, with the checkout's ocfkit in it, driven by the SDK.

The image is Debian 12 of debootstrap, built once for a recipe. The container gets SYS_ADMIN, no
seccomp filter and systemd's own hierarchy of control groups, and is never privileged.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.errors import ImageNotFound
from docker.models.containers import Container

from ocfkit.launchers import render

TOP = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
LABEL = "ocfkit.systemd-node"

_RECIPE = ["--variant=minbase", "--include=procps,python3,systemd", "bookworm"]
_PACKAGES = "/opt/ocfkit"
_CGROUPS = "/sys/fs/cgroup"
_OF_VERSION_1 = f"{_CGROUPS}/systemd"

_AGENT = render("/usr/bin/python3", [_PACKAGES], "ocfkit.agents.service:Service", name="service")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command in there did."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class SystemdNode:
    """The container, from where a test stands."""

    container: Container

    def run(self, *argv: str, env: Mapping[str, str] | None = None) -> Ran:
        """Run a command in there to its end."""
        done: Any = self.container.exec_run([*argv], environment=dict(env or {}), demux=True)
        out, err = done.output
        return Ran(done.exit_code, _text(out), _text(err))

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
        return self.run(f"{_PACKAGES}/service", action, env={**env, **given})

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file, not below a tmpfs."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(text.encode()), mode
            tar.addfile(entry, io.BytesIO(text.encode()))
        _unpack(self.container, archive)


def _unpack(container: Container, archive: io.BytesIO) -> None:
    untyped: Any = container
    assert untyped.put_archive("/", archive.getvalue())


def _text(said: bytes | None) -> str:
    return (said or b"").decode(errors="replace")


@contextmanager
def systemd_node() -> Generator[SystemdNode]:
    """A node that is up; it is gone afterwards."""
    client: docker.DockerClient = docker.from_env()
    tree = _OF_VERSION_1 if os.path.isdir(_OF_VERSION_1) else _CGROUPS
    container = client.containers.run(
        _image(client),
        detach=True,
        labels={LABEL: str(os.getpid())},
        network_mode="none",
        cap_add=["SYS_ADMIN"],
        security_opt=["seccomp=unconfined"],
        tmpfs={"/run": "", "/tmp": ""},  # noqa: S108 - in there
        volumes={tree: {"bind": tree, "mode": "rw"}},
        cgroupns="host",  # its own groups lie below the one that the engine has made for it
    )
    try:
        node = SystemdNode(container)
        _unpack(container, _checkout())
        node.put(f"{_PACKAGES}/service", _AGENT, 0o755)
        _wait_until_up(node)
        yield node
    finally:
        container.remove(force=True, v=True)
        client.close()


def _wait_until_up(node: SystemdNode) -> None:
    until = time.monotonic() + PATIENCE
    seen = ""
    while time.monotonic() < until:
        node.container.reload()
        assert node.container.status == "running", node.container.logs()
        seen = node.run("systemctl", "is-system-running").stdout.strip()
        if seen in ("running", "degraded"):
            return
        time.sleep(0.1)
    raise TimeoutError(f"systemd is {seen}: {node.container.logs()!r}")


def _image(client: docker.DockerClient) -> str:
    """Its name; built where it is missing."""
    digest = hashlib.sha256(" ".join(_RECIPE).encode()).hexdigest()[:12]
    name = f"ocfkit-systemd-node:{digest}"
    try:
        client.images.get(name)
    except ImageNotFound:
        _build(client, name)
    return name


def _build(client: docker.DockerClient, name: str) -> None:
    repository, tag = name.split(":")
    with tempfile.TemporaryDirectory(prefix="ocfkit-node-") as folder:
        root = f"{folder}/root"
        options, suite = _RECIPE[:-1], _RECIPE[-1]
        build = ["unshare", "--mount", "debootstrap", *options, suite, root]
        done = subprocess.run(build, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        packed = f"{folder}/root.tar"
        subprocess.run(["tar", "-C", root, "-cf", packed, "."], check=True)
        changes = ['CMD ["/lib/systemd/systemd"]', f"LABEL {LABEL}=image"]
        untyped: Any = client
        untyped.api.import_image_from_file(packed, repository=repository, tag=tag, changes=changes)


def _checkout() -> io.BytesIO:
    """The packages of the checkout, as they are now."""
    archive = io.BytesIO()

    def without_compiled(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        entry.uid = entry.gid = 0
        return None if "__pycache__" in entry.name else entry

    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in ("agents", "lsbcheck", "ocfkit"):
            tar.add(TOP / name, f"{_PACKAGES.lstrip('/')}/{name}", filter=without_compiled)
    return archive
