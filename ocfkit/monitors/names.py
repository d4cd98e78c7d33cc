"""Numeric addresses of a host, in time."""

from __future__ import annotations

import _socket as socket  # socket itself costs 5 ms
import os
import select

from ocfkit.errors import ActionError
from ocfkit.log import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from typing import NoReturn

    from ocfkit.deadline import Deadline

    Place = tuple[str, int] | tuple[str, int, int, int]
    Address = tuple[int, Place]
    """A family of socket(2), and what connect(2) takes in it."""
else:
    import _signal as signal

_TO_BE_ENDED = 0.2
"""Seconds after the deadline in which the child is ended by us; later it ends by itself."""


class NoAddressError(ActionError):
    """A host has no address, or nobody said in time which."""


def resolve(host: str, port: int, deadline: Deadline) -> list[Address]:
    """Addresses of a host, the best first; raises NoAddressError.

    A number (with a zone: `fe80::1%eth0`) is its own address. A name is looked up by a child:
    nothing ends getaddrinfo(3) while it waits for a name server. The child stays in our process
    group, so that whoever ends that ends it too, and has a clock of its own besides.
    """
    try:
        name = _wire_name(host)
    except ValueError as error:
        raise NoAddressError(f"{one_line(host)!r} cannot be the name of a host") from error
    try:
        return _found(name, port, socket.AI_NUMERICHOST)
    except OSError:
        return _looked_up(host, name, port, deadline)


def _wire_name(host: str) -> bytes:
    """The name as bytes: from a str, getaddrinfo makes it with a codec that costs 6 ms."""
    if not host or not host.isprintable():
        raise ValueError(host)
    return host.encode("ascii") if host.isascii() else host.encode("idna")


def _found(name: bytes, port: int, flags: int = 0) -> list[Address]:
    rows = socket.getaddrinfo(name, port, 0, socket.SOCK_STREAM, 0, flags)
    found = (
        _address(family, str(place[0]), place[3] if len(place) > 3 else 0, port)
        for family, _, _, _, place in rows
    )
    return list(dict.fromkeys(found))


def _address(family: int, number: str, scope: int, port: int) -> Address:
    place = (number, port, 0, scope) if family == socket.AF_INET6 else (number, port)
    return family, place


def _looked_up(host: str, name: bytes, port: int, deadline: Deadline) -> list[Address]:
    said = _said_by_child(host, name, deadline)
    if said.startswith("+"):
        rows = (line.split(" ") for line in said[1:].split("\n"))
        return [_address(int(family), number, int(scope), port) for family, number, scope in rows]
    if said.startswith("-"):
        raise NoAddressError(f"the name service knows no address of {host}: {said[1:]}")
    raise NoAddressError(f"the name service did not say in time which address {host} has")


def _said_by_child(host: str, name: bytes, deadline: Deadline) -> str:
    hears, says = os.pipe2(os.O_CLOEXEC)
    try:
        pid = os.fork()
    except OSError as error:
        os.close(hears)
        os.close(says)
        raise NoAddressError(f"{host} cannot be looked up: {error.strerror}") from error
    if pid == 0:
        _look_up_and_exit(name, says, deadline.left() + _TO_BE_ENDED)
    try:
        os.close(says)
        return _read_all(hears, deadline)
    finally:
        os.close(hears)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _look_up_and_exit(name: bytes, says: int, seconds: float) -> NoReturn:
    said = "-it cannot be asked"
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            said = "+" + "\n".join(
                f"{family} {place[0]} {place[3] if len(place) > 3 else 0}"
                for family, place in _found(name, 0)
            )
        except OSError as error:
            said = f"-{error.strerror}"
        os.write(says, said.encode())
    finally:  # whatever it was: there must never be two of the caller
        os._exit(0)


def _read_all(descriptor: int, deadline: Deadline) -> str:
    """What comes until the other end is closed; "" when that is not in time."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    said = b""
    while poll.poll(deadline.left() * 1000):
        data = os.read(descriptor, 65536)
        if not data:
            return said.decode("utf-8", "replace")
        said += data
    return ""
