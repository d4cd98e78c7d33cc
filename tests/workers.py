"""Which worker of pytest-xdist runs which test.

Plain tests wait most of their time and look at nothing but what they have made: they are dealt out
to all workers. The others compare images of the whole machine, or have to be punctual: they run one
after the other, and the first of them begins when no worker but theirs has anything left to do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Protocol

_AHEAD = 3
"""What a worker is given in advance: it begins a test when it knows the next one."""


class Worker(Protocol):
    """What is needed here of xdist's WorkerController."""

    @property
    def shutting_down(self) -> bool: ...
    def send_runtest_some(self, indices: Sequence[int]) -> None: ...
    def shutdown(self) -> None: ...


class PlainSideBySide:
    """What xdist asks of a scheduler (xdist.scheduler.Scheduling), for workers that never return.

    A worker that dies has failed the run, so nothing of its tests is dealt out again.
    """

    def __init__(self, workers: int, is_plain: Callable[[str], bool]) -> None:
        self._expected = workers
        self._is_plain = is_plain
        self._given: dict[Worker, list[int]] = {}
        self._collected: dict[Worker, list[str]] = {}
        self._tests: list[str] = []
        self._plain: deque[int] = deque()
        self._alone: deque[int] = deque()

    # --- before the first test --------------------------------------------------------------------

    def add_node(self, node: Worker) -> None:
        self._given[node] = []

    def add_node_collection(self, node: Worker, collection: Sequence[str]) -> None:
        self._collected[node] = list(collection)

    @property
    def collection_is_completed(self) -> bool:
        return len(self._collected) >= self._expected

    def schedule(self) -> None:
        self._tests, *others = self._collected.values()
        for each in others:
            if each != self._tests:
                differing = [pair for pair in zip_longest(each, self._tests) if len({*pair}) > 1]
                raise RuntimeError(f"two workers have collected different tests: {differing[0]}")
        for index, test in enumerate(self._tests):
            (self._plain if self._is_plain(test) else self._alone).append(index)
        self._deal()

    # --- while tests run --------------------------------------------------------------------------

    def mark_test_complete(self, node: Worker, item_index: int, duration: float = 0) -> None:
        del duration
        self._given[node].remove(item_index)
        self._deal()

    def remove_node(self, node: Worker) -> str | None:
        """Forget a worker; returns the test that it died of, if any."""
        given = self._given.pop(node)
        self._deal()
        return self._tests[given[0]] if given else None

    def _deal(self) -> None:
        for node in self.nodes:
            self._give(node, self._plain)
        if self._plain:
            return
        for node in self.nodes[1:]:
            self._dismiss(node)
        if len(self.nodes) == 1:
            self._give(self.nodes[0], self._alone)

    def _give(self, node: Worker, tests: deque[int]) -> None:
        given = self._given[node]
        count = min(_AHEAD - len(given), len(tests))
        if count and not node.shutting_down:
            indices = [tests.popleft() for _ in range(count)]
            given += indices
            node.send_runtest_some(indices)

    def _dismiss(self, node: Worker) -> None:
        """Let it run what it has; afterwards it is removed."""
        if not node.shutting_down:
            node.shutdown()

    # --- what xdist wants to know -----------------------------------------------------------------

    @property
    def nodes(self) -> list[Worker]:
        return list(self._given)

    @property
    def has_pending(self) -> bool:
        return bool(self._plain or self._alone or any(self._given.values()))

    @property
    def tests_finished(self) -> bool:
        """Whether nothing is left but the last test of each, which it runs when it is shut down."""
        rest = self._plain or self._alone or any(len(each) > 1 for each in self._given.values())
        return self.collection_is_completed and not rest

    def mark_test_pending(self, item: str) -> None:
        raise NotImplementedError(f"{item} is not run twice")

    def remove_pending_tests_from_node(self, node: Worker, indices: Sequence[int]) -> None:
        raise NotImplementedError(f"{node} is never asked to return {indices}")
