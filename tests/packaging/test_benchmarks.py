"""The published measurements speak of this code, and of no earlier one."""

from __future__ import annotations

from tests.bench.lsbcheck import published_digest
from tests.services.corpus import code_digest


def test_the_published_page_measured_this_code() -> None:
    assert published_digest() == code_digest(), "on a quiet machine: sudo ./dev bench --write"
