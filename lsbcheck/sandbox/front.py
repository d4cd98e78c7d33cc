"""The front's end of a private machine: every verb as a line of JSON to its PID 1, and the answer.

What carries the lines (a socket, the stream of an attached container) and what ends the machine is
the backend's; `machine` has the other end.
"""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any, Protocol, Self

from lsbcheck.sandbox import answers
from lsbcheck.sandbox.interface import (
    Exec,
    FaultName,
    Ran,
    SandboxLost,
    SignalSent,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

    from lsbcheck.transcript import Process

_ANSWER = 30.0
"""Seconds that PID 1 gets to answer, beyond the time that the request itself may take."""
_LONGEST_ANSWER = 8 << 20

Json = Any  # what json.loads returns: checked where it is used


class Link(Protocol):
    """What carries bytes to PID 1 and back; every method may raise OSError."""

    def send(self, message: bytes, seconds: float) -> None:
        """Hand over all of it; raises TimeoutError when that is not done in time."""
        ...

    def receive(self, seconds: float) -> bytes:
        """What has come, at least a byte; b"" at the end. Raises TimeoutError."""
        ...

    def close(self) -> None:
        """Let go of it. Safe to call twice."""
        ...


class Front:
    """A sandbox (see `interface.Sandbox`) but for its end, which is its backend's to make."""

    noun = "sandbox"
    """What its end is called in a sentence."""

    def __init__(self, link: Link) -> None:
        """Take over the link."""
        self._link = link
        self._met = ""
        self._full = False
        self._received = b""

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        deadline: float,
        uid: int = 0,
    ) -> Ran:
        """See the interface."""
        try:
            said = self._ask(
                "run", deadline, argv=list(argv), env=dict(env), deadline=deadline, uid=uid
            )
        except OSError as refusal:
            raise SandboxLost(
                f"no process could be started in the sandbox: {refusal.strerror}"
            ) from refusal
        ran, full = answers.ran(tuple(argv), said)
        self._full = self._full or full
        return ran

    def processes(self) -> list[Process]:
        """See the interface."""
        return answers.processes(self._ask("processes"))

    def settle(
        self,
        quiet: float,
        at_most: float,
        base: Iterable[tuple[int, int]] = (),
        gone: Iterable[tuple[int, int]] = (),
    ) -> list[Process]:
        """See the interface."""
        extra = at_most * 5
        said = self._ask(
            "settle", extra, quiet=quiet, at_most=at_most, base=list(base), gone=list(gone)
        )
        return answers.processes(said)

    def listeners(self) -> list[str]:
        """See the interface."""
        return answers.texts(self._ask("listeners"))

    def execs(self) -> list[Exec]:
        """See the interface."""
        return answers.execs(self._ask("execs"))

    def signals(self) -> list[SignalSent]:
        """See the interface."""
        return answers.signals(self._ask("signals"))

    def changed_files(self) -> list[str]:
        """See the interface."""
        return answers.texts(self._ask("changed_files"))

    def read_file(self, path: str, limit: int = 65536) -> bytes:
        """See the interface."""
        return answers.content(self._ask("read_file", path=path, limit=limit))

    def put_file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """See the interface."""
        text = base64.b64encode(content).decode()
        self._ask("put_file", path=path, content=text, mode=mode)

    def move_file(self, path: str, to: str) -> None:
        """See the interface."""
        self._ask("move_file", path=path, to=to)

    def remove_file(self, path: str) -> None:
        """See the interface."""
        self._ask("remove_file", path=path)

    def spawn(self, argv: Sequence[str], *, uid: int = 0) -> int:
        """See the interface."""
        return answers.pid(self._ask("spawn", argv=list(argv), uid=uid))

    def send_signal(self, pids: Iterable[int], signal: int) -> None:
        """See the interface."""
        self._ask("send_signal", pids=list(pids), number=signal)

    def inject(self, fault: FaultName, pids: Iterable[int]) -> None:
        """See the interface."""
        self._ask("inject", fault=fault, pids=list(pids))

    def destroy(self) -> None:
        """End it, and set `_met` to the limits of ours that it met, as a sentence."""
        raise NotImplementedError

    def _limits_met(self, met: Mapping[str, Json], limits: str) -> str:
        """What PID 1's group has counted, as a sentence; "" where nothing is to be said."""
        found: list[str] = []
        if met.get("oom_kills"):
            found.append(f"the kernel killed {met['oom_kills']} of its processes to free memory")
        if met.get("refused_forks"):
            found.append(f"it met its limit of processes {met['refused_forks']} times")
        if self._full:
            found.append("its disk was full")
        if not found:
            return ""
        return f"the {self.noun} was too small: {', '.join(found)} (limits: {limits})"

    def __enter__(self) -> Self:
        """Return the sandbox itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Destroy it; raises SandboxLost if what went on in it was bent by our own limits."""
        self.destroy()
        if self._met and (value is None or isinstance(value, (SandboxLost, OSError))):
            raise SandboxLost(self._met) from value

    def _ask(self, verb: str, extra: float = 0.0, **arguments: object) -> Json:
        self._send({"do": verb, **arguments})
        said = self._receive(_ANSWER + extra)
        return answers.answer(said)

    def _send(self, message: Mapping[str, object]) -> None:
        try:
            self._link.send(json.dumps(message).encode() + b"\n", _ANSWER)
        except OSError as failure:
            raise SandboxLost(self._death()) from failure

    def _receive(self, seconds: float) -> dict[str, Json]:
        until = time.monotonic() + seconds
        while b"\n" not in self._received:
            try:
                chunk = self._link.receive(max(0.001, until - time.monotonic()))
            except TimeoutError:
                self._link.close()  # a late answer must not be taken for the next one's
                raise SandboxLost(f"the {self.noun} gave no answer in {seconds:g} s") from None
            except OSError as failure:
                raise SandboxLost(self._death()) from failure
            if not chunk:
                raise SandboxLost(self._death())
            self._received += chunk
            if len(self._received) > _LONGEST_ANSWER:
                raise SandboxLost(f"the {self.noun} said more than is believable")
        line, _, self._received = self._received.partition(b"\n")
        return answers.parse(line)

    def _death(self) -> str:
        """Why nobody answers any more, as far as it can be told."""
        return f"the {self.noun} has died"
