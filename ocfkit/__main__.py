"""The command `ocfkit`: find the sub-command, run it, end with an exit code.

The only module of the command that reads the environment and ends the process.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import NoReturn

from ocfkit import __version__
from ocfkit.catalogue import AgentError, nearest
from ocfkit.commands import (
    check,
    completion,
    install,
    list_agents,
    man,
    meta_data,
    new,
    registered,
    run,
    show,
    uninstall,
)
from ocfkit.commands.arguments import Command, FailedError, WrongCallError, parse, parser_of
from ocfkit.commands.streams import (
    Interrupted,
    complain,
    flush,
    let_go_of_stdout,
    signals_as_interrupts,
    surviving_encodings,
)
from ocfkit.errors import told
from ocfkit.launchers import LauncherError

COMMANDS: dict[str, Command] = {
    "new": new,
    "list": list_agents,
    "show": show,
    "run": run,
    "check": check,
    "meta-data": meta_data,
    "man": man,
    "install": install,
    "uninstall": uninstall,
    "completion": completion,
}

OK, FAILED, WRONG_CALL, READER_GONE = 0, 1, 2, 141
"""Exit codes; `run` ends with the action's own, and a signal with 128 and its number."""

HELP = """\
usage: ocfkit COMMAND [ARGUMENT]...

Write, try and install OCF resource agents in Python.

commands:
{commands}
`ocfkit COMMAND --help` tells more of each; `ocfkit --version` prints the version.
To check an init script, run lsbcheck.

exit codes:
  0    done
  1    it was tried and failed
  2    wrong call: an argument or an agent cannot be used; nothing was done
  130  interrupted by Ctrl-C (143 by SIGTERM, 129 by SIGHUP)
  141  the reader of standard output went away
`ocfkit run` ends with the code of the action, and `ocfkit sfex` has codes of its own.
"""


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run the command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with surviving_encodings(), signals_as_interrupts():
            code = _run(words, os.environ if environ is None else environ)
            flush()
            return code
    except SystemExit as end:  # argparse, after --help
        return end.code if isinstance(end.code, int) else OK
    except BrokenPipeError:
        let_go_of_stdout()
        return READER_GONE
    except KeyboardInterrupt as error:
        complain("interrupted")
        let_go_of_stdout()
        return 128 + (error.signal if isinstance(error, Interrupted) else signal.SIGINT)
    except Exception as error:  # noqa: BLE001 - whatever it is, it gets a sentence
        return _failed(error, verbose="-v" in words or "--verbose" in words)


def _failed(error: Exception, *, verbose: bool) -> int:
    """Say what went wrong, and return the exit code."""
    if verbose:
        traceback.print_exception(error)
    match error:
        case WrongCallError() | AgentError():
            complain(*error.args)
            return WRONG_CALL
        case FailedError() | LauncherError():
            complain(*error.args)
        case OSError():
            complain(told(error))
            let_go_of_stdout()  # what a full disk did not take, it does not take at the end either
        case _ if isinstance(code := getattr(error, "exit_code", None), int):
            complain(*error.args)
            return code
        case _:
            hint = "" if verbose else "; -v shows where"
            complain(f"error: {type(error).__name__}: {error}{hint}")
    return FAILED


def _run(words: list[str], environ: Mapping[str, str]) -> int:
    if words[:1] == [completion.ASK]:
        return completion.answer({**COMMANDS, **registered.loadable()}, words[1:])
    asked = words[:1] in (["help"], ["-h"], ["--help"])
    if not words or (asked and not words[1:]):
        print(_help(), end="")
        return OK
    if words == ["--version"]:
        print(f"ocfkit {__version__}")
        return OK
    if asked:
        words = [words[1], "--help"]
    name, *rest = words
    command = _command(name)
    try:
        arguments = parse(parser_of(name, command), rest)
    except WrongCallError as error:
        complain(*error.args)
        return getattr(command, "WRONG_CALL", WRONG_CALL)
    arguments.environ = environ
    return command.run(arguments)


def _help() -> str:
    commands = {**COMMANDS, **registered.loadable()}
    rows = (f"  {name:<12}{command.SUMMARY}\n" for name, command in commands.items())
    return HELP.format(commands="".join(rows))


def _command(name: str) -> Command:
    command = COMMANDS.get(name) or registered.find(name)
    if command is not None:
        return command
    near = nearest(name, [*COMMANDS, *registered.targets()])
    hint = f"did you mean {near}?" if near else "`ocfkit --help` lists what there is"
    raise WrongCallError(f"there is no command {name!r}; {hint}")


def entry() -> NoReturn:
    """End the process with what main says."""
    sys.exit(main())


if __name__ == "__main__":
    entry()
