"""The machine that the agent runs in, as the options have it, and the backend that makes it."""

from __future__ import annotations

import argparse
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ocfkit.commands.arguments import WrongCallError
from ocfkit.commands.streams import complain

if TYPE_CHECKING:
    from lsbcheck.sandbox.container.wish import Wish
    from lsbcheck.sandbox.interface import Backend
    from ocfkit.conformance.agent_file import AgentFile
    from ocfkit.conformance.report.document import MachineShown


def require_sense(arguments: argparse.Namespace) -> None:
    """Raise WrongCallError for options that do not go together, and for a root that is none."""
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
        from lsbcheck.sandbox.namespace import NamespaceBackend

        return NamespaceBackend(arguments.root)
    from lsbcheck.sandbox.container.backend import ContainerBackend

    return ContainerBackend(_wish(arguments), arguments.environ)


def _wish(arguments: argparse.Namespace) -> Wish:
    from lsbcheck.sandbox.container.wish import Wish

    return Wish(
        engine=arguments.sandbox,
        image=arguments.image,
        packages=tuple(arguments.packages),
        copies=tuple(_copied(file, path) for file, path in arguments.copies),
        runtime=arguments.runtime,
    )


def _copied(file: str, path: str) -> tuple[str, bytes, int]:
    try:
        mode = os.stat(file).st_mode
        if not stat.S_ISREG(mode):
            raise WrongCallError(f"--copy {file} is no file")
        with open(file, "rb") as opened:
            return path, opened.read(), stat.S_IMODE(mode)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise WrongCallError(f"--copy {file}: {getattr(error, 'strerror', error)}") from None


def require_agent(backend: Backend, agent: AgentFile, image: str) -> None:
    """Raise WrongCallError if the image does not have this agent of its own."""
    if agent.content is not None:  # it is carried in
        return
    with backend.create() as sandbox:
        try:
            sandbox.read_file(agent.path, 1)
        except OSError as error:
            raise WrongCallError(
                f"{agent.shown_as}: {error.strerror} in {image}: {agent.path}"
            ) from None


def shown(arguments: argparse.Namespace) -> MachineShown:
    """What the report says of it."""
    return {"sandbox": arguments.sandbox, "image": arguments.image, "root": arguments.root}
