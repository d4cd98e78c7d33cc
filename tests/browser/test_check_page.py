"""The page of `ocfkit check --format html` in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from ocfkit.conformance.report.document import Document
from ocfkit.conformance.report.html import page as page_of
from ocfkit.conformance.rules import Judgement
from tests.browser.reader import AXE, DESKTOP, PHONE, Reader, violations
from tests.ocfkit.conformance.reports import judged, saying, shown
from tests.ocfkit.conformance.seen import seen

HARM = "<img src=http://127.0.0.1:9/x onerror=alert(1)><style>*{display:none}</style>"
EVERYTHING = shown(
    judged(
        seen(),
        {
            "stop-succeeds": saying("fail", HARM + "x" * 400),
            "start-is-complete": saying("not-provoked", "no start"),
            "levels-answer": saying("error", "the sandbox died"),
            "texts-are-there": saying("fail", "no text"),
            "promotion-is-kept": Judgement("does-not-apply", "no promote"),
        },
    )
)
"""Each verdict, and text that means harm."""


def written(folder: Path, made: Document) -> str:
    file = folder / "check.html"
    file.write_text(page_of(made), "ascii")
    return file.as_uri()


def test_opens_what_is_broken_and_shows_the_rest_when_asked(
    browser: Browser, tmp_path: Path
) -> None:
    address = written(tmp_path, EVERYTHING)
    reader = Reader(browser)
    page = reader.opens(address)
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "ponger: not safe to hand to Pacemaker"
    )
    broken = page.locator("details", has_text="stop-succeeds").first
    expect(broken.get_by_text("A stop that fails fences the node.")).to_be_visible()
    expect(broken.get_by_text(HARM).first).to_be_visible()
    settled = page.locator("details", has_text="name-is-the-file-name")
    expect(settled.get_by_text("both are ponger")).to_be_hidden()
    settled.locator("summary").press("Enter")
    expect(settled.get_by_text("both are ponger")).to_be_visible()
    reader.context.close()
    assert reader.complaints == []
    assert reader.requests == [address]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", ["desktop", "phone"])
def test_is_in_nobody_s_way(browser: Browser, tmp_path: Path, scheme: str, screen: str) -> None:
    how = PHONE if screen == "phone" else {"viewport": DESKTOP}
    reader = Reader(browser, **how, color_scheme=scheme, bypass_csp=True)
    page = reader.opens(written(tmp_path, EVERYTHING))
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    page.evaluate(AXE)
    assert violations(page) == []
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.evaluate(wide)
    reader.context.close()
