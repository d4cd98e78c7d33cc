"""Who listens: the sockets that the kernel lists, and the processes that hold them."""

from __future__ import annotations

import os

_LISTEN = "0A"  # TCP_LISTEN of <linux/tcp.h>, as /proc/net/tcp prints it


def listening(port: int, proc: str = "/proc") -> set[str]:
    """Inodes of the TCP sockets that listen on a port, on whatever address (proc(5), net/tcp)."""
    found: set[str] = set()
    for table in ("tcp", "tcp6"):
        for fields in _rows(f"{proc}/net/{table}"):
            local, state, inode = fields[1], fields[3], fields[9]
            if state == _LISTEN and int(local.rpartition(":")[2], 16) == port:
                found.add(inode)
    return found


def bound(path: str, proc: str = "/proc") -> set[str]:
    """Inodes of the unix sockets that are bound to a path."""
    return {fields[6] for fields in _rows(f"{proc}/net/unix") if fields[7:] == [path]}


def holders(inodes: set[str], proc: str = "/proc") -> set[int] | None:
    """Processes that have one of the sockets open; None when some process could not be asked."""
    if not inodes:
        return set()
    wanted = {f"socket:[{inode}]" for inode in inodes}
    found: set[int] = set()
    refused = False
    for name in os.listdir(proc):
        if not name.isdecimal():
            continue
        try:
            if any(_link(f"{proc}/{name}/fd/{each}") in wanted for each in _fds(proc, name)):
                found.add(int(name))
        except PermissionError:
            refused = True
    return None if refused and not found else found


def _fds(proc: str, pid: str) -> list[str]:
    try:
        return os.listdir(f"{proc}/{pid}/fd")
    except (FileNotFoundError, ProcessLookupError):
        return []


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _rows(path: str) -> list[list[str]]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as lines:
            next(lines, None)  # the headings
            return [line.split() for line in lines]
    except FileNotFoundError:  # a kernel without IPv6
        return []
