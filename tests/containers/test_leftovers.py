"""Whatever is killed, and whenever: no verdict is wrong, and the next run leaves nothing."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from docker import APIClient
from docker.errors import DockerException, NotFound

from lsbcheck.sandbox.container import leftovers
from lsbcheck.sandbox.container.leftovers import LABEL
from lsbcheck.sandbox.container.passage import Passage
from lsbcheck.sandbox.interface import SandboxUnavailable
from ocfkit.linux import process
from tests.containers import images, own_engine
from tests.containers.command import LAB, PATIENCE, REPOSITORY, Said, lsbcheck, started
from tests.containers.engines import Engine

SEED = 6
ROUNDS = 7 if os.environ.get("CI") == "true" else 18
"""For each that is killed; the whole run has an hour."""
RULES = ("start-succeeds", "start-failure-reported", "status-when-stopped", "status-after-crash")
TRUTH = dict(zip(RULES, ("pass", "fail", "pass", "pass"), strict=True))
NO_VERDICT = ("error", "not-provoked")


@pytest.fixture(scope="module")
def engine() -> Generator[own_engine.OwnEngine]:
    with own_engine.engine() as made:
        made.start()
        yield made


@pytest.fixture(scope="module")
def seconds(engine: own_engine.OwnEngine, image: str) -> float:
    """What a run takes that nothing disturbs, on this machine and now."""
    began = time.monotonic()
    check_undisturbed(engine, image)
    return time.monotonic() - began


@pytest.fixture(scope="module")
def image(engine: own_engine.OwnEngine, small_root: str) -> Generator[str]:
    with engine.client() as client:
        small = images.of_folder(client, Path(small_root), "small:1")
        with images.with_files(client, small, LAB) as name:
            yield name


def words(image: str, script: str = "lab") -> list[str]:
    chosen = [word for rule in RULES for word in ("--rule", rule)]
    return ["--sandbox", "docker", "--image", image, "--format", "json", *chosen, script]


def left(engine: own_engine.OwnEngine) -> list[str]:
    with engine.client() as client:
        containers = client.containers(all=True, filters={"label": LABEL})
        labelled = client.images(filters={"label": LABEL})
        there = [each for each in containers if _exists(client, each["Id"])]
        return [each["Id"] for each in (*there, *labelled)]


def _exists(client: images.Client, container: str) -> bool:
    """Whether the engine knows what it lists.

    One that is killed while it removes a container finishes that when it is started again, says "no
    such container" of it from then on, and lists it as dead until the next start (docker 20.10).
    """
    try:
        client.inspect_container(container)
    except NotFound:
        return False
    return True


def check_undisturbed(engine: own_engine.OwnEngine, image: str) -> Said:
    said = lsbcheck(*words(image), environ={"DOCKER_HOST": engine.where})
    assert (said.code, said.verdicts) == (1, {"lab": TRUTH}), said
    return said


def test_a_run_that_nothing_disturbs_leaves_nothing(
    engine: own_engine.OwnEngine, image: str
) -> None:
    check_undisturbed(engine, image)
    assert left(engine) == []


def test_another_test_run_lets_our_engine_be(engine: own_engine.OwnEngine) -> None:
    with own_engine.engine(), engine.client() as client:
        assert client.ping()


def test_a_run_that_is_interrupted_while_the_engine_stands_still_says_that_something_is_left(
    engine: own_engine.OwnEngine, image: str
) -> None:
    with started(*words(image), environ={"DOCKER_HOST": engine.where}) as run:
        until = time.monotonic() + PATIENCE
        while not left(engine):
            assert time.monotonic() < until
            assert run.poll() is None
        engine.stop()
        try:
            run.send_signal(signal.SIGTERM)
            _, err = run.communicate(timeout=PATIENCE)
        finally:
            engine.go_on()
    assert run.returncode == 128 + signal.SIGTERM
    assert err == (
        "lsbcheck: interrupted, the engine did not remove what is left of it; the next run does\n"
    )
    check_undisturbed(engine, image)
    assert left(engine) == []


@pytest.mark.parametrize("target", ["lsbcheck", "container", "engine"])
def test_kill_at_any_moment(
    engine: own_engine.OwnEngine, image: str, seconds: float, target: str
) -> None:
    moments = random.Random(f"{SEED} {target}")  # noqa: S311 - to be had again
    ended: list[str] = []
    for number in range(ROUNDS):
        moment = moments.uniform(0.1, seconds)
        where = f"{target}, round {number}, killed after {moment:.2f} s"
        began = time.monotonic()
        with started(*words(image), environ={"DOCKER_HOST": engine.where}) as run:
            kills: dict[str, Callable[[], None]] = {
                "lsbcheck": run.kill,
                "container": lambda: _kill_a_container(engine, moments, run),
                "engine": engine.kill,
            }
            timer = threading.Timer(moment, kills[target])
            timer.start()
            out, err = run.communicate(timeout=PATIENCE)
            timer.join()
        ended.append(_how_it_ended(run.returncode, out, err, where))
        if ended[-1] == "undisturbed":
            seconds = min(seconds, time.monotonic() - began)  # the machine has become faster
        if target == "engine":
            engine.start()
        swept = lsbcheck(*words(image, "nosuch"), environ={"DOCKER_HOST": engine.where})
        assert swept.code == 2, (where, swept, engine.log())
        assert left(engine) == [], (where, swept, engine.log())
    print(f"{target}: {ROUNDS} rounds: {', '.join(ended)}")
    assert ended.count("undisturbed") < ROUNDS / 2, "most kills came too late to test anything"
    check_undisturbed(engine, image)


def _kill_a_container(
    engine: own_engine.OwnEngine, moments: random.Random, run: subprocess.Popen[str]
) -> None:
    """The next one that is there, while the run lasts."""
    with engine.client() as client:
        while run.poll() is None:
            with contextlib.suppress(DockerException, IndexError):
                found = client.containers(filters={"label": LABEL})
                client.kill(moments.choice(found)["Id"])
                return


def _how_it_ended(code: int, out: str, err: str, where: str) -> str:
    """In a word, if it told no lie."""
    assert "Traceback" not in err, (where, err)
    if code == -signal.SIGKILL and not out:
        return "killed"
    assert code in (1, 3, 4, -signal.SIGKILL), (where, code, err)
    if not out:  # the first one, in which the script is looked for
        assert (code, "lsbcheck: no sandbox: " in err) == (4, True), (where, code, err)
        return "no sandbox"
    rules = [rule for script in json.loads(out)["scripts"] for rule in script["rules"]]
    for rule in rules:
        assert rule["verdict"] in (TRUTH[rule["id"]], *NO_VERDICT), (where, rule)
    if code == -signal.SIGKILL:  # as it was about to end, with its report delivered
        return "killed"
    if code == 4:
        return "no sandbox"
    disturbed = any(rule["verdict"] in NO_VERDICT for rule in rules)
    return "no verdict on a rule" if disturbed else "undisturbed"


def test_an_interrupt_while_the_engine_makes_our_image_leaves_nothing(
    docker: Engine, small_root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sdk: Any = APIClient
    slow = sdk.commit

    def interrupted(*words: Any, **options: Any) -> Any:  # noqa: ANN401
        raise_in_main = (threading.main_thread().ident, signal.SIGUSR1)
        threading.Timer(0.01, signal.pthread_kill, raise_in_main).start()
        return slow(*words, **options)

    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    name = f"ocfkit-interrupted:{images.digest_of(small_root)}"
    image = images.of_folder(docker.client, Path(small_root), name)
    try:
        with images.with_files(docker.client, image, LAB) as lab:
            monkeypatch.setattr(APIClient, "commit", interrupted)
            with pytest.raises(KeyboardInterrupt):
                docker.backend(lab)
            monkeypatch.undo()
            until = time.monotonic() + 2  # the engine brings to its end what it has begun
            while time.monotonic() < until:
                assert docker.left(os.getpid()) == []
    finally:
        signal.signal(signal.SIGUSR1, before)
        docker.client.remove_image(image, force=True)


def test_what_leads_to_an_engine_ends_with_who_made_it(tmp_path: Path) -> None:
    """`podman system service` and ssh, after kill -9; their folder goes with the next run."""
    make = f"""if True:
        import signal
        from lsbcheck.sandbox.container.passage import Passage
        from lsbcheck.sandbox.interface import SandboxUnavailable
        script = "echo $$ >{tmp_path}/pid; touch $0; exec sleep 600"
        made = Passage(lambda socket: ["sh", "-c", script, socket], SandboxUnavailable("", ""))
        print(made.where, flush=True)
        signal.pause()
        """
    with subprocess.Popen(
        [sys.executable, "-c", make], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as maker:
        assert maker.stdout is not None
        folder = Path(maker.stdout.readline().strip().removeprefix("unix://")).parent
        assert folder.is_dir()
        maker.kill()
    helper = int((tmp_path / "pid").read_text())
    until = time.monotonic() + PATIENCE
    while _runs(helper):
        assert time.monotonic() < until
        time.sleep(0.02)
    Passage(lambda socket: ["sh", "-c", "touch $0; exec sleep 600", socket], NO_WAY).close()
    assert not folder.exists()


NO_WAY = SandboxUnavailable("there is no way", "make one")


def _runs(pid: int) -> bool:
    try:
        return not process.stat(pid).ended
    except OSError:
        return False


class TestWhose:
    """Only what is of a process of this machine that is gone may be removed."""

    def test_our_own_is_not_left_behind(self) -> None:
        assert not leftovers.is_left_behind(leftovers.mark())

    def test_that_of_a_process_that_has_ended_is(self) -> None:
        child = subprocess.Popen(["sleep", "60"])
        machine, boot, namespace, _, _ = leftovers.mark().split(" ")
        start = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]
        its = f"{machine} {boot} {namespace} {child.pid} {start}"
        assert not leftovers.is_left_behind(its)
        child.kill()
        child.wait()
        assert leftovers.is_left_behind(its)

    def test_that_of_this_machine_before_it_was_started_again_is(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(leftovers, "_namespace", lambda: "4026531836")
        machine, _, *rest = leftovers.mark().split(" ")
        assert leftovers.is_left_behind(" ".join([machine, "other-boot", *rest]))

    def test_that_of_a_container_elsewhere_with_our_machine_id_is_not(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """CI jobs of one image, on many hosts and with one engine, share the image's machine id."""
        monkeypatch.setattr(leftovers, "_namespace", lambda: "4026533000")
        machine, _, *rest = leftovers.mark().split(" ")
        assert not leftovers.is_left_behind(" ".join([machine, "other-boot", *rest]))

    def test_a_number_that_was_given_again_is_another_process(self) -> None:
        *first, start = leftovers.mark().split(" ")
        assert leftovers.is_left_behind(" ".join([*first, str(int(start) - 1)]))

    @pytest.mark.parametrize(
        "label", ["", "somebody", "a b c d e", "m b n 12", "{gone} more", "{gone}.0"]
    )
    def test_what_is_not_understood_is_nobody_s_business(self, label: str) -> None:
        *first, start = leftovers.mark().split(" ")
        gone = " ".join([*first, str(int(start) - 1)])
        assert not leftovers.is_left_behind(label.format(gone=gone))

    @pytest.mark.parametrize("place", [0, 2])
    def test_what_another_machine_or_container_has_made_is_left_alone(self, place: int) -> None:
        fields = leftovers.mark().split(" ")
        fields[4] = "1"  # gone, if it were ours
        fields[place] = "other"
        if place == 0:
            fields[1] = "other-boot"
        assert not leftovers.is_left_behind(" ".join(fields))
