"""What a class and those above it declare: the last word counts, and no class tells another's."""

from __future__ import annotations

from typing import Any

import pytest

from ocfkit import Agent, Daemon, DeclarationError, action, monitor, param
from ocfkit.deadline import Deadline
from ocfkit.declaration import Declaration, seconds
from ocfkit.environment import Environment
from ocfkit.log import Log
from ocfkit.metadata import metadata


class Base(Agent, abstract=True):
    """What the others derive from."""

    port = param.port("Port.", default=80)
    host = param.host("Host.", default="localhost")

    @action(timeout="1min")
    def start(self) -> None: ...
    @action
    def stop(self) -> None: ...
    @action(interval="15s")
    def monitor(self) -> None: ...
    @action
    def reload(self) -> None: ...

    @monitor.depth(10)
    def page_comes_back(self) -> None: ...


class Web(Base):
    """Serve."""


def derived(*bases: type, **members: object) -> Any:  # noqa: ANN401 - with whatever members
    """A class that says what no type checker would let it say."""
    return type("Derived", bases, {"__doc__": "Derived.", **members})


def nothing(_self: object) -> None: ...


def made(cls: Any, **given: str) -> Any:  # noqa: ANN401
    environment = Environment({f"OCF_RESKEY_{name}": text for name, text in given.items()})
    return cls("web", environment, Log(environment, "web"), Deadline.after(9))


# --- inheritance --------------------------------------------------------------------------------


def test_what_is_declared_above_is_declared() -> None:
    declared = Web.declaration
    assert list(declared.parameters) == ["port", "host"]
    assert list(declared.actions) == ["start", "stop", "monitor", "reload"]
    assert [check.name for check in declared.checks] == ["page_comes_back"]
    assert declared.timeout("start") == 60


def test_parameters_stand_in_the_order_of_their_declaration_the_base_first() -> None:
    class More(Base):
        """More."""

        another = param.string("A.", default=None)
        host = param.host("Another host.", default="::1")

    assert list(More.declaration.parameters) == ["port", "host", "another"]
    assert More.declaration.parameters["host"] is More.host


def test_a_parameter_is_overridden_with_all_that_is_said_of_it() -> None:
    class Secure(Base):
        """Secure."""

        port = param.port("TLS port.", required=True, unique="port")

    port = Secure.declaration.parameters["port"]
    assert (port.desc, port.required, port.unique) == ("TLS port.", True, "port")
    assert Base.declaration.parameters["port"].desc == "Port."


def test_a_parameter_is_removed_by_none() -> None:
    without = derived(Base, port=None)
    assert list(without.declaration.parameters) == ["host"]
    assert made(without).port is None


def test_a_parameter_is_replaced_by_a_value() -> None:
    assert list(derived(Base, port=8080).declaration.parameters) == ["host"]


def test_a_parameter_that_was_removed_can_be_declared_again() -> None:
    again = derived(derived(Base, port=None), port=param.port("Port.", default=81))
    assert list(again.declaration.parameters) == ["host", "port"]
    assert made(again).port == 81


def test_an_action_is_removed_by_none() -> None:
    without = derived(Base, reload=None)
    assert "reload" not in without.declaration.actions
    assert 'action name="reload"' not in metadata(without, "without")


def test_a_check_is_removed_by_none() -> None:
    assert derived(Base, page_comes_back=None).declaration.checks == []


def test_a_check_is_overridden_with_its_depth() -> None:
    class Deeper(Base):
        """Deeper."""

        @monitor.depth(20, interval="2min")
        def page_comes_back(self) -> None: ...

    assert [check.level for check in Deeper.declaration.checks] == [20]
    assert [check.level for check in Web.declaration.checks] == [10]


def test_a_check_that_is_overridden_by_a_plain_method_is_none_any_more() -> None:
    assert derived(Base, page_comes_back=nothing).declaration.checks == []


def test_an_action_is_overridden_with_its_timing() -> None:
    class Slow(Base):
        """Slow."""

        @action(timeout="5min")
        def start(self) -> None: ...

    assert Slow.declaration.timeout("start") == 300


def test_a_plain_method_is_an_action_with_the_usual_timing() -> None:
    plain = derived(Base, start=nothing, promote=nothing, demote=nothing).declaration
    assert (plain.timeout("start"), plain.timeout("promote")) == (20, 20)
    assert plain.promotable


def test_an_overridden_action_can_call_the_one_that_it_overrides() -> None:
    said: list[str] = []

    class First(Base, abstract=True):
        @action
        def start(self) -> None:
            said.append("first")

    class Second(First):
        """Second."""

        @action
        def start(self) -> None:
            super().start()
            said.append("second")

    made(Second).start()
    assert said == ["first", "second"]


class Mixin:
    """Not an agent."""

    socket = param.path("Socket.", default="/run/socket")

    @monitor.depth(20, interval="1min")
    def socket_answers(self) -> None: ...
    @action(timeout="3s")
    def reload_agent(self) -> None: ...


def test_a_mixin_declares_too() -> None:
    class Mixed(Mixin, Base):
        """Mixed."""

    declared = Mixed.declaration
    assert list(declared.parameters) == ["port", "host", "socket"]
    assert declared.timeout("reload-agent") == 3
    assert [check.level for check in declared.checks] == [10, 20]
    assert made(Mixed).socket == "/run/socket"


def test_of_two_mixins_the_first_has_the_last_word() -> None:
    class Other:
        socket = param.path("Socket.", default="/run/other")

    class Mixed(Mixin, Other, Base):
        """Mixed."""

    class Turned(Other, Mixin, Base):
        """Turned."""

    assert Mixed.declaration.parameters["socket"].default == "/run/socket"
    assert Turned.declaration.parameters["socket"].default == "/run/other"


def test_a_concrete_class_can_be_derived_from() -> None:
    class Special(Web):
        """Serve more."""

        page = param.string("Page.", default="/")

    assert list(Special.declaration.parameters) == ["port", "host", "page"]
    assert Special.declaration.short == "Serve more."


def test_a_derived_class_describes_itself() -> None:
    with pytest.raises(DeclarationError, match="it has no docstring"):
        derived(Web, __doc__=None)


# --- leaks --------------------------------------------------------------------------------------


def test_two_agents_of_one_process_know_nothing_of_each_other() -> None:
    class One(Base):
        """One."""

        mine = param.string("Mine.", default="one")

        @monitor.depth(30, interval="3min")
        def mine_holds(self) -> None: ...

    class Other(Base):
        """Other."""

        mine = param.integer("Mine.", default=2)

        def promote(self) -> None: ...
        def demote(self) -> None: ...

    assert list(Web.declaration.parameters) == ["port", "host"]
    assert (One.declaration.promotable, Other.declaration.promotable) == (False, True)
    assert [len(each.declaration.checks) for each in (One, Other, Web)] == [2, 1, 1]
    assert (made(One).mine, made(Other).mine) == ("one", 2)


def test_one_parameter_for_two_classes_is_fine_by_the_same_name() -> None:
    shared = param.port("Port.", default=80)
    one, other = derived(Base, port=shared), derived(Base, port=shared)
    assert (made(one, port="1").port, made(other, port="2").port) == (1, 2)


def test_one_parameter_for_two_classes_by_two_names_leaves_the_first_as_it_is() -> None:
    shared = param.port("Port.", default=80)
    one = derived(Base, mine=shared)
    with pytest.raises(DeclarationError, match="yours: it is one object with parameter mine"):
        derived(Base, yours=shared)
    assert made(one, mine="1").mine == 1


def test_what_is_made_of_a_class_twice_is_the_same_and_not_shared() -> None:
    first, again = Declaration(Web), Declaration(Web)
    assert first.parameters == again.parameters
    assert first.parameters is not again.parameters


# --- words --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("doc", "short", "long"),
    [
        ("Serve.", "Serve.", "Serve."),
        ("  Serve.  ", "Serve.", "Serve."),
        ("Serve.\n\n    Long.\n      Longer.\n    ", "Serve.", "Long.\n  Longer."),
        ("\n    Serve.\n\n    Long.\n    ", "Serve.", "Long."),
        ("Serve.\n\n\tLong.\n\t\tLonger.", "Serve.", "Long.\n        Longer."),
        ("Serve.\n    Over two lines.", "Serve.", "Over two lines."),
        ("Serve.\n\n    One.\n\n    Two.", "Serve.", "One.\n\nTwo."),
        ("日本語。\n\n    長い。", "日本語。", "長い。"),
    ],
)
def test_the_docstring_is_both_descriptions(doc: str, short: str, long: str) -> None:
    declared = derived(Base, __doc__=doc).declaration
    assert (declared.short, declared.long) == (short, long)


@pytest.mark.parametrize(
    ("timing", "wanted"), [("20s", 20.0), ("500ms", 0.5), (3, 3.0), (0.5, 0.5)]
)
def test_a_timing_is_in_seconds(timing: str | float, wanted: float) -> None:
    assert seconds(timing) == wanted


@pytest.mark.parametrize("action_name", ["promote", "validate-all", "meta-data", "nonsense"])
def test_what_is_not_implemented_has_the_usual_timeout(action_name: str) -> None:
    assert Web.declaration.timeout(action_name) == 20


def test_a_daemon_declares_the_actions_of_a_program() -> None:
    assert list(Daemon.declaration.actions) == ["start", "stop", "monitor"]
    assert Daemon.declaration.parameters == {}
