#!/usr/bin/env python3
"""A promotable agent: one instance of a clone leads, the others follow."""

from __future__ import annotations

import os

from ocfkit import (
    PROMOTED,
    RUNNING,
    STOPPED,
    ActionError,
    Agent,
    Notice,
    State,
    action,
    main,
    param,
)


class Lead(Agent):
    """Do nothing in two roles, and remember in which.

    Each instance of a clone keeps a file with its role. An instance asks to be promoted with the
    score that is configured for it, so the one with the highest leads.
    """

    state = param.path("Folder for the file with the role.", default="/run")
    score = param.integer("How much this node wants to lead.", default=10, reloadable=True)

    @action
    def start(self) -> None:
        self.remember("following")
        self.ask_for_promotion()

    @action
    def stop(self) -> None:
        os.unlink(self.file())

    @action(interval="11s", promoted_interval="10s")
    def monitor(self) -> State:
        try:
            with open(self.file(), encoding="utf-8") as file:
                return PROMOTED if file.read() == "leading" else RUNNING
        except FileNotFoundError:
            return STOPPED

    @action
    def promote(self) -> None:
        self.remember("leading")

    @action
    def demote(self) -> None:
        self.remember("following")

    @action
    def notify(self, notice: Notice) -> None:
        for member in notice.promoting:
            self.log.info(f"{notice.when}-promote: {member}")

    @action
    def reload_agent(self) -> None:
        self.ask_for_promotion()

    def ask_for_promotion(self) -> None:
        """Tell the cluster our score; it works without, where no cluster runs."""
        try:
            self.cluster.set_promotion_score(self.score)
        except ActionError as error:
            self.log.warning(f"no promotion score: {error}")

    def file(self) -> str:
        return f"{self.state}/lead-{self.instance}.role"

    def remember(self, role: str) -> None:
        with open(self.file(), "w", encoding="utf-8") as file:
            file.write(role)


main(Lead)
