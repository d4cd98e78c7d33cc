"""Published tables: as old as the code that makes them, and the pages as the data says."""

from __future__ import annotations

from tests.services import corpus


def test_the_table_of_verdicts_is_as_new_as_the_code_that_decides_them() -> None:
    digest, _rows = corpus.read_table()
    assert digest == corpus.code_digest(), "make it anew: ./dev corpus --write"


def test_the_table_holds_at_least_forty_scripts_that_really_run() -> None:
    rows = corpus.read_table()[1].values()
    assert sum(row.verdicts[1] == "+" for row in rows) >= 40


def test_no_script_of_the_table_is_without_a_verdict() -> None:
    assert not [row.script for row in corpus.read_table()[1].values() if "!" in row.verdicts]


def test_the_page_shows_the_table() -> None:
    assert corpus.PAGE.read_text("utf-8") == corpus.page()
