"""What a node can ask of the container engine: to fence a node of its own cluster, and no more.

The fence agent fence_docker speaks to the engine's HTTP API over TLS. Whoever reaches an engine is
root on its machine; so the nodes reach this proxy, which listens on their own network, demands a
certificate of their own authority, and knows five requests: list, inspect, kill, start and restart
a container that carries the label of the cluster. Nothing that a client sends is passed on: a
request is read to its end within a limit and a deadline, understood or refused, and made anew.

    python fence_proxy.py CLUSTER FOLDER        with the listening socket as descriptor 3
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import docker
from docker.errors import APIError

LABEL = "ocfkit.cluster"
"""The label of a cluster's containers and networks; its value is the name of the cluster."""

LIMIT = 8192
"""Bytes of a request."""
SECONDS = 20.0
"""All that a client gets, from the first byte of its handshake to the last of the answer."""
CLIENTS = 16
LISTENER = 3

_Verb = Literal["list", "inspect", "kill", "start", "restart"]

_TARGET = re.compile(
    r"/(?:v1\.[0-9]{1,2}/)?containers/"
    r"(?:(?P<list>json)(?:\?all=(?:0|1|true|false))?"
    r"|(?P<name>[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127})/(?P<verb>json|kill|start|restart))"
)
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\t]*)")
_METHOD_OF: Mapping[_Verb, str] = {
    "list": "GET",
    "inspect": "GET",
    "kill": "POST",
    "start": "POST",
    "restart": "POST",
}

Container = Mapping[str, Any]
"""A container as the engine lists it."""


class RefusedError(Exception):
    """What is asked for is none of the five requests."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A request that was understood."""

    verb: _Verb
    name: str = ""


class Engine(Protocol):
    """The engine, as far as one cluster is concerned."""

    def containers(self) -> Sequence[Container]: ...
    def inspect(self, full_id: str) -> object: ...
    def kill(self, full_id: str) -> None: ...
    def start(self, full_id: str) -> None: ...
    def restart(self, full_id: str) -> None: ...


# --- what is allowed ------------------------------------------------------------------------------


def understand(head: bytes) -> Wish:
    """The wish behind a request, which is its first line and its headers; raises RefusedError."""
    first, *headers = head.split(b"\r\n")
    for line in headers:
        _require_harmless(line)
    words = first.split(b" ")
    if len(words) != 3 or words[2] not in (b"HTTP/1.0", b"HTTP/1.1"):
        raise RefusedError("no request line")
    method, target = words[0].decode("latin-1"), words[1].decode("latin-1")
    found = _TARGET.fullmatch(target)
    if found is None:
        raise RefusedError("no request for a container")
    wish = Wish("list") if found["list"] else Wish(_verb(found["verb"]), found["name"])
    if method != _METHOD_OF[wish.verb]:
        raise RefusedError(f"{wish.verb} is asked for with {_METHOD_OF[wish.verb]}")
    return wish


def _require_harmless(line: bytes) -> None:
    """No header may announce a body, nor hide a second request."""
    found = _HEADER.fullmatch(line)
    if found is None:
        raise RefusedError("a header that is none")
    name, value = found[1].lower(), found[2].strip()
    if name in (b"transfer-encoding", b"upgrade", b"expect"):
        raise RefusedError(f"no request here needs {name.decode()}")
    if name == b"content-length" and value != b"0":
        raise RefusedError("no request here has a body")


def _verb(word: str) -> _Verb:
    match word:
        case "json":
            return "inspect"
        case "kill" | "start" | "restart":
            return word
        case _:
            raise RefusedError("no such request")


def resolve(name: str, own: Sequence[Container]) -> str:
    """The full id of that container of the cluster; raises RefusedError for any other."""
    for each in own:
        if name == each["Id"] or f"/{name}" in each["Names"]:
            return str(each["Id"])
    short = [str(each["Id"]) for each in own if len(name) >= 12 and each["Id"].startswith(name)]
    if len(short) != 1:
        raise RefusedError("no container of this cluster")
    return short[0]


def answer(head: bytes, engine: Engine, cluster: str) -> tuple[int, object]:
    """Status and JSON for a request; nothing is raised but what is a defect."""
    try:
        wish = understand(head)
        own = [each for each in engine.containers() if _belongs(each, cluster)]
        if wish.verb == "list":
            return 200, own
        return _do(wish.verb, resolve(wish.name, own), engine)
    except RefusedError as refusal:
        return 403, {"message": f"refused: {refusal}"}
    except APIError as error:
        status: Any = error.response.status_code if error.response is not None else 502
        return int(status), {"message": str(error.explanation)}
    except OSError as error:  # requests' own errors are among these
        return 502, {"message": f"the engine does not answer: {type(error).__name__}"}


def _belongs(container: Container, cluster: str) -> bool:
    labels: Mapping[str, str] = container.get("Labels") or {}
    return labels.get(LABEL) == cluster


def _do(verb: _Verb, full_id: str, engine: Engine) -> tuple[int, object]:
    if verb == "inspect":
        return 200, engine.inspect(full_id)
    if verb == "kill":
        engine.kill(full_id)
    elif verb == "start":
        engine.start(full_id)
    else:
        engine.restart(full_id)
    return 204, None


class DockerEngine:
    """The real one."""

    def __init__(self, cluster: str) -> None:
        self._label = f"{LABEL}={cluster}"
        self._client = docker.from_env(timeout=int(SECONDS))
        self._api: Any = self._client.api

    def containers(self) -> Sequence[Container]:
        listed: Sequence[Container] = self._api.containers(all=True, filters={"label": self._label})
        return listed

    def inspect(self, full_id: str) -> object:
        return self._api.inspect_container(full_id)

    def kill(self, full_id: str) -> None:
        self._api.kill(full_id)

    def start(self, full_id: str) -> None:
        self._api.start(full_id)

    def restart(self, full_id: str) -> None:
        """At once: a node that is fenced gets no time to finish anything."""
        self._api.restart(full_id, timeout=0)

    def has_network(self) -> bool:
        """Whether the cluster is still there, as far as one can know."""
        try:
            return bool(self._api.networks(filters={"label": self._label}))
        except (APIError, OSError):
            return True


# --- the server -----------------------------------------------------------------------------------


def read_head(connection: socket.socket) -> bytes:
    """The first line and the headers; raises RefusedError when they are too long, or do not end."""
    read = b""
    while b"\r\n\r\n" not in read:
        more = connection.recv(LIMIT + 1 - len(read))
        read += more
        if not more or len(read) > LIMIT:
            raise RefusedError("a request that does not end")
    head, _, rest = read.partition(b"\r\n\r\n")
    if rest:
        raise RefusedError("more than a request")
    return head


_PHRASES = {200: "OK", 204: "No Content", 403: "Forbidden"}


def response(status: int, content: object) -> bytes:
    """The answer as it goes out; the connection ends with it."""
    body = b"" if content is None else json.dumps(content).encode()
    head = f"HTTP/1.1 {status} {_PHRASES.get(status, 'Refused')}\r\n"
    if status != 204:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + body


class Server:
    """Answers clients, each in a thread and for a limited time."""

    def __init__(
        self, context: ssl.SSLContext, engine: Engine, cluster: str, seconds: float = SECONDS
    ) -> None:
        self._context = context
        self._engine = engine
        self._cluster = cluster
        self._seconds = seconds
        self._places = threading.BoundedSemaphore(CLIENTS)

    def take(self, client: socket.socket) -> None:
        """Answer a client, unless too many are there already."""
        if not self._places.acquire(blocking=False):
            client.close()
            return
        try:
            threading.Thread(target=self._serve, args=[client], daemon=True).start()
        except RuntimeError as error:  # no room for a thread; the next one may have it
            say(f"client lost: {error}")
            client.close()
            self._places.release()

    def _serve(self, client: socket.socket) -> None:
        # What is read or written when the time is over ends with an error, wherever it waits.
        kept = client.dup()
        end = threading.Timer(self._seconds, _hang_up, [kept])
        end.daemon = True
        end.start()
        try:
            with client, self._context.wrap_socket(client, server_side=True) as connection:
                self._converse(connection)
        except OSError as error:  # ssl's own errors are among these
            say(f"client lost: {error}")
        finally:
            end.cancel()
            kept.close()
            self._places.release()

    def _converse(self, connection: ssl.SSLSocket) -> None:
        try:
            head = read_head(connection)
            status, content = answer(head, self._engine, self._cluster)
        except RefusedError as refusal:
            head, status, content = b"(none)", 403, {"message": f"refused: {refusal}"}
        first = head.split(b"\r\n", 1)[0][:200].decode("ascii", "backslashreplace")
        say(f"{connection.getpeername()[0]} {first!r}: {status}")
        connection.sendall(response(status, content))


def _hang_up(client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)


def tls(folder: Path) -> ssl.SSLContext:
    """Take nobody without a certificate of our own authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(folder / "server.pem")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def say(text: str) -> None:
    """Add to the log."""
    print(text, flush=True)


def main() -> None:
    """Serve until the cluster's network is gone."""
    cluster, folder = sys.argv[1], Path(sys.argv[2])
    engine = DockerEngine(cluster)
    server = Server(tls(folder), engine, cluster)
    with socket.socket(fileno=LISTENER) as listener:
        listener.settimeout(SECONDS)
        say(f"cluster {cluster}: {listener.getsockname()}")
        while True:
            try:
                client, _ = listener.accept()
            except TimeoutError:
                if not engine.has_network():
                    return
                continue
            except OSError as error:  # he has gone already, or there are too many files
                say(f"client lost: {error}")
                continue
            client.settimeout(None)
            server.take(client)


if __name__ == "__main__":
    main()
