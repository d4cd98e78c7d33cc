"""The engines that the tests use: docker's, shared with the cluster's tests, and podman's."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lsbcheck.sandbox.container.backend import ContainerBackend
from lsbcheck.sandbox.container.engine import connect
from lsbcheck.sandbox.container.leftovers import LABEL
from lsbcheck.sandbox.container.wish import Kind, Wish
from tests.cluster import engine as cluster_engine
from tests.containers import images

RUNTIME = {"docker": None, "podman": "runc"}
"""crun, which podman takes first, refuses a machine with both versions of control groups."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answers, and how lsbcheck is told of it."""

    kind: Kind
    client: images.Client
    environ: Mapping[str, str]

    @property
    def options(self) -> list[str]:
        """For the command line of lsbcheck, but for the image."""
        runtime = RUNTIME[self.kind]
        return ["--sandbox", self.kind, *(["--runtime", runtime] if runtime else [])]

    def wish(self, image: str) -> Wish:
        return Wish(engine=self.kind, image=image, runtime=RUNTIME[self.kind])

    def backend(self, image: str) -> ContainerBackend:
        return ContainerBackend(self.wish(image), self.environ)

    def containers(self, owner: int) -> list[str]:
        """Those that this process has made, also such as have ended."""
        ours = {"label": LABEL}
        return _of(owner, self.client.containers(all=True, filters=ours))

    def left(self, owner: int) -> list[str]:
        """Containers and images that this process has made."""
        return self.containers(owner) + _of(owner, self.client.images(filters={"label": LABEL}))


def _of(owner: int, found: list[dict[str, Any]]) -> list[str]:
    """The label ends with pid and start time."""
    return [each["Id"] for each in found if each["Labels"][LABEL].split()[-2] == str(owner)]


@contextmanager
def docker() -> Generator[Engine]:
    """The engine that answers, else Debian's, started for as long as it is needed."""
    shared = cluster_engine.connect()
    try:
        yield Engine("docker", shared.client.api, os.environ)
    finally:
        shared.close()


@contextmanager
def podman() -> Generator[Engine]:
    """A podman service of our own."""
    engine = connect("podman", {}, RUNTIME["podman"])
    try:
        yield Engine("podman", engine.client, {"CONTAINER_HOST": engine.where})
    finally:
        engine.close()
