"""The page's words and signs: English in the markup, every language in `words.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib import resources

from lsbcheck.exitcodes import ExitCode
from lsbcheck.report.baseline import Standing, standing
from lsbcheck.report.shape import ScriptShown
from lsbcheck.report.visible import visible

SIGNS: Mapping[Standing, str] = {
    "pass": "✓",
    "fail": "✗",
    "known": "≈",
    "not-provoked": "?",
    "error": "!",
}
LOOKS_LIKE: Mapping[ExitCode, Standing] = {1: "fail", 3: "not-provoked", 0: "pass"}
"""The sign of a script by its exit code, worst first."""


def part(name: str) -> str:
    """A file beside this one."""
    return resources.files(__package__ or __name__).joinpath(name).read_text("utf-8")


@cache
def _english() -> Mapping[str, str]:
    words = json.loads(part("words.json"))["words"]
    return {key: english for key, (english, _) in words.items()}


def english(key: str, **values: object) -> str:
    """The words of a key, as plain text."""
    return visible(_english()[key].format(**values))


def worded(html: str) -> str:
    """Our own markup with the words of `data-word`, `data-label` and `data-hint` filled in.

    Never give it text of a script.
    """
    html = re.sub(
        r'(data-word="([^"]+)"[^>]*>)(?=</)',
        lambda found: found[1] + escape(english(found[2])),
        html,
    )
    html = re.sub(
        r'data-label="([^"]+)"',
        lambda found: f'{found[0]} aria-label="{escape(english(found[1]))}"',
        html,
    )
    return re.sub(
        r'data-hint="([^"]+)"',
        lambda found: f'{found[0]} placeholder="{escape(english(found[1]))}"',
        html,
    )


def sentence(tag: str, key: str, **values: object) -> str:
    """An element whose words have values in them, which may be anybody's text."""
    held = escape(json.dumps(values))
    text = escape(english(key, **values))
    return f'<{tag} data-word="{key}" data-values="{held}">{text}</{tag.split(maxsplit=1)[0]}>'


def letter(found: Standing) -> str:
    """The class of a verdict: `p`, `f`, `k`, `n`, `e`."""
    return found[0]


def sign(found: Standing, *, decides: bool = False, speaks: bool = False) -> str:
    """The sign of a verdict, filled if it decides the exit code; a word beside it speaks for it."""
    kind = letter(found) + " counts" * decides
    silent = "" if speaks else ' aria-hidden="true"'
    return f'<i class="{kind}"{silent}>{SIGNS[found]}</i>'


def ending(script: ScriptShown) -> Standing:
    """What a script comes to."""
    if script["exit_code"] == 0 and any(
        rule["counts"] and standing(rule) == "known" for rule in script["rules"]
    ):
        return "known"
    return LOOKS_LIKE.get(script["exit_code"], "error")
