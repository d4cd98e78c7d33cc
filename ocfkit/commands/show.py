"""`ocfkit show`: an agent as a page to read."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator

from ocfkit import catalogue
from ocfkit.advice import actions
from ocfkit.catalogue import Found
from ocfkit.commands import facts
from ocfkit.commands.arguments import Parser, add_agent
from ocfkit.commands.streams import columns
from ocfkit.declaration import Declaration

SUMMARY = "show an agent: what it is, its parameters, actions and checks"


def configure(parser: Parser) -> None:
    """Add its arguments."""
    add_agent(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the page, as wide as the terminal."""
    print("\n".join(page(catalogue.find(arguments.agent), columns(100))))
    return 0


def page(found: Found, width: int) -> Iterator[str]:
    """The lines of it."""
    declared = found.cls.declaration
    yield f"{found.name}: {declared.short}"
    if declared.long != declared.short:
        yield ""
        yield from declared.long.splitlines()
    yield from _parameters(declared, width)
    yield from _actions(declared)
    yield from _checks(declared)
    yield ""
    yield f"Version {found.cls.version}, {found.target} in {found.file}"


def _parameters(declared: Declaration, width: int) -> Iterator[str]:
    yield from ("", "Parameters" if declared.parameters else "No parameters")
    for parameter in declared.parameters.values():
        known = "; ".join(facts.of_parameter(parameter, declared))
        yield from _wrapped(f"  {parameter.name}: {known}", width)
        for line in [*parameter.desc.splitlines(), facts.of_deprecation(parameter)]:
            yield from _wrapped(f"      {line.strip()}", width)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, width, subsequent_indent="      ", break_long_words=False, break_on_hyphens=False
    )


def _actions(declared: Declaration) -> Iterator[str]:
    yield from ("", "Actions")
    rows = [(facts.name_of_action(row), facts.of_action(row)) for row in actions(declared)]
    longest = max(len(name) for name, _ in rows)
    for name, said in rows:
        yield f"  {name.ljust(longest)}  {', '.join(said)}"


def _checks(declared: Declaration) -> Iterator[str]:
    if declared.checks:
        yield from ("", "Checks")
    for check in declared.checks:
        said = "; ".join(facts.of_check(check))
        yield f"  depth {check.level}: {check.fact}{f' ({said})' if said else ''}"
