"""Actions and checks as an author marks them, and as an agent has them."""

from __future__ import annotations

import pytest

from ocfkit import RUNNING, Agent, Notice, State, action, monitor
from ocfkit.actions import ALWAYS, DEEP_INTERVAL, INTERVAL, METHODS, TIMEOUT, Action, Check, Monitor
from ocfkit.deadline import Deadline
from ocfkit.environment import Environment
from ocfkit.log import Log
from tests.ocfkit import actions_page


class Web(Agent):
    """Serve."""

    @action
    def start(self) -> str:
        return f"started {self.instance}"

    def stop(self) -> None: ...

    @action(timeout="7s", interval="8s")
    def monitor(self) -> State:
        return RUNNING

    @action(timeout=3)
    def notify(self, notice: Notice) -> str:
        return notice.action

    @monitor.depth(10, timeout="1s", interval="2s", retries=3, pause="4s", tolerate=5)
    def page_comes_back(self) -> bool:
        return self.instance == "web"


@pytest.fixture
def web() -> Web:
    environment = Environment({"OCF_RESOURCE_INSTANCE": "web"})
    return Web("web", environment, Log(environment, "web"), Deadline.after(9))


# --- of an agent --------------------------------------------------------------------------------


def test_an_action_is_called_like_the_method_that_it_is(web: Web) -> None:
    assert web.start() == "started web"
    assert web.monitor() == RUNNING
    assert web.notify(Notice({"notify_operation": "promote"})) == "promote"


def test_a_check_is_called_like_the_method_that_it_is(web: Web) -> None:
    assert web.page_comes_back() is True


# --- of a class ---------------------------------------------------------------------------------


def test_from_the_class_an_action_is_the_declaration() -> None:
    assert isinstance(Web.start, Action)
    assert (Web.start.timeout, Web.start.interval) == (TIMEOUT, INTERVAL)
    assert (Web.monitor.timeout, Web.monitor.interval) == ("7s", "8s")
    assert Web.monitor.promoted_interval is None
    assert Web.notify.timeout == 3


def test_from_the_class_a_check_is_the_declaration() -> None:
    check = Web.page_comes_back
    assert isinstance(check, Check)
    assert (check.name, check.fact, check.level) == ("page_comes_back", "page comes back", 10)
    assert (check.timeout, check.interval, check.pause) == ("1s", "2s", "4s")
    assert (check.retries, check.tolerate, check.role) == (3, 5, None)


def test_a_check_says_only_what_is_unusual() -> None:
    class Plain(Web):
        """Plain."""

        @monitor.depth(20)
        def query_is_answered(self) -> None: ...

    check = Plain.query_is_answered
    assert (check.timeout, check.interval, check.pause) == (TIMEOUT, DEEP_INTERVAL, 1)
    assert (check.retries, check.tolerate, check.role) == (0, 0, None)


def test_a_check_is_declared_by_the_monitor_or_by_what_is_imported() -> None:
    assert isinstance(monitor, Monitor)
    by_import, by_method = (
        each.depth(20, retries=1, role="Promoted")(lambda _self: None)
        for each in (monitor, Web.monitor)
    )
    assert {**vars(by_import), "function": 0} == {**vars(by_method), "function": 0}


def test_a_check_made_of_a_function_has_the_name_that_it_gets() -> None:
    class Short(Web):
        """Short."""

        port_is_open = monitor.depth(20)(lambda _self: True)

    assert Short.port_is_open.fact == "port is open"


def test_checks_are_made_from_the_shallow_to_the_deep_in_the_order_of_one_depth() -> None:
    class Many(Web):
        """Many."""

        @monitor.depth(30, interval="1min")
        def thirty(self) -> None: ...
        @monitor.depth(20, interval="2min")
        def twenty(self) -> None: ...
        @monitor.depth(20, interval="2min")
        def another(self) -> None: ...

    names = [check.name for check in Many.declaration.checks]
    assert names == ["page_comes_back", "twenty", "another", "thirty"]


def test_actions_stand_in_the_order_of_ocf() -> None:
    assert list(Web.declaration.actions) == ["start", "stop", "monitor", "notify"]
    assert list(METHODS)[: len(ALWAYS)] == list(ALWAYS)


# --- the page -----------------------------------------------------------------------------------


def test_the_reference_is_as_new_as_the_code() -> None:
    assert actions_page.PAGE.read_text("utf-8") == actions_page.page()


def test_the_reference_knows_every_action() -> None:
    assert set(actions_page.DOES) == {*METHODS, "validate-all", "meta-data"}
