"""Plain tests on all workers; the others on one, while no other worker has anything to do."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.workers import PlainSideBySide

TESTS = [*(f"plain {number}" for number in range(12)), *(f"alone {number}" for number in range(5))]


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


def scheduled(count: int, tests: Sequence[str] = TESTS) -> tuple[PlainSideBySide, list[Worker]]:
    workers = [Worker() for _ in range(count)]
    scheduler = PlainSideBySide(count, lambda test: test.startswith("plain"))
    for worker in workers:
        scheduler.add_node(worker)
    for worker in workers:
        assert not scheduler.collection_is_completed
        scheduler.add_node_collection(worker, tests)
    scheduler.schedule()
    return scheduler, workers


def run(scheduler: PlainSideBySide, workers: Sequence[Worker]) -> list[tuple[str, Worker, int]]:
    """Every test with its worker, and how many others had something to do meanwhile.

    The first worker is the fastest by far: the others go on when it has to wait.
    """
    ran: list[tuple[str, Worker, int]] = []
    while scheduler.nodes:
        if scheduler.tests_finished:
            for worker in workers:
                worker.shutdown()
        here = [each for each in workers if each in scheduler.nodes]
        ended = [each for each in here if each.shutting_down and not each.queue]
        ready = [each for each in workers if each.can_run]
        if ended:
            assert scheduler.remove_node(ended[0]) is None
        else:
            index = ready[0].queue.pop(0)
            others = sum(bool(each.queue) for each in workers if each is not ready[0])
            ran.append((TESTS[index], ready[0], others))
            scheduler.mark_test_complete(ready[0], index)
    return ran


@pytest.mark.parametrize("count", [1, 2, 4, 40])
def test_every_test_runs_once(count: int) -> None:
    scheduler, workers = scheduled(count)
    assert sorted(test for test, _, _ in run(scheduler, workers)) == sorted(TESTS)
    assert not scheduler.has_pending


def test_plain_tests_are_shared() -> None:
    ran = run(*scheduled(4))
    assert len({worker for test, worker, _ in ran if test.startswith("plain")}) == 4


@pytest.mark.parametrize("count", [2, 4, 40])
def test_the_others_run_in_their_order_on_one_worker_that_is_alone(count: int) -> None:
    ran = [each for each in run(*scheduled(count)) if each[0].startswith("alone")]
    assert [test for test, _, _ in ran] == TESTS[12:]
    assert len({worker for _, worker, _ in ran}) == 1
    assert {others for _, _, others in ran} == {0}


@pytest.mark.parametrize("tests", [[], TESTS[:1], TESTS[12:13], TESTS[12:]])
def test_few_tests_or_none_come_to_an_end(tests: list[str]) -> None:
    scheduler, workers = scheduled(3, tests)
    assert len(run(scheduler, workers)) == len(tests)


def test_the_test_that_a_worker_died_of_is_told() -> None:
    scheduler, workers = scheduled(2)
    assert scheduler.remove_node(workers[1]) == TESTS[workers[1].queue[0]]


def test_workers_that_have_collected_different_tests_are_an_error() -> None:
    one, other = Worker(), Worker()
    scheduler = PlainSideBySide(2, bool)
    for worker, tests in ((one, TESTS), (other, TESTS[::-1])):
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, tests)
    with pytest.raises(RuntimeError, match="different tests"):
        scheduler.schedule()
