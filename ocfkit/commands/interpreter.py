"""The Python that a launcher names in its first line."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass

from ocfkit import programs
from ocfkit.catalogue import package_folders
from ocfkit.commands.arguments import WrongCallError
from ocfkit.launchers import why_no_shebang
from ocfkit.linux import proc
from ocfkit.linux.proc import Credentials, Ended

OLDEST = (3, 11)

_QUESTION = "import json, sys; print(json.dumps([sys.version_info[:2], sys.path]))"

_PATIENCE = 60.0
"""Seconds for one run of it."""


@dataclass(frozen=True)
class Interpreter:
    """One that is new enough, and that the kernel can start by a first line."""

    path: str
    folders: Sequence[str]
    """Where its packages are, a driver of a database say. Its option -S would leave them out."""

    def run(self, *words: str, credentials: Credentials | None = None) -> Ended:
        """Run it to its end, for at most a minute."""
        env = {"PATH": programs.PATH}
        return proc.run([self.path, *words], env=env, deadline=_PATIENCE, credentials=credentials)


def find(word: str) -> Interpreter:
    """The interpreter that a path or a name means; raises WrongCallError where it is unusable."""
    path = programs.find(word) if os.sep not in word else os.path.abspath(word)
    if path is None:
        raise WrongCallError(f"there is no program {word}")
    wrong = why_no_shebang(path)
    if wrong:
        raise WrongCallError(wrong)
    ended = Interpreter(path, ()).run("-Ic", _QUESTION)
    if ended.code != 0:
        raise WrongCallError(f"{path} is no Python that works: {last_line(ended)}")
    try:
        version, search_path = json.loads(ended.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        raise WrongCallError(f"{path} is no Python: it answered {ended.stdout[:100]!r}") from None
    if tuple(version) < OLDEST:
        raise WrongCallError(
            f"{path} is Python {'.'.join(map(str, version))}; agents need "
            f"{'.'.join(map(str, OLDEST))} or newer"
        )
    return Interpreter(path, package_folders(search_path))


def last_line(ended: Ended) -> str:
    """Why a run has failed, as far as it says."""
    if ended.timed_out:
        return f"it did not end within {ended.seconds:.0f} s"
    how = f"code {ended.code}" if ended.signal is None else f"signal {ended.signal}"
    lines = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
    reasons = [line.partition("ocf-exit-reason:")[2] for line in lines if "ocf-exit-reason" in line]
    return (reasons or lines or [how])[-1]
