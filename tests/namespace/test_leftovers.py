"""However lsbcheck ends, the host is what it was within two seconds."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lsbcheck.sandbox import server
from ocfkit.linux import cgroups, process
from tests.namespace.image import HostImage
from tests.namespace.quiet import TMP, QuietHost, children, descendants, front_of, wait_for

AT_MOST = 2.0
DAEMON = "sleep 47110815"

ENDLESS = f"""#!/bin/sh
# leaves a daemon behind, ignores what it can, and does not come back
trap '' TERM INT HUP QUIT
setsid {DAEMON} &
while :; do sleep 1; done
"""

BRIEF = f"""#!/bin/sh
case $1 in
    start) setsid {DAEMON} >/dev/null 2>&1 & sleep 0.1;;
    stop) pkill -f '{DAEMON}'; exit 0;;
    status) pgrep -f '{DAEMON}' >/dev/null || exit 3;;
    *) exit 2;;
esac
"""


@pytest.fixture(name="host")
def quiet_host() -> Iterator[QuietHost]:
    with QuietHost() as host:
        for name in ("one", "two", "three"):
            host.put(f"{TMP}/{name}", ENDLESS)
        host.put(f"{TMP}/brief", BRIEF)
        yield host


def under_way(host: QuietHost, **how: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401
    """Three scripts that hang, each with a daemon in its own sandbox."""
    run = host.lsbcheck(
        "--jobs", "3", "--timeout", "600", f"{TMP}/one", f"{TMP}/two", f"{TMP}/three", **how
    )  # fmt: skip
    wait_for(lambda: len(host.named(DAEMON)) == 3, 20.0)
    return run


def seconds_until(host: QuietHost, before: HostImage, ignoring: tuple[str, ...] = ()) -> float:
    """How long it takes until a quick image shows no difference any more."""
    began = time.monotonic()
    left = ["not looked yet"]
    while left:
        spent = time.monotonic() - began
        left = before.difference(host.image(trees=()), ("files", *ignoring))
        assert not left or spent < AT_MOST, "\n".join(left)
    return time.monotonic() - began


def assert_untouched(host: QuietHost, before: HostImage) -> None:
    seconds = seconds_until(host, before)
    print(f"nothing was left after {seconds:.2f} s")
    assert before.difference(host.image()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_front_that_gets_a_signal_leaves_nothing(host: QuietHost, number: int) -> None:
    before = host.image()
    run = under_way(host)
    os.kill(front_of(run), number)
    assert_untouched(host, before)


def test_a_front_that_gets_sigquit_leaves_nothing(host: QuietHost) -> None:
    before = host.image()
    run = under_way(host, through=("prlimit", "--core=0"))
    os.kill(front_of(run), signal.SIGQUIT)
    assert_untouched(host, before)


def test_control_c_reaches_the_whole_foreground_group_and_leaves_nothing(host: QuietHost) -> None:
    before = host.image()
    run = under_way(host)
    os.killpg(run.pid, signal.SIGINT)
    assert_untouched(host, before)


def test_a_terminal_that_is_closed_leaves_nothing(host: QuietHost) -> None:
    master, terminal = pty.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

    before = host.image()
    with open(terminal, "r+b", buffering=0) as ours:
        under_way(host, stdin=ours, stdout=ours, stderr=ours, preexec_fn=take_terminal)
        os.close(master)
        assert_untouched(host, before)


def test_a_reader_that_goes_away_leaves_nothing(host: QuietHost) -> None:
    before = host.image()
    read_end, write_end = os.pipe()
    os.close(read_end)
    with open(write_end, "wb", buffering=0) as closed:
        run = host.lsbcheck("--rule", "6", f"{TMP}/brief", stdout=closed)
    said = run.communicate(timeout=60)[1]
    assert_untouched(host, before)
    assert b"Traceback" not in said


def test_a_stopped_front_can_still_be_killed_and_leaves_nothing(host: QuietHost) -> None:
    before = host.image()
    run = under_way(host)
    os.kill(front_of(run), signal.SIGSTOP)
    time.sleep(0.2)
    os.kill(front_of(run), signal.SIGKILL)
    os.kill(run.pid, signal.SIGCONT)  # nsenter has stopped itself too
    assert_untouched(host, before)


def test_a_killed_server_takes_its_sandboxes_along_and_the_front_gives_no_verdict(
    host: QuietHost,
) -> None:
    before = host.image()
    run = under_way(host)
    (server,) = children(front_of(run))
    os.kill(server, signal.SIGKILL)
    code = run.wait(20)
    assert run.stdout is not None
    assert b"FAIL start" not in run.stdout.read()
    assert code in (3, 4)
    assert_untouched(host, before)


def killed_together(front: int) -> list[int]:
    """The front and all that it has started, but for what runs in the sandboxes."""
    (server,) = children(front)
    return [front, server, *children(server)]


def test_a_killed_family_leaves_no_process_and_no_mount_and_the_next_run_sweeps_its_groups(
    host: QuietHost,
) -> None:
    before = host.image()
    run = under_way(host)
    family = killed_together(front_of(run))
    for pid in family:
        os.kill(pid, signal.SIGSTOP)
    for pid in family:
        os.kill(pid, signal.SIGKILL)
    seconds_until(host, before, ignoring=("cgroups",))
    left = [line for line in before.difference(host.image()) if "lsbcheck-" in line]
    if not left:
        pytest.skip("no control groups can be made here")
    again = host.lsbcheck("--rule", "7", f"{TMP}/brief")
    out, err = again.communicate(timeout=60)
    assert b"removed what a killed run had left" in out + err
    assert_untouched(host, before)


def has_ended(run: subprocess.Popen[bytes]) -> bool:
    """Whether nsenter has ended, which stops itself when it has seen its child stopped."""
    run.send_signal(signal.SIGCONT)
    return run.poll() is not None


def test_the_next_run_kills_what_a_killed_run_could_not_take_along(host: QuietHost) -> None:
    """A sandbox whose root took over PID 1 can make it outlive everybody."""
    host.put(f"{TMP}/clinging", CLINGING)
    before = host.image()
    run = host.lsbcheck("--timeout", "600", f"{TMP}/clinging")
    wait_for(lambda: host.named(DAEMON), 20.0)
    front = front_of(run)
    (server,) = children(front)
    (init,) = children(server)
    wait_for(lambda: process.stat(init).state == "t", 20.0)
    time.sleep(0.5)  # for the few calls after the stop
    for pid in (front, server):
        os.kill(pid, signal.SIGSTOP)
    for pid in (server, front):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: has_ended(run), 20.0)
    time.sleep(0.5)
    assert host.named(DAEMON), "it was ended with its server: the attack needs to be mended"
    out, err = host.lsbcheck("--rule", "7", f"{TMP}/brief").communicate(timeout=60)
    assert b"removed what a killed run had left" in out + err
    assert_untouched(host, before)


# PID 1 is held in a ptrace stop while PR_SET_PDEATHSIG is taken from it by a change of its uid,
# which is what a hostile root would have it execute
CLINGING = f"""#!/usr/bin/python3
import ctypes, os, struct, sys, time
if sys.argv[1] != "start":
    sys.exit(3)
os.spawnlp(os.P_NOWAIT, "setsid", "setsid", *{DAEMON.split()!r})
time.sleep(0.5)  # PID 1 is asked about every exec
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
SEIZE, INTERRUPT, GETREGS, SETREGS, CONT, POKE, SINGLESTEP = 0x4206, 0x4207, 12, 13, 7, 5, 9
libc.ptrace(SEIZE, 1, None, None)
libc.ptrace(INTERRUPT, 1, None, None)
os.waitpid(1, 0x40000000)
registers = ctypes.create_string_buffer(27 * 8)
libc.ptrace(GETREGS, 1, None, registers)
words = list(struct.unpack("=27Q", registers.raw))
rip, rax, orig, rdi, rsi = 16, 10, 15, 14, 13
code = open("/proc/1/mem", "r+b", 0)
def call(number, first, second):
    changed = list(words)
    changed[rax], changed[rdi], changed[rsi], changed[orig] = number, first, second, 2**64 - 1
    code.seek(words[rip])
    was = code.read(2)
    code.seek(words[rip])
    code.write(b"\\x0f\\x05")
    libc.ptrace(SETREGS, 1, None, struct.pack("=27Q", *changed))
    libc.ptrace(SINGLESTEP, 1, None, None)
    os.waitpid(1, 0x40000000)
    code.seek(words[rip])
    code.write(was)
call(157, 1, 0)  # prctl(PR_SET_PDEATHSIG, 0)
time.sleep(10000)
"""


def test_a_run_to_its_end_leaves_nothing(host: QuietHost) -> None:
    before = host.image()
    run = host.lsbcheck(f"{TMP}/brief")
    out, err = run.communicate(timeout=120)
    assert run.returncode in (0, 1), out + err
    assert before.difference(host.image()) == []


def test_the_image_shows_a_mount_a_process_a_file_and_an_interface(host: QuietHost) -> None:
    """The other tests here prove nothing with an image that is blind."""
    before = host.image()
    changes: dict[str, Callable[[], object]] = {
        "mounts": lambda: host.call(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]),
        "processes": lambda: host.call(["sh", "-c", f"setsid {DAEMON} >/dev/null 2>&1 &"]),
        "files": lambda: host.call(["chmod", "0666", "/dev/null"]),
        "folders": lambda: host.put(f"{TMP}/left", ""),
        "interfaces": lambda: host.call(["ip", "link", "set", "lo", "up"]),
    }
    for change in changes.values():
        change()
    seen = {line.partition(":")[0] for line in before.difference(host.image())}
    assert seen >= changes.keys() - {"files"}
    for pid in descendants(*host.named(DAEMON)):
        os.kill(pid, signal.SIGKILL)


def test_a_group_that_its_server_has_not_locked_yet_is_nobody_elses_to_remove() -> None:
    me = process.stat(os.getpid())
    namespace = os.stat("/proc/self/ns/pid").st_ino
    name = f"{server.GROUP_PREFIX}{namespace}-{me.pid}-{me.start}"
    tree = cgroups.Tree(cgroups.hierarchies(), name)
    folders = [place.folder for place in tree.folders]
    try:
        assert not set(folders) & set(server.sweep())
        assert all(os.path.isdir(folder) for folder in folders)
    finally:
        tree.remove()
