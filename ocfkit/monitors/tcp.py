"""A port or a unix socket that somebody has to answer at."""

from __future__ import annotations

import _socket as socket  # socket itself costs 5 ms
import os
import select

from ocfkit.errors import ActionError
from ocfkit.monitors import patterns
from ocfkit.monitors.database import addresses
from ocfkit.monitors.question import Question, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocfkit.deadline import Deadline

_LARGEST_BANNER = 65536


def check(
    host: str, port: int = 0, *, deadline: Deadline, banner: str | None = None, send: bytes = b""
) -> bytes:
    """Connect, and wait until what is said has the pattern `banner` in it; return what was said.

    A `host` that begins with "/" is a unix socket. All addresses of a name are tried, one after
    the other. `send` is said first, to one who does not speak unasked.
    """
    question = Question(f"tcp {shown(host, port)}")
    line = Line(question, host, port, deadline)
    try:
        line.send(send)
        said = b""
        while banner is not None and not patterns.find(banner, said):
            if len(said) > _LARGEST_BANNER:
                raise question.failed(f"said {quoted(said)} and more, without {banner!r}")
            data = line.receive(f"said {quoted(said)}, without {banner!r}")
            if not data:
                raise question.failed(f"said {quoted(said)} and no more, without {banner!r}")
            said += data
        return said
    finally:
        line.close()


def shown(host: str, port: int) -> str:
    """A place as reasons name it."""
    if host.startswith("/"):
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Line:
    """A connection on which every wait ends at one deadline."""

    __slots__ = ("_deadline", "_poll", "_question", "_socket")

    def __init__(self, question: Question, host: str, port: int, deadline: Deadline) -> None:
        """Connect to the first address that answers; raises ActionError."""
        self._question = question
        self._deadline = deadline
        failure = question.failed("no time was left to connect")
        found = addresses(host, question, deadline)
        for place, address in enumerate(found):
            share = deadline.part(1 / (len(found) - place))
            try:
                self._connect(address, port, share)
            except ActionError as error:
                failure = error
                continue
            return
        raise failure

    def send(self, data: bytes) -> None:
        """Send all of it; raises ActionError."""
        while data:
            self._wait(select.POLLOUT, "took nothing more")
            try:
                data = data[self._socket.send(data) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._question.failed(f"the connection broke: {error.strerror}") from error

    def receive(self, so_far: str) -> bytes:
        """What comes next, b"" at the end; `so_far` is told if nothing does in time."""
        while True:
            self._wait(select.POLLIN, so_far)
            try:
                return self._socket.recv(65536)
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._question.failed(f"{so_far}; then {error.strerror}") from error

    def close(self) -> None:
        """Let it go without waiting for anything."""
        self._socket.close()

    def _connect(self, address: str, port: int, deadline: Deadline) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        where: str | tuple[str, int] = (address, port)
        if address.startswith("/"):
            family, where = socket.AF_UNIX, address
        kind = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        try:
            self._socket = socket.socket(family, kind)
        except OSError as error:
            raise self._question.failed(f"no socket: {error.strerror}") from error
        self._poll = select.poll()
        self._poll.register(self._socket.fileno(), select.POLLOUT)
        failure = self._failure_to_reach(where, deadline)
        if failure:
            self._socket.close()
            raise self._question.failed(failure)

    def _failure_to_reach(self, where: str | tuple[str, int], deadline: Deadline) -> str:
        """Why there is no connection; "" when there is one."""
        try:
            self._socket.connect(where)
        except BlockingIOError:
            if isinstance(where, str):  # of a unix socket: its queue is full
                return "nobody takes a connection"
        except OSError as error:
            return error.strerror or str(error)
        if not self._poll.poll(deadline.left() * 1000):
            return "no connection came about in time"
        number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return os.strerror(number) if number else ""

    def _wait(self, event: int, so_far: str) -> None:
        self._poll.modify(self._socket.fileno(), event)
        if self._deadline.over() or not self._poll.poll(self._deadline.left() * 1000):
            raise self._question.failed(f"{so_far} when time was over")
