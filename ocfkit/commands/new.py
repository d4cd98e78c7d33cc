"""`ocfkit new`: write a working agent, and its test."""

from __future__ import annotations

import argparse
import os

from ocfkit import catalogue
from ocfkit.commands.arguments import FailedError, Parser, WrongCallError
from ocfkit.launchers import why_no_name

SUMMARY = "write a working agent, and its test"

_DAEMON = '''\
#!/usr/bin/env python3
from __future__ import annotations

from ocfkit import ActionError, Daemon, main, monitor, param


class {cls}(Daemon):
    """Run {name}.

    Say here what it is, and what an operator has to know.
    """

    binary = param.executable("The program.", default="sleep")
    duration = param.string("How long it sleeps.", default="infinity")

    def command(self) -> list[str]:
        return [self.binary, self.duration]

    @monitor.depth(10)
    def program_tells_its_version(self) -> None:
        # Ask your service for something that only a healthy one can answer.
        ended = self.run([self.binary, "--version"])
        if ended.code != 0:
            raise ActionError(f"{{self.binary}} --version exited with {{ended.code}}, expected 0")


main({cls})
'''

_DAEMON_TEST = """\
from __future__ import annotations

from ocfkit.testing import run

from {name} import {cls}


def test_starts_works_and_stops() -> None:
    assert run({cls}, "monitor").code == 7
    assert run({cls}, "start").code == 0
    assert run({cls}, "start").code == 0
    assert run({cls}, "monitor", level=10).code == 0
    assert run({cls}, "stop").code == 0
    assert run({cls}, "stop").code == 0
    assert run({cls}, "monitor").code == 7


def test_a_program_that_is_missing_is_not_installed() -> None:
    outcome = run({cls}, "start", binary="/no/such/program")
    assert outcome.code == 5
    assert "/no/such/program" in outcome.reason


def test_one_that_ends_at_once_is_a_failure() -> None:
    outcome = run({cls}, "start", duration="0")
    assert outcome.code == 1
    assert "exited with code 0" in outcome.reason
"""

_PLAIN = '''\
#!/usr/bin/env python3
from __future__ import annotations

import os

from ocfkit import RUNNING, STOPPED, ActionError, Agent, State, action, main, param


class {cls}(Agent):
    """Manage {name}.

    Say here what it is, and what an operator has to know.
    """

    state = param.path("File that is there while it runs.", default="/run/{name}.state")

    @action(timeout="20s")
    def start(self) -> None:
        with open(self.state, "w", encoding="utf-8") as file:
            file.write(self.instance)

    @action(timeout="20s")
    def stop(self) -> None:
        os.unlink(self.state)

    @action(timeout="20s", interval="10s")
    def monitor(self) -> State:
        return RUNNING if os.path.exists(self.state) else STOPPED

    @monitor.depth(10)
    def file_names_the_instance(self) -> None:
        # Ask your service for something that only a healthy one can answer.
        with open(self.state, encoding="utf-8") as file:
            seen = file.read()
        if seen != self.instance:
            raise ActionError(f"{{self.state}} names {{seen!r}}, expected {{self.instance!r}}")


main({cls})
'''

_PLAIN_TEST = """\
from __future__ import annotations

from pathlib import Path

from ocfkit.testing import run

from {name} import {cls}


def test_starts_works_and_stops(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert run({cls}, "monitor", state=state).code == 7
    assert run({cls}, "start", state=state).code == 0
    assert run({cls}, "start", state=state).code == 0
    assert run({cls}, "monitor", state=state, level=10).code == 0
    assert run({cls}, "stop", state=state).code == 0
    assert run({cls}, "stop", state=state).code == 0
    assert run({cls}, "monitor", state=state).code == 7


def test_a_file_of_another_instance_is_noticed_at_depth_10(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.write_text("another")
    assert run({cls}, "monitor", state=state).code == 0
    outcome = run({cls}, "monitor", state=state, level=10)
    assert outcome.code == 1
    assert "names 'another'" in outcome.reason
"""


def configure(parser: Parser) -> None:
    """Add its arguments."""
    parser.add_argument("name", metavar="NAME", help="what the cluster will call it, e.g. webd")
    parser.add_argument(
        "--dir", default=".", metavar="DIR", help="where the files go (default: this folder)"
    )
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument(
        "--daemon",
        action="store_true",
        help="for a program that runs all the time (the default)",
    )
    kinds.add_argument(
        "--plain",
        action="store_true",
        help="for anything else: start, stop and monitor are yours to write",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write both files, or none."""
    name: str = arguments.name
    folder: str = arguments.dir
    wrong = why_no_name(name) or catalogue.why_not_a_module(name, os.path.abspath(folder))
    if wrong:
        raise WrongCallError(f"{wrong}: choose another name")
    agent, test = (_PLAIN, _PLAIN_TEST) if arguments.plain else (_DAEMON, _DAEMON_TEST)
    cls = _class_name(name)
    path = _write(folder, f"{name}.py", agent.format(name=name, cls=cls), 0o755)
    try:
        of_test = _write(folder, f"test_{name}.py", test.format(name=name, cls=cls), 0o644)
    except FailedError:
        os.unlink(path)
        raise
    print(f"{path} is an agent that works, and {of_test} its test. What next:")
    print(f"  ocfkit show {path}")
    print(f"  sudo ocfkit run {path} start")
    print(f"  sudo ocfkit run {path} monitor --level 10")
    print(f"  sudo ocfkit run {path} stop")
    print(f"  python3 -m pytest {of_test}")
    print(f"  sudo ocfkit install {path}")
    return 0


def _class_name(name: str) -> str:
    cls = "".join(word[:1].upper() + word[1:] for word in name.split("_"))
    if not cls.isidentifier() or cls in ("ActionError", "Agent", "Daemon", "State"):
        return f"The{cls}"
    return cls


def _write(folder: str, name: str, text: str, mode: int) -> str:
    """Write a new file and return its path; raises FailedError where there is one already."""
    path = name if folder == "." else os.path.join(folder, name)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError:
        raise FailedError(f"{path} is there already: nothing was written") from None
    except OSError as error:
        raise FailedError(f"{path} cannot be written: {error.strerror}") from error
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        os.unlink(path)
        raise FailedError(f"{path} cannot be written: {error.strerror}") from error
    return path
