"""What a script that is root in a sandbox can do to the host: nothing.

Every attack is run in a sandbox of its own, and most of them change something to what it already
is, so that a hole does no harm here.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lsbcheck.sandbox import front
from lsbcheck.sandbox.interface import SandboxLost
from lsbcheck.sandbox.namespace import NamespaceBackend, NamespaceSandbox
from tests.namespace.quiet import TMP, QuietHost

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}

CALLS = """
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    passed = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result = libc.syscall(ctypes.c_long(number), *passed)
    return result if result >= 0 else -ctypes.get_errno()
def refused(result, *codes):
    codes = codes or (errno.EPERM,)
    if -result not in codes:
        sys.exit(f"not refused: {result}")
"""


MAP_FILES = """
for name in os.listdir("/proc/1/map_files"):
    if os.path.exists(f"/proc/1/map_files/{name}"):
        sys.exit(f"{name} can be followed")
"""


@pytest.fixture(name="backend", scope="module")
def one_backend() -> Iterator[NamespaceBackend]:
    with NamespaceBackend() as backend:
        yield backend


@pytest.fixture(name="sandbox")
def one_sandbox(backend: NamespaceBackend) -> Iterator[NamespaceSandbox]:
    with backend.create(("exec", "signals")) as sandbox:
        yield sandbox


def shell(sandbox: NamespaceSandbox, script: str) -> str:
    """Run a shell script to its end; what it said."""
    ran = sandbox.run(("/bin/sh", "-c", script), env=ENVIRONMENT, deadline=20)
    return ran.stdout + ran.stderr


def attack(sandbox: NamespaceSandbox, program: str) -> str:
    """Run a Python program that exits with a sentence where it succeeds in what it should not."""
    ran = sandbox.run(
        ("/usr/bin/python3", "-c", CALLS + textwrap.dedent(program)), env=ENVIRONMENT, deadline=20
    )
    assert ran.code == 0, ran.stdout + ran.stderr
    return ran.stdout


# --- files ---------------------------------------------------------------------------------------


def test_what_is_written_and_removed_stays_inside(
    sandbox: NamespaceSandbox, tmp_path: Path
) -> None:
    mark = f"/etc/lsbcheck-{tmp_path.name}-{os.getpid()}"
    shell(sandbox, f"echo x > {mark}; rm -rf /etc/init.d /etc/passwd")
    assert "gone" in shell(sandbox, "test -e /etc/passwd || echo gone")
    assert not Path(mark).exists()
    assert Path("/etc/passwd").exists()


@pytest.mark.parametrize(
    "path",
    [
        "/proc/1/exe",
        "/dev/null",
        "/dev/tty",
        "/dev/urandom",
        "/proc/uptime",
        "/proc/meminfo",
        "/proc/sys/kernel/core_pattern",
        "/proc/timer_list",
        "/sys/kernel",
    ],
)
def test_the_mode_of_a_file_that_is_the_hosts_cannot_be_changed(
    sandbox: NamespaceSandbox, path: str
) -> None:
    if not os.path.exists(path.replace("/1/", "/self/")):
        pytest.skip(f"this kernel has no {path}")
    said = shell(sandbox, f"chmod $(stat -Lc %a {path}) {path} && echo changed")
    assert "Read-only file system" in said


def test_pid_1s_program_cannot_be_made_set_uid(tmp_path: Path) -> None:
    """The interpreter's own file was once to be had through /proc/1/exe: here it is a copy."""
    copy = tmp_path / "python3"
    copy.write_bytes(Path(sys.executable).resolve().read_bytes())
    copy.chmod(0o755)
    program = f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from lsbcheck.sandbox.namespace import NamespaceBackend
        with NamespaceBackend() as backend, backend.create() as sandbox:
            print(sandbox.run(("chmod", "4755", "/proc/1/exe"), env={ENVIRONMENT!r}, deadline=9))
    """
    done = subprocess.run(
        [copy, "-IS", "-c", textwrap.dedent(program)],
        env={"PYTHONHOME": sys.base_prefix},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Read-only" in done.stdout, done.stdout + done.stderr
    assert stat.S_IMODE(copy.stat().st_mode) == 0o755


def test_what_the_kernel_is_told_through_proc_and_sys_is_read_only(
    sandbox: NamespaceSandbox,
) -> None:
    for path in ("/proc/sys/kernel/core_pattern", "/proc/mtrr", "/sys/kernel/uevent_seqnum"):
        if os.path.exists(path):
            assert "writable" not in shell(sandbox, f"test -w {path} && echo writable")


def test_the_devices_are_six_harmless_ones(sandbox: NamespaceSandbox) -> None:
    nodes = """
        for path in /dev/* /dev/*/*; do
            [ ! -L $path ] && [ -c $path -o -b $path ] && echo $path
        done
    """
    found = shell(sandbox, nodes).split()
    assert [path for path in found if path != "/dev/pts/ptmx"] == [
        "/dev/full",
        "/dev/null",
        "/dev/random",
        "/dev/tty",
        "/dev/urandom",
        "/dev/zero",
    ]
    shell(sandbox, "echo x > /dev/null && echo works > /tmp/said")
    assert "works" in shell(sandbox, "cat /tmp/said")


def test_no_device_node_can_be_made_and_one_on_the_hosts_disk_does_not_open(
    backend: NamespaceBackend, tmp_path: Path
) -> None:
    node = tmp_path / "null"
    os.mknod(node, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    with backend.create(visible=(str(tmp_path),)) as sandbox:
        assert "Permission denied" in shell(sandbox, f"cat {node}")
        assert "not permitted" in shell(sandbox, "mknod /tmp/null c 1 3")


def test_no_descriptor_of_pid_1_leads_out(sandbox: NamespaceSandbox) -> None:
    attack(
        sandbox,
        """
        inside = os.stat("/")
        for name in os.listdir("/proc/1/fd"):
            path = f"/proc/1/fd/{name}"
            target = os.readlink(path)
            if os.path.isdir(path):
                there = sorted(os.listdir(path + "/../../.."))
                if any(not each.isdecimal() for each in there):
                    sys.exit(f"{path} leads to {there}")
            elif not target.startswith(("/dev/null", "socket:", "pipe:", "anon_inode:")):
                sys.exit(f"{path} is {target}")
            elif target.startswith("/dev/null"):
                if os.stat(path).st_dev != os.stat("/dev/null").st_dev:
                    sys.exit(f"{path} is another device")
        for name in ("cwd", "root"):
            at = os.stat(f"/proc/1/{name}/../..")
            if (at.st_dev, at.st_ino) != (inside.st_dev, inside.st_ino):
                sys.exit(f"{name} leads out")
        """,
    )


def test_the_callers_stderr_is_not_within_reach(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("w") as ours:
        program = f"""
            import sys
            sys.path.insert(0, {str(Path(__file__).parents[2])!r})
            from lsbcheck.sandbox.namespace import NamespaceBackend
            with NamespaceBackend() as backend, backend.create() as sandbox:
                sandbox.run(("sh", "-c", "echo hostile > /proc/1/fd/2"), env={ENVIRONMENT!r},
                            deadline=9)
        """
        subprocess.run(
            [sys.executable, "-IS", "-c", textwrap.dedent(program)], stderr=ours, check=True
        )
    assert "hostile" not in log.read_text()


def test_a_socket_that_is_mounted_somewhere_is_not_shown() -> None:
    """docker run -v /var/run/docker.sock:/docker.sock: who reaches it is root on the host."""
    set_up = f"""
        mount -t tmpfs tmpfs /srv && touch /srv/docker.sock
        python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("{TMP}/socket")'
        mount --bind {TMP}/socket /srv/docker.sock && test -S /srv/docker.sock && echo there
    """
    with QuietHost() as host:
        assert host.call(["sh", "-c", set_up]) == "there\n"
        host.put(f"{TMP}/script", "#!/bin/sh\nexit 3\n")
        run = host.lsbcheck(
            "--rule", "7", "--prepare", "test ! -S /srv/docker.sock", f"{TMP}/script"
        )
        out, err = run.communicate(timeout=60)
    assert b"the command of --prepare" not in out + err, "it is there"
    assert b"/srv/docker.sock is not shown in the sandbox" in out + err


# --- privileges ----------------------------------------------------------------------------------


def test_nothing_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSBCHECK_TEST", "a word of the caller's")
    with NamespaceBackend() as fresh, fresh.create() as sandbox:
        said = shell(sandbox, "cat /proc/*/environ; cat /proc/keys; tty")
        open_files = shell(sandbox, "ls /proc/self/fd").split()
    assert "a word of the caller's" not in said
    assert "not a tty" in said
    assert open_files == ["0", "1", "2", "3"], "the last is the folder that ls reads"


def test_signals_that_the_caller_ignores_or_blocks_are_default_inside() -> None:
    program = f"""
        import signal, sys
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGQUIT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from lsbcheck.sandbox.namespace import NamespaceBackend
        with NamespaceBackend() as backend, backend.create() as sandbox:
            run = sandbox.run(("grep", "^Sig[BI]", "/proc/self/status"), env={{}}, deadline=9)
            print(run.stdout)
    """
    done = subprocess.run(
        [sys.executable, "-IS", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["SigBlk:", "0" * 16, "SigIgn:", "0" * 16], done.stdout


def test_pid_1_is_no_more_privileged_than_the_script(sandbox: NamespaceSandbox) -> None:
    lines = shell(sandbox, "grep -h ^Cap /proc/1/status /proc/self/status").split("\n")
    assert lines[:5] == lines[5:10]
    assert "0000000000000000" in lines[0], "no capability is inheritable"
    names = shell(sandbox, "capsh --decode=$(awk '/^CapBnd/{print $2}' /proc/self/status)")
    for name in ("sys_admin", "sys_resource", "mknod", "sys_module", "sys_rawio", "sys_time"):
        assert f"cap_{name}" not in names
    assert "cap_sys_ptrace" in names


def test_a_set_uid_program_gives_nothing_back(sandbox: NamespaceSandbox) -> None:
    shell(sandbox, "cp /bin/cat /cat; chmod 4755 /cat")
    ran = sandbox.run(("/cat", "/proc/self/status"), env=ENVIRONMENT, deadline=9, uid=65534)
    mine = [line for line in ran.stdout.splitlines() if line.startswith(("CapEff", "CapBnd"))]
    assert len({line.split()[1] for line in mine}) == 1, mine


@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("mount", "refused(call(165, b'x', b'/mnt', b'tmpfs', 0, 0))"),
        ("mount cgroup", "refused(call(165, b'x', b'/mnt', b'cgroup', 0, b'memory'))"),
        ("remount", "refused(call(165, b'x', b'/proc/sys', 0, 4096 | 32, 0))"),
        ("umount", "refused(call(166, b'/proc/sys', 0))"),
        ("fsopen", "refused(call(430, b'tmpfs', 0))"),
        ("open_tree", "refused(call(428, -100, b'/', 1))"),
        ("mount_setattr", "refused(call(442, -100, b'/', 0, 0, 0))"),
        ("unshare user", "refused(call(272, 0x10000000))"),
        ("unshare mounts", "refused(call(272, 0x20000))"),
        ("unshare cgroup", "refused(call(272, 0x2000000))"),
        ("clone user", "refused(call(56, 0x10000000 | 17, 0, 0, 0, 0))"),
        ("clone3", "refused(call(435, 0, 0), errno.ENOSYS)"),
        ("setns", "refused(call(308, os.open('/proc/1/ns/mnt', 0), 0))"),
        ("open_by_handle_at", "refused(call(304, 0, 0, 0))"),
        ("keyctl", "refused(call(250, 0, -3, 0))"),
        ("bpf", "refused(call(321, 0, 0, 0))"),
        ("perf_event_open", "refused(call(298, 0, 0, 0, 0, 0))"),
        ("io_uring_setup", "refused(call(425, 1, 0))"),
        ("userfaultfd", "refused(call(323, 0))"),
        ("module", "refused(call(313, 0, b'', 0))"),
        ("syslog", "refused(call(103, 3, 0, 0))"),
        ("acct", "refused(call(163, b'/tmp/acct'))"),
        ("hostname", "refused(call(170, b'x', 1))"),
        ("clock", "refused(call(227, 0, (ctypes.c_long * 2)(1, 1)))"),
        ("x32 calls", "refused(call(0x40000000 | 165, 0, 0, 0, 0, 0), errno.ENOSYS)"),
        ("map_files", MAP_FILES),
        ("SCHED_FIFO", "refused(call(144, 0, 1, (ctypes.c_int * 1)(1)))"),
        ("SCHED_RR, reset on fork", "refused(call(144, 0, 2 | 1 << 30, (ctypes.c_int * 1)(1)))"),
        ("sched_setattr", "refused(call(314, 0, b'0' * 48, 0))"),
        ("real-time input and output", "refused(call(251, 1, 0, 1 << 13))"),
        ("vsock", "refused(call(41, 40, 1, 0), errno.EAFNOSUPPORT)"),
        ("the audit log", "refused(call(41, 16, 3, 9), errno.EPROTONOSUPPORT)"),
    ],
)  # fmt: skip
def test_the_kernel_refuses(sandbox: NamespaceSandbox, name: str, program: str) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("the calls are spelled by x86_64's numbers")
    del name
    attack(sandbox, program)


def test_the_filter_alone_refuses_real_time_scheduling() -> None:
    """A control group may refuse it as well, and is not there on every machine."""
    program = f"""
        import os, sys
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from lsbcheck.sandbox import watch
        from ocfkit.linux import seccomp
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        seccomp.install(watch.program([], 0), listen=False)
        for policy in (os.SCHED_FIFO, os.SCHED_RR, os.SCHED_RR | os.SCHED_RESET_ON_FORK):
            try:
                os.sched_setscheduler(0, policy, os.sched_param(1))
            except PermissionError:
                print("refused")
    """
    done = subprocess.run(
        [sys.executable, "-IS", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "PermissionError" in done.stderr:
        pytest.skip("nothing is real-time here")
    assert done.stdout.split() == ["refused"] * 3, done.stderr


def test_chrt_makes_nothing_real_time(sandbox: NamespaceSandbox) -> None:
    for policy in ("--fifo 1", "--rr 1", "--deadline -T 1000000 -P 2000000 -D 2000000 0"):
        assert "ran" not in shell(sandbox, f"chrt {policy} sh -c 'echo ran'")
    assert "ran" in shell(sandbox, "nice -n 5 sh -c 'echo ran'")


def test_real_time_scheduling_of_the_caller_is_not_handed_on() -> None:
    program = f"""
        import os, sys
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from lsbcheck.sandbox.namespace import NamespaceBackend
        with NamespaceBackend() as backend, backend.create() as sandbox:
            print(sandbox.run(("chrt", "-p", "1"), env={ENVIRONMENT!r}, deadline=9).stdout)
    """
    done = subprocess.run(
        [sys.executable, "-IS", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "PermissionError" in done.stderr:
        pytest.skip("nothing is real-time here")
    assert "SCHED_OTHER" in done.stdout, done.stdout + done.stderr


def test_a_crash_wakes_no_core_handler_of_the_host(sandbox: NamespaceSandbox) -> None:
    """For a pipe in core_pattern a limit of 0 is no limit, and 1 is: nobody may make it 0."""
    said = shell(sandbox, "ulimit -Hc; ulimit -Sc; ulimit -c 0; ulimit -Hc; ulimit -Sc")
    # sh counts in blocks of 512 or 1024 bytes: the limit is 1 byte
    attack(
        sandbox,
        """
        import resource
        for limits in ((0, 0), (0, 1)):
            resource.setrlimit(resource.RLIMIT_CORE, limits)
            resource.prlimit(0, resource.RLIMIT_CORE, limits)
        if resource.getrlimit(resource.RLIMIT_CORE) != (1, 1):
            sys.exit(f"the limit is {resource.getrlimit(resource.RLIMIT_CORE)}")
        """,
    )
    assert "unlimited" not in said


def test_a_script_is_killed_before_the_host_when_memory_is_short(sandbox: NamespaceSandbox) -> None:
    said = shell(sandbox, "cat /proc/self/oom_score_adj; (echo -1000 > /proc/self/oom_score_adj)")
    assert int(said.split()[0]) > 0
    assert "echo" in said, "it was allowed"


# --- the host's other ends -----------------------------------------------------------------------


def test_no_socket_of_the_host_answers(sandbox: NamespaceSandbox, tmp_path: Path) -> None:
    with (
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_INET) as loopback,
        socket.socket(socket.AF_UNIX) as by_path,
    ):
        name = f"lsbcheck-test-{os.getpid()}"
        abstract.bind(f"\0{name}")
        loopback.bind(("127.0.0.1", 0))
        path = f"/etc/{name}"
        by_path.bind(path)
        try:
            for one in (abstract, loopback, by_path):
                one.listen()
            attack(
                sandbox,
                f"""
                import socket
                for family, address in (
                    (socket.AF_UNIX, "\\0{name}"),
                    (socket.AF_INET, ("127.0.0.1", {loopback.getsockname()[1]})),
                    (socket.AF_UNIX, {path!r}),
                ):
                    try:
                        socket.socket(family).connect(address)
                    except ConnectionRefusedError:
                        continue
                    sys.exit(f"connected to {{address!r}}")
                """,
            )
        finally:
            os.unlink(path)
    assert shell(sandbox, "ls /sys/class/net").split() == ["lo"]
    del tmp_path


def test_a_fifo_of_the_host_does_not_lead_to_its_other_end(sandbox: NamespaceSandbox) -> None:
    path = f"/etc/lsbcheck-fifo-{os.getpid()}"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        shell(sandbox, f"timeout 1 sh -c 'echo hostile > {path}'")
        assert os.read(reader, 10) == b""
    finally:
        os.close(reader)
        os.unlink(path)


def test_no_process_of_the_host_is_seen_or_hit(sandbox: NamespaceSandbox) -> None:
    mine = subprocess.Popen(["sleep", "30"])
    try:
        seen = shell(sandbox, "ls /proc | grep -c '^[0-9]'")
        assert int(seen) < 10
        shell(sandbox, "kill -9 -1")
        assert shell(sandbox, "echo alive").strip() == "alive", "PID 1 was hit"
        assert mine.poll() is None
    finally:
        mine.kill()
        mine.wait()


def test_pid_1_cannot_be_killed_or_stopped_from_inside(sandbox: NamespaceSandbox) -> None:
    shell(sandbox, "kill -9 1; kill -STOP 1; kill -TERM 1; kill -HUP 1; kill -SEGV 1; kill -INT 1")
    assert shell(sandbox, "echo alive").strip() == "alive"


# --- PID 1 taken over ----------------------------------------------------------------------------

TAKE_LINK = """
import stat
own = os.pidfd_open(1)
for number in range(3, 64):
    link = call(438, own, number, 0)
    if link >= 0 and stat.S_ISSOCK(os.fstat(link).st_mode):
        break
else:
    sys.exit("no socket found")
"""


@pytest.mark.parametrize(
    "lie",
    [
        b"garbage\n",
        b"[]\n",
        b"null\n",
        b'{"errno": "x", "path": 1}\n',
        b'{"errno": 99999999999999999999, "path": ""}\n',
        b'{"answer": {"code": "x"}}\n',
        b'{"answer": [{"pid": NaN}]}\n',
        b"[" * 100_000 + b"\n",
        b'{"answer": ' + b"9" * 10_000 + b"}\n",
        b"\xff\xfe\n",
    ],
)
def test_whoever_speaks_for_pid_1_gets_no_traceback_out_of_the_front(
    backend: NamespaceBackend, lie: bytes
) -> None:
    with backend.create() as sandbox:
        program = CALLS + TAKE_LINK + f"os.write(link, {lie!r})\n"
        with pytest.raises(SandboxLost, match="no sense"):
            sandbox.run(("/usr/bin/python3", "-c", program), env=ENVIRONMENT, deadline=9)


def test_an_endless_answer_is_cut_off(backend: NamespaceBackend) -> None:
    with backend.create() as sandbox:
        program = CALLS + TAKE_LINK + "while True: os.write(link, b'x' * 65536)\n"
        with pytest.raises(SandboxLost, match="more than is believable"):
            sandbox.run(("/usr/bin/python3", "-c", program), env=ENVIRONMENT, deadline=20)


def test_a_sandbox_whose_pid_1_stands_still_is_taken_down_at_once(
    backend: NamespaceBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "_ANSWER", 0.5)
    sandbox = backend.create()
    sandbox.put_file(
        "/hold",
        b"#!/usr/bin/python3\n"
        + CALLS.encode()
        + b"call(101, 0x4206, 1, 0, 0); call(101, 0x4207, 1, 0, 0)\nimport time; time.sleep(99)\n",
        0o755,
    )
    with pytest.raises(SandboxLost, match="no answer"):
        sandbox.run(("/hold",), env=ENVIRONMENT, deadline=0.5)
    began = time.monotonic()
    sandbox.destroy()
    assert time.monotonic() - began < 1


def test_calls_that_make_no_sense_do_not_end_pid_1(sandbox: NamespaceSandbox) -> None:
    sandbox.inject("signals-refused", [2])
    attack(
        sandbox,
        """
        for number in (59, 322):
            for address in (0, 1, -1, 2**63 - 1, -4096):
                call(number, address, address, address, 0, 0)
        call(424, os.open("/dev/null", 0), 15, 0, 0)
        call(424, 999, 15, 0, 0)
        call(62, -2**31, 15)
        """,
    )
    assert shell(sandbox, "echo alive").strip() == "alive"


def test_a_tree_too_deep_to_walk_is_no_answer_and_no_traceback(backend: NamespaceBackend) -> None:
    with backend.create() as sandbox:
        attack(sandbox, "for _ in range(3000): os.mkdir('/tmp/d'[-1:]); os.chdir('d')\n")
        with contextlib.suppress(SandboxLost, OSError):
            assert all(path.startswith("/") for path in sandbox.changed_files())
