"""What a lock costs, ours and the C tools' in turn; a machine to throw away gets this as a file.

The job comes as JSON on standard input: {"rounds": N, "windows": N, "devices": {name: path}}.
The answer leaves as JSON on standard output: figure → whose → values. What does not end as it has
to is a LookupError.

It arms guardians, whose last means is reboot(2), and runs the C daemon, which writes to
/proc/sysrq-trigger. So it refuses to be anywhere but in a pid namespace of its own where nobody can
write to that file, and the daemon finds another one in its place.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import select
import signal
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from ocfkit.agents.sfex import hold, store
from ocfkit.agents.sfex.lifeline import Lifeline
from ocfkit.agents.sfex.record import COUNTS, Record
from ocfkit.agents.sfex.status import Status
from ocfkit.environment import Environment
from ocfkit.linux import namespaces as ns
from ocfkit.linux import process, reboot
from ocfkit.linux.blockdev import BlockDevice

OURS, THEIRS = "ours", "theirs"

TIMES = (1, 11, 1)
"""collision_timeout, lock_timeout and monitor_interval: a lease of 10 s, which is WINDOW."""
SHORT = (1, 3, 1)
"""As short as ours may be."""

BLIND, ADVISED = "ours, a look a second", "ours, as advised"
HOLDERS = {
    OURS: (OURS, TIMES),
    THEIRS: (THEIRS, TIMES),
    BLIND: (OURS, (4, 12, 1)),
    ADVISED: (OURS, (1, 100, 10)),
}
"""Who holds a lock for a while, each on a device of its own; ours looks three times
in each collision_timeout, but not less often than each monitor_interval."""

LOCKS = 998
"""How many each device has, of 999 that it could have: one is there that is not."""

LAB = Path("/lab")
OCFKIT = "/usr/bin/ocfkit"
PYTHON = "/usr/bin/python3"
AGENTS = {OURS: "ocfkit", THEIRS: "heartbeat"}
"""Providers of the agents called sfex."""
FENCE = str(LAB / "sfex_fence.py")
SAID = LAB / "said"
TRIGGER = "/proc/sysrq-trigger"

WRAPPER = """\
#!/bin/sh
# By this path the agent finds its daemon among the processes: the program's own ends with it.
exec unshare --mount --propagation private sh -euc '
mount -t tmpfs tmpfs /proc
set -o noclobber
: >{trigger}
exec {program} "$@"' sh "$@"
"""

WINDOW = 10
"""Seconds for which a holder is watched at once; in each of them our guardian wakes up once."""

AT_ONCE = 5
"""How many of a kind are under way together, where each waits for seconds."""

SECOND, MS = 1_000_000_000, 1_000_000


def boot() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


# --- programs -------------------------------------------------------------------------------------


class Call:
    """A program that is ready to start; then what it took."""

    def __init__(
        self, *argv: str, env: Mapping[str, str] | None = None, apart: bool = False
    ) -> None:
        """`apart`: it finds a plain file for /proc/sysrq-trigger, and nothing else in /proc."""
        self.argv = argv
        self._env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **(env or {})}
        waits, self._go = os.pipe2(os.O_CLOEXEC)
        self._began = 0
        self._pid = os.fork()
        if self._pid == 0:
            self._become(waits, apart=apart)
        os.close(waits)
        self.pidfd = os.pidfd_open(self._pid)
        self.ms = 0.0
        self.cpu = 0.0
        """Milliseconds of a processor, of all its processes that somebody waited for."""

    def go(self) -> None:
        self._began = boot()
        os.write(self._go, b"!")

    def ended(self, now: int) -> int:
        """Its exit code, when it has ended, at that boot time."""
        self.ms = (now - self._began) / MS
        _, status, usage = os.wait4(self._pid, 0)
        self.cpu = (usage.ru_utime + usage.ru_stime) * 1000
        os.close(self.pidfd)
        os.close(self._go)
        return os.waitstatus_to_exitcode(status)

    def _become(self, waits: int, *, apart: bool) -> NoReturn:
        try:
            if apart:
                ns.unshare(ns.CLONE_NEWNS)
                ns.mount("none", "/", None, ns.MS_REC | ns.MS_PRIVATE)
                ns.mount("tmpfs", "/proc", "tmpfs")
                with open(TRIGGER, "x", encoding="ascii"):  # there was none
                    pass
            os.dup2(os.open(os.devnull, os.O_RDWR), 0)
            os.dup2(0, 1)
            os.dup2(os.open(SAID, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), 2)
            os.read(waits, 1)
            os.execve(self.argv[0], self.argv, self._env)  # noqa: S606 - no shell is wanted
        finally:
            os._exit(127)


def run(*calls: Call, code: int = 0, apart: float = 0.0) -> None:
    """Start them, so many seconds one after the other, and wait for all."""
    first, todo, running = boot(), list(calls), dict[int, Call]()
    poll = select.poll()
    while todo or running:
        left = first + (len(calls) - len(todo)) * apart * SECOND - boot()
        if todo and left <= 0:
            call = todo.pop(0)
            running[call.pidfd] = call
            poll.register(call.pidfd, select.POLLIN)
            call.go()
            continue
        ended = poll.poll(left / MS if todo else None)
        now = boot()
        for pidfd, _ in ended:
            poll.unregister(pidfd)
            call = running.pop(pidfd)
            if (seen := call.ended(now)) != code:
                said = SAID.read_text("utf-8", "replace")[-500:]
                raise LookupError(f"{' '.join(call.argv)} ended with {seen}, not {code}: {said}")


# --- locks ----------------------------------------------------------------------------------------

_indices = defaultdict[str, "itertools.count[int]"](lambda: itertools.count(1))


@dataclass(frozen=True, slots=True)
class Lock:
    """One lock, and how it is held."""

    side: str
    device: str
    index: int
    times: tuple[int, int, int]
    name: str = "node1"

    @classmethod
    def free(cls, side: str, device: str, times: tuple[int, int, int] = TIMES) -> Lock:
        """One that nobody has ever held."""
        return cls(side, device, next(_indices[device]), times)

    @property
    def resource(self) -> str:
        return f"{os.path.basename(self.device)}-{self.index}"

    def words(self) -> list[str]:
        collision, lock, interval = map(str, self.times)
        words = ["-i", str(self.index), "-c", collision, "-t", lock, "-m", interval]
        return [*words, "-n", self.name, "-r", self.resource, self.device]

    def hold(self) -> Call:
        if self.side == OURS:
            return Call(OCFKIT, "sfex", "hold", *self.words())
        return Call(c_daemon(), *self.words(), apart=True)

    def processes(self) -> dict[str, process.Identity]:
        """The keeper first, and its guardian."""
        if self.side == THEIRS:
            return {"daemon": self._daemon()}
        status = self.status()
        if status.state != "holding" or not status.guardians:
            raise LookupError(f"{self.resource} is {status.state}")
        return {"keeper": status.process, "guardian": status.guardians[0].process}

    @property
    def keeper(self) -> process.Identity:
        return next(iter(self.processes().values()))

    def status(self) -> Status:
        """What our keeper says."""
        environment = Environment({"OCF_RESOURCE_INSTANCE": self.resource})
        said = Status.decode(hold.status_of(environment).read())
        if said is None:
            raise LookupError(f"nobody says how {self.resource} is")
        return said

    def deadline(self) -> int:
        """As our guardian knows it: the record of a suspended keeper may be a renewal older."""
        guardian = next(iter(self.status().guardians), None)
        if guardian is None:
            raise LookupError(f"nobody guards {self.resource}")
        lifeline = Lifeline.inherited(guardian.process.pid, guardian.page, guardian.rings)
        try:
            return lifeline.deadline
        finally:
            lifeline.close()

    def release(self) -> float:
        """Milliseconds until all processes are gone."""
        keeper, *rest = self.processes().values()
        began = boot()
        keeper.send(signal.SIGTERM)
        if not all(each.wait(5.0) for each in (keeper, *rest)):
            raise LookupError(f"who holds {self.resource} stays")
        taken = (boot() - began) / MS
        self.require(locked=False)
        return taken

    def kill(self) -> None:
        """As its node would die: all of it at once."""
        for each in self.processes().values():
            each.send(signal.SIGKILL)
        self.require(locked=True)

    def record(self) -> Record:
        with BlockDevice(self.device) as device:
            return store.Store(device, self.index).read()

    def require(self, *, locked: bool) -> None:
        if self.record().locked != locked:
            raise LookupError(f"{self.resource} is {'free' if locked else 'held'}")

    def _daemon(self) -> process.Identity:
        for pid in process.pids():
            with contextlib.suppress(OSError):
                words = process.command_line(pid)
                if process.stat(pid).comm == "sfex_daemon" and self.resource in words:
                    return process.identify(pid)
        raise LookupError(f"nobody holds {self.resource}")


def c_daemon() -> str:
    """Where the program is, and not the wrapper."""
    return str(next(LAB.glob("usr/lib*/heartbeat/sfex_daemon")))


# --- what is measured -----------------------------------------------------------------------------


class Laboratory:
    """Devices, and the figures as they come."""

    def __init__(self, rounds: int, windows: int, devices: Mapping[str, str]) -> None:
        """`windows` in which a lock is held, and `devices`: one for each of HOLDERS."""
        self.rounds = rounds
        self.windows = windows
        self.devices = devices
        self.figures: dict[str, dict[str, list[float]]] = {}
        self._counts = True

    def note(self, what: str, whose: str, value: float) -> None:
        if self._counts:
            self.figures.setdefault(what, {}).setdefault(whose, []).append(value)

    def note_call(self, what: str, whose: str, call: Call) -> None:
        self.note(what, whose, call.ms)
        self.note(f"{what}, processor", whose, call.cpu)

    def turns(self) -> Iterator[str]:
        """Both in each round, in either order; the first round, which is cold, does not count."""
        for turn in range(self.rounds + 1):
            self._counts = turn > 0
            yield from random.sample((OURS, THEIRS), 2)

    def parts(self) -> Iterator[int]:
        """All rounds, some at once."""
        for done in range(0, self.rounds, AT_ONCE):
            yield min(AT_ONCE, self.rounds - done)

    def everything(self) -> None:
        self.tools()
        self.takes()
        self.takes_over()
        self.fences()
        self.agents()
        self.holds()

    def tools(self) -> None:
        """What ends at once; a hold of a lock that there is not, too."""
        commands: dict[str, dict[str, tuple[str, ...]]] = {
            OURS: {each: (OCFKIT, "sfex", each) for each in ("init", "stat", "hold")},
            THEIRS: {
                "init": ("/usr/sbin/sfex_init",),
                "stat": ("/usr/sbin/sfex_stat",),
                "hold": (c_daemon(),),
            },
        }
        for side in self.turns():
            device, command = self.devices[side], commands[side]
            with BlockDevice(device, writable=True) as opened:
                opened.write(0, bytes(opened.sector))
                init = Call(*command["init"], "-n", "999", device)
                run(init)
                self.note_call("init", side, init)
                store.create(opened, LOCKS)
            stat = Call(*command["stat"], device)
            run(stat, code=2)
            self.note_call("stat", side, stat)
            words = ["-i", str(LOCKS + 1), "-n", "node1", device]
            nothing = Call(*command["hold"], *words, apart=side == THEIRS)
            run(nothing, code=1)
            self.note_call("no such lock", side, nothing)
            bare = Call(PYTHON, "-IS", "-c", "pass")
            run(bare)
            self.note_call("interpreter", OURS, bare)

    def takes(self) -> None:
        """Take a free lock, weigh its holder, release it."""
        for side in self.turns():
            lock = Lock.free(side, self.devices[side])
            call = lock.hold()
            run(call)
            lock.require(locked=True)
            self.note("take", side, call.ms)
            time.sleep(0.1)  # the C daemon ends its start before its memory is locked
            for name, each in lock.processes().items():
                for kind, size in memory(each.pid).items():
                    self.note(kind, name, size)
            self.note("release", side, lock.release())

    def takes_over(self) -> None:
        """Take the lock of one that was killed: a C daemon, which has no guardian to end us all."""
        for count in self.parts():
            dead = [Lock.free(THEIRS, self.devices[THEIRS], SHORT) for _ in range(2 * count)]
            run(*(lock.hold() for lock in dead), apart=0.01)
            for lock in dead:
                lock.kill()
            sides = itertools.cycle((OURS, THEIRS))
            heirs = [replace(lock, side=next(sides), name="node2") for lock in dead]
            calls = [lock.hold() for lock in heirs]
            run(*calls, apart=0.25)
            for lock, call in zip(heirs, calls, strict=True):
                self.note("take over", lock.side, call.ms)
                lock.release()

    def fences(self) -> None:
        """Suspend keepers, and see when they would have ended their node."""
        for count in self.parts():
            theirs = Lock.free(THEIRS, self.devices[THEIRS], SHORT)
            ours = [Lock.free(OURS, self.devices[OURS], SHORT) for _ in range(count)]
            fifos = [Fifo(str(LAB / lock.resource)) for lock in ours]
            calls = [
                Call(PYTHON, "-IB", FENCE, fifo.path, *lock.words())
                for lock, fifo in zip(ours, fifos, strict=True)
            ]
            run(theirs.hold(), *calls, apart=0.2)
            for lock in (theirs, *ours):
                lock.keeper.send(signal.SIGSTOP)
                time.sleep(random.uniform(0.05, 0.15))  # noqa: S311 - anywhere between renewals
            suspended = boot()
            for lock, moment in zip(ours, fired(fifos, suspended + 5 * SECOND), strict=True):
                late = (moment - lock.deadline()) / MS
                if late < 0:
                    raise LookupError(f"the guardian of {lock.resource} was early by {-late} ms")
                self.note("fence", OURS, late)
            whole = (SHORT[0] + SHORT[1]) * SECOND  # by then another node has the lock
            time.sleep(max(0, suspended + whole - boot()) / SECOND)
            if Path(f"/proc/{theirs.keeper.pid}/root{TRIGGER}").stat().st_size:
                raise LookupError("the C daemon has fenced, and it was suspended")
            self.note("fence", THEIRS, float("inf"))
            for lock in (theirs, *ours):
                lock.kill()

    def agents(self) -> None:
        for side in self.turns():
            lock = Lock.free(side, self.devices[side])
            env = {
                "OCF_ROOT": "/usr/lib/ocf",
                "OCF_RA_VERSION_MAJOR": "1",
                "OCF_RA_VERSION_MINOR": "1",
                "OCF_RESOURCE_INSTANCE": lock.resource,
                "OCF_RESKEY_CRM_meta_timeout": "120000",
                "OCF_RESKEY_CRM_meta_interval": "10000",
                "OCF_RESKEY_device": lock.device,
                "OCF_RESKEY_index": str(lock.index),
            }
            agent = f"/usr/lib/ocf/resource.d/{AGENTS[side]}/sfex"
            for action in ("start", "monitor", "monitor", "stop"):
                call = Call(agent, action, env=env)
                run(call)
                self.note_call(action, side, call)

    def holds(self) -> None:
        """Let all hold a lock for a while, and see what that takes."""
        locks = {
            name: Lock.free(side, self.devices[name], times)
            for name, (side, times) in HOLDERS.items()
        }
        run(*(lock.hold() for lock in locks.values()), apart=0.1)
        time.sleep(2.0)
        counts = {name: lock.record().count for name, lock in locks.items()}
        before = {name: spent(lock) for name, lock in locks.items()}
        for _ in range(self.windows):
            time.sleep(WINDOW)
            after = {name: spent(lock) for name, lock in locks.items()}
            for name, seen in after.items():
                for what, value in seen.items():
                    self.note(what, name, value - before[name][what])
            before = after
        for name, lock in locks.items():
            self.note("renewals", name, (lock.record().count - counts[name]) % COUNTS)
            lock.release()


def memory(pid: int) -> dict[str, int]:
    """Kilobytes (proc_pid_smaps(5))."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()[1:]
    kinds = {line.split()[0].rstrip(":"): int(line.split()[1]) for line in lines}
    return {kind: kinds[kind] for kind in ("Rss", "Pss", "Locked")}


def spent(lock: Lock) -> dict[str, float]:
    """What has become of a holder and its device up to now."""
    # Sectors, not requests: each synchronous write is a flush, too, which is another request.
    device = Path(f"/sys/block/{os.path.basename(lock.device)}/stat").read_text("ascii").split()
    seen = {"seconds": boot() / SECOND, "reads": float(device[2]), "writes": float(device[6])}
    for name, each in lock.processes().items():
        clock = ~each.pid << 3 | 2  # as clock_getcpuclockid(3) tells it
        seen[f"processor of the {name}"] = time.clock_gettime_ns(clock) / MS
        status = Path(f"/proc/{each.pid}/status").read_text("ascii")
        waits = status.split("\nvoluntary_ctxt_switches:")[1].split()[0]
        seen[f"waits of the {name}"] = float(waits)
    return seen


class Fifo:
    """Stands for /proc/sysrq-trigger."""

    def __init__(self, path: str) -> None:
        os.mkfifo(path)
        self.path = path
        self.descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)


def fired(fifos: Sequence[Fifo], until: int) -> list[int]:
    """Boot time at which each was written to."""
    poll = select.poll()
    for fifo in fifos:
        poll.register(fifo.descriptor, select.POLLIN)
    seen: dict[int, int] = {}
    while len(seen) < len(fifos):
        ready = poll.poll(max(0, until - boot()) / MS)
        now = boot()
        if not ready:
            raise LookupError("a guardian has not fenced")
        for descriptor, _ in ready:
            seen[descriptor] = now
            poll.unregister(descriptor)
    return [seen[fifo.descriptor] for fifo in fifos]


# --- the machine ----------------------------------------------------------------------------------


def require_machine() -> None:
    """Raise LookupError where a fence would end more than this machine."""
    if not reboot.is_contained():
        raise LookupError("this is no pid namespace of its own")
    try:
        os.close(os.open(TRIGGER, os.O_WRONLY))
    except OSError:
        return
    raise LookupError(f"{TRIGGER} can be written to")


def prepare() -> None:
    ns.unshare(ns.CLONE_NEWUTS)
    socket.sethostname("node1")  # the host may well be called localhost
    daemon = next(Path("/usr").glob("lib*/heartbeat/sfex_daemon"))
    moved = Path(f"{LAB}{daemon}")
    moved.parent.mkdir(parents=True)
    daemon.rename(moved)
    daemon.write_text(WRAPPER.format(trigger=TRIGGER, program=moved), "ascii")
    daemon.chmod(0o755)
    with contextlib.suppress(OSError):  # who measures must not be late himself
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(3))


def main() -> None:
    require_machine()
    job: dict[str, Any] = json.load(sys.stdin)
    prepare()
    laboratory = Laboratory(job["rounds"], job["windows"], job["devices"])
    for device in job["devices"].values():
        with BlockDevice(device, writable=True) as opened:
            store.create(opened, LOCKS)
    laboratory.everything()
    json.dump(laboratory.figures, sys.stdout)


if __name__ == "__main__":
    main()
