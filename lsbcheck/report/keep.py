"""The log folder of `--keep`: the whole transcript, and the output of every call as a file."""

# pathlib knows no dir_fd:

from __future__ import annotations

import os
import re
import stat
import tempfile

from lsbcheck.check import Report
from lsbcheck.report.json import dumps, plain


class LogFolder:
    """A folder that only its owner can read, filled while the run goes on.

        report.json                             the document of --format json
        01-snmpd/transcript.json                all that was seen
        01-snmpd/watched-1-start.out            output of the first call of a scenario

    Everything is made relative to the folder's own descriptor, and no existing file is opened.
    """

    def __init__(self, path: str | None = None) -> None:
        """Make it, or take an empty folder of this user; raises OSError with words for the user.

        Without a path it is made in the folder for temporary files.
        """
        self.path = os.path.abspath(_made(path) if path else tempfile.mkdtemp(prefix="lsbcheck-"))
        self._fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            self._take()
        except OSError:
            os.close(self._fd)
            raise

    def close(self) -> None:
        """Let go of the folder; it stays."""
        os.close(self._fd)

    def script(self, index: int, report: Report) -> None:
        """Keep what was seen of the script that was the `index`-th on the command line, from 0."""
        name = f"{index + 1:02d}-{_file_name(report.script.name)}"
        os.mkdir(name, 0o700, dir_fd=self._fd)
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self._fd)
        try:
            _write(fd, "transcript.json", dumps(plain(report.transcript)))
            for scenario in report.transcript.scenarios.values():
                for number, call in enumerate(scenario.calls, 1):
                    parts = (scenario.name, str(number), call.action)
                    _write(fd, "-".join(map(_file_name, parts)) + ".out", call.output)
        finally:
            os.close(fd)

    def document(self, document: object) -> None:
        """Keep the JSON report."""
        _write(self._fd, "report.json", dumps(document))

    def _take(self) -> None:
        if os.fstat(self._fd).st_uid != os.geteuid():
            message = f"the log folder {self.path} belongs to somebody else"
            raise PermissionError(message)
        if os.listdir(self._fd):
            message = f"the log folder {self.path} is not empty"
            raise FileExistsError(message)
        os.fchmod(self._fd, stat.S_IRWXU)


def _made(path: str) -> str:
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    if not os.path.isdir(path):
        os.mkdir(path, 0o700)
    return path


def _file_name(text: str) -> str:
    """The text without what could lead out of the folder."""
    return re.sub(r"[^\w.+-]", "_", text)[:80].lstrip(".") or "_"


def _write(folder: int, name: str, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    content = text.encode("utf-8", "backslashreplace")
    with open(os.open(name, flags, 0o600, dir_fd=folder), "wb") as file:
        file.write(content)
