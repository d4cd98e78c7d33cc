"""Meta-data as a record: what an agent says of itself (OCF Resource Agent API, "Meta-data").

Reads what any tool would still understand, and no more: what is wrong with it is for the rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree as ET

from ocfkit import durations

_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

_DIGITS = 9
"""Of a depth: with enough of them Python refuses to read a number."""


class DescriptionError(Exception):
    """It is no meta-data; its text is one sentence."""


@dataclass(frozen=True, slots=True)
class Text:
    """A longdesc or shortdesc."""

    of: str
    """`the agent`, or `parameter NAME`."""
    element: str
    lang: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A `<parameter>`, with its attributes as they were written."""

    name: str
    type: str = "string"
    default: str | None = None
    required: bool = False
    unique: bool = False
    """By `unique` or by `unique-group`."""
    options: tuple[str, ...] = ()
    """Of a select."""
    deprecated: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """An `<action>`, with its attributes as they were written."""

    name: str
    timeout: str | None = None
    interval: str | None = None
    depth: str | None = None
    role: str | None = None
    start_delay: str | None = None

    @property
    def seconds(self) -> float | None:
        """Its timeout; None where there is none, or none that can be read."""
        try:
            return None if self.timeout is None else durations.seconds(self.timeout)
        except ValueError:
            return None

    @property
    def level(self) -> int:
        """Of a monitor: OCF_CHECK_LEVEL, 0 where that cannot be read."""
        depth = self.depth or ""
        return int(depth) if depth.isdecimal() and len(depth) <= _DIGITS else 0


@dataclass(frozen=True, slots=True)
class Description:
    """All of it."""

    name: str
    version: str | None
    """The agent's own."""
    api: str | None
    """The version of the OCF Resource Agent API that it speaks: the element `<version>`."""
    parameters: tuple[Parameter, ...] = ()
    actions: tuple[Action, ...] = ()
    texts: tuple[Text, ...] = ()
    has_doctype: bool = False

    def advertises(self, action: str) -> bool:
        """Whether it lists this action."""
        return any(each.name == action for each in self.actions)

    def timeout(self, action: str, level: int = 0) -> float | None:
        """Seconds that it advises for an action: of a monitor, for its level if that is listed."""
        listed = [each for each in self.actions if each.name == action]
        exact = [each for each in listed if each.level == level]
        found = [each.seconds for each in exact or listed if each.seconds is not None]
        return max(found, default=None)

    @property
    def levels(self) -> tuple[int, ...]:
        """Of its monitors, ascending."""
        return tuple(sorted({each.level for each in self.actions if each.name == "monitor"}))


def parse(xml: str) -> Description:
    """Read meta-data; raises DescriptionError."""
    try:
        root = ET.fromstring(xml)  # noqa: S314 - expat 2.4.1 and later bounds what entities grow to
    except (ET.ParseError, UnicodeError) as error:
        raise DescriptionError(f"it is no XML: {error}") from None
    if root.tag != "resource-agent":
        raise DescriptionError(f"its root element is <{root.tag}> and not <resource-agent>")
    parameters = root.findall("parameters/parameter")
    texts = [*_texts(root, "the agent")]
    for each in parameters:
        texts += _texts(each, f"parameter {each.get('name', '')}")
    api = root.find("version")
    return Description(
        name=root.get("name", ""),
        version=root.get("version"),
        api=None if api is None else (api.text or "").strip(),
        parameters=tuple(map(_parameter, parameters)),
        actions=tuple(map(_action, root.findall("actions/action"))),
        texts=tuple(texts),
        has_doctype="<!DOCTYPE" in xml,
    )


def _texts(element: ET.Element, of: str) -> list[Text]:
    return [
        Text(of, each.tag, each.get(_LANG) or each.get("lang"), (each.text or "").strip())
        for each in element
        if each.tag in ("longdesc", "shortdesc")
    ]


def _parameter(element: ET.Element) -> Parameter:
    content = element.find("content")
    attributes = {} if content is None else content.attrib
    options = () if content is None else tuple(e.get("value", "") for e in content.iter("option"))
    return Parameter(
        name=element.get("name", ""),
        type=attributes.get("type", "string"),
        default=attributes.get("default"),
        required=_is_true(element.get("required")),
        unique=_is_true(element.get("unique")) or "unique-group" in element.attrib,
        options=options,
        deprecated=element.find("deprecated") is not None,
    )


def _action(element: ET.Element) -> Action:
    return Action(
        name=element.get("name", ""),
        timeout=element.get("timeout"),
        interval=element.get("interval"),
        depth=element.get("depth"),
        role=element.get("role"),
        start_delay=element.get("start-delay"),
    )


def _is_true(word: str | None) -> bool:
    """As Pacemaker's crm_is_true()."""
    return (word or "").strip().lower() in ("1", "y", "yes", "on", "true")
