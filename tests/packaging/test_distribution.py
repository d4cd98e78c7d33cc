"""What is shipped, and whether it works where it is installed."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import ocfkit
from tests.packaging.checkout import ROOT, checked_in

VERSION = ocfkit.__version__

NOT_SHIPPED = (".ci/", ".gitignore", "agents/", "ocfkit/agents")
"""`agents/` travels as `ocfkit/agents/`: a link in the checkout, files in what is built."""

METADATA = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "top_level.txt"}


def test_the_source_distribution_is_the_checkout(built: Path) -> None:
    with tarfile.open(built / f"ocfkit-{VERSION}.tar.gz") as archive:
        names = [member.name for member in archive if member.isfile()]
    found = {name.partition("/")[2] for name in names}
    generated = {name for name in found if ".egg-info/" in name} | {"PKG-INFO", "setup.cfg"}
    shipped = {path for path in checked_in() if not path.startswith(NOT_SHIPPED)}
    agents = {f"ocfkit/{path}" for path in checked_in() if path.startswith("agents/")}
    assert found - generated == shipped | agents


def test_the_wheel_is_the_packages_and_nothing_else(built: Path) -> None:
    with zipfile.ZipFile(built / f"ocfkit-{VERSION}-py3-none-any.whl") as archive:
        found = {name for name in archive.namelist() if not name.endswith("/")}
    metadata = {f"ocfkit-{VERSION}.dist-info/{name}" for name in METADATA}
    packages = {path for path in checked_in() if path.startswith(("ocfkit/", "lsbcheck/"))}
    agents = {f"ocfkit/{path}" for path in checked_in() if path.startswith("agents/")}
    assert found == metadata | agents | packages - {"ocfkit/agents"}


def run(argv: list[str | Path]) -> subprocess.CompletedProcess[str]:
    """Run a command as a cluster would: from /, with an empty environment."""
    return subprocess.run(argv, cwd="/", env={}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", ["lsbcheck", "ocfkit"])
def test_an_installed_command_says_its_version(installed: Path, command: str) -> None:
    done = run([installed / command, "--version"])
    assert (done.stdout, done.stderr) == (f"{command} {VERSION}\n", "")


def test_the_installed_lsbcheck_lists_its_rules(installed: Path) -> None:
    done = run([installed / "lsbcheck", "--list-rules"])
    assert "start-succeeds" in done.stdout
    assert done.returncode == 0


def test_the_installed_lsbcheck_carries_the_pages_of_its_rules(installed: Path) -> None:
    done = run([installed / "lsbcheck", "--explain", "start-succeeds"])
    assert done.stdout == (ROOT / "lsbcheck/rules/pages/start-succeeds.md").read_text("utf-8")
    assert done.returncode == 0


def test_the_installed_ocfkit_carries_the_pages_of_its_rules(installed: Path) -> None:
    done = run([installed / "ocfkit", "check", "--explain", "start-succeeds"])
    assert "\n## How it is seen\n" in done.stdout
    assert done.returncode == 0


def modules() -> Iterator[str]:
    for path in checked_in():
        if path.endswith(".py") and path.startswith(("ocfkit/", "lsbcheck/", "agents/")):
            inside = path if not path.startswith("agents/") else f"ocfkit/{path}"
            yield inside.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@pytest.mark.parametrize("module", sorted(modules()))
def test_imports_alone(module: str) -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {module}"
    done = run([sys.executable, "-IB", "-W", "error", "-c", code])
    assert (done.returncode, done.stderr) == (0, "")


def test_lsbcheck_loads_of_ocfkit_the_ground_floor_alone() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import lsbcheck.__main__\n"
        "print(*(name for name in sys.modules if name.partition('.')[0] == 'ocfkit'))"
    )
    loaded = run([sys.executable, "-IB", "-c", code]).stdout.split()
    assert loaded
    assert [name for name in loaded if name != "ocfkit" and "ocfkit.linux" not in name] == []
