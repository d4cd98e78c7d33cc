"""What an action ends with: the states that a monitor returns, and every exit code of OCF 1.1.

Numbers and names are those of OCF Resource Agent API 1.1, "Exit status codes"; 190 and 191 are
Pacemaker's. Plain numbers rather than an enum: importing that module alone would cost a third of
what an agent may.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    State = Literal[0, 7, 8, 9, 190, 191]
    """What a monitor returns; see the constants below."""

    ExitCode = Literal[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 190, 191]
else:
    State = ExitCode = int

SUCCESS: Literal[0] = 0
ERR_GENERIC: Literal[1] = 1
ERR_ARGS: Literal[2] = 2
ERR_UNIMPLEMENTED: Literal[3] = 3
ERR_PERM: Literal[4] = 4
ERR_INSTALLED: Literal[5] = 5
ERR_CONFIGURED: Literal[6] = 6

RUNNING: Literal[0] = 0
"""It runs; of a promotable one: in the unpromoted role."""

STOPPED: Literal[7] = 7
"""It is completely stopped, and nothing of it is left. In doubt raise ActionError instead."""

PROMOTED: Literal[8] = 8
"""It runs in the promoted role."""

FAILED_PROMOTED: Literal[9] = 9
"""It is in the promoted role, and does not work."""

DEGRADED: Literal[190] = 190
"""It runs, and will probably fail soon; the cluster does nothing but show it."""

DEGRADED_PROMOTED: Literal[191] = 191
"""The same in the promoted role."""

STATES = (RUNNING, STOPPED, PROMOTED, FAILED_PROMOTED, DEGRADED, DEGRADED_PROMOTED)

NAMES: dict[int, str] = {
    0: "success",
    1: "generic error",
    2: "invalid parameter",
    3: "unimplemented",
    4: "insufficient privileges",
    5: "not installed",
    6: "not configured",
    7: "not running",
    8: "promoted",
    9: "failed (promoted)",
    190: "degraded",
    191: "degraded (promoted)",
}


def is_active(state: State) -> bool:
    """Whether it runs, in whatever role and however well."""
    return state in (RUNNING, PROMOTED, DEGRADED, DEGRADED_PROMOTED)


def is_promoted(state: State) -> bool:
    """Whether it is in the promoted role."""
    return state in (PROMOTED, FAILED_PROMOTED, DEGRADED_PROMOTED)
