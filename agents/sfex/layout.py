"""What sfex writes on a disk: bytes ↔ records.

The first block tells what the area is, each further one is one lock. A field is text and ends with
NUL; what a block holds behind its fields is nobody's. What is read is accepted as the C tools
accept it, which is more than they write.
"""

from __future__ import annotations

from ocfkit.agents.sfex.record import COUNTS, Record

MAGIC = b"SFEX"
VERSION = 1
REVISION = 3
"""Written, and looked at by nobody."""

FREE = Record(False, 0, b"")
"""A lock that nobody has ever held."""

MOST_LOCKS = 999
LONGEST_NAME = 255

_UNLOCKED, _LOCKED = b"u", b"l"


class FormatError(ValueError):
    """A block, or what shall be written into one, is not sfex's; the sentence says which field."""


class _Field:
    """Text at a fixed place of a block, filled up with NUL."""

    __slots__ = ("name", "start", "width")

    def __init__(self, name: str, start: int, width: int) -> None:
        self.name = name
        self.start = start
        self.width = width

    def text(self, block: bytes) -> bytes:
        """All up to the first NUL; the last byte has to be one, or C would read on."""
        field = block[self.start : self.start + self.width]
        if field[self.width - 1 :] != b"\0":
            last = self.start + self.width - 1
            raise FormatError(
                f"the {self.name} (bytes {self.start} to {last}) has no NUL at its end"
            )
        return field.partition(b"\0")[0]

    def number(self, block: bytes) -> int:
        """As atoi(3): white space, a sign, digits; what follows is ignored, and no digit is 0."""
        text = self.text(block).lstrip()
        sign = text[:1] if text[:1] in (b"+", b"-") else b""
        rest = text[len(sign) :]
        digits = rest[: len(rest) - len(rest.lstrip(b"0123456789"))]
        return int(sign + (digits or b"0"))

    def filled(self, text: bytes) -> bytes:
        """The bytes of it with this text."""
        if len(text) >= self.width:
            raise FormatError(f"the {self.name} has {len(text)} bytes, and {self.width - 1} fit")
        if b"\0" in text:
            raise FormatError(f"the {self.name} holds a NUL, which would end it")
        return text.ljust(self.width, b"\0")


_VERSION = _Field("version", 4, 4)
_REVISION = _Field("revision", 8, 4)
_BLOCKSIZE = _Field("blocksize", 12, 8)
_NUMLOCKS = _Field("numlocks", 20, 4)

_COUNT = _Field("count", 1, 4)
_NODENAME = _Field("nodename", 5, LONGEST_NAME + 1)


class Control:
    """The first block: what the area is."""

    __slots__ = ("blocksize", "numlocks", "revision")

    def __init__(self, blocksize: int, numlocks: int, revision: int = REVISION) -> None:
        """`blocksize` in bytes, a sector of the device; the locks are 1 to `numlocks`."""
        self.blocksize = blocksize
        self.numlocks = numlocks
        self.revision = revision

    @classmethod
    def decode(cls, block: bytes) -> Control:
        """Read it; raises FormatError."""
        if not block.startswith(MAGIC):
            seen = block[: len(MAGIC)]
            raise FormatError(f"the magic (bytes 0 to 3) is {seen!r}, and sfex's is {MAGIC!r}")
        version = _VERSION.number(block)
        if version != VERSION:
            raise FormatError(f"the version (bytes 4 to 7) is {version}, and {VERSION} is known")
        revision = _REVISION.number(block)
        return cls(_BLOCKSIZE.number(block), _NUMLOCKS.number(block), revision)

    def encode(self) -> bytes:
        """The whole block; raises FormatError for a number that has no room."""
        numbers = {
            _VERSION: VERSION,
            _REVISION: self.revision,
            _BLOCKSIZE: self.blocksize,
            _NUMLOCKS: self.numlocks,
        }
        fields = [field.filled(b"%d" % number) for field, number in numbers.items()]
        return b"".join([MAGIC, *fields]).ljust(self.blocksize, b"\0")


def decode(block: bytes) -> Record:
    """Read a lock; raises FormatError.

    A count below 0 is one, although atoi(3) reads it: the C tools would write on from it, but none
    ever writes it, and a damaged lock is nobody's. Beyond 999 there is none in three characters.
    """
    status = block[:1]
    if status not in (_UNLOCKED, _LOCKED):
        known = f"{_LOCKED!r} (locked) nor {_UNLOCKED!r} (unlocked)"
        raise FormatError(f"the status (byte 0) is {status!r}, neither {known}")
    count, name = _COUNT.number(block), _NODENAME.text(block)
    if not 0 <= count < COUNTS:
        raise FormatError(f"the count (bytes 1 to 4) is {count}, and no tool writes that")
    return Record(status == _LOCKED, count, name)


def encode(record: Record, blocksize: int) -> bytes:
    """A lock's whole block; raises FormatError for a name that has no room."""
    status = _LOCKED if record.locked else _UNLOCKED
    count = _COUNT.filled(b"%d" % record.count)
    return b"".join([status, count, _NODENAME.filled(record.name)]).ljust(blocksize, b"\0")


def shown(nodename: bytes) -> str:
    """A name as text; what is no text in it can be written again as the same bytes."""
    return nodename.decode("utf-8", "surrogateescape")
