"""What is found by looking at what a start has left: the service, its program, files and ports."""

from __future__ import annotations

from lsbcheck import faults
from lsbcheck.transcript import Program, Service
from ocfkit.conformance.transcript import Scenario
from ocfkit.conformance.visit import Unreached, Visit


def service(visit: Visit, cycle: Scenario) -> Service | None:
    """What ran when the monitors were called, and how it was started."""
    running = next((call.before for call in cycle.of("monitor")[2:3]), None)
    if running is None or not running.processes:
        return None
    survivors = running.processes
    before = cycle.calls[0].before.listeners  # of what --prepare has started
    pids = {one.pid for one in survivors}
    named = {path: pid for path, pid in visit.pid_files.items() if pid in pids}
    return Service(
        main=faults.find_main(
            survivors, named.values(), visit.sandbox.execs(), visit.traveller.agent.path
        ),
        processes=survivors,
        listeners=tuple(sorted(running.listeners - before)),
        pid_files=tuple(sorted(named)),
    )


def require_processes(visit: Visit) -> None:
    """Go on only where something runs that can be killed or stopped; raises Unreached."""
    if not visit.others():
        raise Unreached("the agent leaves no process running")


def main(visit: Visit) -> Program:
    """The program that became the service in the first cycle; raises Unreached without one."""
    known = visit.traveller.service
    if known is None:
        raise Unreached("the agent leaves no process running")
    if known.main is None:
        raise Unreached("no program start was seen that became the service")
    return known.main


def pid_files(visit: Visit) -> list[str]:
    """Paths of those that name a process which runs now."""
    pids = {one.pid for one in visit.others()}
    return sorted(path for path, pid in visit.look_for_pid_files().items() if pid in pids)


def tcp(visit: Visit) -> list[tuple[str, int]]:
    """Where the service listened for TCP in the first cycle: address and port."""
    known = visit.traveller.service
    found: list[tuple[str, int]] = []
    for each in known.listeners if known else ():
        kind, _, place = each.partition(" ")
        address, _, port = place.rpartition(":")
        if kind == "tcp" and port.isdecimal():  # whoever has taken over PID 1 may say anything
            found.append((address.strip("[]"), int(port)))
    return found
