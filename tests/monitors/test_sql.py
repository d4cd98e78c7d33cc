from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocfkit.deadline import Deadline
from ocfkit.errors import ActionError, ConfigurationError, DegradedError
from ocfkit.monitors import sql
from ocfkit.monitors.sql import Answer, NotReadyError
from tests.monitors.sql_servers import (
    PASSWORD,
    Mysql,
    Postgres,
    Server,
    Talk,
    closing,
    message,
    my_error,
    my_rows,
    packet,
    pg_error,
    pg_rows,
    shut,
    silent,
)

if TYPE_CHECKING:
    from ocfkit.monitors.database import Engine

ENGINES: list[Engine] = ["postgresql", "mysql"]
Fake = Callable[[dict[str, list[bytes | None]]], Talk]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    chosen: Engine = request.param
    return chosen


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No file stays open, and no child stays, whatever a check ends with."""
    before = _sockets_and_pipes()
    yield
    assert _sockets_and_pipes() <= before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def _sockets_and_pipes() -> set[str]:
    found: set[str] = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:  # the listing's own
            continue
        if target.startswith(("socket:", "pipe:", "anon_inode:[pidfd]")):
            found.add(target)
    return found


def server_of(engine: Engine, answers: dict[str, list[bytes | None]]) -> Talk:
    """A healthy server of the engine, that has these values to queries."""
    if engine == "postgresql":
        return Postgres({query: pg_rows(*values) for query, values in answers.items()})
    return Mysql({query: my_rows(*values) for query, values in answers.items()})


def ask(
    engine: Engine,
    server: Server,
    query: str = "q",
    *,
    seconds: float = 10.0,
    host: str = "127.0.0.1",
    expect: str | None = None,
    match: str | None = None,
) -> Answer:
    deadline = Deadline.after(seconds)
    try:
        return sql.check(
            query,
            deadline=deadline,
            engine=engine,
            host=host,
            port=server.port,
            user="watch",
            password=PASSWORD,
            database="shop",
            expect=expect,
            match=match,
        )
    except ActionError as error:
        if PASSWORD in str(error) or deadline.over():
            pytest.fail(f"too late, or it shows the password: {error}")
        raise


class TestAnAnswer:
    def test_is_the_text_that_the_server_wrote(self, engine: Engine) -> None:
        with Server(server_of(engine, {"q": [b"t", b"f"]})) as server:
            answer = ask(engine, server, expect="t", match="^t$")
        assert (answer.value, answer.rows) == ("t", 2)
        assert 0 < answer.seconds < 10

    def test_may_be_null(self, engine: Engine) -> None:
        with Server(server_of(engine, {"q": [None]})) as server:
            answer = ask(engine, server)
            assert (answer.value, answer.rows) == (None, 1)
            with pytest.raises(ActionError, match="the first value is NULL, not '1' "):
                ask(engine, server, expect="1")

    def test_may_have_no_row(self, engine: Engine) -> None:
        with Server(server_of(engine, {"q": []})) as server:
            assert ask(engine, server).value is None
            with pytest.raises(ActionError, match="there is no row, without '1' "):
                ask(engine, server, match="1")

    def test_may_be_no_utf_8(self, engine: Engine) -> None:
        value = (
            b"\xff\xfe" if engine == "postgresql" else "ÿ".encode()
        )  # PyMySQL decodes for itself
        with Server(server_of(engine, {"q": [value]})) as server:
            assert ask(engine, server).rows == 1

    def test_is_another_one(self, engine: Engine) -> None:
        name = f"{engine} 127.0.0.1:[0-9]+/shop"
        with Server(server_of(engine, {"q": [b"41"]})) as server:
            wrong = rf"^q on {name}: the first value is '41', not '42' \(after 0\.\d\d s\)$"
            with pytest.raises(ActionError, match=wrong):
                ask(engine, server, expect="42")
            with pytest.raises(ActionError, match="the first value is '41', without '2' "):
                ask(engine, server, match="2")

    def test_that_shows_the_password_is_masked(self, engine: Engine) -> None:
        with (
            Server(server_of(engine, {"q": [PASSWORD.encode()]})) as server,
            pytest.raises(ActionError, match=re.escape("the first value is '***'")),
        ):
            ask(engine, server, expect="42")

    def test_takes_a_query_with_a_percent_sign_as_it_is(self, engine: Engine) -> None:
        query = "select 'a%sb%%'"
        with Server(server_of(engine, {query: [b"x"]})) as server:
            assert ask(engine, server, query).value == "x"

    def test_comes_from_the_address_that_can_be_reached(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        look_up(monkeypatch, lambda: ["127.0.0.2", "127.0.0.1"])
        with Server(server_of(engine, {"q": [b"1"]})) as server:
            assert ask(engine, server, host="db.example").value == "1"


def look_up(monkeypatch: pytest.MonkeyPatch, look: Callable[[], list[str]]) -> None:
    """Let the name service do this for what is no number."""

    def found(*asked: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        if asked[-1] == socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, 1, 6, "", (address, 0)) for address in look()]

    monkeypatch.setattr("_socket.getaddrinfo", found)


class TestAServerThatIsNotThere:
    def test_refuses(self, engine: Engine) -> None:
        with Server(silent) as server:
            pass
        with pytest.raises(ActionError, match="/shop: Connection refused "):
            ask(engine, server)

    def test_refuses_at_each_of_its_addresses(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        look_up(monkeypatch, lambda: ["127.0.0.2", "127.0.0.1"])
        with Server(silent) as server:
            pass
        refused = "127.0.0.2: Connection refused; 127.0.0.1: Connection refused "
        with pytest.raises(ActionError, match=refused):
            ask(engine, server, host="db.example")

    def test_has_no_socket(self, engine: Engine, tmp_path: Path) -> None:
        with Server(silent) as server:
            path = f"{tmp_path}/.s.PGSQL.{server.port}"
            host = str(tmp_path) if engine == "postgresql" else path
            with pytest.raises(ActionError, match=f"there is no socket {path} "):
                ask(engine, server, host=host)

    def test_has_left_its_socket_behind(self, engine: Engine, tmp_path: Path) -> None:
        path = f"{tmp_path}/.s.PGSQL.5432"
        with Server(silent, unix=path):
            pass
        host = str(tmp_path) if engine == "postgresql" else path
        with pytest.raises(ActionError, match="Connection refused "):
            sql.check("q", deadline=Deadline.after(9), engine=engine, host=host)

    def test_has_a_name_that_nobody_knows(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unknown() -> list[str]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        look_up(monkeypatch, unknown)
        said = "the name service knows no address of db.example: Name or service not known "
        with Server(silent) as server, pytest.raises(ActionError, match=said):
            ask(engine, server, host="db.example")

    def test_has_a_name_that_a_dead_name_server_would_know(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def waits() -> list[str]:
            time.sleep(60)
            return []

        look_up(monkeypatch, waits)
        said = "the name service did not say in time which address db.example has "
        with Server(silent) as server, pytest.raises(ActionError, match=said):
            ask(engine, server, host="db.example", seconds=0.5)


class TestAServerThatIsFrozen:
    def test_is_told_in_time(self, engine: Engine) -> None:
        said = "it took the connection, and did not answer in time: frozen, or too busy "
        with Server(silent) as server, pytest.raises(ActionError, match=said):
            ask(engine, server, seconds=0.6)

    def test_is_told_in_time_when_it_drips(self, engine: Engine) -> None:
        long = message(b"R", bytes(1000)) if engine == "postgresql" else packet(0, bytes(1000))
        over = threading.Event()

        def drip(connection: socket.socket) -> None:
            if engine == "postgresql":
                connection.recv(8)  # SSLRequest
                connection.sendall(b"N")
            for byte in long:
                connection.sendall(bytes([byte]))
                over.wait(0.02)

        with Server(drip) as server:
            with pytest.raises(ActionError, match="did not answer in time: frozen, or too busy "):
                ask(engine, server, seconds=0.6)
            over.set()

    def test_is_told_in_time_when_its_queue_is_full(self, engine: Engine, tmp_path: Path) -> None:
        path = f"{tmp_path}/.s.PGSQL.5432"
        host = str(tmp_path) if engine == "postgresql" else path
        with ExitStack() as stack, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(0)
            fill_queue(path, stack)
            deadline = Deadline.after(0.6)
            with pytest.raises(ActionError, match="its queue of connections is full"):
                sql.check("q", deadline=deadline, engine=engine, host=host)
            assert not deadline.over()

    def test_is_waited_for_when_its_queue_gets_free(self, engine: Engine, tmp_path: Path) -> None:
        path = f"{tmp_path}/.s.PGSQL.5432"
        host = str(tmp_path) if engine == "postgresql" else path
        server = Server(server_of(engine, {"q": [b"1"]}), unix=path, queue=0)
        with ExitStack() as stack:
            fill_queue(path, stack)
            accepts = threading.Timer(0.3, server.__enter__)
            accepts.start()
            try:
                answer = sql.check("q", deadline=Deadline.after(9), engine=engine, host=host)
            finally:
                accepts.join()
                stack.push(server)
        assert answer.value == "1"
        assert answer.seconds > 0.2


def fill_queue(path: str, stack: ExitStack) -> None:
    """Connect to a server that accepts nobody until there is no place left."""
    try:
        for _ in range(9):
            waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
            waiting.setblocking(False)  # noqa: FBT003 - its only parameter
            waiting.connect(path)
    except BlockingIOError:
        return
    pytest.fail("the queue takes everybody")


class TestAQueryThatDoesNotEnd:
    def test_is_cancelled_in_postgresql(self) -> None:
        fake = Postgres()
        said = "q on .*: the query did not end in time, and the server was told to cancel it "
        with Server(fake) as server, pytest.raises(ActionError, match=said):
            ask("postgresql", server, seconds=1)
        assert fake.cancelled.is_set()

    def test_is_cancelled_in_mysql(self) -> None:
        fake = Mysql()
        said = "q on .*: the query did not end in time, and the server was told to cancel it "
        with Server(fake) as server, pytest.raises(ActionError, match=said):
            ask("mysql", server, seconds=1)
        assert fake.asked[-1] == "KILL QUERY 7"

    def test_is_limited_by_postgresql_too(self) -> None:
        fake = Postgres({"q": pg_rows(b"1")})
        with Server(fake) as server:
            ask("postgresql", server, seconds=5)
        found = re.fullmatch(r"-c statement_timeout=(\d+)", fake.startup["options"])
        assert found is not None
        assert 5000 < int(found[1]) <= 6000

    def test_is_limited_by_mariadb_too(self) -> None:
        fake = Mysql({"q": my_rows(b"1")})
        with Server(fake) as server:
            ask("mysql", server, seconds=5)
        found = re.search(r"SET SESSION max_statement_time = (\S+)", " ".join(fake.asked))
        assert found is not None
        assert 5 < float(found[1]) <= 6

    def test_of_a_server_that_freezes_is_told_in_time(self) -> None:
        connections: list[socket.socket] = []

        def freezes(connection: socket.socket) -> None:
            connections.append(connection)
            if len(connections) == 1:
                Postgres()(connection)
            else:
                silent(connection)

        said = "in time, and the server took no note that it is cancelled "
        with Server(freezes) as server, pytest.raises(ActionError, match=said):
            ask("postgresql", server, seconds=3)
        assert len(connections) == 2


class TestAServerThatBreaksOff:
    def test_during_the_login(self, engine: Engine) -> None:
        with Server(closing) as server, pytest.raises(ActionError) as caught:
            ask(engine, server)
        assert type(caught.value) is ActionError
        assert caught.value.exit_code == 1

    def test_while_it_is_asked(self, engine: Engine) -> None:
        torn = pg_rows(b"1")[:20] if engine == "postgresql" else my_rows(b"1")[:20]

        def dies(connection: socket.socket) -> None:
            fake = Postgres if engine == "postgresql" else Mysql
            served = fake({"q": torn})
            threading.Timer(0.3, shut, (connection,)).start()
            served(connection)

        with (
            Server(dies) as server,
            pytest.raises(ActionError, match="the connection broke while it was asked: "),
        ):
            ask(engine, server)

    def test_and_is_no_database(self, engine: Engine) -> None:
        def web(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\nnothing for you")
            closing(connection)

        with Server(web) as server, pytest.raises(ActionError) as caught:
            ask(engine, server)
        assert type(caught.value) is ActionError

    @given(said=st.binary(max_size=200), framed=st.booleans(), engine=st.sampled_from(ENGINES))
    @settings(max_examples=100, deadline=None)
    def test_with_garbage_is_a_failure_and_nothing_else(
        self, said: bytes, *, framed: bool, engine: Engine
    ) -> None:
        if engine == "postgresql":
            said = b"N" + (message(b"R", said) if framed else said)
        elif framed:
            said = packet(0, said)

        def garbage(connection: socket.socket) -> None:
            connection.sendall(said)
            closing(connection)

        with Server(garbage) as server, pytest.raises(ActionError):
            ask(engine, server, seconds=2)

    def test_with_a_greeting_that_ends_early_is_not_understood(self) -> None:
        def early(connection: socket.socket) -> None:
            connection.sendall(packet(0, b"\x0a10.11.0-MariaDB\0\7"))
            closing(connection)

        said = "what answers does not speak MySQL's protocol: error: unpack requires a buffer"
        with Server(early) as server, pytest.raises(ActionError, match=said):
            ask("mysql", server)

    @given(said=st.binary(max_size=200), cut=st.integers(0, 120), engine=st.sampled_from(ENGINES))
    @settings(max_examples=100, deadline=None)
    def test_with_garbage_for_an_answer_is_a_failure_or_an_answer(
        self, said: bytes, cut: int, engine: Engine
    ) -> None:
        if engine == "postgresql":
            fake: Talk = Postgres({"q": pg_rows(b"1")[:cut] + said})
        else:
            fake = Mysql({"q": my_rows(b"1")[:cut] + packet(4, said)})

        def garbage(connection: socket.socket) -> None:
            closes = threading.Timer(0.1, shut, (connection,))
            closes.start()
            fake(connection)
            closes.join()

        with Server(garbage) as server:
            try:
                ask(engine, server, seconds=2)
            except ActionError:
                return


POSTGRESQL_SAYS = {
    "57P03": (NotReadyError, "das Datenbanksystem startet (SQLSTATE 57P03) "),
    "57P01": (ActionError, "das Datenbanksystem startet (SQLSTATE 57P01) "),
    "3D000": (ActionError, "das Datenbanksystem startet (SQLSTATE 3D000) "),
    "53300": (DegradedError, "no connection is free: das Datenbanksystem startet (SQLSTATE 53300)"),
    "28P01": (DegradedError, "it answers, and does not admit user watch: das"),
    "28000": (DegradedError, "it answers, and does not admit user watch: das"),
    "42501": (DegradedError, "it answers, and does not admit user watch: das"),
}

MYSQL_SAYS = {
    1053: (ActionError, "Eimer (error 1053) "),
    1049: (ActionError, "Eimer (error 1049) "),
    1040: (DegradedError, "no connection is free: too many connections (error 1040): raise"),
    1203: (DegradedError, "no connection is free: Eimer (error 1203): raise"),
    1045: (DegradedError, "it answers, and does not admit user watch: Eimer (error 1045): rep"),
    1698: (DegradedError, "it answers, and does not admit user watch: Eimer (error 1698): rep"),
    4151: (DegradedError, "it answers, and does not admit user watch: Eimer (error 4151): rep"),
}


class TestALoginThatIsRefused:
    """Whatever language the server speaks."""

    @pytest.mark.parametrize("sqlstate", POSTGRESQL_SAYS)
    def test_by_postgresql(self, sqlstate: str) -> None:
        refusal = pg_error(sqlstate, "das Datenbanksystem startet", "VERHÄNGNISVOLL")
        kind, said = POSTGRESQL_SAYS[sqlstate]
        with (
            Server(Postgres(at_login=refusal)) as server,
            pytest.raises(ActionError, match=re.escape(said)) as caught,
        ):
            ask("postgresql", server)
        assert type(caught.value) is kind

    @pytest.mark.parametrize("number", MYSQL_SAYS)
    def test_by_mysql(self, number: int) -> None:
        kind, said = MYSQL_SAYS[number]
        with (
            Server(Mysql(at_login=my_error(number, "Eimer"))) as server,
            pytest.raises(ActionError, match=re.escape(said)) as caught,
        ):
            ask("mysql", server)
        assert type(caught.value) is kind

    def test_because_a_password_is_missing(self) -> None:
        wants_one = message(b"R", b"\0\0\0\3")
        with (
            Server(Postgres(at_login=wants_one)) as server,
            pytest.raises(DegradedError, match="user watch: fe_sendauth: no password"),
        ):
            sql.check(
                "q",
                deadline=Deadline.after(9),
                host="127.0.0.1",
                port=server.port,
                user="watch",
            )

    def test_by_us_when_there_has_to_be_tls(self, engine: Engine) -> None:
        mysql = Mysql()
        with (
            Server(Postgres() if engine == "postgresql" else mysql) as server,
            pytest.raises(ActionError, match=r"SSL|has no TLS, which is required"),
        ):
            sql.check(
                "q",
                deadline=Deadline.after(9),
                engine=engine,
                host="127.0.0.1",
                port=server.port,
                password=PASSWORD,
                tls="require",
            )
        assert mysql.logins in ([], [b""])


class TestAQueryThatFails:
    def test_in_postgresql(self) -> None:
        wrong = pg_error("42P01", "relation does not exist", "ERROR") + message(b"Z", b"I")
        with (
            Server(Postgres({"q": wrong})) as server,
            pytest.raises(ActionError, match=r"relation does not exist \(SQLSTATE 42P01\)"),
        ):
            ask("postgresql", server)

    def test_in_mysql(self) -> None:
        with (
            Server(Mysql({"q": packet(1, my_error(1146, "no table"))})) as server,
            pytest.raises(ActionError, match=r"no table \(error 1146\)"),
        ):
            ask("mysql", server)

    def test_for_want_of_a_privilege_is_no_login_that_is_refused(self) -> None:
        with (
            Server(Mysql({"q": packet(1, my_error(1045, "no"))})) as server,
            pytest.raises(ActionError) as caught,
        ):
            ask("mysql", server)
        assert type(caught.value) is ActionError


class TestPostgresqlKnows:
    def test_nothing_of_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {
            "PGHOST": "/nowhere",
            "PGSERVICE": "nothing",
            "PGSSLMODE": "verify-full",
            "PGOPTIONS": "-c search_path=surprise",
            "PGTZ": "Asia/Tokyo",
            "PGDATESTYLE": "German",
            "PGUSER": "somebody",
            "PGAPPNAME": "psql",
            "PGCLIENTENCODING": "LATIN1",
            "PGTARGETSESSIONATTRS": "primary",
            "PGCHANNELBINDING": "require",
            "PGREQUIREPEER": "root",
        }.items():
            monkeypatch.setenv(name, value)
        fake = Postgres({"q": pg_rows(b"1")})
        with Server(fake) as server:
            ask("postgresql", server)
        told = dict(fake.startup)
        assert told.pop("options").startswith("-c statement_timeout=")
        assert told.pop("") == ""
        assert told == {
            "application_name": "ocfkit",
            "client_encoding": "UTF8",
            "database": "shop",
            "user": "watch",
        }

    def test_more_keywords_of_libpq(self) -> None:
        fake = Postgres({"q": pg_rows(b"1")})
        with Server(fake) as server:
            sql.check(
                "q",
                deadline=Deadline.after(9),
                host="127.0.0.1",
                port=server.port,
                options={"application_name": "mine", "options": "-c work_mem=1MB"},
            )
        assert fake.startup["application_name"] == "mine"
        assert fake.startup["options"].endswith(" -c work_mem=1MB")
        assert fake.startup["database"] == "postgres"


class TestWhatCanBeRightNowhere:
    @pytest.mark.parametrize("query", ["", " \n"])
    def test_is_no_query(self, query: str) -> None:
        with pytest.raises(ConfigurationError, match="there is no query to ask"):
            sql.check(query, deadline=Deadline.after(9))

    @pytest.mark.parametrize("text", ["a\0b", "a\udcffb"])
    def test_is_no_text(self, text: str, engine: Engine) -> None:
        with pytest.raises(ConfigurationError, match=r"^query: it is not in UTF-8"):
            sql.check(text, deadline=Deadline.after(9), engine=engine)
        with pytest.raises(ConfigurationError, match=r"^password: it is not in UTF-8"):
            sql.check("q", deadline=Deadline.after(9), engine=engine, password=text)

    def test_is_an_unknown_engine(self) -> None:
        with pytest.raises(ConfigurationError, match="'oracle' is no engine; it is postgresql or"):
            sql.check("q", deadline=Deadline.after(9), engine="oracle")  # type: ignore[arg-type]

    def test_is_an_unknown_word_for_tls(self) -> None:
        with pytest.raises(ConfigurationError, match="'maybe' says nothing of TLS"):
            sql.check("q", deadline=Deadline.after(9), tls="maybe")  # type: ignore[arg-type]

    def test_is_a_pattern_that_is_none(self) -> None:
        with pytest.raises(ConfigurationError, match="no regular expression"):
            sql.check("q", deadline=Deadline.after(9), match="(")

    def test_is_an_option_that_the_driver_does_not_know(self, engine: Engine) -> None:
        with pytest.raises(ConfigurationError, match="surprise"):
            sql.check(
                "q",
                deadline=Deadline.after(9),
                engine=engine,
                host="127.0.0.1",
                password=PASSWORD,
                options={"surprise": "1"},
            )

    def test_is_a_ca_file_that_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=f"CA file {tmp_path}/none: No such file"):
            sql.check(
                "q",
                deadline=Deadline.after(9),
                engine="mysql",
                host="127.0.0.1",
                tls="verify-full",
                ca_file=f"{tmp_path}/none",
            )


DRIVERS = {
    "postgresql": "python3-psycopg2, or ocfkit[sql]",
    "mysql": "python3-pymysql, or ocfkit[mysql]",
}

TOP = Path(__file__).parents[2]


def test_a_missing_driver_is_named_as_debian_and_pip_call_it(
    engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "ocfkit").symlink_to(TOP / "ocfkit")
    said = run(
        f"{ASK}sql.check('q', deadline=later, engine='{engine}', host='127.0.0.1')", tmp_path
    )
    assert "ocfkit.errors.InstallationError: " in said.stderr
    assert DRIVERS[engine] in said.stderr


def test_ssl_is_spared_and_can_be_imported_afterwards() -> None:
    code = """
try:
    sql.check("q", deadline=later, host="/no")
except ActionError as error:
    print(error)
print("psycopg2" in sys.modules, "_ssl" in sys.modules)
import ssl
"""
    said = run(ASK + code, *sys.path)
    assert (said.returncode, said.stderr) == (0, "")
    assert "there is no socket /no/.s.PGSQL.5432" in said.stdout
    assert said.stdout.endswith("True False\n")


ASK = """
import sys
sys.path += sys.argv[1:]
from ocfkit.deadline import Deadline
from ocfkit.errors import ActionError
from ocfkit.monitors import sql
later = Deadline.after(9)
"""


def run(code: str, *folders: Path | str) -> subprocess.CompletedProcess[str]:
    """What an agent's interpreter does with it, that knows nothing but these folders."""
    argv = [sys.executable, "-IS", "-c", code, *map(str, folders)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)


def test_a_password_for_postgresql_may_be_anything() -> None:
    fake = Postgres(at_login=message(b"R", b"\0\0\0\3"))  # wants it in clear text
    password = "it's \\ \" ü"  # noqa: S105
    with Server(fake) as server, pytest.raises(ActionError):
        sql.check(
            "q",
            deadline=Deadline.after(9),
            host="127.0.0.1",
            port=server.port,
            password=password,
        )
    assert fake.password == password


def test_sockets_are_told_by_their_paths() -> None:
    deadline = Deadline.after(9)
    with pytest.raises(ActionError, match=r"^q on postgresql /nowhere/.s.PGSQL.5433 \(shop\): "):
        sql.check("q", deadline=deadline, host="/nowhere/", port=5433, database="shop")
    with pytest.raises(ActionError, match=r"^q on mysql /nowhere/my\.sock: there is no socket "):
        sql.check("q", deadline=deadline, engine="mysql", host="/nowhere/my.sock")


def test_a_long_query_is_told_in_one_short_line() -> None:
    query = "select *\n\tfrom t " + "where x " * 50
    with pytest.raises(ActionError, match=r"^select \* from t where x [where x]+… on postgresql"):
        sql.check(query, deadline=Deadline.after(9), host="/nowhere")
