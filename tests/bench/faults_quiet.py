"""The reverse of the scoreboard: a hard time that is no fault, and not one failure recorded."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.faults_cell import RESOURCE, Bench, Subject, UnmeasuredError, reset
from tests.bench.faults_history import Node

MONITORS = 300
INTERVAL = 1

_PAGES = "grep -c 'GET /status' /var/log/nginx/access.log"
_QUERIES = "grep -c 'statement: select state from pulse' /var/log/postgresql/lab.log"

_LOOP = "(setsid sh -c '{}' hardship >/dev/null 2>&1 &)\n"
_END = "pkill -9 -f '^sh -c .* hardship$'; true\n"


@dataclass(frozen=True, slots=True)
class Hardship:
    """What is made hard; the scripts run as root in the node."""

    name: str
    told: str
    begin: str = ""
    end: str = _END
    proof: str = ""
    """Prints what the node had of it."""
    megabytes: int = 0
    """Megabytes a second that its disk still gives."""


HARDSHIPS = (
    Hardship(
        "processor",
        "two endless loops on each processor of the machine, which all of this shares",
        "for each in $(seq $(($(nproc) * 2))); do\n" + _LOOP.format("while :; do :; done") + "done",
        proof="echo load $(cut -d' ' -f1 /proc/loadavg)",
    ),
    Hardship(
        "slow disk",
        "1 MiB a second in each direction (blkio throttle), while another program writes all the "
        "time",
        _LOOP.format(
            "while :; do dd if=/dev/zero of=/var/tmp/lab bs=256k count=16 oflag=direct "
            "2>/var/tmp/lab.new; mv /var/tmp/lab.new /var/tmp/lab.log; done"
        ),
        _END + "pkill -9 -x dd; rm -f /var/tmp/lab*",
        proof="sed -n 's/.*, /the other program wrote /p' /var/tmp/lab.log",
        megabytes=1,
    ),
    Hardship(
        "lost packets",
        "5 of 100 packets on the loopback are dropped (iptables, statistic)",
        "iptables -A INPUT -i lo -m statistic --mode random --probability 0.05 -j DROP",
        "iptables -F INPUT",
        proof="iptables -nvxL INPUT | awk '/statistic/ {print $1 \" packets were dropped\"}'",
    ),
    Hardship(
        "reloads",
        "the server and the database read their configuration again, twice a second",
        _LOOP.format(
            'while :; do pkill -HUP -o -x "nginx|apache2"; pkill -HUP -o -x postgres; '
            "echo >>/var/tmp/lab.log; sleep 0.5; done"
        ),
        _END + "rm -f /var/tmp/lab*",
        proof="echo $(wc -l </var/tmp/lab.log) reloads",
    ),
)


@dataclass(frozen=True, slots=True)
class Quiet:
    """What was seen of one agent in a hard time."""

    hardship: str
    subject: str
    monitors: int = 0
    seconds: float = 0.0
    failures: Sequence[str] = ()
    proof: str = ""
    """What shows that it was hard."""
    unmeasured: str = ""


def watch(
    bench: Bench, subjects: Sequence[Subject], hardship: Hardship, wanted: int
) -> list[Quiet]:
    """Have so many monitors made of each subject, one a second, and take the failures down."""
    names = {f"{RESOURCE}-{each.about}": each for each in subjects}
    try:
        _start(bench, names)
        try:
            _begin(bench.here, hardship)
            return _counted(bench, names, hardship, wanted)
        finally:
            _end(bench.here, hardship)
    except UnmeasuredError as error:
        return [Quiet(hardship.name, each.name, unmeasured=str(error)) for each in subjects]
    finally:
        bench.remove(*names)


def _start(bench: Bench, names: dict[str, Subject]) -> None:
    bench.require_nodes()
    reset(bench.nodes)
    bench.history.begin(*names)
    for name, subject in names.items():
        bench.configure(
            subject.text(None, interval=INTERVAL, name=name)
            + f"location {name}-here {name} 50: {bench.here.name}\n"
        )
    for name in names:
        bench.require_monitor(name)


def _counted(
    bench: Bench, names: dict[str, Subject], hardship: Hardship, wanted: int
) -> list[Quiet]:
    first = {name: _count(bench.here, each) for name, each in names.items()}
    began = time.monotonic()
    made = dict.fromkeys(names, 0)
    while min(made.values()) < wanted and time.monotonic() - began < 2.5 * wanted:
        time.sleep(1)
        bench.history.look()
        made = {name: _count(bench.here, each) - first[name] for name, each in names.items()}
    seconds = time.monotonic() - began
    proof = bench.here.run(["sh", "-c", hardship.proof]).stdout.strip()
    return [
        Quiet(hardship.name, each.name, made[name], seconds, bench.history.failures(name), proof)
        for name, each in names.items()
    ]


def _count(node: Node, subject: Subject) -> int:
    """How often the page or the table was asked for, as the server itself has it on record."""
    said = node.run(["sh", "-c", _PAGES if subject.about == "web" else _QUERIES]).stdout.strip()
    return int(said) if said.isdecimal() else 0


def _begin(node: Node, hardship: Hardship) -> None:
    if hardship.megabytes:
        _throttle(node, hardship.megabytes << 20)
    node.run(["sh", "-c", hardship.begin])


def _end(node: Node, hardship: Hardship) -> None:
    node.run(["sh", "-c", hardship.end])
    if hardship.megabytes:
        _throttle(node, 0)


def _throttle(node: Node, rate: int) -> None:
    """Let the disk below the node give so many bytes a second; 0 takes the limit away."""
    node.container.reload()
    pid = node.container.attrs["State"]["Pid"]
    device = _disk(node)
    for line in Path(f"/proc/{pid}/cgroup").read_text("utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "blkio":
            group = Path(f"/sys/fs/cgroup/blkio{path}")
            for way in ("read", "write"):
                (group / f"blkio.throttle.{way}_bps_device").write_text(f"{device} {rate}")
            return
        if not controllers and Path(f"/sys/fs/cgroup{path}/io.max").exists():
            limit = rate or "max"
            text = f"{device} rbps={limit} wbps={limit}"
            Path(f"/sys/fs/cgroup{path}/io.max").write_text(text)
            return
    raise UnmeasuredError("this machine has no control group to slow a disk with")


def _disk(node: Node) -> str:
    """Major and minor number of the device that its file system lies on."""
    upper = node.container.attrs["GraphDriver"]["Data"]["UpperDir"]
    ask = ["findmnt", "--noheadings", "--output", "MAJ:MIN", "--target", upper]
    found = subprocess.run(ask, capture_output=True, text=True, check=False).stdout.strip()
    block = Path(f"/sys/dev/block/{found}")
    if not block.exists():
        raise UnmeasuredError("its file system lies on no block device")
    if (block / "partition").exists():  # the limit is that of the whole disk
        return (block.resolve().parent / "dev").read_text("utf-8").strip()
    return found
