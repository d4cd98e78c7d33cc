"""`ocfkit meta-data`: what an agent tells the cluster's tools of itself."""

from __future__ import annotations

import argparse

from ocfkit import catalogue
from ocfkit.commands.arguments import Parser, add_agent, add_profile
from ocfkit.metadata import metadata

SUMMARY = "print the meta-data of an agent"


def configure(parser: Parser) -> None:
    """Add its arguments."""
    add_agent(parser)
    add_profile(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    found = catalogue.find(arguments.agent)
    print(metadata(found.cls, found.name, arguments.profile), end="")
    return 0
