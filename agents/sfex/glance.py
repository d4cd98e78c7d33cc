"""One read of a lock by who must not hang with the disk: a child does it, and is left to it."""

from __future__ import annotations

import os
import select

from ocfkit.agents.sfex.layout import FormatError, decode, encode
from ocfkit.agents.sfex.store import MismatchError, Store
from ocfkit.errors import ActionError, DegradedError, told
from ocfkit.linux.blockdev import BlockDevice

TYPE_CHECKING = False  # as typing's, which every agent would pay for
if TYPE_CHECKING:
    import signal
    from typing import NoReturn

    from ocfkit.agents.sfex.record import Record
    from ocfkit.deadline import Deadline
else:
    import _signal as signal  # without the enums of the front

_BLOCK = 512
"""Bytes in which a record is told; of any sector no more is used."""

_READ, _FAILED, _NONE = b"+", b"-", b"?"


def glance(device: str, index: int, deadline: Deadline) -> Record:
    """What is on the disk now.

    Raises DegradedError where it does not answer in time, or not at all: its holder may well have
    some time left. Raises ActionError where there is no such lock.
    """
    signal.signal(
        signal.SIGCHLD, signal.SIG_DFL
    )  # ignored, it would bury the child, and free its pid
    try:
        said = _said_by_child(device, index, deadline)
    except (
        OSError
    ) as error:  # the node has no process or no file left, which says nothing of the disk
        raise DegradedError(f"{device} was not read: {told(error)}") from error
    kind, text = said[:1], said[1:]
    if kind == _READ:
        return decode(text)
    if kind == _FAILED:
        raise DegradedError(text.decode())
    if kind == _NONE:
        raise ActionError(text.decode())
    raise DegradedError(f"{device} has not answered a read in time")


def _said_by_child(device: str, index: int, deadline: Deadline) -> bytes:
    hears, says = os.pipe2(os.O_CLOEXEC)
    try:
        pid = os.fork()
        if pid == 0:
            _read_and_exit(device, index, says)
    except OSError:
        os.close(hears)
        raise
    finally:
        os.close(says)
    try:
        return _said(hears, deadline)
    finally:
        os.close(hears)
        os.kill(pid, signal.SIGKILL)
        if not os.waitpid(pid, os.WNOHANG)[0]:
            _wait_a_moment(pid)


def _read_and_exit(device: str, index: int, says: int) -> NoReturn:
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):  # the caller waits for the end of these
            os.dup2(nothing, standard)
        try:
            with BlockDevice(device) as opened:
                said = _READ + encode(Store(opened, index).read(), _BLOCK)
        except OSError as error:
            said = _FAILED + told(error).encode(errors="replace")
        except (FormatError, MismatchError) as error:
            said = _NONE + str(error).encode(errors="replace")
        os.write(says, said)
    finally:
        os._exit(0)


def _said(hears: int, deadline: Deadline) -> bytes:
    poll = select.poll()
    poll.register(hears, select.POLLIN)
    return os.read(hears, 65536) if poll.poll(deadline.left() * 1000) else b""


def _wait_a_moment(pid: int) -> None:
    """It is gone soon, or hangs in the kernel; then it ends some day, and is not ours by then."""
    watched = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(watched, select.POLLIN)
        if poll.poll(100):
            os.waitpid(pid, 0)
    finally:
        os.close(watched)
