"""A block device as its sectors, each read and written whole, past the page cache.

Two nodes share a disk, not a page cache: what a cache answers is what this node knew already.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import stat
import struct
import sys
from errno import EIO, ENOTBLK

TYPE_CHECKING = False  # as typing's, which every agent would pay for
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

BLKSSZGET = 0x1268  # <linux/fs.h>: _IO(0x12, 104), the logical sector size as an int

_FLOCK = "hhqqi"
"""struct flock of <fcntl.h>: type, whence, start, length, pid."""


class BlockDevice:
    """An open device; one transfer is one sector, and a part of one is an error (EIO).

    A plain file is refused (ENOTBLK) unless `sector` is told, which a file has not. Then it does
    the same where its file system knows O_DIRECT, but for two things: a write beyond its end makes
    it longer, where a device refuses (ENOSPC), and `exclusive` means nothing.
    """

    __slots__ = ("_buffer", "_descriptor", "path", "sector", "size")

    def __init__(
        self, path: str, *, writable: bool = False, exclusive: bool = False, sector: int = 0
    ) -> None:
        """Open it; raises OSError.

        An `exclusive` open is refused (EBUSY) where the device is mounted, or part of another one,
        and while it is open neither can become of it (open(2), O_EXCL).
        """
        if not sector and not stat.S_ISBLK(os.stat(path).st_mode):  # a fifo would wait for a writer
            raise OSError(ENOTBLK, os.strerror(ENOTBLK), path)
        flags = os.O_RDWR if writable else os.O_RDONLY
        flags |= os.O_EXCL if exclusive else 0
        flags |= os.O_DIRECT | os.O_SYNC | os.O_CLOEXEC
        self.path = path
        self._descriptor = os.open(path, flags)
        try:
            self.sector = sector or _sector_size(self._descriptor)
            """Bytes of a logical sector, e.g. 512 or 4096."""
            self.size = os.lseek(self._descriptor, 0, os.SEEK_END)
            """Bytes of the device."""
            self._buffer = mmap.mmap(-1, self.sector)  # aligned to a page, as O_DIRECT wants it
        except BaseException:
            os.close(self._descriptor)
            raise

    def read(self, number: int) -> bytes:
        """The sector of that number; raises OSError, beyond the end as well."""
        self._transfer(os.preadv, number)
        return self._buffer[:]

    def write(self, number: int, data: bytes) -> None:
        """Replace a sector by as many bytes; it is on the device when this returns (O_SYNC)."""
        self._buffer[:] = data
        self._transfer(os.pwritev, number)

    def lock(self, number: int) -> None:
        """Let no other process of this node lock that sector; raises BlockingIOError.

        It ends with this process, or as soon as it closes any descriptor of the device (fcntl(2)),
        and is known to those who have opened the same device node.
        """
        where = (self.sector, number * self.sector, os.SEEK_SET)
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, *where)

    def locker(self, number: int) -> int:
        """Pid of the process that has locked that sector, 0 for nobody; raises OSError."""
        asked = struct.pack(
            _FLOCK, fcntl.F_WRLCK, os.SEEK_SET, number * self.sector, self.sector, 0
        )
        kind, *_, pid = struct.unpack(_FLOCK, fcntl.fcntl(self._descriptor, fcntl.F_GETLK, asked))
        return 0 if kind == fcntl.F_UNLCK else int(pid)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)
        self._buffer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _transfer(self, call: Callable[[int, list[mmap.mmap], int], int], number: int) -> None:
        try:
            done = call(self._descriptor, [self._buffer], number * self.sector)
        except OSError as error:
            error.filename = self.path
            raise
        if done != self.sector:
            said = f"{done} of {self.sector} bytes of sector {number} were transferred"
            raise OSError(EIO, said, self.path)


def _sector_size(descriptor: int) -> int:
    return int.from_bytes(fcntl.ioctl(descriptor, BLKSSZGET, bytes(4)), sys.byteorder)
