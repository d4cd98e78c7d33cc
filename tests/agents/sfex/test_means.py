"""The means to fence, on files of the test's own: nothing here could fire."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import pytest

from ocfkit.agents.sfex.means import (
    WDIOC_GETSUPPORT,
    WDIOC_KEEPALIVE,
    WDIOC_SETTIMEOUT,
    WDIOF_MAGICCLOSE,
    Means,
    Reboot,
    Sysrq,
    UnguardedError,
    Watchdog,
    watchdog_timeout,
)
from ocfkit.agents.sfex.timing import SECOND, Timing


class Device:
    """A watchdog's ioctls; what is written to it lands in a file."""

    def __init__(self, *, options: int = WDIOF_MAGICCLOSE, longest: int = 60) -> None:
        self.options = options
        self.longest = longest
        self.feedings = 0

    def ioctl(self, _descriptor: int, request: int, argument: bytearray) -> None:
        if request == WDIOC_GETSUPPORT:
            struct.pack_into("=I", argument, 0, self.options)
        elif request == WDIOC_SETTIMEOUT:
            (asked,) = struct.unpack("=i", argument)
            argument[:] = struct.pack("=i", min(asked, self.longest))
        else:
            assert request == WDIOC_KEEPALIVE
            self.feedings += 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "trigger"
    file.touch()
    return file


def allowed() -> None:
    """As require_permission where it is."""


def refused() -> None:
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def never() -> None:
    raise AssertionError("it was fired")


def missing_sysrq() -> Sysrq:
    return Sysrq("/nowhere/sysrq-trigger")


# Sysrq.


def test_sysrq_is_open_before_it_is_needed_and_nothing_is_written(path: Path) -> None:
    means = Sysrq(str(path))
    path.rename(path.with_name("elsewhere"))
    assert path.with_name("elsewhere").read_bytes() == b""
    means.fire()
    means.close()
    assert path.with_name("elsewhere").read_bytes() == b"b"


def test_sysrq_is_not_made_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Sysrq(str(tmp_path / "trigger"))
    assert not any(tmp_path.iterdir())


# reboot(2).


def test_a_permission_to_reboot_is_asked_for_and_not_used() -> None:
    Reboot(allowed, never)


def test_a_reboot_that_is_not_allowed_is_no_means() -> None:
    with pytest.raises(PermissionError):
        Reboot(refused, never)


def test_a_reboot_is_done_when_it_is_fired() -> None:
    done: list[bool] = []
    Reboot(allowed, lambda: done.append(True)).fire()
    assert done == [True]


# The watchdog.


def test_a_watchdog_is_set_and_is_not_fed_before_its_time(path: Path) -> None:
    device = Device()
    dog = Watchdog(str(path), 5 * SECOND, ioctl=device.ioctl)
    assert dog.timeout == 5 * SECOND
    assert device.feedings == 0
    dog.feed()
    assert device.feedings == 1
    assert path.read_bytes() == b""
    dog.close()


def test_a_watchdog_is_disarmed_by_magic_close(path: Path) -> None:
    Watchdog(str(path), 5 * SECOND, ioctl=Device().ioctl).close()
    assert path.read_bytes() == b"V"


def test_a_watchdog_that_a_death_would_disarm_is_refused(path: Path) -> None:
    with pytest.raises(OSError, match="no magic close"):
        Watchdog(str(path), 5 * SECOND, ioctl=Device(options=0).ioctl)
    assert path.read_bytes() == b"V"


def test_a_watchdog_with_another_timeout_is_refused_and_disarmed(path: Path) -> None:
    with pytest.raises(OSError, match="its timeout is 3 s, not 5 s"):
        Watchdog(str(path), 5 * SECOND, ioctl=Device(longest=3).ioctl)
    assert path.read_bytes() == b"V"


def test_a_file_that_is_no_watchdog_is_refused(path: Path) -> None:
    with pytest.raises(OSError, match="Inappropriate ioctl"):
        Watchdog(str(path), 5 * SECOND)


@pytest.mark.parametrize(
    ("lock", "interval", "timeout"), [(60, 10, 10), (20, 10, 9), (100, 10, 10), (15, 10, 4)]
)
def test_a_watchdog_can_be_fed_from_renewal_to_renewal(
    lock: int, interval: int, timeout: int
) -> None:
    timing = Timing.of(collision=SECOND, lock=lock * SECOND, interval=interval * SECOND)
    assert watchdog_timeout(timing) == timeout * SECOND
    assert timing.interval + timeout * SECOND <= timing.lease


def test_a_lease_too_short_for_a_watchdog_is_told() -> None:
    timing = Timing(collision=500, lock=2500, interval=500, margin=300, look=100, io=100)
    with pytest.raises(ValueError, match="too short for a watchdog"):
        watchdog_timeout(timing)


# All of them.


def test_each_means_says_how_it_is(path: Path) -> None:
    dog = path.with_name("watchdog")
    dog.touch()
    means = Means.found(
        sysrq=lambda: Sysrq(str(path)),
        restart=lambda: Reboot(refused, never),
        watchdog=lambda: Watchdog(str(dog), 5 * SECOND, ioctl=Device().ioctl),
        contained=False,
    )
    assert means.report() == [
        f"fences by sysrq through {path}",
        f"fences by the watchdog {dog}, 5 s after it was fed last",
        "reboot(2) cannot be used (Operation not permitted)",
    ]
    assert len(means.descriptors) == 2
    means.close()
    assert path.read_bytes() == b""
    assert dog.read_bytes() == b"V"


def test_no_watchdog_is_opened_unless_one_is_given() -> None:
    means = Means.found(
        sysrq=missing_sysrq,
        restart=lambda: Reboot(allowed, never, is_contained=False),
        contained=False,
    )
    assert means.watchdog is None
    assert means.report() == [
        "fences by reboot(2)",
        "sysrq cannot be used (No such file or directory: /nowhere/sysrq-trigger)",
    ]


@pytest.mark.parametrize(
    ("contained", "first"), [(True, Reboot), (False, Sysrq)], ids=["container", "machine"]
)
def test_a_container_takes_itself_down_before_its_neighbours(
    path: Path, *, contained: bool, first: type
) -> None:
    means = Means.found(
        sysrq=lambda: Sysrq(str(path)),
        restart=lambda: Reboot(allowed, never),
        contained=contained,
    )
    assert {Sysrq, Reboot} == {type(each) for each in means.firing}
    assert type(means.firing[0]) is first
    means.close()


def test_enforce_refuses_to_start_without_any() -> None:
    means = Means.found(
        sysrq=missing_sysrq, restart=lambda: Reboot(refused, never), contained=False
    )
    with pytest.raises(UnguardedError, match=r"sysrq cannot.*; reboot\(2\) cannot"):
        means.require("enforce")


def test_advise_starts_without_any_and_says_what_is_missing() -> None:
    means = Means.found(
        sysrq=missing_sysrq, restart=lambda: Reboot(refused, never), contained=False
    )
    means.require("advise")
    assert len(means.report()) == 2
    lack = "nothing on this node could end in time who loses the lock: sysrq cannot"
    assert means.lack.startswith(lack)


def test_one_is_enough_for_enforce(path: Path) -> None:
    means = Means([Sysrq(str(path))])
    means.require("enforce")
    assert not means.lack
    means.close()


@pytest.mark.parametrize("contained", [True, False])
def test_reboot_alone_is_enough_for_a_container_only(*, contained: bool) -> None:
    """A machine shuts its devices down first, and waits for a disk that hangs."""
    means = Means.found(
        sysrq=missing_sysrq,
        restart=lambda: Reboot(allowed, never, is_contained=contained),
        contained=contained,
    )
    assert (means.lack == "") == contained
    if not contained:
        with pytest.raises(UnguardedError, match=r"reboot\(2\) alone may wait for a disk"):
            means.require("enforce")


def test_what_is_mounted_over_sysrq_is_none(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setattr("ocfkit.agents.sfex.means.SYSRQ", str(path))
    with pytest.raises(OSError, match=r"no file of the kernel's"):
        Sysrq(str(path))
