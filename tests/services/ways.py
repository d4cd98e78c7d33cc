"""A disk with a way that can be hung or broken for one node, while all others get there as before.

    straight ── the bytes of the file ──┐
                                        ├── an image
    crooked ── a file ── its file system ┘

Both are loop devices on the same bytes, and neither goes through a page cache of its own. While the
file system is frozen, whoever writes by the crooked way waits in the kernel, in state D, where no
signal reaches him; what he has written arrives when it is thawed, be he dead by then.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.services import loops
from tests.services.loops import FIFREEZE, Loop

LONGEST = 30.0
"""Seconds after which a file system is thawed, whatever becomes of who has frozen it."""

_SIZE = 64 * 512

_THAWER = f"""\
import contextlib, fcntl, os, select, sys
point = os.open(sys.argv[1], os.O_RDONLY)
print(flush=True)
select.select([0], [], [], float(sys.argv[2]))
with contextlib.suppress(OSError):  # it is thawed
    fcntl.ioctl(point, {loops.FITHAW}, 0)
"""
"""It ends the freeze when its standard input ends: with whoever has started it, in any case."""

_FS_IOC_FIEMAP = 0xC020660B  # <linux/fs.h>
_FIEMAP_EXTENT_LAST = 1  # <linux/fiemap.h>


class Way:
    """Two devices, 64 sectors of 512 bytes."""

    def __init__(self, straight: Loop, crooked: Loop, point: Path) -> None:
        self.straight = straight
        self.crooked = crooked
        self._point = point
        self._thawer: subprocess.Popen[bytes] | None = None

    def freeze(self, longest: float = LONGEST) -> None:
        """From now on writes by the crooked way hang; reads do not, unless they come after one."""
        call = [sys.executable, "-ISBc", _THAWER, str(self._point), str(longest)]
        pipe = subprocess.PIPE
        self._thawer = subprocess.Popen(call, stdin=pipe, stdout=pipe, start_new_session=True)
        assert self._thawer.stdout is not None
        self._thawer.stdout.readline()  # it is there, and has open what it needs
        place = os.open(self._point, os.O_RDONLY)
        try:
            fcntl.ioctl(place, FIFREEZE, 0)
        finally:
            os.close(place)

    def thaw(self) -> None:
        """What hangs goes on, at once."""
        loops.thaw(self._point)
        assert self._thawer is not None
        self._thawer.communicate(timeout=10)
        self._thawer = None

    def cut(self) -> None:
        """From now on what is read by the crooked way is an I/O error."""
        os.truncate(self.crooked.backing, 0)

    def vanish(self) -> None:
        """From now on the crooked device has no sector at all, as one that was pulled out.

        To detach it would not do: who has it open keeps it (loop(4), LO_FLAGS_AUTOCLEAR).
        """
        self.cut()
        subprocess.run(["losetup", "--set-capacity", self.crooked.path], check=True)

    def write_protect(self) -> None:
        """From now on what is written by the crooked way is refused."""
        subprocess.run(["blockdev", "--setro", self.crooked.path], check=True)

    def close(self) -> None:
        """Thaw it, if it is frozen."""
        if self._thawer is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._thawer.communicate(timeout=10)


@contextmanager
def made(folder: Path) -> Generator[Way]:
    """A new one, below a `loops.folder`."""
    place = Path(tempfile.mkdtemp(prefix="way-", dir=folder))
    image, point = place / "image", place / "mount"
    with image.open("wb") as file:
        file.truncate(8 << 20)
    make = ["mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-O", "^has_journal", str(image)]
    subprocess.run(make, check=True)
    with loops.attached(image, 512) as below, loops.mounted(below, point):
        disk = point / "disk"
        offset = _laid_out(disk)
        window = ("--offset", str(offset), "--sizelimit", str(_SIZE))
        with (
            loops.attached(disk, 512, "--direct-io=on") as crooked,
            loops.attached(image, 512, *window) as straight,
        ):
            name = Path(crooked.path).name
            assert Path(f"/sys/block/{name}/loop/dio").read_text() == "1\n"
            way = Way(straight, crooked, point)
            try:
                yield way
            finally:
                way.close()


def _laid_out(file: Path) -> int:
    """Write it; return where in the file system it begins, all in one piece."""
    with file.open("wb") as opened:
        opened.write(bytes(_SIZE))
        opened.flush()
        os.fsync(opened.fileno())
        # struct fiemap and, behind it, one struct fiemap_extent
        asked = bytearray(struct.pack("=QQIIII", 0, _SIZE, 0, 0, 1, 0) + bytes(56))
        fcntl.ioctl(opened, _FS_IOC_FIEMAP, asked)
    _, physical, length, _, _, flags = struct.unpack_from("=QQQQQI", asked, 32)
    assert (length, flags) == (_SIZE, _FIEMAP_EXTENT_LAST)
    return int(physical)
