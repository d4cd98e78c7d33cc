"""A page that comes back, and all the ways in which it does not."""

from __future__ import annotations

import datetime as dt
import os
import socket
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from ocfkit.deadline import Deadline
from ocfkit.errors import (
    ActionError,
    ConfigurationError,
    DegradedError,
    InstallationError,
)
from ocfkit.monitors import http
from tests.monitors.servers import (
    Script,
    dripping,
    page,
    request,
    resetting,
    saying,
    serving,
    silent,
)
from tests.ocfkit.daemons import HAS_IPV6, free_port


def later() -> Deadline:
    return Deadline.after(20)


def in_time(deadline: Deadline) -> bool:
    """Whether it is not over for long, as a busy machine has it."""
    return time.monotonic() < deadline.until + 1


def fetched(script: Script, **options: object) -> http.Page:
    with serving(script) as port:
        url = f"http://127.0.0.1:{port}/status"
        return http.check(url, deadline=later(), **options)  # type: ignore[arg-type]


SECRET = {"user": "u", "password": "hush"}


def chunked(said: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + said


def redirect(location: str, status: str = "302 Found") -> bytes:
    return page(b"", status, f"Location: {location}")


def first(asked: bytes) -> str:
    """Method and target of a request."""
    return asked.partition(b" HTTP/1.1\r\n")[0].decode()


class Site:
    """A server with an answer for each request, and what it was asked."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.asked: list[bytes] = []
        self._port = 0

    @contextmanager
    def serving(self) -> Generator[int]:
        with serving(self._answer) as port:
            self._port = port
            yield port

    def _answer(self, connection: socket.socket) -> None:
        self.asked.append(request(connection))
        connection.sendall(self._answers.pop(0).replace(b"PORT", b"%d" % self._port))

    def fetched(self, **options: object) -> http.Page:
        with self.serving() as port:
            url = f"http://127.0.0.1:{port}/a/status"
            return http.check(url, deadline=later(), **options)  # type: ignore[arg-type]


class TestAPageThatComesBack:
    def test_is_returned(self) -> None:
        got = fetched(saying(page(b"ready", "200 OK", "X-Node: one")))
        assert (got.status, got.body, got.headers["x-node"]) == (200, b"ready", "one")

    @pytest.mark.parametrize(
        "answer",
        [
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"3\r\nrea\r\n2;x=y\r\ndy\r\n0\r\n\r\n"
            ),
            b"HTTP/1.0 200 OK\r\n\r\nready",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready",
            b"HTTP/1.1 200 OK\nContent-Length: 5\n\nready and more",
        ],
        ids=["in chunks", "to the end", "after a word in between", "with bare line ends"],
    )
    def test_may_end_in_several_ways(self, answer: bytes) -> None:
        assert fetched(saying(answer), match="^ready$").body == b"ready"

    def test_is_asked_for_as_was_said(self) -> None:
        asked: list[bytes] = []

        def script(connection: socket.socket) -> None:
            asked.append(request(connection))
            connection.sendall(page())

        headers = {"Host": "shop"}
        who = {"user": "u", "password": "p"}
        fetched(script, method="POST", body=b"x=1", headers=headers, **who)
        first, *rows = asked[0].decode().split("\r\n")
        assert first == "POST /status HTTP/1.1"
        pair = b64encode(b"u:p").decode()
        for row in ("Host: shop", "Content-Length: 3", f"Authorization: Basic {pair}"):
            assert rows.count(row) == 1
        assert rows.count("Connection: close") == 1

    def test_may_be_asked_for_in_other_ways(self) -> None:
        asked: list[bytes] = []

        def script(connection: socket.socket) -> None:
            asked.append(request(connection))
            connection.sendall(page())

        with serving(script, at=("127.0.0.1", 0)) as port:
            url = f"HTTP://127.0.0.1:{port}?q=ä#part"
            got = http.check(url, deadline=later(), headers={"accept": "text/plain"})
        first, *rows = asked[0].decode().split("\r\n")
        assert first == "GET /?q=%C3%A4 HTTP/1.1"
        assert rows.count(f"Host: 127.0.0.1:{port}") == 1
        assert [row for row in rows if row.lower().startswith("accept:")] == ["accept: text/plain"]
        assert got.url == f"http://127.0.0.1:{port}/"

    def test_may_come_before_the_request_was_read(self) -> None:
        def script(connection: socket.socket) -> None:
            connection.sendall(page())
            connection.shutdown(socket.SHUT_WR)
            connection.recv(65536)

        assert fetched(script, method="POST", body=b"x" * 100).status == 200

    def test_may_have_another_status(self) -> None:
        assert fetched(saying(page(b"", "204 No Content")), status={200, 204}).status == 204

    def test_has_no_body_when_the_head_alone_is_asked_for(self) -> None:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
        assert fetched(saying(answer), method="HEAD").body == b""

    def test_may_come_over_a_unix_socket(self, tmp_path: Path) -> None:
        path = str(tmp_path / "socket")
        with serving(saying(page()), family=socket.AF_UNIX, at=path):
            assert http.check("http://web/", deadline=later(), unix_socket=path).status == 200

    @pytest.mark.skipif(not HAS_IPV6, reason="no IPv6 on this machine's loopback")
    def test_may_come_over_ipv6(self) -> None:
        with serving(saying(page()), family=socket.AF_INET6, at=("::1", 0)) as port:
            assert http.check(f"http://[::1]:{port}/", deadline=later()).status == 200

    def test_may_hold_the_pattern_in_other_letters(self) -> None:
        got = fetched(saying(page(b"READY")), match="ready", ignore_case=True)
        assert got.body == b"READY"

    def test_may_be_as_long_as_the_limit(self) -> None:
        assert len(fetched(saying(page(b"x" * 1000)), limit=1000).body) == 1000

    def test_may_be_longer_than_the_limit_where_the_pattern_was_found_before(self) -> None:
        got = fetched(saying(page(b"ready" + b"x" * 100000)), match="ready", limit=1000)
        assert len(got.body) == 1000


class TestAFailure:
    @pytest.mark.parametrize(
        ("answer", "options", "seen"),
        [
            (page(b"ready", "500 No"), {}, "status 500, not 200"),
            (page(b"ready", "404 No"), {"match": "ready"}, "status 404, not 200"),
            (page(b"", "503 No"), {"status": {204, 200}}, "status 503, not 200 or 204"),
            (
                page(b"", "302 No", "Location: /x?token=hush"),
                {},
                "status 302, not 200 (it leads to '/x')",
            ),
            (page(b"", "302 No", "Location: http://u:p@x/"), {}, "status 302, not 200 (after"),
            (page(b"broken"), {"match": "ready"}, "status 200, and the page is 'broken', without"),
            (page(b""), {"match": "ready"}, "status 200, and an empty page, without 'ready'"),
            (
                page(b"\x1f\x8b", "200 OK", "Content-Encoding: gzip"),
                {"match": "ready"},
                "(compressed: 'gzip'), without 'ready'",
            ),
            (page(b"x" * 5000), {"limit": 4999}, "the page is longer than 4999 bytes"),
            (
                page(b"x" * 5000 + b"ready"),
                {"limit": 5000, "match": "ready"},
                "without 'ready' in its first 5000 bytes",
            ),
            (b"", {}, "the connection was closed without an answer"),
            (b"SSH-2.0-x\r\n", {}, "it said 'SSH-2.0-x', which is not HTTP (after"),
            (b"\x15\x03\x01\0\x02\x02\x50", {}, "which is not HTTP but TLS"),
            (b"HTTP/1.1 abc\r\n\r\n", {}, "it said 'HTTP/1.1 abc', which is not HTTP"),
            (b"HTTP/1.1 099 No\r\n\r\n", {}, "it said 'HTTP/1.1 099 No', which is not HTTP"),
            (b"HTTP/1.1 200 OK\r\nX: y\r\n", {}, "23 bytes of its headers had come when the conn"),
            (
                b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000,
                {},
                "its headers are longer than 65536 bytes",
            ),
            (
                b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20000,
                {},
                "its headers are longer than 65536 bytes",
            ),
            (
                b"HTTP/1.1 100 Go\r\n\r\n" * 5000,
                {},
                "its headers are longer than 65536 bytes",
            ),
            (
                page(b"ready")[:-2],
                {},
                "status 200, and 3 of 5 bytes of its page had come when the connection was closed",
            ),
            (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", {}, "its page is '-5'"),
            (
                b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
                {},
                "the length of its page is '5, 6'",
            ),
            (chunked(b"zz\r\n"), {}, "a chunk of its page has the length 'zz'"),
            (chunked(b"\r\n"), {}, "a chunk of its page has the length ''"),
            (chunked(b"1" * 2000), {}, "the length of a chunk of its page is longer than 1024"),
            (chunked(b"3\r\nready\r\n"), {}, "a chunk of its page does not end where it says"),
            (
                chunked(b"5\r\nready\r\n"),
                {},
                "status 200, and 5 bytes of its page had come when the connection was closed",
            ),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                {},
                "its page is encoded as 'gzip, chunked', which nobody asked for",
            ),
        ],
    )
    def test_says_what_was_asked_and_seen(
        self, answer: bytes, options: dict[str, object], seen: str
    ) -> None:
        with pytest.raises(ActionError) as caught:
            fetched(saying(answer), **options)
        text = str(caught.value)
        assert text.startswith("GET http://127.0.0.1:")
        assert "/status: " in text
        assert seen in text
        assert " (after 0." in text
        assert "hush" not in text

    def test_is_a_port_at_which_nobody_listens(self) -> None:
        with pytest.raises(ActionError, match=r"Connection refused \(after"):
            http.check(f"http://127.0.0.1:{free_port()}/", deadline=later())

    def test_is_a_unix_socket_that_is_not_there(self, tmp_path: Path) -> None:
        path = f"{tmp_path}/none"
        with pytest.raises(ActionError, match=rf"^GET http://web/ over {path}: No such file"):
            http.check("http://web/", deadline=later(), unix_socket=path)

    def test_is_a_name_that_nobody_knows(self) -> None:
        with pytest.raises(ActionError, match=r"^GET http://no\.invalid/: the name service "):
            http.check("http://no.invalid/", deadline=later())

    @pytest.mark.parametrize(
        ("answer", "seen"),
        [
            (b"", "no answer had come; then Connection reset by peer"),
            (b"HTTP/1.1 ", "9 bytes of its headers had come; then Connection reset by peer"),
            (page(b"ready")[:-2], "3 of 5 bytes of its page had come; then Connection reset by"),
        ],
    )
    def test_is_a_connection_that_breaks(self, answer: bytes, seen: str) -> None:
        with pytest.raises(ActionError, match=seen):
            fetched(resetting(answer))

    @pytest.mark.parametrize(
        ("script", "seen"),
        [
            (silent, "no answer had come when time was over"),
            (dripping(b"HTTP/1.1 2"), r"\d\d bytes of its headers had come when time was over"),
            (dripping(b"HTTP/1.1 200 "), r"\d\d bytes of its headers had come when time was over"),
            (
                dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"),
                r"status 200, and \d\d of 5000 bytes of its page had come when time was over",
            ),
            (
                dripping(b"HTTP/1.1 200 OK\r\n\r\n"),
                r"status 200, and \d\d bytes of its page had come when time was over",
            ),
            (
                dripping(chunked(b"1000\r\n")),
                r"status 200, and \d\d bytes of its page had come when time was over",
            ),
            (
                dripping(chunked(b"5;")),
                r"status 200, and 0 bytes of its page had come when time was over",
            ),
        ],
        ids=["silent", "status", "headers", "length", "close", "chunk", "row of a chunk"],
    )
    def test_is_told_in_time(self, script: Script, seen: str) -> None:
        with serving(script) as port:
            deadline = Deadline.after(0.6)
            with pytest.raises(ActionError, match=seen):
                http.check(f"http://127.0.0.1:{port}/", deadline=deadline)
            assert in_time(deadline)

    def test_is_an_answer_that_comes_before_the_request_is_read(self, tmp_path: Path) -> None:
        path = str(tmp_path / "socket")

        def script(connection: socket.socket) -> None:
            connection.sendall(page(b"", "413 No"))

        body = bytes(1 << 24)
        with (
            serving(script, family=socket.AF_UNIX, at=path),
            pytest.raises(ActionError, match="status 413, not 200"),
        ):
            http.check("http://x/", deadline=later(), unix_socket=path, method="PUT", body=body)

    def test_is_a_server_that_does_not_read(self) -> None:
        over = threading.Event()

        def script(_connection: socket.socket) -> None:
            over.wait(20)

        with serving(script) as port:
            deadline = Deadline.after(0.5)
            url, body = f"http://127.0.0.1:{port}/", bytes(1 << 24)
            with pytest.raises(ActionError, match=r"of \d+ bytes had been taken when time"):
                http.check(url, deadline=deadline, method="PUT", body=body)
            assert in_time(deadline)
            over.set()


class TestARedirect:
    def test_is_followed_when_asked(self) -> None:
        site = Site(redirect("/there?x=1"), page(b"ready"))
        got = site.fetched(redirects=1)
        assert (got.body, got.url.endswith("/there")) == (b"ready", True)
        assert [first(each) for each in site.asked] == ["GET /a/status", "GET /there?x=1"]

    @pytest.mark.parametrize(
        ("location", "target"),
        [
            ("next", "/a/next"),
            ("../next", "/next"),
            ("../../../next/.", "/next/"),
            ("?page=2", "/a/status?page=2"),
            ("/schön x", "/sch%C3%B6n%20x"),
            ("//127.0.0.1:PORT/b#part", "/b"),
            ("http://127.0.0.1:PORT", "/"),
        ],
    )
    def test_leads_to_where_a_browser_would_go(self, location: str, target: str) -> None:
        site = Site(redirect(location), page())
        site.fetched(redirects=1)
        assert first(site.asked[1]) == f"GET {target}"

    @pytest.mark.parametrize(
        ("status", "before", "after"),
        [
            ("301 Moved", "POST", "GET"),
            ("302 Found", "PUT", "PUT"),
            ("303 See", "PUT", "GET"),
            ("303 See", "HEAD", "HEAD"),
            ("307 Again", "POST", "POST"),
        ],
    )
    def test_may_change_the_method(self, status: str, before: str, after: str) -> None:
        body = b"" if before == "HEAD" else b"x=1"
        site = Site(redirect("/there", status), page(b""))
        site.fetched(redirects=1, method=before, body=body)
        assert first(site.asked[1]) == f"{after} /there"
        assert (b"Content-Length: 3" in site.asked[1]) == (after == before and bool(body))

    def test_that_is_right_itself_is_not_followed(self) -> None:
        assert Site(redirect("/there")).fetched(redirects=1, status={302}).status == 302

    def test_keeps_the_password_on_the_same_server(self) -> None:
        site = Site(redirect("/there"), page())
        site.fetched(redirects=1, **SECRET, headers={"X-Key": "hush"})
        assert b"Authorization: Basic" in site.asked[1]
        assert b"X-Key: hush" in site.asked[1]

    def test_takes_no_secret_to_another_server(self) -> None:
        other = Site(redirect("/again"), page())
        with other.serving() as port:
            site = Site(redirect(f"http://127.0.0.1:{port}/there"))
            site.fetched(redirects=2, **SECRET, headers={"Host": "shop", "Cookie": "hush"})
        assert b"Authorization: Basic" in site.asked[0]
        assert [first(each) for each in other.asked] == ["GET /there", "GET /again"]
        for asked in other.asked:
            assert b"hush" not in asked
            assert b"Authorization" not in asked
            assert f"Host: 127.0.0.1:{port}\r\n".encode() in asked

    def test_takes_no_body_to_another_server(self) -> None:
        with serving(saying(page())) as port:
            site = Site(redirect(f"http://127.0.0.1:{port}/", "307 Again"))
            with pytest.raises(
                ActionError, match=r"status 307 leads to http://.*, where no body is"
            ):
                site.fetched(redirects=1, method="POST", body=b"x=1")

    @pytest.mark.parametrize("location", ["http://shop/there", "http://shop:PORT/there"])
    def test_to_the_virtual_host_stays_where_it_is_asked_for(self, location: str) -> None:
        site = Site(redirect(location), page())
        site.fetched(redirects=1, headers={"Host": "Shop"})
        assert first(site.asked[1]) == "GET /there"
        assert b"Host: Shop\r\n" in site.asked[1]

    def test_does_not_leave_a_unix_socket(self, tmp_path: Path) -> None:
        path = str(tmp_path / "socket")
        script = saying(redirect("http://else/"))
        with (
            serving(script, family=socket.AF_UNIX, at=path),
            pytest.raises(ActionError, match="where the unix socket does not lead"),
        ):
            http.check("http://web/", deadline=later(), unix_socket=path, redirects=1)

    @pytest.mark.parametrize(
        ("answer", "seen"),
        [
            (redirect("/again"), r"again: status 302, not 200 \(it leads to '/again'\)"),
            (redirect("ftp://127.0.0.1/"), "status 302, and where it leads is wrong: it does not"),
            (redirect("mailto:hush"), "status 302, and where it leads is wrong: it does not"),
            (redirect("http://u:hush@127.0.0.1/"), "must not hold a user or a password"),
            (redirect("http://[::1/"), "where it leads is wrong: it names no host"),
            (redirect("http://a\x01b/"), "where it leads is wrong: its host has a character"),
            (page(b"", "302 Found"), "status 302, and no word of where it leads"),
        ],
    )
    def test_may_lead_nowhere(self, answer: bytes, seen: str) -> None:
        with pytest.raises(ActionError, match=seen) as caught:
            fetched(saying(answer), redirects=2)
        assert "hush" not in str(caught.value)


class TestAQuestionThatIsNone:
    @pytest.mark.parametrize(
        "url",
        [
            *("", "web", "ftp://web/", "http://", "http://:80/", "http://web:0/", "http://web:x/"),
            *(
                "http://web:99999/",
                "http://::1/",
                "http://[web]/",
                "http://[::1/",
                "http://[::1]x/",
            ),
            *("http://web/a b", "http://web/\r\nX: y", "http://we\\b/", f"http://{'ü' * 80}/"),
        ],
    )
    def test_is_a_mistake_in_the_configuration(self, url: str) -> None:
        with pytest.raises(ConfigurationError):
            http.require(url)
        with pytest.raises(ConfigurationError):
            http.check(url, deadline=later())

    @pytest.mark.parametrize(
        "url", ["http://root:hush@web/", "http://root:hu/sh@web/", "ftp://root:hush@web"]
    )
    def test_does_not_show_a_password_in_an_address(self, url: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            http.check(url, deadline=later())
        assert "root" not in str(caught.value)

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"headers": {"X": "hush\r\nZ: z"}}, "the header X holds the end of a line"),
            ({"headers": {"X Y": "hush"}}, "'X Y' is no header that can be given"),
            ({"headers": {"connection": "hush"}}, "'connection' is no header that can be"),
            ({"headers": {"Host": "a/b"}}, "the header Host is none"),
            ({"headers": {"Host": "u:hush@b"}}, "the header Host is none"),
            ({"method": "GET /"}, "'GET /' is no method of HTTP"),
            ({"user": "hush:x", "password": "y"}, "must not hold a colon"),
            ({"match": "("}, r"is no regular expression"),
            ({"match": "x", "method": "HEAD"}, "HEAD brings no page"),
            ({"unix_socket": "run/web.sock"}, "'run/web.sock' is no absolute path"),
        ],
    )
    def test_is_found_before_anybody_is_asked(self, options: dict[str, object], told: str) -> None:
        with pytest.raises(ConfigurationError, match=told) as caught:
            http.check(f"http://127.0.0.1:{free_port()}/", deadline=later(), **options)  # type: ignore[arg-type]
        assert "hush" not in str(caught.value)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_side(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
    return context


class TestTls:
    @pytest.fixture
    def asked(self, authority: trustme.CA, tmp_path: Path) -> Callable[..., http.Page]:
        """Fetches a page from a server with a certificate for so many days and such a name."""
        ca_file = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(str(ca_file))

        def ask(days: float = 100, name: str = "127.0.0.1", **options: object) -> http.Page:
            until = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
            begins = until - dt.timedelta(days=365)
            certificate = authority.issue_cert(name, not_before=begins, not_after=until)
            context = server_side(certificate)
            given: dict[str, object] = {"ca_file": str(ca_file), **options}
            with serving(saying(page()), tls=context) as port:
                return http.check(f"https://127.0.0.1:{port}/", deadline=later(), **given)  # type: ignore[arg-type]

        return ask

    def test_is_spoken_to_a_server_with_a_good_certificate(
        self, asked: Callable[..., http.Page]
    ) -> None:
        assert asked(expires_within=7).body == b"ready"

    def test_knows_the_server_by_another_name(self, asked: Callable[..., http.Page]) -> None:
        assert asked(name="shop.example", server_name="shop.example").status == 200

    def test_knows_the_server_by_its_virtual_host(self, asked: Callable[..., http.Page]) -> None:
        assert asked(name="shop.example", headers={"Host": "Shop.example:8443"}).status == 200

    @pytest.mark.parametrize(
        ("days", "name", "seen"),
        [
            (-1, "127.0.0.1", r"/: its certificate has expired \(after"),
            (800, "127.0.0.1", r"/: its certificate is not valid yet \("),
            (100, "shop.example", r"/: its certificate is not for 127\.0\.0\.1 \(after"),
        ],
    )
    def test_fails_for_a_bad_one(
        self, asked: Callable[..., http.Page], days: int, name: str, seen: str
    ) -> None:
        with pytest.raises(ActionError, match=seen):
            asked(days, name)
        assert asked(days, name, verify=False).status == 200

    def test_fails_for_one_that_nobody_has_signed(self, asked: Callable[..., http.Page]) -> None:
        with pytest.raises(ActionError, match="comes from an authority that is not trusted"):
            asked(ca_file="")

    def test_is_degraded_for_one_that_ends_soon(self, asked: Callable[..., http.Page]) -> None:
        with pytest.raises(DegradedError, match=r"its certificate ends in [34]"):
            asked(4, expires_within=7)
        assert asked(4, expires_within=2).status == 200

    def test_is_a_failure_before_it_is_degraded(self, asked: Callable[..., http.Page]) -> None:
        with pytest.raises(ActionError, match="without 'else'") as caught:
            asked(4, expires_within=7, match="else")
        assert not isinstance(caught.value, DegradedError)

    def test_needs_a_file_that_holds_certificates(
        self, asked: Callable[..., http.Page], tmp_path: Path
    ) -> None:
        (tmp_path / "none.pem").write_text("nothing")
        for path in ("/nowhere.pem", str(tmp_path / "none.pem")):
            with pytest.raises(InstallationError, match=f"CA file {path}: (No such|it holds no)"):
                http.require("https://web/", ca_file=path)
            with pytest.raises(InstallationError, match="CA file"):
                asked(ca_file=path)

    def test_needs_a_name_that_can_be_one(self, asked: Callable[..., http.Page]) -> None:
        with pytest.raises(ConfigurationError, match="can be no name of a server"):
            asked(server_name=".example")

    @pytest.mark.parametrize(
        ("answer", "seen"),
        [
            (page(), "it does not speak TLS"),
            (b"", "the handshake of TLS had not ended when the connection was closed"),
        ],
    )
    def test_is_not_spoken_by_everybody(self, answer: bytes, seen: str) -> None:
        def script(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(answer)

        with serving(script) as port, pytest.raises(ActionError, match=seen):
            http.check(f"https://127.0.0.1:{port}/", deadline=later())

    @pytest.mark.parametrize(
        ("script", "seen"),
        [
            (silent, "no answer had come when time was over"),
            (
                dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"),
                r"status 200, and \d\d of 5000 bytes of its page had come when time was over",
            ),
        ],
    )
    def test_is_no_way_around_the_deadline(
        self, authority: trustme.CA, script: Script, seen: str
    ) -> None:
        context = server_side(authority.issue_cert("127.0.0.1"))
        with serving(script, tls=context) as port:
            deadline = Deadline.after(0.8)
            with pytest.raises(ActionError, match=seen):
                http.check(f"https://127.0.0.1:{port}/", deadline=deadline, verify=False)
            assert in_time(deadline)

    def test_may_end_with_the_connection_alone(self, authority: trustme.CA) -> None:
        context = server_side(authority.issue_cert("127.0.0.1"))
        with serving(saying(b"HTTP/1.1 200 OK\r\n\r\nready"), tls=context) as port:
            url = f"https://127.0.0.1:{port}/"
            assert http.check(url, deadline=later(), verify=False).body == b"ready"

    def test_is_not_taken_for_an_answer(self) -> None:
        with serving(silent) as port, pytest.raises(ActionError, match="handshake of TLS had not"):
            http.check(f"https://127.0.0.1:{port}/", deadline=Deadline.after(0.4))


def test_leaves_nothing_open(authority_file: str) -> None:
    before = os.listdir("/proc/self/fd")
    for answer in (page(), page(b"", "500 No"), b"", b"x", redirect("/again")):
        try:
            fetched(saying(answer), redirects=2)
        except ActionError:
            assert answer != page()
    for scheme in ("http", "https"):
        for seconds in (0.0, 0.3):
            with serving(silent) as port, pytest.raises(ActionError):
                http.check(f"{scheme}://127.0.0.1:{port}/", deadline=Deadline.after(seconds))
    with serving(silent) as port, pytest.raises(InstallationError):
        http.check(f"https://127.0.0.1:{port}/", deadline=later(), ca_file=authority_file)
    with pytest.raises(ActionError):
        http.check(f"http://127.0.0.1:{free_port()}/", deadline=later())
    assert os.listdir("/proc/self/fd") == before


@pytest.fixture
def authority_file(tmp_path: Path) -> str:
    """A CA file that holds none."""
    (tmp_path / "none.pem").write_text("nothing")
    return str(tmp_path / "none.pem")
