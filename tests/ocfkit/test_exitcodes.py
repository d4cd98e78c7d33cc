"""Codes and states are those of OCF 1.1 and of Pacemaker."""

from __future__ import annotations

import pytest

from ocfkit import exitcodes
from ocfkit.exitcodes import (
    DEGRADED,
    DEGRADED_PROMOTED,
    FAILED_PROMOTED,
    NAMES,
    PROMOTED,
    RUNNING,
    STATES,
    STOPPED,
    State,
    is_active,
    is_promoted,
)


def test_the_numbers_are_those_of_the_specification() -> None:
    # OCF Resource Agent API 1.1, "Exit status codes"; 190, 191: Pacemaker's crm/services.h
    numbers = {
        "SUCCESS": 0,
        "ERR_GENERIC": 1,
        "ERR_ARGS": 2,
        "ERR_UNIMPLEMENTED": 3,
        "ERR_PERM": 4,
        "ERR_INSTALLED": 5,
        "ERR_CONFIGURED": 6,
        "RUNNING": 0,
        "STOPPED": 7,
        "PROMOTED": 8,
        "FAILED_PROMOTED": 9,
        "DEGRADED": 190,
        "DEGRADED_PROMOTED": 191,
    }
    assert {name: getattr(exitcodes, name) for name in numbers} == numbers
    assert set(NAMES) == set(numbers.values())


def test_every_state_is_a_code_with_a_name_of_its_own() -> None:
    assert set(STATES) <= set(NAMES)
    assert len(set(NAMES.values())) == len(NAMES)


@pytest.mark.parametrize(
    ("state", "active", "promoted"),
    [
        (RUNNING, True, False),
        (STOPPED, False, False),
        (PROMOTED, True, True),
        (FAILED_PROMOTED, False, True),
        (DEGRADED, True, False),
        (DEGRADED_PROMOTED, True, True),
    ],
)
def test_a_state_is_active_and_promoted_or_not(state: State, active: bool, promoted: bool) -> None:  # noqa: FBT001
    assert (is_active(state), is_promoted(state)) == (active, promoted)
