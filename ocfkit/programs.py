"""Where a program is, and whose rights it runs with."""

from __future__ import annotations

import os

from ocfkit.errors import InstallationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocfkit.linux.proc import Credentials

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for, whatever the caller's own PATH is."""

ENVIRONMENT = {"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": "/"}
"""What every child gets; nothing of the caller's, whose OCF_RESKEY_ variables hold secrets."""


def find(program: str) -> str | None:
    """The absolute path of a program that can be executed; None when it is not there."""
    if not program or (os.sep in program and not os.path.isabs(program)):
        return None
    places = [program] if os.sep in program else [f"{at}/{program}" for at in PATH.split(":")]
    for place in places:
        if os.path.isfile(place) and os.access(place, os.X_OK):
            return place
    return None


def credentials_of(user: str) -> Credentials:
    """The rights of a user with all the groups that he is in; raises InstallationError."""
    import pwd

    from ocfkit.linux.proc import Credentials  # not for agents that start nothing

    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise InstallationError(f"there is no user {user} on this node") from None
    return Credentials(entry.pw_uid, entry.pw_gid, os.getgrouplist(user, entry.pw_gid))
