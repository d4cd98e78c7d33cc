"""What one lock on the disk says: whether it is held, how often it was written, by whom."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

COUNTS = 1000
"""How many counts there are: the field on the disk has three digits."""


class Record:
    """The content of one lock, as it is compared: all of it or nothing."""

    __slots__ = ("count", "locked", "name")

    locked: Final[bool]
    count: Final[int]
    """0 to 999. Every write of a holder or claimer takes the next one."""
    name: Final[bytes]
    """Of the node that wrote last, b"" when none ever did; it stays when the lock is released."""

    def __init__(self, locked: bool, count: int, name: bytes) -> None:  # noqa: FBT001 - a field
        """Raises ValueError for a count that the disk has no room for."""
        if not 0 <= count < COUNTS:
            raise ValueError(f"the count of a lock is 0 to {COUNTS - 1}, not {count}")
        self.locked = locked
        self.count = count
        self.name = name

    def __eq__(self, other: object) -> bool:
        """Names count too: two nodes may well have come to the same number."""
        return (
            isinstance(other, Record)
            and self.count == other.count
            and self.name == other.name
            and self.locked == other.locked
        )

    def __hash__(self) -> int:
        return hash((self.locked, self.count, self.name))

    def __repr__(self) -> str:
        return f"Record({self.locked}, {self.count}, {self.name!r})"

    def successor(self, name: bytes) -> Record:
        """The next one, held by `name`: 999 is followed by 0."""
        return Record(True, (self.count + 1) % COUNTS, name)

    def released(self) -> Record:
        """The same one, free: count and name stay, as the C daemon leaves them."""
        return Record(False, self.count, self.name)
