"""The matrix of scripts and rules, as a table that needs no script to be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from string import ascii_lowercase

from lsbcheck.report.baseline import Standing, standing
from lsbcheck.report.html.words import SIGNS, ending, letter, sign, worded
from lsbcheck.report.shape import Document, RuleShown, ScriptShown
from lsbcheck.report.visible import visible
from lsbcheck.report.words import name_of, rules_of

AT_ONCE = 150
"""Rows shown at first where there is JavaScript to show more: a browser lays out 1,000 in 2 s."""
_GROUPS = ("eight", "pacemaker", "strict", "other")


def columns(document: Document) -> Sequence[RuleShown]:
    """Every rule that was judged of any script, group by group."""
    return sorted(rules_of(document["scripts"]), key=lambda rule: _GROUPS.index(_group(rule)))


def column_keys(rules: Iterable[RuleShown]) -> list[str]:
    """The key of each column, as in the text report: its number, else a letter."""
    letters = iter(ascii_lowercase)
    return [str(rule["number"] or next(letters, "+")) for rule in rules]


def legend(document: Document) -> str:
    """The signs and their words, which name the cells."""
    shown: list[Standing] = [found for found in SIGNS if found != "known" or "baseline" in document]
    signs = "".join(
        f'<li>{sign(found)} <span id="v-{letter(found)}" data-word="verdict-{found}"></span></li>'
        for found in shown
    )
    filled = f'{sign("fail", decides=True)} <span id="v-counts" data-word="legend-counts"></span>'
    return worded(f"{signs}<li>{filled}</li>")


def matrix(document: Document) -> str:
    """Everything inside the table."""
    rules = columns(document)
    return _head(rules, document["scripts"]) + _body(rules, document["scripts"])


def _group(rule: RuleShown) -> str:
    if rule["number"] is not None:
        return "eight"
    return rule["profile"] if rule["profile"] in _GROUPS else "other"


def _edges(rules: Sequence[RuleShown]) -> list[str]:
    """The attribute of each column that begins a group, which draws a line there."""
    groups = list(map(_group, rules))
    return [
        ' class="g"' if place == groups.index(group) else "" for place, group in enumerate(groups)
    ]


def _head(rules: Sequence[RuleShown], scripts: Sequence[ScriptShown]) -> str:
    sizes = Counter(map(_group, rules))
    present = [group for group in _GROUPS if sizes[group]]
    widths = "".join(f'<colgroup class="g" span="{sizes[group]}">' for group in present)
    groups = "".join(
        f'<th scope="colgroup" class="g" colspan="{sizes[group]}" data-word="group-{group}"></th>'
        for group in present
    )
    broken = Counter(
        rule["id"] for script in scripts for rule in script["rules"] if rule["verdict"] == "fail"
    )
    names = "".join(
        f'<th scope="col"{edge} data-rule="{escape(rule["id"])}">'
        f"<span>{escape(visible(rule['id']))}</span></th>"
        for rule, edge in zip(rules, _edges(rules), strict=True)
    )
    keys = "".join(
        f'<td{edge}><button type="button" data-rule="{escape(rule["id"])}" aria-pressed="false">'
        f"{key}<small>{broken[rule['id']]}</small></button></td>"
        for rule, edge, key in zip(rules, _edges(rules), column_keys(rules), strict=True)
    )
    return (
        f'<colgroup><col class="name"><col class="all"></colgroup>{widths}<thead>'
        + worded(f'<tr class="groups"><td colspan="2"></td>{groups}</tr>')
        + worded('<tr class="names"><th scope="col" data-word="script"></th>')
        + worded('<th scope="col"><span data-word="verdict"></span></th>')
        + f"{names}</tr>"
        + worded('<tr class="keys"><th scope="row" colspan="2" data-word="breaks"></th>')
        + f"{keys}</tr></thead>"
    )


def _body(rules: Sequence[RuleShown], scripts: Sequence[ScriptShown]) -> str:
    names = Counter(map(name_of, scripts))
    cells = [(rule["id"], edge) for rule, edge in zip(rules, _edges(rules), strict=True)]
    rows = (
        _row(cells, script, alone=names[name_of(script)] == 1, shown=place < AT_ONCE)
        for place, script in enumerate(scripts)
    )
    return f"<tbody>{''.join(rows)}</tbody>"


def _row(
    columns: Iterable[tuple[str, str]], script: ScriptShown, *, alone: bool, shown: bool
) -> str:
    name, path = visible(name_of(script)), visible(script["script"])
    usual = path == f"/etc/init.d/{visible(script['name'])}"
    where = "" if alone and usual else f"<small>{escape(path)}</small>"
    judged = {rule["id"]: rule for rule in script["rules"]}
    cells = "".join(f"<td{edge}>{_cell(judged.get(rule))}</td>" for rule, edge in columns)
    verdict = sign(ending(script), decides=True, speaks=True)
    later = "" if shown else " hidden"
    return (
        f'<tr data-code="{script["exit_code"]}"{later}>'
        f'<th scope="row"><button>{escape(name)}{where}</button></th>'
        f"<td>{verdict}</td>{cells}</tr>\n"
    )


def _cell(rule: RuleShown | None) -> str:
    if rule is None:
        return ""
    found = standing(rule)
    kind = letter(found) + " counts" * rule["counts"]
    return f'<button class="{kind}">{SIGNS[found]}</button>'
