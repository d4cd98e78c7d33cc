"""`ocfkit man`: an agent as a manual page of section 7, as distributions ship them.

The page is ASCII: whatever a text holds is written with the escapes of groff_char(7), which groff
and mandoc both know.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator

from ocfkit import __version__, catalogue
from ocfkit.advice import Advice, actions
from ocfkit.catalogue import Found
from ocfkit.commands import facts
from ocfkit.commands.arguments import Parser, a_name, add_agent
from ocfkit.declaration import Declaration
from ocfkit.durations import text as written
from ocfkit.launchers import PROVIDER
from ocfkit.metadata import first_sentence

SUMMARY = "write a manual page of an agent"


def configure(parser: Parser) -> None:
    """Add its arguments."""
    add_agent(parser)
    parser.add_argument(
        "--provider",
        type=a_name,
        default=PROVIDER,
        metavar="NAME",
        help="the agent is called ocf:NAME:… (default: %(default)s)",
    )
    parser.epilog = "for example: ocfkit man web.py >ocf_ocfkit_web.7; man -l ocf_ocfkit_web.7"


def run(arguments: argparse.Namespace) -> int:
    """Print the page."""
    found = catalogue.find(arguments.agent)
    date = _date(arguments.environ.get("SOURCE_DATE_EPOCH", ""), found.file)
    print("\n".join(page(found, arguments.provider, date)))
    return 0


def _date(epoch: str, file: str) -> str:
    """When the page was made: of the agent's file, so that the same file makes the same page."""
    told = epoch.isascii() and epoch.isdecimal()
    moment = float(epoch) if told else os.stat(file).st_mtime
    return time.strftime("%Y-%m-%d", time.gmtime(moment))


def page(found: Found, provider: str, date: str) -> Iterator[str]:
    """The lines of it."""
    declared = found.cls.declaration
    name = f"ocf_{provider}_{found.name}"
    agent = f"ocf:{provider}:{found.name}"
    source = escaped(f"ocfkit {__version__}")
    yield f'.TH {escaped(name.upper())} 7 {date} "{source}" "OCF resource agents"'
    yield ".ad l"  # groff warns of lines that it cannot justify
    yield from (".SH NAME", f"{escaped(name)} \\- {escaped(first_sentence(declared.short))}")
    yield from (".SH SYNOPSIS", f".B {escaped(agent)}")
    yield ".SH DESCRIPTION"
    yield from text(declared.long)
    yield from _parameters(declared)
    yield from _actions(declared)
    yield from _checks(declared)
    yield from _examples(declared, found.name, agent)
    yield from (".SH SEE ALSO", ".BR crm (8),", ".BR pcs (8),", ".BR crm_resource (8)")


def _parameters(declared: Declaration) -> Iterator[str]:
    if declared.parameters:
        yield ".SH PARAMETERS"
    for parameter in declared.parameters.values():
        yield from (".TP", f".B {escaped(parameter.name)}")
        yield from text(parameter.desc, ".IP")
        known = "; ".join(facts.of_parameter(parameter, declared))
        yield from (".br", f"{_line(known[:1].upper() + known[1:])}.")
        if parameter.deprecated:
            yield ".IP"
            yield from text(facts.of_deprecation(parameter), ".IP")


def _actions(declared: Declaration) -> Iterator[str]:
    yield ".SH ACTIONS"
    for row in actions(declared):
        yield from (".TP", f".B {escaped(facts.name_of_action(row))}")
        yield _line(", ".join(facts.of_action(row)))


def _checks(declared: Declaration) -> Iterator[str]:
    if declared.checks:
        yield ".SH CHECKS"
        yield from text(
            "A monitor makes those of its depth, OCF_CHECK_LEVEL, and of the depths above."
        )
    for check in declared.checks:
        yield from (".TP", f".B {escaped(f'depth {check.level}')}")
        yield _line("; ".join([check.fact, *facts.of_check(check)]))


def _examples(declared: Declaration, name: str, agent: str) -> Iterator[str]:
    required = [f"{each.name}=…" for each in declared.parameters.values() if each.required]
    monitors = [row for row in actions(declared) if row.name == "monitor"]
    clone = ["promotable"] if declared.promotable else []
    words = [f"pcs resource create my-{name} {agent}", *required, *map(_monitor, monitors), *clone]
    yield from (".SH EXAMPLES", ".nf")
    yield " \\(rs\n    ".join(map(escaped, words))
    yield ".fi"


def _monitor(row: Advice) -> str:
    words = ["op monitor", f"interval={written(row.interval or 0.0)}"]
    words.append(f"timeout={written(row.timeout)}")
    if row.depth:
        words.append(f"OCF_CHECK_LEVEL={row.depth}")
    if row.role:
        words.append(f"role={row.role}")
    return " ".join(words)


# --- roff -----------------------------------------------------------------------------------------

_GLYPHS = {
    "\\": "\\(rs",
    "-": "\\-",  # as it is typed, not a hyphen
    "'": "\\(aq",
    '"': "\\(dq",
    "`": "\\(ga",
    "^": "\\(ha",
    "~": "\\(ti",
}

_FIRST_WIDE = 0x2E80
"""From here on characters are two columns wide, and a line may end between any of them."""


def escaped(said: str) -> str:
    """A text as part of a line: nothing in it is a request, and nothing is lost."""
    return "".join(map(_glyph, said))


def _glyph(character: str) -> str:
    if character.isascii():
        return _GLYPHS.get(character, character if character.isprintable() else " ")
    after = "\\:" if ord(character) >= _FIRST_WIDE else ""
    return f"\\[u{ord(character):04X}]{after}"


def _line(said: str) -> str:
    """A text as a line of its own: what it begins with is no request either."""
    line = escaped(" ".join(said.split()))
    return f"\\&{line}" if line.startswith(".") else line


def text(said: str, paragraph: str = ".PP") -> Iterator[str]:
    """A description: paragraphs are filled, one with indented lines or a list stays as it is."""
    parts = [part.strip("\n") for part in said.expandtabs().split("\n\n") if part.strip()]
    for number, part in enumerate(parts):
        if number:
            yield paragraph
        lines = part.splitlines()
        if any(line.startswith((" ", "- ", "* ")) for line in lines):
            yield from (".nf", *map(_verbatim, lines), ".fi")
        else:
            yield from map(_line, filter(str.strip, lines))


def _verbatim(said: str) -> str:
    line = escaped(said.rstrip())
    return f"\\&{line}" if line.startswith(".") or not line else line
