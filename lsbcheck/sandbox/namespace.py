"""The default backend: namespaces and a copy-on-write view of the host's own root.

No daemon and no image is needed, only root. One clean server process is started for the whole run
(`server`), it forks a PID 1 for every sandbox (`init`), and this module talks to both.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lsbcheck.sandbox import rootless
from lsbcheck.sandbox.front import Front
from lsbcheck.sandbox.grants import NOTHING, Grants
from lsbcheck.sandbox.interface import SandboxLost, SandboxUnavailable, Watch
from ocfkit.linux.namespaces import (
    MOUNT_ATTR_RDONLY,
    capabilities,
    mount_setattr,
    open_tree,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

_SHARE = 4  # a run may use one part in four of the memory that is available now
_MOST_DISK = 768 << 20
_PROCESSES = 512
_SET_UP = 20.0
_TEAR_DOWN = 10.0
_HELLO = 1 << 20
_NEEDED = {
    "SYS_ADMIN": "to make namespaces and mounts",
    "NET_ADMIN": "to bring the private loopback up",
    "SYS_PTRACE": "so that start-stop-daemon can see a daemon that changed its user; without it "
    "innocent scripts would be convicted",
}
_START = "import sys; sys.path.insert(0, {path!r}); from lsbcheck.sandbox import server; "


class NamespaceBackend:
    """Makes sandboxes on this machine, from any thread."""

    isolates = True
    left = ""

    def __init__(self, root: str = "/", grants: Grants = NOTHING) -> None:
        """Start the server; raises SandboxUnavailable with the cause and the cure.

        `root` is the root file system that the sandboxes show, `grants` what each has besides.
        """
        self.notes: list[str] = []
        self._user = os.geteuid() != 0
        _check_machine()
        if not self._user:
            _check_privileges()
        if grants:
            _check_grants(grants)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        package = str(Path(__file__).resolve().parents[2])
        with theirs, _own_program(self._user) as program:
            self._server = subprocess.Popen(
                [
                    sys.executable,
                    "-IS",
                    "-c",
                    _START.format(path=package) + f"server.main({theirs.fileno()})",
                ],
                executable=f"/proc/self/fd/{program}",
                env={},
                pass_fds=(theirs.fileno(), program),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        self._control = ours
        memory = _available_memory() // _SHARE
        disk = min(_MOST_DISK, memory // 4)  # it is memory too, and must be full before that is
        self._limits = (
            f"{_PROCESSES} processes, {memory >> 21} MiB of memory and {disk >> 20} MiB of disk "
            f"for one sandbox, {memory >> 20} MiB of memory for all"
        )
        self._ask_server(
            {
                "root": os.path.realpath(root),
                "disk": disk,
                "memory": memory,
                "processes": _PROCESSES,
                "user": self._user,
                "capabilities": grants.capabilities,
                "devices": [(each.path, each.inside) for each in grants.devices],
            }
        )

    def _ask_server(self, wanted: Mapping[str, object]) -> None:
        self._control.settimeout(_SET_UP)
        try:
            self._control.send(json.dumps(wanted).encode())
            if self._user:
                self._control.recv(_HELLO)
                whole = rootless.map_ids(self._server.pid)
                self._control.send(json.dumps(whole).encode())
            hello = json.loads(self._control.recv(_HELLO) or b"null")
        except (OSError, ValueError) as failure:
            hello = {"unavailable": str(failure)}
        if hello is None or "unavailable" in hello:
            self.close()
            raise self._no_server(hello["unavailable"] if hello else "it ended at once")
        self._control.settimeout(None)
        self.notes += hello["notes"]
        if hello["swept"]:
            self.notes.append(f"removed what a killed run had left: {', '.join(hello['swept'])}")

    def _no_server(self, reason: str) -> SandboxUnavailable:
        if self._user:
            return SandboxUnavailable(
                f"you are not root, and a user namespace could not be made: {reason}",
                "run it with sudo; or let users make namespaces (sysctl user.max_user_namespaces, "
                "kernel.apparmor_restrict_unprivileged_userns)",
            )
        return SandboxUnavailable(
            f"the sandbox server did not start: {reason}",
            "what it said itself stands above; please report it",
        )

    def create(self, watch: Iterable[Watch] = (), visible: Iterable[str] = ()) -> NamespaceSandbox:
        """A fresh machine; raises SandboxUnavailable."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        gone_read, gone_write = os.pipe2(os.O_CLOEXEC)
        request = json.dumps({"watch": sorted(watch), "visible": list(visible)}).encode()
        try:
            socket.send_fds(self._control, [request], [theirs.fileno(), gone_write])
        except OSError as failure:
            ours.close()
            os.close(gone_read)
            raise SandboxUnavailable("the sandbox server has died", "run it again") from failure
        finally:
            theirs.close()
            os.close(gone_write)
        sandbox = NamespaceSandbox(ours, gone_read, self._limits)
        try:
            self.notes += [each for each in sandbox.wait_ready() if each not in self.notes]
        except BaseException:
            sandbox.destroy()
            raise
        return sandbox

    def close(self) -> None:
        """Destroy every sandbox that is left, and the server."""
        self._control.close()  # the server ends all sandboxes, then itself
        try:
            self._server.wait(_TEAR_DOWN)
        except subprocess.TimeoutExpired:
            self._server.kill()  # the kernel kills every PID 1 with it
            self._server.wait()
        if self._server.returncode:
            from lsbcheck.sandbox import server

            server.sweep()

    def __enter__(self) -> Self:
        """Return the backend itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


class NamespaceSandbox(Front):
    """The front's end of one private machine; see `interface.Sandbox`."""

    def __init__(self, link: socket.socket, gone: int, limits: str) -> None:
        """`gone` is a pipe that ends when the server has cleaned up after this sandbox."""
        super().__init__(_SocketLink(link))
        self._gone = gone
        self._limits = limits
        self._open = True

    def wait_ready(self) -> list[str]:
        """Wait for PID 1's first word: its notes; raises SandboxUnavailable."""
        try:
            first = self._receive(_SET_UP)
        except SandboxLost as lost:
            raise SandboxUnavailable(
                f"the sandbox was not made: {lost}",
                "look for a mount that does not answer, or for a limit on processes",
            ) from None
        if "ready" not in first:
            raise SandboxUnavailable(
                f"the sandbox was not made: {first.get('unavailable')}",
                "a security profile may deny mounts (in docker: --security-opt "
                "apparmor=unconfined --security-opt seccomp=unconfined), or the root may be an "
                "overlay on an overlay, on which the kernel makes no third",
            )
        notes: list[str] = first["ready"]
        return notes

    def destroy(self) -> None:
        """End every process and undo every mount; returns when the server has cleaned up."""
        if not self._open:
            return
        self._open = False
        self._link.close()
        poll = select.poll()  # select(2) takes no descriptor from 1024 on
        poll.register(self._gone, select.POLLIN)
        if poll.poll(_TEAR_DOWN * 1000):
            met = json.loads(os.read(self._gone, 4096) or b"{}")
            self._met = self._limits_met(met, self._limits)
        os.close(self._gone)


class _SocketLink:
    """A socket as a `front.Link`."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link

    def send(self, message: bytes, seconds: float) -> None:
        self._link.settimeout(seconds)
        self._link.sendall(message)

    def receive(self, seconds: float) -> bytes:
        self._link.settimeout(seconds)
        return self._link.recv(1 << 16)

    def close(self) -> None:
        self._link.close()


@contextlib.contextmanager
def _own_program(user: bool) -> Generator[int, None, None]:  # noqa: FBT001 - the one thing that matters
    """Python's own file, to be executed by its descriptor and written to by nobody.

    PID 1 is a fork of the server, so /proc/1/exe leads a sandbox's root to this file: without a
    read-only mount of its own, `chmod 4755 /proc/1/exe` gave the host a set-uid interpreter.
    """
    if user:  # who may not mount may not change root's files either
        program = os.open(sys.executable, os.O_PATH)
    else:
        try:
            program = open_tree(os.path.realpath(sys.executable))
            mount_setattr(program, MOUNT_ATTR_RDONLY)
        except OSError as refusal:
            raise SandboxUnavailable(
                f"no read-only mount of {sys.executable} could be made: {refusal.strerror}",
                "it takes Linux 5.12 or newer and a container profile that lets root mount",
            ) from refusal
    try:
        yield program
    finally:
        os.close(program)


def _check_machine() -> None:
    if sys.platform != "linux" or os.uname().machine not in ("x86_64", "aarch64"):
        raise SandboxUnavailable(
            f"no sandbox is known for {sys.platform} on {os.uname().machine}",
            "run it on Linux on x86_64 or aarch64",
        )


def _check_privileges() -> None:
    missing = [name for name in _NEEDED if name not in capabilities()]
    if missing:
        why = "; ".join(f"{name} {_NEEDED[name]}" for name in missing)
        options = " ".join(f"--cap-add {name}" for name in missing)
        raise SandboxUnavailable(
            f"this container lacks {', '.join(missing)} ({why})",
            f"start the container with {options}",
        )


def _check_grants(grants: Grants) -> None:
    if os.geteuid() != 0:
        raise SandboxUnavailable("only root can grant a capability or a device", "run it with sudo")
    lacking = [name for name in grants.capabilities if name not in capabilities()]
    if lacking:
        raise SandboxUnavailable(
            f"{', '.join(lacking)} cannot be granted: this machine's own root does not have it",
            f"start the container with {' '.join(f'--cap-add {name}' for name in lacking)}",
        )
    for device in grants.devices:
        _check_device(device.path)


def _check_device(path: str) -> None:
    """Refuse what is no device, and a block device that something on this host is using."""
    other = "name another"
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISBLK(mode):  # open(2): O_EXCL fails with EBUSY for what is mounted or claimed
            os.close(os.open(path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as refusal:
        if refusal.errno != errno.EBUSY:
            raise SandboxUnavailable(f"{path}: {refusal.strerror}", other) from None
        raise SandboxUnavailable(
            f"{path} is in use on this host: mounted, or a part of something else", other
        ) from None
    if not stat.S_ISBLK(mode) and not stat.S_ISCHR(mode):
        raise SandboxUnavailable(f"{path} is no device", other)


def _available_memory() -> int:
    """Bytes: what the kernel thinks can be had, or less if a control group says so."""
    with open("/proc/meminfo", encoding="ascii") as lines:
        free = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError), open(name, encoding="ascii") as limit:
            free = min(free, int(limit.read()))
    return free
