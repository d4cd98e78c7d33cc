"""A private machine for one command at a time: the interface that every backend implements.

A sandbox knows neither LSB nor init scripts. It runs commands, shows processes, puts files and
makes faults, and when it is destroyed nothing of it is left. One sandbox serves one scenario; a
backend makes any number of them, at the same time, from any thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, Self

from lsbcheck.script import Script
from lsbcheck.transcript import Process

Watch = Literal["exec", "signals"]
"""What the supervisor looks at, chosen when the sandbox is made since a filter cannot be added
later: `exec` every program start, `signals` every attempt to send one."""

FaultName = Literal["signals-swallowed", "signals-refused"]
"""`signals-swallowed`: a signal to the given processes is reported as sent and does nothing.
`signals-refused`: it fails with EPERM. Signal 0 always passes."""


class SandboxUnavailable(Exception):  # noqa: N818 - it names a state, as BlockingIOError does
    """This machine cannot make such a sandbox; no verdict may follow from it."""

    def __init__(self, cause: str, cure: str) -> None:
        """Keep both sentences: what is missing, and what the operator can do about it."""
        super().__init__(f"{cause}: {cure}")
        self.cause = cause
        self.cure = cure


class SandboxLost(Exception):  # noqa: N818 - see above
    """The sandbox died or stopped answering; what it was asked last has no answer."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    argv: tuple[str, ...]
    code: int | None
    """Exit code 0-255, or None when a signal ended it or it did not end."""
    signal: int | None
    """The signal that ended it."""
    timed_out: bool
    """It was still there at its deadline; its process group has been killed."""
    seconds: float
    stdout: str
    """The last 64 KiB, undecodable bytes replaced."""
    stderr: str
    processor: float | None = None
    """Seconds of processor time, of the command and of those children that it has waited for; None
    where it is not told."""
    late: float = 0.0
    """Seconds by which the sandbox's own supervisor came late meanwhile, for want of a processor:
    what runs beside it came late as well."""


@dataclass(frozen=True, slots=True)
class Exec:
    """A program start below a command, seen at the moment of execve(2)."""

    at: float
    """Seconds since boot (CLOCK_BOOTTIME), comparable with `Process.start` / ticks per second."""
    pid: int
    ppid: int
    path: str
    """The file that was named, made absolute, links resolved."""
    exe: str
    """The program that the kernel will load for it: the interpreter of a script."""
    argv: tuple[str, ...]
    """As handed to the kernel."""
    cmdline: tuple[str, ...]
    """As /proc/PID/cmdline shows it afterwards: a script's with its interpreter in front."""
    environ: tuple[str, ...]
    """`NAME=value`, at most 32 KiB of them."""


@dataclass(frozen=True, slots=True)
class SignalSent:
    """An attempt to send a signal to a process of the service, and what became of it."""

    pid: int
    """Who sent it."""
    target: int
    """As in kill(2): negative for a group."""
    signal: int
    swallowed: bool


class Sandbox(Protocol):
    """One private machine. Every method may raise SandboxLost."""

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        deadline: float,
        uid: int = 0,
    ) -> Ran:
        """Run a command to its end, or for `deadline` seconds; then its process group is killed.

        Its standard input is empty, its working directory `/`, it has no terminal. Daemons that
        it leaves behind go on. A command that cannot be executed ends with 126 or 127, as in sh.
        """
        ...

    def processes(self) -> list[Process]:
        """All processes but the sandbox's own PID 1."""
        ...

    def settle(
        self,
        quiet: float,
        at_most: float,
        base: Iterable[tuple[int, int]] = (),
        gone: Iterable[tuple[int, int]] = (),
    ) -> list[Process]:
        """Wait until the set of processes has not changed for `quiet` seconds; return it.

        Processes whose identity is in `base` are left out; while one of those in `gone` is still
        there, the set does not count as quiet. A program that forks and reaps short-lived helpers
        (a shell's `sleep`) is quiet as long as the programs that run are the same. The quiet time
        counts only while nothing in the sandbox waits for a processor, so that load does not
        change the answer; after `at_most` seconds of that time the last set is returned, quiet or
        not.
        """
        ...

    def listeners(self) -> list[str]:
        """Listening sockets: `tcp 0.0.0.0:80`, `udp [::]:161`, `unix /run/x.sock`."""
        ...

    def execs(self) -> list[Exec]:
        """Program starts since the sandbox was made, oldest first (needs the watch `exec`)."""
        ...

    def signals(self) -> list[SignalSent]:
        """Signals that a fault acted on, oldest first (needs the watch `signals`)."""
        ...

    def changed_files(self) -> list[str]:
        """Paths that differ from the machine's at the start, sorted; without /proc, /sys, /dev.

        Files that were removed are told by the namespace backend alone.
        """
        ...

    def read_file(self, path: str, limit: int = 65536) -> bytes:
        """The first bytes of a regular file; raises OSError, never blocks on a FIFO."""
        ...

    def put_file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Make or replace a file inside (never on the host); parents are made."""
        ...

    def move_file(self, path: str, to: str) -> None:
        """Move a file inside, over file system borders if need be, mode and owner kept."""
        ...

    def remove_file(self, path: str) -> None:
        """Remove a file inside."""
        ...

    def spawn(self, argv: Sequence[str], *, uid: int = 0) -> int:
        """Start a program that stays, in its own session, and return its pid."""
        ...

    def send_signal(self, pids: Iterable[int], signal: int) -> None:
        """Send a signal past every fault; processes that are gone are passed over."""
        ...

    def inject(self, fault: FaultName, pids: Iterable[int]) -> None:
        """Let a fault act on these processes from now on (needs the watch `signals`)."""
        ...

    def destroy(self) -> None:
        """End every process and undo every mount. Safe to call twice."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Destroy it; raises SandboxLost if it met a limit of ours, so that it proves nothing."""
        ...


class Backend(Protocol):
    """Makes sandboxes of one kind."""

    isolates: bool
    """Whether what runs in a sandbox leaves the host alone, so that faults may be made."""
    notes: list[str]
    """What this machine did not allow (a limit that could not be set, …), for the report."""

    left: str
    """What `close` could not remove, in words; "" if that was nothing."""

    def create(self, watch: Iterable[Watch] = (), visible: Iterable[str] = ()) -> Sandbox:
        """A fresh machine; raises SandboxUnavailable.

        `visible` are folders of the host that must be seen at their own path (copy on write) even
        below /tmp or /run, which are otherwise empty and private.
        """
        ...

    def close(self) -> None:
        """Destroy every sandbox that is left, and the backend's own process."""
        ...


class ImageBackend(Backend, Protocol):
    """Makes sandboxes that show an image, in which the scripts lie."""

    def find(self, words: Iterable[str]) -> dict[str, Script | str]:
        """The scripts that words mean in there, patterns expanded; or the sentence why none.

        Raises SandboxUnavailable, also where the sandbox in which is looked for them is lost.
        """
        ...
