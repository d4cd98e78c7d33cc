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

    __slots__ = ("by_caller", "code", "reason")

    def __init__(self, code: int | None, reason: str = "", *, by_caller: bool = False) -> None:
        """`reason` continues the name of the action: "did not end within …".

        `by_caller`: a signal has told us to end.
        """
        self.code = code
        self.reason = reason
        self.by_caller = by_caller


def supervise(
    work: Callable[[Callable[[str], None]], int],
    limit: float,
    *,
    unless: tuple[float, str] | None = None,
) -> Outcome:
    """Do the work in a child, for `limit` seconds.

    The work gets a function to say in a line what it waits for. The child keeps our standard
    streams and process group, so that the executor's kill reaches it too. With `unless`, it is
    given up after so many seconds already, unless it has said this line by then. Raises OSError
    when there can be no child.
    """
    began = time.monotonic()
    until = began + (limit if unless is None else unless[0])
    said, says = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    # Signals are waited for, not handled: after a fork each page that is written to is copied, and
    # this way there is next to nothing to do.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, it would collect the child by itself
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    try:
        worker = os.fork()
    except OSError:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise
    if worker == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        _work(work, says)
    lines: list[str] = []
    while True:
        heard = signal.sigtimedwait(_AWAITED, max(until - time.monotonic(), 0.0))
        pid, status = os.waitpid(worker, os.WNOHANG)
        if pid:
            break
        if heard is not None and heard.si_signo == signal.SIGCHLD:
            continue
        lines += _said(said)
        if heard is None and unless is not None and unless[1] in lines:
            until, unless = began + limit, None
            continue
        os.kill(worker, signal.SIGKILL)
        if heard is not None:
            why = f"was ended by signal {heard.si_signo}{_last(lines)}"
            return Outcome(None, why, by_caller=True)
        return Outcome(None, f"did not end within {time.monotonic() - began:.1f} s{_last(lines)}")
    if os.WIFSIGNALED(status):
        lines += _said(said)
        return Outcome(None, f"was killed by signal {os.WTERMSIG(status)}{_last(lines)}")
    return Outcome(os.WEXITSTATUS(status))


def watch(
    work: Callable[[Callable[[str], None]], int], limit: float, overdue: Callable[[str], None]
) -> int:
    """Do the work here, for `limit` seconds.

    Then `overdue` is called with why, and the process is ended with 1. Where there is no room for a
    thread, nobody looks at the clock.
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

    try:
        _thread.start_new_thread(look_at_the_clock, ())
    except RuntimeError:
        doing("there is no room for a thread that looks at the clock")
    code = work(doing)
    ended.release()
    return code


def _work(work: Callable[[Callable[[str], None]], int], says: int) -> NoReturn:
    code = 1

    def doing(what: str) -> None:
        try:
            os.write(says, f"{what}\n".encode(errors="replace"))
        except OSError:  # the pipe is full: whoever says so much is not stuck
            return

    try:
        code = work(doing)
    finally:
        flush()
        os._exit(code)


def flush() -> None:
    """Write out what an author has printed; there may be no stream, or nobody who reads it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            continue


def _said(said: int) -> list[str]:
    """What the worker has said since it was asked last."""
    try:
        return os.read(said, 1 << 16).decode(errors="replace").splitlines()
    except OSError:  # nothing
        return []


def _last(lines: list[str]) -> str:
    return f" ({lines[-1]})" if lines else ""
