"""Limits on open files and processes that a container starts with: those of a namespace sandbox.

An engine's own may be a thousand million open files, which some daemons close one by one; and one
that lacks SYS_RESOURCE cannot grant what it takes for usual.
"""

from __future__ import annotations

import resource

_MOST = {"nofile": 524288, "nproc": 32768}  # systemd's for services; the kernel's usual pid_max


def ours() -> list[dict[str, object]]:
    """For create_host_config: those of this process, as far as any engine may grant them."""
    made: list[dict[str, object]] = []
    for name, kind in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC)):
        most = _MOST[name]
        soft, hard = (most if each == -1 else min(each, most) for each in resource.getrlimit(kind))
        made.append({"Name": name, "Soft": soft, "Hard": hard})
    return made
