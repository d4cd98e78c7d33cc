"""`ocfkit check` with what the user grants: a capability, and a device of this host."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import broken
from tests.ocfkit.command import argv
from tests.services import loops
from tests.services.conftest import debian

ROOT = "pacemaker"
INSIDE = "/dev/shared"
PREPARE = f"mkfs.ext4 -q -F {INSIDE} && ln -s /bin/true /sbin/modprobe"
"""The agent wants to have a modprobe, which this root lacks; no sandbox may load a module."""
FILESYSTEM = (
    *("ocf:heartbeat:Filesystem", "-p", f"device={INSIDE}", "-p", "directory=/mnt"),
    *("-p", "fstype=ext4", "--prepare", PREPARE),
    *("--rule", "start-succeeds", "--rule", "monitor-when-running", "--rule", "stop-succeeds"),
)


def check(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv("check", *words, "--format", "json"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def rules(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    return {rule["id"]: rule for rule in json.loads(done.stdout)["rules"]}


@pytest.fixture(name="disk")
def a_disk_of_its_own() -> Generator[loops.Loop]:
    with loops.folder() as folder:
        backing = folder / "disk"
        with open(backing, "wb") as file:
            file.truncate(16 << 20)
        with loops.attached(backing, 512) as loop:
            yield loop


def test_an_agent_of_a_file_system_mounts_the_disk_that_it_is_given(disk: loops.Loop) -> None:
    given = ("--grant", "cap_sys_admin", "--device", f"{disk.path}:{INSIDE}")
    done = check("--root", debian(ROOT), *FILESYSTEM, *given)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = json.loads(done.stdout)
    assert shown["granted"] == {
        "capabilities": ["SYS_ADMIN"],
        "devices": [{"path": disk.path, "inside": INSIDE}],
    }
    assert " ".join(("--grant SYS_ADMIN", *given[2:])) in " ".join(shown["again"])


def test_without_the_capability_the_reason_says_what_may_help(disk: loops.Loop) -> None:
    given = ("--device", f"{disk.path}:{INSIDE}")
    done = check("--root", debian(ROOT), *FILESYSTEM, *given)
    assert done.returncode == 3, done.stdout + done.stderr
    rule = rules(done)["start-succeeds"]
    assert rule["verdict"] == "not-provoked"
    assert "Couldn't mount device" in rule["sentence"]
    assert "--grant CAP" in rule["sentence"]


def test_a_disk_that_is_mounted_here_is_given_to_nobody(disk: loops.Loop) -> None:
    subprocess.run(["mkfs.ext4", "-q", disk.path], check=True)
    with loops.mounted(disk, disk.backing.parent / "mounted"):
        done = check(broken.GOOD["shell"], "--device", disk.path)
    assert (done.returncode, done.stdout) == (2, "")
    said = f"ocfkit: --device {disk.path} is in use on this host: mounted, or a part of something"
    assert done.stderr.startswith(said)


def test_no_two_scenarios_share_a_device(disk: loops.Loop) -> None:
    """Each takes the disk for half a second, and fails where it is taken."""
    take = (
        f'[ "$(head -c 1 {disk.path})" = x ] && exit 9; printf x >{disk.path}; sleep 0.5; '
        f"printf . >{disk.path}"
    )
    wanted = ("monitor-after-crash", "monitor-when-frozen", "stop-when-stopped")
    chosen = [word for rule in wanted for word in ("--rule", rule)]
    given = ("-p", "name=foo", "--device", disk.path, "--prepare", take)
    done = check(broken.GOOD["shell"], *given, *chosen)
    assert {rule["verdict"] for rule in rules(done).values()} == {"pass"}, done.stdout
