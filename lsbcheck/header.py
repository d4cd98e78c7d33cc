"""The LSB header block of an init script: `### BEGIN INIT INFO` to `### END INIT INFO`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

KEYWORDS = (
    "Provides",
    "Required-Start",
    "Required-Stop",
    "Should-Start",
    "Should-Stop",
    "Default-Start",
    "Default-Stop",
    "Short-Description",
    "Description",
)
"""Keywords of an LSB header; any other must begin with `X-`."""

_BEGIN, _END = "### BEGIN INIT INFO", "### END INIT INFO"
_CANONICAL = {keyword.lower(): keyword for keyword in KEYWORDS}
_SCRIPTS_WANTED = ("Required-Start", "Required-Stop", "Should-Start", "Should-Stop")
_FACILITIES = frozenset({"local_fs", "remote_fs", "network", "syslog", "time"})
"""System facilities that are hardly the name of a script, as `named` and `portmap` are."""


def parse_header(text: str) -> tuple[Mapping[str, str] | None, tuple[str, ...]]:
    """The LSB header block of a script, and its faults, each in one sentence.

    Keywords are matched in any case, as insserv does, and given in the specification's spelling.
    Of a keyword that comes twice the first wins. Without a block the result is `(None, ())`.
    """
    lines = [line.rstrip() for line in text.split("\n")]
    if _BEGIN not in lines:
        return None, ()
    start = lines.index(_BEGIN) + 1
    header: dict[str, str] = {}
    faults: list[str] = []
    last = ""
    for number, line in enumerate(lines[start:], start + 1):
        if line == _END:
            break
        if not line.startswith("#"):
            faults.append(f"the header has no '{_END}' before line {number}")
            break
        last = _header_line(line, number, last, header, faults)
    else:
        faults.append(f"the header has no '{_END}'")
    for keyword, value in header.items():
        faults.extend(_value_faults(keyword, value))
    return header, tuple(faults)


def _header_line(
    line: str, number: int, last: str, header: dict[str, str], faults: list[str]
) -> str:
    """Take one line in; return the keyword that a following line would continue."""
    if last == "Description" and re.match(r"#(?:\t| {2})", line):
        header[last] = f"{header[last]} {line[1:].strip()}".strip()
        return last
    match = re.match(r"# ?\s*([A-Za-z][A-Za-z0-9_-]*)\s*:\s*(.*)$", line)
    if match is None:
        if line != "#":
            faults.append(f"line {number} of the header is not '# Keyword: value'")
        return last
    keyword = _CANONICAL.get(match[1].lower(), match[1])
    if keyword not in KEYWORDS and not keyword.lower().startswith("x-"):
        faults.append(f"line {number}: '{keyword}' is no keyword of LSB and does not begin with X-")
    if keyword in header:
        faults.append(f"line {number}: '{keyword}' comes twice")
        return ""
    header[keyword] = match[2].strip()
    return keyword


def _value_faults(keyword: str, value: str) -> Iterator[str]:
    if keyword in ("Default-Start", "Default-Stop"):
        for level in value.split():
            if level not in set("0123456Ss"):
                yield f"'{level}' in {keyword} is no runlevel (0 to 6 or S, each a word)"
    if keyword in _SCRIPTS_WANTED:
        for facility in value.split():
            if facility in _FACILITIES:
                yield f"'{facility}' in {keyword} is a system facility and needs its '$'"
