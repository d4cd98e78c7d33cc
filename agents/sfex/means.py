"""How a guardian ends everything on this node: a watchdog, sysrq, reboot(2).

Each is opened, or its permission checked, before there is anything to end, and says in a sentence
how it is; none is ever tried out.
"""

from __future__ import annotations

import fcntl
import os
import struct

from ocfkit.agents.sfex.timing import SECOND, seconds
from ocfkit.errors import told
from ocfkit.linux import reboot

TYPE_CHECKING = False  # as typing's, which every agent would pay for
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Final, Literal

    from ocfkit.agents.sfex.timing import Timing

    Mode = Literal["enforce", "advise"]

# <linux/watchdog.h>
WDIOC_GETSUPPORT = 0x80285700
WDIOC_KEEPALIVE = 0x80045705
WDIOC_SETTIMEOUT = 0xC0045706
WDIOF_MAGICCLOSE = 0x0100

SYSRQ = "/proc/sysrq-trigger"


class UnguardedError(Exception):
    """Nobody could end in time what needs the lock; the sentence says what is missing."""


def watchdog_timeout(timing: Timing) -> int:
    """What suits a lease: its holder must be able to feed it from one renewal to the next.

    Raises ValueError where whole seconds, which is what watchdogs count, are too long.
    """
    longest = timing.lease - timing.interval
    if longest < SECOND:
        raise ValueError(
            "lock_timeout is too short for a watchdog: its timeout would have to be "
            f"{seconds(longest)}, and it counts whole seconds"
        )
    return min(longest // SECOND, 10) * SECOND


class Sysrq:
    """`b`: the kernel restarts the machine without syncing or unmounting anything.

    It does so whatever the sysctl kernel.sysrq allows: that is for keyboards
    (Documentation/admin-guide/sysrq.rst). From a container it takes the machine along.
    """

    __slots__ = ("_descriptor", "path")

    def __init__(self, path: str = SYSRQ) -> None:
        """Open it for writing, for that moment; raises OSError."""
        self.path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        if path == SYSRQ and os.fstat(self._descriptor).st_dev != os.stat("/proc/version").st_dev:
            os.close(self._descriptor)  # something is mounted over it
            from errno import ENXIO

            raise OSError(ENXIO, "it is no file of the kernel's", path)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What has to stay open."""
        return (self._descriptor,)

    def fire(self) -> None:
        """End everything; when it returns or raises OSError, it has had no effect."""
        os.write(self._descriptor, b"b")

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)

    def __str__(self) -> str:
        return f"sysrq through {self.path}"


class Reboot:
    """reboot(2). In a container it ends that, and nothing else of the machine.

    There it is done at once. On a machine the kernel first shuts its devices down, and waits for
    them, while programs run on (kernel/reboot.c, kernel_restart).
    """

    __slots__ = ("_restart", "is_contained")

    descriptors: tuple[int, ...] = ()

    def __init__(
        self,
        require_permission: Callable[[], None] = reboot.require_permission,
        restart: Callable[[], None] = reboot.restart,
        *,
        is_contained: bool | None = None,
    ) -> None:
        """Raises OSError when it is not allowed; never done here."""
        require_permission()
        self._restart = restart
        self.is_contained = reboot.is_contained() if is_contained is None else is_contained

    def fire(self) -> None:
        """As Sysrq's."""
        self._restart()

    def close(self) -> None:
        """Nothing is open."""

    def __str__(self) -> str:
        if self.is_contained:
            return "reboot(2), which ends this container"
        return "reboot(2)"


class Watchdog:
    """A timer in hardware that restarts the machine when it has not been fed for `timeout`.

    It needs nobody to fire it, so it is what is left when the guardian is stopped, or the kernel.
    """

    __slots__ = ("_descriptor", "_ioctl", "path", "timeout")

    timeout: Final[int]
    """Nanoseconds, as the device has it: it may round."""

    def __init__(
        self,
        path: str,
        timeout: int,
        *,
        ioctl: Callable[[int, int, bytearray], object] = fcntl.ioctl,
    ) -> None:
        """Open it, which arms it; raises OSError.

        One that a death would disarm is refused, too: whoever is killed closes his files, and
        without magic close that is enough. So is one whose timeout is not what was asked for.
        """
        self.path = path
        self._ioctl = ioctl
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            self._require_magic_close()
            self.timeout = self._set(timeout) * SECOND
        except BaseException:
            self.close()
            raise

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What has to stay open."""
        return (self._descriptor,)

    def feed(self) -> None:
        """Another `timeout` from now on; raises OSError."""
        self._ioctl(self._descriptor, WDIOC_KEEPALIVE, bytearray(4))

    def close(self) -> None:
        """Disarm it: a `V` before the close says that this is meant (watchdog-api.rst)."""
        try:
            os.write(self._descriptor, b"V")
        finally:
            os.close(self._descriptor)

    def __str__(self) -> str:
        return f"the watchdog {self.path}, {seconds(self.timeout)} after it was fed last"

    def _require_magic_close(self) -> None:
        support = bytearray(40)  # struct watchdog_info: options, firmware version, name
        self._ioctl(self._descriptor, WDIOC_GETSUPPORT, support)
        (options,) = struct.unpack_from("=I", support)
        if not options & WDIOF_MAGICCLOSE:
            from errno import ENOTSUP

            raise OSError(
                ENOTSUP, "it has no magic close: to kill who feeds it would disarm it", self.path
            )

    def _set(self, timeout: int) -> int:
        asked = timeout // SECOND
        value = bytearray(struct.pack("=i", asked))
        self._ioctl(self._descriptor, WDIOC_SETTIMEOUT, value)
        (got,) = struct.unpack("=i", value)
        if got != asked or got <= 0:
            from errno import EINVAL

            raise OSError(EINVAL, f"its timeout is {got} s, not {asked} s", self.path)
        return int(got)


if TYPE_CHECKING:
    Firing = Sysrq | Reboot
    """Those that act when they are told."""


def _is_prompt(means: Firing) -> bool:
    return not isinstance(means, Reboot) or means.is_contained


class Means:
    """What there is of them on this node, in the order in which they are used."""

    __slots__ = ("firing", "missing", "watchdog")

    def __init__(
        self,
        firing: Sequence[Firing],
        watchdog: Watchdog | None = None,
        missing: Iterable[str] = (),
    ) -> None:
        """`missing`: a sentence for each that cannot be used."""
        self.firing = tuple(firing)
        self.watchdog = watchdog
        self.missing = tuple(missing)

    @classmethod
    def found(
        cls,
        *,
        sysrq: Callable[[], Sysrq] = Sysrq,
        restart: Callable[[], Reboot] = Reboot,
        watchdog: Callable[[], Watchdog] | None = None,
        contained: bool | None = None,
    ) -> Means:
        """Open or check each. In a container sysrq comes last: its neighbours have done nothing."""
        missing: list[str] = []
        firing: list[Firing] = []
        for name, opened in (("sysrq", sysrq), ("reboot(2)", restart)):
            try:
                firing.append(opened())
            except OSError as error:
                missing.append(f"{name} cannot be used ({told(error)})")
        if reboot.is_contained() if contained is None else contained:
            firing.reverse()
        dog: Watchdog | None = None
        if watchdog is not None:
            try:
                dog = watchdog()
            except OSError as error:
                missing.append(f"the watchdog cannot be used ({told(error)})")
        return cls(firing, dog, missing)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What has to stay open."""
        every = (*self.firing, *(() if self.watchdog is None else (self.watchdog,)))
        return tuple(each for one in every for each in one.descriptors)

    def report(self) -> list[str]:
        """A sentence for each that works, and for each that does not."""
        working = [f"fences by {each}" for each in self.firing]
        if self.watchdog is not None:
            working.append(f"fences by {self.watchdog}")
        return working + list(self.missing)

    @property
    def lack(self) -> str:
        """Why nothing of this would end anything; "" where something would.

        A watchdog alone is something: it needs nobody to fire it. On a machine reboot(2) alone is
        not, since it may wait for the very disk that hangs.
        """
        if self.watchdog is not None or any(_is_prompt(each) for each in self.firing):
            return ""
        slow = [f"{each} alone may wait for a disk that hangs" for each in self.firing]
        why = "; ".join([*slow, *self.missing])
        return f"nothing on this node could end in time who loses the lock: {why}"

    def require(self, mode: Mode) -> None:
        """Raise UnguardedError where something has to work and nothing does."""
        if mode == "enforce" and self.lack:
            raise UnguardedError(self.lack)

    def close(self) -> None:
        """Let go of them; a watchdog is disarmed."""
        for each in self.firing:
            each.close()
        if self.watchdog is not None:
            self.watchdog.close()
