"""An agent as OCF's meta-data; pure. One declaration, two profiles.

The XML is written by hand: importing a library for it costs more than an agent's whole run. The
order of elements and all spellings are those that every known consumer takes (OCF 1.0 and 1.1,
Pacemaker, pcs, crmsh, resource-agents, ocf-tester).
"""

from __future__ import annotations

from ocfkit.advice import Advice, actions
from ocfkit.durations import text as written

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from ocfkit.agent import Agent
    from ocfkit.params import AnyParam

    Profile = Literal["1.1", "1.0"]

PROFILES: tuple[Profile, ...] = ("1.1", "1.0")

_ONLY_1_1 = ("reload-agent", "reload")
"""Actions that 1.0 does not advertise: ocf-tester's DTD refuses the one, and the other had another
meaning then. Where a 1.0 agent has it, Pacemaker calls it instead of a restart when a parameter has
been changed that is not unique (daemons/controld/controld_metadata.c, ra_supports_legacy_reload).
"""

DEBUG = "debug"
"""The parameter that every agent has, and that is advertised where there is no other: three of the
schemas want at least one.
"""


def metadata(cls: type[Agent], name: str, profile: Profile = "1.1") -> str:
    """The meta-data of an agent that the cluster knows by this name.

    "1.1" says all that is declared. "1.0" is for tools that validate against the DTD of 2001, like
    ocf-tester: what it has no words for is left out or said in the descriptions.
    """
    declared = cls.declaration
    lines = [
        # UTF-8 without saying so, which is XML's default: crmsh refuses a text with an encoding
        '<?xml version="1.0"?>',
        '<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">',
        f"<resource-agent{_attributes(name=name, version=cls.version)}>",
        f"<version>{profile}</version>",
        *_described(cls.lang, declared.long, declared.short),
        "<parameters>",
    ]
    groups = [parameter.unique for parameter in declared.parameters.values()]
    for parameter in declared.parameters.values():
        alone = groups.count(parameter.unique) == 1
        lines += _parameter(parameter, cls.lang, profile, alone=alone)
    if not declared.parameters:
        lines += _debug()
    lines += ["</parameters>", "<actions>"]
    for row in actions(declared):
        if profile == "1.1" or row.name not in _ONLY_1_1:
            lines.append(_action(row))
    lines += ["</actions>", "</resource-agent>", ""]
    return "\n".join(lines)


def _parameter(parameter: AnyParam, lang: str, profile: Profile, *, alone: bool) -> list[str]:
    """`alone`: no other parameter is in its unique group."""
    new = profile == "1.1"
    flags = {"name": parameter.name}
    if new and parameter.unique:
        flags["unique-group"] = parameter.unique
    elif parameter.unique and alone:  # 1.0 knows groups of one only
        flags["unique"] = "1"
    if parameter.required:
        flags["required"] = "1"
    if new and parameter.reloadable:
        flags["reloadable"] = "1"
    kind: dict[str, str] = {"type": parameter.kind.content_type}
    default = parameter.default_text()
    if default is not None:
        kind["default"] = default
    options: list[str] = []
    long = parameter.desc
    if parameter.kind.choices and new:
        kind["type"] = "select"
        options = [f"<option{_attributes(value=each)}/>" for each in parameter.kind.choices]
    elif parameter.kind.choices:
        long += f"\nOne of: {', '.join(parameter.kind.choices)}."
    if parameter.deprecated and not new:
        long += f"\nDeprecated: {parameter.deprecated}"
    content = f"<content{_attributes(**kind)}"
    return [
        f"<parameter{_attributes(**flags)}>",
        *(_deprecated(parameter, lang) if new and parameter.deprecated else []),
        *_described(lang, long, first_sentence(parameter.desc)),
        f"{content}>{''.join(options)}</content>" if options else f"{content}/>",
        "</parameter>",
    ]


def _deprecated(parameter: AnyParam, lang: str) -> list[str]:
    return [
        "<deprecated>",
        *(f"<replaced-with{_attributes(name=each)}/>" for each in parameter.replaced_by),
        f"<desc{_attributes(lang=lang)}>{_text(parameter.deprecated)}</desc>",
        "</deprecated>",
    ]


def _debug() -> list[str]:
    return [
        f"<parameter{_attributes(name=DEBUG)}>",
        *_described("en", "Log what helps to find a fault in the agent.", "Log debug lines"),
        f"<content{_attributes(type='boolean', default='false')}/>",
        "</parameter>",
    ]


def _action(row: Advice) -> str:
    words = {"name": row.name, "timeout": written(row.timeout)}
    if row.interval is not None:
        words["interval"] = written(row.interval)
    if row.depth is not None:
        words["depth"] = str(row.depth)
    if row.role is not None:
        words["role"] = row.role
    return f"<action{_attributes(**words)}/>"


def _described(lang: str, long: str, short: str) -> list[str]:
    return [
        f"<longdesc{_attributes(lang=lang)}>\n{_text(long)}\n</longdesc>",
        f"<shortdesc{_attributes(lang=lang)}>{_text(short)}</shortdesc>",
    ]


def first_sentence(text: str) -> str:
    """What of a description is short enough for a list."""
    line = " ".join(text.strip().split("\n\n")[0].split())
    end = line.find(". ")
    while end >= 0 and (line[end + 2].islower() or line[:end].endswith(_ABBREVIATED)):
        end = line.find(". ", end + 1)
    return (line if end < 0 else line[:end]).rstrip(".") or line


_ABBREVIATED = ("e.g", "i.e", "etc", "vs", "cf")
"""What a full stop after it does not end a sentence with."""


def _attributes(**words: str) -> str:
    return "".join(f' {name}="{_quoted(value)}"' for name, value in words.items())


def _text(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("\r", "&#13;")


def _quoted(text: str) -> str:
    text = _text(text).replace('"', "&quot;")
    return text.replace("\n", "&#10;").replace("\t", "&#9;")
