"""How an action ended, as the cluster sees it."""

from __future__ import annotations

from dataclasses import dataclass

from ocfkit.exitcodes import NAMES

REASON = "ocf-exit-reason:"


@dataclass(frozen=True, repr=False)
class Outcome:
    """What one call of an agent came to."""

    code: int
    """Its exit code; of a process that was killed: the signal's number, negative."""
    stdout: str
    """What it wrote for its caller: meta-data, or nothing."""
    stderr: str
    """All that it wrote to standard error: log lines and reasons."""
    duration: float
    """Seconds."""
    modules: frozenset[str] = frozenset()
    """What a process has loaded beyond a bare interpreter; empty for a call in this process."""
    timed_out: bool = False
    """Whether the time that was granted passed without an answer, so that the cluster would have
    killed it.
    """

    @property
    def name(self) -> str:
        """What OCF calls the code, e.g. "not running"."""
        return NAMES.get(self.code, "no code of OCF")

    @property
    def reasons(self) -> list[str]:
        """All reasons; an agent should give one, and none with success."""
        lines = self.stderr.splitlines()
        return [line.partition(REASON)[2] for line in lines if REASON in line]

    @property
    def reason(self) -> str:
        """What the cluster shows the operator: the last reason; "" when there is none."""
        return self.reasons[-1] if self.reasons else ""

    @property
    def log(self) -> str:
        """What else was written to standard error."""
        return "".join(line for line in self.stderr.splitlines(keepends=True) if REASON not in line)

    def __repr__(self) -> str:
        """Say what a failed assertion has to tell."""
        words = [f"{self.code} ({self.name})", f"in {self.duration:.2f} s"]
        words += [f"reason {self.reason!r}"] if self.reason else []
        words += [f"log {self.log!r}"] if self.log else []
        words += ["out of time"] if self.timed_out else []
        return f"Outcome({', '.join(words)})"
