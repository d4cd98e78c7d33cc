"""No agent can hang the check, flood it, bend its report, or leave anything on the host."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lsbcheck.sandbox import namespace
from lsbcheck.sandbox.namespace import NamespaceBackend
from ocfkit.conformance import agent_file, visit
from ocfkit.conformance.check import Report, check
from ocfkit.conformance.rules import by_id
from ocfkit.conformance.visit import Traveller
from tests.conformance.hostile import DAEMON, ENDLESS, HOSTILE, LIAR, Hostile, python, rules
from tests.conformance.ours import SCHEMAS
from tests.namespace.image import HostImage
from tests.namespace.quiet import TMP, QuietHost, front_of, wait_for

AT_MOST = 50.0
"""Seconds for each; those that need most wait for an answer that never comes."""

AT_A_TIME = 4
TREES = ("/dev", "/etc", "/usr/local")
LARGEST = 2_000_000
"""Bytes of a report, whatever the agent did."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the command ended."""

    code: int
    out: str
    err: str
    seconds: float


@pytest.fixture(scope="module")
def host() -> Generator[QuietHost]:
    with QuietHost() as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def before(host: QuietHost) -> HostImage:
    return host.image(TREES)


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, host: QuietHost, before: HostImage
) -> Generator[dict[str, Future[Ended]]]:
    """The check of each agent that a test is going to ask for, under way."""
    del before  # it is taken first
    asked = {item.name for item in request.session.items}
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield {
            each.name: pool.submit(run, host, each)
            for each in HOSTILE
            if any(name.endswith(f"[{each.name}]") for name in asked)
        }


def run(host: QuietHost, hostile: Hostile, *options: str) -> Ended:
    path = f"{TMP}/{hostile.file}"
    host.put(path, hostile.text())
    began = time.monotonic()
    words = options or ("--format", "json")
    child = host.program("ocfkit", "check", path, *hostile.options, *words)
    out, err = child.communicate(timeout=AT_MOST)
    return Ended(child.returncode, out.decode(), err.decode(), time.monotonic() - began)


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
def test_gets_a_verdict_in_time(hostile: Hostile, runs: dict[str, Future[Ended]]) -> None:
    ended = runs[hostile.name].result()
    print(f"{ended.seconds:.1f} s, {len(ended.out)} bytes")
    assert "Traceback" not in ended.err + ended.out
    assert ended.code == hostile.exits, ended.err + told(ended.out)
    assert len(ended.out) < LARGEST
    judged: dict[str, Any] = {each["id"]: each for each in json.loads(ended.out)["rules"]}
    seen = {rule: judged[rule]["verdict"] for rule in hostile.verdicts}
    assert seen == hostile.verdicts, told(ended.out)
    assert hostile.says in ended.out, told(ended.out)


@pytest.mark.parametrize(
    "hostile",
    [each for each in HOSTILE if "--agent-timeout" in each.options],
    ids=lambda each: each.name,
)
def test_says_of_each_rule_that_there_was_no_time(
    hostile: Hostile, runs: dict[str, Future[Ended]]
) -> None:
    rules = json.loads(runs[hostile.name].result().out)["rules"]
    late = [each for each in rules if each["verdict"] == "not-provoked" and each["id"] != SCHEMAS]
    assert {each["sentence"] for each in late} == {hostile.says}


def told(report: str) -> str:
    rules: list[dict[str, str]] = json.loads(report)["rules"] if report else []
    return "\n".join(f"{each['verdict']} {each['id']}: {each['sentence']}" for each in rules)


# --- what is written ------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["text", "json", "junit", "html"])
def test_what_an_agent_says_is_never_a_line_or_a_colour_of_the_report(
    host: QuietHost, format: str
) -> None:
    ended = run(host, LIAR, "--format", format)
    assert ended.code == 1, ended.err
    assert "monitor-when-stopped" in ended.out
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", ended.out)
    assert not re.search(r"^\s*::|##\[", ended.out, re.MULTILINE)
    if format != "html":  # where it stands in a frame
        assert not re.search(r"^\s*liar: passes", ended.out, re.MULTILINE)


def test_a_reader_that_goes_away_ends_the_command_in_good_order(host: QuietHost) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    host.put(f"{TMP}/quiet", Hostile("quiet", 0).text())
    with open(write_end, "wb", buffering=0) as closed:
        child = host.program("ocfkit", "check", f"{TMP}/quiet", *QUICK, stdout=closed)
    err = child.communicate(timeout=AT_MOST)[1].decode()
    assert (child.returncode, err) == (141, "")


@pytest.mark.parametrize(("options", "code"), [("ro", 2), ("size=4096", 3)])
def test_a_report_that_cannot_be_written_is_told_and_is_not_half_written(
    host: QuietHost, options: str, code: int
) -> None:
    host.put(f"{TMP}/quiet", Hostile("quiet", 0).text())
    host.call(["mount", "-t", "tmpfs", "-o", options, "tmpfs", "/mnt"])
    if code == 3:
        host.call(["sh", "-c", "cat /dev/zero >/mnt/full"])
    try:
        words = ("--format", "json", "-o", "/mnt/report")
        child = host.program("ocfkit", "check", f"{TMP}/quiet", *QUICK, *words)
        out, err = child.communicate(timeout=AT_MOST)
        assert (child.returncode, out) == (code, b""), err
        assert re.fullmatch(rb"ocfkit: [^\n]*(read-only|No space)[^\n]*\n", err)
        assert "report" not in host.call(["ls", "-A", "/mnt"])
    finally:
        host.call(["umount", "/mnt"])


QUICK = rules("stop-when-stopped")


def left(before: HostImage, now: HostImage) -> list[str]:
    """How the host differs; control groups and settings of the kernel are other tests' as well."""
    lines = before.difference(now, ignoring=("sysctls",))
    return [line for line in lines if not line.startswith("cgroups:") or "/lsbcheck-" in line]


def assert_untouched(host: QuietHost, before: HostImage) -> None:
    until = time.monotonic() + 2.0
    while found := left(before, host.image(())):
        assert time.monotonic() < until, "\n".join(found)


# --- the end --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)],
)
def test_an_interrupt_ends_everything_within_two_seconds(number: signal.Signals, code: int) -> None:
    with QuietHost() as host:
        host.put(f"{TMP}/endless", ENDLESS.text())
        before = host.image(())
        child = host.program("ocfkit", "check", f"{TMP}/endless", *ENDLESS.options)
        wait_for(lambda: host.named(DAEMON), 20.0)
        os.kill(front_of(child), number)
        assert_untouched(host, before)
        out, err = child.communicate(timeout=2.0)
        assert out == b""
        if number != signal.SIGKILL:
            assert (child.returncode, err) == (code, b"ocfkit: interrupted\n")


def test_an_interrupt_while_many_scenarios_are_under_way_leaves_nothing() -> None:
    slow = Hostile("slow", 0, monitor=f"pgrep -f '^{DAEMON}' >/dev/null || exit 7", stop="sleep 1")
    with QuietHost() as host:
        host.put(f"{TMP}/slow", slow.text())
        before = host.image(())
        child = host.program("ocfkit", "check", f"{TMP}/slow", "--jobs", "8")
        wait_for(lambda: len(host.named(DAEMON)) > 4, 30.0)
        os.kill(front_of(child), signal.SIGINT)
        os.kill(front_of(child), signal.SIGINT)
        assert_untouched(host, before)
        err = child.communicate(timeout=2.0)[1]
        assert (child.returncode, err) == (130, b"ocfkit: interrupted\n")


# --- what takes too long, or too much, with the limits of a test ----------------------------------


def checked(tmp_path: Path, hostile: Hostile, *ids: str, prepare: str | None = None) -> Report:
    file = tmp_path / hostile.file
    file.write_text(hostile.text())
    file.chmod(0o755)
    with NamespaceBackend() as backend:
        lacking = [note for note in backend.notes if "not limited" in note]
        if lacking:
            pytest.skip(lacking[0])
        traveller = Traveller(agent_file.at(str(file)), backend, most=20.0, prepare=prepare)
        return check(traveller, [by_id(each) for each in ids])


@pytest.mark.parametrize(
    ("taken", "start", "sentence"),
    [
        (
            "memory",
            python("found = []\nwhile True: found.append(bytearray(1 << 22))"),
            "to free memory",
        ),
        ("disk", "cat /dev/zero >/var/lib/full; exit 1", "its disk was full"),
    ],
)
def test_an_agent_that_takes_all_there_is_gets_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: str, start: str, sentence: str
) -> None:
    monkeypatch.setattr(namespace, "_available_memory", lambda: 1 << 29)
    judged = checked(tmp_path, Hostile(taken, 3, start=start), "start-succeeds").judgements
    assert judged["start-succeeds"].verdict == "error"
    assert sentence in judged["start-succeeds"].sentence


def test_a_service_that_somebody_else_brings_back_cannot_be_seen_to_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visit, "PATIENCE", 1.0)
    monkeypatch.setattr(visit, "_SETTLE_AT_MOST", 1.0)
    keeper = f"while :; do [ ! -e /run/wanted ] || {DAEMON}; sleep 0.01; done"
    agent = Hostile(
        "comes back",
        3,
        start=f": >/run/wanted; until pgrep -f '^{DAEMON}'; do sleep 0.01; done",
        stop=f"rm -f /run/wanted; pkill -f '^{DAEMON}'; exit 0",
    )
    prepare = f"setsid sh -c '{keeper}' >/dev/null 2>&1 &"
    judged = checked(tmp_path, agent, "monitor-after-crash", prepare=prepare).judgements
    assert judged["monitor-after-crash"].verdict == "not-provoked"
    assert "was there again before the monitor" in judged["monitor-after-crash"].sentence


# --- last, when all of them have ended ------------------------------------------------------------


def test_none_of_them_has_left_anything_on_the_host(
    host: QuietHost, before: HostImage, runs: dict[str, Future[Ended]]
) -> None:
    for each in runs.values():
        each.result()
    ours = {f"{TMP}/{each.file}" for each in (*HOSTILE, LIAR)} | {f"{TMP}/quiet"}
    host.call(["rm", "-f", *ours])
    assert host.named(DAEMON) == []
    assert left(before, host.image(TREES)) == []
