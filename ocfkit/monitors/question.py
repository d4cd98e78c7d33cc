"""What a monitor asks, since when, and how it says what it saw instead."""

from __future__ import annotations

import time

from ocfkit.errors import ActionError, DegradedError
from ocfkit.log import one_line

_LONGEST_QUOTE = 80


class Question:
    """One thing that is asked of a service."""

    __slots__ = ("asked", "began")

    def __init__(self, asked: str) -> None:
        """`asked` names it, such as "GET http://127.0.0.1/status"."""
        self.asked = asked
        self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long it has been asked."""
        return time.monotonic() - self.began

    def failed(self, seen: str) -> ActionError:
        """The error that says what was seen instead of the right answer."""
        return ActionError(self._sentence(seen))

    def degraded(self, seen: str) -> DegradedError:
        """The error that says what was seen although the answer was right."""
        return DegradedError(self._sentence(seen))

    def _sentence(self, seen: str) -> str:
        return f"{self.asked}: {seen} (after {self.seconds:.2f} s)"


def quoted(text: str | bytes) -> str:
    """The beginning of what a service said, in one line and in quotes."""
    if isinstance(text, bytes):
        text = text[: 4 * _LONGEST_QUOTE].decode("utf-8", "replace")
    text = one_line(text[: 4 * _LONGEST_QUOTE])
    return repr(text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…")
