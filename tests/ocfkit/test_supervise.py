"""Somebody who watches the clock. See test_runtime for agents that hang in every way."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def told(program: str, limit: float = 20.0) -> list[str]:
    """Run it in a process of its own: it forks, waits for signals and ends itself."""
    text = f"import sys; sys.path.append({str(ROOT)!r})\n{program}"
    done = subprocess.run(
        [sys.executable, "-ISc", text],
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
    )
    assert done.stderr == ""
    return [str(done.returncode), *done.stdout.splitlines()]


SUPERVISE = """
import os, signal, time
from ocfkit.supervise import supervise
{work}
outcome = supervise(work, {limit}{more})
print(outcome.code)
print(outcome.reason)
"""


def supervised(work: str, limit: float = 10.0, more: str = "") -> list[str]:
    return told(SUPERVISE.format(work=work, limit=limit, more=more))[1:]


class TestSupervise:
    @pytest.mark.parametrize("code", [0, 1, 7, 190, 255])
    def test_tells_the_code_of_the_work(self, code: int) -> None:
        assert supervised(f"def work(doing): return {code}") == [str(code), ""]

    def test_a_work_that_raises_has_failed(self) -> None:
        work = "def work(doing): os.close(2); raise ValueError"
        assert supervised(work) == ["1", ""]

    def test_tells_what_was_said_last(self) -> None:
        work = "def work(doing): doing('first'); doing('second'); time.sleep(60)"
        assert supervised(work, 0.3) == ["None", "did not end within 0.3 s (second)"]

    def test_says_nothing_of_what_was_not_said(self) -> None:
        assert supervised("def work(doing): time.sleep(60)", 0.3) == [
            "None",
            "did not end within 0.3 s",
        ]

    def test_a_talker_does_not_get_stuck(self) -> None:
        work = "def work(doing):\n    for n in range(100000): doing('again')\n    return 0"
        assert supervised(work) == ["0", ""]

    def test_a_time_that_is_over_already_is_over(self) -> None:
        assert supervised("def work(doing): time.sleep(60)", -5) == [
            "None",
            "did not end within 0.0 s",
        ]

    def test_the_worker_may_be_suspended_and_go_on(self) -> None:
        work = """
def work(doing):
    if os.fork() == 0:
        time.sleep(0.3)
        os.kill(os.getppid(), signal.SIGCONT)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGSTOP)
    return 0
"""
        assert supervised(work) == ["0", ""]

    def test_a_caller_that_ignores_sigchld_changes_nothing(self) -> None:
        work = "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\ndef work(doing): return 7"
        assert supervised(work) == ["7", ""]

    def test_a_caller_that_blocks_signals_changes_nothing(self) -> None:
        work = """
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
def work(doing):
    time.sleep(60)
"""
        assert supervised(work, 0.3)[0] == "None"

    def test_the_worker_gets_the_signals_that_we_got(self) -> None:
        work = """
def work(doing):
    return len(signal.pthread_sigmask(signal.SIG_BLOCK, []))
"""
        assert supervised(work) == ["0", ""]

    def test_work_that_has_not_said_the_word_is_given_up_earlier(self) -> None:
        begun = time.monotonic()
        work = "def work(doing): doing('waiting'); time.sleep(60)"
        assert supervised(work, 30, ", unless=(0.3, 'the word')") == [
            "None",
            "did not end within 0.3 s (waiting)",
        ]
        assert time.monotonic() - begun < 15

    def test_work_that_has_said_it_has_all_of_the_time(self) -> None:
        work = "def work(doing): doing('the word'); doing('waiting'); time.sleep(60)"
        assert supervised(work, 1.0, ", unless=(0.3, 'the word')") == [
            "None",
            "did not end within 1.0 s (waiting)",
        ]

    def test_where_there_can_be_no_child_the_system_says_so(self) -> None:
        work = """
def no_fork():
    raise OSError(11, "Resource temporarily unavailable")
os.fork = no_fork
def work(doing): return 0
try:
    supervise(work, 1)
except OSError as error:
    print(error.strerror)
print(len(signal.pthread_sigmask(signal.SIG_BLOCK, [])), flush=True)
os._exit(0)
"""
        assert supervised(work) == ["Resource temporarily unavailable", "0"]


WATCH = """
import os, time, _thread
from ocfkit.supervise import watch
def overdue(why):
    print(why, flush=True)
{work}
print(watch(work, {limit}, overdue), flush=True)
os._exit(0)
"""


def watched(work: str, limit: float = 10.0) -> list[str]:
    return told(WATCH.format(work=work, limit=limit))


class TestWatch:
    def test_tells_the_code_of_the_work(self) -> None:
        assert watched("def work(doing): return 7") == ["0", "7"]

    def test_ends_the_process_with_what_was_said_last(self) -> None:
        work = "def work(doing): doing('first'); doing('second'); time.sleep(60)"
        assert watched(work, 0.3) == ["1", "did not end within 0.3 s (second)"]

    def test_ends_it_even_when_nobody_can_be_told(self) -> None:
        work = "def overdue(why): os.close(2); 1 / 0\ndef work(doing): time.sleep(60)"
        assert watched(work, 0.3) == ["1"]

    def test_a_time_that_is_over_already_is_over(self) -> None:
        assert watched("def work(doing): time.sleep(60)", -5)[0] == "1"

    def test_where_there_can_be_no_thread_the_work_is_done_nonetheless(self) -> None:
        work = """
def no_thread(*_):
    raise RuntimeError("can't start new thread")
_thread.start_new_thread = no_thread
def work(doing): return 7
"""
        assert watched(work) == ["0", "7"]


def test_an_agent_without_a_process_to_spare_does_it_itself() -> None:
    program = """
import os, sys
sys.argv = ["agent", "stop"]
def no_fork():
    raise OSError(11, "Resource temporarily unavailable")
os.fork = no_fork
os.dup2(1, 2)
from ocfkit import Agent, STOPPED
from ocfkit.runtime import _live
class Thing(Agent):
    "A thing."
    needs_root = ()
    def start(self): pass
    def stop(self): pass
    def monitor(self): return STOPPED
_live(lambda: Thing, "agent", "1.1")
"""
    code, line = told(program)
    assert code == "0"
    assert "nobody else can do it: Resource temporarily unavailable" in line
