"""What the user gets to see of a check: text, formats for programs, progress, a log folder."""

from __future__ import annotations

from dataclasses import dataclass

from lsbcheck import exitcodes
from lsbcheck.check import Report
from lsbcheck.exitcodes import ExitCode
from lsbcheck.rules import Profile


@dataclass(frozen=True, slots=True)
class Setting:
    """What holds for every script of one run and stands in its report."""

    profile: Profile = "lsb"
    chosen: tuple[str, ...] | None = None
    """Rules that were asked for one by one, by id; None for all."""
    sandbox: str = "namespace"
    """The backend that was used."""
    image: str | None = None
    """Of which containers were made; the words that say so are in `contained`."""
    contained: tuple[str, ...] = ()
    """What else decided how containers were made, as words of the command line."""
    root: str = "/"
    prepare: str | None = None
    """Command that ran in each fresh sandbox before the script."""
    allow_live: bool = False
    directory: str = "/"
    """Where lsbcheck was called; a format may name files from there."""

    @property
    def options(self) -> list[str]:
        """The words of the command line that decided how the scripts were run."""
        words: list[str] = []
        if self.sandbox == "none":
            words += ["--sandbox", "none", "--this-machine-may-be-thrown-away"]
        if self.image is not None:
            words += ["--sandbox", self.sandbox, "--image", self.image, *self.contained]
        if self.root != "/":
            words += ["--root", self.root]
        if self.prepare is not None:
            words += ["--prepare", self.prepare]
        return words + ["--allow-live"] * self.allow_live

    @property
    def counting(self) -> frozenset[str]:
        """Ids of the rules that decide the exit code."""
        return exitcodes.counted(self.profile, self.chosen)

    def exit_code(self, report: Report) -> ExitCode:
        """Of one script."""
        return exitcodes.of_script(report.judgements, self.counting)
