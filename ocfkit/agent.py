"""An agent: a class that declares parameters, actions and deep checks, and holds their values."""

from __future__ import annotations

from ocfkit.declaration import Declaration
from ocfkit.errors import ConfigurationError, DeadlineError, DeclarationError, InstallationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import ClassVar

    from ocfkit.cluster import Cluster
    from ocfkit.deadline import Deadline
    from ocfkit.environment import Environment
    from ocfkit.linux.proc import Ended
    from ocfkit.log import Log
    from ocfkit.records import Record


class Agent:
    """What every agent derives from.

    The docstring of a subclass describes it: its first line in short, the rest at length. Actions
    are methods with OCF's names (`reload_agent` for reload-agent), marked with `@action` where
    another timeout is advised than 20 s; start, stop and monitor there must be. A class that is
    only derived from says `class Base(Agent, abstract=True)`.
    """

    version: ClassVar[str] = "1.0"
    """Of the agent itself."""

    lang: ClassVar[str] = "en"
    """Language of its descriptions (RFC 5646)."""

    needs_root: ClassVar[Sequence[str]] = ("start", "stop", "promote", "demote")
    """Actions that are refused with "insufficient privileges" unless root asks for them."""

    start_depth: ClassVar[int] = 10
    """A start is done when the checks up to this depth hold."""

    declaration: ClassVar[Declaration]

    is_trusted: ClassVar[bool] = False
    """Whether declarations are taken as they are: what a start has let pass is not looked at again
    by each monitor that the cluster repeats, since that would cost a thirtieth of it.
    """

    looks_at_disks: ClassVar[bool] = False
    """Whether its monitor at level 0 reads where the service has its data: then a process watches
    over it, which a dead disk cannot hold up, as at all other levels; it costs 2 ms.
    """

    is_abstract: ClassVar[bool] = True
    """Whether it is only derived from."""

    def __init_subclass__(cls, *, abstract: bool = False, **options: object) -> None:
        """Gather what the class declares; raises DeclarationError with all that is wrong."""
        super().__init_subclass__(**options)
        cls.is_abstract = abstract
        cls.declaration = Declaration(cls)
        if not abstract and not cls.is_trusted:
            from ocfkit.mistakes import mistakes  # not in a repeated monitor

            wrong = mistakes(cls.declaration)
            if wrong:
                raise DeclarationError(cls.__name__, wrong)

    def __init__(
        self,
        name: str,
        environment: Environment,
        log: Log,
        deadline: Deadline,
        *,
        doing: Callable[[str], None] = lambda _what: None,
        cluster: Cluster | None = None,
    ) -> None:
        """Read the parameters; a value that is missing or wrong is told when it is asked for."""
        self.name = name
        """The agent's type as the cluster calls it."""
        self.environment = environment
        self.log = log
        self.deadline = deadline
        """The end of the time that this action has."""
        self.doing = doing
        """Call it with what is waited for: it stands in the reason if time runs out meanwhile."""
        self._cluster = cluster
        self.values: dict[str, object] = {}
        for attribute, parameter in self.declaration.parameters.items():
            try:
                self.values[attribute] = parameter.value(environment.parameters)
            except ConfigurationError as error:
                self.values[attribute] = error

    @property
    def instance(self) -> str:
        """Name of the resource; of an anonymous clone without the number."""
        return self.environment.instance

    @property
    def cluster(self) -> Cluster:
        """The cluster that this node is a member of, by Pacemaker's own commands."""
        if self._cluster is None:
            from ocfkit.cluster import Cluster  # for those who ask it

            self._cluster = Cluster(self.run, self.environment)
        return self._cluster

    # --- what an author may add -------------------------------------------------------------------

    def validate(self) -> None:
        """Check values against each other, without a look at the host; raise ConfigurationError.

        Called before every action, and by validate-all at every level.
        """

    def validate_host(self) -> None:
        """Check what has to be on this node.

        Raise InstallationError or ParameterError. Called before a start, and by validate-all at
        level 10. What `param.executable` and `param.path(exists=…)` ask for is checked anyway.
        """

    def escalate(self) -> None:
        """Stop it the hard way: called when three fifths of the time of a stop are over."""

    def tidy(self) -> None:
        """Remove what it has left: called at the end of a stop, when nothing of it runs.

        The records below /run are still there. What it raises is logged, and fails no stop.
        """

    def start_failure(self) -> str | None:
        """Tell a start that it need not wait any longer, and why; asked between two looks."""
        return None

    def remains(self) -> bool | None:
        """Tell whether something of this instance may still run; None when that cannot be told.

        Asked where the parameters or the software are missing, when nobody else can be asked. An
        agent that starts no process goes by the record of its last start.
        """
        return self.record().exists()

    def record(self, what: str = "") -> Record:
        """What is left below /run about this instance; `what` tells several records apart."""
        from ocfkit.records import Record  # not in a healthy monitor

        return Record.of(self.environment, self.name, what)

    # --- what an author may use -------------------------------------------------------------------

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        stdin: str = "",
        limit: float | None = None,
    ) -> Ended:
        """Run a command to its end within the deadline, or within `limit` seconds if that is less.

        It gets a small environment and not the caller's, `env` besides, and a process group that is
        killed when time is over. Raises InstallationError where the program is missing and
        DeadlineError when it does not end; what its exit code means is for the caller to say.
        A secret among the arguments is refused: pass it by `stdin` or `env`.
        """
        from ocfkit.linux import proc  # not for agents that start nothing
        from ocfkit.programs import ENVIRONMENT, credentials_of, find

        argv = [str(each) for each in argv]
        self.refuse_secrets(argv)
        program = find(argv[0])
        if program is None:
            raise InstallationError(f"there is no program {argv[0]} on this node")
        deadline = self.deadline if limit is None else self.deadline.within(limit)
        self.doing(f"waiting for {' '.join(argv)}")
        ended = proc.run(
            [program, *argv[1:]],
            env={**ENVIRONMENT, **(env or {})},
            deadline=deadline.left(),
            credentials=credentials_of(user) if user else None,
            stdin=stdin.encode(),
        )
        if ended.timed_out:
            raise DeadlineError(f"{' '.join(argv)} did not end within {ended.seconds:.1f} s")
        return ended

    def refuse_secrets(self, argv: Sequence[str]) -> None:
        """Raise ActionError if an argument holds the value of a secret parameter."""
        for parameter in self.declaration.secrets:
            value = self.environment.parameters.get(parameter.name)
            if value:
                for argument in argv:
                    if value == argument or (len(value) > _GUESSABLE and value in argument):
                        raise ConfigurationError(
                            f"the value of {parameter.name} would be seen by everybody among the "
                            f"arguments of {argv[0]}"
                        )

    def warn_of_parameters(self, action: str) -> None:
        """Log which parameters nobody knows, or should use any more; only now and then."""
        if action not in ("start", "validate-all"):
            return
        known = {each.name: each for each in self.declaration.parameters.values()}
        for name in self.environment.parameters:
            if name not in known and name != "debug":
                self.log.warning(f"there is no parameter {name}: it is ignored")
            elif name in known and known[name].deprecated:
                self.log.warning(f"parameter {name} is deprecated: {known[name].deprecated}")

    def problem(self) -> ConfigurationError | None:
        """All that is wrong with the values of the parameters, in one error."""
        wrong = [each for each in self.values.values() if isinstance(each, ConfigurationError)]
        if wrong:
            return ConfigurationError("; ".join(str(each) for each in wrong))
        try:
            self.validate()
        except ConfigurationError as error:
            return error
        return None

    def absence(self) -> InstallationError | None:
        """What of the software that the parameters name is not on this node."""
        for attribute, parameter in self.declaration.parameters.items():
            value = self.values[attribute]
            if value is not None and not isinstance(value, ConfigurationError):
                absent = parameter.kind.absence(value)
                if absent:
                    return InstallationError(f"{absent} (parameter {parameter.name})")
        return None


_GUESSABLE = 3
"""A secret of so few characters is compared with whole arguments only."""


def secrets(cls: type[Agent], environment: Environment) -> list[str]:
    """The values of all secret parameters, also of those that are wrong."""
    names = [each.name for each in cls.declaration.secrets]
    return [environment.parameters[name] for name in names if name in environment.parameters]
