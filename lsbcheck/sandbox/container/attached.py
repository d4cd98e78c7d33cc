"""The stream of an attached container as a line to its PID 1.

The engine sends what the container writes in frames of its own: a byte that names the stream (1
standard output, 2 standard error), three of nothing, four with the length (Engine API, "Attach to a
container", stream format). What goes the other way has no frames.
"""

from __future__ import annotations

import contextlib
import struct
import time
from typing import Any, Protocol

_HEADER = 8
_STDERR = 2
_TAIL = 4096


class Socket(Protocol):
    """What the SDK gives for any connection: a socket, with TLS or without, a channel of SSH."""

    def settimeout(self, seconds: float, /) -> None:
        """See socket.settimeout."""
        ...

    def recv(self, most: int, /) -> bytes:
        """See socket.recv."""
        ...

    def sendall(self, message: bytes, /) -> object:
        """See socket.sendall."""
        ...

    def close(self) -> None:
        """See socket.close."""
        ...


class AttachedStream:
    """A `front.Link`; what the container says on standard error is kept aside."""

    def __init__(self, attached: Any) -> None:  # noqa: ANN401 - the SDK names no type for it
        """Take over what `attach_socket` of the SDK has returned."""
        self._attached = attached  # its end would close the connection
        self._socket: Socket = getattr(attached, "_sock", attached)
        self._raw = b""
        self._left = 0
        self._stream = 0
        self._complaints = bytearray()

    @property
    def complaint(self) -> str:
        """The last line of standard error, "" where nothing was said."""
        lines = bytes(self._complaints).decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def send(self, message: bytes, seconds: float) -> None:
        """See `front.Link`."""
        self._socket.settimeout(seconds)
        self._socket.sendall(message)

    def receive(self, seconds: float) -> bytes:
        """See `front.Link`."""
        until = time.monotonic() + seconds
        while True:
            found = self._take()
            if found:
                return found
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            chunk = self._socket.recv(1 << 16)
            if not chunk:
                return b""
            self._raw += chunk

    def close(self) -> None:
        """See `front.Link`; the engine then closes the container's standard input."""
        with contextlib.suppress(OSError):
            self._socket.close()
        close = getattr(self._attached, "close", None)
        if close is not None:
            with contextlib.suppress(OSError):
                close()

    def _take(self) -> bytes:
        """Standard output in what has come so far."""
        found = b""
        while self._raw and not found:
            if not self._left:
                if len(self._raw) < _HEADER:
                    break
                self._stream, self._left = struct.unpack(">B3xI", self._raw[:_HEADER])
                self._raw = self._raw[_HEADER:]
            part, self._raw = self._raw[: self._left], self._raw[self._left :]
            self._left -= len(part)
            if self._stream == _STDERR:
                self._complaints = (self._complaints + part)[-_TAIL:]
            else:
                found = part
        return found
