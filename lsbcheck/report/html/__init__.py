"""The report to look at: one page that carries all that it shows, and asks for nothing.

A pure function of the JSON document. `page.html`, `style.css`, `words.json` and the script's parts
lie beside this file. The matrix is made here, so it stands without JavaScript too; the proofs
travel as data, and the script shows those of one init script at a time.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from html import escape
from string import Template
from typing import cast

from lsbcheck.report.baseline import is_gone, standing
from lsbcheck.report.html.matrix import column_keys, columns, legend, matrix
from lsbcheck.report.html.pool import Pool
from lsbcheck.report.html.summary import chips, headline, notices, setting, title
from lsbcheck.report.html.words import ending, part, worded
from lsbcheck.report.json import Json
from lsbcheck.report.shape import CallShown, Document, RuleShown, ScenarioShown, ScriptShown
from lsbcheck.report.visible import visible
from lsbcheck.report.words import name_of, sandbox_of

SCRIPT = ("data", "words", "matrix", "keyboard", "proof", "dialog", "begin")
"""The parts of the page's script, in their order."""
_OF_THE_RULE = frozenset({"number", "title", "clause", "profile"})
"""Fields of a judged rule that are alike for every script."""


def page(document: Document) -> str:
    """The page of a document, best of one with transcripts.

    All ASCII, as the JSON is: any locale can write it, and names that are not UTF-8 survive.
    """
    style = part("style.css")
    script = "\n".join(part(f"script/{name}.js") for name in SCRIPT)
    filled = Template(worded(part("page.html"))).substitute(
        policy=_policy(style, script),
        version=escape(visible(document["lsbcheck"])),
        title=title(document),
        headline=headline(document) + notices(document),
        setting=setting(document),
        chips=chips(document),
        legend=legend(document),
        matrix=matrix(document),
        style=style,
        script=script,
        words=_inert(json.dumps(json.loads(part("words.json")), separators=(",", ":"))),
        data=_inert(_data(document)),
    )
    return filled.encode("ascii", "xmlcharrefreplace").decode()


def _policy(style: str, script: str) -> str:
    """Nothing can be fetched, this style and this script alone act, and no text becomes markup."""
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src {_hash(style)}",
            f"script-src {_hash(script)}",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _inert(text: str) -> str:
    """JSON, all ASCII, in which nothing can end the element that holds it."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _data(document: Document) -> str:
    pool = Pool()
    rules = columns(document)
    heads = [_rule(rule, key) for rule, key in zip(rules, column_keys(rules), strict=True)]
    scripts = [pool.add(_script(script, document)) for script in document["scripts"]]
    return pool.dumps(rules=pool.add(heads), scripts=scripts)


def _rule(rule: RuleShown, key: str) -> Json:
    fields = {field: value for field, value in rule.items() if field in _OF_THE_RULE}
    return cast("Json", {"id": rule["id"], "key": key, **fields})


def _script(script: ScriptShown, document: Document) -> Json:
    """What differs from script to script."""
    return {
        "name": name_of(script),
        "script": script["script"],
        "source": script["source"],
        "ending": ending(script),
        "refused": script["refused"],
        "notes": script["notes"],
        "service": cast("Json", script["service"]),
        "options": sandbox_of(document, script).get("options", []),
        "rules": [_judged(rule) for rule in script["rules"]],
        "scenarios": [_scenario(scenario) for scenario in _scenarios(script)],
    }


def _judged(rule: RuleShown) -> Json:
    fields = {key: value for key, value in rule.items() if key not in _OF_THE_RULE}
    return cast("Json", {**fields, "standing": standing(rule), "gone": is_gone(rule)})


def _scenarios(script: ScriptShown) -> Iterable[ScenarioShown]:
    return script["transcript"]["scenarios"].values() if "transcript" in script else ()


def _scenario(scenario: ScenarioShown) -> Json:
    kept = {key: value for key, value in scenario.items() if key in ScenarioShown.__annotations__}
    return cast("Json", {**kept, "calls": [_as_in_a_proof(call) for call in scenario["calls"]]})


def _as_in_a_proof(call: CallShown) -> CallShown:
    """A call of a transcript with the fields of a document's, so that both are stored once."""
    told = {key: value for key, value in call.items() if key in CallShown.__annotations__}
    return cast("CallShown", {**told, "seconds": round(call["seconds"], 3)})
