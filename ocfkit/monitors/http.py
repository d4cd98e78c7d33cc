"""One page, asked for over one connection, within one deadline for all of it.

The limits of requests and http.client are per read, so that a server that sends a byte each second
outlives them; and they cost 20 to 70 ms to load.
"""

from __future__ import annotations

from ocfkit.errors import ActionError, ConfigurationError
from ocfkit.monitors import patterns
from ocfkit.monitors.http_address import Address, followed, host_and_port, parsed
from ocfkit.monitors.http_answer import Page, Reader
from ocfkit.monitors.question import Question, quoted
from ocfkit.monitors.tcp import Line, early

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ocfkit.deadline import Deadline
    from ocfkit.monitors.http_answer import Stream
    from ocfkit.monitors.tls import Tls

__all__ = ["Page", "check", "require"]

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_OURS = frozenset(("connection", "content-length", "transfer-encoding"))
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def check(
    url: str,
    *,
    deadline: Deadline,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    user: str = "",
    password: str = "",
    body: bytes = b"",
    status: Collection[int] = (200,),
    match: str | None = None,
    ignore_case: bool = False,
    limit: int = 1 << 20,
    redirects: int = 0,
    unix_socket: str = "",
    ca_file: str = "",
    verify: bool = True,
    server_name: str = "",
    expires_within: float = 0,
) -> Page:
    """Ask for a page; its status has to be one of `status`, and `match` has to be in its body.

    `limit` bytes of the body are read at most; a longer one is a failure unless the pattern is in
    these. So many `redirects` are followed, those whose status is not a right one itself; to
    another host, port or scheme go neither user and password nor any of `headers`.

    Over TLS the certificate has to be valid for `server_name`, or else for the header Host that was
    given, or else for the host of the address. It has to be signed by one of `ca_file` (a file, or
    a folder as openssl-rehash(1) makes it) or else of the system's. With `verify` off nothing of it
    is looked at. An answer that is right is DegradedError when the certificate ends within
    `expires_within` days.

    Raises ConfigurationError for what can be right nowhere, and InstallationError for a CA file
    that is not there, or none: it is this node's.
    """
    request = _Request(method, headers or {}, user, password, body)
    if match is not None:
        patterns.require(match)
        if method == "HEAD":
            raise ConfigurationError("HEAD brings no page, so no pattern can be in it")
    if unix_socket and not unix_socket.startswith("/"):
        raise ConfigurationError(f"unix socket {unix_socket!r} is no absolute path")
    visit = _Visit(_address(url), request, early(deadline), unix_socket)
    visit.trusted = ca_file, verify
    visit.server_name = server_name or request.host
    page = visit.answer(status, limit)
    for _ in range(redirects):
        if page.status in status or page.status not in _REDIRECTS:
            break
        visit.follow(page)
        page = visit.answer(status, limit)
    if page.status not in status:
        raise visit.failed(_wrong_status(page, status))
    if match is not None and not patterns.find(match, page.body, ignore_case=ignore_case):
        raise visit.failed(_without(match, page))
    if page.is_cut and match is None:
        raise visit.failed(f"the page is longer than {limit} bytes")
    visit.require_days(expires_within)
    return page


def require(url: str, *, ca_file: str = "") -> None:
    """Raise what `check` would of an address or a CA file; for an agent's `validate_host`."""
    _address(url)
    if ca_file:
        from ocfkit.monitors.tls import trusting

        trusting(ca_file)


class _Request:
    """What is asked for, wherever it leads."""

    __slots__ = ("_headers", "_private", "body", "host", "method")

    def __init__(
        self, method: str, headers: Mapping[str, str], user: str, password: str, body: bytes
    ) -> None:
        """Raises ConfigurationError, which shows no value: each may be a secret."""
        if not method or not _TOKEN.issuperset(method):
            raise ConfigurationError(f"{method!r} is no method of HTTP")
        for name, value in headers.items():
            if not name or not _TOKEN.issuperset(name) or name.lower() in _OURS:
                raise ConfigurationError(f"{name!r} is no header that can be given")
            if any(char in value for char in "\r\n\0"):
                raise ConfigurationError(f"the header {name} holds the end of a line")
        if ":" in user:
            raise ConfigurationError("the user of basic authentication must not hold a colon")
        self.method = method
        self.body = body
        self.host = _virtual_host(headers)
        """The virtual host that is asked for; "" for that of the address."""
        self._headers = {"User-Agent": "ocfkit", "Accept": "*/*", "Accept-Encoding": "identity"}
        self._private = {**_authorization(user, password), **headers}

    def to(self, address: Address) -> bytes:
        """The request as it is sent."""
        rows = {"Host": address.host_header, **self._headers}
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            rows["Content-Length"] = str(len(self.body))
        given = {name.lower() for name in self._private}
        rows = {name: value for name, value in rows.items() if name.lower() not in given}
        rows |= {**self._private, "Connection": "close"}
        lines = [f"{self.method} {address.target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in rows.items()]
        return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + self.body

    def forget(self) -> None:
        """Keep from others what was meant for one server."""
        self.host = ""
        self._private = {}

    def turn(self, status: int) -> None:
        """Become what a redirect makes of it (RFC 9110, 15.4)."""
        if status == 303 or (status in (301, 302) and self.method == "POST"):
            self.method = "HEAD" if self.method == "HEAD" else "GET"
            self.body = b""


class _Visit:
    """One question, at whatever addresses it is asked."""

    __slots__ = (
        *("_address", "_asked", "_deadline", "_path", "_question", "_request", "_tls"),
        *("server_name", "trusted"),
    )

    def __init__(
        self, address: Address, request: _Request, deadline: Deadline, unix_socket: str
    ) -> None:
        self._address = address
        self._request = request
        self._deadline = deadline
        self._path = unix_socket
        self._asked = f"{request.method} {address.scheme}://{address.authority}{address.target}"
        if unix_socket:
            self._asked += f" over {unix_socket}"
        self._question = Question(self._asked)
        self._tls: Tls | None = None
        self.trusted: tuple[str, bool] = "", True
        """A CA file, and whether there must be trust at all."""
        self.server_name = ""
        """Whose certificate it has to be; that of the address if it does not say."""

    def answer(self, status: Collection[int], limit: int) -> Page:
        """Ask once; of a status that is not right the body is not read."""
        stream = self._connected()
        try:
            stream.send(self._request.to(self._address))  # who hangs up may have answered
            reader = Reader(stream, self._question, limit)
            page = reader.head()
            page.url = self._address.shown
            if page.status in status and self._request.method != "HEAD":
                reader.read_body(page)
        finally:
            stream.close()
        page.seconds = self._question.seconds
        return page

    def follow(self, page: Page) -> None:
        """Go where a redirect leads; raises ActionError where that is nowhere."""
        location = page.headers.get("location", "")
        if not location:
            raise self.failed(f"status {page.status}, and no word of where it leads")
        before = self._address
        try:
            there = followed(before, location)
        except ValueError as error:
            raise self.failed(
                f"status {page.status}, and where it leads is wrong: {error}"
            ) from None
        if there.scheme == before.scheme and there.host.lower() == self._request.host:
            there = Address(before.scheme, before.authority, there.target)  # where it is asked for
        self._request.turn(page.status)
        if there.origin != before.origin:
            if self._path or self._request.body:
                what = "the unix socket does not lead" if self._path else "no body is sent"
                raise self.failed(f"status {page.status} leads to {there.shown}, where {what}")
            self._request.forget()
            self.server_name = ""
        self._address = there
        self._question.asked = f"{self._asked}, which led to {there.shown}"

    def failed(self, seen: str) -> ActionError:
        """The error that says what was seen."""
        return self._question.failed(seen)

    def require_days(self, days: float) -> None:
        """Raise DegradedError when the certificate of the last answer ends within so many."""
        if self._tls is not None and days:
            self._tls.require_days(days)

    def _connected(self) -> Stream:
        address = self._address
        line = Line(self._question, self._path or address.host, address.port, self._deadline)
        self._tls = None
        if address.scheme == "http":
            return line
        try:
            from ocfkit.monitors.tls import Tls  # 12 ms, for ssl

            name = self.server_name or address.host.partition("%")[0]
            ca_file, verify = self.trusted
            self._tls = Tls(line, self._question, name, ca_file, verify=verify)
        except BaseException:
            line.close()
            raise
        return self._tls


def _address(url: str) -> Address:
    try:
        return parsed(url)
    except ValueError as error:
        shown = "what was given" if "@" in url else repr(url)  # which may hold a password
        raise ConfigurationError(f"{shown} is no address: {error}") from None


def _virtual_host(headers: Mapping[str, str]) -> str:
    for name, value in headers.items():
        if name.lower() == "host":
            try:
                return host_and_port(value.strip(), 1)[0].lower()
            except ValueError as error:
                raise ConfigurationError(f"the header Host is none: {error}") from None
    return ""


def _authorization(user: str, password: str) -> dict[str, str]:
    if not (user or password):
        return {}
    from binascii import b2a_base64

    pair = b2a_base64(f"{user}:{password}".encode("utf-8", "surrogateescape"), newline=False)
    return {"Authorization": f"Basic {pair.decode()}"}


def _wrong_status(page: Page, status: Collection[int]) -> str:
    wanted = " or ".join(str(each) for each in sorted(status))
    location = page.headers.get("location", "") if page.status in _REDIRECTS else ""
    leads = ""
    if location and "@" not in location:
        leads = f" (it leads to {quoted(location.partition('?')[0])})"
    return f"status {page.status}, not {wanted}{leads}"


def _without(match: str, page: Page) -> str:
    coding = page.headers.get("content-encoding", "identity")
    how = "" if coding == "identity" else f" (compressed: {quoted(coding)})"
    if not page.body:
        return f"status {page.status}, and an empty page, without {match!r}"
    cut = f" in its first {len(page.body)} bytes" if page.is_cut else ""
    return f"status {page.status}, and the page is {quoted(page.body)}{how}, without {match!r}{cut}"
