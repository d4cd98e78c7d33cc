"""The agent http: a web server whose pages are fetched."""

from __future__ import annotations

import os

from ocfkit import ConfigurationError, InstallationError, monitor, param
from ocfkit.service import Service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FOREGROUND = {
    "nginx": ("-c", "-g", "daemon off;"),
    "apache2": ("-f", "-DFOREGROUND"),
    "httpd": ("-f", "-DFOREGROUND"),
    "lighttpd": ("-f", "-D"),
}
"""Program → the option for its configuration file, and what keeps it in the foreground."""

_TESTED_BY = {"nginx": ("-t", "-q"), "apache2": ("-t",), "httpd": ("-t",), "lighttpd": ("-tt",)}
"""Program → what makes it test its configuration and end."""

_VARIABLES = "/etc/apache2/envvars"
"""Where Debian's Apache has what its configuration asks for."""

_PRINT_VARIABLES = 'set -a; for each in "$@"; do . "$each"; done; exec env -0'
"""What reads files that are written for a shell: they come as arguments, and are no part of it."""


class Http(Service):
    """Run a web server, and fetch its pages.

    The server is a program (nginx, Apache, lighttpd or any other that stays in the foreground), an
    init script or a systemd unit. Its process is watched every ten seconds. At depth 10 a page is
    fetched, within the time of the monitor, however slowly the server answers. At depth 20 a
    journey is made: several pages, with forms, cookies and checks in between.
    """

    httpd = param.executable(
        "The program. Of nginx, apache2, httpd and lighttpd it is known how they stay in the "
        "foreground; what another one needs for that stands in options. nginx when unset.",
        default=None,
    )
    configfile = param.path("Its configuration file; its own default when unset.", default=None)
    options = param.string("More arguments, split as a shell would do it.", default="")
    envfiles = param.string(
        "Files of shell variables for the program, with blanks between; for Apache Debian's "
        f"{_VARIABLES}, where it is there.",
        default=None,
    )
    script = param.path(
        "Init script that runs it, instead of the program.", name="init_script", default=None
    )
    systemd_unit = param.string(
        "systemd unit that runs it, instead of the program.", name="unit", default=None
    )
    port = param.port("TCP port that this instance alone listens on.", default=None, unique="port")

    statusurl = param.string(
        "Address of the page that is fetched at depth 10; http://127.0.0.1/, with the port if that "
        "is set, when unset.",
        default=None,
    )
    testregex = param.string(
        "What the page has to contain: a text or a regular expression (Python's).", default=None
    )
    status = param.string("Status codes that are right, with commas between.", default="200")
    socket = param.path("Unix socket to fetch it over.", default=None)
    host_header = param.host("Virtual host to ask for; the one in statusurl else.", default=None)
    redirects = param.integer("How many redirections are followed.", default=0, minimum=0)
    limit = param.integer("Bytes of a page that are read at most.", default=1048576, minimum=1)
    user = param.string("Who asks (basic authentication).", default=None)
    password = param.secret("The password of user.", default=None)
    ca_file = param.path(
        "Certificates that sign the server's, instead of the system's.", default=None
    )
    verify = param.boolean("Whether the certificate has to be valid.", default=True)
    expires_within = param.integer(
        "Days before the end of its certificate from which the server counts as degraded.",
        default=7,
        minimum=0,
    )
    journey = param.path("File with the steps that are taken at depth 20.", default=None)

    retries = param.integer("How often a check that fails is made again.", default=0, minimum=0)
    pause = param.duration("Time between two tries.", default="1s")
    tolerate = param.integer(
        "So many failing monitors in a row count as degraded, not as failed.", default=0, minimum=0
    )

    # --- what runs --------------------------------------------------------------------------------

    def init_script(self) -> str | None:
        return self.script

    def unit(self) -> str | None:
        return self.systemd_unit

    def command(self) -> list[str]:
        _, *foreground = _FOREGROUND.get(self._kind(), ("",))
        return [self._httpd(), *self._configured(), *foreground, *self._options()]

    def variables(self) -> dict[str, str]:
        files = self._envfiles()
        if not files or self.script or self.systemd_unit:
            return {}
        ended = self.run(["sh", "-c", _PRINT_VARIABLES, "sh", *files])
        if ended.code:
            said = ended.stderr.strip() or f"exited with {ended.code}"
            raise InstallationError(f"reading {' '.join(files)}: {said}")
        rows = (row.partition("=") for row in ended.stdout.split("\0") if row)
        return {name: value for name, _, value in rows}

    def listens_on(self) -> int | None:
        return self.port

    # --- what has to be right ---------------------------------------------------------------------

    def validate(self) -> None:
        from ocfkit.monitors import patterns  # cheap for a mere text

        self._statuses()
        if self.script and self.systemd_unit:
            raise ConfigurationError("init_script and unit cannot both run it")
        if self.testregex:
            patterns.require(self.testregex)

    # --- deep checks ------------------------------------------------------------------------------

    @monitor.depth(
        10, timeout="20s", interval="30s", retries=retries, pause=pause, tolerate=tolerate
    )
    def page_comes_back(self) -> None:
        from ocfkit.monitors import http

        http.check(
            self._url(),
            deadline=self.deadline,
            headers={"Host": self.host_header} if self.host_header else {},
            user=self.user or "",
            password=self.password or "",
            status=self._statuses(),
            match=self.testregex,
            limit=self.limit,
            redirects=self.redirects,
            unix_socket=self.socket or "",
            ca_file=self.ca_file or "",
            verify=self.verify,
            expires_within=self.expires_within,
        )

    @monitor.depth(
        20, timeout="60s", interval="2min", retries=retries, pause=pause, tolerate=tolerate
    )
    def journey_succeeds(self) -> None:
        if self.journey:
            from ocfkit.monitors import journey

            journey.check(self.journey, deadline=self.deadline)

    def validate_host(self) -> None:
        super().validate_host()
        from ocfkit.monitors import http

        http.require(self._url(), ca_file=self.ca_file or "")
        if self.journey:
            from ocfkit.monitors import journey

            journey.read(self.journey)
        self._require_good_configuration()

    def _require_good_configuration(self) -> None:
        """Raise InstallationError with what the program itself says against it."""
        tested = _TESTED_BY.get(self._kind())
        if tested is None or self.script or self.systemd_unit:
            return
        from ocfkit.pidfiles import empty_ones  # not in a monitor

        variables = self.variables()
        _make_folders(variables)
        argv = [self._httpd(), *tested, *self._configured(), *self._options()]
        before = empty_ones()
        ended = self.run(argv, env=variables)
        for path in empty_ones() - before:  # nginx makes its pid file when it is only tested
            os.unlink(path)
        if ended.code:
            said = (ended.stderr.strip() or ended.stdout.strip()).splitlines()
            wrong = next((line for line in said if "emerg" in line or "rror" in line), "")
            raise InstallationError(
                f"{' '.join(argv)} exited with {ended.code}: {wrong or ' '.join(said[-1:])}"
            )

    def _httpd(self) -> str:
        return self.httpd or "nginx"

    def _kind(self) -> str:
        return os.path.basename(self._httpd())

    def _configured(self) -> list[str]:
        """The arguments that name its configuration file."""
        if not self.configfile:
            return []
        return [_FOREGROUND.get(self._kind(), ("-f",))[0], self.configfile]

    def _url(self) -> str:
        return self.statusurl or f"http://127.0.0.1:{self.port or 80}/"

    def _statuses(self) -> set[int]:
        words = self.status.replace(",", " ").split()
        if not words or not all(word.isdecimal() and len(word) == 3 for word in words):
            raise ConfigurationError(
                f"parameter status: expected codes such as 200,204, seen {self.status!r}"
            )
        return {int(word) for word in words}

    def _options(self) -> Sequence[str]:
        if not self.options:
            return ()
        import shlex

        try:
            return shlex.split(self.options)
        except ValueError as error:
            raise ConfigurationError(f"parameter options: {error}") from None

    def _envfiles(self) -> list[str]:
        if self.envfiles is not None:
            return self.envfiles.split()
        is_debians = self._kind() == "apache2" and os.path.isfile(_VARIABLES)
        return [_VARIABLES] if is_debians else []


def _make_folders(variables: Mapping[str, str]) -> None:
    """Make what Debian's Apache needs below /run, which is empty after a boot."""
    for name in ("APACHE_RUN_DIR", "APACHE_LOCK_DIR"):
        folder, user = variables.get(name), variables.get("APACHE_RUN_USER")
        if not folder or os.path.isdir(folder):
            continue
        try:
            os.makedirs(folder)
            if name == "APACHE_LOCK_DIR" and user:  # its workers write there
                import shutil

                shutil.chown(folder, user)
        except (OSError, LookupError) as error:
            raise InstallationError(f"folder {folder} cannot be made: {error}") from error
