"""The same script in the same root gets the same verdicts, whatever makes the machine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.containers import images
from tests.containers.command import Said, lsbcheck
from tests.containers.engines import Engine
from tests.services import roots

ROOT = "sample"
ENGINES = ("docker", "podman")
SCRIPTS = ("snmpd", "ssh", "supervisor")
"""In C and in Python; with and without a pid file; one that listens on ::1. All 49 of a larger root
were compared once with docker, and none differed."""


@pytest.fixture(scope="module")
def everywhere(docker: Engine, podman: Engine) -> Mapping[str, Said]:
    """One run of each kind, never all three at once: each makes some twenty machines at a time."""
    calls: dict[str, tuple[Sequence[str], Mapping[str, str] | None]] = {
        "namespace": (["--root", str(roots.root(ROOT))], None),
        "docker": (
            [*docker.options, "--image", images.of_root(docker.client, ROOT)],
            docker.environ,
        ),
        "podman": (
            [*podman.options, "--image", images.of_root(podman.client, ROOT)],
            podman.environ,
        ),
    }

    def run(name: str) -> Said:
        words, environ = calls[name]
        said = lsbcheck(*words, "--format", "json", "-v", *SCRIPTS, environ=environ)
        assert said.document["sandbox"]["unavailable"] is None, f"{name}: {said.err}"
        return said

    made = {"namespace": run("namespace")}
    with ThreadPoolExecutor() as pool:
        return made | dict(zip(ENGINES, pool.map(run, ENGINES), strict=True))


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_container_gives_the_verdicts_of_a_namespace_sandbox(
    everywhere: Mapping[str, Said], backend: str, script: str
) -> None:
    assert everywhere[backend].verdicts[script] == everywhere["namespace"].verdicts[script]


@pytest.mark.parametrize("backend", ENGINES)
def test_the_evidence_is_the_same_too(everywhere: Mapping[str, Said], backend: str) -> None:
    """The daemon, its command line, its sockets: ::1 is there in every backend."""
    seen = {name: _services(said) for name, said in everywhere.items()}
    assert seen[backend] == seen["namespace"]
    assert "udp [::1]:161" in str(seen[backend]["snmpd"]["listeners"])


def _services(said: Said) -> dict[str, dict[str, object]]:
    return {
        each["name"]: {
            "daemon": each["service"] and each["service"]["daemon"],
            "listeners": each["service"] and list(map(_without_pid, each["service"]["listeners"])),
            "pid files": each["service"] and each["service"]["pid_files"],
        }
        for each in said.document["scripts"]
    }


def _without_pid(listener: str) -> str:
    """supervisor gives its socket the number of its process."""
    return re.sub(r"\.\d+$", ".PID", listener)


@pytest.mark.parametrize("backend", ENGINES)
def test_the_report_says_what_it_was_run_in(everywhere: Mapping[str, Said], backend: str) -> None:
    sandbox = everywhere[backend].document["sandbox"]
    assert sandbox["backend"] == backend
    assert sandbox["image"].startswith(f"ocfkit-{ROOT}:")
    assert sandbox["notes"] == []
