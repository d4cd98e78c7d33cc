"""The report as one document, from which every format is made. No secret stands in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal, TypedDict

from lsbcheck.exitcodes import ExitCode
from lsbcheck.transcript import Process
from ocfkit import __version__
from ocfkit.conformance.check import Report
from ocfkit.conformance.report.mask import Mask
from ocfkit.conformance.rules import Profile, Rule, Verdict
from ocfkit.conformance.transcript import Call

SCHEMA_VERSION = 1
"""Rises when a field goes away or changes its meaning; new fields may come without it."""

_LONGEST = 500
"""Characters of a sentence; what an agent says on one line may be more."""
_OUTPUT = 4000


class Document(TypedDict):
    """One agent, checked."""

    schema_version: int
    ocfkit: str
    agent: str
    name: str
    profile: Profile
    chosen_rules: list[str] | None
    exit_code: ExitCode
    again: list[str]
    machine: MachineShown
    granted: GrantedShown
    parameters: dict[str, str]
    service: ServiceShown | None
    schemas: dict[str, str]
    notes: list[str]
    rules: list[RuleShown]


class MachineShown(TypedDict):
    """Where the agent was run."""

    sandbox: Literal["namespace", "docker", "podman"]
    image: str | None
    root: str


class GrantedShown(TypedDict):
    """What the agent was given beyond what every machine has."""

    capabilities: list[str]
    devices: list[DeviceShown]


class DeviceShown(TypedDict):
    """A device of the host, and where the agent found it."""

    path: str
    inside: str


class ServiceShown(TypedDict):
    """What the first start left running."""

    daemon: list[str] | None
    processes: int
    listeners: list[str]
    pid_files: list[str]


class RuleShown(TypedDict):
    """A rule and what it says of the agent."""

    id: str
    title: str
    profile: Profile
    counts: bool
    verdict: Verdict
    sentence: str
    consequence: str
    source: str
    provoked: str
    remarks: list[str]
    calls: list[CallShown]


class CallShown(TypedDict):
    """One call of the agent."""

    action: str
    argv: list[str]
    environ: dict[str, str]
    uid: int
    answer: str
    code: int | None
    seconds: float
    processor: float | None
    limit: float
    reason: str
    output: str
    before: list[str]
    after: list[str]


HOST: MachineShown = {"sandbox": "namespace", "image": None, "root": "/"}
"""A private machine that shows the files of this host."""

NOTHING: GrantedShown = {"capabilities": [], "devices": []}


def document(
    report: Report,
    rules: Sequence[Rule],
    *,
    profile: Profile,
    chosen: Sequence[str] | None,
    counting: frozenset[str],
    exit_code: ExitCode,
    again: Sequence[str] = (),
    machine: MachineShown = HOST,
    granted: GrantedShown = NOTHING,
) -> Document:
    """Everything that a reader needs; `again`: the command line that makes the same check."""
    run = report.transcript
    mask = Mask(run)
    service: ServiceShown | None = None
    if run.service is not None:
        main = run.service.main
        service = {
            "daemon": None if main is None else list(main.argv or (main.path,)),
            "processes": len(run.service.processes),
            "listeners": list(run.service.listeners),
            "pid_files": list(run.service.pid_files),
        }
    return {
        "schema_version": SCHEMA_VERSION,
        "ocfkit": __version__,
        "agent": mask(run.agent),
        "name": mask(run.name),
        "profile": profile,
        "chosen_rules": None if chosen is None else list(chosen),
        "exit_code": exit_code,
        "again": mask(list(again)),
        "machine": mask(machine),
        "granted": mask(granted),
        "parameters": mask(dict(run.parameters)),
        "service": mask(service),
        "schemas": mask(dict(run.schemas)),
        "notes": mask(list(report.notes)),
        "rules": [_rule(rule, report, counting, mask) for rule in rules],
    }


def dumps(shown: Document) -> str:
    """As JSON, all ASCII, with a line feed at its end, and no command to a runner in it."""
    return json.dumps(shown, indent=2, allow_nan=False).replace("##[", r"#\u0023[") + "\n"


def _rule(rule: Rule, report: Report, counting: frozenset[str], mask: Mask) -> RuleShown:
    judged = report.judgements[rule.id]
    fault = judged.fault
    provoked = "" if fault is None else fault.tried
    if fault is not None and not fault.effective:
        provoked += f" (did not act: {fault.why})"
    return {
        "id": rule.id,
        "title": rule.title,
        "profile": rule.profile,
        "counts": rule.id in counting,
        "verdict": judged.verdict,
        "sentence": _short(mask(judged.sentence)),
        "consequence": rule.consequence if judged.verdict == "fail" else "",
        "source": rule.source,
        "provoked": mask(provoked),
        "remarks": [_short(mask(each)) for each in judged.remarks],
        "calls": [_call(call, mask) for call in judged.calls],
    }


def _short(sentence: str) -> str:
    return sentence if len(sentence) <= _LONGEST else f"{sentence[:_LONGEST]}…"


def _call(call: Call, mask: Mask) -> CallShown:
    output = call.stdout + call.stderr if call.action != "meta-data" else call.stderr
    return {
        "action": call.action,
        "argv": mask(list(call.argv)),
        "environ": mask(dict(call.environ)),
        "uid": call.uid,
        "answer": call.answer,
        "code": call.code,
        "seconds": round(call.seconds, 3),
        "processor": None if call.processor is None else round(call.processor, 3),
        "limit": call.limit,
        "reason": mask(call.reason),
        "output": mask(output)[-_OUTPUT:],
        "before": mask(list(map(_process, call.before.processes))),
        "after": mask(list(map(_process, call.end.processes))),
    }


def _process(process: Process) -> str:
    words = " ".join(process.argv) or f"[{process.comm}]"
    return f"{process.pid} {process.state} uid {process.uid} {words}"
