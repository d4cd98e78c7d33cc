"""The agent pgsql: one PostgreSQL instance, asked a query."""

from __future__ import annotations

import os
import time

from ocfkit import (
    RUNNING,
    ActionError,
    ConfigurationError,
    Daemon,
    DegradedError,
    InstallationError,
    ParameterError,
    PrivilegeError,
    State,
    action,
    param,
)
from ocfkit.agents.pgsql import lockfile, processes
from ocfkit.agents.pgsql.lockfile import Lock
from ocfkit.errors import told
from ocfkit.linux import process
from ocfkit.programs import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Sequence
    from typing import ClassVar, TypeVar

    from ocfkit.linux.process import Identity
    from ocfkit.search import Found

    T = TypeVar("T")
else:
    import _signal as signal

_FOLDERS = ("/usr/lib/postgresql/{0}/bin", "/usr/pgsql-{0}/bin", "/usr/local/pgsql/bin", "/usr/bin")
"""Where the programs of a version are: Debian's place, the PostgreSQL project's, and others'."""

_DATA, _CONFIG = "/var/lib/postgresql/", "/etc/postgresql/"
"""Where Debian has data directories, and below the same names what configures them."""

_LOGS = "/var/log/postgresql"

_ANY = ("*", "0.0.0.0", "::")  # noqa: S104 - what a configuration may say
_LOOPBACK = ("127.0.0.1", "::1")

_TO_KILL_ITS_OWN = 10.0
"""Seconds that an immediate shutdown gets: after five the postmaster itself kills what is left."""

_FULL = "No space left on device"


class Pgsql(Daemon):
    """Run one PostgreSQL instance, and ask it a query.

    It is started by pg_ctl as its owner, with the programs of the version that the data directory
    was made by. Every ten seconds the main process is looked at, and whether its data directory is
    still there. At depth 10 a query has to be answered. A server that admits nobody because every
    connection is in use, or not the user of the monitor, counts as degraded: a restart would not
    help.

    A stop ends all sessions (fast shutdown), ends the processes at once if that takes too long
    (immediate shutdown, after which the next start has to recover), and kills them at last.
    """

    forks = True
    stop_signal: ClassVar[int] = signal.SIGINT
    settle: ClassVar[float] = 0.0  # an answered query says more
    looks_at_disks: ClassVar[bool] = True

    pgdata = param.path("The data directory.", required=True, unique="pgdata")
    pgctl = param.executable(
        "The program pg_ctl; that of the data directory's version when unset.", default=None
    )
    pgdba = param.string("Who owns the data directory and runs the server.", default="postgres")
    config = param.path(
        "The configuration file; postgresql.conf in the data directory when unset, or Debian's in "
        "/etc/postgresql.",
        default=None,
    )
    pghost = param.host(
        "Address that the server listens on, and is asked at; when unset the configuration says "
        "the first, and its unix socket is asked.",
        default=None,
    )
    pgport = param.port("Its port; the configuration says it when unset.", default=None)
    socketdir = param.path(
        "Folder of its unix socket, made when it is missing; the configuration says it when unset.",
        default=None,
    )
    start_opt = param.string("More options for the server, as a shell would read them.", default="")
    ctl_opt = param.string("More options for pg_ctl start, as a shell would read them.", default="")
    logfile = param.path(
        "File that the output of the server is added to; in /var/log/postgresql when unset, or "
        "where there is no such folder pg_ctl.log in the data directory.",
        default=None,
    )
    stop_escalate = param.duration(
        "How long a fast shutdown may take before an immediate one; less where the timeout of stop "
        "is short.",
        default="90s",
        reloadable=True,
    )

    monitor_sql = param.string(
        "Query that has to be answered at depth 10.", default="select now();", reloadable=True
    )
    pgdb = param.string("Database that is asked.", default="template1", reloadable=True)
    monitor_user = param.string(
        "Who asks; pgdba when unset. One who is no superuser finds out when no connection is left.",
        default=None,
        reloadable=True,
    )
    monitor_password = param.secret("The password of monitor_user.", default=None, reloadable=True)

    rep_mode = param.enum(
        "Replication: this agent does none, and refuses a resource that asks for it.",
        choices=["none"],
        default="none",
    )

    retries = param.integer(
        "How often a query that fails is asked again.", default=0, minimum=0, reloadable=True
    )
    pause = param.duration("Time between two tries.", default="1s", reloadable=True)
    tolerate = param.integer(
        "So many failing monitors in a row count as degraded, not as failed.",
        default=0,
        minimum=0,
        reloadable=True,
    )

    # --- what runs --------------------------------------------------------------------------------

    def command(self) -> list[str]:
        import shlex  # not in a monitor

        server = shlex.join(self._server_options())
        more = shlex.split(self.ctl_opt)
        files = ["-D", self._folder, "-l", self._log()]
        options = ["-o", f"{server} {self.start_opt}".rstrip()]
        return [self._tool("pg_ctl"), *more, *files, *options, "-W", "start"]

    def runs_as(self) -> str:
        return self.pgdba

    def runs_in(self) -> str:
        return self._folder

    # --- actions ----------------------------------------------------------------------------------

    @action(timeout="120s")
    def start(self) -> None:
        from ocfkit.agents.pgsql import logs

        self._clear_the_way()
        port = self._configured("port")
        for folder in self._socket_folders():
            self._make_socket_folder(folder)
            self._clear_lock_of_socket(folder, port)
        self._require_free_port(int(port), self._configured("listen_addresses"))
        self._make_log()
        self._read_until = {path: logs.size(path) for path in self._logs()}
        super().start()

    @action(timeout="120s")
    def stop(self) -> None:
        self._stops = True
        main = self.main_process()
        gone = main or self._recorded()[0]
        if main is not None:
            self._shut_down(main)
            if main.stat() is not None:
                return
        super().stop()
        self._clear_away(gone, set())

    def escalate(self) -> None:
        from ocfkit.agents.pgsql import memory

        self._stops = self._is_hard = True
        found = self._all()
        gone = found.main or self._recorded()[0]
        everything = [*([found.main] if found.main else ()), *found.others]
        mapped = {path for each in everything for path in memory.mapped_by(each.pid)}
        super().escalate()
        self._clear_away(gone, mapped)

    @action(timeout="30s", interval="10s")
    def monitor(self) -> State:
        state = super().monitor()
        if state == RUNNING:
            self._require_data_directory()
        elif not (self._starts or self._stops):
            self._require_clean_end()
        return state

    @monitor.depth(
        10, timeout="30s", interval="30s", retries=retries, pause=pause, tolerate=tolerate
    )
    def query_is_answered(self) -> None:
        from ocfkit.agents.pgsql import users
        from ocfkit.monitors import sql

        lock = self._lock()
        if lock is None:
            raise ActionError(f"there is no {self._lock_file}")
        if self._began is not None and lock.status == "starting":
            raise ActionError(f"PostgreSQL is starting up; it logged last: {self._last_line()}")
        host, port = self._place_to_ask(lock)
        sql.load("postgresql")  # with our own rights: who asks may not read where it lies
        try:
            with users.rights_of(self.pgdba if host.startswith("/") else None):
                sql.check(
                    self.monitor_sql,
                    deadline=self.deadline,
                    host=host,
                    port=port,
                    user=self.monitor_user or self.pgdba,
                    password=self.monitor_password or "",
                    database=self.pgdb,
                )
        except DegradedError:
            raise
        except ActionError as error:
            full = self._fullness()  # of which PostgreSQL says no more than what it could not do
            if isinstance(error, sql.NotReadyError) and not full and self._recovers(lock):
                raise DegradedError(f"it admits nobody yet: {error}") from error
            # first, since the cluster keeps the beginning of a reason alone
            error.args = (f"{full}; {error}" if full else str(error),)
            raise

    def _recovers(self, lock: Lock) -> bool:
        """Whether a server that admits nobody will do so by itself, and begin anew if restarted.

        A start waits for it; but a standby without hot_standby never comes further.
        """
        if lock.status == "standby":
            return True
        return lock.status != "stopping" and not self._starts

    def reload_agent(self) -> None:
        """Take other parameters of the monitor and of the stop; the next of these reads them."""
        self.log.info("the parameters of the monitor are changed")

    def start_failure(self) -> str | None:
        if self._began is None or self.remains() is not False:
            return None
        seconds = time.monotonic() - self._began
        return f"PostgreSQL has ended after {seconds:.1f} s: {self._last_words()}"

    # --- what has to be right ---------------------------------------------------------------------

    def validate(self) -> None:
        _require_words("start_opt", self.start_opt)
        _require_words("ctl_opt", self.ctl_opt)
        if not self.monitor_sql.strip():
            raise ConfigurationError("parameter monitor_sql is blank")

    def validate_host(self) -> None:
        super().validate_host()
        self._starts = True
        self._require_sight()
        self._require_owned_data_directory()
        self._require_right_version()
        self._require_driver()
        config = self._config()
        if config is not None and not os.path.isfile(config):
            raise InstallationError(f"there is no configuration file {config} on this node")
        configured = self._configured("data_directory")
        if os.path.realpath(configured) != os.path.realpath(self._folder):
            raise ParameterError(
                f"the configuration says data_directory = {configured}, pgdata is {self._folder}"
            )

    def _require_sight(self) -> None:
        """Raise PrivilegeError where we could start it, and then not see that it runs."""
        from ocfkit.agents.pgsql import users
        from ocfkit.linux.namespaces import capabilities  # not in a monitor

        if os.geteuid() != users.uid_of(self.pgdba) and "SYS_PTRACE" not in capabilities():
            raise PrivilegeError(
                "CAP_SYS_PTRACE is missing: without it the processes of another user cannot be "
                "told apart (a container has to be given it)"
            )

    def _require_owned_data_directory(self) -> None:
        from ocfkit.agents.pgsql import users

        folder = self._folder
        try:
            os.stat(f"{folder}/PG_VERSION")
        except FileNotFoundError as error:
            what = f"{folder} is no data directory of PostgreSQL: PG_VERSION is missing"
            if not os.path.isdir(folder):
                what = f"there is no data directory {folder}"
            raise InstallationError(f"{what} (is it mounted?)") from error
        except OSError as error:  # such as NFS that does not let root in
            raise InstallationError(f"data directory: {told(error)}") from error
        seen = os.stat(folder)
        if seen.st_uid != users.uid_of(self.pgdba):
            raise ParameterError(
                f"{folder} belongs to the user {users.name_of(seen.st_uid)}, not to {self.pgdba}"
            )
        if seen.st_mode & 0o027:
            raise ParameterError(
                f"{folder} has the mode {seen.st_mode & 0o7777:04o}: "
                "PostgreSQL starts with 0700 or 0750 alone"
            )

    def _require_right_version(self) -> None:
        server = self._tool("postgres")
        executed = os.path.basename(os.path.realpath(find(server) or server))
        if executed not in processes.PROGRAMS:
            raise InstallationError(f"{server} is {executed}, whose processes would not be known")
        words = self.run([server, "-V"]).stdout.split()  # postgres (PostgreSQL) 15.1 …
        wanted, seen = self._version(), words[2] if len(words) > 2 else ""
        if wanted and seen and seen.split(".")[: len(wanted.split("."))] != wanted.split("."):
            raise ParameterError(
                f"{self._folder} was made by PostgreSQL {wanted}, and {server} is {seen}"
            )

    def _require_driver(self) -> None:
        """Raise InstallationError now, and not after all the time of a start."""
        from ocfkit.monitors import sql

        sql.load("postgresql")

    # --- programs, options and configuration ------------------------------------------------------

    @property
    def _folder(self) -> str:
        return os.path.normpath(self.pgdata)  # as PostgreSQL itself writes it down

    @property
    def _lock_file(self) -> str:
        return f"{self._folder}/{lockfile.NAME}"

    def _version(self) -> str:
        """Of the data directory; "" where it does not say."""
        try:
            with open(f"{self._folder}/PG_VERSION", encoding="ascii", errors="replace") as file:
                return file.read(16).strip()
        except OSError:
            return ""

    def _tool(self, name: str) -> str:
        """A program of this version of PostgreSQL; raises InstallationError."""
        if self.pgctl is not None and "/" in self.pgctl:
            return self.pgctl if name == "pg_ctl" else f"{os.path.dirname(self.pgctl)}/{name}"
        if self.pgctl is not None:
            return self.pgctl if name == "pg_ctl" else name
        version = self._version()
        for folder in _FOLDERS:
            path = f"{folder.format(version)}/{name}"
            if os.access(path, os.X_OK):
                return path
        raise InstallationError(
            f"there is no {name} of PostgreSQL {version or '(of which version is not known)'} on "
            f"this node: it is not in {_FOLDERS[0].format(version or 'VERSION')}, and pgctl is not "
            "set"
        )

    def _config(self) -> str | None:
        """The configuration file that has to be named, since it is not in the data directory."""
        if self.config is not None:
            return self.config
        folder = self._folder
        if folder.startswith(_DATA) and not os.path.exists(f"{folder}/postgresql.conf"):
            return f"{_CONFIG}{folder.removeprefix(_DATA)}/postgresql.conf"
        return None

    def _server_options(self) -> list[str]:
        config = self._config()
        options = [] if config is None else ["-c", f"config_file={config}"]
        for option, value in (("-h", self.pghost), ("-p", self.pgport), ("-k", self.socketdir)):
            options += [] if value is None else [option, str(value)]
        return options

    def _configured(self, name: str) -> str:
        """What the configuration says, the parameters before it.

        Raises InstallationError where it is wrong, ActionError where it cannot be asked now.
        """
        import shlex

        if name not in self._settings:
            options = [*self._server_options(), *shlex.split(self.start_opt)]
            server = [self._tool("postgres"), "-D", self._folder, *options, "-C", name]
            ended = self.run(server, user=self.pgdba)
            if ended.signal is not None:
                raise ActionError(f"{shlex.join(server)} was killed by signal {ended.signal}")
            if ended.code:
                from ocfkit.agents.pgsql.logs import why_in

                raise InstallationError(f"the configuration is not right: {why_in(ended.stderr)}")
            self._settings = {**self._settings, name: ended.stdout.strip()}
        return self._settings[name]

    _settings: dict[str, str] = {}  # noqa: RUF012 - replaced, never changed
    """What the configuration has said already."""

    def _socket_folders(self) -> list[str]:
        configured = self._configured("unix_socket_directories").split(",")
        folders = (each.strip().strip('"') for each in configured)
        return [each for each in folders if each.startswith("/")]  # "@" is one without a file

    def _place_to_ask(self, lock: Lock) -> tuple[str, int]:
        """Host, or folder of the unix socket, and port, as the running server has written them."""
        listens = "127.0.0.1" if lock.address in _ANY else lock.address
        host = self.pghost or self.socketdir or lock.socket_folder or listens
        return host, self.pgport or lock.port

    # --- while it runs ----------------------------------------------------------------------------

    def _lock(self) -> Lock | None:
        return Lock.read(self._lock_file)

    def _require_data_directory(self) -> None:
        """Raise ActionError where the main process works on files that nobody can find any more."""
        main = self._recorded()[0]
        lock = self._lock()
        if main is None or (lock is not None and lock.pid == main.pid):
            return
        if lock is not None:
            seen = f"{self._lock_file} names process {lock.pid}"
        elif os.path.exists(f"{self._folder}/PG_VERSION"):
            seen = f"there is no {self._lock_file}"
        else:
            seen = f"its data directory {self._folder} is not there any more"
        raise ActionError(f"process {main.pid} runs, and {seen}")

    def _require_clean_end(self) -> None:
        """Raise ActionError where it has left its lock file: a stop has something to clear away."""
        gone, lock = self._recorded()[0], self._lock()
        if gone is not None and lock is not None and lock.is_of(gone):
            raise ActionError(
                f"process {gone.pid} has ended without a shutdown: it crashed or was killed, and "
                f"{self._lock_file} is left"
            )

    _starts = False
    """Whether this action is a start: what a crash has left is then its own business."""

    _stops = False
    """Whether this action has begun to stop it."""

    _is_hard = False
    """Whether it is stopped the hard way: then no lock file is asked who the main process is."""

    def _search(self, known: Sequence[Identity] = ()) -> Found:
        """Find besides what works in the data directory."""
        here = self._processes()
        main = processes.main_among(here, None if self._is_hard else processes.lock_of(here))
        if main is not None:
            from ocfkit.search import Found, beside

            self._adopt(main)
            return Found(main, beside(main, self._mark()))
        return super()._search([*known, *here] if self._began is None else known)

    def _processes(self) -> list[Identity]:
        return processes.working_in(lambda: self._folder)

    # --- while it starts --------------------------------------------------------------------------

    def _clear_the_way(self) -> None:
        """Remove a lock file that would keep PostgreSQL from starting, and is nobody's.

        That no process of ours works in the data directory has been seen already. PostgreSQL
        itself copes with a file that names a process that is gone, and finds by it what a crash has
        left. It does not with an empty one, nor with one that names a stranger of the same user.
        """
        for pid in process.pids():
            if processes.is_server_at(self._folder, pid):
                raise ActionError(f"process {pid}, of another container, works in {self._folder}")
        lock = self._lock()
        if lock is None:
            return
        segment = lock.segment()
        if segment is not None and segment.attached:
            raise ActionError(
                f"{segment.attached} processes are attached to the shared memory segment "
                f"{segment.number} that {self._lock_file} names: something of it still runs"
            )
        self._remove_if_stale(lock, self._lock_file)

    def _remove_if_stale(self, lock: Lock, path: str) -> None:
        if lock.pid and not os.path.exists(f"/proc/{abs(lock.pid)}"):
            return
        whom = f"names process {lock.pid}, which is a stranger" if lock.pid else "is empty"
        self.log.warning(f"removing {path}: it {whom}, and nothing of this instance runs")
        os.unlink(path)

    def _clear_lock_of_socket(self, folder: str, port: str) -> None:
        from ocfkit.linux import sockets

        path = f"{folder}/.s.PGSQL.{port}"
        lock = Lock.read(f"{path}.lock")
        if lock is None:
            return
        empty = not lock.pid and not sockets.bound(path)
        if empty or (lock.pid and lock.folder == self._folder):
            self._remove_if_stale(lock, f"{path}.lock")

    def _make_socket_folder(self, folder: str) -> None:
        """Make it when it is missing: it is mostly below /run, which is empty after a boot."""
        if os.path.isdir(folder):
            return
        try:
            os.makedirs(os.path.dirname(folder), 0o755, exist_ok=True)
            os.mkdir(folder, 0o700)
            self._give(folder, os.O_RDONLY | os.O_DIRECTORY, 0o2775)
        except OSError as error:
            raise ActionError(f"socketdir {folder} cannot be made: {error.strerror}") from error
        self.log.info(f"made {folder} for the socket")

    def _give(self, path: str, flags: int, mode: int) -> None:
        """Give what we have just made to the owner, and nothing that somebody put in its place."""
        from ocfkit.agents.pgsql import users

        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            if os.fstat(descriptor).st_uid == os.geteuid():
                entry = users.entry_of(self.pgdba)
                os.fchown(descriptor, entry.pw_uid, entry.pw_gid)
                os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)

    def _require_free_port(self, port: int, addresses: str) -> None:
        """Raise ActionError where a stranger listens.

        PostgreSQL starts as long as one of its addresses is free, and the stranger answers on the
        others.
        """
        from ocfkit.linux import sockets

        for address in (each.strip().strip('"') for each in addresses.split(",")):
            for numeric in _LOOPBACK if address == "localhost" else (address,):
                try:
                    wanted = None if numeric in _ANY else numeric
                    inodes = sockets.listening(port, wanted) if numeric else set[str]()
                except OSError:  # a name: PostgreSQL will say so
                    continue
                if inodes:
                    holders = sockets.holders(inodes)
                    who = _shown(min(holders)) if holders else "somebody whom we cannot see"
                    raise ActionError(f"{who} listens on port {port} already")

    # --- what it says -----------------------------------------------------------------------------

    _read_until: dict[str, int] = {}  # noqa: RUF012 - replaced, never changed
    """Log → how long it was before the start."""

    def _log(self) -> str:
        if self.logfile is not None:
            return self.logfile
        if not os.path.isdir(_LOGS):
            return f"{self._folder}/pg_ctl.log"
        words = self._folder.removeprefix(_DATA).split("/")
        if self._folder.startswith(_DATA) and len(words) == 2:
            return f"{_LOGS}/postgresql-{words[0]}-{words[1]}.log"
        return f"{_LOGS}/{self.instance}.log"

    def _make_log(self) -> None:
        path = self._log()
        try:
            self._give(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        except FileExistsError:
            return
        except OSError as error:
            raise ActionError(f"logfile {path}: {error.strerror}") from error

    def _logs(self) -> list[str]:
        """The file of pg_ctl, and those of the server's own collector."""
        found = [self._log()]
        try:
            with open(f"{self._folder}/current_logfiles", encoding="utf-8") as file:
                names = [line.partition(" ")[2].strip() for line in file]
        except (OSError, UnicodeError):
            names = []
        return [*found, *(os.path.join(self._folder, name) for name in names if name)]

    def _added(self) -> str:
        """What the server has logged since the start."""
        from ocfkit.agents.pgsql import logs

        return "".join(logs.added(path, self._read_until.get(path, 0)) for path in self._logs())

    def _last_line(self) -> str:
        from ocfkit.agents.pgsql import logs

        return logs.last_line(self._added()) or "nothing"

    def _last_words(self) -> str:
        """Why the server has ended."""
        from ocfkit.agents.pgsql import logs

        text = self._added()
        why = logs.why_in(text) if text.strip() else f"nothing is said in {self._log()}"
        full = "" if _FULL in why else self._fullness()
        return f"{full}; {why}" if full else why

    def _fullness(self) -> str:
        """What is to be said where the data directory, or its log of changes, has no room."""
        for folder in (self._folder, f"{self._folder}/pg_wal"):
            try:
                if not os.statvfs(folder).f_bavail:
                    return f"{_FULL}: {folder}"
            except OSError:  # it is gone, which is told elsewhere
                continue
        return ""

    # --- while it stops ---------------------------------------------------------------------------

    def _shut_down(self, main: Identity) -> None:
        """Fast; immediate when that takes too long. At the end it may still be there."""
        left = self.deadline.left()
        fast = self.deadline.within(min(self.stop_escalate, left - min(_TO_KILL_ITS_OWN, left / 3)))
        self.log.info(f"fast shutdown of process {main.pid}")
        main.send(signal.SIGINT)
        for each in (main, *self._all().others):
            each.send(signal.SIGCONT)  # a suspended process hears nothing before this one
        self.doing(f"waiting for the fast shutdown of process {main.pid}")
        if main.wait(fast.left()):
            return
        self.log.warning(
            f"process {main.pid} has not ended within {left - self.deadline.left():.1f} s: "
            "immediate shutdown, after which the next start has to recover"
        )
        main.send(signal.SIGQUIT)
        main.send(signal.SIGCONT)
        self.doing(f"waiting for the immediate shutdown of process {main.pid}")
        main.wait(self.deadline.left())

    def _clear_away(self, gone: Identity | None, mapped: set[str]) -> None:
        """Remove what a main process that was killed could not remove itself, and nothing else.

        Without it the file would wait for a start on whatever node, and the memory for a reboot.
        What cannot be removed is logged and does not make a stop fail: nothing runs any more.
        """
        lock = self._lock()
        if gone is None or lock is None or not lock.is_of(gone) or self._processes():
            return
        self._free_memory(lock, mapped)
        folder = lock.socket_folder
        paths = [self._lock_file]
        if folder:
            socket = f"{folder}/.s.PGSQL.{lock.port}"
            other = Lock.read(f"{socket}.lock")
            if other is not None and other.pid == gone.pid:
                paths += [socket, f"{socket}.lock"]
        for path in paths:
            self._unlink(path)

    def _free_memory(self, lock: Lock, mapped: set[str]) -> None:
        """Give back shared memory that a killed instance holds.

        `mapped` are the files that its processes were seen to map. Where that was not seen, all
        files of this user are its own if no other instance of his lives; if one does, the next
        start has to find them itself, by the segment.
        """
        from ocfkit.agents.pgsql import memory, users

        uid = users.uid_of(self.pgdba)
        listed = memory.owned_by(uid)  # before one can start
        if not any(processes.is_server_of(uid, pid) for pid in process.pids()):
            mapped = listed
        elif not mapped:
            self.log.info("its shared memory is left to the next start: another instance lives")
            return
        for path in mapped:
            self._unlink(path)
        segment = lock.segment()
        if segment is not None and segment.owner == uid and not segment.attached:
            remove = ["ipcrm", "-m", str(segment.number)]
            self._try(self.run, remove, f"shared memory segment {segment.number}")

    def _unlink(self, path: str) -> None:
        self._try(os.unlink, path, path)

    def _try(self, remove: Callable[[T], object], which: T, what: str) -> None:
        try:
            remove(which)
        except FileNotFoundError:
            return
        except OSError as error:
            self.log.warning(f"{what} is left: {error.strerror}")
        except ActionError as error:
            self.log.warning(f"{what} is left: {error}")
        else:
            self.log.info(f"removed {what}, which was left by a killed process")


def _shown(pid: int) -> str:
    return f"process {pid} ({process.executable(pid) or 'of a program that we may not see'})"


def _require_words(parameter: str, text: str) -> None:
    """Raise ConfigurationError for what a shell could not split."""
    if set(text) & set("\\'\""):
        import shlex

        try:
            shlex.split(text)
        except ValueError as error:
            raise ConfigurationError(f"parameter {parameter}: {error}") from None
