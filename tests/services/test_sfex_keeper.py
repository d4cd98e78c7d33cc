"""`ocfkit sfex hold` and Debian's sfex_daemon on one lock, each a node of its own.

The C daemon resets the machine when it has lost its lock: it writes to /proc/sysrq-trigger. Here it
finds a plain file of that name, in a mount namespace of its own, and does not start otherwise. Ours
has a guard that writes down what it is told, and fences nothing.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from ocfkit.agents.sfex import store
from ocfkit.agents.sfex.record import Record
from ocfkit.agents.sfex.store import Store
from ocfkit.linux import process
from ocfkit.linux.blockdev import BlockDevice
from tests.ocfkit.command import BARE, ROOT
from tests.services import loops
from tests.services.loops import Loop
from tests.services.roots import ENTER
from tests.services.test_sfex_tools import ours, theirs

FREE_ROUNDS, EXPIRED_ROUNDS, STOPS = 5, 2, 10
"""Of recipes 10 and 24, which ask for 100 and 200: that many take minutes."""

COLLISION, LOCK = 1.0, 4.0
TIMES = ("-c", "1", "-t", "4", "-m", "1")
LATE = 0.25
"""Seconds that a takeover may take longer than the timeouts."""

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
    """Debian's."""

    def __init__(self, root: Path, loop: Loop, index: int, name: str, *times: str) -> None:
        device = os.stat(loop.path).st_rdev
        numbers = [str(os.major(device)), str(os.minor(device))]
        daemon = next(root.glob("usr/lib*/heartbeat/sfex_daemon"), None) or next(
            root.glob("usr/libexec/heartbeat/sfex_daemon")
        )
        call = [str(ENTER), "offline", str(root), "sh", "-euc", _START, "sh", loop.path, *numbers]
        call += [f"/{daemon.relative_to(root)}", "-i", str(index), *(times or TIMES)]
        super().__init__([*call, "-n", name, "-r", f"c{index}", loop.path])

    def keeper(self) -> int:
        """The last one: those before it are its forebears."""
        return [pid for pid in self._all() if process.stat(pid).comm == "sfex_daemon"][-1]

    def lost(self) -> bool:
        return Path(f"/proc/{self._all()[0]}/root/proc/sysrq-trigger").read_text() != ""

    def _all(self) -> list[int]:
        namespaces = {self._process.pid}
        for pid in process.pids():
            with contextlib.suppress(OSError):
                if process.stat(pid).ppid in namespaces:
                    namespaces.add(pid)
        inside = max(namespaces)
        mine = os.readlink(f"/proc/{inside}/ns/pid")
        found: list[int] = []
        for pid in process.pids():
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/ns/pid") == mine:
                    found.append(pid)
        return found


class Python(Node):
    """Ours."""

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


_numbers = count()


class Field:
    """A device with locks, and nodes that want them."""

    def __init__(self, root: Path, folder: Path, loop: Loop) -> None:
        self.root = root
        self.folder = folder
        self.loop = loop
        self._nodes: list[Node] = []
        self._device = BlockDevice(loop.path, writable=True)
        store.create(self._device, 60)
        self._indices = count(1)
        self.fresh()

    def fresh(self) -> None:
        """From now on it is about a lock that nobody has ever held."""
        self.index = next(self._indices)
        self.lock = Store(self._device, self.index)

    def c(self, name: str = "nodeC", *times: str) -> C:
        node = C(self.root, self.loop, self.index, name, *times)
        self._nodes.append(node)
        return node

    def python(self, name: str = "nodeP", *times: str) -> Python:
        node = Python(self.folder, self.loop, self.index, name, *times)
        self._nodes.append(node)
        return node

    def node(self, kind: str) -> Node:
        return self.c() if kind == "c" else self.python()

    def close(self) -> None:
        for node in self._nodes:
            node.close()
        self._device.close()


@contextmanager
def field(root: Path, folder: Path, sector: int) -> Generator[Field]:
    backing = folder / f"disk-{sector}"
    backing.write_bytes(bytes(sector * 64))
    with loops.attached(backing, sector) as loop:
        made = Field(root, folder, loop)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with loops.folder() as made:
        yield made


@pytest.fixture
def nodes(pacemaker: Path, folder: Path) -> Iterator[Field]:
    with field(pacemaker, folder, 512) as made:
        yield made


both_ways = pytest.mark.parametrize(("first", "second"), [("c", "python"), ("python", "c")])
either = pytest.mark.parametrize("kind", ["c", "python"])


@pytest.mark.parametrize("sector", [512, 4096])
@either
def test_what_one_has_taken_the_other_shows(
    pacemaker: Path, folder: Path, sector: int, kind: str
) -> None:
    """Recipe 5."""
    with field(pacemaker, folder, sector) as nodes:
        holder = nodes.c("nöde") if kind == "c" else nodes.python("nöde")
        assert holder.code() == 0
        raw = nodes.loop.backing.read_bytes()[sector : 2 * sector]
        assert raw.startswith(b"l2\0\0\0" + "nöde".encode() + b"\0")
        assert raw.count(0) == sector - 2 - 5
        shown = ours("stat", nodes.loop.path)
        assert shown.code == 2
        assert b"status: lock\n" in shown.stdout
        assert shown == theirs(pacemaker, "sfex_stat", nodes.loop.path)
        holder.end()
        assert nodes.lock.read().released() == nodes.lock.read()


@both_ways
def test_a_living_holder_keeps_its_lock(nodes: Field, first: str, second: str) -> None:
    """Recipes 6 and 7."""
    holder = nodes.node(first)
    assert holder.code() == 0
    name = nodes.lock.read().name
    challenger = nodes.node(second)
    assert challenger.code() == 2
    assert challenger.took < LOCK + 1.0
    time.sleep(1.2)
    assert nodes.lock.read().name == name
    assert not holder.lost()
    if isinstance(holder, Python):
        assert holder.end() < 1.0
        assert holder.told()[-1] == "released"


@both_ways
def test_the_lock_of_one_that_was_killed_goes_to_the_other(
    nodes: Field, first: str, second: str
) -> None:
    """Recipe 8."""
    holder = nodes.node(first)
    assert holder.code() == 0
    holder.end(signal.SIGKILL)
    assert nodes.lock.read().locked
    challenger = nodes.node(second)
    assert challenger.code() == 0
    print(f"{second} after a dead {first}: {challenger.took:.3f} s")
    starting = 0.5  # of a shell with namespaces, or of an interpreter
    assert LOCK + COLLISION <= challenger.took < LOCK + COLLISION + LATE + starting


@both_ways
def test_a_lock_that_was_given_back_is_free_for_the_other(
    nodes: Field, first: str, second: str
) -> None:
    """Recipe 9."""
    holder = nodes.node(first)
    assert holder.code() == 0
    held = nodes.lock.read()
    holder.end()
    assert nodes.lock.read() == held.released()
    challenger = nodes.node(second)
    assert challenger.code() == 0
    assert challenger.took < COLLISION + LATE + 0.5
    assert nodes.lock.read().count == (held.count + 2) % 1000


@pytest.mark.parametrize("record", [Record(False, 0, b""), Record(True, 7, b"dead")])
def test_of_two_that_start_at_once_one_has_it(nodes: Field, record: Record) -> None:
    """Recipe 10."""
    winners: list[str] = []
    for number in range(EXPIRED_ROUNDS if record.locked else FREE_ROUNDS):
        nodes.fresh()
        nodes.lock.write(record)
        starts = [nodes.c, nodes.python] if number % 2 else [nodes.python, nodes.c]
        started = [start() for start in starts]
        codes = {type(each).__name__: each.code() for each in started}
        assert sorted(codes.values()) == [0, 2], codes
        winners += [name for name, code in codes.items() if code == 0]
        (winner,) = (each for each in started if type(each).__name__ == winners[-1])
        assert not winner.lost()
        winner.end()
    print(f"{winners.count('C')} of {len(winners)} by C")


def test_of_four_that_wait_for_a_dead_one_one_has_it(nodes: Field) -> None:
    """Recipe 11."""
    nodes.lock.write(Record(True, 7, b"dead"))
    started = [nodes.c("c1"), nodes.python("p1"), nodes.c("c2"), nodes.python("p2")]
    codes = [each.code() for each in started]
    assert sorted(codes) == [0, 2, 2, 2]
    winner = started[codes.index(0)]
    time.sleep(2.2)
    assert not winner.lost()
    assert nodes.lock.read().name.decode() == ["c1", "p1", "c2", "p2"][codes.index(0)]


def test_c_would_end_its_machine_when_another_has_written(nodes: Field) -> None:
    """Recipe 13: and a test notices."""
    holder = nodes.c()
    assert holder.code() == 0
    assert not holder.lost()
    nodes.lock.write(Record(True, 500, b"x"))
    end = time.monotonic() + 3.0
    while not holder.lost():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_ours_ends_its_machine_when_another_has_believed_its_claim(nodes: Field) -> None:
    """Recipe 13: one that was suspended for longer than collision_timeout finds another's name."""
    holder = nodes.python()
    assert holder.code() == 0
    os.kill(holder.keeper(), signal.SIGSTOP)
    time.sleep(COLLISION + 0.2)
    nodes.lock.write(Record(True, 500, b"x"))
    os.kill(holder.keeper(), signal.SIGCONT)
    end = time.monotonic() + 1.0
    while not holder.lost():
        assert time.monotonic() < end
        time.sleep(0.01)
    assert nodes.lock.read() == Record(True, 500, b"x")


@either
def test_its_own_name_on_the_disk_is_no_proof(nodes: Field, kind: str) -> None:
    """Recipe 19: it may be left from a claim over a living holder. C takes it at once."""
    nodes.lock.write(Record(True, 7, b"nodeC" if kind == "c" else b"nodeP"))
    node = nodes.node(kind)
    assert node.code() == 0
    assert (node.took < LOCK) == (kind == "c")


def test_the_count_goes_round_across_both(nodes: Field) -> None:
    """Recipe 20."""
    nodes.lock.write(Record(False, 997, b"x"))
    seen: list[int] = []
    for kind in ("python", "c"):
        holder = nodes.node(kind)
        assert holder.code() == 0
        seen.append(nodes.lock.read().count)
        holder.end()
    assert seen == [999, 1]


def test_told_to_stop_at_any_moment_it_ends_at_once(nodes: Field) -> None:
    """Recipe 24, with a lock that is free after one second."""
    chance = random.Random(24)  # noqa: S311 - the same each time
    for _ in range(STOPS):
        nodes.fresh()
        nodes.lock.write(Record(False, 5, b"x"))
        node = nodes.python()
        end = time.monotonic() + 5
        while not node.notes.exists() or not node.notes.read_text():
            assert time.monotonic() < end
            time.sleep(0.005)
        time.sleep(chance.uniform(0.0, 1.8))
        assert node.end() < 1.0
        found = nodes.lock.read()
        # A claim stays: written as free, it could free the lock of one who has claimed after us.
        assert not found.locked or found == Record(True, 6, b"nodeP")
        assert node.told()[-1] == "released"
        node.code()
