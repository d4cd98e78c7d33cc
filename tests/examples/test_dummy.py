"""The smallest agent."""

from __future__ import annotations

from pathlib import Path

from ocfkit.testing import Node
from tests.examples.load import load

Dummy = load("dummy").Dummy


def test_it_runs_while_its_file_is_there(ocf: Node, tmp_path: Path) -> None:
    state = tmp_path / "state"
    dummy = ocf(Dummy, state=str(state))
    assert [dummy.monitor().code, dummy.start().code, dummy.monitor().code] == [7, 0, 0]
    assert state.exists()
    assert [dummy.stop().code, dummy.stop().code, dummy.monitor().code] == [0, 0, 7]


def test_a_file_that_cannot_be_made_fails_the_start_with_a_reason(
    ocf: Node, tmp_path: Path
) -> None:
    started = ocf(Dummy, state=str(tmp_path / "nowhere/state")).start()
    assert started.code == 1
    assert "No such file or directory" in started.reason


def test_two_dummies_do_not_know_each_other(ocf: Node, tmp_path: Path) -> None:
    one = ocf(Dummy, state=str(tmp_path / "one"))
    other = ocf(Dummy, state=str(tmp_path / "other"))
    one.start()
    assert other.monitor().code == 7
    other.stop()
    assert one.monitor().code == 0


def test_it_answers_as_a_process(ocf: Node, tmp_path: Path) -> None:
    dummy = ocf(Dummy, state=str(tmp_path / "state"))
    dummy.start()
    assert dummy.run_process("monitor").code == 0
