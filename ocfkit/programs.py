"""Where a program is, what it needs to run, and whose rights it runs with."""

from __future__ import annotations

import os

from ocfkit.errors import InstallationError, PrivilegeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocfkit.linux.proc import Credentials

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for, whatever the caller's own PATH is."""

ENVIRONMENT = {"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": "/"}
"""What every child gets; nothing of the caller's, whose OCF_RESKEY_ variables hold secrets."""


def find(program: str) -> str | None:
    """The absolute path of a program that can be executed; None when it is not there."""
    for place in places(program):
        if os.path.isfile(place) and os.access(place, os.X_OK):
            return place
    return None


def places(program: str) -> list[str]:
    """Paths that a program may have: its own, or of a mere name one in each folder of PATH."""
    if os.sep in program:
        return [program] if os.path.isabs(program) else []
    return [f"{folder}/{program}" for folder in PATH.split(":")] if program else []


def require(program: str) -> str:
    """The absolute path of a program; raises InstallationError with why it cannot be executed."""
    found = find(program)
    if found is None:
        if any(map(os.path.isfile, places(program))):
            raise InstallationError(f"{program} may not be executed")
        raise InstallationError(f"there is no program {program} on this node")
    runner = interpreter(found)
    if runner and find(runner) is None:
        raise InstallationError(
            f"{found} is a script for {runner}, which cannot be executed on this node"
        )
    return found


def interpreter(path: str) -> str:
    """The program that the first line of a script names, env(1) looked through; "" of no script."""
    program, *words = [*_shebang(path), ""]
    if os.path.basename(program) == "env":  # it takes options and assignments before the program
        words = [each for each in words if not each.startswith("-") and "=" not in each]
        program = words[0]
    return program


def _shebang(path: str) -> list[str]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return []
    try:
        head = os.read(descriptor, 256)  # BINPRM_BUF_SIZE of the kernel: it reads no more
    except OSError:
        return []
    finally:
        os.close(descriptor)
    if not head.startswith(b"#!"):
        return []
    return os.fsdecode(head[2:].partition(b"\n")[0].strip(b" \t\0")).split()


def credentials_of(user: str) -> Credentials | None:
    """The rights of a user with all the groups that he is in; None where they are ours already.

    Raises InstallationError or PrivilegeError.
    """
    import pwd

    from ocfkit.linux.proc import Credentials  # not for agents that start nothing

    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise InstallationError(f"there is no user {user} on this node") from None
    if os.geteuid() != 0:
        if entry.pw_uid == os.geteuid():
            return None
        raise PrivilegeError(f"only root can run anything as {user}")
    return Credentials(entry.pw_uid, entry.pw_gid, os.getgrouplist(user, entry.pw_gid))
