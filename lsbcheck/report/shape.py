"""The JSON document as types, so that the type checkers know what a format may read.

`schema.json` beside this file says what each field means; a test holds the two together.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict

from lsbcheck.exitcodes import ExitCode
from lsbcheck.rules import Profile, Verdict
from lsbcheck.transcript import Outcome


class Document(TypedDict):
    """One run."""

    schema_version: int
    lsbcheck: str
    profile: Profile
    chosen_rules: list[str] | None
    exit_code: ExitCode
    directory: NotRequired[str]
    baseline: NotRequired[str]
    merged: NotRequired[list[RunShown]]
    sandbox: SandboxShown
    scripts: list[ScriptShown]


class RunShown(TypedDict):
    """One of the runs that a merged report is made of."""

    origin: str
    lsbcheck: str
    exit_code: ExitCode
    directory: NotRequired[str]
    sandbox: SandboxShown


class SandboxShown(TypedDict):
    """Where the scripts were run."""

    backend: str
    image: NotRequired[str | None]
    root: str
    prepare: str | None
    options: NotRequired[list[str]]
    notes: list[str]
    unavailable: UnavailableShown | None


class UnavailableShown(TypedDict):
    """Why no sandbox could be made."""

    cause: str
    cure: str


class ScriptShown(TypedDict):
    """One script."""

    origin: NotRequired[str]
    script: str
    source: str
    name: str
    exit_code: ExitCode
    refused: str | None
    notes: list[str]
    service: ServiceShown | None
    lines: NotRequired[LinesShown]
    rules: list[RuleShown]
    transcript: NotRequired[TranscriptShown]


class TranscriptShown(TypedDict):
    """All that was seen; only what is shown of it."""

    scenarios: dict[str, ScenarioShown]


class ScenarioShown(TypedDict):
    """One private machine, from its making to its end."""

    name: str
    calls: list[CallShown]
    fault: FaultShown | None
    error: str
    unreached: str
    seconds: float


class LinesShown(TypedDict):
    """Where in its file a script does what, as far as it can be told."""

    header: int | None
    actions: dict[str, int]


class ServiceShown(TypedDict):
    """What a good start left behind."""

    daemon: ProgramShown | None
    processes: list[ProcessShown]
    listeners: list[str]
    pid_files: list[str]


class ProgramShown(TypedDict):
    """The daemon and its own command line."""

    path: str
    exe: str
    argv: list[str]


class RuleShown(TypedDict):
    """A rule and what it says of the script."""

    id: str
    number: int | None
    verdict: Verdict
    baseline: NotRequired[Verdict | None]
    counts: bool
    profile: Profile
    title: str
    clause: str
    sentence: str
    evidence: EvidenceShown


class EvidenceShown(TypedDict):
    """What led to the verdict."""

    outcome: str
    consequence: str
    fault: FaultShown | None
    remarks: list[str]
    calls: list[CallShown]


class FaultShown(TypedDict):
    """A failure that was provoked or tried."""

    name: str
    tried: str
    effective: bool
    why: str


class CallShown(TypedDict):
    """One call of the script."""

    action: str
    argv: list[str]
    outcome: Outcome
    code: int | None
    seconds: float
    limit: float
    asked_again: bool
    output: str
    running_before: bool
    running_after: bool
    before: list[ProcessShown]
    after: list[ProcessShown]


class ProcessShown(TypedDict):
    """A process inside the sandbox."""

    pid: int
    start: int
    ppid: int
    state: str
    uid: int
    comm: str
    exe: str
    argv: list[str]
