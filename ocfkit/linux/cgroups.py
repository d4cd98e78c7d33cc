"""Control groups of our own, in version 1 and 2, below the one that we run in (cgroups(7)).

A tree is one folder a hierarchy. What a machine does not offer (no such controller, not writable)
is told as text and not raised: limits are a net, and the caller says where it has a hole.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import time

CONTROLLERS = ("pids", "memory", "cpu")
_REMOVAL = 2.0  # seconds: a group is busy for a moment after its last process has gone


class Hierarchy:
    """A place where groups can be made, and the controllers that work there."""

    __slots__ = ("controllers", "folder", "unified")

    def __init__(self, folder: str, controllers: set[str], *, unified: bool) -> None:
        """`folder` is an existing group below which ours are made."""
        self.folder = folder
        self.controllers = controllers
        self.unified = unified


def hierarchies(proc: str = "/proc/self") -> list[Hierarchy]:
    """Where this process may hope to make groups, version 1 first; nothing is tried yet."""
    found: list[Hierarchy] = []
    missing: set[str] = set(CONTROLLERS)
    mounts = _mounts(proc)
    try:
        with open(f"{proc}/cgroup", encoding="utf-8", errors="surrogateescape") as groups:
            lines = [line.rstrip("\n").split(":", 2) for line in groups]
    except FileNotFoundError:  # a kernel without control groups
        return []
    for _number, names, path in lines:
        here = missing & set(names.split(","))
        for kind, root, point, options in mounts:
            if here and kind == "cgroup" and here <= options:
                found.append(Hierarchy(_below(root, point, path), here, unified=False))
                missing -= here
                break
    for number, _names, path in lines:
        for kind, root, point, _options in mounts:
            if missing and number == "0" and kind == "cgroup2":
                folder = _delegating(point, _below(root, point, path), missing)
                here = missing & _words(f"{folder}/cgroup.subtree_control")
                if here:
                    found.append(Hierarchy(folder, here, unified=True))
                missing -= here
                break
    return found


class Tree:
    """One group of ours in every hierarchy, by the same name; children nest below it."""

    __slots__ = ("folders", "notes")

    def __init__(self, places: list[Hierarchy], name: str) -> None:
        """Make the group; where that fails, a note says so and the hierarchy is left out."""
        self.folders: list[Hierarchy] = []
        self.notes: list[str] = []
        for place in places:
            folder = f"{place.folder}/{name}"
            try:
                os.mkdir(folder, 0o755)
            except OSError as refusal:
                self.notes.append(f"no control group below {place.folder}: {refusal.strerror}")
                continue
            self.folders.append(Hierarchy(folder, place.controllers, unified=place.unified))

    @property
    def controllers(self) -> set[str]:
        """Those that act on this group."""
        return {each for place in self.folders for each in place.controllers}

    def hold(self) -> None:
        """Keep a lock on every folder for as long as this process lives; see `is_held`."""
        for place in self.folders:
            descriptor = os.open(place.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(descriptor, fcntl.LOCK_SH)

    def share(self) -> None:
        """Let children have the controllers too.

        Version 2 wants it said, and then the group itself may hold no process.
        """
        for place in self.folders:
            if "memory" in place.controllers and not place.unified:
                # version 1 before 5.11: a limit binds the group alone unless this is said first
                with contextlib.suppress(OSError):
                    _write(f"{place.folder}/memory.use_hierarchy", "1")
            if place.unified:
                wanted = " ".join(f"+{each}" for each in sorted(place.controllers))
                self._write(place, "cgroup.subtree_control", wanted)

    def limit(
        self,
        *,
        processes: int | None = None,
        memory: int | None = None,
        cpu_weight: int | None = None,
    ) -> None:
        """Set limits: a number, bytes, and a weight from 1 to 10000 where 100 is usual."""
        for place in self.folders:
            if processes is not None and "pids" in place.controllers:
                self._write(place, "pids.max", str(processes))
            if memory is not None and "memory" in place.controllers:
                self._limit_memory(place, memory)
            if cpu_weight is not None and "cpu" in place.controllers:
                if place.unified:
                    self._write(place, "cpu.weight", str(cpu_weight))
                else:
                    self._write(place, "cpu.shares", str(max(2, cpu_weight * 1024 // 100)))

    def enter(self) -> None:
        """Move the calling process, which must have one thread, into the group.

        Version 1 takes a thread at a time without the kernel-wide lock that moving a process
        costs (5 to 20 ms, measured on 6.18); version 2 has no such way for these controllers.
        """
        for place in self.folders:
            _write(f"{place.folder}/{'cgroup.procs' if place.unified else 'tasks'}", "0")

    def _limit_memory(self, place: Hierarchy, memory: int) -> None:
        """Memory, and no swap beyond it: files on a tmpfs would go there."""
        if place.unified:
            self._write(place, "memory.max", str(memory))
            swap, most = "memory.swap.max", 0
        else:
            self._write(place, "memory.limit_in_bytes", str(memory))
            swap, most = "memory.memsw.limit_in_bytes", memory  # of both together
        if os.path.exists(f"{place.folder}/{swap}"):
            self._write(place, swap, str(most))
        elif _has_swap():
            self.notes.append(f"{swap} could not be set: the kernel does not count swap")

    def oom_kills(self) -> int:
        """How many processes of the group the kernel has killed for want of memory."""
        return self._events("memory", "memory.oom_control", "memory.events", "oom_kill")

    def refused_forks(self) -> int:
        """How often the group has met its limit of processes."""
        return self._events("pids", "pids.events", "pids.events", "max")

    def _events(self, controller: str, version_1: str, version_2: str, event: str) -> int:
        for place in self.folders:
            if controller in place.controllers:
                try:
                    name = version_2 if place.unified else version_1
                    with open(f"{place.folder}/{name}", encoding="ascii") as lines:
                        counts = dict(line.split() for line in lines)
                    return int(counts.get(event, "0"))
                except (OSError, ValueError):
                    return 0
        return 0

    def remove(self) -> None:
        """Remove the group and what is below it; all its processes must be gone or dying."""
        for place in self.folders:
            remove(place.folder)
        self.folders = []

    def _write(self, place: Hierarchy, name: str, value: str) -> None:
        try:
            _write(f"{place.folder}/{name}", value)
        except OSError as refusal:
            self.notes.append(f"{name} could not be set: {refusal.strerror}")


def is_held(folder: str) -> bool:
    """Whether the process that made this group, and held it, is still there.

    A lock says so across pid namespaces too, where a pid in the group's name would mean nothing.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True  # it is being removed
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def kill(folder: str) -> None:
    """Kill every process in a group and below it, and wait a moment for them to be gone.

    Only those that this pid namespace shows are killed (version 2 has a file that ends all).
    """
    deadline = time.monotonic() + _REMOVAL
    while pids := _members(folder):
        try:
            _write(f"{folder}/cgroup.kill", "1")
        except OSError:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            return
        time.sleep(0.002)


def _members(folder: str) -> set[int]:
    found = {int(word) for word in _words(f"{folder}/cgroup.procs")} - {0}
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                found |= _members(entry.path)
    return found


def remove(folder: str) -> None:
    """Remove a group with its children, waiting a moment for dying processes."""
    try:
        below = [entry.path for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return
    for each in below:
        remove(each)
    deadline = time.monotonic() + _REMOVAL
    while True:
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            return
        except OSError as busy:
            if busy.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.002)
        else:
            return


def _write(path: str, value: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def _has_swap() -> bool:
    try:
        with open("/proc/swaps", encoding="utf-8", errors="replace") as lines:
            return len(list(lines)) > 1
    except OSError:
        return False


def _words(path: str) -> set[str]:
    try:
        with open(path, encoding="ascii") as text:
            return set(text.read().split())
    except OSError:
        return set()


def _delegating(top: str, folder: str, wanted: set[str]) -> str:
    """The nearest group upwards that hands the wanted controllers to its children.

    In version 2 a group with processes hands out none, so ours cannot be a child of the one that
    we run in, unless that is the root.
    """
    while folder != top and not wanted <= _words(f"{folder}/cgroup.subtree_control"):
        folder = os.path.dirname(folder)
    return folder


def _below(root: str, point: str, path: str) -> str:
    """Where a group's path is seen: a mount may show only a part of its hierarchy."""
    shown = path.removeprefix(root.rstrip("/")) if path.startswith(root) else ""
    return (point + "/" + shown.strip("/")).rstrip("/")


def _mounts(proc: str) -> list[tuple[str, str, str, set[str]]]:
    found: list[tuple[str, str, str, set[str]]] = []
    with open(f"{proc}/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            fields, _, rest = line.partition(" - ")
            kind, _source, options = [*rest.split(), "", ""][:3]
            if kind in ("cgroup", "cgroup2"):
                _id, _parent, _device, root, point = fields.split()[:5]
                found.append((kind, root, point, set(options.split(","))))
    return found
