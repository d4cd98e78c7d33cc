"""One connection to each engine, and the images, for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lsbcheck.sandbox.interface import SandboxUnavailable
from tests.cluster.engine import EngineError
from tests.containers import engines, images
from tests.namespace import backends


@pytest.fixture(scope="session")
def docker() -> Iterator[engines.Engine]:
    try:
        with engines.docker() as engine:
            yield engine
    except EngineError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def podman() -> Iterator[engines.Engine]:
    try:
        with engines.podman() as engine:
            yield engine
    except SandboxUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def small_root(tmp_path_factory: pytest.TempPathFactory) -> str:
    return backends.small_root(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="session", params=["docker", "podman"])
def engine(request: pytest.FixtureRequest) -> engines.Engine:
    """Each of the two."""
    found: engines.Engine = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def small_image(engine: engines.Engine, small_root: str) -> Iterator[str]:
    """A shell, Python and little else."""
    name = f"ocfkit-small:{images.digest_of(small_root)}"
    yield images.of_folder(engine.client, Path(small_root), name)
    engine.client.remove_image(name, force=True)
