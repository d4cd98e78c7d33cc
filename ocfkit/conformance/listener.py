"""A program that listens where a service would, takes every connection and says nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ocfkit.conformance.visit import Visit

_PATH = "/.ocfkit-check/listener"

_TEXT = """\
import select, socket, sys
poll, kept = select.poll(), {}
for place in sys.argv[1:]:
    address, _, port = place.rpartition(":")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    here = socket.socket(family, socket.SOCK_STREAM)
    here.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        here.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    here.bind((address, int(port)))
    here.listen(64)
    kept[here.fileno()] = here
    poll.register(here, select.POLLIN)
while True:
    for number, _ in poll.poll():
        taken, _ = kept[number].accept()
        kept[taken.fileno()] = taken
"""


class NoInterpreter(Exception):  # noqa: N818 - it names a state
    """The machine has no Python that could run it; its text is one sentence."""


def put(visit: Visit, places: Iterable[tuple[str, int]]) -> tuple[int, int]:
    """Start it there; its identity. Raises NoInterpreter, and SandboxLost if it never listens."""
    interpreter = next(filter(None, (_found(visit, each) for each in _interpreters())), None)
    if interpreter is None:
        raise NoInterpreter("needs a python3 inside the sandbox for a listener")
    visit.put(_PATH, _TEXT.encode())
    words = tuple(f"{address}:{port}" for address, port in places)
    wanted = {f"tcp {_written(address)}:{port}" for address, port in places}
    identity = visit.bystand((interpreter, "-IS", _PATH, *words))
    visit.await_listeners(wanted)
    return identity


def _interpreters() -> tuple[str, ...]:
    return ("/usr/bin/python3", sys.executable)


def _found(visit: Visit, path: str) -> str | None:
    ran = visit.sandbox.run((path, "-IS", "-c", ""), env={}, deadline=10)
    return path if ran.code == 0 else None


def _written(address: str) -> str:
    return f"[{address}]" if ":" in address else address
