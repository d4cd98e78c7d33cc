"""Formatter, linters, type checkers and layers as tests: one command proves everything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

SHELL_SCRIPTS = [".ci/run", "dev", "tests/services/enter"]

LINTERS = {
    "ruff-check": ["ruff", "check", "--no-cache", "--output-format=concise"],
    "ruff-format": ["ruff", "format", "--no-cache", "--check"],
    "mypy": ["mypy", "--no-error-summary"],
    "pyright": ["pyright", "--pythonpath", sys.executable],
    "layers": ["lint-imports", "--no-cache"],
    "shellcheck": ["shellcheck", *SHELL_SCRIPTS],
}


@pytest.mark.parametrize("argv", LINTERS.values(), ids=LINTERS.keys())
def test_has_nothing_to_say(argv: list[str]) -> None:
    linter = [str(BIN / argv[0]), *argv[1:]]
    done = subprocess.run(linter, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        # The last lines suffice: whoever wants all of them runs the linter itself.
        print(*(done.stdout + done.stderr).splitlines()[-40:], sep="\n")
        pytest.fail(f"{' '.join(argv)} has something to say", pytrace=False)
