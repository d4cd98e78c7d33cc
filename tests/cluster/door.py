"""A Pacemaker cluster in containers, to try agents in: what `./dev cluster` does."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from docker.errors import DockerException

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP)]  # run as a file, by ./dev cluster

from tests.cluster.engine import EngineError  # noqa: E402
from tests.cluster.lab import (  # noqa: E402
    AGENTS,
    DISK,
    NODES_AT_MOST,
    Cluster,
    LabError,
    Node,
    names_of_all,
)
from tests.cluster.status import Status  # noqa: E402
from tests.services.cluster_tools import MachineError  # noqa: E402
from tests.services.roots import RootError  # noqa: E402

USUAL = "lab"
"""The name of a cluster that is given none."""

WEB = """\
primitive web ocf:ocfkit:http params httpd=/usr/sbin/nginx \
op start interval=0 timeout=40s op stop interval=0 timeout=40s \
op monitor interval=2s timeout=10s OCF_CHECK_LEVEL=10 meta migration-threshold=1
"""

UP = """\
The cluster {name} is up after {seconds:.0f} s: {nodes}.
  sudo ./dev cluster failover{option}         a web server fails, and moves
  sudo ./dev cluster install{option} FILE.py  try an agent of your own
  sudo ./dev cluster shell{option}            a shell on a node; there are crm, pcs, crm_mon
  sudo ./dev cluster down{option}             remove all of it
"""


def up(arguments: argparse.Namespace) -> int:
    """Make the cluster; it stays."""
    cluster = Cluster(arguments.name, disk=arguments.disk)
    try:
        if cluster.find():
            names = ", ".join(node.name for node in cluster.nodes)
            raise LabError(
                f"the cluster {cluster.name} is there already: {names}; "
                f"sudo ./dev cluster down --name {cluster.name} removes it"
            )
    finally:
        cluster.close()
    began = time.monotonic()
    try:
        cluster.up(arguments.nodes)
        nodes = ", ".join(node.name for node in cluster.nodes)
        option = "" if cluster.name == USUAL else f" --name {cluster.name}"
        seconds = time.monotonic() - began
        print(UP.format(name=cluster.name, seconds=seconds, nodes=nodes, option=option))
    finally:
        cluster.close()
    return 0


def down(arguments: argparse.Namespace) -> int:
    """Remove the cluster, or what an interrupted run has left of it."""
    Cluster(arguments.name).down()
    return 0


def status(arguments: argparse.Namespace) -> int:
    """Print what crm_mon says."""
    return _with(arguments.name, _show)


def shell(arguments: argparse.Namespace) -> int:
    """Become a shell, or another command, on a node."""
    terminal = ["--interactive", "--tty"] if sys.stdin.isatty() else ["--interactive"]

    def enter(cluster: Cluster) -> int:
        node = cluster.node(arguments.node) if arguments.node else cluster.nodes[0]
        argv = ["docker", "exec", *terminal, "--env", "LC_ALL=C.UTF-8", "--env", "TERM"]
        argv += [str(node.container.name), *(arguments.command or ["bash"])]
        try:
            os.execvp("docker", argv)  # noqa: S606
        except FileNotFoundError:
            raise LabError(
                "the program docker is missing (Debian: docker-cli or docker.io)"
            ) from None

    return _with(arguments.name, enter)


def install(arguments: argparse.Namespace) -> int:
    """Copy agents into every node and install them there."""

    def copy(cluster: Cluster) -> int:
        for path in map(Path, arguments.files):
            there = f"{AGENTS}/{path.name}"
            for node in cluster.nodes:
                if not node.is_on():
                    raise LabError(f"{node.name} is switched off: try again when it is back")
                node.put(there, path.read_bytes())
                done = node.run(["ocfkit", "install", there])
                if done.code:
                    said = done.stderr.strip() or f"ocfkit install ended with {done.code}"
                    raise LabError(f"{node.name}: {said}")
        print(cluster.nodes[0].run(["crm", "ra", "list", "ocf", "ocfkit"]).stdout, end="")
        return 0

    return _with(arguments.name, copy)


def failover(arguments: argparse.Namespace) -> int:
    """Run a web server, suspend it, and show crm_mon until it runs elsewhere."""
    return _with(arguments.name, _fail_over)


def _fail_over(cluster: Cluster) -> int:
    if len(cluster.nodes) < 2:
        raise LabError(f"a failover needs two nodes, and {cluster.name} has one")
    for argv in (["crm_resource", "--cleanup"], ["crm", "--force", "configure", "delete", "web"]):
        cluster.answering().run(argv)  # of an earlier time
    cluster.configure(WEB)
    now = cluster.wait_for(lambda seen: _is_well(seen, ""), 60, "the web server runs")
    here = cluster.node(now.resources["web"].node)
    _show(cluster)
    _say(f"On {here.name} all processes of nginx are suspended; none has died.")
    began = time.monotonic()
    here.run(["pkill", "-STOP", "nginx"])
    cluster.wait_for(_seen_by(began, here), 60, "the web server runs on another node")
    _show(cluster)
    _say(f"Moved after {time.monotonic() - began:.0f} s. To begin anew: ./dev cluster failover")
    return 0


def _seen_by(began: float, here: Node) -> Callable[[Status], bool]:
    """Say what changes, and whether it is over."""
    said: set[str] = set()

    def look(now: Status) -> bool:
        web = now.resources["web"]
        news = [f"{each.operation} on {each.node}: {each.reason}" for each in web.failures]
        news.append(f"web: {web.state}{' on ' + web.node if web.node else ''}")
        for each in news:
            if each not in said:
                said.add(each)
                print(f"{time.monotonic() - began:5.1f} s  {each}", flush=True)
        return _is_well(now, here.name)

    return look


def _is_well(now: Status, but: str) -> bool:
    web = now.resources["web"]
    checked = any(
        each.resource == "web" and each.node == web.node and each.interval and each.code == 0
        for each in now.operations
    )
    return web.state == "Started" and web.node not in ("", but) and checked


def _show(cluster: Cluster) -> int:
    print(cluster.answering().run(["crm_mon", "-1rf"]).stdout, flush=True)
    return 0


def _say(text: str) -> None:
    print(f"\n=== {text}\n", flush=True)


def _with(name: str, do: Callable[[Cluster], int]) -> int:
    """Do something with a cluster that is up."""
    cluster = Cluster(name)
    try:
        if not cluster.find():
            there = names_of_all()
            hint = f"there are {', '.join(there)}" if there else "sudo ./dev cluster up makes it"
            raise LabError(f"no cluster {name} is up; {hint}")
        return do(cluster)
    finally:
        cluster.close()


def _parser() -> argparse.ArgumentParser:
    about = (__doc__ or "").split("\n", maxsplit=1)[0]
    parser = argparse.ArgumentParser(prog="./dev cluster", description=about)
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(do: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        added = verbs.add_parser(do.__name__, help=do.__doc__, description=do.__doc__)
        added.add_argument("--name", default=USUAL, help="of the cluster (default: %(default)s)")
        added.set_defaults(do=do)
        return added

    made = verb(up)
    made.add_argument(
        "nodes", nargs="?", type=int, default=2, metavar="N", choices=range(1, NODES_AT_MOST + 1)
    )
    made.add_argument(
        "--disk",
        default="",
        metavar="DEVICE",
        help=f"block device that the nodes share as {DISK}, to try ocf:ocfkit:sfex (losetup(8))",
    )
    verb(down)
    verb(status)
    verb(failover)
    verb(install).add_argument("files", nargs="+", metavar="FILE.py")
    entered = verb(shell)
    entered.add_argument("node", nargs="?", metavar="NODE")
    entered.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Do what is asked; 1 and a sentence if it cannot be done."""
    arguments = _parser().parse_args(argv)
    try:
        done: int = arguments.do(arguments)
    except (EngineError, LabError, MachineError, RootError, DockerException, OSError) as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return done


if __name__ == "__main__":
    sys.exit(main())
