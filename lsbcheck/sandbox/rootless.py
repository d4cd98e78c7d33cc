"""Without root: a user namespace, and as much of the host as an ordinary user may show it.

The kernel lets nobody but root lay an overlay over `/`, and root's files have no owner in such a
namespace. So the top folders are shown read-only, and /etc and /var as copies of what may be
read. What is missing is told, since a daemon without its configuration is another daemon.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess

from ocfkit.linux.namespaces import (
    CLONE_NEWUSER,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_RDONLY,
    MS_BIND,
    MS_REC,
    mount,
    mount_setattr,
    unshare,
)

_PRIVATE = ("proc", "sys", "dev", "run", "tmp")
_COPIED = ("etc", "var")
_LARGEST = 1 << 20  # bytes of one file; what is larger below /etc or /var is data, not set-up
_LEFT_OUT = frozenset(("var/cache", "var/lib/apt", "var/lib/dpkg", "var/lib/docker", "var/tmp"))


def enter_user_namespace() -> None:
    """Become root of a new user namespace, whose map is still to be written by `map_ids`."""
    unshare(CLONE_NEWUSER)


def map_ids(pid: int) -> bool:
    """Map ourselves to the root of a process's new user namespace; True with a whole range.

    With newuidmap(1) and a range in /etc/subuid daemons can change their user; without, the map
    has one id, and `watch` lets the calls that change it do nothing. Raises OSError.
    """
    uid, gid = os.getuid(), os.getgid()
    ranges = _range("/etc/subuid", uid), _range("/etc/subgid", uid)
    tools = shutil.which("newuidmap"), shutil.which("newgidmap")
    if all(ranges) and all(tools):
        calls = zip(tools, (uid, gid), ranges, strict=True)
        if all(_mapped(str(tool), pid, own, span) for tool, own, span in calls if span):
            return True
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {uid} 1"),
        ("gid_map", f"0 {gid} 1"),
    ):
        with open(f"/proc/{pid}/{name}", "w", encoding="ascii") as file:
            file.write(text)
    return False


def _mapped(tool: str, pid: int, own: int, span: tuple[int, int]) -> bool:
    first, count = span
    call = [tool, str(pid), "0", str(own), "1", "1", str(first), str(count)]
    done = subprocess.run(
        call, stdin=subprocess.DEVNULL, capture_output=True, timeout=5, check=False
    )
    return done.returncode == 0


def _range(path: str, uid: int) -> tuple[int, int] | None:
    """First id and count of this user's range, by number; subuid(5)."""
    with contextlib.suppress(OSError, ValueError), open(path, encoding="utf-8") as lines:
        for line in lines:
            owner, first, count = line.strip().split(":")
            if owner in (str(uid), _login(uid)):
                return int(first), int(count)
    return None


def _login(uid: int) -> str:
    with contextlib.suppress(OSError), open("/etc/passwd", encoding="utf-8") as lines:
        for line in lines:
            fields = line.split(":")
            if fields[2] == str(uid):
                return fields[0]
    return ""


def lay_root(root: str, target: str) -> list[str]:
    """Fill an empty tmpfs folder with the root as this user sees it; return what is missing."""
    unseen: list[str] = []
    for name in sorted(os.listdir(root)):
        source, here = os.path.join(root, name), os.path.join(target, name)
        if os.path.islink(source):
            os.symlink(os.readlink(source), here)
        elif not os.path.isdir(source):
            continue
        elif name in _PRIVATE:
            os.mkdir(here)
        elif name in _COPIED:
            _copy_tree(source, here, name, unseen)
        else:
            _show_read_only(source, here, unseen)
    return _notes([path.removeprefix(root) for path in unseen])


def _show_read_only(source: str, here: str, unseen: list[str]) -> None:
    os.mkdir(here)
    try:
        mount(source, here, None, MS_BIND | MS_REC)
        mount_setattr(here, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV)
    except OSError:
        unseen.append(source)


def _copy_tree(source: str, here: str, name: str, unseen: list[str]) -> None:
    os.mkdir(here)
    try:
        entries = list(os.scandir(source))
    except OSError:
        unseen.append(source)
        return
    for entry in entries:
        try:
            _copy_entry(entry, os.path.join(here, entry.name), f"{name}/{entry.name}", unseen)
        except FileNotFoundError:
            continue  # gone meanwhile
        except PermissionError:  # its folder may be listed, and not entered
            unseen.append(entry.path)
    os.chmod(here, stat.S_IMODE(os.stat(source).st_mode) | stat.S_IRWXU)


def _copy_entry(entry: os.DirEntry[str], copy: str, below: str, unseen: list[str]) -> None:
    if entry.is_symlink():
        os.symlink(os.readlink(entry.path), copy)
    elif not entry.is_dir(follow_symlinks=False):
        _copy_file(entry.path, copy, entry.stat(follow_symlinks=False), unseen)
    elif below in _LEFT_OUT:
        os.mkdir(copy)
        unseen.append(entry.path)
    else:
        _copy_tree(entry.path, copy, below, unseen)


def _copy_file(source: str, copy: str, was: os.stat_result, unseen: list[str]) -> None:
    if not stat.S_ISREG(was.st_mode):
        return
    if was.st_size > _LARGEST:
        unseen.append(source)
        return
    shutil.copyfile(source, copy)
    os.chmod(copy, stat.S_IMODE(was.st_mode))


def _notes(unseen: list[str]) -> list[str]:
    read_only = (
        "not root: the root file system is read-only but for copies of /etc and /var, so no "
        "program can be made to fail"
    )
    if not unseen:
        return [read_only]
    return [read_only, f"not root: could not be seen: {' '.join(unseen)}"]
