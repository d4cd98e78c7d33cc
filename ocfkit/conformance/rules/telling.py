"""Rules on what an agent tells: reasons to the operator, and secrets to nobody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ocfkit.conformance.canaries import is_secret
from ocfkit.conformance.rules.registry import (
    EVERYWHERE,
    Judgement,
    asked,
    broken,
    calls_in,
    described,
    does_not_apply,
    holds,
    not_provoked,
    rule,
    said,
    undecided,
)
from ocfkit.conformance.transcript import Call, Transcript

_PARAMETERS = "OCF Resource Agent API 1.1, Parameter passing: never in arguments, for secrecy"


@rule(
    "failures-have-reasons",
    source="Pacemaker: the text behind `ocf-exit-reason:` is what crm_mon shows of a failure",
    consequence="The operator sees a number, and looks for the cause in the dark.",
    profile="pacemaker",
    needs=EVERYWHERE,
)
def failures_have_reasons(run: Transcript) -> Judgement:
    """Every failure comes with a reason; 7 from a monitor is none, nor is 3."""
    calls = calls_in(run, EVERYWHERE)
    failures = [call for call in calls if _failed(call)]
    if not calls:
        return not_provoked("nothing was called")
    if not failures:
        return does_not_apply("no call failed, whatever was tried")
    silent = [call for call in failures if not call.reason]
    if silent:
        return broken(
            f"{len(silent)} of {len(failures)} failures have none: {said(silent[0])}", silent[0]
        )
    return holds(f"{len(failures)} failures, each with a reason", failures[0])


def _failed(call: Call) -> bool:
    """Whether it ended with a code for which an operator wants to know why."""
    usual = (0, 3, 7, 8, 190, 191) if call.action == "monitor" else (0, 3)
    return call.outcome == "exited" and call.code not in usual and call.action != "meta-data"


def _secrets(run: Transcript) -> Mapping[str, str]:
    described(run)
    short = [name for name in run.parameters if is_secret(name) and name not in run.secrets]
    if short and not run.secrets:
        undecided(not_provoked(f"{short[0]} is so short that it turns up by chance"))
    if not run.secrets:
        undecided(does_not_apply("no parameter is a secret by its name"))
    return run.secrets


def _used(run: Transcript) -> None:
    """Go on only where the service came up, and so had a use for its secrets."""
    call = asked(run, "secrets", "start")
    if not call.succeeded:
        names = " ".join(f"-p {name}=@FILE" for name in run.secrets)
        undecided(
            not_provoked(f"with secrets of our own, {said(call)}; {names} gives others", call)
        )


@rule(
    "secrets-are-not-in-arguments",
    source=_PARAMETERS,
    consequence="Every user of the node reads the password in the list of processes.",
    needs=("secrets",),
)
def secrets_are_not_in_arguments(run: Transcript) -> Judgement:
    """No program that the agent starts has a secret among its arguments."""
    secrets = _secrets(run)
    starts = run["secrets"].starts
    for start in starts:
        for name, value in secrets.items():
            if any(value in word for word in start.argv):
                program = start.argv[0] if start.argv else "a program"
                return broken(f"{name} was an argument of {program}", *_calls(run))
    for call in run["secrets"].calls:
        for one in call.end.processes:
            for name, value in secrets.items():
                if any(value in word for word in one.argv):
                    return broken(f"{name} is in the arguments of process {one.pid}", call)
    _used(run)
    if not starts:
        return not_provoked("no start of a program was seen", *_calls(run))
    return holds(f"{len(starts)} programs were started, none with {', '.join(secrets)}")


@rule(
    "secrets-are-not-told",
    source="research of peers: passwords in logs and in what crm_mon shows",
    consequence="The password lies in the logs of every node, and in every report to a vendor.",
    needs=("secrets",),
)
def secrets_are_not_told(run: Transcript) -> Judgement:
    """No secret is in what the agent prints, or in the cluster's log."""
    secrets = _secrets(run)
    for name, value in secrets.items():
        for call in run["secrets"].calls:
            if value in call.stdout + call.stderr:
                return broken(f"{name} is in what {call.action} prints", call)
        if value in run["secrets"].log:
            return broken(f"{name} is in the cluster's log (HA_LOGFILE)", *_calls(run))
    _used(run)
    return holds(f"neither the output nor the log has {', '.join(secrets)}")


def _calls(run: Transcript) -> Iterator[Call]:
    return iter(run["secrets"].calls[:1])
