"""What agents answered in a cluster, from the log of each node: the cluster's own record keeps only
the last failure of a resource, and a start that fails wipes out why there had to be one.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from docker.errors import APIError
from docker.models.containers import Container

LOG = "/var/log/pacemaker/pacemaker.log"

_RESULT = re.compile(
    r"^(?P<when>\w+ +\d+ [\d:.]+) (?P<node>\S+) .*Result of \w+ operation for (?P<resource>\S+) on "
    r"\S+: (?P<told>[^|(]*?)(?: \((?P<reason>.*)\))? \| .*"
    r"key=\S+_(?P<name>[a-z]+)_(?P<interval>\d+)(?: .*?rc=(?P<code>\d+))?"
)
_GENERIC = 1
"""What counts where an agent was not allowed to end."""


class Done(Protocol):
    """What a command in a node did."""

    @property
    def code(self) -> int: ...
    @property
    def stdout(self) -> str: ...
    @property
    def stderr(self) -> str: ...


class Node(Protocol):
    """A node of the cluster under test, as far as a cell needs it."""

    @property
    def name(self) -> str: ...
    @property
    def container(self) -> Container: ...
    def run(self, argv: Sequence[str], timeout: float = ...) -> Done: ...
    def put(self, path: str, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Operation:
    """One answer of an agent."""

    resource: str
    node: str
    name: str
    interval: int
    """Milliseconds; 0 for what is not repeated."""
    code: int
    reason: str
    when: float
    """Seconds since the epoch."""


def operations(log: str) -> Iterator[Operation]:
    """The answers in the lines of a log; of a recurring one only those that differ are there."""
    year = dt.datetime.now(dt.UTC).year
    for line in log.splitlines():
        found = _RESULT.match(line)
        if found is None or found["told"] == "Cancelled":
            continue
        when = dt.datetime.strptime(f"{year} {found['when']} +0000", "%Y %b %d %H:%M:%S.%f %z")
        yield Operation(
            found["resource"],
            found["node"],
            found["name"],
            int(found["interval"]),
            int(found["code"] or _GENERIC),
            found["reason"] or "",
            when.timestamp(),
        )


class History:
    """What some resources have been doing since `begin`."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes
        self._names: tuple[str, ...] = ()
        self._read: dict[str, int] = {}
        self.seen: list[Operation] = []

    def begin(self, *names: str) -> None:
        """Look from now on at these resources."""
        self.look()
        self.seen.clear()
        self._names = names

    def look(self) -> None:
        """Read what is new; a node that is down has nothing to say."""
        for node in self._nodes:
            with contextlib.suppress(APIError):
                self._look_at(node)
        self.seen.sort(key=lambda each: each.when)

    def wait(self, seconds: float, done: Callable[[], Operation | None]) -> Operation | None:
        """Look until there is such an operation, or the time is over."""
        until = time.monotonic() + seconds
        while True:
            self.look()
            found = done()
            if found is not None or time.monotonic() > until:
                return found
            time.sleep(0.3)

    def find(
        self,
        name: str,
        *,
        code: int | None = None,
        failed: bool = False,
        node: str = "",
        resource: str = "",
        after: float = 0.0,
    ) -> Operation | None:
        """The first operation of that kind; of the monitors a recurring one."""
        for each in self.seen:
            if (
                each.name == name
                and (name != "monitor" or each.interval)
                and (code is None or each.code == code)
                and (not failed or each.code != 0)
                and (not node or each.node == node)
                and (not resource or each.resource == resource)
                and each.when >= after
            ):
                return each
        return None

    def failures(self, name: str) -> list[str]:
        """Each recurring monitor of a resource that failed, in words."""
        return [
            f"{each.code} {each.reason}".strip()
            for each in self.seen
            if each.resource == name and each.name == "monitor" and each.interval and each.code
        ]

    def _look_at(self, node: Node) -> None:
        start = self._read.get(node.name, 0)
        said = node.run(["tail", "-c", f"+{start + 1}", LOG]).stdout
        whole = said[: said.rfind("\n") + 1]
        self._read[node.name] = start + len(whole.encode())
        self.seen += [each for each in operations(whole) if each.resource in self._names]
