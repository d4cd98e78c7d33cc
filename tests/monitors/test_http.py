"""A page that comes back, and all the ways in which it does not."""

from __future__ import annotations

import datetime as dt
import os
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from ocfkit.deadline import Deadline
from ocfkit.errors import ActionError, ConfigurationError, DegradedError, InstallationError
from ocfkit.monitors import http
from ocfkit.monitors.question import Question
from tests.monitors.servers import Script, dripping, page, request, saying, serving, silent
from tests.ocfkit.daemons import HAS_IPV6, free_port


def later() -> Deadline:
    return Deadline.after(20)


def fetched(script: Script, **options: object) -> http.Page:
    with serving(script) as port:
        url = f"http://127.0.0.1:{port}/status"
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

    def test_may_be_longer_than_the_limit_where_the_pattern_was_found_before(self) -> None:
        got = fetched(saying(page(b"ready" + b"x" * 100000)), match="ready", limit=1000)
        assert len(got.body) == 1000


class TestAFailure:
    @pytest.mark.parametrize(
        ("answer", "options", "seen"),
        [
            (page(b"ready", "500 No"), {}, "status 500, not 200"),
            (page(b"ready", "404 No"), {"match": "ready"}, "status 404, not 200"),
            (page(b"ready", "302 No", "Location: /x"), {}, "status 302, not 200"),
            (page(b"broken"), {"match": "ready"}, "status 200, and the page is 'broken', without"),
            (page(b"x" * 5000), {"limit": 4999}, "the page is longer than 4999 bytes"),
            (b"", {}, "the connection was closed without an answer"),
            (b"SSH-2.0-x\r\n", {}, "it said 'SSH-2.0-x', which is no answer in HTTP"),
            (b"HTTP/1.1 abc\r\n\r\n", {}, "it said 'HTTP/1.1 abc', which is no answer in HTTP"),
            (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000, {}, "its headers are longer than 64 KiB"),
            (page(b"ready")[:-2], {}, "the page broke off 2 bytes before its end"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", {}, "its length is '-5'"),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                {},
                "a chunk of the page has the length 'zz'",
            ),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nready\r\n",
                {},
                "the page broke off before a chunk",
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
        assert f"/status: {seen}" in text
        assert " (after 0." in text

    def test_is_a_port_at_which_nobody_listens(self) -> None:
        with pytest.raises(ActionError, match=r"Connection refused \(after"):
            http.check(f"http://127.0.0.1:{free_port()}/", deadline=later())

    @pytest.mark.parametrize(
        ("script", "seen"),
        [
            (silent, "no answer had come when time was over"),
            (dripping(b""), "bytes of its headers had come when time was over"),
            (dripping(b"HTTP/1.1 200 OK\r\n\r\n"), "its page had not ended when time was over"),
        ],
    )
    def test_is_told_in_time(self, script: Script, seen: str) -> None:
        with serving(script) as port:
            deadline = Deadline.after(0.6)
            with pytest.raises(ActionError, match=seen):
                http.check(f"http://127.0.0.1:{port}/", deadline=deadline)
            assert deadline.left() > 0


class TestARedirect:
    def test_is_followed_when_asked(self) -> None:
        answers = [page(b"", "302 Found", "Location: /there"), page(b"ready")]

        def script(connection: socket.socket) -> None:
            request(connection)
            connection.sendall(answers.pop(0))

        assert fetched(script, redirects=1).body == b"ready"

    @pytest.mark.parametrize(
        ("target", "seen"),
        [
            ("http://elsewhere/", "redirected to 'http://elsewhere/', which is not followed"),
            ("http://127.0.0.1:1/", "which is not followed"),
            ("ftp://127.0.0.1/", "which is no address"),
            ("/again", "redirected more than 2 times"),
        ],
    )
    def test_is_not_followed_everywhere(self, target: str, seen: str) -> None:
        answer = page(b"", "302 Found", f"Location: {target}")
        with pytest.raises(ActionError, match=seen):
            fetched(saying(answer), redirects=2)

    def test_is_not_followed_to_another_host_at_the_same_port(self) -> None:
        def script(connection: socket.socket) -> None:
            request(connection)
            target = f"http://localhost:{connection.getsockname()[1]}/"
            connection.sendall(page(b"", "302 Found", f"Location: {target}"))

        with pytest.raises(ActionError, match="which is not followed"):
            fetched(script, redirects=1)


class TestAQuestionThatIsNone:
    @pytest.mark.parametrize(
        "url",
        [
            *("", "web", "ftp://web/", "http://", "http://:80/", "http://web:0/", "http://web:x/"),
            *("http://web:99999/", "http://::1/", "http://web/a b", "http://web/\r\nX: y"),
        ],
    )
    def test_is_a_mistake_in_the_configuration(self, url: str) -> None:
        with pytest.raises(ConfigurationError):
            http.require(url)
        with pytest.raises(ConfigurationError):
            http.check(url, deadline=later())

    def test_does_not_show_a_password_in_an_address(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            http.check("http://root:hush@web/", deadline=later())
        assert "hush" not in str(caught.value)

    def test_may_be_a_header_with_a_line_end(self) -> None:
        with pytest.raises(ConfigurationError, match="end of a line"):
            fetched(saying(page()), headers={"X": "y\r\nZ: z"})


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


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
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
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

    @pytest.mark.parametrize(
        ("days", "name", "seen"),
        [
            (-1, "127.0.0.1", "its certificate is not valid: certificate has expired"),
            (100, "shop.example", "its certificate is not valid: IP address mismatch"),
        ],
    )
    def test_fails_for_a_bad_one(
        self, asked: Callable[..., http.Page], days: int, name: str, seen: str
    ) -> None:
        with pytest.raises(ActionError, match=seen):
            asked(days, name)
        assert asked(days, name, verify=False).status == 200

    def test_fails_for_one_that_nobody_has_signed(self, asked: Callable[..., http.Page]) -> None:
        with pytest.raises(ActionError, match="its certificate is not valid"):
            asked(ca_file="")

    def test_is_degraded_for_one_that_ends_soon(self, asked: Callable[..., http.Page]) -> None:
        with pytest.raises(DegradedError, match=r"its certificate ends in [34]"):
            asked(4, expires_within=7)
        assert asked(4, expires_within=2).status == 200

    def test_needs_a_file_that_holds_certificates(
        self, asked: Callable[..., http.Page], tmp_path: Path
    ) -> None:
        (tmp_path / "none.pem").write_text("nothing")
        for path in ("/nowhere.pem", str(tmp_path / "none.pem")):
            with pytest.raises(InstallationError, match=f"CA file {path}: (No such|it holds no)"):
                http.require("https://web/", ca_file=path)
            with pytest.raises(InstallationError, match="CA file"):
                asked(ca_file=path)

    def test_is_not_taken_for_an_answer(self) -> None:
        with serving(silent) as port, pytest.raises(ActionError, match="handshake of TLS had not"):
            http.check(f"https://127.0.0.1:{port}/", deadline=Deadline.after(0.4))


class Pieces:
    """A stream that gives what it has in pieces."""

    def __init__(self, said: bytes, cuts: list[int]) -> None:
        places = sorted({0, len(said), *(cut % (len(said) + 1) for cut in cuts)})
        self._pieces = [said[a:b] for a, b in pairwise(places)]

    def send(self, data: bytes) -> None:
        raise NotImplementedError

    def receive(self, so_far: str) -> bytes:  # noqa: ARG002
        return self._pieces.pop(0) if self._pieces else b""


def read(said: bytes, cuts: list[int]) -> http.Page:
    reader = http.Reader(
        Pieces(said, cuts), Question("GET x"), "GET", None, 1 << 16, ignore_case=False
    )
    return reader.page()


@given(st.binary(max_size=200), st.lists(st.integers(0, 1000)), st.booleans())
def test_a_page_is_the_same_in_whatever_pieces_it_comes(
    body: bytes,
    cuts: list[int],
    chunked: bool,  # noqa: FBT001
) -> None:
    if chunked:
        parts = [body[place : place + 7] for place in range(0, len(body), 7)]
        coded = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
        said = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + coded + b"0\r\n\r\n"
    else:
        said = page(body)
    assert read(said, cuts).body == body


@given(st.binary(max_size=300), st.booleans())
def test_garbage_is_a_failure_and_never_a_crash(said: bytes, begins: bool) -> None:  # noqa: FBT001
    said = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + said if begins else said
    with suppress(ActionError):
        read(said, [])


def test_leaves_nothing_open() -> None:
    before = os.listdir("/proc/self/fd")
    for answer in (page(), page(b"", "500 No"), b"", b"x"):
        with suppress(ActionError):
            fetched(saying(answer))
    began = time.monotonic()
    with serving(silent) as port, pytest.raises(ActionError):
        http.check(f"http://127.0.0.1:{port}/", deadline=Deadline.after(0.3))
    assert time.monotonic() - began < 20
    assert os.listdir("/proc/self/fd") == before
