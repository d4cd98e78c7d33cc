"""`ocfkit install`: write the launchers by which a cluster calls agents."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ocfkit import catalogue, launchers
from ocfkit.catalogue import AgentError, Found
from ocfkit.commands import interpreter as interpreters
from ocfkit.commands.arguments import (
    FailedError,
    Parser,
    WrongCallError,
    add_place,
    add_profile,
    place,
)
from ocfkit.commands.interpreter import Interpreter, last_line
from ocfkit.commands.nobody import require_answers
from ocfkit.commands.streams import complain
from ocfkit.launchers import LauncherError, Place, why_no_name

if TYPE_CHECKING:
    from ocfkit.metadata import Profile

SUMMARY = "write the launchers by which a cluster calls agents"

_EPILOG = """\
examples:
  ocfkit install /usr/local/lib/agents/webd.py      as ocf:ocfkit:webd
  ocfkit install --provider acme webd.py            as ocf:acme:webd
  ocfkit install                                    those that ship or are registered

A file that something else has written is left alone.
"""


def configure(parser: Parser) -> None:
    """Add its arguments."""
    parser.add_argument(
        "agents",
        nargs="*",
        metavar="AGENT",
        help="a registered name, FILE.py[:CLASS] or MODULE:CLASS (default: all known ones)",
    )
    add_place(parser)
    add_profile(parser)
    parser.add_argument(
        "--interpreter",
        default=sys.executable,
        metavar="PATH",
        help="the Python that runs the agents (default: %(default)s)",
    )
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Say for each agent what became of it; one that cannot be installed keeps no other back."""
    interpreter = interpreters.find(arguments.interpreter)
    failed: list[AgentError | FailedError | LauncherError] = []
    found = [catalogue.find(word) for word in arguments.agents] or _all_registered(failed)
    _require_names(found)
    work = _Work(interpreter, place(arguments), arguments.profile)
    for each in found:
        try:
            work.install(each)
        except (FailedError, LauncherError) as error:
            failed.append(error)
    if work.done and not arguments.destdir:  # a distribution compiles on the machine itself
        _compile(interpreter, work.done)
    for each_failed in failed:
        complain(*each_failed.args)
    return 1 if failed else 0


def _all_registered(failed: list[AgentError | FailedError | LauncherError]) -> list[Found]:
    found: list[Found] = []
    for each in catalogue.registered():
        try:
            found.append(catalogue.load(each))
        except AgentError as error:
            failed.append(error)
    return found


def _require_names(agents: Sequence[Found]) -> None:
    """Raise WrongCallError unless each has a name of its own that a cluster can know."""
    for name, times in Counter(each.name for each in agents).items():
        wrong = why_no_name(name)
        if wrong or times > 1:
            raise WrongCallError(wrong or f"{times} agents would be called {name}")


class _Work:
    """The installation of agents at one place."""

    def __init__(self, interpreter: Interpreter, where: Place, profile: Profile) -> None:
        self._interpreter = interpreter
        self._where = where
        self._profile: Profile = profile
        self.done: list[Found] = []

    def install(self, agent: Found) -> None:
        """Raises FailedError or LauncherError where it cannot be."""
        launchers.require_ours(self._where.path(agent.name))
        text = self._launcher(agent, "")
        require_answers(agent, self._interpreter, text, self._where.destdir)
        text = self._launcher(agent, self._where.destdir)
        done = launchers.write(self._where, agent.name, text)
        print(f"{done} {self._where.path(agent.name)}")
        self.done.append(agent)

    def _launcher(self, agent: Found, destdir: str) -> str:
        """Its text as it stands below `destdir`, which will be the root there."""
        folders = [catalogue.HOME, agent.folder, *self._interpreter.folders]
        return launchers.render(
            _inside(destdir, self._interpreter.path),
            list(dict.fromkeys(_inside(destdir, each) for each in folders)),
            agent.target,
            name=agent.name,
            provider=self._where.provider,
            profile=self._profile,
        )


def _inside(destdir: str, path: str) -> str:
    """The path as it will be, when a folder is the root."""
    return path.removeprefix(destdir) if destdir and path.startswith(f"{destdir}/") else path


def _compile(interpreter: Interpreter, agents: Sequence[Found]) -> None:
    """Spare each call the compilation; where that is not possible it is slower, and works."""
    files = [f"{catalogue.HOME}/ocfkit", *(each.file for each in agents)]
    ended = interpreter.run("-Im", "compileall", "-q", *files)
    if ended.code != 0:
        said = [line for line in ended.stdout.splitlines() if line.strip()]
        why = said[-1] if said else last_line(ended)
        complain(f"warning: it cannot be precompiled, and will be slower: {why}")
