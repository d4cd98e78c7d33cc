"""Stage after stage; what has a lane in order, and what has none on all workers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workers import Place, Stages

TESTS = [
    *(f"0 any {number}" for number in range(12)),
    *(f"1 0 {number}" for number in range(4)),
    *(f"2 0 {number}" for number in range(5)),
    *(f"2 1 {number}" for number in range(9)),
    *(f"3 1 {number}" for number in range(2)),
]
"""Stage, lane and number."""


def place_of(test: str) -> Place:
    stage, lane, _ = test.split()
    return Place(int(stage), None if lane == "any" else int(lane))


class Worker:
    """As xdist's: it begins a test when it has the next one, or is to shut down."""

    def __init__(self) -> None:
        self.queue: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        assert not self.shutting_down
        self.queue += indices

    def shutdown(self) -> None:
        self.shutting_down = True

    @property
    def can_run(self) -> bool:
        return len(self.queue) > (0 if self.shutting_down else 1)


def scheduled(count: int, tests: Sequence[str] = TESTS) -> tuple[Stages, list[Worker]]:
    workers = [Worker() for _ in range(count)]
    scheduler = Stages(count, place_of)
    for worker in workers:
        scheduler.add_node(worker)
    for worker in workers:
        assert not scheduler.collection_is_completed
        scheduler.add_node_collection(worker, tests)
    scheduler.schedule()
    return scheduler, workers


@dataclass(frozen=True)
class Ran:
    test: str
    worker: Worker
    beside: frozenset[str]
    """What had begun on other workers, and had not ended, when it began or ended."""


def run(
    scheduler: Stages, workers: Sequence[Worker], tests: Sequence[str] = TESTS, seed: int = 0
) -> list[Ran]:
    """Every test in the order of their ends; whose test ends next is left to chance."""
    chance = random.Random(seed)  # noqa: S311 - it chooses a worker
    ran: list[Ran] = []
    running: dict[int, tuple[int, set[str]]] = {}

    def begin() -> None:
        for number, worker in enumerate(workers):
            if number not in running and worker.can_run:
                running[number] = (worker.queue.pop(0), set())
        for number, (_, beside) in running.items():
            beside.update(tests[test] for other, (test, _) in running.items() if other != number)

    while scheduler.nodes:
        begin()
        for number, worker in enumerate(workers):
            idle = number not in running and not worker.queue
            if worker.shutting_down and idle and worker in scheduler.nodes:
                assert scheduler.remove_node(worker) is None
        if running:
            number = chance.choice(sorted(running))
            test, beside = running.pop(number)
            ran.append(Ran(tests[test], workers[number], frozenset(beside)))
            scheduler.mark_test_complete(workers[number], test)
        else:
            assert not scheduler.nodes, "nobody has anything to do, and somebody waits"
    assert scheduler.tests_finished
    return ran


def stage(test: str) -> int:
    return place_of(test).stage


@given(st.integers(1, 5), st.lists(st.sampled_from(TESTS), unique=True), st.integers())
def test_every_test_runs_once_beside_none_of_another_stage(
    count: int, tests: list[str], seed: int
) -> None:
    ran = run(*scheduled(count, tests), tests, seed)
    assert sorted(each.test for each in ran) == sorted(tests)
    for each in ran:
        assert {stage(other) for other in each.beside} <= {stage(each.test)}


@given(st.integers(1, 5), st.integers())
def test_a_lane_runs_in_its_order_on_one_worker(count: int, seed: int) -> None:
    ran = run(*scheduled(count), seed=seed)
    for lane in (0, 1):
        mine = [each for each in ran if place_of(each.test).lane == lane]
        assert [each.test for each in mine] == [
            test for test in TESTS if test.split()[1] == str(lane)
        ]
        assert len({each.worker for each in mine}) == 1


def test_what_has_no_lane_is_shared() -> None:
    ran = run(*scheduled(4))
    assert len({each.worker for each in ran if stage(each.test) == 0}) == 4


def test_two_lanes_run_side_by_side() -> None:
    ran = run(*scheduled(2))
    assert any(each.beside for each in ran if stage(each.test) == 2)


def test_the_test_that_a_worker_died_of_is_told() -> None:
    scheduler, workers = scheduled(2)
    assert scheduler.remove_node(workers[1]) == TESTS[workers[1].queue[0]]


def test_workers_that_have_collected_different_tests_are_an_error() -> None:
    one, other = Worker(), Worker()
    scheduler = Stages(2, place_of)
    for worker, tests in ((one, TESTS), (other, TESTS[::-1])):
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, tests)
    with pytest.raises(RuntimeError, match="different tests"):
        scheduler.schedule()
