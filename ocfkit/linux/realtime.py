"""Let a process run in time when the machine has neither memory nor a processor left."""

from __future__ import annotations

import os

MCL_CURRENT, MCL_FUTURE = 1, 2  # <linux/mman.h>


def lock_memory() -> None:
    """Keep all pages of this process in memory, those to come as well; raises OSError.

    A child gets none of it (mlockall(2)).
    """
    import ctypes  # 1 MB that nobody else needs

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(MCL_CURRENT | MCL_FUTURE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def run_first() -> None:
    """Run before whatever has no real-time class; raises OSError.

    The lowest priority of the class is above everybody outside of it (sched(7)). A child is an
    ordinary process again.
    """
    os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def be_spared(name: str) -> None:
    """Be the last that the kernel kills for memory, called by this name where it tells (proc(5)).

    Both are wishes: a container may not, and mostly has the memory.
    """
    for file, text in (("comm", name), ("oom_score_adj", "-1000")):
        try:
            descriptor = os.open(f"/proc/self/{file}", os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            os.write(descriptor, text.encode())
        except OSError:
            pass
        finally:
            os.close(descriptor)
