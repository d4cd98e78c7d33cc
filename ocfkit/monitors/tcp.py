"""A port or a unix socket that somebody has to answer at.

That a connection comes about is the kernel's work: it takes connections for a process that is
suspended, until its queue is full. Only a `banner` shows that the service itself is awake.
"""

from __future__ import annotations

import _socket as socket  # socket itself costs 5 ms
import os
import select
from errno import EINPROGRESS

from ocfkit.errors import ConfigurationError, told
from ocfkit.monitors import names, patterns
from ocfkit.monitors.question import Question, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocfkit.deadline import Deadline
    from ocfkit.monitors.names import Address

_TO_SAY_IT = 0.05
"""Seconds before the deadline in which is said what was seen until then."""

_NEXT_AFTER = 0.25
"""Seconds after which one more address is tried, beside those that have not answered (RFC 8305)."""

_PAUSE = 0.02
"""Seconds between two tries at a unix socket whose queue is full."""


def check(
    host: str,
    port: int = 0,
    *,
    deadline: Deadline,
    banner: str | None = None,
    send: bytes = b"",
    limit: int = 65536,
) -> bytes:
    """Connect, and wait until the pattern `banner` is in what is said; return what was said.

    A `host` that begins with "/" is a unix socket. Of the addresses of a name one has to answer.
    `send` is said first, to a service that does not speak unasked. The pattern has to be found in
    the first `limit` bytes; it is looked for whenever something comes, so its end should not be
    one that half a line has too.
    """
    if not host or not (host.startswith("/") or 0 < port < 65536):
        raise ConfigurationError(f"tcp {shown(host, port)}: expected a host and a port, or a path")
    if banner is not None:
        patterns.require(banner)
    question = Question(f"tcp {shown(host, port)}")
    line = Line(question, host, port, early(deadline))
    try:
        if not line.send(send):
            raise question.failed("the connection broke when something was sent")
        return _awaited(banner, line, question, limit) if banner is not None else b""
    finally:
        line.close()


def _awaited(banner: str, line: Line, question: Question, limit: int) -> bytes:
    said = b""
    while not patterns.find(banner, said[:limit]):
        if len(said) >= limit:
            raise question.failed(f"said {quoted(said)} and more, without {banner!r}")
        so_far = f"said {quoted(said) if said else 'nothing'}, without {banner!r},"
        data = line.receive(so_far)
        if not data:
            raise question.failed(f"{so_far} when the connection was closed")
        said += data
    return said


def shown(host: str, port: int) -> str:
    """A place as reasons name it."""
    if host.startswith("/"):
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def early(deadline: Deadline) -> Deadline:
    """A deadline after which there is time to say why."""
    left = deadline.left()
    return deadline.within(left - min(_TO_SAY_IT, left / 10))


class Line:
    """A connection on which every wait ends at one deadline."""

    __slots__ = ("_deadline", "_poll", "_question", "_socket")

    def __init__(self, question: Question, host: str, port: int, deadline: Deadline) -> None:
        """Connect to the first that answers; raises ActionError."""
        self._question = question
        self._deadline = deadline
        if host.startswith("/"):
            self._socket = _at_path(host, question, deadline)
        else:
            self._socket = _first_to_answer(host, port, question, deadline)
        self._poll = select.poll()
        self._poll.register(self._socket.fileno(), 0)

    def send(self, data: bytes) -> bool:
        """Send it; False when the other side has hung up, who may have said why before."""
        rest = memoryview(data)
        while rest:
            self._wait(
                select.POLLOUT, f"{len(data) - len(rest)} of {len(data)} bytes had been taken"
            )
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                continue
            except OSError:
                return False
        return True

    def receive(self, so_far: str) -> bytes:
        """What comes next, b"" at the end; raises ActionError, which tells `so_far`."""
        while True:
            self._wait(select.POLLIN, so_far)
            try:
                return self._socket.recv(65536)
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._question.failed(f"{so_far}; then {told(error)}") from error

    def close(self) -> None:
        """Let it go without waiting for anything."""
        self._socket.close()

    def _wait(self, event: int, so_far: str) -> None:
        self._poll.modify(self._socket.fileno(), event)
        if self._deadline.over() or not self._poll.poll(self._deadline.left() * 1000):
            raise self._question.failed(f"{so_far} when time was over")


def _opened(family: int) -> socket.socket:
    return socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)


def _at_path(path: str, question: Question, deadline: Deadline) -> socket.socket:
    """Connect to a unix socket; one whose queue is full may have room in a moment."""
    connection = _opened(socket.AF_UNIX)
    try:
        while True:
            try:
                connection.connect(path)
            except BlockingIOError:
                if deadline.over():
                    raise question.failed("it took no connection until time was over") from None
                deadline.sleep(_PAUSE)
            except (OSError, ValueError) as error:  # ValueError: a NUL in it
                seen = told(error) if isinstance(error, OSError) else str(error)
                raise question.failed(seen) from error
            else:
                return connection
    except BaseException:
        connection.close()
        raise


def _first_to_answer(host: str, port: int, question: Question, deadline: Deadline) -> socket.socket:
    try:
        found = names.resolve(host, port, deadline)
    except names.NoAddressError as error:
        raise question.failed(str(error)) from error
    race = _Race(deadline)
    winner = race.winner(found)
    if winner is None:
        raise question.failed("; ".join(race.told(of_name=found[0][1][0] != host)))
    return winner


class _Race:
    """Connects to several addresses, and keeps the first connection that comes about."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._poll = select.poll()
        self._running: dict[int, tuple[socket.socket, str]] = {}
        self._seen: list[tuple[str, str]] = []

    def winner(self, found: list[Address]) -> socket.socket | None:
        """The first to answer; None when there is none in time."""
        waiting = found[::-1]
        try:
            while waiting or self._running:
                if waiting:
                    self._begin(*waiting.pop())
                left = self._deadline.left()
                winner = self._arrived(min(left, _NEXT_AFTER) if waiting else left)
                if winner is not None:
                    return winner
                if self._deadline.over():
                    break
        finally:
            for connection, number in self._running.values():
                connection.close()
                self._seen.append((number, "no connection came about in time"))
        return None

    def told(self, *, of_name: bool) -> list[str]:
        """What was seen; of which address, where the question does not say it."""
        return [f"{number}: {seen}" if of_name else seen for number, seen in self._seen]

    def _begin(self, family: int, place: names.Place) -> None:
        try:
            connection = _opened(family)
        except OSError as error:
            self._seen.append((place[0], told(error)))
            return
        try:
            connection.connect(place)
        except OSError as error:
            if error.errno != EINPROGRESS:
                connection.close()
                self._seen.append((place[0], told(error)))
                return
        self._running[connection.fileno()] = connection, place[0]
        self._poll.register(connection.fileno(), select.POLLOUT)

    def _arrived(self, seconds: float) -> socket.socket | None:
        if not self._running:
            return None
        for descriptor, _ in self._poll.poll(seconds * 1000):
            self._poll.unregister(descriptor)
            connection, number = self._running.pop(descriptor)
            seen = failure_of(connection)
            if not seen:
                return connection
            connection.close()
            self._seen.append((number, seen))
        return None


def failure_of(connection: socket.socket) -> str:
    """What came of an attempt to connect; "" of one that succeeded."""
    number = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number:
        return os.strerror(number)
    try:
        is_itself = connection.getsockname() == connection.getpeername()
    except OSError as error:
        return told(error)
    # where nobody listens at a port that we may be given ourselves, TCP lets us talk to ourselves
    return "nobody listens" if is_itself else ""
