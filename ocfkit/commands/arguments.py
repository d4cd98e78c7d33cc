"""What a command line is made of: parsing, and the options that several commands have."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import NamedTuple, NoReturn, Protocol, runtime_checkable

from ocfkit import launchers
from ocfkit.catalogue import nearest
from ocfkit.durations import EXAMPLES, seconds
from ocfkit.launchers import Place
from ocfkit.metadata import PROFILES


class WrongCallError(Exception):
    """The call cannot be carried out; the arguments are the sentences that say why."""


class FailedError(Exception):
    """It was tried and failed; the arguments are the sentences that say why."""


@runtime_checkable
class Command(Protocol):
    """A module that is a sub-command, of this package or registered by another one.

    A wrong call ends with 2, or with the module's own WRONG_CALL where 2 means something else.
    """

    @property
    def SUMMARY(self) -> str:  # noqa: N802 - a constant of the module
        """One line, for the list of commands."""
        ...

    def configure(self, parser: Parser) -> None:
        """Add its arguments."""
        ...

    def run(self, arguments: argparse.Namespace) -> int:
        """Carry it out and return the exit code; `arguments.environ` is the environment."""
        ...


class Argument(NamedTuple):
    """One thing that a command takes, for the completion of a shell."""

    options: Sequence[str]
    """Such as ("-p", "--parameter"); nothing for what has no name."""
    dest: str
    metavar: str
    takes_value: bool
    repeated: bool
    choices: Sequence[str]
    help: str


class Parser(argparse.ArgumentParser):
    """Raises WrongCallError where argparse would print a usage of ten lines and end the process."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where help is."""
        raise WrongCallError(message, f"`{self.prog} --help` tells more")

    def described(self) -> list[Argument]:
        """All that can be said."""
        return [
            Argument(
                each.option_strings,
                each.dest,
                str(each.metavar or ""),
                each.nargs != 0,
                each.nargs == "*",
                [str(choice) for choice in each.choices or ()],
                each.help or "",
            )
            for each in self._actions
            if each.help != argparse.SUPPRESS
        ]


def parser_of(name: str, command: Command) -> Parser:
    """The parser of a sub-command."""
    made = Parser(
        prog=f"ocfkit {name}",
        description=f"{command.SUMMARY[:1].upper()}{command.SUMMARY[1:]}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.configure(made)
    made.add_argument(
        "-v", "--verbose", action="store_true", help="show a traceback where there is an error"
    )
    return made


def parse(made: Parser, words: Sequence[str]) -> argparse.Namespace:
    """Read a command line; options may stand anywhere. Raises WrongCallError."""
    arguments, unknown = made.parse_known_intermixed_args(words)
    if unknown:
        known = [option for each in made.described() for option in each.options]
        near = nearest(unknown[0].partition("=")[0], known)
        hint = f"did you mean {near}?" if near else f"`{made.prog} --help` lists what there is"
        raise WrongCallError(f"unexpected argument {unknown[0]}; {hint}")
    return arguments


# --- what several commands take -------------------------------------------------------------------


def add_agent(made: Parser) -> None:
    """One agent."""
    made.add_argument(
        "agent", metavar="AGENT", help="a registered name, FILE.py[:CLASS] or MODULE:CLASS"
    )


def add_profile(made: Parser) -> None:
    """Which meta-data."""
    made.add_argument(
        "--profile",
        choices=PROFILES,
        default=PROFILES[0],
        help="meta-data of OCF 1.1, or for tools that know 1.0 alone (default: %(default)s)",
    )


def add_place(made: Parser, *, provider: bool = True) -> None:
    """Where launchers are."""
    if provider:
        made.add_argument(
            "--provider",
            type=a_name,
            default=launchers.PROVIDER,
            metavar="NAME",
            help="agents are called ocf:NAME:… (default: %(default)s)",
        )
    made.add_argument(
        "--ocf-root",
        type=_absolute,
        default=launchers.OCF_ROOT,
        metavar="DIR",
        help="the folder of resource.d (default: %(default)s)",
    )
    made.add_argument(
        "--destdir",
        type=_destdir,
        default="",
        metavar="DIR",
        help="the root of another system, as packagers have it",
    )


def place(arguments: argparse.Namespace) -> Place:
    """What `add_place` has added, read."""
    return Place(arguments.provider, arguments.ocf_root, arguments.destdir)


def a_name(word: str) -> str:
    """Read a name that a cluster can know."""
    wrong = launchers.why_no_name(word)
    if wrong:
        raise argparse.ArgumentTypeError(wrong)
    return word


def a_duration(word: str) -> float:
    """Read a time as Pacemaker writes it."""
    try:
        return seconds(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r} is no time such as {EXAMPLES}") from None


def _absolute(word: str) -> str:
    if not os.path.isabs(word):
        raise argparse.ArgumentTypeError(f"{word!r} is no absolute path")
    return os.path.normpath(word)


def _destdir(word: str) -> str:
    path = os.path.abspath(word)
    return "" if path == "/" else path
