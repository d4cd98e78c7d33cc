"""The page docs/reference/schemas.md: which schema takes what of the meta-data.

    python -m tests.services.schema_table [--write]

Without --write it is printed. The schemas are those of `schemas.find`; all of them are needed.
"""

# ruff: noqa: E501 - a row of a table is one line

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ocfkit import Agent, monitor, param
from ocfkit.metadata import PROFILES, metadata
from tests.services import schemas

PAGE: Final = Path(__file__).resolve().parents[2] / "docs/reference/schemas.md"


def nothing(_self: object) -> None: ...


def heard(_self: object, _notice: object) -> None: ...


PLAIN: Final[Mapping[str, Any]] = {
    "__doc__": "Serve.\n\nServe files.",
    "start": nothing,
    "stop": nothing,
    "monitor": nothing,
}

promotable: Final = {"promote": nothing, "demote": nothing}


def declared() -> dict[str, Mapping[str, Any]]:
    """Construct → the members of a class that has it."""
    return {
        "no parameter (`debug` is advertised)": {},
        "texts, numbers and truths": {
            "text": param.string("Text.", default="a"),
            "port": param.port("Port.", default=80),
            "tls": param.boolean("TLS.", default=False),
        },
        "durations, paths, programs, hosts, secrets": {
            "wait": param.duration("Wait.", default="20s"),
            "folder": param.path("Folder.", default="/srv", exists="folder"),
            "program": param.executable("Program.", default="sh"),
            "host": param.host("Host.", default="localhost"),
            "token": param.secret("Token.", default=None),
        },
        "`required`": {"text": param.string("Text.", required=True)},
        "an empty default": {"text": param.string("Text.", default="")},
        "markup, Japanese, line breaks in texts": {
            "__doc__": "<&\"'>\n\n日本語",
            "text": param.string("<&\"'>\n\n日本語", default="<&\"'>\n\t日本語"),
        },
        "a language with a region": {"lang": "pt-BR"},
        "deep checks": {"page_comes_back": monitor.depth(10)(nothing)},
        "`notify`": {"notify": heard},
        "`migrate_to`, `migrate_from`": {"migrate_to": nothing, "migrate_from": nothing},
        "`promote`, `demote`; two roles": promotable,
        "a deep check for one role": {
            **promotable,
            "leader_writes": monitor.depth(10, role="Promoted")(nothing),
        },
        "`reload`": {"reload": nothing},
        "`reload_agent`": {"reload_agent": nothing},
        "`reloadable`": {
            "reload_agent": nothing,
            "text": param.string("Text.", default="a", reloadable=True),
        },
        "`unique`, alone in its group": {"text": param.string("Text.", default="a", unique="text")},
        "`unique`, a group of two": {
            "host": param.host("Host.", default="localhost", unique="address"),
            "port": param.port("Port.", default=80, unique="address"),
        },
        "`deprecated`, `replaced_by`": {
            "text": param.string("Text.", default=None),
            "old": param.string("Old.", default=None, deprecated="Old.", replaced_by="text"),
        },
        "choices": {"mode": param.enum("Mode.", choices=["fast", "safe"], default="safe")},
    }


NEVER: Final = {
    "no DOCTYPE": ('<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">\n', ""),
    "no `<version>`": ("<version>1.1</version>\n", ""),
    "short description first": (
        '<longdesc lang="en">\nText.\n</longdesc>\n<shortdesc lang="en">Text</shortdesc>',
        '<shortdesc lang="en">Text</shortdesc>\n<longdesc lang="en">\nText.\n</longdesc>',
    ),
    "no long description": ('<longdesc lang="en">\nText.\n</longdesc>\n', ""),
    "no `lang`": ('<shortdesc lang="en">Text<', "<shortdesc>Text<"),
    '`lang="pt BR"`': ('<shortdesc lang="en">Text<', '<shortdesc lang="pt BR">Text<'),
    "no parameters": ("<parameters>\nPARAMETERS\n</parameters>", "<parameters>\n</parameters>"),
    "Pacemaker's types: `port`, `timeout` …": ('type="string"', 'type="port"'),
    "`private`, which Pacemaker reads": ('name="text"', 'name="text" private="1"'),
    '`required="true"`': ('name="text"', 'name="text" required="true"'),
    "no timeout": ('<action name="start" timeout="20s"/>', '<action name="start"/>'),
    "a role as OCF 1.1 spells it: `promoted`": ('role="Promoted"', 'role="promoted"'),
    "a role of old: `Master`": ('role="Promoted"', 'role="Master"'),
}
"""Construct that is never written → what is replaced by what in the meta-data of `victim`."""


def written(members: Mapping[str, Any], profile: Any = "1.1") -> str:  # noqa: ANN401 - "1.1" or "1.0"
    """The meta-data of a class with these members."""
    cls: type[Agent] = type("Web", (Agent,), {**PLAIN, **members})
    return metadata(cls, "web", profile)


def mutants() -> dict[str, str]:
    """Construct that is never written → meta-data with it."""
    victim = written({**promotable, "text": param.string("Text.", default="a")})
    first, last = (victim.index(f"<{end}parameters>\n") for end in ("", "/"))
    inside = victim[first + len("<parameters>\n") : last - 1]
    found: dict[str, str] = {}
    for construct, pair in NEVER.items():
        old, new = (each.replace("PARAMETERS", inside) for each in pair)
        assert old in victim, construct
        found[construct] = victim.replace(old, new)
    return found


TOP: Final = """\
# Meta-data and its schemas

Six schemas are applied to the meta-data of agents, and they do not agree. From one declaration come
two profiles: **1.1** says all that is declared, and **1.0** is for the old DTD and for tools like
ocf-tester. What 1.0 has no words for is said in the descriptions, or left out. A launcher has the
profile that `ocfkit install --profile` was told, since tools call plain `AGENT meta-data`.

| schema | applied by |
| --- | --- |
| OCF 1.1 specification | who follows the standard |
| Pacemaker | its own tests, since 2024 |
| pcs 1.1, pcs 1.0 | `pcs`, by the `<version>` of the meta-data |
| metadata.rng | resource-agents, when it is built |
| DTD | `ocf-tester` |

- 1.1 is accepted by the first three, whatever a class declares.
- 1.0 is accepted by all of them, whatever a class declares.
- 1.1 of a class that uses nothing of OCF 1.1 is accepted by all of them, too.

This page is made by `python -m tests.services.schema_table --write`, with the schemas of the OCF
specification, of Pacemaker, and of Debian 12's pcs and resource-agents.

## What a class declares
"""

MIDDLE: Final = """
`reload` is not in 1.0, although every schema would take it: Pacemaker calls the `reload` of a 1.0
agent instead of a restart when a parameter has been changed that is not unique.

## What is never written

Each is the 1.1 of a promotable class with one text parameter, and one thing changed in it. Where a
column says yes, that tool is more tolerant than the others, and an agent that relies on it surprises
somebody else.
"""


def page() -> str:
    """The whole page; LookupError where a schema is missing."""
    found = schemas.find()
    if found.missing:
        raise LookupError(f"missing schemas: {', '.join(found.missing)}")
    first, second = ("\n".join(rows) + "\n" for rows in (_of_classes(found), _of_mutants(found)))
    return f"{TOP}\n{first}{MIDDLE}\n{second}"


SHORT: Final = {"resource-agents metadata.rng": "metadata.rng", "ocf-tester's DTD": "DTD"}
HEADS: Final = [SHORT.get(name, name) for name in schemas.NAMES]


def _of_classes(found: schemas.Schemas) -> Iterator[str]:
    yield f"| declared | profile | {' | '.join(HEADS)} |"
    yield f"| --- | --- |{' --- |' * len(HEADS)}"
    for construct in declared():
        for profile in PROFILES:
            text = written(declared()[construct], profile)
            shown = construct if profile == PROFILES[0] else ""
            yield f"| {shown} | {profile} | {_verdicts(found, text)} |"


def _of_mutants(found: schemas.Schemas) -> Iterator[str]:
    yield f"| written | {' | '.join(HEADS)} |"
    yield f"| --- |{' --- |' * len(HEADS)}"
    for construct, text in mutants().items():
        yield f"| {construct} | {_verdicts(found, text)} |"


def _verdicts(found: schemas.Schemas, text: str) -> str:
    verdicts = found.verdicts(text.encode("utf-8"))
    return " | ".join("yes" if verdicts[name] else "**no**" for name in schemas.NAMES)


def main() -> None:
    """Print the page, or write it."""
    parser = argparse.ArgumentParser(prog="python -m tests.services.schema_table")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    if parser.parse_args().write:
        PAGE.write_text(page(), "utf-8")
    else:
        print(page(), end="")


if __name__ == "__main__":
    main()
