"""The agent as a file: what a word of the command line means, and where it lies in a sandbox."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, replace

from lsbcheck.sandbox.mounts import PRIVATE
from ocfkit import launchers

_NAME = re.compile(r"ocf:(?!\.{1,2}:)([^:/\0]+):(?!\.{1,2}\Z)([^:/\0]+)")

_LARGEST = 16 << 20
"""Bytes of an agent that does not lie where a sandbox sees it."""


class AgentFileError(Exception):
    """The word leads to nothing that can be checked; its text is one sentence."""


@dataclass(frozen=True, slots=True)
class AgentFile:
    """An agent that can be called."""

    name: str
    """The type: what the file is called."""
    provider: str
    """The folder that it lies in."""
    path: str
    """Absolute, in the sandbox."""
    content: bytes | None = None
    """Carried into every sandbox; None where the file lies there already."""
    visible: tuple[str, ...] = ()
    """Folders of the host that must be seen at their own path."""
    shown_as: str = ""
    """As the user knows it."""


def is_name(word: str) -> bool:
    """Whether it is one that a cluster would use: `ocf:provider:type`."""
    return _NAME.fullmatch(word) is not None


def installed(word: str) -> AgentFile:
    """The agent of `ocf:provider:type` below /usr/lib/ocf of a system that is not looked into.

    Raises AgentFileError.
    """
    found = _NAME.fullmatch(word)
    if found is None:
        raise AgentFileError(f"{word!r} is no ocf:PROVIDER:TYPE")
    provider, name = found.groups()
    path = f"{launchers.OCF_ROOT}/resource.d/{provider}/{name}"
    return AgentFile(name, provider, path, shown_as=word)


def named(word: str, root: str = "/") -> AgentFile:
    """The agent of `ocf:provider:type` below the root's /usr/lib/ocf; raises AgentFileError."""
    found = installed(word)
    _require_agent(root.rstrip("/") + found.path, word)
    return found


def at(path: str, root: str = "/") -> AgentFile:
    """The agent in a file of this host, which may lie below the root; raises AgentFileError."""
    whole = os.path.abspath(path)
    _require_agent(whole, path)
    top = os.path.abspath(root).rstrip("/")
    inside = whole.removeprefix(top) if whole.startswith(f"{top}/") else ""
    place = inside or whole
    folder = os.path.dirname(place)
    content: bytes | None = None
    visible: tuple[str, ...] = ()
    if not inside or folder in PRIVATE:  # not there, or in a folder that is the sandbox's own
        content = _content(whole, path)
    elif not top:
        visible = hidden([folder])
    provider = os.path.basename(folder) or "-"
    return AgentFile(os.path.basename(place), provider, place, content, visible, path)


def carried(path: str) -> AgentFile:
    """The agent in a file of this host, for a system that is another one; raises AgentFileError."""
    found = at(path)
    if found.content is None:
        return replace(found, content=_content(found.path, path), visible=())
    return found


def _content(whole: str, path: str) -> bytes:
    if os.path.getsize(whole) > _LARGEST:
        raise AgentFileError(f"{path} is too large to be copied into a sandbox: {whole}")
    try:
        with open(whole, "rb") as file:
            return file.read()
    except OSError as error:
        raise AgentFileError(_refusal(path, error, whole)) from None


def hidden(folders: list[str]) -> tuple[str, ...]:
    """Those that a sandbox shows only when it is told to."""
    return tuple(
        folder
        for folder in folders
        if any(folder.startswith(f"{top}/") for top in PRIVATE) and os.path.isdir(folder)
    )


def _require_agent(path: str, word: str) -> None:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise AgentFileError(_refusal(word, error, path)) from None
    except ValueError:
        raise AgentFileError(f"{word!r} has a NUL character in it") from None
    if not stat.S_ISREG(mode):
        raise AgentFileError(f"{word} is no file: {path}")
    if not mode & 0o111:
        raise AgentFileError(f"{word} is not executable: chmod +x {path}")


def _refusal(word: str, error: OSError, path: str) -> str:
    where = "" if word == path else f": {path}"
    return f"{word}: {error.strerror}{where}"
