"""What the scoreboard calls right, and how it tells what was measured."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.bench import faults
from tests.bench.faults_cell import SUBJECTS, Cell
from tests.bench.faults_history import operations
from tests.bench.faults_right import FAULTS, Fault

NOT_FOUND = next(each for each in FAULTS if each.name.startswith("status 404"))
UNTOUCHED = next(each for each in FAULTS if each.key == "web:configuration-removed")
RIGHT = Cell(
    NOT_FOUND.name,
    "ocf:ocfkit:http",
    seconds=4.8,
    code=1,
    reason="GET http://127.0.0.1/status: status 404, not 200 (after 0.01 s)",
    reaction="restarted",
)


def test_a_fault_that_is_told_in_time_and_leaves_nothing_is_right() -> None:
    assert RIGHT.is_right(NOT_FOUND)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(RIGHT, code=7),
        replace(RIGHT, reason="Failed to access httpd status page."),
        replace(RIGHT, reason=""),
        replace(RIGHT, reaction="fenced"),
        replace(RIGHT, left=["srv01: file /run/nginx.pid"]),
        replace(RIGHT, stop_code=1),
        replace(RIGHT, seconds=None, code=0, reason="", reaction="nothing"),
        replace(RIGHT, unmeasured="it did not start"),
    ],
)
def test_one_wrong_thing_makes_the_cell_wrong(wrong: Cell) -> None:
    assert not wrong.is_right(NOT_FOUND)


def test_where_nothing_is_to_be_seen_silence_is_right() -> None:
    silent = Cell(UNTOUCHED.name, "ocf:ocfkit:http")
    assert silent.is_right(UNTOUCHED)
    assert not replace(silent, seconds=5.0, code=7, reaction="down").is_right(UNTOUCHED)


def test_a_cell_that_was_not_measured_says_why() -> None:
    cell = replace(RIGHT, unmeasured="it did not start: start gave 5")
    (line,) = [each for each in faults.measured_lines("web", [cell]) if "404" in each]
    assert "not measured: it did not start: start gave 5" in line
    assert "✓" not in line


def test_a_stop_that_leaves_something_is_told() -> None:
    cell = replace(RIGHT, left=["srv01: process nginx: worker process"], stop_code=1)
    assert faults.told(cell) == "1 after 5 s, restarted; stop gave 1; 1 left"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.key)
def test_it_is_said_what_is_right_for_each_fault(fault: Fault) -> None:
    right = fault.right
    re.compile(right.says)
    assert right.codes
    assert right.reactions
    assert right.told
    assert right.why.endswith(".")
    assert fault.inject or fault.unmount


LOG = """\
Nov 25 21:40:45.483 srv01 pacemaker-controld  [26] (log) \tnotice: Result of monitor operation \
for lab on srv01: ok | CIB update 78, graph action unconfirmed; call=51 \
key=lab_monitor_5000 rc=0
Nov 25 21:40:50.667 srv01 pacemaker-controld  [26] (log) \tinfo: Result of monitor \
operation for lab on srv01: Cancelled | graph action confirmed; call=51 key=lab_monitor_5000
Nov 25 21:40:51.835 srv01 pacemaker-controld  [26] (log) \tnotice: Result of start \
operation for lab on srv01: not configured (Cannot parse (it) | well) | CIB update 83, graph \
action confirmed; call=54 key=lab_start_0 rc=6
Nov 25 21:41:01.001 srv01 pacemaker-controld  [26] (log) \terror: Result of monitor \
operation for lab on srv01: Timed Out (Resource agent did not complete within 10s) | call=60 \
key=lab_monitor_5000 timeout=10000ms
Nov 25 21:41:02.001 srv01 pacemaker-controld  [26] (te_update_diff) \tinfo: something else
"""


def test_answers_of_agents_are_read_from_the_log() -> None:
    seen = [(each.name, each.interval, each.code, each.reason) for each in operations(LOG)]
    assert seen == [
        ("monitor", 5000, 0, ""),
        ("start", 0, 6, "Cannot parse (it) | well"),
        ("monitor", 5000, 1, "Resource agent did not complete within 10s"),
    ]


def test_each_agent_meets_each_fault_of_its_kind() -> None:
    for subject in SUBJECTS:
        met = [fault for asked, fault in faults.quests([], []) if asked == subject]
        assert met == [fault for fault in FAULTS if fault.about == subject.about]
