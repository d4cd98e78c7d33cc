"""The page docs/reference/actions.md, made of what the code says.

`python -m tests.ocfkit.actions_page` writes it anew.
"""

# ruff: noqa: E501 - a row of a table is one line

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ocfkit import actions, advice
from ocfkit.actions import ALWAYS, METHODS
from ocfkit.metadata import _ONLY_1_1 as ONLY_1_1  # pyright: ignore[reportPrivateUsage]

PAGE: Final = Path(__file__).resolve().parents[2] / "docs/reference/actions.md"

DOES: Final = {
    "start": "make it run; called when it does not",
    "stop": "make it end, with all that belongs to it; called when it is there",
    "monitor": "return a state, or raise where it cannot be told",
    "promote": "take the promoted role; called when it has the other one",
    "demote": "give it up; called when it has it",
    "notify": "hear of what happens to other instances of a clone; it cannot fail",
    "reload": "make the service read its configuration again",
    "reload-agent": "take over new values of `reloadable` parameters without a restart",
    "migrate_to": "send it to `self.environment.migrate_target`, on the node that it leaves",
    "migrate_from": "receive it from `self.environment.migrate_source`",
    "validate-all": "look at the parameters; at level 10 at the host, too",
    "meta-data": "say all that the class declares",
}
"""Action → what its method has to do, or what the framework does."""

OPTIONS: Final = {
    "timeout": "what the meta-data advises; it is the deadline where the caller grants none",
    "interval": "how often the meta-data advises it; each monitor of an agent needs another one",
    "retries": "how often a check that fails is asked again, while there is time",
    "pause": "between two tries; like the two around it a value, or a parameter that an operator sets",
    "tolerate": 'so many failing monitors in a row say "degraded", which the cluster shows only',
    "role": '`"Promoted"` or `"Unpromoted"`: it is made in that role alone',
}
"""Option of `monitor.depth` → what it says."""

TOP: Final = """\
# Actions and checks

```python
@action(timeout="1min")
def start(self) -> None: ...


@action(timeout="20s", interval="10s")
def monitor(self) -> State: ...


@monitor.depth(10, timeout="20s", interval="30s", retries=2)
def page_comes_back(self) -> None: ...
```

An action is a method with OCF's name. It is advertised exactly when it is there. A plain method has
the usual timing, also where it overrides one that says more; `@action` says another. A `monitor`
that `@monitor.depth` follows is marked with `@action`, or the decorator is the imported
`ocfkit.monitor`, as in a class that derives from `Daemon`.

This page is made of the code: `python -m tests.ocfkit.actions_page`.
"""

NOTES: Final = """
`promote` and `demote` come together, and so do `migrate_to` and `migrate_from`. `= None` removes an
action, a check or a parameter that a class above declares. No method takes an argument; `notify`
takes the notice. A method returns nothing when it is done, and raises [an error](errors.md) when it
has failed. It is called only where there is something to do, and the framework waits afterwards
until the monitor agrees: see
[what the framework does](../explanation/what-the-framework-does.md).

In version 1.0 of the meta-data, `reload-agent` and `reload` are not advertised. The old schemas refuse
the first. The second meant something else then: Pacemaker calls it when a parameter has been changed
that is not unique, instead of a restart, and the service would go on with its old parameters.

A promotable agent advises two monitors, as Pacemaker wants them. `promoted_interval` is that of the
promoted role; where it is not given, it is a second less than `interval`.
"""

CHECKS: Final = """
## Deep checks

A check is a method named after the fact that it checks. It returns nothing or `True` when the fact
holds; it returns `False`, or better raises `ActionError` with what was asked and seen, when it does
not; and it raises `DegradedError` when it still holds, but not for long. It is made by every monitor
of its depth (`OCF_CHECK_LEVEL`) or a deeper one, after the shallower ones, while the service runs. A
start waits for the checks down to `start_depth`, which is {start_depth}.

Two checks of one depth and role are one monitor in the meta-data, with the longer timeout and the
shorter interval.
"""

CLASS: Final = """
## What else a class says

| attribute | usually | |
| --- | --- | --- |
| `version` | `"{version}"` | of the agent itself |
| `lang` | `"{lang}"` | language of its descriptions, as in `pt-BR` |
| `needs_root` | {needs_root} | actions that are refused with 4, "insufficient privileges", to others |
| `start_depth` | {start_depth} | a start is done when the checks down to this depth hold |

The first line of the docstring is the short description, the rest is the long one. A class that is
only derived from is declared with `class Base(Agent, abstract=True)`: nothing is demanded of it.
"""


def page() -> str:
    """The whole page."""
    from ocfkit import Agent

    words = {
        "version": Agent.version,
        "lang": Agent.lang,
        "start_depth": Agent.start_depth,
        "needs_root": ", ".join(Agent.needs_root),
    }
    table, options = ("\n".join(rows) + "\n" for rows in (_actions(), _options()))
    return f"{TOP}{table}{NOTES}{CHECKS.format(**words)}{options}{CLASS.format(**words)}"


def _actions() -> Iterator[str]:
    yield "\n## Actions\n"
    yield "| action | method | advised timeout | it has to |"
    yield "| --- | --- | --- | --- |"
    for name, method in METHODS.items():
        must = ", always there" if name in ALWAYS else ""
        only = ", in 1.1" if name in ONLY_1_1 else ""
        timing = f"{actions.TIMEOUT}, every {actions.INTERVAL}" if name == "monitor" else ""
        yield f"| {name}{must}{only} | `{method}` | {timing or actions.TIMEOUT} | {DOES[name]} |"
    hooks = {"validate-all": "`validate`, `validate_host`", "meta-data": "none"}
    times = {"validate-all": advice.VALIDATE_TIMEOUT, "meta-data": advice.META_DATA_TIMEOUT}
    for name, method in hooks.items():
        yield f"| {name}, always there | {method} | {times[name]:.0f}s | {DOES[name]} |"


def _options() -> Iterator[str]:
    yield "\n| option | usually | |"
    yield "| --- | --- | --- |"
    for name, parameter in inspect.signature(actions.monitor.depth).parameters.items():
        if name != "level":
            usual = parameter.default
            usual = f"{usual}s" if name == "pause" else usual
            yield f"| `{name}` | {usual} | {OPTIONS[name]} |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
