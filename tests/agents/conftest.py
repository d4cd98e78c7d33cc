"""The fixtures that authors of agents get, here from the checkout."""

from __future__ import annotations

from ocfkit.testing.plugin import fake_cluster, ocf, pytest_runtest_teardown

__all__ = ["fake_cluster", "ocf", "pytest_runtest_teardown"]
