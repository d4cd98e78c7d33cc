"""What a keeper says of itself in a small file: for the agent, for a successor, for whoever looks.

It is what the keeper believed when it wrote: the disk says whether that is true.
"""

from __future__ import annotations

import os

from ocfkit.linux.process import Identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final, Literal

    Lease = tuple[int, int, int]

    State = Literal["waiting", "holding", "stopped", "refused", "failed", "lost"]

STATES: tuple[State, ...] = ("waiting", "holding", "stopped", "refused", "failed", "lost")
"""Only one who is holding has the lock. The last four have ended: told to and clean, since another
node has the lock, for another reason, and with the lock in use when it was lost."""

NO_LEASE: Lease = (0, 0, 0)

_WORDS = (
    *("renewed", "state", "lock", "name", "process", "guardians", "deadline", "count", "why"),
    "again",
)
"""The first number stands at the end again: of a record that is being overwritten, a reader may get
the beginning of one text and the end of another."""


class Guardian:
    """Where a guardian can be reached, with or without its keeper."""

    __slots__ = ("page", "process", "rings")

    def __init__(self, process: Identity, page: int, rings: int) -> None:
        """`page` and `rings` are its descriptors of a Lifeline."""
        self.process = process
        self.page = page
        self.rings = rings


class Status:
    """State of a keeper, and since when what is true."""

    __slots__ = (
        *("count", "deadline", "guardians", "lock", "name", "process", "renewed", "state", "why"),
    )

    state: Final[State]
    process: Final[Identity]
    lock: Final[str]
    """Which lock of which device, as `place` has it."""
    name: Final[bytes]
    """Of this node on the disk."""
    guardians: Final[tuple[Guardian, ...]]
    """Its own first; the others are those of keepers before it that have died."""
    renewed: Final[int]
    """Boot time before the renewal was written that was accepted last; 0 when there was none."""
    deadline: Final[int]
    """Boot time at which the lease ends; 0 when there is none."""
    count: Final[int]
    """Of the record that was accepted last."""
    why: Final[str]
    """A sentence; "" where there is nothing to say."""

    def __init__(
        self,
        state: State,
        process: Identity,
        *,
        lock: str,
        name: bytes,
        guardians: Sequence[Guardian] = (),
        renewed: int = 0,
        deadline: int = 0,
        count: int = 0,
        why: str = "",
    ) -> None:
        self.state = state
        self.process = process
        self.lock = lock
        self.name = name
        self.guardians = tuple(guardians)
        self.renewed = renewed
        self.deadline = deadline
        self.count = count
        self.why = why

    def becoming(
        self, state: State, why: str, *, guardians: Sequence[Guardian] = (), lease: Lease = NO_LEASE
    ) -> Status:
        """The same keeper in another state."""
        return Status(
            state,
            self.process,
            lock=self.lock,
            name=self.name,
            guardians=guardians,
            renewed=lease[0],
            deadline=lease[1],
            count=lease[2],
            why=why,
        )

    @property
    def lease(self) -> Lease:
        """What `becoming` takes: renewed, deadline and count."""
        return self.renewed, self.deadline, self.count

    def encode(self) -> str:
        """Lines of a word and its value; the sentence is one line."""
        guardians = " ".join(_text(one.process, one.page, one.rings) for one in self.guardians)
        name = self.name.decode("latin-1").encode("unicode_escape").decode()
        values = [self.renewed, self.state, self.lock, name, _text(self.process), guardians]
        values += [self.deadline, self.count, " ".join(self.why.split()), self.renewed]
        lines = zip(_WORDS, values, strict=True)
        return "".join(f"{word} {value}\n" for word, value in lines)

    @classmethod
    def decode(cls, text: str) -> Status | None:
        """None for a text that is none, such as the "" of a record that is not there."""
        lines = [line.partition(" ") for line in text.splitlines()]
        if tuple(word for word, _, _ in lines) != _WORDS:
            return None
        renewed, said, lock, name, main, guards, deadline, count, why, again = (
            value for _, _, value in lines
        )
        state, process, guardians = _state(said), _process(main.split()), _guardians(guards.split())
        if state is None or process is None or guardians is None or again != renewed:
            return None
        if not _are_numbers([renewed, deadline, count]):
            return None
        return cls(
            state,
            process,
            lock=lock,
            name=name.encode().decode("unicode_escape").encode("latin-1"),
            guardians=guardians,
            renewed=int(renewed),
            deadline=int(deadline),
            count=int(count),
            why=why,
        )


def place(device: str, index: int) -> str:
    """A lock of a device, whatever path leads to it: major:minor#index; raises OSError."""
    number = os.stat(device).st_rdev
    return f"{os.major(number)}:{os.minor(number)}#{index}"


def _state(word: str) -> State | None:
    for state in STATES:
        if state == word:
            return state
    return None


def _text(process: Identity, *numbers: int) -> str:
    return " ".join(str(each) for each in (process.pid, process.start, process.boot, *numbers))


def _process(words: list[str]) -> Identity | None:
    if len(words) < 3 or not _are_numbers(words[:2]):
        return None
    return Identity(int(words[0]), int(words[1]), words[2])


def _guardians(words: list[str]) -> list[Guardian] | None:
    found: list[Guardian] = []
    for first in range(0, len(words), 5):
        five = words[first : first + 5]
        process = _process(five[:3])
        if process is None or len(five) != 5 or not _are_numbers(five[3:]):
            return None
        found.append(Guardian(process, int(five[3]), int(five[4])))
    return found


def _are_numbers(words: list[str]) -> bool:
    return all(each.isascii() and each.isdecimal() and len(each) < 20 for each in words)
