"""The process that keeps a lock: what it needs before it begins, and how it goes on alone.

As the C daemon it ends with 0 for its caller when it has the lock, and goes on in the background.
Unlike it, all is done in one process from the beginning, so that what must not be late, the claim,
has its memory locked; a caller that is killed before it is told takes the claim along; and none of
the caller's files stays open.
"""

from __future__ import annotations

import errno
import os

from ocfkit.agents.sfex.keeper import Keeper, Signals
from ocfkit.agents.sfex.layout import LONGEST_NAME, FormatError
from ocfkit.agents.sfex.lease import Protocol
from ocfkit.agents.sfex.messages import FAILED, TAKEN
from ocfkit.agents.sfex.status import Status
from ocfkit.agents.sfex.store import MismatchError, Store
from ocfkit.errors import told
from ocfkit.linux import process, realtime
from ocfkit.linux.blockdev import BlockDevice
from ocfkit.records import identity_text

TYPE_CHECKING = False  # as typing's, which every agent would pay for
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from typing import NoReturn

    from ocfkit.agents.sfex.keeper import Guard
    from ocfkit.agents.sfex.status import State
    from ocfkit.agents.sfex.timing import Timing
    from ocfkit.log import Log
    from ocfkit.records import Record
else:
    import _signal as signal  # without the enums of the front

_FILES = 1 << 20
"""More than a process has open; closing those that are not there costs nothing."""

UNOPENED = 3
"""Exit code, the C daemon's: the device cannot be opened."""


class HoldError(Exception):
    """It has not got the lock, or not kept it; the argument is the sentence that says why."""

    def __init__(self, exit_code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


class Holding:
    """One lock, and everything that its keeper has to know."""

    __slots__ = ("_device", "_index", "_log", "_name", "_record", "_timing")

    def __init__(
        self, device: str, index: int, name: bytes, timing: Timing, *, record: Record, log: Log
    ) -> None:
        """`name` of this node on the disk; `record` for the status. Raises HoldError."""
        require_name(name)
        self._device = device
        self._index = index
        self._name = name
        self._timing = timing
        self._record = record
        self._log = log

    def in_foreground(self, arm: Callable[[], Guard]) -> None:
        """Return after a clean stop; raises HoldError.

        `arm` makes the guard, before anything is written on the disk. What it raises goes on.
        """
        with Signals() as orders:
            self._keep(arm, orders, lambda: False)

    def in_background(self, arm: Callable[[], Guard]) -> None:
        """Return when the lock is taken and another process keeps it; raises HoldError.

        `arm` as above, in that other process, which has none of our files open but the standard
        ones; of what it raises the text alone comes back.
        """
        here, gone = os.pipe2(os.O_CLOEXEC)
        answer, answered = os.pipe2(os.O_CLOEXEC)
        # What the caller does when it is told to end is not for the child to do.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, Signals.STOPPING)
        child = os.fork()
        if child == 0:
            os.close(gone)
            os.close(answer)
            self._go_on(arm, Caller(here, answered), before)
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
        os.waitpid(child, 0)
        code = int(text[:1] or b"%d" % FAILED)
        raise HoldError(code, text[1:].decode(errors="replace") or "the keeper has died")

    def _go_on(self, arm: Callable[[], Guard], caller: Caller, signals: set[int]) -> NoReturn:
        """The life of the child."""
        code: int = FAILED
        try:
            caller.let_go_of_files()
            with Signals(caller.here) as orders:
                signal.pthread_sigmask(signal.SIG_SETMASK, signals)
                self._keep(arm, orders, lambda: caller.has_it(orders))
            code = TAKEN
        except HoldError as error:
            code = error.exit_code
            caller.has_it_not(code, str(error))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it gets a sentence
            caller.has_it_not(code, f"{type(error).__name__}: {error}")
        finally:
            os._exit(code)

    def _keep(self, arm: Callable[[], Guard], orders: Signals, taken: Callable[[], bool]) -> None:
        with self._opened() as device:
            lock = self._lock_on(device)
            guard = arm()
            teller = _Teller(self._record, self._log, _ready(), taken)
            rules = Protocol(self._timing, self._name)
            code = Keeper(rules, lock, guard=guard, orders=orders, tell=teller).run()
        if code != TAKEN:
            raise HoldError(code, teller.why)

    def _opened(self) -> BlockDevice:
        try:
            return BlockDevice(self._device, writable=True)
        except OSError as error:
            code = FAILED if error.errno == errno.ENOTBLK else UNOPENED
            raise HoldError(code, told(error)) from error

    def _lock_on(self, device: BlockDevice) -> Store:
        try:
            return Store(device, self._index)
        except (FormatError, MismatchError) as error:
            raise HoldError(FAILED, str(error)) from error
        except OSError as error:
            raise HoldError(FAILED, told(error)) from error


class Caller:
    """Who waits for the lock, as long as he has not been answered."""

    __slots__ = ("_answered", "here")

    def __init__(self, here: int, answered: int) -> None:
        """`here` is a pipe that ends when he does."""
        self.here = here
        self._answered = answered

    def let_go_of_files(self) -> None:
        """Close whatever he has open, but what he sees."""
        first, last = sorted((self.here, self._answered))
        os.closerange(3, first)
        os.closerange(first + 1, last)
        os.closerange(last + 1, _FILES)

    def has_it(self, orders: Signals) -> bool:
        """Let him go, and go on without him; False when he is not there any more."""
        try:
            os.write(self._answered, b"%d" % TAKEN)
        except BrokenPipeError:  # he was killed, and nobody will know that we have it
            orders.stop = True
            return False
        orders.ignore(self.here)
        _leave()
        self._forget()
        return True

    def has_it_not(self, code: int, sentence: str) -> None:
        """Tell him why, if he still waits."""
        if self._answered < 0:
            return
        try:  # noqa: SIM105 - contextlib is 3 ms
            os.write(self._answered, b"%d%s" % (code, sentence.encode(errors="replace")))
        except OSError:  # he was killed
            pass

    def _forget(self) -> None:
        os.close(self.here)
        os.close(self._answered)
        self._answered = -1


class _Teller:
    """Writes the status record each time, and to the log what no caller is told."""

    def __init__(
        self, record: Record, log: Log, missing: list[str], taken: Callable[[], bool]
    ) -> None:
        """`missing`: what this process has not got, in sentences.

        `taken` is called when it has the lock, and tells whether the caller has left it alone.
        """
        self._record = record
        self._log = log
        self._missing = "; ".join(missing)
        self._taken = taken
        self._alone = False
        self._process = identity_text(process.identify(os.getpid()), 0)
        self._state: State | None = None
        self.why = ""

    def __call__(self, state: State, *, renewed: int = 0, deadline: int = 0, why: str) -> None:
        self.why = why or self._missing
        status = Status(state, self._process, renewed=renewed, deadline=deadline, why=self.why)
        if state == self._state:
            self._renew(status)
            return
        try:
            self._record.write(status.encode())
        except OSError as error:  # the lock is not kept by a record
            self._log.warning(f"no status record: {told(error)}")
        self._state = state
        self._has_become(state)

    def _renew(self, status: Status) -> None:
        try:
            self._record.rewrite(status.encode())
        except OSError:  # it grows old, and whoever reads it sees that
            return

    def _has_become(self, state: State) -> None:
        if state == "waiting" and self._missing:
            self._log.warning(self._missing)
        elif state == "holding":
            self._alone = self._taken()
            # Nothing is logged from here on until it is over: a log can make its writer wait.
        elif self._alone and state == "stopped":
            self._log.info(self.why)
        elif self._alone:
            self._log.error(f"the lock is {'lost' if state == 'lost' else 'not kept'}: {self.why}")


def require_name(name: bytes) -> None:
    """Raise HoldError for a name that would not tell this node from another one."""
    if name in (b"", b"localhost") or name.startswith(b"localhost."):
        raise HoldError(FAILED, f"{os.fsdecode(name)!r} is no name of one node among others")
    if len(name) > LONGEST_NAME:
        raise HoldError(FAILED, f"the name has {len(name)} bytes, and {LONGEST_NAME} fit")
    if b"\0" in name:
        raise HoldError(FAILED, "the name holds a NUL, which would end it")


def _ready() -> list[str]:
    """Make this process one that is not late; return a sentence for each thing that is refused."""
    missing: list[str] = []
    for what, how in (
        ("its memory is not locked", realtime.lock_memory),
        ("it has no real-time class", realtime.run_first),
    ):
        try:
            how()
        except OSError as error:
            missing.append(f"{what} ({error.strerror})")
    return missing


def _leave() -> None:
    """Be nobody's child any more: no terminal, no folder, no file of the caller's."""
    os.setsid()
    os.chdir("/")
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    if nothing > 2:  # they may have been closed
        os.close(nothing)


def _all_of(descriptor: int) -> bytes:
    chunks: list[bytes] = []
    while chunk := os.read(descriptor, 65536):
        chunks.append(chunk)
    return b"".join(chunks)
