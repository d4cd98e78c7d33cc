"""Join the sandbox and the rules: an agent in, a report out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from lsbcheck.transcript import Service
from ocfkit.conformance import canaries
from ocfkit.conformance.description import Description, DescriptionError, parse
from ocfkit.conformance.itinerary import FIRST, ROUTES, is_doubtful, travel
from ocfkit.conformance.rules import RULES, Judgement, Rule
from ocfkit.conformance.schemas import complaints
from ocfkit.conformance.transcript import Scenario, ScenarioName, Transcript
from ocfkit.conformance.visit import Traveller


@dataclass(frozen=True, slots=True)
class Report:
    """One agent, what it was seen to do, and what the rules say of it."""

    transcript: Transcript
    judgements: Mapping[str, Judgement]
    notes: tuple[str, ...] = field(default=())
    """What the sandbox could not do."""


def check(
    traveller: Traveller,
    rules: Iterable[Rule] = RULES,
    jobs: int | None = None,
    on_progress: Callable[[ScenarioName], None] = lambda _: None,
) -> Report:
    """Make the scenarios that the rules read, and judge; raises SandboxUnavailable.

    `on_progress` hears of every scenario that begins, in any thread. What interrupts the wait is
    raised; the backend must then be closed for the scenarios under way to end.
    """
    chosen = tuple(rules)
    transcript = _transcript(traveller, chosen, jobs or os.cpu_count() or 1, on_progress)
    judgements = {rule.id: rule.judge(transcript) for rule in chosen}
    return Report(transcript, judgements, tuple(traveller.backend.notes))


def _transcript(
    traveller: Traveller,
    rules: tuple[Rule, ...],
    jobs: int,
    on_progress: Callable[[ScenarioName], None],
) -> Transcript:
    made: dict[str, Scenario] = {}
    service: Service | None = None
    description: Description | None = None
    why = ""
    schemas: Mapping[str, str] = {}
    for name in FIRST:
        on_progress(name)
        made[name], found = travel(name, traveller)
        service = found or service
        if name == "meta-data":
            description, why = _described(made[name])
            if description is not None:
                schemas = complaints(traveller, made[name].calls[0].stdout)
            traveller = replace(traveller, description=description)
    traveller = replace(traveller, service=service)
    secrets = canaries.of(description, traveller.parameters)
    wanted = {name for rule in rules for name in rule.needs} - set(FIRST)

    def make(name: ScenarioName) -> Scenario:
        on_progress(name)
        given = {**traveller.parameters, **secrets} if name == "secrets" else traveller.parameters
        return travel(name, replace(traveller, parameters=given))[0]

    names: list[ScenarioName] = [name for name in ROUTES if name in wanted]
    pool = ThreadPoolExecutor(jobs, "scenario")
    try:
        made |= zip(names, pool.map(make, names), strict=True)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    for name in names:  # alone now: what else runs is not ours
        if is_doubtful(made[name]):
            made[name] = make(name)
    return Transcript(
        agent=traveller.agent.shown_as,
        name=traveller.agent.name,
        description=description,
        why_no_description=why,
        parameters=traveller.parameters,
        secrets=secrets,
        service=service,
        schemas=schemas,
        scenarios=made,
    )


def _described(scenario: Scenario) -> tuple[Description | None, str]:
    if scenario.error or not scenario.calls:
        return None, scenario.error or scenario.unreached
    call = scenario.calls[0]
    if not call.succeeded:
        return None, f"meta-data ended with {call.answer}"
    try:
        return parse(call.stdout), ""
    except DescriptionError as error:
        return None, str(error)
