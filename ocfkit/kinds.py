"""The types that a parameter can have: how its text is read, what is expected, how it is written.

`read` raises ValueError for a text that is not of the type, with or without a message: whoever
catches it tells the operator what was expected and what was seen.
"""

from __future__ import annotations

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

    def expected(self) -> str:
        """What a value must be, as the end of "expected …"."""
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


class Integer(Kind):
    """A whole number, perhaps with bounds."""

    content_type: ContentType = "integer"

    def __init__(self, minimum: int | None = None, maximum: int | None = None) -> None:
        self.minimum = minimum
        self.maximum = maximum

    def expected(self) -> str:
        return f"an integer{_bounds(self.minimum, self.maximum)}"

    def read(self, text: str) -> int:
        text = text.strip()
        digits = text[1:] if text[:1] in ("+", "-") else text
        if not digits.isascii() or not digits.isdecimal() or len(digits) > 18:
            raise ValueError(text)
        value = int(text)
        _check_bounds(value, self.minimum, self.maximum)
        return value

    def write(self, value: object) -> str:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(value)  # noqa: TRY004 - the one error of this interface
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


class Duration(Kind):
    """A time in seconds, written as Pacemaker writes it."""

    def __init__(self, minimum: float | None = None, maximum: float | None = None) -> None:
        self.minimum = minimum
        self.maximum = maximum

    def expected(self) -> str:
        return f"a duration such as {EXAMPLES}{self._bounds()}"

    def _bounds(self) -> str:
        ends = [None if end is None else written(end) for end in (self.minimum, self.maximum)]
        return _bounds(*ends)

    def read(self, text: str) -> float:
        value = seconds(text)
        _check_bounds(value, self.minimum, self.maximum)
        return value

    def normal(self, default: object) -> object:
        return seconds(default) if isinstance(default, str) else default

    def write(self, value: object) -> str:
        value = self.normal(value)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ValueError(value)  # noqa: TRY004
        return written(value)


class Path(Kind):
    """An absolute path; with `kind`, one that has to be on the node where the service runs."""

    def __init__(self, kind: Literal["file", "folder", "any"] | None = None) -> None:
        self.kind = kind

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
        self.choices = tuple(choices)

    def expected(self) -> str:
        return f"one of {', '.join(self.choices)}"

    def read(self, text: str) -> str:
        if text not in self.choices:
            raise ValueError(text)
        return text


def _bounds(minimum: object, maximum: object) -> str:
    if minimum is not None and maximum is not None:
        return f" from {minimum} to {maximum}"
    if minimum is not None:
        return f" of at least {minimum}"
    return "" if maximum is None else f" of at most {maximum}"


def _check_bounds(value: float, minimum: float | None, maximum: float | None) -> None:
    if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
        raise ValueError(value)


def _is_address(text: str) -> bool:
    from _socket import AF_INET, AF_INET6, inet_pton

    address, _, scope = text.partition("%")
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
