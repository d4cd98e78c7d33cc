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
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from ocfkit.agents.sfex import store
from ocfkit.agents.sfex.status import Status
from ocfkit.agents.sfex.store import Store
from ocfkit.linux import process, reboot
from ocfkit.linux.blockdev import BlockDevice
from ocfkit.linux.process import Identity
from tests.ocfkit.command import BARE, ROOT, argv
from tests.services import loops
from tests.services.loops import Loop
from tests.services.roots import ENTER

COLLISION, LOCK = 1.0, 4.0
TIMES = ("-c", "1", "-t", "4", "-m", "1")

_START = r"""
mknod "$1" b "$2" "$3"
mount -t tmpfs tmpfs /proc
: >/proc/sysrq-trigger
[ "$(stat -f -c %T /proc/sysrq-trigger)" = tmpfs ]
shift 3
code=0
HA_logfile=/tmp/log "$@" </dev/null >/dev/null 2>&1 || code=$?
echo "$code"
exec cat
"""

_BESIDE = '[ ! -e /proc/sysrq-trigger ] || mount --bind "$0" /proc/sysrq-trigger; exec "$@"'

_FIRST = r"""
hostname "$0"
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

_numbers = count()


class Node:
    """A daemon that takes a lock, or will have failed to."""

    def __init__(self, call: list[str], env: dict[str, str] | None = None) -> None:
        self.began = time.monotonic()
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(call, stdin=pipe, stdout=pipe, env=env)

    def code(self) -> int:
        """Its exit code, as soon as it has one; it may go on in the background."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        self.took = time.monotonic() - self.began
        assert line.strip(), "it was not started"
        return int(line)

    def keeper(self) -> int:
        """Pid of the process that has the lock."""
        raise NotImplementedError

    def end(self, number: int = signal.SIGTERM) -> float:
        """Send it a signal; return how many seconds it took to be gone."""
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

    def __init__(self, root: Path, loop: Loop, index: int, name: str, *times: str) -> None:
        device = os.stat(loop.path).st_rdev
        numbers = [str(os.major(device)), str(os.minor(device))]
        daemon = next(root.glob("usr/lib*/heartbeat/sfex_daemon"), None) or next(
            root.glob("usr/libexec/heartbeat/sfex_daemon")
        )
        call = [str(ENTER), "offline", str(root), "sh", "-euc", _START, "sh", loop.path, *numbers]
        call += [f"/{daemon.relative_to(root)}", "-i", str(index), *(times or TIMES)]
        super().__init__([*call, "-n", name, "-r", f"c{index}", loop.path])
        self.name = name

    def keeper(self) -> int:
        """The last one: those before it are its forebears."""
        return [pid for pid in self._all() if process.stat(pid).comm == "sfex_daemon"][-1]

    def lost(self) -> bool:
        return Path(self.trigger).read_text() != ""

    @property
    def trigger(self) -> str:
        """What it resets the machine with."""
        return f"/proc/{self.first}/root/proc/sysrq-trigger"

    @property
    def first(self) -> int:
        """Pid of the first process of its namespace."""
        return self._all()[0]

    def _all(self) -> list[int]:
        namespaces = {self._process.pid}
        for pid in process.pids():
            with contextlib.suppress(OSError):
                if process.stat(pid).ppid in namespaces:
                    namespaces.add(pid)
        return list(_in(os.readlink(f"/proc/{max(namespaces)}/ns/pid")))


class Python(Node):
    """Ours with a diary."""

    def __init__(self, folder: Path, loop: Loop, index: int, name: str, *times: str) -> None:
        self.notes = folder / f"notes-{next(_numbers)}"
        redirect = folder / "sysrq"
        redirect.touch()
        code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
        code += "from tests.agents.sfex.holder import run; print(run(sys.argv[1:]))"
        call = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", _BESIDE]
        call += [str(redirect), sys.executable, "-IB", "-c", code, str(self.notes), "--"]
        call += ["-i", str(index), *(times or TIMES), "-n", name, "-r", self.notes.name, loop.path]
        super().__init__(call, {**BARE, "HA_RSCTMP": str(folder / "run")})

    def keeper(self) -> int:
        return int(self.notes.read_text().split()[1])

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

    def __init__(
        self, name: str, loop: Loop, folder: Path, *, rights: tuple[str, ...] = ()
    ) -> None:
        self.name = name
        self._run = folder / f"{name}-{next(_numbers)}"
        self._run.mkdir()
        self._loop = loop
        self._rights = rights
        self._log = self._run / "kmsg"
        alone = ["unshare", "--pid", "--uts", "--fork", "--mount-proc", "--kill-child"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [*alone, "sh", "-euc", _FIRST, name, str(self._log)], stdin=pipe, stdout=pipe
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()
        (self.first,) = _children(self.process.pid)
        own = os.readlink(f"/proc/{self.first}/ns/pid")
        assert own not in (os.readlink("/proc/self/ns/pid"), reboot.INITIAL_PID_NAMESPACE)

    def call(self, action: str, **parameters: str) -> subprocess.CompletedProcess[str]:
        """Call an action of the agent as a person does, on this node."""
        values = {"device": self._loop.path, "lock_timeout": "5", "monitor_interval": "1"}
        words = [f"{name}={value}" for name, value in (values | parameters).items()]
        given = [each for word in words for each in ("-p", word)]
        inside = ["nsenter", "-t", str(self.first), "--pid", "--mount", "--uts"]
        return subprocess.run(
            [*inside, *self._rights, *argv("run", "--instance", "lock", *given, "sfex", action)],
            env={**BARE, "HA_RSCTMP": str(self._run)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def keeper(self) -> Identity:
        """As seen from outside."""
        return process.identify(self._seen_from_outside(self.status().process.pid))

    def guardian(self) -> Identity:
        status = self.status()
        assert status.guardian is not None
        return process.identify(self._seen_from_outside(status.guardian.process.pid))

    def status(self) -> Status:
        (file,) = self._run.rglob("*~lock")
        status = Status.decode(file.read_text())
        assert status is not None
        return status

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

    def ends(self, seconds: float) -> float:
        """The boot time at which it has ended, which is now."""
        self.process.wait(seconds)
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()

    def _seen_from_outside(self, pid: int) -> int:
        for each in _in(os.readlink(f"/proc/{self.first}/ns/pid")):
            text = Path(f"/proc/{each}/status").read_text()
            if re.search(rf"^NSpid:.*\s{pid}$", text, re.MULTILINE):
                return each
        raise AssertionError(f"no process {pid} there")


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


class Contest:
    """One lock, and nodes that want it."""

    def __init__(self, root: Path, folder: Path, loop: Loop, index: int) -> None:
        self.loop = loop
        self.index = index
        self._root = root
        self._folder = folder
        self._nodes: list[Node | PidNode] = []
        self._device = BlockDevice(loop.path, writable=True)
        self.lock = Store(self._device, index)

    def c(self, name: str = "nodeC", *times: str, on: Loop | None = None) -> C:
        node = C(self._root, on or self.loop, self.index, name, *times)
        self._nodes.append(node)
        return node

    def python(self, name: str = "nodeP", *times: str, on: Loop | None = None) -> Python:
        node = Python(self._folder, on or self.loop, self.index, name, *times)
        self._nodes.append(node)
        return node

    def node(self, kind: str) -> Node:
        return self.c() if kind == "c" else self.python()

    def close(self) -> None:
        for node in self._nodes:
            node.close()
        self._device.close()


class Field:
    """A device with locks."""

    def __init__(self, root: Path, folder: Path, loop: Loop) -> None:
        self._root = root
        self._folder = folder
        self._loop = loop
        with BlockDevice(loop.path, writable=True) as device:
            store.create(device, device.size // device.sector - 1)
        self._indices = count(1)
        self._contests: list[Contest] = []

    def contest(self) -> Contest:
        """About a lock that nobody has ever held."""
        made = Contest(self._root, self._folder, self._loop, next(self._indices))
        self._contests.append(made)
        return made

    def close(self) -> None:
        for each in self._contests:
            each.close()


@contextmanager
def field(root: Path, folder: Path, sector: int = 512) -> Generator[Field]:
    backing = folder / f"disk-{next(_numbers)}"
    backing.write_bytes(bytes(sector * 64))
    with loops.attached(backing, sector) as loop:
        made = Field(root, folder, loop)
        try:
            yield made
        finally:
            made.close()
