"""The process that keeps a lock: what it needs before it begins, and how it goes on alone.

Unlike the C daemon it has its memory locked before it claims anything; a caller that is killed
before it is told takes the claim along; and none of the caller's files stays open.
"""

from __future__ import annotations

import errno
import os

from ocfkit.agents.sfex.guard import armed
from ocfkit.agents.sfex.hold import STOPPING, HoldError, fill_standard_streams, status_of
from ocfkit.agents.sfex.keeper import Keeper, Signals, now
from ocfkit.agents.sfex.layout import FormatError
from ocfkit.agents.sfex.lease import Protocol
from ocfkit.agents.sfex.means import UnguardedError
from ocfkit.agents.sfex.messages import FAILED, TAKEN, Lease
from ocfkit.agents.sfex.record import COUNTS, Record
from ocfkit.agents.sfex.status import NO_LEASE, Status
from ocfkit.agents.sfex.store import MismatchError, Store
from ocfkit.agents.sfex.timing import SECOND, seconds
from ocfkit.errors import told
from ocfkit.linux import process, realtime
from ocfkit.linux.blockdev import BlockDevice
from ocfkit.log import Log, say

TYPE_CHECKING = False  # as typing's, which every agent would pay for
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Sequence

    from ocfkit.agents.sfex.guard import Guard
    from ocfkit.agents.sfex.hold import Holding
    from ocfkit.agents.sfex.messages import Hold
    from ocfkit.agents.sfex.status import State
    from ocfkit.environment import Environment
    from ocfkit.records import Record as File
else:
    import _signal as signal  # without the enums of the front

_FILES = 1 << 20
"""More than a process has open; closing those that are not there costs nothing."""

UNOPENED = 3
"""Exit code, the C daemon's: the device cannot be opened."""


def run(holding: Holding, pipes: Sequence[int], environment: Environment) -> int:
    """Keep the lock to the end, and return the exit code.

    `pipes`: one that ends when the caller does, and one that takes our answer for him; none where
    there is no such caller.
    """
    fill_standard_streams()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, it would bury a guardian unseen
    caller = Caller(*pipes) if pipes else None
    if caller is not None:
        caller.let_go_of_files()
    try:
        with Signals(*pipes[:1]) as orders:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
            os.chdir("/")
            Daemon(holding, environment, orders, caller).keep()
    except HoldError as error:
        code, sentence = error.exit_code, str(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, it gets a sentence
        code, sentence = FAILED, f"{type(error).__name__}: {error}"
        Log(environment, "sfex").error(f"the keeper ends: {sentence}")
    else:
        return TAKEN
    if caller is None:
        say(f"ocfkit: {sentence}\n")
    else:
        caller.has_it_not(code, sentence)
    return code


class Daemon:
    """A keeper with its device, its guard, and what is left of the one before it."""

    def __init__(
        self, holding: Holding, environment: Environment, orders: Signals, caller: Caller | None
    ) -> None:
        self._holding = holding
        self._file = status_of(environment)
        self._log = Log(environment, "sfex")
        self._orders = orders
        self._caller = caller

    def keep(self) -> None:
        """Return after a clean stop; raises HoldError."""
        holding = self._holding
        with self._opened() as device:
            asked = now().boot
            lock = self._lock_on(device)
            self._warn_of_slowness(now().boot - asked)
            self._require_alone(device)
            before = self._before()
            missing = _ready()
            guard = self._armed(before)
            for sentence in guard.report():
                self._log.info(sentence)
            for sentence in (*missing, *guard.missing):
                self._log.warning(sentence)
            teller = _Teller(self._file, self._log, holding, guard, taken=self._has_it)
            rules = Protocol(holding.timing, os.fsencode(holding.name))
            keeper = Keeper(rules, lock, guard=guard, orders=self._orders, tell=teller)
            code = keeper.run(self._inherited(before))
        if code != TAKEN:
            raise HoldError(code, teller.why)

    def _opened(self) -> BlockDevice:
        try:
            return BlockDevice(self._holding.device, writable=True)
        except OSError as error:
            code = FAILED if error.errno == errno.ENOTBLK else UNOPENED
            raise HoldError(code, told(error)) from error

    def _lock_on(self, device: BlockDevice) -> Store:
        try:
            return Store(device, self._holding.index)
        except (FormatError, MismatchError) as error:
            raise HoldError(FAILED, str(error)) from error
        except OSError as error:
            raise HoldError(FAILED, told(error)) from error

    def _warn_of_slowness(self, took: int) -> None:
        """A read took so long; four transfers have to fit into collision_timeout."""
        timing = self._holding.timing
        if took > timing.io:
            self._log.warning(
                f"a read of {self._holding.device} took {took / SECOND:.2f} s: collision_timeout "
                f"({seconds(timing.collision)}) should be much longer than a read and a write"
            )

    def _require_alone(self, device: BlockDevice) -> None:
        """Let there be no other keeper of this lock on this node; raises HoldError.

        Two of one name would each take the other's record for its own. One that was killed and
        waits for a disk may write yet, and its write is under way whatever becomes of it.
        """
        try:
            device.lock(self._holding.index)
        except (BlockingIOError, PermissionError) as error:
            who = _named(device.locker(self._holding.index))
            raise HoldError(FAILED, f"{who} keeps the lock already") from error

    def _before(self) -> Status | None:
        """What the keeper before us has left."""
        try:
            return Status.decode(self._file.read())
        except OSError as error:
            raise HoldError(FAILED, f"the record of the last keeper: {told(error)}") from error

    def _inherited(self, before: Status | None) -> Lease | None:
        """The lease that the keeper before us held when it died, if it was in this boot.

        One that has ended in order has left none: its deadline is 0.
        """
        holding = self._holding
        if before is None or before.process.boot != process.boot():
            return None
        same = before.name == os.fsencode(holding.name) and before.lock == holding.place
        if not same or before.process.stat() is not None or now().boot >= before.deadline:
            return None
        return Lease(Record(True, before.count % COUNTS, before.name), before.renewed)

    def _armed(self, before: Status | None) -> Guard:
        holding = self._holding
        try:
            return armed(
                holding.timing,
                mode=holding.mode,
                watchdog=holding.watchdog,
                tells=_critical(),
                predecessors=() if before is None else before.guardians,
            )
        except (UnguardedError, OSError) as error:
            why = told(error) if isinstance(error, OSError) else str(error)
            raise HoldError(FAILED, f"not held without a guardian: {why}") from error

    def _has_it(self) -> bool:
        """Whether we have left our caller alone."""
        return self._caller is not None and self._caller.has_it(self._orders)


class Caller:
    """Who waits for the lock, as long as he has not been answered."""

    __slots__ = ("_answered", "_here")

    def __init__(self, here: int, answered: int) -> None:
        """`here` is a pipe that ends when he does."""
        self._here = here
        self._answered = answered

    def let_go_of_files(self) -> None:
        """Close whatever he has open, but what he sees."""
        first, last = sorted((self._here, self._answered))
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
        orders.ignore(self._here)
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nothing, standard)
        if nothing > 2:  # they may have been closed
            os.close(nothing)
        os.close(self._here)
        os.close(self._answered)
        self._answered = -1
        return True

    def has_it_not(self, code: int, sentence: str) -> None:
        """Tell him why, if he still waits."""
        if self._answered < 0:
            return
        try:  # noqa: SIM105 - contextlib is 3 ms
            os.write(self._answered, b"%d%s" % (code, sentence.encode(errors="replace")))
        except OSError:  # he was killed
            pass


class _Teller:
    """Writes the status record each time, and to the log what no caller is told."""

    def __init__(
        self, file: File, log: Log, holding: Holding, guard: Guard, *, taken: Callable[[], bool]
    ) -> None:
        """`taken` tells the caller that it has the lock, and us whether he has gone home."""
        self._file = file
        self._log = log
        self._lease = holding.timing.lease
        self._guard = guard
        self._taken = taken
        self._alone = False
        me, name = process.identify(os.getpid()), os.fsencode(holding.name)
        self._status = Status("waiting", me, lock=holding.place, name=name)
        self._told = ""
        self.why = ""

    def __call__(self, state: State, *, why: str = "", held: Hold | None = None) -> None:
        self.why = why
        lease = NO_LEASE
        if held is not None:
            lease = (held.deadline - self._lease, held.deadline, held.record.count)
        now = self._status.becoming(state, why, guardians=self._guard.where, lease=lease)
        self._write(now.encode(), again=state == self._told)
        if state != self._told:
            self._told = state
            self._has_become(state)

    def _write(self, text: str, *, again: bool) -> None:
        ways = [self._file.write, self._file.overwrite]
        for way in reversed(ways) if again else ways:
            try:
                way(text)
            except OSError as error:  # no room for another, or it is gone: then the other way
                if not self._told:  # who stops the service would not find us
                    raise HoldError(FAILED, f"no status record: {told(error)}") from error
            else:
                return
        # It grows old, and whoever reads it sees that.

    def _has_become(self, state: State) -> None:
        if state == "holding":
            self._alone = self._taken()
            # Nothing is logged from here on until it is over: a log can make its writer wait.
        elif self._alone and state == "stopped":
            self._log.info(self.why)
        elif self._alone:
            self._log.error(f"the lock is {'lost' if state == 'lost' else 'not kept'}: {self.why}")


def _ready() -> list[str]:
    """Make this process one that is not late; return a sentence for each thing that is refused."""
    realtime.be_spared("sfex-keeper")
    missing: list[str] = []
    for what, how in (
        ("the keeper's memory is not locked", realtime.lock_memory),
        ("the keeper has no real-time class", realtime.run_first),
    ):
        try:
            how()
        except OSError as error:
            missing.append(f"{what} ({error.strerror})")
    return missing


def _named(pid: int) -> str:
    """Who keeps a lock on this machine."""
    try:
        stat = process.stat(pid)
    except OSError:  # of another pid namespace; or it has just ended
        return "another process of this machine"
    hangs = ", which hangs in the kernel," if stat.state == process.UNINTERRUPTIBLE else ""
    return f"process {pid}{hangs}"


def _critical() -> int:
    """Where a guardian can write without waiting: the kernel's log, syslog, or nowhere (-1)."""
    try:
        return os.open("/dev/kmsg", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        pass
    import socket  # in a container

    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        log.connect("/dev/log")
    except OSError:
        log.close()
        return -1
    return log.detach()
