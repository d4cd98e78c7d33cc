"""An agent of nothing: it runs when it says so, and remembers what it was asked."""

from __future__ import annotations

from typing import ClassVar

from ocfkit import PROMOTED, RUNNING, STOPPED, Agent, State, action


class Toy(Agent, abstract=True):
    """Each class of toys has a state of its own."""

    state: ClassVar[State]
    calls: ClassVar[list[str]]

    def __init_subclass__(cls, *, abstract: bool = False) -> None:
        super().__init_subclass__(abstract=abstract)
        cls.state = STOPPED
        cls.calls = []

    @action
    def start(self) -> None:
        self.become("start", RUNNING)

    @action
    def stop(self) -> None:
        self.become("stop", STOPPED)

    @action
    def monitor(self) -> State:
        return self.state

    def become(self, what: str, state: State) -> None:
        self.calls.append(what)
        type(self).state = state


class Leader(Toy, abstract=True):
    """A toy with two roles."""

    @action
    def promote(self) -> None:
        self.become("promote", PROMOTED)

    @action
    def demote(self) -> None:
        self.become("demote", RUNNING)
