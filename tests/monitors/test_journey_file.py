"""What a journey's file may say, and how its mistakes are told."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocfkit.errors import ParameterError
from ocfkit.monitors import journey
from ocfkit.monitors.journey_file import (
    JOURNEY_KEYS,
    STEP_KEYS,
    Journey,
    Secret,
    is_list,
    is_table,
)
from ocfkit.monitors.journey_page import FormError, Page
from tests.monitors import journey_file_page

BASE = 'base = "https://shop.example"\n'
GET = '[[step]]\nget = "/"\n'


def written(folder: Path, text: str, mode: int = 0o600) -> str:
    path = folder / "visit.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    path.chmod(mode)
    return str(path)


def mistakes(folder: Path, text: str, mode: int = 0o600) -> str:
    path = written(folder, text, mode)
    with pytest.raises(ParameterError) as caught:
        journey.read(path)
    said = str(caught.value)
    assert said.startswith(f"journey {path}")
    return said


def test_a_step_is_one_line(tmp_path: Path) -> None:
    read = journey.read(written(tmp_path, '[[step]]\nget = "http://localhost:8080/status"'))
    assert (read.hosts, read.verify, len(read.steps)) == (frozenset(("localhost",)), True, 1)
    assert read.steps[0].title == "step 1"


def test_hosts_are_those_that_the_file_names_anywhere(tmp_path: Path) -> None:
    text = 'hosts = ["sso.example", "[::1]"]\n' + BASE + GET + GET.replace("/", "http://A.example/")
    read = journey.read(written(tmp_path, text))
    assert read.hosts == {"shop.example", "sso.example", "::1", "a.example"}


def test_one_word_or_a_list_is_the_same(tmp_path: Path) -> None:
    one = journey.read(written(tmp_path, f'{BASE}{GET}text = "a"\nstatus = 200'))
    several = journey.read(written(tmp_path, f'{BASE}{GET}text = ["a"]\nstatus = [200]'))
    assert one.steps == several.steps


def test_all_mistakes_are_told_at_once_with_step_and_key(tmp_path: Path) -> None:
    text = """
    base = "ftp://shop.example"
    colour = "red"
    [[step]]
    name = "look"
    get = "login"
    match = "(("
    [[step]]
    text = "x"
    [[step]]
    get = "/"
    post = "/"
    [[step]]
    name = "send"
    submit = "login"
    fields = { password = ["hunter2"] }
    timeout = "soon"
    """
    said = mistakes(tmp_path, text)
    for each in (
        "there is no key 'colour': expected base, connect",
        "base: expected an address as https://shop.example",
        "step 1 (look): get: expected an address as /login or https://shop.example/login",
        "step 1 (look): match: '((' is no regular expression",
        "step 2: expected one of get, post, submit, follow, seen none",
        "step 3: expected one of get, post, submit, follow, seen get and post",
        "step 4 (send): fields: password: expected a text, a number, true, false, or",
        "step 4 (send): timeout: expected a duration such as 20s or 500ms",
    ):
        assert each in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("", "expected at least one [[step]]"),
        ("step = 1", "expected at least one [[step]]"),
        ("step = [1]", "step 1: expected a table, as [[step]] begins one"),
        (GET, "step 1: get: it begins with / and there is no base"),
        ('connect = "127.0.0.1"\n[[step]]\nget = "http://a/"', "connect: there is no base"),
        (f'{BASE}connect = "localhost"\n{GET}', "connect: expected an IP address"),
        (f'base = "http://a/b"\n{GET}', "base: expected an address without a path"),
        ('[[step]]\nget = "http://u:p@a/"', "get: a password has no place in an address"),
        ('[[step]]\nget = "http://[::1/"', "get: it is no address"),
        ('[[step]]\nget = "http://a:99999/"', "get: it is no address"),
        (f'{BASE}[[step]]\nsubmit = "f"', "step 1: submit: there is no page before the first"),
        (f"{BASE}{GET}fields = {{ a = 1 }}", "step 1: fields: only a form that is submitted"),
        (f"{BASE}{GET}json = 1", "step 1: json: only post sends it"),
        (f'{BASE}[[step]]\npost = "/"\njson = 1\nform = {{}}', "json: it cannot be sent together"),
        (f'{BASE}[[step]]\npost = "/"\njson = 1979-05-27', "json: json: JSON has no dates"),
        (f'{BASE}[[step]]\npost = "/"\njson = nan', "json: json: JSON has no such number"),
        (f"{BASE}{GET}status = 99", "status: expected a number from 100 to 599"),
        (f"{BASE}{GET}status = true", "status: expected a number from 100 to 599"),
        (f"{BASE}{GET}timeout = 0", "timeout: expected a duration"),
        (f'{BASE}{GET}text = ""', "text: expected a text or a list of texts"),
        (f"{BASE}{GET}text = []", "text: expected a text or a list of texts"),
        (f'{BASE}{GET}headers = {{ "a b" = "c" }}', "headers: 'a b' is no header"),
        (f'{BASE}{GET}headers = {{ a = "b\\nc" }}', "headers: a: a header is one line of ASCII"),
        (f'{BASE}{GET}save = {{ A = "(x)" }}', "save: 'A' is no name of small letters"),
        (f'{BASE}{GET}save = {{ a = "x" }}', "save: a: expected one group"),
        (f'{BASE}[[step]]\nget = "/{{token}}"', "step 1: no step before it saves {token}"),
        (f"{BASE}[[step]]\nsubmit = 0", "submit: expected the id or the name of a form"),
        (f'ca_file = "/no/such"\n{BASE}{GET}', "ca_file: there is no file /no/such"),
        (f'ca_file = "/etc/passwd"\n{BASE}{GET}', "ca_file: there is no certificate in /etc/pass"),
        (f'hosts = ["a:80"]\n{BASE}{GET}', "hosts: expected a list of host names"),
        (f"verify = 1\n{BASE}{GET}", "verify: expected true or false"),
        ("a = ", "is no TOML: Invalid value (at end of document)"),
        ("\ud800", "it is no text in UTF-8"),
        ("a = " + "[" * 10_000, "is no TOML: RecursionError"),
        ("a = " + "1" * 10_000, "is no TOML: ValueError"),
        ("#" * (1 << 20) + "#", "it is longer than 1048576 bytes"),
    ],
)
def test_a_mistake_is_told(tmp_path: Path, text: str, seen: str) -> None:
    assert seen in mistakes(tmp_path, text)


def test_no_more_mistakes_are_told_than_one_can_read(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "[[step]]\n" * 100).endswith("; and 90 mistakes more")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"journey /no/such: No such file or directory"):
        journey.read("/no/such")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (tmp_path, fifo):
        with pytest.raises(ParameterError, match="it is no file"):
            journey.read(str(path))


# --- secrets --------------------------------------------------------------------------------------

PASSWORD_STEP = f'{BASE}{GET}[[step]]\nsubmit = "f"\nfields = {{ password = %s }}'


def test_a_password_in_a_file_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    text = PASSWORD_STEP % '"hunter2"'
    said = mistakes(tmp_path, text, 0o644)
    assert "step 2: fields.password: it stands here, and everybody may read the file" in said
    assert "hunter2" not in said
    journey.read(written(tmp_path, text, 0o640))


@pytest.mark.parametrize(
    "step",
    [
        'post = "/"\nform = { api_key = "x" }',
        'post = "/"\njson = { a = [{ Password = "x" }] }',
        'get = "/"\nheaders = { Authorization = "x" }',
    ],
)
def test_a_password_anywhere_in_a_public_file_is_refused(tmp_path: Path, step: str) -> None:
    assert "it stands here" in mistakes(tmp_path, f"{BASE}[[step]]\n{step}", 0o644)
    journey.read(written(tmp_path, f"{BASE}[[step]]\n{step}"))


def test_a_file_that_everybody_may_write_to_is_refused(tmp_path: Path) -> None:
    assert "everybody may write to it: chmod o-w" in mistakes(tmp_path, BASE + GET, 0o602)


@pytest.mark.parametrize(
    ("content", "mode", "seen"),
    [
        (b"hunter2\n", 0o644, "everybody may read it: chmod o= "),
        (b"hunter2\n", 0o602, "everybody may read it: chmod o= "),
        (b"", 0o600, "expected one line"),
        (b"\n", 0o600, "expected one line"),
        (b"hunter2\nhunter3\n", 0o600, "expected one line"),
        (b"\xff", 0o600, "it is no text in UTF-8"),
        (None, 0o600, "No such file or directory"),
    ],
)
def test_a_secret_file_is_looked_at_before_it_is_used(
    tmp_path: Path, content: bytes | None, mode: int, seen: str
) -> None:
    secret = tmp_path / "password"
    if content is not None:
        secret.write_bytes(content)
        secret.chmod(mode)
    said = mistakes(tmp_path, PASSWORD_STEP % f'{{ secret_file = "{secret}" }}')
    assert f"step 2: fields.password: secret {secret}: {seen}" in said
    assert "hunter" not in said


@pytest.mark.parametrize(
    "value",
    ['{ secret_file = "password" }', "{ secret_file = 1 }", "{ secret_parameter = 1 }", "{}"],
)
def test_a_secret_has_a_file_or_a_parameter(tmp_path: Path, value: str) -> None:
    assert "step 2: fields: password: " in mistakes(tmp_path, PASSWORD_STEP % value)


def test_a_secret_is_kept_by_its_place(tmp_path: Path) -> None:
    text = PASSWORD_STEP % '{ secret_parameter = "login" }'
    read = journey.read(written(tmp_path, text, 0o644))
    assert list(read.secrets()) == [("step 2: fields.password", Secret(parameter="login"))]


# --- any text -------------------------------------------------------------------------------------

keys = st.sampled_from(
    [*JOURNEY_KEYS, *STEP_KEYS, "step", "secret_file", "secret_parameter", "password", "x"]
)
texts = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["/", "http://a/", "http://[", "{x}", "(a)", "((", "127.0.0.1", "/etc", "5s"]),
)
scalars = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    st.dates().map(lambda day: Path(day.isoformat())),  # a word of its own in TOML
    texts,
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=6,
)
tables = st.dictionaries(keys, values, max_size=6)


def toml(value: object) -> str:
    if is_table(value):
        pairs = (f"{json.dumps(name)} = {toml(each)}" for name, each in value.items())
        return f"{{ {', '.join(pairs)} }}"
    if is_list(value):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


@given(top=st.dictionaries(keys, values, max_size=4), steps=st.lists(tables, max_size=3))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300
)
def test_any_toml_is_a_journey_or_has_mistakes(
    tmp_path: Path, top: dict[str, object], steps: list[dict[str, object]]
) -> None:
    text = "".join(f"{name} = {toml(each)}\n" for name, each in top.items() if name != "step")
    text += "".join(
        "[[step]]\n" + "".join(f"{name} = {toml(each)}\n" for name, each in step.items())
        for step in steps
    )
    try:
        assert isinstance(journey.read(written(tmp_path, text)), Journey)
    except ParameterError:
        return


@given(text=st.text())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_text_is_a_journey_or_has_mistakes(tmp_path: Path, text: str) -> None:
    with pytest.raises(ParameterError):
        journey.read(written(tmp_path, text))


PIECES = (
    "<form", "</form>", "<form id=f>", "<input name=a", " type=radio value=1>", "<select name=s>",
    "<option>x", "</select>", "<textarea name=t>", "</textarea>", "<a href=/x>", "</a>", "<!--",
    "<![CDATA[", "<![odd[",
    "<!", "<?", "&#x", "&amp", "<title>", "<template>", "<script>", "</script>", ">",
    "<base href=//[>", "text", '"', "'", "\0", "<button form=f name=b>", "<img alt=y>",
)  # fmt: skip


@given(html=st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3))).map("".join))
def test_any_text_is_a_page(html: str) -> None:
    page = Page(html)
    for form in page.forms:
        try:
            form.fill("a", "1")
        except FormError:
            continue
        assert ("a", "1") in form.sent()


def test_a_declaration_that_is_none_does_not_hide_what_is_before_it() -> None:
    page = Page("<p>Ready</p><form id=f></form><![odd[ <p>more")
    assert page.text.startswith("Ready")
    assert page.form("f") is not None


def test_the_sample_in_the_documentation_is_right(tmp_path: Path) -> None:
    secret = tmp_path / "shop.password"
    secret.touch(0o600)
    secret.write_text("x")
    for page in ("docs/how-to/watch-a-login.md", "docs/reference/journey-file.md"):
        text = (journey_file_page.ROOT / page).read_text("utf-8")
        samples = text.split("```toml\n")[1:]
        assert samples
        for sample in samples:
            toml_text = sample.partition("```")[0].replace("/etc/ocfkit/", f"{tmp_path}/")
            journey.read(written(tmp_path, toml_text))


def test_the_reference_says_what_the_code_says() -> None:
    page = journey_file_page.PAGE.read_text("utf-8")
    assert page == journey_file_page.page(), "python -m tests.monitors.journey_file_page"
