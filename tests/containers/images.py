"""Images for the tests, imported from folders: no registry is asked for anything."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from docker.errors import ImageNotFound

from lsbcheck.sandbox.container import baggage
from tests.services import roots

LABEL = "ocfkit.containers.image"
_BLOCK = 1 << 20

Client = Any
"""docker.APIClient, whose types say little."""


def of_root(client: Client, name: str) -> str:
    """The image of one of the Debian roots (`roots.toml`); imported if the engine has none."""
    root = roots.root(name)
    digest = (root / roots.MARK).read_text()
    return of_folder(client, root, f"ocfkit-{name}:{digest[:12]}")


def of_folder(client: Client, folder: Path | str, image: str) -> str:
    """The image of a folder, by that name; imported if the engine has none."""
    try:
        client.inspect_image(image)
    except ImageNotFound:
        repository, tag = image.split(":")
        # a file capability is an extended attribute
        keep = ["--xattrs", "--xattrs-include=*", f"--exclude=./{roots.MARK}"]
        pack = ["tar", "-C", str(folder), *keep, "-c", "."]
        with subprocess.Popen(pack, stdout=subprocess.PIPE) as tar:
            stream = tar.stdout
            assert stream is not None
            blocks = iter(lambda: stream.read(_BLOCK), b"")
            said: str = client.import_image_from_stream(
                blocks, repository=repository, tag=tag, changes=[f"LABEL {LABEL}={tag}"]
            )
        assert tar.returncode == 0, said
        made: str = json.loads(said.strip().splitlines()[-1])["status"]
        client.tag(made, repository, tag)  # podman 4.3 calls it `latest`, whatever it is told
    return image


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@contextlib.contextmanager
def with_files(
    client: Client, image: str, files: Mapping[str, tuple[bytes, int]]
) -> Generator[str]:
    """An image with these files (path → content, mode) in it, while the block lasts."""
    with _committed(client, image, files, []) as name:
        yield name


@contextlib.contextmanager
def changed(client: Client, image: str, *changes: str) -> Generator[str]:
    """An image that differs by some lines of a Dockerfile, while the block lasts."""
    with _committed(client, image, {}, changes) as name:
        yield name


@contextlib.contextmanager
def _committed(
    client: Client,
    image: str,
    files: Mapping[str, tuple[bytes, int]],
    changes: Sequence[str],
) -> Generator[str]:
    name = f"ocfkit-with:{digest_of(image + repr(files) + repr(changes))}"
    repository, tag = name.split(":")
    made = client.create_container(image, command=["/"], labels={LABEL: tag})
    try:
        if files:
            client.put_archive(made["Id"], "/", baggage.tar(files))
        client.commit(made["Id"], repository=repository, tag=tag, changes=list(changes))
    finally:
        client.remove_container(made["Id"], force=True)
    try:
        yield name
    finally:
        client.remove_image(name, force=True)
