"""The published table of findings in Debian's agents: as new as the code, and shown by its page."""

from __future__ import annotations

from tests.services import agents, agents_table
from tests.services.agents_table import PAGE, Row, Table, differences


def test_the_table_of_findings_is_as_new_as_the_code_that_decides_them() -> None:
    code = agents_table.code_digest()
    assert Table.read().code == code, "make it anew: ./dev corpus agents --write"


def test_the_page_is_made_from_the_table() -> None:
    assert PAGE.read_text("utf-8") == Table.read().page(agents.given())


def test_every_agent_with_a_recipe_is_in_the_table_and_most_start() -> None:
    table = {row.agent: row for row in Table.read().rows}
    started = [table[agent].started for agent in agents.recipes()]
    assert sum(started) > len(started) * 3 / 4


def test_another_broken_rule_is_a_difference_and_another_version_is_none() -> None:
    old = Row("ocf:x:y", "x 1", started=True, broken={"a": "seen"}, open=0, held=1)
    table = Table("code", [old])
    again = Row("ocf:x:y", "x 1", started=True, broken={"a": "seen otherwise"}, open=1, held=0)
    worse = Row("ocf:x:y", "x 1", started=True, broken={"a": "", "b": ""}, open=0, held=0)
    newer = Row("ocf:x:y", "x 2", started=True, broken={}, open=0, held=2)
    other = Row("ocf:x:z", "x 1", started=False, broken={}, open=0, held=2)
    assert not differences([again, newer], table)
    assert differences([worse, other], table) == [
        "ocf:x:y: breaks ['b'] more, nothing less",
        "ocf:x:z: not in the table",
    ]
