"""Finding the daemon of a script never seen before, and making it fail.

The daemon's own command line is the one delicate step: many scripts call the same program for
other things while they start (`apache2 -t`, `sshd -t`, `postgres --version`), and a program that
fails for those proves nothing. So a good start is watched, and the program is replaced by a shim
that fails for exactly the command line that started the daemon and passes every other on.
"""

from __future__ import annotations

import os
import posixpath
import re
import shlex
import struct
from typing import TYPE_CHECKING, Literal

from lsbcheck.transcript import Process, Program, Service

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lsbcheck.sandbox.interface import Exec, Sandbox

HIDDEN = "/.lsbcheck"
"""Folder inside the sandbox for what we put there: `HIDDEN/usr/sbin/snmpd` is the original."""

_SHELL = f"{HIDDEN}/sh"
_BYSTANDERS = f"{HIDDEN}/bystander"
_TICKS = os.sysconf("SC_CLK_TCK")
_INTERPRETERS = ("python", "perl", "ruby", "lua", "tclsh", "node", "php", "java", "guile")
_SHELLS = ("sh", "bash", "dash", "ksh", "zsh", "busybox")
_INSTEAD_OF_A_FILE = re.compile(
    "|".join(
        (
            r"python[\d.]* -\w?\w?[cm]",
            r"(perl|ruby|lua|node)[\d.]* -\w?\w?[eE]",
            r"php[\d.]* -r",
            r"guile[\d.]* -c",
            rf"({'|'.join(_SHELLS)}) -\w?\w?c",
        )
    )
)
"""An interpreter and the word that stands for its text, or module: a path behind it is an argument,
such as the folder of `python3 -m http.server -d /srv`."""
_MANY_IN_ONE = ("busybox", "toybox", "coreutils")
_LATE = 0.2
"""Seconds that a daemon lives which fails late."""

Failure = Literal["at-once", "late"]


def original(path: str) -> str:
    """A path as the service knows it, whether or not the file has been moved behind a shim."""
    return path.removeprefix(HIDDEN)


def is_interpreter(path: str) -> bool:
    """Whether a program runs other people's text, going by its name."""
    name = posixpath.basename(path)
    return name in _SHELLS or name.startswith(_INTERPRETERS)


def belongs(process: Process, main: Program | None) -> bool:
    """Whether a process is one of the service's own, and not a helper left behind."""
    if main is None:
        return True
    if original(process.exe) != main.exe:
        return False
    if not is_interpreter(main.exe):
        return True
    # a daemon may have put a title of its own over its arguments; its name is still in it
    name = posixpath.basename(program_file(main))
    return not name or any(name in argument for argument in process.argv)


def program_file(main: Program) -> str:
    """The file that is the service's program: for an interpreter its script, "" if it has none."""
    if posixpath.basename(main.path) in _MANY_IN_ONE:
        return ""
    if main.path != main.exe or not is_interpreter(main.exe):
        return main.path
    name = posixpath.basename(main.path)
    for word in main.argv[1:]:
        if word.startswith("/"):
            return word
        if _INSTEAD_OF_A_FILE.fullmatch(f"{name} {word}"):
            return ""
    return ""


def find_main(
    survivors: Sequence[Process],
    named_by_pid_file: Iterable[int],
    execs: Sequence[Exec],
    script: str,
) -> Program | None:
    """The daemon among the processes that a good start of the script left, and how it was started.

    A process that a pid file names comes first, then one that is called like the script, then the
    oldest. None when no start of it was seen, or only that of the script itself: a script that
    goes on in the background cannot be replaced, since it would be the one that fails.
    """
    named = set(named_by_pid_file)
    name = posixpath.basename(script)
    own = {each.path for each in execs if each.argv[:1] == (script,)}
    execs = [each for each in execs if each.path not in own]
    ranked = sorted(
        survivors,
        key=lambda one: (
            one.pid not in named,
            posixpath.basename(one.exe) != name and one.comm != name,
            one.start,
            one.pid,
        ),
    )
    for process in ranked:
        found = _start_of(process, survivors, execs)
        if found is not None:
            return Program(path=found.path, exe=found.exe, argv=found.argv)
    return None


def _start_of(process: Process, survivors: Sequence[Process], execs: Sequence[Exec]) -> Exec | None:
    """The execve that became this process, directly or before a fork."""
    family = sorted((one for one in survivors if one.exe == process.exe), key=lambda one: one.start)
    births = {one.pid: one.start / _TICKS for one in family}
    mine = [
        each
        for each in execs
        if each.exe == process.exe
        # a worker that the daemon starts is not the daemon
        and not (each.ppid in births and births[each.ppid] <= each.at)
    ]
    direct = [each for each in mine if each.pid == process.pid]
    if not direct:
        born = births[family[0].pid] + 1 / _TICKS  # start times are told in ticks
        mine = [each for each in mine if each.at <= born]
        direct = [each for each in mine if each.cmdline == process.argv] or mine
    if not direct:
        return None
    # a daemon that executes itself again was started by the first of the chain
    last = direct[-1]
    return next(each for each in mine if each.pid == last.pid)


def shim(main: Program, failure: Failure, *, every_call: bool = False) -> bytes:
    """A program that fails for the daemon's command line, and else runs the original."""
    fails = "exit 1"
    if failure == "late":
        fails = f"{{ (sleep {_LATE}; exit 1) & exit 0; }}"
    tests = [f"[ $# -eq {len(main.argv) - 1} ]"]
    tests += [
        f'[ "${{{number}}}" = {shlex.quote(argument)} ]'
        for number, argument in enumerate(main.argv[1:], start=1)
    ]
    if every_call:
        script = program_file(main)
        tests = [f'[ "$1" = {shlex.quote(script)} ]'] if script != main.path else []
    return "\n".join(
        [
            f"#!{_SHELL}",
            " && ".join([*tests, fails]),
            f'exec {shlex.quote(HIDDEN + main.path)} "$@"',
            "",
        ]
    ).encode(errors="surrogateescape")


def make_it_fail(
    sandbox: Sandbox, main: Program, failure: Failure, *, every_call: bool = False
) -> str:
    """Replace the daemon inside the sandbox; say in words what was done. Raises OSError."""
    if posixpath.basename(main.path) in _MANY_IN_ONE:
        # which command it is, its own name says, and a shim cannot hand that on
        raise PermissionError(1, "it holds many other commands too", main.path)
    # the shim needs a shell that is not itself behind a shim
    sandbox.put_file(_SHELL, _whole(sandbox, "/bin/sh"), 0o755)
    sandbox.move_file(main.path, HIDDEN + main.path)
    sandbox.put_file(main.path, shim(main, failure, every_call=every_call), 0o755)
    what = "exits 1" if failure == "at-once" else f"forks, exits 0 and dies {_LATE} s later"
    called = "whatever it is called with" if every_call else f"when called as `{pasteable(main)}`"
    return f"{main.path} {what}, {called}"


def take_away(sandbox: Sandbox, main: Program) -> str:
    """Remove the service's program inside the sandbox; say what was done. Raises OSError."""
    path = program_file(main)
    if not path or posixpath.basename(path) in _SHELLS:
        raise FileNotFoundError(2, "the service has no program of its own", main.path)
    sandbox.remove_file(path)
    return f"{path} is not there"


def was_hit(main: Program, execs: Iterable[Exec]) -> bool:
    """Whether the shim has been called with the daemon's command line."""
    return any(each.path == main.path and each.argv[1:] == main.argv[1:] for each in execs)


def pasteable(main: Program) -> str:
    """The daemon's command line for a shell."""
    return shlex.join((main.path, *main.argv[1:]))


def put_bystander(sandbox: Sandbox, service: Service, name: str) -> tuple[str, ...]:
    """Put a program that only shares the daemon's name; return the command to start it."""
    if service.main is not None:
        name = posixpath.basename(program_file(service.main)) or name
    path = f"{_BYSTANDERS}/{name}"
    sandbox.put_file(path, sleeper(os.uname().machine), 0o755)
    return (path,)


def sleeper(machine: str) -> bytes:
    """A very small ELF program that sleeps for ever.

    Any program of the host may be one that looks at the name it is called by (busybox, and newer
    coreutils), so it will not do under another name.
    """
    code, elf_machine = {
        # pause(2) in a loop
        "x86_64": (bytes.fromhex("b8220000000f05ebf7"), 62),
        # ppoll(NULL, 0, NULL, NULL, 0) in a loop: there is no pause(2)
        "aarch64": (
            struct.pack(
                "<7I",
                0xD2800000,  # mov x0, #0
                0xD2800001,  # mov x1, #0
                0xD2800002,  # mov x2, #0
                0xD2800003,  # mov x3, #0
                0xD2800928,  # mov x8, #73
                0xD4000001,  # svc #0
                0x17FFFFFA,  # b to the start
            ),
            183,
        ),
    }[machine]
    base, header = 0x400000, 64 + 56
    size = header + len(code)
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    elf = struct.pack(
        "<HHIQQQIHHHHHH", 2, elf_machine, 1, base + header, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    return identity + elf + load + code


def _whole(sandbox: Sandbox, path: str) -> bytes:
    return sandbox.read_file(path, 4 << 20)
