"""A timer to poll(2) for that goes on while the machine is suspended: timerfd_create(2).

Python has it from 3.13 on.
"""

from __future__ import annotations

import ctypes
import os
import time

TFD_TIMER_ABSTIME = 1  # <sys/timerfd.h>; TFD_CLOEXEC and TFD_NONBLOCK are O_CLOEXEC and O_NONBLOCK

_libc = ctypes.CDLL(None, use_errno=True)
_create = _libc.timerfd_create
_settime = _libc.timerfd_settime


class Timer:
    """Readable from a boot time on, at once when the machine has slept past it."""

    __slots__ = ("_setting", "descriptor")

    def __init__(self) -> None:
        """Never, at first; raises OSError."""
        self._setting = (ctypes.c_long * 4)()  # struct itimerspec: no interval, and the time
        self.descriptor = _create(time.CLOCK_BOOTTIME, os.O_CLOEXEC | os.O_NONBLOCK)
        _check(self.descriptor)

    def set(self, boot: int) -> None:
        """Readable from then on and not before; 0 is never. Takes no memory."""
        self._setting[2], self._setting[3] = divmod(boot, 1_000_000_000)
        _check(_settime(self.descriptor, TFD_TIMER_ABSTIME, self._setting, None))


def _check(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
