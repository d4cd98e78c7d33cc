"""`ocfkit list`: the agents that ship or are registered, and the launchers that are installed."""

from __future__ import annotations

import argparse

from ocfkit import catalogue, launchers
from ocfkit.catalogue import AgentError, Registered
from ocfkit.commands.arguments import Parser, add_place

SUMMARY = "list registered agents and installed launchers"


def configure(parser: Parser) -> None:
    """Add its arguments."""
    add_place(parser, provider=False)


def run(arguments: argparse.Namespace) -> int:
    """Print both lists; an agent that cannot be loaded is listed with the reason."""
    agents = [(each.name, _described(each)) for each in catalogue.registered()]
    there = launchers.installed(arguments.ocf_root, arguments.destdir)
    print("Agents:")
    _print_rows(agents)
    print()
    print("Installed launchers:" if there else "No launcher is installed.")
    _print_rows(
        [(f"ocf:{each.provider}:{each.name}", f"{each.target}  {each.path}") for each in there]
    )
    return 0


def _described(agent: Registered) -> str:
    try:
        return catalogue.load(agent).cls.declaration.short
    except AgentError as error:
        return str(error.args[0])


def _print_rows(rows: list[tuple[str, str]]) -> None:
    longest = max((len(name) for name, _ in rows), default=0)
    for name, said in rows:
        print(f"  {name.ljust(longest)}  {said}")
