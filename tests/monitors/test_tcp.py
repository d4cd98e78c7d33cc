"""A port that answers, and all the ways in which it does not."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from ocfkit.deadline import Deadline
from ocfkit.errors import ActionError, ConfigurationError
from ocfkit.monitors import names, tcp
from tests.monitors.servers import Script, full_queue, resetting, serving, silent
from tests.ocfkit.daemons import free_port

HOST = "127.0.0.1"


def greeting(*parts: bytes) -> Script:
    def script(connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)

    return script


def later() -> Deadline:
    return Deadline.after(20)


def in_time(deadline: Deadline) -> bool:
    """Whether it is not over for long, as a busy machine has it."""
    return time.monotonic() < deadline.until + 1


class FullSocket:
    """A unix socket whose queue is full; `accept` makes room."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._listening = socket.socket(socket.AF_UNIX)
        self._waiting = socket.socket(socket.AF_UNIX)
        self._listening.bind(path)
        self._listening.listen(0)
        self._waiting.connect(path)

    def accept(self) -> None:
        self._listening.accept()[0].close()

    def close(self) -> None:
        self._waiting.close()
        self._listening.close()


@pytest.fixture
def full_socket(tmp_path: Path) -> Generator[FullSocket]:
    made = FullSocket(str(tmp_path / "socket"))
    yield made
    made.close()


def known_as(monkeypatch: pytest.MonkeyPatch, *ports: int) -> None:
    """Give every name so many addresses."""
    places = [(socket.AF_INET, (HOST, port)) for port in ports]

    def resolve(_host: str, _port: int, _deadline: Deadline) -> list[names.Address]:
        return list(places)

    monkeypatch.setattr(names, "resolve", resolve)


class TestAPortThatAnswers:
    def test_is_enough(self) -> None:
        with serving(silent) as port:
            assert tcp.check(HOST, port, deadline=later()) == b""

    def test_is_found_by_a_name(self) -> None:
        with serving(silent) as port:
            tcp.check("localhost", port, deadline=later())

    def test_says_its_banner(self) -> None:
        with serving(greeting(b"220 mail.exa", b"mple ready\r\n")) as port:
            said = tcp.check(HOST, port, deadline=later(), banner="^220 .* ready")
            assert said.startswith(b"220 mail.example ready")

    def test_may_have_to_be_spoken_to(self) -> None:
        def echo(connection: socket.socket) -> None:
            connection.sendall(connection.recv(100).upper())

        with serving(echo) as port:
            tcp.check(HOST, port, deadline=later(), send=b"ping", banner="PING")

    def test_may_be_a_unix_socket(self, tmp_path: Path) -> None:
        path = str(tmp_path / "socket")
        with serving(greeting(b"hello"), family=socket.AF_UNIX, at=path):
            assert tcp.check(path, deadline=later(), banner="hello") == b"hello"

    def test_may_have_room_in_its_queue_a_moment_later(self, full_socket: FullSocket) -> None:
        timer = threading.Timer(0.2, full_socket.accept)
        timer.start()
        tcp.check(full_socket.path, deadline=later())
        timer.join()

    def test_may_be_at_any_address_of_a_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with serving(silent) as port:
            known_as(monkeypatch, free_port(), port)
            tcp.check("web", 80, deadline=later())

    def test_does_not_wait_for_an_address_that_is_dead(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with full_queue() as dead, serving(silent) as port:
            known_as(monkeypatch, dead, port)
            deadline = later()
            tcp.check("web", 80, deadline=deadline)
            assert deadline.left() > 15


class TestAFailure:
    def test_is_a_port_at_which_nobody_listens(self) -> None:
        port = free_port()
        with pytest.raises(ActionError, match=rf"^tcp 127\.0\.0\.1:{port}: Connection refused \("):
            tcp.check(HOST, port, deadline=later())

    def test_is_a_socket_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ActionError, match="No such file or directory"):
            tcp.check(str(tmp_path / "none"), deadline=later())

    def test_is_one_who_says_nothing_in_time(self) -> None:
        with serving(silent) as port:
            deadline = Deadline.after(0.3)
            with pytest.raises(ActionError, match="said nothing, without 'ready', when time was"):
                tcp.check(HOST, port, deadline=deadline, banner="ready")
            assert in_time(deadline)

    def test_is_one_who_says_something_else(self) -> None:
        with (
            serving(greeting(b"421 too many\n")) as port,
            pytest.raises(
                ActionError, match="'421 too many', without '220', when the connection was"
            ),
        ):
            tcp.check(HOST, port, deadline=later(), banner="220")

    def test_is_one_who_says_too_much(self) -> None:
        with (
            serving(greeting(b"x" * (1 << 20))) as port,
            pytest.raises(ActionError, match="and more, without 'ready'"),
        ):
            tcp.check(HOST, port, deadline=later(), banner="ready")

    def test_is_a_unix_socket_whose_queue_stays_full(self, full_socket: FullSocket) -> None:
        with pytest.raises(ActionError, match="it took no connection until time was over"):
            tcp.check(full_socket.path, deadline=Deadline.after(0.3))

    def test_is_a_port_whose_queue_stays_full(self) -> None:
        with full_queue() as port:
            deadline = Deadline.after(0.5)
            with pytest.raises(ActionError, match="no connection came about in time"):
                tcp.check(HOST, port, deadline=deadline)
            assert in_time(deadline)

    def test_is_one_who_hangs_up(self) -> None:
        with serving(resetting()) as port, pytest.raises(ActionError, match="Connection reset by"):
            tcp.check(HOST, port, deadline=later(), send=b"\r\n\r\n", banner="ready")

    def test_is_each_of_several_addresses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        known_as(monkeypatch, free_port(), free_port())
        with pytest.raises(ActionError) as caught:
            tcp.check("web", 80, deadline=later())
        told = f"{HOST}: Connection refused"
        assert str(caught.value).startswith(f"tcp web:80: {told}; {told} (after 0.")

    def test_is_a_port_that_answers_only_because_we_are_given_it_ourselves(self) -> None:
        with socket.socket() as talking:
            talking.bind((HOST, 0))
            talking.connect(talking.getsockname())
            assert tcp.failure_of(talking) == "nobody listens"

    @pytest.mark.parametrize(("host", "port"), [("", 80), (HOST, 0), (HOST, 65536), (HOST, -1)])
    def test_is_a_place_that_is_none(self, host: str, port: int) -> None:
        with pytest.raises(ConfigurationError, match="expected a host and a port"):
            tcp.check(host, port, deadline=later())

    def test_is_a_pattern_that_is_none(self) -> None:
        with serving(greeting(b"x")) as port, pytest.raises(ConfigurationError):
            tcp.check(HOST, port, deadline=later(), banner="(")


def test_leaves_nothing_open() -> None:
    before = os.listdir("/proc/self/fd")
    with serving(greeting(b"no")) as port:
        for banner in (None, "no", "yes"):
            try:
                tcp.check(HOST, port, deadline=later(), banner=banner)
            except ActionError:
                assert banner == "yes"
    with pytest.raises(ActionError):
        tcp.check(HOST, free_port(), deadline=later())
    assert os.listdir("/proc/self/fd") == before
