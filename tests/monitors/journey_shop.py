"""A small web shop that one logs in to, with a fault where a test wants one.

    with Shop() as shop:
        shop.faults["/orders"] = Fault.DRIP

It is strict as real ones are: a form without its hidden token, or from nowhere, is refused.
"""

from __future__ import annotations

import html
import json
import secrets
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit

USER = "monitor"
PASSWORD = 'c4n&ry <7>"é/'  # noqa: S105 - it is meant to be seen wherever it leaks


class Fault(Enum):
    """What may be wrong with a page."""

    SILENT = auto()
    DRIP = auto()
    DRIPPING_HEADERS = auto()
    ENDLESS = auto()
    BREAKS_OFF = auto()
    CLOSES = auto()
    LOOPS = auto()
    FAILS = auto()
    FORGETS_SESSIONS = auto()
    SAYS_ALL = auto()
    """A page that repeats whatever was sent to it."""


@dataclass
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: str


@dataclass
class Shop:
    """Serves until it is closed; `requests` are those that came."""

    tls: ssl.SSLContext | None = None
    faults: dict[str, Fault] = field(default_factory=dict[str, Fault])
    redirects: dict[str, str] = field(default_factory=dict[str, str])
    """Path → where it leads to by 307."""
    pages: dict[str, tuple[str, bytes]] = field(default_factory=dict[str, tuple[str, bytes]])
    """Path → Content-Type and body."""
    requests: list[Request] = field(default_factory=list[Request])
    sessions: dict[str, str] = field(default_factory=dict[str, str])
    """Session → its token."""
    logged_in: set[str] = field(default_factory=set[str])
    port: int = 0
    """A free one, if none is asked for."""

    def __enter__(self) -> Self:
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.shop = self
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        return [f"{each.method} {each.path}" for each in self.requests]


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for them
    request_queue_size = 16
    shop: Shop

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever asked has gone: that is what many of the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def shop(self) -> Shop:
        assert isinstance(self.server, _Server)
        return self.server.shop

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve("")

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self._serve(self.rfile.read(length).decode())

    def _serve(self, body: str) -> None:
        shop = self.shop
        self.body = body
        path = urlsplit(self.path).path
        shop.requests.append(Request(self.command, self.path, dict(self.headers), body))
        self.session = self._cookie("session")
        fault = shop.faults.get(path)
        if fault is Fault.FORGETS_SESSIONS:
            shop.logged_in.clear()
        elif fault is not None:
            getattr(self, f"_{fault.name.lower()}")()
            return
        if path in shop.redirects:
            self._redirect(shop.redirects[path], 307)
        elif path in shop.pages:
            self._send(200, *shop.pages[path])
        else:
            getattr(self, f"_{_PAGES.get((self.command, path), 'not_found')}")()

    # --- the shop ---------------------------------------------------------------------------------

    def _home(self) -> None:
        self._page("Shop", "<p>Welcome to the shop</p><a href='login'>Log&nbsp;in <b>here</b></a>")

    def _login(self, note: str = "") -> None:
        shop = self.shop
        if self.session not in shop.sessions:
            self.session = secrets.token_hex(8)
            shop.sessions[self.session] = secrets.token_hex(8)
        token = shop.sessions[self.session]
        self._page(
            "Log in",
            f"""<p>{note}</p>
            <form action="/search"><input name=q></form>
            <form id="login" method="post" action="/login?from=form">
              <input type="hidden" name="token" value="{token}">
              <input name="user"><input name="password" type="password">
              <input type="checkbox" name="remember" value="yes">
              <select name="language"><option value="en">English<option value="de">Deutsch</select>
              <button name="go" value="in">Log in</button>
              <button name="go" value="reset">Forgot</button>
            </form>""",
            cookie=f"session={self.session}; HttpOnly; Path=/",
        )

    def _log_in(self) -> None:
        shop = self.shop
        sent = {name: values[0] for name, values in parse_qs(self.body).items()}
        scheme = self.headers.get("X-Forwarded-Proto") or ("https" if shop.tls else "http")
        origin = f"{scheme}://{self.headers['Host']}"
        if self.headers.get("Origin") != origin or not self.headers["Referer"].startswith(origin):
            self._page("Forbidden", "It comes from nowhere", status=403)
        elif sent.get("token") != shop.sessions.get(self.session):
            self._page("Forbidden", "CSRF token missing", status=403)
        elif (sent.get("user"), sent.get("password"), sent.get("go")) == (USER, PASSWORD, "in"):
            shop.logged_in.add(self.session)
            self._redirect("/account", 303)
        else:
            self._login(f"Wrong password {html.escape(sent.get('password', ''))}")

    def _account(self) -> None:
        if self._require_session():
            self._page(
                "Account",
                "<h1>Good morning, Mónica &amp; Co.</h1><a href='/orders?page=1'>Your orders</a>"
                "<form name=out action=/logout method=POST><input type=submit value=Out></form>",
            )

    def _orders(self) -> None:
        if self._require_session():
            key = self.shop.sessions[self.session]
            self._page("Orders", f"<p>Open orders: 17</p><script>let key = '{key}';</script>")

    def _api(self) -> None:
        key = self.shop.sessions.get(self.session)
        if parse_qs(urlsplit(self.path).query).get("key") != [key]:
            self._send(401, "application/json", b'{"error": "no key"}')
        else:
            self._send(200, "application/json", b'{"open": 17}')

    def _echo(self) -> None:
        said = {"headers": dict(self.headers), "body": self.body}
        self._send(200, "application/json", json.dumps(said).encode())

    def _log_out(self) -> None:
        self.shop.logged_in.discard(self.session)
        self._redirect("/", 302)

    def _not_found(self) -> None:
        self._page("Not found", "Not found", status=404)

    def _require_session(self) -> bool:
        if self.session in self.shop.logged_in:
            return True
        self._redirect("/login", 302)
        return False

    # --- faults -----------------------------------------------------------------------------------

    def _silent(self) -> None:
        self.shop.closing.wait()
        self.close_connection = True

    def _drip(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
        self._drip_on(b" ")

    def _dripping_headers(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        self._drip_on(b"x")

    def _drip_on(self, what: bytes) -> None:
        self.close_connection = True
        while not self.shop.closing.wait(0.05):
            self.wfile.write(what)

    def _endless(self) -> None:
        self.close_connection = True
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
        while not self.shop.closing.is_set():
            self.wfile.write(b" " * 65536)

    def _breaks_off(self) -> None:
        self.close_connection = True
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nOpen orders: 17")

    def _closes(self) -> None:
        self.close_connection = True

    def _loops(self) -> None:
        self._redirect(f"{urlsplit(self.path).path}?again=1", 302)

    def _fails(self) -> None:
        self._page("Oops", "NullPointerException", status=500)

    def _says_all(self) -> None:
        said = f"{self.body} {parse_qs(self.body)} {self.path} {self.headers}"
        page = f"<title>{said}</title>{html.escape(said)}<p>{said}"
        self._send(200, "text/html", page.encode())

    # --- answers ----------------------------------------------------------------------------------

    def _cookie(self, name: str) -> str:
        cookies = SimpleCookie(self.headers.get("Cookie", ""))
        return cookies[name].value if name in cookies else ""

    def _page(self, title: str, body: str, *, status: int = 200, cookie: str = "") -> None:
        text = f"<!doctype html><title>{title}</title><body>{body}"
        self._send(status, "text/html; charset=utf-8", text.encode(), cookie)

    def _redirect(self, target: str, status: int) -> None:
        self.send_response(status)
        self.send_header("Location", target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, status: int, kind: str, body: bytes, cookie: str = "") -> None:
        self.send_response(status)
        if cookie:
            self.send_header("Set-Cookie", cookie)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


_PAGES = {
    ("GET", "/"): "home",
    ("GET", "/login"): "login",
    ("POST", "/login"): "log_in",
    ("GET", "/account"): "account",
    ("GET", "/orders"): "orders",
    ("GET", "/api/orders"): "api",
    ("GET", "/echo"): "echo",
    ("POST", "/echo"): "echo",
    ("POST", "/logout"): "log_out",
}
