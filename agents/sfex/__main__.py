"""A keeper as a process; `hold` starts it, nobody else."""

from __future__ import annotations

import os
import sys

from ocfkit.agents.sfex import daemon
from ocfkit.agents.sfex.hold import Holding
from ocfkit.environment import Environment


def entry() -> None:
    """Keep the lock that the arguments describe, and end with the code of the C daemon."""
    _, _title, *words = sys.argv
    end = len(words) - 1 - words[::-1].index("--")
    pipes = [int(each) for each in words[end + 1 :]]
    sys.exit(daemon.run(Holding.of_words(words[:end]), pipes, Environment(os.environ)))
