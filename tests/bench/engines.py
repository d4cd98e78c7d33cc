"""Container engines to measure beside: podman and docker, in a machine that is thrown away.

Both come from the Debian root `engines`, which `enter` copies into memory and gives namespaces of
its own: dockerd finds no network but its own, nothing is installed on the host, and when the
machine ends the kernel takes every process, mount and image with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocfkit.linux import cgroups
from ocfkit.linux.namespaces import CLONE_NEWNS, MS_PRIVATE, MS_REC, mount, unshare
from tests.services import roots

IMAGE = "bench"
_GROUP = "ocfkit-bench"
"""The control group of all containers; dockerd would leave one behind wherever it makes one."""
_GROUPS = "/sys/fs/cgroup"
_LOG = "/tmp/dockerd.log"  # noqa: S108 - the machine's own

# Runs what it is told, one command at a time, and takes the time where no pipe is in between.
_WORKER = """
import json, subprocess, sys, time
for line in sys.stdin:
    argv, stdin, stays = json.loads(line)
    source = open(f"/proc/self/fd/{stdin}") if stdin else subprocess.DEVNULL
    began = time.perf_counter()
    try:
        if stays:
            subprocess.Popen(argv, stdin=source, stdout=open(stays, "w"), stderr=subprocess.STDOUT)
            code, said = 0, ""
        else:
            done = subprocess.run(argv, stdin=source, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, errors="replace")
            code, said = done.returncode, done.stdout
    except OSError as failure:
        code, said = 127, str(failure)
    print(json.dumps([code, time.perf_counter() - began, said]), flush=True)
"""

_PODMAN_VARIANTS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    # as it comes, then with what older kernels, control groups or limits of a container ask for
    ((), ()),
    (("--runtime=runc",), ()),
    ((), ("--cgroups=disabled",)),
    (("--runtime=runc",), ("--ulimit=host",)),
    ((), ("--cgroups=disabled", "--ulimit=host")),
)


@dataclass(frozen=True, slots=True)
class Engine:
    """One that could run the image, or the words with which it refused."""

    name: str
    command: tuple[str, ...]
    """What a user types."""
    argv: tuple[str, ...]
    """The same with what this machine needs besides; empty when it cannot run."""
    remark: str


class Machine:
    """The throw-away machine, from outside."""

    def __init__(self, process: subprocess.Popen[str], image: int) -> None:
        """`image` is a descriptor of the image's content, as tar has it."""
        self._process = process
        self._image = image

    def run(self, *argv: str) -> tuple[int, float, str]:
        """Run a command to its end: exit code, seconds, output."""
        return self._ask(argv, 0, "")

    def import_image(self, engine: str) -> tuple[int, float, str]:
        """Let an engine take the image in."""
        return self._ask((engine, "import", "-", IMAGE), self._image, "")

    def start(self, *argv: str, log: str) -> None:
        """Start a command that stays."""
        self._ask(argv, 0, log)

    def _ask(self, argv: tuple[str, ...], stdin: int, stays: str) -> tuple[int, float, str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # a BrokenPipeError says the same as the OSError below
        self._process.stdin.write(json.dumps([argv, stdin, stays]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise OSError("the engines' machine has ended")
        answer: Any = json.loads(line)
        return int(answer[0]), float(answer[1]), str(answer[2])

    def versions(self) -> list[str]:
        """Of everything that takes part."""
        found: list[str] = []
        for name in ("podman", "crun", "docker", "runc"):
            code, _, said = self.run(name, "--version")
            if code == 0:
                found.append(said.splitlines()[0].replace(" version", "").partition(",")[0])
        return found


@contextmanager
def control_groups() -> Generator[None]:
    """Mount the control groups for us alone where the host has not (a container, a bare chroot)."""
    if cgroups.hierarchies():
        yield
        return
    unshare(CLONE_NEWNS)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    mount("groups", _GROUPS, "tmpfs")
    # cgroups(7): one line a hierarchy; a single line without names is version 2 alone
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    for names in (line.split(":")[1] for line in lines):
        with contextlib.suppress(OSError):
            if names:
                place = f"{_GROUPS}/{names.removeprefix('name=')}"
                os.mkdir(place)
                mount("cgroup", place, "cgroup", 0, names.replace("name=", "none,name="))
            elif len(lines) == 1:
                mount("cgroup", _GROUPS, "cgroup2")
    yield  # the mounts end with this process


@contextmanager
def machine() -> Generator[Machine]:
    """Start it, with the image's content at hand."""
    _remove_groups()
    place, base = roots.root("engines"), roots.root("base")
    image = os.memfd_create("image")
    subprocess.run(["tar", "-C", str(base), "-c", "."], stdout=image, check=True)
    argv = ["unshare", "--net", str(roots.ENTER), "machine", str(place), "python3", "-c", _WORKER]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=(image,)
    ) as process:
        try:
            yield Machine(process, image)
        finally:
            os.close(image)
            assert process.stdin is not None
            with contextlib.suppress(OSError):
                process.stdin.close()  # the worker ends, and all of its machine with it
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
    _remove_groups()


def podman(inside: Machine) -> Engine:
    """Import the image and find out how podman can run it."""
    name, command = "podman", ("podman", "run", "--rm", "--network=none", "IMAGE", "true")
    # /proc/sys is read-only there, and no container of ours asks for a sysctl
    settings = "[containers]\ndefault_sysctls = []\n"
    write = f"mkdir -p /etc/containers && printf '{settings}' >/etc/containers/containers.conf"
    inside.run("sh", "-c", write)
    code, _, said = inside.import_image("podman")
    if code:
        return Engine(name, command, (), f"its own words: {_last(said)}")
    refusal = ""
    for before, options in _PODMAN_VARIANTS:
        argv = ("podman", *before, "run", "--rm", "--network=none", *options)
        argv += (f"--cgroup-parent=/{_GROUP}",) if "--cgroups=disabled" not in options else ()
        argv += (IMAGE, "true")
        code, _, said = inside.run(*argv)
        if code == 0:
            more = " ".join((*before, *options))
            remark = f"with {more}; without: {refusal}" if more else ""
            return Engine(name, command, argv, remark)
        refusal = refusal or _last(said)
    return Engine(name, command, (), f"its own words: {refusal}")


def docker(inside: Machine, patience: float = 30.0) -> Engine:
    """Start a dockerd in there, and import the image."""
    name, command = "docker", ("docker", "run", "--rm", "--network=none", "IMAGE", "true")
    daemon = ["dockerd", "--bridge=none", "--iptables=false", "--ip6tables=false"]
    daemon += ["--ip-forward=false", f"--cgroup-parent=/{_GROUP}"]
    inside.start(*daemon, log=_LOG)
    until = time.monotonic() + patience
    while inside.run("docker", "version")[0]:
        if time.monotonic() > until:
            _, _, said = inside.run("tail", "-n", "1", _LOG)
            return Engine(name, command, (), f"its own words: {_last(said)}")
        time.sleep(0.2)
    argv = ("docker", "run", "--rm", "--network=none", IMAGE, "true")
    code, _, said = inside.import_image("docker")
    if code == 0:
        code, _, said = inside.run(*argv)
    if code:
        return Engine(name, command, (), f"its own words: {_last(said)}")
    return Engine(name, command, argv, "")


def _last(said: str) -> str:
    lines = said.strip().splitlines()
    return lines[-1] if lines else "silence"


def _remove_groups() -> None:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, kind = line.partition(" - ")
        if kind.startswith("cgroup"):
            with contextlib.suppress(OSError):
                cgroups.remove(f"{fields.split()[4]}/{_GROUP}")
