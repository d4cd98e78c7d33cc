"""The check itself: a command line in, a report and an exit code out."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ocfkit.commands.arguments import WrongCallError
from ocfkit.commands.conformance import delivery, machine, words
from ocfkit.commands.conformance.again import again
from ocfkit.commands.streams import columns, complain

if TYPE_CHECKING:
    from lsbcheck.exitcodes import ExitCode
    from ocfkit.conformance.agent_file import AgentFile
    from ocfkit.conformance.check import Report
    from ocfkit.conformance.rules import Rule


def checked(arguments: argparse.Namespace) -> int:
    """Check the agent, hand the report over, and return the exit code."""
    from lsbcheck import exitcodes
    from lsbcheck.sandbox.interface import SandboxUnavailable
    from ocfkit.conformance.check import UnknownParameterError
    from ocfkit.conformance.report import document as documents

    rules, chosen = words.chosen(arguments.rules)
    machine.require_sense(arguments)
    agent = words.agent(arguments.agent, arguments.root, arguments.image)
    machine.require_shell(arguments.root)
    delivery.require_writable(arguments.output)
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
        machine=machine.shown(arguments),
        granted=machine.granted(arguments),
    )
    delivery.hand_over(delivery.written(shown, arguments), arguments.output)
    if arguments.verbose:
        complain(f"it took {time.monotonic() - began:.1f} s")
    return shown["exit_code"]


def _seen(agent: AgentFile, rules: Sequence[Rule], arguments: argparse.Namespace) -> Report:
    """Run the agent; raises SandboxUnavailable, and UnknownParameterError."""
    from lsbcheck.report.progress import Progress
    from ocfkit.conformance.check import check
    from ocfkit.conformance.visit import Traveller

    parameters, second = words.pairs(arguments.parameters), words.pairs(arguments.second)
    hidden = frozenset(words.from_files((*arguments.parameters, *arguments.second)))
    progress = Progress(
        sys.stderr, enabled=delivery.is_terminal(sys.stderr), width=columns(delivery.WIDEST)
    )

    def tell(what: str) -> None:
        progress.show(f"{agent.name}: {what}")

    try:
        with machine.claimed(arguments), machine.made(arguments) as backend:
            if arguments.image:
                machine.require_agent(backend, agent, arguments.image)
            traveller = Traveller(
                agent,
                backend,
                parameters,
                second,
                hidden,
                most=arguments.timeout,
                whole=arguments.agent_timeout,
                prepare=arguments.prepare,
            )
            report = check(traveller, rules, machine.jobs(arguments), tell)
        return replace(report, notes=tuple(backend.notes))  # the end may have left something
    finally:
        progress.close()


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
