"""Rules on which actions there are, and on those that every script has besides the three."""

from __future__ import annotations

from lsbcheck.rules.answers import (
    ACTIONS,
    came_up,
    faultless_calls,
    is_unimplemented,
    missing_actions,
    unknown_answer,
)
from lsbcheck.rules.judging import (
    asked,
    asked_running,
    asked_stopped,
    broken,
    can_be_judged,
    cannot_tell,
    holds,
    not_provoked,
    said,
    undecided,
)
from lsbcheck.rules.pacemaker import FAILED_STOP, FALSE_STOP, reading
from lsbcheck.rules.registry import Judgement, rule
from lsbcheck.rules.samples import (
    HANGS,
    KILLED,
    force_reload,
    restart,
    seen,
    start,
    status,
    stop,
    stop_again,
    unimplemented,
    unknown,
)
from lsbcheck.transcript import UNKNOWN_ACTION, Call, Transcript


@rule(
    "actions-implemented",
    number=1,
    clause="LSB Core 3.1, 20.2 Init Script Actions: start, stop and status are required",
    profile="lsb",
    valid=(
        seen(),
        # Silent, and 3 for a stopped service as for an unknown action: the running one tells.
        seen(stopped=(unknown(3, ""), status(3, up=False, output=""), stop_again(0))),
    ),
    invalid=(
        seen(
            stopped=(unknown(1), unimplemented("status"), stop_again(0)),
            cycle=(start(0), unimplemented("status", up=True), stop(0)),
        ),
        seen(
            stopped=(unknown(2), status(3, up=False), unimplemented("stop", 2)),
            cycle=(start(0), status(0), unimplemented("stop", 2, up=True)),
        ),
    ),
)
def actions_implemented(run: Transcript) -> Judgement:
    """The actions start, stop and status are implemented."""
    can_be_judged(run)
    unknown_call = unknown_answer(run) or asked(run, "stopped", UNKNOWN_ACTION)
    for action in ACTIONS:
        if not faultless_calls(run, action):
            asked(run, "watched" if action == "start" else "stopped", action)
    missing = missing_actions(run)
    if not missing:
        return holds(
            f"start, stop and status are not answered as {UNKNOWN_ACTION} is", unknown_call
        )
    calls = (unknown_call, *(call for name in missing for call in faultless_calls(run, name)))
    names = " and ".join(missing)
    alike = f"answered exactly as an action that does not exist ({unknown_call.answer})"
    if run["cycle"].error:
        return cannot_tell(run["cycle"].error)
    if not came_up(run) and not unknown_call.output.strip():
        return not_provoked(f"{names} could not be told from an unknown action", *calls)
    return broken(f"{names} not implemented: {alike}", _without(missing[0], unknown_call), *calls)


@rule(
    "restart-actions",
    clause="LSB Core 3.1, 20.2 Init Script Actions: restart and force-reload are required",
    profile="strict",
    valid=(seen(),),
    invalid=(
        seen(restart=(unimplemented("restart"),)),
        seen(restart=(restart(0, was_up=False, up=False),)),
        seen(restart=(restart(1, was_up=False),)),
        seen(
            restart=(
                restart(0, was_up=False),
                unimplemented("force-reload", up=True),
                restart(0),
            )
        ),
        seen(restart=(restart(0, was_up=False), force_reload(0, up=False))),
        seen(restart=(restart(0, was_up=False), force_reload(0), restart(0, up=False))),
        seen(restart=(restart(0, was_up=False), force_reload(0), restart(HANGS))),
    ),
)
def restart_actions(run: Transcript) -> Judgement:
    """Restart and force-reload say 0 and leave the service running."""
    first = asked_stopped(run, "restart", "restart")
    if not came_up(run):
        return not_provoked("the service was never seen running, not even after start", first)
    calls: list[Call] = []
    for action, nth in (("restart", 0), ("force-reload", 0), ("restart", 1)):
        ask = asked_running if calls else asked_stopped
        call = ask(run, "restart", action, nth)
        calls.append(call)
        sentence, consequence = _restart_fault(run, call)
        if sentence:
            return broken(sentence, consequence, call)
    return holds("restart and force-reload said 0, and the service ran after each", *calls)


@rule(
    "unknown-action",
    clause="LSB Core 3.1, 20.2 Init Script Actions: 2 and 3 are for what a script does not know",
    profile="strict",
    valid=(seen(), seen(stopped=(unknown(3), status(3, up=False), stop_again(0)))),
    invalid=(
        seen(stopped=(unknown(0), status(3, up=False), stop_again(0))),
        seen(stopped=(unknown(HANGS), status(3, up=False), stop_again(0))),
        seen(stopped=(unknown(KILLED), status(3, up=False), stop_again(0))),
    ),
)
def unknown_action(run: Transcript) -> Judgement:
    """An action that does not exist is refused."""
    call = asked(run, "stopped", UNKNOWN_ACTION)
    if call.outcome == "exited" and not call.succeeded:
        return holds(f"{said(call)}", call)
    consequence = "Whoever asks for an action that this script lacks is told that it was done."
    if not call.succeeded:
        consequence = "Whoever asks for an action that this script lacks learns nothing from it."
    return broken(f"{said(call)} instead of refusing it", consequence, call)


def _restart_fault(run: Transcript, call: Call) -> tuple[str, str]:
    """What is wrong with this restart or force-reload, and the consequence; "" if nothing."""
    unknown_call = unknown_answer(run)
    if unknown_call and is_unimplemented(call, unknown_call):
        if unknown_call.succeeded and not unknown_call.output.strip():
            reason = f"{call.action} could not be told from an unknown action: a silent 0 for both"
            undecided(not_provoked(reason, unknown_call, call))
        return f"{call.action} is not implemented: answered as an action that does not exist", (
            "Whoever applies a new configuration or an upgrade is refused, and the service goes "
            "on with the old one."
        )
    if not call.running_after:
        return f"{said(call)}, and the service does not run after it", (
            "After a package upgrade or an administrator's restart the service is down until "
            "Pacemaker's next monitor finds it dead."
        )
    if not call.succeeded:
        state = "running" if call.running_before else "stopped"
        return f"{said(call)} for a {state} service, which runs after it", (
            "Package upgrades and configuration tools take the restart for failed and break off, "
            "although the service runs."
        )
    return "", ""


def _without(action: str, unknown_call: Call) -> str:
    """The consequence of lacking one of the three."""
    if action == "start":
        return "The cluster can never start the service: every start fails, or only seems to work."
    if action == "stop":
        return FALSE_STOP if unknown_call.succeeded else FAILED_STOP
    return (
        "Pacemaker monitors and probes with status and reads this answer as "
        f'"{reading(unknown_call)}", whatever the service does.'
    )
