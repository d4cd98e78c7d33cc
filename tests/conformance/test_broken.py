"""Each agent with a fault is caught by the rule that is meant for it, and the good one by none."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from lsbcheck.sandbox.namespace import NamespaceBackend
from ocfkit.conformance import agent_file
from ocfkit.conformance.check import Report, check
from ocfkit.conformance.rules import RULES, by_id
from ocfkit.conformance.visit import Traveller
from tests.conformance.broken import BROKEN, GOOD, KNOWN, Broken, Language, make

SECONDS = 6.0
"""For each call; the good agent needs less than one, and a stop that is made to fail all of it."""

AT_A_TIME = 6
"""They wait most of their time."""

NO_FAULT = {
    "start-succeeds": "whether the agent or its parameters are wrong cannot be told",
    "schemas-accept-the-meta-data": "needs schemas of other people: tests/services",
}
"""Rules that no agent here breaks, and why."""


@pytest.fixture(scope="module")
def backend() -> Generator[NamespaceBackend]:
    with NamespaceBackend() as made:
        yield made


def traveller(agent: Path, backend: NamespaceBackend) -> Traveller:
    return Traveller(
        agent_file.at(str(agent)),
        backend,
        parameters={"name": "foo"},
        second={"name": "bar", "port": "7100"},
        most=SECONDS,
    )


@pytest.fixture(scope="module")
def checks(
    request: pytest.FixtureRequest,
    backend: NamespaceBackend,
    folder: Path,
) -> Generator[dict[str, Future[Report]]]:
    """A check of each broken agent that a test is going to ask for, under way."""
    asked = {item.name for item in request.session.items}
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield {
            each.name: pool.submit(checked, each, folder / str(number), backend)
            for number, each in enumerate(BROKEN)
            if f"test_is_caught[{each.name}]" in asked
        }


@pytest.fixture(scope="module")
def folder() -> Generator[Path]:
    """Where agents are put: the user nobody gets there, and not into a folder of pytest's."""
    with tempfile.TemporaryDirectory(prefix="ocfkit-broken-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def checked(broken: Broken, folder: Path, backend: NamespaceBackend) -> Report:
    agent = make(broken.language, broken.text(), folder)
    return check(traveller(agent, backend), (by_id(broken.rule),), jobs=2)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_is_caught(broken: Broken, checks: dict[str, Future[Report]]) -> None:
    judged = checks[broken.name].result().judgements[broken.rule]
    assert judged.verdict == "fail", judged.sentence


def test_an_action_that_hangs_twice_is_not_asked_again(
    backend: NamespaceBackend, folder: Path
) -> None:
    blocks = next(each for each in KNOWN if each.name == "monitor blocks")
    agent = make(blocks.language, blocks.text(), folder / "blocks")
    hasty = replace(traveller(agent, backend), most=1.0)
    seen = check(hasty, (by_id(blocks.rule),)).transcript["cycle"]
    assert [call.outcome for call in seen.of("monitor")].count("no-answer") == 2
    assert seen.unreached == "monitor gave no answer 2 times"


@pytest.fixture(scope="module")
def good(backend: NamespaceBackend, folder: Path) -> Generator[dict[Language, Future[Report]]]:
    """A check of the good agent in each language, under way."""
    with ThreadPoolExecutor(len(GOOD)) as pool:
        agents = {each: make(each, GOOD[each].read_text(), folder / each) for each in GOOD}
        yield {each: pool.submit(check, traveller(agents[each], backend), jobs=2) for each in GOOD}


@pytest.mark.parametrize("language", GOOD)
def test_the_good_one_breaks_no_rule(
    language: Language, good: dict[Language, Future[Report]]
) -> None:
    report = good[language].result()
    bad = {
        rule: judged.sentence
        for rule, judged in report.judgements.items()
        if judged.verdict not in ("pass", "does-not-apply") and rule not in NO_FAULT
    }
    assert not bad
    assert report.judgements["start-succeeds"].verdict == "pass"


def test_every_rule_has_an_agent_that_breaks_it() -> None:
    assert {each.rule for each in BROKEN} | NO_FAULT.keys() == {rule.id for rule in RULES}


def test_the_variants_that_ocf_tester_was_tried_with_are_among_them() -> None:
    assert len(KNOWN) == 28
    assert len({each.name for each in BROKEN}) == len(BROKEN)
