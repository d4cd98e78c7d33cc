"""What a keeper says of itself in a small file, for the agent's monitor and for whoever looks.

It is what the keeper believed when it wrote: the disk says whether that is true.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, Literal

    State = Literal["waiting", "holding", "stopped", "refused", "failed", "lost"]

STATES: tuple[State, ...] = ("waiting", "holding", "stopped", "refused", "failed", "lost")
"""Only one who is holding has the lock. The last four have ended: told to and clean, since another
node has the lock, for another reason, and with the lock in use when it was lost."""


class Status:
    """State of a keeper, and since when what is true."""

    __slots__ = ("deadline", "process", "renewed", "state", "why")

    state: Final[State]
    process: Final[str]
    """Pid, start time and boot of the keeper, as ocfkit.records.identity_text has them."""
    renewed: Final[int]
    """Boot time before the renewal was written that was accepted last; 0 when there was none."""
    deadline: Final[int]
    """Boot time at which the lease ends; 0 when there is none."""
    why: Final[str]
    """A sentence; "" where there is nothing to say."""

    def __init__(
        self, state: State, process: str, *, renewed: int = 0, deadline: int = 0, why: str = ""
    ) -> None:
        self.state = state
        self.process = process
        self.renewed = renewed
        self.deadline = deadline
        self.why = why

    def encode(self) -> str:
        """Lines of a word and its value; the sentence is one line, and the last."""
        why = " ".join(self.why.split())
        return (
            f"state {self.state}\nprocess {self.process.strip()}\nrenewed {self.renewed}\n"
            f"deadline {self.deadline}\nwhy {why}\n"
        )

    @classmethod
    def decode(cls, text: str) -> Status | None:
        """None for a text that is none, such as the "" of a record that is not there."""
        lines = [line.partition(" ") for line in text.splitlines()]
        if [word for word, _, _ in lines] != ["state", "process", "renewed", "deadline", "why"]:
            return None
        said, process, renewed, deadline, why = (value for _, _, value in lines)
        if not (renewed.isdecimal() and deadline.isdecimal()):
            return None
        for state in STATES:
            if state == said:
                times = {"renewed": int(renewed), "deadline": int(deadline)}
                return cls(state, process, why=why, **times)
        return None
