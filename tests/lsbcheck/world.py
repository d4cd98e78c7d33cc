"""A small world that stands for a sandbox: a process table, and a script that is a daemon's.

The script starts, stops and reports one daemon. A test changes single answers of it, and reads
from `log` what was done to the world, in order.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from lsbcheck.sandbox.interface import (
    Exec,
    FaultName,
    Ran,
    SandboxLost,
    SandboxUnavailable,
    SignalSent,
    Watch,
)
from lsbcheck.transcript import Process

SCRIPT = "/etc/init.d/thingd"
DAEMON = "/usr/sbin/thingd"
SHELL = "/usr/bin/dash"
PID_FILE = "/run/thingd.pid"

Log = list[tuple[object, ...]]
Hook = Callable[["World", Ran], Ran]
"""Changes what a call has answered, or the world after it."""


def quiet(_: World, ran: Ran) -> Ran:
    """A hook that changes nothing."""
    return ran


def says(code: int) -> Hook:
    return lambda _, ran: replace(ran, code=code)


def takes(seconds: float) -> Hook:
    return lambda _, ran: replace(ran, seconds=seconds)


def hangs(_: World, ran: Ran) -> Ran:
    return replace(ran, code=None, timed_out=True)


def is_lost(_: World, ran: Ran) -> Ran:
    raise SandboxLost(f"died while {ran.argv[-1]} was called")


def comes_to_nothing(world: World, ran: Ran) -> Ran:
    world.table.clear()
    return ran


def after(calls: int, hook: Hook, *, until: int = 1 << 30) -> Hook:
    """The hook acts only from that call of the action on, counted over all worlds."""
    count = [0]

    def later(world: World, ran: Ran) -> Ran:
        count[0] += 1
        return hook(world, ran) if calls < count[0] <= until else ran

    return later


@dataclass
class World:
    """See `lsbcheck.sandbox.interface.Sandbox`."""

    backend: Worlds
    watch: tuple[Watch, ...]
    log: Log = field(default_factory=list[tuple[object, ...]])
    table: dict[int, Process] = field(default_factory=dict[int, Process])
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    trace: list[Exec] = field(default_factory=list[Exec])
    sent: list[SignalSent] = field(default_factory=list[SignalSent])
    fault: FaultName | None = None
    next_pid: int = 100
    destroyed: bool = False

    def run(
        self, argv: Sequence[str], *, env: Mapping[str, str], deadline: float, uid: int = 0
    ) -> Ran:
        self._must_live()
        assert uid == 0
        self.log.append(("run", *argv[1:]))
        self.backend.calls.append((tuple(argv), dict(env), deadline))
        ran = Ran(tuple(argv), 0, None, timed_out=False, seconds=0.01, stdout="", stderr="")
        if argv[0] == "/bin/sh":
            return self.backend.prepare(self, ran)
        action = argv[-1]
        self._executed(self.new_pid(), argv[0], SHELL, tuple(argv))
        acts: Mapping[str, Callable[[], int]] = {
            "start": self.start,
            "stop": self.stop,
            "status": lambda: 0 if self.daemons() else 3,
            "restart": lambda: self.stop() or self.start(),
            "force-reload": lambda: 0,
        }
        code = acts[action]() if action in acts else 2
        return self.backend.hooks.get(action, quiet)(self, replace(ran, code=code))

    def start(self) -> int:
        if self.daemons():
            return 0
        argv = (DAEMON, *self.backend.arguments(self))
        pid = self.new_pid()
        self._executed(pid, DAEMON, DAEMON, argv)
        if DAEMON not in self.files:
            return 5
        if self._shim_fails(argv):
            return 1
        self.add(pid, DAEMON, argv)
        self.files[PID_FILE] = str(pid).encode()
        return 0

    def stop(self) -> int:
        for one in self.daemons():
            if self.fault is None:
                del self.table[one.pid]
            else:
                swallowed = self.fault == "signals-swallowed"
                self.sent.append(SignalSent(9, one.pid, 15, swallowed))
        return 1 if self.daemons() else 0

    def daemons(self) -> list[Process]:
        return [one for one in self.table.values() if one.exe == DAEMON]

    def new_pid(self) -> int:
        self.next_pid += 1
        return self.next_pid

    def add(self, pid: int, exe: str, argv: tuple[str, ...]) -> None:
        name = exe.rpartition("/")[2]
        self.table[pid] = Process(pid, pid * 10, 1, "S", 0, name, exe, argv)

    def _executed(self, pid: int, path: str, exe: str, argv: tuple[str, ...]) -> None:
        self.trace.append(Exec(pid / 10, pid, 1, path, exe, argv, argv, ()))

    def _shim_fails(self, argv: tuple[str, ...]) -> bool:
        text = self.files[DAEMON].decode()
        if not text.startswith("#!"):
            return False
        tests = [f'[ "${{{at}}}" = {shlex.quote(each)} ]' for at, each in enumerate(argv) if at]
        return "$#" not in text or all(test in text for test in tests)

    def processes(self) -> list[Process]:
        self._must_live()
        return list(self.table.values())

    def settle(
        self,
        quiet: float,
        at_most: float,
        base: Iterable[tuple[int, int]] = (),
        gone: Iterable[tuple[int, int]] = (),
    ) -> list[Process]:
        self._must_live()
        assert 0 < quiet < at_most
        ignored = set(base)
        self.log.append(("settle", quiet, len(list(gone))))
        return [one for one in self.table.values() if one.identity not in ignored]

    def listeners(self) -> list[str]:
        return ["tcp 0.0.0.0:7"] if self.table else []

    def execs(self) -> list[Exec]:
        assert "exec" in self.watch
        return self.trace

    def signals(self) -> list[SignalSent]:
        assert "signals" in self.watch
        return self.sent

    def changed_files(self) -> list[str]:
        return sorted(self.files)

    def read_file(self, path: str, limit: int = 65536) -> bytes:
        return self.files[path][:limit]

    def put_file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        assert mode
        if self.backend.read_only and not path.startswith("/home"):
            raise OSError(30, "Read-only file system", path)
        self.log.append(("put", path))
        self.files[path] = content

    def move_file(self, path: str, to: str) -> None:
        self.log.append(("move", path))
        self.files[to] = self.files.pop(path)

    def remove_file(self, path: str) -> None:
        self.log.append(("remove", path))
        if self.backend.read_only:
            raise OSError(30, "Read-only file system", path)
        del self.files[path]

    def spawn(self, argv: Sequence[str], *, uid: int = 0) -> int:
        self.log.append(("spawn", uid))
        pid = self.new_pid()
        self.add(pid, argv[0], tuple(argv))
        return pid

    def send_signal(self, pids: Iterable[int], signal: int) -> None:
        self.log.append(("signal", int(signal)))
        for pid in pids:
            if signal == 9:
                del self.table[pid]
            elif signal == 19:
                self.table[pid] = replace(self.table[pid], state="T")

    def inject(self, fault: FaultName, pids: Iterable[int]) -> None:
        assert "signals" in self.watch
        assert set(pids) == {one.pid for one in self.daemons()}
        self.log.append(("inject", fault))
        self.fault = fault

    def destroy(self) -> None:
        if not self.destroyed:
            self.destroyed = True
            if self.backend.last_word:
                raise SandboxLost(self.backend.last_word)

    def _must_live(self) -> None:
        if self.destroyed or self.backend.closed.is_set():
            raise SandboxLost("the sandbox has died")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.destroy()


class Worlds:
    """See `lsbcheck.sandbox.interface.Backend`."""

    def __init__(self, hooks: Mapping[str, Hook] | None = None, *, isolates: bool = True) -> None:
        """`hooks` by action."""
        self.isolates = isolates
        self.left = ""
        self.notes: list[str] = []
        self.hooks = dict(hooks or {})
        self.prepare: Hook = quiet
        self.arguments: Callable[[World], tuple[str, ...]] = lambda _: ("-f",)
        self.read_only = False
        self.unavailable_after = 1 << 30
        self.last_word = ""
        self.made: list[World] = []
        self.calls: list[tuple[tuple[str, ...], dict[str, str], float]] = []
        self.visible: list[tuple[str, ...]] = []
        self.closed = threading.Event()

    def create(self, watch: Iterable[Watch] = (), visible: Iterable[str] = ()) -> World:
        if self.closed.is_set() or len(self.made) >= self.unavailable_after:
            raise SandboxUnavailable("no more", "ask for less")
        world = World(self, tuple(watch))
        world.files = {DAEMON: b"ELF", "/bin/sh": b"ELF"}
        world.add(2, "/usr/sbin/was-here", ("was-here",))
        self.made.append(world)
        self.visible.append(tuple(visible))
        return world

    def close(self) -> None:
        self.closed.set()
