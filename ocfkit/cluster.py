"""The cluster as an agent sees it, by Pacemaker's own commands."""

from __future__ import annotations

from ocfkit.errors import ActionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol

    from ocfkit.environment import Environment
    from ocfkit.linux.proc import Ended

    class Run(Protocol):
        """How a command is run: `Agent.run`."""

        def __call__(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Ended:
            """See there."""
            ...


_NO_SUCH = (6, 105)
"""How crm_attribute says that there is no such attribute: ENXIO in old versions, CRM_EX_NOSUCH."""

_USAGE = (2, 64)
"""How a command says that it does not know an option: in old versions, and CRM_EX_USAGE."""


class Cluster:
    """Asked within the deadline of the action; raises ActionError where the cluster says no.

    A transient attribute is gone when its node leaves the cluster, a permanent one stays in the
    configuration. `node` is this node where it is not given.
    """

    def __init__(self, run: Run, environment: Environment) -> None:
        """On behalf of an agent that was called with this environment."""
        self._run = run
        self._environment = environment
        self._node = ""

    @property
    def node(self) -> str:
        """Name of this node in the cluster, which need not be its host name."""
        if not self._node:
            given = self._environment.meta("on_node")
            self._node = given or self._ask("crm_node", "--name").stdout.strip()
        return self._node

    def attribute(
        self, name: str, *, node: str | None = None, permanent: bool = False
    ) -> str | None:
        """The value of a node attribute; None when it has none."""
        asked = [*self._attribute(name, node, permanent=permanent), "--query", "--quiet"]
        ended = self._ask(*asked, allowed=_NO_SUCH)
        return None if ended.code in _NO_SUCH else ended.stdout.strip()

    def set_attribute(
        self, name: str, value: str, *, node: str | None = None, permanent: bool = False
    ) -> None:
        """Set a node attribute. It is no place for a secret: everybody may read it."""
        self._ask(*self._attribute(name, node, permanent=permanent), f"--update={value}")

    def delete_attribute(
        self, name: str, *, node: str | None = None, permanent: bool = False
    ) -> None:
        """Remove a node attribute; one that is not there is no error."""
        asked = [*self._attribute(name, node, permanent=permanent), "--delete"]
        self._ask(*asked, allowed=_NO_SUCH)

    def promotion_score(self) -> str | None:
        """How much this instance wants to be promoted on this node; None when it never said."""
        ended = self._score("--query", "--quiet", allowed=_NO_SUCH)
        return None if ended.code in _NO_SUCH else ended.stdout.strip()

    def set_promotion_score(self, score: int | str) -> None:
        """Say so: the instance with the highest score is promoted; "-INFINITY" is never."""
        self._score(f"--update={score}")

    def delete_promotion_score(self) -> None:
        """Withdraw from promotion."""
        self._score("--delete", allowed=_NO_SUCH)

    def _attribute(self, name: str, node: str | None, *, permanent: bool) -> list[str]:
        lifetime = "forever" if permanent else "reboot"
        return [
            "crm_attribute",
            f"--node={node or self.node}",
            f"--lifetime={lifetime}",
            f"--name={name}",
        ]

    def _score(self, *words: str, allowed: Sequence[int] = ()) -> Ended:
        """By crm_attribute; by crm_master where it is too old to know promotion (before 2.1)."""
        asked = (f"--promotion={self._environment.instance}", "--lifetime=reboot", *words)
        ended = self._ask("crm_attribute", *asked, allowed=(*allowed, *_USAGE))
        if ended.code in _USAGE:
            ended = self._ask("crm_master", "--lifetime=reboot", *words, allowed=allowed)
        return ended

    def _ask(self, *argv: str, allowed: Sequence[int] = ()) -> Ended:
        env = {
            name: value
            for name, value in self._environment.whole.items()
            if name.startswith(("CIB_", "PCMK_", "OCF_RESOURCE_"))
        }
        ended = self._run(argv, env=env)
        if ended.code != 0 and ended.code not in allowed:
            said = (ended.stderr or ended.stdout).strip().split("\n")[-1]
            how = f"exited with code {ended.code}" if ended.signal is None else "was killed"
            raise ActionError(f"{' '.join(argv)} {how}: {said}")
        return ended
