"""What was seen of an agent: the calls of its actions, and the evidence around each of them.

The itinerary writes a transcript, the rules read it. Nothing here starts a process or opens a
file, so a rule can be tested with data alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from lsbcheck.transcript import Fault, Outcome, Process, Service
from ocfkit import exitcodes
from ocfkit.conformance.description import Description

UNKNOWN_ACTION = "ocfkit-check-no-such-action"
"""An action that no agent implements."""

OPTIONAL = (
    "validate-all",
    "promote",
    "demote",
    "notify",
    "reload",
    "reload-agent",
    "migrate_to",
    "migrate_from",
    "recover",
)
"""Actions that an agent may have."""

MEANINGS = frozenset(("start", "stop", "monitor", "status", "meta-data", UNKNOWN_ACTION, *OPTIONAL))
"""Actions of which it is defined what they do, by OCF, by LSB or by Pacemaker; or here, nothing."""

REASON_PREFIX = "ocf-exit-reason:"
"""What stands before the reason of a failure on standard error (Pacemaker, OCF_EXIT_REASON_PREFIX).
"""

ILL_TYPED = "banana"
"""No integer, no boolean, no time."""

ACTIVE = (0, 8, 190, 191)
"""What a monitor says of a service that is there and works, in whatever role."""

INSTANCE = "check"
SECOND_INSTANCE = "check2"


@dataclass(frozen=True, slots=True)
class State:
    """What there was in the private machine at one moment."""

    processes: tuple[Process, ...] = ()
    """All that were not there before the first call."""
    listeners: frozenset[str] = frozenset()
    """`tcp 0.0.0.0:80`, `unix /run/x.sock`, …"""
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    """Each file that differs from the machine's at its start, and a digest of its first 64 KiB; ""
    for what is no regular file. Folders do not count, nor does what the check has put there."""
    ipc: frozenset[str] = frozenset()
    """System V shared memory, semaphores and message queues: `shm 0x1234`, …"""
    mounts: frozenset[str] = frozenset()
    """Mount points."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the agent and what was there before and after it."""

    action: str
    argv: tuple[str, ...]
    environ: Mapping[str, str]
    """All of its environment."""
    uid: int
    outcome: Outcome
    code: int | None
    """Exit code (0-255); the signal's number when `outcome` is `killed`; None without an answer."""
    seconds: float
    limit: float
    """Seconds it was given."""
    stdout: str
    """The last 64 KiB."""
    stderr: str
    before: State = State()
    after: State = State()
    """At the moment of the answer."""
    settled: State | None = None
    """When the processes had become quiet after the answer; None where nobody waited for that."""
    late: float = 0.0
    """Seconds of it that went by waiting for a processor, as far as the sandbox could tell."""
    processor: float | None = None
    """Seconds of processor time, its own and that of children it waited for; None if unknown."""

    @property
    def end(self) -> State:
        """The last that was seen of it."""
        return self.after if self.settled is None else self.settled

    @property
    def instance(self) -> str:
        """Of which resource."""
        return self.environ.get("OCF_RESOURCE_INSTANCE", "")

    @property
    def parameters(self) -> dict[str, str]:
        """What it was called with, by name, without those of the cluster."""
        front = "OCF_RESKEY_"
        return {
            name.removeprefix(front): value
            for name, value in self.environ.items()
            if name.startswith(front) and not name.startswith((f"{front}CRM_meta_", f"{front}crm_"))
        }

    @property
    def succeeded(self) -> bool:
        """Exited with 0."""
        return self.exited(0)

    def exited(self, *codes: int) -> bool:
        """Whether it ended by itself with one of these codes."""
        return self.outcome == "exited" and self.code in codes

    @property
    def is_of_its_own(self) -> bool:
        """Whether only the agent's author knows what it is to do, and to say."""
        return self.action not in MEANINGS

    @property
    def is_out_of_reach(self) -> bool:
        """Whether its user may not execute the agent where it lies: that is no answer of its own.

        126 is the sandbox's, as sh has it; the folder above is often closed to others, like /root.
        """
        return self.uid != 0 and self.exited(126)

    @property
    def reason(self) -> str:
        """What Pacemaker takes for the exit reason: behind the last prefix, to the line's end."""
        _, found, rest = self.stderr.rpartition(REASON_PREFIX)
        return rest.partition("\n")[0].strip() if found else ""

    @property
    def answer(self) -> str:
        """How it ended: `exit 7 (not running)`, `killed by signal 9`, `no answer in 20 s`."""
        if self.outcome == "no-answer":
            return f"no answer in {self.limit:g} s"
        if self.outcome == "killed":
            return f"killed by signal {self.code}"
        name = exitcodes.NAMES.get(self.code or 0, "no code of OCF")
        return f"exit {self.code} ({name})"


@dataclass(frozen=True, slots=True)
class Start:
    """A program that was started by a call, directly or not."""

    argv: tuple[str, ...]
    environ: tuple[str, ...]


ScenarioName = Literal[
    "meta-data",
    "stopped",
    "cycle",
    "levels",
    "optional",
    "crash",
    "frozen",
    "foreign-pid",
    "silent-listener",
    "stranger",
    "missing-program",
    "start-failure",
    "stop-failure",
    "bad-parameters",
    "defaults",
    "instances",
    "secrets",
    "nobody",
    "person",
]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One private machine, from its making to its end: the calls made in it, in order."""

    name: str
    calls: tuple[Call, ...] = ()
    fault: Fault | None = None
    bystander: bool | None = None
    """Whether a process that is not the agent's was still there at the end; None without one."""
    starts: tuple[Start, ...] = ()
    """Every program that was started, where that was watched."""
    log: str = ""
    """What the agent wrote into the cluster's log file (HA_LOGFILE)."""
    error: str = ""
    """The check's own failure in this scenario; its rules then have no verdict."""
    unreached: str = ""
    """Why the itinerary stopped early."""
    out_of_time: bool = False
    """Whether it did so because the time for everything about the agent was over."""
    seconds: float = 0.0

    def of(self, action: str) -> list[Call]:
        """All calls of this action, in their order."""
        return [call for call in self.calls if call.action == action]

    def call(self, action: str, nth: int = 0) -> Call | None:
        """The `nth` call (from 0) of this action, or None if the itinerary did not reach it."""
        found = self.of(action)
        return found[nth] if nth < len(found) else None


@dataclass(frozen=True, slots=True)
class Transcript:
    """Everything that one agent was seen to do."""

    agent: str
    """`ocf:heartbeat:Dummy`, or a path."""
    name: str
    """The file's name: what the cluster calls the type."""
    description: Description | None = None
    """None where the meta-data cannot be read."""
    why_no_description: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    """Those that the user gave."""
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    """Canaries: values by name that must be told to nobody."""
    service: Service | None = None
    """What the first start left running; None if that was no process."""
    schemas: Mapping[str, str] = field(default_factory=dict[str, str])
    """What each schema that was found has against the meta-data, in a line; "" for nothing."""
    scenarios: Mapping[str, Scenario] = field(default_factory=dict[str, Scenario])
    hidden: frozenset[str] = frozenset()
    """Names of parameters that the user called secret."""

    def __getitem__(self, name: ScenarioName) -> Scenario:
        """The scenario of this name; an empty one with `unreached` set if it was not made."""
        return self.scenarios.get(name) or Scenario(name, unreached="this scenario was not made")

    @property
    def calls(self) -> Iterable[Call]:
        """Every call of every scenario."""
        return (call for scenario in self.scenarios.values() for call in scenario.calls)
