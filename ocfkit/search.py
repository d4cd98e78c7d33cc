"""Find the processes of an instance where no record tells, or where it does not tell all.

Every process of the machine is judged by facts that the kernel keeps: the environment and the
arguments that it was started with, the program that it executes, its session and its parents, the
sockets that it holds. docs/explanation/which-process-is-it.md says why so.
"""

from __future__ import annotations

import os
import time

from ocfkit.errors import ActionError
from ocfkit.linux import process
from ocfkit.linux.process import Identity
from ocfkit.monitors.process import CLOCKS, began, pid_in
from ocfkit.programs import find, interpreter, places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ocfkit.records import Record

    Place = int | tuple[str, int] | str
    """A TCP port, an address with one, or the path of a unix socket."""

MARK = "OCFKIT_INSTANCE"
"""Variable in the environment of all that a start of ours began; it names the instance."""

MAIN = "OCFKIT_MAIN_PID"
"""Variable there with the pid of the main process, where that is known in time."""

_MARK, _MAIN = MARK.encode(), MAIN.encode()

_MULTIPLE = frozenset(
    "bash busybox bun coreutils dash deno java ksh lua luajit mono node nodejs perl php pypy "
    "python ruby sh tclsh wish zsh".split()
)
"""Programs of which many services are made: executing one of them says nothing of a process."""

_KTHREADD = 2

_ROUNDS = 3
"""How often is looked for processes that came while others were looked at."""

_MOMENT = 0.05
"""Seconds in which a process has ended that is about to."""


class Wanted:
    """What is known of the instance whose processes are looked for."""

    __slots__ = ("argv", "gone", "group", "known", "mark", "pid_file", "place", "record")

    def __init__(
        self,
        mark: str,
        argv: Sequence[str] = (),
        pid_file: str | None = None,
        place: Place | None = None,
        *,
        gone: Identity | None = None,
        group: int = 0,
        known: Sequence[Identity] = (),
        record: Record | None = None,
    ) -> None:
        """`mark` of the instance; how it is called; where it writes its pid, and listens.

        `gone` is the main process that it had, `group` that one's process group, and `known` what
        belonged to it. Beside `record` lie those of other instances.
        """
        self.mark = mark
        self.argv = list(argv)
        self.pid_file = pid_file
        self.place = place
        self.gone = gone
        self.group = group
        self.known = known
        self.record = record


class Found:
    """The processes of an instance; others may be there without a main one."""

    __slots__ = ("main", "others")

    def __init__(self, main: Identity | None, others: list[Identity]) -> None:
        self.main = main
        self.others = others


def find_all(wanted: Wanted) -> Found:
    """All processes of an instance; raises ActionError when they cannot be told from strangers."""
    view = _View()
    doubts = list(view.doubts)
    marked = view.marked(wanted.mark)
    named = _named_in(wanted.pid_file, view, doubts) if wanted.pid_file else set[int]()
    holders = _holders(wanted.place, doubts) if wanted.place is not None else set[int]()
    alike = _alike(wanted, view, named | holders, doubts)
    left = _left(wanted, view, marked | alike) - named
    main = _main(view, marked, alike, named, left)
    others = marked | left
    if main is not None:
        others |= view.family(main, view.at[main].stat.start)
    elif doubts and not others:
        raise ActionError(doubts[0])
    return Found(
        view.identity(main) if main is not None else None,
        view.identities(others - {main} - view.above_us),
    )


def beside(main: Identity, mark: str) -> list[Identity]:
    """What else belongs to an instance whose main process is known."""
    view = _View()
    others = view.marked(mark) | view.family(main.pid, main.start)
    return view.identities(others - {main.pid} - view.above_us)


def family(first: Identity, *, include_first: bool) -> list[Identity]:
    """A process's session and descendants, also of one that has ended."""
    if first.boot != process.boot():
        return []
    stats: dict[int, process.Stat] = {}
    for pid in process.pids():
        try:
            stats[pid] = process.stat(pid)
        except OSError:  # gone meanwhile
            continue
    stats = {pid: stat for pid, stat in stats.items() if not stat.ended and pid != os.getpid()}
    found = _family(stats, first.pid, first.start) - {0 if include_first else first.pid}
    return [Identity(pid, stats[pid].start, first.boot) for pid in sorted(found)]


# --- who belongs to it ----------------------------------------------------------------------------


def _main(
    view: _View, marked: set[int], alike: set[int], named: set[int], left: set[int]
) -> int | None:
    """The one that was started as main process, or has written its pid, or descends from none.

    None also where there are several that are all ours.
    """
    ours = marked | alike
    started = {pid for pid in marked if view.at[pid].main_pid == pid}
    forked = {pid for pid in marked if not view.at[pid].main_pid}
    tops = {pid for pid in (forked | alike) - left if view.at[pid].stat.ppid not in ours}
    for which in (started, named & ours, tops):
        if len(which) > 1 and not which <= marked:
            pids = ", ".join(str(pid) for pid in sorted(which))
            raise ActionError(f"processes {pids} could all be it")
        if which:
            return which.pop() if len(which) == 1 else None
    return None


def _left(wanted: Wanted, view: _View, ours: set[int]) -> set[int]:
    """What a main process that is gone has left behind."""
    left = {each.pid for each in wanted.known if view.has(each.pid, each.start)}
    gone = wanted.gone
    if gone is None or gone.boot != view.boot:
        return left
    left |= view.family(gone.pid, gone.start)
    leader = view.at.get(wanted.group)
    if wanted.group and (leader is None or leader.stat.start <= gone.start):
        left |= {pid for pid in ours if view.at[pid].stat.pgrp == wanted.group}
    return left


def _alike(wanted: Wanted, view: _View, listed: set[int], doubts: list[str]) -> set[int]:
    """Those that look as the main process would, and that no other instance claims."""
    looks = _Looks(wanted)
    verdicts = {
        pid: looks.judge(each, listed=pid in listed)
        for pid, each in view.at.items()
        if not each.marks
    }
    found = {pid for pid, verdict in verdicts.items() if verdict is not False}
    if found and wanted.record is not None:
        found -= _claimed(wanted.record, view)
    found = {pid for pid in found if view.at[pid].is_in_our_container()}
    unsure = _lasting(view, {pid for pid in found if verdicts[pid] is None})
    doubts += [f"process {pid} could be it: {looks.doubt(view.at[pid])}" for pid in sorted(unsure)]
    return {pid for pid in found if verdicts[pid]}


def _lasting(view: _View, pids: set[int]) -> set[int]:
    """Those of them that are not about to end: then, too, nothing can be read of a process."""
    identities = view.identities(pids)
    if identities:
        time.sleep(_MOMENT)
    return {each.pid for each in identities if each.stat() is not None}


def _claimed(record: Record, view: _View) -> set[int]:
    """The processes that the records of other instances name, with all that belongs to them."""
    from ocfkit.records import identity_in

    found: set[int] = set()
    for other in record.of_others():
        try:
            named, _group = identity_in(other.read())
        except OSError:
            continue
        if named is not None and named.boot == view.boot and view.has(named.pid, named.start):
            found |= view.family(named.pid, named.start)
    return found


def _family(stats: Mapping[int, process.Stat], first: int, start: int) -> set[int]:
    """A process, its session and its descendants; also of one that has ended.

    A session keeps its leader's pid from being used again while it has members (credentials(7)):
    if the pid is another's, then nobody of the session is left.
    """
    if first in stats and stats[first].start != start:
        return set()
    found = {pid for pid, each in stats.items() if first in (pid, each.session)}
    while more := {pid for pid, each in stats.items() if each.ppid in found} - found:
        found |= more
    return found


# --- where it says that it is ---------------------------------------------------------------------


def _named_in(path: str, view: _View, doubts: list[str]) -> set[int]:
    """The process that a pid file names, if it can have written it: it was there before."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            pid = pid_in(os.read(descriptor, 64))
            file = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except OSError as error:
        doubts.append(f"pid file {path}: {error.strerror}")
        return set()
    seen = view.at.get(pid)
    if seen is None or began(seen.stat.start) > file.st_mtime + CLOCKS:
        return set()
    try:
        writers = (0, process.owner(pid))  # whoever else may write there may name anybody
    except OSError:
        return set()
    return {pid} if file.st_uid in writers else set()


def _holders(place: Place, doubts: list[str]) -> set[int]:
    """Processes that listen there."""
    holders = who_listens(place)
    if holders is None:
        if os.geteuid() != 0:  # whom root does not see is the kernel, or in another container
            doubts.append(f"somebody listens on {shown(place)}, and we may not see who")
        return set()
    return holders


def who_listens(place: Place) -> set[int] | None:
    """Processes that listen there; None when somebody does, and is not to be seen."""
    from ocfkit.linux import sockets  # for those who say where they listen

    holders: set[int] | None = None
    for _ in range(2):  # one that stops listening just now has not been hidden
        if isinstance(place, str):
            inodes = sockets.bound(place)
        elif isinstance(place, int):
            inodes = sockets.listening(place)
        else:
            inodes = _listening_at(*place)
        holders = sockets.holders(inodes)
        if holders is not None:
            break
    return holders


def _listening_at(address: str, port: int) -> set[str]:
    from ocfkit.linux import sockets

    try:
        return sockets.listening(port, address)
    except OSError:  # a name: it may be any address
        return sockets.listening(port)


def shown(place: Place) -> str:
    """Such as "port 80", "192.0.2.1:80" or "/run/web.sock"."""
    if isinstance(place, tuple):
        address, port = place
        return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    return f"port {place}" if isinstance(place, int) else place


# --- what it looks like ---------------------------------------------------------------------------


class _Looks:
    """What the main process of an instance looks like, as far as the parameters say."""

    def __init__(self, wanted: Wanted) -> None:
        self.argv = wanted.argv
        self.is_listed = wanted.pid_file is not None or wanted.place is not None
        name = self.argv[0] if self.argv else ""
        self.names = {name, *places(name)}
        """As what it may be called."""
        program = find(name)
        self.program = os.path.realpath(program) if program else ""
        """Where it is; "" when it is not there, or not any more."""
        runner = interpreter(self.program) if program else ""
        self.is_script = bool(runner)
        self.executed = os.path.realpath(find(runner) or runner) if runner else self.program
        self.is_multiple = is_multiple(self.executed or name)

    def judge(self, seen: _Candidate, *, listed: bool) -> bool | None:
        """Whether it is ours; None where it may be.

        `listed`: the service's own pid file or socket leads to it.
        """
        if not self.argv:
            return None if listed else False
        place = self._place_in(seen)
        if seen.unreadable:
            alike = place is not None and self._is_named_so(seen, place)
            return None if listed or alike or self._hides(seen) else False
        if place is not None:
            return self._executes(seen, place)
        if self.is_script or self.is_multiple:
            return False
        if self._is_executed_by(seen):
            return True if listed else None if self._hides(seen) else False
        return None if listed and not (self.program or seen.has_its_program()) else False

    def doubt(self, seen: _Candidate) -> str:
        """Why it could be ours, and need not."""
        if seen.unreadable:
            return "we may not look at it"
        if not self.argv:
            return "what it should execute is not known"
        return f"it executes {seen.executable}"

    def _place_in(self, seen: _Candidate) -> int | None:
        """Where the program stands in its arguments, if the others are as they should be.

        Before a script there are its interpreter and options of that one.
        """
        place = len(seen.argv) - len(self.argv)
        if place < 0 or seen.argv[place + 1 :] != self.argv[1:]:
            return None
        if place == 0:
            return None if self.is_script else 0
        options = all(each.startswith("-") for each in seen.argv[1:place])
        return place if options and self._is_the_script(seen, seen.argv[place]) else None

    def _is_the_script(self, seen: _Candidate, word: str) -> bool:
        if self.program and not self.is_script:
            return False
        if word in self.names:
            return True
        try:
            path = os.path.realpath(os.path.join(f"/proc/{seen.stat.pid}/cwd", word))
        except OSError:  # we may not see from where it was called
            return os.path.basename(word) == os.path.basename(self.argv[0])
        return path == self.program if self.program else path in self.names

    def _is_named_so(self, seen: _Candidate, place: int) -> bool:
        name = os.path.basename(self.argv[0])
        return name == os.path.basename(seen.argv[place]) or self._has_name(seen)

    def _has_name(self, seen: _Candidate) -> bool:
        return seen.stat.comm == os.path.basename(self.argv[0])[:15]  # TASK_COMM_LEN

    def _executes(self, seen: _Candidate, place: int) -> bool | None:
        """Whether one with the right arguments has the right program; None if it may have."""
        if self._is_executed_by(seen):
            return True
        if place > 0:  # an upgrade may have changed the interpreter
            return is_multiple(seen.executable)
        if seen.argv[0] not in self.names:
            return False
        if not seen.has_its_program():
            return True
        return False if self.program else None

    def _is_executed_by(self, seen: _Candidate) -> bool:
        if not self.program:
            # of a mount that is gone, the kernel tells the path from there on
            path = seen.executable
            lost = path and any(each.endswith(path) for each in self.names)
            return path in self.names or bool(lost and not seen.has_its_program())
        return seen.executable == self.executed or seen.executes(self.executed)

    def _hides(self, seen: _Candidate) -> bool:
        """Whether it may be ours under another title, and nothing but its program would tell."""
        if self.is_listed:
            return False
        if seen.unreadable and not self._has_name(seen):
            return False
        name = os.path.basename(self.argv[0])
        title = seen.argv[0] if seen.argv else ""
        usual = (name, os.path.basename(seen.executable or name))
        return " " in title or os.path.basename(title) not in usual


def is_multiple(program: str) -> bool:
    """Whether many services are made of a program, as of an interpreter."""
    return os.path.basename(program).rstrip("0123456789.-") in _MULTIPLE


# --- who is there ---------------------------------------------------------------------------------


class _Candidate:
    """A process, with what tells it apart."""

    __slots__ = ("argv", "executable", "main_pid", "marks", "stat", "unreadable")

    def __init__(self, pid: int) -> None:
        """Read it; raises OSError when it is gone, PermissionError when it is hidden from us."""
        self.stat = process.stat(pid)
        proc = "/proc"
        if self.stat.state in process.DEAD and not self.stat.ended:
            proc = f"/proc/{pid}/task"  # its other threads live on; the first one knows nothing now
            pid = next(tid for tid in process.pids(proc) if tid != pid)
        self.argv = process.command_line(pid, proc)
        self.executable = process.executable(pid, proc)
        self.unreadable = not self.executable and _KTHREADD not in (pid, self.stat.ppid)
        self.marks: list[bytes] = []
        self.main_pid = 0
        try:
            for each in process.environment(pid, proc):
                name, _, value = each.partition(b"=")
                if name == _MARK:
                    self.marks.append(value)
                elif name == _MAIN:
                    self.main_pid = pid_in(value)
        except PermissionError:
            self.unreadable = True

    def executes(self, program: str) -> bool:
        """Whether its program is this very file, by whatever path it sees it."""
        try:
            return os.path.samefile(program, f"/proc/{self.stat.pid}/exe")
        except OSError:
            return False

    def has_its_program(self) -> bool:
        """Whether its program is still where it was: not removed, replaced or unmounted."""
        return self.executes(self.executable)

    def is_in_our_container(self) -> bool:
        """Whether it is of the same system as we are, as far as we may see.

        A daemon that has changed its own root still executes a file of ours.
        """
        here = f"/proc/{self.stat.pid}"
        try:
            if os.readlink(f"{here}/ns/pid") != os.readlink("/proc/self/ns/pid"):
                return False
            same_root = os.path.samefile(f"{here}/root", "/")
            return same_root or self.has_its_program() or not os.stat(f"{here}/exe").st_nlink
        except OSError:
            return True


class _View:
    """The processes of this machine, those left out that have ended, and agents like us."""

    def __init__(self) -> None:
        """Read them all."""
        if os.readlink("/proc/self") != str(os.getpid()):
            raise ActionError("/proc shows another pid namespace")
        self.boot = process.boot()
        self.at: dict[int, _Candidate] = {}
        self.doubts: list[str] = []
        """Why there may be more."""
        seen: set[int] = set()
        for _ in range(_ROUNDS):
            pids = set(process.pids()) - seen
            for pid in sorted(pids):
                self._read(pid)
            seen |= pids
        if 1 not in seen:
            self.doubts.append("/proc hides the processes of others from us")
        us = self.at.pop(os.getpid())
        self.above_us = self._chain(us.stat.ppid)
        for pid, each in [*self.at.items()]:
            if (each.argv, each.executable) == (us.argv, us.executable):
                del self.at[pid]

    def _read(self, pid: int) -> None:
        try:
            candidate = _Candidate(pid)
            if candidate.unreadable and process.stat(pid).ended:
                return  # just now
        except PermissionError:
            self.doubts.append(f"/proc hides process {pid} from us")
        except (OSError, StopIteration):  # gone meanwhile
            return
        else:
            if not candidate.stat.ended:
                self.at[pid] = candidate

    def _chain(self, pid: int) -> set[int]:
        """It and its parents."""
        found: set[int] = set()
        while pid in self.at and pid not in found:
            found.add(pid)
            pid = self.at[pid].stat.ppid
        return found

    def marked(self, mark: str) -> set[int]:
        """Those that a start of this instance began."""
        text = mark.encode("utf-8", "surrogateescape")
        return {pid for pid, each in self.at.items() if text in each.marks}

    def has(self, pid: int, start: int) -> bool:
        """Whether this very process is there."""
        return pid in self.at and self.at[pid].stat.start == start

    def family(self, first: int, start: int) -> set[int]:
        """What belongs to a process; see there."""
        return _family({pid: each.stat for pid, each in self.at.items()}, first, start)

    def identity(self, pid: int) -> Identity:
        """It, for ever."""
        return Identity(pid, self.at[pid].stat.start, self.boot)

    def identities(self, pids: Iterable[int]) -> list[Identity]:
        """Them, in rising order."""
        return [self.identity(pid) for pid in sorted(pids) if pid in self.at]
