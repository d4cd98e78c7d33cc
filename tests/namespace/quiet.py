"""A corner of the host where nobody else is: own mounts, processes and network.

What lsbcheck leaves behind in there is lsbcheck's, whatever else goes on on the machine; and when
the corner is closed, the kernel takes all of it away.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Self, TypeVar

from tests.namespace.image import TREES, HostImage

REPOSITORY = Path(__file__).parents[2]
T = TypeVar("T")
TMP = "/tmp"  # noqa: S108 - in there it is private

# A host with control groups has them mounted; where only the mounts are missing they are made.
# The last command is PID 1: it ignores SIGCHLD, so that the kernel reaps what it inherits.
_SET_UP = """
mount -t tmpfs -o mode=1777 tmpfs /mnt
for path; do  # below /tmp, and still needed
    mkdir -p "/mnt/${path#/tmp/}"
    mount --bind "$path" "/mnt/${path#/tmp/}"
done
mount --move /mnt /tmp
if ! grep -q ' /sys/fs/cgroup/[^ ]*pids' /proc/mounts && grep -q :pids: /proc/self/cgroup; then
    mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
    for name in pids memory cpu; do
        mkdir /sys/fs/cgroup/$name
        mount -t cgroup -o $name cgroup /sys/fs/cgroup/$name
    done
fi
exec /usr/bin/env python3 -IS -c '
import signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
while True:
    signal.pause()
'
"""


class QuietHost:
    """Use as a context manager; pids are those of the host outside."""

    def __enter__(self) -> Self:
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "--pid", "--net", "--fork",
             "--kill-child", "--mount-proc", "sh", "-euc", _SET_UP, "sh", *_below_tmp()],
            stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n"
        (self._init,) = children(self._holder.pid)
        self._runs: list[subprocess.Popen[bytes]] = []
        self._remove_groups()  # numbers of namespaces are used again
        return self

    def __exit__(self, *_: object) -> None:
        for run in self._runs:
            run.kill()
            for stream in (run.stdout, run.stderr):
                if stream is not None:
                    stream.close()
            run.wait()
        self._remove_groups()
        self._holder.kill()
        self._holder.wait()
        assert self._holder.stdout is not None
        self._holder.stdout.close()

    def _remove_groups(self) -> None:
        """What a failed test has left; the label is our own pid namespace."""
        namespace = os.stat(f"/proc/{self._init}/ns/pid").st_ino
        for pid in descendants(self._init):
            os.kill(pid, signal.SIGKILL)
        groups = ["find", "/sys/fs/cgroup", "-depth", "-type", "d"]
        until = time.monotonic() + 2
        while time.monotonic() < until:
            mine = ["-path", f"*/lsbcheck-{namespace}-*"]
            found = self.call([*groups, *mine, "-print", "-exec", "rmdir", "{}", "+"])
            if not found:
                return

    def _inside(self, argv: Sequence[str]) -> list[str]:
        return ["nsenter", "--target", str(self._init), "--mount", "--pid", "--net", *argv]

    def call(self, argv: Sequence[str]) -> str:
        """Run a command in here to its end; what it said."""
        done = subprocess.run(
            self._inside(argv), capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout

    def image(self, trees: Sequence[str] = TREES) -> HostImage:
        """What the host looks like from in here."""
        return HostImage.parse(self.call([sys.executable, str(REPOSITORY / IMAGE), *trees]))

    def put(self, path: str, text: str) -> None:
        """Make an executable file; below /tmp, which is private."""
        file = Path(f"/proc/{self._init}/root{path}")
        file.write_text(text)
        file.chmod(0o755)

    def lsbcheck(
        self,
        *arguments: str,
        through: Sequence[str] = (),
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.PIPE,
        stderr: int | IO[bytes] = subprocess.PIPE,
        preexec_fn: Callable[[], Any] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start lsbcheck in here; see `program`."""
        return self.program(
            "lsbcheck",
            "--allow-live",
            *arguments,
            through=through,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            preexec_fn=preexec_fn,
        )

    def program(
        self,
        module: str,
        *arguments: str,
        through: Sequence[str] = (),
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.PIPE,
        stderr: int | IO[bytes] = subprocess.PIPE,
        preexec_fn: Callable[[], Any] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a module of ours in here; `through` are words in front of its command line."""
        command = [*through, sys.executable, "-m", module, *arguments]
        run = subprocess.Popen(
            self._inside(command),
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=preexec_fn is None,
            preexec_fn=preexec_fn,  # noqa: PLW1509 - a test that takes a terminal has one thread
        )
        self._runs.append(run)
        return run

    def named(self, word: str) -> list[int]:
        """The processes in here, or in sandboxes, that have this word in their command line."""
        found: list[int] = []
        for pid in descendants(os.getpid(), self._init):
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
            except OSError:
                continue
            if word.encode() in command:
                found.append(pid)
        return found


IMAGE = "tests/namespace/image.py"


def _below_tmp() -> list[str]:
    return sorted(path for path in {sys.prefix, str(REPOSITORY)} if path.startswith(f"{TMP}/"))


def front_of(run: subprocess.Popen[bytes]) -> int:
    """The process that the user has started, behind nsenter's own."""
    (front,) = wait_for(lambda: children(run.pid), 5.0)
    return front


def children(pid: int) -> list[int]:
    """Those of a process, as told by the kernel."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def descendants(*pids: int) -> list[int]:
    """Of all of these, in no order."""
    found: list[int] = []
    waiting = list(pids)
    while waiting:
        below = children(waiting.pop())
        found += below
        waiting += below
    return found


def wait_for(ask: Callable[[], T], seconds: float) -> T:
    """Poll until the answer is true, and return it; fails at the deadline."""
    until = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < until, f"still {answer!r} after {seconds} s"
        time.sleep(0.01)
    return answer
