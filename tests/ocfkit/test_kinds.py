"""Every kind of parameter: which texts it takes, what they become, what it says of the others."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocfkit import kinds
from ocfkit.kinds import Kind

type_of = type

ACCEPTED: list[tuple[Kind, str, object]] = [
    (kinds.Text(), " as it is ", " as it is "),
    (kinds.Text("[a-z]+"), "abc", "abc"),
    (kinds.Secret(), "hunter2", "hunter2"),
    (kinds.Integer(), "0", 0),
    (kinds.Integer(), "-17", -17),
    (kinds.Integer(), "+17", 17),
    (kinds.Integer(), " 17 ", 17),
    (kinds.Integer(), "007", 7),
    (kinds.Integer(), "9" * 18, 10**18 - 1),
    (kinds.Integer(1, 10), "1", 1),
    (kinds.Integer(1, 10), "10", 10),
    *[(kinds.Boolean(), word, True) for word in "yes true 1 ja on y t YES True ON".split()],
    *[(kinds.Boolean(), word, False) for word in "no false 0 nein off n f NO False OFF".split()],
    (kinds.Boolean(), " true ", True),
    (kinds.Duration(), "20s", 20.0),
    (kinds.Duration(), "20", 20.0),
    (kinds.Duration(), "500ms", 0.5),
    (kinds.Duration(), "1.5 min", 90.0),
    (kinds.Duration(1, 10), "1s", 1.0),
    (kinds.Duration(1, 10), "10000ms", 10.0),
    (kinds.Path(), "/", "/"),
    (kinds.Path(), "/etc/it's here", "/etc/it's here"),
    (kinds.Executable(), "sh", "sh"),
    (kinds.Executable(), "/bin/sh", "/bin/sh"),
    (kinds.Host(), "localhost", "localhost"),
    (kinds.Host(), "db-1.example.org", "db-1.example.org"),
    (kinds.Host(), "db-1.example.org.", "db-1.example.org."),
    (kinds.Host(), "my_host", "my_host"),
    (kinds.Host(), "1and1.de", "1and1.de"),
    (kinds.Host(), "192.0.2.1", "192.0.2.1"),
    (kinds.Host(), "2001:db8::1", "2001:db8::1"),
    (kinds.Host(), "fe80::1%eth0", "fe80::1%eth0"),
    (kinds.Host(), " localhost ", "localhost"),
    (kinds.Enum(["fast", "safe"]), "safe", "safe"),
]

REFUSED: list[tuple[Kind, str]] = [
    (kinds.Text("[a-z]+"), "abc1"),
    (kinds.Text("[a-z]+"), "abc\n"),
    *[
        (kinds.Integer(), word)
        for word in ["x", "1.0", "1e3", "0x1f", "1_000", "--1", "-", "٣", "²"]
    ],
    (kinds.Integer(), "9" * 19),
    (kinds.Integer(1, 10), "0"),
    (kinds.Integer(1, 10), "11"),
    (kinds.Integer(minimum=1), "0"),
    (kinds.Integer(maximum=1), "2"),
    *[(kinds.Boolean(), word) for word in ["maybe", "2", "truth", "tru"]],
    *[
        (kinds.Duration(), word)
        for word in ["x", "s", "-1s", "1d", "1.s", ".5s", "1,5s", "1 2s", "٣s"]
    ],
    *[(kinds.Duration(), word) for word in ["inf", "nan", "infs", "9" * 400]],
    (kinds.Duration(1, 10), "999ms"),
    (kinds.Duration(1, 10), "11s"),
    *[(kinds.Path(), word) for word in ["etc", "./etc", "~", " /etc", "/a\0b"]],
    *[(kinds.Executable(), word) for word in ["./sh", "bin/sh", "  ", "a\0b"]],
    *[(kinds.Host(), word) for word in ["a b", "-a", "a-", "a..b", ".", "a" * 64, "é.org", "a/b"]],
    *[(kinds.Host(), word) for word in ["1.2.3", "1.2.3.4.5", "256.1.1.1", "[::1]", ":::", "1:2"]],
    *[(kinds.Host(), word) for word in ["fe80::1%", "fe80::1%a b", "192.0.2.1%eth0", "a\0b"]],
    (kinds.Host(), ".".join(["a" * 60] * 5)),
    *[(kinds.Enum(["fast", "safe"]), word) for word in ["Fast", "fast ", "slow"]],
]

ALL: list[Kind] = [
    kinds.Text(),
    kinds.Text("[0-9]*"),
    kinds.Integer(),
    kinds.Integer(-5, 5),
    kinds.Boolean(),
    kinds.Duration(),
    kinds.Duration(0.5, 5),
    kinds.Path(),
    kinds.Executable(),
    kinds.Host(),
    kinds.Enum(["fast", "safe"]),
]


def called(kind: Kind, text: str) -> str:
    return f"{kind.expected()}: {text[:70]!r}"


@pytest.mark.parametrize(
    ("kind", "text", "value"), ACCEPTED, ids=[called(kind, text) for kind, text, _ in ACCEPTED]
)
def test_takes(kind: Kind, text: str, value: object) -> None:
    found = kind.read(text)
    assert (found, type_of(found)) == (value, type_of(value))


@pytest.mark.parametrize(
    ("kind", "text"), REFUSED, ids=[called(kind, text) for kind, text in REFUSED]
)
def test_refuses(kind: Kind, text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its text is nobody's business
        kind.read(text)


@given(kind=st.sampled_from(ALL), text=st.text(max_size=30))
def test_reads_any_text_or_refuses_it_and_does_nothing_else(kind: Kind, text: str) -> None:
    try:
        value = kind.read(text)
    except ValueError:
        return
    assert kind.read(kind.write(value)) == value


@given(whole=st.integers(-(10**18) + 1, 10**18 - 1))
def test_an_integer_is_read_as_it_is_written(whole: int) -> None:
    kind = kinds.Integer()
    assert kind.read(kind.write(whole)) == whole


@given(microseconds=st.integers(0, 10**15))
def test_a_duration_is_read_as_it_is_written_to_the_microsecond(microseconds: int) -> None:
    kind = kinds.Duration()
    assert kind.read(kind.write(microseconds / 1_000_000)) == pytest.approx(
        microseconds / 1_000_000
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(90, "90s"), (1.5, "1500ms"), (0.0005, "500us"), ("2min", "120s"), (0, "0s")],
)
def test_a_duration_is_written_with_its_unit(value: object, text: str) -> None:
    assert kinds.Duration().write(value) == text


WRONG: list[tuple[Kind, object]] = [
    *[(kinds.Text(), value) for value in (5, None, True, b"x", ["x"])],
    *[(kinds.Integer(), value) for value in ("5", 5.0, True, None)],
    *[(kinds.Boolean(), value) for value in ("yes", 1, 0, None)],
    *[(kinds.Duration(), value) for value in ("x", True, None, -1, float("inf"), float("nan"))],
    *[(kinds.Path(), value) for value in (5, Path("/etc"))],
    *[(kinds.Enum(["a"]), value) for value in (0, ["a"])],
]


@pytest.mark.parametrize(
    ("kind", "value"), WRONG, ids=[called(kind, repr(value)) for kind, value in WRONG]
)
def test_a_value_of_another_type_is_not_written(kind: Kind, value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        kind.write(value)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (kinds.Text(), "a text"),
        (kinds.Text("[a-z]+"), "a text that matches [a-z]+"),
        (kinds.Integer(), "an integer"),
        (kinds.Integer(1, 65535), "an integer from 1 to 65535"),
        (kinds.Integer(minimum=1), "an integer of at least 1"),
        (kinds.Integer(maximum=9), "an integer of at most 9"),
        (kinds.Boolean(), "a boolean (true or false)"),
        (kinds.Duration(), "a duration such as 20s, 500ms, 5min or 1h"),
        (kinds.Duration(0.5, 60), "a duration such as 20s, 500ms, 5min or 1h from 500ms to 60s"),
        (kinds.Path(), "an absolute path"),
        (kinds.Executable(), "a program, by its absolute path or its name"),
        (kinds.Host(), "a host name or an IP address"),
        (kinds.Enum(["fast", "safe"]), "one of fast, safe"),
    ],
)
def test_says_what_it_expects(kind: Kind, words: str) -> None:
    assert kind.expected() == words


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [
        (kinds.Text(), "string"),
        (kinds.Secret(), "string"),
        (kinds.Integer(), "integer"),
        (kinds.Boolean(), "boolean"),
        (kinds.Duration(), "string"),
        (kinds.Path(), "string"),
        (kinds.Enum(["a"]), "string"),
    ],
)
def test_has_a_type_of_ocf(kind: Kind, content_type: str) -> None:
    assert kind.content_type == content_type


# --- what is on this node -----------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path) -> Callable[[str], str]:
    """A folder with one of everything."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "program").touch(0o755)
    (tmp_path / "dangling").symlink_to("nowhere")
    return lambda name: str(tmp_path / name)


@pytest.mark.parametrize(
    ("exists", "there", "missing"),
    [
        ("file", ["file", "program"], ["folder", "dangling", "nothing", "file/below"]),
        ("folder", ["folder"], ["file", "dangling", "nothing"]),
        ("any", ["file", "folder", "dangling"], ["nothing"]),
        (None, ["file", "folder", "nothing"], []),
    ],
)
def test_a_path_that_has_to_exist_is_looked_for(
    place: Callable[[str], str], exists: object, there: list[str], missing: list[str]
) -> None:
    kind = kinds.Path(exists)  # type: ignore[arg-type]  # one of those
    assert [name for name in there if kind.absence(place(name))] == []
    assert [name for name in missing if not kind.absence(place(name))] == []


def test_a_missing_path_is_told_with_what_it_should_be(place: Callable[[str], str]) -> None:
    absent = kinds.Path("folder").absence(place("nothing"))
    assert absent == f"there is no folder {place('nothing')} on this node"


def test_a_program_is_looked_for(place: Callable[[str], str]) -> None:
    kind = kinds.Executable()
    assert kind.absence("sh") is None
    assert kind.absence(place("program")) is None
    assert kind.absence(place("file")) == f"there is no program {place('file')} on this node"
    assert kind.absence("no-such-program") == "there is no program no-such-program on this node"


def test_the_other_kinds_look_at_nothing() -> None:
    assert [kind.absence("x") for kind in (kinds.Text(), kinds.Host(), kinds.Enum(["x"]))] == [
        None
    ] * 3


# --- what an author says of it ------------------------------------------------------------------

TOO_LARGE = "no regular expression: the repetition number is too large"

UNUSABLE: list[tuple[Kind, list[str]]] = [
    (kinds.Text(5), ["its pattern 5 is no text"]),  # type: ignore[arg-type]
    (kinds.Text(b"x"), ["its pattern b'x' is no text"]),  # type: ignore[arg-type]
    (
        kinds.Text("a["),
        ["its pattern 'a[' is no regular expression: unterminated character set at position 1"],
    ),
    (kinds.Text("a{9999999999}"), [f"its pattern 'a{{9999999999}}' is {TOO_LARGE}"]),
    (kinds.Integer(10, 1), ["its minimum 10 is above its maximum 1"]),
    (kinds.Integer(minimum=True), ["its bound True is not an integer of up to 18 digits"]),
    (
        kinds.Integer("1", 2.5),  # type: ignore[arg-type]
        [
            "its bound '1' is not an integer of up to 18 digits",
            "its bound 2.5 is not an integer of up to 18 digits",
        ],
    ),
    (kinds.Duration(9, 0.5), ["its minimum 9 is above its maximum 0.5"]),
    (kinds.Duration("1s"), ["its bound '1s' is not a number of seconds"]),  # type: ignore[arg-type]
    (kinds.Duration(-1), ["its bound -1 is not a number of seconds"]),
    (kinds.Duration(float("nan")), ["its bound nan is not a number of seconds"]),
    (kinds.Duration(maximum=float("inf")), ["its bound inf is not a number of seconds"]),
    (kinds.Path("dir"), ["exists='dir' is none of 'file', 'folder' and 'any'"]),  # type: ignore[arg-type]
    (kinds.Path([]), ["exists=[] is none of 'file', 'folder' and 'any'"]),  # type: ignore[arg-type]
    (kinds.Enum([]), ["its choices are a sequence of words, seen []"]),
    (kinds.Enum("abc"), ["its choices are a sequence of words, seen 'abc'"]),
    (kinds.Enum({"a"}), ["its choices are a sequence of words, seen {'a'}"]),  # type: ignore[arg-type]
    (kinds.Enum(5), ["its choices are a sequence of words, seen 5"]),  # type: ignore[arg-type]
    (kinds.Enum(list), ["its choices are a sequence of words, seen <class 'list'>"]),  # type: ignore[arg-type]
    (kinds.Enum(["a", "b", "a"]), ["its choice 'a' stands there twice"]),
    (kinds.Enum(["a", "", 5]), ["its choice '' is no word", "its choice 5 is no word"]),  # type: ignore[list-item]
]


@pytest.mark.parametrize(
    ("kind", "sentences"), UNUSABLE, ids=[sentences[0][:50] for _, sentences in UNUSABLE]
)
def test_what_makes_no_sense_is_told(kind: Kind, sentences: list[str]) -> None:
    assert kind.faults() == sentences


@pytest.mark.parametrize("kind", [*ALL, kinds.Secret(), kinds.Integer(5, 5), kinds.Enum(("a",))])
def test_what_makes_sense_is_not_spoken_of(kind: Kind) -> None:
    assert kind.faults() == []


def test_a_value_is_shown_in_short() -> None:
    assert kinds.shown("x" * 100) == f"'{'x' * 59}…"


def test_a_value_that_cannot_be_shown_is_told_by_its_class() -> None:
    class Hidden:
        def __repr__(self) -> str:
            raise RuntimeError

    assert kinds.shown(Hidden()) == "a Hidden that cannot be shown"
    assert kinds.shown(10 ** (sys.get_int_max_str_digits() + 1)) == "a int that cannot be shown"
