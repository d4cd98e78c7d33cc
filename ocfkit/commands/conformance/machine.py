"""The machine that the agent runs in, as the options have it, and the backend that makes it."""

from __future__ import annotations

import argparse
import errno
import os
import stat
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import permutations
from typing import TYPE_CHECKING

from ocfkit.commands.arguments import WrongCallError
from ocfkit.commands.streams import complain

if TYPE_CHECKING:
    from lsbcheck.sandbox.container.wish import Wish
    from lsbcheck.sandbox.grants import Device
    from lsbcheck.sandbox.interface import Backend
    from ocfkit.conformance.agent_file import AgentFile
    from ocfkit.conformance.report.document import GrantedShown, MachineShown


def require_sense(arguments: argparse.Namespace) -> None:
    """Raise WrongCallError for options that do not go together, and for what is not there."""
    _require_sandbox(arguments)
    for name in arguments.capabilities:
        if arguments.capabilities.count(name) > 1:
            raise WrongCallError(f"--grant {name} is given twice")
    for path, _ in arguments.devices:
        _require_free(path)
    _require_places([inside for _, inside in arguments.devices])
    if arguments.devices and (arguments.jobs or 1) > 1:
        raise WrongCallError(
            f"--jobs {arguments.jobs}: with a --device one sandbox runs at a time, since they "
            "would share it"
        )


def _require_sandbox(arguments: argparse.Namespace) -> None:
    sandbox = arguments.sandbox
    of_containers = {
        "--image": arguments.image,
        "--package": arguments.packages,
        "--copy": arguments.copies,
        "--runtime": arguments.runtime,
    }
    given = [option for option, value in of_containers.items() if value]
    if sandbox == "namespace":
        if given:
            raise WrongCallError(
                f"{given[0]} is for containers: say --sandbox docker or podman as well"
            )
        if not os.path.isdir(arguments.root):
            raise WrongCallError(f"--root {arguments.root}: there is no such folder")
        return
    if not arguments.image:
        raise WrongCallError(f"--sandbox {sandbox} runs the agent in an --image: name one")
    if arguments.root != "/":
        raise WrongCallError("--root is a folder of this host, and a container shows an --image")


def require_shell(root: str) -> None:
    """Raise WrongCallError for a folder that is no system: an agent would be blamed for it."""
    if not os.path.lexists(os.path.join(root, "bin/sh")):
        raise WrongCallError(f"--root {root}: there is no system in it, since it has no /bin/sh")


def _require_free(path: str) -> None:
    """Raise WrongCallError for what is no device, and for one that this host is using.

    An engine hands on what is mounted here, too, and what is written to it is written.
    """
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISBLK(mode) and not stat.S_ISCHR(mode):
            hint = "; losetup(8) makes one of a file" if stat.S_ISREG(mode) else ""
            raise WrongCallError(f"--device {path} is no device{hint}")
        if stat.S_ISBLK(mode):  # open(2): O_EXCL fails with EBUSY for what is mounted or claimed
            os.close(os.open(path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as refusal:
        if refusal.errno == errno.EBUSY:
            raise WrongCallError(
                f"--device {path} is in use on this host: mounted, or a part of something else"
            ) from None
        raise WrongCallError(f"--device {path}: {refusal.strerror}") from None


def _require_places(places: Sequence[str]) -> None:
    """Raise WrongCallError for devices of one name, and for one below another as in a folder."""
    for one, other in permutations(places, 2):
        if one == other:
            raise WrongCallError(f"--device: two have the same place in the sandbox: {one}")
        if other.startswith(f"{one}/"):
            raise WrongCallError(f"--device: {other} cannot be below {one}, which is a device too")


def jobs(arguments: argparse.Namespace) -> int | None:
    """Sandboxes at a time: one, where they share a device."""
    only: int | None = 1 if arguments.devices else arguments.jobs
    return only


@contextmanager
def claimed(arguments: argparse.Namespace) -> Generator[None]:
    """Keep other checks from the devices while the block lasts; raises WrongCallError.

    By the names of sockets that have no files (unix(7), abstract): whoever is killed leaves none
    behind. A lock on the device itself would be in the way of an agent that takes one. Seen by the
    checks of one network namespace.
    """
    import socket

    with ExitStack() as held:
        for number, path in {_number(path): path for path, _ in arguments.devices}.items():
            name = held.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            try:
                name.bind(f"\0ocfkit check --device {number}")
            except OSError as refusal:
                if refusal.errno != errno.EADDRINUSE:
                    raise
                raise WrongCallError(
                    f"--device {path} is in use by another check: two would write to it"
                ) from None
        yield


def _number(path: str) -> str:
    seen = os.stat(path)
    kind = "block" if stat.S_ISBLK(seen.st_mode) else "char"
    return f"{kind} {os.major(seen.st_rdev)}:{os.minor(seen.st_rdev)}"


@contextmanager
def made(arguments: argparse.Namespace) -> Generator[Backend]:
    """What makes the machines, while the block lasts; raises SandboxUnavailable.

    What cannot be removed at the end is told, however the block ends.
    """
    try:
        backend = _backend(arguments)
    except BaseException as failure:
        complain(*getattr(failure, "__notes__", ()))
        raise
    try:
        yield backend
    finally:
        backend.close()
        if backend.left:
            complain(backend.left)


def _backend(arguments: argparse.Namespace) -> Backend:
    if arguments.sandbox == "namespace":
        from lsbcheck.sandbox.grants import Grants
        from lsbcheck.sandbox.namespace import NamespaceBackend

        return NamespaceBackend(
            arguments.root, Grants(tuple(arguments.capabilities), _devices(arguments))
        )
    from lsbcheck.sandbox.container.backend import ContainerBackend

    return ContainerBackend(_wish(arguments), arguments.environ)


def _wish(arguments: argparse.Namespace) -> Wish:
    from lsbcheck.sandbox.container.wish import Wish

    return Wish(
        engine=arguments.sandbox,
        image=arguments.image,
        packages=tuple(arguments.packages),
        copies=tuple(_copied(file, path) for file, path in arguments.copies),
        capabilities=tuple(arguments.capabilities),
        devices=_devices(arguments),
        runtime=arguments.runtime,
    )


def _devices(arguments: argparse.Namespace) -> tuple[Device, ...]:
    from lsbcheck.sandbox.grants import Device

    return tuple(Device(path, inside) for path, inside in arguments.devices)


def _copied(file: str, path: str) -> tuple[str, bytes, int]:
    try:
        mode = os.stat(file).st_mode
        if not stat.S_ISREG(mode):
            raise WrongCallError(f"--copy {file} is no file")
        with open(file, "rb") as opened:
            return path, opened.read(), stat.S_IMODE(mode)
    except OSError as error:
        raise WrongCallError(f"--copy {file}: {error.strerror}") from None


def require_agent(backend: Backend, agent: AgentFile, image: str) -> None:
    """Raise WrongCallError if the image does not have this agent of its own.

    Raises SandboxUnavailable, also where the sandbox in which is looked for it is lost.
    """
    from lsbcheck.sandbox.interface import SandboxLost, SandboxUnavailable

    if agent.content is not None:  # it is carried in
        return
    try:
        with backend.create() as sandbox:
            try:
                sandbox.read_file(agent.path, 1)
            except OSError as error:
                raise WrongCallError(
                    f"{agent.shown_as}: {error.strerror} in {image}: {agent.path}"
                ) from None
    except SandboxLost as lost:
        cause = f"the agent was looked for, and {lost}"
        raise SandboxUnavailable(cause, "start it again") from lost


def shown(arguments: argparse.Namespace) -> MachineShown:
    """What the report says of it."""
    root = os.path.abspath(arguments.root)
    return {"sandbox": arguments.sandbox, "image": arguments.image, "root": root}


def granted(arguments: argparse.Namespace) -> GrantedShown:
    """What the report says of what the agent has beyond what every agent has."""
    return {
        "capabilities": list(arguments.capabilities),
        "devices": [{"path": path, "inside": inside} for path, inside in arguments.devices],
    }
