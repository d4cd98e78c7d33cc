"""Guardians that fire: each in a pid namespace of its own, with a pipe for /proc/sysrq-trigger."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from ocfkit.linux import namespaces as ns

ROOT = Path(__file__).parents[2]
RUN = "from tests.agents.sfex import guarded; guarded.main()"
MS = 1_000_000
IN_TIME = 50 * MS
"""After a deadline, the issue's."""
MEGABYTE = 1024
ENDED = (-signal.SIGHUP, 128 + signal.SIGHUP)
"""By reboot(2): unshare(1) ends as its child did."""


def boot() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@pytest.fixture(autouse=True)
def _looks_in_time() -> Iterator[None]:
    """What measures must not be late itself."""
    os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(3))
    yield
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@pytest.fixture
def trigger(tmp_path: Path) -> Iterator[Trigger]:
    made = Trigger(tmp_path / "sysrq")
    yield made
    os.close(made.descriptor)


class Trigger:
    """Stands for /proc/sysrq-trigger, and knows when it was written to."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = str(path)
        self.descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def fired(self, until: int) -> int:
        """Boot time of the first `b`; 0 when there is none by then."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        if not poll.poll(max(0, until - boot()) // MS):
            return 0
        moment = boot()
        assert os.read(self.descriptor, 1) == b"b"
        return moment


class Guarded:
    """The namespace, and what its keeper has said."""

    def __init__(self, trigger: str, *plan: str, unshare: tuple[str, ...] = ()) -> None:
        code = f"import sys; sys.path.append({str(ROOT)!r}); {RUN}"
        alone = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *unshare)
        self.process = subprocess.Popen(
            [*alone, sys.executable, "-ISc", code, trigger, *plan],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def hears(self, word: str) -> str:
        """The rest of the next line that begins so."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(word):
                return line[len(word) :].strip()
            if line == "done\n":
                break
        raise AssertionError(f"it has done all without saying {word!r}")

    def number(self, word: str) -> int:
        return int(self.hears(word))

    def ends(self) -> list[str]:
        """All of the namespace, now; what was said and not heard."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        return self.process.stdout.readlines()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def require_in_time(deadline: int, fired: int, what: str) -> None:
    assert fired, f"{what}: not fired"
    late = (fired - deadline) / MS
    print(f"{what}: fired {late:.2f} ms after the deadline")
    assert 0 <= fired - deadline <= IN_TIME


def test_a_reboot_ends_a_pid_namespace_and_nothing_else() -> None:
    """The ground that all others stand on; it needs no guardian."""
    said, says = os.pipe()
    pid = ns.fork_into(ns.CLONE_NEWPID)
    if pid == 0:
        from ocfkit.linux import reboot

        try:
            if os.getpid() == 1 and reboot.is_contained():
                reboot.require_permission()
                os.write(says, b"permitted")
                if os.fork() == 0:
                    reboot.restart()
                time.sleep(10)
        finally:
            os._exit(1)
    os.close(says)
    _, status = os.waitpid(pid, 0)
    assert os.read(said, 99) == b"permitted"
    os.close(said)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGHUP  # reboot(2): of a restart


@pytest.mark.parametrize(
    ("fate", "what"),
    [
        ("stop", "keeper stopped"),
        ("die", "keeper killed"),
        ("spin", "keepers busy"),
        ("sleep", "keeper asleep"),
        ("signal_guardian", "guardian told to end"),
    ],
    ids=["stopped", "killed", "busy", "asleep", "signals"],
)
def test_fires_at_the_deadline_whatever_the_keeper_does(
    trigger: Trigger, fate: str, what: str
) -> None:
    with Guarded(trigger.path, "hold:400", fate) as guarded:
        deadline = guarded.number("deadline")
        require_in_time(deadline, trigger.fired(deadline + 1000 * MS), what)


def test_fires_by_a_reboot_that_ends_its_namespace() -> None:
    with Guarded("reboot", "hold:400", "stop") as guarded:
        deadline = guarded.number("deadline")
        guarded.process.wait(10)
        ended = boot()
        assert guarded.process.returncode in ENDED
        print(f"reboot: namespace gone {(ended - deadline) / MS:.2f} ms after the deadline")
        assert ended >= deadline


def test_all_that_there_is_in_a_container_is_its_own_end(trigger: Trigger) -> None:
    with Guarded(f"all:{trigger.path}", "report", "hold:300", "stop") as guarded:
        report = guarded.hears("report")
        assert report.split("; ") == [
            "fences by reboot(2), which ends this container",
            f"fences by sysrq through {trigger.path}",
        ]
        guarded.process.wait(10)
        assert guarded.process.returncode in ENDED
    assert not trigger.fired(boot())


def test_goes_home_after_a_release_and_never_fires(trigger: Trigger) -> None:
    with Guarded(trigger.path, "hold:300", "sleep:100", "release") as guarded:
        deadline = guarded.number("deadline")
        assert guarded.number("home") == 0
        assert boot() < deadline
        assert not trigger.fired(deadline + 300 * MS)


def test_goes_home_when_the_keeper_dies_before_it_holds_anything(trigger: Trigger) -> None:
    with Guarded(trigger.path, "die") as guarded:
        assert not trigger.fired(boot() + 500 * MS)
        process = Path(f"/proc/{guarded.process.pid}/task/{guarded.process.pid}/children")
        first = int(process.read_text().split()[0])
        names = [
            Path(f"/proc/{each}/comm").read_text().strip()
            for each in Path(f"/proc/{first}/task/{first}/children").read_text().split()
            if "State:\tZ" not in Path(f"/proc/{each}/status").read_text()
        ]
        assert names == []


def test_a_later_deadline_holds_and_the_earlier_one_does_not(trigger: Trigger) -> None:
    plan = ("hold:300", "sleep:200", "hold:300", "sleep:200", "hold:300", "stop")
    with Guarded(trigger.path, *plan) as guarded:
        guarded.number("deadline")
        guarded.number("deadline")
        last = guarded.number("deadline")
        require_in_time(last, trigger.fired(last + 1000 * MS), "deadline extended twice")


def test_fires_at_once_when_it_was_stopped_past_the_deadline(trigger: Trigger) -> None:
    plan = ("hold:200", "stop_guardian", "sleep:400", "continue_guardian")
    with Guarded(trigger.path, *plan) as guarded:
        deadline = guarded.number("deadline")
        assert not trigger.fired(deadline + 100 * MS)
        continued = guarded.number("continued")
        require_in_time(continued, trigger.fired(continued + 1000 * MS), "guardian continued")


def test_a_keeper_that_has_lost_the_lock_need_not_wait(trigger: Trigger) -> None:
    with Guarded(trigger.path, "hold:10000", "fence") as guarded:
        deadline = guarded.number("deadline")
        assert trigger.fired(boot() + 1000 * MS)
        assert boot() < deadline


def test_a_successor_hands_over_a_new_deadline(trigger: Trigger) -> None:
    with Guarded(trigger.path, "hold:300", "succeed:600") as guarded:
        first = guarded.number("deadline")
        last = guarded.number("inherited")
        assert last > first + 200 * MS
        require_in_time(last, trigger.fired(last + 1000 * MS), "lifeline inherited")


def test_a_guardian_that_was_killed_has_a_successor(trigger: Trigger) -> None:
    with Guarded(trigger.path, "hold:300", "kill_guardian", "hold:300", "die") as guarded:
        guarded.number("deadline")
        last = guarded.number("deadline")
        require_in_time(last, trigger.fired(last + 1000 * MS), "second guardian")


@pytest.mark.parametrize(
    ("plan", "what"),
    [
        (("kill_guardian", "stay", "stop"), "successor between two deadlines"),
        (
            ("ignore_children", "kill_guardian", "stay", "die"),
            "successor of one that is not buried",
        ),
        (("kill_guardian", "die_as_soon_as_it_forks", "stay"), "successor without a keeper"),
    ],
    ids=["at-once", "unburied", "orphaned"],
)
def test_a_successor_guards_the_deadline_of_the_one_before(
    trigger: Trigger, plan: tuple[str, ...], what: str
) -> None:
    with Guarded(trigger.path, "hold:700", *plan) as guarded:
        deadline = guarded.number("deadline")
        require_in_time(deadline, trigger.fired(deadline + 1000 * MS), what)


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL], ids=["stopped", "killed"])
def test_ends_the_lease_of_a_real_keeper(trigger: Trigger, number: signal.Signals) -> None:
    with Guarded(trigger.path, f"keep:{number}") as guarded:
        fired = trigger.fired(boot() + 5000 * MS)
        lines = guarded.ends()
        told = [line.split() for line in lines if line.startswith("told holding")]
        assert len(told) >= 4
        require_in_time(int(told[-1][2]), fired, f"real keeper, {number.name}")


def test_a_real_keeper_that_is_told_to_stop_sends_it_home(trigger: Trigger) -> None:
    with Guarded(trigger.path, f"keep:{signal.SIGTERM}") as guarded:
        assert guarded.number("ended") == 0
        assert guarded.number("home") == 0
        assert not trigger.fired(boot() + 1200 * MS)


def test_a_keeper_fences_when_nobody_can_guard_it_any_more(trigger: Trigger) -> None:
    plan = ("hold:10000", "run_out_of_processes", "kill_guardian", "hold:10000")
    with Guarded(trigger.path, *plan) as guarded:
        guarded.number("deadline")
        said = guarded.hears("<2>ocfkit sfex: fencing this node: ")
        assert trigger.fired(boot() + 1000 * MS)
        assert guarded.hears("unguarded").endswith("(Resource temporarily unavailable)")
    assert said.endswith("there is no other (Resource temporarily unavailable)")


def test_it_is_small_in_memory_and_on_its_own(trigger: Trigger) -> None:
    with Guarded(trigger.path, "hold:5000", "facts") as guarded:
        size = guarded.number("rss")
        locked = guarded.number("locked")
        print(f"guardian: {size} kB resident, {locked} kB locked")
        assert size <= 20 * MEGABYTE
        assert locked > 0
        assert guarded.number("files") == 9  # three standard ones, page, bell, sysrq, keeper, timer
        assert guarded.number("policy") == os.SCHED_RR
        assert guarded.hears("session") == "True"
        assert guarded.number("clock") == time.CLOCK_BOOTTIME


def test_refuses_to_guard_without_locked_memory(trigger: Trigger) -> None:
    unprivileged = ("setpriv", "--bounding-set", "-ipc_lock,-sys_nice", "--inh-caps", "-all")
    with Guarded(trigger.path, unshare=unprivileged) as guarded:
        sentence = guarded.hears("refused")
    assert "real-time class (Operation not permitted)" in sentence
    assert "memory is not locked" in sentence
