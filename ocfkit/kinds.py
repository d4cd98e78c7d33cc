"""The types that a parameter can have: how its text is read, what is expected, how it is written.

`read` raises ValueError for a text that is not of the type, with or without a message: whoever
catches it tells the operator what was expected and what was seen.
"""

from __future__ import annotations

import sys

from ocfkit.durations import EXAMPLES, seconds
from ocfkit.durations import text as written
from ocfkit.environment import FALSE, TRUE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    ContentType = Literal["string", "integer", "boolean"]


class Kind:
    """A type of parameter; this one takes any text."""

    content_type: ContentType = "string"
    """What OCF calls it in meta-data."""

    secret = False
    costly = False
    """Whether reading a text is too dear for a default at each run, which a launcher makes without
    site (-S): the default has been checked when the launcher was written.
    """
    choices: tuple[str, ...] = ()

    def faults(self) -> list[str]:
        """What is wrong with what an author says of it, a sentence each."""
        return []

    def expected(self) -> str:
        """What a value must be, as the end of "expected …"; asked where there are no faults."""
        return "a text"

    def read(self, text: str) -> object:
        """The value of a text; raises ValueError."""
        return text

    def write(self, value: object) -> str:
        """The text of a value, as meta-data shows a default; raises ValueError."""
        if not isinstance(value, str):
            raise ValueError(value)  # noqa: TRY004 - the one error of this interface
        return value

    def normal(self, default: object) -> object:
        """The value that an author's default stands for."""
        return default

    def absence(self, value: object) -> str | None:  # noqa: ARG002 - what others look at
        """What of this value is not on this node, as a sentence; None when it is there."""
        return None


class Text(Kind):
    """A text, perhaps with a regular expression that has to match the whole of it."""

    def __init__(self, pattern: str | None = None) -> None:
        self.pattern = pattern
        self.costly = pattern is not None

    def faults(self) -> list[str]:
        if self.pattern is None:
            return []
        if not is_text(self.pattern):
            return [f"its pattern {shown(self.pattern)} is no text"]
        if sys.flags.no_site:  # see `costly`
            return []
        import re

        try:
            re.compile(self.pattern)
        except (re.error, OverflowError, RecursionError) as error:
            return [f"its pattern {shown(self.pattern)} is no regular expression: {error}"]
        return []

    def expected(self) -> str:
        return "a text" if self.pattern is None else f"a text that matches {self.pattern}"

    def read(self, text: str) -> str:
        if self.pattern is not None:
            import re  # 4 ms, for the few that need it

            if re.fullmatch(self.pattern, text) is None:
                raise ValueError(text)
        return text


class Secret(Text):
    """A text that nobody may see."""

    secret = True


class Bounded(Kind):
    """Something that can be too small or too large; both bounds are allowed values."""

    unit = ""
    """What a bound is."""

    def __init__(self, minimum: float | None = None, maximum: float | None = None) -> None:
        self.minimum = minimum
        self.maximum = maximum

    def faults(self) -> list[str]:
        low, high = self.minimum, self.maximum
        wrong = [end for end in (low, high) if end is not None and not self.is_(end)]
        found = [f"its bound {shown(end)} is not {self.unit}" for end in wrong]
        if not found and low is not None and high is not None and low > high:
            found.append(f"its minimum {low} is above its maximum {high}")
        return found

    def is_(self, value: object) -> bool:
        """Whether the type of a value is right."""
        raise NotImplementedError

    def check(self, value: float) -> None:
        """Raise ValueError where it is out of bounds."""
        too_small = self.minimum is not None and value < self.minimum
        if too_small or (self.maximum is not None and value > self.maximum):
            raise ValueError(value)


class Integer(Bounded):
    """A whole number, perhaps with bounds."""

    content_type: ContentType = "integer"
    unit = "an integer of up to 18 digits"

    def is_(self, value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _ENDLESS

    def expected(self) -> str:
        return f"an integer{_bounds(self.minimum, self.maximum)}"

    def read(self, text: str) -> int:
        text = text.strip()
        digits = text[1:] if text[:1] in ("+", "-") else text
        if not digits.isascii() or not digits.isdecimal() or len(digits) > 18:
            raise ValueError(text)
        value = int(text)
        self.check(value)
        return value

    def write(self, value: object) -> str:
        if not self.is_(value):
            raise ValueError(value)
        return str(value)


class Boolean(Kind):
    """Yes or no, in all the ways that users of Pacemaker write it."""

    content_type: ContentType = "boolean"

    def expected(self) -> str:
        return "a boolean (true or false)"

    def read(self, text: str) -> bool:
        word = text.strip().lower()
        if word in TRUE:
            return True
        if word in FALSE:
            return False
        raise ValueError(text)

    def write(self, value: object) -> str:
        if not isinstance(value, bool):
            raise ValueError(value)  # noqa: TRY004
        return "true" if value else "false"


class Duration(Bounded):
    """A time in seconds, written as Pacemaker writes it."""

    unit = "a number of seconds"

    def is_(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return 0 <= value < _ENDLESS

    def expected(self) -> str:
        ends = [None if end is None else written(end) for end in (self.minimum, self.maximum)]
        return f"a duration such as {EXAMPLES}{_bounds(*ends)}"

    def read(self, text: str) -> float:
        value = seconds(text)
        self.check(value)
        return value

    def normal(self, default: object) -> object:
        return seconds(default) if isinstance(default, str) else default

    def write(self, value: object) -> str:
        value = self.normal(value)
        if not isinstance(value, int | float) or not self.is_(value):
            raise ValueError(value)
        return written(value)


_ENDLESS = 1e18


class Path(Kind):
    """An absolute path; with `kind`, one that has to be on the node where the service runs."""

    def __init__(self, kind: Literal["file", "folder", "any"] | None = None) -> None:
        self.kind = kind

    def faults(self) -> list[str]:
        known = self.kind in tuple(_WHAT)
        return [] if known else [f"exists={shown(self.kind)} is none of 'file', 'folder' and 'any'"]

    def expected(self) -> str:
        return "an absolute path"

    def read(self, text: str) -> str:
        if not text.startswith("/") or "\0" in text:
            raise ValueError(text)
        return text

    def absence(self, value: object) -> str | None:
        import os  # it has been imported by whoever asks

        path = str(value)
        there = True
        if self.kind == "file":
            there = os.path.isfile(path)
        elif self.kind == "folder":
            there = os.path.isdir(path)
        elif self.kind == "any":
            there = os.path.lexists(path)
        return None if there else f"there is no {_WHAT[self.kind]} {path} on this node"


_WHAT = {None: "", "any": "file or folder", "file": "file", "folder": "folder"}


class Executable(Kind):
    """A program: an absolute path, or a name that is looked for where root's programs are."""

    def expected(self) -> str:
        return "a program, by its absolute path or its name"

    def read(self, text: str) -> str:
        if not text.strip() or "\0" in text or ("/" in text and not text.startswith("/")):
            raise ValueError(text)
        return text

    def absence(self, value: object) -> str | None:
        from ocfkit.programs import find  # only where somebody asks

        program = str(value)
        return None if find(program) else f"there is no program {program} on this node"


class Host(Kind):
    """A host by name or address. Nothing is looked up."""

    def expected(self) -> str:
        return "a host name or an IP address"

    def read(self, text: str) -> str:
        text = text.strip()
        if not (_is_address(text) or _is_host_name(text)):
            raise ValueError(text)
        return text


class Enum(Kind):
    """One word of several."""

    def __init__(self, choices: Sequence[str]) -> None:
        self.given = choices
        self.choices = words_of(choices)

    def faults(self) -> list[str]:
        if not self.choices:
            return [f"its choices are a sequence of words, seen {shown(self.given)}"]
        found: list[str] = []
        for place, each in enumerate(self.choices):
            if not is_text(each) or not each.strip():
                found.append(f"its choice {shown(each)} is no word")
            elif each in self.choices[:place]:
                found.append(f"its choice {shown(each)} stands there twice")
        return found

    def expected(self) -> str:
        return f"one of {', '.join(self.choices)}"

    def read(self, text: str) -> str:
        if text not in self.choices:
            raise ValueError(text)
        return text


def shown(value: object) -> str:
    """What an author wrote, short enough for a sentence."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - of a class that is not ours
        return f"a {type(value).__name__} that cannot be shown"
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


_LONG = 60


def is_text(value: object) -> bool:
    """Whether it is a text, whatever a checker would say."""
    return isinstance(value, str)


def is_xml(text: str) -> bool:
    """Whether XML 1.0 can hold the text (production 2, Char)."""
    return (text.isascii() and text.isprintable()) or all(map(_is_char, text))


def _is_char(character: str) -> bool:
    return (
        character in "\t\n\r"
        or " " <= character <= "\ud7ff"
        or "\ue000" <= character <= "\ufffd"
        or character >= "\U00010000"
    )


def is_whole(value: object) -> bool:
    """Whether it is a whole number; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def words_of(given: object) -> tuple[str, ...]:
    """The members of a sequence; none for what is no sequence, a single text and a set neither."""
    if isinstance(given, str) or not hasattr(given, "__getitem__"):
        return ()
    try:
        return tuple(given)  # type: ignore[arg-type]  # or it raises
    except TypeError:
        return ()


def _bounds(minimum: object, maximum: object) -> str:
    if minimum is not None and maximum is not None:
        return f" from {minimum} to {maximum}"
    if minimum is not None:
        return f" of at least {minimum}"
    return "" if maximum is None else f" of at most {maximum}"


def _is_address(text: str) -> bool:
    from _socket import AF_INET, AF_INET6, inet_pton

    address, percent, scope = text.partition("%")
    if percent and (not scope or not scope.isprintable() or " " in scope):
        return False
    for family in (AF_INET, AF_INET6) if not scope else (AF_INET6,):
        try:
            inet_pton(family, address)
        except (OSError, ValueError):
            continue
        return True
    return False


def _is_host_name(text: str) -> bool:
    """RFC 1123, 2.1, and underscores, which people use. Not what only looks like an address."""
    labels = text.removesuffix(".").split(".")
    return (
        len(text) <= 253
        and not all(label.isdecimal() for label in labels)
        and all(_is_label(label) for label in labels)
    )


def _is_label(label: str) -> bool:
    word = label.replace("-", "").replace("_", "")
    return (
        word.isascii()
        and word.isalnum()
        and len(label) <= 63
        and not label.startswith("-")
        and not label.endswith("-")
    )
