"""Lines on paper: every piece of text is made harmless first and coloured afterwards."""

from __future__ import annotations

from typing import Literal, TextIO

from lsbcheck.report.visible import visible

Style = Literal["plain", "bold", "dim", "good", "bad", "open", "wrong"]

_CODES: dict[Style, str] = {
    "plain": "",
    "bold": "1",
    "dim": "2",
    "good": "32",
    "bad": "1;31",
    "open": "33",
    "wrong": "35",
}

Piece = str | tuple[Style, str]
"""Text, or text with a style."""


def _told(text: str) -> str:
    """A line that begins with :: is a command to the runner of GitHub Actions."""
    return text.replace("::", r"\x3a:")


class Paper:
    """Where the report is written. Nothing reaches the stream but through `line`."""

    def __init__(self, stream: TextIO, *, colour: bool = False, width: int = 100) -> None:
        """Write to a stream, for so many columns."""
        self._stream = stream
        self._colour = colour
        self.width = max(width, 50)

    def line(self, *pieces: Piece) -> None:
        """One line; blanks at its end are left out."""
        parts: list[tuple[Style, str]] = [
            ("plain", piece) if isinstance(piece, str) else piece for piece in pieces
        ]
        while parts and not parts[-1][1].strip(" "):
            parts.pop()
        if parts:
            style, text = parts[-1]
            parts[-1] = style, text.rstrip(" ")
        if "".join(text for _, text in parts).lstrip().startswith("::"):
            parts = [("plain", _told(text)) for _, text in parts]
        self._stream.write("".join(self._styled(style, text) for style, text in parts) + "\n")

    def flush(self) -> None:
        """Send out what is written."""
        self._stream.flush()

    def _styled(self, style: Style, text: str) -> str:
        text = visible(text)
        if not self._colour or style == "plain" or not text:
            return text
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m"
