"""Rules on which actions there are: what is advertised is done, and nothing else is."""

from __future__ import annotations

from itertools import pairwise

from ocfkit.conformance.rules.registry import (
    EVERYWHERE,
    Judgement,
    asked,
    broken,
    calls_in,
    described,
    does_not_apply,
    holds,
    is_active,
    not_provoked,
    rule,
    said,
    started,
)
from ocfkit.conformance.transcript import UNKNOWN_ACTION, Call, ScenarioName, Transcript

_ACTIONS = "OCF Resource Agent API 1.1, Actions"
_UNIMPLEMENTED = 3
_PLAIN: tuple[ScenarioName, ...] = ("meta-data", "cycle", "stopped", "optional")
"""Every action that is advertised is called in one of them."""
_FAULTLESS: tuple[ScenarioName, ...] = (*_PLAIN, "levels", "bad-parameters")
_AFTER_START = (
    *("reload", "reload-agent", "recover"),
    *("migrate_to", "migrate_from", "notify", "validate-all"),
)


@rule(
    "unknown-action-is-unimplemented",
    source="OCF Resource Agent API 1.1, Exit codes: 3, the action is not supported",
    consequence="Pacemaker takes an action that the agent has never heard of for done.",
    needs=("stopped",),
)
def unknown_action_is_unimplemented(run: Transcript) -> Judgement:
    """An action that does not exist is answered with 3."""
    call = asked(run, "stopped", UNKNOWN_ACTION)
    return (holds if call.exited(_UNIMPLEMENTED) else broken)(said(call), call)


@rule(
    "extra-arguments-are-ignored",
    source="OCF Resource Agent API 1.1, Invocation: further arguments shall be ignored",
    consequence="A caller that follows a later version of the API gets a failure.",
    needs=("stopped",),
)
def extra_arguments_are_ignored(run: Transcript) -> Judgement:
    """An action with words behind it is answered as without them."""
    plain, more = asked(run, "stopped", "monitor"), asked(run, "stopped", "monitor", 2)
    if (plain.outcome, plain.code) != (more.outcome, more.code):
        return broken(f"{said(plain)}, and with two words behind it {said(more)}", plain, more)
    return holds(f"both times {said(more)}", plain, more)


@rule(
    "advertised-actions-are-implemented",
    source=f"{_ACTIONS}: what the meta-data lists is supported",
    consequence="Pacemaker calls the action because it is listed, and the resource fails.",
    needs=_PLAIN,
)
def advertised_actions_are_implemented(run: Transcript) -> Judgement:
    """No action that the meta-data lists is answered with 3."""
    described(run)
    listed = {each.name for each in run.description.actions} if run.description else set[str]()
    seen = [
        call
        for name in _PLAIN
        for call in run[name].calls
        if call.action in listed and call.argv[1:] == (call.action,)  # and not a word too many
    ]
    refused = {call.action: call for call in seen if call.exited(_UNIMPLEMENTED)}
    if refused:
        calls = tuple(refused.values())
        return broken(f"listed, and answered with 3: {', '.join(refused)}", *calls)
    silent = sorted(listed - {call.action for call in seen} - {"status"})
    if silent:
        return not_provoked(f"not called: {', '.join(silent)}")
    return holds(f"{len(listed)} actions are listed, and none is answered with 3")


@rule(
    "implemented-actions-are-advertised",
    source=f"{_ACTIONS}: what is supported is advertised",
    consequence="Nothing ever calls it: no promotion, no reload, a restart instead of a migration.",
    profile="pacemaker",
    needs=("stopped",),
)
def implemented_actions_are_advertised(run: Transcript) -> Judgement:
    """Every action that the meta-data does not list is answered with 3."""
    described(run)
    unknown = asked(run, "stopped", UNKNOWN_ACTION)
    listed = {each.name for each in run.description.actions} if run.description else set[str]()
    calls = [call for call in run["stopped"].calls if call.action not in listed]
    done = {call.action: call for call in calls if _is_done(call, unknown)}
    if done:
        told = ", ".join(f"{name} ({call.answer})" for name, call in done.items())
        return broken(f"not listed, and not answered with 3: {told}", *done.values())
    return holds(f"{len(calls)} actions that are not listed are answered like an unknown one")


def _is_done(call: Call, unknown: Call) -> bool:
    if call.action == UNKNOWN_ACTION or call.exited(_UNIMPLEMENTED):
        return False
    return (call.outcome, call.code) != (unknown.outcome, unknown.code)


@rule(
    "optional-actions-succeed",
    source=f"{_ACTIONS}: notify, reload, reload-agent, recover, migrate_to, migrate_from",
    consequence="A reload, a migration or a notification that is never to fail, fails.",
    needs=("optional",),
)
def optional_actions_succeed(run: Transcript) -> Judgement:
    """Reload, recover, notify, migration, validate-all say 0 where they are listed; it runs on."""
    described(run)
    started(run)
    calls = run["optional"].calls
    mine = [call for call in calls if call.action in _AFTER_START]
    if run["optional"].unreached:
        return not_provoked(run["optional"].unreached, *calls[-1:])
    if not mine:
        return does_not_apply("the agent advertises none of them")
    for call in mine:
        if not call.succeeded:
            return broken(said(call), call)
    for before, after in pairwise(calls):
        if after.action == "monitor" and before in mine and not is_active(after):
            return broken(f"after {before.action}, {said(after)}", before, after)
    return holds(f"0 from {', '.join(dict.fromkeys(call.action for call in mine))}", *mine)


@rule(
    "promotion-is-kept",
    source=f"{_ACTIONS}: promote, demote; Exit codes: 8, running in the promoted role",
    consequence="The cluster has two promoted instances, or none, and does not know it.",
    needs=("optional",),
)
def promotion_is_kept(run: Transcript) -> Judgement:
    """Promote and demote say 0, twice each, and the monitor after them 8 and 0."""
    described(run)
    if run.description is None or not run.description.advertises("promote"):
        return does_not_apply("the agent does not advertise promote")
    started(run)
    changes = [call for call in run["optional"].calls if call.action in ("promote", "demote")]
    failed = next((call for call in changes if not call.succeeded), None)
    if failed is not None and failed is changes[0] and failed.exited(6):
        return not_provoked(f"{said(failed)}: with these parameters it has no roles", failed)
    if failed is not None:
        return broken(said(failed), failed)
    promoted, demoted = (asked(run, "optional", "monitor", nth) for nth in (0, 1))
    for call, role, codes in ((promoted, "promote", (8, 191)), (demoted, "demote", (0, 190))):
        if not call.exited(*codes):
            return broken(f"after {role}, {said(call)}", call)
    return holds("8 after promote, 0 after demote", promoted, demoted)


@rule(
    "every-call-is-answered",
    source="OCF Resource Agent API 1.1: every action has a well-defined status",
    consequence="Pacemaker kills the call at its timeout; a stop that is killed fences the node.",
    needs=_FAULTLESS,
)
def every_call_is_answered(run: Transcript) -> Judgement:
    """No call takes longer than it may while nothing is wrong with the service."""
    calls = calls_in(run, _FAULTLESS)
    late = [call for call in calls if call.outcome == "no-answer"]
    if late:
        return broken(said(late[0]), late[0])
    started(run)
    slowest = max(calls, key=lambda call: call.seconds)
    return holds(f"{len(calls)} calls, the slowest took {slowest.seconds:.1f} s", slowest)


@rule(
    "exit-codes-are-defined",
    source="OCF Resource Agent API 1.1, Exit codes; 189 and 193 are Pacemaker's own",
    consequence="Pacemaker takes a code that it does not know for a failure of unknown kind.",
    needs=EVERYWHERE,
)
def exit_codes_are_defined(run: Transcript) -> Judgement:
    """Every call ends with a code of OCF, and 7, 8, 9, 190 and 191 come from a monitor alone."""
    calls = [
        call
        for call in calls_in(run, EVERYWHERE)
        if call.outcome != "no-answer" and not call.is_out_of_reach
    ]
    if not calls:
        return not_provoked("no call was answered")
    for call in calls:
        if call.outcome == "killed":
            return broken(said(call), call)
        if call.code not in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 190, 191):
            return broken(said(call), call)
        if call.code in (7, 8, 9, 190, 191) and call.action not in ("monitor", "status"):
            return broken(f"{said(call)}, which is for a monitor alone to say", call)
    return holds(f"{len(calls)} calls")
