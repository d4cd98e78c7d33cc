"""The one word that a keeper and its guardian share: until when the lock is held.

The keeper writes it and the guardian reads it, and neither ever waits for the other. It is one
word, so there is nothing that it could be out of step with, and it is not torn: it is eight bytes
at the beginning of a page, which CPython stores and loads with a memcpy of constant size, and that
is one instruction for a compiler; both machines carry it out as a whole (Intel SDM vol. 3A,
9.1.1; Arm ARM, B2.2.1). A sequence number beside it would need barriers, which Python has not.

A later deadline is found by the guardian when it wakes at the earlier one. All else, which is the
first deadline, the release and an earlier deadline, rings a bell: a byte in a pipe.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from errno import ENXIO

TYPE_CHECKING = False  # as typing's, which every agent would pay for
if TYPE_CHECKING:
    from typing import Final, Literal

NOTHING: Literal[0] = 0
"""Nothing is held, yet: there is nothing to fence for."""
RELEASED: Literal[-1] = -1
"""Nothing needs the lock any more: the guardian goes home."""
AT_ONCE: Literal[1] = 1
"""A deadline that is over: boot times count from the start of the machine."""


_NAME = "sfex-lifeline"


class Lifeline:
    """The word and the bell, as either of the two has them."""

    __slots__ = ("_map", "_word", "heard", "page", "rings")

    page: Final[int]
    """Descriptor of the memory."""
    heard: Final[int]
    """Descriptor that can be read when the bell has been rung."""
    rings: Final[int]
    """Descriptor of the bell's other end. The guardian has it open, too: the pipe never ends, and a
    keeper's death is told by a pidfd."""

    def __init__(self, page: int, heard: int, rings: int) -> None:
        """Take over the descriptors; raises OSError."""
        self.page = page
        self.heard = heard
        self.rings = rings
        self._map = mmap.mmap(page, mmap.PAGESIZE)
        self._word = memoryview(self._map).cast("q")

    @classmethod
    def made(cls) -> Lifeline:
        """A new one, for a fork to share; nothing is held. Raises OSError."""
        page = os.memfd_create(_NAME, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(page, mmap.PAGESIZE)
        # A page that is cut off would kill whoever looks at it (mmap(2), SIGBUS).
        fcntl.fcntl(page, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        return cls(page, *os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK))

    @classmethod
    def inherited(cls, guardian: int, page: int, rings: int) -> Lifeline:
        """That of a guardian whose keeper has died, for its successor; raises OSError.

        `page` and `rings` are the descriptors that the dead keeper had, and the guardian has.
        """
        where = f"/proc/{guardian}/fd"
        memory = os.open(f"{where}/{page}", os.O_RDWR | os.O_CLOEXEC)
        if not os.readlink(f"/proc/self/fd/{memory}").startswith(f"/memfd:{_NAME}"):
            os.close(memory)
            raise OSError(ENXIO, "that is no lifeline", f"{where}/{page}")
        flags = os.O_CLOEXEC | os.O_NONBLOCK
        heard = os.open(f"{where}/{rings}", os.O_RDONLY | flags)
        return cls(memory, heard, os.open(f"{where}/{rings}", os.O_WRONLY | flags))

    def close(self) -> None:
        """Let go of it; the others have it still."""
        self._word.release()
        self._map.close()
        for each in (self.page, self.heard, self.rings):
            os.close(each)

    # The keeper's side.

    def hold(self, until: int) -> None:
        """Held until this boot time."""
        before = self._word[0]
        self._word[0] = until
        if not 0 < before <= until:
            self.ring()

    def release(self) -> None:
        """Never fence, and go home."""
        self._word[0] = RELEASED
        self.ring()

    def ring(self) -> None:
        """Let the guardian look."""
        try:
            os.write(self.rings, b"!")
        except BlockingIOError:  # it has not heard thousands of others yet
            return

    # The guardian's side.

    @property
    def deadline(self) -> int:
        """Boot time at which to fence, NOTHING or RELEASED; what is the case now."""
        return self._word[0]

    def hear(self) -> None:
        """Silence the bell."""
        try:
            os.read(self.heard, 4096)
        except BlockingIOError:
            return
