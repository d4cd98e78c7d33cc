"""Interrupt an author's code in time, so that something can still be done after it."""

from __future__ import annotations

import time

from ocfkit.errors import DeadlineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from types import FrameType, TracebackType

    from ocfkit.deadline import Deadline
else:
    import _signal as signal


_AT_ONCE = 0.001
"""Seconds; zero would disarm the timer."""

_AGAIN = 0.5
"""Seconds between two interruptions of code that does not end at the first."""


class interrupted_at:  # noqa: N801 - reads as a word of the language
    """Raise DeadlineError in the code inside once the deadline is over.

    It is raised again and again, since the code may catch it. It reaches whatever runs or waits in
    Python; what is stuck in the kernel or in a library is for the process above (see `supervise`).
    Elsewhere than in the main thread it does nothing. One may stand in another.
    """

    def __init__(self, deadline: Deadline, reason: str) -> None:
        self._deadline = deadline
        self._reason = reason
        self._handler: object = None
        self._timer = (0.0, 0.0)
        self._began = 0.0
        self._armed = False

    def __enter__(self) -> None:
        try:
            self._handler = signal.signal(signal.SIGALRM, self._raise)
        except ValueError:  # not the main thread
            return
        self._armed = True
        self._began = time.monotonic()
        left = max(self._deadline.left(), _AT_ONCE)
        self._timer = signal.setitimer(signal.ITIMER_REAL, left, _AGAIN)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._armed:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._handler)  # type: ignore[arg-type]  # as it gave us
            first, again = self._timer
            if first:
                left = first - (time.monotonic() - self._began)
                signal.setitimer(signal.ITIMER_REAL, max(left, _AT_ONCE), again)

    def _raise(self, _number: int, _frame: FrameType | None) -> None:
        raise DeadlineError(self._reason)
