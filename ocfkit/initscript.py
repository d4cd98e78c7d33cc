"""An init script: how it is called, what its codes mean, and what it leaves running.

The codes are those of the Linux Standard Base 5.0, "Init Script Actions". Nothing here believes
them; `ocfkit.service` holds them against the processes.
"""

from __future__ import annotations

import os

from ocfkit.linux import proc, process
from ocfkit.linux.process import Identity
from ocfkit.programs import PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ocfkit.linux.proc import Ended

FOLDER = "/etc/init.d"
"""Where a script lies that is told by its mere name, as `lsb:NAME` has it."""

ENVIRONMENT = {
    "PATH": PATH,
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "SYSTEMCTL_SKIP_REDIRECT": "1",
}
"""What service(8) gives to a script, and nothing else. The last one keeps Debian's scripts from
handing the work over to systemd, in whose hands the daemon would not be known as ours.
"""

_RUNS = 0
_STOPPED = (1, 2, 3)
"""Dead with a pid file, dead with a lock file, not running."""

_PROGRAM = "DAEMON="
"""How a script of Debian's names its program (init-d-script(5))."""

_LONGEST = 1 << 20
"""Bytes of a script that are read; Debian's longest has 30 thousand."""

_WORKED_OUT = frozenset(" \t\\$`\"'();&|*?[")
"""What a shell does not take as it stands."""

_PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>


def path_of(script: str) -> str:
    """Where it is: `nginx` is /etc/init.d/nginx."""
    return script if os.sep in script else f"{FOLDER}/{script}"


def programs_in(path: str) -> list[str]:
    """The programs that a script of Debian's names: several where it chooses among them.

    Empty where that cannot be told, as each has to be an absolute path in plain words.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read(_LONGEST).splitlines()
    except OSError:
        return []
    told = [line.strip() for line in lines if _PROGRAM in line.partition("#")[0]]
    named = [line.removeprefix(_PROGRAM).partition("#")[0].strip().strip("\"'") for line in told]
    plain = all(each.startswith("/") and not set(each) & _WORKED_OUT for each in named)
    return named if plain else []


class Status:
    """What a script says of its service."""

    __slots__ = ("runs", "stopped", "told")

    def __init__(self, path: str, ended: Ended) -> None:
        """`ended` is how `PATH status` ended."""
        self.runs = ended.code == _RUNS
        self.stopped = ended.code in _STOPPED
        words = "running" if self.runs else "not running" if self.stopped else "neither"
        self.told = f"{path} status says {words} ({how(ended)})"


def call(path: str, action: str, *, env: Mapping[str, str], seconds: float) -> Ended:
    """Run `PATH ACTION` in a process group of its own, without anything to read."""
    return proc.run([path, action], env={**ENVIRONMENT, **env}, deadline=seconds)


def how(ended: Ended) -> str:
    """How a call ended, such as "code 3"."""
    if ended.timed_out:
        return f"no end within {ended.seconds:.1f} s"
    if ended.signal is not None:
        return f"killed by signal {ended.signal}"
    return f"code {ended.code}"


def last_line(ended: Ended) -> str:
    """The last thing that it said, as the end of a sentence; "" when it said nothing."""
    lines = (ended.stderr.strip() or ended.stdout.strip()).splitlines()
    return f": {lines[-1].strip()}" if lines else ""


def keep_orphans() -> None:
    """From now on, what loses its parent below this process becomes its child, and stays known.

    A script may clean the environment of its daemon (Debian's apache2 does), and the mark with it.
    """
    from ocfkit.linux.namespaces import prctl  # where something is started

    prctl(_PR_SET_CHILD_SUBREAPER, 1)


def descendants() -> list[Identity]:
    """What lives below this process, parents before children as far as pids tell."""
    stats: dict[int, process.Stat] = {}
    for pid in process.pids():
        try:
            stats[pid] = process.stat(pid)
        except OSError:  # gone meanwhile
            continue
    found: set[int] = set()
    above = {os.getpid()}
    while above := {pid for pid, stat in stats.items() if stat.ppid in above} - found:
        found |= above
    boot = process.boot()
    return [Identity(pid, stats[pid].start, boot) for pid in sorted(found) if not stats[pid].ended]


def tops(processes: Sequence[Identity]) -> list[Identity]:
    """Those whose parents are not among them."""
    pids = {each.pid for each in processes}
    found: list[Identity] = []
    for each in processes:
        stat = each.stat()
        if stat is not None and stat.ppid not in pids:
            found.append(each)
    return found


def named_in(path: str) -> Identity | None:
    """The living process that a pid file names, if it was there when the file was written."""
    from ocfkit.monitors.process import CLOCKS, began, pid_in

    try:
        with open(path, "rb") as file:
            named = process.identify(pid_in(file.read(64)))
            written = os.fstat(file.fileno()).st_mtime
    except OSError:
        return None
    if named.stat() is None or began(named.start) > written + CLOCKS:
        return None
    return named


def identities_in(text: str) -> list[Identity]:
    """The processes that a record lists, a line each; see `identities_text`."""
    rows = (line.split() for line in text.splitlines())
    return [
        Identity(int(row[0]), int(row[1]), row[2])
        for row in rows
        if len(row) == 3 and row[0].isdecimal() and row[1].isdecimal()
    ]


def identities_text(processes: Sequence[Identity]) -> str:
    """A record of processes."""
    return "".join(f"{each.pid} {each.start} {each.boot}\n" for each in processes)
