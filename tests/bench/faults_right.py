"""The faults, how each is made, and what is right when it is seen: written before any measurement.

The scripts run as root on the node that runs the service. `$server` is the web server's program,
`$pid_file` its pid file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.bench.faults_services import CONFIG, DATA, SOCKETS

Kind = Literal["web", "database"]
Reaction = Literal["nothing", "restarted", "moved", "fenced", "stop failed", "down"]

_MASTER = '"$(pgrep -o -x "$server")"'
_POSTMASTER = '"$(pgrep -o -u postgres -x postgres)"'
_NO_SERVER = 'pkill -9 -x "$server"; while pgrep -x "$server" >/dev/null; do sleep 0.05; done'
_NO_POSTGRES = (
    "pkill -9 -u postgres; while pgrep -u postgres -x postgres >/dev/null; do sleep 0.05; done"
)
_LISTEN = "setsid python3 /lab/listener.py {} >/dev/null 2>&1 &"
_SESSIONS = "setsid su postgres -c \"psql -q template1 -c '{}'\" >/dev/null 2>&1 &"


@dataclass(frozen=True, slots=True)
class Right:
    """What a monitor should say of a fault, and what the cluster should do about it."""

    codes: tuple[int, ...]
    """Exit codes that are right; 0 where nothing should be seen."""
    says: str
    """What the reason has to tell, as a regular expression; empty where there is none to give."""
    told: str
    """The same in words."""
    reactions: tuple[Reaction, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of one kind of service."""

    name: str
    about: Kind
    right: Right
    inject: str
    """Shell that makes it."""
    mounted: str = ""
    """Options of a tmpfs that the data directory lies in, where one is needed."""
    unmount: bool = False
    """Whether the fault is that it is taken away."""
    https: bool = False
    """Whether the page is asked for over TLS."""
    stranger: str = ""
    """Command of the process that has nothing to do with the service, and must outlive its stop."""

    @property
    def key(self) -> str:
        """The fault and its service, as --only wants it."""
        return f"{self.about}:{self.name.replace(' ', '-')}"


_RESTART: tuple[Reaction, ...] = ("restarted",)
_EITHER: tuple[Reaction, ...] = ("restarted", "moved")
"""A restart may help; where it does not, and the start says so, the service moves."""

WEB = (
    Fault(
        "kill -9",
        "web",
        Right(
            (1, 7),
            "main process",
            "that the main process has gone (7 needs no reason)",
            _RESTART,
            "Workers without a master still answer, but nobody replaces one that dies.",
        ),
        f"kill -9 {_MASTER}",
    ),
    Fault(
        "suspended",
        "web",
        Right(
            (1,),
            "suspended",
            "which process is suspended",
            _RESTART,
            "A suspended master neither reloads nor replaces a worker; the page alone looks well.",
        ),
        f"kill -STOP {_MASTER}",
    ),
    Fault(
        "every worker suspended",
        "web",
        Right(
            (1,),
            "/status.*(answer|response|byte|time)|suspended",
            "which page does not come, and how long it was waited for",
            _RESTART,
            "The port is open and the pid lives, yet no user gets a page.",
        ),
        f'pkill -STOP -x "$server" -P {_MASTER}',
    ),
    Fault(
        "port taken by a stranger",
        "web",
        Right(
            (1, 7),
            "",
            "at the failing start: which process has the port",
            ("moved",),
            "The service is dead and cannot come back here, however well the stranger answers.",
        ),
        f"{_NO_SERVER}; {_LISTEN.format('stranger 80')}",
        stranger="python3 /lab/listener.py",
    ),
    Fault(
        "foreign pid in the pid file",
        "web",
        Right(
            (1, 7),
            "",
            "nothing: it is not running",
            _RESTART,
            "The pid is somebody else's, who must not be killed by the stop either.",
        ),
        f'{_NO_SERVER}; setsid sleep 3600 & echo $! >"$pid_file"',
        stranger="sleep 3600",
    ),
    Fault(
        "status 500",
        "web",
        Right(
            (1,),
            "500",
            "the address and the status 500",
            _EITHER,
            "The server says itself that it is broken.",
        ),
        "touch /lab/fault/500",
    ),
    Fault(
        "status 404 with the expected text",
        "web",
        Right(
            (1,),
            "404",
            "the address and the status 404",
            _EITHER,
            "An error page that quotes the right words is an error page.",
        ),
        "touch /lab/fault/404",
    ),
    Fault(
        "status 200 with a wrong text",
        "web",
        Right(
            (1,),
            "all is well",
            "what was not found, and what came instead",
            _EITHER,
            "The application behind the server says that it is not well.",
        ),
        "echo 'no database' >/srv/lab/status",
    ),
    Fault(
        "silent application",
        "web",
        Right(
            (1,),
            "/status.*(answer|response|byte|time|nothing)",
            "which page does not come, and how long it was waited for",
            _EITHER,
            "Connected, asked, and never answered: what a user sees as a hanging page.",
        ),
        f"{_LISTEN.format('upstream 8099')} sleep 0.3; touch /lab/fault/silent",
    ),
    Fault(
        "one byte a second",
        "web",
        Right(
            (1,),
            "/status.*byte",
            "how many bytes came in which time",
            _EITHER,
            "Each read succeeds, the page as a whole never comes.",
        ),
        f"{_LISTEN.format('upstream 8099')} sleep 0.3; touch /lab/fault/drip",
    ),
    Fault(
        "certificate expired",
        "web",
        Right(
            (1,),
            "expired",
            "that the certificate has expired",
            _EITHER,
            "Clients refuse it. No restart makes a new one, so the days before are the time to be "
            "told: as degraded, 190.",
        ),
        "cp /lab/expired.pem /lab/server.pem; kill -HUP " + _MASTER,
        https=True,
    ),
    Fault(
        "configuration removed",
        "web",
        Right(
            (0,),
            "",
            "nothing",
            ("nothing",),
            "The server runs on and serves; a monitor must not end what works, and the stop that "
            "is asked for later must succeed without the file.",
        ),
        "rm -f /etc/nginx/nginx.conf /etc/apache2/apache2.conf",
    ),
)

DATABASE = (
    Fault(
        "kill -9",
        "database",
        Right(
            (1, 7),
            "",
            "that the main process has gone, or nothing: it is not running",
            _RESTART,
            "Its children end by themselves; recovery is the start's business.",
        ),
        f"kill -9 {_POSTMASTER}",
    ),
    Fault(
        "suspended",
        "database",
        Right(
            (1,),
            "suspended",
            "which process is suspended",
            _RESTART,
            "The kernel still accepts connections for it, and nothing ever answers them.",
        ),
        f"kill -STOP {_POSTMASTER}",
    ),
    Fault(
        "port taken by a stranger",
        "database",
        Right(
            (1, 7),
            "",
            "at the failing start: that the port is taken",
            ("moved",),
            "The service is dead and cannot come back here.",
        ),
        f"{_NO_POSTGRES}; {_LISTEN.format('mute 5432')}",
        stranger="python3 /lab/listener.py",
    ),
    Fault(
        "foreign pid in the pid file",
        "database",
        Right(
            (1, 7),
            "",
            "nothing: it is not running",
            _RESTART,
            "PostgreSQL itself refuses to start beside a live pid of its user: the agent has to "
            "see that it is a stranger's, and leave the stranger alone.",
        ),
        f"{_NO_POSTGRES}; setsid su postgres -c 'exec sleep 3600' & sleep 0.3; "
        f'sed -i "1s/.*/$(pgrep -x sleep -u postgres)/" {DATA}/postmaster.pid',
        stranger="sleep 3600",
    ),
    Fault(
        "silent listener on its socket",
        "database",
        Right(
            (1, 7),
            "",
            "nothing: it is not running",
            _RESTART,
            "The socket file is replaced by the start; nobody has to wait for the stranger.",
        ),
        f"{_NO_POSTGRES}; rm -f {SOCKETS}/.s.PGSQL.5432; "
        f"{_LISTEN.format(f'mute {SOCKETS}/.s.PGSQL.5432')}",
    ),
    Fault(
        "max_connections reached",
        "database",
        Right(
            (190,),
            "connection|slot|client",
            "that all connections are taken",
            ("nothing",),
            "It works for all who are in; a restart would throw them out, and they would be back.",
        ),
        f"for each in $(seq 14); do {_SESSIONS.format('select pg_sleep(3600)')} done; sleep 1",
    ),
    Fault(
        "long lock",
        "database",
        Right(
            (1,),
            "pulse|select state",
            "which query did not come back, and how long it was waited for",
            _RESTART,
            "Whoever needs the table stands still; the restart ends the session that has it.",
        ),
        _SESSIONS.format("begin; lock table pulse; select pg_sleep(3600)") + " sleep 0.5",
    ),
    Fault(
        "disk full",
        "database",
        Right(
            (1, 7),
            "could not write|No space left",
            "what the server says: that it could not write (7 needs no reason)",
            ("moved",),
            "Nobody new gets in, or it has ended itself; and there is no room here to recover in.",
        ),
        # What the server frees when it recovers from the first crash is taken too.
        "(setsid sh -c 'while pgrep -u postgres -x postgres; do dd if=/dev/zero bs=4k "
        f"oflag=append conv=notrunc of={DATA}/ballast; done' >/dev/null 2>&1 &); sleep 1; "
        "for each in $(seq 100); do "
        "su postgres -c 'psql -q template1 -f /lab/ballast.sql' >/dev/null 2>&1 || exit 0; "
        "done; echo 'the server works on a full disk' >&2; exit 1",
        mounted="size=72m",
    ),
    Fault(
        "data directory unmounted",
        "database",
        Right(
            (1,),
            "data directory|PG_VERSION|" + DATA,
            "that the data directory is not there",
            ("moved",),
            "The server works on files that nobody can find any more: what it writes is lost.",
        ),
        "",
        mounted="size=200m",
        unmount=True,
    ),
    Fault(
        "folder of the socket removed",
        "database",
        Right(
            (1,),
            "socket|No such file",
            "which socket is missing",
            _RESTART,
            "A cleaned /tmp or /run: the server lives, and no client finds it. Only a start makes "
            "the socket again.",
        ),
        f"rm -rf {SOCKETS}",
    ),
    Fault(
        "configuration removed",
        "database",
        Right(
            (0,),
            "",
            "nothing",
            ("nothing",),
            "The server runs on and serves; the stop that is asked for later must succeed without "
            "the file.",
        ),
        f"rm -f {CONFIG}",
    ),
)

FAULTS = WEB + DATABASE
