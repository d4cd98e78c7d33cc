"""What an operator is advised to configure for an agent."""

from __future__ import annotations

from ocfkit import Agent, action, monitor
from ocfkit.advice import Advice, actions, monitors


class Plain(Agent):
    """Do nothing."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    @action(timeout="5s", interval="20s")
    def monitor(self) -> None: ...


class Leader(Plain):
    """Lead."""

    def promote(self) -> None: ...
    def demote(self) -> None: ...


def told(rows: list[Advice]) -> list[tuple[object, ...]]:
    return [(row.name, row.timeout, row.interval, row.depth, row.role) for row in rows]


def test_every_agent_is_advised_these() -> None:
    assert told(actions(Plain.declaration)) == [
        ("start", 20, None, None, None),
        ("stop", 20, None, None, None),
        ("monitor", 5, 20, 0, None),
        ("validate-all", 20, None, None, None),
        ("meta-data", 5, None, None, None),
    ]


def test_a_promotable_one_is_watched_in_both_roles_at_two_intervals() -> None:
    assert told(monitors(Leader.declaration)) == [
        ("monitor", 5, 19, 0, "Promoted"),
        ("monitor", 5, 20, 0, "Unpromoted"),
    ]


def test_the_other_interval_can_be_chosen() -> None:
    class Chosen(Leader):
        """Chosen."""

        @action(interval="20s", promoted_interval="5s")
        def monitor(self) -> None: ...

    assert [row.interval for row in monitors(Chosen.declaration)] == [5, 20]


def test_each_depth_and_role_is_a_monitor_of_its_own() -> None:
    class Deep(Leader):
        """Deep."""

        @monitor.depth(10, interval="30s")
        def everybody_answers(self) -> None: ...
        @monitor.depth(10, interval="40s", role="Promoted")
        def leader_writes(self) -> None: ...
        @monitor.depth(20, interval="50s", role="Unpromoted")
        def follower_follows(self) -> None: ...

    assert told(monitors(Deep.declaration))[2:] == [
        ("monitor", 20, 30, 10, None),
        ("monitor", 20, 40, 10, "Promoted"),
        ("monitor", 20, 50, 20, "Unpromoted"),
    ]


def test_two_checks_of_a_depth_are_one_monitor_with_the_longer_timeout_and_shorter_interval() -> (
    None
):
    class Two(Plain):
        """Two."""

        @monitor.depth(10, timeout="30s", interval="50s")
        def slow_one_holds(self) -> None: ...
        @monitor.depth(10, timeout="10s", interval="30s")
        def fast_one_holds(self) -> None: ...

    assert told(monitors(Two.declaration))[1:] == [("monitor", 30, 30, 10, None)]


def test_a_row_says_where_it_looks() -> None:
    assert Advice("monitor", 20, 10, 10).where == "depth 10"
    assert Advice("monitor", 20, 10, 0, "Promoted").where == "depth 0 (Promoted)"
