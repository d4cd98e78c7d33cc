"""PostgreSQL's side of the sql monitor: libpq through psycopg2, never waiting in libpq."""

from __future__ import annotations

import errno
import os
import select
import sys

from ocfkit.errors import ConfigurationError, InstallationError
from ocfkit.monitors.database import (
    AUTHORITIES,
    NOWHERE,
    NotReachedError,
    NotReadyError,
    arm,
    did_its_work,
    overdue,
    without_driver,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctypes import CDLL
    from typing import Any, NoReturn

    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from ocfkit.deadline import Deadline
    from ocfkit.monitors.database import Database
    from ocfkit.monitors.question import Question

# libpq-fe.h
_CONNECTION_STARTED = 2
_CONNECTION_AUTH_OK = 5
_PQERRORS_VERBOSE = 2

_TOO_MANY_CONNECTIONS = "53300"
_CANNOT_CONNECT_NOW = "57P03"
_NOT_ADMITTED = ("28", "42501")
"""Classes of SQLSTATE; 42501 during a login is a missing privilege to connect."""

_VARIABLES = (
    "PGHOST PGHOSTADDR PGPORT PGDATABASE PGUSER PGPASSWORD PGPASSFILE PGSERVICE PGSERVICEFILE "
    "PGSYSCONFDIR PGOPTIONS PGAPPNAME PGSSLMODE PGREQUIRESSL PGSSLCOMPRESSION PGSSLCERT PGSSLKEY "
    "PGSSLCERTMODE PGSSLROOTCERT PGSSLCRL PGSSLCRLDIR PGSSLSNI PGSSLNEGOTIATION PGREQUIREPEER "
    "PGREQUIREAUTH PGSSLMINPROTOCOLVERSION PGSSLMAXPROTOCOLVERSION PGGSSENCMODE PGKRBSRVNAME "
    "PGGSSLIB PGGSSDELEGATION PGCONNECT_TIMEOUT PGCLIENTENCODING PGTARGETSESSIONATTRS "
    "PGLOADBALANCEHOSTS PGCHANNELBINDING PGREALM PGMINPROTOCOLVERSION PGMAXPROTOCOLVERSION "
    "PGSSLKEYLOGFILE PGTZ PGDATESTYLE PGGEQO PGLOCALEDIR"
).split()
"""What libpq reads of the environment; an empty PGSERVICE is as much a surprise as a wrong one."""

_UNREACHABLE = (
    errno.ECONNREFUSED,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EHOSTDOWN,
    errno.ENETDOWN,
    errno.ETIMEDOUT,
    errno.EADDRNOTAVAIL,
    errno.EACCES,
    errno.EPERM,
    errno.EAFNOSUPPORT,
)


def ask(
    query: str,
    at: Database,
    address: str,
    question: Question,
    deadlines: tuple[Deadline, Deadline, Deadline],
) -> tuple[bytes | None, int]:
    """The first value and the number of rows; raises NotReachedError for another address to try.

    The deadlines are those to be connected, to have the answer, and to have cancelled it.
    """
    to_connect, early, deadline = deadlines
    load()
    import psycopg2

    libpq = _libpq()
    for name in _VARIABLES:
        os.unsetenv(name)  # for libpq, which is C: os.environ is nobody's here
    connection = _connected(at, address, question, to_connect, early, libpq)
    try:
        cursor = connection.cursor()
        try:
            cursor.execute(query)
            done = _settled(connection, early)
        except psycopg2.Error as error:
            raise question.failed(_refused(at, error)) from None
        if not done:
            raise question.failed(overdue(cancelled=_cancel(connection, deadline)))
        return _first(cursor, libpq)
    finally:
        connection.close()


def _connected(  # noqa: PLR0917 - a step of `ask`
    at: Database,
    address: str,
    question: Question,
    to_connect: Deadline,
    early: Deadline,
    libpq: CDLL,
) -> Connection:
    """A connection that is ready for a query."""
    import psycopg2

    while True:
        connection: Connection | None = None
        try:
            settings: dict[str, Any] = _settings(at, address, early)
            connection = psycopg2.connect(**settings, async_=1)
            libpq.PQsetErrorVerbosity(connection.pgconn_ptr, _PQERRORS_VERBOSE)
            ready = _logged_in(connection, to_connect, early)
        except psycopg2.ProgrammingError as error:  # of libpq's keywords
            raise ConfigurationError(f"{at.name}: {at.masked(str(error))}") from None
        except psycopg2.Error as error:
            if connection is not None:
                connection.close()
            if not _queue_is_full(at, error):
                raise _not_admitted(at, question, error) from None
        else:
            if ready:
                return connection
            late = _late(connection, question)
            connection.close()
            raise late
        if to_connect.over():
            raise question.failed("its queue of connections is full: it takes none from it")
        to_connect.sleep(0.05)


def _settings(at: Database, address: str, early: Deadline) -> dict[str, str]:
    """What libpq is told; whatever it would look for elsewhere leads nowhere."""
    verifies = at.tls.startswith("verify")
    settings = {
        "host": at.host,
        "port": str(at.port),
        "user": at.user,
        "dbname": at.database,
        "passfile": NOWHERE,
        "application_name": "ocfkit",
        "client_encoding": "UTF8",
        "sslmode": at.tls,
        "sslcert": NOWHERE,
        "sslkey": NOWHERE,
        "sslcrl": NOWHERE,
        "sslrootcert": at.ca_file or (AUTHORITIES if verifies else NOWHERE),
        "gssencmode": "disable",  # a dead Kerberos server would be waited for
    }
    if not at.is_local:
        settings["hostaddr"] = address
    if at.password:
        settings["password"] = at.password
    # Later than we give up: should no request to cancel come through, it ends all the same.
    milliseconds = max(1, round(early.left() * 1000)) + 1000
    settings |= at.options
    own = at.options.get("options", "")
    settings["options"] = f"-c statement_timeout={milliseconds} {own}".rstrip()
    return settings


def _logged_in(connection: Connection, to_connect: Deadline, early: Deadline) -> bool:
    """Connect by the first deadline, and log in by the second."""
    if _settled(connection, to_connect):
        return True
    if connection.info.status == _CONNECTION_STARTED:
        return False
    return _settled(connection, early)


def _settled(connection: Connection, until: Deadline) -> bool:
    """Do what libpq can do without waiting, until it is done; False when time is over before."""
    while (state := connection.poll()) != 0:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN if state == 1 else select.POLLOUT)
        if until.over() or not poll.poll(until.left() * 1000):
            return False
    return True


def _late(connection: Connection, question: Question) -> Exception:
    status = connection.info.status
    if status == _CONNECTION_STARTED:
        return NotReachedError("no connection came about: nothing answers there")
    if status == _CONNECTION_AUTH_OK:
        return question.failed("it admitted us, and did not get ready for a query in time")
    return question.failed(
        "it took the connection, and did not answer in time: frozen, or too busy"
    )


def _not_admitted(at: Database, question: Question, error: Exception) -> Exception:
    """What a failed connection or login means."""
    text = str(error)
    sqlstate, message = _told(text)
    message = at.masked(message)
    if sqlstate == _TOO_MANY_CONNECTIONS:
        return question.degraded(
            f"no connection is free: {message} (SQLSTATE {sqlstate}): "
            "raise max_connections, or find out who holds them"
        )
    if sqlstate.startswith(_NOT_ADMITTED) or "no password supplied" in text:
        said = f" (SQLSTATE {sqlstate})" if sqlstate else ""
        return question.degraded(
            f"it answers, and does not admit user {at.user}: {message}{said}: "
            "repair the user, password or pg_hba.conf of the monitor"
        )
    if sqlstate:
        failed = question.failed(f"{message} (SQLSTATE {sqlstate})")
        return NotReadyError(str(failed)) if sqlstate == _CANNOT_CONNECT_NOW else failed
    if at.is_local and os.strerror(errno.ENOENT) in text:
        return question.failed(f"there is no socket {at.socket}")
    for number in _UNREACHABLE:
        if os.strerror(number) in text:
            return NotReachedError(os.strerror(number))
    return question.failed(message)


def _queue_is_full(at: Database, error: Exception) -> bool:
    """Whether connect(2) to a unix socket found no place.

    Before version 17 libpq takes that for "in progress", and is told later that nothing is.
    """
    said = str(error)
    numbers = (errno.EAGAIN, errno.ENOTCONN)
    return at.is_local and any(os.strerror(number) in said for number in numbers)


def _told(text: str) -> tuple[str, str]:
    """SQLSTATE and message of a failed connection, "" for what is not the server's.

    psycopg2 has the SQLSTATE of queries alone. So libpq was asked to be verbose, which no
    translation changes: "connection to server … failed: FATAL:  28P01: password …".
    """
    first = ""
    for line in text.splitlines():
        _, found, rest = line.partition(" failed: ")
        said = rest if found else line
        sqlstate, colon, message = said.partition(":  ")[2].partition(": ")
        if colon and len(sqlstate) == 5 and sqlstate.isalnum() and sqlstate.isupper():
            return sqlstate, message
        if colon and len(sqlstate) == 5 and sqlstate.isdecimal():
            return sqlstate, message
        first = first or said
    return "", first


def _refused(at: Database, error: Exception) -> str:
    """What a failed query says."""
    sqlstate: str | None = getattr(error, "pgcode", None)
    message: str | None = getattr(getattr(error, "diag", None), "message_primary", None)
    if sqlstate and message:
        return f"{at.masked(message)} (SQLSTATE {sqlstate})"
    sqlstate, message = _told(str(error))
    said = f"{at.masked(message)} (SQLSTATE {sqlstate})" if sqlstate else at.masked(message)
    return f"the connection broke while it was asked: {said or type(error).__name__}"


def _first(cursor: Cursor, libpq: CDLL) -> tuple[bytes | None, int]:
    """The first value as the server wrote it: psycopg2 would say "True", not "t"."""
    result = cursor.pgresult_ptr
    if result is None:
        return None, 0
    rows: int = libpq.PQntuples(result)
    if not rows or not libpq.PQnfields(result) or libpq.PQgetisnull(result, 0, 0):
        return None, rows
    value: bytes = libpq.PQgetvalue(result, 0, 0)
    return value, rows


def _cancel(connection: Connection, deadline: Deadline) -> bool:
    """Ask the server not to go on with the query, and tell whether it took note in time.

    By a child: libpq waits for the end of that connection, which a frozen postmaster never brings.
    """
    seconds = deadline.left() * 0.8
    try:
        pid = os.fork()
    except OSError:  # its statement_timeout has to do
        return False
    if pid == 0:
        _cancel_and_exit(connection, seconds)
    return did_its_work(pid, seconds)


def _cancel_and_exit(connection: Connection, seconds: float) -> NoReturn:
    code = 1
    try:
        arm(seconds + 0.5)
        connection.cancel()
        code = 0
    finally:
        os._exit(code)


def load() -> None:
    """Import psycopg2 and libpq's binding; raises InstallationError.

    Of what psycopg2 imports, ssl is spared, which it does not need: it lets Python's ssl set up
    OpenSSL's locks before libpq does it. OpenSSL has had its own since 1.1, and the module costs
    6 ms of CPU. Whoever has imported it before keeps it.
    """
    spared = "ssl" not in sys.modules
    if spared:
        sys.modules["ssl"] = None  # type: ignore[assignment]
    try:
        __import__("psycopg2")
        __import__("ctypes")
    except ImportError as error:
        raise without_driver("postgresql", error) from error
    finally:
        if spared:
            del sys.modules["ssl"]


def _libpq() -> CDLL:
    """The libpq that psycopg2 has loaded, whichever that is: its symbols are found through it."""
    import ctypes

    from psycopg2 import _psycopg

    pointer = ctypes.c_void_p
    library = ctypes.CDLL(_psycopg.__file__)
    try:
        library.PQsetErrorVerbosity.argtypes = (pointer, ctypes.c_int)
        library.PQntuples.argtypes = (pointer,)
        library.PQnfields.argtypes = (pointer,)
        library.PQgetisnull.argtypes = (pointer, ctypes.c_int, ctypes.c_int)
        library.PQgetvalue.argtypes = (pointer, ctypes.c_int, ctypes.c_int)
        library.PQgetvalue.restype = ctypes.c_char_p
    except AttributeError as error:
        raise InstallationError(f"the psycopg2 of this node hides its libpq: {error}") from error
    return library
