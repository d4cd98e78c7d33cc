"""The container engine: the one that answers, else Debian's, started for as long as it is needed.

`DOCKER_HOST` says where an engine answers, as everywhere; unset, it is /var/run/docker.sock. Where
none answers, dockerd is started in a session of its own, with its log and its pid file in the cache
folder. Whoever is the last to let go of it stops it, but never one that somebody else started.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import docker
from docker.errors import DockerException

from tests.cluster.background import Background
from tests.cluster.fence_proxy import LABEL
from tests.services import roots

SOCKET = "/var/run/docker.sock"
STARTS_WITHIN = 60.0
ANSWERS_WITHIN = 60.0
"""Seconds; the kill of a container takes as long as the disk that its processes wait for."""


class EngineError(Exception):
    """There is no engine to work with; the text says why, and what to do."""


def folder() -> Path:
    """Where our own engine has its log and its pid file."""
    return roots.folder().parent / "engine"


@dataclass(frozen=True, slots=True)
class End:
    """Of a container."""

    name: str
    code: int
    second: float
    """As time.time() has it."""


class Engine:
    """A share in the engine; `client` speaks to it."""

    def __init__(self, client: docker.DockerClient, share: IO[str]) -> None:
        self.client = client
        self._share = share

    def close(self) -> None:
        """Let go of it; our own one ends with its last user and its last container."""
        ours = self.client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True)
        idle = not ours and not self.client.containers.list(ignore_removed=True)
        self.client.close()
        if not self._share.closed:
            with self._share as share:
                if idle and _is_ours() and _take(share, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    _background().stop()

    def ends(self, since: float) -> list[End]:
        """The containers of all clusters that have ended since that second."""
        untyped: Any = self.client
        events: Iterable[dict[str, Any]] = untyped.events(
            since=since, until=time.time(), filters={"event": "die", "label": LABEL}, decode=True
        )
        found: list[End] = []
        for each in events:
            about: dict[str, str] = each["Actor"]["Attributes"]
            found.append(End(about["name"], int(about["exitCode"]), each["timeNano"] / 1e9))
        return found


def connect() -> Engine:
    """Take a share in the engine that answers, starting one if none does."""
    share = _open_share()
    try:
        _take(share, fcntl.LOCK_SH)
        with _starting():
            client = _answering()
            if client is None:
                client = _start()
        return Engine(client, share)
    except BaseException:
        share.close()
        raise


def find() -> Engine | None:
    """Take a share in the engine that answers; None if none does."""
    share = _open_share()
    _take(share, fcntl.LOCK_SH)
    client = _answering()
    if client is None:
        share.close()
        return None
    return Engine(client, share)


def _open_share() -> IO[str]:
    folder().mkdir(parents=True, exist_ok=True)
    return (folder() / "users").open("a")


def _take(share: IO[str], how: int) -> bool:
    try:
        fcntl.flock(share, how)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _starting() -> Generator[None]:
    """One at a time may find that there is none."""
    with (folder() / "start").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _answering() -> docker.DockerClient | None:
    if not _listens():
        return None
    client = None
    try:
        client = docker.from_env(timeout=int(ANSWERS_WITHIN))
        client.ping()
    except DockerException:
        if client is not None:
            client.close()
        return None
    return client


def _listens() -> bool:
    """Whether somebody is at the unix socket; the SDK leaves its own one open where nobody is."""
    host = os.environ.get("DOCKER_HOST", f"unix://{SOCKET}")
    if not host.startswith("unix://"):
        return True
    with socket.socket(socket.AF_UNIX) as trying:
        trying.settimeout(ANSWERS_WITHIN)
        return not trying.connect_ex(host.removeprefix("unix://"))


def _background() -> Background:
    return Background(folder() / "dockerd.pid", folder() / "dockerd.log")


def _is_ours() -> bool:
    return _background().runs()


def _start() -> docker.DockerClient:
    host = os.environ.get("DOCKER_HOST")
    if host:
        raise EngineError(f"no container engine answers at DOCKER_HOST={host}")
    if os.geteuid() != 0:
        raise EngineError("no container engine answers, and only root can start one")
    background = _background()
    try:
        background.start(["dockerd"])
    except FileNotFoundError:
        raise EngineError("dockerd is missing: apt-get install docker.io") from None
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until and background.runs():
        client = _answering()
        if client is not None:
            return client
        time.sleep(0.2)
    why = "did not answer" if background.runs() else "ended"
    background.stop()
    tail = background.log.read_text("utf-8", "replace").splitlines()[-8:]
    raise EngineError("\n".join([f"dockerd {why}; the end of {background.log}:", *tail]))
