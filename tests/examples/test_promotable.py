"""The promotable agent, in a cluster that is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocfkit.testing import Instance, Node
from tests.examples.load import load

Lead = load("promotable").Lead


@pytest.fixture
def lead(ocf: Node, tmp_path: Path) -> Instance:
    """An instance that runs, unpromoted."""
    instance = ocf(Lead, state=str(tmp_path), score=7)
    assert instance.start().code == 0
    return instance


def test_a_start_asks_for_promotion(lead: Instance) -> None:
    assert lead.cluster.promotion_score() == "7"


def test_it_knows_its_role(lead: Instance) -> None:
    assert lead.monitor().code == 0
    assert [lead.run("promote").code, lead.run("promote").code] == [0, 0]
    assert lead.monitor().code == 8
    assert [lead.run("demote").code, lead.run("demote").code] == [0, 0]
    assert lead.monitor().code == 0


def test_a_new_score_needs_no_restart(lead: Instance) -> None:
    lead.parameters["score"] = 3
    assert lead.run("reload-agent").code == 0
    assert lead.cluster.promotion_score() == "3"


def test_it_works_where_no_cluster_runs(lead: Instance) -> None:
    lead.stop()
    lead.node.cluster.fail()
    started = lead.start()
    assert started.code == 0
    assert "no promotion score" in started.log


def test_it_hears_who_is_promoted(lead: Instance) -> None:
    meta = {
        "notify_type": "post",
        "notify_operation": "promote",
        "notify_promote_resource": "lead:0",
        "notify_promote_uname": "srv01",
    }
    told = lead.run("notify", meta=meta)
    assert told.code == 0
    assert "post-promote: lead:0 on srv01" in told.log


def test_a_promoted_one_can_be_stopped(lead: Instance) -> None:
    lead.run("promote")
    assert [lead.stop().code, lead.monitor().code] == [0, 7]
