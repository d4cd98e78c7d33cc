"""Rules on two resources of one type side by side."""

from __future__ import annotations

from ocfkit.conformance.rules.registry import (
    Judgement,
    broken,
    holds,
    is_active,
    not_provoked,
    rule,
    said,
    started,
    undecided,
)
from ocfkit.conformance.transcript import INSTANCE, SECOND_INSTANCE, Call, Transcript

_SOURCE = "OCF Resource Agent API 1.1: instances of one type run side by side and do not interfere"


def _of(run: Transcript, action: str, instance: str, nth: int = 0) -> Call:
    """The `nth` call of the action for this instance; undecided if it was not reached."""
    calls = [call for call in run["instances"].of(action) if call.instance == instance]
    if nth >= len(calls):
        undecided(not_provoked(run["instances"].unreached or f"{action} was not called"))
    return calls[nth]


def _another(run: Transcript) -> Call:
    """The probe of the second; undecided where it is the first by another name."""
    started(run)
    first, probe = _of(run, "start", INSTANCE), _of(run, "monitor", SECOND_INSTANCE)
    if first.parameters == probe.parameters and is_active(probe):
        sentence = "the second has the parameters of the first; --second NAME=VALUE gives it others"
        undecided(not_provoked(sentence, probe))
    return probe


def _both_started(run: Transcript) -> Call:
    _another(run)
    first, second = _of(run, "start", INSTANCE), _of(run, "start", SECOND_INSTANCE)
    if not first.succeeded or not second.succeeded:
        call = second if first.succeeded else first
        undecided(
            not_provoked(
                f"the second did not start beside the first ({said(call)}); --second NAME=VALUE "
                "gives it parameters of its own",
                call,
            )
        )
    return second


@rule(
    "second-instance-is-another",
    source=_SOURCE,
    consequence="The cluster takes a resource for running that was never started.",
    needs=("instances",),
)
def second_instance_is_another(run: Transcript) -> Judgement:
    """A probe of the second says 7 while only the first runs, and its start starts it."""
    probe = _another(run)
    if is_active(probe):
        return broken(f"only the first was started, and of the second {said(probe)}", probe)
    call = _both_started(run)
    monitor = _of(run, "monitor", SECOND_INSTANCE, 1)
    if run.service is not None and len(call.end.processes) <= len(call.before.processes):
        return broken(f"of the second {said(call)}, and no process has come", call)
    if not is_active(monitor):
        return broken(f"of the second {said(call)}, and then {said(monitor)}", call, monitor)
    return holds(f"{said(probe)} before its start, {said(monitor)} after it", probe, call, monitor)


@rule(
    "stop-spares-the-other-instance",
    source=_SOURCE,
    consequence="Stopping one resource takes another one down.",
    needs=("instances",),
)
def stop_spares_the_other_instance(run: Transcript) -> Judgement:
    """A stop of the first ends the first and leaves the second running."""
    _both_started(run)
    stop = _of(run, "stop", INSTANCE)
    first, second = _of(run, "monitor", INSTANCE, 1), _of(run, "monitor", SECOND_INSTANCE, 2)
    if not is_active(second):
        return broken(f"the first was stopped, and of the second {said(second)}", stop, second)
    if run.service is not None and not stop.end.processes:
        return broken("the first was stopped, and no process is left of the second", stop)
    if not first.exited(7):
        return broken(f"beside the second, {said(stop)} and then {said(first)}", stop, first)
    last = _of(run, "stop", SECOND_INSTANCE)
    left = [one for one in last.end.processes if one.state not in "ZX"]
    if last.succeeded and left:
        return broken(f"both were stopped, and process {left[0].pid} is left", stop, last)
    return holds(f"{said(first)} of the first, {said(second)} of the second", stop, first, second)
