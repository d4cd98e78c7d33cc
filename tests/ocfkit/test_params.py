"""Parameters as an author meets them: declared in a class, read from an agent."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocfkit import Agent, ConfigurationError, DeclarationError, param
from ocfkit.deadline import Deadline
from ocfkit.environment import Environment
from ocfkit.kinds import Kind
from ocfkit.log import Log
from ocfkit.params import AnyParam
from tests.ocfkit import parameters_page, strategies
from tests.ocfkit.strategies import Declared

CANARY = "correct horse battery staple"


class Plain(Agent, abstract=True):
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def monitor(self) -> None: ...


class Server(Plain):
    """One parameter of each kind, with a default."""

    text = param.string("Text.", default="abc")
    word = param.string("Word.", default="abc", pattern="[a-z]+")
    token = param.secret("Token.", default=None)
    count = param.integer("Count.", default=3, minimum=1, maximum=9)
    port = param.port("Port.", default=80)
    tls = param.boolean("TLS.", default=False)
    wait = param.duration("Wait.", default="1min")
    folder = param.path("Folder.", default="/srv")
    program = param.executable("Program.", default="sh")
    host = param.host("Host.", default="localhost")
    mode = param.enum("Mode.", choices=["fast", "safe"], default="safe")


class Strict(Plain):
    """One parameter of each kind, required."""

    text = param.string("Text.", required=True)
    token = param.secret("Token.", required=True)
    count = param.integer("Count.", required=True)
    port = param.port("Port.", required=True)
    tls = param.boolean("TLS.", required=True)
    wait = param.duration("Wait.", required=True)
    folder = param.path("Folder.", required=True)
    program = param.executable("Program.", required=True)
    host = param.host("Host.", required=True)
    mode = param.enum("Mode.", choices=["fast", "safe"], required=True)


T = TypeVar("T", bound=Agent)


def made(cls: type[T], given: Mapping[str, str] | None = None) -> T:
    """An agent that the cluster passes these parameters to."""
    environment = Environment({f"OCF_RESKEY_{key}": text for key, text in (given or {}).items()})
    return cls("agent", environment, Log(environment, "agent"), Deadline.after(60))


def values(agent: Agent) -> dict[str, object]:
    return {attribute: getattr(agent, attribute) for attribute in agent.declaration.parameters}


DEFAULTS = {
    "text": "abc",
    "word": "abc",
    "token": None,
    "count": 3,
    "port": 80,
    "tls": False,
    "wait": 60.0,
    "folder": "/srv",
    "program": "sh",
    "host": "localhost",
    "mode": "safe",
}

GIVEN = {
    "text": "日本 <&>",
    "word": "xyz",
    "token": CANARY,
    "count": "9",
    "port": "8080",
    "tls": "on",
    "wait": "500ms",
    "folder": "/var",
    "program": "/bin/cat",
    "host": "::1",
    "mode": "fast",
}

TYPED = {**GIVEN, "count": 9, "port": 8080, "tls": True, "wait": 0.5}


# --- values -------------------------------------------------------------------------------------


def test_what_is_not_set_is_the_default() -> None:
    assert values(made(Server)) == DEFAULTS


def test_what_is_empty_is_the_default() -> None:
    assert values(made(Server, dict.fromkeys(GIVEN, ""))) == DEFAULTS


def test_what_is_set_has_its_type() -> None:
    assert values(made(Server, GIVEN)) == TYPED


def test_what_is_required_and_set_has_its_type() -> None:
    given = {name: text for name, text in GIVEN.items() if name != "word"}
    wanted = {name: value for name, value in TYPED.items() if name != "word"}
    assert values(made(Strict, given)) == wanted


def test_what_is_required_and_empty_is_not_set() -> None:
    assert str(made(Strict, {"port": ""}).problem()) == str(made(Strict).problem())


def test_from_the_class_it_is_the_declaration() -> None:
    port = Server.port
    assert isinstance(port, AnyParam)
    assert (port.name, port.desc, port.default, port.required) == ("port", "Port.", 80, False)


def test_an_agent_cannot_set_it() -> None:
    agent = made(Server)
    with pytest.raises(AttributeError, match="port is set by the cluster, not by the agent"):
        agent.port = 81
    assert agent.port == 80


def test_two_agents_of_a_class_have_values_of_their_own() -> None:
    one, other = made(Server, {"port": "1"}), made(Server, {"port": "2"})
    assert (one.port, other.port) == (1, 2)


def test_it_is_read_by_its_name_in_the_cluster() -> None:
    class Named(Plain):
        """Named."""

        lambda_ = param.string("A word of Python.", default="x", name="lambda")

    assert made(Named, {"lambda": "y", "lambda_": "z"}).lambda_ == "y"
    assert Named.declaration.parameters["lambda_"].name == "lambda"


@settings(deadline=None)
@given(declared=strategies.declarations())
def test_what_is_advertised_is_what_is_used_where_nothing_is_set(declared: Declared) -> None:
    agent = made(declared.cls())
    for attribute, parameter in agent.declaration.parameters.items():
        if parameter.required:
            continue
        text, value = parameter.default_text(), getattr(agent, attribute)
        advertised = None if text is None else parameter.kind.read(text)
        assert value == (pytest.approx(advertised) if isinstance(value, float) else advertised)


@settings(deadline=None)
@given(
    declared=strategies.declarations(),
    given=st.dictionaries(st.integers(0, 9), st.text(min_size=1, max_size=9)),
)
def test_any_environment_gives_values_or_says_what_is_wrong(
    declared: Declared, given: dict[int, str]
) -> None:
    cls = declared.cls()
    names = [each.name for each in cls.declaration.parameters.values()]
    agent = made(cls, {name: given[place] for place, name in enumerate(names) if place in given})
    for attribute in cls.declaration.parameters:
        try:
            getattr(agent, attribute)
        except ConfigurationError as error:
            told = str(error)
        else:
            told = ""
        assert told in str(agent.problem())


# --- what is wrong with a value -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("word", "ABC", "a text that matches [a-z]+"),
        ("count", "0", "an integer from 1 to 9"),
        ("port", "0", "an integer from 1 to 65535"),
        ("port", "65536", "an integer from 1 to 65535"),
        ("port", "http", "an integer from 1 to 65535"),
        ("tls", "maybe", "a boolean (true or false)"),
        ("wait", "1 day", "a duration such as 20s, 500ms, 5min or 1h"),
        ("folder", "srv", "an absolute path"),
        ("program", "./sh", "a program, by its absolute path or its name"),
        ("host", "a b", "a host name or an IP address"),
        ("mode", "slow", "one of fast, safe"),
    ],
)
def test_a_wrong_value_is_told_with_what_was_expected_and_seen(
    name: str, text: str, expected: str
) -> None:
    agent = made(Server, {name: text})
    with pytest.raises(ConfigurationError) as error:
        getattr(agent, name)
    assert str(error.value) == f"parameter {name}: expected {expected}, seen {text!r}"


def test_one_that_is_missing_is_told_by_its_name_in_the_cluster() -> None:
    class Named(Plain):
        """Named."""

        class_ = param.string("Class.", required=True, name="class")

    with pytest.raises(ConfigurationError, match=r"^parameter class is required and not set$"):
        _ = made(Named).class_


def test_all_that_is_wrong_is_told_at_once() -> None:
    agent = made(Strict, {"port": "x", "tls": "x", "mode": "x", "text": "x"})
    assert str(agent.problem()).split("; ") == [
        "parameter token is required and not set",
        "parameter count is required and not set",
        "parameter port: expected an integer from 1 to 65535, seen 'x'",
        "parameter tls: expected a boolean (true or false), seen 'x'",
        "parameter wait is required and not set",
        "parameter folder is required and not set",
        "parameter program is required and not set",
        "parameter host is required and not set",
        "parameter mode: expected one of fast, safe, seen 'x'",
    ]


def test_a_wrong_value_does_not_hide_the_right_ones() -> None:
    agent = made(Server, {"port": "x", "count": "4"})
    assert agent.count == 4


def test_a_long_value_is_shown_in_part() -> None:
    problem = str(made(Server, {"port": "9" * 10_000}).problem())
    assert len(problem) < 200


def test_a_value_cannot_write_a_second_line() -> None:
    assert "\n" not in str(made(Server, {"port": "80\nocf-exit-reason:fine"}).problem())


# --- secrets ------------------------------------------------------------------------------------


class Hidden(Kind):
    """A secret that refuses everything, as a stricter one may some day."""

    secret = True

    def read(self, text: str) -> object:
        raise ValueError(text)


def test_a_secret_stands_in_no_message_about_its_value() -> None:
    class Guarded(Plain):
        """Guarded."""

        token = param.Param[str](Hidden(), "Token.", param.MISSING, required=True)

    problem = str(made(Guarded, {"token": CANARY}).problem())
    assert problem == "parameter token: expected a text, seen something else"


@pytest.mark.parametrize("default", [CANARY, "", 5, [CANARY]])
def test_a_secret_has_no_default_and_no_message_shows_it(default: object) -> None:
    with pytest.raises(DeclarationError) as error:

        class Guarded(Plain):  # pyright: ignore[reportUnusedClass]
            """Guarded."""

            token = param.secret("Token.", default=default)  # type: ignore[call-overload]

    assert error.value.sentences == (
        "parameter token: a secret has no default: everybody could read it",
    )
    assert CANARY not in str(error.value)


def test_an_agent_knows_its_secrets() -> None:
    assert [each.name for each in Server.declaration.secrets] == ["token"]
    assert made(Server, {"token": CANARY}).token == CANARY


# --- options ------------------------------------------------------------------------------------


def test_options_are_kept_as_they_are() -> None:
    class Full(Plain):
        """Full."""

        def reload_agent(self) -> None: ...

        port = param.port(
            "Port.",
            default=80,
            name="tcp_port",
            unique="address",
            reloadable=True,
            deprecated="Use listen.",
            replaced_by="listen",
        )
        listen = param.string("Listen.", default=None)
        more = param.string("More.", default=None, deprecated="No.", replaced_by=["listen"])

    port = Full.port
    assert (port.name, port.attribute) == ("tcp_port", "port")
    assert (port.unique, port.reloadable, port.deprecated) == ("address", True, "Use listen.")
    assert port.replaced_by == Full.more.replaced_by == ("listen",)


def test_a_parameter_is_made_of_text_where_nothing_is_said() -> None:
    port = Server.port
    assert (port.unique, port.reloadable, port.deprecated, port.replaced_by) == ("", False, "", ())


# --- the page -----------------------------------------------------------------------------------


def test_the_reference_is_as_new_as_the_code() -> None:
    assert parameters_page.PAGE.read_text("utf-8") == parameters_page.page()


def test_the_reference_knows_every_kind() -> None:
    functions = {
        name
        for name, each in vars(param).items()
        if inspect.isfunction(each) and each.__module__ == param.__name__ and name[0] != "_"
    }
    assert set(parameters_page.KINDS) == functions
