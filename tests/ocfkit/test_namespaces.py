"""The wrappers of single calls, as far as they can be tried without privileges."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from ocfkit.linux import namespaces


class TestErrors:
    """Every wrapper raises OSError with the errno, and the path where there is one."""

    def test_of_mount_names_its_target(self) -> None:
        with pytest.raises(OSError, match="no/such/folder") as failure:
            namespaces.mount("none", "/no/such/folder", "tmpfs")
        assert failure.value.errno in (errno.ENOENT, errno.EPERM)
        assert failure.value.filename == "/no/such/folder"

    def test_of_umount2_names_its_target(self) -> None:
        with pytest.raises(OSError, match="no/such/folder") as failure:
            namespaces.umount2("/no/such/folder")
        assert failure.value.errno in (errno.ENOENT, errno.EPERM)

    @pytest.mark.parametrize(
        ("call", "code"),
        [
            (lambda: namespaces.unshare(1), errno.EINVAL),
            (lambda: namespaces.setns(-1, 0), errno.EBADF),
            (lambda: namespaces.prctl(9999), errno.EINVAL),
            (lambda: namespaces.prctl(namespaces.PR_CAPBSET_READ, 64), errno.EINVAL),
            (lambda: namespaces.syscall(100_000), errno.ENOSYS),
        ],
        ids=["unshare", "setns", "prctl", "prctl with an argument", "syscall"],
    )
    def test_of_other_calls_carry_the_errno(self, call: Callable[[], object], code: int) -> None:
        with pytest.raises(OSError, match=os.strerror(code)) as failure:
            call()
        assert failure.value.errno == code

    def test_of_pivot_root_and_open_tree_come_from_the_kernel(self) -> None:
        with pytest.raises(OSError, match=r".") as failure:
            namespaces.pivot_root("/no/such/folder", "/no/such/folder")
        assert failure.value.errno in (errno.ENOENT, errno.EPERM)
        with pytest.raises(OSError, match=r".") as failure:
            namespaces.open_tree("/no/such/folder")
        assert failure.value.errno in (errno.ENOENT, errno.EPERM)


class TestCalls:
    def test_unshare_of_nothing_succeeds(self) -> None:
        namespaces.unshare(0)

    def test_syscall_returns_what_the_kernel_does(self) -> None:
        getppid = {"x86_64": 110, "aarch64": 173}[os.uname().machine]
        assert namespaces.syscall(getppid) == os.getppid()

    def test_syscall_passes_negative_numbers_and_bytes(self) -> None:
        openat = {"x86_64": 257, "aarch64": 56}[os.uname().machine]
        descriptor = namespaces.syscall(openat, namespaces.AT_FDCWD, b"/", os.O_PATH)
        assert os.fstat(descriptor).st_ino == Path("/").stat().st_ino
        os.close(descriptor)

    def test_prctl_sets_a_name(self) -> None:
        name = Path("/proc/self/comm")
        was = name.read_bytes().rstrip(b"\n")
        try:
            namespaces.prctl(namespaces.PR_SET_NAME, b"a name")
            assert name.read_text() == "a name\n"
        finally:
            namespaces.prctl(namespaces.PR_SET_NAME, was)

    def test_a_call_without_a_number_on_this_machine_is_said_so(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="riscv64"))
        with pytest.raises(OSError, match="pivot_root known on riscv64") as failure:
            namespaces.syscall_number("pivot_root")
        assert failure.value.errno == errno.ENOSYS


def mask_of(names: set[str]) -> int:
    known: list[str] = [*namespaces.CAPABILITIES]
    return sum(1 << known.index(name) for name in names)


def sets_of_this_process() -> dict[str, int]:
    lines = Path("/proc/self/status").read_text().splitlines()
    return {line[:6]: int(line[8:], 16) for line in lines if line.startswith("Cap")}


class TestCapabilities:
    def test_are_read_from_the_effective_set(self) -> None:
        assert mask_of(namespaces.capabilities()) == sets_of_this_process()["CapEff"]

    def test_carry_their_headers_numbers(self) -> None:
        known = {"CHOWN": 0, "KILL": 5, "SYS_PTRACE": 19, "SYS_ADMIN": 21, "SETFCAP": 31, "BPF": 39}
        assert all(mask_of({name}) == 1 << number for name, number in known.items())

    def test_that_are_dropped_are_in_no_set(self) -> None:
        had = namespaces.capabilities()
        kept = had & {"KILL", "SETPCAP", "CHOWN"}
        pid = os.fork()
        if pid == 0:
            try:
                namespaces.keep_capabilities(kept)
                left = sets_of_this_process()
            except PermissionError:  # without SETPCAP the bounding set cannot be lowered
                os._exit(9 if "SETPCAP" in had else 0)
            expected = mask_of(kept)
            names = ("CapEff", "CapPrm", "CapBnd")
            fine = all(left[name] == expected for name in names) and left["CapInh"] == 0
            os._exit(0 if fine else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
