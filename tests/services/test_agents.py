"""Debian's agents under `ocfkit check`: a sample of the table, made again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.services import agents
from tests.services.agents_table import Row, Table, differences
from tests.services.conftest import debian

SAMPLE = ("ocf:heartbeat:Dummy", "ocf:heartbeat:nginx", "ocf:heartbeat:symlink")
"""What CI runs of the table; all of it is for `./dev corpus agents`."""

ROOT = "servers"
"""It has their services too, and other tests have it built already: that of the table is large."""


@pytest.fixture(scope="module")
def rows() -> Mapping[str, Row]:
    root = debian(ROOT)
    return {row.agent: row for row in agents.all_checked(SAMPLE, root, len(SAMPLE))}


@pytest.mark.parametrize("agent", SAMPLE)
def test_an_agent_breaks_the_rules_of_the_table(agent: str, rows: Mapping[str, Row]) -> None:
    assert not differences([rows[agent]], Table.read())


def test_the_disk_of_a_recipe_is_gone_after_a_failure_too() -> None:
    attached: list[Path] = []

    def fail() -> None:
        with agents.granted({"disk": 1, "grants": ["SYS_ADMIN"]}) as grants:
            assert grants.capabilities == ("SYS_ADMIN",)
            attached.append(Path("/sys/block", Path(grants.devices[0].path).name, "loop"))
            assert attached[0].exists()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not attached[0].exists()
