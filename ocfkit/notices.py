"""What a notification tells: who of a clone is where, and what is about to happen to whom."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from ocfkit.environment import Environment

_OLD = {"promoted": "master", "unpromoted": "slave"}
"""Role → how Pacemaker before 2.1 spells it; newer ones send both."""


class Member:
    """One instance of a clone, and the node that it is or will be on."""

    __slots__ = ("node", "resource")

    def __init__(self, resource: str, node: str) -> None:
        """Such as Member("db:0", "srv01")."""
        self.resource = resource
        self.node = node

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Member) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __repr__(self) -> str:
        return f"Member({self.resource!r}, {self.node!r})"

    def __str__(self) -> str:
        return f"{self.resource} on {self.node}"


class Notice:
    """A notification to one instance of a clone, before or after an action on others.

    Every list is as Pacemaker sees the cluster before the transition; see Pacemaker
    Administration, "OCF Resource Agents", on notifications.
    """

    def __init__(self, meta: Mapping[str, str]) -> None:
        """`meta`: the meta attributes of the action, without their prefix."""
        self._meta = meta

    @classmethod
    def of(cls, environment: Environment) -> Notice:
        """What this call was told."""
        return cls(environment.metas)

    @property
    def when(self) -> Literal["pre", "post", ""]:
        """Before or after the action; "" when the caller did not say (ocf-tester does not)."""
        match self._meta.get("notify_type"):
            case "pre":
                return "pre"
            case "post":
                return "post"
            case _:
                return ""

    @property
    def action(self) -> str:
        """Such as "promote"; "" when the caller did not say."""
        return self._meta.get("notify_operation", "")

    @property
    def starting(self) -> tuple[Member, ...]:
        """Those that are started."""
        return self._members("start")

    @property
    def stopping(self) -> tuple[Member, ...]:
        """Those that are stopped."""
        return self._members("stop")

    @property
    def promoting(self) -> tuple[Member, ...]:
        """Those that are promoted."""
        return self._members("promote")

    @property
    def demoting(self) -> tuple[Member, ...]:
        """Those that are demoted."""
        return self._members("demote")

    @property
    def active(self) -> tuple[Member, ...]:
        """Those that run."""
        return self._members("active")

    @property
    def promoted(self) -> tuple[Member, ...]:
        """Those that run in the promoted role."""
        return self._members("promoted")

    @property
    def unpromoted(self) -> tuple[Member, ...]:
        """Those that run in the unpromoted role."""
        return self._members("unpromoted")

    @property
    def inactive(self) -> tuple[str, ...]:
        """Resources that do not run; they have no node."""
        return tuple(self._meta.get("notify_inactive_resource", "").split())

    @property
    def available_nodes(self) -> tuple[str, ...]:
        """Nodes that are online."""
        return tuple(self._meta.get("notify_available_uname", "").split())

    @property
    def all_nodes(self) -> tuple[str, ...]:
        """Nodes that the cluster knows."""
        return tuple(self._meta.get("notify_all_uname", "").split())

    def _members(self, which: str) -> tuple[Member, ...]:
        names = [name for name in (which, _OLD.get(which)) if name]
        for name in names:
            resources = self._meta.get(f"notify_{name}_resource", "").split()
            nodes = self._meta.get(f"notify_{name}_uname", "").split()
            if resources:
                return tuple(map(Member, resources, nodes))
        return ()
