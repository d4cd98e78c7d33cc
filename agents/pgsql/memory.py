"""Files of dynamic shared memory, which outlive a killed instance."""

from __future__ import annotations

import os

_PREFIX = "/dev/shm/PostgreSQL."  # noqa: S108 - PostgreSQL's name, see its dsm_impl.h


def mapped_by(pid: int) -> set[str]:
    """Those that a process has mapped."""
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as file:
            paths = {line.split(maxsplit=5)[-1].strip() for line in file}
    except OSError:
        return set()
    return {path for path in paths if path.startswith(_PREFIX) and " " not in path}


def owned_by(uid: int) -> set[str]:
    """Those of a user, of whichever of his instances."""
    folder, prefix = os.path.split(_PREFIX)
    try:
        paths = [f"{folder}/{name}" for name in os.listdir(folder) if name.startswith(prefix)]
    except OSError:
        return set()
    return {path for path in paths if _is_owned_by(path, uid)}


def _is_owned_by(path: str, uid: int) -> bool:
    try:
        return os.lstat(path).st_uid == uid
    except OSError:
        return False
