"""The agent pgsql: one PostgreSQL instance, asked a query.

A process belongs to the instance when it works in its data directory, whoever has started it: each
process of PostgreSQL goes there and stays, and two instances cannot share one. So neither a stale
postmaster.pid nor a second instance on the node deceives it.
"""

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
from ocfkit.errors import told
from ocfkit.linux import process
from ocfkit.linux.process import Identity
from ocfkit.programs import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Container, Iterable, Sequence
    from pwd import struct_passwd
    from typing import ClassVar, Self, TypeVar

    from ocfkit.search import Found

    T = TypeVar("T")
else:
    import _signal as signal

_LOCK = "postmaster.pid"

_PROGRAMS = ("postgres", "postmaster", "edb-postgres", ".postgres-wrapped")
"""What a server is called, as the kernel has it; a start refuses any other."""

_FOLDERS = ("/usr/lib/postgresql/{0}/bin", "/usr/pgsql-{0}/bin", "/usr/local/pgsql/bin", "/usr/bin")
"""Where the programs of a version are: Debian's place, the PostgreSQL project's, and others'."""

_DATA, _CONFIG = "/var/lib/postgresql/", "/etc/postgresql/"
"""Where Debian has data directories, and below the same names what configures them."""

_LOGS = "/var/log/postgresql"

_ANY = ("*", "0.0.0.0", "::")  # noqa: S104 - what a configuration may say
_LOOPBACK = ("127.0.0.1", "::1")

_TO_KILL_ITS_OWN = 10.0
"""Seconds that an immediate shutdown gets: after five the postmaster itself kills what is left."""

_CLOCKS = 5.0
"""Seconds that the time in postmaster.pid and the kernel's may be apart, where a clock was set."""

_FULL = "No space left on device"

_ENDS = 65536
"""Bytes of a log that are looked at."""


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
        self._clear_the_way()
        port = self._configured("port")
        for folder in self._socket_folders():
            self._make_socket_folder(folder)
            self._clear_lock_of_socket(folder, port)
        self._require_free_port(int(port), self._configured("listen_addresses"))
        self._make_log()
        self._read_until = {path: _size(path) for path in self._logs()}
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
        self._stops = self._is_hard = True
        found = self._all()
        gone = found.main or self._recorded()[0]
        everything = [*([found.main] if found.main else ()), *found.others]
        mapped = {path for each in everything for path in _mapped(each.pid)}
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
        from ocfkit.monitors import sql

        lock = self._lock()
        if lock is None:
            raise ActionError(f"there is no {self._folder}/{_LOCK}")
        if self._began is not None and lock.status == "starting":
            raise ActionError(f"PostgreSQL is starting up; it logged last: {self._last_line()}")
        host, port = self._place_to_ask(lock)
        sql.load("postgresql")  # with our own rights: who asks may not read where it lies
        try:
            with _rights_of(self.pgdba if host.startswith("/") else None):
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

    def _recovers(self, lock: _Lock) -> bool:
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
        from ocfkit.linux.namespaces import capabilities  # not in a monitor

        if os.geteuid() != _uid_of(self.pgdba) and "SYS_PTRACE" not in capabilities():
            raise PrivilegeError(
                "CAP_SYS_PTRACE is missing: without it the processes of another user cannot be "
                "told apart (a container has to be given it)"
            )

    def _require_owned_data_directory(self) -> None:
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
        if seen.st_uid != _uid_of(self.pgdba):
            raise ParameterError(
                f"{folder} belongs to the user {_name_of(seen.st_uid)}, not to {self.pgdba}"
            )
        if seen.st_mode & 0o027:
            raise ParameterError(
                f"{folder} has the mode {seen.st_mode & 0o7777:04o}: "
                "PostgreSQL starts with 0700 or 0750 alone"
            )

    def _require_right_version(self) -> None:
        server = self._tool("postgres")
        executed = os.path.basename(os.path.realpath(find(server) or server))
        if executed not in _PROGRAMS:
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
                raise InstallationError(f"the configuration is not right: {why_in(ended.stderr)}")
            self._settings = {**self._settings, name: ended.stdout.strip()}
        return self._settings[name]

    _settings: dict[str, str] = {}  # noqa: RUF012 - replaced, never changed
    """What the configuration has said already."""

    def _socket_folders(self) -> list[str]:
        configured = self._configured("unix_socket_directories").split(",")
        folders = (each.strip().strip('"') for each in configured)
        return [each for each in folders if each.startswith("/")]  # "@" is one without a file

    def _place_to_ask(self, lock: _Lock) -> tuple[str, int]:
        """Host, or folder of the unix socket, and port, as the running server has written them."""
        listens = "127.0.0.1" if lock.address in _ANY else lock.address
        host = self.pghost or self.socketdir or lock.socket_folder or listens
        return host, self.pgport or lock.port

    # --- while it runs ----------------------------------------------------------------------------

    def _lock(self) -> _Lock | None:
        return _Lock.read(f"{self._folder}/{_LOCK}")

    def _require_data_directory(self) -> None:
        """Raise ActionError where the main process works on files that nobody can find any more."""
        main = self._recorded()[0]
        lock = self._lock()
        if main is None or (lock is not None and lock.pid == main.pid):
            return
        if lock is not None:
            seen = f"{self._folder}/{_LOCK} names process {lock.pid}"
        elif os.path.exists(f"{self._folder}/PG_VERSION"):
            seen = f"there is no {self._folder}/{_LOCK}"
        else:
            seen = f"its data directory {self._folder} is not there any more"
        raise ActionError(f"process {main.pid} runs, and {seen}")

    def _require_clean_end(self) -> None:
        """Raise ActionError where it has left its lock file: a stop has something to clear away."""
        gone, lock = self._recorded()[0], self._lock()
        if gone is not None and lock is not None and lock.is_of(gone):
            raise ActionError(
                f"process {gone.pid} has ended without a shutdown: it crashed or was killed, and "
                f"{self._folder}/{_LOCK} is left"
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
        main = self._postmaster(here)
        if main is not None:
            from ocfkit.search import Found, beside

            self._adopt(main)
            return Found(main, beside(main, self._mark()))
        return super()._search([*known, *here] if self._began is None else known)

    def _postmaster(self, here: Sequence[Identity]) -> Identity | None:
        """The one that the lock file names; without one, the only one that none of them started."""
        lock = None if self._is_hard else _lock_of(here)
        named = [each for each in here if lock is not None and each.pid == lock.pid]
        pids = {each.pid for each in here}
        tops = named or [each for each in here if _is_top(each.pid, pids)]
        return tops[0] if len(tops) == 1 else None

    def _processes(self) -> list[Identity]:
        """The processes of PostgreSQL that work in the data directory, in this container.

        Raises ActionError when there is none, and one that cannot be told from one could be one: we
        may not look at it, or the disk does not answer.
        """
        found: list[Identity] = []
        unclear = ""
        for pid in process.pids():
            try:
                if _is_server(pid) and _is_in_our_container(pid):
                    if self._is_here(pid):
                        found.append(process.identify(pid))
                elif self._looks_like_it(pid):
                    unclear = f"process {pid} could be of it, and we may not look at it"
            except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
                continue
            except OSError as error:
                if _lives(pid):
                    unclear = f"process {pid} could be of it: {told(error)}"
        if unclear and not found:
            raise ActionError(unclear)
        return [each for each in found if each.stat() is not None]

    def _looks_like_it(self, pid: int) -> bool:
        """Whether it is called as one of its processes is, and we may not see what it executes.

        A backend does not say whose it is, but its postmaster does. Where that is dead, it may be
        ours.
        """
        seen = process.stat(pid)
        if seen.comm not in _PROGRAMS or not _is_hidden(pid):
            return False
        for each in (pid, seen.ppid):
            folder = _argument("-D", each) if process.stat(each).comm in _PROGRAMS else ""
            if folder.startswith("/"):
                return os.path.realpath(folder) == os.path.realpath(self._folder)
        return True

    def _is_here(self, pid: int) -> bool:
        cwd = f"/proc/{pid}/cwd"
        has_our_paths = os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt")
        known = (self._folder, os.path.realpath(self._folder))
        if os.readlink(cwd) in known and has_our_paths:
            return True
        try:
            if os.path.samefile(cwd, self._folder):
                return True
        except FileNotFoundError:  # the data directory is not there
            pass
        # Moved or unmounted since: what its main process has written still stands there.
        lock = _Lock.read(f"{cwd}/{_LOCK}")
        return has_our_paths and lock is not None and lock.folder == self._folder

    # --- while it starts --------------------------------------------------------------------------

    def _clear_the_way(self) -> None:
        """Remove a lock file that would keep PostgreSQL from starting, and is nobody's.

        That no process of ours works in the data directory has been seen already. PostgreSQL
        itself copes with a file that names a process that is gone, and finds by it what a crash has
        left. It does not with an empty one, nor with one that names a stranger of the same user.
        """
        for pid in process.pids():
            if _is_at(pid, self._folder):
                raise ActionError(f"process {pid}, of another container, works in {self._folder}")
        lock = self._lock()
        if lock is None:
            return
        segment = lock.segment()
        if segment is not None and segment.attached:
            raise ActionError(
                f"{segment.attached} processes are attached to the shared memory segment "
                f"{segment.number} that {self._folder}/{_LOCK} names: something of it still runs"
            )
        self._remove_if_stale(lock, f"{self._folder}/{_LOCK}")

    def _remove_if_stale(self, lock: _Lock, path: str) -> None:
        if lock.pid and not os.path.exists(f"/proc/{abs(lock.pid)}"):
            return
        whom = f"names process {lock.pid}, which is a stranger" if lock.pid else "is empty"
        self.log.warning(f"removing {path}: it {whom}, and nothing of this instance runs")
        os.unlink(path)

    def _clear_lock_of_socket(self, folder: str, port: str) -> None:
        from ocfkit.linux import sockets

        path = f"{folder}/.s.PGSQL.{port}"
        lock = _Lock.read(f"{path}.lock")
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
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            if os.fstat(descriptor).st_uid == os.geteuid():
                entry = _entry_of(self.pgdba)
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
        return "".join(_added(path, self._read_until.get(path, 0)) for path in self._logs())

    def _last_line(self) -> str:
        lines = [line for line in self._added().splitlines() if line.strip()]
        return _without_prefix(lines[-1]) if lines else "nothing"

    def _last_words(self) -> str:
        """Why the server has ended."""
        text = self._added()
        why = why_in(text) if text.strip() else f"nothing is said in {self._log()}"
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
        paths = [f"{self._folder}/{_LOCK}"]
        if folder:
            socket = f"{folder}/.s.PGSQL.{lock.port}"
            other = _Lock.read(f"{socket}.lock")
            if other is not None and other.pid == gone.pid:
                paths += [socket, f"{socket}.lock"]
        for path in paths:
            self._unlink(path)

    def _free_memory(self, lock: _Lock, mapped: set[str]) -> None:
        """Give back shared memory that a killed instance holds.

        `mapped` are the files that its processes were seen to map. Where that was not seen, all
        files of this user are its own if no other instance of his lives; if one does, the next
        start has to find them itself, by the segment.
        """
        uid = _uid_of(self.pgdba)
        listed = {path for path in _dynamic_files() if _owned_by(path, uid)}  # before one can start
        if not any(_is_server(pid) and _owner(pid) == uid for pid in process.pids()):
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
        except (ActionError, OSError) as error:
            self.log.warning(f"{what} is left: {error}")
        else:
            self.log.info(f"removed {what}, which was left by a killed process")


class _Lock:
    """What a postmaster has written into a lock file (PostgreSQL's miscinit.c and pidfile.h)."""

    __slots__ = ("address", "folder", "memory", "pid", "port", "socket_folder", "started", "status")

    def __init__(self, text: str) -> None:
        """A line may be missing: it is written in steps, and a full disk holds no more."""
        lines = [line.strip() for line in text.split("\n")] + [""] * 8
        self.pid = _number(lines[0])
        """0 where none is there; negative in single-user mode."""
        self.folder = lines[1]
        self.started = _number(lines[2])
        self.port = _number(lines[3])
        self.socket_folder = lines[4]
        self.address = lines[5]
        self.memory = tuple(_number(word) for word in lines[6].split())
        """Key and number of the System V segment."""
        self.status = lines[7]
        """Of "starting", "standby", "ready" and "stopping"."""

    @classmethod
    def read(cls, path: str) -> Self | None:
        """Raises OSError for a file that is there and cannot be read."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            return cls(os.read(descriptor, 4096).decode("utf-8", "surrogateescape"))
        finally:
            os.close(descriptor)

    def is_of(self, gone: Identity) -> bool:
        """Whether this very process has written it, on this node."""
        from ocfkit.monitors.process import began  # not for one that is well

        if gone.pid != self.pid or gone.boot != process.boot():
            return False
        return abs(began(gone.start) - self.started) < _CLOCKS

    def segment(self) -> _Segment | None:
        """The segment that it names, if there is one."""
        with open("/proc/sysvipc/shm", encoding="ascii") as file:
            next(file)  # the headings
            for line in file:
                key, number, _, _, _, _, attached, owner, *_ = map(int, line.split())
                if (key & 0xFFFFFFFF, number) == (self._key, self._number):
                    return _Segment(number, attached, owner)
        return None

    @property
    def _key(self) -> int:
        return self.memory[0] & 0xFFFFFFFF if len(self.memory) == 2 else -1

    @property
    def _number(self) -> int:
        return self.memory[1] if len(self.memory) == 2 else -1


class _Segment:
    """A System V segment of shared memory (proc(5), sysvipc/shm)."""

    __slots__ = ("attached", "number", "owner")

    def __init__(self, number: int, attached: int, owner: int) -> None:
        self.number = number
        self.attached = attached
        self.owner = owner


class _rights_of:  # noqa: N801 - reads as a word of the language
    """Be another user for a moment: PostgreSQL's peer authentication asks who has connected.

    Only the effective ids change, so we can come back, and nobody can signal us meanwhile who could
    not before. None changes nothing, as where we are no root.
    """

    def __init__(self, user: str | None) -> None:
        self._user = user if os.geteuid() == 0 else None
        self._groups: list[int] = []

    def __enter__(self) -> None:
        if self._user is not None:
            entry = _entry_of(self._user)
            self._groups = os.getgroups()
            try:
                os.setgroups(os.getgrouplist(self._user, entry.pw_gid))
                os.setegid(entry.pw_gid)
                os.seteuid(entry.pw_uid)
            except OSError:
                self.__exit__()
                raise

    def __exit__(self, *_: object) -> None:
        if self._user is not None:
            os.seteuid(0)
            os.setegid(os.getgid())
            os.setgroups(self._groups)


# --- processes ------------------------------------------------------------------------------------


def _is_server(pid: int) -> bool:
    """Whether it executes PostgreSQL, removed or replaced meanwhile or not."""
    return os.path.basename(process.executable(pid)) in _PROGRAMS


def _lock_of(processes: Iterable[Identity]) -> _Lock | None:
    """The lock file in the directory that they work in, wherever that is now."""
    for each in processes:
        try:
            lock = _Lock.read(f"/proc/{each.pid}/cwd/{_LOCK}")
        except OSError:  # not for root's eyes (NFS), or the disk does not answer
            continue
        if lock is not None:
            return lock
    return None


def _is_top(pid: int, others: Container[int]) -> bool:
    """Whether none of the others has started it, and it does not call itself a worker."""
    try:
        title = process.command_line(pid)[:1]
        return process.stat(pid).ppid not in others and not "".join(title).startswith("postgres: ")
    except OSError:  # it has ended meanwhile
        return False


def _argument(option: str, pid: int) -> str:
    """What follows that option on its command line."""
    words = process.command_line(pid)
    return words[words.index(option) + 1] if option in words[:-1] else ""


def _lives(pid: int) -> bool:
    try:
        return not process.stat(pid).ended
    except OSError:
        return False


def _is_hidden(pid: int) -> bool:
    """Whether its program may not be seen; one that is about to end has none any more (ENOENT)."""
    try:
        os.readlink(f"/proc/{pid}/exe")
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _is_in_our_container(pid: int) -> bool:
    here = f"/proc/{pid}"
    same_pids = os.readlink(f"{here}/ns/pid") == os.readlink("/proc/self/ns/pid")
    return same_pids and os.path.samefile(f"{here}/root", "/")


def _is_at(pid: int, folder: str) -> bool:
    try:
        return _is_server(pid) and os.path.samefile(f"/proc/{pid}/cwd", folder)
    except OSError:
        return False


def _owner(pid: int) -> int:
    try:
        return process.owner(pid)
    except OSError:
        return -1


def _shown(pid: int) -> str:
    return f"process {pid} ({process.executable(pid) or 'of a program that we may not see'})"


# --- shared memory --------------------------------------------------------------------------------

_DYNAMIC = "/dev/shm/PostgreSQL."  # noqa: S108 - PostgreSQL's name, see its dsm_impl.h


def _dynamic_files() -> list[str]:
    folder, prefix = os.path.split(_DYNAMIC)
    try:
        return [f"{folder}/{name}" for name in os.listdir(folder) if name.startswith(prefix)]
    except OSError:
        return []


def _mapped(pid: int) -> set[str]:
    """Files of dynamic shared memory that a process has mapped."""
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as file:
            paths = {line.split(maxsplit=5)[-1].strip() for line in file}
    except OSError:
        return set()
    return {path for path in paths if path.startswith(_DYNAMIC) and " " not in path}


def _owned_by(path: str, uid: int) -> bool:
    try:
        return os.lstat(path).st_uid == uid
    except OSError:
        return False


# --- files, users and words -----------------------------------------------------------------------


def _entry_of(user: str) -> struct_passwd:
    import pwd

    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise InstallationError(f"there is no user {user} on this node") from None


def _uid_of(user: str) -> int:
    return _entry_of(user).pw_uid


def _name_of(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _number(text: str) -> int:
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdecimal() and len(digits) < 19 else 0


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _added(path: str, before: int) -> str:
    """What has been added to a log; all of it where it has become shorter."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(before if before <= size else 0, size - _ENDS))
            return file.read(_ENDS).decode("utf-8", "replace")
    except OSError:
        return ""


_CAUSES = ("could not", "error in file", "invalid value", "unrecognized")
"""What stands in a line before the last one, where that only says that something is wrong."""


def why_in(log: str) -> str:
    """The line of a log that says why, with what was said of an address or a file before."""
    lines = [line for line in log.splitlines() if line.strip()]
    fatal = [place for place, line in enumerate(lines) if "FATAL:" in line or "PANIC:" in line]
    if not fatal:
        return lines[-1].strip() if lines else "nothing is said"
    place = fatal[-1]
    before = [line for line in lines[:place] if any(word in line for word in _CAUSES)]
    after = [line for line in lines[place + 1 : place + 2] if "DETAIL:" in line or "HINT:" in line]
    return "; ".join(_without_prefix(line) for line in [*before[-1:], lines[place], *after])


def _without_prefix(line: str) -> str:
    """A line of the log without time and pid, which are there as log_line_prefix says."""
    for level in ("FATAL", "PANIC", "ERROR", "WARNING", "LOG", "DETAIL", "HINT"):
        _, found, text = line.partition(f"{level}:  ")
        if found:
            return text.strip()
    return line.strip()


def _require_words(parameter: str, text: str) -> None:
    """Raise ConfigurationError for what a shell could not split."""
    if set(text) & set("\\'\""):
        import shlex

        try:
            shlex.split(text)
        except ValueError as error:
            raise ConfigurationError(f"parameter {parameter}: {error}") from None
