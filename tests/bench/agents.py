"""What an agent costs: processor time beside the bare interpreter and resource-agents' own.

Everything runs in one machine of Debian 12 with its own python3, in turn, in one run. Nothing here
can fail: a benchmark is not a timed test. With --write the table becomes
docs/reference/agent-cost.md.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP)]  # run as a file, by ./dev bench

from tests.bench.lsbcheck import facts, table  # noqa: E402
from tests.digest import digest  # noqa: E402
from tests.services import roots  # noqa: E402
from tests.services.cluster_tools import Machine, build_wheel  # noqa: E402

PAGE = TOP / "docs/reference/agent-cost.md"
EXAMPLES = "/usr/local/lib/ocfkit-examples"
OURS = "/usr/lib/ocf/resource.d/ocfkit"
HEARTBEAT = "/usr/lib/ocf/resource.d/heartbeat"
SPENT = Path(__file__).with_name("spent.py")

BARE = "`python3 -IS -c pass`"
DUMMYPY = "heartbeat:dummypy"

DECIDING = (
    "ocfkit/*.py",
    "ocfkit/linux/*.py",
    "ocfkit/monitors/*.py",
    "agents/*.py",
    "agents/pgsql/*.py",
    "examples/*.py",
    "tests/bench/agents.py",
)
"""What a figure depends on: the framework, the measured agents, and what measures them."""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that is measured."""

    name: str
    argv: Sequence[str]
    parameters: Mapping[str, str]
    code: int
    """What it has to end with, or it was something else that was measured."""
    level: int = 0

    def env(self) -> dict[str, str]:
        """What the executor sets, as far as an agent looks at it."""
        given = {f"OCF_RESKEY_{name}": value for name, value in self.parameters.items()}
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "OCF_ROOT": "/usr/lib/ocf",
            "OCF_RA_VERSION_MAJOR": "1",
            "OCF_RA_VERSION_MINOR": "1",
            "OCF_RESOURCE_INSTANCE": "lab",
            "OCF_RESKEY_CRM_meta_timeout": "20000",
            "OCF_RESKEY_CRM_meta_interval": "10000",
            "OCF_CHECK_LEVEL": str(self.level),
            **given,
        }


STATE = {"state": "/run/lab.state"}

NGINX = """\
events {{}}
pid /run/{name}.pid;
error_log /var/log/nginx/{name}.log;
http {{ server {{
    listen 127.0.0.1:{port};
    location / {{ return 200 "<html><body>It works</body></html>"; }}
    location /nginx_status {{ stub_status; }}
}} }}
"""
WEB = {
    "httpd": "/usr/sbin/nginx",
    "configfile": "/lab/ours.conf",
    "statusurl": "http://127.0.0.1:8001/",
    "testregex": "</html>",
}
HEARTBEAT_NGINX = {
    "httpd": "/usr/sbin/nginx",
    "configfile": "/lab/peer.conf",
    "status10url": "http://127.0.0.1:8002/nginx_status",
}
HEARTBEAT_APACHE = {
    "httpd": "/usr/sbin/apache2",
    "configfile": "/etc/apache2/apache2.conf",
    "envfiles": "/etc/apache2/envvars",
    "statusurl": "http://127.0.0.1:80/server-status",
    "testurl": "/",
    "testregex10": "</html>",
}
DATABASE = {
    "pgctl": "/usr/lib/postgresql/15/bin/pg_ctl",
    "pgdata": "/var/lib/postgresql/15/main",
    "config": "/etc/postgresql/15/main/postgresql.conf",
    "socketdir": "/var/run/postgresql",
    "start_opt": "-c ssl=off",
}

CASES = (
    Case(BARE, ["/usr/bin/python3", "-IS", "-c", "pass"], {}, 0),
    Case("examples/dummy meta-data", [f"{OURS}/dummy", "meta-data"], {}, 0),
    Case("examples/dummy monitor", [f"{OURS}/dummy", "monitor"], STATE, 0),
    Case("examples/memcached monitor", [f"{OURS}/memcached", "monitor"], {}, 0),
    Case("examples/memcached monitor, depth 10", [f"{OURS}/memcached", "monitor"], {}, 0, 10),
    Case("http monitor", [f"{OURS}/http", "monitor"], WEB, 0),
    Case("http monitor, depth 10", [f"{OURS}/http", "monitor"], WEB, 0, 10),
    Case("heartbeat:nginx monitor", [f"{HEARTBEAT}/nginx", "monitor"], HEARTBEAT_NGINX, 0),
    Case(
        "heartbeat:nginx monitor, depth 10",
        [f"{HEARTBEAT}/nginx", "monitor"],
        HEARTBEAT_NGINX,
        0,
        10,
    ),
    Case("heartbeat:apache monitor", [f"{HEARTBEAT}/apache", "monitor"], HEARTBEAT_APACHE, 0),
    Case(
        "heartbeat:apache monitor, depth 10",
        [f"{HEARTBEAT}/apache", "monitor"],
        HEARTBEAT_APACHE,
        0,
        10,
    ),
    Case("pgsql monitor", [f"{OURS}/pgsql", "monitor"], DATABASE, 0),
    Case("pgsql monitor, depth 10", [f"{OURS}/pgsql", "monitor"], DATABASE, 0, 10),
    Case("heartbeat:pgsql monitor", [f"{HEARTBEAT}/pgsql", "monitor"], DATABASE, 0),
    Case("heartbeat:dummypy meta-data", [f"{HEARTBEAT}/dummypy", "meta-data"], STATE, 0),
    Case("heartbeat:dummypy monitor", [f"{HEARTBEAT}/dummypy", "monitor"], STATE, 0),
    Case("heartbeat:Dummy meta-data (shell)", [f"{HEARTBEAT}/Dummy", "meta-data"], STATE, 0),
    Case("heartbeat:Dummy monitor (shell)", [f"{HEARTBEAT}/Dummy", "monitor"], STATE, 0),
)

AIMS = (
    ("examples/dummy meta-data", BARE, 1.5),
    ("examples/dummy monitor", BARE, 1.5),
    ("examples/dummy meta-data", "heartbeat:dummypy meta-data", 0.5),
    ("examples/dummy monitor", "heartbeat:dummypy monitor", 0.5),
    ("http monitor, depth 10", "heartbeat:nginx monitor, depth 10", 0.5),
    ("http monitor, depth 10", "heartbeat:apache monitor, depth 10", 0.5),
    ("http monitor, depth 10", "heartbeat:apache monitor", 0.5),
    ("pgsql monitor, depth 10", "heartbeat:pgsql monitor", 0.5),
)
"""What is promised: the first costs at most so many times the second."""


STARTED = (
    "examples/memcached monitor",
    "http monitor",
    "heartbeat:nginx monitor",
    "heartbeat:apache monitor",
    "heartbeat:pgsql monitor",
)
"""Whose agents start a service first."""


def code_digest() -> str:
    """A digest of the code that a figure depends on."""
    return digest(path for pattern in DECIDING for path in sorted(TOP.glob(pattern)))


def published_digest() -> str:
    """The digest of the code that the page speaks of, "" if it names none."""
    found = re.search(r"^Code measured: `(\w+)`$", PAGE.read_text("utf-8"), re.MULTILINE)
    return found[1] if found else ""


def laboratory(place: Path) -> Machine:
    """A machine with the examples installed and running."""
    files = {
        f"{EXAMPLES}/{path.name}": path.read_text("utf-8") for path in TOP.glob("examples/*.py")
    }
    cases = {case.name: {"argv": [*case.argv], "env": case.env()} for case in CASES}
    files |= {
        f"/lab/{name}.conf": NGINX.format(name=name, port=port)
        for name, port in {"ours": 8001, "peer": 8002}.items()
    }
    started = {case.argv[0]: case for case in CASES if case.name in STARTED}
    return replace(
        Machine(roots.root("servers"), build_wheel(place)),
        files={**files, "/lab/spent.py": SPENT.read_text("utf-8"), "/lab/cases": json.dumps(cases)},
        prepare=[
            ["ocfkit", "install"],
            ["ocfkit", "install", f"{EXAMPLES}/dummy.py", f"{EXAMPLES}/memcached.py"],
            *(
                [
                    "env",
                    "-i",
                    *(f"{name}={value}" for name, value in case.env().items()),
                    agent,
                    "start",
                ]
                for agent, case in started.items()
            ),
            ["touch", STATE["state"]],
        ],
    )


def measure(rounds: int) -> dict[str, float]:
    """The median of each case in milliseconds; raises RuntimeError where one did something else."""
    job = f'{{"rounds": {rounds}, "cases": \'"$(cat /lab/cases)"\'}}'
    with tempfile.TemporaryDirectory() as place:
        command = f"echo '{job}' | /usr/bin/python3 -IS /lab/spent.py"
        with contextlib.redirect_stdout(
            io.StringIO()
        ):  # each command that it runs, and all figures
            (done,) = laboratory(Path(place)).run(command, limit=600)
    spent = json.loads(done.stdout)
    for case in CASES:
        codes = {int(code) for _, code in spent[case.name]}
        if codes != {case.code}:
            raise RuntimeError(f"{case.name} ended with {codes}, not with {case.code}")
    return {name: median(each for each, _ in rows) for name, rows in spent.items()}


def told(figures: Mapping[str, float]) -> Iterator[str]:
    """The tables of a run."""
    bare = figures[BARE]
    yield "## Promises"
    yield ""
    rows: list[tuple[str, ...]] = []
    for ours, peer, most in AIMS:
        ratio = figures[ours] / figures[peer]
        met = "met" if ratio <= most else "**not met**"
        rows.append((f"{ours}, beside {peer}", f"{most:g} times", f"{ratio:.2f} times", met))
    yield from table(("aim", "at most", "measured", ""), rows)
    yield ""
    yield "## All figures"
    yield ""
    shown = [(name, f"{value:.1f}", f"{value / bare:.2f}") for name, value in figures.items()]
    yield from table(("", "CPU ms", "times the bare interpreter"), shown)


HEAD = """\
# What an agent costs

Processor time (user and system, of the whole process tree) of one call, median of {rounds}, all
cases in turn in one run, in a Debian 12 with its own python3. Written by
`sudo ./dev bench agents --write`; what is loaded, and why so little, is told in
[why an agent is cheap](../explanation/cheap-agents.md).

Code measured: `{digest}`

{facts}
"""


def main() -> int:
    """Measure, print, and perhaps publish; the exit code says only that it was done."""
    about = (__doc__ or "").split("\n", maxsplit=1)[0]
    parser = argparse.ArgumentParser(prog="./dev bench agents", description=about)
    parser.add_argument("--write", action="store_true", help=f"publish {PAGE.relative_to(TOP)}")
    parser.add_argument("--rounds", type=int, default=40, help="of each case (default: 40)")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        parser.exit(2, "bench: its machine is made as root: sudo ./dev bench agents\n")
    digest = code_digest()
    known = facts()
    lines = list(told(measure(arguments.rounds)))
    print(*lines, sep="\n")
    if arguments.write and digest != code_digest():
        parser.exit(1, "bench: the code has changed meanwhile: nothing is written\n")
    if arguments.write:
        listed = "\n".join(f"- {fact}" for fact in known)
        head = HEAD.format(rounds=arguments.rounds, digest=digest, facts=listed)
        PAGE.write_text("\n".join([head, *lines, ""]), "utf-8")
        print(f"\nwritten: {PAGE.relative_to(TOP)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
