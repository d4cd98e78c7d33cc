"""What an agent leaves below /run about an instance: a shortcut to the truth, never the truth.

A record that somebody else could have written is none: its folders have to be root's or our own,
so that nobody can plant or move one. It is gone after a reboot, as the processes are.
"""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocfkit.environment import Environment
    from ocfkit.linux.process import Identity

_LONGEST = 96
"""Characters of a quoted name; a file's has at most 255, and some more are added to this one."""

_ALSO = "~"
"""Stands before what tells several records of one instance apart; in a name it is quoted."""


class Record:
    """A small file about one instance of an agent, written whole or not at all."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        """`path` of the file, in a folder of the agent; both are made when something is written."""
        self.path = path

    @classmethod
    def of(cls, environment: Environment, name: str, what: str = "") -> Record:
        """The record of the instance that an agent called `name` is asked about."""
        folder = f"{environment.run_folder}/{_quoted(name)}"
        file = _quoted(environment.instance)
        return cls(f"{folder}/{file}{what and _ALSO + _quoted(what)}")

    def exists(self) -> bool | None:
        """Whether there is one; None where that cannot be told."""
        try:
            os.lstat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return None
        return self._is_trusted() or None

    def read(self) -> str:
        """What is in it, "" when there is none; raises OSError where we may not read it."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            return ""
        try:
            if not self._is_trusted():
                return ""
            return os.read(descriptor, 65536).decode("utf-8", "surrogateescape")
        finally:
            os.close(descriptor)

    def write(self, text: str) -> None:
        """Replace it; a reader sees the old text or the new one. Raises OSError."""
        for folder in self._folders():
            os.makedirs(folder, 0o755, exist_ok=True)
        self._require_trust()
        new = f"{self.path}{_ALSO}{os.getpid()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(new, flags, 0o644)
        try:
            os.write(descriptor, text.encode("utf-8", "surrogateescape"))
            os.rename(new, self.path)
        except OSError:  # no room
            os.unlink(new)
            raise
        finally:
            os.close(descriptor)

    def overwrite(self, text: str) -> None:
        """Replace what is in it, when this process has written it before; raises OSError.

        That needs no room, and a third of the time; but who reads it in that moment may get the
        beginning of this text and the end of the other one.
        """
        data = text.encode("utf-8", "surrogateescape")
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.write(descriptor, data)
            os.ftruncate(descriptor, len(data))
        finally:
            os.close(descriptor)

    def remove(self) -> None:
        """Remove it if it is there; raises OSError."""
        if self.exists() is False:
            return
        self._require_trust()
        os.unlink(self.path)

    def of_others(self) -> Iterator[Record]:
        """The records of all other instances, of whatever agent, as far as they can be listed."""
        root = self._folders()[1]
        for agent in _names(root):
            for name in _names(f"{root}/{agent}"):
                path = f"{root}/{agent}/{name}"
                if _ALSO not in name and path != self.path:
                    yield Record(path)

    def _require_trust(self) -> None:
        if not self._is_trusted():
            raise PermissionError(1, "others may write there", os.path.dirname(self.path))

    def _folders(self) -> tuple[str, str, str]:
        """That of the cluster's agents, that of ocfkit's, and that of this agent."""
        agent = os.path.dirname(self.path)
        ours = os.path.dirname(agent)
        return os.path.dirname(ours), ours, agent

    def _is_trusted(self) -> bool:
        """Whether nobody but root and ourselves can put anything there, or move it."""
        above, *folders = self._folders()
        return _is_kept(os.stat(above), sticky=True) and all(
            _is_kept(os.lstat(each)) for each in folders
        )


def identity_in(text: str) -> tuple[Identity | None, int]:
    """The process that a record of a daemon names, and its process group; None and 0 of others."""
    from ocfkit.linux.process import Identity  # for daemons

    words = [*text.split(), "0"][:4]
    if len(words) < 4 or not all(each.isdecimal() and len(each) < 20 for each in words[:2]):
        return None, 0
    return Identity(int(words[0]), int(words[1]), words[2]), int(words[3]) if words[
        3
    ].isdecimal() else 0


def identity_text(main: Identity, group: int) -> str:
    """What a record says of a daemon's main process."""
    return f"{main.pid} {main.start} {main.boot} {group}\n"


def _is_kept(folder: os.stat_result, *, sticky: bool = False) -> bool:
    """Whether a folder is root's or ours, and nobody else may rename what is in it."""
    mode = folder.st_mode
    others = mode & (stat.S_IWGRP | stat.S_IWOTH) and not (sticky and mode & stat.S_ISVTX)
    return stat.S_ISDIR(mode) and folder.st_uid in (0, os.geteuid()) and not others


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _quoted(name: str) -> str:
    """The name as that of one file, another for each name.

    What is neither a letter nor a digit nor of ".-_:" is %XX; of a long name the end is a hash.
    """
    safe = "".join(
        chr(byte) if (byte < 128 and chr(byte).isalnum()) or byte in b"-_:." else f"%{byte:02X}"
        for byte in name.encode("utf-8", "surrogatepass")
    )
    if safe.startswith("."):
        safe = f"%2E{safe[1:]}"
    if len(safe) > _LONGEST:
        from hashlib import sha256  # for few

        digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        safe = f"{safe[: _LONGEST // 2]}%%{digest[:32]}"
    return safe or "%"
