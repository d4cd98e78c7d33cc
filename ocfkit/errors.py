"""The errors are the exit codes: what an author raises decides what the cluster does next.

Every error carries one sentence for an operator: what was asked, what was seen, where. It reaches
him as `ocf-exit-reason:`. What the cluster does is the scheduler's mapping in Pacemaker's
lib/pengine/unpack.c.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import ClassVar

    from ocfkit.exitcodes import ExitCode


class ActionError(Exception):
    """It failed, and another try may help.

    The cluster restarts the resource here, or moves it when it has failed often enough.
    """

    exit_code: ClassVar[ExitCode] = 1


class ParameterError(ActionError):
    """The value of a parameter is fine, but not on this node.

    The cluster does not try this node again.
    """

    exit_code: ClassVar[ExitCode] = 2


class UnimplementedError(ActionError):
    """The agent does not have this action.

    The cluster does not try this node again; after a recurring action it does nothing.
    """

    exit_code: ClassVar[ExitCode] = 3


class PrivilegeError(ActionError):
    """We may not do that here.

    The cluster does not try this node again.
    """

    exit_code: ClassVar[ExitCode] = 4


class InstallationError(ActionError):
    """The software or its configuration is not on this node.

    The cluster does not try this node again. A probe where nothing runs becomes "stopped".
    """

    exit_code: ClassVar[ExitCode] = 5


class ConfigurationError(ActionError):
    """A parameter is wrong on every node.

    The cluster stops the resource and does not start it anywhere until somebody has repaired it.
    """

    exit_code: ClassVar[ExitCode] = 6


class DegradedError(ActionError):
    """A deep check says: it still works, and will probably fail soon.

    The cluster shows it and does nothing.
    """

    exit_code: ClassVar[ExitCode] = 190


class DeadlineError(ActionError):
    """The time that the cluster granted is over."""


def told(error: OSError) -> str:
    """What the system said, and of which file, without its number."""
    if error.strerror is None:
        return str(error)
    return f"{error.strerror}: {error.filename}" if error.filename else error.strerror


class DeclarationError(TypeError):
    """A class is not an agent; its sentences say why, all at once."""

    def __init__(self, cls: str, sentences: Sequence[str]) -> None:
        """`cls` is the name of the class."""
        self.sentences = tuple(sentences)
        lines = [f"{cls} is no agent: {sentence}" for sentence in sentences]
        super().__init__("\n".join(lines))
