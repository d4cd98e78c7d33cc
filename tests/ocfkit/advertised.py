"""Meta-data, read back the way that the cluster's tools read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

UNITS: Final = {"us": 0.000_001, "ms": 0.001, "s": 1.0}
"""All that we write."""


@dataclass(frozen=True, slots=True)
class Text:
    """A description in its language."""

    lang: str
    text: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """What meta-data says of a parameter."""

    attributes: dict[str, str]
    long: Text
    short: Text
    content_type: str
    default: str | None
    options: Sequence[str]
    deprecated: Text | None
    replaced_with: Sequence[str]


@dataclass(frozen=True, slots=True)
class Action:
    """A row of `<actions>`, its timing in milliseconds."""

    name: str
    timeout: int
    interval: int | None = None
    depth: str | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True)
class MetaData:
    """What an agent says of itself."""

    name: str
    agent_version: str
    version: str
    long: Text
    short: Text
    parameters: dict[str, Parameter]
    actions: Sequence[Action]

    def action(self, name: str) -> Action:
        """The one row of an action."""
        (found,) = (row for row in self.actions if row.name == name)
        return found

    @property
    def action_names(self) -> list[str]:
        return [row.name for row in self.actions]


def read(xml: str) -> MetaData:
    """Read meta-data; raises what the parser or a missing element raises."""
    root = ET.fromstring(xml.encode("utf-8"))  # noqa: S314 - we have written it
    assert root.tag == "resource-agent"
    order = [child.tag for child in root]
    assert order == ["version", "longdesc", "shortdesc", "parameters", "actions"]
    parameters = [_parameter(each) for each in the(root, "parameters")]
    return MetaData(
        name=root.attrib["name"],
        agent_version=root.attrib["version"],
        version=the(root, "version").text or "",
        long=_long(root),
        short=_text(the(root, "shortdesc")),
        parameters={each.attributes["name"]: each for each in parameters},
        actions=[_action(each) for each in the(root, "actions")],
    )


def the(element: ET.Element, tag: str) -> ET.Element:
    """The one child of that name."""
    (found,) = element.findall(tag)
    return found


def seconds(text: str) -> float:
    """A duration in seconds; raises KeyError where it has no unit of ours."""
    number = text.rstrip("mus")
    return int(number) * UNITS[text[len(number) :]]


def _parameter(element: ET.Element) -> Parameter:
    assert element.tag == "parameter"
    content = the(element, "content")
    deprecated = element.find("deprecated")
    texts = [] if deprecated is None else deprecated.findall("desc")
    replacements = [] if deprecated is None else deprecated.findall("replaced-with")
    return Parameter(
        attributes=dict(element.attrib),
        long=_long(element),
        short=_text(the(element, "shortdesc")),
        content_type=content.attrib["type"],
        default=content.attrib.get("default"),
        options=[each.attrib["value"] for each in content.findall("option")],
        deprecated=_text(texts[0]) if texts else None,
        replaced_with=[each.attrib["name"] for each in replacements],
    )


def _action(element: ET.Element) -> Action:
    assert element.tag == "action"
    said = dict(element.attrib)
    interval = said.pop("interval", None)
    return Action(
        name=said.pop("name"),
        timeout=round(seconds(said.pop("timeout")) * 1000),
        interval=None if interval is None else round(seconds(interval) * 1000),
        **said,
    )


def _long(element: ET.Element) -> Text:
    """The long description, which stands on lines of its own."""
    found = _text(the(element, "longdesc"))
    assert found.text[0] == found.text[-1] == "\n"
    return Text(found.lang, found.text[1:-1])


def _text(element: ET.Element) -> Text:
    return Text(element.attrib["lang"], element.text or "")
