"""Write the reference of the rules, `docs/reference/rules.md`, from the registry and the pages.

python3 -m lsbcheck.rules.reference >docs/reference/rules.md
"""

from __future__ import annotations

import re
import sys

from lsbcheck.rules import RULES, Rule, page

_OPENING = """\
# The rules

<!-- Written by `python3 -m lsbcheck.rules.reference`: change lsbcheck/rules/, not this file. -->

Three profiles decide the exit code, each extending the one before: `lsb` is the eight rules with
a number, `pacemaker` adds what Pacemaker's own guide asks for, `strict` is everything. A report
always shows all rules. `lsbcheck --explain ID` prints a page.

| rule | id | fact | first profile |
| --- | --- | --- | --- |
"""


def reference() -> str:
    """The whole page: a table of all rules, then each rule's own page under its id."""
    table = "".join(_row(rule) for rule in RULES)
    return _OPENING + table + "".join(_section(rule) for rule in RULES)


def _row(rule: Rule) -> str:
    return (
        f"| {rule.number or ''} | [`{rule.id}`](#{rule.id}) | {rule.title} | `{rule.profile}` |\n"
    )


def _section(rule: Rule) -> str:
    """The page, its title as a sentence and its headings below that of the rule."""
    number = f"Rule {rule.number}" if rule.number else "Beyond the eight"
    _, _, body = page(rule.id).partition("\n")
    body = re.sub(r"^## ", "### ", body, flags=re.MULTILINE)
    return f"\n## {rule.id}\n\n**{rule.title}.** {number}, profile `{rule.profile}`.\n{body}"


if __name__ == "__main__":
    sys.stdout.write(reference())
