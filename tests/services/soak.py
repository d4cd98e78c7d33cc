"""Start, monitor and stop each shipped agent a thousand times: nothing may be left behind.

    ./dev soak [--cycles N] [AGENT…]

Each agent runs a real service in a machine of its own, and all of them at once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP)]  # run as a file, by ./dev soak

from tests.services import roots  # noqa: E402
from tests.services.cluster_tools import Machine, build_wheel  # noqa: E402

CYCLES = Path(__file__).with_name("cycles.py")

NGINX = """\
pid /run/soak.pid;
error_log /var/log/nginx/soak.log;
events {}
http { server { listen 127.0.0.1:8001; location / { return 200 "It works"; } } }
"""

AGENTS = {
    "http": {
        "httpd": "/usr/sbin/nginx",
        "configfile": "/lab/nginx.conf",
        "port": "8001",
        "statusurl": "http://127.0.0.1:8001/",
        "testregex": "It works",
    },
    "pgsql": {
        "pgdata": "/var/lib/postgresql/15/main",
        "start_opt": "-c ssl=off",  # which would be slow here, and needs no test
    },
    "service": {"init_script": "/etc/init.d/snmpd", "check_command": "true"},
}
"""Name → parameters of a service that is in the root."""


@dataclass(frozen=True, slots=True)
class Soaked:
    """What was seen of one agent."""

    agent: str
    left: list[str]
    """What was there afterwards and not before, or before and not afterwards."""
    seconds: dict[str, float]
    """Action → what it took in all."""


def soak(agent: str, wheel: Path, cycles: int) -> Soaked:
    """Raises MachineError, or AssertionError with a wrong exit code."""
    env = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "OCF_ROOT": "/usr/lib/ocf",
        "OCF_RESOURCE_INSTANCE": "soak",
        "OCF_RESKEY_CRM_meta_timeout": "60000",
        "OCF_RESKEY_CRM_meta_interval": "10000",
        **{f"OCF_RESKEY_{name}": value for name, value in AGENTS[agent].items()},
    }
    job = {"agent": f"/usr/lib/ocf/resource.d/ocfkit/{agent}", "env": env, "cycles": cycles}
    machine = replace(
        Machine(roots.root("servers"), wheel),
        files={
            "/lab/cycles.py": CYCLES.read_text("utf-8"),
            "/lab/nginx.conf": NGINX,
            "/lab/job": json.dumps(job),
        },
        prepare=[["ocfkit", "install"]],
    )
    (done,) = machine.run("python3 /lab/cycles.py </lab/job", limit=60 + 10 * cycles)
    assert done.code == 0, done.stderr
    return Soaked(agent, **json.loads(done.stdout))


def soak_all(agents: list[str], cycles: int) -> list[Soaked]:
    """All of them at once, each in a machine of its own."""
    roots.root("servers")
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor() as pool:
        wheel = build_wheel(Path(place))
        running = [pool.submit(soak, agent, wheel, cycles) for agent in agents]
        return [each.result() for each in running]


def main() -> int:
    """Print what was seen; 1 when something is left."""
    parser = argparse.ArgumentParser(prog="./dev soak", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("agents", nargs="*", metavar="AGENT", help=", ".join(AGENTS))
    parser.add_argument("--cycles", type=int, default=1000, help="of each (default: 1000)")
    arguments = parser.parse_args()
    for agent in arguments.agents:
        if agent not in AGENTS:
            parser.error(f"there is no agent {agent} to soak; there are: {', '.join(AGENTS)}")
    if os.geteuid() != 0:
        parser.exit(2, "soak: its machines are made as root: sudo ./dev soak\n")
    seen = soak_all(arguments.agents or list(AGENTS), arguments.cycles)
    for each in seen:
        took = ", ".join(
            f"{action} {1000 * total / arguments.cycles:.0f} ms"
            for action, total in each.seconds.items()
        )
        left = "nothing is left" if not each.left else f"LEFT: {'; '.join(each.left)}"
        print(f"{each.agent}: {arguments.cycles} cycles, {left} ({took})")
    return int(any(each.left for each in seen))


if __name__ == "__main__":
    sys.exit(main())
