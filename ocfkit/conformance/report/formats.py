"""Every format that `--format` names, but for the text, which needs to know its paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ocfkit.conformance.report.document import Document, dumps
from ocfkit.conformance.report.html import page
from ocfkit.conformance.report.junit import junit

FORMATS: Mapping[str, Callable[[Document], str]] = {"json": dumps, "junit": junit, "html": page}
"""Each is a pure function of the document."""
