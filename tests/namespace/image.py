"""What a host looks like: take one image before, one after, and read the difference.

    before = HostImage.take()
    ...
    assert before.difference(HostImage.take()) == []

Run as a program it prints an image as JSON, so that a test can look from inside other namespaces.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import stat
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

TREES = ("/dev", "/etc", "/usr/bin", "/usr/sbin", "/usr/local", "/var")
LISTED = ("/tmp", "/run")  # noqa: S108 - what lies there is what we ask

# they change by themselves
_RESTLESS = (
    "/proc/sys/fs/aio-nr",
    "/proc/sys/fs/dentry-state",
    "/proc/sys/fs/file-nr",
    "/proc/sys/fs/inode-nr",
    "/proc/sys/fs/inode-state",
    "/proc/sys/fs/quota/syncs",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/kernel/pty/nr",
    "/proc/sys/kernel/random/",
    "/proc/sys/net/netfilter/nf_conntrack_count",
    "/proc/sys/vm/compact_memory",
)
_LONGEST = 300


@dataclass(frozen=True)
class HostImage:
    """Aspects by name (mounts, processes, …), each a mapping from things to what was seen."""

    aspects: Mapping[str, Mapping[str, str]]

    @classmethod
    def take(cls, trees: Iterable[str] = TREES) -> HostImage:
        """Look at this host, as it is seen from our namespaces."""
        return cls(
            {
                "mounts": dict(_mounts()),
                "processes": dict(_processes()),
                "cgroups": dict(_cgroups()),
                "interfaces": dict(_interfaces()),
                "sysctls": dict(_sysctls()),
                "files": {path: seen for tree in trees for path, seen in _files(tree)},
                "folders": {path: " ".join(sorted(os.listdir(path))) for path in LISTED},
            }
        )

    @classmethod
    def parse(cls, text: str) -> HostImage:
        """What this file prints when it is run."""
        return cls(json.loads(text))

    def difference(self, after: HostImage, ignoring: Iterable[str] = ()) -> list[str]:
        """One line for each thing that came, went or changed; [] for identical images."""
        lines: list[str] = []
        for aspect, was in self.aspects.items():
            if aspect in ignoring:
                continue
            now = after.aspects[aspect]
            lines += [f"{aspect}: gone: {key}: {was[key]}" for key in was if key not in now]
            lines += [f"{aspect}: new: {key}: {now[key]}" for key in now if key not in was]
            lines += [
                f"{aspect}: changed: {key}: {was[key]} -> {now[key]}"
                for key in was
                if key in now and was[key] != now[key]
            ]
        return [line if len(line) <= _LONGEST else line[:_LONGEST] + " …" for line in lines]


def _mounts() -> Iterator[tuple[str, str]]:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            number, _, rest = line.partition(" ")
            yield number, rest.strip()


def _processes() -> Iterator[tuple[str, str]]:
    """All but ourselves, the kernel's threads, and the dead that only PID 1 still has to reap.

    Those come and go as they like: PID 1 takes its time, and a dead process does nothing more.
    """
    for name in os.listdir("/proc"):
        if name.isdecimal() and int(name) != os.getpid():
            with contextlib.suppress(OSError):
                line = _text(f"/proc/{name}/stat")
                fields = line.rpartition(")")[2].split()
                command = _text(f"/proc/{name}/cmdline").replace("\0", " ").strip()
                kernel = "2" in (name, fields[1]) and not command
                orphan = fields[0] == "Z" and fields[1] in ("0", "1")
                if not kernel and not orphan:
                    yield f"{name} started at {fields[19]}", command or line[:40]


def _cgroups() -> Iterator[tuple[str, str]]:
    """The groups below ours; lsbcheck's only if its pids are of our pid namespace."""
    namespace = str(os.stat("/proc/self/ns/pid").st_ino)
    for top in _own_groups():
        for folder, below, _files in os.walk(top):
            for name in tuple(below):
                if name.startswith("lsbcheck-") and name.split("-")[1] != namespace:
                    below.remove(name)
                else:
                    yield f"{folder}/{name}", "group"


def _own_groups() -> Iterator[str]:
    paths: dict[str, str] = {}
    for line in _text("/proc/self/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        paths[names] = path
    for mount in _text("/proc/self/mounts").splitlines():
        _source, point, kind, options = mount.split()[:4]
        if kind == "cgroup2" and "" in paths:
            yield point + paths[""].rstrip("/")
        elif kind == "cgroup":
            for names, path in paths.items():
                if names and set(names.split(",")) <= set(options.split(",")):
                    yield point + path.rstrip("/")


def _interfaces() -> Iterator[tuple[str, str]]:
    siocgifflags = 0x8913
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for _number, name in socket.if_nameindex():
            with contextlib.suppress(OSError):
                request = struct.pack("16sh14x", name.encode(), 0)
                answer = fcntl.ioctl(any_socket, siocgifflags, request)
                yield name, f"flags {struct.unpack('16sh14x', answer)[1]:#x}"


def _sysctls() -> Iterator[tuple[str, str]]:
    for folder, _below, names in os.walk("/proc/sys"):
        for name in names:
            path = f"{folder}/{name}"
            if not path.startswith(_RESTLESS):
                with contextlib.suppress(OSError):
                    if os.stat(path).st_mode & stat.S_IRUSR:
                        yield path, _text(path).strip()


def _files(tree: str) -> Iterator[tuple[str, str]]:
    for folder, below, names in os.walk(tree):
        if folder == "/dev/pts":  # terminals come and go
            continue
        for name in (*below, *names):
            path = f"{folder}/{name}"
            with contextlib.suppress(OSError):
                one = os.lstat(path)
                seen = f"{stat.filemode(one.st_mode)} {one.st_uid}:{one.st_gid}"
                if stat.S_ISREG(one.st_mode) or stat.S_ISDIR(one.st_mode):
                    seen += f" {one.st_size} bytes, written at {one.st_mtime_ns}"
                yield path, seen


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


if __name__ == "__main__":
    json.dump(HostImage.take(sys.argv[1:]).aspects, sys.stdout)
