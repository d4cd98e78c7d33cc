"""Ask a database a query: PostgreSQL through psycopg2, MariaDB and MySQL through PyMySQL.

One deadline bounds all of it: the name, the connection, TLS, the login, the query and every byte of
its answer. What is asked before it is over gets cancelled in the time that is kept for that.

A server that answers is not made better by a restart. So a server that admits nobody else for now
(every connection is in use), and one that does not admit the monitor (its password was changed, its
user is gone, pg_hba.conf says no) are degraded, exit code 190: the cluster shows it, with what has
to be repaired, and leaves the service alone. If it counted as failed, or as wrongly configured,
whoever changes the password of the monitor would take the database down, on all nodes one after
the other. docs/explanation/what-a-monitor-says.md has the whole table.
"""

from __future__ import annotations

from ocfkit.errors import ConfigurationError
from ocfkit.log import one_line
from ocfkit.monitors import patterns
from ocfkit.monitors.database import Database, NotReachedError, NotReadyError, addresses
from ocfkit.monitors.question import Question, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ocfkit.deadline import Deadline
    from ocfkit.monitors.database import Engine, Tls

__all__ = ["Answer", "NotReadyError", "check", "load"]

_LONGEST_QUERY = 60

_TO_CANCEL = 0.3
"""Seconds before the deadline in which a query that still runs is cancelled; less where these are
more than a fifth of what is left.
"""


class Answer:
    """What a database answered."""

    __slots__ = ("rows", "seconds", "value")

    def __init__(self, value: str | None, rows: int, seconds: float) -> None:
        self.value = value
        """The first column of the first row as the server writes it ("t", "42"); None for NULL, and
        where there is no row.
        """
        self.rows = rows
        """How many rows there are; 0 for a statement that gives none."""
        self.seconds = seconds
        """How long it took."""


def check(
    query: str,
    *,
    deadline: Deadline,
    engine: Engine = "postgresql",
    host: str = "",
    port: int = 0,
    user: str = "",
    password: str = "",
    database: str = "",
    expect: str | None = None,
    match: str | None = None,
    tls: Tls = "prefer",
    ca_file: str = "",
    options: Mapping[str, str] | None = None,
) -> Answer:
    """Ask a query; where there is `expect` or `match`, its first value has to be so.

    A `host` that begins with "/" is the folder of PostgreSQL's unix socket, or the file of MySQL's;
    without one it is Debian's. Without a user it is the name that we run as, without a database
    "postgres", or none in MySQL. `tls` is libpq's sslmode; `ca_file` signs the server's certificate
    instead of what the machine trusts. `options` are more of libpq's keywords, or of PyMySQL's
    arguments. `expect` is the whole text of the value, as `psql -At` prints it; `match` a pattern.

    Neither files of a user nor variables of the environment count (PGHOST, .pgpass, my.cnf). Raises
    ActionError when the answer is not right or none comes (NotReadyError of PostgreSQL while it
    starts, recovers or stops), DegradedError when no connection is free or the user is not
    admitted, InstallationError where the driver is missing, ConfigurationError for what can be
    right nowhere.
    """
    if not query.strip():
        raise ConfigurationError("there is no query to ask")
    _require_text({"query": query, "host": host, "user": user, "password": password})
    _require_text({"database": database, "ca_file": ca_file, **(options or {})})
    if match is not None:
        patterns.require(match)
    at = Database(
        engine,
        host=host,
        port=port,
        user=user,
        password=password,
        database=database,
        tls=tls,
        ca_file=ca_file,
        options=options or {},
    )
    question = Question(f"{_shortened(query)} on {at.name}")
    value, rows = _asked(query, at, question, deadline)
    text = None if value is None else value.decode("utf-8", "replace")
    if expect is not None and text != expect:
        raise question.failed(f"{_seen(at, text, rows)}, not {expect!r}")
    if match is not None and (value is None or not patterns.find(match, value)):
        raise question.failed(f"{_seen(at, text, rows)}, without {match!r}")
    return Answer(text, rows, question.seconds)


def load(engine: Engine = "postgresql") -> None:
    """Import all that `check` needs; raises InstallationError.

    For an agent's `validate_host`, and for one that asks as somebody else, who may not read it.
    """
    if engine == "postgresql":
        from ocfkit.monitors.postgresql import load as load_driver
    else:
        from ocfkit.monitors.mysql import load as load_driver
    load_driver()


def _require_text(texts: Mapping[str, str]) -> None:
    """Raise ConfigurationError for what no driver can send."""
    for name, text in texts.items():
        if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise ConfigurationError(f"{name}: it is not in UTF-8")


def _asked(
    query: str, at: Database, question: Question, deadline: Deadline
) -> tuple[bytes | None, int]:
    """The first value and the number of rows, from the first address that can be reached."""
    if at.engine == "postgresql":
        from ocfkit.monitors.postgresql import ask
    else:
        from ocfkit.monitors.mysql import ask

    early = deadline.within(deadline.left() - min(_TO_CANCEL, deadline.left() / 5))
    found = addresses(at.host, question, early)
    seen: list[str] = []
    for number, address in enumerate(found):
        to_connect = early.part(1 / (len(found) - number))
        try:
            return ask(query, at, address, question, (to_connect, early, deadline))
        except NotReachedError as error:
            named = f"{address}: {error}" if len(found) > 1 else str(error)
            seen.append(named)
    raise question.failed("; ".join(seen))


def _seen(at: Database, text: str | None, rows: int) -> str:
    if text is not None:
        return f"the first value is {quoted(at.masked(text))}"
    return "the first value is NULL" if rows else "there is no row"


def _shortened(query: str) -> str:
    line = one_line(query)
    return line if len(line) <= _LONGEST_QUERY else f"{line[:_LONGEST_QUERY]}…"
