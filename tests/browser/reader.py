"""Somebody who reads a page, and what would be in the way of somebody else."""

from __future__ import annotations

from importlib import resources
from typing import Any

from playwright.sync_api import Browser, Page

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
"""Judges a page's accessibility."""


class Reader:
    """Somebody with a browser; whatever it complains of or asks for is kept."""

    def __init__(self, browser: Browser, **options: Any) -> None:  # noqa: ANN401 - Playwright's own
        options.setdefault("viewport", DESKTOP)
        options.setdefault("locale", "en-US")
        self.context = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        network = self.context.new_cdp_session(self.page)
        network.on("Network.requestWillBeSent", self._requested)
        network.send("Network.enable")  # pyright: ignore[reportUnknownMemberType]

    def _requested(self, event: dict[str, Any]) -> None:
        self.requests.append(event["request"]["url"])

    def opens(self, address: str) -> Page:
        self.page.goto(address)
        return self.page


def violations(page: Page) -> list[str]:
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]
