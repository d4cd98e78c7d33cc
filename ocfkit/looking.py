"""What of an instance is there: its monitor, its checks, and what remains."""

from __future__ import annotations

import os
import sys

from ocfkit.errors import (
    ActionError,
    ConfigurationError,
    DegradedError,
    InstallationError,
    ParameterError,
    told,
)
from ocfkit.exitcodes import (
    DEGRADED,
    DEGRADED_PROMOTED,
    NAMES,
    RUNNING,
    STATES,
    STOPPED,
    is_active,
    is_promoted,
)
from ocfkit.log import text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from ocfkit.actions import Check
    from ocfkit.agent import Agent
    from ocfkit.exitcodes import State

    T = TypeVar("T")

MISSING = (InstallationError, ParameterError, ConfigurationError)
"""How a monitor says that it cannot look, for want of software or of a usable parameter."""


def look(agent: Agent, level: int = 0) -> State:
    """The state as the monitor and the checks down to a level see it; raises ActionError."""
    state, worries = _monitored(agent)
    state = checked(agent, state, level, worries)
    for worry in worries:
        agent.log.warning(worry)
    return state


def _monitored(agent: Agent) -> tuple[State, list[str]]:
    """What the author's monitor says, and why it is degraded, if it says so."""
    agent.doing("in the monitor")
    monitor: Callable[[], object] = getattr(agent, "monitor")  # noqa: B009 - the author wrote it
    try:
        answer = ask(agent, monitor)
    except DegradedError as error:
        return DEGRADED, [text_of(error)]
    except OSError as error:
        raise ActionError(f"the monitor: {told(error)}") from error
    for state in STATES:
        if answer == state and answer is not False:
            return state, []
    raise ActionError(f"the monitor of {agent.name} returned {answer!r}, which is no state")


def checked(
    agent: Agent, state: State, level: int, worries: list[str], *, tolerant: bool = False
) -> State:
    """The state after the checks down to a level, where it runs; raises ActionError.

    Why it is degraded is added to `worries`. `tolerant`: a check may put its first failures in a
    row down as degraded.
    """
    if not is_active(state):
        return state
    role = "Promoted" if is_promoted(state) else "Unpromoted"
    for check in agent.declaration.checks:
        if check.level > level:
            break
        if check.role in (None, role):
            try:
                _hold(agent, check, tolerant=tolerant)
            except DegradedError as error:
                worries.append(text_of(error))
                state = DEGRADED_PROMOTED if is_promoted(state) else DEGRADED
    return state


def _hold(agent: Agent, check: Check, *, tolerant: bool) -> None:
    from ocfkit.checking import hold  # not in a shallow monitor

    ask(agent, lambda: hold(agent, check, tolerant=tolerant))


def found(agent: Agent) -> tuple[State, list[str]]:
    """What the monitor says, and why it is not better, as far as anybody knows.

    Where parameters or software are missing, what still runs decides. Otherwise a removed package,
    or a mount that is gone, below a living daemon would look stopped here, and the cluster would
    start it on another node as well.
    """
    problem = problem_of(agent)
    if problem is None:
        try:
            return _monitored(agent)
        except MISSING as error:
            problem = error
    elif not isinstance(problem, ConfigurationError) or agent.remains():
        try:
            state, why = _monitored(agent)
        except MISSING:
            pass  # it cannot look without what is missing
        except ActionError as error:
            if not isinstance(error.__cause__, OSError):  # nor where it reads the file itself
                raise ActionError(f"{error}; besides, {problem}") from error
        else:
            if not is_active(state):
                return state, [*why, str(problem)]
            agent.log.warning(f"it runs, although {problem}")
            return state, why
    if agent.remains() is False:
        return STOPPED, [str(problem)]
    raise ActionError(f"{problem}; whether something of {agent.instance} still runs cannot be told")


def problem_of(agent: Agent) -> ActionError | None:
    """What is wrong with the parameters, or missing of the software that they name."""
    try:
        return agent.problem() or agent.absence()
    except ActionError as error:  # an author's `validate` may raise any
        return error


def require_host(agent: Agent) -> None:
    """Raise ActionError where it could not run on this node."""
    absent = agent.absence()
    if absent is not None:
        raise absent
    agent.validate_host()


def ask(agent: Agent, method: Callable[[], T]) -> T:
    """Call an author's method. A child that it forks, and that comes back from it, ends here.

    Otherwise there would be two of us: two answers, and two daemons.
    """
    me = os.getpid()
    try:
        return method()
    finally:
        if os.getpid() != me:
            error = sys.exception()
            if error is not None:
                agent.log.error(f"a child of the agent: {sentence(error)}")
            os._exit(1)


def sentence(error: BaseException) -> str:
    """What an error says; of one that nobody foresaw, its kind too."""
    text = text_of(error)
    return text if isinstance(error, ActionError) else f"{type(error).__name__}: {text}"


def in_words(state: State) -> str:
    """Such as "not running"."""
    return "running" if state == RUNNING else NAMES[state]
