"""Walk a journey on requests: one connection a request, cookies in memory, redirects by hand.

This runs in a process of its own, which is ended at the deadline: see `journey`.
"""

from __future__ import annotations

import codecs
import html
import json
import os
import re
import socket
import ssl
import warnings
from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus, urlencode, urljoin, urlsplit, urlunsplit

import requests

from ocfkit.errors import ActionError, ParameterError
from ocfkit.log import one_line
from ocfkit.monitors import patterns
from ocfkit.monitors.journey_file import Secret, filled, is_list, is_table
from ocfkit.monitors.journey_page import FormError, Page
from ocfkit.monitors.question import Question, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, NoReturn

    from ocfkit.deadline import Deadline
    from ocfkit.monitors.journey_file import Input, Journey, Step
    from ocfkit.monitors.journey_page import Form

    Tell = Callable[..., None]
    Pairs = Sequence[tuple[str, str]]

LARGEST_PAGE = 4 << 20
"""Bytes; what is longer is no page that a monitor should read."""

MOST_REDIRECTS = 10

_REDIRECTS = (301, 302, 303, 307, 308)
_SHORTEST_SECRET = 6
"""Characters from which on what was saved is masked; shorter ones are numbers and the like."""
_MARGIN = 0.1
"""Seconds before the deadline at which requests gives up by itself: its reason is better."""
_AGENT = "ocfkit-journey"


@dataclass(frozen=True, slots=True)
class _Ask:
    """A request to be made, or to be made again elsewhere."""

    method: str
    address: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Those of the step, which no other host gets."""
    kind: str = ""
    """Content-Type of the body."""

    def redirected(self, status: int, address: str) -> _Ask:
        """What browsers ask after a redirect (Fetch, HTTP-redirect fetch)."""
        headers = dict(self.headers) if _origin(address) == _origin(self.address) else {}
        if (status == 303 and self.method != "GET") or (
            status in (301, 302) and self.method == "POST"
        ):
            return _Ask("GET", address, headers=headers)
        return _Ask(self.method, address, self.body, headers, self.kind)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a request led to."""

    address: str
    status: int
    headers: Mapping[str, str]
    charset: str
    source: str
    page: Page | None
    """None for what is no HTML."""


class _Session(requests.Session):
    """Cookies, and nothing of the environment: no proxies, no netrc, no bundles of certificates."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        # A connection that is kept may be closed by a server that reloads just when it is used
        # again; and nothing is gained by compression on the way to a monitor.
        self.headers.update(
            {"User-Agent": _AGENT, "Accept-Encoding": "identity", "Connection": "close"}
        )

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: redirects are not followed here, nor is their page read without a limit."""


class Walk:
    """One visit, from the first step to the last or to the first that fails."""

    def __init__(self, journey: Journey, secrets: Mapping[Secret, str], deadline: Deadline) -> None:
        self.journey = journey
        self.deadline = deadline
        self._secrets = secrets
        self._saved: dict[str, str] = {}
        self._session = _Session()
        self._last: _Answer | None = None
        self._question = Question("")
        self._step = journey.steps[0]
        self._tell: Tell = lambda *_what: None

    def told(self, tell: Tell) -> tuple[object, ...]:
        """Walk, telling where; return ("done", seconds) or ("error", exit code, sentence)."""
        self._tell = tell
        self._watch_lookups()
        warnings.simplefilter("ignore")  # of `verify = false`, with each request
        try:
            seconds = [self._walk(step) for step in self.journey.steps]
        except ActionError as error:
            return ("error", error.exit_code, self._masked(str(error)))
        except Exception as error:  # noqa: BLE001 - a reason has to be told, whatever it is
            said = f"error in the monitor: {type(error).__name__}: {error}{_where(error)}"
            return ("error", 1, self._masked(str(self._question.failed(one_line(said)))))
        return ("done", seconds)

    def _walk(self, step: Step) -> float:
        self._step = step
        self._question = Question(step.title)
        self._doing("", "it had not begun")
        answer = self._open(self._ask(step))
        self._expect(step, answer)
        for name, pattern in step.save.items():
            found = re.search(pattern, answer.source, re.MULTILINE)
            if found is None or found[1] is None:
                raise self._failed(f"nothing matches {pattern!r}, to be saved as {name}")
            self._saved[name] = found[1]
        self._last = answer
        return round(self._question.seconds, 6)

    # --- what is asked ----------------------------------------------------------------------------

    def _ask(self, step: Step) -> _Ask:
        headers = {name: self._plain(each) for name, each in step.headers.items()}
        if step.action == "submit":
            ask = self._submitted(step, self._page("form"), headers)
        elif step.action == "follow":
            page = self._page("link")
            link = page.link(str(step.target))
            if link is None:
                raise self._failed(f"no link {step.target!r} on the page {self._shown_last()}")
            ask = _Ask("GET", self._on_page(page, link), headers=headers)
        else:
            return self._typed(step, headers)
        self._require_allowed(ask.address, self._last.address if self._last else "")
        return ask

    def _typed(self, step: Step, headers: dict[str, str]) -> _Ask:
        """What `get` and `post` say."""
        saved = {name: quote(value, safe="") for name, value in self._saved.items()}
        address = urljoin(self.journey.base, filled(str(step.target), saved))
        if step.action == "get":
            return _Ask("GET", address, headers=headers)
        body, kind = b"", ""
        if step.form is not None:
            pairs = [(name, self._plain(each)) for name, each in step.form.items()]
            body, kind = urlencode(pairs).encode(), "application/x-www-form-urlencoded"
        elif step.json is not None:
            body, kind = json.dumps(self._resolved(step.json)).encode(), "application/json"
        return _Ask("POST", address, body, {**self._from_page(address), **headers}, kind)

    def _submitted(self, step: Step, page: Page, headers: dict[str, str]) -> _Ask:
        form = page.form(step.target)
        if form is None:
            seen = ", ".join(str(each) for each in page.forms) or "no form"
            raise self._failed(
                f"no form {step.target!r} on the page {self._shown_last()}, which has {seen}"
            )
        try:
            self._fill(step, form)
        except FormError as error:
            raise self._failed(f"{error}, on the page {self._shown_last()}") from None
        charset = self._last.charset if self._last else "utf-8"
        method, action = form.target()
        address = self._on_page(page, action)
        pairs = form.sent()
        query = urlencode(pairs, encoding=charset, errors="xmlcharrefreplace")
        if method == "GET":
            split = urlsplit(address)
            address = urlunsplit((split.scheme, split.netloc, split.path, query, ""))
            return _Ask(method, address, headers=headers)
        headers = {**self._from_page(address), **headers}
        if form.enctype == "multipart/form-data":
            return _multipart(address, pairs, headers)
        return _Ask(method, address, query.encode(), headers, "application/x-www-form-urlencoded")

    def _on_page(self, page: Page, target: str) -> str:
        """The address that stands on the page of the step before; an empty one is its own."""
        address = self._last.address if self._last else ""
        if target and page.base:
            address = self._joined(address, page.base)
        return self._joined(address, target)

    def _joined(self, address: str, target: str) -> str:
        try:
            return urljoin(address, target)
        except ValueError:
            raise self._failed(
                f"it leads to {quoted(self._masked(target))}, which is no address"
            ) from None

    def _fill(self, step: Step, form: Form) -> None:
        for name, each in step.fields.items():
            if isinstance(each, str) and self.journey.is_public and form.is_password(name):
                raise ParameterError(
                    f"journey {self.journey.path}: {step.title}: fields.{name}: it is a password, "
                    f"and everybody may read the file: chmod o= {self.journey.path}"
                )
            form.fill(name, each if isinstance(each, bool) else self._plain(each))

    def _from_page(self, address: str) -> dict[str, str]:
        """What a browser tells of the page that a form stands on; some servers insist on it."""
        if self._last is None:
            return {}
        origin = _origin(self._last.address)
        split = urlsplit(self._last.address)
        page = urlunsplit((split.scheme, split.netloc, split.path, split.query, ""))
        return {
            "Origin": origin,
            "Referer": page if origin == _origin(address) else f"{origin}/",
        }

    def _plain(self, value: Input) -> str:
        if isinstance(value, Secret):
            return self._secrets[value]
        if isinstance(value, bool):
            return "true" if value else "false"
        return filled(value, self._saved)

    def _resolved(self, value: object) -> object:
        """A JSON body with its secrets and what was saved."""
        if isinstance(value, (Secret, str)):
            return self._plain(value)
        if is_table(value):
            return {name: self._resolved(each) for name, each in value.items()}
        if is_list(value):
            return [self._resolved(each) for each in value]
        return value

    # --- how it is asked --------------------------------------------------------------------------

    def _open(self, ask: _Ask) -> _Answer:
        """Ask, and follow redirects to their end."""
        asked = f"{ask.method} {self._shown(ask.address)}"
        for _ in range(MOST_REDIRECTS + 1):
            self._doing(asked, "no answer had come")
            answer = self._answer(ask)
            target = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not target or self._step.takes_redirect:
                return answer
            # requests reads headers as Latin-1, and what is in them is UTF-8, if anything
            target = target.encode("latin-1", "replace").decode("utf-8", "replace")
            following = ask.redirected(answer.status, self._joined(ask.address, target))
            self._require_allowed(following.address, ask.address)
            asked = f"{asked.partition(' → ')[0]} → {self._shown(following.address)}"
            ask = following
        raise self._failed(f"redirected more than {MOST_REDIRECTS} times")

    def _answer(self, ask: _Ask) -> _Answer:
        request = requests.Request(ask.method, ask.address, headers=dict(ask.headers))
        request.data = ask.body or None
        if ask.kind:
            request.headers.setdefault("Content-Type", ask.kind)
        try:
            prepared = self._session.prepare_request(request)
            with self._session.send(
                prepared,
                stream=True,
                timeout=self._timeout(),
                verify=self._verify(),
                allow_redirects=False,
            ) as response:
                self._doing(None, f"status {response.status_code}, and its page had not ended")
                return self._read(response, ask.address)
        except (requests.RequestException, OSError, ValueError) as error:
            raise self._failed(_told(error)) from None
        finally:
            # not every server that closes a connection has said so: it would be used again
            self._session.close()

    def _read(self, response: requests.Response, address: str) -> _Answer:
        body = bytearray()
        for chunk in response.iter_content(65536):
            body += chunk
            if len(body) > LARGEST_PAGE:
                raise self._failed(f"the page is longer than {LARGEST_PAGE >> 20} MiB")
        length = response.headers.get("content-length", "")
        is_plain = length.isdecimal() and not response.headers.get("content-encoding")
        if is_plain and len(body) < int(length):  # the requests of Debian 12 does not mind
            raise self._failed(f"the page broke off: {len(body)} of {length} bytes came")
        kind = response.headers.get("content-type", "")
        charset = _charset(kind, bytes(body[:1024]))
        source = body.decode(charset, "replace")
        is_html = "html" in kind.lower() or (not kind and source.lstrip().startswith("<"))
        return _Answer(
            address=address,
            status=response.status_code,
            headers=response.headers,
            charset=charset,
            source=source,
            page=Page(source) if is_html else None,
        )

    def _timeout(self) -> float:
        """Seconds for each single wait; what bounds all of them is the end of this process."""
        left = self.deadline.left()
        if self._step.timeout is not None:
            left = min(left, self._step.timeout - self._question.seconds)
        return max(left - min(_MARGIN, left * 0.1), 0.01)

    def _verify(self) -> bool | str:
        if not self.journey.verify:
            return False
        if self.journey.ca_file:
            return self.journey.ca_file
        # what the system trusts; requests by itself may bring certificates of its own
        paths = ssl.get_default_verify_paths()
        for path in (paths.openssl_cafile, paths.openssl_capath):
            if os.path.exists(path):
                return path
        return True

    def _require_allowed(self, address: str, before: str) -> None:
        """Raise ActionError where a page leads a visitor, and his password, to somebody else."""
        split = urlsplit(address)
        host = (split.hostname or "").lower()
        if split.scheme not in ("http", "https") or not host:
            raise self._failed(f"it leads to {quoted(self._shown(address))}, which is no page")
        if host not in self.journey.hosts:
            raise self._failed(
                f"it leads to {host}, which is not among the hosts of {self.journey.path}"
            )
        if split.scheme == "http" and before.startswith("https:"):
            raise self._failed(f"it leads from https to {self._shown(address)}")

    def _watch_lookups(self) -> None:
        """Say when the name service is asked, and find the host of `base` where the file says.

        This process exists for nothing else: what every library in it asks is ours.
        """
        ask = socket.getaddrinfo
        base = (urlsplit(self.journey.base).hostname or "").lower()

        def look_up(host: str | None, *args: Any, **options: Any) -> Any:  # noqa: ANN401
            if self.journey.connect and (host or "").lower() == base:
                host = self.journey.connect
            self._doing(None, f"the name service had not said where {host} is")
            found = ask(host, *args, **options)
            self._doing(None, "no answer had come")
            return found

        setattr(socket, "getaddrinfo", look_up)  # noqa: B010 - no checker likes it otherwise

    # --- what is expected -------------------------------------------------------------------------

    def _expect(self, step: Step, answer: _Answer) -> None:
        right = step.status or range(200, 300)
        if answer.status not in right:
            wanted = " or ".join(map(str, step.status)) or "from 200 to 299"
            self._refuse(answer, f"status {answer.status}, not {wanted}")
        self._expect_texts(step, answer)
        self._expect_matches(step, answer)
        for name, each in step.header_match.items():
            value = answer.headers.get(name)
            if value is None:
                raise self._failed(f"there is no header {name}")
            if not patterns.find(each, value.encode()):
                raise self._failed(f"header {name} is {quoted(self._masked(value))}, not {each!r}")

    def _expect_texts(self, step: Step, answer: _Answer) -> None:
        for each in step.text:
            if not _has(answer, filled(each, self._saved)):
                self._refuse(answer, f"no {each!r}")
        for each in step.not_text:
            if _has(answer, filled(each, self._saved)):
                self._refuse(answer, f"there is {each!r}")

    def _expect_matches(self, step: Step, answer: _Answer) -> None:
        source = answer.source.encode()
        for each in step.match:
            if not patterns.find(each, source):
                self._refuse(answer, f"nothing matches {each!r}")
        for each in step.not_match:
            if patterns.find(each, source):
                self._refuse(answer, f"something matches {each!r}")

    def _refuse(self, answer: _Answer, what: str) -> NoReturn:
        raise self._failed(f"{what}; {self._described(answer)}")

    def _described(self, answer: _Answer) -> str:
        """What a person would see, masked before it is shortened."""
        if answer.page is None:
            return f"it says {quoted(self._masked(answer.source))}"
        said = f"it says {quoted(self._masked(answer.page.text))}"
        title = answer.page.title
        return f"the page is {quoted(self._masked(title))}, {said}" if title else said

    # --- what is told -----------------------------------------------------------------------------

    def _doing(self, asked: str | None, seen: str) -> None:
        """Tell where we are; None for what was asked before."""
        if asked is not None:
            title = self._step.title
            self._question.asked = self._masked(f"{title}: {asked}" if asked else title)
        self._tell(
            "at",
            self._question.asked,
            self._masked(seen),
            self._question.began,
            self._step.timeout or 0,
        )

    def _failed(self, seen: str) -> ActionError:
        return self._question.failed(self._masked(seen))

    def _page(self, what: str) -> Page:
        """The page that the step before has led to."""
        if self._last is None or self._last.page is None:
            kind = self._last.headers.get("content-type", "") if self._last else ""
            raise self._failed(
                f"no {what} in {self._shown_last()}: it is {kind or 'something'}, not HTML"
            )
        return self._last.page

    def _shown_last(self) -> str:
        return self._shown(self._last.address) if self._last else "before"

    def _shown(self, address: str) -> str:
        """An address without its query, in which there may be what nobody should know."""
        split = urlsplit(address)
        host = split.netloc.rpartition("@")[2]
        query = "…" if split.query else ""
        return self._masked(urlunsplit((split.scheme, host, split.path, query, "")))

    def _masked(self, text: str) -> str:
        saved = [each for each in self._saved.values() if len(each) >= _SHORTEST_SECRET]
        forms = {form for each in (*self._secrets.values(), *saved) for form in _forms(each)}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, "***")
        return text


def _forms(secret: str) -> Iterator[str]:
    """A secret as it may stand in a page, in an address, in a header or in a repr."""
    yield secret
    yield " ".join(secret.split())
    yield repr(secret)[1:-1]
    yield json.dumps(secret)[1:-1]
    yield html.escape(secret)
    yield html.escape(secret, quote=False)
    yield quote(secret)
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield b64encode(secret.encode("utf-8", "surrogateescape")).decode()


def _has(answer: _Answer, text: str) -> bool:
    if text in answer.source:
        return True
    return answer.page is not None and " ".join(text.split()) in answer.page.text


def _origin(address: str) -> str:
    split = urlsplit(address)
    return f"{split.scheme}://{split.netloc.rpartition('@')[2]}"


def _multipart(address: str, pairs: Pairs, headers: Mapping[str, str]) -> _Ask:
    files = [(name, (None, value)) for name, value in pairs]
    prepared = requests.Request("POST", address, files=files).prepare()
    body = prepared.body if isinstance(prepared.body, bytes) else b""
    return _Ask("POST", address, body, headers, prepared.headers["Content-Type"])


_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)


def _charset(kind: str, beginning: bytes) -> str:
    """How a page is written: as its header says, its first bytes, or its meta element."""
    named = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", kind, re.IGNORECASE)
    if named is not None:
        name = named[1]
    elif beginning.startswith(codecs.BOM_UTF8):
        name = "utf-8-sig"
    else:
        found = _META.search(beginning)
        name = found[1].decode() if found else "utf-8"
    try:
        known = codecs.lookup(name).name
        "".encode(known)  # some codecs are for bytes alone
    except (LookupError, ValueError):
        return "utf-8"
    return {"iso8859-1": "cp1252", "ascii": "cp1252"}.get(known, known)  # WHATWG Encoding, 4.2


def _told(error: BaseException) -> str:
    """What kept requests from an answer; not in its own words, which hold whole addresses."""
    causes = list(_causes(error))
    for said in map(_told_of_cause, causes):
        if said:
            return said
    if isinstance(error, requests.ConnectTimeout):
        return "no connection came about in time"
    if isinstance(error, requests.Timeout) or any(
        isinstance(each, TimeoutError) for each in causes
    ):
        return "nothing came in time"
    for cause in causes:
        if isinstance(cause, OSError) and cause.strerror:
            return one_line(cause.strerror)
    return _told_by_class(error)


def _told_of_cause(cause: BaseException) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {cause.verify_message.rstrip('.')}"
    if type(cause).__name__ == "CertificateError":  # urllib3's own, for the name; 1 and 2 differ
        return f"its certificate is not trusted: {one_line(str(cause))}"
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, TimeoutError):
        return f"TLS failed: {cause.reason or cause}"
    if isinstance(cause, socket.gaierror):
        return f"the name service knows no address: {cause.strerror}"
    return ""


def _told_by_class(error: BaseException) -> str:
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the page broke off"
    if isinstance(error, requests.exceptions.SSLError):
        return "TLS failed"
    if isinstance(error, requests.ConnectionError):
        return "the connection was closed without an answer"
    return f"{type(error).__name__}: {one_line(str(error))[:200]}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it was made of, each once."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        each = waiting.pop(0)
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [*each.args, getattr(each, "reason", None), each.__cause__]
            waiting.append(each.__context__)


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f" ({os.path.basename(trace.tb_frame.f_code.co_filename)}, line {trace.tb_lineno})"
