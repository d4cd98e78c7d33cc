"""The cluster by Pacemaker's commands, and the one that is made up: both answer alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from ocfkit import ActionError
from ocfkit.cluster import Cluster
from ocfkit.environment import Environment
from ocfkit.linux.proc import Ended
from ocfkit.testing import FakeCluster


class Pacemaker:
    """Its commands, as far as their options go that we use; called like `Agent.run`."""

    def __init__(self, *, knows_promotion: bool = True) -> None:
        self.calls: list[list[str]] = []
        self.envs: list[Mapping[str, str]] = []
        self.knows_promotion = knows_promotion
        self.kept: dict[tuple[str, str, str], str] = {}
        self.refusal: tuple[int, str] | None = None

    def __call__(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Ended:
        self.calls.append(list(argv))
        self.envs.append(env or {})
        code, text = self.refusal or self.answer(argv[0], _options(argv[1:]))
        said = [text, ""] if code == 0 else ["", text]
        return Ended(argv, code << 8, 0.0, said, timed_out=False)

    def answer(self, command: str, options: dict[str, str]) -> tuple[int, str]:
        if command == "crm_node":
            return 0, "node1\n"
        if "promotion" in options and not self.knows_promotion:
            return 64, "crm_attribute: unrecognized option '--promotion'"
        old = command == "crm_master"
        name = options.get("name") or f"score-{'old' if old else options['promotion']}"
        key = (options.get("node", "node1"), name, options["lifetime"])
        if "update" in options:
            self.kept[key] = options["update"]
        elif "delete" in options:
            self.kept.pop(key, None)
        elif key not in self.kept:
            return 105, "crm_attribute: Error performing operation: No such device or address"
        else:
            return 0, self.kept[key] + "\n"
        return 0, ""


def _options(words: Sequence[str]) -> dict[str, str]:
    pairs = [word.removeprefix("--").partition("=") for word in words]
    return {name: value for name, _, value in pairs}


ENVIRONMENT = Environment({"OCF_RESOURCE_INSTANCE": "db"})


def real() -> Cluster:
    return Cluster(Pacemaker(), ENVIRONMENT)


def old() -> Cluster:
    return Cluster(Pacemaker(knows_promotion=False), ENVIRONMENT)


def fake() -> Cluster:
    return FakeCluster("node1").seen_by(ENVIRONMENT)


@pytest.mark.parametrize("make", [real, old, fake], ids=["real", "old", "fake"])
class TestBoth:
    def test_know_their_node(self, make: Callable[[], Cluster]) -> None:
        assert make().node == "node1"

    @pytest.mark.parametrize("permanent", [False, True])
    @pytest.mark.parametrize("node", [None, "node2"])
    def test_keep_attributes(
        self,
        make: Callable[[], Cluster],
        permanent: bool,  # noqa: FBT001
        node: str | None,
    ) -> None:
        cluster = make()
        assert cluster.attribute("ready", node=node, permanent=permanent) is None
        cluster.set_attribute("ready", "yes", node=node, permanent=permanent)
        assert cluster.attribute("ready", node=node, permanent=permanent) == "yes"
        assert cluster.attribute("ready", node=node, permanent=not permanent) is None
        assert cluster.attribute("ready", node="node3", permanent=permanent) is None
        cluster.delete_attribute("ready", node=node, permanent=permanent)
        cluster.delete_attribute("ready", node=node, permanent=permanent)
        assert cluster.attribute("ready", node=node, permanent=permanent) is None

    def test_take_this_node_when_none_is_named(self, make: Callable[[], Cluster]) -> None:
        cluster = make()
        cluster.set_attribute("ready", "yes")
        assert cluster.attribute("ready", node="node1") == "yes"

    @pytest.mark.parametrize("score", [10, -5, "INFINITY", "-INFINITY"])
    def test_keep_a_promotion_score(self, make: Callable[[], Cluster], score: int | str) -> None:
        cluster = make()
        assert cluster.promotion_score() is None
        cluster.set_promotion_score(score)
        assert cluster.promotion_score() == str(score)
        cluster.delete_promotion_score()
        cluster.delete_promotion_score()
        assert cluster.promotion_score() is None


QUESTIONS: dict[str, Callable[[Cluster], object]] = {
    "attribute": lambda cluster: cluster.attribute("a"),
    "set attribute": lambda cluster: cluster.set_attribute("a", "b"),
    "delete attribute": lambda cluster: cluster.delete_attribute("a"),
    "score": lambda cluster: cluster.promotion_score(),
    "set score": lambda cluster: cluster.set_promotion_score(1),
    "delete score": lambda cluster: cluster.delete_promotion_score(),
}


@pytest.mark.parametrize("question", QUESTIONS)
class TestWithoutAnAnswer:
    def test_the_real_one_raises(self, question: str) -> None:
        pacemaker = Pacemaker()
        pacemaker.refusal = (102, "noise\ncrm_attribute: Could not connect: Connection refused")
        cluster = Cluster(pacemaker, ENVIRONMENT)
        with pytest.raises(ActionError, match=r"exited with code 102: .* Connection refused$"):
            QUESTIONS[question](cluster)

    def test_the_fake_one_raises(self, question: str) -> None:
        cluster = FakeCluster()
        cluster.fail("Connection refused")
        with pytest.raises(ActionError, match=r"Connection refused$"):
            QUESTIONS[question](cluster)


class TestReal:
    def test_believes_the_executor_about_its_node(self) -> None:
        pacemaker = Pacemaker()
        cluster = Cluster(pacemaker, Environment({"OCF_RESKEY_CRM_meta_on_node": "srv01"}))
        assert cluster.node == "srv01"
        assert pacemaker.calls == []

    def test_asks_for_its_node_once(self) -> None:
        pacemaker = Pacemaker()
        cluster = Cluster(pacemaker, Environment({}))
        assert [cluster.node, cluster.node] == ["node1", "node1"]
        assert pacemaker.calls == [["crm_node", "--name"]]

    def test_passes_what_pacemaker_s_commands_need_and_no_parameter(self) -> None:
        pacemaker = Pacemaker()
        whole = {
            "OCF_RESOURCE_INSTANCE": "db",
            "OCF_RESKEY_password": "s3cr3t",
            "CIB_file": "/tmp/cib.xml",  # noqa: S108
            "PCMK_logfile": "none",
            "PATH": "/bin",
        }
        Cluster(pacemaker, Environment(whole)).set_promotion_score(5)
        assert pacemaker.envs == [
            {"OCF_RESOURCE_INSTANCE": "db", "CIB_file": "/tmp/cib.xml", "PCMK_logfile": "none"}  # noqa: S108
        ]

    @pytest.mark.parametrize("code", [2, 64])
    def test_asks_an_old_pacemaker_in_the_old_way(self, code: int) -> None:
        class Old(Pacemaker):
            def answer(self, command: str, options: dict[str, str]) -> tuple[int, str]:
                return (code, "usage") if "promotion" in options else (0, f"{command}\n")

        pacemaker = Old()
        assert Cluster(pacemaker, ENVIRONMENT).promotion_score() == "crm_master"
        assert [call[0] for call in pacemaker.calls] == ["crm_attribute", "crm_master"]

    def test_says_which_command_failed_and_how(self) -> None:
        pacemaker = Pacemaker()
        pacemaker.refusal = (13, "crm_attribute: Permission denied")
        cluster = Cluster(pacemaker, Environment({"OCF_RESKEY_CRM_meta_on_node": "n"}))
        with pytest.raises(
            ActionError,
            match=r"^crm_attribute --node=n --lifetime=reboot --name=a --query --quiet "
            r"exited with code 13: crm_attribute: Permission denied$",
        ):
            cluster.attribute("a")


class TestFake:
    def test_what_is_transient_goes_with_the_node(self) -> None:
        cluster = FakeCluster("node1", "db")
        other = cluster.on("node2")
        for each in (cluster, other):
            each.set_attribute("transient", "1")
            each.set_attribute("permanent", "1", permanent=True)
            each.set_promotion_score(10)
        cluster.leave("node1")
        assert cluster.attribute("transient") is None
        assert cluster.attribute("permanent", permanent=True) == "1"
        assert cluster.promotion_score() is None
        assert other.attribute("transient") == "1"
        assert other.promotion_score() == "10"

    def test_instances_have_scores_of_their_own(self) -> None:
        cluster = FakeCluster("node1", "db")
        cluster.set_promotion_score(10)
        cluster.on("node1", "web").set_promotion_score(20)
        assert cluster.scores == {("node1", "db"): "10", ("node1", "web"): "20"}

    def test_all_views_fail_with_it(self) -> None:
        cluster = FakeCluster()
        view = cluster.on("node2")
        cluster.fail()
        with pytest.raises(ActionError, match="Could not connect"):
            view.attribute("a")
