"""One call of an agent: its action is carried out, and whatever happens ends in an exit code.

What looks is in `looking`, what changes something in `transitions`, which a monitor does not load.
"""

from __future__ import annotations

import os

from ocfkit.agent import Agent, secrets
from ocfkit.deadline import Deadline
from ocfkit.declaration import seconds
from ocfkit.errors import ActionError, PrivilegeError, UnimplementedError
from ocfkit.exitcodes import ERR_GENERIC, NAMES, PROMOTED, RUNNING, STOPPED, SUCCESS
from ocfkit.log import Log, one_line, text_of
from ocfkit.looking import MISSING, checked, found, require_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ocfkit.cluster import Cluster
    from ocfkit.environment import Environment
    from ocfkit.exitcodes import ExitCode

HARD = "in escalate"
"""What is said when a stop is done the hard way."""

_LONGEST_TIME = 7 * 86400.0
"""Seconds. No caller waits longer, and the clocks of the kernel do not take any number."""


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
    if action == "monitor":
        return _monitor(agent)
    from ocfkit.transitions import TRANSITIONS, stop_the_hard_way  # not in a monitor

    return stop_the_hard_way(agent) if hard else TRANSITIONS[action](agent)


def is_root() -> bool:
    """Whether we may do all that an action may need."""
    return os.geteuid() == 0


def _validate(agent: Agent) -> ExitCode:
    problem = agent.problem()
    if problem is not None:
        raise problem
    if agent.environment.check_level >= 10:
        require_host(agent)
    return SUCCESS


def _monitor(agent: Agent) -> ExitCode:
    environment = agent.environment
    state, why = found(agent)
    try:
        level, tolerant = environment.check_level, not environment.is_probe
        state = checked(agent, state, level, why, tolerant=tolerant)
    except MISSING as error:
        if environment.is_probe:  # "not installed" would mean that nothing runs
            raise ActionError(str(error)) from error
        raise
    if state not in (RUNNING, PROMOTED):
        expected = state == STOPPED and environment.is_probe
        reason = "; ".join(why) or f"{agent.instance} is {NAMES[state]}"
        agent.log.reason(reason, level="info" if expected else "error")
    return state
