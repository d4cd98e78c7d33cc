"""Ask whether a whole visit works: log in, open a page, find a text, log out.

The steps stand in a file, see `docs/reference/journey-file.md`. Cookies are kept from one to the
next, forms are sent with their hidden fields, and redirects are followed, as a browser without
scripts does it. It needs requests: `ocfkit[http]`, Debian's python3-requests.
"""

from __future__ import annotations

import os
import select
import time

from ocfkit.errors import (
    ActionError,
    ConfigurationError,
    InstallationError,
    ParameterError,
)
from ocfkit.monitors.question import Question

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import NoReturn

    from ocfkit.deadline import Deadline
    from ocfkit.monitors.journey_file import Journey
    from ocfkit.monitors.journey_walk import Walk

_ERRORS: dict[int, type[ActionError]] = {
    each.exit_code: each
    for each in (ActionError, ParameterError, InstallationError, ConfigurationError)
}


def read(path: str) -> Journey:
    """Read a journey's file, for an agent's `validate_host`.

    Raises ParameterError with everything that is wrong with it, and with the secret files that it
    names; InstallationError where requests is missing.
    """
    from ocfkit.monitors.journey_file import load

    journey = load(path)
    _require_requests()
    return journey


def check(
    which: Journey | str,
    *,
    deadline: Deadline,
    secrets: Mapping[str, str] | None = None,
    doing: Callable[[str], None] = lambda _what: None,
) -> tuple[float, ...]:
    """Walk a journey, read already or named by its path; return the seconds each step took.

    `secrets` are values by the names that the file says in `{ secret_parameter = "NAME" }`. Raises
    ActionError for the first step that does not lead to what it should, and what `read` raises.
    """
    from ocfkit.monitors.journey_file import secret_values

    journey = read(which) if isinstance(which, str) else which
    values = secret_values(journey, secrets or {})
    try:
        from ocfkit.monitors.journey_walk import Walk  # 0.1 s of CPU, mostly for requests
    except ImportError as error:
        raise _without_requests(f" ({error})") from error
    return _Walker(Walk(journey, values, deadline), doing).answer()


def _require_requests() -> None:
    from importlib.util import find_spec

    if find_spec("requests") is None:
        raise _without_requests()


def _without_requests(why: str = "") -> InstallationError:
    return InstallationError(
        "a journey needs the Python package requests, which is not on this node: "
        f"Debian's python3-requests, or ocfkit[http]{why}"
    )


class _Walker:
    """A child that walks, so that no library and no name service outlives the deadline.

    It tells in lines where it is, and at last how it went. It ends itself should we be gone.
    """

    def __init__(self, walk: Walk, doing: Callable[[str], None]) -> None:
        self._walk = walk
        self._doing = doing
        self._until = walk.deadline.until
        self._limit = 0.0
        self._question = Question(walk.journey.steps[0].title)
        self._seen = "no time was left for it"

    def answer(self) -> tuple[float, ...]:
        """The seconds of each step; raises the error that the child says."""
        hears, says = os.pipe2(os.O_CLOEXEC)
        try:
            pid = os.fork()
        except OSError:
            os.close(hears)
            os.close(says)
            raise
        if pid == 0:
            _walk_and_exit(self._walk, says)
        try:
            os.close(says)
            return self._listen(hears)
        finally:
            os.close(hears)
            _end(pid)

    def _listen(self, hears: int) -> tuple[float, ...]:
        import json  # requests has loaded it

        poll = select.poll()
        poll.register(hears, select.POLLIN)
        said = b""
        while True:
            left = min(self._until, self._walk.deadline.until) - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                raise self._late()
            data = os.read(hears, 65536)
            *lines, said = (said + data).split(b"\n")
            for line in lines:
                kind, *rest = json.loads(line)
                if kind == "done":
                    return tuple(rest[0])
                if kind == "error":
                    raise _ERRORS.get(rest[0], ActionError)(rest[1])
                self._note(*rest)
            if not data:
                raise self._question.failed("the process that asked was killed")

    def _note(self, asked: str, seen: str, began: float, limit: float) -> None:
        """Note where it is; `limit` seconds are the step's own, 0 if it has none."""
        if limit:
            self._until = began + limit
        else:
            self._until = self._walk.deadline.until
        self._limit = limit
        if asked != self._question.asked:
            self._doing(asked)
        self._question.asked = asked
        self._question.began = began
        self._seen = seen

    def _late(self) -> ActionError:
        if self._limit and self._until < self._walk.deadline.until:
            return self._question.failed(f"{self._seen} within its timeout of {self._limit:g} s")
        return self._question.failed(f"{self._seen} when time was over")


def _walk_and_exit(walk: Walk, says: int) -> NoReturn:
    """Walk in the child; the clock ends it, whatever it is stuck in."""
    try:
        import json
        import signal

        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        signal.setitimer(signal.ITIMER_REAL, walk.deadline.left() + _LONGER)

        def tell(*what: object) -> None:
            line = f"{json.dumps(what)}\n".encode()
            while line:
                line = line[os.write(says, line) :]

        tell(*walk.told(tell))
    finally:
        os._exit(0)


_LONGER = 0.5
"""Seconds that a child lives on, where nobody has ended it at the deadline."""


def _end(pid: int) -> None:
    from signal import SIGKILL

    try:
        os.kill(pid, SIGKILL)
    finally:
        os.waitpid(pid, 0)
