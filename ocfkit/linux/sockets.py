"""Who listens: the sockets that the kernel lists, and the processes that hold them."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as typing's, which every agent would pay for
if TYPE_CHECKING:
    from collections.abc import Iterator

_LISTEN = "0A"  # TCP_LISTEN of <linux/tcp.h>, as /proc/net/tcp prints it
_ACCEPTS = "00010000"  # __SO_ACCEPTCON of <linux/net.h>: somebody has called listen(2)
_DATAGRAM = "0002"  # SOCK_DGRAM: nobody calls listen(2) on it
_PATH = 7  # column of /proc/net/unix; not there for a socket without a name


def listening(port: int, address: str | None = None, proc: str = "/proc") -> set[str]:
    """Inodes of the TCP sockets that listen on a port (proc(5), net/tcp).

    On whatever address, or such as take what is sent to the given one: those that listen on it, or
    on all. Raises OSError for what is no numeric address.
    """
    wanted = None if address is None else _printed(address)
    found: set[str] = set()
    for table in ("tcp", "tcp6"):
        for line in _lines(f"{proc}/net/{table}"):
            fields = line.split()
            local, state, inode = fields[1], fields[3], fields[9]
            at, _, number = local.rpartition(":")
            if state == _LISTEN and int(number, 16) == port and (wanted is None or at in wanted):
                found.add(inode)
    return found


def bound(path: str, proc: str = "/proc") -> set[str]:
    """Inodes of the unix sockets that take what is sent to a path.

    Those of single connections have the path as well, and are left out.
    """
    found: set[str] = set()
    for line in _lines(f"{proc}/net/unix"):
        fields = line.split(maxsplit=_PATH)
        # not every line is a row: the kernel prints a path with a line feed as it is
        if len(fields) > _PATH and _takes(fields) and _is_same(fields[_PATH][:-1], path):
            found.add(fields[6])
    return found


def holders(inodes: set[str], proc: str = "/proc") -> set[int] | None:
    """Processes that have one of the sockets open.

    None when nobody is seen to have it: he could not be asked, or is the kernel, or is in another
    namespace.
    """
    if not inodes:
        return set()
    wanted = {f"socket:[{inode}]" for inode in inodes}
    names = (name for name in os.listdir(proc) if name.isdecimal())
    found = {int(name) for name in names if any(each in wanted for each in _open(proc, name))}
    return found or None


def _takes(fields: list[str]) -> bool:
    return fields[3] == _ACCEPTS or fields[4] == _DATAGRAM


def _open(proc: str, pid: str) -> Iterator[str]:
    """What the descriptors of a process lead to, as far as we may see."""
    try:
        names = os.listdir(f"{proc}/{pid}/fd")
    except OSError:
        return
    for name in names:
        try:
            yield os.readlink(f"{proc}/{pid}/fd/{name}")
        except OSError:
            continue


def _printed(address: str) -> set[str]:
    """An address, and those that stand for all, as the kernel prints them in both tables."""
    import _socket as socket  # for those who say an address

    if ":" in address:
        packed = socket.inet_pton(socket.AF_INET6, address)
        return {_words(packed), _words(bytes(16))}
    packed = socket.inet_pton(socket.AF_INET, address)
    mapped = bytes(10) + b"\xff\xff"  # an IPv6 socket for IPv4 (RFC 4291, 2.5.5.2)
    both = {_words(packed), _words(bytes(4))}
    return both | {_words(mapped + packed), _words(mapped + bytes(4)), _words(bytes(16))}


def _words(packed: bytes) -> str:
    """Words of 32 bits, each as a number of this machine."""
    words = (packed[place : place + 4] for place in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)


def _is_same(seen: str, path: str) -> bool:
    """Whether both are one file; the kernel keeps the path as the daemon has written it."""
    if seen == path:
        return True
    same_name = os.path.basename(seen) == os.path.basename(path)
    return same_name and os.path.isabs(seen) and os.path.realpath(seen) == os.path.realpath(path)


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            next(file, None)  # the headings
            return list(file)
    except FileNotFoundError:  # a kernel without IPv6
        return []
