"""The single door to the checkout, and what the README says of it."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from tests import readme

ROOT = Path(__file__).resolve().parents[2]
BARE = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent"}


def dev(
    *argv: str, env: dict[str, str] = BARE, cwd: Path = Path("/")
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "dev", *argv],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", ["lsbcheck", "ocfkit"])
def test_runs_the_checkout_from_anywhere(command: str) -> None:
    assert dev(command, "--version").stdout.startswith(f"{command} ")


def test_takes_no_module_from_the_callers_folder(tmp_path: Path) -> None:
    (tmp_path / "argparse.py").write_text("raise SystemExit('hijacked')")
    env = {**BARE, "PYTHONPATH": str(tmp_path)}
    assert dev("ocfkit", "--version", env=env, cwd=tmp_path).returncode == 0


def test_refuses_a_tier_that_does_not_exist() -> None:
    done = dev("test", "moon")
    assert done.returncode == 2
    assert "there is no tier moon" in done.stderr


def test_installs_nothing_on_the_machine_unasked(tmp_path: Path) -> None:
    # A PATH on which apt-get is there to be called, and no debootstrap is.
    called = tmp_path / "called"
    (tmp_path / "apt-get").write_text(f"#!/bin/sh\n: >{called}\n")
    (tmp_path / "apt-get").chmod(0o755)
    for tool in ("dirname", "sh", "id", "python3"):
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    done = dev("corpus", env={"PATH": str(tmp_path), "HOME": "/nonexistent"})
    assert done.returncode == 2
    assert "apt-get install --no-install-recommends debootstrap" in done.stderr
    assert not called.exists()


@pytest.mark.parametrize("command", readme.commands())
def test_the_readme_names_only_what_exists(command: str) -> None:
    words = shlex.split(command.removeprefix("sudo "))
    assert words[0] in {"./dev", "cd", "git", "pkill"}
    if words[0] == "./dev":
        assert f"./dev {words[1]} " in dev("--help").stdout
        named = [word for word in words[2:] if word.startswith(("examples/", "tests/", "docs/"))]
        assert [word for word in named if not (ROOT / word).exists()] == []
