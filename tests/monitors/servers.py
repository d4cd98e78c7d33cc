"""A server that says what a test wants, over TCP, a unix socket or TLS."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress

Script = Callable[[socket.socket], None]
"""What is done with each connection."""


@contextmanager
def serving(
    script: Script,
    *,
    family: int = socket.AF_INET,
    at: tuple[str, int] | str = ("127.0.0.1", 0),
    tls: ssl.SSLContext | None = None,
) -> Generator[int]:
    """Serve one connection after the other; the port is yielded."""
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.bind(at)
        listening.listen(8)
        listening.settimeout(20)
        over = threading.Event()

        def work() -> None:
            while not over.is_set():
                with suppress(OSError):
                    connection, _ = listening.accept()
                    with connection:
                        connection.settimeout(20)
                        if over.is_set():
                            return
                        stream = (
                            tls.wrap_socket(connection, server_side=True) if tls else connection
                        )
                        with stream:
                            script(stream)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield listening.getsockname()[1] if family != socket.AF_UNIX else 0
        finally:
            over.set()
            with suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as last:
                last.settimeout(1)
                last.connect(listening.getsockname())
            thread.join()


def saying(answer: bytes) -> Script:
    """Read a request, answer, close."""

    def script(connection: socket.socket) -> None:
        request(connection)
        connection.sendall(answer)

    return script


def request(connection: socket.socket) -> bytes:
    """What was asked, to the end of its headers."""
    said = b""
    while b"\r\n\r\n" not in said:
        data = connection.recv(65536)
        if not data:
            break
        said += data
    return said


def silent(connection: socket.socket) -> None:
    """Say nothing until the other one goes."""
    while connection.recv(65536):
        pass


def dripping(answer: bytes) -> Script:
    """Say a byte now and then, for ever."""

    def script(connection: socket.socket) -> None:
        connection.sendall(answer)
        while True:
            time.sleep(0.02)
            connection.sendall(b"x")

    return script


def page(body: bytes = b"ready", status: str = "200 OK", *headers: str) -> bytes:
    """An answer with its length."""
    rows = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*rows, "", ""]).encode() + body


def resetting(answer: bytes = b"") -> Script:
    """Read a request, begin to answer, and break the connection off as a crash does it."""

    def script(connection: socket.socket) -> None:
        request(connection)
        connection.sendall(answer)
        time.sleep(0.1 if answer else 0)  # a reset takes with it what has not been read
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return script


@contextmanager
def full_queue() -> Generator[int]:
    """A port whose listener is asleep, and whose queue is full: no connection comes about."""
    with socket.socket() as listening, ExitStack() as stack:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        place = listening.getsockname()
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0.2)
            try:
                waiting.connect(place)
            except TimeoutError:
                break
        yield place[1]
