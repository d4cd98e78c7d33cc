"""The reference of the agents that ship, made of what they declare.

`python -m tests.agents.agents_page` writes it anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ocfkit import catalogue
from ocfkit.advice import Advice, actions
from ocfkit.agents import SHIPPED
from ocfkit.catalogue import Found
from ocfkit.commands import facts
from ocfkit.declaration import Declaration
from ocfkit.durations import text as written

PAGE: Final = Path(__file__).resolve().parents[2] / "docs/reference/agents.md"

TOP: Final = """\
# The agents that ship

`ocfkit install` writes their launchers; Pacemaker then calls them `ocf:ocfkit:NAME`. An unset
parameter is one that the cluster does not pass. What a check finds is said in the exit reason, and
what each finding means in [what a monitor says](../explanation/what-a-monitor-says.md).

This page is made of the code: `python -m tests.agents.agents_page`.
"""


def page() -> str:
    """The whole page."""
    sections = (_section(catalogue.find(name)) for name in sorted(SHIPPED))
    return "\n".join([TOP, *(line for section in sections for line in section)])


def _section(agent: Found) -> Iterator[str]:
    declared = agent.cls.declaration
    yield f"## {agent.name}\n"
    yield f"{declared.short}\n"
    yield f"{declared.long}\n"
    yield from _example(declared, agent.name)
    yield "\n| parameter | | |"
    yield "| --- | --- | --- |"
    for parameter in declared.parameters.values():
        known = "; ".join(facts.of_parameter(parameter, declared))
        said = f"{parameter.desc} {facts.of_deprecation(parameter)}".strip()
        yield f"| `{parameter.name}` | {_cell(known)} | {_cell(said)} |"
    if not declared.checks:
        yield ""
        return
    yield "\n| check | | advised |"
    yield "| --- | --- | --- |"
    advised = {row.depth: row for row in actions(declared) if row.name == "monitor"}
    for check in declared.checks:
        timing = ", ".join(facts.of_action(advised[check.level]))
        known = "; ".join(facts.of_check(check))
        yield f"| depth {check.level}: {check.fact} | {_cell(known)} | {timing} |"
    yield ""


def _example(declared: Declaration, name: str) -> Iterator[str]:
    required = [f"{each.name}=…" for each in declared.parameters.values() if each.required]
    yield "```text"
    yield " \\\n    ".join(
        [
            f"crm configure primitive my-{name} ocf:ocfkit:{name}",
            *([f"params {' '.join(required)}"] if required else ()),
            *(_operation(row) for row in actions(declared) if row.name in _OPERATIONS),
        ]
    )
    yield "```"


_OPERATIONS = ("start", "stop", "monitor")


def _operation(row: Advice) -> str:
    words = [f"op {row.name}", f"timeout={written(row.timeout)}"]
    if row.interval is not None:
        words.append(f"interval={written(row.interval)}")
    if row.depth:
        words.append(f"OCF_CHECK_LEVEL={row.depth}")
    return " ".join(words)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
