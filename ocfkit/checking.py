"""How a deep check is made: retried within the deadline, and tolerated a few times in a row."""

from __future__ import annotations

from ocfkit.declaration import seconds
from ocfkit.errors import ActionError, DeadlineError, DegradedError, told
from ocfkit.log import text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocfkit.actions import Check
    from ocfkit.agent import Agent
    from ocfkit.records import Record


def hold(agent: Agent, check: Check, *, tolerant: bool) -> None:
    """Make a check; raises ActionError when it does not hold, DegradedError while tolerated."""
    counts = tolerant and check.tolerate_of(agent) > 0
    try:
        _try(agent, check)
    except DegradedError:
        if counts:
            _forget(agent, check)
        raise
    except ActionError as error:
        if counts:
            _tolerate(agent, check, error)
        raise
    if counts:
        _forget(agent, check)


def forget(agent: Agent) -> None:
    """Forget all failures that were tolerated."""
    for check in agent.declaration.checks:
        if check.tolerate:
            _forget(agent, check)


def _try(agent: Agent, check: Check) -> None:
    pause = seconds(check.pause_of(agent))
    for left in range(check.retries_of(agent), -1, -1):
        try:
            return _once(agent, check)
        except (DegradedError, DeadlineError):
            raise
        except ActionError as error:
            if not left or agent.deadline.left() <= pause:
                raise
            agent.log.debug(f"asked again in {pause:g} s: {error}")
            agent.deadline.sleep(pause)
    raise AssertionError  # the loop returns or raises


def _once(agent: Agent, check: Check) -> None:
    """Turn what the method says into nothing or an ActionError that names depth and fact."""
    where = f"(depth {check.level}: {check.fact})"
    agent.doing(f"in the check at depth {check.level}: {check.fact}")
    try:
        holds = check.function(agent)
    except ActionError as error:
        if not text_of(error).endswith(where):  # one that is raised again has it
            error.args = (f"{text_of(error)} {where}",)
        raise
    except OSError as error:  # what a check of a socket or a file meets first
        raise ActionError(f"{told(error)} {where}") from error
    if holds is False:
        raise ActionError(f"it does not hold {where}")
    if holds is not None and holds is not True:
        raise ActionError(f"the check returned {holds!r}, neither True nor False {where}")


def _failures(agent: Agent, check: Check) -> Record:
    return agent.record(f"{check.name}.failures")


def _tolerate(agent: Agent, check: Check, error: ActionError) -> None:
    """Raise DegradedError while there have not been too many failures in a row."""
    record = _failures(agent, check)
    try:
        text = record.read()
        count = int(text) + 1 if text.isdecimal() and len(text) < 9 else 1
        if count > check.tolerate_of(agent):
            return
        record.write(str(count))
    except OSError as failure:  # what cannot be counted is not tolerated
        agent.log.warning(f"failures cannot be counted: {told(failure)}")
        return
    tolerated = check.tolerate_of(agent)
    raise DegradedError(f"{error}; failure {count}, {tolerated} are tolerated") from error


def _forget(agent: Agent, check: Check) -> None:
    try:
        _failures(agent, check).remove()
    except OSError as failure:
        agent.log.warning(f"failures stay counted: {told(failure)}")
