"""The file of `--output`, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat


def require_writable(path: str) -> None:
    """Raise OSError, with words for the user, unless a file could be put there.

    This is tried and not asked: access(2) grants root what a read-only file system refuses.
    """
    try:
        there = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        pass
    else:
        if not stat.S_ISREG(there.st_mode):
            raise FileExistsError(f"{path}: {_kind(there.st_mode)} stands there, and no plain file")
    name, file = _beside(path)
    os.close(file)
    os.unlink(name)


def write_whole(path: str, text: str) -> None:
    """Put a file there in one step, in the place of one that is there; raises OSError.

    What UTF-8 does not have (half a surrogate pair) is written as an escape.
    """
    name, file = _beside(path)
    try:
        with open(file, "wb") as stream:
            stream.write(text.encode("utf-8", "backslashreplace"))
            stream.flush()
            os.fsync(file)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _beside(path: str) -> tuple[str, int]:
    """A new file in the same folder, which no one can have laid a link for."""
    folder, last = os.path.split(path)
    if not last:
        raise IsADirectoryError(f"{path}: names a folder, and no file in it")
    name = os.path.join(folder, f".lsbcheck-{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return name, os.open(name, flags, 0o666)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OSError(f"{path}: nothing can be written to {folder or '.'}: {reason}") from error


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a link" if stat.S_ISLNK(mode) else "a device or pipe"
