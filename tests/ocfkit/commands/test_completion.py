"""`ocfkit completion`: a real bash asks, and gets what could come next."""

from __future__ import annotations

import os
import pty
import select
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ocfkit import launchers
from ocfkit.__main__ import COMMANDS, main
from ocfkit.commands import registered
from ocfkit.launchers import Launcher
from tests.ocfkit.command import argv, ocfkit, write


@pytest.fixture
def shell(tmp_path: Path) -> Path:
    """A folder with an agent, and the command in a folder of programs."""
    program = tmp_path / "bin/ocfkit"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.join(argv())} "$@"\n')
    program.chmod(0o755)
    write(tmp_path / "flagship.py")
    return tmp_path


def completed(shell: Path, *words: str) -> list[str]:
    """What bash is offered for the last word."""
    quoted = shlex.join(["ocfkit", *words])
    script = f"""
        set -eu
        PATH={shell}/bin:$PATH
        source <(ocfkit completion bash)
        COMP_WORDS=({quoted})
        COMP_CWORD={len(words)}
        _ocfkit
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env={"PATH": "/usr/bin:/bin"},
        cwd=shell,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


class TestBash:
    def test_completes_commands(self, shell: Path) -> None:
        assert completed(shell, "") == [*COMMANDS, *registered.targets()]

    def test_completes_what_a_package_has_registered(self, shell: Path) -> None:
        assert completed(shell, "sf") == ["sfex"]
        assert completed(shell, "sfex", "") == ["init", "stat", "hold"]
        assert completed(shell, "sfex", "stat", "--j") == ["--json"]
        assert completed(shell, "un") == ["uninstall"]
        assert completed(shell, "help", "me") == ["meta-data"]

    def test_completes_options(self, shell: Path) -> None:
        assert completed(shell, "run", "--t") == ["--timeout"]
        assert completed(shell, "install", "x.py", "--pro") == ["--provider", "--profile"]
        assert completed(shell, "list", "-") == [
            *("-h", "--help", "--ocf-root", "--destdir", "-v", "--verbose")
        ]

    def test_completes_what_an_option_may_be(self, shell: Path) -> None:
        assert completed(shell, "meta-data", "x.py", "--profile", "") == ["1.1", "1.0"]
        assert completed(shell, "completion", "") == ["bash", "zsh", "fish"]

    def test_leaves_files_to_the_shell(self, shell: Path) -> None:
        assert completed(shell, "show", "flag") == []
        assert completed(shell, "install", "--destdir", "/") == []

    def test_completes_actions_of_an_agent(self, shell: Path) -> None:
        assert completed(shell, "run", "flagship.py", "st") == ["start", "stop"]
        assert completed(shell, "run", "--level", "10", "flagship.py", "mo") == ["monitor"]

    def test_completes_parameters_of_an_agent(self, shell: Path) -> None:
        before = ("run", "flagship.py", "start", "-p")
        assert completed(shell, *before, "") == ["file=", "mode=", "count=", "password="]
        assert completed(shell, *before, "mode=fast", "-p", "pa") == ["password="]

    def test_copes_with_the_way_in_which_bash_splits_words(self, shell: Path) -> None:
        words = ("run", "flagship.py", ":", "Flag", "-p", "mode", "=", "fast", "st")
        assert completed(shell, *words) == ["start", "stop"]

    @pytest.mark.parametrize(
        "words",
        [
            ("nonsense", ""),
            ("run", "nowhere.py", ""),
            ("run", "nowhere.py", "start", "-p", ""),
            ("run", "-p", ""),
            ("run", "flagship.py", "start", "more", ""),
            ("new", ""),
        ],
    )
    def test_says_nothing_where_it_knows_nothing(self, shell: Path, words: tuple[str, ...]) -> None:
        assert completed(shell, *words) == []

    def test_does_it_at_a_terminal(self, shell: Path) -> None:
        """Nothing is played here: a person types, and presses tab."""
        pid, terminal = pty.fork()
        if pid == 0:
            env = {"PATH": f"{shell}/bin:/usr/bin:/bin", "TERM": "dumb", "PS1": "> "}
            os.chdir(shell)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], env)  # noqa: S606
        try:
            os.write(terminal, b'bind "set bell-style none"; eval "$(ocfkit completion bash)"\n')
            os.write(terminal, b"echo rea''dy\n")
            read_until(terminal, "ready")
            os.write(terminal, b"ocfkit run flagsh\tmon\t-p mod\tfast")
            read_until(terminal, "ocfkit run flagship.py monitor -p mode=fast")
        finally:
            os.close(terminal)
            os.waitpid(pid, 0)


def read_until(terminal: int, word: str) -> None:
    """Read a terminal until a word is there; fails when it ends before."""
    said = ""
    until = time.monotonic() + 30
    while word not in said:
        ready, _, _ = select.select([terminal], [], [], max(until - time.monotonic(), 0))
        assert ready, said
        said += os.read(terminal, 4096).decode()  # OSError at its end


def test_registered_agents_come_with_what_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    write(info / "METADATA", "Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    write(info / "entry_points.txt", "[ocfkit.agents]\nwebd=acme.web:Web\ndb=acme.db:Db\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for words in (["show", "we"], ["install", "db", "we"], ["run", "we"]):
        assert main(["__complete", *words]) == 0
        assert capsys.readouterr().out == "webd\tacme.web:Web\n"


def test_installed_launchers_come_with_where_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = [Launcher("/usr/lib/ocf/resource.d/acme/webd", "acme.web:Web", "1.1")]
    monkeypatch.setattr(launchers, "installed", lambda: there)
    assert main(["__complete", "uninstall", ""]) == 0
    assert capsys.readouterr().out == "webd\t/usr/lib/ocf/resource.d/acme/webd\n"


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_scripts_for_other_shells_ask_in_the_same_way(shell: str) -> None:
    assert "__complete" in ocfkit("completion", shell).stdout


def test_an_unknown_shell_is_refused() -> None:
    done = ocfkit("completion", "bsh")
    assert done.returncode == 2
    assert "invalid choice: 'bsh'" in done.stderr
