"""Launchers: the executables below resource.d by which a cluster calls agents.

A launcher is written by this module alone, and tells so; what is not is never touched.
"""

from __future__ import annotations

import ast
import os
import re
import stat
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ocfkit.errors import told

if TYPE_CHECKING:
    from ocfkit.metadata import Profile

OCF_ROOT = "/usr/lib/ocf"
PROVIDER = "ocfkit"

LONGEST_SHEBANG = 255
"""Bytes of the first line of a program that the kernel looks at (BINPRM_BUF_SIZE), less one."""

_MARK = "# Written by `ocfkit install`"

_TEXT = """\
#!{interpreter} -IS
{mark}; remove it with `ocfkit uninstall {words}`.
import gc, sys
gc.disable()  # so short a life leaves nothing to collect
sys.dont_write_bytecode = True
sys.path += {path}
try:
    from ocfkit.runtime import launch
except Exception as error:
    sys.exit(f"ocf-exit-reason:ocfkit cannot be loaded: {{error}}")
launch({target}, name={name}, profile={profile})
"""

_CALL = re.compile(r"^launch\((.+), name=(.+), profile=(.+)\)$", re.MULTILINE)


class LauncherError(Exception):
    """A launcher cannot be written or removed; the arguments are the sentences that say why."""


@dataclass(frozen=True)
class Place:
    """Where the launchers of a provider lie."""

    provider: str = PROVIDER
    ocf_root: str = OCF_ROOT
    destdir: str = ""
    """The root of another system, as packagers have it; "" for this one's."""

    @property
    def folder(self) -> str:
        """Where they are written to."""
        return f"{self.destdir}{self.ocf_root}/resource.d/{self.provider}"

    def path(self, name: str) -> str:
        """Where the one of this name is written to."""
        return f"{self.folder}/{name}"


@dataclass(frozen=True)
class Launcher:
    """A launcher that is installed."""

    path: str
    target: str
    """Module and class, e.g. "acme.web:Web"."""
    profile: str

    @property
    def provider(self) -> str:
        """Whose it is, for the cluster."""
        return os.path.basename(os.path.dirname(self.path))

    @property
    def name(self) -> str:
        """What it is, for the cluster."""
        return os.path.basename(self.path)


def why_no_name(word: str) -> str | None:
    """Why a word can be neither the name of an agent nor that of a provider in a cluster."""
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", word):
        return None
    return f"{word!r} is no name for a cluster: letters, digits, _, . and - (not in front)"


def render(
    interpreter: str,
    path: Sequence[str],
    target: str,
    *,
    name: str,
    provider: str = PROVIDER,
    profile: Profile = "1.1",
) -> str:
    """The text of a launcher; `path` are the folders of its modules, `target` is module:Class."""
    words = name if provider == PROVIDER else f"--provider {provider} {name}"
    return _TEXT.format(
        interpreter=interpreter,
        mark=_MARK,
        words=words,
        path=ascii(list(path)),
        target=ascii(target),
        name=ascii(name),
        profile=ascii(profile),
    )


def why_no_shebang(interpreter: str) -> str | None:
    """Why the kernel could not start a program whose first line names this interpreter."""
    line = f"#!{interpreter} -IS\n"
    if re.search(r"\s", interpreter):
        return f"{interpreter!r} holds a blank, which the first line of a program may not"
    if len(os.fsencode(line)) > LONGEST_SHEBANG:
        return f"{interpreter} is too long for the first line of a program"
    return None


def read(path: str) -> Launcher | None:
    """The launcher at a path; None where there is none, or one that somebody else has written."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return None
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read(1 << 16)
    except OSError:
        return None
    call = _CALL.search(text)
    if call is None or not "".join(text.splitlines()[1:2]).startswith(_MARK):
        return None
    try:
        target, _, profile = (str(ast.literal_eval(each)) for each in call.groups())
    except (ValueError, SyntaxError):
        return None
    return Launcher(path, target, profile)


def installed(ocf_root: str = OCF_ROOT, destdir: str = "") -> list[Launcher]:
    """All launchers of all providers that were written here."""
    return [
        launcher
        for provider in _names_in(f"{destdir}{ocf_root}/resource.d")
        for launcher in of_provider(Place(provider, ocf_root, destdir))
    ]


def of_provider(place: Place) -> list[Launcher]:
    """All launchers of one provider that were written here."""
    found = [read(place.path(name)) for name in _names_in(place.folder)]
    return [each for each in found if each is not None]


def _names_in(folder: str) -> list[str]:
    with suppress(OSError):
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    return []


def require_ours(path: str) -> None:
    """Raise LauncherError where a path is somebody else's; nothing at all is nobody's."""
    if os.path.lexists(path) and read(path) is None:
        raise LauncherError(f"{path} was not written by `ocfkit install`: it is left alone")


def write(place: Place, name: str, text: str) -> Literal["installed", "replaced", "unchanged"]:
    """Write a launcher, whole or not at all; raises LauncherError."""
    path = place.path(name)
    require_ours(path)
    before = _text(path)
    if before == text and stat.S_IMODE(os.lstat(path).st_mode) == _MODE:
        return "unchanged"
    try:
        _make_folders(place.folder)
        _replace(path, text)
    except OSError as error:
        raise LauncherError(f"{path} cannot be written: {told(error)}") from error
    return "installed" if before is None else "replaced"


_MODE = 0o755


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return None


def _make_folders(folder: str) -> None:
    """Make what is missing of it, for everybody to read whatever our umask is."""
    missing: list[str] = []
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for each in reversed(missing):
        os.mkdir(each)
        os.chmod(each, _MODE)


def _replace(path: str, text: str) -> None:
    """Put a file into the place of another; a reader sees the old one or the new one."""
    folder, name = os.path.split(path)
    # with a dot in front it is no agent for anybody who looks meanwhile
    descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
    try:
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            file.flush()
            os.fchmod(descriptor, _MODE)
            os.fsync(descriptor)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def remove(place: Place, name: str) -> None:
    """Remove a launcher, and the provider's folder if it is empty then; raises LauncherError."""
    path = place.path(name)
    require_ours(path)
    try:
        os.unlink(path)
    except OSError as error:
        raise LauncherError(f"{path} cannot be removed: {told(error)}") from error
    with suppress(OSError):  # another agent lies there
        os.rmdir(place.folder)
