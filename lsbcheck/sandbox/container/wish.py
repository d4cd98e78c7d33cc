"""Which containers are wanted: what the command line says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lsbcheck.sandbox.grants import Device

Kind = Literal["docker", "podman"]


@dataclass(frozen=True, slots=True)
class Wish:
    """Which machines are wanted."""

    engine: Kind
    image: str
    packages: tuple[str, ...] = ()
    """Installed with the image's own package manager."""
    copies: tuple[tuple[str, bytes, int], ...] = ()
    """Files put into the image: path, content, mode."""
    capabilities: tuple[str, ...] = ()
    """Beyond those that every sandbox has, without `CAP_`."""
    devices: tuple[Device, ...] = ()
    """Of the engine's machine."""
    runtime: str | None = None
    """The engine's own name for the program that makes containers (`runc`, `crun`, `runsc`)."""
