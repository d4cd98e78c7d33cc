"""Where in its file a script does what."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsbcheck.report.places import lines_of_actions

SHELL = [
    path
    for path in (
        *sorted((Path(__file__).parent / "scripts").glob("*/init")),
        Path(__file__).parents[2] / "examples/init.d/legacy",
    )
    if path.read_text("utf-8").startswith(("#!/bin/sh", "#!/bin/bash"))
]


@pytest.mark.parametrize(
    "arm",
    [
        "start)",
        "  start)",
        "\tstart )",
        "(start)",
        '"start")',
        "'start')",
        "start|begin)",
        "begin | start) echo",
        'case "$1" in start) echo',
    ],
)
def test_an_arm_is_found_however_it_is_written(arm: str) -> None:
    assert lines_of_actions(f"#!/bin/sh\n\n{arm}\n")["actions"] == {"start": 3}


@pytest.mark.parametrize(
    "line",
    [
        "# start)",
        "#start|stop)",
        "do_start)",
        "start() {",
        "echo start)",
        "echo 'usage: start|stop)'",
        "start",
    ],
)
def test_nothing_else_is_taken_for_one(line: str) -> None:
    assert lines_of_actions(f"#!/bin/sh\n{line}\n")["actions"] == {}


def test_one_arm_may_serve_several_actions() -> None:
    found = lines_of_actions("case $1 in\nrestart|force-reload)\n;;\n*)\n;;\nesac\n")
    assert found == {"header": None, "actions": {"restart": 2, "force-reload": 2, "*": 4}}


def test_of_several_the_last_is_the_script_s_own() -> None:
    inner = "log() {\ncase $1 in\nstart) echo s ;;\nesac\n}\n"
    assert lines_of_actions(inner + "case $1 in\nstart) log start ;;\nesac")["actions"] == {
        "start": 7
    }


@pytest.mark.parametrize("path", SHELL)
def test_of_real_scripts_each_line_has_its_action(path: Path) -> None:
    lines = path.read_text("utf-8").split("\n")
    found = lines_of_actions("\n".join(lines))
    assert {"start", "stop"} <= set(found["actions"])
    for action, number in found["actions"].items():
        assert f"{action}" in lines[number - 1]
    if found["header"] is not None:
        assert "BEGIN INIT INFO" in lines[found["header"] - 1]


def test_of_two_header_blocks_the_first_counts() -> None:
    text = "#!/bin/sh\n### BEGIN INIT INFO\n### END INIT INFO\n### BEGIN INIT INFO\n"
    assert lines_of_actions(text)["header"] == 2


def test_a_script_of_one_mebibyte_is_read_at_once() -> None:
    began = time.process_time()
    for line in (" " * 1_000_000, "case " + " in" * 300_000, "(" * 1_000_000, "start|" * 150_000):
        lines_of_actions(line)
    assert time.process_time() - began < 5


@given(st.text())
@settings(deadline=None)
def test_any_text_has_lines_that_are_there(text: str) -> None:
    found = lines_of_actions(text)
    count = len(text.split("\n"))
    assert all(1 <= number <= count for number in found["actions"].values())
