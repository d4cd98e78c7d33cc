"""Sub-commands that packages register, our own agents' among them.

Each is a module such as those beside this one (`ocfkit.commands.arguments.Command`). An error that
it raises may say by `exit_code` how the command ends.
"""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points

from ocfkit import agents
from ocfkit.catalogue import AgentError, imported
from ocfkit.commands.arguments import Command

GROUP = "ocfkit.commands"
"""The group of entry points in which packages register a module by the name of its command."""


def targets() -> dict[str, str]:
    """Name → module, sorted; nothing is loaded.

    Those that ship are known in a checkout too, where no package is.
    """
    found = {each.name: each.value for each in entry_points(group=GROUP)}
    return dict(sorted({**found, **agents.COMMANDS}.items()))


def find(name: str) -> Command | None:
    """Load the command; None where there is none, raises AgentError where it is none."""
    target = targets().get(name)
    if target is None:
        return None
    module = imported(f"the command {name}", lambda: importlib.import_module(target))
    if not isinstance(module, Command):
        raise AgentError(f"the command {name} cannot be run: {target} is no module of a command")
    return module


def loadable() -> dict[str, Command]:
    """Those that can be loaded; what is wrong with another one is told when it is called."""
    found: dict[str, Command] = {}
    for name in targets():
        try:
            command = find(name)
        except AgentError:
            continue
        if command is not None:
            found[name] = command
    return found
