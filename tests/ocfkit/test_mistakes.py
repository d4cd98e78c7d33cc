"""A class that is wrong is refused when it is made, and each mistake gets one clear sentence."""

# ruff: noqa: ANN401 - an author may write anything

from __future__ import annotations

import abc
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ocfkit
from ocfkit import Agent, Daemon, DeclarationError, Notice
from ocfkit.deadline import Deadline
from ocfkit.environment import NOT_OURS, Environment
from ocfkit.log import Log
from ocfkit.mistakes import _INSTANCE  # pyright: ignore[reportPrivateUsage]

unchecked = cast("Any", ocfkit)
"""As an author sees it who uses no type checker."""

param, action, monitor = unchecked.param, unchecked.action, unchecked.monitor

ROOT = Path(__file__).resolve().parents[2]


class Plain(Agent, abstract=True):
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def monitor(self) -> None: ...


def refused(base: type[Agent] = Plain, doc: object = "Doc.", **members: Any) -> list[str]:
    """The sentences about a class with these members; none when it is fine."""
    try:
        type("Web", (base,), {"__doc__": doc, "__module__": __name__, **members})
    except DeclarationError as error:
        return list(error.sentences)
    return []


def nothing(_self: object) -> None: ...


def heard(_self: object, _notice: Notice) -> None: ...


def one_more(_self: object, _one: object) -> None: ...


def one_named(_self: object, *, _one: object) -> None: ...


def one_and_more(_self: object, _one: object, *_more: object) -> None: ...


def one_at_will(_self: object, _one: object = None) -> None: ...


def one_named_at_will(_self: object, *, _one: object = None) -> None: ...


def anything(*_all: object, **_more: object) -> None: ...


def alone() -> None: ...


def yielding(_self: object) -> Iterator[None]:
    yield


async def coroutine(_self: object) -> None: ...


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError


# --- each mistake, alone ------------------------------------------------------------------------

text = partial(param.string, default=None)
promotable = {"promote": nothing, "demote": nothing}


def taken(name: str) -> str:
    return (
        f"parameter {name}: agents have an action or attribute of this name; choose another and "
        f"say name={name!r}"
    )


def of_one_interval(one: str, other: str, interval: str) -> str:
    return (
        f"the monitors at {one} and {other} have both the interval {interval}: Pacemaker tells "
        "them apart by it"
    )


CASES: dict[str, tuple[dict[str, Any], str]] = {
    # the class
    "no docstring": (
        {"doc": None},
        "it has no docstring, whose first line is the short description",
    ),
    "a docstring of blanks": (
        {"doc": " \n "},
        "it has no docstring, whose first line is the short description",
    ),
    "a docstring that is none": (
        {"doc": 5},
        "it has no docstring, whose first line is the short description",
    ),
    "a control character in the docstring": (
        {"doc": "Bell \a"},
        "its docstring holds a control character",
    ),
    "no start": ({"start": None}, "it has no method start"),
    "no stop": ({"stop": None}, "it has no method stop"),
    "no monitor": ({"monitor": None}, "it has no method monitor"),
    "promote alone": ({"promote": nothing}, "promote and demote come together or not at all"),
    "demote alone": ({"demote": nothing}, "promote and demote come together or not at all"),
    "migrate_to alone": (
        {"migrate_to": nothing},
        "migrate_to and migrate_from come together or not at all",
    ),
    "an action that OCF does not have": (
        {"recover": action(nothing)},
        "recover is marked as an action, and OCF has none of that name",
    ),
    "an action by its name in the cluster": (
        {"reloadagent": action(nothing)},
        "reloadagent is marked as an action, and OCF has none of that name",
    ),
    "validate_all": (
        {"validate_all": nothing},
        "validate_all is the framework's: write validate or validate_host",
    ),
    "validate_all as an action": (
        {"validate_all": action(nothing)},
        "validate_all is the framework's: write validate or validate_host",
    ),
    "meta_data": (
        {"meta_data": nothing},
        "meta_data is the framework's: it is made of what the class declares",
    ),
    "a version that is a number": ({"version": 1.0}, "its version 1.0 is no text"),
    "no language": ({"lang": ""}, "its lang '' is no language such as en or pt-BR"),
    "a language of the C library": (
        {"lang": "de_DE"},
        "its lang 'de_DE' is no language such as en or pt-BR",
    ),
    "a start_depth of text": ({"start_depth": "10"}, "its start_depth '10' is no depth"),
    "a negative start_depth": ({"start_depth": -1}, "its start_depth -1 is no depth"),
    "needs_root as a text": (
        {"needs_root": "start"},
        "its needs_root 'start' is no sequence of actions",
    ),
    "needs_root as a number": ({"needs_root": 0}, "its needs_root 0 is no sequence of actions"),
    "needs_root of a method": (
        {"needs_root": ["start", "reload_agent"]},
        "its needs_root ['start', 'reload_agent'] names what is no action",
    ),
    # parameters
    "no default": (
        {"port": param.string("S.")},
        "parameter port: say default=… (None is one) or required=True",
    ),
    "required and a default": (
        {"port": param.string("S.", default=None, required=True)},
        "parameter port: it is required and has a default, which would never be used",
    ),
    "no description": ({"port": text("")}, "parameter port: it has no description"),
    "a description of blanks": ({"port": text(" \n")}, "parameter port: it has no description"),
    "a description that is none": ({"port": text(None)}, "parameter port: desc=None is no text"),
    "a control character in a description": (
        {"port": text("Bell \a")},
        "parameter port: its desc holds a control character",
    ),
    "half a character in a description": (
        {"port": text("Half \ud800")},
        "parameter port: its desc holds a control character",
    ),
    "a control character in a default": (
        {"port": param.string("S.", default="\x1b")},
        "parameter port: its default holds a control character",
    ),
    "a control character in a choice": (
        {"mode": param.enum("M.", choices=["a", "\0"], default="a")},
        "parameter mode: its choices holds a control character",
    ),
    "a control character in a unique group": (
        {"port": text("S.", unique="\a")},
        "parameter port: its unique holds a control character",
    ),
    "a unique group of blanks": (
        {"port": text("S.", unique=" ")},
        "parameter port: its unique is blank",
    ),
    "unique as in OCF 1.0": (
        {"port": text("S.", unique=True)},
        "parameter port: unique=True is no text",
    ),
    "deprecated without a reason": (
        {"port": text("S.", deprecated=True)},
        "parameter port: deprecated=True is no text",
    ),
    "deprecated for a blank": (
        {"port": text("S.", deprecated=" ")},
        "parameter port: its deprecated is blank",
    ),
    "required, perhaps": (
        {"port": param.string("S.", required="yes")},
        "parameter port: required='yes' is neither True nor False",
    ),
    "reloadable, perhaps": (
        {"port": text("S.", reloadable="yes"), "reload_agent": nothing},
        "parameter port: reloadable='yes' is neither True nor False",
    ),
    "reloadable and no reload_agent": (
        {"port": text("S.", reloadable=True)},
        "parameter port: it is reloadable, and there is no method reload_agent",
    ),
    "replaced and not deprecated": (
        {"port": text("S.", replaced_by="other"), "other": text("S.")},
        "parameter port: only a deprecated parameter is replaced by others",
    ),
    "replaced by what is not there": (
        {"port": text("S.", deprecated="Old.", replaced_by="other")},
        "parameter port: it is replaced by 'other', which is none",
    ),
    "replaced by an attribute's name": (
        {
            "port": text("S.", deprecated="Old.", replaced_by="new"),
            "new": text("S.", name="listen"),
        },
        "parameter port: it is replaced by 'new', which is none",
    ),
    "replaced by itself": (
        {"port": text("S.", deprecated="Old.", replaced_by="port")},
        "parameter port: it is replaced by itself",
    ),
    "replaced by a number": (
        {"port": text("S.", deprecated="Old.", replaced_by=5)},
        "parameter port: replaced_by=5 is no sequence of names",
    ),
    "replaced by numbers": (
        {"port": text("S.", deprecated="Old.", replaced_by=[5])},
        "parameter port: replaced_by=5 is no text",
    ),
    "a name with a hyphen": (
        {"port": text("S.", name="tcp-port")},
        "parameter port: 'tcp-port' cannot be the name of a parameter: letters, digits and _",
    ),
    "a name in another alphabet": (
        {"größe": text("S.")},
        "parameter größe: 'größe' cannot be the name of a parameter: letters, digits and _",
    ),
    "a name that is none": ({"port": text("S.", name=5)}, "parameter port: name=5 is no text"),
    "a name that cannot be hashed": (
        {"port": text("S.", name=["port"])},
        "parameter port: name=['port'] is no text",
    ),
    "a name that another has": (
        {"port": text("S."), "listen": text("S.", name="port")},
        "parameter listen: port has the name port already",
    ),
    "one object for two parameters": (
        dict.fromkeys(["port", "listen"], text("S.")),
        "parameter listen: it is one object with parameter port; declare another",
    ),
    "a default of another type": (
        {"port": param.port("P.", default="80")},
        "parameter port: its default '80' is not an integer from 1 to 65535",
    ),
    "a default out of bounds": (
        {"port": param.port("P.", default=0)},
        "parameter port: its default 0 is not an integer from 1 to 65535",
    ),
    "a default that is a truth": (
        {"port": param.integer("P.", default=True)},
        "parameter port: its default True is not an integer",
    ),
    "a default of a thousand digits": (
        {"port": param.integer("P.", default=10**5000)},
        "parameter port: its default a int that cannot be shown is not an integer",
    ),
    "a default that cannot be shown": (
        {"port": text("S.", default=Unshowable())},
        "parameter port: its default a Unshowable that cannot be shown is not a text",
    ),
    "a default that is endless": (
        {"wait": param.duration("W.", default=float("inf"))},
        "parameter wait: its default inf is not a duration such as 20s, 500ms, 5min or 1h",
    ),
    "a default without a known unit": (
        {"wait": param.duration("W.", default="1d")},
        "parameter wait: its default '1d' is not a duration such as 20s, 500ms, 5min or 1h",
    ),
    "a default that does not match": (
        {"port": param.string("S.", default="ABC", pattern="[a-z]+")},
        "parameter port: its default 'ABC' is not a text that matches [a-z]+",
    ),
    "a default that is no choice": (
        {"mode": param.enum("M.", choices=["a"], default="b")},
        "parameter mode: its default 'b' is not one of a",
    ),
    "a relative default": (
        {"path": param.path("P.", default="etc")},
        "parameter path: its default 'etc' is not an absolute path",
    ),
    "bounds the wrong way round": (
        {"port": param.integer("P.", default=5, minimum=9, maximum=1)},
        "parameter port: its minimum 9 is above its maximum 1",
    ),
    "no regular expression": (
        {"port": text("S.", pattern="(")},
        (
            "parameter port: its pattern '(' is no regular expression: missing ), unterminated "
            "subpattern at position 0"
        ),
    ),
    "no choices": (
        {"mode": param.enum("M.", choices=[], default=None)},
        "parameter mode: its choices are a sequence of words, seen []",
    ),
    "a number of choices": (
        {"mode": param.enum("M.", choices=5, default=None)},
        "parameter mode: its choices are a sequence of words, seen 5",
    ),
    "a choice twice": (
        {"mode": param.enum("M.", choices=["a", "a"], default="a")},
        "parameter mode: its choice 'a' stands there twice",
    ),
    # names that clash
    **{
        f"a parameter called {name}": (
            {name: text("S.")},
            taken(name),
        )
        for name in "start notify reload_agent run cluster version name values _cluster".split()
    },
    **{
        f"a parameter called {name} in the cluster": (
            {"mine": text("S.", name=name)},
            f"parameter mine: {name} is Pacemaker's, and no agent is told of it",
        )
        for name in ("CRM_meta_timeout", *NOT_OURS)
    },
    # actions
    "an argument": (
        {"start": one_more},
        "start: the method takes self and nothing else",
    ),
    "an argument to be named": (
        {"start": one_named},
        "start: the method takes self and nothing else",
    ),
    "an argument and any number more": (
        {"start": one_and_more},
        "start: the method takes self and nothing else",
    ),
    "no self": ({"start": alone}, "start: the method takes self and nothing else"),
    "notify without a notice": ({"notify": nothing}, "notify: the method takes self and a notice"),
    "no method": ({"start": 5}, "start: it is no method"),
    "a property": ({"start": property(nothing)}, "start: it is no method"),
    "a method of the class": ({"start": classmethod(nothing)}, "start: it is no method"),
    "a function in part": ({"start": action(partial(nothing))}, "start: it is no method"),
    "a generator": (
        {"start": yielding},
        "start: it is a generator or coroutine, which nobody would run",
    ),
    "no duration": (
        {"start": action(timeout="soon")(nothing)},
        "start: its timeout 'soon' is no duration such as 20s, 500ms, 5min or 1h",
    ),
    "a duration of another library": (
        {"start": action(timeout=timedelta(seconds=20))(nothing)},
        (
            "start: its timeout datetime.timedelta(seconds=20) is no duration such as 20s, 500ms, "
            "5min or 1h"
        ),
    ),
    "no timeout": (
        {"start": action(timeout=None)(nothing)},
        "start: its timeout None is no duration such as 20s, 500ms, 5min or 1h",
    ),
    "a true timeout": (
        {"start": action(timeout=True)(nothing)},
        "start: its timeout True is not between 1ms and 49 days",
    ),
    **{
        f"a timeout of {timing}": (
            {"start": action(timeout=timing)(nothing)},
            f"start: its timeout {timing!r} is not between 1ms and 49 days",
        )
        for timing in (0, "0s", -1, "500us", "50000h", float("inf"), float("nan"))
    },
    "a timeout without end": (
        {"start": action(timeout=10**400)(nothing)},
        f"start: its timeout {'1' + '0' * 59}… is no duration such as 20s, 500ms, 5min or 1h",
    ),
    "a bad interval": (
        {"monitor": action(interval="often")(nothing)},
        "monitor: its interval 'often' is no duration such as 20s, 500ms, 5min or 1h",
    ),
    "a bad promoted_interval": (
        {**promotable, "monitor": action(promoted_interval="often")(nothing)},
        "monitor: its promoted_interval 'often' is no duration such as 20s, 500ms, 5min or 1h",
    ),
    "an interval of start": (
        {"start": action(interval="5s")(nothing)},
        "start: an interval is for monitor alone",
    ),
    "a promoted_interval of stop": (
        {**promotable, "stop": action(promoted_interval="5s")(nothing)},
        "stop: an interval is for monitor alone",
    ),
    "a promoted_interval without promote": (
        {"monitor": action(promoted_interval="5s")(nothing)},
        "monitor: promoted_interval is for an agent with promote and demote",
    ),
    "one interval for two roles": (
        {**promotable, "monitor": action(interval="10s", promoted_interval=10.0001)(nothing)},
        of_one_interval("depth 0 (Promoted)", "depth 0 (Unpromoted)", "10s"),
    ),
    # checks
    **{
        f"a depth of {level!r}": (
            {"page": monitor.depth(level)(nothing)},
            (
                "check page: a depth is a whole number above 0, as in @monitor.depth(10), "
                f"seen {level!r}"
            ),
        )
        for level in (0, -1, True, "10", 10.5, None)
    },
    "a depth that is forgotten": (
        {"page": monitor.depth(nothing)},
        "check page: a depth is a whole number above 0, as in @monitor.depth(10), seen 0",
    ),
    "negative retries": (
        {"page": monitor.depth(10, retries=-1)(nothing)},
        "check page: retries is a whole number, seen -1",
    ),
    "retries in words": (
        {"page": monitor.depth(10, retries="2")(nothing)},
        "check page: retries is a whole number, seen '2'",
    ),
    "retries said by a duration": (
        {
            "rest": (rest := param.duration("In between.", default="1s")),
            "page": monitor.depth(10, retries=rest)(nothing),
        },
        "check page: retries is said by parameter rest, which has another type or may be unset",
    ),
    "a pause that may be unset": (
        {
            "rest": (unset := param.duration("In between.", default=None)),
            "page": monitor.depth(10, pause=unset)(nothing),
        },
        "check page: pause is said by parameter rest, which has another type or may be unset",
    ),
    "retries said by nobody": (
        {"page": monitor.depth(10, retries=param.integer("How often.", default=1))(nothing)},
        "check page: retries is said by what is no parameter of this agent",
    ),
    "half a tolerance": (
        {"page": monitor.depth(10, tolerate=0.5)(nothing)},
        "check page: tolerate is a whole number, seen 0.5",
    ),
    "a role of old": (
        {**promotable, "page": monitor.depth(10, role="Master")(nothing)},
        "check page: a role is Promoted or Unpromoted, seen 'Master'",
    ),
    "a role without promote": (
        {"page": monitor.depth(10, role="Promoted")(nothing)},
        "check page: it is for one role, and there is no method promote",
    ),
    "a check with an argument": (
        {"page": monitor.depth(10)(one_more)},
        "check page: the method takes self and nothing else",
    ),
    "a check of a check": (
        {"page": monitor.depth(10)(monitor.depth(20)(nothing))},
        "check page: it is no method",
    ),
    "a check that is a coroutine": (
        {"page": monitor.depth(10)(coroutine)},
        "check page: it is a generator or coroutine, which nobody would run",
    ),
    "a check with a bad timeout": (
        {"page": monitor.depth(10, timeout="x")(nothing)},
        "check page: its timeout 'x' is no duration such as 20s, 500ms, 5min or 1h",
    ),
    "a check with no pause": (
        {"page": monitor.depth(10, pause=0)(nothing)},
        "check page: its pause 0 is not between 1ms and 49 days",
    ),
    **{
        f"a check called {name}": (
            {name: monitor.depth(10)(nothing)},
            f"check {name}: agents have an action or attribute of this name",
        )
        for name in ("notify", "run", "validate", "values")
    },
    "two monitors of one interval": (
        {"page": monitor.depth(10, interval="10s")(nothing)},
        of_one_interval("depth 0", "depth 10", "10s"),
    ),
    "two monitors of one interval in other words": (
        {
            "page": monitor.depth(10, interval="1min")(nothing),
            "query": monitor.depth(20, interval=60.0001)(nothing),
        },
        of_one_interval("depth 10", "depth 20", "60s"),
    ),
}


@pytest.mark.parametrize(("members", "sentence"), CASES.values(), ids=CASES.keys())
def test_a_mistake_gets_one_sentence(members: dict[str, Any], sentence: str) -> None:
    assert refused(**members) == [sentence]


def test_a_parameter_in_the_place_of_an_action_is_one_mistake() -> None:
    members = {"start": text("S."), "stop": nothing, "monitor": nothing}
    assert refused(Agent, **members) == [taken("start")]


def test_a_check_called_monitor_is_none() -> None:
    assert refused(monitor=monitor.depth(10)(nothing)) == [
        "check monitor: agents have an action or attribute of this name"
    ]


@pytest.mark.parametrize("name", ["command", "settle", "escalate"])
def test_a_daemon_has_more_names_that_are_taken(name: str) -> None:
    assert refused(Daemon, **{name: text("S.")})[0].startswith(f"parameter {name}: agents have")
    assert refused(Daemon, **{name: monitor.depth(10)(nothing)})[0].startswith(f"check {name}:")


def test_no_attribute_of_an_agent_can_be_a_parameter() -> None:
    agent_class = type("Some", (Plain,), {"__doc__": "Doc."})
    environment = Environment({})
    agent = agent_class("some", environment, Log(environment, "some"), Deadline.after(9))
    assert {*vars(agent), "declaration"} == _INSTANCE


def test_nor_can_one_of_a_class() -> None:
    members = {"start": nothing, "stop": nothing, "monitor": nothing}
    assert refused(Agent, **members, declaration=text("S.")) == [taken("declaration")]


# --- what is no mistake -------------------------------------------------------------------------

FINE: dict[str, dict[str, Any]] = {
    "text from everywhere": {
        "doc": "日本語 <&\"'>\t]]>",
        "port": param.string("😀\n<b>", default="\t\n\r é"),
    },
    "an empty default": {"port": param.string("S.", default="")},
    "an argument that has a default": {"start": one_at_will},
    "any arguments": {"start": anything, "notify": anything},
    "a named argument that has a default": {"start": one_named_at_will},
    "a method without self": {"start": staticmethod(alone)},
    "a notice": {"notify": heard},
    "a marked notice": {"notify": action(timeout="5s")(heard)},
    "numbers for times": {"start": action(timeout=Decimal("1.5"))(nothing)},
    "the shortest time": {"start": action(timeout=0.001)(nothing)},
    "two depths": {
        "page": monitor.depth(10)(nothing),
        "query": monitor.depth(20, interval="60s")(nothing),
    },
    "two checks of one depth": {
        "page": monitor.depth(10)(nothing),
        "query": monitor.depth(10)(nothing),
    },
    "a check for a role": {**promotable, "page": monitor.depth(10, role="Promoted")(nothing)},
    "needs_root of nothing": {"needs_root": ()},
    "needs_root of a set": {"needs_root": {"start", "reload-agent"}},
    "debug": {"debug": param.boolean("D.", default=False)},
    "a replaced parameter": {
        "port": text("S.", deprecated="Old.", replaced_by=("listen",)),
        "new": text("S.", name="listen"),
    },
    "choices in a tuple": {"mode": param.enum("M.", choices=("a", "b"), default="b")},
    "a helper": {"_mine": nothing, "Inner": type("Inner", (), {})},
}


@pytest.mark.parametrize("members", FINE.values(), ids=FINE.keys())
def test_this_is_fine(members: dict[str, Any]) -> None:
    assert refused(**members) == []


# --- all of them at once ------------------------------------------------------------------------


def test_a_class_that_is_wrong_in_five_ways_gets_five_sentences() -> None:
    with pytest.raises(DeclarationError) as error:
        type(
            "Web",
            (Plain,),
            {
                "port": param.port("Port.", default=0),
                "mode": param.enum("Mode.", choices=["a", "a"], default="a"),
                "start": action(timeout="soon")(nothing),
                "page_comes_back": monitor.depth(0)(nothing),
            },
        )

    assert str(error.value).splitlines() == [
        "Web is no agent: it has no docstring, whose first line is the short description",
        "Web is no agent: parameter port: its default 0 is not an integer from 1 to 65535",
        "Web is no agent: parameter mode: its choice 'a' stands there twice",
        "Web is no agent: start: its timeout 'soon' is no duration such as 20s, 500ms, 5min or 1h",
        (
            "Web is no agent: check page_comes_back: a depth is a whole number above 0, as in "
            "@monitor.depth(10), seen 0"
        ),
    ]


def test_a_parameter_that_is_wrong_in_seven_ways_gets_seven_sentences() -> None:
    port = param.string(
        "",
        default="\a",
        required=True,
        name="tcp-port",
        reloadable=True,
        replaced_by="x",
    )
    assert len(refused(port=port)) == 7


def test_an_abstract_class_may_be_wrong_in_any_way() -> None:
    class Base(Agent, abstract=True):
        port = param.port("", default=0)
        recover = action(timeout="soon")(nothing)
        page_comes_back = monitor.depth("deep")(nothing)

    assert list(Base.declaration.parameters) == ["port"]


def test_what_an_abstract_class_left_wrong_is_told_of_the_class_that_derives_from_it() -> None:
    class Base(Plain, abstract=True):
        port = param.port("Port.", default=0)

    assert refused(Base) == ["parameter port: its default 0 is not an integer from 1 to 65535"]


def test_an_abstract_method_is_none_of_our_business() -> None:
    class Base(Plain, abc.ABC, abstract=True):
        @abc.abstractmethod
        def address(self) -> str: ...

    assert refused(Base) == []


JUNK: list[Any] = [
    *(None, True, False, 0, -1, 1.5, float("nan"), float("inf"), 10**400, 1j),
    *("", " ", "a", "\0", "\ud800", b"", b"x"),
    *((), [], {}, set(), [None], ["a", "a"], [[]], {"a": 1}, range(3)),
    *(object(), object, list, len, type, abc, nothing, property()),
    *(alone, one_more, yielding, coroutine, ..., memoryview(b"x"), timedelta(1)),
]

junk = st.sampled_from(JUNK)
FUNCTIONS: list[Callable[..., Any]] = [
    *(param.string, param.secret, param.integer, param.port, param.boolean, param.duration),
    *(param.path, param.executable, param.host, param.enum),
]
OPTIONS = "name unique reloadable deprecated replaced_by default required".split()
OF_KIND = {
    param.string: ["pattern"],
    param.integer: ["minimum", "maximum"],
    param.duration: ["minimum", "maximum"],
    param.path: ["exists"],
}


@settings(max_examples=500, deadline=None)
@given(function=st.sampled_from(FUNCTIONS), data=st.data())
def test_whatever_an_author_writes_of_a_parameter_is_told_in_sentences(
    function: Callable[..., Any], data: st.DataObject
) -> None:
    known = [*OPTIONS, *OF_KIND.get(function, [])]
    options = data.draw(st.dictionaries(st.sampled_from(known), junk, max_size=4))
    if function is param.enum:
        options["choices"] = data.draw(junk | st.just(["a", "b"]))
    assert_sentences(refused(port=function(data.draw(junk | st.just("Desc.")), **options)))


@settings(deadline=None)
@given(
    name=st.sampled_from(["start", "monitor", "notify", "recover", "page"]),
    function=junk.filter(lambda each: each is not None),
    timings=st.dictionaries(st.sampled_from(["timeout", "interval", "promoted_interval"]), junk),
)
def test_whatever_an_author_writes_of_an_action_is_told_in_sentences(
    name: str, function: Any, timings: dict[str, Any]
) -> None:
    assert_sentences(refused(**{name: action(**timings)(function)}))


@settings(deadline=None)
@given(
    level=junk,
    function=junk,
    options=st.dictionaries(
        st.sampled_from("timeout interval retries pause tolerate role".split()), junk
    ),
)
def test_whatever_an_author_writes_of_a_check_is_told_in_sentences(
    level: Any, function: Any, options: dict[str, Any]
) -> None:
    mark: Any = monitor.depth(level, **options)
    check = mark if callable(level) else mark(function)
    assert_sentences(refused(page=check))


@settings(deadline=None)
@given(
    members=st.dictionaries(
        st.sampled_from("version lang start_depth needs_root start notify validate_all".split()),
        junk,
    )
)
def test_whatever_an_author_writes_of_a_class_is_told_in_sentences(members: dict[str, Any]) -> None:
    assert_sentences(refused(**members))


def assert_sentences(sentences: list[str]) -> None:
    """Nothing else than DeclarationError was raised, and what it says can be read."""
    for sentence in sentences:
        assert "\n" not in sentence
        assert len(sentence) < 300


# --- where no site is loaded --------------------------------------------------------------------

COSTLY = '''
import sys
sys.path.insert(0, {root!r})
from ocfkit import Agent, param

class Web(Agent):
    """Doc."""

    word = param.string("Word.", default="ABC", pattern="[a-z]+")
    other = param.string("Word.", default=None, pattern="(")

    def start(self): ...
    def stop(self): ...
    def monitor(self): ...

print("re" in sys.modules)
'''


def test_a_launched_agent_does_not_load_regular_expressions_to_check_a_default() -> None:
    done = subprocess.run(
        [sys.executable, "-ISBc", COSTLY.format(root=str(ROOT))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("False\n", "")
