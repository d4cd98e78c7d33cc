"""Standard streams and signals of a command: what is said where, and what ends it in good order."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import FrameType


def complain(*sentences: str) -> None:
    """Say something to the operator that is not what he asked for."""
    with suppress(OSError, ValueError, AttributeError):  # closed, or there is none
        for sentence in sentences:
            sys.stderr.write(f"ocfkit: {sentence}\n")
        sys.stderr.flush()


@contextmanager
def surviving_encodings() -> Generator[None]:
    r"""What the locale cannot write comes out as `\u3042`, and not as an error."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    yield


class Interrupted(KeyboardInterrupt):
    """A signal asks us to end; on its way up an action is ended, and half a file removed."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number


def _interrupt(number: int, _: FrameType | None) -> None:
    raise Interrupted(number)


@contextmanager
def signals_as_interrupts() -> Generator[None]:
    """SIGINT, SIGTERM and SIGHUP end the run in good order; one that is ignored stays so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, _interrupt)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def flush() -> None:
    """Write out what was printed, while an error can still be told."""
    if sys.stdout is not None:  # it may be closed
        sys.stdout.flush()


def let_go_of_stdout() -> None:
    """So that the interpreter does not fail again at its end (Python's "Note on SIGPIPE")."""
    with suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def columns(most: int) -> int:
    """Columns of the terminal, at most so many; 100 where there is none."""
    try:
        return min(os.get_terminal_size(sys.stdout.fileno()).columns or 100, most)
    except (OSError, ValueError, AttributeError):  # no terminal, no descriptor, no stream
        return 100
