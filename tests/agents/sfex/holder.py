"""`ocfkit sfex hold` with a guard that fences nothing and writes down what it is told.

python -m tests.agents.sfex.holder NOTES [SECTOR] -- ARGUMENTS: a SECTOR lets a plain file stand for
a device.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from pathlib import Path

from ocfkit.__main__ import main
from ocfkit.agents.sfex import hold, status
from ocfkit.linux import process
from ocfkit.linux.blockdev import BlockDevice

_PROGRAM = """\
import sys
sys.path.append({root!r})
from tests.agents.sfex.holder import keep
keep({notes!r}, {sector})
"""


class Notes:
    """A guard that keeps a diary: boot time, what, and of a deadline which."""

    missing = ()

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self.where = status.Guardian(process.identify(os.getpid()), 0, 0)
        self._note("armed")

    def report(self) -> list[str]:
        return []

    def deadline(self, boot: int) -> None:
        self._note(f"deadline {boot}")

    def released(self) -> None:
        self._note("released")

    def fence(self, reason: str) -> None:
        self._note(f"fence {reason}")

    def _note(self, what: str) -> None:
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        os.write(self._file, f"{now} {os.getpid()} {what}\n".encode())


def program(notes: str, sector: int = 0) -> str:
    """What an interpreter runs for a keeper."""
    return _PROGRAM.format(root=str(Path(__file__).parents[3]), notes=notes, sector=sector)


def run(argv: list[str]) -> int:
    """The command, which starts `keep` for a keeper."""
    place, *rest = argv
    sector, words = rest[: rest.index("--")], rest[rest.index("--") + 1 :]
    setattr(hold, "_PROGRAM", program(place, int(sector[0]) if sector else 0))  # noqa: B010
    return main(["sfex", "hold", *words])


def keep(notes: str, sector: int) -> None:
    """The keeper's process."""
    from ocfkit.agents.sfex import daemon
    from ocfkit.agents.sfex.__main__ import entry

    def armed(*_: object, **__: object) -> Notes:
        return Notes(notes)

    setattr(daemon, "armed", armed)  # noqa: B010
    if sector:
        setattr(daemon, "BlockDevice", functools.partial(BlockDevice, sector=sector))  # noqa: B010
    entry()


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
