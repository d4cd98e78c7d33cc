"""Interrupt an author's code in time, so that something can still be done after it."""

from __future__ import annotations

from ocfkit.errors import DeadlineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from types import FrameType, TracebackType

    from ocfkit.deadline import Deadline
else:
    import _signal as signal


class interrupted_at:  # noqa: N801 - reads as a word of the language
    """Raise DeadlineError in the code inside once the deadline is over.

    It reaches whatever runs or waits in Python; what is stuck in the kernel or in a library is for
    the process above (see `supervise`). Elsewhere than in the main thread it does nothing.
    """

    def __init__(self, deadline: Deadline, reason: str) -> None:
        self._deadline = deadline
        self._reason = reason
        self._before: object = None
        self._armed = False

    def __enter__(self) -> None:
        try:
            self._before = signal.signal(signal.SIGALRM, self._raise)
        except ValueError:  # not the main thread
            return
        self._armed = True
        signal.setitimer(signal.ITIMER_REAL, max(self._deadline.left(), 0.001))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._armed:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)  # type: ignore[arg-type]  # what it gave us

    def _raise(self, _number: int, _frame: FrameType | None) -> None:
        raise DeadlineError(self._reason)
