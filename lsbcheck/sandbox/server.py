"""The clean process that every sandbox is forked from.

It is started once by the front with an empty environment and one socket, and stays small: what it
has loaded, each sandbox's PID 1 shares. It outlives the front just long enough to clean up, so a
killed front leaves nothing behind; when it is killed itself, the kernel ends every PID 1 with it.
"""

from __future__ import annotations

import codecs
import contextlib
import gc
import json
import os
import select
import signal
import socket
from typing import TYPE_CHECKING

from lsbcheck.sandbox import init, mounts, rootless
from ocfkit.linux import cgroups, process
from ocfkit.linux.namespaces import CLONE_NEWPID, PR_SET_NAME, fork_into, prctl

if TYPE_CHECKING:
    from typing import Any

GROUP_PREFIX = "lsbcheck-"
"""Names our control groups: prefix, then pid namespace, pid and start time of their server."""
MESSAGE = 65536
_CPU_WEIGHT = 25  # a quarter of what any other group gets


def main(descriptor: int) -> None:
    """Serve the front at the other end of this socket until it is closed."""
    prctl(PR_SET_NAME, b"lsbcheck")  # as which we and every PID 1 stand in a list of processes
    _forget_the_caller()
    os.closerange(3, descriptor)
    os.closerange(descriptor + 1, descriptor + 64)  # our own program file
    control = socket.socket(fileno=descriptor)
    wanted = json.loads(control.recv(MESSAGE))
    if wanted["user"]:
        try:
            rootless.enter_user_namespace()
        except OSError as refusal:
            control.send(json.dumps({"unavailable": refusal.strerror}).encode())
            return
        control.send(b"map us")
        wanted["one_id"] = not json.loads(control.recv(MESSAGE))
    codecs.lookup("ascii")  # now: the root of a sandbox may have no Python to load it from
    server = Server(control, wanted)
    gc.collect()
    gc.freeze()  # so that no collection in a child touches, and copies, what it shares
    gc.disable()
    server.hello()
    try:
        server.serve()
    finally:
        server.close()


def _forget_the_caller() -> None:
    """Signals that are ignored or blocked there, and real-time scheduling, are not for daemons."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    kept = {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}
    for number in signal.valid_signals() - kept:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the front's to understand
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _wake(_number: int, _frame: object) -> None:
    """Let a signal interrupt the wait; the byte in the pipe says the rest."""


class Living:
    """A sandbox as it is seen from here."""

    __slots__ = ("gone", "group", "link")

    def __init__(self, link: int, gone: int, group: cgroups.Tree) -> None:
        """Take over both descriptors.

        `link` is PID 1's end of its socket, kept to hear that the front has closed the other one;
        `gone` is a pipe that tells the front of the sandbox's end.
        """
        self.link = link
        self.gone = gone
        self.group = group


class Server:
    """Forks one PID 1 for each request, and cleans up after each that ends."""

    def __init__(self, control: socket.socket, wanted: dict[str, Any]) -> None:
        """Make ready for what is `wanted`.

        Its keys: root, disk (bytes a sandbox), memory (bytes in all), processes (a sandbox), user
        (we are not root on the host), one_id (and have no other id in our namespace), capabilities
        and devices (pairs of paths, here and inside) beyond the usual ones.
        """
        self.control = control
        self.swept = sweep()
        self.plan = mounts.plan(str(wanted["root"]), int(str(wanted["disk"])))
        self.plan.user = bool(wanted["user"])
        self.plan.one_id = bool(wanted.get("one_id"))
        self.plan.capabilities = frozenset(wanted["capabilities"])
        self.plan.devices = [(path, inside) for path, inside in wanted["devices"]]
        self.processes = int(str(wanted["processes"]))
        self.memory = int(str(wanted["memory"]))
        me = process.stat(os.getpid())
        name = f"{GROUP_PREFIX}{_pid_namespace()}-{me.pid}-{me.start}"
        self.tree = cgroups.Tree(cgroups.hierarchies(), name)
        self.tree.hold()
        self.tree.share()
        self.tree.limit(memory=self.memory, cpu_weight=_CPU_WEIGHT)
        self.made = 0
        self.living: dict[int, Living] = {}
        """By the pid that PID 1 has here."""
        self.poll = select.poll()

    def hello(self) -> None:
        """Tell the front what could not be limited and what an earlier run left behind."""
        missing = sorted(set(cgroups.CONTROLLERS) - self.tree.controllers)
        notes = self.plan.notes + ([] if self.plan.user else self.tree.notes)
        if missing:
            notes.append(
                f"not limited: {', '.join(missing)} (no such control group can be made here)"
            )
        self.control.send(json.dumps({"notes": notes, "swept": self.swept}).encode())

    def serve(self) -> None:
        """Wait for requests and for the end of sandboxes."""
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _wake)
        self.poll.register(self.control, select.POLLIN)
        self.poll.register(wake_read, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _event in self.poll.poll()}
            self.end(ready)  # first, while each number still means the same descriptor
            if wake_read in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake_read, 4096)
                self.reap()
            if self.control.fileno() in ready and not self.accept():
                return

    def end(self, links: set[int]) -> None:
        """Kill the sandboxes that the front has let go of, whatever their PID 1 may be doing."""
        for pid, one in self.living.items():
            if one.link in links:
                self.poll.unregister(one.link)
                os.kill(pid, signal.SIGKILL)

    def accept(self) -> bool:
        """Take one request with its two descriptors; False when the front has gone."""
        message, descriptors, _flags, _address = socket.recv_fds(self.control, MESSAGE, 2)
        if not message:
            return False
        control, gone = descriptors
        try:
            self.create(json.loads(message), control, gone)
        except OSError as refusal:
            why = f"{refusal.strerror} ({refusal.filename or 'fork'})"
            with contextlib.suppress(OSError):
                os.write(control, json.dumps({"unavailable": why}).encode() + b"\n")
            os.close(control)
            os.close(gone)
        return True

    def create(self, request: dict[str, list[str]], control: int, gone: int) -> None:
        """Fork a PID 1 into a pid namespace of its own."""
        self.made += 1
        places = [
            cgroups.Hierarchy(place.folder, place.controllers, unified=place.unified)
            for place in self.tree.folders
        ]
        group = cgroups.Tree(places, str(self.made))
        group.limit(processes=self.processes, memory=self.memory // 2)
        try:
            pid = fork_into(CLONE_NEWPID)
        except OSError:
            group.remove()
            raise
        if pid == 0:
            init.main(control, self.plan, group, request)
        self.living[pid] = Living(control, gone, group)
        self.poll.register(control, 0)  # only to hear that it was closed

    def reap(self) -> None:
        """Clean up after every sandbox that has ended."""
        while self.living:
            pid, _status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self.bury(self.living.pop(pid))

    def bury(self, one: Living) -> None:
        """Clean up after one sandbox; tell the front which of its limits it has met."""
        with contextlib.suppress(KeyError):
            self.poll.unregister(one.link)
        os.close(one.link)
        met = {"oom_kills": one.group.oom_kills(), "refused_forks": one.group.refused_forks()}
        with contextlib.suppress(OSError):
            one.group.remove()
        with contextlib.suppress(OSError):  # nobody reads it any more
            os.write(one.gone, json.dumps(met).encode())
        os.close(one.gone)

    def close(self) -> None:
        """End all sandboxes, wait for them, remove the groups."""
        for pid in self.living:
            os.kill(pid, signal.SIGKILL)
        while self.living:
            pid, _status = os.waitpid(-1, 0)
            self.bury(self.living.pop(pid))
        with contextlib.suppress(OSError):
            self.tree.remove()


def sweep() -> list[str]:
    """Remove the groups of servers that were killed, with what may still run in them."""
    swept: list[str] = []
    for place in cgroups.hierarchies():
        for entry in os.scandir(place.folder):
            if not entry.name.startswith(GROUP_PREFIX) or _lives(entry.name):
                continue
            if not cgroups.is_held(entry.path):
                with contextlib.suppress(OSError):
                    cgroups.kill(entry.path)
                    cgroups.remove(entry.path)
                    swept.append(entry.path)
    return swept


def _lives(group: str) -> bool:
    """Whether the server that a group is named after is there: it makes the group, then locks it.

    One in another process namespace cannot be seen, but its lock can.
    """
    try:
        namespace, pid, start = group.removeprefix(GROUP_PREFIX).split("-")
        return namespace == _pid_namespace() and process.stat(int(pid)).start == int(start)
    except (OSError, ValueError):
        return False


def _pid_namespace() -> str:
    """A number without which a pid means nothing: containers may share the control groups."""
    return str(os.stat("/proc/self/ns/pid").st_ino)
