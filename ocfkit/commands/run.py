"""`ocfkit run`: one action of an agent, as the cluster would run it.

The action is a process of its own, with the interpreter options and the text of a launcher.
Parameters reach it by its environment, never by its arguments.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from getpass import getpass
from typing import IO, TextIO

from ocfkit import catalogue, launchers
from ocfkit.agent import Agent
from ocfkit.catalogue import Found, nearest
from ocfkit.commands.arguments import FailedError, Parser, WrongCallError, a_duration, add_agent
from ocfkit.declaration import seconds
from ocfkit.dispatch import granted_time
from ocfkit.durations import text as written
from ocfkit.environment import Environment
from ocfkit.exitcodes import NAMES
from ocfkit.metadata import DEBUG
from ocfkit.params import AnyParam
from ocfkit.programs import PATH

SUMMARY = "run an action of an agent, as the cluster would"

_EPILOG = """\
examples:
  ocfkit run web.py start -p port=8081
  ocfkit run web.py monitor -p port=8081 --level 10
  ocfkit run pgsql monitor -p password=@/root/pgpass

The exit code is the action's; OCF's names of the codes are in its output.
"""

_PREFIX = "ocf-exit-reason:"


def configure(parser: Parser) -> None:
    """Add its arguments."""
    add_agent(parser)
    add = parser.add_argument
    add("action", metavar="ACTION", help="such as start, stop, monitor, validate-all")
    add(
        "-p",
        "--parameter",
        dest="parameters",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of the resource; may be repeated. A secret is NAME=@FILE, or NAME=- for "
        "standard input",
    )
    add("--level", type=_level, default=0, metavar="N", help="how deep to look (default: 0)")
    add("--timeout", type=_timeout, metavar="TIME", help="what is granted (default: as advised)")
    add(
        "--interval",
        type=a_duration,
        metavar="TIME",
        help="how often a monitor is repeated, 0 for a probe (default: as advised)",
    )
    add("--instance", default="default", metavar="NAME", help="of the resource (default: default)")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Run the action, show what it says, and return its exit code."""
    found = catalogue.find(arguments.agent)
    action: str = arguments.action
    values = parameters(found.cls, arguments.parameters, sys.stdin)
    env = environment(
        found,
        action,
        values,
        instance=arguments.instance,
        level=arguments.level,
        timeout=arguments.timeout,
        interval=arguments.interval,
        caller=arguments.environ,
    )
    granted = granted_time(found.cls, action, Environment(env))
    answers = action not in (*found.cls.declaration.actions, "validate-all")
    call = Call(argv_of(found, action), env, answers=answers)
    try:
        return _shown(action, call.wait(granted))
    except LateError:
        limit = written(granted)
        raise FailedError(f"{action} did not answer within {limit}, and was killed") from None


def argv_of(found: Found, action: str) -> list[str]:
    """The program: an interpreter as in the first line of a launcher, and the rest of it."""
    folders = [catalogue.HOME, found.folder, *catalogue.package_folders(sys.path)]
    path = list(dict.fromkeys(folders))
    text = launchers.render(sys.executable, path, found.target, name=found.name)
    return [sys.executable, "-IS", "-c", text, action]


# --- parameters -----------------------------------------------------------------------------------


def parameters(cls: type[Agent], words: Sequence[str], stdin: TextIO | None) -> dict[str, str]:
    """The parameters of `-p`, by name; raises WrongCallError, without the value of a secret."""
    declared = {each.name: each for each in cls.declaration.parameters.values()}
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise WrongCallError("-p takes NAME=VALUE, and here there is no =")
        if name not in declared and name != DEBUG:
            raise WrongCallError(_unknown(name, list(declared), cls.__name__))
        if name in found:
            raise WrongCallError(f"parameter {name} is given twice")
        parameter = declared.get(name)
        if parameter is not None and parameter.kind.secret:
            value = _secret(parameter, value, stdin)
        if "\0" in value:
            raise WrongCallError(f"the value of {name} holds a NUL, which no parameter can")
        found[name] = value
    return found


def _unknown(name: str, known: Sequence[str], cls: str) -> str:
    near = nearest(name, known)
    if near:
        return f"{cls} has no parameter {name}; did you mean {near}?"
    return f"{cls} has no parameter {name}; it has {', '.join(known) or 'none'}"


def _secret(parameter: AnyParam, value: str, stdin: TextIO | None) -> str:
    """The value of a secret, from where it is kept."""
    name = parameter.name
    if value == "-":
        return _asked(name, stdin)
    if value.startswith("@"):
        try:
            with open(value[1:], "rb") as file:
                return _line(file.read())
        except OSError as error:
            raise WrongCallError(f"-p {name}=@…: {value[1:]}: {error.strerror}") from error
    raise WrongCallError(
        f"{name} is secret, and arguments are seen by everybody: say -p {name}=@FILE, or "
        f"-p {name}=- to read it from standard input"
    )


def _asked(name: str, stdin: TextIO | None) -> str:
    """What comes by standard input; a terminal is asked, and does not show it."""
    if stdin is None:
        raise WrongCallError(f"-p {name}=-: standard input is closed")
    try:
        if stdin.isatty():
            return getpass(f"{name}: ")
        return _line(stdin.buffer.read())
    except (OSError, EOFError) as error:
        raise WrongCallError(f"-p {name}=-: nothing comes by standard input") from error


def _line(data: bytes) -> str:
    """A value as an editor or `echo` has written it: the newline at its end is not a part of it."""
    return data.removesuffix(b"\n").decode("utf-8", "surrogateescape")


def _level(word: str) -> int:
    if not word.isascii() or not word.isdecimal() or len(word) > 9:
        raise argparse.ArgumentTypeError(f"{word!r} is no depth such as 10")
    return int(word)


def _timeout(word: str) -> float:
    time_ = a_duration(word)
    if time_ < 0.001:
        raise argparse.ArgumentTypeError(f"{word!r} is less than a millisecond")
    return time_


# --- the environment ------------------------------------------------------------------------------

_PASSED_ON = ("HA_", "CIB_", "PCMK_")
"""Of the caller's variables: what says where the cluster, its logs and records are."""


def environment(
    found: Found,
    action: str,
    values: Mapping[str, str],
    *,
    instance: str = "default",
    level: int = 0,
    timeout: float | None = None,
    interval: float | None = None,
    caller: Mapping[str, str],
) -> dict[str, str]:
    """All variables of the process; those of the `caller` that are not for us stay behind."""
    if interval is None and action == "monitor":
        interval = seconds(found.cls.declaration.actions["monitor"].interval)
    whole = {name: value for name, value in caller.items() if name.startswith(_PASSED_ON)}
    whole |= {
        "PATH": PATH,
        "OCF_ROOT": launchers.OCF_ROOT,
        "OCF_RA_VERSION_MAJOR": "1",
        "OCF_RA_VERSION_MINOR": "1",
        "OCF_RESOURCE_INSTANCE": instance,
        "OCF_RESOURCE_TYPE": found.name,
        "OCF_RESOURCE_PROVIDER": launchers.PROVIDER,
        "OCF_EXIT_REASON_PREFIX": _PREFIX,
        "OCF_RESKEY_CRM_meta_name": action,
        "OCF_RESKEY_CRM_meta_interval": _milliseconds(interval or 0.0),
        **{f"OCF_RESKEY_{name}": value for name, value in values.items()},
    }
    if level:
        whole["OCF_CHECK_LEVEL"] = str(level)
    granted = granted_time(found.cls, action, Environment(whole)) if timeout is None else timeout
    whole["OCF_RESKEY_CRM_meta_timeout"] = _milliseconds(granted)
    return whole


def _milliseconds(time_: float) -> str:
    return str(round(time_ * 1000))


# --- the process ----------------------------------------------------------------------------------

_LAST_WORDS = 0.1
"""Seconds in which is passed on what a process that has ended has said before."""

_PATIENCE = 2.0
"""Seconds for an action that was interrupted to say so."""


@dataclass(frozen=True)
class Ended:
    """How an action ended."""

    code: int
    """As subprocess has it: a signal is negative."""
    reason: str
    seconds: float


class LateError(Exception):
    """An action has not ended in time."""


class Call:
    """One call of an agent, in a process group of its own as the cluster makes it.

    What it says on standard error is passed on line by line, but for the reason.
    """

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str], *, answers: bool = False
    ) -> None:
        """Start it; where it `answers` on standard output, as for meta-data, that is ours."""
        self._began = time.monotonic()
        self._child = subprocess.Popen(
            argv,
            env=env,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=None if answers else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            process_group=0,
            bufsize=0,
        )
        self._rest = b""
        self._reason = ""

    def wait(self, limit: float) -> Ended:
        """Wait for its end; raises LateError when that does not come, after it was killed."""
        try:
            if not self._listen(limit):
                raise LateError
        except KeyboardInterrupt:
            if self._child.poll() is None:
                self._child.send_signal(signal.SIGINT)
                self._listen(_PATIENCE)
            if self._reason:
                print(f"reason: {self._reason}", flush=True)
            raise
        finally:
            if self._child.poll() is None:
                os.killpg(self._child.pid, signal.SIGKILL)
            code = self._child.wait()
            self._stderr.close()
        self._take(b"\n" if self._rest else b"")
        return Ended(code, self._reason, time.monotonic() - self._began)

    @property
    def _stderr(self) -> IO[bytes]:
        assert self._child.stderr is not None  # noqa: S101 - asked for above
        return self._child.stderr

    def _listen(self, limit: float) -> bool:
        """Pass on what it says until it ends; False when time is over before.

        A daemon that it leaves behind may hold its standard error for ever, and even write there:
        it is listened to for a moment only.
        """
        until = time.monotonic() + limit
        ended = False
        watched = os.pidfd_open(self._child.pid)
        stderr = self._stderr.fileno()
        said = b""
        poll = select.poll()
        for each in (watched, stderr):
            poll.register(each, select.POLLIN)
        try:
            while (left := until - time.monotonic()) > 0:
                ready = [each for each, _ in poll.poll(left * 1000)]
                if watched in ready:
                    ended = True
                    poll.unregister(watched)
                    until = min(until, time.monotonic() + _LAST_WORDS)
                if stderr in ready:
                    said = os.read(stderr, 1 << 16)
                    self._take(said)
                    if not said:
                        poll.unregister(stderr)
                if ended and (stderr not in ready or not said):
                    break
        finally:
            os.close(watched)
        return self._child.poll() is not None

    def _take(self, said: bytes) -> None:
        *lines, self._rest = (self._rest + said).split(b"\n")
        for line in lines:
            text = line.decode("utf-8", "replace")
            if text.startswith(_PREFIX):
                self._reason = text.removeprefix(_PREFIX)
            elif sys.stderr is not None:
                print(text, file=sys.stderr, flush=True)


def _shown(action: str, ended: Ended) -> int:
    if ended.code < 0:
        raise FailedError(f"{action} was killed by signal {-ended.code}")
    name = NAMES.get(ended.code, "no code of OCF")
    # meta-data is on standard output itself
    stream = sys.stderr if action == "meta-data" else sys.stdout
    print(f"{action}: {ended.code} ({name}) after {ended.seconds:.2f} s", file=stream)
    if ended.reason:
        print(f"reason: {ended.reason}", file=stream)
    return ended.code
