"""Rules on what an agent says of itself; nothing needs to run for them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from ocfkit import durations
from ocfkit.conformance.description import Description, DescriptionError, Parameter, parse
from ocfkit.conformance.rules.registry import (
    Judgement,
    asked,
    broken,
    does_not_apply,
    holds,
    not_provoked,
    require_reach,
    rule,
    said,
    undecided,
)
from ocfkit.conformance.transcript import Call, Transcript

_API = "OCF Resource Agent API 1.1, Meta-data"
_TOOLS = "pcs, crmsh and Pacemaker read it"
_BUDGET = 1.0
"""Seconds."""
_PROCESSOR = 0.5
"""Seconds of a processor; of 154 agents of Debian 12 the slowest takes 0.19."""


def _description(run: Transcript) -> Description:
    call = asked(run, "meta-data", "meta-data")
    if run.description is None:
        undecided(not_provoked(f"there is no meta-data to read: {run.why_no_description}", call))
    return run.description


@rule(
    "meta-data-is-xml",
    source=f"{_API}: the action prints the agent's meta-data as XML on standard output",
    consequence="No tool can configure the agent, and Pacemaker does not know its reload.",
)
def meta_data_is_xml(run: Transcript) -> Judgement:
    """The action meta-data says 0 and prints XML that describes an agent."""
    call = asked(run, "meta-data", "meta-data")
    if run.description is None:
        return broken(run.why_no_description, call)
    return holds(f"{len(run.description.parameters)} parameters were read", call)


@rule(
    "schemas-accept-the-meta-data",
    source="pcs validates meta-data before it uses it, as resource-agents' own checks do",
    consequence="`pcs resource create` refuses the agent.",
    profile="pacemaker",
    schemas=True,
)
def schemas_accept_the_meta_data(run: Transcript) -> Judgement:
    """The schemas of the tools accept the meta-data, each for the version that it is for."""
    described = _description(run)
    if not run.schemas:
        return not_provoked(
            "no schema and xmllint were found where the agent lies (packages pcs, resource-agents, "
            "libxml2-utils)"
        )
    remarks = tuple(f"{name}: {complaint or 'accepted'}" for name, complaint in run.schemas.items())
    ours = "pcs, OCF 1.1" if described.api == "1.1" else "pcs, OCF 1.0"
    decisive = [name for name in (ours, "Pacemaker") if name in run.schemas]
    if not decisive and described.api != "1.1":
        decisive = [name for name in ("resource-agents",) if name in run.schemas]
    refusing = [name for name in decisive if run.schemas[name]]
    call = asked(run, "meta-data", "meta-data")
    if refusing:
        return broken(f"{refusing[0]}: {run.schemas[refusing[0]]}", call, remarks=remarks)
    if not decisive:
        return not_provoked(f"none of the schemas found is for version {described.api}", call)
    return holds(f"accepted by {', '.join(decisive)}", call, remarks=remarks)


@rule(
    "name-is-the-file-name",
    source=f"{_API}: the attribute `name` is that of the agent",
    consequence="What a tool shows, and what it looks up again by that name, is another agent.",
)
def name_is_the_file_name(run: Transcript) -> Judgement:
    """The name in the meta-data is the name of the file."""
    described = _description(run)
    call = asked(run, "meta-data", "meta-data")
    if described.name != run.name:
        return broken(f"the meta-data is of {described.name!r}, the file is {run.name!r}", call)
    return holds(f"both are {run.name}")


@rule(
    "api-version-is-known",
    source=f"{_API}: the element `version` is the version of the API that the agent speaks",
    consequence=(
        "pcs takes an unknown version for 1.0, and Pacemaker ignores reload-agent below 1.1."
    ),
)
def api_version_is_known(run: Transcript) -> Judgement:
    """The meta-data says which version of the API the agent speaks: 1.0 or 1.1."""
    described = _description(run)
    call = asked(run, "meta-data", "meta-data")
    if described.api is None:
        return broken("there is no element <version>", call)
    if described.api not in ("1.0", "1.1"):
        return broken(f"<version> is {described.api!r}: is that the agent's own version?", call)
    if described.api == "1.0" and described.advertises("reload-agent"):
        return broken("reload-agent is advertised, and <version> is 1.0: it is never called", call)
    return holds(f"<version> is {described.api}")


@rule(
    "required-actions-advertised",
    source=f"{_API}: start, stop, monitor and meta-data must be supported and advertised",
    consequence="crmsh and pcs refuse an operation that is not listed, or set no timeout for it.",
)
def required_actions_advertised(run: Transcript) -> Judgement:
    """The meta-data lists start, stop, monitor and meta-data."""
    return _listed(run, ("start", "stop", "monitor", "meta-data"))


@rule(
    "validate-all-advertised",
    source="OCF Resource Agent API 1.1: validate-all is optional; pcs and crmsh call it",
    consequence="A mistake in a parameter is found by a failover instead of by the tool.",
    profile="strict",
)
def validate_all_advertised(run: Transcript) -> Judgement:
    """The meta-data lists validate-all."""
    return _listed(run, ("validate-all",))


def _listed(run: Transcript, actions: tuple[str, ...]) -> Judgement:
    described = _description(run)
    lacking = [action for action in actions if not described.advertises(action)]
    if lacking:
        call = asked(run, "meta-data", "meta-data")
        return broken(f"not listed: {', '.join(lacking)}", call)
    return holds(f"listed: {', '.join(actions)}")


@rule(
    "times-can-be-read",
    source=f"{_API}: timeout, interval and start-delay are times, as Pacemaker reads them",
    consequence="The tool that makes a resource from them refuses it, or sets no time at all.",
)
def times_can_be_read(run: Transcript) -> Judgement:
    """Every timeout, interval and start-delay is a time that Pacemaker can read."""
    times = _times(_description(run))
    wrong = [f"{what} {text!r}" for what, text in times if not _is_time(text)]
    if wrong:
        return broken(f"no time: {', '.join(wrong)}", asked(run, "meta-data", "meta-data"))
    return holds(f"{len(times)} times were read")


@rule(
    "times-have-units",
    source="resource-agents, ci/build.sh: a time without a unit is an error",
    consequence="Tools disagree on a bare number: seconds for one, milliseconds for another.",
    profile="strict",
)
def times_have_units(run: Transcript) -> Judgement:
    """Every timeout and interval has a unit."""
    bare = [
        f"{what} {text!r}"
        for what, text in _times(_description(run))
        if text.strip().isdecimal() and text.strip() != "0"
    ]
    if bare:
        return broken(f"without a unit: {', '.join(bare)}", asked(run, "meta-data", "meta-data"))
    return holds("each has a unit, or is 0")


def _times(described: Description) -> list[tuple[str, str]]:
    return [
        (f"{what} of {each.name}", text)
        for each in described.actions
        for what, text in (
            ("timeout", each.timeout),
            ("interval", each.interval),
            ("start-delay", each.start_delay),
        )
        if text is not None
    ]


def _is_time(text: str) -> bool:
    try:
        durations.seconds(text)
    except ValueError:
        return False
    return True


@rule(
    "actions-have-timeouts",
    source=f"{_API}: the attribute `timeout` of an action",
    consequence="The tools set Pacemaker's 20 s, in which the service may not come up.",
    profile="pacemaker",
)
def actions_have_timeouts(run: Transcript) -> Judgement:
    """Start, stop and monitor advise a timeout."""
    described = _description(run)
    lacking = sorted(
        {
            each.name
            for each in described.actions
            if each.name in ("start", "stop", "monitor") and each.timeout is None
        }
    )
    if lacking:
        return broken(f"no timeout: {', '.join(lacking)}", asked(run, "meta-data", "meta-data"))
    return holds("each has a timeout")


@rule(
    "parameters-differ-in-name",
    source=f"{_API}: a parameter's name is its key",
    consequence="Which of the two descriptions and defaults holds depends on the tool.",
)
def parameters_differ_in_name(run: Transcript) -> Judgement:
    """No two parameters have the same name."""
    described = _description(run)
    double = _twice(each.name for each in described.parameters)
    if double:
        call = asked(run, "meta-data", "meta-data")
        return broken(f"described more than once: {', '.join(double)}", call)
    return holds(f"{len(described.parameters)} names, all different")


@rule(
    "parameter-names-are-variables",
    source="OCF Resource Agent API 1.1, Parameter passing: OCF_RESKEY_ and the name is a variable",
    consequence="A shell agent never sees the parameter.",
)
def parameter_names_are_variables(run: Transcript) -> Judgement:
    """Every parameter's name can be part of an environment variable's."""
    described = _description(run)
    wrong = [
        each.name
        for each in described.parameters
        if not each.name.isascii() or not f"_{each.name}".isidentifier() or not each.name
    ]
    if wrong:
        call = asked(run, "meta-data", "meta-data")
        return broken(f"no name of a variable: {', '.join(map(repr, wrong))}", call)
    return holds("each can")


@rule(
    "monitors-differ-in-interval",
    source="resource-agents issue 2094: Pacemaker knows an operation by its name and interval",
    consequence="crmsh refuses the resource, or one of the two monitors is lost.",
    profile="pacemaker",
)
def monitors_differ_in_interval(run: Transcript) -> Judgement:
    """No two monitors advise the same interval."""
    described = _description(run)
    monitors = [each for each in described.actions if each.name == "monitor"]
    same = _twice(_normal(each.interval) for each in monitors if each.interval is not None)
    if same:
        call = asked(run, "meta-data", "meta-data")
        return broken(f"more than one monitor has the interval {', '.join(same)}", call)
    return holds(f"{len(monitors)} monitors")


def _normal(interval: str) -> str:
    try:
        return durations.text(durations.seconds(interval))
    except ValueError:
        return interval


def _twice(words: Iterable[str]) -> list[str]:
    return [word for word, times in Counter(words).items() if times > 1]


@rule(
    "defaults-have-their-type",
    source=f"{_API}: `content` has a type and a default",
    consequence="A tool that checks values refuses the agent's own default.",
)
def defaults_have_their_type(run: Transcript) -> Judgement:
    """Every default is a value of the type that is advertised."""
    described = _description(run)
    wrong = [
        f"{each.name}: {each.default!r} is no {each.type}"
        for each in described.parameters
        if each.default and not _has_type(each)
    ]
    if wrong:
        return broken("; ".join(wrong), asked(run, "meta-data", "meta-data"))
    return holds("each is")


_INTEGER = re.compile(r"[-+]?([0-9]+|INFINITY)")


def _has_type(parameter: Parameter) -> bool:
    value = (parameter.default or "").strip()
    match parameter.type:
        case "integer":
            return _INTEGER.fullmatch(value) is not None
        case "boolean":
            words = ("true", "false", "yes", "no", "on", "off", "1", "0", "y", "n", "t", "f")
            return value.lower() in words
        case "select":
            return value in parameter.options
        case _:
            return True


@rule(
    "required-has-no-default",
    source=f"{_API}: a required parameter must be given, a default is for one that need not be",
    consequence="An author of a configuration cannot tell whether he must set it.",
    profile="strict",
)
def required_has_no_default(run: Transcript) -> Judgement:
    """No parameter is required and has a default."""
    described = _description(run)
    both = [each.name for each in described.parameters if each.required and each.default]
    if both:
        call = asked(run, "meta-data", "meta-data")
        return broken(f"required, with a default: {', '.join(both)}", call)
    return holds("none is")


@rule(
    "texts-are-there",
    source=f"{_API}: shortdesc and longdesc of the agent and of each parameter, with a language",
    consequence="`pcs resource describe` shows nothing where the operator looks for help.",
    profile="strict",
)
def texts_are_there(run: Transcript) -> Judgement:
    """The agent and every parameter have a shortdesc and a longdesc, each with its language."""
    described = _description(run)
    told = {(each.of, each.element): each for each in described.texts}
    lacking: list[str] = []
    for of in ("the agent", *(f"parameter {each.name}" for each in described.parameters)):
        for element in ("longdesc", "shortdesc"):
            text = told.get((of, element))
            if text is None or not text.text:
                lacking.append(f"{of} has no {element}")
            elif not text.lang:
                lacking.append(f"{element} of {of} has no language")
    if lacking:
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        call = asked(run, "meta-data", "meta-data")
        return broken(f"{', '.join(lacking[:3])}{more}", call)
    return holds(f"{len(told)} texts")


_ASKERS = (
    "asked by a tool",
    "asked again",
    "asked with OCF_ROOT alone",
    "asked with OCF_OUTPUT_FORMAT=text",
    "asked in a person's environment",
    "asked by nobody",
)
"""How the calls after the first differ, in the order of the itinerary."""


@rule(
    "meta-data-is-the-same-for-all",
    source=(
        "OCF Resource Agent API 1.1, Meta-data: needs no configuration, and XML is mandatory; "
        "Pacemaker Administration, Resource Agents: meta-data must not need root"
    ),
    consequence=(
        "A tool that asks as another user, or as crm_resource does (OCF_OUTPUT_FORMAT=text), gets "
        "no agent."
    ),
)
def meta_data_is_the_same_for_all(run: Transcript) -> Judgement:
    """The meta-data does not depend on who asks, how often, and in which environment."""
    _description(run)
    first, *others = run["meta-data"].calls
    if len(others) < len(_ASKERS):
        return not_provoked(run["meta-data"].unreached or "not all were asked", *others)
    for how, call in zip(_ASKERS, others, strict=True):
        if call.is_out_of_reach:
            continue
        if not call.succeeded:
            return broken(f"{how}, {said(call)}", first, call)
        if call.stdout != first.stdout and not _differs_by_instance(first, call):
            return broken(f"{how}, it prints something else{_difference(first, call)}", first, call)
    require_reach(others)
    return holds(f"the same in {len(others) + 1} calls", first)


def _differs_by_instance(first: Call, other: Call) -> bool:
    """Whether all that is new is a default, such as a file, that is named after the instance."""
    return (
        first.instance != other.instance
        and _shape(first.stdout) == _shape(other.stdout) is not None
    )


def _shape(xml: str) -> Description | None:
    try:
        described = parse(xml)
    except DescriptionError:
        return None
    plain = (replace(each, default=None) for each in described.parameters)
    return replace(described, parameters=tuple(plain))


def _difference(first: Call, other: Call) -> str:
    for old, new in zip(first.stdout.splitlines(), other.stdout.splitlines(), strict=False):
        if old != new:
            return f": {new.strip()!r} instead of {old.strip()!r}"
    return ""


@rule(
    "meta-data-is-cheap",
    source="resource-agents issue 316: a slow meta-data blocks Pacemaker's controller",
    consequence="The controller asks in the middle of a transition, on a busy node, and waits.",
    profile="strict",
)
def meta_data_is_cheap(run: Transcript) -> Judgement:
    """The meta-data is there within a second, and takes half a second of a processor at most."""
    _description(run)
    calls = [call for call in run["meta-data"].calls if call.succeeded]
    quickest = min(calls, key=lambda call: call.seconds)
    cheapest = min(calls, key=lambda call: call.processor or 0.0)
    taken = cheapest.processor or 0.0
    sentence = f"the quickest of {len(calls)} calls took {quickest.seconds * 1000:.0f} ms"
    if cheapest.processor is not None:
        sentence = f"{sentence}, the cheapest {taken * 1000:.0f} ms of a processor"
    if quickest.seconds > _BUDGET:
        return broken(sentence, quickest)
    return (broken if taken > _PROCESSOR else holds)(sentence, cheapest)


@rule(
    "meta-data-says-nothing-else",
    source=f"{_API}: standard output is the XML; {_TOOLS}",
    consequence="Noise beside the XML is shown to the operator, or breaks the tool.",
    profile="strict",
)
def meta_data_says_nothing_else(run: Transcript) -> Judgement:
    """The action meta-data writes nothing on standard error."""
    call = asked(run, "meta-data", "meta-data")
    if call.stderr.strip():
        return broken(f"it says {call.stderr.strip().splitlines()[0]!r}", call)
    if run.description is None:
        return does_not_apply("there is no meta-data")
    return holds("standard error was empty", call)
