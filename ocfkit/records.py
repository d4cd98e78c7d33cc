"""What an agent leaves below /run about an instance: a shortcut to the truth, never the truth.

The folder is root's own, so nobody else can plant a record. It is gone after a reboot, as the
processes are.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocfkit.environment import Environment


class Record:
    """A small file about one instance of an agent, written whole or not at all."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        """`path` of the file; its folder is made when something is written."""
        self.path = path

    @classmethod
    def of(cls, environment: Environment, name: str, what: str = "") -> Record:
        """The record of the instance that an agent called `name` is asked about."""
        folder = environment.run_folder
        instance = _quoted(environment.instance)
        return cls(f"{folder}/{_quoted(name)}/{instance}{what and '.' + what}")

    def exists(self) -> bool | None:
        """Whether there is one; None where we may not look."""
        try:
            os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return None
        return True

    def read(self) -> str:
        """What is in it, "" when there is none; raises OSError where we may not read it."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            return ""
        try:
            return os.read(descriptor, 65536).decode("utf-8", "surrogateescape")
        finally:
            os.close(descriptor)

    def write(self, text: str) -> None:
        """Replace it; a reader sees the old text or the new one. Raises OSError."""
        folder = os.path.dirname(self.path)
        os.makedirs(folder, 0o755, exist_ok=True)
        new = f"{self.path}.{os.getpid()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(new, flags, 0o644)
        try:
            os.write(descriptor, text.encode("utf-8", "surrogateescape"))
        finally:
            os.close(descriptor)
        os.rename(new, self.path)

    def remove(self) -> None:
        """Remove it if it is there; raises OSError."""
        try:
            os.unlink(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return


def _quoted(name: str) -> str:
    """The name as that of one file: what is neither a letter nor a digit nor of ".-_:" is %XX."""
    safe = "".join(
        chr(byte) if (byte < 128 and chr(byte).isalnum()) or byte in b"-_:." else f"%{byte:02X}"
        for byte in name.encode("utf-8", "surrogateescape")
    )
    return safe.replace(".", "%2E", 1) if safe.startswith(".") else safe
