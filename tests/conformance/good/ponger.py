#!/usr/bin/python3 -IS
"""The agent of the service beside it, in Python: correct as far as the rules can tell."""

import os
import signal
import subprocess
import sys
import time
from typing import NoReturn

SERVICE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pinger.py")
PYTHON = ["/usr/bin/python3", "-IS", SERVICE]
NAME = os.environ.get("OCF_RESKEY_name", "")  # noqa: SIM112 - as OCF spells it
PORT = os.environ.get("OCF_RESKEY_port", "7007")  # noqa: SIM112
PID_FILE = f"/run/ponger-{NAME}.pid"
COMMAND = [*PYTHON, "serve", PORT, PID_FILE]

META_DATA = """\
<?xml version="1.0"?>
<resource-agent name="ponger" version="1.0">
<version>1.1</version>
<longdesc lang="en">Runs a service that says pong to whoever says ping.</longdesc>
<shortdesc lang="en">Says pong</shortdesc>
<parameters>
<parameter name="name" unique-group="name" required="1">
<longdesc lang="en">What this one is called; its pid file is named after it.</longdesc>
<shortdesc lang="en">Name</shortdesc>
<content type="string"/>
</parameter>
<parameter name="port" unique-group="port">
<longdesc lang="en">The port on 127.0.0.1.</longdesc>
<shortdesc lang="en">Port</shortdesc>
<content type="integer" default="7007"/>
</parameter>
<parameter name="password">
<longdesc lang="en">Of nobody.</longdesc>
<shortdesc lang="en">Password</shortdesc>
<content type="string"/>
</parameter>
</parameters>
<actions>
<action name="start" timeout="20s"/>
<action name="stop" timeout="20s"/>
<action name="monitor" timeout="20s" interval="10s" depth="0"/>
<action name="monitor" timeout="20s" interval="60s" depth="10"/>
<action name="meta-data" timeout="5s"/>
<action name="validate-all" timeout="20s"/>
</actions>
</resource-agent>
"""


def fail(code: int, reason: str) -> NoReturn:
    """Tell why, and end."""
    sys.stderr.write(f"ocf-exit-reason:{reason}\n")
    sys.exit(code)


def meta_data() -> None:
    """Say what it is."""
    sys.stdout.write(META_DATA)


def validate() -> None:
    """End with 6 where a parameter is wrong."""
    if not NAME.isalnum():
        fail(6, "name has to be letters and digits")
    if not PORT.isdecimal():
        fail(6, "port is no number")


def found() -> int | None:
    """The service's process; by its arguments, since a pid file may name anything."""
    try:
        with open(PID_FILE) as file:
            pid = int(file.read())
        with open(f"/proc/{pid}/cmdline") as file:
            words = file.read().split("\0")[:-1]
    except (OSError, ValueError):
        return None
    return pid if words == COMMAND else None


def monitor() -> None:
    """End with 7 where nothing runs, with 1 where it does not answer."""
    pid = found() if NAME else None
    if pid is None:
        sys.exit(7)
    if int(os.environ.get("OCF_CHECK_LEVEL", "0")) < 10:
        return
    asked = subprocess.run([*PYTHON, "ask", PORT], stderr=subprocess.DEVNULL, check=False)
    if asked.returncode:
        fail(1, f"process {pid} does not say pong on port {PORT}")


def need_root() -> None:
    """End with 4 without it."""
    if os.geteuid():
        fail(4, "only root can do that")


def start() -> None:
    """Start it, and wait until it is there."""
    validate()
    if not os.path.exists(SERVICE):
        fail(5, f"there is no {SERVICE}")
    need_root()
    if found():
        return
    nothing = subprocess.DEVNULL
    child = subprocess.Popen(COMMAND, stdin=nothing, stdout=nothing, stderr=nothing)
    while not found():
        if child.poll() is not None:
            fail(1, f"the service ended at once; is port {PORT} free?")
        time.sleep(0.05)


def stop() -> None:
    """Kill it, and wait until it is gone."""
    if not NAME:
        return
    need_root()
    pid = found()
    until = time.monotonic() + 2
    if pid:
        os.kill(pid, signal.SIGKILL)
    while found():
        if time.monotonic() > until:
            fail(1, f"process {pid} does not end")
        time.sleep(0.05)
    if os.path.exists(PID_FILE):
        os.unlink(PID_FILE)


ACTIONS = {
    "meta-data": meta_data,
    "validate-all": validate,
    "monitor": monitor,
    "start": start,
    "stop": stop,
}

if __name__ == "__main__":
    if sys.argv[1] not in ACTIONS:
        fail(3, f"there is no action {sys.argv[1]}")
    ACTIONS[sys.argv[1]]()
