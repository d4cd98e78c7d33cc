"""Servers that speak as much of PostgreSQL's or MySQL's protocol as a test of failures needs."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import IO, Self

Talk = Callable[[socket.socket], None]
"""What is done with each connection; it is closed afterwards."""

PASSWORD = "canary-7f3a"  # noqa: S105


class Server:
    """A server on a port of its own, or on a unix socket."""

    def __init__(self, talk: Talk, *, unix: str = "", queue: int = 9) -> None:
        self._talk = talk
        self._listener = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        self._listener.bind(unix or ("127.0.0.1", 0))
        self._listener.listen(queue)
        self.port: int = 0 if unix else self._listener.getsockname()[1]
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept(2)
        self._threads[0].join()
        self._listener.close()
        for connection in self._connections:
            shut(connection)
        for thread in self._threads[1:]:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            self._talk(connection)
        except (OSError, struct.error):  # the client has gone
            pass
        finally:
            shut(connection)
            connection.close()


def shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def silent(connection: socket.socket) -> None:
    """Take whatever comes, and say nothing."""
    while connection.recv(65536):
        pass


def closing(connection: socket.socket) -> None:
    """Close at the first word, or when none comes at once."""
    connection.settimeout(0.1)
    try:
        connection.recv(1)
    except TimeoutError:
        return


class Postgres:
    """PostgreSQL, as far as a query in its simple protocol goes."""

    def __init__(
        self, answers: Mapping[str, bytes] | None = None, *, at_login: bytes = b""
    ) -> None:
        """Without an answer it is silent; `at_login` is said instead of a welcome."""
        self._answers = answers or {}
        self._at_login = at_login
        self.startup: dict[str, str] = {}
        self.password = ""
        self.cancelled = threading.Event()

    def __call__(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            while (code := self._begin(stream)) == 80877103:  # SSLRequest
                connection.sendall(b"N")
            if code == 80877102:  # CancelRequest
                self.cancelled.set()
                return
            connection.sendall(self._at_login or WELCOME)
            if self._at_login and stream.read(1) == b"p":  # PasswordMessage
                (length,) = struct.unpack("!I", stream.read(4))
                self.password = stream.read(length - 4).rstrip(b"\0").decode()
            while not self._at_login and (kind := stream.read(1)):
                (length,) = struct.unpack("!I", stream.read(4))
                said = stream.read(length - 4).rstrip(b"\0").decode()
                if kind == b"Q" and said in self._answers:
                    connection.sendall(self._answers[said])

    def _begin(self, stream: IO[bytes]) -> int:
        length, code = struct.unpack("!II", stream.read(8))
        words = stream.read(length - 8).decode().split("\0")
        if code == 196608:
            self.startup = dict(zip(words[::2], words[1::2], strict=False))
        return int(code)


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def pg_error(sqlstate: str, text: str, severity: str = "FATAL") -> bytes:
    fields = {"S": severity, "V": "FATAL", "C": sqlstate, "M": text}
    body = b"".join(f"{name}{value}".encode() + b"\0" for name, value in fields.items())
    return message(b"E", body + b"\0")


def _said(name: str, value: str) -> bytes:
    return message(b"S", f"{name}\0{value}\0".encode())


READY = message(b"Z", b"I")
WELCOME = (
    message(b"R", bytes(4))
    + _said("server_version", "15.0")
    + _said("client_encoding", "UTF8")
    + _said("DateStyle", "ISO, MDY")
    + _said("standard_conforming_strings", "on")
    + message(b"K", struct.pack("!II", 7, 9))
    + READY
)


def pg_rows(*values: bytes | None) -> bytes:
    """One column, of the type bool, so that somebody who translates values is found out."""
    column = b"v\0" + struct.pack("!IhIhih", 0, 0, 16, 1, -1, 0)
    rows = b"".join(message(b"D", struct.pack("!h", 1) + _field(each)) for each in values)
    done = message(b"C", f"SELECT {len(values)}\0".encode())
    return message(b"T", struct.pack("!h", 1) + column) + rows + done + READY


def _field(value: bytes | None) -> bytes:
    return struct.pack("!i", -1) if value is None else struct.pack("!I", len(value)) + value


class Mysql:
    """MySQL, as far as a query goes; without an answer it is silent."""

    def __init__(
        self, answers: Mapping[str, bytes] | None = None, *, at_login: bytes = b""
    ) -> None:
        self._answers = answers or {}
        self._at_login = at_login
        self.asked: list[str] = []
        self.logins: list[bytes] = []

    def __call__(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            connection.sendall(packet(0, GREETING))
            self.logins.append(_packet_of(stream))
            connection.sendall(packet(2, self._at_login or OK))
            while not self._at_login and (said := _packet_of(stream)):
                if said[:1] != b"\x03":  # COM_QUERY
                    continue
                query = said[1:].decode()
                self.asked.append(query)
                if query.startswith(("SET ", "KILL ")):
                    connection.sendall(packet(1, OK))
                elif query in self._answers:
                    connection.sendall(self._answers[query])


def _packet_of(stream: IO[bytes]) -> bytes:
    head = stream.read(4)
    return stream.read(int.from_bytes(head[:3], "little")) if len(head) == 4 else b""


def packet(number: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "little") + bytes([number]) + body


OK = b"\0\0\0\2\0\0\0"
END = b"\xfe\0\0\2\0"
CAPABILITIES = 0x1 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x80000  # 4.1, databases, plugins; no TLS
GREETING = (
    b"\x0a10.11.0-MariaDB\0"
    + struct.pack("<I", 7)
    + b"12345678\0"
    + struct.pack("<HBHHB", CAPABILITIES & 0xFFFF, 45, 2, CAPABILITIES >> 16, 21)
    + bytes(10)
    + b"123456789012\0mysql_native_password\0"
)


def my_error(number: int, text: str, state: str = "HY000") -> bytes:
    return b"\xff" + struct.pack("<H", number) + f"#{state}{text}".encode()


def my_rows(*values: bytes | None) -> bytes:
    names = b"".join(_lenenc(each) for each in (b"def", b"", b"", b"", b"v", b""))
    column = names + b"\x0c" + struct.pack("<HIBHB", 45, 255, 253, 0, 0) + bytes(2)
    rows = [b"\xfb" if each is None else _lenenc(each) for each in values]
    bodies = [b"\1", column, END, *rows, END]
    return b"".join(packet(number, body) for number, body in enumerate(bodies, start=1))


def _lenenc(value: bytes) -> bytes:
    return bytes([len(value)]) + value
