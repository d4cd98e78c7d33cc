"""Seccomp filters as lists of small blocks, and the notifications that they send.

See seccomp(2) and seccomp_unotify(2). A filter made here answers calls of a foreign ABI (i386,
x32) with ENOSYS: their numbers mean other calls, which the blocks would not recognise.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct

from ocfkit.linux.namespaces import syscall

# <linux/seccomp.h>
SECCOMP_SET_MODE_FILTER = 1
SECCOMP_FILTER_FLAG_NEW_LISTENER = 1 << 3
SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 1 << 5
SECCOMP_RET_ALLOW = 0x7FFF0000
SECCOMP_RET_ERRNO = 0x00050000
SECCOMP_RET_USER_NOTIF = 0x7FC00000
SECCOMP_USER_NOTIF_FLAG_CONTINUE = 1
SECCOMP_IOCTL_NOTIF_RECV = 0xC0502100
SECCOMP_IOCTL_NOTIF_SEND = 0xC0182101

# <linux/filter.h>, <linux/audit.h>
_LD_W_ABS, _JEQ, _JSET, _JGE, _AND, _RET = 0x20, 0x15, 0x45, 0x35, 0x54, 0x06
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000
_NR, _ARCH, _ARGS = 0, 4, 16  # offsets in struct seccomp_data

NUMBERS: dict[str, tuple[int, int]] = {
    # name: (x86_64, aarch64); -1 where the machine does not have the call
    "execve": (59, 221),
    "execveat": (322, 281),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
    "clone": (56, 220),
    "clone3": (435, 435),
    "unshare": (272, 97),
    "setns": (308, 268),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
    "open_by_handle_at": (304, 265),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "socket": (41, 198),
    "ioprio_set": (251, 30),
    "setrlimit": (160, 164),
    "prlimit64": (302, 261),
    "ptrace": (101, 117),
    "setuid": (105, 146),
    "setgid": (106, 144),
    "setreuid": (113, 145),
    "setregid": (114, 143),
    "setresuid": (117, 147),
    "setresgid": (119, 149),
    "setgroups": (116, 159),
    "setfsuid": (122, 151),
    "setfsgid": (123, 152),
    "chown": (92, -1),
    "lchown": (94, -1),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "mknod": (133, -1),
    "mknodat": (259, 33),
    "capset": (126, 91),
}
_MACHINES = ("x86_64", "aarch64")

Block = list[tuple[int, int, int, int]]
"""BPF instructions (code, jump if true, jump if false, operand) that take up where A holds the
call's number, and either return or leave A as it was.
"""


def number(name: str) -> int:
    """The call's number on this machine, -1 where it has none; ENOSYS on an unknown machine."""
    machine = os.uname().machine
    if machine not in _MACHINES:
        raise OSError(errno.ENOSYS, f"no system call table for {machine}")
    return NUMBERS[name][_MACHINES.index(machine)]


def _argument(index: int) -> tuple[int, int, int, int]:
    return (_LD_W_ABS, 0, 0, _ARGS + 8 * index)  # the low half, on little-endian machines


def _only_for(name: str, body: Block) -> Block:
    """Run the body, which must end in a return, for this call alone."""
    return [] if number(name) < 0 else [(_JEQ, 0, len(body), number(name)), *body]


def refuse(name: str, code: int = errno.EPERM) -> Block:
    """The call fails with this errno; 0 makes it succeed without doing anything."""
    return _only_for(name, [(_RET, 0, 0, SECCOMP_RET_ERRNO | code)])


def refuse_flags(name: str, argument: int, flags: int) -> Block:
    """The call fails with EPERM when any of these bits is set in its argument."""
    return _only_for(
        name,
        [
            _argument(argument),
            (_JSET, 0, 1, flags),
            (_RET, 0, 0, SECCOMP_RET_ERRNO | errno.EPERM),
            (_RET, 0, 0, SECCOMP_RET_ALLOW),
        ],
    )


def refuse_values(name: str, argument: int, values: tuple[int, ...], mask: int) -> Block:
    """The call fails with EPERM when its masked argument is one of the values."""
    tests: Block = [(_JEQ, len(values) - index, 0, value) for index, value in enumerate(values)]
    return _only_for(
        name,
        [
            _argument(argument),
            (_AND, 0, 0, mask),
            *tests,
            (_RET, 0, 0, SECCOMP_RET_ALLOW),
            (_RET, 0, 0, SECCOMP_RET_ERRNO | errno.EPERM),
        ],
    )


def refuse_sockets() -> Block:
    """No socket leads out of a network namespace: two families do not care for it.

    AF_VSOCK reaches the hypervisor and what listens there; netlink's audit protocol writes into
    the host's log. Programs meet both answers on kernels that lack the family.
    """
    af_netlink, af_vsock, netlink_audit = 16, 40, 9
    return _only_for(
        "socket",
        [
            _argument(0),
            (_JEQ, 0, 1, af_vsock),
            (_RET, 0, 0, SECCOMP_RET_ERRNO | errno.EAFNOSUPPORT),
            (_JEQ, 0, 3, af_netlink),
            _argument(2),
            (_JEQ, 0, 1, netlink_audit),
            (_RET, 0, 0, SECCOMP_RET_ERRNO | errno.EPROTONOSUPPORT),
            (_RET, 0, 0, SECCOMP_RET_ALLOW),
        ],
    )


def keep_core_limit() -> list[Block]:
    """Setting RLIMIT_CORE succeeds and changes nothing; it can still be asked for."""
    rlimit_core = 4
    done = (_RET, 0, 0, SECCOMP_RET_ERRNO | 0)
    allow = (_RET, 0, 0, SECCOMP_RET_ALLOW)
    pointer = _argument(2)
    upper_half = (*pointer[:3], pointer[3] + 4)
    return [
        _only_for("setrlimit", [_argument(0), (_JEQ, 0, 1, rlimit_core), done, allow]),
        _only_for(
            "prlimit64",
            [
                _argument(1),
                (_JEQ, 0, 5, rlimit_core),
                pointer,
                (_JEQ, 0, 2, 0),
                upper_half,
                (_JEQ, 1, 0, 0),
                done,
                allow,
            ],
        ),
    ]


def notify(name: str) -> Block:
    """Ask whoever holds the listener."""
    return _only_for(name, [(_RET, 0, 0, SECCOMP_RET_USER_NOTIF)])


def notify_signal(name: str, argument: int, password: int) -> Block:
    """Ask the listener about a signal other than 0.

    Signal 0 tests for life and must stay true. The listener's own signals would wait for itself:
    a call whose first argument beyond the call's own is the password passes. The kernel does not
    look at such an argument, and the filter can.
    """
    return _only_for(
        name,
        [
            _argument(argument),
            (_JEQ, 2, 0, 0),
            _argument(4),
            (_JEQ, 0, 1, password),
            (_RET, 0, 0, SECCOMP_RET_ALLOW),
            (_RET, 0, 0, SECCOMP_RET_USER_NOTIF),
        ],
    )


def program(blocks: list[Block]) -> bytes:
    """The filter as the kernel takes it: an array of struct sock_filter."""
    machine = os.uname().machine
    if machine not in _MACHINES:
        raise OSError(errno.ENOSYS, f"no system call table for {machine}")
    foreign = (_RET, 0, 0, SECCOMP_RET_ERRNO | errno.ENOSYS)
    instructions: Block = [
        (_LD_W_ABS, 0, 0, _ARCH),
        (_JEQ, 1, 0, _AUDIT_ARCH[machine]),
        foreign,
        (_LD_W_ABS, 0, 0, _NR),
        (_JGE, 0, 1, _X32_BIT),
        foreign,
    ]
    for block in blocks:
        instructions += block
    instructions.append((_RET, 0, 0, SECCOMP_RET_ALLOW))
    return b"".join(struct.pack("=HBBI", *each) for each in instructions)


def install(filter_program: bytes, *, listen: bool) -> int | None:
    """Put the filter on this process and on all that it starts; seccomp(2).

    Returns the listener if one was asked for. Needs CAP_SYS_ADMIN or no_new_privs.
    """
    code = ctypes.create_string_buffer(filter_program, len(filter_program))
    count = len(filter_program) // 8
    argument = struct.pack("@HxxxxxxP", count, ctypes.addressof(code))
    buffer = ctypes.create_string_buffer(argument, len(argument))
    call = {"x86_64": 317, "aarch64": 277}[os.uname().machine]
    if not listen:
        syscall(call, SECCOMP_SET_MODE_FILTER, 0, buffer)
        return None
    killable = SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
    for extra in (killable, 0):  # before 5.19 the kernel does not know the flag
        try:
            return syscall(
                call, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | extra, buffer
            )
        except OSError as refusal:
            if refusal.errno != errno.EINVAL or not extra:
                raise
    raise AssertionError  # the loop returns or raises


class Notification:
    """A call that waits for our answer: its `id`, the caller's `pid`, `nr` and `args`."""

    __slots__ = ("args", "id", "nr", "pid")

    def __init__(self, message: bytes) -> None:
        """Take apart a struct seccomp_notif."""
        self.id, self.pid, _flags, self.nr, _arch, _ip, *args = struct.unpack("=QIIiIQ6Q", message)
        self.args: list[int] = args


def receive(listener: int) -> Notification | None:
    """The next waiting call, or None if it has gone away meanwhile (its process was killed)."""
    buffer = bytearray(80)
    try:
        fcntl.ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, buffer)
    except OSError as gone:
        if gone.errno in (errno.ENOENT, errno.EINTR):
            return None
        raise
    return Notification(bytes(buffer))


def answer(listener: int, notification: Notification, code: int | None = None) -> None:
    """Let the call go on (None), or end it: 0 as done, else with this errno."""
    flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE if code is None else 0
    reply = struct.pack("=QqiI", notification.id, 0, -(code or 0), flags)
    try:
        fcntl.ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, reply)
    except OSError as gone:
        if gone.errno != errno.ENOENT:  # ENOENT: the caller died or was interrupted; it asks again
            raise
