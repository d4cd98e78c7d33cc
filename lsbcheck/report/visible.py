"""Foreign text on a terminal: nothing acts on it, everything can be read.

A script's output, a process's command line and a file's name are written by strangers. Escape
sequences in them could move the cursor and write a verdict of their own.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Iterator, Sequence

_ACTS = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that move, hide or reorder text, or that a terminal is free to interpret."""


def visible(text: str) -> str:
    r"""The text with every character that acts on a terminal as an escape: `\x1b`, `\u202e`.

    A tab becomes a blank; letters of every script stay. In a log, `##[` anywhere in a line is a
    command to the runners of GitHub and Azure.
    """
    text = text.replace("##[", r"#\x23[")
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible_character(character) for character in text)


def _visible_character(character: str) -> str:
    if character == "\t":
        return " "
    if unicodedata.category(character) not in _ACTS:
        return character
    code = ord(character)
    if code < 0x100:
        return {"\n": "\\n", "\r": "\\r"}.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def lines_of(output: str) -> list[str]:
    r"""Lines as a terminal would show them: tabs spread, what a `\r` overwrites as a line."""
    lines = re.split(r"\r*\n|\r+", output.expandtabs(8))
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def width(text: str) -> int:
    """Columns on a terminal: two for a wide character, none for a combining one."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def padded(text: str, columns: int) -> str:
    """Filled up with blanks to so many columns."""
    return text + " " * (columns - width(text))


def cut(text: str, columns: int) -> str:
    """Shortened to so many columns, with `…` in the place of the end."""
    if width(text) <= columns:
        return text
    start = next(_pieces(text, max(columns - 1, 1)))
    return (start if width(start) < columns else "") + "…"


def _pieces(text: str, columns: int) -> Iterator[str]:
    """The text in pieces of at most so many columns, wherever they end."""
    piece, used = "", 0
    for character in text:
        more = _columns(character)
        if piece and used + more > columns:
            yield piece
            piece, used = "", 0
        piece += character
        used += more
    yield piece


def broken(text: str, columns: int) -> list[str]:
    """Output as pieces that fit; blanks are kept, since they are part of it."""
    return list(_pieces(text, max(columns, 1)))


def wrapped(text: str, columns: int) -> list[str]:
    """A sentence as lines that fit, broken at blanks where there are any."""
    lines = [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if width(joined) <= columns:
            lines[-1] = joined
        elif width(word) <= columns:
            lines.append(word)
        else:
            pieces = broken(word, columns)
            lines[-1:] = [lines[-1], *pieces] if lines[-1] else pieces
    return lines


def command(argv: Sequence[str]) -> str:
    r"""A command line to paste into a shell; what acts on a terminal is quoted as `$'\x1b'`."""
    return " ".join(_shell_word(word) for word in argv)


def _shell_word(word: str) -> str:
    if all(unicodedata.category(character) not in _ACTS for character in word):
        return shlex.quote(word)
    word = re.sub("[\ud800-\udc7f\udd00-\udfff]", "\ufffd", word)  # no byte stands behind them
    quoted = (_ansi_c(byte) for byte in word.encode("utf-8", "surrogateescape"))
    return "$'" + "".join(quoted) + "'"


def _ansi_c(byte: int) -> str:
    character = chr(byte)
    if character in "\\'":
        return "\\" + character
    return character if 0x20 <= byte < 0x7F else f"\\x{byte:02x}"
