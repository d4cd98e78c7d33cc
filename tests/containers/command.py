"""The command `lsbcheck` as a user calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
PATIENCE = 600.0

SERVICE = """\
#!/bin/sh
### BEGIN INIT INFO
# Provides:          lab
# Required-Start:    $remote_fs
# Required-Stop:     $remote_fs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: a daemon that sleeps
### END INIT INFO
PIDFILE=/run/lab.pid
running() { [ -e $PIDFILE ] && kill -0 "$(cat $PIDFILE)" 2>/dev/null; }
case $1 in
start)
    running && exit 0
    [ -x /usr/sbin/labd ] || exit 5
    /usr/sbin/labd || exit 1
    ;;
stop)
    running || exit 0
    kill "$(cat $PIDFILE)"
    while running; do sleep 0.05; done
    rm -f $PIDFILE
    ;;
status)
    [ -x /usr/sbin/labd ] || exit 4
    running || exit 3
    ;;
restart|force-reload) $0 stop && $0 start;;
*) exit 2;;
esac
"""
DAEMON = """\
#!/bin/sh
setsid sleep 47110815 >/dev/null 2>&1 </dev/null &
echo $! >/run/lab.pid
"""
LAB = {
    "/etc/init.d/lab": (SERVICE.encode(), 0o755),
    "/usr/sbin/labd": (DAEMON.encode(), 0o755),
}
"""A service that every root with a shell can run."""


@dataclass(frozen=True, slots=True)
class Said:
    """How the command ended."""

    pid: int
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.out)

    @property
    def verdicts(self) -> dict[str, dict[str, str]]:
        """By script and rule."""
        return {
            each["name"]: {rule["id"]: rule["verdict"] for rule in each["rules"]}
            for each in self.document["scripts"]
        }


def lsbcheck(*words: str, environ: Mapping[str, str] | None = None, site: bool = True) -> Said:
    """Run it to its end; `site`: with the packages of the environment."""
    with started(*words, environ=environ, site=site) as process:
        out, err = process.communicate(timeout=PATIENCE)
    return Said(process.pid, process.returncode, out, err)


@contextmanager
def started(
    *words: str, environ: Mapping[str, str] | None = None, site: bool = True
) -> Generator[subprocess.Popen[str]]:
    """The command under way; killed at the end of the block if it still runs."""
    process = subprocess.Popen(
        [sys.executable, *([] if site else ["-S"]), "-B", "-m", "lsbcheck", *words],
        cwd=REPOSITORY,
        env={**os.environ, **(environ or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()
