"""What a sandbox is given beyond what every one has, because the user says so."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Device:
    """A device of the machine that makes the sandbox; what is written to it is written."""

    path: str
    """Its node there."""
    inside: str
    """Its node in the sandbox, below /dev."""


@dataclass(frozen=True, slots=True)
class Grants:
    """Capabilities and devices. Nothing is granted where it is false."""

    capabilities: tuple[str, ...] = ()
    """Without `CAP_`. With SYS_ADMIN a command can undo what keeps it from the host."""
    devices: tuple[Device, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is granted."""
        return bool(self.capabilities or self.devices)


NOTHING = Grants()
