"""TLS over a line, with the line's deadline."""

from __future__ import annotations

import ssl
import time

from ocfkit.errors import InstallationError
from ocfkit.monitors.question import Question
from ocfkit.monitors.tcp import Line


def context(ca_file: str) -> ssl.SSLContext:
    """What trusts the file's certificates, or the system's; InstallationError for a bad file."""
    if not ca_file:
        return ssl.create_default_context()
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        made.load_verify_locations(ca_file)
    except ssl.SSLError as error:
        raise InstallationError(f"CA file {ca_file}: it holds no certificate") from error
    except OSError as error:
        raise InstallationError(f"CA file {ca_file}: {error.strerror}") from error
    return made


class Tls:
    """An encrypted stream to a server whose certificate is right."""

    def __init__(
        self, line: Line, question: Question, name: str, *, ca_file: str, verify: bool
    ) -> None:
        """Shake hands; raises ActionError, or InstallationError for a CA file that is none."""
        self._line = line
        self._question = question
        self._comes, self._goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        trusted = context(ca_file if verify else "")
        if not verify:
            trusted.check_hostname = False
            trusted.verify_mode = ssl.CERT_NONE
        self._tls = trusted.wrap_bio(self._comes, self._goes, server_hostname=name)
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._fetch("the handshake of TLS had not ended")
            except ssl.SSLCertVerificationError as error:
                why = error.verify_message.rstrip(".")
                raise question.failed(f"its certificate is not valid: {why}") from None
            except ssl.SSLError as error:
                raise question.failed(f"TLS failed: {error.reason or error}") from None
            else:
                self._flush()
                return

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self._tls.write(data)
        self._flush()

    def receive(self, so_far: str) -> bytes:
        """What comes next, b"" at the end."""
        while True:
            try:
                return self._tls.read(65536)
            except ssl.SSLWantReadError:
                self._fetch(so_far)
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            except ssl.SSLError as error:
                raise self._question.failed(f"TLS failed: {error.reason or error}") from None

    def require_days(self, days: float) -> None:
        """Raise DegradedError when the certificate ends within so many days."""
        until = (self._tls.getpeercert() or {}).get("notAfter")
        if not isinstance(until, str):  # it was not verified, so nothing of it is known
            return
        left = (ssl.cert_time_to_seconds(until) - time.time()) / 86400
        if left < days:
            raise self._question.degraded(f"its certificate ends in {left:.1f} days, on {until}")

    def _flush(self) -> None:
        self._line.send(self._goes.read())

    def _fetch(self, so_far: str) -> None:
        data = self._line.receive(so_far)
        if data:
            self._comes.write(data)
        else:
            self._comes.write_eof()
