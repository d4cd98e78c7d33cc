"""A port that answers, and all the ways in which it does not."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ocfkit.deadline import Deadline
from ocfkit.errors import ActionError, ConfigurationError
from ocfkit.monitors import tcp
from tests.monitors.servers import Script, serving, silent
from tests.ocfkit.daemons import free_port

HOST = "127.0.0.1"


def greeting(*parts: bytes) -> Script:
    def script(connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)

    return script


def later() -> Deadline:
    return Deadline.after(20)


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
            with pytest.raises(ActionError, match="said '', without 'ready' when time was over"):
                tcp.check(HOST, port, deadline=deadline, banner="ready")
            assert deadline.left() == 0.0

    def test_is_one_who_says_something_else(self) -> None:
        with (
            serving(greeting(b"421 too many\n")) as port,
            pytest.raises(ActionError, match="said '421 too many' and no more, without '220'"),
        ):
            tcp.check(HOST, port, deadline=later(), banner="220")

    def test_is_one_who_says_too_much(self) -> None:
        with (
            serving(greeting(b"x" * (1 << 20))) as port,
            pytest.raises(ActionError, match="and more, without 'ready'"),
        ):
            tcp.check(HOST, port, deadline=later(), banner="ready")

    def test_is_a_listener_whose_queue_is_full(self, tmp_path: Path) -> None:
        path = str(tmp_path / "socket")
        with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as first:
            listening.bind(path)
            listening.listen(0)
            first.connect(path)
            with pytest.raises(ActionError, match="nobody takes a connection"):
                tcp.check(path, deadline=later())

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
