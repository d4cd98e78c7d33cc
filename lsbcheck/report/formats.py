"""Every format that `--format` names, but for the text that people read while a run goes on.

Each is a pure function of the JSON document, so a document that was saved can be shown in any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lsbcheck.report.html import page
from lsbcheck.report.json import dumps
from lsbcheck.report.junit import junit
from lsbcheck.report.markdown import markdown
from lsbcheck.report.sarif import sarif
from lsbcheck.report.shape import Document
from lsbcheck.report.tap import tap

FORMATS: Mapping[str, Callable[[Document], str]] = {
    "html": page,
    "json": dumps,
    "junit": junit,
    "sarif": sarif,
    "tap": tap,
    "markdown": markdown,
}
OF_EVERY_CALL = frozenset({"html"})
"""Formats that show the whole transcript, also without --verbose."""
