"""MariaDB's and MySQL's side of the sql monitor: PyMySQL on a socket of ours, under an alarm.

PyMySQL counts its timeouts for each read, so a server that drips outlives them. The alarm ends
whatever it waits for; elsewhere than in the main thread there are these timeouts alone.
"""

from __future__ import annotations

import errno
import os

from ocfkit.errors import ActionError, ConfigurationError, DeadlineError, InstallationError
from ocfkit.interrupt import interrupted_at
from ocfkit.monitors.database import NotReachedError, overdue, without_driver

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import ssl
    from typing import Any

    from ocfkit.deadline import Deadline
    from ocfkit.monitors.database import Database
    from ocfkit.monitors.question import Question

    Connection = Any
    """PyMySQL's, whose types are half unknown."""

# mysqld_error.h, of MariaDB or of MySQL
_TOO_MANY_CONNECTIONS = (
    1040,  # ER_CON_COUNT_ERROR
    1203,  # ER_TOO_MANY_USER_CONNECTIONS
    1226,  # ER_USER_LIMIT_REACHED
)
_NOT_ADMITTED = (
    1044,  # ER_DBACCESS_DENIED_ERROR
    1045,  # ER_ACCESS_DENIED_ERROR
    1129,  # ER_HOST_IS_BLOCKED
    1130,  # ER_HOST_NOT_PRIVILEGED
    1251,  # ER_NOT_SUPPORTED_AUTH_MODE
    1698,  # ER_ACCESS_DENIED_NO_PASSWORD_ERROR
    1820,  # ER_MUST_CHANGE_PASSWORD
    1862,  # ER_MUST_CHANGE_PASSWORD_LOGIN
    3118,  # ER_ACCOUNT_HAS_BEEN_LOCKED of MySQL
    4151,  # the same of MariaDB
)
_OF_THE_CLIENT = range(2000, 3000)
"""errmsg.h: what the library says, not the server."""


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
    import pymysql

    connection = _connection(at, early)
    logged_in = False
    try:
        reached = _socket_to(at, address, question, to_connect)
        try:
            with interrupted_at(early, "time is over"):
                connection.connect(reached)
                logged_in = True
                return _first(connection, query, early)
        finally:
            reached.close()
    except DeadlineError:
        raise _late(connection, at, address, question, deadline, logged_in=logged_in) from None
    except pymysql.MySQLError as error:
        if _was_late(error):
            raise _late(connection, at, address, question, deadline, logged_in=logged_in) from None
        raise _meaning(at, question, error, logged_in=logged_in) from None
    except (ActionError, NotReachedError):
        raise
    except RuntimeError as error:  # of PyMySQL, for a login that takes another package
        if "cryptography" not in str(error):
            raise question.failed(_no_protocol(at, error)) from None
        raise InstallationError(
            f"{at.name} wants a login that takes TLS, or the Python package cryptography, which is "
            "not on this node: Debian's python3-cryptography"
        ) from None
    except OSError as error:  # of TLS
        raise question.failed(f"TLS failed: {at.masked(str(error))}") from None
    except Exception as error:  # noqa: BLE001 - PyMySQL trusts a server to keep to the protocol
        raise question.failed(_no_protocol(at, error)) from None
    finally:
        _close(connection)


def load() -> None:
    """Import PyMySQL; raises InstallationError."""
    try:
        __import__("pymysql")
    except ImportError as error:
        raise without_driver("mysql", error) from error


def _connection(at: Database, early: Deadline) -> Connection:
    """A connection that is not made yet."""
    import pymysql
    from pymysql.constants import CLIENT

    class Careful(pymysql.connections.Connection):
        """It tells a server without TLS no password where there must be TLS, and is content else.

        Versions of PyMySQL differ here: 1.0 is always content, 1.2 never.
        """

        server_capabilities: int

        def _request_authentication(self) -> None:
            if not self.server_capabilities & CLIENT.SSL:
                if needs_tls:
                    raise pymysql.err.OperationalError(_NO_TLS, "it has no TLS, which is required")
                self.ssl = False
                self.client_flag &= ~CLIENT.SSL
            super()._request_authentication()  # type: ignore[misc]

    needs_tls = at.tls not in {"disable", "prefer"} and not at.is_local
    seconds = early.left() + 0.2
    settings: dict[str, Any] = {
        "host": at.host,
        "port": at.port,
        "user": at.user,
        "password": at.password,
        "database": at.database or None,
        "charset": "utf8mb4",
        "conv": {},  # values as the server writes them
        "autocommit": True,
        "read_timeout": seconds,
        "write_timeout": seconds,
        "program_name": "ocfkit",
        "ssl": _tls(at),
        **at.options,
        "defer_connect": True,
    }
    try:
        connection: Connection = Careful(**settings)
    except (TypeError, ValueError, pymysql.MySQLError) as error:
        raise ConfigurationError(f"{at.name}: {at.masked(str(error))}") from None
    if at.is_local:
        connection._secure = True  # noqa: SLF001 - as it does for its own
    return connection


_NO_TLS = 2026
"""CR_SSL_CONNECTION_ERROR of errmsg.h."""


def _tls(at: Database) -> ssl.SSLContext | None:
    if at.tls == "disable" or at.is_local:
        return None
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not at.tls.startswith("verify") and not at.ca_file:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    context.check_hostname = at.tls == "verify-full"
    try:
        context.load_verify_locations(at.ca_file) if at.ca_file else context.load_default_certs()
    except OSError as error:
        raise ConfigurationError(f"CA file {at.ca_file}: {error.strerror or error}") from None
    return context


def _socket_to(
    at: Database, address: str, question: Question, to_connect: Deadline
) -> socket.socket:
    """A socket that is connected, within its deadline."""
    import socket

    if at.is_local:
        family: int = socket.AF_UNIX
    else:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
    reached = socket.socket(family, socket.SOCK_STREAM)
    try:
        _connect(reached, at.host if at.is_local else (address, at.port), to_connect)
        if not at.is_local:
            reached.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException as error:
        reached.close()
        if not isinstance(error, OSError):
            raise
        if at.is_local and error.errno == errno.ENOENT:
            raise question.failed(f"there is no socket {at.socket}") from None
        if isinstance(error, BlockingIOError):
            raise question.failed(
                "its queue of connections is full: it takes none from it"
            ) from None
        if error.errno is None:  # a timeout of Python's
            raise NotReachedError("no connection came about: nothing answers there") from None
        raise NotReachedError(os.strerror(error.errno)) from None
    return reached


def _connect(reached: socket.socket, place: str | tuple[str, int], until: Deadline) -> None:
    while True:
        reached.settimeout(max(until.left(), 0.001))
        try:
            reached.connect(place)
        except BlockingIOError:  # connect(2) to a unix socket does not wait for a place
            if until.over():
                raise
            until.sleep(0.05)
        else:
            reached.settimeout(None)
            return


def _first(connection: Connection, query: str, early: Deadline) -> tuple[bytes | None, int]:
    with connection.cursor() as cursor:
        cursor.execute(_limit(connection.get_server_info(), early.left() + 1))
        cursor.execute(query)
        row = cursor.fetchone()
        rows = max(0, cursor.rowcount) if cursor.description else 0
    if not row or row[0] is None:
        return None, rows
    return row[0] if isinstance(row[0], bytes) else str(row[0]).encode(), rows


def _limit(version: str, seconds: float) -> str:
    """Let the server end the query a little later than we give up, should we be gone."""
    if "MariaDB" in version:
        return f"SET SESSION max_statement_time = {seconds:.3f}"
    return f"SET SESSION max_execution_time = {round(seconds * 1000)}"


def _was_late(error: Exception) -> bool:
    """Whether a read timed out: PyMySQL keeps the reason in its text, or in its context."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, TimeoutError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _late(
    connection: Connection,
    at: Database,
    address: str,
    question: Question,
    deadline: Deadline,
    *,
    logged_in: bool,
) -> ActionError:
    if not logged_in:
        return question.failed(
            "it took the connection, and did not answer in time: frozen, or too busy"
        )
    cancelled = _cancel(connection.thread_id(), at, address, question, deadline)
    return question.failed(overdue(cancelled=cancelled))


def _cancel(
    thread: int, at: Database, address: str, question: Question, deadline: Deadline
) -> bool:
    """Let the server end the query, through another connection; tell whether it did so in time.

    It would go on with it: it does not look whether anybody waits.
    """
    import pymysql

    until = deadline.part(0.8)
    again = _connection(at, until)
    try:
        reached = _socket_to(at, address, question, until)
        try:
            with interrupted_at(until, "time is over"):
                again.connect(reached)
                again.query(f"KILL QUERY {thread}")
                return True
        finally:
            reached.close()
    except (ActionError, NotReachedError, OSError, pymysql.MySQLError):
        return False  # its own limit has to do
    finally:
        _close(again)


def _meaning(at: Database, question: Question, error: Exception, *, logged_in: bool) -> ActionError:
    """What an error of PyMySQL means."""
    number, text = _told(at, error)
    if number in _TOO_MANY_CONNECTIONS:
        if number == 1040:  # it has no SQLSTATE yet, and PyMySQL takes six letters for one
            text = "too many connections"
        return question.degraded(
            f"no connection is free: {text} (error {number}): "
            "raise max_connections, or find out who holds them"
        )
    if number in _NOT_ADMITTED and not logged_in:
        return question.degraded(
            f"it answers, and does not admit user {at.user}: {text} (error {number}): "
            "repair the user or password of the monitor"
        )
    if not number:
        return question.failed(_no_protocol(at, error))
    if number in _OF_THE_CLIENT and number != _NO_TLS:
        return question.failed(_broken(at, error, text, logged_in=logged_in))
    return question.failed(f"{text} (error {number})")


def _broken(at: Database, error: Exception, text: str, *, logged_in: bool) -> str:
    """What is said of a connection that did not hold, or came to nothing after all."""
    import ssl  # PyMySQL has loaded it

    cause: object = getattr(error, "original_exception", None)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {at.masked(cause.verify_message.rstrip('.'))}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS failed: {at.masked(cause.reason or str(cause))}"
    if isinstance(cause, OSError) and cause.strerror:
        text = cause.strerror
    return (
        f"the connection broke {'while it was asked' if logged_in else 'during the login'}: {text}"
    )


def _told(at: Database, error: Exception) -> tuple[int, str]:
    match error.args:
        case (int(number), str(text), *_):
            return number, at.masked(text.partition("\n")[0])
        case _:
            return 0, at.masked(str(error))


def _no_protocol(at: Database, error: Exception) -> str:
    said = at.masked(str(error)) or "nothing more is known"
    return f"what answers does not speak MySQL's protocol: {type(error).__name__}: {said}"


def _close(connection: Connection) -> None:
    """Close without a word to the server, which may not listen any more."""
    connection._force_close()  # noqa: SLF001 - close() says good-bye, and may wait for it
