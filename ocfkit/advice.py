"""The rows of `<actions>`: what the meta-data advises an operator to configure."""

from __future__ import annotations

from ocfkit.declaration import Declaration, seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocfkit.actions import Action

META_DATA_TIMEOUT = 5.0
VALIDATE_TIMEOUT = 20.0


class Advice:
    """One row: an action, with what is advised for it, in seconds."""

    __slots__ = ("depth", "interval", "name", "role", "timeout")

    def __init__(
        self,
        name: str,
        timeout: float,
        interval: float | None = None,
        depth: int | None = None,
        role: str | None = None,
    ) -> None:
        self.name = name
        self.timeout = timeout
        self.interval = interval
        self.depth = depth
        self.role = role

    @property
    def where(self) -> str:
        """Such as "depth 10", or "depth 0 (Promoted)"."""
        return f"depth {self.depth}{f' ({self.role})' if self.role else ''}"


def actions(declaration: Declaration) -> list[Advice]:
    """All rows, in OCF's order; an action is advised exactly when it is implemented."""
    rows: list[Advice] = []
    for name, action in declaration.actions.items():
        if name == "monitor":
            rows += monitors(declaration)
        else:
            rows.append(Advice(name, seconds(action.timeout)))
    rows.append(Advice("validate-all", VALIDATE_TIMEOUT))
    rows.append(Advice("meta-data", META_DATA_TIMEOUT))
    return rows


def monitors(declaration: Declaration) -> list[Advice]:
    """A row for each depth, and for each role where the monitor itself knows two."""
    rows = _shallow(declaration.actions["monitor"], promotable=declaration.promotable)
    by_place: dict[tuple[int, str | None], Advice] = {}
    for check in declaration.checks:
        place = (check.level, check.role)
        timeout, interval = seconds(check.timeout), seconds(check.interval)
        if place in by_place:  # two checks of one depth are one monitor
            timeout = max(timeout, by_place[place].timeout)
            interval = min(interval, by_place[place].interval or interval)
        by_place[place] = Advice("monitor", timeout, interval, check.level, check.role)
    return [*rows, *by_place.values()]


def _shallow(monitor: Action[..., object], *, promotable: bool) -> list[Advice]:
    timeout, interval = seconds(monitor.timeout), seconds(monitor.interval)
    if not promotable:
        return [Advice("monitor", timeout, interval, 0)]
    promoted = monitor.promoted_interval
    other = seconds(promoted) if promoted is not None else max(interval - 1, interval / 2)
    return [
        Advice("monitor", timeout, other, 0, "Promoted"),
        Advice("monitor", timeout, interval, 0, "Unpromoted"),
    ]
