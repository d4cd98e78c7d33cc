"""Somebody who watches the clock while an author's code runs, and answers for it in time.

The executor would kill the whole process group without a word. `supervise` does the work in a
child: its parent answers even when the child is stuck in the kernel, on a dead disk say, where
neither a signal nor a thread of its own could end it. `watch` does it in this process and leaves
the clock to a thread: a millisecond cheaper, for what runs every few seconds and looks at memory
only.
"""

from __future__ import annotations

import _thread
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from typing import NoReturn
else:
    import _signal as signal

_AWAITED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Outcome:
    """How the work ended: with a code, or with a reason why it has none."""

    __slots__ = ("code", "reason")

    def __init__(self, code: int | None, reason: str = "") -> None:
        """`reason` continues the name of the action: "did not end within …"."""
        self.code = code
        self.reason = reason


def supervise(work: Callable[[Callable[[str], None]], int], limit: float) -> Outcome:
    """Do the work in a child, for `limit` seconds.

    The work gets a function to say in a line what it waits for. The child keeps our standard
    streams and process group, so that the executor's kill reaches it too.
    """
    until = time.monotonic() + limit
    said, says = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    # Signals are waited for, not handled: after a fork each page that is written to is copied, and
    # this way there is next to nothing to do.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, it would collect the child by itself
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    worker = os.fork()
    if worker == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        _work(work, says)
    while True:
        heard = signal.sigtimedwait(_AWAITED, max(until - time.monotonic(), 0.0))
        pid, status = os.waitpid(worker, os.WNOHANG)
        if pid:
            break
        if heard is None or heard.si_signo != signal.SIGCHLD:
            os.kill(worker, signal.SIGKILL)
            why = f"did not end within {limit:.1f} s"
            if heard is not None:
                why = f"was ended by signal {heard.si_signo}"
            return Outcome(None, f"{why}{_last(said)}")
    if os.WIFSIGNALED(status):
        return Outcome(None, f"was killed by signal {os.WTERMSIG(status)}{_last(said)}")
    return Outcome(os.WEXITSTATUS(status))


def watch(
    work: Callable[[Callable[[str], None]], int], limit: float, overdue: Callable[[str], None]
) -> int:
    """Do the work here, for `limit` seconds.

    Then `overdue` is called with why, and the process is ended with 1.
    """
    last = [""]
    ended = _thread.allocate_lock()
    ended.acquire()

    def doing(what: str) -> None:
        last[0] = f" ({what})"

    def look_at_the_clock() -> None:
        if not ended.acquire(timeout=max(limit, 0.0)):
            try:
                overdue(f"did not end within {limit:.1f} s{last[0]}")
            finally:
                os._exit(1)

    _thread.start_new_thread(look_at_the_clock, ())
    me = os.getpid()
    code = work(doing)
    ended.release()
    if os.getpid() != me:  # see _work
        os._exit(code)
    return code


def _work(work: Callable[[Callable[[str], None]], int], says: int) -> NoReturn:
    me = os.getpid()
    code = 1

    def doing(what: str) -> None:
        try:
            os.write(says, f"{what}\n".encode(errors="replace"))
        except OSError:  # the pipe is full: whoever says so much is not stuck
            return

    try:
        code = work(doing)
    finally:
        # A child that the author has forked and that comes back here has no answer to give.
        if os.getpid() == me:
            flush()
        os._exit(code)


def flush() -> None:
    """Write out what an author has printed; there may be no stream, or nobody who reads it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            continue


def _last(said: int) -> str:
    """What the worker said at last, in parentheses."""
    try:
        lines = os.read(said, 1 << 16).decode(errors="replace").splitlines()
    except OSError:  # nothing was said
        return ""
    return f" ({lines[-1]})"
