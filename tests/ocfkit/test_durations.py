"""Durations as Pacemaker writes them, and nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocfkit.durations import EXAMPLES, seconds, text


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("20", 20),
        ("0", 0),
        ("20s", 20),
        ("20sec", 20),
        ("20 s", 20),
        (" 20s ", 20),
        ("500ms", 0.5),
        ("500msec", 0.5),
        ("7us", 7e-6),
        ("7usec", 7e-6),
        ("5m", 300),
        ("5min", 300),
        ("1h", 3600),
        ("1hr", 3600),
        ("1.5s", 1.5),
        ("0.25h", 900),
    ],
)
def test_reads_what_pacemaker_writes(written: str, value: float) -> None:
    assert seconds(written) == pytest.approx(value)


@pytest.mark.parametrize(
    "written",
    [
        *(
            "",
            " ",
            "s",
            "ms",
            "-5s",
            "+5s",
            "5 0s",
            "5d",
            "5S",
            "5 sec onds",
            "1e3",
            "0x10",
            "5,5s",
        ),
        *(".5s", "5.", "5.s", "1.2.3", "inf", "nan", "Infinity", "\u0665s", "²s", "5s5", "s5"),
        "9" * 400,
    ],
)
def test_reads_nothing_else(written: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(written.strip())}$"):
        seconds(written)


def test_reads_the_examples_that_it_gives() -> None:
    examples = EXAMPLES.replace(" or ", ", ").split(", ")
    assert [seconds(each) for each in examples] == [20, 0.5, 300, 3600]


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0s"), (20, "20s"), (90, "90s"), (0.5, "500ms"), (1.5, "1500ms"), (3600, "3600s")],
)
def test_writes_a_unit_that_every_tool_knows(value: float, written: str) -> None:
    assert text(value) == written


@given(st.integers(0, 10**12))
def test_reads_what_it_writes_to_the_millisecond(milliseconds: int) -> None:
    assert seconds(text(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


@given(st.text(st.sampled_from("0123456789.smhuinrec -+"), max_size=8) | st.text())
def test_whatever_it_reads_is_a_number_that_is_not_negative(written: str) -> None:
    try:
        value = seconds(written)
    except ValueError:
        return
    assert 0 <= value < float("inf")
