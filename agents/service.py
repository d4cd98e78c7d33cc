"""The agent service: any init script, systemd unit or command, with deep checks by parameters."""

from __future__ import annotations

from ocfkit import ActionError, ConfigurationError, InstallationError, action, monitor, param
from ocfkit.service import Service as Base

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocfkit.exitcodes import State

_RETRIES = param.integer("How often a check that fails is made again.", default=0, minimum=0)
_PAUSE = param.duration("Time between two tries.", default="1s")
_TOLERATE = param.integer(
    "So many failing monitors in a row count as degraded, not as failed.", default=0, minimum=0
)
_ANSWERS = monitor.depth(
    10, timeout="20s", interval="30s", retries=_RETRIES, pause=_PAUSE, tolerate=_TOLERATE
)
_WORKS = monitor.depth(
    20, timeout="60s", interval="2min", retries=_RETRIES, pause=_PAUSE, tolerate=_TOLERATE
)


class Service(Base):
    """Run a service as it is, and ask it whether it works.

    The service is an init script, a systemd unit or a command, whichever of the three parameters is
    set. Its processes are watched every ten seconds, whatever the script or systemd says of them.
    At depth 10 it is asked what the parameters of tcp, http, sql and check say, and nothing where
    they say nothing. At depth 20 a journey through its pages is made.
    """

    script = param.string(
        "Init script that runs it: a path, or a name below /etc/init.d.",
        name="init_script",
        default=None,
    )
    binary = param.executable(
        "Program that the script runs, for scripts that say 0 to everything where it is missing; "
        "unset: the DAEMON that the script names.",
        default=None,
    )
    systemd_unit = param.string(
        "systemd unit that runs it, with or without .service.", name="unit", default=None
    )
    program = param.string(
        "Command that runs it, split as a shell would do it; no shell runs it.",
        name="command",
        default=None,
    )
    in_background = param.boolean(
        "Whether the command ends at once and leaves a daemon behind.", name="forks", default=False
    )
    user = param.string("Who runs the command; root when unset.", default=None)
    folder = param.path("Where the command runs.", default="/")
    output = param.path("File that the output of the command is added to.", default="/dev/null")
    pid_file = param.path(
        "File with the pid of the service, which the service or its script writes.", default=None
    )
    port = param.port("TCP port that this instance alone listens on.", default=None, unique="port")

    tcp_port = param.port("TCP port to connect to at depth 10.", default=None)
    tcp_host = param.host("Host to connect to.", default="127.0.0.1")
    tcp_banner = param.string(
        "What the service has to say first: a text or a regular expression (Python's).",
        default=None,
    )

    http_url = param.string("Address of a page to fetch at depth 10.", default=None)
    http_match = param.string(
        "What the page has to contain: a text or a regular expression (Python's).", default=None
    )
    http_status = param.string("Status codes that are right, with commas between.", default="200")
    http_socket = param.path("Unix socket to fetch it over.", default=None)
    http_user = param.string("Who asks (basic authentication).", default=None)
    http_password = param.secret("The password of http_user.", default=None)
    http_ca_file = param.path(
        "Certificates that sign the server's, instead of the system's.", default=None
    )
    http_verify = param.boolean("Whether the certificate has to be valid.", default=True)
    http_expires_within = param.integer(
        "Days before the end of its certificate from which the service counts as degraded.",
        default=7,
        minimum=0,
    )

    sql_query = param.string("Query to ask at depth 10.", default=None)
    sql_expect = param.string("The first value of the answer.", default=None)
    sql_engine = param.enum(
        "What answers it.", choices=["postgresql", "mysql"], default="postgresql"
    )
    sql_host = param.string(
        "Host to ask, or the folder (PostgreSQL) or file (MySQL) of its unix socket.",
        default="127.0.0.1",
    )
    sql_port = param.port("Port to ask; the engine's own when unset.", default=None)
    sql_user = param.string("Who asks.", default=None)
    sql_password = param.secret("The password of sql_user.", default=None)
    sql_database = param.string("Database to ask.", default=None)

    check_command = param.string(
        "Command to run at depth 10, split as a shell would do it; no shell runs it.", default=None
    )
    check_code = param.integer("The code that it has to end with.", default=0, minimum=0)
    check_match = param.string(
        "What it has to print: a text or a regular expression (Python's).", default=None
    )
    check_user = param.string("Who runs it; root when unset.", default=None)

    journey = param.path("File with the steps that are taken at depth 20.", default=None)

    retries = _RETRIES
    pause = _PAUSE
    tolerate = _TOLERATE

    # --- what runs --------------------------------------------------------------------------------

    def init_script(self) -> str | None:
        return self.script

    def unit(self) -> str | None:
        return self.systemd_unit

    def command(self) -> list[str]:
        return _words("command", self.program or "")

    def goes_into_the_background(self) -> bool:
        return self.in_background

    def runs_as(self) -> str | None:
        return self.user

    def runs_in(self) -> str:
        return self.folder

    def writes_to(self) -> str:
        return self.output

    def pid_in(self) -> str | None:
        return self.pid_file

    def listens_on(self) -> int | None:
        return self.port

    @action(timeout="60s")
    def start(self) -> None:
        super().start()

    @action(timeout="60s")
    def stop(self) -> None:
        super().stop()

    # --- what is there ----------------------------------------------------------------------------

    @action
    def monitor(self) -> State:
        """See the base; but of a missing program a script is not believed, unless a process runs.

        `[ -x "$DAEMON" ] || exit 0` is how many of Debian's begin: where the program is missing,
        their status says "running".
        """
        try:
            state = super().monitor()
        except ActionError:  # such as that nothing is at the place where it should be
            self._require_program_or_process()
            raise
        self._require_program_or_process()
        return state

    def _require_program_or_process(self) -> None:
        """Raise InstallationError where a script says "running" and has neither."""
        if self._last is not None and self._last.runs:
            absent = self._missing_program()
            if absent is not None and not self.remains() and self.main_process() is None:
                raise absent

    def _missing_program(self) -> InstallationError | None:
        from ocfkit.initscript import programs_in
        from ocfkit.programs import find

        script = self._script()
        if script is None:
            return None
        named = [self.binary] if self.binary else programs_in(script)
        if not named or any(map(find, named)):
            return None
        return InstallationError(f"there is no program {named[0]} on this node; {script} runs it")

    # --- what has to be right ---------------------------------------------------------------------

    def validate(self) -> None:
        ways = [each for each in (self.script, self.systemd_unit, self.program) if each]
        if len(ways) != 1:
            raise ConfigurationError(
                f"set exactly one of init_script, unit and command: {len(ways) or 'none'} "
                f"{'are' if ways else 'is'} set"
            )
        if self.program:
            self.command()
        if self.check_command:
            _words("check_command", self.check_command)
        self._http_statuses()
        for pattern in (self.tcp_banner, self.http_match, self.check_match):
            if pattern:
                from ocfkit.monitors import patterns  # cheap for a mere text

                patterns.require(pattern)

    def validate_host(self) -> None:
        super().validate_host()
        if self.http_url:
            from ocfkit.monitors import http

            http.require(self.http_url, ca_file=self.http_ca_file or "")
        if self.journey:
            from ocfkit.monitors import journey

            journey.read(self.journey)

    # --- deep checks ------------------------------------------------------------------------------

    @_ANSWERS
    def it_accepts_connections(self) -> None:
        if self.tcp_port:
            from ocfkit.monitors import tcp

            tcp.check(self.tcp_host, self.tcp_port, deadline=self.deadline, banner=self.tcp_banner)

    @_ANSWERS
    def page_comes_back(self) -> None:
        if self.http_url:
            from ocfkit.monitors import http

            http.check(
                self.http_url,
                deadline=self.deadline,
                user=self.http_user or "",
                password=self.http_password or "",
                status=self._http_statuses(),
                match=self.http_match,
                unix_socket=self.http_socket or "",
                ca_file=self.http_ca_file or "",
                verify=self.http_verify,
                expires_within=self.http_expires_within,
            )

    @_ANSWERS
    def query_is_answered(self) -> None:
        if self.sql_query:
            from ocfkit.monitors import sql

            sql.check(
                self.sql_query,
                deadline=self.deadline,
                engine="mysql" if self.sql_engine == "mysql" else "postgresql",
                host=self.sql_host,
                port=self.sql_port or 0,
                user=self.sql_user or "",
                password=self.sql_password or "",
                database=self.sql_database or "",
                expect=self.sql_expect,
            )

    @_ANSWERS
    def command_succeeds(self) -> None:
        if self.check_command:
            from ocfkit.monitors import command

            command.check(
                _words("check_command", self.check_command),
                deadline=self.deadline,
                code=self.check_code,
                match=self.check_match,
                user=self.check_user,
            )

    @_WORKS
    def journey_succeeds(self) -> None:
        if self.journey:
            from ocfkit.monitors import journey

            journey.check(self.journey, deadline=self.deadline, doing=self.doing)

    def _http_statuses(self) -> set[int]:
        words = self.http_status.replace(",", " ").split()
        if not words or not all(word.isdecimal() and len(word) == 3 for word in words):
            raise ConfigurationError(
                f"parameter http_status: expected codes such as 200,204, seen {self.http_status!r}"
            )
        return {int(word) for word in words}


def _words(parameter: str, text: str) -> list[str]:
    """Split as a shell does it; a text without its special characters costs nothing."""
    if not set(text) & set("\\'\""):
        words = text.split()
    else:
        import shlex

        try:
            words = shlex.split(text)
        except ValueError as error:
            raise ConfigurationError(f"parameter {parameter}: {error}") from None
    if not words or not words[0]:
        raise ConfigurationError(f"parameter {parameter} is blank")
    return words
