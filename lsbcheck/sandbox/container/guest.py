"""PID 1 of a container: what `init` is to a namespace sandbox, where an engine has isolated us.

It runs inside the image, by the interpreter that `baggage` has brought, and speaks JSON lines on
the standard streams that the front is attached to. The engine gives it SYS_ADMIN for a network
namespace of its own, the seccomp filter with its listener, and undoing a few mounts. It gives that
up before it runs anything; that has the same capabilities as in a namespace sandbox.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import glob
import json
import os
import shutil
import signal
import stat
import time
from typing import TYPE_CHECKING, Any, NoReturn

from lsbcheck.sandbox import init, watch
from lsbcheck.sandbox.machine import Machine
from ocfkit.linux import cgroups, namespaces, seccomp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lsbcheck.sandbox.machine import Link

COPIES = "/.lsbcheck/copies"
"""Where the user's files wait in the image, each below it at its own path."""
VOLUMES = "/.lsbcheck/volumes"
"""Where what packages have put into volumes of the image waits, in the same way."""
COPY_REFUSED = "--copy"
RT_SIGACTION = {"x86_64": 13, "aarch64": 134}  # <asm/unistd.h>
_PRIVATE = ("/run", "/tmp", "/var/run", "/var/lock")  # noqa: S108 - the container's own
_RUN_ONLY_HOST = ("/run/systemd", "/run/udev")
_LOCKS = "/run/lock"
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the container's own
_MOUNTED_FILES = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
_HIDDEN_SIGNALS = (32, 33)  # signal(3) of glibc refuses them; posix_spawn(3) may leave one ignored
_SECOND = 1_000_000_000
"""Nanoseconds, more than the clock of inodes is behind the other one."""
_BY_DEFAULT = bytes(32)  # struct sigaction of the kernel: SIG_DFL is 0

Json = Any  # what json.loads returns: written by the backend that started us


def main() -> NoReturn:
    """Become PID 1 of the container that the backend has started us in; never returns.

    The first line that comes is JSON: `watch` as in `interface.Watch`, `capabilities` beyond the
    usual ones, `volumes` of the image, and `copies`, the files that the user puts into it. It is no
    argument: a script that looks for its daemon's path in every command line would find it there.
    """
    namespaces.prctl(namespaces.PR_SET_NAME, b"lsbcheck")
    link = _Streams(os.dup(0), os.dup(1))
    init.serve(link, lambda: _make_ready(link, _wanted(link)))


class _Streams:
    """The two pipes to the engine as one thing that can be read and written."""

    def __init__(self, read: int, write: int) -> None:
        self._read = read
        self._write = write

    def fileno(self) -> int:
        """What is polled: the end that is read."""
        return self._read

    def recv(self, most: int) -> bytes:
        """See socket.recv."""
        return os.read(self._read, most)

    def sendall(self, message: bytes) -> None:
        """See socket.sendall."""
        left = memoryview(message)
        while left:
            left = left[os.write(self._write, left) :]


class GuestMachine(Machine):
    """A machine that an engine has made: it counts its own limits, and knows init scripts."""

    since = 0
    """Time of the last change that set-up has made, in nanoseconds, as files have it."""
    image_until = 0
    """See `_image_until`."""
    fixed: frozenset[str] = frozenset()
    """Files below /run and /tmp that were there at first: the engine's own mounts, the user's."""

    def do_find(self, word: str) -> Json:
        """Find a script in here; a dictionary of its fields, or the sentence why there is none."""
        from lsbcheck import script

        try:
            return {"script": dataclasses.asdict(script.find(word))}
        except script.ScriptError as why:
            return {"none": str(why)}

    def do_expand(self, pattern: str) -> list[str]:
        """What a shell makes of a word: the files that match it, or else the word itself."""
        return sorted(glob.glob(pattern, root_dir="/")) or [pattern]

    def do_changed_files(self) -> list[str]:
        """Files of this root that are newer than our own beginning, and the private folders."""
        changed = _changed_since(self.since, self.image_until)
        return sorted({*super().do_changed_files(), *changed} - self.fixed)

    def _disk_is_full(self) -> bool:
        shared = os.statvfs(_SHARED_MEMORY)
        return super()._disk_is_full() or shared.f_bavail == 0

    def do_met(self) -> Json:
        """What our control group has counted against its limits."""
        group = cgroups.Tree([], "")
        with contextlib.suppress(OSError):
            group.folders = cgroups.hierarchies()
        return {"oom_kills": group.oom_kills(), "refused_forks": group.refused_forks()}


def _wanted(link: Link) -> dict[str, list[str]]:
    line = b""
    while not line.endswith(b"\n"):  # nothing more is sent before we are ready
        chunk = link.recv(1 << 16)
        if not chunk:
            raise EOFError("the front has gone")
        line += chunk
    wanted: dict[str, list[str]] = json.loads(line)
    return wanted


def _make_ready(link: Link, wanted: dict[str, list[str]]) -> GuestMachine:
    notes: list[str] = []
    image_until = _image_until()
    _forget_the_engine()
    _own_network()
    _own_files(notes)
    for folder in wanted["volumes"]:
        _own_folder(folder, notes)
    for folder in _PRIVATE:
        _empty(folder)
    for folder in _RUN_ONLY_HOST:
        shutil.rmtree(folder, ignore_errors=True)
    for folder in (_LOCKS, "/tmp"):  # noqa: S108 - the container's own
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o1777)  # noqa: S103 - as everywhere
    with contextlib.suppress(OSError):  # where the engine gives one, it is a terminal
        os.symlink("null", "/dev/console")
    _put_copies(wanted["copies"])
    since = _now_as_files_have_it()
    init.forget_the_host(notes)
    os.chdir("/")
    password = int.from_bytes(os.urandom(4), "little")
    may_mount = "SYS_ADMIN" in wanted["capabilities"]
    listener = seccomp.install(
        watch.program(wanted["watch"], password, may_mount=may_mount), listen=bool(wanted["watch"])
    )
    namespaces.keep_capabilities({*init.KEPT_CAPABILITIES, *wanted["capabilities"]})
    root = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    machine = GuestMachine(link, watch.Watcher(listener, password), root, [], notes)
    machine.since = since
    machine.image_until = image_until
    machine.fixed = frozenset(Machine.do_changed_files(machine))
    return machine


def _forget_the_engine() -> None:
    """What it was started with it hands on, and that is not for daemons (as in `server`).

    An engine that nohup has started ignores SIGHUP, and so would they.
    """
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    kept = {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}
    for number in signal.valid_signals() - kept:
        signal.signal(number, signal.SIG_DFL)
    for hidden in _HIDDEN_SIGNALS:
        namespaces.syscall(RT_SIGACTION[os.uname().machine], hidden, _BY_DEFAULT, None, 8)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.umask(0o022)


def _own_network() -> None:
    """A loopback like that of every other backend: docker's `none` network has no ::1."""
    namespaces.unshare(namespaces.CLONE_NEWNET)
    namespaces.bring_loopback_up()


def _own_files(notes: list[str]) -> None:
    """Take away the files that engines mount, which a script could not replace by a rename.

    What is below is the image's own. Where it has none (images from a registry), an engine has made
    an empty one, which gets the content of what was mounted.
    """
    for path in _MOUNTED_FILES:
        if not os.path.ismount(path):
            continue
        with open(path, "rb") as mounted:
            content = mounted.read()
        try:
            namespaces.umount2(path, namespaces.MNT_DETACH)
        except OSError as refusal:
            notes.append(f"{path} cannot be replaced: {refusal.strerror}")
            continue
        if not os.stat(path).st_size:
            with open(path, "wb") as own:
                own.write(content)


def _own_folder(volume: str, notes: list[str]) -> None:
    """Take away a volume that an engine has mounted; what is below is the image's own folder.

    Nothing would be seen of what a script leaves in it: it is another file system.
    """
    try:
        namespaces.umount2(volume, namespaces.MNT_DETACH)
    except OSError as refusal:
        # nothing is mounted there (umount(2)), or it was in a volume that is taken away already
        if refusal.errno not in (errno.EINVAL, errno.ENOENT):
            notes.append(f"{volume} stays a volume of its own: {refusal.strerror}")
    _put_back(volume)


def _put_back(volume: str) -> None:
    """Move there what packages had put into the volume; files alone, as overlays have it."""
    aside = f"{VOLUMES}{volume}"
    for path, folders, files in os.walk(aside):
        there = f"{volume}{path.removeprefix(aside)}"
        about = os.stat(path)
        os.makedirs(there, exist_ok=True)
        os.chown(there, about.st_uid, about.st_gid)
        os.chmod(there, stat.S_IMODE(about.st_mode))
        links = [name for name in folders if os.path.islink(f"{path}/{name}")]
        for name in (*files, *links):
            os.replace(f"{path}/{name}", f"{there}/{name}")
    shutil.rmtree(aside, ignore_errors=True)


def _put_copies(paths: Iterable[str]) -> None:
    """Put the user's files where they are wanted; a volume would have covered them until now."""
    for path in paths:
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.replace(f"{COPIES}{path}", path)
        except OSError as refusal:
            why = f"{COPY_REFUSED}: {refusal.strerror}"
            raise OSError(refusal.errno, why, path) from refusal
    shutil.rmtree(COPIES, ignore_errors=True)


def _empty(folder: str) -> None:
    """Remove what an image has left below a folder that starts empty, but for its folders.

    Scripts expect the folders that tmpfiles.d would make; the files are of processes long gone.
    """
    if os.path.islink(folder) or not os.path.isdir(folder):
        return
    for path, _folders, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                os.unlink(f"{path}/{name}")
        for name in _folders:
            if stat.S_ISLNK(os.lstat(f"{path}/{name}").st_mode):
                os.unlink(f"{path}/{name}")


def _now_as_files_have_it() -> int:
    """The kernel's coarse clock, on which files are dated: up to some milliseconds behind."""
    marker = f"{_LOCKS}/lsbcheck"
    with open(marker, "wb"):
        when = os.stat(marker).st_ctime_ns
    os.unlink(marker)
    return when


def _changed_since(when: int, image_until: int) -> Iterator[str]:
    """Files of the root file system itself whose inode has changed since.

    Folders whose inode is older than `image_until` are the image's, with all that is below them.
    """
    here = os.lstat("/").st_dev
    folders = ["/"]
    while folders:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for each in entries:
                try:
                    one = each.stat(follow_symlinks=False)
                except OSError:  # gone while we looked
                    continue
                if not stat.S_ISDIR(one.st_mode):
                    if one.st_ctime_ns > when:
                        yield each.path
                elif one.st_dev == here and one.st_ctime_ns >= image_until:
                    folders.append(each.path)


def _image_until() -> int:
    """The time before which nothing but the image can have changed a folder; 0 if none tells.

    An overlay copies a folder up before anything below it is written, with the times that it had
    but for that of its inode, which cannot be set (ovl_copy_up_flags of the kernel). Where every
    file lies as it is, what is written into one does not touch the folders above it.
    """
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as lines:
        return time.time_ns() - _SECOND if _root_is_overlay(lines) else 0


def _root_is_overlay(mountinfo: Iterable[str]) -> bool:
    """Whether the topmost of what is mounted at / is one, by the kernel's own driver (proc(5))."""
    mounts = [line.split(" - ") for line in mountinfo]
    kinds = [kind for mount, kind in mounts if mount.split()[4] == "/"]
    return bool(kinds) and kinds[-1].startswith("overlay ")
