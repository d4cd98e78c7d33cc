"""An answer of HTTP/1.1, read as it comes (RFC 9112)."""

from __future__ import annotations

from ocfkit.monitors.question import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from ocfkit.errors import ActionError
    from ocfkit.monitors.question import Question

    class Stream(Protocol):
        """What is spoken over, with or without TLS."""

        def send(self, data: bytes) -> bool:
            """Send it; False when the other side has hung up."""
            ...

        def receive(self, so_far: str) -> bytes:
            """What comes next, b"" at the end; raises ActionError, which tells `so_far`."""
            ...

        def close(self) -> None:
            """Let it go."""


_LARGEST_HEAD = 65536
_LONGEST_ROW = 1024
"""Bytes of the row before a chunk."""

_LONGEST_NUMBER = 15
"""Digits of a length."""

_HEX = b"0123456789abcdefABCDEF"
_BEGINNING = b"HTTP/1."
_TLS_ALERT = b"\x15\x03"


class Page:
    """What came back."""

    __slots__ = ("body", "headers", "is_cut", "seconds", "status", "url")

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        """`headers` by their names in lower case; several of a name with commas between."""
        self.url = ""
        """Where it was, after redirects."""
        self.status = status
        self.headers = headers
        self.body = b""
        self.is_cut = False
        """Whether there was more of the body than was asked for."""
        self.seconds = 0.0
        """How long it took from the question to the last byte."""


class Reader:
    """Reads one answer from a stream; raises ActionError for what is none."""

    __slots__ = (
        "_body",
        "_buffer",
        "_head",
        "_length",
        "_limit",
        "_question",
        "_status",
        "_stream",
    )

    def __init__(self, stream: Stream, question: Question, limit: int) -> None:
        """Of the body `limit` bytes are kept."""
        self._stream = stream
        self._question = question
        self._limit = limit
        self._buffer = bytearray()
        self._head = 0
        """Bytes of headers that were read."""
        self._status = 0
        self._body = bytearray()
        self._length: int | None = None

    def head(self) -> Page:
        """Read to the end of the headers; what is said in between (1xx) is passed over."""
        while True:
            page = Page(self._status_in(self._first_line()), self._headers())
            if page.status >= 200 or page.status == 101:
                self._status = page.status
                return page

    def read_body(self, page: Page) -> None:
        """Read it to its end, or to the limit."""
        if page.status in (101, 204, 304):
            return
        coding = page.headers.get("transfer-encoding", "").lower()
        if coding not in ("", "identity", "chunked"):
            raise self._failed(f"its page is encoded as {quoted(coding)}, which nobody asked for")
        if coding == "chunked":
            page.is_cut = not self._read_chunks()
        elif "content-length" in page.headers:
            self._length = self._number_in(page.headers["content-length"])
            page.is_cut = not self._read_exactly(self._length)
        else:
            page.is_cut = not self._read_to_the_end()
        page.body = bytes(self._body)

    # --- the head ---------------------------------------------------------------------------------

    def _first_line(self) -> bytes:
        """The status line; the end of anything else is not waited for."""
        while len(self._buffer) < len(_BEGINNING) and self._more():
            pass
        if not self._buffer:
            raise self._failed("the connection was closed without an answer")
        if not self._buffer.startswith(_BEGINNING):
            raise self._is_not_http(self._buffer.lstrip().partition(b"\n")[0])
        return self._line_of_head()

    def _status_in(self, line: bytes) -> int:
        version, _, rest = line.partition(b" ")
        code = rest.lstrip().partition(b" ")[0]
        known = version.removeprefix(_BEGINNING).isdigit() and code.isdigit() and len(code) == 3
        if not known or int(code) < 100:
            raise self._is_not_http(line)
        return int(code)

    def _headers(self) -> dict[str, str]:
        found: dict[str, str] = {}
        last = ""
        while line := self._line_of_head().decode("latin-1"):
            name, colon, value = line.partition(":")
            if line[0] in " \t":  # the one before goes on, as was done until RFC 7230
                if last:
                    found[last] += f" {line.strip()}"
            elif colon:  # what has none is passed over, as browsers do it
                last = name.strip().lower()
                before = f"{found[last]}, " if last in found else ""
                found[last] = f"{before}{value.strip()}"
        return found

    def _line_of_head(self) -> bytes:
        line = self._line(_LARGEST_HEAD - self._head, "its headers are", _LARGEST_HEAD)
        self._head += len(line) + 1
        return line.removesuffix(b"\r")

    # --- the body ---------------------------------------------------------------------------------

    def _number_in(self, text: str) -> int:
        lengths = {each.strip() for each in text.split(",")}
        length = lengths.pop()
        if lengths or not (length.isascii() and length.isdigit()) or len(length) > _LONGEST_NUMBER:
            raise self._failed(f"the length of its page is {quoted(text)}")
        return int(length)

    def _read_to_the_end(self) -> bool:
        """Whether the end was reached, and not the limit before; so for the others."""
        while self._keep(len(self._buffer)):
            if not self._more():
                return True
        return False

    def _read_exactly(self, count: int) -> bool:
        while True:
            have = min(count, len(self._buffer))
            if not self._keep(have):
                return False
            count -= have
            if not count:
                return True
            if not self._more():
                raise self._closed()

    def _read_chunks(self) -> bool:
        """Read up to the last chunk; nobody asks for the trailers behind it."""
        while True:
            row = self._line(_LONGEST_ROW, "the length of a chunk of its page is", _LONGEST_ROW)
            size = row.partition(b";")[0].strip()
            if not size or len(size) > _LONGEST_NUMBER or size.strip(_HEX):
                raise self._failed(f"a chunk of its page has the length {quoted(row)}")
            count = int(size, 16)
            if not count:
                return True
            if not self._read_exactly(count):
                return False
            if self._line(_LONGEST_ROW, "the end of a chunk of its page is", _LONGEST_ROW).strip():
                raise self._failed("a chunk of its page does not end where it says")

    def _keep(self, count: int) -> bool:
        """Take so many bytes out of the buffer into the body, unless that is too much."""
        room = self._limit - len(self._body)
        self._body += self._buffer[: min(count, room)]
        del self._buffer[:count]
        return count <= room

    # --- the stream -------------------------------------------------------------------------------

    def _line(self, most: int, what: str, limit: int) -> bytes:
        """The next line, without its line feed; not longer than `most`."""
        looked_at = 0
        while (end := self._buffer.find(b"\n", looked_at)) < 0 and len(self._buffer) <= most:
            looked_at = len(self._buffer)
            if not self._more():
                raise self._closed()
        if not 0 <= end <= most:
            raise self._failed(f"{what} longer than {limit} bytes")
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _more(self) -> bool:
        """Wait for more; False when no more will come."""
        data = self._stream.receive(self._so_far())
        self._buffer += data
        return bool(data)

    def _so_far(self) -> str:
        if self._status:
            of = "" if self._length is None else f" of {self._length}"
            return f"status {self._status}, and {len(self._body)}{of} bytes of its page had come"
        count = self._head + len(self._buffer)
        return f"{count} bytes of its headers had come" if count else "no answer had come"

    def _closed(self) -> ActionError:
        return self._failed(f"{self._so_far()} when the connection was closed")

    def _is_not_http(self, said: bytes | bytearray) -> ActionError:
        hint = " but TLS" if said.startswith(_TLS_ALERT) else ""
        return self._failed(f"it said {quoted(bytes(said))}, which is not HTTP{hint}")

    def _failed(self, seen: str) -> ActionError:
        return self._question.failed(seen)
