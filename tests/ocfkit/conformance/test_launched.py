"""Which words mean a class of ocfkit's own kind, and which a file to be called as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocfkit.conformance.launched import is_source


@pytest.mark.parametrize("mode", [0o644, 0o755])
def test_a_file_with_its_class_means_the_class(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "webd.py"
    file.touch(mode)
    assert is_source(f"{file}:Webd")


def test_a_python_file_alone_means_itself_only_where_it_is_executable(tmp_path: Path) -> None:
    file = tmp_path / "webd.py"
    file.touch(0o644)
    assert is_source(str(file))
    file.chmod(0o755)
    assert not is_source(str(file))


def test_any_other_file_means_itself(tmp_path: Path) -> None:
    assert not is_source(str(tmp_path / "webd"))
