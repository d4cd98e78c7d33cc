"""Locks on a device: where a record lies, and whether the device is what its first block says.

Whether a lock may be taken or given back is not decided here.
"""

from __future__ import annotations

from errno import EIO

from ocfkit.agents.sfex import layout
from ocfkit.agents.sfex.layout import FREE, Control, FormatError

TYPE_CHECKING = False  # as typing's, which every agent would pay for
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from ocfkit.agents.sfex.record import Record
    from ocfkit.linux.blockdev import BlockDevice

    Decoded = TypeVar("Decoded", Control, Record)


class MismatchError(Exception):
    """There is an area, and it does not fit the device or what is asked; the sentence says how."""


class Store:
    """One lock of the area that a device holds."""

    __slots__ = ("_block", "_device", "_index", "_record", "control")

    def __init__(self, device: BlockDevice, index: int) -> None:
        """Raises FormatError, MismatchError or OSError unless there is such a lock."""
        self._device = device
        self._index = index
        self._block = b""
        self._record = FREE
        self.control = control_of(device)
        if not 1 <= index <= self.control.numlocks:
            there = f"it has locks 1 to {self.control.numlocks}"
            raise MismatchError(f"{device.path} has no lock {index}: {there}")

    def read(self) -> Record:
        """What is on the device now; raises FormatError or OSError."""
        block = self._device.read(self._index)
        if block != self._block:  # mostly it is what it was a moment ago, and that is known
            self._record = _decoded(self._device, self._index, block, layout.decode)
            self._block = block
        return self._record

    def write(self, record: Record, *, verify: bool = False) -> None:
        """Replace it; raises FormatError or OSError.

        With `verify`, EIO is raised too when it reads back otherwise: the write was lost, or
        another node has written since.
        """
        block = layout.encode(record, self._device.sector)
        self._device.write(self._index, block)
        if verify and self._device.read(self._index) != block:
            said = f"lock {self._index} does not read back as it was written"
            raise OSError(EIO, said, self._device.path)


def control_of(device: BlockDevice) -> Control:
    """The first block of an area that fits its device; raises as `Store` does.

    A sector of another size means that the area was made on another kind of device, and that its
    locks do not lie where they are looked for here.
    """
    control = _decoded(device, 0, device.read(0), Control.decode)
    if control.blocksize != device.sector:
        made = f"the area was made for sectors of {control.blocksize} bytes"
        raise MismatchError(f"{device.path} has sectors of {device.sector} bytes, and {made}")
    require_room(device, control.numlocks)
    return control


def require_room(device: BlockDevice, numlocks: int) -> None:
    """Raise MismatchError unless the device is large enough for so many locks."""
    needed = (1 + numlocks) * device.sector
    if device.size < needed:
        raise MismatchError(
            f"{device.path} has {device.size} bytes, and {numlocks} locks need {needed}"
        )


def create(device: BlockDevice, numlocks: int) -> None:
    """Write a new area of free locks over whatever is there; raises MismatchError or OSError.

    The first block comes last: one that is there has all its locks behind it.
    """
    require_room(device, numlocks)
    free = layout.encode(FREE, device.sector)
    for index in range(1, numlocks + 1):
        device.write(index, free)
    device.write(0, Control(device.sector, numlocks).encode())


def held(device: BlockDevice) -> Iterator[tuple[int, Record]]:
    """Index and record of each lock that somebody holds, or has not given back.

    Nothing where there is no area; raises MismatchError where its locks lie elsewhere, and OSError.
    A lock that cannot be parsed is not held: nobody can take it, and its holder loses it.
    """
    try:
        control = control_of(device)
    except FormatError:
        return
    for index in range(1, control.numlocks + 1):
        try:
            record = _decoded(device, index, device.read(index), layout.decode)
        except FormatError:
            continue
        if record.locked:
            yield index, record


def _decoded(
    device: BlockDevice, number: int, block: bytes, decode: Callable[[bytes], Decoded]
) -> Decoded:
    """A block as a record; raises FormatError with the place."""
    try:
        return decode(block)
    except FormatError as error:
        place = f"{device.path}, block {number} (byte {number * device.sector})"
        raise FormatError(f"{place}: {error}") from None
