"""The agent sfex: one lock on a shared disk, of which one node at a time is the owner."""

from __future__ import annotations

import os
from errno import ENOTBLK

from ocfkit import (
    RUNNING,
    STOPPED,
    ActionError,
    Agent,
    ConfigurationError,
    DegradedError,
    InstallationError,
    ParameterError,
    State,
    action,
    param,
)
from ocfkit.agents.sfex import hold
from ocfkit.agents.sfex.guardian import boot
from ocfkit.agents.sfex.layout import FormatError, shown
from ocfkit.agents.sfex.status import Guardian, Status
from ocfkit.agents.sfex.timing import SECOND, Timing, seconds
from ocfkit.errors import told
from ocfkit.linux import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal

    from ocfkit.linux.process import Identity
else:
    import _signal as signal

_AGAIN = 0.1
"""Seconds between two looks at the disk."""

_SLACK = 15 * SECOND
"""What a start needs besides the timeouts, on a slow disk (README of the C tools)."""

_STUCK = process.STOPPED + process.UNINTERRUPTIBLE
"""States in which a keeper does not give up by itself when nobody waits for it any more."""

_TRIES = 5
"""Looks at a record that is none."""

_TO_GO_HOME = 2.0
"""Seconds for a guardian that was told that nothing needs the lock any more."""


class Sfex(Agent):
    """Own a lock on a shared disk, so that no other node runs what needs it.

    It comes first in a group, before the file system, the address and the database that only one
    node may have. While it runs, the lock is renewed on the disk each monitor_interval. A node
    that could not renew it for lock_timeout is not its owner any more: shortly before, a guardian
    ends everything on that node, whatever state it is in, by a watchdog, sysrq or reboot(2).

    It is the last fort, for when the cluster is split and fencing fails. It does not replace
    fencing. The disk has to be made ready once, by `ocfkit sfex init`, and may be shared with the
    C tools sfex_init, sfex_stat and sfex_daemon. The values of all parameters have to be the same
    on all nodes; set on-fail="fence" for the monitor.
    """

    device = param.path("The shared block device.", required=True, unique="lock")
    index = param.integer("Which of its locks.", default=1, minimum=1, maximum=999, unique="lock")
    collision_timeout = param.duration(
        "How long a claim has to stand on the disk before it is believed, in whole seconds: much "
        "longer than one read and one write take on a bad day.",
        default="1s",
    )
    lock_timeout = param.duration(
        "How long a lock may go without a renewal before it is anybody's, in whole seconds: longer "
        "than the disk may be away, for a change of paths say.",
        default="100s",
    )
    monitor_interval = param.duration(
        "Time from one renewal to the next, in whole seconds.", default="10s"
    )
    guard = param.enum(
        "What happens on a node where nothing could end who loses the lock: it does not get it "
        "(enforce), or it gets it, and the log says what is missing (advise).",
        choices=["enforce", "advise"],
        default="enforce",
    )
    watchdog = param.path(
        "A watchdog device to end the node with as well. It is armed while the lock is held, and "
        "nothing else may use it.",
        default=None,
    )

    @action(timeout="120s")
    def start(self) -> None:
        timing = self._timing()
        needed = timing.lock + timing.collision + _SLACK
        if self.deadline.left() * SECOND < needed:
            self.log.warning(
                f"a start gets {self.deadline.left():.0f} s: to take the lock of a node that has "
                f"died it may need {seconds(needed)}"
            )
        self.doing(f"waiting for {self._lock}{self._holder}")
        try:
            hold.in_background(self._holding(), self.environment, "ocfkit sfex hold")
        except hold.HoldError as error:
            raise ActionError(f"{self._lock}: {error}") from error

    @action
    def stop(self) -> None:
        status = self._status()
        keeper = self._unrecorded() if status is None else status.process
        if keeper is not None and keeper.send(signal.SIGTERM):
            keeper.send(signal.SIGCONT)
            self.doing(f"waiting for the end of the keeper, process {keeper.pid}")
            if not keeper.wait(self.deadline.left()):
                return
        self._clear_away(self._status())

    def escalate(self) -> None:
        status = self._status()
        keeper = self._unrecorded() if status is None else status.process
        is_told = keeper is not None and keeper.send(signal.SIGKILL)
        # Part of what is left: there has to be time to say so.
        if keeper is not None and is_told and not keeper.wait(self.deadline.part(0.5).left()):
            # What it is writing may yet arrive, and harm whoever has the lock by then.
            raise ActionError(
                f"the keeper, process {keeper.pid}, hangs in the kernel, where nothing ends it: "
                f"{self.device} does not answer"
            )
        self._clear_away(self._status())

    @action(timeout="10s", interval="10s")
    def monitor(self) -> State:
        status = self._status()
        if status is None:
            if (keeper := self._unrecorded()) is not None:
                raise ActionError(
                    f"process {keeper.pid} keeps {self._lock}, and its record is gone"
                )
            return STOPPED
        if status.state in ("stopped", "refused", "failed"):
            return STOPPED
        if status.state == "lost":
            raise ActionError(f"{self._lock} was lost: {status.why}")
        stat = status.process.stat()
        if status.state == "waiting":
            if stat is not None and stat.state in _STUCK:
                raise ActionError(f"{_keeper(status, stat)} waits for {self._lock}")
            if stat is not None or not _guards(status):
                return STOPPED
        if stat is None:
            raise ActionError(_orphaned(status))
        self._require_lease(status, stat)
        return RUNNING

    def remains(self) -> bool:
        status = self._status()
        return status is not None and (status.process.stat() is not None or bool(_guards(status)))

    # --- what has to be right ---------------------------------------------------------------------

    def validate(self) -> None:
        for name, value in (
            ("collision_timeout", self.collision_timeout),
            ("lock_timeout", self.lock_timeout),
            ("monitor_interval", self.monitor_interval),
        ):
            if value != int(value) or value < 1:
                raise ConfigurationError(f"parameter {name}: expected whole seconds, seen {value}")
        try:
            self._timing()
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
        if self.environment.clone_number is not None:
            raise ConfigurationError("a lock has one owner: it cannot be cloned")

    def validate_host(self) -> None:
        from ocfkit.agents.sfex.store import MismatchError, Store
        from ocfkit.linux.blockdev import BlockDevice

        try:
            self._holding()
            with BlockDevice(self.device, writable=True) as device:
                record = Store(device, self.index).read()
        except FileNotFoundError as error:
            raise InstallationError(f"there is no device {self.device}") from error
        except (hold.HoldError, FormatError, MismatchError) as error:
            raise ParameterError(str(error)) from error
        except OSError as error:
            if error.errno == ENOTBLK:
                raise ParameterError(told(error)) from error
            raise ActionError(told(error)) from error
        if record.locked:
            self._holder = f", which {shown(record.name)!r} holds"

    # --- in detail --------------------------------------------------------------------------------

    _holder = ""
    """Who had the lock before our start."""

    @property
    def _lock(self) -> str:
        return f"lock {self.index} of {self.device}"

    def _timing(self) -> Timing:
        """Raises ValueError where they contradict each other."""
        return Timing.of(
            collision=int(self.collision_timeout) * SECOND,
            lock=int(self.lock_timeout) * SECOND,
            interval=int(self.monitor_interval) * SECOND,
        )

    def _holding(self) -> hold.Holding:
        return hold.Holding(
            self.device,
            self.index,
            name=os.uname().nodename,
            resource=self.instance,
            collision=int(self.collision_timeout),
            lock=int(self.lock_timeout),
            interval=int(self.monitor_interval),
            mode="advise" if self.guard == "advise" else "enforce",
            watchdog=self.watchdog or "",
        )

    def _status(self) -> Status | None:
        """What the keeper says, if it is one of this boot.

        Raises ActionError for a record that cannot be used: what there is nobody knows.
        """
        file = hold.status_of(self.environment)
        for _ in range(_TRIES):
            text = file.read()
            status = Status.decode(text)
            if status is not None:
                return status if status.process.boot == process.boot() else None
            if not text:
                if file.exists() is None:
                    raise ActionError(f"others may write where {file.path} is: it proves nothing")
                return None
            self.deadline.sleep(0.01)  # it is just being overwritten
        raise ActionError(f"{file.path} is no record of a keeper")

    def _unrecorded(self) -> Identity | None:
        """The keeper of this resource on this node, where no record names it.

        It has locked the sector, which a keeper of another resource may have done as well.
        """
        from ocfkit.linux.blockdev import BlockDevice  # in a probe, not in a monitor

        try:
            with BlockDevice(self.device) as device:
                pid = device.locker(self.index)
            if pid <= 0:
                return None
            keeper = process.identify(pid)
            words = process.command_line(pid)
        except OSError:  # no such device; or it has just ended
            return None
        return keeper if hold.resource_in(words) == self.instance else None

    def _clear_away(self, status: Status | None) -> None:
        """After the keeper: nothing needs the lock any more, so nobody has to guard it."""
        if status is None:
            return
        if status.state == "failed":
            self.log.warning(status.why)
        for each in _guards(status):
            from ocfkit.agents.sfex.guard import send_home  # where something is stopped

            if not send_home(each, self.deadline.within(_TO_GO_HOME).left()):
                raise ActionError(f"the guardian, process {each.process.pid}, stays")
        file = hold.status_of(self.environment)
        if status.state == "holding":
            # The lock is not given back, so a start on this node inherits what is left of the
            # lease: else it would have to wait for lock_timeout, as all others.
            why = "the keeper was killed"
            try:
                file.write(status.becoming("stopped", why, lease=status.lease).encode())
            except OSError as error:
                self.log.warning(f"the next start will have to wait: {told(error)}")
            else:
                return
        file.remove()

    def _require_lease(self, status: Status, stat: process.Stat) -> None:
        """Raise ActionError when the lock is not ours, DegradedError when it soon may not be."""
        keeper = _keeper(status, stat)
        age = boot() - status.renewed
        left = status.deadline - boot()
        if left <= 0:
            raise ActionError(f"{keeper} has not renewed {self._lock} for {_roughly(age)}")
        self._require_name(status.name)
        if age > 2 * self._timing().interval:
            raise DegradedError(
                f"{keeper} has not renewed {self._lock} for {_roughly(age)}: "
                f"this node is fenced in {_roughly(left)}"
            )
        if not _guards(status):
            raise DegradedError("the guardian has died; the keeper will have another in a moment")

    def _require_name(self, name: bytes) -> None:
        """Raise ActionError when another one stands on the disk, and stays there.

        For a moment one may: a claim that came too late is written over by the keeper.
        """
        from ocfkit.agents.sfex.glance import glance

        half = self.deadline.part(0.5)
        patience = half.within(self.collision_timeout + 1.0)
        while True:
            record = glance(self.device, self.index, half)
            if record.locked and record.name == name:
                return
            if patience.over():
                who = repr(shown(record.name))
                what = f"held by {who}" if record.locked else f"free, by {who}"
                raise ActionError(f"on the disk {self._lock} is {what}")
            patience.sleep(_AGAIN)


def _keeper(status: Status, stat: process.Stat) -> str:
    how = ", which is suspended" if stat.state in process.STOPPED else ""
    if stat.state == process.UNINTERRUPTIBLE:
        how = ", which waits in the kernel"
    return f"the keeper, process {status.process.pid}{how},"


def _orphaned(status: Status) -> str:
    """What it means that the keeper has died."""
    keeper = f"the keeper, process {status.process.pid},"
    left = status.deadline - boot()
    if _guards(status):
        when = f"in {_roughly(left)}" if left > 0 else "now"
        return f"{keeper} has died: unless this is stopped before, the node is fenced {when}"
    since = f"is over in {_roughly(left)}" if left > 0 else f"is over since {_roughly(-left)}"
    return f"{keeper} and its guardian have died: nothing ends this node, and the lease {since}"


def _guards(status: Status) -> list[Guardian]:
    """The guardians that live."""
    return [each for each in status.guardians if each.process.stat() is not None]


def _roughly(time: int) -> str:
    return f"{time / SECOND:.1f} s"
