"""Reference pages that are tables of what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ocfkit import errors
from ocfkit.exitcodes import NAMES

ROOT = Path(__file__).resolve().parents[2]
ERRORS = (ROOT / "docs/reference/errors.md").read_text("utf-8")
ENVIRONMENT = (ROOT / "docs/reference/environment.md").read_text("utf-8")

CLASSES = [
    each
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, errors.ActionError)
]


def row(code: int) -> list[str]:
    """The cells of the line about a code."""
    line = next(line for line in ERRORS.splitlines() if line.startswith(f"| {code} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize(("code", "name"), NAMES.items())
def test_every_exit_code_stands_in_the_reference(code: int, name: str) -> None:
    assert row(code)[1] == name


@pytest.mark.parametrize("error", CLASSES, ids=[each.__name__ for each in CLASSES])
def test_every_error_stands_beside_its_code(error: type[errors.ActionError]) -> None:
    assert f"`{error.__name__}`" in row(error.exit_code)[2]


def test_every_variable_that_is_read_stands_in_the_reference() -> None:
    source = (ROOT / "ocfkit/environment.py").read_text("utf-8")
    read = set(re.findall(r"get\([\"']((?:OCF|HA)_\w+)[\"']\)", source))
    assert read >= {"OCF_CHECK_LEVEL", "HA_RSCTMP"}
    assert [name for name in sorted(read) if name not in ENVIRONMENT] == ["HA_logfacility"]
