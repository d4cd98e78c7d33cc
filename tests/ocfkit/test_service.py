"""Services by init script: scripts of every broken kind, with real processes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import ClassVar

import pytest

from ocfkit import DeclarationError, param
from ocfkit.linux import process
from ocfkit.service import Service
from ocfkit.testing import Instance, Node, Outcome
from tests.ocfkit.daemons import (
    LISTEN,
    by_hand,
    free_port,
    is_alive,
    kill,
    native,
    pid_of,
    record_of,
    wait_for,
)


class Scripted(Service):
    """Run an init script."""

    settle: ClassVar[float] = 0.2

    script = param.string("The init script.", default=None)
    program = param.executable("What to run without one.", default=None)
    pid_file = param.path("Where the pid is written.", default=None)
    port = param.port("Where it listens.", default=None)

    def init_script(self) -> str | None:
        return self.script

    def command(self) -> list[str]:
        return [self.program, "600"] if self.program else list(super().command())

    def pid_in(self) -> str | None:
        return self.pid_file

    def listens_on(self) -> int | None:
        return self.port


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not end by itself need not be waited for so long."""
    monkeypatch.setattr("ocfkit.daemon._GRACE", 0.3)


RIGHT = {
    "start": "is_up && exit 0; setsid sleep 600 </dev/null >/dev/null 2>&1 & echo $! >$pid",
    "stop": "is_up || exit 0; kill $(cat $pid); while is_up; do sleep 0.02; done; rm -f $pid",
    "status": "is_up && exit 0; [ -e $pid ] && exit 1; exit 3",
}
"""Action → what a faultless script does for it."""


class Script:
    """An init script, and the pid file that it writes."""

    def __init__(self, folder: Path, **cases: str) -> None:
        self.pid_file = folder / "daemon.pid"
        self.path = folder / "script"
        self.calls = folder / "calls"
        bodies = {**RIGHT, **cases}
        lines = [f"{name}) {body}\n;;" for name, body in bodies.items()]
        self.path.write_text(
            f"#!/bin/sh\npid={self.pid_file}\n"
            "is_up() { kill -0 $(cat $pid) 2>/dev/null &&"
            " ! grep -q ') Z' /proc/$(cat $pid)/stat; }\n"
            f"echo $1 >>{self.calls}\n"
            f"case $1 in\n{chr(10).join(lines)}\nesac\nexit 0\n"
        )
        self.path.chmod(0o755)

    @property
    def pid(self) -> int:
        """Of the daemon, as the script has written it."""
        return int(self.pid_file.read_text())

    def asked(self, action: str) -> int:
        """How often it was called so."""
        return self.calls.read_text().split().count(action) if self.calls.exists() else 0


def of(ocf: Node, script: Script, **parameters: object) -> Instance:
    return ocf(Scripted, {"script": str(script.path), **parameters})


def seen(outcome: Outcome) -> tuple[int, str]:
    return outcome.code, outcome.reason


class TestAScriptThatIsRight:
    def test_makes_a_round(self, ocf: Node, tmp_path: Path) -> None:
        script = Script(tmp_path)
        service = of(ocf, script)
        assert service.probe().code == 7
        assert seen(service.start()) == (0, "")
        pid = script.pid
        assert service.monitor().code == 0
        assert service.start().code == 0
        assert script.pid == pid
        assert script.asked("start") == 1
        assert seen(service.stop()) == (0, "")
        assert not is_alive(pid)
        assert not record_of(service).exists()
        assert [service.monitor().code, service.probe().code, service.stop().code] == [7, 7, 0]

    def test_makes_a_round_of_processes(self, ocf: Node, tmp_path: Path) -> None:
        script = Script(tmp_path)
        service = of(ocf, script)
        assert service.run_process("start").code == 0
        pid = script.pid
        assert service.run_process("monitor", interval=10).code == 0
        assert service.run_process("stop").code == 0
        assert not is_alive(pid)

    def test_gets_a_small_environment_and_nothing_to_read(self, ocf: Node, tmp_path: Path) -> None:
        script = Script(tmp_path, start=f"{RIGHT['start']}; env >{tmp_path}/env; cat >&2")
        service = of(ocf, script)
        assert service.run_process("start").code == 0
        rows = (tmp_path / "env").read_text().splitlines()
        names = {row.partition("=")[0] for row in rows} - {"PWD", "SHLVL", "_", "OLDPWD"}
        assert names == {"PATH", "LANG", "TERM", "SYSTEMCTL_SKIP_REDIRECT", "OCFKIT_INSTANCE"}

    def test_is_found_below_etc_by_its_name(self, ocf: Node) -> None:
        outcome = ocf(Scripted, script="no-such-service").start()
        assert outcome.code == 5
        assert "/etc/init.d/no-such-service" in outcome.reason


class TestItsDaemon:
    def test_that_is_killed_is_not_running(self, ocf: Node, tmp_path: Path) -> None:
        script = Script(tmp_path)
        service = of(ocf, script)
        service.start()
        kill(script.pid)
        assert service.monitor().code == 7
        assert service.stop().code == 0

    def test_that_is_suspended_is_a_failure_and_can_be_stopped(
        self, ocf: Node, tmp_path: Path
    ) -> None:
        script = Script(tmp_path)
        service = of(ocf, script)
        service.start()
        pid = service.suspend().pid
        assert pid == script.pid
        assert seen(service.monitor()) == (1, f"process {pid} is suspended (state T)")
        stopped = service.stop()
        assert stopped.code == 0
        assert "no end within" not in stopped.log
        assert not is_alive(pid)

    def test_that_lost_the_mark_is_known_even_so(self, ocf: Node, tmp_path: Path) -> None:
        start = "env -i setsid sleep 600 </dev/null >/dev/null 2>&1 & echo $! >$pid"
        script = Script(tmp_path, start=start, stop="exit 0")
        service = of(ocf, script)
        assert service.run_process("start").code == 0
        pid = script.pid
        assert not any(b"OCFKIT" in each for each in process.environment(pid))
        kill(pid, signal.SIGSTOP)
        wait_for(lambda: process.stat(pid).state == "T")
        assert "is suspended" in service.monitor().reason
        assert service.stop().code == 0
        assert not is_alive(pid)

    def test_may_be_several_of_which_each_is_looked_at(self, ocf: Node, tmp_path: Path) -> None:
        start = f"{RIGHT['start']}; setsid sleep 601 >/dev/null 2>&1 & echo $! >{tmp_path}/second"
        script = Script(tmp_path, start=start)
        service = of(ocf, script)
        assert seen(service.start()) == (0, "")
        second = int((tmp_path / "second").read_text())
        assert service.monitor().code == 0
        kill(second, signal.SIGSTOP)
        wait_for(lambda: process.stat(second).state == "T")
        assert seen(service.monitor()) == (1, f"process {second} is suspended (state T)")
        assert service.stop().code == 0
        assert not is_alive(second)

    def test_may_be_restarted_by_others_where_it_tells_its_pid(
        self, ocf: Node, tmp_path: Path
    ) -> None:
        script = Script(tmp_path)
        service = of(ocf, script, pid_file=str(script.pid_file))
        service.start()
        kill(script.pid)
        with by_hand("/bin/sleep", "602") as pid:
            script.pid_file.write_text(f"{pid}\n")
            assert service.monitor().code == 0
            kill(pid)
            assert service.monitor().code == 7


class TestAStart:
    def test_that_fails_says_what_the_script_said(self, ocf: Node, tmp_path: Path) -> None:
        script = Script(tmp_path, start="echo one; echo 'no such disk' >&2; exit 6")
        outcome = of(ocf, script).start()
        assert seen(outcome) == (1, f"{script.path} start: code 6: no such disk")

    def test_whose_daemon_dies_is_a_failure(
        self, ocf: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Scripted, "settle", 5.0)  # well above what it lives
        start = "setsid sleep 1 >/dev/null 2>&1 & echo $! >$pid; echo 'Starting: done'"
        script = Script(tmp_path, start=start)
        began = time.monotonic()
        outcome = of(ocf, script).start(timeout=30)
        assert outcome.code == 1
        assert "start said it was done, but process" in outcome.reason
        assert "has ended after" in outcome.reason
        assert time.monotonic() - began < 10

    def test_that_starts_nothing_is_a_failure(self, ocf: Node, tmp_path: Path) -> None:
        script = Script(tmp_path, start="exit 0")
        outcome = of(ocf, script).start(timeout=30)
        assert outcome.code == 1
        assert "but nothing of it runs" in outcome.reason
        assert "says not running (code 3)" in outcome.reason

    def test_is_done_when_the_parents_of_the_daemon_have_ended(
        self, ocf: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Scripted, "settle", 1.5)  # well above what the parents live
        daemon = "setsid sh -c 'sleep 600 & echo $! >$0; sleep 0.4'"
        script = Script(tmp_path, start=f"{daemon} $pid </dev/null >/dev/null 2>&1 & sleep 0.2")
        service = of(ocf, script)
        assert seen(service.start()) == (0, "")
        assert pid_of(service) == script.pid
        assert service.monitor().code == 0
        assert service.stop().code == 0

    def test_is_done_although_the_daemon_leaves_orphans_all_the_time(
        self, ocf: Node, tmp_path: Path
    ) -> None:
        (tmp_path / "busy").write_text(
            "while :; do setsid sh -c 'sleep 0.3 & sleep 0.02'; sleep 0.02; done\n"
        )
        busy = f"setsid sh {tmp_path}/busy </dev/null >/dev/null 2>&1 & echo $! >$pid"
        script = Script(tmp_path, start=busy)
        service = of(ocf, script)
        assert seen(service.start(timeout=10)) == (0, "")
        assert pid_of(service) == script.pid
        assert service.monitor().code == 0
        assert service.stop().code == 0

    def test_may_leave_the_start_to_a_child(self, ocf: Node, tmp_path: Path) -> None:
        start = "(sleep 0.3; setsid sleep 600 & echo $! >$pid) </dev/null >/dev/null 2>&1 &"
        script = Script(tmp_path, start=start)
        service = of(ocf, script)
        assert seen(service.start()) == (0, "")
        assert service.monitor().code == 0
        assert service.stop().code == 0
        assert not is_alive(service_pid(script))

    def test_that_hangs_is_ended_in_time(self, ocf: Node, tmp_path: Path) -> None:
        script = Script(tmp_path, start=f"echo $$ >{tmp_path}/me; echo waiting; sleep 600")
        outcome = of(ocf, script).run_process("start", timeout=2)
        assert outcome.code == 1
        assert "start: no end within" in outcome.reason
        wait_for(lambda: not is_alive(int((tmp_path / "me").read_text())))

    def test_that_floods_is_no_trouble(self, ocf: Node, tmp_path: Path) -> None:
        script = Script(tmp_path, start=f"{RIGHT['start']}; head -c 20000000 /dev/zero")
        service = of(ocf, script)
        assert service.start().code == 0
        assert service.stop().code == 0

    def test_is_refused_where_a_stranger_listens(self, ocf: Node, tmp_path: Path) -> None:
        port = free_port()
        with by_hand("/usr/bin/perl", "-e", LISTEN, str(port)) as pid:
            wait_for(lambda: listens(port), pid)
            script = Script(tmp_path)
            service = of(ocf, script, port=port)
            assert service.probe().code == 7
            assert f"process {pid}" in service.start().reason
            assert script.asked("start") == 0
            assert service.stop().code == 0
            assert is_alive(pid)

    def test_is_done_when_it_listens(self, ocf: Node, tmp_path: Path) -> None:
        port = free_port()
        (tmp_path / "listen").write_text(f"sleep 1;{LISTEN}")
        start = f"setsid perl {tmp_path}/listen {port} </dev/null >/dev/null 2>&1 & echo $! >$pid"
        service = of(ocf, Script(tmp_path, start=start), port=port)
        assert seen(service.start()) == (0, "")
        assert listens(port)
        assert service.stop().code == 0


def service_pid(script: Script) -> int:
    return int(script.pid_file.read_text()) if script.pid_file.exists() else 1 << 22


def listens(port: int) -> bool:
    from ocfkit.linux import sockets

    return bool(sockets.listening(port))


class TestAStatus:
    def test_that_always_says_running_is_believed_where_nothing_tells_otherwise(
        self, ocf: Node, tmp_path: Path
    ) -> None:
        script = Script(tmp_path, status="exit 0")
        service = of(ocf, script)
        assert service.probe().code == 0
        assert service.stop(timeout=2).code == 1

    def test_that_always_says_running_is_not_believed_where_a_pid_file_should_be(
        self, ocf: Node, tmp_path: Path
    ) -> None:
        script = Script(tmp_path, status="exit 0", stop="exit 0")
        service = of(ocf, script, pid_file=str(script.pid_file))
        outcome = service.probe()
        assert outcome.code == 1
        assert "running (code 0), although no process of it is to be found" in outcome.reason

    def test_that_always_says_running_is_not_believed_for_a_pid_file_of_old(
        self, ocf: Node, tmp_path: Path
    ) -> None:
        script = Script(tmp_path, status="exit 0", stop="exit 0")
        service = of(ocf, script, pid_file=str(script.pid_file))
        with by_hand("/bin/sleep", "605") as pid:
            script.pid_file.write_text(f"{pid}\n")
            assert service.probe().code == 0
            an_hour_ago = time.time() - 3600
            os.utime(script.pid_file, (an_hour_ago, an_hour_ago))
            assert "no process of it is to be found" in service.probe().reason

    def test_that_says_running_of_a_dead_one_is_a_failure(self, ocf: Node, tmp_path: Path) -> None:
        script = Script(tmp_path, status="[ -e $pid ] && exit 0; exit 3", stop="exit 0")
        service = of(ocf, script)
        service.start()
        pid = script.pid
        kill(pid)
        outcome = service.monitor()
        assert outcome.code == 1
        assert f"running (code 0), although process {pid} has ended" in outcome.reason
        assert seen(service.stop()) == (0, "")

    def test_that_says_stopped_of_a_living_one_is_a_failure(
        self, ocf: Node, tmp_path: Path
    ) -> None:
        script = Script(tmp_path)
        service = of(ocf, script)
        service.start()
        pid = script.pid
        script.pid_file.unlink()
        outcome = service.monitor()
        assert outcome.code == 1
        assert f"not running (code 3), although process {pid} is there" in outcome.reason
        assert service.probe().code == 1
        assert service.stop().code == 0
        assert not is_alive(pid)

    def test_that_cannot_tell_is_a_failure(self, ocf: Node, tmp_path: Path) -> None:
        script = Script(tmp_path, status="exit 4")
        outcome = of(ocf, script).monitor()
        assert seen(outcome) == (
            1,
            f"{script.path} status says neither (code 4); no process of it is known",
        )

    def test_that_cannot_tell_is_outvoted_after_a_stop(self, ocf: Node, tmp_path: Path) -> None:
        script = Script(tmp_path, status="is_up && exit 0; exit 150", start=RIGHT["start"])
        script.pid_file.write_text("1073741824\n")
        service = of(ocf, script)
        assert service.start().code == 1
        Script(tmp_path)
        assert service.start().code == 0
        Script(tmp_path, status="is_up && exit 0; exit 150")
        pid = script.pid
        assert service.stop().code == 0
        assert not is_alive(pid)

    def test_that_hangs_is_a_failure_in_time(self, ocf: Node, tmp_path: Path) -> None:
        script = Script(tmp_path)
        service = of(ocf, script)
        service.start()
        Script(tmp_path, status="sleep 600")
        outcome = service.run_process("monitor", timeout=2, interval=10)
        assert outcome.code == 1
        assert "status says neither (no end within" in outcome.reason
        pid = script.pid
        assert service.run_process("stop", timeout=5).code == 0
        assert not is_alive(pid)


class TestAStop:
    def test_that_does_nothing_is_made_good(self, ocf: Node, tmp_path: Path) -> None:
        script = Script(tmp_path, stop="exit 0")
        service = of(ocf, script)
        service.start()
        pid = script.pid
        outcome = service.stop(timeout=5)
        assert outcome.code == 0
        assert not is_alive(pid)
        assert f"stopping process {pid} with signal 15" in outcome.log
        assert "killed" not in outcome.log

    def test_that_fails_is_made_good(self, ocf: Node, tmp_path: Path) -> None:
        script = Script(tmp_path, stop="echo 'who?' >&2; exit 1")
        service = of(ocf, script)
        service.start()
        pid = script.pid
        outcome = service.stop(timeout=5)
        assert outcome.code == 0
        assert not is_alive(pid)
        assert "stop: code 1: who?" in outcome.log

    def test_that_hangs_is_made_good_in_time(self, ocf: Node, tmp_path: Path) -> None:
        script = Script(tmp_path, stop=f"echo $$ >{tmp_path}/me; sleep 600")
        service = of(ocf, script)
        service.start()
        pid = script.pid
        assert service.run_process("stop", timeout=4).code == 0
        assert not is_alive(pid)
        assert not is_alive(int((tmp_path / "me").read_text()))

    def test_is_over_when_the_daemon_has_ended(self, ocf: Node, tmp_path: Path) -> None:
        start = "setsid sh -c 'trap \"sleep 0.5; exit\" TERM; while :; do sleep 0.02; done' "
        start += "</dev/null >/dev/null 2>&1 & echo $! >$pid"
        script = Script(tmp_path, start=start, stop="kill $(cat $pid); exit 0")
        service = of(ocf, script)
        service.start()
        pid = script.pid
        outcome = service.stop()
        assert outcome.code == 0
        assert not is_alive(pid)
        assert "stopping process" not in outcome.log

    def test_ends_one_that_does_not_hear(self, ocf: Node, tmp_path: Path) -> None:
        start = "setsid sh -c 'trap : TERM; while :; do sleep 0.02; done' "
        start += "</dev/null >/dev/null 2>&1 & echo $! >$pid"
        script = Script(tmp_path, start=start, stop="kill $(cat $pid); exit 0")
        service = of(ocf, script)
        service.start()
        pid = script.pid
        assert service.stop(timeout=4).code == 0
        assert not is_alive(pid)

    def test_works_without_the_script(self, ocf: Node, tmp_path: Path) -> None:
        script = Script(tmp_path)
        service = of(ocf, script)
        service.start()
        pid = script.pid
        script.path.unlink()
        assert service.monitor().code == 0
        assert service.probe().code == 0
        assert service.stop().code == 0
        assert not is_alive(pid)
        assert service.probe().code == 7

    def test_works_without_the_script_where_only_workers_are_left(
        self, ocf: Node, tmp_path: Path
    ) -> None:
        daemon = "setsid sh -c 'sleep 600 & echo $! >$0.worker; wait'"
        script = Script(tmp_path, start=f"{daemon} $pid >/dev/null 2>&1 & echo $! >$pid")
        service = of(ocf, script)
        assert service.start().code == 0
        script.path.unlink()
        kill(script.pid)
        worker = int(Path(f"{script.pid_file}.worker").read_text())
        assert f"process {worker} is there" in service.monitor().reason
        assert service.stop().code == 0
        assert not is_alive(worker)

    def test_works_without_the_script_of_several_equal_daemons(
        self, ocf: Node, tmp_path: Path
    ) -> None:
        start = f"{RIGHT['start']}; setsid sleep 601 >/dev/null 2>&1 & echo $! >{tmp_path}/second"
        script = Script(tmp_path, start=start)
        service = of(ocf, script)
        service.start()
        script.path.unlink()
        assert service.monitor().code == 0
        assert service.stop().code == 0
        assert not is_alive(script.pid)

    def test_is_not_done_while_he_lives_who_was_in_the_pid_file(
        self, ocf: Node, tmp_path: Path
    ) -> None:
        with by_hand("/bin/sleep", "604") as pid:
            script = Script(tmp_path, stop="rm -f $pid")
            script.pid_file.write_text(f"{pid}\n")
            service = of(ocf, script, pid_file=str(script.pid_file))
            outcome = service.stop(timeout=2)
            assert outcome.code == 1
            assert f"process {pid} is there" in outcome.reason

    def test_does_not_kill_whom_a_wrong_pid_file_names(self, ocf: Node, tmp_path: Path) -> None:
        with by_hand("/bin/sleep", "603") as pid:
            script = Script(tmp_path, stop="exit 0")
            script.pid_file.write_text(f"{pid}\n")
            service = of(ocf, script, pid_file=str(script.pid_file))
            assert service.probe().code == 0
            assert service.stop(timeout=2).code == 1
            assert is_alive(pid)


class TestAServiceWithoutProcesses:
    @pytest.fixture
    def firewall(self, tmp_path: Path) -> Script:
        return Script(
            tmp_path,
            start="touch $pid",
            stop="rm -f $pid",
            status="[ -e $pid ] && exit 0; exit 3",
        )

    def test_goes_by_its_status_alone(self, ocf: Node, firewall: Script) -> None:
        service = of(ocf, firewall)
        assert service.probe().code == 7
        assert seen(service.start()) == (0, "")
        assert service.monitor().code == 0
        assert service.stop().code == 0
        assert service.probe().code == 7

    def test_is_not_stopped_while_the_script_says_it_runs(
        self, ocf: Node, tmp_path: Path, firewall: Script
    ) -> None:
        service = of(ocf, firewall)
        service.start()
        Script(tmp_path, status="exit 0", stop="exit 0")
        outcome = service.stop(timeout=2)
        assert outcome.code == 1
        assert "says running (code 0) after its stop; no process" in outcome.reason
        firewall.pid_file.unlink()
        Script(tmp_path)

    def test_cannot_be_told_without_its_script(self, ocf: Node, firewall: Script) -> None:
        service = of(ocf, firewall)
        service.start()
        firewall.path.unlink()
        assert service.stop(timeout=2).code == 1
        assert "cannot be told" in service.probe().reason
        record_of(service).unlink()


class TestAClass:
    def test_says_what_runs_it(self) -> None:
        with pytest.raises(DeclarationError, match="none of init_script, unit and command"):

            class Nothing(Service):  # pyright: ignore[reportUnusedClass]
                """Run nothing."""

    def test_may_run_a_command(self, ocf: Node, tmp_path: Path) -> None:
        service = ocf(Scripted, program=native(tmp_path))
        assert service.start().code == 0
        assert service.monitor().code == 0
        assert service.stop().code == 0
