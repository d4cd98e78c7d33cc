"""A cluster without a cluster: attributes and scores, kept in memory."""

from __future__ import annotations

from ocfkit.cluster import Cluster
from ocfkit.environment import Environment
from ocfkit.errors import ActionError


class FakeCluster(Cluster):
    """Answers as Pacemaker would, for one node and one instance.

    Views of the same cluster share what is in it:

        cluster = FakeCluster("node1")
        other = cluster.on("node2")
    """

    def __init__(self, node: str = "node1", instance: str = "test") -> None:
        """As it is seen from a node, by an instance of a resource there."""
        self._node = node
        self._instance = instance
        self.attributes: dict[tuple[str, str, bool], str] = {}
        """By node, name, and whether it is permanent: {("node1", "ready", False): "1"}."""
        self.scores: dict[tuple[str, str], str] = {}
        """Promotion scores by node and instance: {("node1", "db"): "10"}."""
        self.trouble: list[str] = []
        """Why no question is answered; see `fail`."""

    def on(self, node: str, instance: str | None = None) -> FakeCluster:
        """The same cluster, seen from another node, or by another instance."""
        view = FakeCluster(node, self._instance if instance is None else instance)
        view.attributes, view.scores = self.attributes, self.scores
        view.trouble = self.trouble
        return view

    def seen_by(self, environment: Environment) -> FakeCluster:
        """The same cluster, seen by what is called with this environment."""
        return self.on(environment.meta("on_node") or self._node, environment.instance)

    def leave(self, node: str) -> None:
        """Let a node leave the cluster: what is transient is gone."""
        for key in [key for key in self.attributes if key[0] == node and not key[2]]:
            del self.attributes[key]
        for place in [place for place in self.scores if place[0] == node]:
            del self.scores[place]

    def fail(self, why: str = "Could not connect to the cluster") -> None:
        """From now on every question fails, as it does where no cluster runs."""
        self.trouble.append(why)

    def attribute(
        self, name: str, *, node: str | None = None, permanent: bool = False
    ) -> str | None:
        """See `Cluster.attribute`."""
        self._require_answers("query an attribute")
        return self.attributes.get((node or self.node, name, permanent))

    def set_attribute(
        self, name: str, value: str, *, node: str | None = None, permanent: bool = False
    ) -> None:
        """See `Cluster.set_attribute`."""
        self._require_answers("set an attribute")
        self.attributes[node or self.node, name, permanent] = value

    def delete_attribute(
        self, name: str, *, node: str | None = None, permanent: bool = False
    ) -> None:
        """See `Cluster.delete_attribute`."""
        self._require_answers("delete an attribute")
        self.attributes.pop((node or self.node, name, permanent), None)

    def promotion_score(self) -> str | None:
        """See `Cluster.promotion_score`."""
        self._require_answers("query the promotion score")
        return self.scores.get((self.node, self._instance))

    def set_promotion_score(self, score: int | str) -> None:
        """See `Cluster.set_promotion_score`."""
        self._require_answers("set the promotion score")
        self.scores[self.node, self._instance] = str(score)

    def delete_promotion_score(self) -> None:
        """See `Cluster.delete_promotion_score`."""
        self._require_answers("delete the promotion score")
        self.scores.pop((self.node, self._instance), None)

    def _require_answers(self, what: str) -> None:
        if self.trouble:
            raise ActionError(f"cannot {what}: {self.trouble[-1]}")
