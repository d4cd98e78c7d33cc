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

_DIGITS = 18
"""No duration has more: enough of them would be infinite."""

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
    if len(digits) > _DIGITS or (point and not fraction):
        raise ValueError(text)
    return float(number) * _UNITS[unit]


def text(value: float) -> str:
    """Write a duration to the microsecond, with the largest unit that makes it a whole number."""
    microseconds = round(value * 1_000_000)
    if microseconds % 1000:
        return f"{microseconds}us"
    milliseconds = microseconds // 1000
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"
