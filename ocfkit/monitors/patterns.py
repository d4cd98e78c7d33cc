"""Patterns in what a service says: a mere text costs nothing, a regular expression 4 ms to load."""

from __future__ import annotations

from ocfkit.errors import ConfigurationError

_SPECIAL = frozenset(b"\\.^$*+?{}[]|()")


def find(pattern: str, said: bytes, *, ignore_case: bool = False) -> bool:
    """Whether the pattern, Python's regular expression over lines, is somewhere in what was said.

    Raises ConfigurationError for one that is no regular expression.
    """
    wanted = pattern.encode("utf-8", "surrogateescape")
    if not _SPECIAL.intersection(wanted):
        if ignore_case and wanted.isascii():
            return wanted.lower() in said.lower()
        if not ignore_case:
            return wanted in said
    import re

    try:
        flags = re.MULTILINE | (re.IGNORECASE if ignore_case else 0)
        compiled = re.compile(pattern, flags)
    except (re.error, OverflowError, RecursionError) as error:
        raise ConfigurationError(f"{pattern!r} is no regular expression: {error}") from None
    return compiled.search(said.decode("utf-8", "replace")) is not None


def require(pattern: str) -> None:
    """Raise ConfigurationError for what is no regular expression; for an agent's `validate`."""
    find(pattern, b"")
