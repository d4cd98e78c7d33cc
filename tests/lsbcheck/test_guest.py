"""What PID 1 of a container concludes from what is mounted at its root."""

from __future__ import annotations

import pytest

from lsbcheck.sandbox.container.guest import _root_is_overlay  # pyright: ignore[reportPrivateUsage]

OVERLAY = "100 1 0:50 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/a,upperdir=/b\n"
PROC = "101 100 0:51 / /proc rw - proc proc rw\n"
DISK = "102 1 254:0 /srv/vfs/dir/1 / rw,relatime - ext4 /dev/vda rw\n"
FUSE = "103 1 0:52 / / rw - fuse.fuse-overlayfs fuse-overlayfs rw\n"
BELOW = "104 100 0:53 / /srv rw - overlay overlay rw,lowerdir=/a\n"


@pytest.mark.parametrize(
    ("mountinfo", "is_overlay"),
    [
        ([OVERLAY, PROC], True),
        ([DISK, PROC], False),
        ([FUSE, PROC], False),
        ([DISK, BELOW], False),
        ([OVERLAY, PROC, DISK], False),
        ([DISK, OVERLAY, PROC], True),
        ([PROC], False),
    ],
    ids=["overlay", "a disk", "in user space", "elsewhere", "covered", "on top", "not told"],
)
def test_a_root_is_an_overlay_if_its_topmost_mount_is(
    mountinfo: list[str], *, is_overlay: bool
) -> None:
    assert _root_is_overlay(mountinfo) == is_overlay
