"""The report on its way to the reader: as text, or into a file."""

from __future__ import annotations

import argparse
import io
import sys
from typing import TYPE_CHECKING, TextIO

from ocfkit.commands.arguments import WrongCallError
from ocfkit.commands.streams import columns, complain, let_go_of_stdout
from ocfkit.errors import told

if TYPE_CHECKING:
    from lsbcheck.exitcodes import ExitCode
    from ocfkit.conformance.report.document import Document

WIDEST = 120
"""Columns of a report."""


class NoVerdictError(Exception):
    """The check itself failed, which is no finding about the agent; its text is one sentence."""

    @property
    def exit_code(self) -> ExitCode:
        """What the process ends with."""
        from lsbcheck.exitcodes import NOT_PROVED

        return NOT_PROVED


def require_writable(output: str | None) -> None:
    """Raise WrongCallError where the report could not be written, before anything is run."""
    from lsbcheck.report.file import require_writable

    if output is not None:
        try:
            require_writable(output)
        except OSError as error:
            raise WrongCallError(f"--output {error}") from None


def hand_over(text: str, output: str | None) -> None:
    """Bring it to its place; raises NoVerdictError."""
    from lsbcheck.report.file import write_whole

    try:
        if output is not None:
            write_whole(output, text)
        elif sys.stdout is not None:  # it may be closed
            sys.stdout.write(text)
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        let_go_of_stdout()  # what a full disk did not take, it does not take at the end either
        raise NoVerdictError(f"the report could not be written: {told(error)}") from None
    if output is not None:
        complain(f"the report is in {output}")


def written(shown: Document, arguments: argparse.Namespace) -> str:
    """The document in the format that was asked for."""
    from lsbcheck.report.colour import Paper
    from ocfkit.conformance.report import text
    from ocfkit.conformance.report.formats import FORMATS

    if arguments.format in FORMATS:
        return FORMATS[arguments.format](shown)
    stream = io.StringIO()
    text.write(Paper(stream, colour=has_colour(arguments), width=columns(WIDEST)), shown)
    return stream.getvalue()


def has_colour(arguments: argparse.Namespace) -> bool:
    """Where a terminal shows it and nobody objects (no-color.org)."""
    environ = arguments.environ
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb" or arguments.output is not None:
        return False
    return is_terminal(sys.stdout)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at it; None is a stream that was closed before we were called."""
    return stream is not None and stream.isatty()
