"""A program that outlives whoever started it, and is known again by its pid file."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ocfkit.linux.process import Identity, boot, stat


@dataclass(frozen=True, slots=True)
class Background:
    """Its files: which process it is, and what it says."""

    pid_file: Path
    log: Path

    def start(
        self, argv: Sequence[str], *, lend: int | None = None, path: Path | None = None
    ) -> None:
        """Start it in a session of its own, with that descriptor, if any, as its number 3.

        `path` is where it finds modules of Python.
        """
        program = shutil.which(argv[0])
        if program is None:
            raise FileNotFoundError(f"{argv[0]} is not on PATH")
        self.pid_file.parent.mkdir(parents=True, exist_ok=True)
        files = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        if lend is not None:
            files.append((os.POSIX_SPAWN_DUP2, lend, 3))
        found = {"PYTHONPATH": str(path)} if path else {}
        environment = {**os.environ, **found}
        pid = os.posix_spawn(program, [*argv], environment, file_actions=files, setsid=True)
        self.pid_file.write_text(f"{pid} {stat(pid).start} {boot()}\n")

    def runs(self) -> bool:
        """Whether that very process is still there."""
        process = self._process()
        if process is None:
            return False
        _reap(process.pid)
        return process.stat() is not None

    def stop(self, patience: float = 30) -> None:
        """End it, by force after that time; nothing happens when it has ended already."""
        process = self._process()
        if process is not None:
            for number in (signal.SIGTERM, signal.SIGKILL):
                if not process.send(number) or process.wait(patience):
                    break
            _reap(process.pid)
        self.pid_file.unlink(missing_ok=True)

    def _process(self) -> Identity | None:
        try:
            pid, start, boot_id = self.pid_file.read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        return Identity(int(pid), int(start), boot_id)


def _reap(pid: int) -> None:
    """Take note of its end, if we are its parent."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
