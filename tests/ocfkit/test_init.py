"""The public names: listed once for people, once for the loader, once for type checkers."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ocfkit
from ocfkit import _HOMES as HOMES  # pyright: ignore[reportPrivateUsage]
from ocfkit import params

ROOT = Path(__file__).resolve().parents[2]


def names_of_homes() -> list[str]:
    return [name for names in HOMES.values() for name in names.split()]


def names_for_checkers() -> dict[str, str]:
    """Public name → module, as the imports under TYPE_CHECKING say."""
    tree = ast.parse((ROOT / "ocfkit/__init__.py").read_text("utf-8"))
    found: dict[str, str] = {}
    for each in ast.walk(tree):
        if isinstance(each, ast.ImportFrom) and each.module and each.module != "__future__":
            for alias in each.names:
                found[alias.asname or alias.name] = each.module
    return found


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"
    done = subprocess.run(
        [sys.executable, "-IBc", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_every_public_name_has_one_home() -> None:
    names = names_of_homes()
    assert sorted([*names, "param"]) == sorted(ocfkit.__all__)
    assert len(names) == len(set(names))


def test_type_checkers_find_the_same_names_in_the_same_places() -> None:
    homes = {name: f"ocfkit.{home}" for home, names in HOMES.items() for name in names.split()}
    assert names_for_checkers() == {**homes, "param": "ocfkit"}


@pytest.mark.parametrize("name", ocfkit.__all__)
def test_a_public_name_is_there(name: str) -> None:
    assert getattr(ocfkit, name) is not None


def test_param_is_the_module() -> None:
    assert ocfkit.param is params


def test_all_of_it_can_be_imported_with_a_star() -> None:
    printed = python(
        "from ocfkit import *\nprint(*sorted(n for n in dir() if n[0] != '_' and n != 'sys'))"
    )
    assert printed.split() == sorted(ocfkit.__all__)


def test_dir_lists_them_before_they_are_loaded() -> None:
    printed = python("import ocfkit\nprint(*dir(ocfkit))\nprint(*sys.modules)")
    listed, loaded = (line.split() for line in printed.splitlines())
    assert set(ocfkit.__all__) <= set(listed)
    assert len(listed) == len(set(listed))
    assert [name for name in loaded if name.startswith("ocfkit.")] == []


def test_dir_lists_nothing_twice_when_they_are_loaded() -> None:
    printed = python("import ocfkit\nocfkit.Agent, ocfkit.param\nprint(*dir(ocfkit))")
    assert len(printed.split()) == len(set(printed.split()))


def test_a_name_is_loaded_once() -> None:
    printed = python("import ocfkit\nocfkit.Agent\nprint('Agent' in vars(ocfkit))")
    assert printed == "True\n"


def test_what_is_not_public_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'ocfkit' has no attribute 'Nonsense'"):
        _ = ocfkit.Nonsense  # type: ignore[attr-defined]
