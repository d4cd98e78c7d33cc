"""The image of a node: a Debian root with everything in it but ocfkit."""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO, Any

import docker
from docker.errors import APIError, ImageNotFound

from tests.cluster.engine import EngineError
from tests.services import roots

ROOT = "cluster"
REPOSITORY = "ocfkit-cluster-node"
LABEL = "ocfkit.cluster.image"
_BLOCK = 1 << 20


def node_image(client: docker.DockerClient) -> str:
    """Its name; built now if the engine has none of today's recipe."""
    root = roots.root(ROOT)
    digest = (root / roots.MARK).read_text()
    name = f"{REPOSITORY}:{digest[:12]}"
    with building():
        try:
            client.images.get(name)
        except ImageNotFound:
            _import(client, root, name)
            _remove_others(client, name)
    return name


@contextlib.contextmanager
def building() -> Generator[None]:
    """Be the only one who makes images."""
    with (roots.folder() / ".cluster-image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _import(client: docker.DockerClient, root: Path, name: str) -> None:
    repository, tag = name.split(":")
    untyped: Any = client.api
    changes = [f"LABEL {LABEL}={tag}", 'CMD ["/usr/local/sbin/node-boot"]']
    pack = ["tar", "-C", str(root), f"--exclude=./{roots.MARK}", "-c", "."]
    with subprocess.Popen(pack, stdout=subprocess.PIPE) as tar:
        assert tar.stdout is not None
        said = untyped.import_image_from_stream(
            _blocks(tar.stdout), repository=repository, tag=tag, changes=changes
        )
    if tar.returncode or "error" in said:
        with contextlib.suppress(APIError):
            client.images.remove(name)
        raise EngineError(f"docker import {name}: tar {tar.returncode}, engine {said}")


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    while block := stream.read(_BLOCK):
        yield block


def _remove_others(client: docker.DockerClient, name: str) -> None:
    """Those of older recipes, unless a container still uses them."""
    for image in client.images.list(filters={"label": LABEL}):
        if name not in image.tags:
            with contextlib.suppress(APIError):
                client.images.remove(str(image.id))
