"""What type checkers make of actions and checks. Read by mypy and pyright, never run.

A wrong use carries a `type: ignore`; both checkers complain of one that is not needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_type

from ocfkit import (
    DEGRADED,
    RUNNING,
    STOPPED,
    Agent,
    Daemon,
    DegradedError,
    Notice,
    State,
    action,
    main,
    monitor,
)
from ocfkit.actions import Action, Check


class Web(Agent):
    """Every way to mark a method."""

    @action
    def start(self) -> None: ...

    @action()
    def stop(self) -> None: ...

    @action(timeout="20s", interval="10s", promoted_interval=9.5)
    def monitor(self) -> State:
        return RUNNING

    @action
    def notify(self, notice: Notice) -> None: ...

    @action(timeout=300)
    def reload(self) -> str:
        return "said"

    def promote(self) -> None: ...
    def demote(self) -> None: ...

    @monitor.depth(10)
    def page_comes_back(self) -> None: ...

    @monitor.depth(20, timeout="1min", interval=60, retries=2, pause="1s", tolerate=3)
    def query_is_answered(self) -> bool:
        return True

    @monitor.depth(30, role="Promoted")
    def replica_follows(self) -> bool | None:
        raise DegradedError


class Marked(Agent):
    """A notification with a timeout."""

    @action(timeout="5s")
    def notify(self, notice: Notice) -> None: ...


def of_an_agent(web: Web, marked: Marked, notice: Notice) -> None:
    assert_type(web.start(), None)
    assert_type(web.stop(), None)
    assert_type(web.monitor(), State)
    assert_type(web.notify(notice), None)
    assert_type(marked.notify(notice), None)
    assert_type(web.reload(), str)
    assert_type(web.page_comes_back, Callable[[], bool | None])
    assert_type(web.query_is_answered(), bool | None)


def of_the_class() -> None:
    assert_type(Web.start, Action[[], None])
    assert_type(Web.stop, Action[[], None])
    assert_type(Web.monitor, Action[[], State])
    assert_type(Web.notify, Action[[Notice], None])
    assert_type(Marked.notify, Action[[Notice], None])
    assert_type(Web.page_comes_back, Check)
    assert_type(Web.page_comes_back.level, int)


class Server(Daemon):
    """What a daemon has can be overridden, and its checks are declared by what is imported."""

    def command(self) -> list[str]:
        return ["sleep", "infinity"]

    def listens_on(self) -> str:
        return "/run/server.sock"

    @action(timeout="1min")
    def start(self) -> None:
        super().start()

    @action(interval="30s")
    def monitor(self) -> State:
        state = super().monitor()
        return DEGRADED if state == RUNNING else state

    @monitor.depth(10)
    def socket_answers(self) -> None: ...


class Imported(Daemon):
    """The decorator `monitor` of the module, where the class has no method of that name."""

    def command(self) -> tuple[str, ...]:
        return ("sleep", "infinity")

    @monitor.depth(10)
    def socket_answers(self) -> None: ...


def level(_web: Web) -> None:
    """A method, as @monitor.depth without parentheses gets it."""


def of_a_state(state: State) -> None:
    assert_type(state == STOPPED, bool)


def launched() -> None:
    main(Web)
    raise AssertionError  # main never returns: both checkers see that this is not reached


class Wrong(Agent):
    """Each of these is refused by both checkers."""

    @action  # type: ignore[arg-type]
    def start(self, force: str) -> None: ...

    @action(timeout="1min")  # type: ignore[arg-type]
    def stop(self, force: str) -> None: ...

    @action
    def monitor(self) -> State:
        return "running"  # type: ignore[return-value]

    @monitor.depth("10")  # type: ignore[arg-type]
    def page_comes_back(self) -> None: ...

    @monitor.depth(20, role="Master")  # type: ignore[arg-type]
    def leader_writes(self) -> None: ...

    @monitor.depth(20)  # type: ignore[arg-type]
    def socket_answers(self, path: str) -> None: ...

    @monitor.depth(20)  # type: ignore[arg-type]
    def words_come_back(self) -> str:
        return "words"


def wrong(web: Web) -> None:
    """And so is each of these."""
    action(timeout=None)  # type: ignore[call-overload]
    action(timeouts="20s")  # type: ignore[call-overload]
    monitor.depth(level)  # type: ignore[arg-type]
    web.start(5)  # type: ignore[call-arg]
    web.notify()  # type: ignore[call-arg]
    web.notify("promote")  # type: ignore[arg-type]
    web.page_comes_back(10)  # type: ignore[call-arg]
    _: str = web.monitor()  # type: ignore[assignment]
    main(web)  # type: ignore[arg-type]
