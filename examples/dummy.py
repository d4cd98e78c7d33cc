#!/usr/bin/env python3
"""The smallest agent: it runs when its state file is there."""

from __future__ import annotations

import os

from ocfkit import RUNNING, STOPPED, Agent, State, action, main, param


class Dummy(Agent):
    """Do nothing, and remember whether it is running.

    It is for trying out a cluster, and for reading: every agent has these three actions.
    """

    state = param.path("File that is there while the dummy runs.", default=None, unique="state")

    def file(self) -> str:
        return self.state or f"/run/dummy-{self.instance}.state"

    @action(timeout="20s")
    def start(self) -> None:
        with open(self.file(), "w", encoding="utf-8"):
            pass

    @action(timeout="20s")
    def stop(self) -> None:
        os.unlink(self.file())

    @action(timeout="20s", interval="10s")
    def monitor(self) -> State:
        return RUNNING if os.path.exists(self.file()) else STOPPED


main(Dummy)
