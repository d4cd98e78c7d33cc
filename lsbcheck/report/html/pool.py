"""A document in which whatever occurs twice is stored once.

The processes before a call are those after the one before it, one call proves several rules, and
hundreds of scripts say the same sentences. A page that carries every proof of a thousand scripts
stays small because of this, and no proof has to be left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from lsbcheck.report.json import Json


class Pool:
    """Values by number, as the script takes them apart again.

    `values[number]` is a scalar, or a list: the number of its shape, then the numbers of its items.
    Shape 0 is a list, every other a mapping with the keys `shapes[number]`.
    """

    def __init__(self) -> None:
        self._shapes: dict[tuple[str, ...] | None, int] = {None: 0}
        self._numbers: dict[object, int] = {}
        self._values: list[Json] = []

    def add(self, value: Json) -> int:
        """The number of this value, which it shares with every equal one."""
        if isinstance(value, str):
            return self._number(value, value)
        if isinstance(value, Mapping):
            shape = self._shapes.setdefault(tuple(value), len(self._shapes))
            node = (shape, *map(self.add, value.values()))
            return self._number(node, node)
        if isinstance(value, Sequence):
            node = (0, *map(self.add, value))
            return self._number(node, node)
        return self._number((type(value), str(value)), value)  # True, 1 and 1.0 are equal

    def _number(self, key: object, value: Json) -> int:
        number = self._numbers.setdefault(key, len(self._values))
        if number == len(self._values):
            self._values.append(value)
        return number

    def dumps(self, **more: Json) -> str:
        """Shapes, values and what is given besides, as JSON."""
        whole = {"shapes": list(self._shapes), **more, "values": self._values}
        return json.dumps(whole, separators=(",", ":"), allow_nan=False)
