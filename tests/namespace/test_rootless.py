"""An ordinary user: best effort, with a list of what could not be seen."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from ocfkit.linux import process

REPOSITORY = Path(__file__).parents[2]
NOBODY_ELSE = 54321
"""A user that nobody else is, so what runs under this number is ours."""


@pytest.fixture(scope="module")
def report() -> Generator[dict[str, Any]]:
    """The bundled example, checked by that user from a copy that he may read."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        for part in ("lsbcheck", "ocfkit", "examples"):
            shutil.copytree(REPOSITORY / part, Path(folder, part), symlinks=True)
        done = subprocess.run(
            [
                *("setpriv", f"--reuid={NOBODY_ELSE}", f"--regid={NOBODY_ELSE}", "--clear-groups"),
                *("/usr/bin/python3", "-B", "-m", "lsbcheck", "--format", "json", "-v"),
                "examples/init.d/legacy",
            ],
            cwd=folder,
            env={"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 1, done.stderr
        yield json.loads(done.stdout)


def verdicts(report: dict[str, Any]) -> dict[str, str]:
    return {rule["id"]: rule["verdict"] for rule in report["scripts"][0]["rules"]}


def test_most_rules_are_judged(report: dict[str, Any]) -> None:
    seen = verdicts(report)
    for rule in ("actions-implemented", "start-succeeds", "stop-succeeds", "status-when-running"):
        assert seen[rule] == "pass"
    for rule in ("stop-failure-reported", "start-when-running", "status-when-suspended"):
        assert seen[rule] == "fail"


def test_what_would_replace_roots_files_is_not_provoked(report: dict[str, Any]) -> None:
    assert verdicts(report)["start-failure-reported"] == "not-provoked"


def test_what_could_not_be_seen_is_listed(report: dict[str, Any]) -> None:
    notes = " ".join(report["sandbox"]["notes"])
    assert "could not be seen:" in notes
    assert "/etc/shadow" in notes
    assert "not limited:" in notes


def test_nothing_is_left(report: dict[str, Any]) -> None:
    assert report
    for pid in process.pids():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            assert process.owner(pid) != NOBODY_ELSE
