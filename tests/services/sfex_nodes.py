"""Nodes that want a lock on one device, and a witness of who has believed that it is his.

`C` is Debian's sfex_daemon. It resets the machine when it has lost its lock, by a write to
/proc/sysrq-trigger: here it finds a plain file of that name, in a mount namespace of its own, and
does not start otherwise. `Python` is `ocfkit sfex hold` with a guard that writes down what it is
told, and fences nothing. `PidNode` is our agent under a guardian that fences in earnest: a pid
namespace with a host name of its own, and reboot(2) ends that and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from itertools import count, groupby
from pathlib import Path
from typing import TypeVar

from ocfkit.agents.sfex import store
from ocfkit.agents.sfex.status import Status
from ocfkit.agents.sfex.store import Store
from ocfkit.linux import process, reboot
from ocfkit.linux.blockdev import BlockDevice
from ocfkit.linux.process import Identity
from tests.ocfkit.command import BARE, ROOT, argv
from tests.services import loops, ways
from tests.services.loops import Loop
from tests.services.roots import ENTER
from tests.services.ways import Way

COLLISION, LOCK = 1.0, 4.0
TIMES = ("-c", "1", "-t", "4", "-m", "1")
USUAL = {"lock_timeout": "5", "monitor_interval": "1"}
"""Of the agent, with its own collision_timeout, a second."""

_START = r"""
mknod "$1" b "$2" "$3"
mount -t tmpfs tmpfs /proc
: >/proc/sysrq-trigger
[ "$(stat -f -c %T /proc/sysrq-trigger)" = tmpfs ]
shift 3
code=0
read -r _
began=$(date +%s.%N)
HA_logfile=/tmp/log "$@" </dev/null >/dev/null 2>&1 || code=$?
echo "$code $began $(date +%s.%N)"
exec cat
"""

_HOLDS = """
import time
from tests.agents.sfex.holder import run
began = time.time()
print(run(sys.argv[1:]), began, time.time())
"""

_BESIDE = '[ ! -e /proc/sysrq-trigger ] || mount --bind "$0" /proc/sysrq-trigger; exec "$@"'

_FIRST = r"""
hostname "$0"
[ -z "$2" ] || mount -t tmpfs -o "size=$2" tmpfs "$3"
: >"$1"
[ ! -e /dev/kmsg ] || mount --bind "$1" /dev/kmsg
if [ -e /proc/sysrq-trigger ]; then
	mount --bind "$1" /proc/sysrq-trigger
	mount -o remount,bind,ro /proc/sysrq-trigger
fi
echo
exec cat
"""
"""Of a PidNode; it ends when we do. What would reset the machine cannot be opened there."""

_OWNS = """\
import os, select, sys, time
name, trigger = sys.argv[1:]
os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
while not os.path.getsize(trigger) and not select.select([0], [], [], 0.01)[0]:
    os.write(1, f"{name} {time.clock_gettime_ns(time.CLOCK_BOOTTIME)}\\n".encode())
"""

_WATCH = """\
import contextlib, os, select, sys, time
end = select.poll()
with contextlib.suppress(ProcessLookupError):  # it has ended already
    end.register(os.pidfd_open(int(sys.argv[1])), select.POLLIN)
    if not end.poll(int(sys.argv[2])):
        sys.exit()
print(time.clock_gettime_ns(time.CLOCK_BOOTTIME))
"""
"""The boot time at which a process ends, if it does within so many milliseconds."""

_numbers = count()


def wait_for(what: Callable[[], bool], seconds: float = 10.0, pause: float = 0.01) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(pause)


@contextmanager
def punctual() -> Generator[None]:
    """What measures, or has to act between two looks of a keeper, must not be late itself."""
    os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(3))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def c_daemon(root: Path) -> Path:
    """Where Debian has put it."""
    return next(root.glob("usr/lib*/heartbeat/sfex_daemon"))


class Node:
    """A daemon that takes a lock, or will have failed to."""

    took: float
    """Seconds from the beginning of the daemon to its answer, without the start of a machine."""

    def __init__(
        self, call: list[str], env: dict[str, str] | None = None, stderr: int | None = None
    ) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(call, stdin=pipe, stdout=pipe, stderr=stderr, env=env)

    def go(self) -> None:
        """Let it begin, when it was started to wait for that."""
        raise NotImplementedError

    def code(self) -> int:
        """Its exit code, as soon as it has one; it may go on in the background."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline().split()
        assert line, "it was not started"
        began, ended = map(float, line[1:])
        self.took = ended - began
        return int(line[0])

    def keeper(self) -> int:
        """Pid of the process that has the lock."""
        raise NotImplementedError

    def end(self, number: int = signal.SIGTERM) -> float:
        """Send its keeper a signal; return how many seconds it took to be gone."""
        keeper = process.identify(self.keeper())
        began = time.monotonic()
        assert keeper.send(number)
        assert keeper.wait(10.0)
        return time.monotonic() - began

    def lost(self) -> bool:
        """Whether it has found that its lock is another's, and would have ended the machine."""
        raise NotImplementedError

    def close(self) -> None:
        """End whatever is left of it."""
        self._process.kill()
        self._process.communicate()


class C(Node):
    """Debian's. The thread that makes it has to live as long as it is wanted (prctl(2))."""

    def __init__(
        self, root: Path, loop: Loop, index: int, name: str, *times: str, waits: bool = False
    ) -> None:
        device = os.stat(loop.path).st_rdev
        numbers = [str(os.major(device)), str(os.minor(device))]
        daemon = c_daemon(root)
        call = [str(ENTER), "offline", str(root), "sh", "-euc", _START, "sh", loop.path, *numbers]
        call += [f"/{daemon.relative_to(root)}", "-i", str(index), *(times or TIMES)]
        super().__init__([*call, "-n", name, "-r", f"c{index}", loop.path])
        self.name = name
        if not waits:
            self.go()

    def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()

    def keeper(self) -> int:
        """The last one: those before it are its forebears."""
        inside = _in(os.readlink(f"/proc/{self.first}/ns/pid"))
        return [pid for pid in inside if process.stat(pid).comm == "sfex_daemon"][-1]

    def hangs(self) -> bool:
        """Whether it waits in the kernel for the disk."""
        try:
            return process.stat(self.keeper()).state == process.UNINTERRUPTIBLE
        except (OSError, ValueError, IndexError):  # it is not there yet
            return False

    def lost(self) -> bool:
        return Path(self.trigger).read_text() != ""

    @property
    def trigger(self) -> str:
        """What it resets the machine with."""
        return f"/proc/{self.first}/root/proc/sysrq-trigger"

    @cached_property
    def first(self) -> int:
        """Pid of the first process of its namespace, which is there once it has answered."""
        ours, pid = os.readlink("/proc/self/ns/pid"), self._process.pid
        while os.readlink(f"/proc/{pid}/ns/pid") == ours:
            (pid,) = _children(pid)
        return pid


def _device_of_its_own(loop: Loop, folder: Path) -> str:
    """The device by a node that nobody else opens: on one, two keepers would be of one machine."""
    path = folder / f"{Path(loop.path).name}-{next(_numbers)}"
    os.mknod(path, stat.S_IFBLK | 0o600, os.stat(loop.path).st_rdev)
    return str(path)


class Python(Node):
    """Ours with a diary."""

    def __init__(
        self, folder: Path, loop: Loop, index: int, name: str, *times: str, waits: bool = False
    ) -> None:
        self.notes = folder / f"notes-{next(_numbers)}"
        self._gate = Path(f"{self.notes}-gate")
        if waits:
            os.mkfifo(self._gate)
        redirect = folder / "sysrq"
        redirect.touch()
        code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
        code += _HOLDS
        call = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", _BESIDE]
        call += [str(redirect), sys.executable, "-IB", "-c", code, str(self.notes), "--"]
        call += ["-i", str(index), *(times or TIMES), "-n", name, "-r", self.notes.name]
        call.append(_device_of_its_own(loop, folder))
        self._said = Path(f"{self.notes}-said")
        with self._said.open("wb") as said:
            env = {**BARE, "HA_RSCTMP": str(folder / "run")}
            super().__init__(call, env, said.fileno())

    def go(self) -> None:
        def opens() -> bool:
            try:
                os.close(os.open(self._gate, os.O_WRONLY | os.O_NONBLOCK))
            except OSError:  # ENXIO: nobody waits there yet
                return False
            return True

        wait_for(opens, pause=0.001)

    def keeper(self) -> int:
        return int(self.notes.read_text().split()[1])

    def hangs(self) -> bool:
        """Whether it waits in the kernel for the disk."""
        return process.stat(self.keeper()).state == process.UNINTERRUPTIBLE

    def said(self) -> str:
        """Why it has not got it."""
        return self._said.read_text()

    def told(self) -> list[str]:
        """What the guard was told."""
        return [line.split()[2] for line in self.notes.read_text().splitlines()]

    def lost(self) -> bool:
        return "fence" in self.told()

    def close(self) -> None:
        super().close()
        if self.notes.exists():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.keeper(), signal.SIGKILL)


class PidNode:
    """A node on which the cluster's actions are called."""

    trigger = os.devnull
    said: str
    """By the start that was waited for."""

    def __init__(
        self,
        name: str,
        loop: Loop,
        folder: Path,
        *,
        index: int = 1,
        rights: tuple[str, ...] = (),
        run_size: str = "",
    ) -> None:
        """With a `run_size`, its records have a file system of that size."""
        self.name = name
        self._run = folder / f"{name}-{next(_numbers)}"
        self._run.mkdir()
        self.device = _device_of_its_own(loop, folder)
        self._values = {"device": self.device, "index": str(index), **USUAL}
        self._rights = rights
        self._log = self._run / "kmsg"
        alone = ["unshare", "--pid", "--uts", "--fork", "--mount-proc", "--kill-child"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [*alone, "sh", "-euc", _FIRST, name, str(self._log), run_size, str(self._run)],
            stdin=pipe,
            stdout=pipe,
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()
        (self.first,) = _children(self.process.pid)
        self._folder = str(self._run)
        if run_size:  # it is seen from there alone
            self._run = Path(f"/proc/{self.first}/root{self._run}")
            self._log = self._run / "kmsg"
        own = os.readlink(f"/proc/{self.first}/ns/pid")
        assert own not in (os.readlink("/proc/self/ns/pid"), reboot.INITIAL_PID_NAMESPACE)

    def call(
        self, action: str, *options: str, **parameters: str
    ) -> subprocess.CompletedProcess[str]:
        """Call an action of the agent as a person does, on this node."""
        calling = self._calling(action, options, parameters)
        out, err = calling.communicate(timeout=60)
        return subprocess.CompletedProcess(calling.args, calling.returncode, out, err)

    def start(self, **parameters: str) -> None:
        """Call that action, and do not wait for it."""
        self._starting = self._calling("start", (), parameters)

    def code(self) -> int:
        """What has become of it."""
        self.said, _ = self._starting.communicate(timeout=60)
        return self._starting.returncode

    def _calling(
        self, action: str, options: tuple[str, ...], parameters: dict[str, str]
    ) -> subprocess.Popen[str]:
        values = self._values | parameters
        words = [f"{name}={value}" for name, value in values.items()]
        given = [*options, *(each for word in words for each in ("-p", word))]
        inside = ["nsenter", "-t", str(self.first), "--pid", "--mount", "--uts"]
        return subprocess.Popen(
            [*inside, *self._rights, *argv("run", "--instance", "lock", *given, "sfex", action)],
            env={**BARE, "HA_RSCTMP": self._folder},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def keeper(self) -> Identity:
        """As seen from outside."""
        return self._identity(self.status().process.pid)

    def guardian(self) -> Identity:
        return self._identity(self.status().guardians[0].process.pid)

    def status(self) -> Status:
        (file,) = self._run.rglob("*~lock")
        status = Status.decode(file.read_text())
        assert status is not None
        return status

    def hangs(self) -> bool:
        """Whether its keeper waits in the kernel for the disk."""
        stat = self.keeper().stat() if self.state() else None
        return stat is not None and stat.state == process.UNINTERRUPTIBLE

    def state(self) -> str:
        """As the keeper has it; "" when there is none yet."""
        return self.status().state if any(self._run.rglob("*~lock")) else ""

    def deadline(self) -> int:
        """What the guardian has, a boot time: the status record may be a moment behind."""
        where = self.status().guardians[0]
        with open(f"/proc/{self.guardian().pid}/fd/{where.page}", "rb") as page:
            return int.from_bytes(page.read(8), sys.byteorder, signed=True)

    def guards(self) -> bool:
        """Whether the guardian of the status record is there."""
        where = self.status().guardians
        seen = self._seen_from_outside(where[0].process.pid) if where else None
        with contextlib.suppress(FileNotFoundError):  # it has ended since it was looked for
            return seen is not None and not process.stat(seen).ended
        return False

    def fill_run(self) -> None:
        """Leave no room where its records are."""
        with contextlib.suppress(OSError), open(self._run / "much", "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def log(self) -> str:
        """What the guardian has said; "" where the machine has no /dev/kmsg."""
        return self._log.read_text()

    def processes(self) -> list[str]:
        """Names of all that runs there but its first process, which buries nobody."""
        mine = os.readlink(f"/proc/{self.first}/ns/pid")
        stats = [process.stat(pid) for pid in _in(mine) if pid != self.first]
        return [each.comm for each in stats if not each.ended]

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()

    def _identity(self, pid: int) -> Identity:
        seen = self._seen_from_outside(pid)
        assert seen is not None, f"no process {pid} there"
        return process.identify(seen)

    def _seen_from_outside(self, pid: int) -> int | None:
        for each in _in(os.readlink(f"/proc/{self.first}/ns/pid")):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                text = Path(f"/proc/{each}/status").read_text()
                if re.search(rf"^NSpid:.*\s{pid}$", text, re.MULTILINE):
                    return each
        return None


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(each) for each in text.split()]


def _in(namespace: str) -> Iterator[int]:
    for pid in process.pids():
        try:
            if os.readlink(f"/proc/{pid}/ns/pid") == namespace:
                yield pid
        except OSError:
            continue


class Owner:
    """Who believes, as a process of a node, that the lock is his."""

    def __init__(self, node: C | PidNode, file: int) -> None:
        """It says so in `file` until the node ends, or what is left of a C node would."""
        os.write(file, f"{node.name} {boot()}\n".encode())
        inside = ["nsenter", "-t", str(node.first), "--pid"]
        self._process = subprocess.Popen(
            [*inside, sys.executable, "-ISBc", _OWNS, node.name, node.trigger],
            stdin=subprocess.PIPE,
            stdout=file,
        )
        pid = self._process.pid
        wait_for(lambda: self._process.poll() is not None or bool(_children(pid)), pause=0.001)
        self._inside = (*_children(pid), pid)[0]

    def gone(self, until: int) -> int:
        """The boot time of its end; 0 when that does not come.

        A process of its own looks at the clock, and at the process itself, not at nsenter: a
        thread of ours has to wait until another, which nobody hurries, hands on the interpreter.
        """
        left = max(0, until - boot()) // 1_000_000
        watch = [sys.executable, "-ISBc", _WATCH, str(self._inside), str(left)]
        seen = subprocess.run(
            ["chrt", "--rr", "3", *watch], stdout=subprocess.PIPE, text=True, check=True
        ).stdout
        return int(seen or 0)

    def rest(self) -> None:
        """What needs the lock is stopped on that node, as it has to be before the lock is."""
        self._process.communicate(timeout=10)


def boot() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Witness:
    """What all nodes write to who believe that the lock is theirs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._owners: list[Owner] = []
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)

    def sees(self, owner: C | PidNode) -> Owner:
        """From now on it owns the lock."""
        made = Owner(owner, self._file)
        self._owners.append(made)
        return made

    def turns(self) -> list[str]:
        """Whose the lock was, one after the other; of two at once, each comes again and again."""
        lines = [line.split() for line in self._path.read_text().splitlines()]
        stamps = sorted((int(moment), name) for name, moment in lines)
        return [name for name, _ in groupby(name for _, name in stamps)]

    def close(self) -> None:
        for each in self._owners:
            each.rest()
        os.close(self._file)


One = TypeVar("One", bound=Node | PidNode)


class Contest:
    """One lock, and nodes that want it."""

    def __init__(self, root: Path, folder: Path, loop: Loop, index: int) -> None:
        self.loop = loop
        self.index = index
        self._root = root
        self._folder = folder
        self._nodes: list[Node | PidNode] = []
        self._device = BlockDevice(loop.path, writable=True)
        self._waiting = ThreadPoolExecutor()
        self.lock = Store(self._device, index)
        self.witness = Witness(folder / f"witness-{next(_numbers)}")

    def c(self, name: str = "nodeC", *times: str, on: Loop | None = None, waits: bool = False) -> C:
        made = C(self._root, on or self.loop, self.index, name, *times, waits=waits)
        return self._with(made)

    def python(
        self, name: str = "nodeP", *times: str, on: Loop | None = None, waits: bool = False
    ) -> Python:
        made = Python(self._folder, on or self.loop, self.index, name, *times, waits=waits)
        return self._with(made)

    def node(self, kind: str) -> Node:
        return self.c() if kind == "c" else self.python()

    def pid_node(self, name: str, on: Loop | None = None) -> PidNode:
        return self._with(PidNode(name, on or self.loop, self._folder, index=self.index))

    def answer(self, node: C | PidNode) -> Future[int]:
        """Its exit code, when it has one; with a 0 it owns the lock from that moment on."""

        def wait() -> int:
            code = node.code()
            if code == 0:
                self.witness.sees(node)
            return code

        return self._waiting.submit(wait)

    def close(self) -> None:
        for node in self._nodes:
            node.close()
        self._waiting.shutdown()
        self.witness.close()
        self._device.close()

    def _with(self, node: One) -> One:
        self._nodes.append(node)
        return node


class Torn(Contest):
    """On a disk with a way that can be hung or broken."""

    def __init__(self, root: Path, folder: Path, way: Way) -> None:
        super().__init__(root, folder, way.straight, 1)
        self.way = way


class Field:
    """A device with locks."""

    def __init__(self, root: Path, folder: Path, loop: Loop) -> None:
        self._root = root
        self._folder = folder
        self._loop = loop
        _prepare(loop)
        self._indices = count(1)

    @contextmanager
    def contest(self) -> Generator[Contest]:
        """About a lock that nobody has ever held."""
        made = Contest(self._root, self._folder, self._loop, next(self._indices))
        try:
            yield made
        finally:
            made.close()


@contextmanager
def field(root: Path, folder: Path, sector: int = 512) -> Generator[Field]:
    backing = folder / f"disk-{next(_numbers)}"
    backing.write_bytes(bytes(sector * 200))
    with loops.attached(backing, sector) as loop:
        yield Field(root, folder, loop)


@contextmanager
def torn(root: Path, folder: Path) -> Generator[Torn]:
    with ways.made(folder) as way:
        _prepare(way.straight)
        made = Torn(root, folder, way)
        try:
            yield made
        finally:
            made.close()


def _prepare(loop: Loop) -> None:
    with BlockDevice(loop.path, writable=True) as device:
        store.create(device, device.size // device.sector - 1)
