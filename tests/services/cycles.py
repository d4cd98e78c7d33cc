"""Start, monitor and stop an agent again and again; a machine's own python3 gets this as a file.

The job comes as JSON on standard input: {"agent": path, "env": …, "cycles": N}. The answer is what
was there afterwards and not before, and what took how long; a wrong exit code ends it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROUND = (
    ("start", "0", 0),
    ("monitor", "0", 0),
    ("monitor", "10", 0),
    ("stop", "0", 0),
    ("monitor", "0", 7),
)
"""Action, depth, and the code that it has to end with."""

PLACES = ("/run", "/tmp", "/dev/shm", "/dev/mqueue")  # noqa: S108 - in there they are private


def main() -> None:
    job = json.load(sys.stdin)
    run_round(job["agent"], job["env"])  # whatever a first start makes for ever, it makes now
    before = everything()
    seconds: dict[str, float] = {}
    for _ in range(job["cycles"]):
        for action, took in run_round(job["agent"], job["env"]).items():
            seconds[action] = seconds.get(action, 0.0) + took
    left = wait_for_the_same(before)
    json.dump({"left": left, "seconds": seconds}, sys.stdout)


def run_round(agent: str, env: dict[str, str]) -> dict[str, float]:
    """Do it once; what each action took."""
    took: dict[str, float] = {}
    for action, level, code in ROUND:
        began = time.monotonic()
        given = {**env, "OCF_CHECK_LEVEL": level}
        done = subprocess.run(
            [agent, action], env=given, capture_output=True, text=True, check=False, timeout=120
        )
        if done.returncode != code:
            sys.exit(f"{action} at depth {level}: {done.returncode}, not {code}: {done.stderr}")
        took[f"{action} {level}"] = time.monotonic() - began
    return took


def wait_for_the_same(before: set[str]) -> list[str]:
    """What is there besides, when five seconds have not changed it."""
    until = time.monotonic() + 5
    while (left := everything() ^ before) and time.monotonic() < until:
        time.sleep(0.1)
    return sorted(left)


def everything() -> set[str]:
    """Processes, files, listening sockets and shared memory, a line each."""
    return {*processes(), *files(), *sockets(), *shared_memory()}


def processes() -> list[str]:
    found: list[str] = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            argv = Path("/proc", pid, "cmdline").read_text("utf-8", "replace").split("\0")
        except OSError:
            continue
        found.append(f"process {' '.join(argv)}")
    return found


def files() -> list[str]:
    return [
        f"file {folder}/{name}"
        for place in PLACES
        for folder, folders, names in os.walk(place)
        for name in (*folders, *names)
    ]


def sockets() -> list[str]:
    rows = Path("/proc/net/tcp").read_text("utf-8").splitlines()[1:]
    listening = [row.split()[1] for row in rows if row.split()[3] == "0A"]
    named = [
        row.split()[7]
        for row in Path("/proc/net/unix").read_text("utf-8").splitlines()[1:]
        if len(row.split()) > 7
    ]
    return [f"socket {each}" for each in (*listening, *named)]


def shared_memory() -> list[str]:
    rows = Path("/proc/sysvipc/shm").read_text("utf-8").splitlines()[1:]
    return [f"shared memory {row.split()[0]}" for row in rows]


if __name__ == "__main__":
    main()
