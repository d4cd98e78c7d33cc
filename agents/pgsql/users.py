"""Who owns an instance, and asking it with his rights."""

from __future__ import annotations

import os

from ocfkit.errors import InstallationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pwd import struct_passwd


def entry_of(user: str) -> struct_passwd:
    """What the node knows of a user; raises InstallationError where that is nothing."""
    import pwd

    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise InstallationError(f"there is no user {user} on this node") from None


def uid_of(user: str) -> int:
    """His number; raises InstallationError where there is none."""
    return entry_of(user).pw_uid


def name_of(uid: int) -> str:
    """His name; the number where he has none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


class rights_of:  # noqa: N801 - reads as a word of the language
    """Be another user for a moment: PostgreSQL's peer authentication asks who has connected.

    Only the effective ids change, so we can come back, and nobody can signal us meanwhile who could
    not before. None changes nothing, as where we are no root.
    """

    def __init__(self, user: str | None) -> None:
        self._user = user if os.geteuid() == 0 else None
        self._groups: list[int] = []

    def __enter__(self) -> None:
        if self._user is not None:
            entry = entry_of(self._user)
            self._groups = os.getgroups()
            try:
                os.setgroups(os.getgrouplist(self._user, entry.pw_gid))
                os.setegid(entry.pw_gid)
                os.seteuid(entry.pw_uid)
            except OSError:
                self.__exit__()
                raise

    def __exit__(self, *_: object) -> None:
        if self._user is not None:
            os.seteuid(0)
            os.setegid(os.getgid())
            os.setgroups(self._groups)
