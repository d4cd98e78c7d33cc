"""Which processes are those of an instance: all that work in its data directory.

Each process of PostgreSQL goes there and stays, whoever has started it, and two instances cannot
share one. So neither a stale lock file nor a second instance on the node deceives.
"""

from __future__ import annotations

import os

from ocfkit.agents.pgsql import lockfile
from ocfkit.agents.pgsql.lockfile import Lock
from ocfkit.errors import ActionError, told
from ocfkit.linux import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence

    from ocfkit.linux.process import Identity

PROGRAMS = ("postgres", "postmaster", "edb-postgres", ".postgres-wrapped")
"""What a server is called, as the kernel has it; a start refuses any other."""


def working_in(folder: Callable[[], str]) -> list[Identity]:
    """The processes of PostgreSQL that work in a data directory, in this container.

    Where no server lives nobody asks which folder it is: a probe has to say "not running" of an
    instance whose parameters are missing or wrong.

    Raises ActionError when there is none, and one that cannot be told from one could be one: we may
    not look at it, or the disk does not answer.
    """
    found: list[Identity] = []
    unclear = ""
    for pid in process.pids():
        try:
            if is_server(pid) and _is_in_our_container(pid):
                if _is_here(pid, folder()):
                    found.append(process.identify(pid))
            elif _is_called_server(pid) and _is_hidden(pid) and _could_be_here(pid, folder()):
                unclear = f"process {pid} could be of it, and we may not look at it"
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            continue
        except OSError as error:
            if _lives(pid):
                unclear = f"process {pid} could be of it: {told(error)}"
    if unclear and not found:
        raise ActionError(unclear)
    return [each for each in found if each.stat() is not None]


def main_among(here: Sequence[Identity], lock: Lock | None) -> Identity | None:
    """The one that the lock file names; without one, the only one that none of them started."""
    named = [each for each in here if lock is not None and each.pid == lock.pid]
    pids = {each.pid for each in here}
    tops = named or [each for each in here if _is_top(each.pid, pids)]
    return tops[0] if len(tops) == 1 else None


def lock_of(here: Iterable[Identity]) -> Lock | None:
    """The lock file in the directory that they work in, wherever that is now."""
    for each in here:
        try:
            lock = Lock.read(f"/proc/{each.pid}/cwd/{lockfile.NAME}")
        except OSError:  # not for root's eyes (NFS), or the disk does not answer
            continue
        if lock is not None:
            return lock
    return None


def is_server(pid: int) -> bool:
    """Whether it executes PostgreSQL, removed or replaced meanwhile or not."""
    return os.path.basename(process.executable(pid)) in PROGRAMS


def is_server_at(folder: str, pid: int) -> bool:
    """Whether it works there, in whatever container; False for one that we may not look at."""
    try:
        return is_server(pid) and os.path.samefile(f"/proc/{pid}/cwd", folder)
    except OSError:
        return False


def is_server_of(uid: int, pid: int) -> bool:
    """Whether that user runs it; False for one that has ended."""
    try:
        return is_server(pid) and process.owner(pid) == uid
    except OSError:
        return False


def _is_called_server(pid: int) -> bool:
    return process.stat(pid).comm in PROGRAMS


def _could_be_here(pid: int, folder: str) -> bool:
    """Whether nothing speaks against it, of one that we may not look at.

    A backend does not say whose it is, but its postmaster does. Where that is dead, it may be ours.
    """
    for each in (pid, process.stat(pid).ppid):
        named = _argument("-D", each) if _is_called_server(each) else ""
        if named.startswith("/"):
            return os.path.realpath(named) == os.path.realpath(folder)
    return True


def _is_here(pid: int, folder: str) -> bool:
    cwd = f"/proc/{pid}/cwd"
    has_our_paths = os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt")
    known = (folder, os.path.realpath(folder))
    if os.readlink(cwd) in known and has_our_paths:
        return True
    try:
        if os.path.samefile(cwd, folder):
            return True
    except FileNotFoundError:  # the data directory is not there
        pass
    # Moved or unmounted since: what its main process has written still stands there.
    lock = Lock.read(f"{cwd}/{lockfile.NAME}")
    return has_our_paths and lock is not None and lock.folder == folder


def _is_top(pid: int, others: Container[int]) -> bool:
    """Whether none of the others has started it, and it does not call itself a worker."""
    try:
        title = process.command_line(pid)[:1]
        return process.stat(pid).ppid not in others and not "".join(title).startswith("postgres: ")
    except OSError:  # it has ended meanwhile
        return False


def _argument(option: str, pid: int) -> str:
    """What follows that option on its command line."""
    words = process.command_line(pid)
    return words[words.index(option) + 1] if option in words[:-1] else ""


def _lives(pid: int) -> bool:
    try:
        return not process.stat(pid).ended
    except OSError:
        return False


def _is_hidden(pid: int) -> bool:
    """Whether its program may not be seen; one that is about to end has none any more (ENOENT)."""
    try:
        os.readlink(f"/proc/{pid}/exe")
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _is_in_our_container(pid: int) -> bool:
    here = f"/proc/{pid}"
    same_pids = os.readlink(f"{here}/ns/pid") == os.readlink("/proc/self/ns/pid")
    return same_pids and os.path.samefile(f"{here}/root", "/")
