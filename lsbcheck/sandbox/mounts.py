"""The file system of a private machine: the host's own root, copy on write, the rest private.

`plan` looks at the host once, `build` lays the plan out in a mount namespace that the caller has
just made. Nothing is created on the host: the scratch space is a tmpfs over an existing folder,
seen in that namespace alone.
"""

from __future__ import annotations

import contextlib
import os
import stat

from lsbcheck.sandbox import rootless
from ocfkit.linux.namespaces import (
    MNT_DETACH,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_RDONLY,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    mount,
    mount_setattr,
    open_tree,
    pivot_root,
    umount2,
)

PRIVATE = ("/proc", "/sys", "/dev", "/run", "/tmp", "/var/run", "/var/lock")
"""Folders of which a sandbox has its own; the host's are not seen."""

_STAGES = ("/tmp", "/run", "/mnt", "/var/tmp")
_KERNEL_FILE_SYSTEMS = frozenset(
    "autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl "
    "hugetlbfs mqueue nsfs proc pstore rpc_pipefs securityfs selinuxfs sysfs tracefs".split()
)
_CONTAINER_STORAGE = ("/var/lib/docker", "/var/lib/containers", "/var/lib/containerd")
# without /run/systemd the hook 40-systemd of Debian's init-functions does not hand a call over to
# systemctl: in the sandbox the script itself runs, on a systemd host too
_NOT_IN_RUN = frozenset(
    "systemd udev user docker containerd containers podman netns credentials".split()
)
_RUN_DEPTH = 3
_SMALL_FILE = 1 << 20
_PAGE = 4096  # empty files cost memory too: as many as there are pages
_FEWEST_FILES = 8192
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_DEVICE_LINKS = (
    ("/proc/self/fd", "fd"),
    ("fd/0", "stdin"),
    ("fd/1", "stdout"),
    ("fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
    ("null", "console"),
)
# All of /proc but the processes is read-only: root owns these files, so that dropped capabilities
# alone do not keep it from writing them, and a mode that is changed in one /proc changes in all.
_MASKED_PROC = frozenset("kcore keys key-users timer_list latency_stats sched_debug".split())


class Plan:
    """What was decided on looking at the host."""

    __slots__ = (
        "capabilities",
        "devices",
        "disk",
        "notes",
        "one_id",
        "root",
        "run",
        "submounts",
        "user",
    )

    def __init__(self, root: str, disk: int) -> None:
        """`disk` bytes bound all that one sandbox writes; see `plan` for the rest."""
        self.root = root
        self.disk = disk
        self.user = False
        """We are not root on the host but in a user namespace of our own …"""
        self.one_id = False
        """… in which there is no other id."""
        self.capabilities: frozenset[str] = frozenset()
        """Granted beyond those that every sandbox has."""
        self.devices: list[tuple[str, str]] = []
        """Granted: the node here, and the one in the sandbox."""
        self.submounts: list[str] = []
        """Separately mounted folders and files below the root, relative, in mount order."""
        self.run: list[tuple[str, int, int, int]] = []
        """Folders of /run (relative path, mode, uid, gid): scripts expect tmpfiles.d's work."""
        self.notes: list[str] = []


def plan(root: str, disk: int) -> Plan:
    """Look at the mounts below `root` and at its /run."""
    made = Plan(root, disk)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            relative = _wanted_submount(line, root)
            if relative:
                if relative in made.submounts:
                    made.submounts.remove(relative)  # mounted over: the last one is seen
                made.submounts.append(relative)
    _read_run(root.rstrip("/") + "/run", "", made.run, _RUN_DEPTH)
    return made


def build(made: Plan, visible: list[str]) -> tuple[int, list[str], list[str]]:
    """Make the private machine's root and go there.

    Returns a descriptor of the folder with everything that is written (one numbered folder for
    each path of the second value, in order), and notes on what could not be laid out as planned.
    """
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    root = os.open(made.root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    # opened before the stage hides what lies below it
    shown = [(path, os.open(path, os.O_PATH | os.O_CLOEXEC)) for path in visible]
    devices = [(inside, os.open(path, os.O_PATH | os.O_CLOEXEC)) for path, inside in made.devices]
    below = _open_submounts(root, made)
    stage = next(path for path in _STAGES if os.path.isdir(path))
    mount("lsbcheck", stage, "tmpfs", MS_NOSUID | MS_NODEV, _bounds(made.disk))
    layers = _Layers(stage, "userxattr" if made.user else "volatile")
    for name in ("root", "run", "tmp", "dev"):
        os.mkdir(f"{stage}/{name}")
    target = f"{stage}/root"
    _lay_root(made, layers, root, target)
    if layers.paths:
        for relative, lower in below:
            layers.lay("/" + relative, lower, f"{target}/{relative}")
    _private_folders(made, stage, target)
    for inside, node in devices:
        _device(node, target + inside)
    for path, lower in shown:
        os.makedirs(target + path, exist_ok=True)
        layers.lay(path, lower, target + path)
    _kernel_file_systems(target)
    written = open_tree(f"{stage}/written")
    os.chdir(target)
    pivot_root(".", ".")
    umount2(".", MNT_DETACH)
    os.chdir("/")
    for descriptor in (root, *(lower for _, lower in (*below, *shown, *devices))):
        os.close(descriptor)
    return written, layers.paths, layers.notes


def _bounds(disk: int) -> str:
    return f"mode=755,size={disk},nr_inodes={max(_FEWEST_FILES, disk // _PAGE)}"


def _lay_root(made: Plan, layers: _Layers, root: int, target: str) -> None:
    if not made.user:
        layers.overlay("/", root, target)
        return
    if made.root != "/":
        with contextlib.suppress(OSError):  # a root of the user's own, with no mount in it
            layers.overlay("/", root, target)
            return
    mount(target, target, None, MS_BIND)  # pivot_root wants a mount
    layers.notes += rootless.lay_root(f"/proc/self/fd/{root}", target)


class _Layers:
    """Lays overlays, each with a numbered folder of its own for what is written."""

    def __init__(self, stage: str, option: str) -> None:
        self.stage = stage
        self.option = option
        self.paths: list[str] = []
        self.notes: list[str] = []
        os.mkdir(f"{stage}/written")
        os.mkdir(f"{stage}/work")

    def overlay(self, path: str, lower: int, target: str) -> None:
        number = len(self.paths)
        upper, work = f"{self.stage}/written/{number}", f"{self.stage}/work/{number}"
        for folder in (upper, work):
            os.mkdir(folder)
        was = os.fstat(lower)
        os.chown(upper, was.st_uid, was.st_gid)
        os.chmod(upper, stat.S_IMODE(was.st_mode))
        # the lower folder by its descriptor: a path may hold the `,` and `:` of the option's
        # syntax; volatile: nobody needs these files to reach a disk
        options = f"lowerdir=/proc/self/fd/{lower},upperdir={upper},workdir={work},{self.option}"
        # nodev: a device node that lies on the host's disk must not open
        mount("overlay", target, "overlay", MS_NODEV, options)
        self.paths.append(path)

    def lay(self, path: str, lower: int, target: str) -> None:
        """Show a submount: as an overlay, as a copy, or else read-only."""
        source = f"/proc/self/fd/{lower}"
        was = os.fstat(lower)
        if stat.S_ISDIR(was.st_mode):
            try:
                self.overlay(path, lower, target)
            except OSError as refusal:
                self.notes.append(f"{path} is read-only in the sandbox: {refusal.strerror}")
                _bind_read_only(source, target, MOUNT_ATTR_NODEV)
        elif not stat.S_ISREG(was.st_mode):
            # a socket (docker.sock), a FIFO, a device: what is at its other end is the host's
            self.notes.append(f"{path} is not shown in the sandbox: it leads out of it")
        elif was.st_size <= _SMALL_FILE:
            _copy(source, target, was)  # a single file cannot be a lower layer
        else:
            self.notes.append(f"{path} is read-only in the sandbox")
            _bind_read_only(source, target, MOUNT_ATTR_NODEV)


def _wanted_submount(line: str, root: str) -> str:
    """Path below the root of a mount that the sandbox should show too, or ""."""
    fields, _, rest = line.partition(" - ")
    point = _unescape(fields.split()[4])
    prefix = root.rstrip("/") + "/"
    if rest.split()[0] in _KERNEL_FILE_SYSTEMS or not point.startswith(prefix) or point == root:
        return ""
    inside = "/" + point[len(prefix) :]
    hidden = (*PRIVATE, *_CONTAINER_STORAGE)
    if inside == "/" or any(inside == top or inside.startswith(top + "/") for top in hidden):
        return ""
    return inside[1:]


def _unescape(path: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(code, character)
    return path


def _read_run(top: str, relative: str, found: list[tuple[str, int, int, int]], depth: int) -> None:
    try:
        entries = sorted(os.scandir(f"{top}/{relative}"), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False) and (relative or entry.name not in _NOT_IN_RUN):
            path = f"{relative}/{entry.name}".lstrip("/")
            was = entry.stat(follow_symlinks=False)
            found.append((path, stat.S_IMODE(was.st_mode), was.st_uid, was.st_gid))
            if depth > 1 and not os.path.ismount(entry.path):
                _read_run(top, path, found, depth - 1)


def _open_submounts(root: int, made: Plan) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for relative in made.submounts:
        try:
            found.append((relative, os.open(relative, os.O_PATH | os.O_CLOEXEC, dir_fd=root)))
        except OSError:
            continue  # hidden by a later mount, or unmounted meanwhile: the host sees none either
    return found


def _private_folders(made: Plan, stage: str, target: str) -> None:
    for path, mode, uid, gid in made.run:
        folder = f"{stage}/run/{path}"
        os.makedirs(folder, exist_ok=True)
        if not made.user:
            os.chown(folder, uid, gid)
        os.chmod(folder, mode)
    os.makedirs(f"{stage}/run/lock", exist_ok=True)
    os.chmod(f"{stage}/run/lock", 0o1777)
    os.chmod(f"{stage}/tmp", 0o1777)
    for name in ("run", "tmp"):
        _bind_over(f"{stage}/{name}", f"{target}/{name}")
    for old, new in (("var/run", "run"), ("var/lock", "run/lock")):
        if os.path.isdir(f"{target}/{old}") and not os.path.islink(f"{target}/{old}"):
            _bind_over(f"{stage}/{new}", f"{target}/{old}")
    _devices(f"{stage}/dev")
    _bind_over(f"{stage}/dev", f"{target}/dev")


def _devices(folder: str) -> None:
    for name in _DEVICES:
        os.close(os.open(f"{folder}/{name}", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666))
        # the node is the host's: it can be written to, and its mode and owner cannot be changed
        _bind_read_only(f"/dev/{name}", f"{folder}/{name}")
    for points_to, name in _DEVICE_LINKS:
        os.symlink(points_to, f"{folder}/{name}")
    os.mkdir(f"{folder}/shm")
    os.chmod(f"{folder}/shm", 0o1777)
    os.mkdir(f"{folder}/pts")
    mount("devpts", f"{folder}/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666")


def _device(node: int, target: str) -> None:
    os.makedirs(os.path.dirname(target), exist_ok=True)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
    os.close(os.open(target, flags, 0o600))
    # read-only is the node alone, not what it leads to
    _bind_read_only(f"/proc/self/fd/{node}", target)


def _kernel_file_systems(target: str) -> None:
    quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC
    for name in ("proc", "sys"):
        os.makedirs(f"{target}/{name}", exist_ok=True)
    mount("proc", f"{target}/proc", "proc", quiet)
    for name in os.listdir(f"{target}/proc"):
        path = f"{target}/proc/{name}"
        if not name.isdecimal() and not os.path.islink(path):
            _bind_read_only("/dev/null" if name in _MASKED_PROC else path, path)
    mount("sysfs", f"{target}/sys", "sysfs", quiet | MS_RDONLY)


def _bind_over(source: str, target: str) -> None:
    os.makedirs(target, exist_ok=True)
    mount(source, target, None, MS_BIND | MS_REC)


def _bind_read_only(source: str, target: str, more: int = 0) -> None:
    mount(source, target, None, MS_BIND)
    mount_setattr(target, MOUNT_ATTR_RDONLY | more)


def _copy(source: str, target: str, was: os.stat_result) -> None:
    with open(source, "rb") as read, open(target, "wb") as write:
        write.write(read.read(_SMALL_FILE))
        os.fchown(write.fileno(), was.st_uid, was.st_gid)
        os.fchmod(write.fileno(), stat.S_IMODE(was.st_mode))
