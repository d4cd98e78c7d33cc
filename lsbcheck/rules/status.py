"""Rules on what status answers: for a running, stopped, crashed and suspended service."""

from __future__ import annotations

from lsbcheck.rules.judging import (
    asked,
    asked_running,
    asked_stopped,
    broken,
    holds,
    not_provoked,
    said,
    seen_running,
)
from lsbcheck.rules.pacemaker import (
    HANGING_STATUS,
    healthy_taken_for_dead,
    reading,
    stopped_taken_for,
)
from lsbcheck.rules.registry import Judgement, rule
from lsbcheck.rules.samples import (
    HANGS,
    KILLED,
    seen,
    start,
    status,
    stop,
    stop_again,
    unknown,
)
from lsbcheck.transcript import Transcript


@rule(
    "status-when-running",
    number=6,
    clause="LSB Core 3.1, 20.2 Init Script Actions: status 0, program is running",
    profile="lsb",
    valid=(seen(),),
    invalid=(
        seen(cycle=(start(0), status(3), stop(0))),
        seen(cycle=(start(0), status(4), stop(0))),
        seen(cycle=(start(0), status(HANGS), stop(0))),
        seen(cycle=(start(0), status(KILLED), stop(0))),
    ),
)
def status_when_running(run: Transcript) -> Judgement:
    """The status of the running service is 0."""
    call = asked_running(run, "cycle", "status")
    if not call.running_after:
        return not_provoked("the service ended by itself while status was called", call)
    if call.succeeded:
        return holds(f"{said(call)} for a running service", call)
    sentence = f"{said(call)}, although the service was running"
    return broken(sentence, healthy_taken_for_dead(call), call)


@rule(
    "status-when-stopped",
    number=7,
    clause="LSB Core 3.1, 20.2 Init Script Actions: status 3, program is not running",
    profile="lsb",
    valid=(seen(), seen(stopped=(unknown(2), status(1, up=False), stop_again(0)))),
    invalid=(
        seen(stopped=(unknown(1), status(0, up=False), stop_again(0))),
        seen(stopped=(unknown(1), status(HANGS, up=False), stop_again(0))),
    ),
)
def status_when_stopped(run: Transcript) -> Judgement:
    """The status of the stopped service is not 0."""
    call = asked_stopped(run, "stopped", "status")
    if call.outcome == "no-answer":
        sentence = f"{said(call)} for a stopped service"
        return broken(sentence, stopped_taken_for(call), call)
    if not call.succeeded:
        return holds(f"{said(call)} for a stopped service", call)
    seen_running(run, call)
    sentence = f"{said(call)}, although nothing was running"
    return broken(sentence, stopped_taken_for(call), call)


@rule(
    "status-when-stopped-is-3",
    clause=(
        "LSB Core 3.1, 20.2 Init Script Actions: status 3, program is not running; "
        "Pacemaker Explained, LSB compliance"
    ),
    profile="pacemaker",
    valid=(seen(),),
    invalid=(
        seen(stopped=(unknown(2), status(1, up=False), stop_again(0))),
        seen(stopped=(unknown(1), status(4, up=False), stop_again(0))),
        seen(stopped=(unknown(1), status(0, up=False), stop_again(0))),
        seen(stopped=(unknown(1), status(HANGS, up=False), stop_again(0))),
    ),
)
def status_when_stopped_is_3(run: Transcript) -> Judgement:
    """The status of the stopped service is exactly 3."""
    call = asked_stopped(run, "stopped", "status")
    if call.outcome == "exited" and call.code == 3:
        return holds(f"{said(call)} for a stopped service", call)
    seen_running(run, call)
    return broken(f"{said(call)} instead of 3", stopped_taken_for(call), call)


@rule(
    "status-after-crash",
    clause="LSB Core 3.1, 20.2 Init Script Actions: status 1 or 2, program is dead",
    profile="pacemaker",
    valid=(seen(), seen(crash=(start(0), status(KILLED, up=False)))),
    invalid=(
        seen(crash=(start(0), status(0, up=False))),
        seen(crash=(start(0), status(HANGS, up=False))),
    ),
)
def status_after_crash(run: Transcript) -> Judgement:
    """The status of a crashed service is not 0."""
    call = asked(run, "crash", "status")
    if call.running_before:
        return not_provoked("the service ran again before status was called", call)
    if call.succeeded:
        return broken(
            f"{said(call)}, although every process of the service was dead",
            "Pacemaker never learns that the service died: it shows it as started, and nobody is "
            "served until a human looks.",
            call,
        )
    if call.outcome == "no-answer":
        return broken(f"{said(call)} for a crashed service", HANGING_STATUS, call)
    remark = f'Pacemaker reads {call.answer} as "{reading(call)}"'
    return holds(f"{said(call)} for a crashed service", call, remarks=(remark,))


@rule(
    "status-when-suspended",
    clause="LSB Core 3.1, 20.2 Init Script Actions: status 0, running or service OK",
    profile="strict",
    valid=(seen(), seen(suspended=(start(0), status(KILLED)))),
    invalid=(
        seen(suspended=(start(0), status(0))),
        seen(suspended=(start(0), status(HANGS))),
    ),
)
def status_when_suspended(run: Transcript) -> Judgement:
    """The status of a suspended service is not 0."""
    healthy = asked_running(run, "cycle", "status")
    call = asked_running(run, "suspended", "status")
    if not healthy.succeeded:
        reason = f"status does not even know the healthy service ({healthy.answer})"
        return not_provoked(reason, healthy, call)
    if call.succeeded:
        return broken(
            f"blind: {said(call)}, although every process of the service was suspended",
            "Pacemaker goes on showing the service as healthy while nobody is served, and never "
            "fails over.",
            call,
        )
    if call.outcome == "no-answer":
        sentence = f"hangs: {said(call)} when the service was suspended"
        return broken(sentence, HANGING_STATUS, call)
    return holds(f"seen: {said(call)} for a suspended service", call)
