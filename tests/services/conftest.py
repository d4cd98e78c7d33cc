"""Root file systems with real Debian services in them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services import roots
from tests.services.cluster_tools import Machine, build_wheel
from tests.services.side_by_side import Outcomes, played


def debian(name: str) -> Path:
    """Return the root of that name, or skip where it cannot be built."""
    if not shutil.which("debootstrap"):
        pytest.skip("debootstrap is missing: apt-get install debootstrap")
    return roots.root(name)


@pytest.fixture(scope="session")
def sample() -> Path:
    """The root with the scripts that every CI run looks at."""
    return debian("sample")


@pytest.fixture(scope="session")
def fresh() -> Path:
    """A Debian 12 on which nobody has worked yet."""
    return debian("fresh")


@pytest.fixture(scope="session")
def pacemaker() -> Path:
    """The root with the cluster's own tools."""
    return debian("pacemaker")


@pytest.fixture(scope="session")
def machine(pacemaker: Path, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine with the cluster's own tools, and ocfkit as it is in the checkout now."""
    return Machine(pacemaker, build_wheel(tmp_path_factory.mktemp("wheel")))


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest, pacemaker: Path) -> Iterator[Outcomes]:
    """The tests of a file that are played side by side, all under way from the first one on."""
    every = [each for each in request.session.items if isinstance(each, pytest.Function)]
    with played(pacemaker, [each for each in every if each.path == request.path]) as outcomes:
        yield outcomes
