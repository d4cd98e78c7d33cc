"""Recipes for CI: the files in examples/ are right for those who read them, and stand in a page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.packaging.checkout import ROOT

BIN = Path(sys.executable).parent
FLEET = ROOT / "docs/how-to/check-a-fleet.md"
CI = ROOT / "docs/how-to/check-in-ci.md"

CHECKS = {
    "examples/ci/github.yml": (
        *("check-jsonschema", "--builtin-schema", "vendor.github-workflows"),
    ),
    "examples/ci/gitlab.yml": (
        *("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci"),
        *("--data-transform", "gitlab-ci"),
    ),
    "examples/ci/pre-commit.yml": ("pre-commit", "validate-config"),
    ".pre-commit-hooks.yaml": ("pre-commit", "validate-manifest"),
}


@pytest.mark.parametrize(("file", "argv"), CHECKS.items(), ids=CHECKS)
def test_its_reader_takes_it(file: str, argv: tuple[str, ...], tmp_path: Path) -> None:
    ended = subprocess.run(
        [BIN / argv[0], *argv[1:], ROOT / file],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("file", "page"),
    [
        ("examples/ci/github.yml", CI),
        ("examples/ci/gitlab.yml", CI),
        ("examples/ci/pre-commit.yml", CI),
        ("examples/fleet/lsbcheck.yml", FLEET),
    ],
)
def test_it_stands_in_its_page_as_it_is(file: str, page: Path) -> None:
    assert f"```yaml\n{(ROOT / file).read_text('utf-8')}```" in page.read_text("utf-8")


def test_the_hook_is_the_command_that_is_installed() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    assert f'\n{hook["entry"]} = "lsbcheck.__main__:entry"' in (ROOT / "pyproject.toml").read_text()
    (repository,) = yaml.safe_load((ROOT / "examples/ci/pre-commit.yml").read_text())["repos"]
    assert [one["id"] for one in repository["hooks"]] == [hook["id"]]
