"""The guardian's decisions in this process, with means that only write down that they fired."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from ocfkit.agents.sfex import guardian
from ocfkit.agents.sfex.guardian import HOME, UNFENCED, Guardian, boot
from ocfkit.agents.sfex.lifeline import AT_ONCE, Lifeline
from ocfkit.agents.sfex.means import Means, Reboot
from ocfkit.linux.timerfd import Timer

if TYPE_CHECKING:
    from ocfkit.agents.sfex import keeper
    from ocfkit.agents.sfex.guard import Guard

    def what_a_keeper_wants(guard: Guard) -> keeper.Guard:
        return guard


MS = 1_000_000


class Dog:
    """A watchdog, and when it was fed."""

    descriptors = ()

    def __init__(self, timeout: int) -> None:
        self.timeout = timeout
        self.fed: list[int] = []
        self.disarmed = False

    def feed(self) -> None:
        self.fed.append(boot())

    def close(self) -> None:
        self.disarmed = True


class Bench:
    """A guardian whose keeper is a child that sleeps."""

    def __init__(self) -> None:
        self.lifeline = Lifeline.made()
        self.fired: list[int] = []
        self.effect: Callable[[], None] = self.lifeline.release  # who fires once is done
        self.child = subprocess.Popen(["sleep", "60"])
        self.pidfd = os.pidfd_open(self.child.pid)
        self.said, self.tells = os.pipe2(os.O_NONBLOCK)
        self.timer = Timer()
        self.means = Means([Reboot(lambda: None, self._fire, is_contained=False)])

    def _fire(self) -> None:
        self.fired.append(boot())
        self.effect()

    def kill_keeper(self) -> None:
        self.child.kill()
        self.child.wait()

    def watch(self, fencing: int = 100 * MS) -> int:
        return Guardian(
            self.lifeline,
            self.means,
            self.timer,
            keeper=self.pidfd,
            fencing=fencing,
            tells=self.tells,
        ).watch()

    def sentences(self) -> list[str]:
        try:
            lines = os.read(self.said, 65536).decode().splitlines()
        except BlockingIOError:
            return []
        assert all(each.startswith(guardian.PREFIX) for each in lines)
        return [each.removeprefix(guardian.PREFIX) for each in lines]

    def close(self) -> None:
        for thread in threading.enumerate():
            if isinstance(thread, threading.Timer):
                thread.join()  # it may have been heard before it has come to its end
        self.kill_keeper()
        line = self.lifeline
        for each in (line.page, line.heard, line.rings, self.pidfd, self.said, self.tells):
            os.close(each)
        os.close(self.timer.descriptor)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def fill(pipe: int) -> None:
    while True:
        try:
            os.write(pipe, bytes(4096))
        except BlockingIOError:
            return


def after(seconds: float, act: Callable[[], object]) -> None:
    threading.Timer(seconds, act).start()


def test_fires_once_the_deadline_is_there_and_not_before(bench: Bench) -> None:
    deadline = boot() + 50 * MS
    bench.lifeline.hold(deadline)
    assert bench.watch() == HOME
    assert len(bench.fired) == 1
    assert bench.fired[0] >= deadline
    assert "fencing this node" in bench.sentences()[0]


def test_a_bell_that_rings_before_the_deadline_brings_nothing_forward(bench: Bench) -> None:
    deadline = boot() + 100 * MS
    bench.lifeline.hold(deadline)
    for moment in range(10, 100, 3):
        after(moment / 1000, bench.lifeline.ring)
    assert bench.watch() == HOME
    assert bench.fired[0] >= deadline


def test_what_a_keeper_wrote_last_before_it_died_counts(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def writes_and_dies(_pidfd: int) -> bool:
        bench.lifeline.hold(AT_ONCE)
        return True

    monkeypatch.setattr(guardian, "has_ended", writes_and_dies)
    assert bench.watch() == HOME
    assert len(bench.fired) == 1


def test_never_fires_after_a_release_not_even_of_a_lease_that_is_over(bench: Bench) -> None:
    bench.lifeline.hold(AT_ONCE)
    bench.lifeline.release()
    assert bench.watch() == HOME
    assert bench.fired == []


def test_waits_for_a_first_deadline_without_end(bench: Bench) -> None:
    after(0.1, lambda: bench.lifeline.hold(AT_ONCE))
    assert bench.watch() == HOME
    assert len(bench.fired) == 1
    assert bench.sentences() == ["the keeper wants it: fencing this node"]


def test_a_dead_keeper_that_held_nothing_is_nothing_to_fence_for(bench: Bench) -> None:
    after(0.05, bench.kill_keeper)
    assert bench.watch() == HOME
    assert bench.fired == []


def test_a_deadline_written_by_a_keeper_that_then_died_counts(bench: Bench) -> None:
    bench.lifeline.hold(boot() + 100 * MS)
    bench.kill_keeper()
    assert bench.watch() == HOME
    assert len(bench.fired) == 1
    assert bench.sentences()[0].startswith("the keeper has died; unless another one renews")


def test_waits_without_spinning_after_the_keeper_has_died(bench: Bench) -> None:
    bench.lifeline.hold(boot() + 300 * MS)
    bench.kill_keeper()
    before = time.thread_time()
    bench.watch()
    assert time.thread_time() - before < 0.1


def test_tries_again_when_nothing_has_had_an_effect(bench: Bench) -> None:
    def second_time() -> None:
        if len(bench.fired) == 1:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        bench.lifeline.release()

    bench.effect = second_time
    bench.lifeline.hold(AT_ONCE)
    assert bench.watch() == HOME
    assert 900 * MS < bench.fired[1] - bench.fired[0] < 1500 * MS
    assert bench.sentences()[1] == "reboot(2) has failed: Operation not permitted"


def test_without_any_means_it_says_so_and_ends_after_its_keeper(bench: Bench) -> None:
    bench.means = Means([])
    bench.lifeline.hold(AT_ONCE)
    after(0.05, bench.kill_keeper)
    assert bench.watch() == UNFENCED
    assert len(bench.sentences()) == 2


def test_is_not_held_up_by_a_log_that_nobody_reads(bench: Bench) -> None:
    fill(bench.tells)
    with pytest.raises(BlockingIOError):
        os.write(bench.tells, b"!")
    bench.lifeline.hold(AT_ONCE)
    assert bench.watch() == HOME
    assert len(bench.fired) == 1


def test_a_watchdog_is_fed_while_nothing_is_held_and_disarmed_at_home(bench: Bench) -> None:
    dog = Dog(timeout=60 * MS)
    bench.means = Means([], dog)  # type: ignore[arg-type] # it has all that is needed
    after(0.2, bench.lifeline.release)
    assert bench.watch() == HOME
    assert max(b - a for a, b in zip(dog.fed, dog.fed[1:], strict=False)) < dog.timeout
    assert dog.disarmed


def test_a_watchdog_bites_after_the_deadline_and_before_all_has_to_be_silent(bench: Bench) -> None:
    fencing, dog = 100 * MS, Dog(timeout=200 * MS)
    bench.means = Means([], dog)  # type: ignore[arg-type]
    deadline = boot() + 500 * MS
    bench.lifeline.hold(deadline)
    after(1.0, bench.lifeline.release)
    bench.watch(fencing)
    bites = dog.fed[-1] + dog.timeout
    assert deadline <= bites <= deadline + fencing + 10 * MS
    assert len(dog.fed) >= 5


@pytest.mark.parametrize("module", ["guard", "guardian", "means", "lifeline"])
def test_it_loads_nothing_that_takes_much_memory(module: str) -> None:
    code = (
        f"import sys; sys.path.append('.'); import ocfkit.agents.sfex.{module}; print(*sys.modules)"
    )
    loaded = subprocess.check_output([sys.executable, "-ISc", code], text=True).split()
    assert set(loaded).isdisjoint({"dataclasses", "enum", "re", "typing", "logging", "subprocess"})
