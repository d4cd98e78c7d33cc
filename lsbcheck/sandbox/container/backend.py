"""The backend that lets a container engine make the machines, from an image.

What runs in a container, and what is seen of it, is the same as in a namespace sandbox (`guest`).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

from lsbcheck.sandbox import answers
from lsbcheck.sandbox.container import baggage, guest, image, leftovers, ulimits
from lsbcheck.sandbox.container.attached import AttachedStream
from lsbcheck.sandbox.container.engine import connect
from lsbcheck.sandbox.front import Front
from lsbcheck.sandbox.init import KEPT_CAPABILITIES
from lsbcheck.sandbox.interface import SandboxLost, SandboxUnavailable, Watch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lsbcheck.sandbox.container.engine import Client
    from lsbcheck.sandbox.container.wish import Wish
    from lsbcheck.script import Script

_SET_UP = 60.0
_STARTS_WITHIN = 30.0
_ENDS_WITHIN = 20
"""Seconds that an engine gets for each answer when all is over."""
_PROCESSES = 512
_SHARE = 8
"""One sandbox may use one part in so many of the memory of the engine's machine."""
_LEAST_SHARED_MEMORY = 1 << 20
_CPU_SHARES = 256  # a quarter of what any other container gets
_CURES = {
    "paused": "somebody has paused it: leave the containers of a run alone, and start it again",
    "running": "the engine's machine may be overloaded: start it again, with fewer --jobs",
}
"""By what the engine says of a container whose PID 1 says nothing."""
_OTHERWISE = "an image with Python 3.11, and an engine that lets us have SYS_ADMIN, are needed"
_STREAMS = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
_SAME_MACHINE = {"amd64": "x86_64", "arm64": "aarch64"}

Json = Any  # what the SDK returns: JSON as it came


class ContainerBackend:
    """Makes sandboxes that are containers, from any thread."""

    isolates = True

    def __init__(self, wish: Wish, environ: Mapping[str, str]) -> None:
        """Derive the image; raises SandboxUnavailable with the cause and the cure.

        `environ` tells where the engine is (`DOCKER_HOST`, `DOCKER_CONTEXT`, `CONTAINER_HOST`).
        """
        self.notes: list[str] = []
        self.left = ""
        self._wish = wish
        self._run = secrets.token_hex(8)
        self._labels = {leftovers.LABEL: leftovers.mark(), leftovers.RUN: self._run}
        self._image: image.Derived | None = None
        self._limited = True
        self._closed = False
        self._starting = 0
        self._changed = threading.Condition()
        self._can = False
        """Whether a sandbox has come to be."""
        self._engine = connect(wish.engine, environ, wish.runtime)
        try:
            with self._refusals_told():
                self._prepare()
        except BaseException as failure:
            self.close()
            if self.left:
                failure.add_note(self.left)
            raise

    def _prepare(self) -> None:
        client = self._engine.client
        swept = leftovers.sweep(client)
        if swept:
            self.notes.append(f"removed what a killed run had left: {', '.join(swept)}")
        about: Json = client.info()
        self._memory = int(about["MemTotal"]) // _SHARE
        kind: str = client.version().get("Arch", "")
        alike = _SAME_MACHINE.get(kind, kind) == os.uname().machine
        self._image = image.derive(self._engine, self._wish, self._labels, alike=alike)
        self.notes += [self._image.note] if self._image.note else []

    def find(self, words: Iterable[str]) -> dict[str, Script | str]:
        """See `interface.ImageBackend`."""
        try:
            with self.create() as sandbox:
                return {one: sandbox.find(one) for word in words for one in sandbox.expand(word)}
        except SandboxLost as lost:
            raise SandboxUnavailable(
                f"the scripts were looked for, and {lost}",
                "start it again; if that comes again, the engine's own log may tell more",
            ) from lost

    def create(self, watch: Iterable[Watch] = (), visible: Iterable[str] = ()) -> ContainerSandbox:
        """A fresh machine; raises SandboxUnavailable. Nothing of this host is `visible`."""
        del visible
        with self._refusals_told():
            sandbox = self._start_in_limits(sorted(watch))
        try:
            self.notes += [each for each in sandbox.wait_ready() if each not in self.notes]
        except SandboxLost as lost:
            status = sandbox.state().get("Status", "")
            sandbox.destroy()
            if self._can:  # this one has died, others have not
                raise
            raise SandboxUnavailable(
                f"our own PID 1 did not start in the container: {lost}",
                _CURES.get(status, _OTHERWISE),
            ) from lost
        except BaseException:
            sandbox.destroy()
            raise
        self._can = True
        return sandbox

    def _start_in_limits(self, watch: Sequence[str]) -> ContainerSandbox:
        """Start one; without limits, and a note, where that is what the engine refuses."""
        from docker.errors import APIError

        try:
            with self._waited_for():
                return self._start(watch, limited=self._limited)
        except APIError as refusal:
            if not self._limited:
                raise
            try:
                with self._waited_for():
                    sandbox = self._start(watch, limited=False)
            except APIError:
                raise refusal from None  # it was not for the limits
            self._limited = False
            note = f"not limited: the engine refuses limits ({image.words_of(refusal)})"
            self.notes += [note] if note not in self.notes else []
            return sandbox

    def _start(self, watch: Sequence[str], *, limited: bool) -> ContainerSandbox:
        assert self._image is not None  # noqa: S101 - else we would not have come to be
        request = {
            "watch": list(watch),
            "capabilities": list(self._wish.capabilities),
            "volumes": self._image.volumes,
            "copies": sorted({path for path, _content, _mode in self._wish.copies}),
        }
        client = self._engine.another_client()
        made: Json = client.create_container(
            self._image.name,
            entrypoint=baggage.command(carried=self._image.carried),
            command=[],
            user="0",
            working_dir="/",
            stdin_open=True,
            healthcheck={"test": ["NONE"]},
            labels=self._labels,
            host_config=self._host_config(client, limited=limited),
        )
        name: str = made["Id"]
        sandbox = ContainerSandbox(client, name, request, self._limits())
        try:
            sandbox.start()
            self._require_open()  # `close` has not seen this one
        except BaseException:
            sandbox.remove()
            raise
        return sandbox

    @contextlib.contextmanager
    def _waited_for(self) -> Generator[None]:
        """`close` waits for what goes on in here: an image that is in use leaves a nameless one."""
        with self._changed:
            self._require_open()
            self._starting += 1
        try:
            yield
        finally:
            with self._changed:
                self._starting -= 1
                self._changed.notify_all()

    def _require_open(self) -> None:
        if self._closed:
            raise SandboxUnavailable("the run has been ended", "start it again")

    def _host_config(self, client: Client, *, limited: bool) -> Json:
        memory = {"mem_limit": self._memory, "memswap_limit": self._memory}
        limits = {**memory, "pids_limit": _PROCESSES, "cpu_shares": _CPU_SHARES}
        return client.create_host_config(
            auto_remove=True,
            cap_drop=["ALL"],
            # SYS_ADMIN is PID 1's alone, which gives it up before it runs anything
            cap_add=sorted({*KEPT_CAPABILITIES, *self._wish.capabilities, "SYS_ADMIN"}),
            devices=[f"{each.path}:{each.inside}:rwm" for each in self._wish.devices],
            network_mode="none",
            shm_size=max(_LEAST_SHARED_MEMORY, self._memory // 2),  # an engine's own is 64 MiB
            log_config={"Type": "none"},  # what PID 1 says is for us, and not for a file
            ulimits=ulimits.ours(),
            **({"runtime": self._wish.runtime} if self._wish.runtime else {}),
            **(limits if limited else {}),
        )

    def _limits(self) -> str:
        return f"{_PROCESSES} processes and {self._memory >> 20} MiB of memory for one container"

    @contextlib.contextmanager
    def _refusals_told(self) -> Generator[None]:
        """Turn what the engine refuses into its own sentence with a cure."""
        from docker.errors import APIError, DockerException
        from requests.exceptions import RequestException

        try:
            yield
        except APIError as error:
            said = image.words_of(error)
            raise SandboxUnavailable(
                f"the engine refuses a container of {self._wish.image}: {said}", _cure(said)
            ) from error
        except (DockerException, RequestException, OSError) as error:
            raise SandboxUnavailable(
                f"the engine at {self._engine.where} has stopped answering: {error}",
                "look whether it still runs",
            ) from error

    def close(self) -> None:
        """Destroy every sandbox that is left, the image, and the connection."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.wait_for(lambda: not self._starting, _STARTS_WITHIN)
        self._engine.client.timeout = _ENDS_WITHIN
        self.left = "the engine did not remove what is left of it; the next run does"
        with _engine_may_be_gone():
            leftovers.remove_run(self._engine.client, self._run)
            self.left = ""
        self.notes += [self.left] if self.left else []
        self._engine.close()

    def __enter__(self) -> Self:
        """Return the backend itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


class ContainerSandbox(Front):
    """The front's end of one container; see `interface.Sandbox`."""

    noun = "container"

    def __init__(
        self, client: Client, name: str, request: Mapping[str, object], limits: str
    ) -> None:
        """Take over a client, and a container by the engine's name.

        `request` is what PID 1 reads first (see `guest.main`).
        """
        self._client = client
        self._name = name
        self._request = request
        self._limits = limits
        self._stream = AttachedStream(client.attach_socket(name, params=_STREAMS))
        self._open = True
        super().__init__(self._stream)

    def start(self) -> None:
        """Start it; raises what the SDK raises."""
        self._client.start(self._name)

    def wait_ready(self) -> list[str]:
        """Wait for PID 1's first word: its notes; raises SandboxUnavailable and SandboxLost."""
        self._send(self._request)
        first = self._receive(_SET_UP)
        if "ready" not in first:
            said = str(first.get("unavailable"))
            raise SandboxUnavailable(
                f"the container could not be made ready: {said}",
                _cure(
                    said, "the engine's seccomp or AppArmor profile, or its runtime, may deny it"
                ),
            )
        return answers.texts(first["ready"])

    def expand(self, pattern: str) -> list[str]:
        """What a shell in here would make of a word: the files that match, else the word."""
        return answers.texts(self._ask("expand", pattern=pattern))

    def find(self, word: str) -> Script | str:
        """The script that a word means in here, or the sentence why there is none."""
        return answers.script(self._ask("find", word=word))

    def destroy(self) -> None:
        """End every process; returns when the engine has removed the container."""
        if not self._open:
            return
        with contextlib.suppress(SandboxLost, OSError):
            self._met = self._limits_met(answers.counts(self._ask("met")), self._limits)
        self.remove()

    def remove(self) -> None:
        """End it, whatever its state."""
        self._open = False
        self._link.close()
        self._client.timeout = _ENDS_WITHIN
        with _engine_may_be_gone():
            leftovers.remove_container(self._client, self._name)
        self._client.close()

    def state(self) -> Mapping[str, Json]:
        """What the engine knows of it (Engine API, `State`); empty when it is removed already."""
        about: dict[str, Json] = {}
        with _engine_may_be_gone():
            about = self._client.inspect_container(self._name)
        return dict(about.get("State", {}))

    def _death(self) -> str:
        """Its own last words, or else what the engine still knows."""
        why = self._stream.complaint
        if not why:
            state = self.state()
            why = "it was out of memory" if state.get("OOMKilled") else state.get("Error") or ""
        return f"{super()._death()}{': ' if why else ''}{why}"


def _cure(said: str, otherwise: str = "the engine's own log may tell more") -> str:
    if "no space left" in said.lower():
        return "make room on the disk of the engine (docker system df shows what takes it)"
    if "runtime" in said.lower():  # of a full disk it may say no more than that it has failed
        return (
            "--runtime may name what the engine does not know, or cannot run; or its disk is full"
        )
    if said.startswith(guest.COPY_REFUSED):
        return "name a path in the image at which a file can be: --copy FILE:PATH"
    return otherwise


@contextlib.contextmanager
def _engine_may_be_gone() -> Generator[None]:
    """The next run removes what cannot be removed now (`leftovers`)."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    with contextlib.suppress(DockerException, RequestException, OSError):
        yield
