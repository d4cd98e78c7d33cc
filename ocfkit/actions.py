"""Actions and deep checks: methods of an agent, with the timing that is advised for them."""

from __future__ import annotations

from ocfkit.params import AnyParam, Of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Generic, Literal, ParamSpec, Protocol, TypeVar, overload

    from ocfkit.notices import Notice
    from ocfkit.params import Param

    P = ParamSpec("P")
    N = TypeVar("N", int, float)
    R = TypeVar("R")
    R_co = TypeVar("R_co", covariant=True)

    class Method(Generic[P, R_co]):
        """Has types for the checkers, and costs nothing."""

    class Mark(Protocol):
        """Makes an action of a method; the one for notify takes what it is told."""

        @overload
        def __call__(self, function: Callable[[Any], R], /) -> Action[[], R]: ...
        @overload
        def __call__(self, function: Callable[[Any, Notice], R], /) -> Action[[Notice], R]: ...

    CheckMark = Callable[[Callable[[Any], bool | None]], "Check"]
    Timing = str | float
    """Such as "20s", or seconds."""
    Count = int | Param[int]
    """A number, or the parameter that says it."""
    Pause = str | float | Param[float]
    Role = Literal["Promoted", "Unpromoted"]
else:
    P = R_co = None
    Method = Of


METHODS = {
    "start": "start",
    "stop": "stop",
    "monitor": "monitor",
    "promote": "promote",
    "demote": "demote",
    "notify": "notify",
    "reload": "reload",
    "reload-agent": "reload_agent",
    "migrate_to": "migrate_to",
    "migrate_from": "migrate_from",
}
"""Actions of OCF 1.1 and Pacemaker that an author implements → the method that does it."""

ALWAYS = ("start", "stop", "monitor")

TIMEOUT = "20s"
INTERVAL = "10s"
DEEP_INTERVAL = "30s"


class Check:
    """A method that looks deeper than the monitor does; called on an agent, it is that method."""

    def __init__(
        self,
        function: Callable[[Any], bool | None],
        level: int,
        *,
        timeout: Timing,
        interval: Timing,
        retries: Count,
        pause: Pause,
        tolerate: Count,
        role: Role | None,
    ) -> None:
        """See `Monitor.depth`."""
        self.name = ""
        """Its name in the class."""
        self.function = function
        self.level = level
        self.timeout = timeout
        self.interval = interval
        self.retries = retries
        self.pause = pause
        self.tolerate = tolerate
        self.role = role

    def __set_name__(self, owner: type, name: str) -> None:
        """Learn its name."""
        self.name = self.name or name

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type) -> Check: ...
        @overload
        def __get__(self, instance: object, owner: type) -> Callable[[], bool | None]: ...

    def __get__(self, instance: object | None, owner: type) -> Check | Callable[[], bool | None]:
        """The bound method."""
        if instance is None:
            return self
        bound: Callable[[], bool | None] = self.function.__get__(instance, owner)
        return bound

    def retries_of(self, agent: object) -> int:
        """How often it is asked again for this agent."""
        return max(0, _said_by(agent, self.retries))

    def tolerate_of(self, agent: object) -> int:
        """How many failures in a row this agent tolerates."""
        return max(0, _said_by(agent, self.tolerate))

    def pause_of(self, agent: object) -> str | float:
        """How long this agent waits before it asks again."""
        pause = self.pause
        return _said_by(agent, pause) if isinstance(pause, AnyParam) else pause

    @property
    def fact(self) -> str:
        """What the check finds out, from the name of its method."""
        return self.name.replace("_", " ")


def _said_by(agent: object, given: N | Param[N]) -> N:
    """A number as it is, and of a parameter its value; raises ConfigurationError."""
    if not isinstance(given, AnyParam):
        return given
    value: N = getattr(agent, given.attribute)
    return value


class Monitor:
    """What deep checks are declared with, whoever has written the monitor itself."""

    def depth(
        self,
        level: int,
        *,
        timeout: Timing = TIMEOUT,
        interval: Timing = DEEP_INTERVAL,
        retries: Count = 0,
        pause: Pause = 1,
        tolerate: Count = 0,
        role: Role | None = None,
    ) -> CheckMark:
        """Mark a method as a deep check, run by every monitor of this OCF_CHECK_LEVEL or deeper.

        The method is named after the fact that it checks (`page_comes_back`). It returns nothing
        or True when the fact holds; it returns False or, better, raises ActionError with what was
        asked and seen when it does not, and DegradedError when it still holds but not for long.

        A check that fails is asked again up to `retries` times, `pause` apart, while the deadline
        of the action allows it. Then the first `tolerate` failing monitors in a row say
        "degraded", which the cluster shows and does not act on. All three may be parameters of the
        agent. With a `role` it is run in that role alone. `timeout` and `interval` are what the
        meta-data advises.
        """

        def marked(function: Callable[[Any], bool | None], level: int = level) -> Check:
            return Check(
                function,
                level,
                timeout=timeout,
                interval=interval,
                retries=retries,
                pause=pause,
                tolerate=tolerate,
                role=role,
            )

        # "@monitor.depth" without a depth gives us the method: `mistakes` tells of it.
        given: Any = marked(level, 0) if callable(level) else marked
        mark: CheckMark = given
        return mark


monitor = Monitor()


class Action(Method[P, R_co]):
    """A method that is an action; called on an agent, it is that method."""

    def __init__(
        self,
        function: Callable[..., R_co],
        timeout: Timing = TIMEOUT,
        interval: Timing = INTERVAL,
        promoted_interval: Timing | None = None,
    ) -> None:
        """See `action`."""
        self.function = function
        self.timeout = timeout
        self.interval = interval
        self.promoted_interval = promoted_interval

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type) -> Action[P, R_co]: ...
        @overload
        def __get__(self, instance: object, owner: type) -> Callable[P, R_co]: ...

    def __get__(self, instance: object | None, owner: type) -> Action[P, R_co] | Callable[P, R_co]:
        """The bound method."""
        if instance is None:
            return self
        bound: Callable[P, R_co] = self.function.__get__(instance, owner)
        return bound

    def depth(
        self,
        level: int,
        *,
        timeout: Timing = TIMEOUT,
        interval: Timing = DEEP_INTERVAL,
        retries: Count = 0,
        pause: Pause = 1,
        tolerate: Count = 0,
        role: Role | None = None,
    ) -> CheckMark:
        """Mark a method as a deep check of this monitor; see `Monitor.depth`."""
        return monitor.depth(
            level,
            timeout=timeout,
            interval=interval,
            retries=retries,
            pause=pause,
            tolerate=tolerate,
            role=role,
        )


if TYPE_CHECKING:

    @overload
    def action(function: Callable[[Any], R], /) -> Action[[], R]: ...
    @overload
    def action(function: Callable[[Any, Notice], R], /) -> Action[[Notice], R]: ...
    @overload
    def action(
        *, timeout: Timing = ..., interval: Timing = ..., promoted_interval: Timing | None = ...
    ) -> Mark: ...


def action(
    function: Callable[..., Any] | None = None,
    /,
    *,
    timeout: Timing = TIMEOUT,
    interval: Timing = INTERVAL,
    promoted_interval: Timing | None = None,
) -> Action[..., Any] | Callable[[Callable[..., Any]], Action[..., Any]]:
    """Mark a method as an action, with the timeout that is advised for it.

    `interval` is for monitor alone. A promotable agent advises two monitors, as Pacemaker wants
    them: `promoted_interval` is the other one's, a second less when it is not given.
    """
    if function is not None:
        return Action(function)
    return lambda decorated: Action(decorated, timeout, interval, promoted_interval)
