"""A run of many checks: what is kept, what is ended, and how long it is said to take."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.services import resumable
from tests.services.resumable import Check, CheckError, Progress

TOP = Path(__file__).resolve().parents[2]
PLENTY = 64 << 30

ANSWER = "echo ran >>$0.log; echo report >$0"
WAIT = "trap 'echo ended >>$0.log; exit 143' TERM; echo $$ >$0.pid; sleep 60 & wait"


def check(folder: Path, name: str, command: str) -> Check:
    """A command of the shell in which `$0` is the report."""
    report = folder / name
    return Check(name, ("sh", "-c", command, str(report)), report)


def run(checks: list[Check], jobs: int = 4, available: int = PLENTY) -> list[str]:
    """Run them, and return all that was told of it."""
    told: list[str] = []
    resumable.run(checks, jobs, lambda progress: told.append(str(progress)), lambda: available)
    return told


def log(one: Check) -> str:
    path = Path(f"{one.report}.log")
    return path.read_text("utf-8") if path.exists() else ""


def until(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_has_a_report_is_not_checked_again(tmp_path: Path) -> None:
    checks = [check(tmp_path, name, ANSWER) for name in ("a", "b", "c")]
    checks[1].report.write_text("of the run before")
    run(checks)
    assert [log(one) for one in checks] == ["ran\n", "", "ran\n"]
    run(checks)
    assert [log(one) for one in checks] == ["ran\n", "", "ran\n"]
    assert checks[1].report.read_text() == "of the run before"


def test_a_check_without_a_report_ends_the_run_and_the_finished_ones_stay(tmp_path: Path) -> None:
    good = check(tmp_path, "good", ANSWER)
    long = check(tmp_path, "long", WAIT)
    bad = check(
        tmp_path,
        "bad",
        f"until [ -s {long.report}.pid ] && [ -s {good.report} ]; do "
        "sleep .02; done; echo no room >&2; exit 4",
    )
    with pytest.raises(CheckError, match=r"bad: no report, exit 4\nno room"):
        run([good, long, bad])
    assert good.report.exists()
    assert log(long) == "ended\n"
    run([good])
    assert log(good) == "ran\n"


def test_an_exit_code_without_its_report_is_no_end(tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="no report, exit 0"):
        run([check(tmp_path, "silent", "exit 0")])


def test_a_report_of_what_went_wrong_is_not_kept(tmp_path: Path) -> None:
    broken = check(tmp_path, "broken", "echo >$0; exit 4")
    with pytest.raises(CheckError, match="no report, exit 4"):
        run([broken])
    assert not broken.report.exists()


def test_what_interrupts_the_run_ends_what_is_under_way(tmp_path: Path) -> None:
    checks = [check(tmp_path, name, WAIT) for name in ("a", "b")]

    def interrupt(_: Progress) -> None:
        if all(Path(f"{one.report}.pid").exists() for one in checks):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resumable.run(checks, 2, interrupt, lambda: PLENTY)
    assert [log(one) for one in checks] == ["ended\n", "ended\n"]


DRIVER = """
import sys
from pathlib import Path
from tests.services import resumable
from tests.services.resumable import Check
report = Path(sys.argv[1])
resumable.run([Check("one", ("sh", "-c", sys.argv[2], str(report)), report)], 1, lambda _: None)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_signal_to_all_of_the_terminal_reaches_a_check_once(
    tmp_path: Path, number: signal.Signals
) -> None:
    """SIGINT as a terminal sends it, to the group; SIGKILL to the run alone."""
    report = tmp_path / "report"
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(report), WAIT],
        cwd=TOP,
        process_group=0,
        stderr=subprocess.DEVNULL,
    )
    try:
        pid = tmp_path / "report.pid"
        until(lambda: (pid.exists() and pid.read_text()) or driver.poll() is not None)
        under_way = int(pid.read_text())
        assert is_alive(under_way)
        if number == signal.SIGINT:
            os.killpg(driver.pid, number)
        else:
            driver.kill()
        driver.wait(10)
        until(lambda: not is_alive(under_way))
    finally:
        driver.kill()
        driver.wait()
    assert (tmp_path / "report.log").read_text() == "ended\n"
    assert not report.exists()


@pytest.mark.parametrize(
    ("jobs", "available", "most"), [(3, PLENTY, 3), (1, PLENTY, 1), (3, resumable.ROOM, 1)]
)
def test_as_many_are_under_way_as_are_asked_for_and_have_room(
    tmp_path: Path, jobs: int, available: int, most: int
) -> None:
    seen = 0

    def look(progress: Progress) -> None:
        nonlocal seen
        seen = max(seen, len(progress.ages))

    checks = [check(tmp_path, str(number), "sleep .1; echo >$0") for number in range(5)]
    resumable.run(checks, jobs, look, lambda: available)
    assert seen == most


def test_the_time_left_is_unknown_until_a_check_has_ended() -> None:
    progress = Progress(kept=2, waiting=8, jobs=2, ages={"x": 5.0, "y": 2.0})
    assert progress.left is None
    assert str(progress) == "2 of 12 done, 2 under way (x y …)"


def test_the_time_left_is_that_of_a_check_for_each_that_is_left() -> None:
    progress = Progress(kept=0, waiting=7, jobs=2, ended=3, spent=24.0, ages={"slow": 6.0})
    assert progress.left == pytest.approx((24 + 6) / 3 * 8 / 2)
    assert str(progress) == "3 of 11 done, about 40 s left, 1 under way (slow …)"


def test_long_times_are_told_in_minutes() -> None:
    progress = Progress(kept=0, waiting=100, jobs=1, ended=1, spent=60.0)
    assert "about 100 min left" in str(progress)


def test_the_memory_of_this_machine_can_be_read() -> None:
    assert 1 << 20 < resumable.memory_available() < 1 << 50
