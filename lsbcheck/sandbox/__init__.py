"""A private machine for one command at a time; `interface` says what every backend offers.

The names are loaded when they are asked for (PEP 562): the server process of the namespace
backend lives in this package too, and what it loads is multiplied by the number of sandboxes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lsbcheck.sandbox.interface import (
        Backend,
        Exec,
        FaultName,
        Ran,
        Sandbox,
        SandboxLost,
        SandboxUnavailable,
        SignalSent,
        Watch,
    )

__all__ = [
    "Backend",
    "Exec",
    "FaultName",
    "Ran",
    "Sandbox",
    "SandboxLost",
    "SandboxUnavailable",
    "SignalSent",
    "Watch",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(name)
    from lsbcheck.sandbox import interface

    return getattr(interface, name)
