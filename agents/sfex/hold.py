"""Start what keeps a lock: a process of its own, which is small and has nothing of its caller's.

As the C daemon, the start ends with 0 when the lock is taken, and the process goes on.
"""

from __future__ import annotations

import os
import sys

import ocfkit
from ocfkit.agents.sfex.layout import LONGEST_NAME
from ocfkit.agents.sfex.messages import FAILED, TAKEN
from ocfkit.agents.sfex.status import place
from ocfkit.agents.sfex.timing import SECOND, Timing
from ocfkit.programs import ENVIRONMENT

TYPE_CHECKING = False  # as typing's, which every agent would pay for
if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence
    from typing import NoReturn

    from ocfkit.agents.sfex.means import Mode
    from ocfkit.environment import Environment
    from ocfkit.records import Record
else:
    import _signal as signal  # without the enums of the front

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What tells a keeper to release the lock and end."""

_ROOT = os.path.dirname(os.path.dirname(ocfkit.__file__))

_PROGRAM = (
    f"import sys; sys.path.append({_ROOT!r}); "
    "from ocfkit.agents.sfex.__main__ import entry; entry()"
)
"""On one line, for who looks at a list of processes."""


class HoldError(Exception):
    """It has not got the lock, or not kept it; the argument is the sentence that says why."""

    def __init__(self, exit_code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


class Holding:
    """One lock, and all that its keeper has to know."""

    __slots__ = ("device", "index", "mode", "name", "resource", "seconds", "timing", "watchdog")

    def __init__(
        self,
        device: str,
        index: int,
        *,
        name: str,
        resource: str,
        collision: int,
        lock: int,
        interval: int,
        mode: Mode,
        watchdog: str = "",
    ) -> None:
        """`name` of this node on the disk; times in seconds.

        Raises HoldError for the name, and ValueError for times, with a sentence.
        """
        require_name(os.fsencode(name))
        self.device = os.path.abspath(device)
        self.index = index
        self.name = name
        self.resource = resource
        self.seconds = (collision, lock, interval)
        self.timing = Timing.of(
            collision=collision * SECOND, lock=lock * SECOND, interval=interval * SECOND
        )
        self.mode: Mode = mode
        self.watchdog = watchdog

    @property
    def place(self) -> str:
        """Which lock of which device; raises OSError where there is no such device."""
        return place(self.device, self.index)

    def words(self) -> list[str]:
        """As arguments; for who looks at a list of processes they begin as the C daemon's do."""
        collision, lock, interval = (str(each) for each in self.seconds)
        words = ["-i", str(self.index), "-c", collision, "-t", lock, "-m", interval]
        words += ["-n", self.name, "-r", self.resource, self.device]
        return [*words, self.mode, *([self.watchdog] if self.watchdog else [])]

    @classmethod
    def of_words(cls, words: Sequence[str]) -> Holding:
        """The one that has these words; they come from `words`, and nobody else's are understood.

        Raises ValueError.
        """
        _, index, _, collision, _, lock, _, interval, _, name, _, resource, device, mode, *dog = (
            words
        )
        return cls(
            device,
            int(index),
            name=name,
            resource=resource,
            collision=int(collision),
            lock=int(lock),
            interval=int(interval),
            mode="advise" if mode == "advise" else "enforce",
            watchdog=dog[0] if dog else "",
        )


def require_name(name: bytes) -> None:
    """Raise HoldError for a name that would not tell this node from another one."""
    if name in (b"", b"localhost") or name.startswith(b"localhost."):
        raise HoldError(FAILED, f"{os.fsdecode(name)!r} is no name of one node among others")
    if len(name) > LONGEST_NAME:
        raise HoldError(FAILED, f"the name has {len(name)} bytes, and {LONGEST_NAME} fit")
    if b"\0" in name:
        raise HoldError(FAILED, "the name holds a NUL, which would end it")


def resource_in(words: Sequence[str]) -> str | None:
    """For which resource a process with these arguments keeps a lock; None of another process."""
    if "-r" not in words[:-1] or "--" not in words:
        return None
    return words[words.index("-r") + 1]


def status_of(environment: Environment) -> Record:
    """Where the keeper of this instance says how it is, as status.Status."""
    from ocfkit.records import Record

    return Record.of(environment, "sfex", "lock")


def fill_standard_streams() -> None:
    """Open what of the three is closed, so that nothing of ours gets a number that means them."""
    while (nothing := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(nothing)


def in_foreground(holding: Holding, environment: Environment, title: str) -> NoReturn:
    """Become the keeper, with the standard streams of the caller; raises OSError."""
    _become(holding, environment, title)


def in_background(holding: Holding, environment: Environment, title: str) -> None:
    """Return when the lock is taken and another process keeps it; raises HoldError or OSError.

    Whoever is killed before it returns takes the claim along. `title` is what the process is
    called by who looks at its arguments.
    """
    fill_standard_streams()
    here, gone = os.pipe2(os.O_CLOEXEC)
    answer, answered = os.pipe2(os.O_CLOEXEC)
    # What the caller does when it is told to end is not for the child to do.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        child = os.fork()
        if child == 0:
            _go_on(holding, environment, title, here, answered)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(here)
        os.close(answered)
    try:
        text = _all_of(answer)
    finally:
        os.close(answer)
        os.close(gone)  # a keeper that has not answered yet gives up
    if text[:1] == b"%d" % TAKEN:
        return
    try:  # noqa: SIM105 - contextlib is 3 ms
        os.waitpid(child, 0)
    except ChildProcessError:  # SIGCHLD is ignored here
        pass
    code = int(text[:1] or b"%d" % FAILED)
    raise HoldError(code, text[1:].decode(errors="replace") or "the keeper has died")


def _go_on(
    holding: Holding, environment: Environment, title: str, here: int, answered: int
) -> NoReturn:
    try:
        os.setsid()  # or who kills the caller's group would kill one that has just got the lock
        for each in (here, answered):
            os.set_inheritable(each, True)  # noqa: FBT003 - as it is called
        _become(holding, environment, title, str(here), str(answered))
    except OSError as error:
        os.write(answered, f"{FAILED}{sys.executable}: {error.strerror}".encode())
    finally:
        os._exit(FAILED)


def _become(holding: Holding, environment: Environment, title: str, *pipes: str) -> NoReturn:
    """Be a new interpreter: that of a command has twice the memory, all of which gets locked."""
    program = ["-ISBc", _PROGRAM, title, *holding.words(), "--", *pipes]
    environ = {**ENVIRONMENT, **environment.without_parameters()}
    os.execve(sys.executable, [sys.executable, *program], environ)  # noqa: S606 - no shell is wanted


def _all_of(descriptor: int) -> bytes:
    chunks: list[bytes] = []
    while chunk := os.read(descriptor, 65536):
        chunks.append(chunk)
    return b"".join(chunks)
