"""The agent pgsql without PostgreSQL: what it declares, runs and decides by what lies there.

The real server is in tests/services/test_pgsql_agent.py.
"""

from __future__ import annotations

import errno
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ocfkit.agents.pgsql import agent as pgsql
from ocfkit.agents.pgsql import logs, processes
from ocfkit.agents.pgsql.agent import Pgsql
from ocfkit.deadline import Deadline
from ocfkit.environment import Environment
from ocfkit.errors import InstallationError, ParameterError
from ocfkit.linux import process
from ocfkit.log import Log
from ocfkit.testing import Instance, Node

PATIENCE = 20.0
ME = pwd.getpwuid(os.geteuid()).pw_name
PASSWORD = "canary-7d20"  # noqa: S105


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory, as far as one looks at it."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    (folder / "PG_VERSION").write_text("15\n")
    (folder / "postgresql.conf").touch()
    return folder


@pytest.fixture
def server(ocf: Node, data: Path) -> Instance:
    return ocf(Pgsql, pgdata=str(data), pgdba=ME)


def agent(tmp_path: Path, **parameters: str) -> Pgsql:
    """One to ask for its decisions."""
    env = {f"OCF_RESKEY_{name}": value for name, value in parameters.items()}
    environment = Environment({"HA_RSCTMP": str(tmp_path), "OCF_RESOURCE_INSTANCE": "db", **env})
    return Pgsql("pgsql", environment, Log(environment, "pgsql"), Deadline.after(PATIENCE))


def programs(folder: Path, version: str = "15.1") -> str:
    """A folder with programs that only say their version; return its pg_ctl."""
    folder.mkdir()
    for name in ("pg_ctl", "postgres"):
        (folder / name).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
        (folder / name).chmod(0o755)
    return str(folder / "pg_ctl")


# --- a process that works in the data directory ---------------------------------------------------


@contextmanager
def working_in(
    folder: Path, name: str = "postgres", *, title: str = ""
) -> Generator[subprocess.Popen[bytes]]:
    """A process of a program of that name, with the folder as its working directory."""
    program = folder.with_name(name)
    if not program.exists():
        shutil.copy("/bin/sleep", program)
    argv = [title or str(program), "600"]
    with subprocess.Popen(argv, executable=program, cwd=folder) as running:
        try:
            while process.executable(running.pid) != str(program.resolve()):
                assert running.poll() is None
            yield running
        finally:
            running.kill()
            running.wait(PATIENCE)


def lock_of(folder: Path, pid: int, *, started: float | None = None, sockets: str = "") -> Path:
    """The lock file that a postmaster would have written."""
    lock = folder / "postmaster.pid"
    start = int(time.time() if started is None else started)
    lock.write_text(f"{pid}\n{folder}\n{start}\n5432\n{sockets}\nlocalhost\n  1 99999999\nready\n")
    return lock


def test_one_that_works_there_is_running_whoever_has_started_it(
    server: Instance, data: Path
) -> None:
    with working_in(data) as postmaster:
        lock_of(data, postmaster.pid)
        assert server.probe().code == 0
        assert server.monitor().code == 0
        assert server.main_process().pid == postmaster.pid


def test_one_that_works_elsewhere_is_another_whatever_the_lock_file_says(
    server: Instance, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    with working_in(tmp_path / "other") as stranger:
        lock_of(data, stranger.pid)
        assert server.probe().code == 7
        assert server.stop().code == 0
        assert stranger.poll() is None


def test_another_program_there_is_a_stranger(server: Instance, data: Path) -> None:
    with working_in(data, "shell") as stranger:
        lock_of(data, stranger.pid)
        assert server.probe().code == 7


def test_without_a_main_process_it_has_failed_and_a_stop_ends_the_others(
    server: Instance, data: Path
) -> None:
    with working_in(data, title="postgres: checkpointer") as backend:
        outcome = server.monitor()
        assert outcome.code == 1
        assert "it has no main process" in outcome.reason
        assert server.stop().code == 0
        assert backend.wait(PATIENCE) is not None


def test_a_suspended_one_has_failed(server: Instance, data: Path) -> None:
    with working_in(data) as postmaster:
        lock_of(data, postmaster.pid)
        server.suspend()
        outcome = server.monitor()
        assert outcome.code == 1
        assert "is suspended" in outcome.reason
        assert server.stop().code == 0
        assert postmaster.wait(PATIENCE) == -signal.SIGINT


@pytest.mark.parametrize(
    ("lose", "seen"),
    [
        ("lock file", "there is no"),
        ("data directory", "is not there any more"),
        ("lock file to another", "names process 1"),
    ],
)
def test_one_that_has_lost_its_data_has_failed_and_can_be_stopped(
    server: Instance, data: Path, lose: str, seen: str
) -> None:
    with working_in(data) as postmaster:
        lock = lock_of(data, postmaster.pid)
        assert server.monitor().code == 0
        if lose == "lock file":
            lock.unlink()
        elif lose == "data directory":
            data.rename(data.with_name("moved"))
        else:
            lock_of(data, 1)
        outcome = server.monitor()
        assert outcome.code == 1
        assert f"process {postmaster.pid} runs, and" in outcome.reason
        assert seen in outcome.reason
        assert server.stop().code == 0
        assert postmaster.wait(PATIENCE) is not None


def test_one_that_was_moved_is_found_without_a_record(server: Instance, data: Path) -> None:
    with working_in(data) as postmaster:
        lock_of(data, postmaster.pid)
        data.rename(data.with_name("moved"))
        assert server.probe().code == 1
        assert server.stop().code == 0
        assert postmaster.wait(PATIENCE) is not None


@pytest.mark.parametrize("uid", [0, 65533])
@pytest.mark.parametrize("spelling", ["{}", "{}/", "{0}/../data", "."])
def test_who_may_not_see_its_program_cannot_tell(
    server: Instance, data: Path, monkeypatch: pytest.MonkeyPatch, *, uid: int, spelling: str
) -> None:
    """So it is for an ordinary user, and for root in a container without CAP_SYS_PTRACE."""

    def called(_pid: int) -> list[str]:
        return ["postgres", "-D", spelling.format(data)]

    with working_in(data) as postmaster:
        lock_of(data, postmaster.pid)
        monkeypatch.setattr(os, "geteuid", lambda: uid)
        refuse(monkeypatch, "readlink", f"/proc/{postmaster.pid}/exe", errno.EACCES)
        monkeypatch.setattr(process, "command_line", called)
        outcome = server.probe()
    assert outcome.code == 1
    assert "and we may not look at it" in outcome.reason


def test_a_disk_that_does_not_answer_makes_nobody_a_stranger(
    server: Instance, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with working_in(data) as postmaster:
        lock_of(data, postmaster.pid)
        data.rename(data.with_name("moved"))
        refuse(monkeypatch, "open", f"/proc/{postmaster.pid}/cwd/postmaster.pid", errno.EIO)
        outcome = server.probe()
        assert (outcome.code, server.stop(timeout=2).code) == (1, 1)
        assert "Input/output error" in outcome.reason
        assert postmaster.poll() is None


def test_one_without_a_lock_file_that_can_be_read_is_ended_politely(
    server: Instance, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root is nobody on some NFS; a kill would cost a recovery."""
    with working_in(data) as postmaster:
        lock_of(data, postmaster.pid)
        for path in (f"/proc/{postmaster.pid}/cwd/postmaster.pid", f"{data}/postmaster.pid"):
            refuse(monkeypatch, "open", path, errno.EACCES)
        assert server.probe().code == 1
        server.stop()
        assert postmaster.wait(PATIENCE) == -signal.SIGINT


def refuse(monkeypatch: pytest.MonkeyPatch, call: str, path: str, number: int) -> None:
    """Let a call of the system fail for one path."""
    real: Callable[..., object] = getattr(os, call)

    def refused(which: object, *more: object, **options: object) -> object:
        if which == path:
            raise OSError(number, os.strerror(number), path)
        return real(which, *more, **options)

    monkeypatch.setattr(os, call, refused)


class TestACrash:
    @pytest.fixture
    def crashed(self, server: Instance, data: Path, tmp_path: Path) -> Instance:
        sockets = tmp_path / "sockets"
        sockets.mkdir()
        with working_in(data) as postmaster:
            (sockets / ".s.PGSQL.5432.lock").write_text(f"{postmaster.pid}\n")
            (sockets / ".s.PGSQL.5432").touch()
            (sockets / "other.pid").write_text("1\n")
            lock_of(data, postmaster.pid, sockets=str(sockets))
            assert server.monitor().code == 0
            server.kill()
        return server

    def test_is_a_failure_with_its_reason(self, crashed: Instance) -> None:
        outcome = crashed.monitor()
        assert outcome.code == 1
        assert "it crashed or was killed" in outcome.reason

    def test_is_cleared_away_by_a_stop(self, crashed: Instance, data: Path, tmp_path: Path) -> None:
        assert crashed.stop().code == 0
        assert not (data / "postmaster.pid").exists()
        assert [each.name for each in (tmp_path / "sockets").iterdir()] == ["other.pid"]
        assert crashed.monitor().code == 7

    def test_leaves_the_file_of_a_later_one_alone(self, crashed: Instance, data: Path) -> None:
        pid = int((data / "postmaster.pid").read_text().split()[0])
        lock = lock_of(data, pid, started=time.time() + 60)  # on another node, say
        assert crashed.monitor().code == 7
        assert crashed.stop().code == 0
        assert lock.exists()

    def test_whose_lock_file_cannot_be_removed_does_not_make_a_stop_fail(
        self, crashed: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        remove = os.unlink

        def refuse(path: str) -> None:
            if path.endswith("postmaster.pid"):
                raise OSError(errno.EROFS, "Read-only file system", path)
            remove(path)

        with monkeypatch.context() as patched:
            patched.setattr(os, "unlink", refuse)
            outcome = crashed.stop()
        assert outcome.code == 0
        assert "postmaster.pid is left: Read-only file system" in outcome.log
        assert [each.name for each in (tmp_path / "sockets").iterdir()] == ["other.pid"]


# --- what it runs ---------------------------------------------------------------------------------


def test_pg_ctl_gets_all_that_the_parameters_say(tmp_path: Path, data: Path) -> None:
    one = agent(
        tmp_path,
        pgdata=f"{data}/",
        pgctl="/opt/pg/bin/pg_ctl",
        config="/etc/my conf/postgresql.conf",
        pghost="192.0.2.1",
        pgport="5433",
        socketdir="/run/pg",
        logfile="/var/log/db",
        start_opt="-c 'work_mem=1 MB'",
        ctl_opt="-c",
    )
    given = "-c 'config_file=/etc/my conf/postgresql.conf' -h 192.0.2.1 -p 5433 -k /run/pg"
    assert one.command() == [
        *("/opt/pg/bin/pg_ctl", "-c", "-D", str(data), "-l", "/var/log/db"),
        *("-o", f"{given} -c 'work_mem=1 MB'", "-W", "start"),
    ]


def test_pg_ctl_gets_no_more_than_is_said(tmp_path: Path, data: Path) -> None:
    one = agent(tmp_path, pgdata=str(data), pgctl="/opt/pg_ctl", logfile="/dev/null")
    assert one.command()[1:] == ["-D", str(data), "-l", "/dev/null", "-o", "", "-W", "start"]


def test_programs_are_those_of_the_version_that_made_the_data(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pg_ctl = programs(tmp_path / "15")
    programs(tmp_path / "16")
    monkeypatch.setattr(pgsql, "_FOLDERS", (f"{tmp_path}/{{0}}",))
    assert agent(tmp_path, pgdata=str(data)).command()[0] == pg_ctl
    (data / "PG_VERSION").write_text("14\n")
    with pytest.raises(InstallationError, match="no pg_ctl of PostgreSQL 14 on this node"):
        agent(tmp_path, pgdata=str(data)).command()


def test_a_secret_among_the_options_is_refused(ocf: Node, data: Path, tmp_path: Path) -> None:
    server = ocf(
        Pgsql,
        pgdata=str(data),
        pgdba=ME,
        pgctl=programs(tmp_path / "bin"),
        logfile="/dev/null",
        start_opt=f"-c x.y={PASSWORD}",
        monitor_password=PASSWORD,
    )
    outcome = server.start()
    assert outcome.code == 6
    assert "the value of monitor_password would be seen by everybody" in outcome.reason
    assert PASSWORD not in outcome.stderr


# --- what has to be right -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({}, "parameter pgdata is required"),
        ({"pgdata": "data"}, "parameter pgdata: expected an absolute path"),
        ({"pgdata": "/x", "start_opt": "-c 'x"}, "parameter start_opt: No closing quotation"),
        ({"pgdata": "/x", "ctl_opt": '"'}, "parameter ctl_opt: No closing quotation"),
        ({"pgdata": "/x", "monitor_sql": " "}, "parameter monitor_sql is blank"),
        ({"pgdata": "/x", "pgport": "0"}, "parameter pgport"),
        ({"pgdata": "/x", "rep_mode": "sync"}, "parameter rep_mode: expected one of none"),
    ],
)
def test_a_mistake_in_its_parameters_is_told(
    ocf: Node, parameters: dict[str, object], reason: str
) -> None:
    outcome = ocf(Pgsql, parameters).run("validate-all")
    assert outcome.code == 6
    assert reason in outcome.reason


class TestTheDataDirectory:
    def test_has_to_be_there(self, tmp_path: Path) -> None:
        with pytest.raises(InstallationError, match=r"\(is it mounted\?\)"):
            agent(tmp_path, pgdata="/nowhere", pgdba=ME).validate_host()

    def test_has_to_be_one(self, tmp_path: Path, data: Path) -> None:
        (data / "PG_VERSION").unlink()
        with pytest.raises(InstallationError, match="PG_VERSION is missing"):
            agent(tmp_path, pgdata=str(data), pgdba=ME).validate_host()

    def test_has_to_be_its_owners(self, tmp_path: Path, data: Path) -> None:
        with pytest.raises(ParameterError, match=f"belongs to the user {ME}, not to sync"):
            agent(tmp_path, pgdata=str(data), pgdba="sync").validate_host()

    @pytest.mark.parametrize("mode", [0o777, 0o755, 0o770, 0o701])
    def test_must_be_nobody_elses(self, tmp_path: Path, data: Path, mode: int) -> None:
        data.chmod(mode)
        with pytest.raises(ParameterError, match=f"has the mode {mode:04o}"):
            agent(tmp_path, pgdata=str(data), pgdba=ME).validate_host()

    def test_has_to_be_of_the_programs_version(self, tmp_path: Path, data: Path) -> None:
        pg_ctl = programs(tmp_path / "bin", "16.2 (Debian 16.2-1)")
        with pytest.raises(ParameterError, match=r"was made by PostgreSQL 15, and .* is 16\.2"):
            agent(tmp_path, pgdata=str(data), pgdba=ME, pgctl=pg_ctl).validate_host()


def test_a_probe_says_no_where_nothing_is_there(ocf: Node) -> None:
    server = ocf(Pgsql, pgdata="/nowhere", pgctl="/nowhere/pg_ctl", pgdba="nobodys")
    assert server.probe().code == 7
    assert server.stop().code == 0


def test_a_probe_asks_for_the_folder_where_a_server_lives_alone(
    ocf: Node, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_server(_pid: int) -> bool:
        return False

    unset = ocf(Pgsql)
    with monkeypatch.context() as patched:
        patched.setattr(processes, "is_server", is_server)
        assert unset.probe().code == 7
    with working_in(data):
        assert unset.probe().code == 1


# --- what a log says ------------------------------------------------------------------------------


TAKEN = """\
2026-11-25 [7] LOG:  starting PostgreSQL 15.1
2026-11-25 [7] LOG:  could not bind IPv4 address: Address already in use
2026-11-25 [7] HINT:  Is another postmaster already running?
2026-11-25 [7] FATAL:  could not create any sockets
2026-11-25 [7] LOG:  database system is shut down
"""


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (
            TAKEN,
            "could not bind IPv4 address: Address already in use; could not create any sockets",
        ),
        (
            "FATAL:  database files are incompatible with server\nDETAIL:  It was version 14.\n",
            "database files are incompatible with server; It was version 14.",
        ),
        ("sh: 1: postgres: not found\n", "sh: 1: postgres: not found"),
        ("", "nothing is said"),
    ],
)
def test_the_reason_is_taken_from_what_the_server_has_said(log: str, reason: str) -> None:
    assert logs.why_in(log) == reason


# --- what a monitor costs -------------------------------------------------------------------------


def test_a_shallow_monitor_loads_nothing_of_sql_and_shells(server: Instance, data: Path) -> None:
    with working_in(data) as postmaster:
        lock_of(data, postmaster.pid)
        assert server.monitor().code == 0
        outcome = server.run_process("monitor")
    assert outcome.code == 0
    others = {f"ocfkit.agents.pgsql.{name}" for name in ("logs", "memory", "users")}
    assert not outcome.modules & others
    assert not {"re", "shlex", "pwd", "psycopg2", "ocfkit.search", "ocfkit.monitors.sql"} & (
        outcome.modules
    )
