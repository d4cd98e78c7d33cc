"""reboot(2): restart the machine, or end the pid namespace that we are in."""

from __future__ import annotations

import ctypes
import os
from errno import EINVAL, ENOSYS

LINUX_REBOOT_CMD_RESTART = 0x01234567  # <linux/reboot.h>

INITIAL_PID_NAMESPACE = "pid:[4026531836]"
"""PROC_PID_INIT_INO of <linux/proc_ns.h>: the machine's own."""

_NUMBERS = {"x86_64": 169, "aarch64": 142}  # <asm/unistd.h>

_libc = ctypes.CDLL(None, use_errno=True)
_reboot = _libc.reboot
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long


def is_contained() -> bool:
    """Whether we are in a pid namespace below the machine's, as in a container."""
    return os.readlink("/proc/self/ns/pid") != INITIAL_PID_NAMESPACE


def require_permission() -> None:
    """Raise OSError unless `restart` would be allowed. It is never done.

    The call is made without the numbers that it wants "for safety": the kernel looks whether we
    may, then at them, and refuses (reboot(2), EINVAL). So a seccomp filter has its say as well.
    """
    number = _NUMBERS.get(os.uname().machine)
    if number is None:
        raise OSError(ENOSYS, f"no number of reboot known on {os.uname().machine}")
    zero = ctypes.c_long(0)
    _syscall(ctypes.c_long(number), zero, zero, zero, zero)
    if (refusal := ctypes.get_errno()) != EINVAL:
        raise OSError(refusal, os.strerror(refusal))


def restart() -> None:
    """Without syncing, at once; in a pid namespace its first process is killed, and so all of it.

    Raises OSError when it has had no effect.
    """
    _reboot(ctypes.c_int(LINUX_REBOOT_CMD_RESTART))
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))
