"""TLS over a line, with the line's deadline."""

from __future__ import annotations

import os
import ssl
import time

from ocfkit.errors import ActionError, ConfigurationError, InstallationError, told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocfkit.monitors.question import Question
    from ocfkit.monitors.tcp import Line

_DAY = 86400

_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "INVALID_ALERT")
"""OpenSSL's words for what is no TLS at all."""

_CERTIFICATE = {
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    18: "its certificate is signed by itself, which is not trusted",
    19: "its certificate comes from an authority that is not trusted",
    20: "its certificate comes from an authority that is not trusted",
    21: "its certificate comes from an authority that is not trusted",
    23: "its certificate was revoked",
}
"""OpenSSL's X509_V_ERR_ numbers → what an operator calls it."""

_OF_ANOTHER = (62, 64)
"""X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""


def trusting(ca_file: str, *, verify: bool = True) -> ssl.SSLContext:
    """What trusts a file or a folder, or else what the system trusts.

    InstallationError for a bad one: the file is this node's, and may be right on another.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if not ca_file:
        made.load_default_certs()
        return made
    try:
        if os.path.isdir(ca_file):
            made.load_verify_locations(capath=ca_file)
        else:
            made.load_verify_locations(ca_file)
    except ssl.SSLError as error:
        raise InstallationError(f"CA file {ca_file}: it holds no certificate") from error
    except OSError as error:
        raise InstallationError(f"CA file {ca_file}: {error.strerror}") from error
    return made


class Tls:
    """An encrypted stream to a server whose certificate is right."""

    def __init__(
        self, line: Line, question: Question, name: str, ca_file: str, *, verify: bool
    ) -> None:
        """Shake hands with the server of this name; raises ActionError.

        Or InstallationError for a CA file that is not there, or none.
        """
        self._line = line
        self._question = question
        self._name = name
        self._comes, self._goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = trusting(ca_file, verify=verify)
        try:
            self._tls = context.wrap_bio(self._comes, self._goes, server_hostname=name)
        except ValueError as error:
            raise ConfigurationError(f"{name!r} can be no name of a server: {error}") from error
        self._shake_hands()

    def _shake_hands(self) -> None:
        so_far = "the handshake of TLS had not ended"
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._fetch(so_far)
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                raise self._question.failed(f"{so_far} when the connection was closed") from None
            except ssl.SSLError as error:
                self._say_why()
                raise self._question.failed(self._told(error)) from error
            else:
                self._flush()
                return

    def send(self, data: bytes) -> bool:
        """Send it; False when the other side has hung up, who may have said why before."""
        if data:
            self._tls.write(data)
        return self._flush()

    def receive(self, so_far: str) -> bytes:
        """What comes next, b"" at the end; raises ActionError, which tells `so_far`."""
        while True:
            try:
                return self._tls.read(65536)
            except ssl.SSLWantReadError:
                self._flush()
                self._fetch(so_far)
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                return b""  # by the OpenSSL it is said in one way or another; HTTP knows its end
            except ssl.SSLError as error:
                raise self._question.failed(f"{so_far}; then {self._told(error)}") from error

    def close(self) -> None:
        """Let the line go without waiting for anything."""
        self._line.close()

    def require_days(self, days: float) -> None:
        """Raise DegradedError when the certificate ends within so many days.

        Of one that is not verified OpenSSL tells nothing.
        """
        until = (self._tls.getpeercert() or {}).get("notAfter")
        if isinstance(until, str):
            left = (ssl.cert_time_to_seconds(until) - time.time()) / _DAY
            if left < days:
                raise self._question.degraded(
                    f"the answer is right, and its certificate ends in {left:.1f} days ({until})"
                )

    def _told(self, error: ssl.SSLError) -> str:
        if isinstance(error, ssl.SSLCertVerificationError):
            if error.verify_code in _OF_ANOTHER:
                return f"its certificate is not for {self._name}"
            why = error.verify_message.rstrip(".")
            known = _CERTIFICATE.get(error.verify_code, "its certificate is not accepted")
            return known if known.endswith(why) else f"{known} ({why})"
        reason = error.reason or told(error)
        words = reason.replace("_", " ").lower()
        if reason in _NOT_TLS:
            return f"it does not speak TLS ({words})"
        return f"TLS failed: {words}"

    def _say_why(self) -> None:
        """Let the server's log say more than that somebody hung up."""
        try:
            self._flush()
        except ActionError:
            return

    def _flush(self) -> bool:
        return self._line.send(self._goes.read())

    def _fetch(self, so_far: str) -> None:
        data = self._line.receive(so_far)
        if data:
            self._comes.write(data)
        else:
            self._comes.write_eof()
