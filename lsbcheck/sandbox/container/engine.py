"""Which engine is meant, and a connection to it: docker's, or podman's through the same API."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import ssl
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from lsbcheck.sandbox.container.passage import Passage, by_ssh
from lsbcheck.sandbox.interface import SandboxUnavailable

if TYPE_CHECKING:
    from lsbcheck.sandbox.container.wish import Kind

Client = Any
"""docker.APIClient, whose answers are JSON as it came and whose types say little more."""
_ANSWERS_WITHIN = 120
"""Seconds: an engine is slow when its disk is, and pulls and commits are long."""
_DOCKER_SOCKET = "unix:///var/run/docker.sock"


class Engine:
    """An engine that answers; `client` speaks to it, from one thread."""

    def __init__(
        self,
        kind: Kind,
        where: str,
        options: Mapping[str, object],
        passage: Passage | None = None,
    ) -> None:
        """Speak to it; raises SandboxUnavailable.

        `where` is its address, for a sentence; `options` are those of the SDK's client; `passage`
        is what leads there, if that was made for us alone.
        """
        self.kind = kind
        self.where = where
        self._options = options
        self._passage = passage
        self.client = _client(where, {**options, "version": "auto"})

    def another_client(self) -> Client:
        """For one more thread: the SDK closes connections that another one still uses.

        It keeps them by the whole path of a request, 25 of them (docker 7.1, UnixHTTPAdapter).
        """
        return _client(self.where, {**self._options, "version": self.client.api_version})

    def close(self) -> None:
        """Let go of it."""
        self.client.close()
        if self._passage is not None:
            self._passage.close()


def connect(kind: Kind, environ: Mapping[str, str], runtime: str | None = None) -> Engine:
    """Connect to the engine that the environment names; raises SandboxUnavailable.

    `runtime` is for a podman of our own: its API hears of it, and does as it did before.
    """
    if find_spec("docker") is None:
        raise SandboxUnavailable(
            "the docker SDK for Python is not installed",
            "apt-get install python3-docker, or pip install 'ocfkit[docker]'",
        )
    return _docker_engine(environ) if kind == "docker" else _podman_engine(environ, runtime)


def _docker_engine(environ: Mapping[str, str]) -> Engine:
    """`DOCKER_HOST`, else the docker context, else the usual socket: as the command docker does."""
    from docker.context import ContextAPI
    from docker.utils import kwargs_from_env

    options: dict[str, object] = {}
    if environ.get("DOCKER_HOST"):
        options.update(kwargs_from_env(environment=dict(environ)))
    else:
        name = environ.get("DOCKER_CONTEXT")
        contexts: Client = ContextAPI
        try:
            context = contexts.get_context(name) if name else contexts.get_current_context()
        except Exception as error:  # what the SDK raises for a broken file is no other class
            raise _no_context(str(error)) from error
        if context is None:
            raise _no_context(f"there is none of the name {name}")
        options["base_url"] = context.Host or _DOCKER_SOCKET
        tls = context.TLSConfig
        if tls is not None and (tls.cert or tls.ca_cert):  # the SDK makes one of nothing, too
            options["tls"] = tls
    return _engine("docker", str(options.get("base_url", _DOCKER_SOCKET)), options)


def _no_context(why: str) -> SandboxUnavailable:
    return SandboxUnavailable(
        f"the docker context cannot be used: {why}", "docker context ls shows them all"
    )


def _podman_engine(environ: Mapping[str, str], runtime: str | None) -> Engine:
    """`CONTAINER_HOST`, else the user's or the system's socket, else a service of our own."""
    named = environ.get("CONTAINER_HOST")
    if named:
        return _engine("podman", named, {"base_url": named})
    for path in _podman_sockets(environ):
        if os.path.exists(path):
            where = f"unix://{path}"
            with contextlib.suppress(SandboxUnavailable):  # its socket may outlive a service
                return Engine("podman", where, {"base_url": where})
    service = _podman_service(runtime)
    return _behind(service, "podman", service.where)


def _engine(kind: Kind, where: str, options: Mapping[str, object]) -> Engine:
    if where.startswith("ssh://"):
        return _behind(by_ssh(kind, where), kind, where)
    return Engine(kind, where, options)


def _behind(passage: Passage, kind: Kind, where: str) -> Engine:
    try:
        return Engine(kind, where, {"base_url": passage.where}, passage)
    except BaseException:
        passage.close()
        raise


def _podman_sockets(environ: Mapping[str, str]) -> Iterator[str]:
    if os.geteuid() == 0:
        yield "/run/podman/podman.sock"
    elif environ.get("XDG_RUNTIME_DIR"):
        yield f"{environ['XDG_RUNTIME_DIR']}/podman/podman.sock"


def _podman_service(runtime: str | None) -> Passage:
    program = shutil.which("podman")
    if program is None:
        raise SandboxUnavailable(
            "podman is not installed, and no socket of it answers",
            "apt-get install podman, or say where it answers: CONTAINER_HOST",
        )
    chosen = ("--runtime", runtime) if runtime else ()
    return Passage(
        lambda socket: [program, *chosen, "system", "service", "--time=0", f"unix://{socket}"],
        SandboxUnavailable("podman system service did not start", "podman info may show more"),
    )


def _client(where: str, options: Mapping[str, object]) -> Client:
    """A client that has spoken to its engine; raises SandboxUnavailable."""
    from docker import APIClient
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        sdk: Client = APIClient
        made: Client = sdk(timeout=_ANSWERS_WITHIN, **options)
    except (DockerException, RequestException, OSError, ValueError) as error:
        raise _unanswered(where, error) from error
    made.send = _with_a_deadline(made.send)
    return made


def _with_a_deadline(send: Callable[..., Any]) -> Callable[..., Any]:
    """The SDK would wait for ever for a pull; so long a silence is the end of it."""

    def sent(request: object, **settings: object) -> Any:  # noqa: ANN401 - see requests
        timeout = settings.pop("timeout", None) or _ANSWERS_WITHIN
        return send(request, timeout=timeout, **settings)

    return sent


def _unanswered(where: str, error: BaseException) -> SandboxUnavailable:
    """Why an engine cannot be spoken to, by the system's error below the SDK's own."""
    code = _errno(error)
    if code in (errno.EACCES, errno.EPERM):
        return SandboxUnavailable(
            f"you may not speak to the engine at {where}",
            "run it with sudo, or have your user put into the group of its socket",
        )
    if code in (errno.ENOENT, errno.ECONNREFUSED):
        return SandboxUnavailable(
            f"no engine answers at {where}",
            "start it, or say where one answers: DOCKER_HOST or docker context use (for podman "
            "CONTAINER_HOST)",
        )
    if where.startswith("ssh://"):
        return SandboxUnavailable(
            f"no engine answers at {where}: {error}",
            "the user there must be let speak to its socket, which may be named: ssh://HOST/SOCKET",
        )
    return SandboxUnavailable(
        f"the engine at {where} cannot be used: {error}",
        "its version, and that of the docker SDK for Python, may be too far apart",
    )


def _errno(error: BaseException | None) -> int | None:
    """That of the first OSError that names one, among an error, its causes and its arguments.

    The numbers of an SSLError are OpenSSL's.
    """
    seen: list[object] = [error]
    for each in seen:
        if isinstance(each, OSError) and each.errno and not isinstance(each, ssl.SSLError):
            return each.errno
        if isinstance(each, BaseException) and len(seen) < 50:
            seen += [each.__cause__, each.__context__, *each.args, getattr(each, "reason", None)]
    return None
