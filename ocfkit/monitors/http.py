"""One page, asked for over one connection, within one deadline for all of it.

The limits of requests and http.client are per read, so that a server that sends a byte each second
outlives them; and they cost 20 to 70 ms to load.
"""

from __future__ import annotations

from ocfkit.errors import ActionError, ConfigurationError
from ocfkit.monitors import patterns
from ocfkit.monitors.question import Question, quoted
from ocfkit.monitors.tcp import Line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Protocol

    from ocfkit.deadline import Deadline

    class Stream(Protocol):
        """What is spoken over, with or without TLS."""

        def send(self, data: bytes) -> None:
            """Send all of it."""

        def receive(self, so_far: str) -> bytes:
            """What comes next, b"" at the end."""
            ...


_LARGEST_HEAD = 65536
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_TO_SAY_IT = 0.1
"""Seconds before the deadline in which is said what was seen until then."""


class Page:
    """What came back."""

    __slots__ = ("body", "headers", "seconds", "status")

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """`headers` by their names in lower case; of several of a name the last."""
        self.status = status
        self.headers = headers
        self.body = body
        self.seconds = 0.0


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

    `limit` bytes of the body are read at most; a longer one is a failure unless the pattern was
    found before. So many `redirects` are followed, and only to the same host, since the password
    goes along. Over TLS the certificate has to be valid for the host or `server_name`, signed by
    one of `ca_file` or of the system, unless `verify` is off; an answer that is right is
    DegradedError when the certificate ends within `expires_within` days. Raises ConfigurationError
    for an address or a header that is none, and InstallationError for a CA file: it is this node's.
    """
    early = deadline.within(max(deadline.left() - _TO_SAY_IT, 0.0))
    question = Question(f"{method} {url}" if "@" not in url else method)
    for _ in range(redirects + 1):
        place = Address(url)
        question.asked = f"{method} {url}"
        line = Line(question, unix_socket or place.host, place.port, early)
        try:
            stream: Stream = line
            tls = None
            if place.scheme == "https":
                from ocfkit.monitors.tls import Tls  # 12 ms, for ssl

                name = server_name or place.host
                stream = tls = Tls(line, question, name, ca_file=ca_file, verify=verify)
            given = {**_authorization(user, password), **(headers or {})}
            stream.send(_request(method, place, given, body))
            page = Reader(stream, question, method, match, limit, ignore_case=ignore_case).page()
            page.seconds = question.seconds
        finally:
            line.close()
        target = page.headers.get("location", "")
        if redirects and page.status in _REDIRECTS and page.status not in status and target:
            url = place.leading_to(target, question)
            continue
        _require(page, question, status, match, ignore_case=ignore_case)
        if tls is not None and expires_within:
            tls.require_days(expires_within)
        return page
    raise question.failed(f"redirected more than {redirects} times")


def require(url: str, *, ca_file: str = "") -> None:
    """Raise what `check` would of an address or a CA file; for an agent's `validate_host`."""
    Address(url)
    if ca_file:
        from ocfkit.monitors.tls import context

        context(ca_file)


class Address:
    """The parts of an address of http or https."""

    __slots__ = ("host", "path", "port", "scheme", "shown_host")

    def __init__(self, url: str) -> None:
        """Raises ConfigurationError, which does not show what may be a password."""
        scheme, separator, rest = url.partition("://")
        cut = min((rest.find(each) for each in "/?#" if each in rest), default=len(rest))
        place, path = rest[:cut], rest[cut:].partition("#")[0]
        if "@" in place:
            raise ConfigurationError("an address must hold no user and no password: say them apart")
        wrong = not url.isascii() or any(each <= " " or each == "\x7f" for each in url)
        if not separator or scheme not in _PORTS or wrong:
            raise ConfigurationError(f"{url!r} is no address such as http://127.0.0.1/status")
        self.scheme = scheme
        self.shown_host = place
        bracket = place.rfind("]")
        host, colon, port = place, "", ""
        if place.rfind(":") > bracket:
            host, colon, port = place.rpartition(":")
        self.host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        in_range = port.isdecimal() and len(port) < 6 and 0 < int(port) < 65536
        if not self.host or (colon and not in_range) or (":" in self.host and bracket < 0):
            raise ConfigurationError(f"{url!r} names no host and port")
        self.port = int(port) if colon else _PORTS[scheme]
        self.path = path if path.startswith("/") else f"/{path}"

    def leading_to(self, target: str, question: Question) -> str:
        """The address that a redirect names; raises ActionError where it is somebody else's."""
        if target.startswith("//"):
            target = f"{self.scheme}:{target}"
        if "://" not in target:
            folder = self.path.partition("?")[0].rpartition("/")[0]
            path = target if target.startswith("/") else f"{folder}/{target}"
            return f"{self.scheme}://{self.shown_host}{path}"
        try:
            there = Address(target)
        except ConfigurationError:
            raise question.failed(f"redirected to {quoted(target)}, which is no address") from None
        upgraded = (self.scheme, there.scheme) == ("http", "https")
        same = (there.scheme, there.port) == (self.scheme, self.port)
        if there.host != self.host or not (same or upgraded):
            raise question.failed(f"redirected to {quoted(target)}, which is not followed")
        return target


def _authorization(user: str, password: str) -> dict[str, str]:
    if not (user or password):
        return {}
    from binascii import b2a_base64

    pair = b2a_base64(f"{user}:{password}".encode(), newline=False).decode()
    return {"Authorization": f"Basic {pair}"}


def _request(method: str, place: Address, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = {"Host": place.shown_host, "User-Agent": "ocfkit", "Accept": "*/*"}
    if body:
        lines["Content-Length"] = str(len(body))
    lines |= {**headers, "Connection": "close"}
    text = [f"{method} {place.path} HTTP/1.1", *(f"{key}: {value}" for key, value in lines.items())]
    if any("\r" in line or "\n" in line for line in text):
        raise ConfigurationError("a header holds the end of a line")
    return "\r\n".join([*text, "", ""]).encode("utf-8", "replace") + body


def _require(
    page: Page,
    question: Question,
    status: Collection[int],
    match: str | None,
    *,
    ignore_case: bool,
) -> None:
    """Raise ActionError where the page is not the right one."""
    if page.status not in status:
        wanted = " or ".join(str(each) for each in sorted(status))
        raise question.failed(f"status {page.status}, not {wanted}")
    if match is not None and not patterns.find(match, page.body, ignore_case=ignore_case):
        raise question.failed(
            f"status {page.status}, and the page is {quoted(page.body)}, without {match!r}"
        )


class Reader:
    """Reads one answer (RFC 9112)."""

    def __init__(
        self,
        stream: Stream,
        question: Question,
        method: str,
        match: str | None,
        limit: int,
        *,
        ignore_case: bool,
    ) -> None:
        self._stream = stream
        self._question = question
        self._method = method
        self._match = match
        self._limit = limit
        self._ignore_case = ignore_case
        self._said = b""
        self._so_far = "no answer had come"

    def page(self) -> Page:
        """Read to the end of it; raises ActionError."""
        status, headers = self._head()
        while 100 <= status < 200:  # an interim answer
            status, headers = self._head()
        page = Page(status, headers, b"")
        if self._method != "HEAD" and status not in (204, 304):
            self._so_far = f"status {status}, and its page had not ended"
            self._read_body(page)
        return page

    def _head(self) -> tuple[int, dict[str, str]]:
        while b"\r\n\r\n" not in self._said and b"\n\n" not in self._said:
            if len(self._said) > _LARGEST_HEAD:
                raise self._failed(f"its headers are longer than {_LARGEST_HEAD >> 10} KiB")
            if self._said:
                self._so_far = f"{len(self._said)} bytes of its headers had come"
            if not self._more():
                if not self._said:
                    raise self._failed("the connection was closed without an answer")
                raise self._failed(f"it said {quoted(self._said)}, which is no answer in HTTP")
        end = min(
            (self._said.find(each) + len(each), len(each))
            for each in (b"\r\n\r\n", b"\n\n")
            if each in self._said
        )[0]
        head, self._said = self._said[:end], self._said[end:]
        first, *rows = head.decode("latin-1").replace("\r\n", "\n").strip("\n").split("\n")
        version, _, rest = first.partition(" ")
        code = rest[:3]
        if not version.startswith("HTTP/1.") or not (code.isascii() and code.isdecimal()):
            raise self._failed(f"it said {quoted(first)}, which is no answer in HTTP")
        fields = (row.partition(":") for row in rows)
        return int(code), {name.strip().lower(): value.strip() for name, _, value in fields}

    def _read_body(self, page: Page) -> None:
        length = page.headers.get("content-length")
        if "chunked" in page.headers.get("transfer-encoding", "").lower():
            self._read_chunks(page)
        elif length is None:
            while self._take(page):
                if not self._more():
                    return
        elif not (length.isascii() and length.isdecimal() and len(length) < 16):
            raise self._failed(f"its length is {quoted(length)}")
        else:
            self._read_exactly(page, int(length))

    def _read_exactly(self, page: Page, length: int) -> bool:
        """Whether the rest is wanted, too."""
        while True:
            take = self._said[:length]
            self._said = self._said[len(take) :]
            length -= len(take)
            if not self._keep(page, take):
                return False
            if not length:
                return True
            if not self._more():
                raise self._failed(f"the page broke off {length} bytes before its end")

    def _read_chunks(self, page: Page) -> None:
        while True:
            while b"\n" not in self._said:
                if len(self._said) > 1024:
                    raise self._failed("a chunk of the page has no length")
                if not self._more():
                    raise self._failed("the page broke off before a chunk")
            row, _, self._said = self._said.partition(b"\n")
            if not row.strip():
                continue  # the end of the chunk before
            size = row.partition(b";")[0].strip()
            if len(size) > 15 or size.strip(b"0123456789abcdefABCDEF"):
                raise self._failed(f"a chunk of the page has the length {quoted(size)}")
            if int(size, 16) == 0:
                return
            if not self._read_exactly(page, int(size, 16)):
                return

    def _take(self, page: Page) -> bool:
        data, self._said = self._said, b""
        return self._keep(page, data)

    def _keep(self, page: Page, data: bytes) -> bool:
        """Whether more is wanted; raises ActionError when there is too much."""
        page.body += data
        if len(page.body) <= self._limit:
            return True
        page.body = page.body[: self._limit]
        match = self._match
        if match is not None and patterns.find(match, page.body, ignore_case=self._ignore_case):
            return False
        raise self._failed(f"the page is longer than {self._limit} bytes")

    def _more(self) -> bool:
        data = self._stream.receive(self._so_far)
        self._said += data
        return bool(data)

    def _failed(self, seen: str) -> ActionError:
        return self._question.failed(seen)
