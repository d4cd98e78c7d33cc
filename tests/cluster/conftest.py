"""The engine, and one cluster for all tests that leave it as they found it."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator

import pytest

from tests.cluster import engine as engines
from tests.cluster.lab import FENCING, Cluster, LabError
from tests.cluster.status import Status
from tests.services import loops

NAME = "tests"


@pytest.fixture(scope="session", autouse=True)
def engine() -> Iterator[engines.Engine]:
    """The container engine; if we have to start it, it ends with the tests."""
    try:
        engine = engines.connect()
    except engines.EngineError as error:
        pytest.skip(str(error))
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def cluster_of_all_tests() -> Iterator[Cluster]:
    _require_debootstrap()
    with Cluster(NAME) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def keepers_of_all_tests() -> Iterator[Cluster]:
    _require_debootstrap()
    with loops.folder() as folder:
        (folder / "disk").write_bytes(bytes(1 << 20))
        (shared := folder / "shared").mkdir()
        folder.chmod(0o755)  # a database is not root's
        with (
            loops.attached(folder / "disk", 512) as loop,
            Cluster(f"{NAME}-keepers", disk=loop.path, shared=shared) as cluster,
        ):
            yield cluster


def _require_debootstrap() -> None:
    if not shutil.which("debootstrap"):
        pytest.skip("debootstrap is missing: apt-get install debootstrap")


@pytest.fixture
def cluster(cluster_of_all_tests: Cluster) -> Cluster:
    """Two nodes that are online, and no resource but the one that fences."""
    require_nothing(cluster_of_all_tests)
    return cluster_of_all_tests


@pytest.fixture
def keepers(keepers_of_all_tests: Cluster) -> Cluster:
    """Two more, which share a disk and a folder, and may do what who keeps a lock has to do."""
    require_nothing(keepers_of_all_tests)
    return keepers_of_all_tests


def require_nothing(cluster: Cluster) -> None:
    """Take away what an earlier test has configured, and switch its nodes on."""
    for node in cluster.nodes:
        if not node.is_on():
            node.container.start()
    everyone = {node.name for node in cluster.nodes}
    cluster.wait_for(lambda now: now.online == everyone, 90, "all nodes are online")
    asked = cluster.nodes[0]
    asked.run(["crm_resource", "--cleanup"])
    # In this order: a configuration with a constraint on nothing is refused.
    for what in ("//constraints/*", f"//resources/*[@id!='{FENCING}']"):
        asked.run(["cibadmin", "--delete-all", "--force", "--xpath", what])
    for node in cluster.nodes:
        asked.run(["crm_standby", "--node", node.name, "--delete"])

    def is_empty(now: Status) -> bool:
        standby = any(node.standby for node in now.nodes.values())
        return set(now.resources) == {FENCING} and not now.failures and not standby

    cluster.wait_for(is_empty, 60, "no resource is left")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what the nodes have logged when a test fails that uses a cluster."""
    report = yield
    used = getattr(item, "funcargs", {}).values() if report.failed else ()
    for cluster in {each for each in used if isinstance(each, Cluster)}:
        try:
            kept = cluster.keep_logs()
            seen = (kept / "crm_mon").read_text("utf-8")
            report.sections.append(("cluster", f"logs: {kept}\n{seen}"))
        except (LabError, OSError) as error:
            report.sections.append(("cluster", f"no logs could be kept: {error}"))
    return report
