"""What an init script tells of itself, without being called."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocfkit import initscript


def programs(folder: Path, text: str) -> list[str]:
    script = folder / "script"
    script.write_text(text, errors="surrogateescape")
    return initscript.programs_in(str(script))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("DAEMON=/usr/bin/webd\n", ["/usr/bin/webd"]),
        ('  DAEMON="/usr/bin/webd"  # the one\n', ["/usr/bin/webd"]),
        ("DAEMON=/usr/bin/webd\n[ -x $DAEMON ] || exit 0\n", ["/usr/bin/webd"]),
        (
            "if new\nDAEMON=/usr/bin/new\nelse\nDAEMON=/usr/bin/old\nfi\n",
            ["/usr/bin/new", "/usr/bin/old"],
        ),
        ("#DAEMON=/usr/bin/webd\n", []),
        ("exec /usr/bin/webd\n", []),
    ],
)
def test_its_programs_are_what_it_calls_daemon(tmp_path: Path, text: str, named: list[str]) -> None:
    assert programs(tmp_path, text) == named


@pytest.mark.parametrize(
    "other",
    [
        "DAEMON=$(command -v webd)",
        "DAEMON=/usr/bin/$NAME",
        "DAEMON=webd",
        "DAEMON=",
        "[ -x /opt/webd ] && DAEMON=/opt/webd",
        "HELPER_DAEMON=/usr/bin/webd",
        "DAEMON=/usr/bin/webd -d",
        "export DAEMON=/usr/bin/webd",
    ],
)
def test_it_names_none_where_one_of_them_is_worked_out(tmp_path: Path, other: str) -> None:
    assert programs(tmp_path, f"DAEMON=/usr/bin/webd\n{other}\n") == []


def test_a_script_that_is_not_there_names_none(tmp_path: Path) -> None:
    assert initscript.programs_in(str(tmp_path / "none")) == []


@given(st.binary(max_size=200))
def test_whatever_it_holds_its_programs_are_absolute_paths(
    tmp_path_factory: pytest.TempPathFactory, text: bytes
) -> None:
    script = tmp_path_factory.getbasetemp() / "any-script"
    script.write_bytes(b"DAEMON=" + text)
    assert all(each.startswith("/") for each in initscript.programs_in(str(script)))
