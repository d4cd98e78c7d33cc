"""Sub-commands that packages bring along."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from ocfkit.__main__ import main
from ocfkit.agents import COMMANDS
from ocfkit.commands import registered
from tests.ocfkit.command import ROOT, write
from tests.ocfkit.test_catalogue import put_first, register

Capture = pytest.CaptureFixture[str]

GREET = """\
SUMMARY = "greet somebody"


class Shy(Exception):
    exit_code = 9


def configure(parser):
    parser.add_argument("who", metavar="WHO")


def run(arguments):
    if arguments.who == "strangers":
        raise Shy("there are too many")
    print(f"hello {arguments.who}, {arguments.environ['MOOD']}")
    return 7
"""


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with a command that works, and others that do not."""
    names = {"greet": "acme_greet", "crash": "acme_crash", "empty": "acme_empty", "show": "x"}
    register(tmp_path, "acme", registered.GROUP, **names)
    write(tmp_path / "acme_greet.py", GREET)
    write(tmp_path / "acme_crash.py", "1 / 0\n")
    write(tmp_path / "acme_empty.py", "")
    put_first(tmp_path, monkeypatch)
    return tmp_path


def test_those_that_ship_are_as_the_package_registers_them() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"][registered.GROUP] == COMMANDS


@pytest.mark.usefixtures("acme")
class TestOfAPackage:
    def test_runs_and_ends_as_it_says(self, capsys: Capture) -> None:
        assert main(["greet", "you"], {"MOOD": "gladly"}) == 7
        assert capsys.readouterr().out == "hello you, gladly\n"

    def test_is_listed_and_explained(self, capsys: Capture) -> None:
        assert main([]) == 0
        assert "\n  greet       greet somebody\n" in capsys.readouterr().out
        assert main(["help", "greet"]) == 0
        assert capsys.readouterr().out.startswith("usage: ocfkit greet [-h] [-v] WHO")

    def test_may_end_with_codes_of_its_own(self, capsys: Capture) -> None:
        assert main(["greet", "strangers"]) == 9
        assert capsys.readouterr() == ("", "ocfkit: there are too many\n")

    def test_ends_a_wrong_call_with_2_unless_that_means_something_else(
        self, acme: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert main(["greet"]) == 2
        write(acme / "acme_greet.py", f"{GREET}\nWRONG_CALL = 64\n")
        monkeypatch.delitem(sys.modules, "acme_greet")
        assert main(["greet"]) == 64
        assert capsys.readouterr().err.count("required: WHO") == 2

    def test_is_not_loaded_for_another_one(self, capsys: Capture) -> None:
        sys.modules.pop("acme_greet", None)
        assert main(["show", "--help"]) == 0
        assert capsys.readouterr().out.startswith("usage: ocfkit show [-h] [-v] AGENT")
        assert main(["sfex", "--help"]) == 0
        assert "acme_greet" not in sys.modules

    @pytest.mark.parametrize(
        ("name", "why"),
        [
            ("crash", "the command crash cannot be loaded: ZeroDivisionError: division by zero"),
            ("empty", "the command empty cannot be run: acme_empty is no module of a command"),
        ],
    )
    def test_that_is_none_says_so_when_it_is_called(
        self, capsys: Capture, name: str, why: str
    ) -> None:
        assert main([name]) == 2
        assert capsys.readouterr().err.startswith(f"ocfkit: {why}")
        assert main([]) == 0
        assert f"\n  {name} " not in capsys.readouterr().out
