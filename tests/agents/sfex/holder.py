"""`ocfkit sfex hold` with a guard that fences nothing and writes down what it is told.

python -m tests.agents.sfex.holder NOTES [SECTOR [SLOW]] -- ARGUMENTS: a SECTOR lets a plain file
stand for a device, which may be so many seconds SLOW when it is opened.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ocfkit.__main__ import main
from ocfkit.agents.sfex import hold, status
from ocfkit.agents.sfex.store import Store
from ocfkit.linux import process
from ocfkit.linux.blockdev import BlockDevice

_PROGRAM = """\
import sys
sys.path.append({root!r})
from tests.agents.sfex.holder import keep
keep({notes!r}, {sector}, {slow})
"""


class Notes:
    """A guard that keeps a diary: boot time, what, and of a deadline which."""

    missing = ()

    def __init__(self, path: str, predecessors: Sequence[status.Guardian] = ()) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self.where = (status.Guardian(process.identify(os.getpid()), 0, 0),)
        self._note(" ".join(["armed", *(str(each.process.pid) for each in predecessors)]))

    def report(self) -> list[str]:
        return []

    def deadline(self, boot: int) -> None:
        self._note(f"deadline {boot}")

    def stay(self) -> bool:
        return False

    def released(self) -> None:
        self._note("released")

    def fence(self, reason: str) -> None:
        self._note(f"fence {reason}")

    def _note(self, what: str) -> None:
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        os.write(self._file, f"{now} {os.getpid()} {what}\n".encode())


def program(notes: str, sector: int = 0, slow: float = 0.0) -> str:
    """What an interpreter runs for a keeper."""
    root = str(Path(__file__).parents[3])
    return _PROGRAM.format(root=root, notes=notes, sector=sector, slow=slow)


def run(argv: list[str]) -> int:
    """The command, which starts `keep` for a keeper."""
    place, *rest = argv
    before, words = rest[: rest.index("--")], rest[rest.index("--") + 1 :]
    sector, slow = [*before, "0", "0"][:2]
    setattr(hold, "_PROGRAM", program(place, int(sector), float(slow)))  # noqa: B010
    return main(["sfex", "hold", *words])


def keep(notes: str, sector: int, slow: float) -> None:
    """The keeper's process."""
    from ocfkit.agents.sfex import daemon
    from ocfkit.agents.sfex.__main__ import entry

    def armed(*_: object, predecessors: Sequence[status.Guardian], **__: object) -> Notes:
        guard = Notes(notes, predecessors)
        gate = Path(f"{notes}-gate")
        if gate.is_fifo():  # whoever opens it wants to say when it begins
            gate.read_bytes()
        return guard

    setattr(daemon, "armed", armed)  # noqa: B010
    if sector:
        setattr(daemon, "BlockDevice", functools.partial(BlockDevice, sector=sector))  # noqa: B010
    if slow:
        setattr(daemon, "Store", _slow(slow))  # noqa: B010
    entry()


def _slow(seconds: float) -> Callable[[BlockDevice, int], Store]:
    def opened(device: BlockDevice, index: int) -> Store:
        time.sleep(seconds)
        return Store(device, index)

    return opened


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
