"""What a cluster says of itself, as `crm_mon --output-as=xml` has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET

ASK = ["crm_mon", "--one-shot", "--output-as=xml", "--inactive", "--operations"]
"""The command whose output is parsed here."""


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node, as the cluster sees it."""

    name: str
    online: bool
    standby: bool
    unclean: bool
    pending: bool
    maintenance: bool
    is_dc: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """An operation whose failure is on record."""

    resource: str
    operation: str
    interval: int
    """Milliseconds; 0 for what happens once."""
    node: str
    code: int
    reason: str
    """The exit reason that the agent gave."""
    status: str
    """What became of the operation: complete, Timed Out…"""


@dataclass(frozen=True, slots=True)
class ResourceState:
    """A resource (an instance of it, if it is cloned), as the cluster sees it."""

    name: str
    agent: str
    state: str
    """Started, Stopped, Starting, Promoted…"""
    nodes: tuple[str, ...]
    failed: bool
    blocked: bool
    managed: bool
    failures: tuple[Failure, ...]

    @property
    def node(self) -> str:
        """Where it runs; "" if it does not."""
        return self.nodes[0] if self.nodes else ""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation that is on record; the cluster keeps the last of each kind on each node."""

    node: str
    resource: str
    task: str
    interval: int
    call: int
    code: int
    changed: str
    """When its result last changed, in words."""
    took: int
    """Milliseconds."""


@dataclass(frozen=True, slots=True)
class Fencing:
    """A fencing that is on record."""

    action: str
    target: str
    status: str
    """success, pending, failed."""


@dataclass(frozen=True, slots=True)
class Status:
    """All of it at one moment."""

    quorum: bool
    dc: str
    nodes: Mapping[str, NodeState]
    resources: Mapping[str, ResourceState]
    """The first one of a name; of clones see `instances`."""
    instances: tuple[ResourceState, ...]
    failures: tuple[Failure, ...]
    operations: tuple[Operation, ...]
    fencings: tuple[Fencing, ...]

    @property
    def online(self) -> set[str]:
        """The nodes that take part, in standby or not."""
        return {
            node.name
            for node in self.nodes.values()
            if node.online and not node.unclean and not node.pending
        }

    def fenced(self, node: str) -> int:
        """How often it was fenced successfully."""
        return sum(each.target == node and each.status == "success" for each in self.fencings)


def parse(text: str) -> Status:
    """Raises ValueError for what is no answer of a cluster."""
    try:
        top = ET.fromstring(text)  # noqa: S314 - our own cluster's
    except ET.ParseError as error:
        raise ValueError(f"not the XML of crm_mon: {text[:200]!r}") from error
    summary = top.find("summary")
    if summary is None:
        raise ValueError(f"no summary in {text[:200]!r}")
    dc = summary.find("current_dc")
    failures = tuple(_failure(each) for each in top.iterfind("failures/failure"))
    instances = tuple(_resource(each, failures) for each in top.iterfind("resources//resource"))
    resources: dict[str, ResourceState] = {}
    for each in instances:
        resources.setdefault(each.name, each)
    return Status(
        quorum=dc is not None and _yes(dc, "with_quorum"),
        dc=dc.get("name", "") if dc is not None else "",
        nodes={each.get("name", ""): _node(each) for each in top.iterfind("nodes/node")},
        resources=resources,
        instances=instances,
        failures=failures,
        operations=tuple(_operations(top)),
        fencings=tuple(
            Fencing(each.get("action", ""), each.get("target", ""), each.get("status", ""))
            for each in top.iterfind("fence_history/fence_event")
        ),
    )


def _yes(element: ET.Element, name: str) -> bool:
    return element.get(name) == "true"


def _node(element: ET.Element) -> NodeState:
    flags = ("online", "standby", "unclean", "pending", "maintenance", "is_dc")
    return NodeState(element.get("name", ""), **{each: _yes(element, each) for each in flags})


def _failure(element: ET.Element) -> Failure:
    resource, operation, interval = element.get("op_key", "__").rsplit("_", 2)
    return Failure(
        resource,
        operation,
        int(interval or 0),
        element.get("node", ""),
        int(element.get("exitcode", "-1")),
        element.get("exitreason", ""),
        element.get("status", ""),
    )


def _resource(element: ET.Element, failures: tuple[Failure, ...]) -> ResourceState:
    name = element.get("id", "")
    return ResourceState(
        name,
        element.get("resource_agent", ""),
        element.get("role", ""),
        tuple(each.get("name", "") for each in element.iterfind("node")),
        failed=_yes(element, "failed"),
        blocked=_yes(element, "blocked"),
        managed=_yes(element, "managed"),
        failures=tuple(each for each in failures if each.resource == name),
    )


def _operations(top: ET.Element) -> list[Operation]:
    return [
        Operation(
            node.get("name", ""),
            history.get("id", ""),
            each.get("task", ""),
            _milliseconds(each.get("interval", "0")),
            int(each.get("call", "-1")),
            int(each.get("rc", "-1")),
            each.get("last-rc-change", ""),
            _milliseconds(each.get("exec-time", "0")),
        )
        for node in top.iterfind("node_history/node")
        for history in node.iterfind("resource_history")
        for each in history.iterfind("operation_history")
    ]


def _milliseconds(text: str) -> int:
    return int(text.removesuffix("ms") or 0)
