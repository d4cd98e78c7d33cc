"""A program of ours that makes a socket which leads to an engine, for as long as we run."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lsbcheck.sandbox.interface import SandboxUnavailable
from ocfkit.linux import namespaces, process

if TYPE_CHECKING:
    from lsbcheck.sandbox.container.wish import Kind

_STARTS_WITHIN = 20.0
_PREFIX = "lsbcheck-passage-"
_SOCKETS = {"docker": "/var/run/docker.sock", "podman": "/run/podman/podman.sock"}


class Passage:
    """The program and its socket, in a folder that nobody else may enter."""

    def __init__(
        self, command: Callable[[str], Sequence[str]], refusal: SandboxUnavailable
    ) -> None:
        """Start it, and wait for the socket that `command` is given; raises SandboxUnavailable.

        `refusal` is what is raised then, with the program's last words behind its cause.
        """
        _sweep()
        self._refusal = refusal
        self._folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{_owner()}-")
        self._socket = f"{self._folder}/socket"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._process = subprocess.Popen(
            command(self._socket),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            cwd=self._folder,  # where podman's conmon leaves a file `oom`
            start_new_session=True,  # Ctrl-C is ours to understand
            preexec_fn=_end_with_our_parent,  # noqa: PLW1509 - no thread of ours runs yet
        )
        try:
            self._wait_ready()
        except BaseException:
            self.close()
            raise

    @property
    def where(self) -> str:
        """The socket's address."""
        return f"unix://{self._socket}"

    def _wait_ready(self) -> None:
        until = time.monotonic() + _STARTS_WITHIN
        while time.monotonic() < until and self._process.poll() is None:
            if os.path.exists(self._socket):
                return
            time.sleep(0.05)
        self._log.seek(0)
        said = self._log.read().decode(errors="replace").strip().splitlines()
        cause = f"{self._refusal.cause}: {said[-1] if said else 'it said nothing'}"
        raise SandboxUnavailable(cause, self._refusal.cure)

    def close(self) -> None:
        """End it; containers are none of its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def by_ssh(kind: Kind, url: str) -> Passage:
    """To an engine's socket on another machine (`ssh://USER@HOST:PORT/SOCKET`).

    One connection for all, made by the command ssh with all that its configuration says: the SDK's
    own makes one for each, which sshd refuses beyond ten at a time, and has no deadline on any.
    """
    place = urlsplit(url)
    socket = place.path.rstrip("/") or _SOCKETS[kind]
    host = place.hostname or ""
    options = ["BatchMode=yes", "ExitOnForwardFailure=yes", "ControlPath=none"]
    options += ["ConnectTimeout=15", "ServerAliveInterval=15"]

    def command(ours: str) -> list[str]:
        return [
            *("ssh", "-NT", "-L", f"{ours}:{socket}"),
            *(word for option in options for word in ("-o", option)),
            *(("-p", str(place.port)) if place.port else ()),
            *(("-l", place.username) if place.username else ()),
            *("--", host),
        ]

    if shutil.which("ssh") is None:
        raise SandboxUnavailable(f"{url} needs the command ssh", "apt-get install openssh-client")
    return Passage(
        command,
        SandboxUnavailable(
            f"ssh found no way to {host}",
            "it must come in without a password (a key, an agent), and be let forward a socket",
        ),
    )


def _end_with_our_parent() -> None:
    """Also after kill -9."""
    namespaces.prctl(namespaces.PR_SET_PDEATHSIG, signal.SIGTERM)


def _owner() -> str:
    """What names this process: a pid means nothing without its namespace, or its start."""
    me = process.stat(os.getpid())
    return f"{os.stat('/proc/self/ns/pid').st_ino}-{me.pid}-{me.start}"


def _sweep() -> None:
    """Remove folders of runs in this process namespace that were killed."""
    here = _owner().split("-")[0]
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}{here}-*"):
        with contextlib.suppress(ValueError):
            pid, start = (int(word) for word in folder.name.split("-")[3:5])
            if not _is(pid, start):
                shutil.rmtree(folder, ignore_errors=True)


def _is(pid: int, start: int) -> bool:
    try:
        return process.stat(pid).start == start
    except OSError:
        return False
