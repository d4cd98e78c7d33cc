"""Actions that change something: begun where it is needed, done when the monitor says so."""

from __future__ import annotations

from ocfkit.agent import Agent
from ocfkit.deadline import Deadline
from ocfkit.errors import ActionError, DeadlineError
from ocfkit.exitcodes import (
    DEGRADED,
    DEGRADED_PROMOTED,
    FAILED_PROMOTED,
    PROMOTED,
    RUNNING,
    STOPPED,
    SUCCESS,
    is_active,
)
from ocfkit.looking import ask, found, in_words, look, problem_of, require_host, sentence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ocfkit.exitcodes import ExitCode, State

_FIND_OUT_WITHIN = 0.2
"""Share of the time of a stop in which the monitor has to say whether there is anything to stop:
often it is the service that hangs, and the monitor with it.
"""

_ESCALATE_AFTER = 0.6
"""Share of the time of a stop after which it is done the hard way."""

_FIRST_LOOK, _LONGEST_PAUSE = 0.02, 1.0
"""Seconds between two looks while something comes up or goes down: doubled from look to look."""

_LAST_LOOK = 0.25
"""Seconds that a look at the deadline may take after it; the reserve has room for them."""


def _start(agent: Agent) -> ExitCode:
    problem = agent.problem()
    if problem is not None:
        raise problem
    require_host(agent)
    state = look(agent)
    if state == FAILED_PROMOTED:
        raise ActionError("it is there and has failed: it has to be stopped first")
    _remember(agent)
    if is_active(state):
        agent.log.info(f"{agent.instance} is running already")
    else:
        _call(agent, "start")
    _wait_until_up(agent)
    return SUCCESS


def _wait_until_up(agent: Agent) -> None:
    seen = "nothing yet"
    for _ in _looks(agent):
        is_late = agent.deadline.over()
        try:
            state = look(agent, agent.start_depth)
            if is_active(state):
                return
            seen = f"it is {in_words(state)}"
        except ActionError as error:
            if not is_late:  # a check without time tells less than the one before
                seen = str(error)
        failure = agent.start_failure()
        if failure:
            raise ActionError(f"start failed: {failure}")
    raise DeadlineError(f"start: not up in time; last seen: {seen}")


def _stop(agent: Agent) -> ExitCode:
    if _is_stopped(agent):
        _forget(agent)
        return SUCCESS
    whole = agent.deadline
    escalates = type(agent).escalate is not Agent.escalate
    if escalates:
        agent.deadline = whole.part(_ESCALATE_AFTER)
    failure = _try_to_stop(agent, "stop")
    agent.deadline = whole
    if failure is not None and escalates:
        agent.log.warning(f"{failure}; stopping it the hard way")
        return stop_the_hard_way(agent)
    if failure is not None:
        raise ActionError(f"stop: {failure}")
    _forget(agent)
    return SUCCESS


def stop_the_hard_way(agent: Agent) -> ExitCode:
    """Stop it by the author's `escalate`; raises ActionError."""
    failure = _try_to_stop(agent, "escalate")
    if failure is not None:
        raise ActionError(f"stop: {failure}")
    _forget(agent)
    return SUCCESS


def _is_stopped(agent: Agent) -> bool:
    """Whether there is nothing to stop; what does not work, or cannot be told, is to be stopped."""
    whole = agent.deadline
    agent.deadline = whole.part(_FIND_OUT_WITHIN)
    try:
        return _found_in_time(agent) == STOPPED
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a broken monitor must not prevent it
        agent.log.info(f"before the stop: {sentence(error)}")
        return False
    finally:
        agent.deadline = whole


def _try_to_stop(agent: Agent, method: str) -> str | None:
    """Why it is not stopped at the deadline of the agent; None when it is."""
    from ocfkit.interrupt import interrupted_at  # where something is stopped

    failure = ""
    try:
        with interrupted_at(agent.deadline, f"{method} did not end in time"):
            _call(agent, method)
    except ActionError as error:
        failure = str(error)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - there is another way, perhaps
        failure = f"error in the agent: {sentence(error)}"
        agent.log.trace(error)
    seen = "it is still running"
    for _ in _looks(agent):
        try:
            if _found_in_time(agent) == STOPPED:
                return None
            seen = "it is still running"
        except (Exception, SystemExit) as error:  # noqa: BLE001 - in doubt it is not stopped
            seen = sentence(error)
        if failure:
            break
    return f"{failure}; {seen}" if failure else f"not stopped in time: {seen}"


def _found_in_time(agent: Agent) -> State:
    from ocfkit.interrupt import interrupted_at  # where something is stopped

    limit = Deadline.after(max(agent.deadline.left(), _LAST_LOOK))
    with interrupted_at(limit, "the monitor did not end in time"):
        return found(agent)[0]


def _promote(agent: Agent) -> ExitCode:
    return _change_role(agent, "promote", wanted=True)


def _demote(agent: Agent) -> ExitCode:
    return _change_role(agent, "demote", wanted=False)


def _change_role(agent: Agent, method: str, *, wanted: bool) -> ExitCode:
    done = (PROMOTED, DEGRADED_PROMOTED) if wanted else (RUNNING, DEGRADED)
    state = _require_running(agent, method)
    if state in done:
        agent.log.info(f"{method}: nothing to do")
        return SUCCESS
    if wanted and state == FAILED_PROMOTED:
        raise ActionError(f"{method}: it is promoted already, and has failed")
    _call(agent, method)
    seen = "nothing yet"
    for _ in _looks(agent):
        try:
            state = look(agent)
        except ActionError as error:
            seen = str(error)
            continue
        if state in done:
            return SUCCESS
        if state == STOPPED:
            raise ActionError(f"{method}: it is not running any more")
        seen = f"it is {in_words(state)}"
    raise DeadlineError(f"{method}: not done in time; last seen: {seen}")


def _reload(agent: Agent) -> ExitCode:
    return _carry_out(agent, "reload", "reload")


def _reload_agent(agent: Agent) -> ExitCode:
    return _carry_out(agent, "reload-agent", "reload_agent")


def _migrate_to(agent: Agent) -> ExitCode:
    return _carry_out(agent, "migrate_to", "migrate_to")


def _carry_out(agent: Agent, action: str, method: str) -> ExitCode:
    """An action for what runs, and works."""
    if _require_running(agent, action) == FAILED_PROMOTED:
        raise ActionError(f"{action}: {agent.instance} has failed")
    _call(agent, method)
    return SUCCESS


def _require_running(agent: Agent, action: str) -> State:
    problem = problem_of(agent)
    if problem is not None:
        raise problem
    state = look(agent)
    if state == STOPPED:
        raise ActionError(f"{action}: {agent.instance} is not running")
    return state


def _migrate_from(agent: Agent) -> ExitCode:
    problem = agent.problem()
    if problem is not None:
        raise problem
    require_host(agent)
    _remember(agent)
    _call(agent, "migrate_from")
    _wait_until_up(agent)
    return SUCCESS


def _notify(agent: Agent) -> ExitCode:
    """A notification must not fail (Pacemaker Administration, "OCF Resource Agents")."""
    from ocfkit.notices import Notice

    notify: Callable[[Notice], object] = getattr(agent, "notify")  # noqa: B009
    try:
        ask(agent, lambda: notify(Notice.of(agent.environment)))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is
        agent.log.error(f"notify: {sentence(error)}")
        if not isinstance(error, ActionError):
            agent.log.trace(error)
    return SUCCESS


def _call(agent: Agent, method: str) -> None:
    agent.doing(f"in {method}")
    ask(agent, getattr(agent, method))


def _remember(agent: Agent) -> None:
    """Leave a record for the day on which the parameters are gone; see `Agent.remains`.

    Before the start, since one that fails may leave something behind as well.
    """
    record = agent.record()
    try:
        if not record.exists():
            record.write("started\n")
    except OSError as error:
        agent.log.warning(f"no record of the start: {error}")


def _forget(agent: Agent) -> None:
    _forget_failures(agent)
    try:
        agent.tidy()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - nothing runs, which is what counts
        agent.log.warning(f"something is left: {sentence(error)}")
    try:
        agent.record().remove()
    except OSError as error:
        agent.log.warning(f"the record of the start stays: {error}")


def _forget_failures(agent: Agent) -> None:
    """What was tolerated of the service before is none of the one that is started now."""
    if any(check.tolerate for check in agent.declaration.checks):
        from ocfkit.checking import forget  # for those who tolerate anything

        forget(agent)


def _looks(agent: Agent) -> Iterator[None]:
    """Once now, and then again and again with growing pauses until the deadline."""
    pause = _FIRST_LOOK
    yield
    while not agent.deadline.over():
        agent.deadline.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
        yield


TRANSITIONS: dict[str, Callable[[Agent], ExitCode]] = {
    "start": _start,
    "stop": _stop,
    "promote": _promote,
    "demote": _demote,
    "notify": _notify,
    "reload": _reload,
    "reload-agent": _reload_agent,
    "migrate_to": _migrate_to,
    "migrate_from": _migrate_from,
}
"""OCF's name of an action → what carries it out; raises ActionError when it fails."""
