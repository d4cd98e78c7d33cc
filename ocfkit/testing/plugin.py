"""Fixtures for pytest, which finds this module by the entry point `pytest11`."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ocfkit.testing import FakeCluster, Node


@pytest.fixture
def fake_cluster() -> FakeCluster:
    """A cluster without a cluster, of two nodes or as many as are spoken of."""
    from ocfkit.testing import FakeCluster

    return FakeCluster()


@pytest.fixture
def ocf(tmp_path: Path, fake_cluster: FakeCluster) -> Generator[Node]:
    """Make instances of agents, as `Node` does.

    At the end those that were started are stopped, and the test fails if a process is left.
    """
    from ocfkit.testing import Node

    node = Node(tmp_path, fake_cluster)
    yield node
    _fail_for(node.close())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None]:
    """Close the node that `ocfkit.testing.run` works on, where a test has used it."""
    yield
    used = sys.modules.get("ocfkit.testing.instance")
    if used is not None:
        _fail_for(used.close_default())


def _fail_for(complaints: list[str]) -> None:
    if complaints:
        pytest.fail("\n".join(complaints), pytrace=False)
