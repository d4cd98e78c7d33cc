"""Durations as Pacemaker writes them: "20s", "500ms", "5min"; a bare number is seconds."""

from __future__ import annotations

_UNITS = {
    # Pacemaker's crm_get_msec() (lib/common/strings.c)
    "": 1.0,
    "us": 1e-6,
    "usec": 1e-6,
    "ms": 1e-3,
    "msec": 1e-3,
    "s": 1.0,
    "sec": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
}

EXAMPLES = "20s, 500ms, 5min or 1h"


def seconds(text: str) -> float:
    """Read a duration that is not negative; raises ValueError."""
    text = text.strip()
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = text[len(number) :]
    number = number.rstrip()
    whole, point, fraction = number.partition(".")
    digits = whole + fraction
    if unit not in _UNITS or not whole or not digits.isascii() or not digits.isdecimal():
        raise ValueError(text)
    if point and not fraction:
        raise ValueError(text)
    return float(number) * _UNITS[unit]


def text(value: float) -> str:
    """Write a duration with a unit that every tool knows: whole seconds, else milliseconds."""
    if value == int(value):
        return f"{int(value)}s"
    return f"{round(value * 1000)}ms"
