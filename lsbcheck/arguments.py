"""The command line: options, their help, and the combinations that make no sense."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from lsbcheck import __version__, exitcodes
from lsbcheck.report.file import require_writable
from lsbcheck.report.formats import FORMATS
from lsbcheck.rules import PROFILES, Profile
from lsbcheck.script import ScriptError, find

DESCRIPTION = """\
Check init scripts against the rules that Pacemaker relies on. Each script is run in private
machines that are made for it and thrown away; nothing on this host is changed. Every verdict
comes with its proof.
"""

EPILOG = f"""\
examples:
  lsbcheck snmpd                          /etc/init.d/snmpd, the eight rules of LSB decide
  lsbcheck --profile pacemaker ./webd     three rules more that Pacemaker suffers from
  lsbcheck --rule 3 --rule 5 -v snmpd     two rules only, every call shown
  lsbcheck /etc/init.d/*                  all of them, with a summary at the end
  lsbcheck --format json snmpd | jq '.scripts[].rules[] | select(.verdict == "fail") | .id'
  lsbcheck --baseline yesterday.json snmpd
                                          only what yesterday.json does not have fails
  lsbcheck merge *.json                   one report of many
  lsbcheck --sandbox docker --image debian:12 --package snmpd snmpd
  lsbcheck --prepare "sed -i s/ENABLED=no/ENABLED=yes/ /etc/default/foo" foo

exit codes:
{"".join(f"  {code:<4} {meaning}{chr(10)}" for code, meaning in exitcodes.MEANINGS.items())}\
With several scripts the first of 2, 1, 3, 0 that occurs; 4 if none could be run.
"""


class Arguments(argparse.Namespace):
    """The parsed command line, so that the type checkers know it."""

    scripts: list[str]
    rules: list[str] | None
    profile: Profile
    timeout: float
    stop_timeout: float
    script_timeout: float | None
    settle: float
    jobs: int
    sandbox: Literal["auto", "namespace", "docker", "podman", "none"]
    image: str | None
    packages: list[str]
    copies: list[tuple[str, str]]
    """File of this host, path in the image."""
    capabilities: list[str]
    runtime: str | None

    @property
    def contained(self) -> list[str]:
        """What decides how containers of the image are made, as words of the command line."""
        words: list[str] = []
        for name in self.packages:
            words += ["--package", name]
        for file, path in self.copies:
            words += ["--copy", f"{file}:{path}"]
        for name in self.capabilities:
            words += ["--cap-add", name]
        return words + (["--runtime", self.runtime] if self.runtime else [])

    root: str
    prepare: str | None
    allow_live: bool
    throw_away: bool
    baseline: str | None
    format: str
    output: str | None
    color: Literal["auto", "always", "never"]
    verbose: bool
    keep: str | None
    """None without the option, "" without a folder."""
    list_rules: bool
    explain: str | None


class MergeArguments(argparse.Namespace):
    """The same for `lsbcheck merge`."""

    files: list[str]
    baseline: str | None
    format: str
    output: str | None
    color: Literal["auto", "always", "never"]


class WrongCallError(Exception):
    """The call cannot be carried out; its arguments are the sentences that say why."""


def parser() -> argparse.ArgumentParser:
    """The options, with their help."""
    made = argparse.ArgumentParser(
        prog="lsbcheck",
        usage="lsbcheck [OPTION]... SCRIPT...",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = made.add_argument
    add(
        "scripts",
        nargs="*",
        metavar="SCRIPT",
        help="a name in /etc/init.d (snmpd) or a path",
    )
    _add_choices(made)
    _add_limits(made)
    _add_machine(made)
    _add_image(made)
    _add_output(made)
    return made


def merge_parser() -> argparse.ArgumentParser:
    """The options of `lsbcheck merge`, with their help."""
    made = argparse.ArgumentParser(
        prog="lsbcheck merge",
        usage="lsbcheck merge [OPTION]... FILE...",
        description="Make one report of many: documents that lsbcheck --format json has written, "
        "on one host or on several. The exit code is that of all of them together.",
        epilog="A script of this name is checked as ./merge or /etc/init.d/merge.",
        allow_abbrev=False,
    )
    made.add_argument("files", nargs="+", metavar="FILE", help="a document; its name is shown")
    _add_baseline(made.add_argument)
    _add_form(made.add_argument)
    return made


def _add_baseline(add: Callable[..., object]) -> None:
    add(
        "--baseline",
        metavar="FILE",
        help="a document of an earlier run; findings that it has are shown as known and do not "
        "fail",
    )


def _add_form(add: Callable[..., object]) -> None:
    add("--format", choices=("text", *FORMATS), default="text", help="(default: %(default)s)")
    add(
        "-o",
        "--output",
        metavar="FILE",
        help="write the report there, whole or not at all, and not to standard output",
    )
    add(
        "--color",
        "--colour",
        choices=("auto", "always", "never"),
        default="auto",
        help="auto: on a terminal, unless NO_COLOR is set (default: %(default)s)",
    )


def _add_choices(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("what is checked")
    group.add_argument(
        "--rule",
        dest="rules",
        action="append",
        metavar="ID",
        help="only this rule, by id or number (1 to 8); may be repeated. The chosen rules decide "
        "the exit code, whatever the profile",
    )
    group.add_argument(
        "--profile",
        choices=PROFILES,
        default="lsb",
        help="the rules that decide the exit code; all are run and shown (default: %(default)s)",
    )
    _add_baseline(group.add_argument)
    group.add_argument(
        "--list-rules", action="store_true", help="list the rules with their profiles, and end"
    )
    group.add_argument("--explain", metavar="ID", help="show the page of a rule, and end")


def _add_limits(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("limits; SECONDS is a number, or 500ms, 20s, 2min")
    group.add_argument(
        "--timeout",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="for one call of the script (default: 60)",
    )
    group.add_argument(
        "--stop-timeout",
        type=_seconds,
        default=100.0,
        metavar="SECONDS",
        help="for a stop that is made to fail (default: 100)",
    )
    group.add_argument(
        "--script-timeout",
        type=_seconds,
        metavar="SECONDS",
        help="for everything about one script (default: none)",
    )
    group.add_argument(
        "--settle",
        type=_seconds,
        default=0.5,
        metavar="SECONDS",
        help="how long the processes must be unchanged to count as settled (default: 0.5)",
    )
    group.add_argument(
        "--jobs",
        "-j",
        type=_jobs,
        default=default_jobs(),
        metavar="N",
        help="scripts checked at the same time (default: %(default)s)",
    )


def _add_machine(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("the machine that a script runs in")
    group.add_argument(
        "--sandbox",
        choices=("auto", "namespace", "docker", "podman", "none"),
        default="auto",
        help="docker and podman run containers of the --image given; none runs on this machine; "
        "auto is namespace, which needs no engine (default: %(default)s)",
    )
    group.add_argument(
        "--this-machine-may-be-thrown-away",
        dest="throw_away",
        action="store_true",
        help="your word for --sandbox none: nobody needs this machine afterwards",
    )
    group.add_argument(
        "--root", default="/", metavar="DIR", help="a root file system other than the host's"
    )
    group.add_argument(
        "--prepare",
        metavar="COMMAND",
        help="shell command to run in each fresh sandbox before the script, for example to enable "
        "a service; stands in the report",
    )
    group.add_argument(
        "--allow-live",
        action="store_true",
        help="check a script although its service is running on this host",
    )


def _add_image(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group(
        "containers (--sandbox docker or podman); a SCRIPT is then a name or a path in the image"
    )
    group.add_argument("--image", metavar="IMAGE", help="the image that the script is run in")
    group.add_argument(
        "--package",
        dest="packages",
        action="append",
        default=[],
        metavar="NAME",
        help="install this first, with the image's own package manager; may be repeated",
    )
    group.add_argument(
        "--copy",
        dest="copies",
        action="append",
        default=[],
        type=_copy,
        metavar="FILE[:PATH]",
        help="put a file of this machine into the image, at PATH or at its own; may be repeated",
    )
    group.add_argument(
        "--cap-add",
        dest="capabilities",
        action="append",
        default=[],
        type=_capability,
        metavar="NAME",
        help="a capability that the service needs beyond the usual ones; may be repeated",
    )
    group.add_argument(
        "--runtime", metavar="NAME", help="the engine's name for what makes its containers (runc)"
    )


def _add_output(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("output")
    _add_form(group.add_argument)
    group.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="show every call that was made; a traceback if lsbcheck itself fails",
    )
    group.add_argument(
        "--keep",
        nargs="?",
        const="",
        metavar="DIR",
        help="keep the whole transcript and every output in DIR, a new or empty folder "
        "(default: a new one in the folder for temporary files)",
    )
    group.add_argument("--version", action="version", version=f"lsbcheck {__version__}")


def default_jobs() -> int:
    """Twice the processors: a script that is checked mostly waits."""
    return min(2 * len(os.sched_getaffinity(0)), 8)


def _jobs(word: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", word) or int(word) == 0:
        message = f"{word!r} is not a number of scripts (1 or more)"
        raise argparse.ArgumentTypeError(message)
    return int(word)


def _copy(word: str) -> tuple[str, str]:
    file, _, path = word.partition(":")
    path = path or os.path.abspath(file)
    if not file or not path.startswith("/"):
        message = f"{word!r} is not FILE or FILE:PATH with an absolute path in the image"
        raise argparse.ArgumentTypeError(message)
    return file, os.path.normpath(path)


def _capability(word: str) -> str:
    name = word.upper().removeprefix("CAP_")
    if not re.fullmatch(r"[A-Z_]+", name) or name == "ALL":
        message = f"{word!r} is not the name of one capability, such as SYS_TIME"
        raise argparse.ArgumentTypeError(message)
    return name


_UNITS = {"": 1, "ms": 0.001, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}


def _seconds(word: str) -> float:
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([a-z]*)", word.strip())
    if match is None or match[2] not in _UNITS or float(match[1]) == 0:
        message = f"{word!r} is not a time above zero such as 20, 0.5, 500ms, 20s or 2min"
        raise argparse.ArgumentTypeError(message)
    return float(match[1]) * _UNITS[match[2]]


def parse(argv: Sequence[str] | None) -> Arguments:
    """The options; raises WrongCallError for a combination that makes no sense."""
    arguments = parser().parse_intermixed_args(argv, Arguments())
    if arguments.list_rules or arguments.explain is not None:
        if arguments.output is not None:
            message = "--output takes the report of a check, and no list of rules"
            raise WrongCallError(message)
        return arguments
    if arguments.sandbox == "none" and not arguments.throw_away:
        message = (
            "--sandbox none lets the script do as it likes to this machine; say "
            "--this-machine-may-be-thrown-away as well if that is true"
        )
        raise WrongCallError(message)
    if not Path(arguments.root).is_dir():
        message = f"--root {arguments.root}: no such directory"
        raise WrongCallError(message)
    arguments.root = os.path.realpath(arguments.root)
    if arguments.sandbox == "none" and arguments.root != "/":
        message = "--sandbox none runs on this machine and has no other --root"
        raise WrongCallError(message)
    _require_image(arguments)
    _give_back_script(arguments)
    if not arguments.scripts:
        message = "name a script: lsbcheck snmpd, or lsbcheck /etc/init.d/snmpd (--help tells more)"
        raise WrongCallError(message)
    _require_output(arguments.output)
    return arguments


def parse_merge(argv: Sequence[str]) -> MergeArguments:
    """The options of `lsbcheck merge`; raises WrongCallError."""
    arguments = merge_parser().parse_args(argv, MergeArguments())
    _require_output(arguments.output)
    return arguments


def _require_output(path: str | None) -> None:
    if path is None:
        return
    try:
        require_writable(path)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise WrongCallError(f"--output {error}") from error


def _require_image(arguments: Arguments) -> None:
    """Containers and what only they have belong together."""
    contained = arguments.sandbox in ("docker", "podman")
    given = {
        "--image": arguments.image,
        "--package": arguments.packages,
        "--copy": arguments.copies,
        "--cap-add": arguments.capabilities,
        "--runtime": arguments.runtime,
    }
    alone = [name for name, value in given.items() if value]
    if alone and not contained:
        raise WrongCallError(
            f"{alone[0]} is for containers: say --sandbox docker or podman as well"
        )
    if not contained:
        return
    if not arguments.image:
        raise WrongCallError(
            f"--sandbox {arguments.sandbox} runs the script in an --image: name one"
        )
    if arguments.root != "/":
        raise WrongCallError("--root is a folder of this host, and a container shows an --image")
    if arguments.allow_live:
        raise WrongCallError(
            "--allow-live is about services of this host, and a container has none"
        )


def _give_back_script(arguments: Arguments) -> None:
    """`--keep snmpd`: the word is a script and not a folder, if it names one or if none is left."""
    if arguments.keep and not Path(arguments.keep).is_dir():
        with contextlib.suppress(ScriptError):
            find(arguments.keep, arguments.root)
            arguments.scripts.insert(0, arguments.keep)
            arguments.keep = ""
        if not arguments.scripts:
            arguments.scripts, arguments.keep = [arguments.keep], ""
