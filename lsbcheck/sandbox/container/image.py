"""The image that every sandbox of a run is made from: the user's, and our own PID 1 in it.

Packages and files that the user has asked for go into it as well, so that they are installed once.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lsbcheck.sandbox.container import baggage, guest, leftovers, packages, ulimits
from lsbcheck.sandbox.interface import SandboxUnavailable

if TYPE_CHECKING:
    from lsbcheck.sandbox.container.engine import Client, Engine
    from lsbcheck.sandbox.container.wish import Wish

_INSTALLATION = 900.0
_LOOK = 20.0
_REPOSITORY = "lsbcheck-run"

Json = Any  # what the SDK returns: JSON as it came


@dataclass(frozen=True, slots=True)
class Derived:
    """The image, by its name, and how PID 1 is started in it."""

    name: str
    carried: bool
    """The interpreter is ours; else it is the image's own."""
    volumes: tuple[str, ...]
    """Folders of it that an engine covers with a file system of their own."""
    note: str = ""
    """Why it is not ours."""


def derive(engine: Engine, wish: Wish, labels: Mapping[str, str], *, alike: bool) -> Derived:
    """Make it; raises SandboxUnavailable, and what the SDK raises; what it has made then stays.

    `labels` say whose it is (`leftovers`); `alike`: the engine's machine is of our own kind.
    """
    _fetch(engine, wish.image)
    client = engine.client
    config: dict[str, Any] = client.inspect_image(wish.image)["Config"] or {}
    volumes = tuple[str, ...](config.get("Volumes") or ())
    installs = bool(wish.packages)
    made: Json = _heard_out(
        lambda: client.create_container(
            wish.image,
            entrypoint=packages.command(wish.packages, volumes) if installs else ["/"],
            command=[],
            user="0",
            working_dir="/",
            labels=dict(labels),
            host_config=client.create_host_config(
                network_mode="bridge" if installs else "none", ulimits=ulimits.ours()
            ),
        )
    )
    name: str = made["Id"]
    if installs:
        _install(client, name, wish)
    archive, carried, note = _baggage(alike=alike)
    client.put_archive(name, "/", archive)
    if wish.copies:
        # not at their paths yet: docker would put them into a volume that it then throws away
        files = {f"{guest.COPIES}{path}": (content, mode) for path, content, mode in wish.copies}
        client.put_archive(name, "/", baggage.tar(files))
    tag = secrets.token_hex(6)
    changes = [f"LABEL {each}={json.dumps(value)}" for each, value in labels.items()]
    _heard_out(lambda: client.commit(name, repository=_REPOSITORY, tag=tag, changes=changes))
    leftovers.remove_container(client, name)
    return Derived(f"{_REPOSITORY}:{tag}", carried, volumes, note)


def _heard_out(call: Callable[[], Json]) -> Json:
    """Call the engine and hear its answer, even when a signal asks us to end meanwhile.

    It would go on by itself, and what it then makes nobody would remove.
    """
    with ThreadPoolExecutor(1) as pool:  # its end waits for the call
        return pool.submit(call).result()


def words_of(error: Exception) -> str:
    """The engine's own words, without the SDK's around them."""
    return str(getattr(error, "explanation", None) or error).strip()


def _fetch(engine: Engine, image: str) -> None:
    """Have the image there, from a registry if need be."""
    from docker.errors import APIError, ImageNotFound

    with contextlib.suppress(ImageNotFound):
        engine.client.inspect_image(image)
        return
    try:
        said: list[Json] = list(engine.client.pull(image, stream=True, decode=True))
        refusal = next((str(line["error"]) for line in said if "error" in line), "")
    except APIError as error:
        refusal = words_of(error)
    if refusal:
        raise SandboxUnavailable(
            f"the engine has no image {image}, and could not pull it: {refusal}",
            f"{engine.kind} images shows those that it has; {engine.kind} load or import brings "
            "one without a registry",
        )


def _install(client: Client, container: str, wish: Wish) -> None:
    from requests.exceptions import RequestException

    client.start(container)
    until = time.monotonic() + _INSTALLATION
    state: Json = {"Running": True}
    while state["Running"] and time.monotonic() < until:
        with contextlib.suppress(RequestException):  # it takes longer than this one wait
            client.wait(container, timeout=_LOOK)
        state = client.inspect_container(container)["State"]
    if state["Running"] or state["ExitCode"]:
        how = "had not ended in time" if state["Running"] else f"ended with {state['ExitCode']}"
        said = _last_line(client, container, stdout=False) or _last_line(client, container)
        raise SandboxUnavailable(
            f"{' '.join(wish.packages)} could not be installed into {wish.image}: it {how}: "
            f"{said or 'it said nothing'}",
            "an image in which they are installed needs no --package",
        )


def _last_line(client: Client, container: str, *, stdout: bool = True) -> str:
    """Of what it said; of its errors alone, which an engine may log before what was said first."""
    said: bytes = client.logs(container, stdout=stdout, tail=20)
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _baggage(*, alike: bool) -> tuple[bytes, bool, str]:
    """What is carried in, whether an interpreter is among it, and why it is not."""
    why = "this engine's machine is of another kind than ours"
    if alike:
        try:
            return baggage.pack(carried=True), True, ""
        except baggage.NoInterpreterError as error:
            why = str(error)
    return baggage.pack(carried=False), False, f"the image's own python3 is used: {why}"
