"""The sql monitor before real PostgreSQL and MariaDB, on Debian's own psycopg2 and PyMySQL."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.services.cluster_tools import Answer, Command, Machine, build_wheel
from tests.services.conftest import debian

PASSWORD = "canary-7f3a"  # noqa: S105

LOOK = """#!/usr/bin/python3 -IS
import sys
sys.path.append("/usr/lib/python3/dist-packages")
from ocfkit.deadline import Deadline
from ocfkit.errors import ActionError
from ocfkit.monitors import sql
seconds, query, *words = sys.argv[1:]
given = dict(word.split("=", 1) for word in words)
if given.get("user") == "watch" and "password" not in given:
    given["password"] = open("/srv/password").read()
deadline = Deadline.after(float(seconds))
try:
    print(sql.check(query, deadline=deadline, **given).value)
except ActionError as error:
    print(f"{type(error).__name__}: {error}")
    sys.exit(99 if deadline.over() else error.exit_code)
"""

CERTIFICATE = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 "
    "-subj /CN=localhost -addext subjectAltName=DNS:localhost "
    "-keyout /srv/key.pem -out /srv/cert.pem 2>/dev/null"
)

WAIT_FOR = """#!/bin/sh
# wait_for COMMAND: run it again and again until it succeeds, for ten seconds
for _ in $(seq 200); do
    if sh -c "$1" >/dev/null 2>&1; then exit 0; fi
    sleep 0.05
done
echo "never: $1" >&2
exit 1
"""


@dataclass(frozen=True)
class State:
    """A state of the server, what is asked in it, and what the monitor says."""

    code: int
    said: str
    query: str = "select 1"
    more: str = ""
    """More words for the check."""
    before: str = ":"
    meanwhile: str = ""
    after: str = ":"
    seconds: float = 3

    def command(self, usual: str) -> Command:
        meanwhile = f"({self.meanwhile}) </dev/null >/dev/null 2>&1 &" if self.meanwhile else ""
        look = f"/srv/look {self.seconds} {_quoted(self.query)} {usual} {self.more}"
        return (
            f"{self.before}\n{meanwhile}\ncode=0\n{look} || code=$?\n"
            f"({self.after}) || code=97\nexit $code"
        )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def check(state: State, answer: Answer) -> None:
    assert answer.code == state.code
    assert state.said in answer.stdout
    assert PASSWORD not in answer.stdout + answer.stderr


# --- PostgreSQL -----------------------------------------------------------------------------------

BIN = "/usr/lib/postgresql/15/bin"

PG_CTL = f"""#!/bin/sh
exec su postgres -c "{BIN}/pg_ctl -D /srv/pg -s -l /srv/pg/log $*"
"""

HOLD = """#!/bin/sh
# hold QUERY: ask it as the superuser, in the background
su postgres -c "exec psql -qc '$1'" </dev/null >/dev/null 2>&1 &
"""

PREPARE_POSTGRESQL = f"""
install -d -o postgres /srv/pg /var/run/postgresql
su postgres -c "{BIN}/initdb -D /srv/pg --auth-local=peer --auth-host=scram-sha-256 >/dev/null"
install -o postgres -m 600 /srv/key.pem /srv/pg/server.key
install -o postgres -m 644 /srv/cert.pem /srv/pg/server.crt
cat >>/srv/pg/postgresql.conf <<END
max_connections = 5
superuser_reserved_connections = 1
max_wal_senders = 0
fsync = off
ssl = on
unix_socket_directories = '/var/run/postgresql'
END
pg_ctl -w start
cat >/tmp/roles <<END
create role watch login password '{PASSWORD}';
create table t (n int);
insert into t values (42);
grant all on t to watch;
END
su postgres -c 'psql -qf /tmp/roles'
"""  # noqa: S608

TCP = "user=watch host=127.0.0.1"
POSTMASTER = "$(head -1 /srv/pg/postmaster.pid)"
UP = "wait_for 'su postgres -c \"psql -c select\"'"
SLEEPERS = """#!/bin/sh
# sleepers NUMBER: whether so many queries of the superuser run
test $(pgrep -fc '^postgres: postgres .* SELECT') -ge $1
"""
NOBODY_LEFT = "wait_for '! pgrep -f \"^postgres: (watch|postgres) \"'"
ASKED = "wait_for 'pgrep -f \"^postgres: watch .* SELECT\"'"
FREE = f"pkill psql; pkill -f '^postgres: postgres '; {NOBODY_LEFT}"
IN_TIME = "did not end in time, and the server was told to cancel it"

POSTGRESQL = {
    "right": State(0, "42", "select n from t"),
    "right text": State(0, "t", "select true", "expect=t"),
    "logged in by scram": State(
        0, "t", "select current_setting('password_encryption') = 'scram-sha-256'", "expect=t"
    ),
    "wrong text": State(1, "the first value is '42', not '43'", "select n from t", "expect=43"),
    "tls": State(
        0,
        "t",
        "select ssl from pg_stat_ssl where pid = pg_backend_pid()",
        "tls=verify-full ca_file=/srv/cert.pem host=localhost",
    ),
    "no tls": State(
        0, "f", "select ssl from pg_stat_ssl where pid = pg_backend_pid()", "tls=disable"
    ),
    "tls of nobody": State(1, "certificate verify failed", more="tls=verify-full host=localhost"),
    "tls of another": State(
        1, "does not match host name", more="tls=verify-full ca_file=/srv/cert.pem"
    ),
    "as the superuser without a password": State(
        190,
        'does not admit user root: role "root" does not exist (SQLSTATE 28000): repair',
        more="host= user=",
    ),
    "wrong password": State(
        190,
        "it answers, and does not admit user watch: "
        'password authentication failed for user "watch" (SQLSTATE 28P01): repair',
        more="password=wrong",
    ),
    "password in .pgpass alone": State(
        190,
        "does not admit user watch: fe_sendauth: no password supplied",
        more="password=",
        before=f"echo '*:*:*:*:{PASSWORD}' >~/.pgpass; chmod 600 ~/.pgpass",
    ),
    "no entry in pg_hba.conf": State(
        190,
        "no pg_hba.conf entry for host",
        before="sed -i.was /^host/d /srv/pg/pg_hba.conf; pg_ctl reload; "
        f"wait_for '/srv/look 9 select {TCP} | grep pg_hba.conf.entry'",
        after="mv /srv/pg/pg_hba.conf.was /srv/pg/pg_hba.conf; pg_ctl reload; "
        f"wait_for '/srv/look 9 select {TCP}'",
    ),
    "no database": State(
        1, 'database "shop" does not exist (SQLSTATE 3D000)', more="database=shop"
    ),
    "wrong query": State(1, 'relation "u" does not exist (SQLSTATE 42P01)', "select n from u"),
    "not allowed": State(1, "permission denied", "select * from pg_authid"),
    "long query": State(
        1,
        IN_TIME,
        "select pg_sleep(60)",
        seconds=1,
        after="wait_for 'test $(grep -c due.to.user.request /srv/pg/log) = 1'",
    ),
    "long lock": State(
        1,
        IN_TIME,
        "select n from t",
        seconds=1,
        before="hold 'begin; lock t; select pg_sleep(60)'; wait_for 'sleepers 1'",
        after="wait_for 'test $(grep -c due.to.user.request /srv/pg/log) = 2' && " + f"({FREE})",
    ),
    "unreserved connections in use": State(
        190,
        "no connection is free: remaining connection slots are reserved",
        before="for _ in 1 2 3 4; do hold 'select pg_sleep(60)'; done; wait_for 'sleepers 4'",
        after=FREE,
    ),
    "all connections in use": State(
        190,
        "no connection is free: sorry, too many clients already (SQLSTATE 53300): raise",
        before="for _ in 1 2 3 4 5; do hold 'select pg_sleep(60)'; done; wait_for 'sleepers 5'",
        after=FREE,
    ),
    "postmaster suspended": State(
        1,
        "it took the connection, and did not answer in time: frozen, or too busy",
        seconds=1,
        before=f"kill -STOP {POSTMASTER}",
        after=f"kill -CONT {POSTMASTER}",
    ),
    "postmaster suspended, its queue full": State(
        1,
        "its queue of connections is full: it takes none from it",
        seconds=1,
        more="host=/var/run/postgresql",
        before=f"kill -STOP {POSTMASTER}; /srv/fill & wait_for 'test -e /tmp/filled'",
        after=f"kill $!; kill -CONT {POSTMASTER}; {UP}",
    ),
    "all suspended during the query": State(
        1,
        "did not end in time, and the server took no note that it is cancelled",
        "select pg_sleep(60)",
        seconds=4,
        meanwhile=f"{ASKED}; pkill -STOP postgres",
        after=f"pkill -CONT postgres; {NOBODY_LEFT}",
    ),
    "backend killed": State(
        1,
        "the connection broke while it was asked: ",
        "select pg_sleep(60)",
        meanwhile=f"{ASKED}; pkill -KILL -f '^postgres: watch'",
        after=UP,
    ),
    "backend told to end": State(
        1,
        "it was asked: terminating connection due to administrator command (SQLSTATE 57P01)",
        "select pg_sleep(60)",
        meanwhile=f"{ASKED}; pkill -TERM -f '^postgres: watch'",
    ),
    "a variable says otherwise": State(
        0, "42", "select n from t", before="export PGSERVICE=none PGSSLMODE=verify-full PGHOST=/x"
    ),
    "shutting down": State(
        1,
        "the database system is shutting down (SQLSTATE 57P03)",
        before="hold 'select pg_sleep(60)'; wait_for 'sleepers 1'; pg_ctl -W -m smart stop; "
        "wait_for 'grep -q smart.shutdown /srv/pg/log'",
        after="pg_ctl -w -m fast stop",
    ),
    "stopped": State(1, "/postgres: Connection refused "),
    "stopped, asked by its socket": State(
        1, "there is no socket /var/run/postgresql/.s.PGSQL.5432 ", more="host="
    ),
    "in recovery": State(
        1,
        "(SQLSTATE 57P03)",
        before="touch /srv/pg/standby.signal; echo 'hot_standby = off' >>/srv/pg/postgresql.conf; "
        "echo \"restore_command = 'false'\" >>/srv/pg/postgresql.conf; pg_ctl -W start; "
        "wait_for 'grep -q LOG:..entering.standby /srv/pg/log'",
        after="pg_ctl -w -m immediate stop",
    ),
    "no network there": State(1, "/postgres: Network is unreachable ", more="host=192.0.2.1"),
    "nothing answers there": State(
        1,
        "no connection came about: nothing answers there",
        more="host=192.0.2.1",
        seconds=1,
        before="ip link add lab type veth peer end; ip link set end up; ip link set lab up; "
        "ip address add 192.0.2.9/24 dev lab; "
        "ip neighbour add 192.0.2.1 lladdr 02:00:00:00:00:01 dev lab",
    ),
    "no name server": State(
        1,
        "the name service did not say in time which address db.example has",
        more="host=db.example",
        seconds=1,
        before="umount /etc/resolv.conf; echo nameserver 192.0.2.1 >/etc/resolv.conf",
    ),
}

FILL = """#!/usr/bin/python3
import socket, time
waiting = []
while True:
    try:
        each = socket.socket(socket.AF_UNIX)
        each.setblocking(False)
        each.connect("/var/run/postgresql/.s.PGSQL.5432")
        waiting.append(each)
    except BlockingIOError:
        break
open("/tmp/filled", "w").close()
time.sleep(60)
"""


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    """What is said in each state of one server."""
    machine = Machine(
        debian("servers"),
        build_wheel(tmp_path_factory.mktemp("wheel")),
        files={
            "/srv/look": LOOK,
            "/srv/fill": FILL,
            "/srv/password": PASSWORD,
            "/usr/bin/wait_for": WAIT_FOR,
            "/usr/bin/pg_ctl": PG_CTL,
            "/usr/bin/hold": HOLD,
            "/usr/bin/sleepers": SLEEPERS,
        },
        prepare=[CERTIFICATE, PREPARE_POSTGRESQL],
    )
    answers = machine.run(*(each.command(TCP) for each in POSTGRESQL.values()))
    return dict(zip(POSTGRESQL, answers, strict=True))


@pytest.mark.parametrize("state", POSTGRESQL)
def test_postgresql(postgresql: dict[str, Answer], state: str) -> None:
    check(POSTGRESQL[state], postgresql[state])


# --- MariaDB --------------------------------------------------------------------------------------

PREPARE_MARIADB = f"""
install -d -o mysql /run/mysqld
chmod 644 /srv/key.pem
printf '[mariadbd]\\nmax_connections = 10\\n' >/etc/mysql/mariadb.conf.d/99-lab.cnf
service mariadb start
cat >/tmp/roles <<END
create database shop;
create table shop.t (n int);
insert into shop.t values (42);
create user watch identified by '{PASSWORD}';
grant all on shop.* to watch;
grant all on lost.* to watch;
END
mariadb </tmp/roles
"""  # noqa: S608

WITH_TLS = "printf 'ssl_cert = /srv/cert.pem\\nssl_key = /srv/key.pem\\n' \
>>/etc/mysql/mariadb.conf.d/99-lab.cnf; service mariadb restart"

MYSQL_TCP = f"engine=mysql {TCP}"
ASLEEP = """#!/bin/sh
# asleep: print how many queries sleep
mariadb -Ne "select count(*) from information_schema.processlist
    where info like '%sleep(60)' and info not like '%count%'"
"""

CANCELLED = (
    "wait_for 'test $(asleep) = 0' && "
    "mariadb -Ne \"show global status like 'Max_statement_time_exceeded'\" | grep -qw 0"
)
"""And not ended by its own limit."""

MARIADB = {
    "right": State(0, "42", "select n, 7 from shop.t"),
    "right text": State(0, "42", "select n from t", "database=shop expect=42 match=^4"),
    "as the server writes it": State(0, "01:00:00", "select cast('1:00' as time)"),
    "wrong text": State(
        1, "the first value is '42', not '43'", "select n from shop.t", "expect=43"
    ),
    "no tls where it has to be": State(1, "it has no TLS, which is required", more="tls=require"),
    "tls": State(
        0,
        "Ssl_version",
        "show status where variable_name = 'Ssl_version' and value <> ''",
        "tls=verify-full ca_file=/srv/cert.pem host=localhost expect=Ssl_version",
        before=WITH_TLS,
    ),
    "tls of nobody": State(
        1, "its certificate is not trusted: self-signed", more="tls=verify-full host=localhost"
    ),
    "tls of another": State(
        1,
        "its certificate is not trusted: IP address mismatch",
        more="tls=verify-full ca_file=/srv/cert.pem",
    ),
    "by its socket": State(0, "root@localhost", "select current_user()", "host= user="),
    "wrong password": State(
        190,
        "it answers, and does not admit user watch: Access denied for user 'watch'@'localhost' "
        "(using password: YES) (error 1045): repair",
        more="password=wrong",
    ),
    "unknown user": State(190, "does not admit user nobody: ", more="user=nobody"),
    "no database": State(1, "Unknown database 'lost' (error 1049)", more="database=lost"),
    "wrong query": State(1, "(error 1146)", "select n from shop.u"),
    "long query": State(
        1,
        IN_TIME,
        "select sleep(60)",
        seconds=1,
        after=CANCELLED,
    ),
    "long lock": State(
        1,
        IN_TIME,
        "select n from shop.t for update",
        seconds=1,
        before="mariadb shop -e 'begin; update t set n = 1; select sleep(60)' >/dev/null & "
        "wait_for 'asleep | grep -q 1'",
        after="pkill -x mariadb; service mariadb restart",
    ),
    "all connections in use": State(
        190,
        "no connection is free: too many connections (error 1040): raise",
        # One more is kept for root, who looks. What Debian begins behind a start connects as well.
        before="wait_for '! pgrep -x debian-start'; "
        "for _ in $(seq 10); do mariadb -e 'select sleep(60)' >/dev/null & done; "
        "wait_for 'test $(asleep) = 10'",
        after="pkill -x mariadb; service mariadb restart",
    ),
    "suspended": State(
        1,
        "it took the connection, and did not answer in time: frozen, or too busy",
        seconds=1,
        before="pkill -STOP mariadbd",
        after="pkill -CONT mariadbd",
    ),
    "suspended during the query": State(
        1,
        "did not end in time, and the server took no note that it is cancelled",
        "select sleep(60)",
        seconds=4,
        meanwhile="wait_for 'test $(asleep) = 1'; pkill -STOP mariadbd",
        after="pkill -CONT mariadbd; wait_for 'test $(asleep) = 0'",
    ),
    "killed": State(
        1,
        "the connection broke while it was asked: ",
        "select sleep(60)",
        meanwhile="wait_for 'test $(asleep) = 1'; "
        "pkill -KILL -x 'mariadbd-safe|mysqld_safe'; pkill -KILL mariadbd",
    ),
    "stopped": State(1, "mysql 127.0.0.1:3306: Connection refused "),
    "stopped, its socket left behind": State(1, "mysqld.sock: Connection refused ", more="host="),
    "stopped, its socket gone": State(
        1,
        "there is no socket /run/mysqld/mysqld.sock ",
        more="host=",
        before="rm /run/mysqld/mysqld.sock",
    ),
}


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    """What is said in each state of one server."""
    machine = Machine(
        debian("servers"),
        build_wheel(tmp_path_factory.mktemp("wheel")),
        files={
            "/srv/look": LOOK,
            "/srv/password": PASSWORD,
            "/usr/bin/wait_for": WAIT_FOR,
            "/usr/bin/asleep": ASLEEP,
        },
        prepare=[CERTIFICATE, PREPARE_MARIADB],
    )
    answers = machine.run(*(each.command(MYSQL_TCP) for each in MARIADB.values()))
    return dict(zip(MARIADB, answers, strict=True))


@pytest.mark.parametrize("state", MARIADB)
def test_mariadb(mariadb: dict[str, Answer], state: str) -> None:
    check(MARIADB[state], mariadb[state])


def test_the_password_is_in_no_list_of_processes(tmp_path: Path) -> None:
    machine = Machine(
        debian("servers"),
        build_wheel(tmp_path),
        files={
            "/srv/look": LOOK,
            "/srv/password": PASSWORD,
            "/usr/bin/wait_for": WAIT_FOR,
            "/usr/bin/pg_ctl": PG_CTL,
        },
        prepare=[CERTIFICATE, PREPARE_POSTGRESQL],
    )
    running = (
        f"/srv/look 3 'select pg_sleep(60)' {TCP} >/dev/null & wait_for 'pgrep -f ^postgres:.watch'"
    )
    (seen,) = machine.run(
        f"{running}\nfound=$(cat /proc/*/cmdline /proc/*/environ | tr '\\0' '\\n')\n"
        f'echo "$found" | grep -q pg_sleep\necho "$found" | grep -cf /srv/password || true'
    )
    assert (seen.code, seen.stdout) == (0, "0\n")
