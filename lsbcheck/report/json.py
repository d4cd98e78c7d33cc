"""The report for programs: one JSON document, described by `schema.json` beside this file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from lsbcheck import __version__
from lsbcheck.check import Report
from lsbcheck.exitcodes import ExitCode
from lsbcheck.report import Setting
from lsbcheck.report.places import lines_of_actions
from lsbcheck.report.shape import (
    CallShown,
    Document,
    FaultShown,
    ProcessShown,
    ProgramShown,
    RuleShown,
    ScriptShown,
    ServiceShown,
    TranscriptShown,
    UnavailableShown,
)
from lsbcheck.rules import RULES, Judgement, Rule
from lsbcheck.sandbox.interface import SandboxUnavailable
from lsbcheck.transcript import Call, Fault, Process, Program, Service

SCHEMA_VERSION = 1
"""Rises when a field goes away or changes its meaning; new fields may come without it."""

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


def document(
    reports: Iterable[Report],
    setting: Setting,
    exit_code: ExitCode,
    *,
    notes: Iterable[str] = (),
    unavailable: SandboxUnavailable | None = None,
    transcripts: bool = False,
) -> Document:
    """One run. With `transcripts` each script carries all that was seen, not only the proofs."""
    cause: UnavailableShown | None = None
    if unavailable is not None:
        cause = {"cause": unavailable.cause, "cure": unavailable.cure}
    return {
        "schema_version": SCHEMA_VERSION,
        "lsbcheck": __version__,
        "profile": setting.profile,
        "chosen_rules": None if setting.chosen is None else list(setting.chosen),
        "exit_code": exit_code,
        "directory": setting.directory,
        "sandbox": {
            "backend": setting.sandbox,
            "image": setting.image,
            "root": setting.root,
            "prepare": setting.prepare,
            "options": setting.options,
            "notes": list(dict.fromkeys(notes)),
            "unavailable": cause,
        },
        "scripts": [script_shown(report, setting, transcripts=transcripts) for report in reports],
    }


def dumps(value: object) -> str:
    """As text with a line feed at its end.

    All ASCII: any locale can write it, any terminal can show it, and names that are not UTF-8
    survive.
    """
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def plain(value: object) -> Json:
    """Records, tuples and mappings as JSON has them; raises TypeError for anything else."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        case tuple() | list() | frozenset() | set():
            return [plain(item) for item in value]  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        case _:
            message = f"no JSON for {type(value).__name__}"
            raise TypeError(message)


def script_shown(report: Report, setting: Setting, *, transcripts: bool = False) -> ScriptShown:
    """One script of a document."""
    transcript = report.transcript
    judged = [(rule, report.judgements.get(rule.id)) for rule in RULES]
    shown: ScriptShown = {
        "script": report.script.path,
        "source": report.script.source,
        "name": report.script.name,
        "exit_code": setting.exit_code(report),
        "refused": transcript.refused or None,
        "notes": list(transcript.notes),
        "service": _service(transcript.service),
        "lines": lines_of_actions(report.script.text),
        "rules": [_rule(rule, one, setting) for rule, one in judged if one is not None],
    }
    if transcripts:
        shown["transcript"] = cast("TranscriptShown", plain(transcript))
    return shown


def _service(service: Service | None) -> ServiceShown | None:
    if service is None:
        return None
    return {
        "daemon": _program(service.main),
        "processes": [_process(process) for process in service.processes],
        "listeners": list(service.listeners),
        "pid_files": list(service.pid_files),
    }


def _program(program: Program | None) -> ProgramShown | None:
    if program is None:
        return None
    return {"path": program.path, "exe": program.exe, "argv": list(program.argv)}


def _rule(rule: Rule, judgement: Judgement, setting: Setting) -> RuleShown:
    return {
        "id": rule.id,
        "number": rule.number,
        "verdict": judgement.verdict,
        "counts": rule.id in setting.counting,
        "profile": rule.profile,
        "title": rule.title,
        "clause": rule.clause,
        "sentence": judgement.sentence,
        "evidence": {
            "outcome": judgement.calls[-1].outcome if judgement.calls else "none",
            "consequence": judgement.consequence,
            "fault": _fault(judgement.fault),
            "remarks": list(judgement.remarks),
            "calls": [_call(call) for call in judgement.calls],
        },
    }


def _fault(fault: Fault | None) -> FaultShown | None:
    if fault is None:
        return None
    return {
        "name": fault.name,
        "tried": fault.tried,
        "effective": fault.effective,
        "why": fault.why,
    }


def _call(call: Call) -> CallShown:
    return {
        "action": call.action,
        "argv": list(call.argv),
        "outcome": call.outcome,
        "code": call.code,
        "seconds": round(call.seconds, 3),
        "limit": call.limit,
        "asked_again": call.asked_again,
        "output": call.output,
        "running_before": call.running_before,
        "running_after": call.running_after,
        "before": [_process(process) for process in call.before],
        "after": [_process(process) for process in call.after],
    }


def _process(process: Process) -> ProcessShown:
    return {
        "pid": process.pid,
        "start": process.start,
        "ppid": process.ppid,
        "state": process.state,
        "uid": process.uid,
        "comm": process.comm,
        "exe": process.exe,
        "argv": list(process.argv),
    }
