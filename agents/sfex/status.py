"""What a keeper says of itself in a small file: for the agent, for a successor, for whoever looks.

It is what the keeper believed when it wrote: the disk says whether that is true.
"""

from __future__ import annotations

from ocfkit.linux.process import Identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, Literal

    State = Literal["waiting", "holding", "stopped", "refused", "failed", "lost"]

STATES: tuple[State, ...] = ("waiting", "holding", "stopped", "refused", "failed", "lost")
"""Only one who is holding has the lock. The last four have ended: told to and clean, since another
node has the lock, for another reason, and with the lock in use when it was lost."""

_WORDS = ("state", "process", "guardian", "renewed", "deadline", "count", "why")


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

    __slots__ = ("count", "deadline", "guardian", "process", "renewed", "state", "why")

    state: Final[State]
    process: Final[Identity]
    guardian: Final[Guardian | None]
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
        guardian: Guardian | None = None,
        renewed: int = 0,
        deadline: int = 0,
        count: int = 0,
        why: str = "",
    ) -> None:
        self.state = state
        self.process = process
        self.guardian = guardian
        self.renewed = renewed
        self.deadline = deadline
        self.count = count
        self.why = why

    def stopped(self, why: str) -> Status:
        """The same after its end, by another hand; of the lease is known what was known."""
        return Status(
            "stopped",
            self.process,
            renewed=self.renewed,
            deadline=self.deadline,
            count=self.count,
            why=why,
        )

    def encode(self) -> str:
        """Lines of a word and its value; the sentence is one line, and the last."""
        guardian = self.guardian
        guards = "" if guardian is None else _text(guardian.process, guardian.page, guardian.rings)
        values = [self.state, _text(self.process), guards, self.renewed, self.deadline, self.count]
        lines = zip(_WORDS, [*values, " ".join(self.why.split())], strict=True)
        return "".join(f"{word} {value}\n" for word, value in lines)

    @classmethod
    def decode(cls, text: str) -> Status | None:
        """None for a text that is none, such as the "" of a record that is not there."""
        lines = [line.partition(" ") for line in text.splitlines()]
        if tuple(word for word, _, _ in lines) != _WORDS:
            return None
        said, main, guards, *numbers, why = (value for _, _, value in lines)
        process, guardian = _process(main.split()), _guardian(guards.split())
        state = _state(said)
        if state is None or process is None or not _are_numbers(numbers):
            return None
        renewed, deadline, count = map(int, numbers)
        times = {"renewed": renewed, "deadline": deadline, "count": count}
        return cls(state, process, guardian=guardian, why=why, **times)


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


def _guardian(words: list[str]) -> Guardian | None:
    process = _process(words)
    if process is None or len(words) != 5 or not _are_numbers(words[3:]):
        return None
    return Guardian(process, int(words[3]), int(words[4]))


def _are_numbers(words: list[str]) -> bool:
    return all(each.isascii() and each.isdecimal() and len(each) < 20 for each in words)
