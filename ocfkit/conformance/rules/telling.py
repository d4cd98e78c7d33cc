"""Rules on what an agent tells: reasons to the operator, and secrets to nobody."""

from __future__ import annotations

from collections.abc import Iterator

from ocfkit.conformance.rules.registry import (
    Judgement,
    broken,
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
    needs=("bad-parameters", "missing-program", "start-failure", "crash"),
)
def failures_have_reasons(run: Transcript) -> Judgement:
    """Every failure comes with a reason; 7 from a probe is none, nor is 3."""
    failures = [
        call
        for call in run.calls
        if call.outcome == "exited" and call.action != "meta-data" and call.code not in (0, 3, 7, 8)
    ]
    if not failures:
        return not_provoked("no call failed")
    silent = [call for call in failures if not call.reason]
    if silent:
        return broken(
            f"{len(silent)} of {len(failures)} failures have none: {said(silent[0])}", silent[0]
        )
    return holds(f"{len(failures)} failures, each with a reason", failures[0])


def _secrets(run: Transcript) -> dict[str, str]:
    if not run.secrets:
        undecided(does_not_apply("no parameter is a secret by its name"))
    if run["secrets"].unreached or not run["secrets"].calls:
        undecided(not_provoked(run["secrets"].unreached or "nothing was called"))
    return dict(run.secrets)


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
    return holds(f"neither the output nor the log has {', '.join(secrets)}")


def _calls(run: Transcript) -> Iterator[Call]:
    return iter(run["secrets"].calls[:1])
