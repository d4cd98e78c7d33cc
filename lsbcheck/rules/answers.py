"""What a script's answers give away: which actions it lacks, and whether a service came up.

An action is missing when the script answers it exactly as it answers an action that cannot exist.
"""

from __future__ import annotations

import re

from lsbcheck.transcript import UNKNOWN_ACTION, Call, ScenarioName, Transcript

ACTIONS = ("start", "stop", "status")
"""What Pacemaker calls; without one of them there is nothing to rely on."""

_FAULTLESS: tuple[ScenarioName, ...] = ("watched", "stopped", "cycle")
"""A provoked failure may change any answer, so only these are compared."""

_REFUSING_CODES = (0, 5, 6)
"""Done, not installed, not configured: the same to every action, they mean "not here"."""


def faultless_calls(run: Transcript, action: str) -> tuple[Call, ...]:
    """All calls of this action in scenarios that neither provoked a failure nor broke down."""
    scenarios = (run[name] for name in _FAULTLESS)
    return tuple(
        call
        for scenario in scenarios
        if not scenario.error
        for call in scenario.calls
        if call.action == action
    )


def missing_actions(run: Transcript) -> tuple[str, ...]:
    """Those of start, stop and status that the script does not implement, as far as was seen."""
    unknown = unknown_answer(run)
    return () if unknown is None else tuple(a for a in ACTIONS if _is_missing(run, a, unknown))


def unknown_answer(run: Transcript) -> Call | None:
    """The answer to the action that cannot exist, if it was asked."""
    return next(iter(faultless_calls(run, UNKNOWN_ACTION)), None)


def is_unimplemented(call: Call, unknown: Call) -> bool:
    """Whether the call changed nothing and was answered as the unknown action was."""
    return not _acted(call) and _said(call, call.action) == _said(unknown, call.action)


def refuses_everything(run: Transcript) -> bool:
    """Whether every action, even an unknown one, gets the same refusal: disabled here, say."""
    unknown = unknown_answer(run)
    refusal = (
        unknown is not None and unknown.outcome == "exited" and unknown.code in _REFUSING_CODES
    )
    return refusal and missing_actions(run) == ACTIONS


def came_up(run: Transcript) -> bool:
    """Whether the service was ever seen running: without that, "stopped" has no meaning."""
    seen = (call.running_after for scenario in run.scenarios.values() for call in scenario.calls)
    return run.service is not None or any(seen)


def why_nothing_ran(run: Transcript) -> str:
    """Why no start left a process behind, as well as the answers tell; "" when one did."""
    starts = faultless_calls(run, "start")
    if came_up(run) or not starts:
        return ""
    start = starts[-1]
    if not start.succeeded:
        return f"the service did not come up here: start left no process ({start.answer})"
    status = run["cycle"].call("status") or run["stopped"].call("status")
    if status is None or status.succeeded or "status" in missing_actions(run):
        return "start said 0 and left no process: a one-shot, or it is disabled here"
    return (
        "the service did not come up here: start said 0 and left no process, "
        f"and status does not call it running ({status.answer})"
    )


def _is_missing(run: Transcript, action: str, unknown: Call) -> bool:
    calls = faultless_calls(run, action)
    return bool(calls) and all(is_unimplemented(call, unknown) for call in calls)


def _acted(call: Call) -> bool:
    """Whether the call changed something; a service that ends during a status did so by itself."""
    if call.action in {"restart", "force-reload"} and call.running_after:
        alive = {process.identity for process in call.after}
        replaced = any(process.identity not in alive for process in call.before)
        return replaced or not call.running_before
    return call.action != "status" and call.running_before != call.running_after


def _said(call: Call, action: str) -> tuple[str, int | None, str]:
    # Both words are replaced in both texts: a usage line names the known action, too. Numbers
    # (times, process ids, line numbers of the shell) differ from call to call.
    text = call.output.replace(UNKNOWN_ACTION, "ACTION").replace(action, "ACTION")
    return call.outcome, call.code, re.sub(r"\d+", "0", text).strip()
