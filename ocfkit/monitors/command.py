"""A command that says whether the service is well."""

from __future__ import annotations

import os

from ocfkit.linux import proc, process
from ocfkit.monitors import patterns
from ocfkit.monitors.question import Question, quoted
from ocfkit.programs import ENVIRONMENT, credentials_of, require

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Collection, Mapping, Sequence

    from ocfkit.deadline import Deadline
    from ocfkit.linux.proc import Ended
else:
    import _signal as signal

_MARK = "OCFKIT_CHECK"
"""Variable in the environment of the command, and of all that it starts."""

_TO_TIDY = 0.1
"""Seconds before the deadline in which what is left of it is killed."""


def check(
    argv: Sequence[str],
    *,
    deadline: Deadline,
    code: int | Collection[int] = 0,
    match: str | None = None,
    user: str | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
) -> Ended:
    """Run a command; it has to end with `code`, and print `match` if there is one.

    No shell is between. It gets a small environment, `env` besides, and whatever is still there of
    it at the deadline is killed, in whatever session it hides. A secret belongs into `stdin` or
    `env`, never into `argv`. Its output is kept from the end, 64 KiB of each stream; the pattern is
    looked for in the standard output. Raises InstallationError where the program or the user is
    missing.
    """
    program = require(argv[0])
    question = Question(" ".join(argv))
    credentials = credentials_of(user) if user else None
    mark = f"{os.getpid()}.{question.began}"
    ended = proc.run(
        [program, *argv[1:]],
        env={**ENVIRONMENT, **(env or {}), _MARK: mark},
        deadline=max(0.0, deadline.left() - _TO_TIDY),
        credentials=credentials,
        stdin=stdin.encode(),
    )
    if ended.timed_out:
        _kill_all(f"{_MARK}={mark}".encode())
        raise question.failed(f"did not end in time{_last_words(ended)}")
    if ended.signal is not None:
        raise question.failed(f"was killed by signal {ended.signal}{_last_words(ended)}")
    wanted = (code,) if isinstance(code, int) else code
    if ended.code not in wanted:
        expected = " or ".join(str(each) for each in sorted(wanted))
        raise question.failed(f"exited with {ended.code}, not {expected}{_last_words(ended)}")
    if match is not None and not patterns.find(match, ended.stdout.encode()):
        raise question.failed(f"printed {quoted(ended.stdout)}, without {match!r}")
    return ended


def _kill_all(mark: bytes) -> None:
    """Kill what has left the process group, which is dead already."""
    for pid in process.pids():
        try:
            identity = process.identify(pid)
            if mark in process.environment(pid):
                identity.send(signal.SIGKILL)
        except OSError:  # it has ended, or is somebody else's
            continue


def _last_words(ended: Ended) -> str:
    lines = (ended.stderr.strip() or ended.stdout.strip()).splitlines()
    return f": {lines[-1]}" if lines else ""
