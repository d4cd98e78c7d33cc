"""What a class declares, gathered once when it is made."""

from __future__ import annotations

from ocfkit.actions import METHODS, Action, Check
from ocfkit.durations import seconds as read
from ocfkit.kinds import is_whole
from ocfkit.params import AnyParam

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_METHODS = frozenset(METHODS.values())


class Declaration:
    """What a class and those that it derives from declare."""

    def __init__(self, cls: type) -> None:
        """Walk from the most general class to this one: the last word counts."""
        self.cls = cls
        self.parameters: dict[str, AnyParam] = {}
        """Attribute → parameter, in the order of their declaration."""
        self.actions: dict[str, Action[..., Any]] = {}
        """OCF's name of an action → action, in OCF's order."""
        checks: dict[str, Check] = {}
        methods: dict[str, Action[..., Any]] = {}
        for each in reversed(cls.__mro__[:-1]):
            for attribute, value in vars(each).items():
                if attribute in self.parameters and not isinstance(value, AnyParam):
                    del self.parameters[attribute]
                checks.pop(attribute, None)
                if isinstance(value, AnyParam):
                    self.parameters[attribute] = value
                elif isinstance(value, Check):
                    checks[attribute] = value
                elif isinstance(value, Action):
                    methods[attribute] = value
                elif attribute in _METHODS:
                    methods.pop(attribute, None)
                    if value is not None:
                        methods[attribute] = Action(value)
        self.misnamed = sorted(methods.keys() - _METHODS)
        """Methods that are marked as an action and have no action's name."""
        self.actions = {name: methods[each] for name, each in METHODS.items() if each in methods}
        self.checks = sorted(checks.values(), key=_depth)
        """Deep checks, the shallow first."""

    @property
    def secrets(self) -> list[AnyParam]:
        """Parameters whose values nobody may see."""
        return [each for each in self.parameters.values() if each.kind.secret]

    @property
    def promotable(self) -> bool:
        """Whether the agent knows two roles."""
        return "promote" in self.actions

    @property
    def short(self) -> str:
        """The first line of the docstring."""
        return self._paragraphs()[0]

    @property
    def long(self) -> str:
        """The rest of the docstring; its first line where there is no more."""
        short, rest = self._paragraphs()
        return rest or short

    def timeout(self, action: str) -> float:
        """Seconds that the meta-data advises for an action."""
        return seconds(self.actions[action].timeout) if action in self.actions else 20.0

    def _paragraphs(self) -> tuple[str, str]:
        """The docstring without its indentation, as inspect.cleandoc does it."""
        first, *others = (self.cls.__doc__ or "").expandtabs().split("\n")
        indents = [len(line) - len(line.lstrip()) for line in others if line.strip()]
        margin = min(indents, default=0)
        text = "\n".join([first, *(line[margin:].rstrip() for line in others)]).strip()
        short, _, rest = text.partition("\n")
        return short.rstrip(), rest.strip("\n")


def _depth(check: Check) -> int:
    return check.level if is_whole(check.level) else 0  # `mistakes` tells of it


def seconds(timing: str | float) -> float:
    """A timing as an author writes it, in seconds; raises ValueError."""
    return read(timing) if isinstance(timing, str) else float(timing)
