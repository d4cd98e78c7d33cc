"""No sandbox at all: the script runs on this machine, which its owner is ready to throw away.

For a machine that is itself a sandbox (a CI job's container without privileges). Nothing is
falsified here: files are not replaced, signals are not caught, so the provoked rules stay open.
"""

from __future__ import annotations

import contextlib
import os
import signal as signals
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Never, Self

from lsbcheck.sandbox.interface import Exec, FaultName, Ran, SignalSent, Watch
from lsbcheck.transcript import Process
from ocfkit.linux import proc, process

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

_TICK = 0.05
_TAIL = 65536


class HostBackend:
    """Makes "sandboxes" that are all this same machine; use it with one script at a time."""

    isolates = False
    left = ""

    def __init__(self) -> None:
        """Remember that nothing is hidden."""
        self.notes = ["the script ran on this very machine: no isolation, and no faults provoked"]

    def create(self, watch: Iterable[Watch] = (), visible: Iterable[str] = ()) -> HostSandbox:
        """Note what runs now; what comes on top of it is the script's doing."""
        del watch, visible
        return HostSandbox()

    def close(self) -> None:
        """Nothing is left to close."""


class HostSandbox:
    """See `interface.Sandbox`; what needs isolation raises PermissionError (EPERM)."""

    def __init__(self) -> None:
        """The processes that are here now are never touched."""
        self._base = {one.identity for one in _all_processes()}

    def run(
        self, argv: Sequence[str], *, env: Mapping[str, str], deadline: float, uid: int = 0
    ) -> Ran:
        """See the interface."""
        credentials = proc.Credentials(uid, uid) if uid else None
        ended = proc.run(argv, env=env, deadline=deadline, credentials=credentials, tail=_TAIL)
        return Ran(
            argv=tuple(argv),
            code=ended.code,
            signal=ended.signal,
            timed_out=ended.timed_out,
            seconds=ended.seconds,
            stdout=ended.stdout,
            stderr=ended.stderr,
        )

    def processes(self) -> list[Process]:
        """Those that came after the sandbox was made, our own family left out."""
        family = {os.getpid()}
        found: list[Process] = []
        for one in _all_processes():
            if one.ppid in family and one.exe == os.path.realpath("/proc/self/exe"):
                family.add(one.pid)
            elif one.identity not in self._base and one.pid not in family:
                found.append(one)
        return found

    def settle(
        self,
        quiet: float,
        at_most: float,
        base: Iterable[tuple[int, int]] = (),
        gone: Iterable[tuple[int, int]] = (),
    ) -> list[Process]:
        """See the interface; on a shared machine every change of others counts too."""
        ignored, leaving = set(base), set(gone)
        still = counted = 0.0
        programs: set[str] | None = None
        since: set[tuple[int, int]] = set()
        while still < quiet and counted < at_most:
            seen = [one for one in self.processes() if one.identity not in ignored]
            here = {one.identity for one in seen}
            running = {one.exe or one.comm for one in seen}
            stays = not seen or bool(since & here)
            busy = any(one.state in "RD" for one in seen)
            if running == programs and stays and not busy and not leaving & here:
                still += _TICK
            else:
                still, programs, since = 0.0, running, here
            counted += _TICK
            time.sleep(_TICK)
        return [one for one in self.processes() if one.identity not in ignored]

    def listeners(self) -> list[str]:
        """Not told: the machine's own listeners would be among them."""
        return []

    def execs(self) -> list[Exec]:
        """Not watched."""
        return []

    def signals(self) -> list[SignalSent]:
        """Not watched."""
        return []

    def changed_files(self) -> list[str]:
        """Not known."""
        return []

    def read_file(self, path: str, limit: int = 65536) -> bytes:
        """See the interface."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(22, "not a regular file", path)
            with open(descriptor, "rb", closefd=False) as file:  # the kernel's files come in pages
                return file.read(limit)
        finally:
            os.close(descriptor)

    def put_file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Refuse."""
        del content, mode
        _refuse(path)

    def move_file(self, path: str, to: str) -> None:
        """Refuse."""
        del to
        _refuse(path)

    def remove_file(self, path: str) -> None:
        """Refuse."""
        _refuse(path)

    def spawn(self, argv: Sequence[str], *, uid: int = 0) -> int:
        """Refuse."""
        del uid
        _refuse(argv[0])

    def send_signal(self, pids: Iterable[int], signal: int) -> None:
        """To the processes that came after the sandbox was made, and to no other."""
        allowed = {one.pid for one in self.processes()}
        for pid in allowed.intersection(pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal)

    def inject(self, fault: FaultName, pids: Iterable[int]) -> None:
        """Refuse."""
        del pids
        _refuse(fault)

    def destroy(self) -> None:
        """End what was started here, frozen or not."""
        for _ in range(100):
            pids = [one.pid for one in self.processes()]
            if not pids:
                return
            self.send_signal(pids, signals.SIGKILL)
            time.sleep(_TICK)

    def __enter__(self) -> Self:
        """Return the sandbox itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Destroy it."""
        self.destroy()


def _refuse(what: str) -> Never:
    raise PermissionError(1, "this machine is not isolated, so nothing on it is falsified", what)


def _all_processes() -> list[Process]:
    found: list[Process] = []
    for pid in process.pids():
        with contextlib.suppress(OSError):
            one = process.stat(pid)
            if one.state not in "ZX" and one.session and Path(f"/proc/{pid}/exe").is_symlink():
                found.append(
                    Process(
                        pid=pid,
                        start=one.start,
                        ppid=one.ppid,
                        state=one.state,
                        uid=process.owner(pid),
                        comm=one.comm,
                        exe=process.executable(pid),
                        argv=tuple(process.command_line(pid)),
                    )
                )
    return found
