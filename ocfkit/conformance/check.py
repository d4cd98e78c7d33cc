"""Join the sandbox and the rules: an agent in, a report out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import repeat

from lsbcheck.sandbox.interface import SandboxLost
from lsbcheck.transcript import Service
from ocfkit.catalogue import nearest
from ocfkit.conformance import canaries
from ocfkit.conformance.description import Description, DescriptionError, parse
from ocfkit.conformance.itinerary import ROUTES, is_doubtful, travel
from ocfkit.conformance.rules import RULES, Judgement, Rule
from ocfkit.conformance.schemas import complaints
from ocfkit.conformance.transcript import Scenario, ScenarioName, Transcript
from ocfkit.conformance.visit import Traveller

_MOST_META_DATA = 1 << 16
"""Bytes of an output that a sandbox keeps."""

_AT_A_TIME = 4
"""Scenarios for a processor: each waits most of its time, until processes are quiet."""

_OF_NO_AGENT = ("CRM_meta_", "crm_", "trace_")
"""Fronts of parameters that the cluster, or the shell library of resource-agents, has for all."""


class UnknownParameterError(Exception):
    """The agent has no such parameter; its text is one sentence."""


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
    """Make the scenarios that the rules read, and judge.

    Raises SandboxUnavailable, and UnknownParameterError. `on_progress` hears of every scenario
    that begins, in any thread. What interrupts the wait is raised; the backend must then be closed
    for the scenarios under way to end.
    """
    chosen = tuple(rules)
    at_a_time = jobs or _AT_A_TIME * (os.cpu_count() or 1)
    transcript = _transcript(traveller, chosen, at_a_time, on_progress)
    judgements = {rule.id: rule.judge(transcript) for rule in chosen}
    return Report(transcript, judgements, tuple(traveller.backend.notes))


def _transcript(
    traveller: Traveller,
    rules: tuple[Rule, ...],
    jobs: int,
    on_progress: Callable[[ScenarioName], None],
) -> Transcript:
    on_progress("meta-data")
    first = _readable(_alone("meta-data", traveller)[0])
    description, why = _described(first)
    schemas: Mapping[str, str] = {}
    if any(rule.schemas for rule in rules):
        first, schemas = _judged_by_schemas(traveller, first, description)
    _require_known(traveller, description)
    traveller = replace(traveller, description=description)
    service: Service | None = None
    if _is_spoilt(first):
        cycle = Scenario("cycle", error=first.error)
    elif all(rule.is_static for rule in rules):
        cycle = Scenario("cycle", unreached="no rule asks for it")
    else:
        on_progress("cycle")
        cycle, service = _alone("cycle", traveller)
    traveller = replace(traveller, service=service)
    secrets = canaries.of(description, traveller.parameters, traveller.hidden)
    wanted = {name for rule in rules for name in rule.needs}
    names: list[ScenarioName] = [name for name in ROUTES if name in wanted - {"meta-data", "cycle"}]

    def make(name: ScenarioName, patience: int) -> Scenario:
        if _is_spoilt(first):
            return Scenario(name, error=first.error)
        if cycle.error:  # and every other scenario is judged by what the first cycle showed
            return Scenario(name, error=f"in the first cycle: {cycle.error}")
        if cycle.out_of_time:
            return Scenario(name, unreached=cycle.unreached, out_of_time=True)
        if cycle.unreached:
            return Scenario(name, unreached=f"the first cycle ended early: {cycle.unreached}")
        on_progress(name)
        given = {**traveller.parameters, **secrets} if name == "secrets" else traveller.parameters
        return travel(name, replace(traveller, parameters=given, patience=patience))[0]

    return Transcript(
        agent=traveller.agent.shown_as,
        name=traveller.agent.name,
        description=description,
        why_no_description=why,
        parameters=traveller.parameters,
        secrets=secrets,
        hidden=traveller.hidden,
        service=service,
        schemas=schemas,
        scenarios={"meta-data": first, "cycle": cycle, **_made(names, make, jobs)},
    )


def _alone(name: ScenarioName, traveller: Traveller) -> tuple[Scenario, Service | None]:
    """A scenario while no other is under way; where that is doubtful, again with twice the time."""
    scenario, service = travel(name, traveller)
    if is_doubtful(scenario):
        return travel(name, replace(traveller, patience=2))
    return scenario, service


def _made(
    names: list[ScenarioName], make: Callable[[ScenarioName, int], Scenario], jobs: int
) -> dict[str, Scenario]:
    """All of them, so many at a time; what is doubtful again, alone and with twice the time."""
    pool = ThreadPoolExecutor(jobs, "scenario")
    try:
        made: dict[str, Scenario] = dict(zip(names, pool.map(make, names, repeat(1)), strict=True))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return made | {name: make(name, 2) for name in names if is_doubtful(made[name])}


def _is_spoilt(first: Scenario) -> bool:
    """Whether the first machine failed before any call (--prepare …), as the others would."""
    return bool(first.error) and not first.calls


def _readable(first: Scenario) -> Scenario:
    """An error of ours where the meta-data is more than is read."""
    said = first.calls[0].stdout if first.calls and first.calls[0].succeeded else ""
    if len(said.encode(errors="replace")) >= _MOST_META_DATA:
        why = f"the meta-data has {_MOST_META_DATA >> 10} KiB or more, and the check reads less"
    elif "<!ENTITY" in said:
        why = "the meta-data declares entities, and the check expands none of an agent's own"
    else:
        return first
    return replace(first, error=first.error or why)


def _described(first: Scenario) -> tuple[Description | None, str]:
    if first.error or not first.calls:
        return None, first.error or first.unreached
    call = first.calls[0]
    if not call.succeeded:
        return None, f"meta-data ended with {call.answer}"
    try:
        return parse(call.stdout), ""
    except DescriptionError as error:
        return None, str(error)


def _judged_by_schemas(
    traveller: Traveller, first: Scenario, description: Description | None
) -> tuple[Scenario, Mapping[str, str]]:
    if description is None:
        return first, {}
    try:
        return first, complaints(traveller, first.calls[0].stdout)
    except (SandboxLost, OSError) as failure:
        return replace(first, error=f"the schemas were not asked: {failure}"), {}


def _require_known(traveller: Traveller, description: Description | None) -> None:
    """A misspelt parameter would leave the right one at its default, and prove nothing."""
    if description is None:
        return
    known = [each.name for each in description.parameters]
    for name in (*traveller.parameters, *traveller.second):
        if name not in known and not name.startswith(_OF_NO_AGENT):
            near = nearest(name, known)
            listed = ", ".join(known) or "no parameter at all"
            hint = f"did you mean {near}?" if near else f"it lists {listed}"
            raise UnknownParameterError(
                f"the meta-data of {traveller.agent.name} has no parameter {name!r}; {hint}"
            )
