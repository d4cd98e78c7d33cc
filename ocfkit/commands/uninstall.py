"""`ocfkit uninstall`: remove what `ocfkit install` has written, and nothing else."""

from __future__ import annotations

import argparse
import os

from ocfkit import catalogue, launchers
from ocfkit.catalogue import nearest
from ocfkit.commands.arguments import Parser, WrongCallError, add_place, place
from ocfkit.commands.streams import complain
from ocfkit.launchers import LauncherError, Place, why_no_name

SUMMARY = "remove the launchers that install has written"


def configure(parser: Parser) -> None:
    """Add its arguments."""
    parser.add_argument(
        "launchers",
        nargs="*",
        metavar="AGENT",
        help="as it was given to install, or its name (default: all of the provider)",
    )
    add_place(parser)


def run(arguments: argparse.Namespace) -> int:
    """Say for each what became of it."""
    where = place(arguments)
    names = [_name(word) for word in arguments.launchers]
    if not names:
        names = [each.name for each in launchers.of_provider(where)]
        if not names:
            print(f"nothing to remove in {where.folder}")
    failed = False
    for name in dict.fromkeys(names):
        try:
            _require_there(where, name)
            launchers.remove(where, name)
            print(f"removed {where.path(name)}")
        except LauncherError as error:
            complain(*error.args)
            failed = True
    return 1 if failed else 0


def _name(word: str) -> str:
    name = catalogue.name_of(word)
    wrong = why_no_name(name)
    if wrong:
        raise WrongCallError(wrong)
    return name


def _require_there(where: Place, name: str) -> None:
    if os.path.lexists(where.path(name)):
        return
    near = nearest(name, [each.name for each in launchers.of_provider(where)])
    hint = f"; did you mean {near}?" if near else ""
    raise LauncherError(f"there is no {where.path(name)}{hint}")
