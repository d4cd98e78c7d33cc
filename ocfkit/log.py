"""Where lines go: syslog and HA_LOGFILE as the agents of resource-agents do, the reason, stderr."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from ocfkit.environment import Environment

    Level = Literal["debug", "info", "warning", "error"]

_MASK = "***"
_SHORT = 3
"""A line of a secret with so few characters is no secret of its own."""

_LEVELS = {"debug": 7, "info": 6, "warning": 4, "error": 3}  # <syslog.h>


class Log:
    """The log of one action. Whatever is written here, no secret parameter is in it.

    Lines go to syslog when Pacemaker names a facility, to HA_LOGFILE when it names a file, and to
    standard error when it names neither; debug lines only when HA_debug is above 0.
    """

    def __init__(self, environment: Environment, name: str) -> None:
        """`name` is the agent's."""
        self._environment = environment
        self._tag = f"{name}({environment.instance})"
        self._secrets: tuple[str, ...] = ()
        self._syslog = False

    def hide(self, secrets: Iterable[str]) -> None:
        """From now on these texts are masked, also as they stand in a repr or in an address."""
        texts = {form for secret in secrets for form in _forms(secret) if form}
        self._secrets = tuple(sorted(texts, key=len, reverse=True))  # the longest first

    def masked(self, text: str) -> str:
        """The text without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, _MASK)
        return text

    def debug(self, message: str) -> None:
        """For whoever looks for a fault in the agent."""
        if self._environment.debug:
            self._write("debug", message)

    def info(self, message: str) -> None:
        """What an operator wants to find afterwards."""
        self._write("info", message)

    def warning(self, message: str) -> None:
        """It works, and somebody should look."""
        self._write("warning", message)

    def error(self, message: str) -> None:
        """It does not work."""
        self._write("error", message)

    def reason(self, message: str, *, level: Level = "error") -> None:
        """Tell the cluster, in one line, why the action ends as it does; and log it."""
        line = one_line(self.masked(message))
        self.to_stderr(f"{self._environment.reason_prefix}{line}\n")
        self._keep(level, message)

    def crash(self, what: str, error: BaseException) -> None:
        """Tell of an error that nobody foresaw: one line for the operator, the rest for the log."""
        where = ""
        trace = error.__traceback__
        while trace is not None:
            file = trace.tb_frame.f_code.co_filename
            if not file.startswith("<frozen"):  # of the import system: the line above it says more
                where = f" ({os.path.basename(file)}, line {trace.tb_lineno})"
            trace = trace.tb_next
        kind = type(error).__name__
        self.reason(f"error in the agent: {what}: {kind}: {text_of(error)}{where}")
        self.trace(error)

    def trace(self, error: BaseException) -> None:
        """A traceback: for the log, and on standard error only for whoever asks for debug lines."""
        environment = self._environment
        if not (environment.debug or environment.log_facility or self._files()):
            return
        import traceback  # 7 ms, for an agent that is broken

        # masked as a whole: a secret may have several lines
        text = self.masked("".join(traceback.format_exception(error)))
        for line in text.rstrip().split("\n"):
            if environment.debug:
                self._write("error", line)
            else:
                self._keep("error", line)

    def to_stderr(self, text: str) -> None:
        """Write what is masked already to standard error; a test keeps it instead."""
        say(text)

    def _write(self, level: Level, message: str) -> None:
        self._keep(level, message)
        if not self._environment.log_facility and not self._environment.log_file:
            self.to_stderr(f"{self._line(level, message)}\n")

    def _keep(self, level: Level, message: str) -> None:
        """Write to syslog and the files, where the caller names them."""
        if self._environment.log_facility:
            self._to_syslog(level, self.masked(message))
        files = self._files()
        if level == "debug" and len(files) > 1:
            files.remove(self._environment.log_file)
        for path in files:
            stamp = time.strftime("%b %d %H:%M:%S")
            _append(path, f"{stamp} {self._line(level, message)}\n")

    def _files(self) -> list[str]:
        """HA_LOGFILE and HA_DEBUGLOG, which may be one."""
        named = (self._environment.log_file, self._environment.debug_log)
        return [path for path in dict.fromkeys(named) if path]

    def _line(self, level: Level, message: str) -> str:
        return f"{self._tag}[{os.getpid()}]: {level.upper()}: {one_line(self.masked(message))}"

    def _to_syslog(self, level: Level, message: str) -> None:
        import syslog  # where Pacemaker asks for it

        if not self._syslog:
            name = f"LOG_{self._environment.log_facility.upper()}"
            facility = getattr(syslog, name, syslog.LOG_DAEMON)
            syslog.openlog(self._tag, syslog.LOG_PID, facility)
            self._syslog = True
        for line in message.split("\n"):
            syslog.syslog(_LEVELS[level], f"{level.upper()}: {one_line(line)}")


def _forms(secret: str) -> list[str]:
    """A secret as it stands in texts: as it is, each line of it, in a repr, in an address."""
    data = secret.encode("utf-8", "surrogateescape")
    lines = [line for line in secret.splitlines() if len(line) > _SHORT]
    addressed = [_quoted(data, safe) for safe in (b"", b"/", b" ")]
    return [secret, *lines, repr(secret)[1:-1], repr(data)[2:-1], *addressed]


def _quoted(data: bytes, safe: bytes) -> str:
    """As urllib.parse quotes it; with a blank as safe, as it stands in a form."""
    kept = b"_.-~" + safe
    words = [
        chr(byte) if byte in kept or (byte < 128 and chr(byte).isalnum()) else f"%{byte:02X}"
        for byte in data
    ]
    return "".join(words).replace(" ", "+")


def text_of(error: BaseException) -> str:
    """What an error says, even if it fails to say it."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - of an author's class
        return "(it cannot be shown)"


def one_line(text: str) -> str:
    """The text as one line without control characters, so that nobody can forge another."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def say(text: str) -> None:
    """Write to standard error, wherever that leads; an action does not fail for want of it."""
    try:
        os.write(2, text.encode("utf-8", "backslashreplace"))
    except OSError:
        return


def _append(path: str, line: str) -> None:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    try:
        descriptor = os.open(path, flags, 0o640)
    except OSError:  # the disk is full, the folder is gone: no reason to fail an action
        return
    try:
        os.write(descriptor, line.encode("utf-8", "backslashreplace"))
    except OSError:
        return
    finally:
        os.close(descriptor)
