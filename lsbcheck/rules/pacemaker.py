"""What Pacemaker makes of an init script's answers, in sentences for the operator on call.

The mapping of exit codes is `services_result2ocf` of Pacemaker 2.1. Failed starts are not repeated
on the node (start-failure-is-fatal), failed stops are fenced (on-fail), failed monitors are
recovered where they happened (migration-threshold): each is the default.
"""

from __future__ import annotations

from lsbcheck.transcript import Call

FALSE_START = (
    "Pacemaker believes that the service runs; the next monitor finds it stopped, and it is "
    "restarted on this node for ever instead of being moved to the other one."
)
LOST_START = (
    "Pacemaker takes the start for failed: it stops the healthy service and tries the other "
    "node, where the same happens, until no node is left."
)
HANGING_START = (
    "Pacemaker waits for its whole start timeout before it calls the start failed: every "
    "failover takes that much longer, and no reason reaches the log."
)
FALSE_PROBE = (
    "Pacemaker takes the service for running on every node that it probes, never notices that it "
    "is down, and never starts it."
)
FALSE_STOP = (
    "The cluster takes the node for clean and starts the service on the other one while it still "
    "runs here: two nodes write the same data."
)
FAILED_STOP = (
    "Pacemaker takes the stop for failed and fences the node, with everything else that runs on "
    "it; without fencing the service stays blocked until somebody cleans up."
)
FAILED_STOP_OF_NOTHING = (
    "Pacemaker also stops what does not run, after a failed start or monitor; it takes this for a "
    "failed stop and fences the node, or without fencing blocks the service."
)
HANGING_STOP = (
    "Pacemaker waits for its whole stop timeout and then fences the node; until then the service "
    "is started nowhere else, and no reason reaches the log."
)
HANGING_STATUS = (
    "Every monitor and probe uses up its whole timeout before Pacemaker calls it failed: what is "
    "wrong is noticed late, and no reason reaches the log."
)

_MEANINGS = {
    0: "running",
    1: "cleanly stopped",
    2: "cleanly stopped",
    3: "cleanly stopped",
    150: "not installed",
    151: "not permitted",
}


def reading(status: Call) -> str:
    """What Pacemaker reads from this answer to status, for example `cleanly stopped`."""
    if status.outcome != "exited" or status.code is None:
        return "failed"
    return _MEANINGS.get(status.code, "failed")


def healthy_taken_for_dead(status: Call) -> str:
    """The consequence when the status of a running service is not 0."""
    if status.outcome == "no-answer":
        return (
            "Every monitor of the healthy service runs into its timeout, and Pacemaker restarts "
            "it for ever."
        )
    if reading(status) == "cleanly stopped":
        return (
            f'Pacemaker reads {status.answer} as "cleanly stopped": after each monitor it starts '
            "the running service again, and after a probe also on a second node."
        )
    return (
        f'Pacemaker reads {status.answer} as "{reading(status)}" and stops and starts the healthy '
        "service after every monitor, for ever."
    )


def stopped_taken_for(status: Call) -> str:
    """The consequence when the status of a stopped service is not 3."""
    if status.outcome == "no-answer":
        return (
            "Each probe of a node where the service does not run uses up its timeout and counts "
            "as a failure, and Pacemaker stops the service to recover it."
        )
    meaning = reading(status)
    if meaning == "running":
        return FALSE_PROBE
    if meaning == "cleanly stopped":
        return (
            f"Pacemaker happens to read {status.answer} as stopped, too, but nobody can tell a "
            "service that was stopped from one that crashed."
        )
    return (
        f'Pacemaker reads {status.answer} as "{meaning}": each probe of a node where the service '
        "does not run counts as a failure, and Pacemaker stops the service to recover it."
    )
