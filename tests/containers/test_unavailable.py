"""Where no container can be had: one sentence, a cure, exit code 4, and nothing is left."""

from __future__ import annotations

import contextlib
import http.server
import os
import socket
import socketserver
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lsbcheck.sandbox.container import backend, baggage
from lsbcheck.sandbox.container.engine import connect
from lsbcheck.sandbox.interface import SandboxUnavailable
from tests.containers import images
from tests.containers.command import LAB, lsbcheck
from tests.containers.engines import Engine
from tests.containers.far import Far, reached_by_ssh


def refused(*words: str, environ: dict[str, str] | None = None, site: bool = True) -> str:
    said = lsbcheck("--sandbox", "docker", "--image", "no-such-image", *words, "cron",
                    environ=environ, site=site)  # fmt: skip
    assert (said.code, said.out) == (4, ""), said
    cause, cure = said.err.splitlines()
    assert cause.startswith("lsbcheck: no sandbox: ")
    assert cure.startswith("lsbcheck: cure: ")
    return said.err


def test_without_the_sdk_it_is_told_how_to_get_it() -> None:
    assert "python3-docker" in refused(site=False)


def test_without_an_engine_it_is_told_where_one_was_looked_for(tmp_path: Path) -> None:
    err = refused(environ={"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    assert f"no engine answers at unix://{tmp_path}/none.sock" in err


def test_a_socket_that_nobody_listens_to_is_no_engine(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as unheard:
        unheard.bind(f"{tmp_path}/dead.sock")
    assert "no engine answers" in refused(environ={"DOCKER_HOST": f"unix://{tmp_path}/dead.sock"})


def test_who_may_not_speak_to_the_engine_is_told_so(docker: Engine) -> None:
    assert docker.kind == "docker"
    refusal = _refusal_of_nobody("unix:///var/run/docker.sock")
    assert "you may not speak to the engine at unix:///var/run/docker.sock" in refusal


def _refusal_of_nobody(where: str) -> str:
    """What an ordinary user is told who connects there."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        try:
            connect("docker", {"DOCKER_HOST": where})
        except SandboxUnavailable as refusal:
            os.write(write, str(refusal).encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with open(read, encoding="utf-8") as said:
        return said.read()


def test_an_engine_that_is_too_old_is_named(tmp_path: Path) -> None:
    with _engine_that_says(f"{tmp_path}/old.sock", b'{"ApiVersion": "1.12"}') as where:
        err = refused(environ={"DOCKER_HOST": where})
    assert f"the engine at {where} cannot be used" in err
    assert "no longer supported" in err
    assert "its version, and that of the docker SDK" in err


def test_what_answers_and_is_no_engine_is_told(tmp_path: Path) -> None:
    with _engine_that_says(f"{tmp_path}/odd.sock", b"<html>nginx</html>") as where:
        assert f"the engine at {where} cannot be used" in refused(environ={"DOCKER_HOST": where})


def test_an_engine_that_is_silent_while_it_pulls_is_given_up(
    docker: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK itself would wait for ever."""
    assert docker.kind == "docker"
    monkeypatch.setattr("lsbcheck.sandbox.container.engine._ANSWERS_WITHIN", 2)
    silent = f"{tmp_path}/silent.sock"
    with _in_front_of("/var/run/docker.sock", silent, b"POST /v1.41/images/create"):
        wish = docker.wish("no-such-image")
        with pytest.raises(SandboxUnavailable, match="stopped answering"):
            backend.ContainerBackend(wish, {"DOCKER_HOST": f"unix://{silent}"})


@contextmanager
def _in_front_of(engine: str, path: str, unanswered: bytes) -> Generator[None]:
    """A socket that leads to an engine's, but for requests that begin like this."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as there:
                there.connect(engine)
                back = threading.Thread(target=_pour, args=(there, self.request))
                back.start()
                with contextlib.suppress(OSError):
                    while chunk := self.request.recv(1 << 16):
                        if not chunk.startswith(unanswered):
                            there.sendall(chunk)
                    there.shutdown(socket.SHUT_WR)
                back.join()

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True

    with Server(path, Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def _engine_that_says(path: str, answer: bytes) -> Generator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def address_string(self) -> str:
            return "unix"

        def log_message(self, format: str, *_: object) -> None: ...

    with socketserver.ThreadingUnixStreamServer(path, Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            server.shutdown()
            thread.join()


def test_an_image_that_nobody_has_is_named(docker: Engine) -> None:
    assert docker.kind == "docker"
    err = refused()
    assert "the engine has no image no-such-image, and could not pull it" in err
    assert "docker images shows those that it has" in err


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_a_runtime_that_the_engine_does_not_know_is_told_in_its_words(
    engine: Engine, small_image: str
) -> None:
    said = lsbcheck(
        "--sandbox", "docker", "--image", small_image, "--runtime", "nonsense", "lab"
    )  # fmt: skip
    assert said.code == 4
    assert "nonsense" in said.err
    assert "cure: --runtime" in said.err
    assert engine.left(said.pid) == []


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_a_disk_that_is_full_before_pid_1_is_ready_is_to_be_cured(
    engine: Engine, small_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What PID 1 then says; on a small disk of an engine's own it was seen to."""
    said = '{"unavailable": "No space left on device (/etc/hosts)"}'

    def pid_1(*, carried: bool) -> list[str]:
        assert carried
        return ["/bin/sh", "-c", f"read request; echo '{said}'"]

    monkeypatch.setattr(baggage, "command", pid_1)
    with (
        engine.backend(small_image) as made,
        pytest.raises(SandboxUnavailable, match="No space left on device") as refusal,
    ):
        made.create()
    assert "make room on the disk of the engine" in refusal.value.cure


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_an_engine_that_refuses_limits_is_quoted_and_gets_none(
    engine: Engine, small_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "_SHARE", 1 << 20)  # less than the engine takes for a limit
    with engine.backend(small_image) as made, made.create() as sandbox:
        assert sandbox.run(["true"], env={"PATH": "/bin"}, deadline=60).code == 0
        (note,) = made.notes
    assert note.startswith("not limited: the engine refuses limits (Minimum memory limit allowed")


class TestAContainerThatSaysNothing:
    @pytest.fixture(autouse=True)
    def silence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """PID 1 waits for what it is sent first."""
        monkeypatch.setattr(backend.ContainerSandbox, "_send", _nothing)
        monkeypatch.setattr(backend, "_SET_UP", 1.0)

    def test_may_be_too_slow(self, engine: Engine, small_image: str) -> None:
        refusal = _refused_machine(engine, small_image)
        assert "the container gave no answer in 1 s" in refusal.cause
        assert "the engine's machine may be overloaded" in refusal.cure

    def test_may_have_been_paused(
        self, engine: Engine, small_image: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        start = backend.ContainerSandbox.start

        def start_and_pause(self: backend.ContainerSandbox) -> None:
            start(self)
            (container,) = engine.containers(os.getpid())
            engine.client.pause(container)

        monkeypatch.setattr(backend.ContainerSandbox, "start", start_and_pause)
        assert "somebody has paused it" in _refused_machine(engine, small_image).cure


def test_a_container_that_dies_while_a_script_is_looked_for_is_no_sandbox(
    engine: Engine, small_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expand = backend.ContainerSandbox.expand

    def die_and_expand(self: backend.ContainerSandbox, pattern: str) -> list[str]:
        (container,) = engine.containers(os.getpid())
        engine.client.kill(container)
        return expand(self, pattern)

    monkeypatch.setattr(backend.ContainerSandbox, "expand", die_and_expand)
    with engine.backend(small_image) as made, pytest.raises(SandboxUnavailable) as refusal:
        made.find(["lab"])
    assert refusal.value.cause.startswith("the scripts were looked for, and the container has died")
    assert "start it again" in refusal.value.cure
    assert engine.left(os.getpid()) == []


def _nothing(_self: object, _message: object) -> None: ...


def _refused_machine(engine: Engine, image: str) -> SandboxUnavailable:
    with engine.backend(image) as made, pytest.raises(SandboxUnavailable) as refusal:
        made.create()
    assert engine.left(os.getpid()) == []
    return refusal.value


def test_a_word_that_names_no_script_of_the_image_is_a_wrong_call(
    engine: Engine, small_image: str
) -> None:
    said = lsbcheck(*engine.options, "--image", small_image, "nosuch", environ=dict(engine.environ))
    assert (said.code, said.out) == (2, "")
    assert said.err == "lsbcheck: nosuch: no script of this name in /etc/init.d or here\n"
    assert engine.left(said.pid) == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--image", "x"], "--image is for containers: say --sandbox docker or podman as well"),
        (["--cap-add", "SYS_TIME"], "--cap-add is for containers"),
        (["--sandbox", "docker"], "--sandbox docker runs the script in an --image: name one"),
        (["--sandbox", "podman", "--image", "x", "--root", "/srv"], "--root is a folder of this"),
        (["--sandbox", "podman", "--image", "x", "--allow-live"], "--allow-live is about services"),
        (["--sandbox", "docker", "--image", "x", "--copy", "/no/such"], "--copy /no/such: no such"),
        (["--sandbox", "docker", "--image", "x", "--copy", "/etc"], "--copy /etc: not a regular"),
        (["--cap-add", "all"], "'all' is not the name of one capability"),
        (["--copy", "a:b"], "'a:b' is not FILE or FILE:PATH"),
    ],
)
def test_options_that_make_no_sense_are_a_wrong_call(words: list[str], sentence: str) -> None:
    said = lsbcheck(*words, "cron")
    assert said.code == 2
    assert sentence in said.err


def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    err = refused(environ={"DOCKER_CONTEXT": "moon", "DOCKER_CONFIG": str(tmp_path)})
    assert "the docker context cannot be used" in err
    assert "moon" in err


class TestRemoteEngine:
    """One that is spoken to over TCP stands for every engine on another machine."""

    @pytest.fixture
    def where(self, docker: Engine) -> Generator[str]:
        assert docker.kind == "docker"
        with _forwarded("/var/run/docker.sock") as port:
            yield f"tcp://127.0.0.1:{port}"

    @pytest.mark.parametrize("engine", ["docker"], indirect=True)
    def test_does_all_that_a_local_one_does(
        self, engine: Engine, small_image: str, where: str
    ) -> None:
        with images.with_files(engine.client, small_image, LAB) as image:
            said = lsbcheck(
                *("--sandbox", "docker", "--image", image, "--format", "json"),
                *("--rule", "start-failure-reported", "--rule", "status-when-running", "lab"),
                environ={"DOCKER_HOST": where},
            )
        assert said.verdicts == {
            "lab": {"start-failure-reported": "fail", "status-when-running": "pass"}
        }, said

    def test_may_be_named_by_a_context(self, where: str, tmp_path: Path) -> None:
        config = {"DOCKER_CONFIG": str(tmp_path)}
        for words in (["create", "far", "--docker", f"host={where}"], ["use", "far"]):
            subprocess.run(
                ["docker", "context", *words],
                env={**os.environ, **config},
                stdout=subprocess.DEVNULL,
                check=True,
            )
        err = refused(environ=config)
        assert "the engine has no image no-such-image" in err


@pytest.fixture(scope="module")
def far(docker: Engine, podman: Engine, tmp_path_factory: pytest.TempPathFactory) -> Generator[Far]:
    with reached_by_ssh(
        tmp_path_factory.mktemp("far"), _socket_of(docker), _socket_of(podman)
    ) as made:
        yield made


class TestEngineBySsh:
    """Through a real sshd, which lets one key in and forwards to the sockets of both engines."""

    def test_does_all_that_a_local_one_does(
        self, engine: Engine, small_image: str, far: Far
    ) -> None:
        variable = "CONTAINER_HOST" if engine.kind == "podman" else "DOCKER_HOST"
        with images.with_files(engine.client, small_image, LAB) as image:
            said = lsbcheck(
                *(*engine.options, "--image", image, "--format", "json"),
                *("--rule", "start-failure-reported", "--rule", "status-when-running", "lab"),
                environ={variable: far.at(_socket_of(engine)), **far.environ},
            )
        assert said.verdicts == {
            "lab": {"start-failure-reported": "fail", "status-when-running": "pass"}
        }, said
        assert engine.left(said.pid) == []

    def test_that_lets_nobody_in_is_quoted(self, far: Far) -> None:
        err = refused(environ={"DOCKER_HOST": far.at("docker.sock"), **far.stranger})
        assert "ssh found no way to 127.0.0.1: root@127.0.0.1: Permission denied (publickey" in err
        assert "without a password" in err

    def test_without_a_socket_there_is_told_so(self, far: Far) -> None:
        where = far.at("no.sock")
        err = refused(environ={"DOCKER_HOST": where, **far.environ})
        assert f"no engine answers at {where}" in err
        assert "let speak to its socket" in err

    def test_that_is_not_there_is_told_so(self, far: Far) -> None:
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            nowhere = f"ssh://root@127.0.0.1:{deaf.getsockname()[1]}"
        err = refused(environ={"DOCKER_HOST": nowhere, **far.environ})
        assert "ssh found no way to 127.0.0.1: ssh: connect to host 127.0.0.1 port" in err


def _socket_of(engine: Engine) -> str:
    """Where this one answers on this host."""
    of_podman = engine.environ.get("CONTAINER_HOST", "")
    return of_podman.removeprefix("unix://") if engine.kind == "podman" else "/var/run/docker.sock"


@contextmanager
def _forwarded(path: str) -> Generator[int]:
    """A port of the loopback that leads to a unix socket."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as there:
                there.connect(path)
                back = threading.Thread(target=_pour, args=(there, self.request))
                back.start()
                _pour(self.request, there)
                back.join()

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _pour(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(1 << 16):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
