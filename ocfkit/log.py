"""Where lines go: syslog and HA_LOGFILE as the agents of resource-agents do, the reason, stderr."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocfkit.environment import Environment

_MASK = "***"
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
        """From now on these texts are masked, and what a traceback's repr makes of them."""
        texts = {form for secret in secrets for form in (secret, repr(secret)[1:-1]) if form}
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

    def reason(self, message: str) -> None:
        """Tell the cluster, in one line, why the action ends as it does; and log it."""
        line = one_line(self.masked(message))
        say(f"{self._environment.reason_prefix}{line}\n")
        if self._environment.log_facility or self._environment.log_file:
            self._write("error", message)

    def crash(self, what: str, error: BaseException) -> None:
        """Tell of an error that nobody foresaw: one line for the operator, the rest for the log."""
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = ""
        if trace is not None:
            file = os.path.basename(trace.tb_frame.f_code.co_filename)
            where = f" ({file}, line {trace.tb_lineno})"
        self.reason(f"error in the agent: {what}: {type(error).__name__}: {error}{where}")
        import traceback  # 7 ms, for an agent that is broken

        self.trace("".join(traceback.format_exception(error)))

    def trace(self, text: str) -> None:
        """A traceback: for the log, and on standard error only for whoever asks for debug lines."""
        if self._environment.log_facility or self._environment.log_file or self._environment.debug:
            for line in text.rstrip().split("\n"):
                self._write("error", line)

    def _write(self, level: str, message: str) -> None:
        environment = self._environment
        message = self.masked(message)
        line = f"{self._tag}[{os.getpid()}]: {level.upper()}: {one_line(message)}"
        if environment.log_facility:
            self._to_syslog(level, message)
        stamp = ""
        for path in {environment.log_file, environment.debug_log} - {""}:
            if path == environment.log_file and level == "debug" and environment.debug_log:
                continue
            stamp = stamp or time.strftime("%b %d %H:%M:%S")
            _append(path, f"{stamp} {line}\n")
        if not environment.log_facility and not environment.log_file:
            say(f"{line}\n")

    def _to_syslog(self, level: str, message: str) -> None:
        import syslog  # where Pacemaker asks for it

        if not self._syslog:
            name = f"LOG_{self._environment.log_facility.upper()}"
            facility = getattr(syslog, name, syslog.LOG_DAEMON)
            syslog.openlog(self._tag, syslog.LOG_PID, facility)
            self._syslog = True
        for line in message.split("\n"):
            syslog.syslog(_LEVELS[level], f"{level.upper()}: {one_line(line)}")


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
