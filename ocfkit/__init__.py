"""OCF resource agents in Python.

Kept light, since it runs on the way to `ocfkit.linux` and before every agent: a public name is
loaded when it is first asked for (PEP 562).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocfkit import params as param
    from ocfkit.actions import action as action
    from ocfkit.actions import monitor as monitor
    from ocfkit.agent import Agent as Agent
    from ocfkit.daemon import Daemon as Daemon
    from ocfkit.errors import ActionError as ActionError
    from ocfkit.errors import ConfigurationError as ConfigurationError
    from ocfkit.errors import DeadlineError as DeadlineError
    from ocfkit.errors import DeclarationError as DeclarationError
    from ocfkit.errors import DegradedError as DegradedError
    from ocfkit.errors import InstallationError as InstallationError
    from ocfkit.errors import ParameterError as ParameterError
    from ocfkit.errors import PrivilegeError as PrivilegeError
    from ocfkit.errors import UnimplementedError as UnimplementedError
    from ocfkit.exitcodes import DEGRADED as DEGRADED
    from ocfkit.exitcodes import DEGRADED_PROMOTED as DEGRADED_PROMOTED
    from ocfkit.exitcodes import FAILED_PROMOTED as FAILED_PROMOTED
    from ocfkit.exitcodes import PROMOTED as PROMOTED
    from ocfkit.exitcodes import RUNNING as RUNNING
    from ocfkit.exitcodes import STOPPED as STOPPED
    from ocfkit.exitcodes import State as State
    from ocfkit.notices import Notice as Notice
    from ocfkit.runtime import main as main

__version__ = "0.1.0"

_HOMES = {
    "actions": "action monitor",
    "agent": "Agent",
    "daemon": "Daemon",
    "errors": "ActionError ConfigurationError DeadlineError DeclarationError DegradedError "
    "InstallationError ParameterError PrivilegeError UnimplementedError",
    "exitcodes": "DEGRADED DEGRADED_PROMOTED FAILED_PROMOTED PROMOTED RUNNING STOPPED State",
    "notices": "Notice",
    "runtime": "main",
}
"""Module → the public names that live in it. `param` is the module params itself."""

__all__ = [
    "DEGRADED",
    "DEGRADED_PROMOTED",
    "FAILED_PROMOTED",
    "PROMOTED",
    "RUNNING",
    "STOPPED",
    "ActionError",
    "Agent",
    "ConfigurationError",
    "Daemon",
    "DeadlineError",
    "DeclarationError",
    "DegradedError",
    "InstallationError",
    "Notice",
    "ParameterError",
    "PrivilegeError",
    "State",
    "UnimplementedError",
    "action",
    "main",
    "monitor",
    "param",
]


if not TYPE_CHECKING:  # or checkers would believe in any name

    def __getattr__(name: str) -> object:
        """Load what is asked for, once."""
        import sys

        if name not in __all__:
            raise AttributeError(f"module 'ocfkit' has no attribute {name!r}")
        home = next((home for home, names in _HOMES.items() if name in names.split()), "params")
        module = f"ocfkit.{home}"
        __import__(module)
        found = sys.modules[module] if name == "param" else getattr(sys.modules[module], name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    """All public names, loaded or not."""
    return sorted({*globals(), *__all__})
