"""Write the reference of the rules, `docs/reference/ocf-rules.md`, from the registry and the pages.

python3 -m ocfkit.conformance.rules.reference >docs/reference/ocf-rules.md
"""

from __future__ import annotations

import sys

from ocfkit.conformance.rules import RULES, Rule, section

_OPENING = """\
# The rules for OCF agents

<!-- Written by `python3 -m ocfkit.conformance.rules.reference`: change ocfkit/conformance/rules/,
not this file. -->

What `ocfkit check` judges an agent by. Three profiles decide the exit code, each extending the one
before: `ocf` is the text of the OCF Resource Agent API, `pacemaker` adds what Pacemaker and its
tools rely on besides, `strict` is everything. All rules are judged in any case.
`ocfkit check --explain ID` prints a page.

| id | fact | first profile |
| --- | --- | --- |
"""


def reference() -> str:
    """The whole page: a table of all rules, then each rule's own page under its id."""
    table = "".join(
        f"| [`{rule.id}`](#{rule.id}) | {rule.title} | `{rule.profile}` |\n" for rule in RULES
    )
    return _OPENING + table + "".join(map(_section, RULES))


def _section(rule: Rule) -> str:
    facts = f"**{rule.title}.** Profile `{rule.profile}`.\n\nSource: {rule.source}."
    return f"\n## {rule.id}\n\n{facts}\n\nConsequence: {rule.consequence}\n{section(rule)}"


if __name__ == "__main__":
    sys.stdout.write(reference())
