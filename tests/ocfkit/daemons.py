"""Daemons of every sort that tests start, and an agent that runs whatever it is told."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from ocfkit import Daemon, param
from ocfkit.linux import process
from ocfkit.linux.process import Identity
from ocfkit.testing import Instance

PATIENCE = 20.0


class Service(Daemon):
    """Run a program with its arguments."""

    settle: ClassVar[float] = 0.1

    program = param.executable("What to run.", required=True)
    words = param.string('Its arguments, with blanks between, or "none".', default="600")
    number = param.integer("Given wrongly, it is a mistake.", default=1)
    config = param.path("A file that has to be there.", default=None, exists="file")
    user = param.string("Who runs it.", default=None)
    folder = param.path("Where it runs.", default="/")
    output = param.path("Where its output goes.", default="/dev/null")
    pid_file = param.path("Where it writes its pid.", default=None)
    socket = param.path("A unix socket that it listens on.", default=None)
    port = param.port("A TCP port that it listens on.", default=None)
    address = param.string("The address that it listens on.", default=None)
    password = param.secret("Not for everybody.", default=None)

    def command(self) -> list[str]:
        assert self.number  # as an author might: it raises where the value is wrong
        return [self.program, *(self.words.split() if self.words != "none" else ())]

    def runs_as(self) -> str | None:
        return self.user

    def variables(self) -> dict[str, str]:
        return {"COLOUR": "red"}

    def runs_in(self) -> str:
        return self.folder

    def writes_to(self) -> str:
        return self.output

    def pid_in(self) -> str | None:
        return self.pid_file

    def listens_on(self) -> int | tuple[str, int] | str | None:
        if self.port and self.address:
            return (self.address, self.port)
        return self.port or self.socket


class Forking(Service):
    """Run a program that puts itself into the background."""

    forks = True


def native(folder: Path, name: str = "napper") -> str:
    """A program of its own, which sleeps for as many seconds as its argument says."""
    program = folder / name
    shutil.copy("/bin/sleep", program)
    return str(program)


def script(folder: Path, text: str, name: str = "daemon", interpreter: str = "/bin/sh") -> str:
    """A program that an interpreter executes."""
    program = folder / name
    program.write_text(f"#!{interpreter}\n{text}\n")
    program.chmod(0o755)
    return str(program)


def python(folder: Path, text: str, interpreter: str = sys.executable) -> str:
    """A script in Python."""
    return script(folder, f"import os, signal, sys, time\n{text}", interpreter=interpreter)


def listening(folder: Path) -> str:
    """A program of its own that listens where LISTEN says, if it is called with that."""
    program = folder / "listener"
    shutil.copy("/usr/bin/perl", program)
    return str(program)


LISTEN = """
use Socket qw(:DEFAULT IPPROTO_IPV6 IPV6_V6ONLY sockaddr_in6 IN6ADDR_LOOPBACK);
my $at = $ARGV[0];
my $family = $at =~ m{^/} ? PF_UNIX : $at =~ /^::1 / ? PF_INET6 : PF_INET;
my $port = $at =~ /(\\d+)$/ ? $1 : 0;
my $where = $family == PF_UNIX ? sockaddr_un($at)
    : $family == PF_INET6 ? sockaddr_in6($port, IN6ADDR_LOOPBACK)
    : sockaddr_in($port, INADDR_LOOPBACK);
socket(S, $family, SOCK_STREAM, 0) && bind(S, $where) && listen(S, 1) or die;
sleep 600;
"""
"""Listens on a path, on a port of the loopback, or on one of the other loopback: "::1 PORT"."""


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
    except OSError:
        return False
    return True


HAS_IPV6 = _has_ipv6()


STUCK = """
go, fifo = sys.argv[1], sys.argv[1] + ".fifo"
os.mkfifo(fifo)
while not os.path.exists(go):
    time.sleep(0.01)
os.posix_spawn("/bin/true", ["true"], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 0, fifo, 0, 0)])
time.sleep(600)
"""
"""Waits in vfork(2) for a child that waits for a writer: its state is D, from when it is told."""

STUBBORN = "trap '' TERM; while :; do sleep 0.05; done"
"""It does not listen to SIGTERM."""

WITH_WORKERS = "echo $$ >>{pids}; for each in 1 2; do sleep 600 & echo $! >>{pids}; done; wait"
"""Its workers do not end with it."""

FORKS = """
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
with open({pid_file!r}, "w") as file:
    file.write(f"{{os.getpid()}}\\n")
time.sleep(600)
"""
"""It forks twice, as the old books have it, and writes its pid."""


def pid_of(instance: Instance) -> int:
    """Its main process, as the record says."""
    return int(record_of(instance).read_text().split()[0])


def record_of(instance: Instance) -> Path:
    kind = instance.cls.__name__.lower()
    return Path(instance.node.folder) / "ocfkit" / kind / instance.name


def is_alive(pid: int) -> bool:
    try:
        return not process.stat(pid).ended
    except OSError:
        return False


def wait_for(fact: Callable[[], object], while_alive: int = 0) -> None:
    """Wait until it is so; fail at once when the process is gone that shall make it so."""
    until = time.monotonic() + PATIENCE
    while not fact():
        assert time.monotonic() < until, "it does not come to pass"
        assert not while_alive or is_alive(while_alive), f"process {while_alive} has ended"
        time.sleep(0.01)


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Signal a process that the test knows to be there, and wait for the end if there is one."""
    identity = process.identify(pid)
    assert identity.send(number)
    if number == signal.SIGKILL:
        assert identity.wait(PATIENCE)


@contextmanager
def by_hand(*argv: str, **more: object) -> Generator[int]:
    """A process that somebody else has started; killed at the end, if it is still there."""
    pid = os.posix_spawn(argv[0], argv, os.environ, setsid=bool(more.get("session")))
    try:
        wait_for(
            lambda: process.command_line(pid)[-len(argv) + 1 :] == [*argv[1:]] or len(argv) == 1
        )
        yield pid
    finally:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)  # our child: the pid is nobody else's
            os.waitpid(pid, 0)


class Witness:
    """A process that notes every signal that it gets; it stands for any stranger."""

    _PROGRAM = """
import signal, sys
def note(number, frame):
    print(number, flush=True)
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
    signal.signal(number, note)
print("up", flush=True)
for line in sys.stdin:
    print("there", flush=True)
"""

    def __init__(self, *more: str) -> None:
        """`more` arguments for its command line."""
        self._child = subprocess.Popen(
            [sys.executable, "-ISc", self._PROGRAM, *more],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._says("up")
        self.pid = self._child.pid
        self.identity: Identity = process.identify(self.pid)

    def _says(self, word: str) -> bool:
        assert self._child.stdout is not None
        return self._child.stdout.readline() == f"{word}\n"

    def is_untouched(self) -> bool:
        """Whether it is there, runs, and has got nothing."""
        assert self._child.stdin is not None
        assert process.stat(self.pid).state in "SR", "it was suspended"
        self._child.stdin.write("?\n")
        self._child.stdin.flush()
        return self._says("there")

    def close(self) -> None:
        self._child.kill()
        self._child.communicate()


def listener(path_or_port: str | tuple[str, int]) -> socket.socket:
    """A socket of this very process."""
    family = socket.AF_UNIX if isinstance(path_or_port, str) else socket.AF_INET
    made = socket.socket(family)
    made.bind(path_or_port)
    made.listen()
    return made


def free_port(address: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
    return port
