"""What the framework does around an author's methods, so that no author has to.

Actions are idempotent; a start waits until the service is up and a stop until it is gone; a deeper
check level runs the shallower ones first; and where the software or a parameter is missing, what
still runs decides, not what is missing.
"""

from __future__ import annotations

from ocfkit.agent import Agent
from ocfkit.deadline import Deadline
from ocfkit.errors import (
    ActionError,
    ConfigurationError,
    DeadlineError,
    DegradedError,
    InstallationError,
    PrivilegeError,
    UnimplementedError,
)
from ocfkit.exitcodes import (
    DEGRADED,
    DEGRADED_PROMOTED,
    NAMES,
    STATES,
    STOPPED,
    SUCCESS,
    is_active,
    is_promoted,
)
from ocfkit.log import Log, one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ocfkit.cluster import Cluster
    from ocfkit.environment import Environment
    from ocfkit.exitcodes import ExitCode, State

_ESCALATE_AFTER = 0.6
"""Share of the time of a stop after which it is done the hard way."""

_FIRST_LOOK, _LONGEST_PAUSE = 0.02, 1.0
"""Seconds between two looks while something comes up or goes down: doubled from look to look."""


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
) -> int:
    """Carry out one action in this process and return its exit code; raises nothing.

    `used` seconds of the time that the caller grants are over already. An action that hangs is not
    ended here; that is the business of the process above.
    """
    deadline = Deadline.granted(granted_time(cls, action, environment), used=used)
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
        code: int = perform(agent, action)
    except ActionError as error:
        log.reason(str(error))
        code = error.exit_code
    except BaseException as error:  # noqa: BLE001 - a crash, or a sys.exit, must not look like an answer
        log.crash(action, error)
        code = 1
    log.debug(f"{action}: {code} ({NAMES.get(code, '?')})")
    return code


def _require_version(environment: Environment) -> None:
    """OCF 1.1, 3.2: the major version has to be ours, the minor one only informs."""
    version = environment.version_major
    if version not in (None, 1):
        raise ActionError(f"the caller speaks version {version} of OCF, this agent version 1")


def granted_time(cls: type[Agent], action: str, environment: Environment) -> float:
    """Seconds that the caller grants; those that are advised where it does not say."""
    return environment.timeout or cls.declaration.timeout(action)


def perform(agent: Agent, action: str) -> ExitCode:
    """Carry out an action and return its exit code; raises ActionError for everything else."""
    declared = agent.declaration
    if action == "validate-all":
        return _validate(agent)
    if action not in declared.actions:
        known = ", ".join([*declared.actions, "validate-all", "meta-data"])
        raise UnimplementedError(f"{agent.name} has no action {action!r}; it has {known}")
    if action in agent.needs_root and not _is_root():
        raise PrivilegeError(f"{action} needs root")
    return _ACTIONS[action](agent)


def _is_root() -> bool:
    import os

    return os.geteuid() == 0


# --- looking --------------------------------------------------------------------------------------


def _look(agent: Agent, level: int = 0, *, tolerant: bool = False) -> State:
    """The state as the monitor and the checks down to a level see it; raises ActionError.

    `tolerant`: a check may put its first failures in a row down as degraded.
    """
    agent.doing("in the monitor")
    state = _monitored(agent)
    if not is_active(state):
        return state
    for check in agent.declaration.checks:
        if check.level > level:
            break
        from ocfkit.checking import hold  # not in a shallow monitor

        if check.role in (None, "Promoted" if is_promoted(state) else "Unpromoted"):
            try:
                hold(agent, check, tolerant=tolerant)
            except DegradedError as error:
                agent.log.reason(str(error))
                state = DEGRADED_PROMOTED if is_promoted(state) else DEGRADED
    return state


def _monitored(agent: Agent) -> State:
    monitor: Callable[[], object] = getattr(agent, "monitor")  # noqa: B009 - the author wrote it
    answer = monitor()
    for state in STATES:
        if answer == state and answer is not False:
            return state
    raise ActionError(f"the monitor of {agent.name} returned {answer!r}, which is no state")


def _look_at_remains(agent: Agent, problem: ActionError) -> State:
    """The state where parameters or software are missing: what still runs decides.

    Otherwise a removed package, or a mount that is gone, below a living daemon would look stopped
    here, and the cluster would start it on another node as well.
    """
    try:
        if not isinstance(problem, ConfigurationError):
            return _look(agent)
        remains = agent.remains()
        if remains is False:
            return STOPPED
        if remains:
            return _look(agent)
    except InstallationError:
        if agent.remains() is False:
            return STOPPED
    except ActionError as error:
        raise ActionError(f"{error}; besides, {problem}") from error
    raise ActionError(f"{problem}; whether something of {agent.instance} still runs cannot be told")


def _problem(agent: Agent) -> ActionError | None:
    return agent.problem() or agent.absence()


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
    problem = _problem(agent)
    if problem is None:
        try:
            return _look(
                agent, agent.environment.check_level, tolerant=not agent.environment.is_probe
            )
        except InstallationError as error:
            problem = error
    state = _look_at_remains(agent, problem)
    agent.log.reason(f"{problem}" if state == STOPPED else f"it runs, although {problem}")
    return state


def _start(agent: Agent) -> ExitCode:
    problem = agent.problem()
    if problem is not None:
        raise problem
    _validate_host(agent)
    state = _look(agent)
    if is_active(state):
        agent.log.info(f"{agent.instance} is running already")
        return SUCCESS
    if state != STOPPED:
        raise ActionError("it is there and has failed: it has to be stopped first")
    _call(agent, "start")
    _wait_until_up(agent)
    _remember(agent)
    return SUCCESS


def _wait_until_up(agent: Agent) -> None:
    seen = "nothing yet"
    for _ in _looks(agent):
        try:
            state = _look(agent, agent.start_depth)
            if is_active(state):
                return
            seen = "it is not running"
        except ActionError as error:
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
        failure = _try_to_stop(agent, "escalate")
    if failure is not None:
        raise ActionError(f"stop: {failure}")
    _forget(agent)
    return SUCCESS


def _try_to_stop(agent: Agent, method: str) -> str | None:
    """Why it is not stopped at the deadline of the agent; None when it is."""
    failure = ""
    try:
        from ocfkit.interrupt import interrupted_at  # where something is stopped

        with interrupted_at(agent.deadline, f"{method} did not end in time"):
            _call(agent, method)
    except ActionError as error:
        failure = str(error)
    seen = "it is still running"
    for _ in _looks(agent):
        try:
            if _look(agent) == STOPPED:
                return None
            seen = "it is still running"
        except ActionError as error:
            seen = str(error)
        if failure:
            break
    return f"{failure}; {seen}" if failure else f"not stopped in time: {seen}"


def _is_stopped(agent: Agent) -> bool:
    """Whether there is nothing to stop; one that does not work is there to be stopped."""
    problem = _problem(agent)
    try:
        if problem is None:
            return _look(agent) == STOPPED
        return _look_at_remains(agent, problem) == STOPPED
    except ActionError as error:
        if isinstance(error, InstallationError) and agent.remains() is False:
            return True
        agent.log.info(f"before the stop: {error}")
        return False


def _promote(agent: Agent) -> ExitCode:
    return _change_role(agent, "promote", wanted=True)


def _demote(agent: Agent) -> ExitCode:
    return _change_role(agent, "demote", wanted=False)


def _change_role(agent: Agent, method: str, *, wanted: bool) -> ExitCode:
    _require_running(agent, method)
    if is_promoted(_look(agent)) == wanted:
        agent.log.info(f"{method}: nothing to do")
        return SUCCESS
    _call(agent, method)
    seen = "nothing yet"
    for _ in _looks(agent):
        state: State | None = None
        try:
            state = _look(agent)
        except ActionError as error:
            seen = str(error)
        if state == STOPPED:
            raise ActionError(f"{method}: it is not running any more")
        if state is not None and is_promoted(state) == wanted:
            return SUCCESS
        if state is not None:
            seen = f"it is {'promoted' if is_promoted(state) else 'not promoted'}"
    raise DeadlineError(f"{method}: not done in time; last seen: {seen}")


def _reload(agent: Agent) -> ExitCode:
    _require_running(agent, "reload")
    _call(agent, "reload")
    return SUCCESS


def _reload_agent(agent: Agent) -> ExitCode:
    _require_running(agent, "reload-agent")
    _call(agent, "reload_agent")
    return SUCCESS


def _require_running(agent: Agent, action: str) -> None:
    problem = _problem(agent)
    if problem is not None:
        raise problem
    if _look(agent) == STOPPED:
        raise ActionError(f"{action}: {agent.instance} is not running")


def _migrate_to(agent: Agent) -> ExitCode:
    _require_running(agent, "migrate_to")
    _call(agent, "migrate_to")
    return SUCCESS


def _migrate_from(agent: Agent) -> ExitCode:
    problem = agent.problem()
    if problem is not None:
        raise problem
    _validate_host(agent)
    _call(agent, "migrate_from")
    _wait_until_up(agent)
    _remember(agent)
    return SUCCESS


def _notify(agent: Agent) -> ExitCode:
    """A notification must not fail (Pacemaker Administration, "OCF Resource Agents")."""
    from ocfkit.notices import Notice

    notify: Callable[[Notice], object] = getattr(agent, "notify")  # noqa: B009
    try:
        notify(Notice.of(agent.environment))
    except Exception as error:  # noqa: BLE001 - whatever it is
        agent.log.error(f"notify: {type(error).__name__}: {error}")
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
    getattr(agent, method)()


def _remember(agent: Agent) -> None:
    """Leave a record for the day on which the parameters are gone; see `Agent.remains`."""
    record = agent.record()
    try:
        if not record.exists():
            record.write("started\n")
    except OSError as error:
        agent.log.warning(f"no record of the start: {error}")


def _forget(agent: Agent) -> None:
    try:
        agent.record().remove()
    except OSError as error:
        agent.log.warning(f"the record of the start stays: {error}")


def _looks(agent: Agent) -> Iterator[None]:
    """Once now, and then again and again with growing pauses until the deadline."""
    pause = _FIRST_LOOK
    yield
    while not agent.deadline.over():
        agent.deadline.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
        yield
