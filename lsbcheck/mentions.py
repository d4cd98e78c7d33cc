"""What the text of an init script names: the programs that may be its daemon, and its pid files.

A guess, made before anything is run, to see whether the service is live on the host.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

_UNKNOWN = "\0"
_VALUE_LIMIT = 256
_LINE_LIMIT = 4096
_REFERENCE = re.compile(
    r"\$\{(?P<name>[A-Za-z_]\w{0,99}|0)(?:(?P<how>:?[-=+?]|%%?|##?)(?P<word>[^{}$`]*))?\}"
    r"|\$(?P<plain>[A-Za-z_]\w{0,99}|0)"
    r"|\$\(\s*basename\s(?P<base>[^()`$]*)\)"
    r"|`\s*basename\s(?P<old_base>[^`$]*)`"
)
_ASSIGNMENT = re.compile(
    r"(?<![\w./$-])([A-Za-z_]\w{0,99})=((?:\"[^\"]*\"|'[^']*'|[^\s\"';|&()<>])*)"
)
_PATH = re.compile(r"(?:^|(?<=[\s=(`<>|&!]))/[\w.+@%,~/-]+(?=$|[\s=)`<>|&])")
_QUOTES = str.maketrans("", "", "\"'")
_PROGRAM_VARIABLE = re.compile(r"(?i)(daemon|prog|program|exec|executable|binary|bin|server)")
_PID_VARIABLE = re.compile(r"(?i)\w*pid_?file|(\w+_)?pid")
_PROGRAM_FOLDERS = frozenset({"bin", "sbin", "libexec", "games"})
_DATA = re.compile(
    r"\.(conf|cfg|ini|d|so|sh|log|sock|socket|lock|txt|xml|properties|ctl|key|pem|db)$"
)
_INTERPRETERS = re.compile(
    r"(python|perl|ruby|lua|tclsh|wish|php|guile|node|nodejs|java|mono|mawk|gawk|awk)[\d.]*"
    r"|(ba|da|z|k|mk|c|tc|fi|a)?sh|busybox|env"
)
_TOOLS = frozenset(
    """
    [ adduser addgroup basename cat chgrp chmod chown chroot cmp cp cut date dd df dirname dmesg
    du echo egrep expr false fgrep find flock fuser getent getopt grep groupadd head hostname id
    ifconfig initctl insmod install invoke-rc.d ionice ip kill killall killproc ldconfig ln
    log_end_msg logger ls lsmod lsof md5sum mkdir mkfifo mknod mktemp modprobe mount mountpoint mv
    nice nohup pgrep pidof pidofproc pkill printf ps pwd readlink realpath renice restorecon rm
    rmdir rmmod run-parts runuser runlevel sed seq service setsid sleep sort ss stat
    start-stop-daemon status stty su sudo swapoff swapon sync sysctl systemctl systemd-detect-virt
    systemd-tmpfiles tail tar tee telinit test timeout touch tr true tty tput udevadm ulimit umask
    umount uname uniq update-rc.d useradd usermod usleep wc which who whoami xargs
    """.split()
)


def named_paths(text: str, path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(programs, pid files) that the text names, in the order of their first mention.

    Simple assignments are followed (`DAEMON=/usr/sbin/$NAME`); a path with a part that is not
    known from the text is left out. `path` is the script's own, its `$0`.
    """
    values = {"0": path}
    found = _Mentions()
    for line in text.replace("\\\n", "").split("\n"):
        if len(line) > _LINE_LIMIT:
            continue
        comment = re.match(r"#\s*(pidfile|processname):\s*(\S+)\s*$", line)
        if comment is not None:
            found.add(comment[2], comment[1])
        for piece in _code(line).split(";"):
            _mentions_of(piece, values, found)
    if "init-d-script" in text.split("\n", 1)[0]:
        _init_d_script_defaults(values, found)
    return tuple(found.programs), tuple(found.pid_files)


def is_everyday(path: str) -> bool:
    """Whether a program is one of those that every system runs all the time (`sleep`, `sh`)."""
    name = os.path.basename(path)
    return name in _TOOLS or _INTERPRETERS.fullmatch(name) is not None


class _Mentions:
    """Paths by what they are; dicts, since they keep an order and no path twice."""

    def __init__(self) -> None:
        self.programs: dict[str, None] = {}
        self.pid_files: dict[str, None] = {}

    def add(self, path: str, variable: str = "") -> None:
        """Sort a path in; the variable that holds it tells more than the path itself."""
        if _PATH.fullmatch(path) is None or path.endswith("/"):
            return
        parts = path.split("/")
        if path.endswith(".pid") or (variable and _PID_VARIABLE.fullmatch(variable)):
            self.pid_files[path] = None
        elif is_everyday(path):
            return
        elif variable in ("DAEMON", "processname") or _is_program_path(parts, variable):
            self.programs[path] = None


def _is_program_path(parts: list[str], variable: str) -> bool:
    if parts[-1] in _PROGRAM_FOLDERS or _DATA.search(parts[-1]):
        return False
    return not _PROGRAM_FOLDERS.isdisjoint(parts[:-1]) or bool(
        _PROGRAM_VARIABLE.fullmatch(variable)
    )


def _code(line: str) -> str:
    """The line without its comment."""
    for match in re.finditer(r"(?:^|(?<=\s))#", line):
        before = line[: match.start()]
        if before.count('"') % 2 == 0 and before.count("'") % 2 == 0:
            return before
    return line


def _mentions_of(piece: str, values: dict[str, str], found: _Mentions) -> None:
    piece = _expand(piece, values)
    for name, quoted in _ASSIGNMENT.findall(piece):
        value = quoted.translate(_QUOTES)
        if _UNKNOWN in value or "$" in value or len(value) > _VALUE_LIMIT:
            values.pop(name, None)
        else:
            values[name] = value
            found.add(value.split(" ", 1)[0], name)
    for path in _PATH.findall(piece.translate(_QUOTES)):
        found.add(path)


def _expand(piece: str, values: Mapping[str, str]) -> str:
    """Replace what is known, from the inside out; the rest holds `_UNKNOWN` or stays as it is."""
    for _ in range(6):
        expanded = _REFERENCE.sub(lambda match: _value_of(match, values), piece)
        if expanded == piece or len(expanded) > 64 * _LINE_LIMIT:
            break
        piece = expanded
    return piece


def _value_of(match: re.Match[str], values: Mapping[str, str]) -> str:
    base = match["base"] or match["old_base"]
    if base is not None:
        return _basename(base.split())
    if match["plain"] is not None:
        return values.get(match["plain"], _UNKNOWN)
    return _modified(values.get(match["name"]), match["how"] or "", match["word"] or "")


def _basename(words: list[str]) -> str:
    """As basename(1) with an optional suffix."""
    words = [word.strip("\"'") for word in words if word != "--"]
    if not words or _UNKNOWN in words[0]:
        return _UNKNOWN
    name = os.path.basename(words[0].rstrip("/"))
    return name.removesuffix(words[1]) if len(words) > 1 else name


def _modified(value: str | None, how: str, word: str) -> str:  # noqa: PLR0911 - one case a line
    """`${NAME}` with one of the shell's modifiers; `word` is what follows it."""
    word = word.strip("\"'")
    match how:
        case ":-" | ":=":
            return value or word
        case "-" | "=":
            return word if value is None else value
        case ":+" | "+":
            return word if value else ""
        case _ if value is None:
            return _UNKNOWN
        case "##" if word == "*/":
            return os.path.basename(value)
        case "%" if word == "/*":
            return os.path.dirname(value)
        case "%" | "%%" if not re.search(r"[*?\[]", word):
            return value.removesuffix(word)
        case "#" | "##" if not re.search(r"[*?\[]", word):
            return value.removeprefix(word)
        case "" | ":?" | "?":
            return value
        case _:
            return _UNKNOWN


def _init_d_script_defaults(values: Mapping[str, str], found: _Mentions) -> None:
    """What Debian's init-d-script(5) fills in: NAME from DAEMON, PIDFILE from NAME."""
    name = values.get("NAME") or os.path.basename(values.get("DAEMON", ""))
    if name and not values.get("PIDFILE"):
        found.add(f"/run/{name}.pid")
