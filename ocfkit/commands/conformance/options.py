"""The options of `ocfkit check`, with their help."""

from __future__ import annotations

import argparse
import os

from ocfkit.commands.arguments import Parser, a_duration

FORMAT_NAMES = ("text", "json", "junit", "html")

SANDBOXES = ("namespace", "docker", "podman")

_EPILOG = """\
examples:
  ocfkit check ocf:heartbeat:Dummy
  ocfkit check ./myagent -p config=/etc/my.conf --second config=/etc/other.conf
  ocfkit check myagent.py --format junit -o report.xml
  ocfkit check --sandbox docker --image debian:12 --package resource-agents ocf:heartbeat:Dummy
  ocfkit check --grant SYS_ADMIN --device /dev/sdz9:/dev/shared ocf:acme:disk -p device=/dev/shared
  ocfkit check --explain monitor-after-crash

exit codes:
  0  every rule that counts holds, or has nothing to judge
  1  a rule that counts is broken
  2  wrong call: an option or the agent cannot be used; nothing was judged
  3  nothing broken, but a rule that counts was not provoked or met an error of the check
  4  no sandbox could be made
  130, 143, 129  interrupted by Ctrl-C, SIGTERM, SIGHUP; 141  the reader of the output went away
"""


def configure(parser: Parser) -> None:
    """Add its arguments."""
    add = parser.add_argument
    add(
        "agent",
        metavar="AGENT",
        nargs="?",
        help="an executable file, ocf:PROVIDER:TYPE, or an agent of ocfkit (a registered name, "
        "FILE.py[:CLASS], MODULE:CLASS)",
    )
    add(
        "-p",
        "--parameter",
        dest="parameters",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of the resource; may be repeated. A secret is NAME=@FILE",
    )
    add(
        "--second",
        dest="second",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="in what a second resource beside it differs (default: parameters that must be unique "
        "get another value)",
    )
    add(
        "--profile",
        choices=("ocf", "pacemaker", "strict"),
        default="pacemaker",
        help="which rules decide the exit code: the OCF text's, what Pacemaker and its tools rely "
        "on besides, or all (default: %(default)s)",
    )
    add(
        "--rule",
        dest="rules",
        action="append",
        metavar="RULE",
        help="only this rule, and only the calls that it needs; may be repeated",
    )
    add(
        "--format",
        choices=FORMAT_NAMES,
        default="text",
        help="of the report (default: %(default)s)",
    )
    add("-o", "--output", metavar="FILE", help="write the report into a file")
    add(
        "--timeout",
        type=_timeout,
        default=60.0,
        metavar="TIME",
        help="the most that a call gets, if the agent advises more (default: 60s)",
    )
    add(
        "--agent-timeout",
        type=_timeout,
        default=1800.0,
        metavar="TIME",
        help="for everything about the agent (default: 30min)",
    )
    add("--jobs", type=_jobs, metavar="N", help="sandboxes at a time (default: four a processor)")
    add("--list-rules", action="store_true", help="list the rules")
    add("--explain", metavar="RULE", help="show a rule's page")
    _add_machine(parser)
    _add_image(parser)
    parser.epilog = _EPILOG


def _add_machine(parser: Parser) -> None:
    add = parser.add_argument_group("the machine that the agent runs in").add_argument
    add(
        "--sandbox",
        choices=SANDBOXES,
        default=SANDBOXES[0],
        help="docker and podman run containers of the --image given (default: %(default)s)",
    )
    add("--root", default="/", metavar="DIR", help="the system that the sandbox shows (default: /)")
    add(
        "--prepare",
        metavar="COMMAND",
        help="a command for sh, run in every sandbox before the agent",
    )
    add(
        "--grant",
        dest="capabilities",
        action="append",
        default=[],
        type=_capability,
        metavar="CAP",
        help="a capability beyond the usual ones, such as SYS_ADMIN, with which the agent can do "
        "nearly all that root can; may be repeated",
    )
    add(
        "--device",
        dest="devices",
        action="append",
        default=[],
        type=_device,
        metavar="PATH[:INSIDE]",
        help="a device of this host, which the agent finds at INSIDE below /dev, or at its own "
        "path, and WRITES TO; may be repeated",
    )


def _add_image(parser: Parser) -> None:
    add = parser.add_argument_group(
        "containers (--sandbox docker or podman); ocf:PROVIDER:TYPE is then the image's, and a "
        "file is carried in"
    ).add_argument
    add("--image", metavar="IMAGE", help="the image that the agent is run in")
    add(
        "--package",
        dest="packages",
        action="append",
        default=[],
        metavar="NAME",
        help="install this first, with the image's own package manager; may be repeated",
    )
    add(
        "--copy",
        dest="copies",
        action="append",
        default=[],
        type=_copy,
        metavar="FILE[:PATH]",
        help="put a file of this host into the image, at PATH or at its own; may be repeated",
    )
    add("--runtime", metavar="NAME", help="the engine's name for what makes its containers (runc)")


def _timeout(word: str) -> float:
    seconds = a_duration(word)
    if seconds <= 0:
        raise argparse.ArgumentTypeError(f"in {word} no call can be answered")
    return seconds


def _jobs(word: str) -> int:
    if word.isascii() and word.isdecimal() and 1 <= int(word) <= 64:
        return int(word)
    raise argparse.ArgumentTypeError(f"{word!r} is no number from 1 to 64")


def _copy(word: str) -> tuple[str, str]:
    """A file of this host, and its path in the image."""
    file, _, path = word.partition(":")
    path = path or os.path.abspath(file)
    if file and os.path.isabs(path):
        return file, os.path.normpath(path)
    raise argparse.ArgumentTypeError(
        f"{word!r} is not FILE or FILE:PATH with an absolute path in the image"
    )


_IN_EVERY_MACHINE = frozenset(
    "console fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero".split()
)
"""Names below /dev."""


_NAME_MAX = 255
"""Bytes of a file's name (limits.h)."""


def _capability(word: str) -> str:
    """The kernel's name of it, without `CAP_`."""
    from ocfkit.catalogue import nearest
    from ocfkit.linux.namespaces import CAPABILITIES

    name = word.upper().removeprefix("CAP_")
    if name in CAPABILITIES:
        return name
    near = nearest(name, CAPABILITIES)
    hint = f"did you mean {near}?" if near else "capabilities(7) lists them"
    raise argparse.ArgumentTypeError(f"{word!r} is no capability; {hint}")


def _device(word: str) -> tuple[str, str]:
    """Its path on this host, and in the sandbox; names of devices may have colons in them."""
    path, found, inside = word.rpartition(":/")
    if not found:
        path = word
    if not path:
        raise argparse.ArgumentTypeError(f"{word!r} names no device")
    path = os.path.abspath(path)
    inside = os.path.normpath(f"/{inside}") if found else path
    if not inside.startswith("/dev/"):
        raise argparse.ArgumentTypeError(
            f"{word!r} needs a place below /dev: {path}:/dev/{os.path.basename(path)}"
        )
    if any(len(os.fsencode(part)) > _NAME_MAX for part in inside.split("/")):
        raise argparse.ArgumentTypeError(f"{word!r} has a name that is too long for a file")
    name = inside.split("/")[2]
    if name in _IN_EVERY_MACHINE:
        raise argparse.ArgumentTypeError(f"{word!r}: every machine has a /dev/{name} of its own")
    return path, inside
