"""One line on the terminal that says what is going on; nothing where there is no terminal."""

from __future__ import annotations

import threading
import time
from typing import TextIO

from lsbcheck.report.visible import cut, visible


class Progress:
    """Shows the last thing it was told, with the seconds since the beginning.

    A thread of its own keeps the seconds going, so that a user sees that a long wait is a wait.
    """

    def __init__(self, stream: TextIO, *, enabled: bool, width: int = 80) -> None:
        """Without `enabled` every method does nothing."""
        self._stream = stream
        self._enabled = enabled
        self._width = width
        self._text = ""
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        if enabled:
            threading.Thread(target=self._tick, daemon=True).start()

    def show(self, text: str) -> None:
        """Replace the line."""
        with self._lock:
            self._text = text
            self._draw()

    def clear(self) -> None:
        """Take the line away before something else is printed; the next `show` brings it back."""
        with self._lock:
            if self._enabled and self._text:
                self._text = ""
                self._write("\r\x1b[K")

    def close(self) -> None:
        """Take the line away for good."""
        self._ended.set()
        self.clear()
        self._enabled = False

    def _tick(self) -> None:
        while not self._ended.wait(1):
            with self._lock:
                self._draw()

    def _draw(self) -> None:
        if not self._enabled or not self._text or self._ended.is_set():
            return
        line = f"{visible(self._text)} ({time.monotonic() - self._began:.0f} s)"
        self._write("\r" + cut(line, self._width - 1) + "\x1b[K")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # the terminal is gone: no reason to lose the run
            self._enabled = False
