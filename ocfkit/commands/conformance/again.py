"""The command line that makes the same check once more, without a secret in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ocfkit import durations

if TYPE_CHECKING:
    import argparse


def again(arguments: argparse.Namespace) -> list[str]:
    """The words, without rules, format and file. A secret that stood there is `NAME=@FILE`."""
    words = ["ocfkit", "check", str(arguments.agent)]
    for option, pairs in (("-p", arguments.parameters), ("--second", arguments.second)):
        for pair in pairs:
            words += [option, _without_secret(pair)]
    words += _machine(arguments)
    if arguments.prepare is not None:
        words.append(f"--prepare={arguments.prepare}")
    if arguments.timeout != _USUAL_TIMEOUT:
        words += ["--timeout", durations.text(arguments.timeout)]
    if arguments.agent_timeout != _USUAL_AGENT_TIMEOUT:
        words += ["--agent-timeout", durations.text(arguments.agent_timeout)]
    return words


def _machine(arguments: argparse.Namespace) -> Iterator[str]:
    """Where the agent is run, and what it is granted there."""
    if arguments.sandbox != "namespace":
        yield from ("--sandbox", arguments.sandbox, "--image", arguments.image)
    for package in arguments.packages:
        yield from ("--package", package)
    for file, path in arguments.copies:
        yield from ("--copy", f"{file}:{path}")
    if arguments.runtime is not None:
        yield from ("--runtime", arguments.runtime)
    if arguments.root != "/":
        yield from ("--root", arguments.root)
    for name in arguments.capabilities:
        yield from ("--grant", name)
    for path, inside in arguments.devices:
        yield from ("--device", f"{path}:{inside}")


_USUAL_TIMEOUT = 60.0
_USUAL_AGENT_TIMEOUT = 1800.0


def _without_secret(pair: str) -> str:
    from ocfkit.conformance.canaries import is_secret

    name, _, value = pair.partition("=")
    return f"{name}=@FILE" if is_secret(name) and not value.startswith("@") else pair
