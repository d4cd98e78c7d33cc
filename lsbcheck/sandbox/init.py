"""PID 1 of a private machine, from the fork to the loop: it isolates itself and then serves.

It speaks JSON lines on one socket and has no other tie to the host. It has given up the same
capabilities as what it runs: a hostile command may lie to it, and gains nothing more.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
from typing import TYPE_CHECKING, NoReturn

from lsbcheck.sandbox import mounts, watch
from lsbcheck.sandbox.machine import Machine, send
from ocfkit.linux import namespaces, seccomp

if TYPE_CHECKING:
    from collections.abc import Callable

    from lsbcheck.sandbox.machine import Link
    from ocfkit.linux.cgroups import Tree

KEPT_CAPABILITIES = frozenset(
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP "
    "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_CHROOT SYS_NICE "
    # SYS_PTRACE: start-stop-daemon --exec reads /proc/PID/exe of daemons that changed their uid;
    # without it `stop` kills nothing and says 0, and an innocent script is convicted
    "SETFCAP AUDIT_WRITE LEASE SYS_PTRACE".split()
)
_USER_PROCESSES = 512
_OOM_SCORE = "500"


def main(control: int, plan: mounts.Plan, group: Tree, request: dict[str, list[str]]) -> NoReturn:
    """Become PID 1 of the namespace that the server has forked us into; never returns."""
    try:
        namespaces.prctl(namespaces.PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        os.closerange(3, control)
        os.closerange(control + 1, 1 << 16)
        os.set_inheritable(control, False)  # noqa: FBT003 - descriptors sent over a socket come open
        link = socket.socket(fileno=control)
        serve(link, lambda: _isolate(plan, group, request, link))
    finally:
        os._exit(1)


def serve(link: Link, make: Callable[[], Machine]) -> NoReturn:
    """Make the machine and serve the front until it has gone; tell it why, if there is none."""
    code = 1
    try:
        try:
            machine = make()
        except OSError as refusal:
            send(link, {"unavailable": f"{refusal.strerror} ({refusal.filename or 'set-up'})"})
        except Exception as failure:  # noqa: BLE001 - nobody else could tell of it
            send(link, {"unavailable": f"{type(failure).__name__}: {failure}"})
        else:
            machine.serve()
            code = 0
    finally:
        os._exit(code)


def _isolate(
    plan: mounts.Plan, group: Tree, request: dict[str, list[str]], link: socket.socket
) -> Machine:
    group.enter()
    namespaces.unshare(
        namespaces.CLONE_NEWNS
        | namespaces.CLONE_NEWIPC
        | namespaces.CLONE_NEWUTS
        | namespaces.CLONE_NEWNET
        | namespaces.CLONE_NEWCGROUP
    )
    written, layers, notes = mounts.build(plan, request["visible"])
    namespaces.bring_loopback_up()
    with contextlib.suppress(OSError):  # a kernel without keyrings has none to leave
        namespaces.join_new_session_keyring()
    forget_the_host(notes)
    if plan.user:  # no control group can be had, but this limit binds an ordinary user's root
        resource.setrlimit(resource.RLIMIT_NPROC, (_USER_PROCESSES, _USER_PROCESSES))
    os.umask(0o022)
    password = int.from_bytes(os.urandom(4), "little")
    may_mount = "SYS_ADMIN" in plan.capabilities
    filters = watch.program(request["watch"], password, one_id=plan.one_id, may_mount=may_mount)
    listener = seccomp.install(filters, listen=bool(request["watch"]))
    namespaces.keep_capabilities({*KEPT_CAPABILITIES, *plan.capabilities})
    return Machine(link, watch.Watcher(listener, password), written, layers, notes)


def forget_the_host(notes: list[str]) -> None:
    """What a process inherits and an exec does not take away."""
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for number in (0, 1, 2):  # the last was the user's terminal, which SYS_PTRACE makes ours
        os.dup2(null, number)
    os.close(null)
    with (
        contextlib.suppress(OSError),
        open("/proc/self/oom_score_adj", "w", encoding="ascii") as oom,
    ):
        oom.write(_OOM_SCORE)  # when the whole host is short of memory, sandboxes go first
    try:
        # 1, not 0: a core_pattern that is a pipe would start a program on the host even for 0
        # (core(5)); `watch` sees to it that nobody makes it 0
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
    except (OSError, ValueError):
        notes.append("RLIMIT_CORE could not be set: a crash may start the host's core handler")
