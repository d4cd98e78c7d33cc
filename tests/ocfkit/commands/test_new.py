"""`ocfkit new`: what it writes works, and passes its own test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ocfkit as package
from ocfkit import catalogue
from ocfkit.__main__ import main
from tests.ocfkit.command import ROOT, ocfkit

KINDS = ["--daemon", "--plain"]


@pytest.fixture(params=KINDS)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with a new agent."""
    done = ocfkit("new", "web_server", "--dir", tmp_path, str(request.param))
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(os.listdir(tmp_path)) == ["test_web_server.py", "web_server.py"]
    return tmp_path


def run_in(folder: Path, *argv: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


PYTEST = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]


def test_its_test_passes(written: Path) -> None:
    done = run_in(written, *PYTEST)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_its_test_fails_when_the_agent_is_broken(written: Path) -> None:
    agent = written / "web_server.py"
    text = agent.read_text()
    raising = "def start(self) -> None:\n        raise ActionError('broken')\n"
    broken = text.replace('"infinity"', '"0"').replace("def start(self) -> None:\n", raising)
    assert broken != text
    agent.write_text(broken)
    done = run_in(written, *PYTEST)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "test_starts_works_and_stops" in done.stdout


def test_it_is_as_clean_as_our_own_code(written: Path) -> None:
    ruff = Path(sys.executable).parent / "ruff"
    ours = ["--no-cache", "--config", str(ROOT / "pyproject.toml")]
    ignored = [f"--extend-per-file-ignores=*.py:{rule}" for rule in ("D", "INP001", "S101")]
    for argv in (["check", *ours, *ignored], ["format", "--check", *ours]):
        done = run_in(written, ruff, *argv, ".")
        assert done.returncode == 0, done.stdout + done.stderr


def test_it_can_be_shown_and_started_itself(written: Path) -> None:
    agent = written / "web_server.py"
    assert ocfkit("show", agent).stdout.startswith("web_server: ")
    done = run_in(Path("/"), sys.executable, agent, "meta-data")
    assert (done.returncode, done.stderr) == (0, "")
    assert '<resource-agent name="web_server"' in done.stdout
    assert os.access(agent, os.X_OK)


def test_says_what_to_do_next(tmp_path: Path) -> None:
    said = ocfkit("new", "webd", cwd=tmp_path).stdout
    for words in ("ocfkit show webd.py", "ocfkit run webd.py start", "pytest test_webd.py"):
        assert words in said


def test_is_a_daemon_unless_told_otherwise(tmp_path: Path) -> None:
    ocfkit("new", "webd", cwd=tmp_path)
    assert "class Webd(Daemon):" in (tmp_path / "webd.py").read_text()


@pytest.mark.parametrize("there", ["webd.py", "test_webd.py"])
def test_overwrites_nothing(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    done = ocfkit("new", "webd", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"ocfkit: {there} is there already: nothing was written\n"
    assert os.listdir(tmp_path) == [there]
    assert (tmp_path / there).read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("http", "Python has a module http of its own: choose another name"),
        ("pytest", "there is a module pytest already"),
        ("ocfkit", "there is a module ocfkit already"),
        ("my-agent", "'my-agent' is no name of a module"),
        ("class", "'class' is no name of a module"),
        ("../webd", "'../webd' is no name for a cluster"),
        ("ウェブ", "'ウェブ' is no name for a cluster"),
        ("", "'' is no name for a cluster"),
    ],
)
def test_a_name_that_would_not_work_is_refused(
    tmp_path: Path, name: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", name, "--dir", str(tmp_path)], {}) == 2
    said, complained = capsys.readouterr()
    assert (said, why in complained) == ("", True)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["agent", "daemon", "state", "_", "web2", "webD", "main", "param"])
def test_any_other_name_works(tmp_path: Path, name: str, kind: str) -> None:
    assert main(["new", name, kind, "--dir", str(tmp_path)], {}) == 0
    found = catalogue.find(f"{tmp_path}/{name}.py")
    assert found.name == name
    assert found.cls.__name__ not in package.__all__  # what it imports


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = ocfkit("new", "webd", "--dir", tmp_path / "gone")
    assert done.returncode == 1
    assert done.stderr == (
        f"ocfkit: {tmp_path}/gone/webd.py cannot be written: No such file or directory\n"
    )
