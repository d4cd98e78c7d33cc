"""Agents that are processes in a test: one that is well, and many that are not."""

from __future__ import annotations

import _thread
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import ClassVar, NoReturn
from urllib.parse import quote, quote_plus, urlencode

from ocfkit import (
    RUNNING,
    STOPPED,
    ActionError,
    Agent,
    Daemon,
    Notice,
    State,
    action,
    param,
)


class Flag(Agent):
    """Run while a file is there."""

    needs_root: ClassVar[Sequence[str]] = ()

    file = param.path("The file.", required=True)
    port = param.port("A port.", default=80)

    @action
    def start(self) -> None:
        with open(self.file, "w", encoding="ascii"):
            pass

    @action
    def stop(self) -> None:
        os.unlink(self.file)

    @action
    def monitor(self) -> State:
        return RUNNING if os.path.exists(self.file) else STOPPED

    @monitor.depth(10)
    def is_still_there(self) -> bool:
        return os.path.exists(self.file)


def sleep() -> NoReturn:
    while True:
        time.sleep(60)


def loop() -> NoReturn:
    while True:
        pass


def read_a_pipe() -> None:
    reader, _writer = os.pipe()
    os.read(reader, 1)


def wait_for_a_lock() -> None:
    lock = _thread.allocate_lock()
    lock.acquire()
    lock.acquire()


def wait_in_c() -> None:
    """Loop in C, where neither another thread nor the handler of a signal has its turn."""
    all(itertools.repeat(object=True))


def be_suspended() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def ignore_everything() -> NoReturn:
    for number in range(1, 32):
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_IGN)
    sleep()


def fork_and_wait() -> None:
    child = os.fork()
    if child == 0:
        time.sleep(1)
        os._exit(0)
    os.waitpid(child, 0)
    sleep()


WAYS: dict[str, Callable[[], object]] = {
    "sleep": sleep,
    "loop": loop,
    "pipe": read_a_pipe,
    "lock": wait_for_a_lock,
    "c": wait_in_c,
    "suspended": be_suspended,
    "killed": be_killed,
    "deaf": ignore_everything,
    "fork": fork_and_wait,
}


class Hung(Agent):
    """Never come back from one action."""

    needs_root: ClassVar[Sequence[str]] = ()

    how = param.enum("How.", choices=list(WAYS), default="sleep")

    @action
    def start(self) -> None:
        self.hang()

    @action
    def stop(self) -> None:
        self.hang()

    @action
    def monitor(self) -> State:
        self.hang()
        return RUNNING

    def notify(self, _notice: Notice) -> None:
        self.hang()

    def hang(self) -> None:
        self.doing("waiting for Godot")
        WAYS[self.how]()


class Guarded(Flag):
    """A flag that root alone may hoist."""

    needs_root = Agent.needs_root


class StuckStop(Flag):
    """Hang in the stop where no signal handler of Python's gets to."""

    @action
    def stop(self) -> None:
        wait_in_c()

    def escalate(self) -> None:
        os.unlink(self.file)


class SlowStop(StuckStop):
    """Take one's time in the stop."""

    @action
    def stop(self) -> None:
        sleep()


class Forker(Flag):
    """Be two in every action."""

    answer = param.integer("What the child says.", default=0)

    def twice(self) -> None:
        child = os.fork()
        if child == 0:
            if self.answer:
                raise ActionError("I am the child")
            return
        os.waitpid(child, 0)

    @action
    def start(self) -> None:
        self.twice()
        super().start()

    @action
    def monitor(self) -> State:
        self.twice()
        return RUNNING if os.path.exists(self.file) else STOPPED


class Leaky(Flag):
    """Try to let a secret out in every way that there is."""

    password = param.secret("What nobody may see.", default=None)
    how = param.string("Which way.", default="")
    copy = param.path("A file for what a child sees.", default=None)

    @action
    def monitor(self) -> State:
        LEAKS[self.how](self, self.password or "")
        return RUNNING


def in_an_error_of_ours(_agent: Leaky, secret: str) -> None:
    raise ActionError(f"login as root:{secret}@localhost failed")


def in_an_error_of_python(_agent: Leaky, secret: str) -> None:
    raise ValueError(secret)


def in_an_error_of_the_system(_agent: Leaky, secret: str) -> None:
    raise OSError(5, f"{secret}: no", f"/run/{secret}")


def in_a_chain_of_errors(agent: Leaky, secret: str) -> None:
    try:
        in_an_error_of_python(agent, secret)
    except ValueError as error:
        raise RuntimeError(f"with {secret!r}") from error


def as_a_key(_agent: Leaky, secret: str) -> None:
    print({"a": 1}[secret])


def in_a_repr(agent: Leaky, secret: str) -> None:
    raise ActionError(f"{[secret]!r} and {secret.encode()!r} and {vars(agent)!r}")


def in_an_address(_agent: Leaky, secret: str) -> None:
    forms = [quote(secret), quote(secret, safe=""), quote_plus(secret)]
    raise ActionError(f"{forms} {urlencode({'password': secret})}")


def line_by_line(_agent: Leaky, secret: str) -> None:
    raise ActionError(" | ".join(f"line: {line}" for line in secret.splitlines()))


def in_the_log(agent: Leaky, secret: str) -> None:
    log = agent.log
    for level in (log.debug, log.info, log.warning, log.error):
        level(f"the password is {secret}")
    raise ActionError("it is in the log")


def in_what_it_waits_for(agent: Leaky, secret: str) -> None:
    agent.doing(f"logging in with {secret}")
    sleep()


def in_the_output_of_a_command(agent: Leaky, secret: str) -> None:
    ended = agent.run(["sh", "-c", 'echo "$P" "$P" >&2'], env={"P": secret})
    raise ActionError(f"the command said {ended.stderr}")


def as_the_name_of_a_command(agent: Leaky, secret: str) -> None:
    agent.run([f"/nonexistent/{secret}"])


def as_an_argument(agent: Leaky, secret: str) -> None:
    agent.run(["sh", "-c", f'echo "$@" > {agent.copy}', "sh", f"--password={secret}"])


def in_the_environment_of_a_command(agent: Leaky, _secret: str) -> None:
    raise ActionError(f"the command saw {agent.run(['env']).stdout}")


def in_the_environment_of_a_child(agent: Leaky, _secret: str) -> None:
    subprocess.run(["sh", "-c", f"env > {agent.copy}"], check=True)
    raise ActionError(f"the child saw {os.environ!r} and the agent {agent.environment.whole!r}")


def at_the_exit(_agent: Leaky, secret: str) -> None:
    sys.exit(f"I give up: {secret}")


LEAKS: dict[str, Callable[[Leaky, str], None]] = {
    each.__name__.replace("_", " "): each
    for each in (
        in_an_error_of_ours,
        in_an_error_of_python,
        in_an_error_of_the_system,
        in_a_chain_of_errors,
        as_a_key,
        in_a_repr,
        in_an_address,
        line_by_line,
        in_the_log,
        in_what_it_waits_for,
        in_the_output_of_a_command,
        as_the_name_of_a_command,
        as_an_argument,
        in_the_environment_of_a_command,
        in_the_environment_of_a_child,
        at_the_exit,
    )
}


class LeakyDaemon(Daemon):
    """Give a secret to a program as an argument."""

    needs_root: ClassVar[Sequence[str]] = ()

    password = param.secret("What nobody may see.", required=True)

    def command(self) -> list[str]:
        return ["sleep", "infinity", self.password]
