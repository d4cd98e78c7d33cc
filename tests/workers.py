"""Which worker of pytest-xdist runs which test, and beside which others.

A test has a stage, and none begins before those of all earlier stages have ended. Within its stage
it is in a lane, whose tests run one after the other, beside those of the other lanes; or in none:
then it waits most of its time, looks at nothing but what it has made, and any worker may have it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import NamedTuple, Protocol

_AHEAD = 3
"""What a worker is given in advance: it begins a test when it knows the next one."""


class Place(NamedTuple):
    """Where a test runs. A lane is a number; None: anywhere, which the first stage alone allows."""

    stage: int
    lane: int | None


class Worker(Protocol):
    """What is needed here of xdist's WorkerController."""

    @property
    def shutting_down(self) -> bool: ...
    def send_runtest_some(self, indices: Sequence[int]) -> None: ...
    def shutdown(self) -> None: ...


class Stages:
    """What xdist asks of a scheduler (xdist.scheduler.Scheduling), for workers that never return.

    A worker that dies has failed the run, so nothing of its tests is dealt out again.
    """

    def __init__(self, workers: int, place_of: Callable[[str], Place]) -> None:
        self._expected = workers
        self._place_of = place_of
        self._given: dict[Worker, list[int]] = {}
        self._collected: dict[Worker, list[str]] = {}
        self._tests: list[str] = []
        self._places: list[Place] = []
        self._shared: deque[int] = deque()
        self._own: dict[Worker, deque[int]] = {}

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
        self._places = [self._place_of(test) for test in self._tests]
        nodes = self.nodes
        self._own = {node: deque() for node in nodes}
        in_order = sorted(range(len(self._tests)), key=lambda index: self._places[index].stage)
        for index in in_order:
            lane = self._places[index].lane
            queue = self._shared if lane is None else self._own[nodes[lane % len(nodes)]]
            queue.append(index)
        self._deal()

    # --- while tests run --------------------------------------------------------------------------

    def mark_test_complete(self, node: Worker, item_index: int, duration: float = 0) -> None:
        del duration
        self._given[node].remove(item_index)
        self._deal()

    def remove_node(self, node: Worker) -> str | None:
        """Forget a worker; returns the test that it died of, if any."""
        given = self._given.pop(node)
        self._own.pop(node, None)
        self._deal()
        return self._tests[given[0]] if given else None

    def _deal(self) -> None:
        stage = self._stage()
        for node in self.nodes:
            if not node.shutting_down:
                self._give(node, stage)

    def _give(self, node: Worker, stage: int) -> None:
        given = self._given[node]
        new: list[int] = []
        while queue := self._shared or self._own[node]:
            if len(given) == _AHEAD or not self._may_have(given, queue[0], stage):
                break
            new.append(queue.popleft())
            given.append(new[-1])
        if new:
            node.send_runtest_some(new)
        if not queue and all(self._places[each].stage == stage for each in given):
            node.shutdown()  # it runs what it has; afterwards it is removed

    def _stage(self) -> int:
        """The first one of which a test has not ended."""
        firsts = [queue[0] for queue in (self._shared, *self._own.values()) if queue]
        given = [test for tests in self._given.values() for test in tests]
        return min((self._places[each].stage for each in (*firsts, *given)), default=0)

    def _may_have(self, given: Sequence[int], test: int, stage: int) -> bool:
        """Whether it would not make a test of a later stage begin: the last one given waits."""
        later = any(self._places[each].stage > stage for each in given)
        return self._places[test].stage == stage or not later

    # --- what xdist wants to know -----------------------------------------------------------------

    @property
    def nodes(self) -> list[Worker]:
        return list(self._given)

    @property
    def has_pending(self) -> bool:
        return bool(self._shared or any(self._own.values()) or any(self._given.values()))

    @property
    def tests_finished(self) -> bool:
        """Whether every worker has been told to run what it has, and to end."""
        return self.collection_is_completed and all(node.shutting_down for node in self.nodes)

    def mark_test_pending(self, item: str) -> None:
        raise NotImplementedError(f"{item} is not run twice")

    def remove_pending_tests_from_node(self, node: Worker, indices: Sequence[int]) -> None:
        raise NotImplementedError(f"{node} is never asked to return {indices}")
