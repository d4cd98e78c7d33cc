"""The command `ocfkit`."""

from __future__ import annotations

import pytest

import ocfkit
from ocfkit.__main__ import main


def test_says_what_it_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "lsbcheck" in capsys.readouterr().out


def test_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"ocfkit {ocfkit.__version__}\n"


def test_refuses_a_command_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["promise"])
    assert "unrecognized arguments: promise" in capsys.readouterr().err
