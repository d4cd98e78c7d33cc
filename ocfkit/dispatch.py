"""What the framework does around an author's methods, so that no author has to.

Actions are idempotent; a start waits until the service is up and a stop until it is gone; a deeper
check level runs the shallower ones first; and where the software or a parameter is missing, what
still runs decides, not what is missing.
"""

from __future__ import annotations

import os
import sys

from ocfkit.agent import Agent, secrets
from ocfkit.deadline import Deadline
from ocfkit.declaration import seconds
from ocfkit.errors import (
    ActionError,
    ConfigurationError,
    DeadlineError,
    DegradedError,
    InstallationError,
    ParameterError,
    PrivilegeError,
    UnimplementedError,
    told,
)
from ocfkit.exitcodes import (
    DEGRADED,
    DEGRADED_PROMOTED,
    ERR_GENERIC,
    FAILED_PROMOTED,
    NAMES,
    PROMOTED,
    RUNNING,
    STATES,
    STOPPED,
    SUCCESS,
    is_active,
    is_promoted,
)
from ocfkit.log import Log, one_line, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from ocfkit.actions import Check
    from ocfkit.cluster import Cluster
    from ocfkit.environment import Environment
    from ocfkit.exitcodes import ExitCode, State

    T = TypeVar("T")

HARD = "in escalate"
"""What is said when a stop is done the hard way."""

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

_LONGEST_TIME = 7 * 86400.0
"""Seconds. No caller waits longer, and the clocks of the kernel do not take any number."""

_MISSING = (InstallationError, ParameterError, ConfigurationError)
"""How a monitor says that it cannot look, for want of software or of a usable parameter."""


def run(
    cls: type[Agent],
    action: str,
    environment: Environment,
    log: Log,
    *,
    name: str = "",
    used: float = 0.0,
    doing: Callable[[str], None] = lambda _what: None,
    cluster: Cluster | None = None,
    as_root: bool | None = None,
    hard: bool = False,
) -> int:
    """Carry out one action in this process and return its exit code; raises nothing.

    `used` seconds of the time that the caller grants are over already. An action that hangs is not
    ended here; that is the business of the process above. `as_root` answers the question whether
    root asks, in a test; else the kernel is asked. `hard`: a stop was tried already, and hangs.
    """
    log.hide(secrets(cls, environment))
    deadline = Deadline.granted(granted_time(cls, action, environment), used=used)
    code: int = ERR_GENERIC
    try:
        agent = cls(
            name or cls.__name__.lower(),
            environment,
            log,
            deadline,
            doing=lambda what: doing(one_line(log.masked(what))),
            cluster=cluster,
        )
        _require_version(environment)
        agent.warn_of_parameters(action)
        as_root = is_root() if as_root is None else as_root
        code = perform(agent, action, as_root=as_root, hard=hard)
    except ActionError as error:
        log.reason(text_of(error))
        code = _code_of(error, action)
    except BaseException as error:  # noqa: BLE001 - a crash, or a sys.exit, must not look like an answer
        log.crash(action, error)
    log.debug(f"{action}: {code} ({NAMES.get(code, '?')})")
    return code


def _require_version(environment: Environment) -> None:
    """OCF 1.1, 3.2: the major version has to be ours, the minor one only informs."""
    version = environment.version_major
    if version not in (None, 1):
        raise ActionError(f"the caller speaks version {version} of OCF, this agent version 1")


def _code_of(error: ActionError, action: str) -> int:
    """The code of an error, where the action may end with it: a state is what a monitor ends with.

    An author's own kind of error may say anything, 0 as well.
    """
    allowed = range(1, 7) if action != "monitor" else [each for each in NAMES if each != SUCCESS]
    return error.exit_code if error.exit_code in allowed else ERR_GENERIC


def granted_time(cls: type[Agent], action: str, environment: Environment) -> float:
    """Seconds that the caller grants; those that are advised where it does not say."""
    granted = environment.timeout
    if granted is None:
        granted = cls.declaration.timeout(action)
        if action == "monitor":
            for check in cls.declaration.checks:
                if check.level <= environment.check_level:
                    granted = max(granted, seconds(check.timeout))
    return min(granted, _LONGEST_TIME)


def perform(agent: Agent, action: str, *, as_root: bool, hard: bool = False) -> ExitCode:
    """Carry out an action and return its exit code; raises ActionError for everything else."""
    declared = agent.declaration
    if action == "validate-all":
        return _validate(agent)
    if action not in declared.actions:
        known = ", ".join([*declared.actions, "validate-all", "meta-data"])
        raise UnimplementedError(f"{agent.name} has no action {action!r}; it has {known}")
    if action in agent.needs_root and not as_root:
        raise PrivilegeError(f"{action} needs root")
    if hard:
        return _stop_the_hard_way(agent)
    return _ACTIONS[action](agent)


def is_root() -> bool:
    """Whether we may do all that an action may need."""
    return os.geteuid() == 0


# --- looking --------------------------------------------------------------------------------------


def _look(agent: Agent, level: int = 0) -> State:
    """The state as the monitor and the checks down to a level see it; raises ActionError."""
    state, worries = _monitored(agent)
    state = _checked(agent, state, level, worries)
    for worry in worries:
        agent.log.warning(worry)
    return state


def _monitored(agent: Agent) -> tuple[State, list[str]]:
    """What the author's monitor says, and why it is degraded, if it says so."""
    agent.doing("in the monitor")
    monitor: Callable[[], object] = getattr(agent, "monitor")  # noqa: B009 - the author wrote it
    try:
        answer = _ask(agent, monitor)
    except DegradedError as error:
        return DEGRADED, [text_of(error)]
    except OSError as error:
        raise ActionError(f"the monitor: {told(error)}") from error
    for state in STATES:
        if answer == state and answer is not False:
            return state, []
    raise ActionError(f"the monitor of {agent.name} returned {answer!r}, which is no state")


def _checked(
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

    _ask(agent, lambda: hold(agent, check, tolerant=tolerant))


def _found(agent: Agent) -> tuple[State, list[str]]:
    """What the monitor says, and why it is not better, as far as anybody knows.

    Where parameters or software are missing, what still runs decides. Otherwise a removed package,
    or a mount that is gone, below a living daemon would look stopped here, and the cluster would
    start it on another node as well.
    """
    problem = _problem(agent)
    if problem is None:
        try:
            return _monitored(agent)
        except _MISSING as error:
            problem = error
    elif not isinstance(problem, ConfigurationError) or agent.remains():
        try:
            state, why = _monitored(agent)
        except _MISSING:
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


def _problem(agent: Agent) -> ActionError | None:
    try:
        return agent.problem() or agent.absence()
    except ActionError as error:  # an author's `validate` may raise any
        return error


# --- actions --------------------------------------------------------------------------------------


def _validate(agent: Agent) -> ExitCode:
    problem = agent.problem()
    if problem is not None:
        raise problem
    if agent.environment.check_level >= 10:
        _validate_host(agent)
    return SUCCESS


def _validate_host(agent: Agent) -> None:
    absent = agent.absence()
    if absent is not None:
        raise absent
    agent.validate_host()


def _monitor(agent: Agent) -> ExitCode:
    environment = agent.environment
    state, why = _found(agent)
    try:
        level, tolerant = environment.check_level, not environment.is_probe
        state = _checked(agent, state, level, why, tolerant=tolerant)
    except _MISSING as error:
        if environment.is_probe:  # "not installed" would mean that nothing runs
            raise ActionError(str(error)) from error
        raise
    if state not in (RUNNING, PROMOTED):
        expected = state == STOPPED and environment.is_probe
        reason = "; ".join(why) or f"{agent.instance} is {NAMES[state]}"
        agent.log.reason(reason, level="info" if expected else "error")
    return state


def _start(agent: Agent) -> ExitCode:
    problem = agent.problem()
    if problem is not None:
        raise problem
    _validate_host(agent)
    state = _look(agent)
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
        try:
            state = _look(agent, agent.start_depth)
            if is_active(state):
                return
            seen = f"it is {_in_words(state)}"
        except ActionError as error:
            seen = str(error)
        failure = agent.start_failure()
        if failure:
            raise ActionError(f"start failed: {failure}")
    raise DeadlineError(f"start: not up in time; last seen: {seen}")


def _in_words(state: State) -> str:
    return "running" if state == RUNNING else NAMES[state]


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
        return _stop_the_hard_way(agent)
    if failure is not None:
        raise ActionError(f"stop: {failure}")
    _forget(agent)
    return SUCCESS


def _stop_the_hard_way(agent: Agent) -> ExitCode:
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
        agent.log.info(f"before the stop: {_sentence(error)}")
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
        failure = f"error in the agent: {_sentence(error)}"
        agent.log.trace(error)
    seen = "it is still running"
    for _ in _looks(agent):
        try:
            if _found_in_time(agent) == STOPPED:
                return None
            seen = "it is still running"
        except (Exception, SystemExit) as error:  # noqa: BLE001 - in doubt it is not stopped
            seen = _sentence(error)
        if failure:
            break
    return f"{failure}; {seen}" if failure else f"not stopped in time: {seen}"


def _found_in_time(agent: Agent) -> State:
    from ocfkit.interrupt import interrupted_at  # where something is stopped

    limit = Deadline.after(max(agent.deadline.left(), _LAST_LOOK))
    with interrupted_at(limit, "the monitor did not end in time"):
        return _found(agent)[0]


def _sentence(error: BaseException) -> str:
    text = text_of(error)
    return text if isinstance(error, ActionError) else f"{type(error).__name__}: {text}"


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
            state = _look(agent)
        except ActionError as error:
            seen = str(error)
            continue
        if state in done:
            return SUCCESS
        if state == STOPPED:
            raise ActionError(f"{method}: it is not running any more")
        seen = f"it is {_in_words(state)}"
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
    problem = _problem(agent)
    if problem is not None:
        raise problem
    state = _look(agent)
    if state == STOPPED:
        raise ActionError(f"{action}: {agent.instance} is not running")
    return state


def _migrate_from(agent: Agent) -> ExitCode:
    problem = agent.problem()
    if problem is not None:
        raise problem
    _validate_host(agent)
    _remember(agent)
    _call(agent, "migrate_from")
    _wait_until_up(agent)
    return SUCCESS


def _notify(agent: Agent) -> ExitCode:
    """A notification must not fail (Pacemaker Administration, "OCF Resource Agents")."""
    from ocfkit.notices import Notice

    notify: Callable[[Notice], object] = getattr(agent, "notify")  # noqa: B009
    try:
        _ask(agent, lambda: notify(Notice.of(agent.environment)))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is
        agent.log.error(f"notify: {_sentence(error)}")
        if not isinstance(error, ActionError):
            agent.log.trace(error)
    return SUCCESS


_ACTIONS: dict[str, Callable[[Agent], ExitCode]] = {
    "start": _start,
    "stop": _stop,
    "monitor": _monitor,
    "promote": _promote,
    "demote": _demote,
    "notify": _notify,
    "reload": _reload,
    "reload-agent": _reload_agent,
    "migrate_to": _migrate_to,
    "migrate_from": _migrate_from,
}


def _call(agent: Agent, method: str) -> None:
    agent.doing(f"in {method}")
    _ask(agent, getattr(agent, method))


def _ask(agent: Agent, method: Callable[[], T]) -> T:
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
                agent.log.error(f"a child of the agent: {_sentence(error)}")
            os._exit(1)


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
