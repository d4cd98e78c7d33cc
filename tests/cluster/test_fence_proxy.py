"""What the proxy understands, and what it refuses, without an engine."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import pytest
import trustme

from tests.cluster import fence_proxy
from tests.cluster.fence_proxy import LABEL, LIMIT, RefusedError, Server, Wish, answer, understand

MINE = {"Id": "a" * 64, "Names": ["/ocfkit-mine-srv01"], "Labels": {LABEL: "mine"}}
OTHER = {"Id": "b" * 64, "Names": ["/ocfkit-other-srv01"], "Labels": {LABEL: "other"}}
STRANGER = {"Id": "c" * 64, "Names": ["/stranger"], "Labels": None}


class Engine:
    """Notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def containers(self) -> Sequence[fence_proxy.Container]:
        return [MINE, OTHER, STRANGER]  # as an engine that does not filter

    def inspect(self, full_id: str) -> object:
        self.asked.append(("inspect", full_id))
        return {"Id": full_id}

    def kill(self, full_id: str) -> None:
        self.asked.append(("kill", full_id))

    def start(self, full_id: str) -> None:
        self.asked.append(("start", full_id))

    def restart(self, full_id: str) -> None:
        self.asked.append(("restart", full_id))


def head(first: str, *headers: str) -> bytes:
    return "\r\n".join([f"{first} HTTP/1.1", "Host: it", *headers]).encode()


@pytest.mark.parametrize(
    ("first", "wish"),
    [
        ("GET /containers/json", Wish("list")),
        ("GET /v1.41/containers/json?all=1", Wish("list")),
        ("GET /v1.41/containers/one/json", Wish("inspect", "one")),
        ("POST /v1.41/containers/one/kill", Wish("kill", "one")),
        ("POST /containers/one/start", Wish("start", "one")),
        ("POST /containers/one/restart", Wish("restart", "one")),
    ],
)
def test_five_requests_are_understood(first: str, wish: Wish) -> None:
    assert understand(head(first)) == wish


@pytest.mark.parametrize(
    "asked",
    [
        head("GET /v1.41/info"),
        head("POST /v1.41/containers/create"),
        head("DELETE /v1.41/containers/one"),
        head("GET /containers/one/kill"),
        head("POST /containers/one/json"),
        head("POST /containers/one/kill?signal=STOP"),
        head("POST /containers/one/exec"),
        head("GET /containers/../info"),
        head("GET /containers/one/../../info/json"),
        head("GET /containers/%6fne/json"),
        head("GET http://it/containers/json"),
        head("POST /containers/one/start", "Content-Length: 2"),
        head("POST /containers/one/start", "Transfer-Encoding: chunked"),
        head("POST /containers/one/start", "Upgrade: tcp"),
        head("POST /containers/one/start", "no header"),
        head("POST /containers/one/start", " continued"),
        b"GET /containers/json",
        b"GET /containers/json HTTP/2",
        b"",
    ],
)
def test_everything_else_is_refused(asked: bytes) -> None:
    with pytest.raises(RefusedError):
        understand(asked)


@pytest.mark.parametrize("name", ["ocfkit-mine-srv01", "a" * 64, "a" * 12])
def test_a_container_of_the_cluster_is_killed_by_its_full_id(name: str) -> None:
    engine = Engine()
    assert answer(head(f"POST /containers/{name}/kill"), engine, "mine") == (204, None)
    assert engine.asked == [("kill", "a" * 64)]


@pytest.mark.parametrize(
    "name", ["ocfkit-other-srv01", "b" * 64, "b" * 12, "stranger", "c" * 64, "a" * 11, "nobody"]
)
def test_any_other_container_is_out_of_reach(name: str) -> None:
    engine = Engine()
    assert answer(head(f"POST /containers/{name}/kill"), engine, "mine")[0] == 403
    assert engine.asked == []


def test_no_other_container_is_listed() -> None:
    assert answer(head("GET /containers/json"), Engine(), "mine") == (200, [MINE])


# --- over the line --------------------------------------------------------------------------------

Dial = Callable[[], ssl.SSLSocket]


@pytest.fixture
def dial(tmp_path: Path) -> Generator[Dial]:
    """Connects to a server that gives each client half a second."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    own = authority.issue_cert("127.0.0.1")
    own.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    server = Server(fence_proxy.tls(tmp_path), Engine(), "mine", seconds=0.5)
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    authority.issue_cert("a.node").configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def connected() -> ssl.SSLSocket:
            client = socket.create_connection(listener.getsockname(), timeout=20)
            server.take(listener.accept()[0])
            return context.wrap_socket(client, server_hostname="127.0.0.1")

        yield connected
    for each in threading.enumerate():
        if each is not threading.current_thread():
            each.join(20)


def said(connection: ssl.SSLSocket) -> bytes:
    whole = b""
    with connection:
        while data := connection.recv(65536):
            whole += data
    return whole


def test_a_request_is_answered(dial: Dial) -> None:
    connection = dial()
    connection.sendall(head("GET /containers/json") + b"\r\n\r\n")
    first, _, body = said(connection).partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200 OK")
    assert json.loads(body) == [MINE]


@pytest.mark.parametrize(
    "sent",
    [
        head("GET /containers/json") + b"\r\n\r\nGET /containers/json HTTP/1.1\r\n\r\n",
        b"GET /" + b"x" * LIMIT,
    ],
    ids=["a second one", "one that is too long"],
)
def test_more_than_a_request_is_refused(dial: Dial, sent: bytes) -> None:
    connection = dial()
    connection.sendall(sent)
    assert said(connection).startswith(b"HTTP/1.1 403 ")


def test_who_says_nothing_is_cut_off_in_time(dial: Dial) -> None:
    connection = dial()
    began = time.monotonic()
    with contextlib.suppress(OSError):  # cut off without a word
        assert said(connection) == b""
    assert time.monotonic() - began < 10
