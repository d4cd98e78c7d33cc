"""An author's code is interrupted in time, whatever it does in Python."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress

import pytest

from ocfkit.deadline import Deadline
from ocfkit.errors import DeadlineError
from ocfkit.interrupt import interrupted_at


def loop() -> None:
    while True:
        pass


def read_a_pipe() -> None:
    reader, writer = os.pipe()
    try:
        os.read(reader, 1)
    finally:
        os.close(reader)
        os.close(writer)


def wait_for_a_lock() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


@pytest.fixture(autouse=True)
def nothing_is_left_armed() -> Generator[None]:
    handler = signal.getsignal(signal.SIGALRM)
    yield
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) == handler


@pytest.mark.parametrize("hang", [loop, read_a_pipe, wait_for_a_lock, lambda: time.sleep(60)])
def test_what_hangs_in_python_is_interrupted(hang: Callable[[], None]) -> None:
    began = time.monotonic()
    with pytest.raises(DeadlineError, match=r"^it is late$"):  # noqa: SIM117
        with interrupted_at(Deadline.after(0.1), "it is late"):
            hang()
    assert 0.05 < time.monotonic() - began < 10


def test_what_ends_in_time_is_not() -> None:
    with interrupted_at(Deadline.after(0.2), "it is late"):
        value = 1 + 1
    time.sleep(0.3)
    assert value == 2


def test_it_is_interrupted_again_when_it_does_not_listen() -> None:
    heard = 0
    with suppress(DeadlineError), interrupted_at(Deadline.after(0.05), "it is late"):
        for _ in range(3):
            try:
                time.sleep(60)
            except DeadlineError:
                heard += 1
    assert heard == 3


def test_a_deadline_that_is_over_interrupts_at_once() -> None:
    with pytest.raises(DeadlineError), interrupted_at(Deadline.after(-5), "it is late"):
        time.sleep(60)


def test_one_may_stand_in_another() -> None:
    with pytest.raises(DeadlineError, match=r"^outer$"):  # noqa: PT012, SIM117
        with interrupted_at(Deadline.after(0.3), "outer"):
            with pytest.raises(DeadlineError, match=r"^inner$"):  # noqa: SIM117
                with interrupted_at(Deadline.after(0.1), "inner"):
                    time.sleep(60)
            time.sleep(60)


def test_the_outer_one_is_not_lost_when_the_inner_one_takes_longer() -> None:
    with pytest.raises(DeadlineError, match=r"^outer$"):  # noqa: PT012, SIM117
        with interrupted_at(Deadline.after(0.05), "outer"):
            with interrupted_at(Deadline.after(10), "inner"):
                time.sleep(0.1)
            time.sleep(60)


def test_a_timer_of_somebody_else_goes_on_afterwards() -> None:
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _frame: rung.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with interrupted_at(Deadline.after(10), "it is late"):
            pass
        until = time.monotonic() + 10
        while not rung and time.monotonic() < until:
            signal.sigtimedwait([signal.SIGUSR2], 0.01)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert rung == [signal.SIGALRM]


def test_in_a_thread_nothing_happens() -> None:
    done: list[bool] = []

    def work() -> None:
        with interrupted_at(Deadline.after(0.01), "it is late"):
            time.sleep(0.1)
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert done == [True]
