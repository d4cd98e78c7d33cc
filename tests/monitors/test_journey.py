"""Journeys through a small shop that is real enough: sessions, tokens, redirects, and faults."""

from __future__ import annotations

import os
import socket
import ssl
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
import trustme

from ocfkit.deadline import Deadline
from ocfkit.errors import ActionError, InstallationError, ParameterError
from ocfkit.monitors import journey
from tests.monitors.journey_shop import PASSWORD, USER, Fault, Shop

LOG_IN = f"""
[[step]]
name = "see the form"
get = "/login"

[[step]]
name = "log in"
submit = "login"
fields = {{ user = "{USER}", password = {{ secret_parameter = "password" }} }}
text = "Good morning"
"""

VISIT = f"""{LOG_IN}
[[step]]
name = "see the orders"
follow = "Your orders"
match = "Open orders: [0-9]+"
not_text = "Exception"

[[step]]
get = "/account"

[[step]]
name = "log out"
submit = 1
text = "Welcome to the shop"
"""

SECRETS = {"password": PASSWORD}


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop() as shop:
        yield shop


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = descriptors()
    yield
    assert descriptors() == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def descriptors() -> set[str]:
    folder = "/proc/self/fd"
    found = {name: f"{folder}/{name}" for name in os.listdir(folder)}
    return {f"{name} {os.readlink(path)}" for name, path in found.items() if os.path.exists(path)}


def written(folder: Path, steps: str, base: str = "", mode: int = 0o600) -> str:
    path = folder / "visit.toml"
    path.write_text(f'base = "{base}"\n{steps}' if base else steps, "utf-8")
    path.chmod(mode)
    return str(path)


def walk(
    folder: Path,
    shop: Shop,
    steps: str,
    *,
    seconds: float = 20,
    secrets: Mapping[str, str] | None = SECRETS,
) -> tuple[float, ...]:
    path = written(folder, steps, shop.address)
    return journey.check(path, deadline=Deadline.after(seconds), secrets=secrets)


def reason(folder: Path, shop: Shop, steps: str, *, seconds: float = 20) -> str:
    with pytest.raises(ActionError) as caught:
        walk(folder, shop, steps, seconds=seconds)
    assert type(caught.value) is ActionError
    return str(caught.value)


# --- what works -----------------------------------------------------------------------------------


def test_a_visit_logs_in_looks_and_logs_out(tmp_path: Path, shop: Shop) -> None:
    seconds = walk(tmp_path, shop, VISIT)
    assert len(seconds) == 5
    assert all(each > 0 for each in seconds)
    assert shop.paths() == [
        "GET /login",
        "POST /login?from=form",
        "GET /account",
        "GET /orders?page=1",
        "GET /account",
        "POST /logout",
        "GET /",
    ]
    assert shop.logged_in == set()


def test_a_link_is_found_by_its_text_as_it_is_seen(tmp_path: Path, shop: Shop) -> None:
    walk(tmp_path, shop, '[[step]]\nget = "/"\n[[step]]\nfollow = "Log in here"\nstatus = 200')
    assert shop.paths() == ["GET /", "GET /login"]


def test_a_box_is_ticked_an_option_chosen_and_a_button_pressed(tmp_path: Path, shop: Shop) -> None:
    fields = 'fields = { remember = true, language = "de", go = "reset" }'
    steps = f'[[step]]\nget = "/login"\n[[step]]\nsubmit = "login"\n{fields}\ntext = "Wrong"'
    walk(tmp_path, shop, steps)
    sent = shop.requests[-1].body.split("&")
    assert sent[0].startswith("token=")
    assert sent[1:] == ["user=", "password=", "remember=yes", "language=de", "go=reset"]


def test_what_a_page_says_is_used_later(tmp_path: Path, shop: Shop) -> None:
    steps = f"""{LOG_IN}
    [[step]]
    get = "/orders"
    save = {{ key = "key = '([0-9a-f]+)'" }}
    [[step]]
    get = "/api/orders?key={{key}}"
    text = '"open": 17'
    header_match = {{ Content-Type = "json" }}
    """
    walk(tmp_path, shop, steps)
    assert shop.paths()[-1].startswith("GET /api/orders?key=")


def test_json_and_headers_are_sent_with_their_secrets(tmp_path: Path, shop: Shop) -> None:
    steps = """
    [[step]]
    post = "/echo"
    json = { user = { name = "m", words = [1, true, { secret_parameter = "password" }] } }
    headers = { Authorization = { secret_parameter = "token" }, X-Asks = "me" }
    """
    walk(tmp_path, shop, steps, secrets={**SECRETS, "token": "Bearer abc"})
    seen = shop.requests[-1]
    assert "c4n&ry" in seen.body
    assert '"words": [1, true, ' in seen.body
    assert (seen.headers["Authorization"], seen.headers["X-Asks"]) == ("Bearer abc", "me")
    assert seen.headers["Content-Type"] == "application/json"


def test_a_redirect_can_be_what_is_expected(tmp_path: Path, shop: Shop) -> None:
    steps = '[[step]]\nget = "/orders"\nstatus = 302\nheader_match = { Location = "^/login$" }'
    walk(tmp_path, shop, steps)
    assert shop.paths() == ["GET /orders"]


def test_a_password_may_stand_in_a_file_of_its_own(tmp_path: Path, shop: Shop) -> None:
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n")
    secret.chmod(0o600)
    steps = VISIT.replace('secret_parameter = "password"', f'secret_file = "{secret}"')
    walk(tmp_path, shop, steps, secrets=None)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html; charset=iso-8859-1", "Größe".encode("latin-1")),
        ("text/html", '<meta charset="iso-8859-15">Größe'.encode("iso-8859-15")),
        ("text/html", b"\xef\xbb\xbf" + "Größe".encode()),
        ("text/plain", "Größe".encode()),
        ("text/html; charset=no-such", "Größe".encode()),
        ("text/html", b"Gr&ouml;&szlig;e"),
    ],
    ids=["header", "meta", "bom", "nothing-said", "unknown", "entities"],
)
def test_a_page_is_read_as_it_is_written(
    tmp_path: Path, shop: Shop, kind: str, body: bytes
) -> None:
    shop.pages["/size"] = (kind, body)
    walk(tmp_path, shop, '[[step]]\nget = "/size"\ntext = "Größe"')


def test_nothing_of_the_environment_is_used(
    tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login root password secret")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    walk(tmp_path, shop, '[[step]]\nget = "/echo"\nnot_text = "Authorization"')


def test_a_page_may_have_any_fault_in_its_html(tmp_path: Path, shop: Shop) -> None:
    page = (
        b"<![if x]><p>Ready<form id=f><form id=g><input name=a disabled><textarea name=t>\nx"
        b"</form><input form=f name=late value=1><select name=s><option>1</select></a><!-- <!["
    )
    shop.pages["/odd"] = ("text/html", page)
    walk(tmp_path, shop, '[[step]]\nget = "/odd"\n[[step]]\nsubmit = "f"\ntext = "Ready"')
    assert shop.paths()[-1] == "GET /odd?t=x&late=1"


# --- what is seen to fail -------------------------------------------------------------------------


def test_a_wrong_password_is_told_with_the_page_that_came(tmp_path: Path, shop: Shop) -> None:
    with pytest.raises(ActionError) as caught:
        walk(tmp_path, shop, VISIT, secrets={"password": "something else"})
    said = str(caught.value)
    assert said.startswith(f"step 2 (log in): POST {shop.address}/login?…: no 'Good morning'; ")
    assert "the page is 'Log in', it says 'Wrong password ***" in said
    assert said.endswith(" s)")


def test_a_lost_session_is_told(tmp_path: Path, shop: Shop) -> None:
    shop.faults["/orders"] = Fault.FORGETS_SESSIONS
    said = reason(tmp_path, shop, VISIT)
    assert said.startswith("step 3 (see the orders): GET ")
    assert f"/orders?… → {shop.address}/login: nothing matches" in said


def test_a_form_without_its_token_would_be_refused(tmp_path: Path, shop: Shop) -> None:
    """The shop is as strict as it should be, or the other tests would prove nothing."""
    step = '[[step]]\npost = "/login"\nform = { user = "monitor", password = "x" }'
    assert "status 403" in reason(tmp_path, shop, LOG_IN + step)


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (Fault.FAILS, "status 500, not from 200 to 299; the page is 'Oops', it says 'NullPointer"),
        (Fault.SILENT, "nothing came in time"),
        (Fault.DRIP, "status 200, and its page had not ended when time was over"),
        (Fault.DRIPPING_HEADERS, "no answer had come when time was over"),
        (Fault.ENDLESS, "the page is longer than 4 MiB"),
        (Fault.BREAKS_OFF, "the page broke off"),
        (Fault.CLOSES, "the connection was closed without an answer"),
        (Fault.LOOPS, "redirected more than 10 times"),
    ],
    ids=lambda each: each.name.lower() if isinstance(each, Fault) else "",
)
def test_a_fault_in_step_3_is_told_in_time(
    tmp_path: Path, shop: Shop, fault: Fault, seen: str
) -> None:
    shop.faults["/orders"] = fault
    walk(tmp_path, shop, '[[step]]\nget = "/"')  # what is imported once is not what is measured
    began = time.monotonic()
    said = reason(tmp_path, shop, VISIT, seconds=1.5)
    assert time.monotonic() - began < 4
    assert said.startswith(f"step 3 (see the orders): GET {shop.address}/orders?…")
    assert seen in said


def test_a_dead_name_server_does_not_outlive_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_answer(*_args: object, **_options: object) -> None:
        time.sleep(60)

    monkeypatch.setattr(socket, "getaddrinfo", no_answer)
    path = written(tmp_path, '[[step]]\nget = "http://shop.invalid/"')
    began = time.monotonic()
    with pytest.raises(ActionError, match=r"the name service had not said where shop\.invalid is"):
        journey.check(path, deadline=Deadline.after(1))
    assert time.monotonic() - began < 4


def test_a_host_without_an_address_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_args: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    path = written(tmp_path, '[[step]]\nget = "http://shop.invalid/"')
    with pytest.raises(ActionError, match="no address: Name or service not known"):
        journey.check(path, deadline=Deadline.after(5))


def test_a_refused_connection_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = written(tmp_path, '[[step]]\nget = "/"', f"http://127.0.0.1:{port}")
    with pytest.raises(ActionError, match=f"^step 1: GET http://127.0.0.1:{port}/: Connection ref"):
        journey.check(path, deadline=Deadline.after(5))


def test_a_step_has_a_timeout_of_its_own(tmp_path: Path, shop: Shop) -> None:
    shop.faults["/orders"] = Fault.DRIP
    began = time.monotonic()
    said = reason(tmp_path, shop, '[[step]]\nget = "/orders"\ntimeout = "1s"')
    assert "its page had not ended within its timeout of 1 s" in said
    assert time.monotonic() - began < 5


def test_time_that_is_over_already_is_told(tmp_path: Path, shop: Shop) -> None:
    assert reason(tmp_path, shop, VISIT, seconds=0).startswith("step 1 (see the form): ")


@pytest.mark.parametrize(
    ("step", "seen"),
    [
        ('submit = "order"', "no form 'order' on the page {0}/login, which has a form with the"),
        ("submit = 3", "no form 3 on the page"),
        ('submit = "login"\nfields = { name = "x" }', "there is no field 'name' in form 'login'"),
        ('submit = "login"\nfields = { user = true }', "there is no box 'user' to tick"),
        ('submit = "login"\nfields = { language = "fr" }', "'language' has no choice of that"),
        ('submit = "login"\nfields = { go = "out" }', "no button 'go' has that value"),
        ('follow = "Sign up"', "no link 'Sign up' on the page {0}/login"),
        ('get = "/"\nsave = { key = "key=(.*)" }', "nothing matches 'key=(.*)', to be saved"),
        ('get = "/"\nnot_match = "[Ww]elcome"', "something matches '[Ww]elcome'; the page is 'Sh"),
        ('get = "/"\nnot_text = "Welcome"', "there is 'Welcome'"),
        ('get = "/"\nheader_match = { X-No = "." }', "there is no header X-No"),
        ('get = "/"\nheader_match = { Content-Type = "xml" }', "header Content-Type is 'text/html"),
        ('get = "/"\nstatus = [404, 410]', "status 200, not 404 or 410"),
    ],
)
def test_what_is_not_as_it_should_be_is_told(
    tmp_path: Path, shop: Shop, step: str, seen: str
) -> None:
    said = reason(tmp_path, shop, f'[[step]]\nget = "/login"\n[[step]]\n{step}')
    assert said.startswith("step 2: ")
    assert seen.format(shop.address) in said


def test_a_form_on_what_is_no_page_is_told(tmp_path: Path, shop: Shop) -> None:
    said = reason(tmp_path, shop, '[[step]]\nget = "/echo"\n[[step]]\nsubmit = 1')
    assert f"no form in {shop.address}/echo: it is application/json, not HTML" in said


# --- where it may go ------------------------------------------------------------------------------


def test_no_password_follows_a_redirect_to_a_host_that_the_file_does_not_name(
    tmp_path: Path, shop: Shop
) -> None:
    with Shop() as stranger:
        shop.redirects["/login"] = f"http://localhost:{stranger.port}/echo"
        step = '[[step]]\npost = "/login"\nform = { password = "x" }\n'
        said = reason(tmp_path, shop, step)
        assert "it leads to localhost, which is not among the hosts of" in said
        assert stranger.requests == []


def test_a_host_that_the_file_names_is_gone_to_without_the_headers_of_the_step(
    tmp_path: Path, shop: Shop
) -> None:
    with Shop() as other:
        shop.redirects["/login"] = f"http://localhost:{other.port}/echo"
        step = '[[step]]\npost = "/login"\nform = { a = "b" }\nheaders = { X-Key = "12345678" }\n'
        top = 'hosts = ["localhost"]\n'
        walk(tmp_path, shop, top + step)
        assert [each.body for each in other.requests] == ["a=b"]  # 307 keeps the form
        assert "X-Key" in shop.requests[0].headers
        assert "X-Key" not in other.requests[0].headers


@pytest.mark.parametrize("target", ["javascript:void(0)", "file:///etc/passwd", "http://[::1"])
def test_a_link_to_what_is_no_page_is_a_failure(tmp_path: Path, shop: Shop, target: str) -> None:
    shop.pages["/odd"] = ("text/html", f"<a href='{target}'>go</a>".encode())
    said = reason(tmp_path, shop, '[[step]]\nget = "/odd"\n[[step]]\nfollow = "go"')
    assert "error in the monitor" not in said
    assert "leads to" in said


# --- TLS ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[Shop]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with authority.issue_cert("shop.example").private_key_and_cert_chain_pem.tempfile() as file:
        context.load_cert_chain(file)
    with Shop(tls=context) as shop:
        yield shop


def test_this_node_is_asked_under_the_name_of_the_service(
    tmp_path: Path, secure: Shop, authority: trustme.CA
) -> None:
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(trusted))
    top = f'connect = "127.0.0.1"\nca_file = "{trusted}"\n'
    path = written(tmp_path, top + VISIT, f"https://shop.example:{secure.port}")
    assert len(journey.check(path, deadline=Deadline.after(20), secrets=SECRETS)) == 5


def test_a_certificate_of_nobody_we_know_is_a_failure(tmp_path: Path, secure: Shop) -> None:
    top = 'connect = "127.0.0.1"\n'
    path = written(tmp_path, top + VISIT, f"https://shop.example:{secure.port}")
    with pytest.raises(ActionError, match="its certificate is not trusted: unable to get local"):
        journey.check(path, deadline=Deadline.after(20), secrets=SECRETS)
    assert secure.requests == []


def test_a_certificate_of_another_name_is_a_failure(
    tmp_path: Path, secure: Shop, authority: trustme.CA
) -> None:
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(trusted))
    top = f'connect = "127.0.0.1"\nca_file = "{trusted}"\n'
    path = written(tmp_path, top + VISIT, f"https://other.example:{secure.port}")
    with pytest.raises(ActionError, match=r"its certificate is not trusted: [Hh]ostname"):
        journey.check(path, deadline=Deadline.after(20), secrets=SECRETS)


def test_certificates_are_not_looked_at_where_the_file_says_so(
    tmp_path: Path, secure: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, "verify = false\n" + VISIT, f"https://127.0.0.1:{secure.port}")
    journey.check(path, deadline=Deadline.after(20), secrets=SECRETS)
    assert capfd.readouterr() == ("", "")


# --- secrets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["page", "redirect", "header"])
def test_no_secret_is_in_a_reason(
    tmp_path: Path, shop: Shop, fault: str, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    step = '[[step]]\npost = "/all"\nform = { p = { secret_parameter = "password" } }\nstatus = 404'
    if fault == "page":
        shop.faults["/all"] = Fault.SAYS_ALL
    elif fault == "redirect":
        shop.redirects["/all"] = f"/{quote_plus(PASSWORD)}?{quote(PASSWORD)}"
        step = step.replace("404", "410")
    else:
        shop.pages["/all"] = (f"text/{quote(PASSWORD, safe='')}", b"")
        step += '\nheader_match = { Content-Type = "plain" }'
        step = step.replace("status = 404", "")
    path = written(tmp_path, step, shop.address)
    with pytest.raises(ActionError) as caught:
        journey.check(path, deadline=Deadline.after(5), secrets=SECRETS, doing=told.append)
    assert "***" in str(caught.value)
    said = f"{caught.value} {told} {capfd.readouterr()}"
    assert told
    assert not [form for form in ("c4n", quote_plus("c4n&ry"), "ry <7>") if form in said]


def test_no_half_of_a_secret_is_left_where_a_page_is_shortened(tmp_path: Path, shop: Shop) -> None:
    shop.pages["/long"] = ("text/html", ("x" * 76 + " " + PASSWORD).encode())
    step = '[[step]]\npost = "/long"\nform = { p = { secret_parameter = "password" } }\ntext = "no"'
    said = reason(tmp_path, shop, step)
    assert "xxx ***" in said
    assert "c4" not in said


def test_a_secret_that_the_agent_does_not_pass_is_told(tmp_path: Path, shop: Shop) -> None:
    with pytest.raises(ParameterError, match=r"fields\.password: the agent has no secret 'pass"):
        walk(tmp_path, shop, VISIT, secrets={})


def test_a_password_in_a_public_file_is_refused_when_the_form_shows_what_it_is(
    tmp_path: Path, shop: Shop
) -> None:
    shop.pages["/in"] = ("text/html", b"<form id=f><input type=password name=pin></form>")
    steps = '[[step]]\nget = "/in"\n[[step]]\nsubmit = "f"\nfields = { pin = "1234" }'
    path = written(tmp_path, steps, shop.address, mode=0o644)
    with pytest.raises(ParameterError, match=r"fields\.pin: it is a password, and everybody"):
        journey.check(path, deadline=Deadline.after(5))


# --- around it ------------------------------------------------------------------------------------


def test_where_it_is_can_be_watched(tmp_path: Path, shop: Shop) -> None:
    told: list[str] = []
    path = written(tmp_path, VISIT, shop.address)
    journey.check(path, deadline=Deadline.after(20), secrets=SECRETS, doing=told.append)
    assert f"step 2 (log in): POST {shop.address}/login?…" in told


def test_a_journey_can_be_read_before(tmp_path: Path, shop: Shop) -> None:
    read = journey.read(written(tmp_path, VISIT, shop.address))
    journey.check(read, deadline=Deadline.after(20), secrets=SECRETS)


def test_a_walker_that_is_killed_is_told(
    tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_args: object, **_options: object) -> None:
        os.kill(os.getpid(), 9)

    monkeypatch.setattr(socket, "getaddrinfo", killed)
    assert "the process that asked was killed" in reason(tmp_path, shop, VISIT)


def test_missing_requests_is_told_with_its_package(
    tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, VISIT, shop.address)
    monkeypatch.setitem(sys.modules, "requests", None)
    monkeypatch.delitem(sys.modules, "ocfkit.monitors.journey_walk", raising=False)
    with pytest.raises(InstallationError, match=r"Debian's python3-requests, or ocfkit\[http\]"):
        journey.read(path)
    with pytest.raises(InstallationError, match=r"Debian's python3-requests, or ocfkit\[http\]"):
        journey.check(path, deadline=Deadline.after(5), secrets=SECRETS)
