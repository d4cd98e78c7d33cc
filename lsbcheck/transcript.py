"""What was seen: the calls of a script, and the evidence around each of them.

The itinerary writes a transcript, the rules read it. Nothing here starts a process or opens a
file, so a rule can be tested with data alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

UNKNOWN_ACTION = "lsbcheck-no-such-action"
"""An action that no script implements: the answer to it is what "not implemented" looks like."""

Outcome = Literal["exited", "killed", "no-answer"]
"""How a call ended: with an exit code, by a signal, or not within its limit."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process inside the sandbox, as its PID 1 saw it."""

    pid: int
    """Number inside the sandbox."""
    start: int
    """Start time in clock ticks since boot; with `pid` it names one process for ever."""
    ppid: int
    state: str
    """The kernel's letter: R, S, D, T, t, Z, I."""
    uid: int
    comm: str
    """The kernel's short name, at most 15 bytes."""
    exe: str
    """Path of the program (`/usr/bin/perl`), "" when it cannot be read."""
    argv: tuple[str, ...]
    """As /proc/PID/cmdline shows it now; a daemon may have overwritten it."""

    @property
    def identity(self) -> tuple[int, int]:
        """What names this process and no later one with the same number."""
        return self.pid, self.start


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the script and what was seen before and after it."""

    action: str
    """`start`, `status`, … or `UNKNOWN_ACTION`."""
    argv: tuple[str, ...]
    outcome: Outcome
    code: int | None
    """Exit code (0-255); the signal's number when `outcome` is `killed`; None without an answer."""
    seconds: float
    limit: float
    """Seconds it was given."""
    output: str
    """The last lines of standard output and standard error."""
    running_before: bool
    """Whether the service's own processes were there before the call (evidence, not status)."""
    running_after: bool
    """The same after the call, when the set of processes had become quiet."""
    before: tuple[Process, ...] = ()
    """Processes of the service (all that the sandbox did not have at first) before the call."""
    after: tuple[Process, ...] = ()
    late: float = 0.0
    """Seconds of it that went by waiting for a processor, as far as the sandbox could tell."""
    asked_again: bool = False
    """The first answer was a close call; this is the second, asked alone with twice the limit."""

    @property
    def succeeded(self) -> bool:
        """Exited with 0."""
        return self.outcome == "exited" and self.code == 0

    @property
    def answer(self) -> str:
        """How it ended, for a sentence: `exit 3`, `killed by signal 9`, `no answer in 60 s`."""
        if self.outcome == "exited":
            return f"exit {self.code}"
        if self.outcome == "killed":
            return f"killed by signal {self.code}"
        return f"no answer in {self.limit:g} s"


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure that was provoked, or that could not be."""

    name: str
    """One of the names in `lsbcheck.faults`, for example `program-fails`."""
    tried: str
    """What was done, in words: "/usr/sbin/snmpd exits 1 when called with -Lsd …"."""
    effective: bool
    """Whether it was seen to act. Without that, the script's answer means nothing."""
    why: str = ""
    """When it was not effective: the reason, in words."""


@dataclass(frozen=True, slots=True)
class Bystander:
    """A process of another user that only carries the daemon's name."""

    argv: tuple[str, ...]
    survived_stop: bool
    """Alive after `stop` of the running service."""
    survived_stop_when_stopped: bool
    """Alive after a `stop` while the service did not run."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One private machine, from its making to its end: the calls made in it, in order."""

    name: str
    calls: tuple[Call, ...] = ()
    fault: Fault | None = None
    bystander: Bystander | None = None
    error: str = ""
    """The checker's own failure in this scenario, in words; its rules then have no verdict."""
    unreached: str = ""
    """Why the itinerary stopped early: "no status", "the service did not come up", …"""
    seconds: float = 0.0
    """From the making of the private machine until nothing of it was left."""

    def call(self, action: str, nth: int = 0) -> Call | None:
        """The `nth` call (from 0) of this action, or None if the itinerary did not reach it."""
        found = [call for call in self.calls if call.action == action]
        return found[nth] if nth < len(found) else None


@dataclass(frozen=True, slots=True)
class Program:
    """An executable that makes up the service, and how it was started."""

    path: str
    """The file that was executed; a script's own path, not its interpreter's."""
    exe: str
    """What /proc/PID/exe says: the interpreter of a script."""
    argv: tuple[str, ...]
    """The daemon's own command line, as seen in the watched start."""


@dataclass(frozen=True, slots=True)
class Service:
    """What a good start left behind."""

    main: Program | None
    """The daemon itself; None when its command line could not be found."""
    processes: tuple[Process, ...] = ()
    listeners: tuple[str, ...] = ()
    """`tcp 0.0.0.0:161`, `unix /run/x.sock`, …"""
    pid_files: tuple[str, ...] = ()


ScenarioName = Literal[
    "watched",
    "stopped",
    "cycle",
    "start-failure",
    "stop-failure",
    "second-start",
    "crash",
    "suspended",
    "missing-program",
    "late-failure",
    "refused-stop",
    "bystander",
    "restart",
]
"""Each scenario with the calls it makes (the state before each in brackets):

- `watched`: start [stopped]
- `stopped`: UNKNOWN_ACTION, status, stop, all [stopped]
- `cycle`: start [stopped], status [running], stop [running]
- `start-failure`: start [stopped] with the fault `program-fails`
- `stop-failure`: start, then stop [running] with the fault `signals-swallowed`
- `second-start`: start, start [running], stop
- `crash`: start, then every process of the service is killed by SIGKILL, status [stopped]
- `suspended`: start, then every process is stopped by SIGSTOP, status [running]
- `missing-program`: start [stopped], status, with the fault `program-missing`
- `late-failure`: start with the fault `program-fails-late`
- `refused-stop`: start, stop [running] with the fault `signals-refused` (EPERM)
- `bystander`: stop [stopped], start, stop [running], beside a bystander
- `restart`: restart [stopped] (and start, if that did not bring it up), force-reload [running],
  restart [running]
"""


@dataclass(frozen=True, slots=True)
class Transcript:
    """Everything that one script was seen to do."""

    script: str
    """Its path as the user knows it."""
    header: Mapping[str, str] | None = None
    """The LSB header block, keyword → value, continuation lines joined; None if there is none."""
    header_faults: tuple[str, ...] = ()
    """What is malformed in the block, each in one sentence."""
    service: Service | None = None
    """None when the watched start left no process."""
    scenarios: Mapping[str, Scenario] = field(default_factory=dict[str, Scenario])
    refused: str = ""
    """Why nothing was run: the service is live on the host, the script has no interpreter, …"""
    notes: tuple[str, ...] = ()
    """What the sandbox could not do (a limit not set, a file not visible), for the report."""

    def __getitem__(self, name: ScenarioName) -> Scenario:
        """The scenario of this name; an empty one with `unreached` set if it was not run."""
        return self.scenarios.get(name) or Scenario(name, unreached="this scenario was not run")
