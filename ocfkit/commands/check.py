"""`ocfkit check`: run an OCF agent through an itinerary, in isolation, and judge what was seen."""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

from ocfkit.catalogue import AgentError
from ocfkit.commands.again import again
from ocfkit.commands.arguments import Parser, WrongCallError, a_duration
from ocfkit.commands.streams import columns, complain, let_go_of_stdout
from ocfkit.errors import told
from ocfkit.launchers import LauncherError

if TYPE_CHECKING:
    from lsbcheck.exitcodes import ExitCode
    from lsbcheck.report.colour import Paper
    from ocfkit.conformance.agent_file import AgentFile
    from ocfkit.conformance.check import Report
    from ocfkit.conformance.report.document import Document
    from ocfkit.conformance.rules import Rule

SUMMARY = "check an OCF agent, in whatever language, in a sandbox"

FORMAT_NAMES = ("text", "json", "junit", "html")

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
"""Of a parameter: more than a shell takes for a variable, since agents have had such."""

_WIDEST = 120
"""Columns of a report."""

_LONGEST = 1 << 16
"""Bytes of a value; the kernel takes twice as many."""

_EPILOG = """\
examples:
  ocfkit check ocf:heartbeat:Dummy
  ocfkit check ./myagent -p config=/etc/my.conf --second config=/etc/other.conf
  ocfkit check myagent.py --format junit -o report.xml
  ocfkit check --explain monitor-after-crash

exit codes:
  0  every rule that counts holds, or has nothing to judge
  1  a rule that counts is broken
  2  wrong call: an option or the agent cannot be used; nothing was judged
  3  nothing broken, but a rule that counts was not provoked or met an error of the check
  4  no sandbox could be made
  130, 143, 129  interrupted by Ctrl-C, SIGTERM, SIGHUP; 141  the reader of the output went away
"""


class NoVerdictError(Exception):
    """The check itself failed, which is no finding about the agent; its text is one sentence."""

    @property
    def exit_code(self) -> ExitCode:
        """What the process ends with."""
        from lsbcheck.exitcodes import NOT_PROVED

        return NOT_PROVED


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
    add("--root", default="/", metavar="DIR", help="the system that the sandbox shows (default: /)")
    add(
        "--prepare",
        metavar="COMMAND",
        help="a command for sh, run in every sandbox before the agent",
    )
    add("--jobs", type=_jobs, metavar="N", help="sandboxes at a time (default: one a processor)")
    add("--list-rules", action="store_true", help="list the rules")
    add("--explain", metavar="RULE", help="show a rule's page")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Check the agent, print the report, and return its exit code."""
    from lsbcheck.report.colour import Paper

    paper = Paper(sys.stdout or io.StringIO(), colour=_colour(arguments), width=columns(_WIDEST))
    if arguments.list_rules:
        return _list_rules(paper)
    if arguments.explain is not None:
        return _explain(paper, arguments.explain)
    if arguments.agent is None:
        raise WrongCallError("which agent? `ocfkit check --help` tells more")
    try:
        return _checked(arguments)
    except (WrongCallError, AgentError, NoVerdictError, BrokenPipeError):
        raise
    except Exception as error:
        why = f"error: {type(error).__name__}: {error}"
        raise NoVerdictError(why if arguments.verbose else f"{why}; -v shows where") from error


def _checked(arguments: argparse.Namespace) -> int:
    from lsbcheck import exitcodes
    from lsbcheck.sandbox.interface import SandboxUnavailable
    from ocfkit.conformance.check import UnknownParameterError
    from ocfkit.conformance.report import document as documents

    rules, chosen = _chosen(arguments.rules)
    if not os.path.isdir(arguments.root):
        raise WrongCallError(f"--root {arguments.root}: there is no such folder")
    agent = _agent(arguments.agent, arguments.root)
    _require_writable(arguments.output)
    began = time.monotonic()
    try:
        report = _seen(agent, rules, arguments)
    except SandboxUnavailable as error:
        complain(f"no sandbox: {error.cause}", f"cure: {error.cure}")
        return exitcodes.NO_SANDBOX
    except UnknownParameterError as error:
        raise WrongCallError(str(error)) from None
    counting = _counting(arguments.profile, chosen)
    shown = documents.document(
        report,
        rules,
        profile=arguments.profile,
        chosen=chosen,
        counting=counting,
        exit_code=_code([report.judgements[rule].verdict for rule in counting]),
        again=again(arguments),
    )
    _hand_over(_written(shown, arguments), arguments.output)
    if arguments.verbose:
        complain(f"it took {time.monotonic() - began:.1f} s")
    return shown["exit_code"]


def _seen(agent: AgentFile, rules: Sequence[Rule], arguments: argparse.Namespace) -> Report:
    """Run the agent; raises SandboxUnavailable, and UnknownParameterError."""
    from lsbcheck.report.progress import Progress
    from lsbcheck.sandbox.namespace import NamespaceBackend
    from ocfkit.conformance.check import check
    from ocfkit.conformance.visit import Traveller

    parameters, second = _pairs(arguments.parameters), _pairs(arguments.second)
    hidden = frozenset(_from_files((*arguments.parameters, *arguments.second)))
    progress = Progress(sys.stderr, enabled=_is_terminal(sys.stderr), width=columns(_WIDEST))
    backend = NamespaceBackend(arguments.root)
    try:
        traveller = Traveller(
            agent,
            backend,
            parameters,
            second,
            hidden,
            most=arguments.timeout,
            prepare=arguments.prepare,
        )

        def tell(what: str) -> None:
            progress.show(f"{agent.name}: {what}")

        return check(traveller, rules, arguments.jobs, tell)
    finally:
        backend.close()
        progress.close()


def _require_writable(output: str | None) -> None:
    from lsbcheck.report.file import require_writable

    if output is not None:
        try:
            require_writable(output)
        except OSError as error:
            raise WrongCallError(f"--output {error}") from None


def _hand_over(text: str, output: str | None) -> None:
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


def _written(shown: Document, arguments: argparse.Namespace) -> str:
    from lsbcheck.report.colour import Paper
    from ocfkit.conformance.report import text
    from ocfkit.conformance.report.formats import FORMATS

    if arguments.format in FORMATS:
        return FORMATS[arguments.format](shown)
    stream = io.StringIO()
    text.write(Paper(stream, colour=_colour(arguments), width=columns(_WIDEST)), shown)
    return stream.getvalue()


def _agent(word: str, root: str) -> AgentFile:
    """What the word means; raises WrongCallError, or AgentError for one of ocfkit's."""
    from ocfkit.conformance import agent_file, launched

    try:
        if agent_file.is_name(word):
            return agent_file.named(word, root)
        if os.sep in word and not launched.is_source(word):
            return agent_file.at(word, root)
        if os.path.isfile(word) and not launched.is_source(word):
            return agent_file.at(word, root)
        if word.startswith("ocf:"):
            raise WrongCallError(f"{word!r} is no ocf:PROVIDER:TYPE")
        if os.path.isdir(word):
            raise WrongCallError(f"{word} is a folder; which agent in it?")
    except agent_file.AgentFileError as error:
        raise WrongCallError(str(error)) from None
    if root != "/":
        raise WrongCallError(f"--root {root}: {word} is an agent of this system alone")
    try:
        return launched.agent(word)
    except LauncherError as error:
        raise WrongCallError(*error.args) from None


def _pairs(words: Sequence[str]) -> dict[str, str]:
    made: dict[str, str] = {}
    for word in words:
        name, found, value = word.partition("=")
        if not found or _NAME.fullmatch(name) is None:  # what stands behind it may be a secret
            raise WrongCallError(f"NAME=VALUE is wanted, and {name!r} is no name with a value")
        if name in made:
            raise WrongCallError(f"{name} is given twice")
        made[name] = _read(name, value[1:]) if value.startswith("@") else value
        if "\0" in made[name]:
            raise WrongCallError(f"the value of {name} has a NUL character in it")
        if len(made[name].encode(errors="surrogateescape")) > _LONGEST:
            raise WrongCallError(f"the value of {name} is longer than {_LONGEST >> 10} KiB")
    return made


def _read(name: str, path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(_LONGEST + 1).removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no UTF-8"
        raise WrongCallError(f"{name}=@{path} cannot be read: {why}") from None


def _from_files(words: Sequence[str]) -> Iterator[str]:
    """Names of those whose values stand in files: what that is for is to tell nobody."""
    return (word.partition("=")[0] for word in words if word.partition("=")[2].startswith("@"))


def _chosen(words: Sequence[str] | None) -> tuple[tuple[Rule, ...], list[str] | None]:
    from ocfkit.conformance.rules import RULES

    if words is None:
        return RULES, None
    ids = {_rule(part.strip()).id for word in words for part in word.split(",")}
    return tuple(rule for rule in RULES if rule.id in ids), sorted(ids)


def _rule(word: str) -> Rule:
    from ocfkit.catalogue import nearest
    from ocfkit.conformance.rules import RULES, by_id

    try:
        return by_id(word)
    except KeyError:
        near = nearest(word, [rule.id for rule in RULES])
        hint = f"did you mean {near}?" if near else "--list-rules shows them all"
        raise WrongCallError(f"there is no rule {word!r}; {hint}") from None


def _counting(profile: str, chosen: Sequence[str] | None) -> frozenset[str]:
    from typing import cast

    from ocfkit.conformance.rules import Profile, rules_of

    if chosen is not None:
        return frozenset(chosen)
    return frozenset(rule.id for rule in rules_of(cast("Profile", profile)))


def _code(verdicts: Sequence[str]) -> ExitCode:
    from lsbcheck import exitcodes

    if "fail" in verdicts:
        return exitcodes.BROKEN
    proved = set(verdicts) <= {"pass", "does-not-apply"}
    return exitcodes.ALL_HOLD if proved and "pass" in verdicts else exitcodes.NOT_PROVED


def _list_rules(paper: Paper) -> int:
    from ocfkit.conformance.rules import RULES

    longest = max(len(rule.id) for rule in RULES)
    for rule in RULES:
        name = rule.id.ljust(longest + 2)
        paper.line(("bold", name), ("dim", rule.profile.ljust(11)), rule.title)
    paper.flush()
    return 0


def _explain(paper: Paper, word: str) -> int:
    from lsbcheck.report.visible import lines_of
    from ocfkit.conformance.rules import page

    for line in lines_of(page(_rule(word).id)):
        paper.line(("bold", line) if line.startswith("#") else line)
    paper.flush()
    return 0


def _timeout(word: str) -> float:
    seconds = a_duration(word)
    if seconds <= 0:
        raise argparse.ArgumentTypeError(f"in {word} no call can be answered")
    return seconds


def _jobs(word: str) -> int:
    if word.isascii() and word.isdecimal() and 1 <= int(word) <= 64:
        return int(word)
    raise argparse.ArgumentTypeError(f"{word!r} is no number from 1 to 64")


def _colour(arguments: argparse.Namespace) -> bool:
    """Where a terminal shows it and nobody objects (no-color.org)."""
    environ = arguments.environ
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb" or arguments.output is not None:
        return False
    return _is_terminal(sys.stdout)


def _is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at it; None is a stream that was closed before we were called."""
    return stream is not None and stream.isatty()
