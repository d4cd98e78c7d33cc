"""An agent of ocfkit's own kind, by the launcher that `ocfkit install` would write for it."""

from __future__ import annotations

import os
import sys

from ocfkit import catalogue, launchers
from ocfkit.conformance.agent_file import AgentFile, hidden
from ocfkit.launchers import Place


def is_source(word: str) -> bool:
    """Whether a word means a class in a Python file, and not an executable of its own.

    Who names the class means the class, also of a file that is executable.
    """
    return ".py:" in word or (word.endswith(".py") and not os.access(word, os.X_OK))


def agent(word: str) -> AgentFile:
    """The agent that a word names; raises AgentError."""
    found = catalogue.find(word)
    folders = [catalogue.HOME, found.folder, *catalogue.package_folders(sys.path)]
    path = list(dict.fromkeys(folders))
    text = launchers.render(sys.executable, path, found.target, name=found.name)
    place = Place()
    return AgentFile(
        name=found.name,
        provider=place.provider,
        path=place.path(found.name),
        content=text.encode(),
        visible=hidden(path),
        shown_as=word,
    )
