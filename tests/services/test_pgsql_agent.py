"""The agent pgsql on Debian's PostgreSQL 15, driven by Pacemaker's tools, fault by fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.services.cluster_tools import (
    Answer,
    Command,
    Machine,
    configured,
    forced,
    ocf_tester,
    path_of,
)
from tests.services.conftest import debian

AGENT = "ocf:ocfkit:pgsql"
CLASS = "ocfkit.agents.pgsql.agent:Pgsql"

DATA = "/var/lib/postgresql/15/main"
CONFIG = "/etc/postgresql/15/main/postgresql.conf"
BIN = "/usr/lib/postgresql/15/bin"
SOCKETS = "/var/run/postgresql"
PARAMETERS = (f"pgdata={DATA}",)
PASSWORD = "canary-41c7"  # noqa: S105

WAIT_FOR = """#!/bin/sh
# wait_for COMMAND: run it again and again until it succeeds, for twenty seconds
for _ in $(seq 400); do
    if sh -c "$1" >/dev/null 2>&1; then exit 0; fi
    sleep 0.05
done
echo "never: $1" >&2
exit 1
"""

LEFT = f"""#!/bin/sh
# left: all that is left of the instance whose segment of memory was noted
ps -C postgres -o pid=,stat=,args= | grep -v ' Z'
ls -d {DATA}/postmaster.pid {SOCKETS}/.s.PGSQL.* {SOCKETS}/*.pid /dev/shm/PostgreSQL.* \\
    /run/ocfkit/pgsql/* 2>/dev/null
awk -v id="$(cat /srv/segment)" '$2 == id' /proc/sysvipc/shm
exit 0
"""

SESSION = """#!/bin/sh
# session QUERY: one of the superuser that asks it, in the background; prints its backend's pid
su postgres -c "exec psql -q template1 -c '$1'" </dev/null >/dev/null 2>&1 &
wait_for "pgrep -f '^postgres: .* postgres template1 \\[local\\]'"
pgrep -f '^postgres: .* postgres template1 \\[local\\]' | head -1
"""

TRACE = """#!/usr/bin/python3
# trace PID: hold a process where SIGCONT does not reach it, as a debugger does
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
pid = int(sys.argv[1])
if libc.ptrace(16, pid, None, None):
    sys.exit("ptrace: %d" % ctypes.get_errno())
while os.WIFSTOPPED(os.waitpid(pid, 0)[1]):  # its parent learns of its end through us
    pass
"""

LISTEN = """#!/usr/bin/python3
# listen PORT
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(600)
"""

TOOLS = {
    "wait_for": WAIT_FOR,
    "left": LEFT,
    "session": SESSION,
    "trace": TRACE,
    "listen": LISTEN,
}

MAIN = f"$(head -1 {DATA}/postmaster.pid)"
NOTED = f"awk 'NR == 7 {{ print $2 }}' {DATA}/postmaster.pid >/srv/segment; test -s /srv/segment"
KILL_MAIN = f'pid={MAIN}; kill -KILL $pid; wait_for "! ps -o stat= -p $pid | grep -qv Z"'
KILL_ALL = 'pkill -KILL -x postgres; wait_for "! ps -C postgres -o stat= | grep -qv Z"'
LIVES = "ps -C postgres -o stat= | grep -qv Z"
SLEEPER = "setsid su postgres -c 'exec sleep 3600' </dev/null >/dev/null 2>&1 &"


@pytest.fixture(scope="module")
def servers(machine: Machine) -> Machine:
    """A machine with PostgreSQL, and the agent installed."""
    return replace(
        machine,
        root=debian("servers"),
        files={f"/usr/bin/{name}": text for name, text in TOOLS.items()},
        prepare=[
            ["ocfkit", "install", CLASS],
            # no TLS: it is slow, and needs no test here
            "echo 'ssl = off' >/etc/postgresql/15/main/conf.d/lab.conf",
        ],
    )


def run(
    machine: Machine, *commands: Command, parameters: Sequence[str] = (), limit: float = 60
) -> list[Answer]:
    configure = configured(AGENT, [*PARAMETERS, *parameters])
    return replace(machine, prepare=[*machine.prepare, *configure]).run(*commands, limit=limit)


def codes(answers: Sequence[Answer]) -> list[int]:
    return [each.code for each in answers]


def called(action: str, seconds: int, *, level: int = 0, **parameters: str) -> Command:
    """Call the agent as the executor does, with so many seconds."""
    return [
        "env",
        "OCF_RESOURCE_INSTANCE=lab",
        f"OCF_CHECK_LEVEL={level}",
        f"OCF_RESKEY_pgdata={DATA}",
        f"OCF_RESKEY_CRM_meta_timeout={seconds * 1000}",
        *(f"OCF_RESKEY_{name}={value}" for name, value in parameters.items()),
        path_of(AGENT),
        action,
    ]


def asked(query: str) -> Command:
    return f"su postgres -c \"psql -qAt template1 -c '{query}'\""


def quoted(text: str) -> str:
    """A text in SQL, within quotes of a shell."""
    return f"\\$\\${text}\\$\\$"


# --- a round --------------------------------------------------------------------------------------


def test_it_makes_a_round_and_leaves_nothing(servers: Machine) -> None:
    answers = run(
        servers,
        forced("check"),
        forced("start"),
        NOTED,
        forced("check"),
        forced("check=10"),
        forced("start"),
        forced("validate=10"),
        forced("stop"),
        ["left"],
        forced("check"),
        forced("stop"),
    )
    assert codes(answers) == [7, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0]
    assert answers[8].stdout == ""


def test_one_that_pg_ctl_has_started_is_seen_and_stopped(servers: Machine) -> None:
    by_hand = f"su postgres -c '{BIN}/pg_ctl -D {DATA} -o \"-c config_file={CONFIG}\" -s -w start'"
    answers = run(
        servers,
        by_hand + " >/dev/null 2>&1",
        NOTED,
        forced("check"),
        forced("check=10"),
        forced("start"),
        forced("stop"),
        ["left"],
    )
    assert codes(answers) == [0, 0, 0, 0, 0, 0, 0]
    assert answers[-1].stdout == ""


def test_without_the_right_to_look_at_it_nothing_is_started_and_nobody_is_called_dead(
    servers: Machine,
) -> None:
    """A container has no CAP_SYS_PTRACE unless it is given it."""
    blind = ["capsh", "--drop=cap_sys_ptrace", "--", "-c", 'exec "$@"', "sh"]
    refused, nobody, _, known, _, seen, stopped, _, orphan, *_ = run(
        servers,
        [*blind, *called("start", 60)],
        [*blind, *called("monitor", 20)],
        forced("start"),
        [*blind, *called("monitor", 20)],
        "rm /run/ocfkit/pgsql/*",  # what a start has noted
        [*blind, *called("monitor", 20)],
        [*blind, *called("stop", 20)],
        f"pid={MAIN}; pkill -STOP -P $pid; kill -KILL $pid",  # a backend outlives it
        [*blind, *called("monitor", 20)],
        forced("stop"),
    )
    assert (refused.code, nobody.code, known.code) == (4, 7, 0)
    assert "CAP_SYS_PTRACE is missing" in refused.stderr
    assert (seen.code, stopped.code, orphan.code) == (1, 1, 1)


def test_the_tester_of_resource_agents_finds_nothing(servers: Machine) -> None:
    lab = replace(
        servers, prepare=[["ocfkit", "install", "--profile", "1.0", CLASS], *servers.prepare[1:]]
    )
    (tested,) = lab.run(ocf_tester(AGENT, PARAMETERS), limit=120)
    assert tested.code == 0, tested
    assert "passed all tests" in tested.stdout


def test_the_monitor_asks_as_a_user_with_a_password_that_nobody_sees(servers: Machine) -> None:
    user = ["monitor_user=watch", f"monitor_password={PASSWORD}", "pghost=127.0.0.1"]
    itself = PASSWORD.replace("c7", "[c]7")  # which the arguments of grep are not
    seen = f"grep -al {itself} /proc/[0-9]*/cmdline /proc/[0-9]*/environ {{}} /var/log -r"
    *_, started, role, looked, wrong, again, words = run(
        servers,
        forced("start"),
        asked(f"create role watch login password {quoted(PASSWORD)}"),
        forced("check=10"),
        asked(f"alter role watch password {quoted('other')}"),
        forced("check=10"),
        seen.format(f"{DATA}/postmaster.opts"),
        parameters=user,
    )
    assert codes([started, role, looked, wrong, again]) == [0, 0, 0, 0, 190]
    assert "does not admit user watch" in again.stdout
    assert PASSWORD not in again.stdout + again.stderr
    assert words.stdout == ""


# --- what ends ------------------------------------------------------------------------------------


def test_all_that_is_killed_has_crashed_and_a_stop_clears_it_away(servers: Machine) -> None:
    answers = run(
        servers,
        forced("start"),
        NOTED,
        KILL_ALL,
        forced("check"),
        forced("stop"),
        ["left"],
        forced("check"),
        forced("start"),
        forced("check=10"),
        forced("stop"),
    )
    assert codes(answers) == [0, 0, 0, 1, 0, 0, 7, 0, 0, 0]
    assert "has ended without a shutdown: it crashed or was killed" in answers[3].stdout
    assert answers[5].stdout == ""


def test_it_recovers_from_a_crash_without_a_stop_before(servers: Machine) -> None:
    answers = run(
        servers,
        forced("start"),
        asked("create table t as select 42 as n"),
        KILL_ALL,
        forced("start"),
        NOTED,
        asked("select n from t"),
        forced("stop"),
        ["left"],
    )
    assert codes(answers) == [0, 0, 0, 0, 0, 0, 0, 0]
    assert answers[5].stdout == "42\n"
    assert answers[-1].stdout == ""


def test_a_recovery_that_takes_long_is_what_a_start_has_waited_for(servers: Machine) -> None:
    answers = run(
        servers,
        f"su postgres -c 'touch {DATA}/recovery.signal'",
        called("start", 6, start_opt="-c restore_command='sleep 613'"),
        NOTED,
        "pgrep -x sleep",
        forced("stop"),
        ["left"],
        "pgrep -x sleep && exit 9; exit 0",
    )
    assert codes(answers) == [0, 1, 0, 0, 0, 0, 0]
    assert "PostgreSQL is starting up; it logged last: " in answers[1].stderr
    assert answers[1].seconds < 6
    assert answers[5].stdout == ""


def test_one_that_recovers_while_it_runs_is_degraded(servers: Machine) -> None:
    """A restart would make it begin anew; so it is when one of its backends was killed."""
    answers = run(
        servers,
        f"su postgres -c 'touch {DATA}/recovery.signal'",
        f"(su postgres -c \"{BIN}/pg_ctl -D {DATA} -o '-c config_file={CONFIG} "
        '-c restore_command=\\"sleep 613\\"\' -s -W start" >/dev/null 2>&1 &); '
        f"wait_for 'test -S {SOCKETS}/.s.PGSQL.5432 && pgrep -x sleep'",
        forced("check"),
        called("monitor", 10, level=10),
        forced("stop"),
    )
    assert codes(answers) == [0, 0, 0, 190, 0]
    assert "it admits nobody yet: " in answers[3].stderr


def test_who_asks_need_not_be_able_to_read_the_driver(servers: Machine) -> None:
    answers = run(
        servers,
        "chmod 0700 /usr/lib/python3/dist-packages/psycopg2 /usr/lib/python3.11/ctypes",
        forced("start"),
        forced("check=10"),
        forced("stop"),
    )
    assert codes(answers) == [0, 0, 0, 0]


def test_one_of_another_view_of_the_disks_is_left_alone(servers: Machine) -> None:
    """Of the same path, as with BindPaths= of systemd."""
    foreign = (
        f"cp -a {DATA} /srv/other; cat >/srv/run <<'SH'\n"
        f"mount --bind /srv/other {DATA} && cd {DATA} && exec su postgres -c "
        f"'exec {BIN}/postgres -D {DATA} -c config_file={CONFIG} -p 5433'\nSH\n"
        "(unshare --mount sh /srv/run >/dev/null 2>&1 &); "
        f"wait_for 'test -S {SOCKETS}/.s.PGSQL.5433'"
    )
    answers = run(
        servers,
        foreign,
        forced("check"),
        forced("stop"),
        LIVES,
        forced("start"),
        forced("stop"),
        f"test -S {SOCKETS}/.s.PGSQL.5433 && {LIVES}",
    )
    assert codes(answers) == [0, 7, 0, 0, 0, 0, 0]


def test_a_backend_without_its_postmaster_is_a_failure_and_can_be_stopped(
    servers: Machine,
) -> None:
    answers = run(
        servers,
        forced("start"),
        NOTED,
        "kill -STOP $(session 'select pg_sleep(600)')",
        KILL_MAIN,
        forced("check"),
        forced("stop"),
        ["left"],
        forced("check"),
        forced("start"),
    )
    assert codes(answers) == [0, 0, 0, 0, 1, 0, 0, 7, 0]
    assert "it has no main process" in answers[4].stdout
    assert answers[6].stdout == ""


def test_a_suspended_postmaster_is_a_failure_and_can_be_stopped(servers: Machine) -> None:
    answers = run(
        servers,
        forced("start"),
        NOTED,
        f"kill -STOP {MAIN}",
        forced("check"),
        called("monitor", 10, level=10),
        forced("stop"),
        ["left"],
    )
    assert codes(answers) == [0, 0, 0, 1, 1, 0, 0]
    assert "is suspended (state T)" in answers[3].stdout
    assert answers[4].seconds < 10
    assert answers[-1].stdout == ""


# --- a stop ---------------------------------------------------------------------------------------


def test_a_session_that_lasts_does_not_hold_up_a_stop(servers: Machine) -> None:
    answers = run(
        servers,
        forced("start"),
        NOTED,
        "session 'begin; select pg_sleep(600)'",
        forced("stop"),
        ["left"],
    )
    assert codes(answers) == [0, 0, 0, 0, 0]
    assert "immediate" not in answers[3].stdout
    assert answers[3].seconds < 10
    assert answers[-1].stdout == ""


def test_a_suspended_backend_does_not_hold_up_a_stop(servers: Machine) -> None:
    answers = run(
        servers,
        forced("start"),
        NOTED,
        "kill -STOP $(session 'select pg_sleep(600)')",
        forced("stop"),
        ["left"],
    )
    assert codes(answers) == [0, 0, 0, 0, 0]
    assert "immediate" not in answers[3].stdout
    assert answers[-1].stdout == ""


@pytest.mark.parametrize(
    ("held", "killed"),
    [("$(session 'select pg_sleep(600)')", False), (MAIN, True)],
    ids=["a backend", "the postmaster"],
)
def test_what_a_debugger_holds_is_ended_in_time(
    servers: Machine, held: str, *, killed: bool
) -> None:
    answers = run(
        servers,
        forced("start"),
        NOTED,
        f"pid={held}; trace $pid </dev/null >/srv/traced 2>&1 &\n"
        "wait_for 'ps -C postgres -o stat= | grep -q t'; cat /srv/traced",
        called("stop", 30, stop_escalate="3s"),
        ["left"],
        forced("start"),
        forced("check=10"),
    )
    assert codes(answers) == [0, 0, 0, 0, 0, 0, 0]
    assert "immediate shutdown" in answers[3].stderr
    assert ("killed process" in answers[3].stderr) is killed
    assert answers[3].seconds < 30
    assert answers[4].stdout == ""


def test_it_can_be_stopped_without_its_configuration(servers: Machine) -> None:
    answers = run(
        servers,
        forced("start"),
        NOTED,
        f"mv {CONFIG} /srv/",
        forced("check"),
        forced("check=10"),
        forced("stop"),
        ["left"],
        forced("check"),
        forced("start"),
    )
    assert codes(answers) == [0, 0, 0, 0, 0, 0, 0, 7, 5]
    assert f"there is no configuration file {CONFIG}" in answers[-1].stdout
    assert answers[6].stdout == ""


@pytest.mark.parametrize(
    "gone",
    [f"mv {DATA} /srv/moved", f"umount -l {DATA}"],
    ids=["moved", "unmounted"],
)
def test_without_its_data_directory_it_has_failed_and_can_be_stopped(
    servers: Machine, gone: str
) -> None:
    mount = (
        f"mount -t tmpfs tmpfs /mnt; cp -a {DATA}/. /mnt; chown postgres: /mnt; chmod 700 /mnt; "
        f"mount --bind /mnt {DATA}; umount /mnt; rm -rf /var/lib/postgresql/15/x"
    )
    empty = f"umount {DATA} 2>/dev/null || :"
    beneath = f"find {DATA} -mindepth 1 -delete"
    answers = run(
        servers,
        mount if "umount" in gone else ":",
        forced("start"),
        NOTED,
        gone,
        forced("check"),
        forced("check=10"),
        forced("stop"),
        ["left"],
        empty if "umount" not in gone else beneath,
        forced("check"),
        forced("start"),
    )
    assert codes(answers) == [0, 0, 0, 0, 1, 1, 0, 0, 0, 7, 5]
    assert "runs, and" in answers[4].stdout
    assert DATA in answers[4].stdout
    assert answers[7].stdout == ""
    assert "(is it mounted?)" in answers[-1].stdout


def test_a_backend_of_a_moved_directory_is_found_without_a_postmaster(servers: Machine) -> None:
    answers = run(
        servers,
        forced("start"),
        "kill -STOP $(session 'select pg_sleep(600)')",
        f"pid={MAIN}; mv {DATA} /srv/moved; kill -KILL $pid; "
        'wait_for "! ps -o stat= -p $pid | grep -qv Z"',
        forced("check"),
        forced("stop"),
        f"{LIVES} && exit 9; exit 0",
    )
    assert codes(answers) == [0, 0, 0, 1, 0, 0]


# --- what others have left ------------------------------------------------------------------------


def test_a_strangers_pid_in_its_lock_file_keeps_it_neither_up_nor_down(servers: Machine) -> None:
    answers = run(
        servers,
        forced("start"),
        KILL_ALL,
        SLEEPER + " wait_for 'pgrep -u postgres -x sleep'",
        f'sed -i "1s/.*/$(pgrep -u postgres -x sleep)/" {DATA}/postmaster.pid',
        forced("check"),
        forced("start"),
        forced("check=10"),
        NOTED,
        forced("stop"),
        ["left"],
        "pgrep -u postgres -x sleep",
    )
    assert codes(answers) == [0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0]
    assert "which is a stranger" in answers[5].stdout
    assert answers[9].stdout == ""


def test_an_empty_lock_file_does_not_prevent_a_start(servers: Machine) -> None:
    answers = run(
        servers,
        f"su postgres -c ': >{DATA}/postmaster.pid; : >{SOCKETS}/.s.PGSQL.5432.lock'",
        forced("check"),
        forced("start"),
    )
    assert codes(answers) == [0, 7, 0]


OTHER = (
    "install -d -o postgres -m 700 /srv/other; "
    f"su postgres -c '{BIN}/initdb -D /srv/other --no-sync >/dev/null; "
    f'{BIN}/pg_ctl -D /srv/other -o "-p 5433" -s -w -l /srv/other/log start\''
)
OTHER_LIVES = "su postgres -c 'psql -qAt -p 5433 template1 -c select'"


def test_another_instance_is_neither_taken_for_it_nor_stopped(servers: Machine) -> None:
    answers = run(
        servers,
        OTHER,
        forced("check"),
        forced("start"),
        KILL_MAIN + f"; wait_for '! pgrep -f \"^postgres: 15/main\"'; {OTHER_LIVES}",
        f'sed -i "1s/.*/$(head -1 /srv/other/postmaster.pid)/" {DATA}/postmaster.pid; '
        f"touch {DATA}/postmaster.pid",
        forced("check"),
        forced("stop"),
        OTHER_LIVES,
        forced("start"),
        forced("stop"),
        OTHER_LIVES,
    )
    assert codes(answers) == [0, 7, 0, 0, 0, 7, 0, 0, 0, 0, 0]


def test_two_instances_of_the_agent_do_not_meet(servers: Machine) -> None:
    other = [
        "env",
        "OCF_RESOURCE_INSTANCE=other",
        "OCF_RESKEY_pgdata=/srv/other",
        "OCF_RESKEY_pgport=5433",
        path_of(AGENT),
    ]
    answers = run(
        servers,
        OTHER + f"; su postgres -c '{BIN}/pg_ctl -D /srv/other -s stop'",
        forced("start"),
        NOTED,
        [*other, "monitor"],
        [*other, "start"],
        KILL_MAIN,
        "wait_for '! pgrep -f \"^postgres: 15/main\"'",
        forced("check"),
        forced("stop"),
        [*other, "monitor"],
        OTHER_LIVES,
        forced("start"),  # which finds what memory the crash has left, and no stop could tell whose
        forced("stop"),
        [*other, "stop"],
        ["left"],
    )
    assert codes(answers) == [0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    assert answers[-1].stdout == ""


# --- a start --------------------------------------------------------------------------------------


def test_it_makes_the_folder_of_its_socket(servers: Machine) -> None:
    answers = run(
        servers,
        f"rm -rf {SOCKETS}",
        forced("start"),
        f"stat -c '%U %G %a' {SOCKETS}",
        f"rm -rf {SOCKETS}",
        forced("check"),
        forced("check=10"),
        forced("stop"),
        forced("start"),
        forced("check=10"),
    )
    assert codes(answers) == [0, 0, 0, 0, 0, 1, 0, 0, 0]
    assert answers[2].stdout == "postgres postgres 2775\n"
    assert f"there is no socket {SOCKETS}/.s.PGSQL.5432" in answers[5].stdout


SMALL = (
    f"mount -t tmpfs -o size=60m tmpfs /mnt; cp -a {DATA}/. /mnt; chown postgres: /mnt; "
    f"chmod 700 /mnt; mount --bind /mnt {DATA}"
)
FILL = f"su postgres -c 'dd if=/dev/zero of={DATA}/ballast bs=4k' 2>/dev/null || :"


def test_a_full_disk_is_the_reason_of_a_failed_start(servers: Machine) -> None:
    _, _, started, checked, stopped = run(
        servers, SMALL, FILL, called("start", 20), forced("check"), forced("stop")
    )
    assert started.code == 1
    assert "No space left on device" in started.stderr
    assert started.seconds < 15
    assert codes([checked, stopped]) == [7, 0]


def test_a_server_that_comes_up_on_a_full_disk_and_serves_nobody_has_not_started(
    servers: Machine,
) -> None:
    collected = "logging_collector=on -c log_directory=/var/log/postgresql -c log_filename=lab.log"
    answers = run(
        servers,
        SMALL,
        called("start", 20, start_opt=f"-c {collected}"),
        asked("create table b as select repeat(md5(i::text), 20) from generate_series(1, 5000) i"),
        KILL_ALL,
        FILL,
        called("start", 5, start_opt=f"-c {collected}"),
        forced("stop"),
        f"rm {DATA}/ballast",
        forced("start"),
    )
    assert codes(answers) == [0, 0, 0, 0, 0, 1, 0, 0, 0]
    assert "could not write init file" in answers[5].stderr
    assert f"No space left on device: {DATA}" in answers[5].stderr


SPOILT: dict[str, tuple[str, int, str] | tuple[str, int, str, str]] = {
    "data of another user": (f"chown -R nobody {DATA}", 2, "belongs to the user nobody"),
    "data for everybody": (f"chmod 755 {DATA}", 2, "has the mode 0755"),
    "data of an old version": (f"echo 14 >{DATA}/PG_VERSION", 5, "no postgres of PostgreSQL 14"),
    "programs of another version": (
        f"echo 14 >{DATA}/PG_VERSION",
        2,
        "was made by PostgreSQL 14, and",
        f"pgctl={BIN}/pg_ctl",
    ),
    "no data": (f"rm {DATA}/PG_VERSION", 5, "PG_VERSION is missing"),
    "a wrong value": (f"echo 'port = many' >>{CONFIG}", 5, 'invalid value for parameter "port"'),
    "a wrong line": (f"echo 'nonsense' >>{CONFIG}", 5, "syntax error in file"),
    "the configuration of another": (
        f"echo \"data_directory = '/srv/x'\" >>{CONFIG}",
        2,
        f"the configuration says data_directory = /srv/x, pgdata is {DATA}",
    ),
    "an unknown user": (":", 5, "there is no user nobodys", "pgdba=nobodys"),
    "no driver": ("rm -r /usr/lib/python3/dist-packages/psycopg2", 5, "python3-psycopg2"),
    "a stranger on its port": (
        "listen 5432 </dev/null >/dev/null 2>&1 & wait_for 'ss -Hltn | grep 5432'",
        1,
        "listens on port 5432 already",
    ),
    "too little memory": (":", 1, "could not map anonymous", "start_opt=-c shared_buffers=900GB"),
    "a wrong option": (":", 1, "pg_ctl exited with code 1: ", "ctl_opt=--nonsense"),
    "no log": (":", 1, "logfile /nowhere/log: No such file", "logfile=/nowhere/log"),
}
"""What is done before the start, its code, its reason, and a parameter."""


@pytest.mark.parametrize("name", SPOILT)
def test_a_start_that_cannot_succeed_says_why(servers: Machine, name: str) -> None:
    spoil, code, reason, *parameters = SPOILT[name]
    _, started, left, stopped = run(
        servers,
        spoil,
        forced("start"),
        f"{LIVES} && exit 9; exit 0",
        forced("stop"),
        parameters=parameters,
    )
    assert started.code == code
    assert reason in started.stdout
    assert started.seconds < 10
    assert codes([left, stopped]) == [0, 0]


@pytest.mark.parametrize(
    "parameters",
    [("pgdata=/nowhere",), ("pgdata=/nowhere", "pgctl=/nowhere/pg_ctl"), ("pgdba=nobodys",)],
    ids=["no data", "no program", "no user"],
)
def test_where_it_cannot_run_a_probe_says_that_it_does_not(
    servers: Machine, parameters: Sequence[str]
) -> None:
    assert codes(run(servers, forced("check"), forced("stop"), parameters=parameters)) == [7, 0]


# --- what is asked --------------------------------------------------------------------------------


def test_a_lock_that_lasts_is_a_failure_for_who_asks_for_the_table(servers: Machine) -> None:
    *_, shallow, deep, stopped = run(
        servers,
        forced("start"),
        asked("create table pulse as select 1 as n"),
        "session 'begin; lock table pulse; select pg_sleep(600)'",
        called("monitor", 5),
        called("monitor", 5, level=10, monitor_sql="select n from pulse"),
        forced("stop"),
    )
    assert codes([shallow, deep, stopped]) == [0, 1, 0]
    assert "select n from pulse on postgresql" in deep.stderr
    assert "did not end in time" in deep.stderr
    assert deep.seconds < 5


# --- what is no reason for a restart --------------------------------------------------------------


def test_no_free_connection_is_degraded(servers: Machine) -> None:
    few = "-c max_connections=5 -c superuser_reserved_connections=1 -c max_wal_senders=0"
    fill = (
        "for _ in 1 2 3 4 5; do su postgres -c \"exec psql -q template1 -c 'select "
        "pg_sleep(600)'\" </dev/null >/dev/null 2>&1 & done; "
        "wait_for 'test $(pgrep -fc \"^postgres: .* SELECT\") -ge 5'"
    )
    answers = run(
        servers,
        forced("start"),
        fill,
        forced("check"),
        forced("check=10"),
        forced("stop"),
        parameters=[f"start_opt={few}"],
    )
    assert codes(answers) == [0, 0, 0, 190, 0]
    assert "no connection is free" in answers[3].stdout
