"""`ocfkit sfex hold` with a guard that fences nothing and writes down what it is told.

python -m tests.agents.sfex.holder NOTES [SECTOR] -- ARGUMENTS: a SECTOR lets a plain file stand for
a device.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
import time

from ocfkit.__main__ import main
from ocfkit.agents.sfex import hold, tool
from ocfkit.linux.blockdev import BlockDevice


class Notes:
    """A guard that keeps a diary: boot time, what, and of a deadline which."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._note("armed")

    def deadline(self, boot: int) -> None:
        self._note(f"deadline {boot}")

    def released(self) -> None:
        self._note("released")

    def fence(self, reason: str) -> None:
        self._note(f"fence {reason}")

    def _note(self, what: str) -> None:
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        os.write(self._file, f"{now} {os.getpid()} {what}\n".encode())


def run(argv: list[str]) -> int:
    place, *rest = argv
    before, words = rest[: rest.index("--")], rest[rest.index("--") + 1 :]
    if before:
        setattr(hold, "BlockDevice", functools.partial(BlockDevice, sector=int(before[0])))  # noqa: B010
    unguarded = tool.hold

    def guarded(arguments: argparse.Namespace) -> int:
        return unguarded(arguments, functools.partial(Notes, place))

    setattr(tool, "hold", guarded)  # noqa: B010
    return main(["sfex", "hold", *words])


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
