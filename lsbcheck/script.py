"""The init script as a file: where it lies, and whether it can be run.

`find` turns a word of the command line into a `Script` or into one sentence that says why it is
none. Nothing is run here.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from lsbcheck.header import parse_header
from lsbcheck.mentions import named_paths

_LEFT_BESIDE = ("~", ".dpkg-old", ".dpkg-dist", ".dpkg-new", ".dpkg-bak", ".rpmnew", ".rpmsave")

INIT_D = "/etc/init.d"
"""Where a bare name is looked up first."""

SIZE_LIMIT = 1 << 20
"""Bytes; the largest init script of Debian 12 has 30,000."""


class ScriptError(Exception):
    """The word names nothing that can be checked; its text is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Script:
    """An init script that can be run."""

    name: str
    """What people call it: `snmpd`, also for `/etc/rc2.d/S01snmpd`."""
    path: str
    """Absolute, inside the root, links kept: the script's `$0`."""
    source: str
    """The file on this host that holds its text, links resolved."""
    text: str
    """Bytes that are not UTF-8 are replaced by U+FFFD."""
    interpreter: str
    """As its first line has it: `/bin/sh`, `/usr/bin/env`, `/lib/init/init-d-script`."""
    header: Mapping[str, str] | None = None
    """Keyword → value, continuation lines joined by a blank; None if there is no block."""
    header_faults: tuple[str, ...] = ()
    """What is malformed in the block, each in one sentence."""
    named_programs: tuple[str, ...] = ()
    """Programs that may be the daemon (`/usr/sbin/snmpd`), without shells and everyday tools."""
    named_pid_files: tuple[str, ...] = ()
    """`/run/snmpd.pid`, as written: `/var/run` is not turned into `/run`."""


def find(word: str, root: str = "/") -> Script:
    """Find the script that a user means; raises ScriptError.

    A bare name is looked up in `/etc/init.d` inside the root, then in the working directory. A
    path is looked up inside the root, then on the host, from where it will be carried into the
    sandbox under the same path. A host path that leads into the root means the file in there.
    """
    root = os.path.realpath(root)
    if not word:
        message = "an empty word names no script"
        raise ScriptError(message)
    try:
        path, source = _locate(word, root)
        content = _read(word, source)
    except (OSError, ValueError) as error:
        message = f"{word}: cannot be read: {_reason(error)}"
        raise ScriptError(message) from error
    return _examine(word, root, path, source, content)


def is_no_service(word: str) -> bool:
    """Whether a file has a name of what lies in /etc/init.d beside the scripts.

    `README`, Debian's `skeleton`, and what dpkg and editors leave: with several words these come
    from a pattern (`/etc/init.d/*`), and are no mistake of the user.
    """
    name = os.path.basename(word)
    return name in ("README", "skeleton") or name.endswith(_LEFT_BESIDE)


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ValueError):  # a NUL in the name
        return str(error)
    if error.errno == errno.ELOOP:
        return "its links lead in a circle"
    return (error.strerror or str(error)).lower()


# --- where it lies -------------------------------------------------------------------------------


def _locate(word: str, root: str) -> tuple[str, str]:
    """Path inside the root, and the file on the host."""
    for base, path in _candidates(word, root):
        try:
            inside = resolve(base, path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        return path, os.path.join(base, inside.lstrip("/"))
    raise ScriptError(_not_found(word, root))


def _candidates(word: str, root: str) -> Iterator[tuple[str, str]]:
    """(root, absolute path inside it), the likeliest first."""
    if "/" not in word:
        yield root, f"{INIT_D}/{word}"
    absolute = _absolute(word)
    if root != "/":
        if "/" in word:
            yield root, os.path.normpath("/" + word.lstrip("/"))
            yield root, absolute
        if absolute.startswith(root + "/"):
            yield root, absolute.removeprefix(root)
    yield "/", absolute


def _absolute(word: str) -> str:
    """Absolute, the last link kept; `..` is followed as the kernel does, not by the text."""
    path = os.path.join(os.getcwd(), word)
    folder, last = os.path.split(path.rstrip("/"))
    if ".." in folder.split("/"):
        folder = os.path.realpath(folder)
    return os.path.normpath(os.path.join(folder, last))


def resolve(root: str, path: str) -> str:
    """The path without links, as a process whose root is `root` sees it; raises OSError."""
    done: list[str] = []
    todo = path.split("/")[::-1]
    links = 0
    while todo:
        part = todo.pop()
        if part in ("", "."):
            continue
        if part == "..":
            del done[-1:]
            continue
        target = _link_target(os.path.join(root, *done, part))
        if target is None:
            done.append(part)
            continue
        links += 1
        if links > 40:  # the kernel's own limit
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if target.startswith("/"):
            done.clear()
        todo.extend(target.split("/")[::-1])
    return "/" + "/".join(done)


def _link_target(path: str) -> str | None:
    """None for what is no link; raises OSError."""
    try:
        return os.readlink(path)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return None
        raise


def _not_found(word: str, root: str) -> str:
    if "/" in word:
        return f"{word}: no such file" + (f", neither in {root} nor here" if root != "/" else "")
    folder = os.path.join(root, INIT_D.lstrip("/"))
    for unit in ("etc/systemd/system", "lib/systemd/system", "usr/lib/systemd/system"):
        path = os.path.join(root, unit, word.removesuffix(".service") + ".service")
        if os.path.lexists(path):
            return (
                f"{word}: a systemd unit ({path}) and no init script: lsbcheck tests init scripts"
            )
    try:
        names = os.listdir(folder)
    except OSError:
        names = []
    near = get_close_matches(word, names, n=3)
    hint = f"; nearest: {', '.join(near)}" if near else ""
    return f"{word}: no script of this name in {folder} or here{hint}"


# --- whether it can be run -----------------------------------------------------------------------


def _read(word: str, source: str) -> bytes:
    """Its bytes; raises ScriptError for what is no executable file, OSError if unreadable."""
    status = os.stat(source)
    if stat.S_ISDIR(status.st_mode):
        message = f"{word}: a directory, not a script"
    elif not stat.S_ISREG(status.st_mode):
        message = f"{word}: not a regular file"
    elif os.path.basename(source) == "skeleton":
        message = f"{word}: the example that scripts are copied from, there is nothing to check"
    elif status.st_size == 0:
        message = f"{word}: an empty file"
    elif status.st_size > SIZE_LIMIT:
        message = f"{word}: {status.st_size} bytes, no init script is as large as that"
    elif not status.st_mode & 0o111:
        message = f"{word}: not executable (chmod +x makes it so, if it is a script)"
    else:
        with open(os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            return file.read(SIZE_LIMIT)
    raise ScriptError(message)


def _examine(word: str, root: str, path: str, source: str, content: bytes) -> Script:
    interpreter = _interpreter(word, content, root)
    text = _decoded(word, content)
    header, faults = parse_header(text)
    if header is not None and header.get("Provides", "").split() == ["skeleton"]:
        message = (
            f"{word}: its header says 'Provides: skeleton', so it is the example that scripts are "
            "copied from; a real service has a name of its own there"
        )
        raise ScriptError(message)
    name = _name(path)
    programs, pid_files = named_paths(text, path)
    return Script(name, path, source, text, interpreter, header, faults, programs, pid_files)


def _name(path: str) -> str:
    """Its last part, without the order of a runlevel's link (`S01`)."""
    folder, name = os.path.split(path)
    if re.fullmatch(r"rc[0-6S]\.d", os.path.basename(folder)):
        return re.sub(r"^[SK]\d\d(?=.)", "", name)
    return name


def _decoded(word: str, content: bytes) -> str:
    """Its text; old scripts have a name in Latin-1 in a comment, a binary has much more."""
    controls = sum(byte < 0x20 and byte not in b"\t\n\v\f\r\b\x1b" for byte in content)
    if b"\0" in content or controls > len(content) / 50:
        message = f"{word}: not text"
        raise ScriptError(message)
    return content.decode("utf-8", "replace")


def _interpreter(word: str, content: bytes, root: str) -> str:
    """The program of the first line, as written; raises ScriptError if the kernel would fail."""
    if content.startswith(b"\x7fELF"):
        message = f"{word}: a compiled program, not a script"
        raise ScriptError(message)
    if content.startswith(b"\xef\xbb\xbf#!"):
        message = f"{word}: a byte order mark stands before '#!', so the kernel refuses to run it"
        raise ScriptError(message)
    if not content.startswith(b"#!"):
        if b"\0" in content:
            message = f"{word}: not text"
        else:
            message = f"{word}: the first line names no interpreter ('#!/bin/sh'), so the kernel "
            message += "refuses to run it"
        raise ScriptError(message)
    first = content[2:].split(b"\n", 1)[0]
    words = os.fsdecode(first.strip(b" \t")).replace("\t", " ").split(" ", 1)
    _require_interpreter(word, words[0], root)
    if os.path.basename(words[0]) == "env" and len(words) > 1:
        _require_program_of_env(word, words[1].strip(), root)
    return words[0]


def _require_interpreter(word: str, interpreter: str, root: str) -> None:
    if interpreter.rstrip("\r") == "":
        message = f"{word}: the first line has '#!' but no interpreter"
    elif interpreter.endswith("\r"):
        message = (
            f"{word}: its lines end in CR LF, so the kernel looks for an interpreter called "
            f"{interpreter!r}"
        )
    elif not _is_program(root, interpreter):
        where = "" if root == "/" else f" in {root}"
        message = f"{word}: its interpreter {interpreter} is not there{where}"
    else:
        return
    raise ScriptError(message)


def _require_program_of_env(word: str, arguments: str, root: str) -> None:
    """`#!/usr/bin/env perl`: env is there, but perl may not be."""
    program = arguments.removeprefix("-S ").strip()
    if arguments.startswith("-S "):
        program = program.split()[0] if program else ""
    if program.startswith("-") or "=" in program or not program:
        return
    folders = ("",) if "/" in program else ("/usr/sbin", "/usr/bin", "/sbin", "/bin")
    places = [f"{folder}/{program}" if folder else program for folder in folders]
    places += [] if "/" in program else [f"/usr/local/sbin/{program}", f"/usr/local/bin/{program}"]
    if not any(_is_program(root, place) for place in places):
        where = "" if root == "/" else f" in {root}"
        message = f"{word}: its interpreter {program} is not there{where}"
        raise ScriptError(message)


def _is_program(root: str, path: str) -> bool:
    """Whether a process inside the root, working in `/`, could execute it."""
    try:
        status = os.stat(os.path.join(root, resolve(root, path).lstrip("/")))
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(status.st_mode) and bool(status.st_mode & 0o111)
