"""Addresses of hosts, and name services that are not there."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ocfkit.deadline import Deadline
from ocfkit.monitors import names
from ocfkit.monitors.names import NoAddressError, resolve

ROOT = Path(__file__).resolve().parents[2]

# of Python 3.12 and later: other tests have threads, and the child does next to nothing
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

HANGS = """
import os, sys, time
sys.path.append(sys.argv[1])
from ocfkit.deadline import Deadline
from ocfkit.monitors import names
def hang(name, port, flags=0):
    if flags:
        raise OSError
    os.write(1, b"%d" % os.getpid())
    time.sleep(600)
names._found = hang
names.resolve("web.example", 80, Deadline.after(float(sys.argv[2])))
"""


def later() -> Deadline:
    return Deadline.after(20)


def hang(_name: bytes, _port: int, flags: int = 0) -> list[names.Address]:
    """As getaddrinfo(3) before a name server that does not answer."""
    if flags:
        raise OSError
    time.sleep(600)
    raise AssertionError


def assert_no_child() -> None:
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


class TestANumber:
    @pytest.mark.parametrize(
        ("host", "place"),
        [
            ("127.0.0.1", ("127.0.0.1", 80)),
            ("::1", ("::1", 80, 0, 0)),
            ("fe80::1%lo", ("fe80::1", 80, 0, 1)),
        ],
    )
    def test_is_its_own_address_and_nobody_is_asked(
        self, host: str, place: names.Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "fork", lambda: pytest.fail("a child"))
        assert [each for _, each in resolve(host, 80, later())] == [place]


class TestAName:
    def test_is_looked_up(self) -> None:
        hosts = {place[:2] for _, place in resolve("localhost", 80, later())}
        assert hosts & {("127.0.0.1", 80), ("::1", 80)}
        assert_no_child()

    def test_has_each_address_once(self) -> None:
        found = resolve("localhost", 80, later())
        assert len(set(found)) == len(found)

    def test_that_nobody_knows_is_told(self) -> None:
        with pytest.raises(NoAddressError, match=r"^the name service .* nowhere\.invalid"):
            resolve("nowhere.invalid", 80, later())
        assert_no_child()

    @pytest.mark.parametrize("host", ["", "a\0b", "127.0.0.1\n", "ü" * 80])
    def test_that_can_be_none_is_not_asked_for(self, host: str) -> None:
        with pytest.raises(NoAddressError, match="cannot be the name of a host"):
            resolve(host, 80, later())


class TestANameServiceThatIsDead:
    def test_is_told_in_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(names, "_found", hang)
        monkeypatch.setattr(names, "_TO_BE_ENDED", 20.0)  # it is not the child's own clock
        deadline = Deadline.after(0.3)
        with pytest.raises(NoAddressError, match="did not say in time which address web has"):
            resolve("web", 80, deadline)
        assert time.monotonic() - deadline.until < 2
        assert_no_child()

    def test_leaves_nothing_open(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(names, "_found", hang)
        before = os.listdir("/proc/self/fd")
        with pytest.raises(NoAddressError):
            resolve("web", 80, Deadline.after(0.1))
        assert os.listdir("/proc/self/fd") == before

    def test_keeps_no_process_when_the_one_that_asked_is_killed(self) -> None:
        argv = [sys.executable, "-Ic", HANGS, str(ROOT), "1"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as asking:
            assert asking.stdout
            child = os.pidfd_open(int(os.read(asking.stdout.fileno(), 20)))
            asking.send_signal(signal.SIGKILL)
        try:
            assert select.select([child], [], [], 20)[0]
        finally:
            os.close(child)


def test_no_process_to_be_had_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise OSError(11, "Resource temporarily unavailable")

    before = os.listdir("/proc/self/fd")
    monkeypatch.setattr(os, "fork", refuse)
    with pytest.raises(NoAddressError, match="web cannot be looked up: Resource temporarily"):
        resolve("web", 80, later())
    assert os.listdir("/proc/self/fd") == before
