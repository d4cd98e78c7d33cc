"""One cell of the scoreboard: an agent, a fault, and what the cluster made of it."""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from docker.errors import APIError

from tests.bench.faults_history import Done, History, Node, Operation
from tests.bench.faults_right import Fault, Kind, Reaction
from tests.bench.faults_services import (
    BINARIES,
    CONFIG,
    DATA,
    HTTPS,
    LEFTOVERS,
    PAGE,
    QUERY,
    RESET,
    SET_UP,
    SOCKETS,
    URL,
    files,
)

INTERVAL, TIMEOUT = 5, 10
WITHIN = INTERVAL + TIMEOUT
"""Seconds within which a fault has to be on record."""

RESOURCE = "lab"
_COLOUR = re.compile(r"\x1b\[\d*m")
_SETTLED = 45.0
"""Seconds that the cluster gets to do something about a failure."""

STOPPED = 7
DEGRADED = (190, 191)


class UnmeasuredError(Exception):
    """Why there is no figure, in one line."""

    def __init__(self, why: str) -> None:
        super().__init__(" ".join(_COLOUR.sub("", why).split()))


@dataclass(frozen=True, slots=True)
class Subject:
    """An agent as a sensible user configures it."""

    name: str
    about: Kind
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    over_https: Mapping[str, str] = field(default_factory=dict[str, str])
    """What is different where the page is asked for over TLS."""
    level: int = 0
    """OCF_CHECK_LEVEL of its monitor."""
    server: str = "nginx"
    pid_file: str = "/run/nginx.pid"

    def text(self, fault: Fault | None, *, interval: int = INTERVAL, name: str = RESOURCE) -> str:
        """The resource in crmsh's language."""
        given = {**self.parameters, **(self.over_https if fault and fault.https else {})}
        words = "".join(f" {key}='{value}'" for key, value in given.items())
        level = f" OCF_CHECK_LEVEL={self.level}" if self.level else ""
        return (
            f"primitive {name} {self.name}"
            + (f" params{words}" if words else "")
            + f" op monitor interval={interval}s timeout={TIMEOUT}s{level}"
            " op start interval=0 timeout=20s op stop interval=0 timeout=20s\n"
        )


SUBJECTS = (
    Subject("lsb:nginx", "web"),
    Subject(
        "ocf:heartbeat:nginx",
        "web",
        {
            "httpd": "/usr/sbin/nginx",
            "configfile": "/etc/nginx/nginx.conf",
            "status10url": URL,
            "status10regex": PAGE,
        },
        {"status10url": HTTPS},
        level=10,
    ),
    Subject(
        "ocf:heartbeat:apache",
        "web",
        {
            "httpd": "/usr/sbin/apache2",
            "configfile": "/etc/apache2/apache2.conf",
            "envfiles": "/etc/apache2/envvars",
            "statusurl": URL,
            "testregex": PAGE,
            "testurl": URL,
            "testregex10": PAGE,
        },
        {"statusurl": HTTPS, "testurl": HTTPS},
        level=10,
        server="apache2",
        pid_file="/run/apache2/apache2.pid",
    ),
    Subject(
        "ocf:ocfkit:http",
        "web",
        {
            "httpd": "/usr/sbin/nginx",
            "configfile": "/etc/nginx/nginx.conf",
            "port": "80",
            "statusurl": URL,
            "testregex": PAGE,
        },
        {"statusurl": HTTPS},
        level=10,
    ),
    Subject("lsb:postgresql", "database"),
    Subject(
        "ocf:heartbeat:pgsql",
        "database",
        {
            "pgctl": f"{BINARIES}/pg_ctl",
            "psql": f"{BINARIES}/psql",
            "pgdata": DATA,
            "config": CONFIG,
            "socketdir": SOCKETS,
            "monitor_sql": QUERY,
        },
    ),
    Subject(
        "ocf:ocfkit:pgsql",
        "database",
        {
            "pgctl": f"{BINARIES}/pg_ctl",
            "pgdata": DATA,
            "config": CONFIG,
            "socketdir": SOCKETS,
            "monitor_sql": QUERY,
        },
        level=10,
    ),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """What was measured."""

    fault: str
    subject: str
    seconds: float | None = None
    """From the fault to its record; None when there was none in time."""
    code: int = 0
    reason: str = ""
    reaction: Reaction = "nothing"
    start_reason: str = ""
    """Why a start failed on the way."""
    left: Sequence[str] = ()
    """What was there after the stop."""
    stop_code: int = 0
    """Of the stop that was asked for in the end."""
    shown: bool = False
    """Whether `crm_mon` shows that reason."""
    unmeasured: str = ""

    def detected(self) -> bool:
        """Whether a failure, or a degraded service, is on record in time."""
        return self.seconds is not None

    def is_handled(self, fault: Fault) -> bool:
        """Whether the code is right, and what the cluster did about it."""
        right = fault.right
        met = self.code in right.codes and self.reaction in right.reactions
        return met and not self.unmeasured and not self.stop_code

    def is_right(self, fault: Fault) -> bool:
        """Whether the reason tells what it should besides, and nothing is left."""
        tells = self.code in (0, STOPPED) or re.search(fault.right.says, self.reason) is not None
        return self.is_handled(fault) and tells and not self.left


def prepare(nodes: Sequence[Node]) -> None:
    """Set the services up on each node, once."""
    for node in nodes:
        for path, text in files().items():
            node.put(path, text)
        _shell(node, "set -e\n" + SET_UP)


def reset(nodes: Sequence[Node]) -> None:
    """Bring back the state of nodes on which nothing has ever run."""
    for node in nodes:
        _mounts(node, "while mountpoint -q {data}; do umount -l {data}; done")
        _shell(node, RESET)


class Bench:
    """A cluster of two nodes, in which one cell is measured after the other."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        """The resource runs on the first node as long as it can; the last one is asked."""
        self.nodes = nodes
        self.here = nodes[0]
        self.history = History(nodes)
        self._fences = 0

    def measure(self, subject: Subject, fault: Fault) -> Cell:
        """Make the fault, watch, stop, look; the resource is gone afterwards."""
        try:
            self._start(subject, fault)
            return self._measured(subject, fault)
        except (UnmeasuredError, APIError) as error:
            return Cell(fault.name, subject.name, unmeasured=str(error))
        finally:
            with contextlib.suppress(UnmeasuredError, APIError):  # the next cell will say so
                self.remove()

    # --- the steps --------------------------------------------------------------------------------

    def _start(self, subject: Subject, fault: Fault) -> None:
        self.require_nodes()
        if self._ask("crm_resource", "--show-metadata", subject.name).code:
            raise UnmeasuredError("there is no such agent")
        reset(self.nodes)
        if fault.mounted:
            _mount_data(self.here, fault.mounted)
        self.history.begin(RESOURCE)
        self._fences = self.count_fences()
        self.configure(
            subject.text(fault) + f"location {RESOURCE}-here {RESOURCE} 50: {self.here.name}\n"
        )
        self.require_monitor(RESOURCE)

    def _measured(self, subject: Subject, fault: Fault) -> Cell:
        began = time.time()
        if fault.unmount:
            _mounts(self.here, "umount -l {data}")
        prelude = f"server={subject.server}; pid_file={subject.pid_file}\n"
        _shell(self.here, prelude + fault.inject)
        made = time.time()
        failure = self.history.wait(
            WITHIN + 1,
            lambda: self.history.find("monitor", failed=True, node=self.here.name, after=began),
        )
        shown = failure is not None and self._is_shown(failure.reason)
        reaction, why = self._reaction(failure, began)
        stop_code, left = self._stop()
        if reaction != "fenced" and fault.stranger and self._has_ended(fault.stranger):
            left.append(f"the stranger ({fault.stranger}) was killed")
        return Cell(
            fault.name,
            subject.name,
            seconds=max(0.0, failure.when - made) if failure else None,
            code=failure.code if failure else 0,
            reason=failure.reason if failure else "",
            reaction=reaction,
            start_reason=why,
            left=left,
            stop_code=stop_code,
            shown=shown,
        )

    def _reaction(self, failure: Operation | None, began: float) -> tuple[Reaction, str]:
        """What the cluster did about it, and why a start failed on the way."""
        if failure is None or failure.code in DEGRADED:
            return "nothing", ""

        started = self.history.wait(
            _SETTLED, lambda: self.history.find("start", code=0, after=began)
        )
        stuck = self.history.find("stop", failed=True, after=began)
        refused = self.history.find("start", failed=True, after=began)
        why = stuck.reason if stuck else refused.reason if refused else ""
        if self.count_fences() > self._fences:
            return "fenced", why
        if started is None:
            return ("stop failed" if stuck else "down"), why
        return ("restarted" if started.node == self.here.name else "moved"), why

    def _is_shown(self, reason: str) -> bool:
        """Whether an operator finds the reason in what crm_mon prints."""
        said = self._ask("crm_mon", "-1", "--failcounts", "--operations").stdout
        return " ".join(reason.split()) in " ".join(said.split())

    def _has_ended(self, command: str) -> bool:
        return self.here.run(["pgrep", "-f", f"^{command}"]).code != 0

    def _stop(self) -> tuple[int, list[str]]:
        """Ask for a stop; its code, and what is left on the nodes."""
        asked = time.time()
        self._ask("crm_resource", "-r", RESOURCE, "--meta", "-p", "target-role", "-v", "Stopped")
        self._ask("crm_resource", "--wait", "-T", "40s", timeout=50)
        self.history.look()
        stop = self.history.find("stop", failed=True, after=asked)
        left = [
            f"{node.name}: {line}"
            for node in self.nodes
            for line in sorted(set(node.run(["sh", "-c", LEFTOVERS]).stdout.splitlines()))
        ]
        return (stop.code if stop else 0), left

    def remove(self, *names: str) -> None:
        """Take the resources away, whatever state they are in."""
        self.require_nodes()
        reset(self.nodes)
        named = names or (RESOURCE,)
        for name in named:
            self._ask("crm_resource", "--cleanup", "-r", name)
        self._ask("crm", "--force", "configure", "delete", *named)
        self._ask("crm_resource", "--refresh", "--force")
        self._ask("crm_resource", "--wait", "-T", "30s", timeout=40)

    # --- for a longer watch -----------------------------------------------------------------------

    def require_monitor(self, name: str) -> None:
        """Wait for the first recurring monitor that holds; raises UnmeasuredError."""
        well = self.history.wait(
            40, lambda: self.history.find("monitor", code=0, node=self.here.name, resource=name)
        )
        if well is None:
            failed = [each for each in self.history.seen if each.code not in (0, 7)]
            why = f"{failed[-1].name} gave {failed[-1].code} {failed[-1].reason}" if failed else ""
            raise UnmeasuredError(f"it did not start: {why}")

    def count_fences(self) -> int:
        """How many fencing operations are on record."""
        said = self._ask("stonith_admin", "--history", "*", "--output-as=xml").stdout
        return said.count("<fence_event")

    def wait_for_failure(self, operation: str, seconds: float) -> Operation | None:
        """Return the first such operation that fails in this time."""
        return self.history.wait(seconds, lambda: self.history.find(operation, failed=True))

    # --- the cluster ------------------------------------------------------------------------------

    def configure(self, text: str) -> None:
        """Add to the configuration, in crmsh's language; raises UnmeasuredError."""
        for node in self.nodes:
            node.put("/lab.crm", text)
        done = self._ask("crm", "-F", "configure", "load", "update", "/lab.crm")
        if done.code:
            raise UnmeasuredError(f"crm configure: {done.stderr.strip() or done.stdout.strip()}")

    def require_nodes(self) -> None:
        """Wait until all nodes are members, a fenced one too; raises UnmeasuredError."""
        until = time.monotonic() + 90
        while time.monotonic() < until:
            if all(_is_up(node) for node in self.nodes):
                said = self._ask("crm_mon", "--output-as=xml", "-1").stdout
                if said.count('online="true" standby="false"') >= len(self.nodes):
                    return
            time.sleep(0.5)
        raise UnmeasuredError("a node did not come back")

    def _ask(self, *argv: str, timeout: float = 30) -> Done:
        """Run a command on the last node that runs: any can be fenced."""
        for node in reversed(self.nodes):
            with contextlib.suppress(APIError):
                return node.run([*argv], timeout=timeout)
        raise UnmeasuredError("no node runs")


def _is_up(node: Node) -> bool:
    try:
        return node.run(["true"]).code == 0
    except APIError:  # its container is being started
        return False


def _shell(node: Node, text: str) -> None:
    done = node.run(["sh", "-c", text], timeout=60)
    if done.code:
        raise UnmeasuredError(f"{node.name}: {done.stderr.strip()[-300:]}")


def _mount_data(node: Node, options: str) -> None:
    """Put the database onto a file system of its own, and nothing beneath it."""
    _shell(node, f"rm -rf {DATA} && install -d -o postgres -g postgres -m 0700 {DATA}")
    _mounts(node, f"mount -t tmpfs -o mode=0700,{options} lab {{data}}")
    _shell(node, f"chown postgres: {DATA}; cp -a /lab/data/. {DATA}/")


def _mounts(node: Node, text: str) -> None:
    """Run shell in the mount namespace of a node, with rights that no process in there has."""
    node.container.reload()
    pid = node.container.attrs["State"]["Pid"]
    inside = [
        "nsenter",
        "--target",
        str(pid),
        "--mount",
        "--pid",
        "sh",
        "-c",
        text.format(data=DATA),
    ]
    done = subprocess.run(inside, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UnmeasuredError(f"{node.name}: {done.stderr.strip()[-300:]}")
