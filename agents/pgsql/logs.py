"""What a server has logged: how much is new, and which line of it says why."""

from __future__ import annotations

import os

_ENDS = 65536
"""Bytes of a log that are looked at."""

_CAUSES = ("could not", "error in file", "invalid value", "unrecognized")
"""What stands in a line before the last one, where that only says that something is wrong."""


def size(path: str) -> int:
    """Bytes; 0 where there is none."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def added(path: str, before: int) -> str:
    """What has been added to a log; all of it where it has become shorter."""
    try:
        with open(path, "rb") as file:
            now = os.fstat(file.fileno()).st_size
            file.seek(max(before if before <= now else 0, now - _ENDS))
            return file.read(_ENDS).decode("utf-8", "replace")
    except OSError:
        return ""


def last_line(log: str) -> str:
    """The last that is not blank, without time and pid; "" where there is none."""
    lines = [line for line in log.splitlines() if line.strip()]
    return _without_prefix(lines[-1]) if lines else ""


def why_in(log: str) -> str:
    """The line of a log that says why, with what was said of an address or a file before."""
    lines = [line for line in log.splitlines() if line.strip()]
    fatal = [place for place, line in enumerate(lines) if "FATAL:" in line or "PANIC:" in line]
    if not fatal:
        return lines[-1].strip() if lines else "nothing is said"
    place = fatal[-1]
    before = [line for line in lines[:place] if any(word in line for word in _CAUSES)]
    after = [line for line in lines[place + 1 : place + 2] if "DETAIL:" in line or "HINT:" in line]
    return "; ".join(_without_prefix(line) for line in [*before[-1:], lines[place], *after])


def _without_prefix(line: str) -> str:
    """A line of the log without time and pid, which are there as log_line_prefix says."""
    for level in ("FATAL", "PANIC", "ERROR", "WARNING", "LOG", "DETAIL", "HINT"):
        _, found, text = line.partition(f"{level}:  ")
        if found:
            return text.strip()
    return line.strip()
