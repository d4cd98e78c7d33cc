"""What a sandbox is given by the user's word, and that it has nothing of it without."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

from lsbcheck.sandbox.grants import NOTHING, Device, Grants
from lsbcheck.sandbox.interface import Ran, SandboxUnavailable
from lsbcheck.sandbox.namespace import NamespaceBackend
from tests.services import loops

ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
MOUNTS = "mount -t tmpfs none /mnt && grep -c ' /mnt tmpfs ' /proc/mounts"
INSIDE = "/dev/disk/shared"


def ran(grants: Grants, command: str) -> Ran:
    with NamespaceBackend("/", grants) as backend, backend.create() as sandbox:
        return sandbox.run(("sh", "-c", command), env=ENV, deadline=60)


@pytest.fixture
def loop() -> Generator[loops.Loop]:
    with loops.folder() as folder:
        backing = folder / "disk"
        backing.write_bytes(bytes(1 << 20))
        with loops.attached(backing, 512) as made:
            yield made


class TestACapability:
    def test_is_had_when_it_is_granted_and_not_else(self) -> None:
        assert ran(Grants(("SYS_ADMIN",)), MOUNTS).stdout == "1\n"
        assert ran(NOTHING, MOUNTS).code != 0

    def test_of_mounts_brings_the_new_calls_for_them_too(self) -> None:
        """mount(8) of util-linux 2.39 uses them; fsopen(2) has the number 430 everywhere."""
        opens = "python3 -c 'import ctypes; print(ctypes.CDLL(None).syscall(430, b\"tmpfs\", 0))'"
        assert int(ran(Grants(("SYS_ADMIN",)), opens).stdout) > 2
        assert int(ran(NOTHING, opens).stdout) == -1

    def test_comes_alone(self) -> None:
        usual, more = (
            int(ran(grants, "sed -n 's/CapEff:\t//p' /proc/self/status").stdout, 16)
            for grants in (NOTHING, Grants(("SYS_TIME",)))
        )
        assert more ^ usual == 1 << 25  # CAP_SYS_TIME, <linux/capability.h>

    def test_that_nobody_has_is_refused(self) -> None:
        with pytest.raises(SandboxUnavailable, match="NO_SUCH cannot be granted"):
            NamespaceBackend("/", Grants(("NO_SUCH",)))


class TestADevice:
    def test_is_there_by_its_name_inside_and_written_to(self, loop: loops.Loop) -> None:
        write = f"printf mark | dd of={INSIDE} conv=sync,fsync 2>&1 && test -b {INSIDE}"
        done = ran(Grants(devices=(Device(loop.path, INSIDE),)), write)
        assert done.code == 0, done.stdout
        with open(loop.path, "rb") as disk:
            assert disk.read(4) == b"mark"

    def test_is_not_there_without_a_grant(self, loop: loops.Loop) -> None:
        assert ran(NOTHING, f"test -e {INSIDE} || test -e {loop.path}").code == 1

    def test_keeps_its_mode_on_the_host(self, loop: loops.Loop) -> None:
        done = ran(Grants(devices=(Device(loop.path, INSIDE),)), f"chmod 666 {INSIDE}")
        assert "Read-only file system" in done.stderr

    def test_that_is_in_use_is_refused(self, loop: loops.Loop) -> None:
        holder = os.open(loop.path, os.O_RDONLY | os.O_EXCL)
        try:
            with pytest.raises(SandboxUnavailable, match="in use on this host"):
                NamespaceBackend("/", Grants(devices=(Device(loop.path, INSIDE),)))
        finally:
            os.close(holder)

    @pytest.mark.parametrize(
        ("path", "why"),
        [("/dev/no-such", "No such file or directory"), ("/etc/passwd", "is no device")],
    )
    def test_that_is_none_is_refused(self, path: str, why: str) -> None:
        with pytest.raises(SandboxUnavailable, match=why):
            NamespaceBackend("/", Grants(devices=(Device(path, INSIDE),)))

    def test_cannot_hide_what_every_sandbox_has(self) -> None:
        grants = Grants(devices=(Device("/dev/zero", "/dev/null"),))
        with (
            NamespaceBackend("/", grants) as backend,
            pytest.raises(SandboxUnavailable, match="File exists"),
        ):
            backend.create()


def test_the_processor_time_of_a_command_is_told() -> None:
    busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"
    with NamespaceBackend("/") as backend, backend.create() as sandbox:
        spent, slept = (
            sandbox.run(("sh", "-c", command), env=ENV, deadline=60).processor
            for command in (f"sh -c '{busy}'; true", "sleep 0.5")
        )
    assert spent is not None
    assert slept is not None
    assert slept < 0.1 < spent
