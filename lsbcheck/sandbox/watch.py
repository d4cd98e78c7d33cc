"""What PID 1 forbids, watches and falsifies: the seccomp filter of a sandbox and its listener."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import struct
import time

from ocfkit.linux import process, seccomp
from ocfkit.linux.namespaces import AT_FDCWD, CLONE_NEWUSER, syscall

_FORBIDDEN = (
    # a handle opens files outside the root; the capability that it needs must be kept, since
    # some daemons (pure-ftpd) refuse to start without it
    "open_by_handle_at",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "add_key",
    "request_key",
    "keyctl",
    "setns",
    "quotactl",
    "syslog",
    # its argument is a structure, which a filter cannot read; chrt and nice have older calls
    "sched_setattr",
)
_NEW_MOUNT_API = ("open_tree", "move_mount", "fsopen", "fsmount", "mount_setattr")
_CHANGES_OF_ID = (
    "setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid "
    "chown lchown fchown fchownat mknod mknodat capset"
).split()
_REAL_TIME = (1, 2, 6)  # SCHED_FIFO, SCHED_RR, SCHED_DEADLINE, <linux/sched.h>
_RESET_ON_FORK = 0x40000000
_REAL_TIME_IO = (1 << 13,)  # IOPRIO_CLASS_RT, <linux/ioprio.h>
_IO_CLASS = 7 << 13
_EXECS = ("execve", "execveat")
# every call that sends a signal, and which argument is the signal
_SIGNALS = {
    "kill": 1,
    "tkill": 1,
    "tgkill": 2,
    "pidfd_send_signal": 1,
    "rt_sigqueueinfo": 1,
    "rt_tgsigqueueinfo": 2,
}
_NONSENSE = (OSError, struct.error, ValueError, OverflowError, StopIteration)
_MOST_RECORDS = 5000
_MOST_RECORDED = 4 << 20  # bytes of arguments and environments
_MOST_STRING = 131072  # MAX_ARG_STRLEN
_MOST_ARGUMENTS = 4096
_MOST_ENVIRONMENT = 32768
_INTERPRETERS = 5  # as many `#!` lines in a row as the kernel follows


def program(
    wanted: list[str], password: int, *, one_id: bool = False, may_mount: bool = False
) -> bytes:
    """The filter: what no command may do, and what is to be watched (`exec`, `signals`).

    `one_id`: the namespace has no id but root's, and calls that want another do nothing and say
    that they did, so that a daemon which gives up root can run. `may_mount`: SYS_ADMIN was granted.
    """
    forbidden = _FORBIDDEN if may_mount else (*_FORBIDDEN, *_NEW_MOUNT_API)
    blocks = [seccomp.refuse(name) for name in forbidden]
    if one_id:
        blocks += [seccomp.refuse(name, 0) for name in _CHANGES_OF_ID]
    blocks += [
        seccomp.refuse("clone3", errno.ENOSYS),  # flags in a structure; libc falls back to clone
        seccomp.refuse_flags("clone", 0, CLONE_NEWUSER),
        seccomp.refuse_flags("unshare", 0, CLONE_NEWUSER),
        seccomp.refuse_values("sched_setscheduler", 1, _REAL_TIME, ~_RESET_ON_FORK & 0xFFFFFFFF),
        seccomp.refuse_values("ioprio_set", 2, _REAL_TIME_IO, _IO_CLASS),
        seccomp.refuse_sockets(),
        *seccomp.keep_core_limit(),  # see init: a limit of 0 would wake the host's handler
    ]
    if "exec" in wanted:
        blocks += [seccomp.notify(name) for name in _EXECS]
    if "signals" in wanted:
        blocks += [
            seccomp.notify_signal(name, argument, password) for name, argument in _SIGNALS.items()
        ]
    return seccomp.program(blocks)


class Watcher:
    """Answers the notifications of the filter; PID 1's loop calls `handle` when one waits."""

    def __init__(self, listener: int | None, password: int) -> None:
        """`password` lets our own signals through (see `seccomp.notify_signal`)."""
        self.listener = listener
        self.password = password
        self.execs: list[dict[str, object]] = []
        self.signals: list[dict[str, object]] = []
        self._recorded = 0
        self.fault = ""
        self.shielded: set[int] = set()
        self._exec_numbers = {seccomp.number(name): name for name in _EXECS}
        self._signal_numbers = {seccomp.number(name): name for name in _SIGNALS}
        self._kill = seccomp.number("kill")

    def send(self, pid: int, number: int) -> None:
        """kill(2) that passes the filter; raises ProcessLookupError when there is none."""
        syscall(self._kill, pid, number, 0, 0, self.password)

    def inject(self, fault: str, pids: set[int]) -> None:
        """Swallow or refuse signals to these processes and their descendants."""
        self.fault = fault
        self.shielded = pids

    def handle(self) -> None:
        """Answer one call that waits."""
        assert self.listener is not None  # noqa: S101 - without a listener nothing can wait
        call = seccomp.receive(self.listener)
        if call is None:
            return
        code = None
        with contextlib.suppress(*_NONSENSE):  # the caller may die meanwhile, or mean to confuse us
            if call.nr in self._exec_numbers:
                self._record_exec(call)
            elif self.fault:
                code = self._judge_signal(call)
        seccomp.answer(self.listener, call, code)

    def _judge_signal(self, call: seccomp.Notification) -> int | None:
        name = self._signal_numbers[call.nr]
        number = call.args[_SIGNALS[name]] & 0xFFFFFFFF
        target = ctypes.c_int(call.args[0] & 0xFFFFFFFF).value
        if name == "pidfd_send_signal":
            target = _pid_of_descriptor(call.pid, target)
            if target <= 0:
                return None  # its process is gone
        if self._is_shielded(call.pid) or not self._hits(target, call.pid):
            return None
        swallowed = self.fault == "signals-swallowed"
        if len(self.signals) < _MOST_RECORDS:
            self.signals.append(
                {"pid": call.pid, "target": target, "signal": number, "swallowed": swallowed}
            )
        return 0 if swallowed else errno.EPERM

    def _hits(self, target: int, caller: int) -> bool:
        if target > 0:
            return self._is_shielded(_group_leader(target))
        if target == -1:
            return True
        group = process.stat(caller).pgrp if target == 0 else -target
        members = (pid for pid in process.pids() if _in_group(pid, group))
        return any(self._is_shielded(pid) for pid in members)

    def _is_shielded(self, pid: int) -> bool:
        """Whether it is one of the service's processes, or was started by one."""
        while pid > 1:
            if pid in self.shielded:
                return True
            try:
                pid = process.stat(pid).ppid
            except OSError:
                return False
        return False

    def _record_exec(self, call: seccomp.Notification) -> None:
        if len(self.execs) >= _MOST_RECORDS or self._recorded >= _MOST_RECORDED:
            return
        at = time.clock_gettime(time.CLOCK_BOOTTIME)
        caller = process.stat(call.pid)
        shift = 0 if self._exec_numbers[call.nr] == "execve" else 1
        memory = os.open(f"/proc/{call.pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        try:
            path = os.fsdecode(_string(memory, call.args[shift]))
            argv = _strings(memory, call.args[shift + 1], _MOST_STRING)
            environ = _strings(memory, call.args[shift + 2], _MOST_ENVIRONMENT)
        finally:
            os.close(memory)
        start = f"/proc/{call.pid}/cwd"
        if shift and ctypes.c_int(call.args[0] & 0xFFFFFFFF).value != AT_FDCWD:
            start = f"/proc/{call.pid}/fd/{call.args[0] & 0xFFFFFFFF}"
        if not path:  # AT_EMPTY_PATH: the program is the descriptor itself
            path = os.readlink(start)
        elif not path.startswith("/"):
            path = os.path.join(os.readlink(start), path)
        path = os.path.realpath(path)
        if not os.path.isfile(path) or not os.access(path, os.X_OK):
            return  # a search along PATH tries names that are not there
        exe, cmdline = interpreted(path, argv)
        self._recorded += sum(map(len, (*argv, *cmdline, *environ)))
        self.execs.append(
            {
                "at": at,
                "pid": _group_leader(call.pid),  # whichever thread calls execve, this one goes on
                "ppid": caller.ppid,
                "path": path,
                "exe": exe,
                "argv": argv,
                "cmdline": cmdline,
                "environ": environ,
            }
        )


def interpreted(path: str, argv: list[str]) -> tuple[str, list[str]]:
    """The program that the kernel will load, and its command line, for a file that is executed.

    As fs/binfmt_script.c: `#!INTERPRETER [ARGUMENT]` puts both and the file in front, and the
    first argument, the name, is lost.
    """
    named = path
    for _ in range(_INTERPRETERS):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            first = os.read(descriptor, 256)
        finally:
            os.close(descriptor)
        if not first.startswith(b"#!"):
            break
        words = os.fsdecode(first[2:].split(b"\n")[0].strip()).split(None, 1)
        if not words:
            break
        argv = [*words, named, *argv[1:]]
        named = words[0]
        path = os.path.realpath(named)
    return path, argv


def _group_leader(thread: int) -> int:
    """The process that a thread belongs to (tkill and friends name threads)."""
    with open(f"/proc/{thread}/status", encoding="utf-8", errors="replace") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("Tgid:"))


def _in_group(pid: int, group: int) -> bool:
    try:
        return process.stat(pid).pgrp == group
    except OSError:
        return False


def _pid_of_descriptor(pid: int, descriptor: int) -> int:
    with open(f"/proc/{pid}/fdinfo/{descriptor}", encoding="ascii", errors="replace") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("Pid:"))


def _string(memory: int, address: int) -> bytes:
    """A C string of another process, read by pages: the next one may not be mapped."""
    found = b""
    while len(found) < _MOST_STRING:
        chunk = os.pread(memory, 4096 - address % 4096, address)
        head, end, _ = chunk.partition(b"\0")
        found += head
        if end or not chunk:
            break
        address += len(chunk)
    return found


def _strings(memory: int, address: int, most: int) -> list[str]:
    """A NULL-ended array of C strings, cut at `most` bytes in all."""
    found: list[str] = []
    size = 0
    while address and len(found) < _MOST_ARGUMENTS and size < most:
        (pointer,) = struct.unpack("@P", os.pread(memory, struct.calcsize("@P"), address))
        if not pointer:
            break
        text = _string(memory, pointer)
        size += len(text) + 1
        found.append(os.fsdecode(text))
        address += struct.calcsize("@P")
    return found
