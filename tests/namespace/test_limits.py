"""A sandbox that takes all it can get meets a limit, and no verdict comes of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from lsbcheck.sandbox import namespace
from lsbcheck.sandbox.interface import SandboxLost
from lsbcheck.sandbox.namespace import NamespaceBackend
from ocfkit.linux import cgroups
from tests.namespace.quiet import TMP, QuietHost, children

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}


@pytest.fixture(name="backend")
def limited_backend() -> Iterator[NamespaceBackend]:
    """A backend whose limits have been seen to be set, before anything runs against them."""
    with NamespaceBackend() as backend:
        lacking = [note for note in backend.notes if "not limited" in note]
        if lacking:
            pytest.skip(lacking[0])
        with backend.create() as sandbox:
            said = sandbox.run(("cat", "/proc/self/cgroup"), env=ENVIRONMENT, deadline=9).stdout
        assert "/lsbcheck-" not in said, "the sandbox sees the host's names of its groups"
        for name in ("pids", "memory"):
            assert own_group(backend, name), f"no group of {name}"
        yield backend


def told(what: str) -> pytest.RaisesExc[SandboxLost]:
    """Leaving a sandbox raises SandboxLost, with these words."""
    return pytest.raises(SandboxLost, match=what)


def own_group(backend: NamespaceBackend, controller: str) -> str:
    """The folder of all sandboxes of this backend."""
    del backend
    server = server_pid()
    for place in cgroups.hierarchies():
        if controller in place.controllers:
            for name in os.listdir(place.folder):
                if name.startswith("lsbcheck-") and f"-{server}-" in name:
                    return f"{place.folder}/{name}"
    return ""


def sandboxes(group: str) -> list[str]:
    """The groups of single sandboxes in there."""
    return [name for name in os.listdir(group) if os.path.isdir(f"{group}/{name}")]


def read(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read().strip()


def server_pid() -> int:
    """The backend's server: our only child of that name."""
    (server,) = (pid for pid in children(os.getpid()) if read(f"/proc/{pid}/comm") == "lsbcheck")
    return server


def limit(backend: NamespaceBackend, group: str, names: tuple[str, str]) -> int:
    """A limit by its name in version 1 or 2."""
    for name in names:
        path = f"{own_group(backend, names[0].partition('.')[0])}{group}/{name}"
        if os.path.exists(path):
            return int(read(path))
    raise AssertionError(names)


def test_every_sandbox_has_512_processes_and_the_sum_a_quarter_of_the_memory(
    backend: NamespaceBackend,
) -> None:
    with open("/proc/meminfo", encoding="ascii") as lines:
        free = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvail"))
    with backend.create():
        (number,) = sandboxes(own_group(backend, "pids"))
        assert limit(backend, f"/{number}", ("pids.max", "pids.max")) == 512
        memory = ("memory.limit_in_bytes", "memory.max")
        assert limit(backend, f"/{number}", memory) < limit(backend, "", memory)
    assert 0 < limit(backend, "", memory) < free / 4 * 1.3
    weight = limit(backend, "", ("cpu.shares", "cpu.weight"))
    assert weight in (25, 256), "a quarter of what others get"


def test_a_fork_bomb_meets_its_limit_and_is_gone_with_its_sandbox(
    backend: NamespaceBackend,
) -> None:
    group = own_group(backend, "pids")
    bomb = ("/bin/sh", "-c", "f() { f | f & }; f; sleep 1")
    began = 0.0
    with told("limit of processes"), backend.create() as sandbox:
        sandbox.run(bomb, env=ENVIRONMENT, deadline=3)
        began = time.monotonic()
    assert time.monotonic() - began < 2
    assert sandboxes(group) == []


def test_a_memory_hog_is_killed_inside_and_said_to_be(backend: NamespaceBackend) -> None:
    hog = "found = []\nwhile True: found.append(bytearray(1 << 24))"
    with told("killed 1 of its processes to free memory"), backend.create() as sandbox:
        shrink(backend, 64 << 20)
        ran = sandbox.run(("/usr/bin/python3", "-c", hog), env=ENVIRONMENT, deadline=20)
        assert ran.signal == 9


def shrink(backend: NamespaceBackend, limit_in_bytes: int) -> None:
    """So that the test does not need the real quarter of the machine."""
    group = own_group(backend, "memory")
    child = f"{group}/{sandboxes(group)[0]}"
    for name in ("memory.limit_in_bytes", "memory.max"):
        if os.path.exists(f"{child}/{name}"):
            with open(f"{child}/{name}", "w", encoding="ascii") as file:
                file.write(str(limit_in_bytes))


def test_one_bound_holds_for_all_places_that_can_be_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(namespace, "_MOST_DISK", 32 << 20)
    fill = "for at in / /run /tmp /dev/shm; do dd if=/dev/zero of=$at/x bs=1M; done; du -mc /x"
    with NamespaceBackend() as backend:
        with told("its disk was full"), backend.create() as sandbox:
            said = sandbox.run(("/bin/sh", "-c", fill), env=ENVIRONMENT, deadline=20)
            assert said.stderr.count("No space left") == 4
            assert int(said.stdout.split()[0]) <= 32
        with backend.create() as sandbox:
            assert sandbox.run(("true",), env=ENVIRONMENT, deadline=9).code == 0


def test_empty_files_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespace, "_MOST_DISK", 32 << 20)
    program = (
        "import itertools\nfor number in itertools.count():\n"
        "    try: open(f'/tmp/{number}', 'x').close()\n"
        "    except OSError: print(number); break"
    )
    with NamespaceBackend() as backend, told("its disk was full"), backend.create() as sandbox:
        ran = sandbox.run(("/usr/bin/python3", "-c", program), env=ENVIRONMENT, deadline=30)
        assert 7000 < int(ran.stdout) < 8192, "as many as 32 MiB have pages"


def test_a_flood_of_output_costs_neither_memory_nor_time(backend: NamespaceBackend) -> None:
    with backend.create() as sandbox:
        before = seconds_spent()
        ran = sandbox.run(("cat", "/dev/zero"), env=ENVIRONMENT, deadline=3)
        spent = seconds_spent() - before
        assert ran.timed_out
        assert len(ran.stdout) == 65536
        assert spent < 1, f"{spent} s of processor time for 3 s of flood"


def seconds_spent() -> float:
    """Processor time of the server and of PID 1, by /proc/PID/stat."""
    total = 0
    for pid in (server_pid(), *children(server_pid())):
        fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("how", ["setsid sleep 99 &", "(sleep 99 &) &", "trap '' TERM; sleep 99"])
def test_what_ignores_term_or_runs_away_ends_with_its_sandbox(
    backend: NamespaceBackend, how: str
) -> None:
    with backend.create() as sandbox:
        sandbox.run(("/bin/sh", "-c", how), env=ENVIRONMENT, deadline=0.5)
        (init,) = children(server_pid())
        began = time.monotonic()
    assert time.monotonic() - began < 1
    assert not os.path.exists(f"/proc/{init}")


def test_where_no_process_can_be_started_there_is_no_verdict(backend: NamespaceBackend) -> None:
    sandbox = backend.create()
    group = own_group(backend, "pids")
    with open(f"{group}/{sandboxes(group)[0]}/pids.max", "w", encoding="ascii") as file:
        file.write("1")
    with pytest.raises(SandboxLost, match="no process could be started"):
        sandbox.run(("true",), env=ENVIRONMENT, deadline=9)
    sandbox.destroy()


FLOODING = """#!/bin/sh
case $1 in
    start) setsid sleep 99 >/dev/null 2>&1 &;;
esac
timeout 1 cat /dev/zero
exit 3
"""


def test_a_script_that_floods_has_a_small_report() -> None:
    with QuietHost() as host:
        host.put(f"{TMP}/flooding", FLOODING)
        run = host.lsbcheck("--rule", "7", "--format", "json", "-v", f"{TMP}/flooding")
        out, err = run.communicate(timeout=100)
    assert b"\\u0000" in out, err
    assert len(out) < 300_000


GREEDY = """#!/bin/sh
case $1 in
    start) f() { f | f & }; f; sleep 1;;
    status) exit 3;;
    *) exit 0;;
esac
"""


def test_a_script_that_forks_without_end_gets_error_and_not_a_verdict() -> None:
    with QuietHost() as host:
        host.put(f"{TMP}/greedy", GREEDY)
        run = host.lsbcheck("--timeout", "5", "--format", "json", f"{TMP}/greedy")
        out, err = run.communicate(timeout=60)
        if b"not limited: " in out and b"pids" in out:
            pytest.skip("no control group can be made here")
        assert run.returncode == 3, err
        assert b"limit of processes" in out
        assert b"Traceback" not in err
