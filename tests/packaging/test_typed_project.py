"""A project elsewhere that uses the installed package: its checkers see our types (PEP 561)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(sys.executable).parent

AGENT = '''\
"""An author's agent."""

from ocfkit import RUNNING, STOPPED, ActionError, Agent, Notice, State, action, main, param


class Web(Agent):
    """Serve a folder."""

    port = param.port("TCP port to listen on.", default=8080, unique="address")
    config = param.path("Configuration file.", exists="file", required=True)
    wait = param.duration("How long to wait.", default="5s")
    user = param.string("Who runs it.", default=None)
    token = param.secret("Token.", default=None)
    mode = param.enum("Mode.", choices=["fast", "safe"], default="safe")

    @action(timeout="1min")
    def start(self) -> None:
        self.run(["/usr/sbin/web", f"--port={self.port + 1}", self.config], limit=self.wait / 2)

    @action
    def stop(self) -> None:
        if self.user is not None:
            self.log.info(self.user.upper())

    @action(interval="15s")
    def monitor(self) -> State:
        return RUNNING if self.mode == "fast" else STOPPED

    @action
    def notify(self, notice: Notice) -> None:
        for member in notice.promoting:
            self.log.info(f"{notice.when}: {member.node}")

    @monitor.depth(10, timeout="20s", interval="1min")
    def page_comes_back(self) -> bool:
        if self.deadline.over():
            raise ActionError("no time")
        return True


if __name__ == "__main__":
    main(Web)
'''

DAEMON = '''\
"""Another agent of the same author, derived from more."""

from collections.abc import Sequence

from ocfkit import Daemon, State, monitor, param


class Cache(Daemon):
    """Run a cache."""

    port = param.port("Port.", required=True)

    def command(self) -> Sequence[str]:
        return ["cached", str(self.port)]

    def listens_on(self) -> int:
        return self.port

    def state(self) -> State:
        return self.monitor()

    @monitor.depth(10)
    def value_comes_back(self) -> None:
        """Ask it."""
'''

TEST = '''\
"""The author's test."""

from agent import Web

from ocfkit.testing import run


def test_a_stopped_server_is_not_running() -> None:
    outcome = run(Web, "monitor", {"config": "/dev/null"})
    assert outcome.code == 7
'''

WRONG = '''\
"""What a checker has to find, if it sees the types at all."""

from agent import Web

from ocfkit import Agnet, param


def wrong(web: Web) -> str:
    param.port("Port.", default="80")
    web.start(5)
    return web.port
'''

MISTAKEN = [5, 9, 10, 11]
"""Its lines that are wrong."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "agent.py").write_text(AGENT)
    (folder / "daemon.py").write_text(DAEMON)
    (folder / "test_agent.py").write_text(TEST)
    (folder / "wrong.py").write_text(WRONG)
    (folder / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    return folder


Checker = Callable[..., list[int]]

FILES = ["agent.py", "daemon.py", "test_agent.py"]


def mypy(project: Path, installed: Path, *files: str) -> list[int]:
    """Lines of which mypy complains, in whatever file."""
    argv = [str(HERE / "mypy"), "--strict", "--no-error-summary", "--show-error-codes"]
    argv += [f"--python-executable={installed / 'python'}", f"--cache-dir={project / 'cache'}"]
    done = check([*argv, *files], project)
    lines = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert bool(lines) == bool(done.returncode), done.stdout + done.stderr
    print(done.stdout)
    return sorted({int(line.split(":")[1]) for line in lines})


def pyright(project: Path, installed: Path, *files: str) -> list[int]:
    """Lines of which pyright complains, in whatever file."""
    argv = [str(HERE / "pyright"), "--outputjson", f"--pythonpath={installed / 'python'}"]
    done = check([*argv, *files], project)
    told = json.loads(done.stdout)
    assert told["summary"]["filesAnalyzed"] == len(files)
    print(*(each["message"] for each in told["generalDiagnostics"]), sep="\n")
    return sorted({each["range"]["start"]["line"] + 1 for each in told["generalDiagnostics"]})


def check(argv: list[str], project: Path) -> subprocess.CompletedProcess[str]:
    env = {name: text for name, text in os.environ.items() if not name.startswith("MYPY")}
    return subprocess.run(argv, cwd=project, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_an_authors_project_is_fine_for(checker: Checker, project: Path, installed: Path) -> None:
    assert checker(project, installed, *FILES) == []


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_an_authors_mistakes_are_found_by(checker: Checker, project: Path, installed: Path) -> None:
    assert checker(project, installed, "wrong.py") == MISTAKEN
