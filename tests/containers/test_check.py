"""`ocfkit check` in containers: the verdicts are those of a namespace sandbox."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ocfkit.linux.namespaces import CAPABILITIES
from tests.conformance import broken
from tests.containers import images
from tests.containers.command import PATIENCE, Said
from tests.containers.engines import Engine
from tests.ocfkit.command import argv
from tests.services import loops

GOOD = "none"
BLIND = "monitor looks at the pid file alone"
RULES = (
    "start-succeeds",
    "monitor-after-crash",
    "silent-listener-is-not-the-service",
    "stop-leaves-no-process",
)
OPTIONS = (
    *("-p", "name=foo", "--format", "json"),
    *(word for rule in RULES for word in ("--rule", rule)),
)


def check(*words: str | Path, environ: Mapping[str, str] | None = None) -> Said:
    process = subprocess.Popen(
        argv("check", *words),
        env={**os.environ, **(environ or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    out, err = process.communicate(timeout=PATIENCE)
    return Said(process.pid, process.returncode, out, err)


def verdicts(said: Said) -> dict[str, str]:
    rules: list[dict[str, Any]] = json.loads(said.out)["rules"]
    return {rule["id"]: rule["verdict"] for rule in rules}


def text_of(fault: str) -> str:
    if fault == GOOD:
        return broken.GOOD["shell"].read_text()
    return next(each for each in broken.KNOWN if each.name == fault).text()


Checker = Callable[..., Said]
"""The command, with an agent and more words."""


@pytest.fixture(name="agents", scope="module")
def agents_with_their_service(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """One without a fault and one with."""
    folder = tmp_path_factory.mktemp("agents")
    made = {fault: folder / str(number) for number, fault in enumerate((GOOD, BLIND))}
    return {fault: broken.make("shell", text_of(fault), place) for fault, place in made.items()}


@pytest.fixture(name="contained", scope="module")
def in_containers(engine: Engine, small_image: str) -> Checker:
    """The command in containers of each engine."""
    options = [*engine.options, "--image", small_image]

    def run(*words: str | Path) -> Said:
        return check(*options, *words, environ=engine.environ)

    return run


@pytest.fixture(name="here", scope="module")
def checked_in_namespaces(agents: Mapping[str, Path]) -> Mapping[str, Said]:
    return {fault: check(agent, *OPTIONS) for fault, agent in agents.items()}


def test_a_container_gives_the_verdicts_of_a_namespace_sandbox(
    here: Mapping[str, Said], contained: Checker, agents: Mapping[str, Path], engine: Engine
) -> None:
    for fault, agent in agents.items():
        said = contained(agent, "--copy", agent.parent / "pinger.py", *OPTIONS)
        assert (said.code, verdicts(said)) == (here[fault].code, verdicts(here[fault])), said.err
        assert said.document["machine"]["sandbox"] == engine.kind
        assert said.document["notes"] == []
        assert engine.left(said.pid) == []
    assert verdicts(here[GOOD]) == dict.fromkeys(RULES, "pass")
    assert verdicts(here[BLIND])["monitor-after-crash"] == "fail"


def test_an_agent_by_name_is_the_images_own(engine: Engine, small_image: str) -> None:
    own = {"/usr/lib/ocf/resource.d/test/ponger": (text_of(GOOD).encode(), 0o755)}
    rule = ("--rule", "name-is-the-file-name", "--format", "json")
    with images.with_files(engine.client, small_image, own) as image:
        words = (*engine.options, "--image", image, *rule)
        done = check("ocf:test:ponger", *words, environ=engine.environ)
        assert verdicts(done) == {rule[1]: "pass"}, done.err
        refused = check("ocf:test:gone", *words, environ=engine.environ)
    assert (refused.code, refused.out) == (2, "")
    path = "/usr/lib/ocf/resource.d/test/gone"
    sentence = f"ocfkit: ocf:test:gone: No such file or directory in {image}: {path}\n"
    assert refused.err == sentence
    assert engine.left(refused.pid) == []


def test_what_is_granted_is_there(engine: Engine, small_image: str) -> None:
    with loops.folder() as folder:
        backing = folder / "disk"
        backing.write_bytes(bytes(1 << 16))
        with loops.attached(backing, 512) as disk:
            given = ("--grant", "SYS_TIME", "--device", f"{disk.path}:/dev/shared")
            prepare = "printf '%s' \"$(cat /proc/self/status)\" >/dev/shared"
            words = (*engine.options, "--image", small_image, *given, "--prepare", prepare)
            rule = ("--rule", "name-is-the-file-name", "--format", "json")
            done = check(broken.GOOD["shell"], *words, *rule, environ=engine.environ)
        written = backing.read_bytes().rstrip(b"\0").decode()
    assert verdicts(done) == {rule[1]: "pass"}, done.err
    (held,) = re.findall(r"^CapEff:\s*([0-9a-f]+)$", written, flags=re.MULTILINE)
    assert int(held, 16) >> CAPABILITIES.index("SYS_TIME") & 1
    assert done.document["granted"] == {
        "capabilities": ["SYS_TIME"],
        "devices": [{"path": disk.path, "inside": "/dev/shared"}],
    }


def test_an_engine_that_is_not_there_is_no_sandbox() -> None:
    where = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}
    words = ("--sandbox", "docker", "--image", "debian:12", "ocf:heartbeat:Dummy")
    said = check(*words, environ=where)
    assert (said.code, said.out) == (4, "")
    assert "unix:///nonexistent/docker.sock" in said.err
    assert "ocfkit: cure: " in said.err
