"""Find the process of an instance where no record tells: by mark, pid file, socket or command line.

Candidates are told apart by facts that the kernel keeps: the program that a process executes, the
arguments and the environment that it was started with, the sockets that it holds.
"""

from __future__ import annotations

import os

from ocfkit.errors import ActionError
from ocfkit.linux import process
from ocfkit.linux.process import Identity
from ocfkit.programs import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_INTERPRETERS = (
    "python",
    "perl",
    "ruby",
    "node",
    "java",
    "php",
    "lua",
    "tclsh",
    "sh",
    "bash",
    "dash",
)
"""Programs of which many services are made: executing one of them says nothing of a process."""

_KTHREADD = 2

MARK = "OCFKIT_INSTANCE"
"""Environment variable of every process that is started here; its value names the instance."""

_MARK = f"{MARK}=".encode()


class Candidate:
    """A process, with what tells it apart."""

    __slots__ = ("argv", "executable", "marks", "stat", "unreadable")

    def __init__(self, pid: int) -> None:
        """Read it; raises OSError when it is gone."""
        self.stat = process.stat(pid)
        self.argv = process.command_line(pid)
        self.executable = process.executable(pid)
        self.unreadable = (
            not self.executable
            and self.stat.state not in process.DEAD
            and _KTHREADD not in (pid, self.stat.ppid)
        )
        self.marks: list[bytes] = []
        if not self.unreadable:
            try:
                self.marks = [each for each in process.environment(pid) if each.startswith(_MARK)]
            except PermissionError:
                self.unreadable = True


class Wanted:
    """What is known of the process that is looked for."""

    __slots__ = ("argv", "mark", "pid_file", "place")

    def __init__(
        self,
        mark: str,
        argv: Sequence[str] = (),
        pid_file: str | None = None,
        place: int | str | None = None,
    ) -> None:
        """`mark` of the instance; how it is called; where it writes its pid and listens."""
        self.mark = mark
        self.argv = list(argv)
        self.pid_file = pid_file
        self.place = place


def find_main(wanted: Wanted) -> Identity | None:
    """The main process of an instance; raises ActionError when that cannot be told."""
    expected = _Expected(wanted)
    everybody = _everybody()
    named = _named_by_the_service(wanted)
    mine: set[int] = set()
    for pid, candidate in everybody.items():
        verdict = expected.judge(candidate, named=pid in named)
        if verdict is None:
            raise ActionError(f"process {pid} could be it, and we may not look at it")
        if verdict:
            mine.add(pid)
    tops = [pid for pid in mine if everybody[pid].stat.ppid not in mine]
    if len(tops) > 1:
        pids = ", ".join(str(pid) for pid in sorted(tops))
        raise ActionError(f"processes {pids} could all be it")
    return _identity(everybody[tops[0]]) if tops else None


def _identity(candidate: Candidate) -> Identity:
    return Identity(candidate.stat.pid, candidate.stat.start, process.boot())


def _everybody() -> dict[int, Candidate]:
    found: dict[int, Candidate] = {}
    for pid in process.pids():
        try:
            candidate = Candidate(pid)
        except OSError:  # gone meanwhile
            continue
        if candidate.stat.state not in process.DEAD and pid != os.getpid():
            found[pid] = candidate
    return found


class _Expected:
    """What the process of an instance looks like, as far as its parameters can say."""

    def __init__(self, wanted: Wanted) -> None:
        self.argv = wanted.argv
        self.mark = _MARK + wanted.mark.encode("utf-8", "surrogateescape")
        program = (find(self.argv[0]) or self.argv[0]) if self.argv else ""
        self.program = os.path.realpath(program) if program else ""
        self.is_script = _is_script(self.program)
        self.is_interpreter = os.path.basename(self.program).startswith(_INTERPRETERS)

    def judge(self, candidate: Candidate, *, named: bool) -> bool | None:
        """Whether it is ours; None where it may be and we may not look.

        `named`: the service's own pid file or socket leads to it.
        """
        if candidate.unreadable:
            return None if named or self._has_arguments(candidate) else False
        if candidate.marks:
            return self.mark in candidate.marks
        if not self.is_script and candidate.executable != self.program:
            return False
        retitled = named and not self.is_interpreter and not self.is_script
        return retitled or self._has_arguments(candidate)

    def _has_arguments(self, candidate: Candidate) -> bool:
        """Whether it was called as we would call it; an interpreter stands before a script."""
        if not self.argv:
            return False
        seen = candidate.argv
        if self.is_script:
            place = len(seen) - len(self.argv)
            return (
                place > 0 and seen[place + 1 :] == self.argv[1:] and self._is_program(seen[place])
            )
        return len(seen) == len(self.argv) and seen[1:] == self.argv[1:]

    def _is_program(self, word: str) -> bool:
        return word == self.argv[0] or os.path.realpath(word) == self.program


def _is_script(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False


def _named_by_the_service(wanted: Wanted) -> set[int]:
    """Processes that its pid file names or that hold its socket; strangers may be among them."""
    found: set[int] = set()
    if wanted.pid_file:
        found |= _pid_in(wanted.pid_file)
    place = wanted.place
    if place is not None:
        from ocfkit.linux import sockets  # for those who say where they listen

        inodes = sockets.listening(place) if isinstance(place, int) else sockets.bound(place)
        holders = sockets.holders(inodes)
        if holders is None:
            raise ActionError(f"somebody listens on {place}, and we may not see who")
        found |= holders
    return found


def _pid_in(path: str) -> set[int]:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            word = file.read(64).strip().split("\n")[0].strip()
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise ActionError(f"pid file {path}: {error.strerror}") from error
    return {int(word)} if word.isascii() and word.isdecimal() else set()


def family(first: Identity | None, *, include_first: bool) -> list[Identity]:
    """A process's session and descendants, also of one that has ended.

    A session keeps its leader's pid from being used again while it has members (credentials(7)).
    """
    if first is None or first.boot != process.boot():
        return []
    stats: dict[int, process.Stat] = {}
    for pid in process.pids():
        try:
            stat = process.stat(pid)
        except OSError:
            continue
        if stat.state not in process.DEAD:
            stats[pid] = stat
    if first.pid in stats and stats[first.pid].start != first.start:
        return []  # the pid is another's, so the session is
    found = {pid for pid, stat in stats.items() if stat.session == first.pid}
    found |= _descendants(stats, {first.pid, *found})
    if not include_first:
        found.discard(first.pid)
    found.discard(os.getpid())
    return [Identity(pid, stats[pid].start, first.boot) for pid in sorted(found)]


def _descendants(stats: dict[int, process.Stat], roots: Iterable[int]) -> set[int]:
    found = set(roots) & stats.keys()
    while more := {pid for pid, stat in stats.items() if stat.ppid in found} - found:
        found |= more
    return found
