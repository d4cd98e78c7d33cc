"""The page that tells the agents is what they declare."""

from __future__ import annotations

from tests.agents import agents_page


def test_the_reference_is_made_of_the_agents() -> None:
    assert agents_page.PAGE.read_text("utf-8") == agents_page.page()
