"""A keeper under a guardian, in a pid namespace of its own: FILE PLAN…

It is the first process of the namespace: reboot(2) ends that namespace and nothing else, and so
does the end of whoever reads from it. FILE stands for /proc/sysrq-trigger; `reboot` in its place is
the real call, and `all:FILE` both. The keeper follows the plan, and prints what the test has to
know.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
import time

from ocfkit.agents.sfex import guardian, store
from ocfkit.agents.sfex.guard import Guard, armed
from ocfkit.agents.sfex.keeper import Keeper, Signals
from ocfkit.agents.sfex.lease import Protocol
from ocfkit.agents.sfex.lifeline import Lifeline
from ocfkit.agents.sfex.means import Means, Reboot, Sysrq, UnguardedError
from ocfkit.agents.sfex.messages import Hold
from ocfkit.agents.sfex.store import Store
from ocfkit.agents.sfex.timing import SECOND, Timing
from ocfkit.linux import process, reboot
from ocfkit.linux.blockdev import BlockDevice

MS = 1_000_000
TIMING = Timing.of(collision=SECOND, lock=60 * SECOND, interval=10 * SECOND)

QUICK = Timing(
    collision=100 * MS, lock=1000 * MS, interval=100 * MS, margin=200 * MS, look=25 * MS, io=25 * MS
)


def say(*words: object) -> None:
    os.write(1, (" ".join(str(word) for word in words) + "\n").encode())


def status_of(pid: int, field: str) -> str:
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        return next(line.split()[1] for line in lines if line.startswith(field + ":"))


class Plan:
    """Its words are methods, and their arguments numbers."""

    def __init__(self, guard: Guard, trigger: str) -> None:
        self.guard = guard
        self.trigger = trigger
        self.until = 0

    def hold(self, ms: int) -> None:
        self.until = guardian.boot() + ms * MS
        self.guard.deadline(self.until)
        say("deadline", self.until)

    def sleep(self, ms: int) -> None:
        time.sleep(ms / 1000)

    def stop_guardian(self, _: int) -> None:
        os.kill(self.guard.pid, signal.SIGSTOP)

    def continue_guardian(self, _: int) -> None:
        say("continued", guardian.boot())
        os.kill(self.guard.pid, signal.SIGCONT)

    def signal_guardian(self, _: int) -> None:
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            os.kill(self.guard.pid, number)

    def kill_guardian(self, _: int) -> None:
        guardian = process.identify(self.guard.pid)
        guardian.send(signal.SIGKILL)
        guardian.wait(5.0)

    def run_out_of_processes(self, _: int) -> None:
        def no_more() -> int:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

        os.fork = no_more

    def ignore_children(self, _: int) -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    def die_as_soon_as_it_forks(self, _: int) -> None:
        fork = os.fork

        def last() -> int:
            pid = fork()
            if pid:
                os.kill(os.getpid(), signal.SIGKILL)
            return pid

        os.fork = last

    def stay(self, _: int) -> None:
        self.guard.stay()

    def stop(self, _: int) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

    def die(self, _: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def spin(self, _: int) -> None:
        """As a keeper in its real-time class, on all processors."""
        for _ in range(os.cpu_count() or 1):
            if os.fork() == 0:
                os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
                end = time.monotonic() + 1.5
                while time.monotonic() < end:
                    pass
                os._exit(0)

    def release(self, _: int) -> None:
        self.guard.released()
        self.home()

    def home(self) -> None:
        _, status = os.waitpid(self.guard.pid, 0)
        say("home", os.waitstatus_to_exitcode(status))

    def keep(self, number: int) -> None:
        """As a real keeper, on a file for a device; after 700 ms it gets this signal."""
        path = f"{self.trigger}.disk"
        with open(path, "wb") as disk:
            disk.truncate(4 * 512)
        keeper = os.getpid()
        if os.fork() == 0:
            time.sleep(0.7)
            os.kill(keeper, number)
            os._exit(0)
        with BlockDevice(path, writable=True, sector=512) as device, Signals() as orders:
            store.create(device, 2)
            rules = Protocol(QUICK, b"node1")
            lock = Store(device, 1)
            keeping = Keeper(rules, lock, guard=self.guard, orders=orders, tell=self.tell)
            say("ended", keeping.run())
        self.home()

    def tell(self, state: str, *, why: str = "", held: Hold | None = None) -> None:
        say("told", state, 0 if held is None else held.deadline, why)

    def fence(self, _: int) -> None:
        self.guard.fence("the test wants it")

    def succeed(self, ms: int) -> None:
        """Die, and let another process take over the lifeline."""
        lifeline, pid, keeper = self.guard.lifeline, self.guard.pid, os.getpid()
        if os.fork():
            os.kill(keeper, signal.SIGKILL)
        time.sleep(0.1)
        os.closerange(3, 1000)
        heir = Lifeline.inherited(pid, lifeline.page, lifeline.rings)
        self.until = guardian.boot() + ms * MS
        heir.hold(self.until)
        say("inherited", self.until)
        time.sleep(60)

    def report(self, _: int) -> None:
        say("report", "; ".join(self.guard.report()))

    def facts(self, _: int) -> None:
        pid = self.guard.pid
        say("rss", status_of(pid, "VmRSS"))
        say("locked", status_of(pid, "VmLck"))
        say("files", len(os.listdir(f"/proc/{pid}/fd")))
        say("policy", os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK)
        say("session", os.getsid(pid) == pid)
        for each in os.listdir(f"/proc/{pid}/fdinfo"):
            with open(f"/proc/{pid}/fdinfo/{each}", encoding="ascii") as info:
                text = info.read()
            if "clockid" in text:
                say("clock", text.split("clockid:")[1].split()[0])


def keeper(trigger: str, plan: list[str]) -> None:
    try:
        if trigger.startswith("all:"):
            guard = armed(TIMING, mode="enforce", sysrq=trigger[4:], tells=1)
        else:
            means = Means([Reboot()] if trigger == "reboot" else [Sysrq(trigger)])
            guard = Guard(means, mode="enforce", fencing=100 * MS, tells=1)
    except UnguardedError as error:
        say("refused", error)
        return
    follower = Plan(guard, trigger)
    for step in plan:
        word, _, number = step.partition(":")
        try:
            getattr(follower, word)(int(number or 0))
        except UnguardedError as error:
            say("unguarded", error)
    say("done")
    time.sleep(60)


def main() -> None:
    # Nothing that could fire is made before this is certain.
    if os.getpid() != 1 or not reboot.is_contained():
        say("this is no pid namespace of its own")
        os._exit(99)
    trigger, *plan = sys.argv[1:]
    if os.path.realpath(trigger.removeprefix("all:")).startswith(("/proc", "/dev")):
        os._exit(98)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if os.fork() == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        keeper(trigger, plan)
        os._exit(0)
    select.select([0], [], [])  # until the test closes it; then all of the namespace ends
    os._exit(0)
