"""Names of units, what systemctl prints, and the drop-in of a cluster."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ocfkit import ConfigurationError, systemd
from ocfkit.linux import process


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("nginx", "nginx.service"),
        ("nginx.service", "nginx.service"),
        ("my.app", "my.app.service"),
        ("getty@tty1", "getty@tty1.service"),
        ("my@1.2", "my@1.2.service"),
        ("cups.socket", "cups.socket"),
        ("srv-data.mount", "srv-data.mount"),
        (".socket", ".socket.service"),
    ],
)
def test_a_name_without_a_kind_is_a_services(text: str, name: str) -> None:
    assert systemd.unit_name(text) == name


@pytest.mark.parametrize("text", ["", "a b", "../etc", "a/b", "--all", "a\n", "x" * 250, "é"])
def test_what_cannot_be_a_name_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be the name of a unit"):
        systemd.unit_name(text)


@pytest.mark.parametrize("text", ["getty@", "getty@.service"])
def test_a_template_needs_an_instance(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"getty@\.service is a template"):
        systemd.unit_name(text)


def test_a_state_is_told_with_the_result_of_what_failed() -> None:
    shown = systemd.Shown(
        "ActiveState=failed\nSubState=failed\nResult=exit-code\nExecMainStatus=3\nMainPID=0\n"
    )
    assert shown.told == "failed (result exit-code, status 3)"
    assert shown.main_pid == 0
    shown = systemd.Shown("ActiveState=active\nSubState=running\nMainPID=12\nJob=\n")
    assert (shown.told, shown.main_pid, shown.job) == ("active (running)", 12, False)


def test_an_answer_without_anything_is_no_state() -> None:
    shown = systemd.Shown("")
    assert shown.active == ""
    assert shown.absence("a.service") is not None


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        ("not-found", "there is no unit a.service on this node"),
        ("masked", "unit a.service is masked on this node"),
        ("bad-setting", "unit a.service cannot be loaded: bad-setting Unit has no ExecStart"),
    ],
)
def test_a_unit_that_is_not_loaded_is_not_installed(load: str, reason: str) -> None:
    text = f'LoadState={load}\nLoadError=Unit has no ExecStart ""\n'
    error = systemd.Shown(text).absence("a.service")
    assert error is not None
    assert str(error).startswith(reason)


def test_a_loaded_unit_is_installed() -> None:
    assert systemd.Shown("LoadState=loaded").absence("a.service") is None


class TestADropIn:
    @pytest.fixture(autouse=True)
    def elsewhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ocfkit.systemd._DROP_INS", str(tmp_path))

    def test_is_written_once_and_removed_with_its_folder(self, tmp_path: Path) -> None:
        assert systemd.take_under_control("a.service")
        assert not systemd.take_under_control("a.service")
        text = (tmp_path / "a.service.d" / "50-ocfkit.conf").read_text()
        assert "\nBefore=pacemaker.service pacemaker_remote.service\n" in text
        assert "\nRestart=no\n" in text
        assert systemd.release("a.service")
        assert not systemd.release("a.service")
        assert list(tmp_path.iterdir()) == []

    def test_leaves_those_of_others(self, tmp_path: Path) -> None:
        other = tmp_path / "a.service.d" / "10-other.conf"
        other.parent.mkdir()
        other.write_text("[Unit]\n")
        systemd.take_under_control("a.service")
        systemd.release("a.service")
        assert other.exists()

    def test_says_nothing_of_a_restart_where_there_is_none(self) -> None:
        systemd.take_under_control("a.socket")
        assert "Restart" not in Path(systemd.drop_in("a.socket")).read_text()


class TestAControlGroup:
    @pytest.fixture(autouse=True)
    def elsewhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ocfkit.systemd._HIERARCHIES", (str(tmp_path),))

    def test_has_the_processes_of_those_below_it(self, tmp_path: Path) -> None:
        below = tmp_path / "system.slice" / "a.service" / "payload"
        below.mkdir(parents=True)
        (below / "cgroup.procs").write_text(f"{os.getpid()}\n1073741824\n0\n")
        found = systemd.processes("/system.slice/a.service")
        assert [each.pid for each in found] == [os.getpid()]
        assert found[0].start == process.stat(os.getpid()).start

    @pytest.mark.parametrize("group", ["", "/", "/gone"])
    def test_that_is_none_has_no_processes(self, tmp_path: Path, group: str) -> None:
        (tmp_path / "cgroup.procs").write_text(f"{os.getpid()}\n")
        assert systemd.processes(group) == []
