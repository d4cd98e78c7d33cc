"""A docker engine of the test's own, to be killed: in its own mounts, network and processes.

In the host's network it would take the bridge of the first one down. It has its own data, socket
and parent of control groups; when its namespace ends, the kernel ends all that it has started.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Self

import docker

from tests.containers import images
from tests.services import roots

PATIENCE = 60.0
_PARENT = "ocfkit-own-engine"
# PID 1: it ignores SIGCHLD, so that the kernel reaps what it inherits
_FIRST = """
mount -t tmpfs tmpfs /run
exec "$0" -IS -c 'import signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
while True: signal.pause()'
"""


class OwnEngine:
    """The engine; started, killed and started again as the test likes."""

    def __init__(self, folder: Path, storage: str | None) -> None:
        """`folder` is empty, on a disk that overlays can lie on, and its name is short."""
        self._folder = folder
        self._storage = storage
        self.where = f"unix://{folder}/socket"
        self._log = (folder / "log").open("wb")
        self._first = subprocess.Popen(
            ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
             "sh", "-ec", _FIRST, sys.executable],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )  # fmt: skip
        assert self._first.stdout is not None
        assert self._first.stdout.readline() == b"ready\n", self.log()
        self._daemon: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = {
            "data-root": self._folder / "data",
            "exec-root": self._folder / "exec",
            "pidfile": self._folder / "pid",
            "host": self.where,
            **({"storage-driver": self._storage} if self._storage else {}),
            "bridge": "none",
            "iptables": "false",
            "ip6tables": "false",
            "cgroup-parent": f"/{_PARENT}",
        }
        (self._folder / "pid").unlink(missing_ok=True)
        (inside,) = _children(self._first.pid)
        self._daemon = subprocess.Popen(
            ["nsenter", "--target", str(inside), "--mount", "--net", "--pid", "dockerd",
             *(f"--{name}={value}" for name, value in options.items())],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )  # fmt: skip
        until = time.monotonic() + PATIENCE
        while not self._listens():
            assert time.monotonic() < until, self.log()
            assert self._daemon.poll() is None, self.log()
            time.sleep(0.05)
        with self.client() as client:
            client.ping()

    def _listens(self) -> bool:
        """Whether somebody is at the socket; the SDK leaves its own one open where nobody is."""
        with socket.socket(socket.AF_UNIX) as trying:
            return not trying.connect_ex(self.where.removeprefix("unix://"))

    @contextlib.contextmanager
    def client(self) -> Generator[images.Client]:
        """A connection to it."""
        made = docker.APIClient(base_url=self.where, version="1.41", timeout=60)
        try:
            yield made
        finally:
            made.close()

    def kill(self) -> None:
        """SIGKILL to the engine itself; its helpers and containers go on for a while."""
        assert self._daemon is not None
        with contextlib.suppress(ProcessLookupError, ValueError):
            (inside,) = _children(self._daemon.pid)
            os.kill(inside, signal.SIGKILL)
        self._daemon.wait(PATIENCE)

    def stop(self) -> None:
        """SIGSTOP: it answers nobody."""
        self._send(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT, to nsenter as well, which stops itself when its child is stopped."""
        self._send(signal.SIGCONT)
        assert self._daemon is not None
        self._daemon.send_signal(signal.SIGCONT)

    def _send(self, number: int) -> None:
        assert self._daemon is not None
        (inside,) = _children(self._daemon.pid)
        os.kill(inside, number)

    def log(self) -> str:
        """The end of what it said."""
        return "\n".join((self._folder / "log").read_text("utf-8", "replace").splitlines()[-15:])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._first.kill()
        self._first.wait()
        if self._daemon is not None:
            self._daemon.wait(PATIENCE)
        assert self._first.stdout is not None
        self._first.stdout.close()
        self._log.close()


@contextlib.contextmanager
def engine(storage: str | None = None) -> Generator[OwnEngine]:
    """One in a folder of the project's cache; nothing of it is left afterwards.

    `storage` names docker's driver for images; it chooses itself otherwise.
    """
    place = roots.folder().parent / "own-engine"
    place.mkdir(parents=True, exist_ok=True)
    for old in place.iterdir():
        if not _is_held(old):  # of a test run that was killed
            _remove(old)
    folder = Path(tempfile.mkdtemp(dir=place))
    held = os.open(folder, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        with OwnEngine(folder, storage) as made:
            yield made
    finally:
        os.close(held)
        _remove(folder)
        _remove_groups()


def _is_held(folder: Path) -> bool:
    """Whether another test run still has its engine there."""
    seen = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(seen, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(seen)
    return False


def _children(pid: int) -> list[int]:
    words = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return [int(word) for word in words]


def _remove(folder: Path) -> None:
    """With its processes dead, its mounts have gone with their namespace."""
    until = time.monotonic() + PATIENCE
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
        assert time.monotonic() < until, f"{folder} cannot be removed"


def _remove_groups() -> None:
    for parent in Path("/sys/fs/cgroup").glob(f"**/{_PARENT}"):
        for folder, _names, _files in os.walk(parent, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
