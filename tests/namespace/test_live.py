"""Is it running on this host? Asked about processes with another root, as containers have."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lsbcheck import live
from lsbcheck.transcript import Program, Service
from tests.lsbcheck.test_live import daemon, named, running

__all__ = ["daemon"]


class TestAContainer:
    def test_is_not_live_when_a_container_runs_its_own_copy(
        self, daemon: Path, tmp_path: Path
    ) -> None:
        root = tmp_path / "container"
        inside = Path(f"{root}{daemon}")
        inside.parent.mkdir(parents=True)
        shutil.copy(daemon, inside)
        with running(str(daemon), root=str(root)):
            assert named(daemon) == ""

    def test_says_nothing_about_a_process_with_another_root(
        self, daemon: Path, tmp_path: Path
    ) -> None:
        file = tmp_path / "thingd.pid"
        with running("/usr/sbin/thingd", root=str(tmp_path)) as pid:
            file.write_text(str(pid))
            assert named(pid_file=file) == ""  # a container's, seen from the host
            assert named(pid_file="/thingd.pid", root=str(tmp_path))
        with running(str(daemon)) as pid:
            file.write_text(str(pid))
            assert named(pid_file="/thingd.pid", root=str(tmp_path)) == ""

    @pytest.mark.usefixtures("daemon")
    def test_is_not_live_when_a_container_runs_a_script_of_the_same_path(
        self, tmp_path: Path
    ) -> None:
        # argv says the same, the file is another one
        script = tmp_path / "thing.py"
        script.touch()
        inside = Path(f"{tmp_path}{script}")
        inside.parent.mkdir(parents=True)
        inside.touch()
        service = Service(Program(str(script), "/usr/bin/python3", (str(script),)))
        with running("/usr/sbin/thingd", str(script), root=str(tmp_path)):
            assert live.seen(service, "/") == ""
        with running(str(tmp_path / "usr/sbin/thingd"), str(script)):
            assert live.seen(service, "/")
