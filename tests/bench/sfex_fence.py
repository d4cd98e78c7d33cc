"""`ocfkit sfex hold` whose guardian has a fifo for /proc/sysrq-trigger, and no other means.

FIFO WORDS…; nothing is ended by it, and who reads from the fifo knows when it would have been.
"""

from __future__ import annotations

import sys

from ocfkit.__main__ import main
from ocfkit.agents.sfex import daemon, hold
from ocfkit.agents.sfex.guard import Guard
from ocfkit.agents.sfex.means import Means, Sysrq
from ocfkit.agents.sfex.timing import Timing
from ocfkit.linux import reboot

_PROGRAM = """\
import sys
sys.dont_write_bytecode = True
sys.path += {path!r}
import {module}
{module}.keep({fifo!r})
"""


def command(fifo: str, *words: str) -> int:
    """Its keeper runs `keep`."""
    path = [*sys.path, __file__.rpartition("/")[0]]
    program = _PROGRAM.format(path=path, module="sfex_fence", fifo=fifo)
    setattr(hold, "_PROGRAM", program)  # noqa: B010
    return main(["sfex", "hold", *words])


def keep(fifo: str) -> None:
    """As the keeper's own entry, but for the means."""
    from ocfkit.agents.sfex.__main__ import entry

    def armed(timing: Timing, **_: object) -> Guard:
        if not reboot.is_contained():
            raise LookupError("this is no pid namespace of its own")
        return Guard(Means([Sysrq(fifo)]), mode="enforce", fencing=timing.fencing)

    setattr(daemon, "armed", armed)  # noqa: B010
    entry()


if __name__ == "__main__":
    sys.exit(command(*sys.argv[1:]))
