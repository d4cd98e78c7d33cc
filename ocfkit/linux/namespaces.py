"""Namespaces, mounts, capabilities and the other calls that Python 3.11 does not wrap.

One function a call, under the kernel's name; constants keep their header's names.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
import socket
import struct

# <sched.h>
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

# <sys/mount.h>
MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

# <linux/mount.h>, <fcntl.h>
AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
OPEN_TREE_CLONE = 1

# <linux/prctl.h>
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NAME = 15
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

# <linux/capability.h>, in the order of their numbers
CAPABILITIES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
    "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO "
    "SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME "
    "SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG "
    "WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split()
_LINUX_CAPABILITY_VERSION_3 = 0x20080522

# <linux/keyctl.h>
KEYCTL_JOIN_SESSION_KEYRING = 1

SYSCALLS = {
    # <asm/unistd.h> of each machine; the calls from 424 on have one number everywhere
    "x86_64": {"pivot_root": 155, "capget": 125, "capset": 126, "keyctl": 250, "clone": 56},
    "aarch64": {"pivot_root": 41, "capget": 90, "capset": 91, "keyctl": 219, "clone": 220},
}
OPEN_TREE = 428
MOUNT_SETATTR = 442
MOUNT_ATTR_RDONLY = 1
MOUNT_ATTR_NODEV = 4

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_with_lock = ctypes.PyDLL(None, use_errno=True)
_with_lock.syscall.restype = ctypes.c_long
_with_lock.syscall.argtypes = (ctypes.c_long,) * 6
_libc.mount.argtypes = (
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_ulong,
    ctypes.c_char_p,
)


def _check(result: int, *names: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), *names[:1])
    return result


def syscall(number: int, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    """syscall(2) for a call without a wrapper; integers are passed as longs."""
    passed = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return _check(_libc.syscall(ctypes.c_long(number), *passed))


def syscall_number(name: str) -> int:
    """The number of a call on this machine; raises OSError (ENOSYS) on one that is not known."""
    try:
        return SYSCALLS[os.uname().machine][name]
    except KeyError:
        raise OSError(errno.ENOSYS, f"no number of {name} known on {os.uname().machine}") from None


def unshare(flags: int) -> None:
    """unshare(2)."""
    _check(_libc.unshare(ctypes.c_int(flags)))


def fork_into(flags: int) -> int:
    """fork(2) whose child is already in new namespaces: clone(2) with these CLONE_NEW flags.

    Unlike unshare(2) of CLONE_NEWPID it changes nothing for the caller, so one process can make
    any number of pid namespaces. Returns 0 in the child. The caller must have one thread.
    """
    ctypes.pythonapi.PyOS_BeforeFork()
    # held by ctypes for a CDLL, the interpreter's lock would be taken again by the wrong thread
    pid = _with_lock.syscall(syscall_number("clone"), flags | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
        return 0
    code = ctypes.get_errno()
    ctypes.pythonapi.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(code, os.strerror(code))
    return int(pid)


def setns(descriptor: int, kind: int) -> None:
    """setns(2)."""
    _check(_libc.setns(ctypes.c_int(descriptor), ctypes.c_int(kind)))


def mount(
    source: str, target: str, kind: str | None = None, flags: int = 0, data: str | None = None
) -> None:
    """mount(2)."""
    _check(
        _libc.mount(
            os.fsencode(source),
            os.fsencode(target),
            None if kind is None else kind.encode(),
            flags,
            None if data is None else os.fsencode(data),
        ),
        target,
    )


def umount2(target: str, flags: int = 0) -> None:
    """umount2(2)."""
    _check(_libc.umount2(os.fsencode(target), ctypes.c_int(flags)), target)


def pivot_root(new_root: str, put_old: str) -> None:
    """pivot_root(2); both may be `.`, which puts the old root on top of the new one."""
    syscall(syscall_number("pivot_root"), os.fsencode(new_root), os.fsencode(put_old))


def open_tree(path: str) -> int:
    """open_tree(2) with OPEN_TREE_CLONE: a mount of its own, seen by nobody.

    From its top `..` leads nowhere; closing the descriptor undoes it.
    """
    return syscall(OPEN_TREE, AT_FDCWD, os.fsencode(path), OPEN_TREE_CLONE | os.O_CLOEXEC)


def mount_setattr(where: str | int, attributes: int) -> None:
    """mount_setattr(2), for a mount (its path or descriptor) and all below it: adds attributes."""
    argument = struct.pack("=4Q", attributes, 0, 0, 0)
    buffer = ctypes.create_string_buffer(argument, len(argument))
    at, path = (where, "") if isinstance(where, int) else (AT_FDCWD, where)
    flags = AT_RECURSIVE if path else AT_RECURSIVE | AT_EMPTY_PATH
    syscall(MOUNT_SETATTR, at, os.fsencode(path), flags, buffer, ctypes.sizeof(buffer))


def prctl(option: int, argument: int | bytes = 0, more: int = 0) -> int:
    """prctl(2)."""
    first = ctypes.c_ulong(argument) if isinstance(argument, int) else argument
    return _check(_libc.prctl(ctypes.c_int(option), first, ctypes.c_ulong(more), 0, 0))


def capabilities() -> set[str]:
    """The effective capabilities of this process, without their CAP_."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        mask = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff:"))
    return {name for number, name in enumerate(CAPABILITIES) if mask >> number & 1}


def keep_capabilities(wanted: set[str]) -> None:
    """Drop all others from every set, the bounding set included, so that exec gives none back.

    A capability that the process does not have is not asked for: capset(2) would fail as a whole.
    """
    kept = capabilities() & wanted
    for number in range(64):
        try:
            held = prctl(PR_CAPBSET_READ, number)
        except OSError:
            break  # EINVAL: the kernel knows no capability of this number, nor of a higher one
        if held and not (number < len(CAPABILITIES) and CAPABILITIES[number] in kept):
            prctl(PR_CAPBSET_DROP, number)
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    mask = sum(1 << number for number, name in enumerate(CAPABILITIES) if name in kept)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = struct.pack("=II", _LINUX_CAPABILITY_VERSION_3, 0)
    sets = struct.pack("=6I", low, low, 0, high, high, 0)
    syscall(
        syscall_number("capset"),
        ctypes.create_string_buffer(header, len(header)),
        ctypes.create_string_buffer(sets, len(sets)),
    )


def join_new_session_keyring() -> None:
    """keyctl(2): leave the keys of whoever started us behind."""
    syscall(syscall_number("keyctl"), KEYCTL_JOIN_SESSION_KEYRING, 0)


def bring_loopback_up() -> None:
    """Set IFF_UP on `lo` of this network namespace (netdevice(7))."""
    siocgifflags, siocsifflags, iff_up = 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, siocgifflags, request))[1]
        fcntl.ioctl(any_socket, siocsifflags, struct.pack("16sh14x", b"lo", flags | iff_up))
