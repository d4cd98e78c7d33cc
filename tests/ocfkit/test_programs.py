"""Where a program is, what it needs to run, and whose rights it gets."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocfkit import programs
from ocfkit.errors import InstallationError


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The two folders that programs are looked for in."""
    folders = (tmp_path / "first", tmp_path / "second")
    for each in folders:
        each.mkdir()
    monkeypatch.setattr(programs, "PATH", ":".join(map(str, folders)))
    return folders


def put(place: Path, text: str = "#!/bin/sh\n", mode: int = 0o755) -> str:
    place.write_text(text)
    place.chmod(mode)
    return str(place)


class TestFinding:
    def test_takes_the_first_that_can_be_executed(self, path: tuple[Path, Path]) -> None:
        first, second = path
        there = put(second / "daemon")
        assert programs.find("daemon") == there
        put(first / "daemon", mode=0o644)
        (first / "folder").mkdir()
        assert programs.find("daemon") == there
        assert programs.find("folder") is None
        assert programs.find("other") is None
        (first / "daemon").chmod(0o755)
        assert programs.find("daemon") == str(first / "daemon")

    def test_takes_an_absolute_path_as_it_is(self, path: tuple[Path, Path]) -> None:
        there = put(path[0] / "daemon")
        assert programs.find(there) == there
        assert programs.find(f"{there}-not") is None

    @pytest.mark.parametrize("name", ["", "./daemon", "first/daemon", "../first/daemon"])
    def test_does_not_depend_on_where_we_are(
        self, path: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        put(path[0] / "daemon")
        monkeypatch.chdir(path[0])
        assert programs.find(name) is None

    @pytest.mark.usefixtures("path")
    def test_does_not_ask_the_callers_path(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "/usr/bin:/bin")
        assert programs.find("sh") is None


class TestRequiring:
    def test_gives_the_path_of_what_can_be_executed(self, path: tuple[Path, Path]) -> None:
        there = put(path[1] / "daemon")
        assert programs.require("daemon") == there
        assert programs.require(put(path[1] / "native", "no script")) == str(path[1] / "native")

    @pytest.mark.parametrize("name", ["daemon", "/no/such/daemon", ""])
    @pytest.mark.usefixtures("path")
    def test_tells_what_is_missing(self, name: str) -> None:
        with pytest.raises(InstallationError, match=f"there is no program {name} on this node"):
            programs.require(name)

    def test_tells_what_may_not_be_executed(self, path: tuple[Path, Path]) -> None:
        put(path[1] / "daemon", mode=0o644)
        with pytest.raises(InstallationError, match="daemon may not be executed"):
            programs.require("daemon")

    @pytest.mark.parametrize(
        ("line", "missing"),
        [
            ("#!/no/such/python -I", "/no/such/python"),
            ("#!/etc/passwd", "/etc/passwd"),
            ("#! /usr/bin/env no-such-python", "no-such-python"),
            ("#!/usr/bin/env -S LANG=C no-such-python -u", "no-such-python"),
        ],
    )
    def test_tells_which_interpreter_is_missing(
        self, tmp_path: Path, line: str, missing: str
    ) -> None:
        program = put(tmp_path / "daemon", f"{line}\n")
        with pytest.raises(InstallationError, match=f"daemon is a script for {missing}, which"):
            programs.require(program)

    @pytest.mark.parametrize("line", ["#!/bin/sh", "#!/usr/bin/env sh", "#!/usr/bin/env -S sh -e"])
    def test_takes_a_script_whose_interpreter_is_there(self, tmp_path: Path, line: str) -> None:
        program = put(tmp_path / "daemon", f"{line}\n")
        assert programs.require(program) == program


class TestTheFirstLine:
    @pytest.mark.parametrize(
        ("text", "program"),
        [
            ("#!/bin/sh\n", "/bin/sh"),
            ("#!/bin/sh", "/bin/sh"),
            ("#!  /bin/sh  -e \nx", "/bin/sh"),
            ("#!\n", ""),
            ("#!", ""),
            ("#!/usr/bin/env\n", ""),
            ("#!/usr/bin/env -i\n", ""),
            ("\x7fELF", ""),
            ("", ""),
        ],
    )
    def test_names_the_interpreter(self, tmp_path: Path, text: str, program: str) -> None:
        assert programs.interpreter(put(tmp_path / "daemon", text)) == program

    @given(st.binary(max_size=400))
    def test_may_be_anything(self, tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
        file = tmp_path_factory.getbasetemp() / "script"
        file.write_bytes(b"#!" + text)
        assert isinstance(programs.interpreter(str(file)), str)

    def test_of_what_is_no_file_names_nothing(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")  # and nobody waits for a writer
        for each in (tmp_path, tmp_path / "missing", tmp_path / "fifo"):
            assert programs.interpreter(str(each)) == ""


class TestCredentials:
    def test_of_a_user_who_is_not_there(self) -> None:
        with pytest.raises(InstallationError, match="there is no user no-such-user on this node"):
            programs.credentials_of("no-such-user")

    def test_of_ourselves_are_ours_already_unless_we_are_root(self) -> None:
        ours = programs.credentials_of(pwd.getpwuid(os.geteuid()).pw_name)
        assert (ours is None) == (os.geteuid() != 0)

    def test_hold_all_groups_of_the_user(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 0)

        def getgrouplist(_user: str, gid: int) -> list[int]:
            return [gid, 4, 33]

        monkeypatch.setattr(os, "getgrouplist", getgrouplist)
        root = pwd.getpwuid(0)
        given = programs.credentials_of(root.pw_name)
        assert given is not None
        assert (given.uid, given.gid, given.groups) == (0, root.pw_gid, (root.pw_gid, 4, 33))
