"""Which database is asked, by whom, and under which numeric addresses it is found."""

from __future__ import annotations

import os
import select

from ocfkit.errors import ActionError, ConfigurationError, InstallationError
from ocfkit.log import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping
    from typing import Literal

    from ocfkit.deadline import Deadline
    from ocfkit.monitors.names import Place
    from ocfkit.monitors.question import Question

    Engine = Literal["postgresql", "mysql"]
    Tls = Literal["disable", "prefer", "require", "verify-ca", "verify-full"]
else:
    import _signal as signal

TLS = ("disable", "prefer", "require", "verify-ca", "verify-full")
"""libpq's words: how a connection is encrypted, and whether its certificate must be right."""

_PLACES = {"postgresql": ("/var/run/postgresql", 5432), "mysql": ("/run/mysqld/mysqld.sock", 3306)}
"""Debian's unix socket of each engine, and its port."""

AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
"""The certificates that this machine trusts, as Debian's ca-certificates keeps them."""

NOWHERE = "/dev/null/none"
"""A path at which there can be no file."""


class Database:
    """A database, and who asks it. Nothing in here is ever told but its name."""

    __slots__ = (
        "ca_file",
        "database",
        "engine",
        "host",
        "is_local",
        "options",
        "password",
        "port",
        "tls",
        "user",
    )

    def __init__(
        self,
        engine: Engine,
        *,
        host: str,
        port: int,
        user: str,
        password: str,
        database: str,
        tls: Tls,
        ca_file: str,
        options: Mapping[str, str],
    ) -> None:
        """Empty texts and 0 are the engine's usual; raises ConfigurationError for unknown words."""
        if engine not in _PLACES:
            raise ConfigurationError(f"{engine!r} is no engine; it is {' or '.join(_PLACES)}")
        if tls not in TLS:
            raise ConfigurationError(f"{tls!r} says nothing of TLS; known are {', '.join(TLS)}")
        usual_host, usual_port = _PLACES[engine]
        self.engine: Engine = engine
        self.host = host or usual_host
        self.is_local = self.host.startswith("/")
        """Whether it is reached through a unix socket."""
        self.port = port or usual_port
        self.user = user or _own_name()
        self.password = password
        self.database = database or ("postgres" if engine == "postgresql" else "")
        self.tls: Tls = tls
        self.ca_file = ca_file
        self.options = dict(options)

    @property
    def name(self) -> str:
        """How reasons call it: "postgresql 127.0.0.1:5432/shop"."""
        if self.is_local:
            return f"{self.engine} {self.socket}" + (f" ({self.database})" if self.database else "")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.engine} {host}:{self.port}/{self.database}".rstrip("/")

    @property
    def socket(self) -> str:
        """Path of its unix socket; `host` is a folder for PostgreSQL, and a file for MySQL."""
        if self.engine == "postgresql":
            return f"{self.host.rstrip('/') or '/'}/.s.PGSQL.{self.port}"
        return self.host

    def masked(self, text: str) -> str:
        """What a server or a library said, in one line, without the password."""
        if self.password:
            text = text.replace(self.password, "***")
        return one_line(text)


class NotReachedError(Exception):
    """No connection came about, and another address may be better; its text is what was seen."""


class NotReadyError(ActionError):
    """The server answers, and admits nobody: it starts, recovers or stops."""


def without_driver(engine: Engine, why: ImportError) -> InstallationError:
    """The error for a driver that is not there."""
    package, extra = ("psycopg2", "sql") if engine == "postgresql" else ("PyMySQL", "mysql")
    return InstallationError(
        f"a query to {engine} needs the Python package {package}, which is not on this node: "
        f"Debian's python3-{package.lower()}, or ocfkit[{extra}] ({one_line(str(why))})"
    )


def addresses(host: str, question: Question, deadline: Deadline) -> list[str]:
    """Numeric addresses of a host as text; a unix socket is its own."""
    if host.startswith("/"):
        return [host]
    from ocfkit.monitors.names import NoAddressError, resolve

    try:
        found = resolve(host, 0, deadline)
    except NoAddressError as error:
        raise question.failed(str(error)) from None
    return [_text(place) for _, place in found]


def _text(place: Place) -> str:
    """An address as text; one that is valid on a link has the number of the link with it."""
    if len(place) == 4 and place[3]:
        return f"{place[0]}%{place[3]}"
    return place[0]


def arm(seconds: float) -> None:
    """Let the clock end this process, a child, whatever it is stuck in."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))


def did_its_work(pid: int, seconds: float) -> bool:
    """Whether a child ends well within so many seconds; afterwards there is none in any case."""
    watched = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(watched, select.POLLIN)
        ended = bool(poll.poll(seconds * 1000))
    finally:
        os.close(watched)
        status = end_child(pid)
    return ended and status == 0


def end_child(pid: int) -> int:
    """Kill a child of ours, if it has not ended, and return how it ended, as waitpid(2) says it."""
    try:
        os.kill(pid, signal.SIGKILL)
    finally:
        _, status = os.waitpid(pid, 0)
    return status


def overdue(*, cancelled: bool) -> str:
    """What is said of a query that did not end in time."""
    if cancelled:
        return "the query did not end in time, and the server was told to cancel it"
    return "the query did not end in time, and the server took no note that it is cancelled"


def _own_name() -> str:
    """The name that belongs to our effective user id, whatever the environment says."""
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
