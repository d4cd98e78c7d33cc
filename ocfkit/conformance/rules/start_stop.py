"""Rules on start and stop while nothing is wrong."""

from __future__ import annotations

from collections.abc import Mapping

from lsbcheck.transcript import Process
from ocfkit.conformance.rules.registry import (
    Judgement,
    asked,
    broken,
    does_not_apply,
    holds,
    is_active,
    not_provoked,
    rule,
    said,
    started,
)
from ocfkit.conformance.transcript import Call, State, Transcript

_ACTIONS = "OCF Resource Agent API 1.1, Actions"
_PASSING = ("/run/", "/tmp/", "/dev/shm/", "/var/run/", "/var/lock/")  # noqa: S108 - nothing is put there
"""Where files last no longer than what runs; those elsewhere are logs and data, the service's."""

_REFUSED = ("operation not permitted", "permission denied")


@rule(
    "start-succeeds",
    source=f"{_ACTIONS}: start, 0 when the resource is running",
    consequence="The service runs nowhere.",
)
def start_succeeds(run: Transcript) -> Judgement:
    """A start with the given parameters says 0."""
    call = asked(run, "cycle", "start")
    if call.succeeded:
        return holds(said(call), call)
    told = call.reason or (call.stderr.strip().splitlines() or ["no reason is told"])[-1]
    hint = "" if run.parameters else "; -p NAME=VALUE gives the agent its parameters"
    if _was_refused(call):
        hint += "; --grant CAP or --device PATH may give what root was refused here"
    return not_provoked(f"{said(call)}: {told}{hint}", call)


def _was_refused(call: Call) -> bool:
    """Whether the agent says so: with 4, or with the text of EPERM or EACCES."""
    output = f"{call.stdout}{call.stderr}".lower()
    return call.exited(4) or any(words in output for words in _REFUSED)


@rule(
    "start-is-complete",
    source=f"{_ACTIONS}: start must not return before the resource is fully up",
    consequence=(
        "The monitor that follows fails, or what depends on the service starts without it."
    ),
)
def start_is_complete(run: Transcript) -> Judgement:
    """When start says 0 the service is there: the next monitor says so, nothing comes later."""
    start = started(run)
    at_once, later = asked(run, "cycle", "monitor", 1), asked(run, "cycle", "monitor", 2)
    if not is_active(at_once):
        if is_active(later):
            return broken(
                f"right after it, {said(at_once)}; a moment later, {said(later)}",
                start,
                at_once,
                later,
            )
        return broken(f"start said 0, and {said(later)}", start, at_once, later)
    late = sorted(later.before.listeners - at_once.before.listeners)
    if late and not later.before.listeners & at_once.before.listeners:
        return broken(f"it came to listen on {late[0]} only after start had said 0", start, later)
    return holds("the monitor right after it found the service", start, at_once)


@rule(
    "start-when-running",
    source=f"{_ACTIONS}: start of a running resource is a success; every action is idempotent",
    consequence="Two instances on one node write the same data, or a healthy service is restarted.",
)
def start_when_running(run: Transcript) -> Judgement:
    """A start of what runs says 0 and changes no process."""
    started(run)
    call = asked(run, "cycle", "start", 1)
    if not call.succeeded:
        return broken(f"{said(call)}, although the service was running", call)
    before, after = _lasting(call.before), _lasting(call.end)
    if before and not before.keys() & after.keys():
        return broken(f"{said(call)}, and no process from before it is left", call)
    gone = [before[key].argv for key in before.keys() - after.keys()]
    for one in _come(before, after):
        how = "started anew" if one.argv in gone else "started beside it"
        return broken(f"{said(call)}, and `{' '.join(one.argv)}` was {how}", call)
    later = asked(run, "cycle", "monitor", 4)
    if not is_active(later):
        return broken(f"after it, {said(later)}", call, later)
    return holds(f"{said(call)}, and the same {len(before)} processes run", call)


_Lasting = Mapping[tuple[int, int], Process]


def _lasting(state: State) -> _Lasting:
    return {one.identity: one for one in state.processes if one.state not in "ZX"}


def _come(before: _Lasting, after: _Lasting) -> list[Process]:
    """Those that were not there before, but for workers of what was."""
    old = {one.pid for one in before.values()}
    return [one for key, one in after.items() if key not in before and one.ppid not in old]


@rule(
    "stop-succeeds",
    source=f"{_ACTIONS}: stop, 0 when the resource is stopped",
    consequence="A stop that fails fences the node.",
)
def stop_succeeds(run: Transcript) -> Judgement:
    """A stop of what runs says 0, and the monitor after it 7."""
    started(run)
    call, after = asked(run, "cycle", "stop"), asked(run, "cycle", "monitor", 5)
    if not call.succeeded:
        return broken(said(call), call)
    if not after.exited(7):
        return broken(f"{said(call)}, and after it {said(after)}", call, after)
    return holds(f"{said(call)}, and after it {said(after)}", call, after)


@rule(
    "stop-when-stopped",
    source=f"{_ACTIONS}: stop of a stopped resource is a success",
    consequence="A stop that fails fences the node; Pacemaker stops what may run, to be sure.",
    needs=("stopped",),
)
def stop_when_stopped(run: Transcript) -> Judgement:
    """A stop of what does not run says 0, on a fresh node and after another stop."""
    first = asked(run, "stopped", "stop")
    after = asked(run, "cycle", "monitor", 5)
    calls = [first, asked(run, "cycle", "stop", 1)] if after.exited(7) else [first]
    for call in calls:
        if not call.succeeded:
            where = "on a fresh node" if call is first else "after another stop"
            return broken(f"{where}, {said(call)}", call)
    return holds(f"{len(calls)} times {said(first)}", *calls)


@rule(
    "stop-leaves-no-process",
    source=f"{_ACTIONS}: stop, no component of the resource is left",
    consequence="The service runs on this node and on the one that it has moved to: both write.",
)
def stop_leaves_no_process(run: Transcript) -> Judgement:
    """When stop says 0, no process and no listening socket of the service is left."""
    started(run)
    call = asked(run, "cycle", "stop")
    if not call.succeeded:
        return not_provoked(f"{said(call)}: it does not claim that nothing is left", call)
    if not call.before.processes and run.service is None:
        return does_not_apply("the agent leaves no process running")
    if not call.before.processes:
        return not_provoked("no process was left before the stop", call)
    left = [one for one in call.end.processes if one.state not in "ZX"]
    if left:
        return broken(f"{said(call)}, and process {left[0].pid} `{left[0].comm}` is left", call)
    sockets = sorted(call.end.listeners - asked(run, "cycle", "start").before.listeners)
    if sockets:
        return broken(f"{said(call)}, and {sockets[0]} is left", call)
    return holds(f"of {len(call.before.processes)} processes none is left", call)


@rule(
    "stop-leaves-nothing-behind",
    source=f"{_ACTIONS}: stop cleans up locks, shared memory and other IPC",
    consequence="The next start, here or of another instance, takes what is left for a service.",
)
def stop_leaves_nothing_behind(run: Transcript) -> Judgement:
    """After stop no passing file, shared memory or mount is there that was not before the start."""
    first = started(run)
    call = asked(run, "cycle", "stop")
    if not call.succeeded:
        return not_provoked(f"{said(call)}: it does not claim that nothing is left", call)
    files = sorted(
        path
        for path in call.end.files.keys() - first.before.files.keys()
        if path.startswith(_PASSING)
    )
    ipc = sorted(call.end.ipc - first.before.ipc)
    mounts = sorted(call.end.mounts - first.before.mounts)
    left = [*files, *ipc, *(f"a mount at {each}" for each in mounts)]
    if left:
        more = f" and {len(left) - 1} more" if len(left) > 1 else ""
        return broken(f"{said(call)}, and {left[0]}{more} is left", first, call)
    return holds("nothing of them is left", call)
