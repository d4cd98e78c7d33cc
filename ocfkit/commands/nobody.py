"""Whether an agent answers those who ask it for its meta-data as users without any rights.

Tools run on behalf of administrators who are not root, and a cluster's own daemons are not root
either. What a user without rights cannot read is an agent without meta-data for them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import PurePath

from ocfkit import catalogue
from ocfkit.catalogue import Found
from ocfkit.commands.arguments import FailedError
from ocfkit.commands.interpreter import Interpreter, last_line
from ocfkit.linux import proc
from ocfkit.linux.proc import Credentials

NOBODY = Credentials(65534, 65534)


def require_answers(found: Found, interpreter: Interpreter, text: str, destdir: str = "") -> None:
    """Raise FailedError unless the launcher of this text answers meta-data, to nobody as well.

    As root it is tried. An ordinary user cannot, and for another system it would prove nothing:
    there the permissions of all files and folders are looked at.
    """
    call = ("-IS", "-c", text, "meta-data")
    ended = interpreter.run(*call)
    if ended.code != 0:
        raise FailedError(f"{found.name} does not answer meta-data: {last_line(ended)}")
    files = [f"{catalogue.HOME}/ocfkit/runtime.py", found.file]
    if destdir or not _can_be_nobody():
        why = obstacle(interpreter.path, files, destdir)
    else:
        ended = interpreter.run(*call, credentials=NOBODY)
        why = None if ended.code == 0 else obstacle(interpreter.path, files) or last_line(ended)
    if why:
        raise FailedError(f"{found.name} would answer root alone: {why}")


def _can_be_nobody() -> bool:
    if os.geteuid() != 0:
        return False
    ended = proc.run(["/bin/sh", "-c", ":"], env={}, deadline=10.0, credentials=NOBODY)
    return ended.code == 0  # not in a user namespace without this uid


def obstacle(program: str, files: Sequence[str], destdir: str = "") -> str | None:
    """What keeps others than the owner from a program and files; None when no permission does."""
    for path in (program, *files):
        for each in _on_the_way(path, destdir):
            mode = os.stat(each).st_mode
            needed = stat.S_IXOTH if stat.S_ISDIR(mode) or path == program else stat.S_IROTH
            if not mode & needed:
                return f"{each} has mode {stat.S_IMODE(mode):o}"
    return None


def _on_the_way(path: str, destdir: str) -> list[str]:
    """A file and all folders above it, links followed and not; of another system, those in it."""
    found: set[str] = set()
    for way in (os.path.abspath(path), os.path.realpath(path)):
        found |= {way, *map(str, PurePath(way).parents)}
    inside = [each for each in found if destdir and each.startswith(f"{destdir}/")]
    return sorted(inside or found)
