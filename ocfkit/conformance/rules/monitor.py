"""Rules on what a monitor answers, and on what it does, while nothing is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from lsbcheck.transcript import Process
from ocfkit.conformance.rules.registry import (
    Judgement,
    asked,
    broken,
    described,
    does_not_apply,
    holds,
    is_active,
    not_provoked,
    rule,
    said,
    started,
)
from ocfkit.conformance.transcript import Call, Transcript

_MONITOR = "OCF Resource Agent API 1.1, Actions: monitor"
_LOGS = ("/var/log/",)


@rule(
    "monitor-when-running",
    source=f"{_MONITOR}, 0 while the resource runs",
    consequence="A healthy service is restarted, again and again.",
)
def monitor_when_running(run: Transcript) -> Judgement:
    """Every monitor of a running service says that it runs."""
    started(run)
    calls = run["cycle"].of("monitor")[2:4]
    for call in calls:
        if not is_active(call):
            return broken(said(call), call)
    if not calls:
        return not_provoked("no monitor was called while it ran")
    return holds(f"{len(calls)} times {said(calls[0])}", *calls)


@rule(
    "monitor-when-stopped",
    source=f"{_MONITOR}, 7 when the resource is cleanly stopped; a probe has the interval 0",
    consequence=(
        "A probe that does not say 7 makes Pacemaker take the service for active on a node that "
        "never had it, stop it everywhere and start it anew."
    ),
    needs=("stopped",),
)
def monitor_when_stopped(run: Transcript) -> Judgement:
    """A monitor of what does not run says 7, on a fresh node and after a stop."""
    calls = [
        asked(run, "stopped", "monitor"),
        asked(run, "stopped", "monitor", 1),
        asked(run, "cycle", "monitor"),
    ]
    for call in calls:
        if not call.exited(7):
            return broken(f"nothing has been started, and {said(call)}", call)
    return holds(f"{len(calls)} times {said(calls[0])}", *calls)


@rule(
    "monitor-changes-nothing",
    source=f"{_MONITOR} only looks; the service stays available during the check",
    consequence=(
        "Every few seconds the node writes; on a disk that is full or read-only the monitor fails."
    ),
    profile="pacemaker",
)
def monitor_changes_nothing(run: Transcript) -> Judgement:
    """A monitor changes no file and starts nothing that stays."""
    started(run)
    calls = run["cycle"].of("monitor")[2:4]
    if not calls:
        return not_provoked("no monitor was called while it ran")
    # what a service itself writes meanwhile is seldom the same file twice
    changed = [_changed(call.before.files, call.after.files) for call in calls]
    always = sorted(set[str].intersection(*changed))
    if always:
        return broken(f"each of {len(calls)} monitors changed {always[0]}", *calls)
    left = [
        _changed(call.before.files, call.after.files) - call.before.files.keys() for call in calls
    ]
    if all(left):
        return broken(f"each of {len(calls)} monitors left a new file: {min(left[0])}", *calls)
    last = {one.identity for one in calls[-1].after.processes}
    for call in calls:
        mine = [one for one in _come(call) if one.identity in last]
        if mine:
            return broken(f"it left process {mine[0].pid} `{mine[0].comm}`", call)
    return holds(f"{len(calls)} monitors changed no file", *calls)


def _come(call: Call) -> list[Process]:
    """Orphans that were not there before the call, but for those in the place of one that went."""
    before = {one.identity for one in call.before.processes}
    more = Counter(one.argv for one in call.after.processes)
    more.subtract(one.argv for one in call.before.processes)
    return [
        one
        for one in call.after.processes
        if one.identity not in before and one.ppid == 1 and more[one.argv] > 0
    ]


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    paths = before.keys() | after.keys()
    return {
        path for path in paths if before.get(path) != after.get(path) and not path.startswith(_LOGS)
    }


@rule(
    "levels-answer",
    source="OCF Resource Agent API 1.1, Check levels: what is advertised is there",
    consequence="The deep monitor that the operator configured restarts a healthy service.",
    needs=("levels",),
)
def levels_answer(run: Transcript) -> Judgement:
    """A monitor of each advertised level says that the running service runs."""
    described(run)
    started(run)
    if run["levels"].unreached:
        return not_provoked(run["levels"].unreached)
    advertised = run.description.levels if run.description else ()
    if not advertised:
        return does_not_apply("the agent advertises no monitor")
    calls = [asked(run, "levels", "monitor", nth) for nth in range(len(advertised))]
    for level, call in zip(advertised, calls, strict=True):
        if not is_active(call):
            return broken(f"at level {level}, {said(call)}", call)
    return holds(f"{len(calls)} levels: {', '.join(map(str, advertised))}", *calls)


@rule(
    "levels-fall-back",
    source=(
        "OCF Resource Agent API 1.1, Check levels: an unsupported level is done as the next lower"
    ),
    consequence="A level that another agent has, set for all, fails a healthy service.",
    needs=("levels",),
)
def levels_fall_back(run: Transcript) -> Judgement:
    """A monitor of a level that is not advertised does the next lower one."""
    described(run)
    started(run)
    if run["levels"].unreached:
        return not_provoked(run["levels"].unreached)
    advertised = run.description.levels if run.description else ()
    calls = run["levels"].of("monitor")[len(advertised) :]
    for call in calls:
        if not is_active(call):
            return broken(f"at level {call.environ.get('OCF_CHECK_LEVEL')}, {said(call)}", call)
    if not calls:
        return not_provoked("no level beyond the advertised ones was asked")
    return holds(f"{len(calls)} levels beyond the advertised ones", *calls)
