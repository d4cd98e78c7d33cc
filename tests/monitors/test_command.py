"""A command that says whether the service is well, and commands that do not end."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ocfkit.deadline import Deadline
from ocfkit.errors import ActionError, ConfigurationError, InstallationError
from ocfkit.linux import process
from ocfkit.monitors import command
from tests.ocfkit.daemons import script, wait_for

SOON = 0.7


def soon() -> Deadline:
    return Deadline.after(SOON)


def later() -> Deadline:
    return Deadline.after(20)


class TestACommandThatSaysSo:
    def test_is_enough(self) -> None:
        ended = command.check(["true"], deadline=later())
        assert ended.code == 0

    @pytest.mark.parametrize("code", [3, {0, 3}, [3]])
    def test_may_say_it_with_another_code(self, code: int | set[int] | list[int]) -> None:
        assert command.check(["sh", "-c", "exit 3"], deadline=later(), code=code).code == 3

    @pytest.mark.parametrize("pattern", ["ready", "^is re.dy$"])
    def test_may_have_to_print_it(self, pattern: str) -> None:
        argv = ["printf", "it\\nis ready\\n"]
        assert command.check(argv, deadline=later(), match=pattern).stdout == "it\nis ready\n"

    def test_gets_what_it_has_to_read(self) -> None:
        ended = command.check(["cat"], deadline=later(), stdin="hush", match="^hush$")
        assert "hush" not in " ".join(ended.argv)

    def test_gets_a_small_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OCF_RESKEY_password", "hush")
        said = command.check(["env"], deadline=later(), env={"COLOUR": "red"}).stdout.splitlines()
        names = sorted(line.partition("=")[0] for line in said)
        assert names == ["COLOUR", "HOME", "LC_ALL", "OCFKIT_CHECK", "PATH"]

    def test_is_told_nothing_by_a_shell(self) -> None:
        ended = command.check(["echo", "$HOME; exit 1"], deadline=later())
        assert ended.stdout == "$HOME; exit 1\n"


class TestACommandThatDoesNot:
    def test_is_told_with_its_code_and_its_last_words(self) -> None:
        argv = ["sh", "-c", "echo a; echo first >&2; echo last >&2; exit 2"]
        with pytest.raises(ActionError) as caught:
            command.check(argv, deadline=later())
        text = str(caught.value)
        assert text.startswith(f"{' '.join(argv)}: exited with 2, not 0: last (after 0.")

    def test_names_all_that_were_allowed(self) -> None:
        with pytest.raises(ActionError, match="exited with 0, not 1 or 2 "):
            command.check(["true"], deadline=later(), code={2, 1})

    def test_prints_something_else(self) -> None:
        with pytest.raises(ActionError, match=r"printed 'not yet', without 'ready' \(after"):
            command.check(["echo", "not yet"], deadline=later(), match="ready")

    def test_is_killed_by_a_signal(self) -> None:
        with pytest.raises(ActionError, match="was killed by signal 15 "):
            command.check(["sh", "-c", "kill $$"], deadline=later())

    def test_is_not_there(self) -> None:
        with pytest.raises(InstallationError, match="there is no program nowhere on this node"):
            command.check(["nowhere"], deadline=later())

    def test_runs_as_somebody_who_is_not_there(self) -> None:
        with pytest.raises(InstallationError, match="there is no user nobody-here on this node"):
            command.check(["true"], deadline=later(), user="nobody-here")

    def test_is_looked_at_with_a_pattern_that_is_none(self) -> None:
        with pytest.raises(ConfigurationError, match=r"'\(' is no regular expression"):
            command.check(["true"], deadline=later(), match="(")


class TestACommandThatDoesNotEnd:
    def test_is_told_in_time(self) -> None:
        deadline = soon()
        with pytest.raises(ActionError, match=r"did not end in time: asked \(after 0\."):
            command.check(["sh", "-c", "echo asked; exec sleep 600"], deadline=deadline)
        assert deadline.left() > 0

    def test_is_killed_with_its_children(self, tmp_path: Path) -> None:
        pids = tmp_path / "pids"
        program = script(
            tmp_path,
            f"sleep 600 & echo $! >>{pids}\nsetsid sleep 600 & echo $! >>{pids}\n"
            f"(setsid sh -c 'sleep 600 & echo $! >>{pids}')\necho $$ >>{pids}\nwait",
        )
        with pytest.raises(ActionError, match="did not end in time"):
            command.check([program], deadline=soon())
        left = [int(line) for line in pids.read_text().split()]
        assert len(left) == 4
        wait_for(lambda: not any(_runs(pid) for pid in left))

    def test_that_floods_is_told_in_time_too(self) -> None:
        deadline = soon()
        with pytest.raises(ActionError, match="did not end in time: y"):
            command.check(["yes"], deadline=deadline)
        assert deadline.left() > 0

    def test_leaves_nothing_open(self) -> None:
        before = os.listdir("/proc/self/fd")
        with pytest.raises(ActionError):
            command.check([sys.executable, "-c", "input()\nwhile True: pass"], deadline=soon())
        command.check(["true"], deadline=later())
        assert os.listdir("/proc/self/fd") == before


def _runs(pid: int) -> bool:
    try:
        return not process.stat(pid).ended
    except OSError:
        return False
