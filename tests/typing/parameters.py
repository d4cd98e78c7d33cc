"""What type checkers make of a parameter. Read by mypy and pyright, never run.

A wrong use carries a `type: ignore`; both checkers complain of one that is not needed.
"""

from __future__ import annotations

from typing import assert_type

from ocfkit import Agent, param
from ocfkit.params import Param


class Server(Agent):
    """Every kind of parameter, with a default, without, and required."""

    text = param.string("T.", default="abc", pattern="[a-z]+")
    text_or_none = param.string("T.", default=None)
    must_text = param.string("T.", required=True)

    token_or_none = param.secret("T.", default=None)
    must_token = param.secret("T.", required=True)

    count = param.integer("C.", default=3, minimum=1, maximum=9)
    count_or_none = param.integer("C.", default=None, minimum=1)
    must_count = param.integer("C.", required=True)

    port = param.port("P.", default=80)
    port_or_none = param.port("P.", default=None)
    must_port = param.port("P.", required=True)

    tls = param.boolean("T.", default=False)
    tls_or_none = param.boolean("T.", default=None)
    must_tls = param.boolean("T.", required=True)

    wait = param.duration("W.", default="20s", minimum=0.5, maximum=60)
    wait_in_seconds = param.duration("W.", default=20)
    wait_or_none = param.duration("W.", default=None)
    must_wait = param.duration("W.", required=True)

    folder = param.path("F.", default="/srv", exists="folder")
    folder_or_none = param.path("F.", default=None)
    must_folder = param.path("F.", required=True, exists="any")

    program = param.executable("P.", default="sh")
    program_or_none = param.executable("P.", default=None)
    must_program = param.executable("P.", required=True)

    host = param.host("H.", default="localhost")
    host_or_none = param.host("H.", default=None)
    must_host = param.host("H.", required=True)

    mode = param.enum("M.", choices=["fast", "safe"], default="safe")
    mode_or_none = param.enum("M.", choices=("fast", "safe"), default=None)
    must_mode = param.enum("M.", choices=["fast", "safe"], required=True)

    full = param.port(
        "All that can be said.",
        default=80,
        name="tcp_port",
        unique="address",
        reloadable=True,
        deprecated="Old.",
        replaced_by=["port"],
    )
    replaced = param.string("S.", default=None, deprecated="Old.", replaced_by="text")


def of_an_agent(server: Server) -> None:
    assert_type(server.text, str)
    assert_type(server.text_or_none, str | None)
    assert_type(server.must_text, str)
    assert_type(server.token_or_none, str | None)
    assert_type(server.must_token, str)
    assert_type(server.count, int)
    assert_type(server.count_or_none, int | None)
    assert_type(server.must_count, int)
    assert_type(server.port, int)
    assert_type(server.port_or_none, int | None)
    assert_type(server.must_port, int)
    assert_type(server.tls, bool)
    assert_type(server.tls_or_none, bool | None)
    assert_type(server.must_tls, bool)
    assert_type(server.wait, float)
    assert_type(server.wait_in_seconds, float)
    assert_type(server.wait_or_none, float | None)
    assert_type(server.must_wait, float)
    assert_type(server.folder, str)
    assert_type(server.folder_or_none, str | None)
    assert_type(server.must_folder, str)
    assert_type(server.program, str)
    assert_type(server.program_or_none, str | None)
    assert_type(server.must_program, str)
    assert_type(server.host, str)
    assert_type(server.host_or_none, str | None)
    assert_type(server.must_host, str)
    assert_type(server.mode, str)
    assert_type(server.mode_or_none, str | None)
    assert_type(server.must_mode, str)
    assert_type(server.full, int)
    assert_type(server.replaced, str | None)


def of_the_class() -> None:
    assert_type(Server.text, Param[str])
    assert_type(Server.text_or_none, Param[str | None])
    assert_type(Server.must_token, Param[str])
    assert_type(Server.port, Param[int])
    assert_type(Server.port_or_none, Param[int | None])
    assert_type(Server.tls, Param[bool])
    assert_type(Server.wait, Param[float])
    assert_type(Server.wait_or_none, Param[float | None])
    assert_type(Server.mode, Param[str])
    assert_type(Server.port.name, str)


class Derived(Server):
    """A parameter keeps its type where it is overridden."""

    port = param.port("Another.", required=True)


def of_a_derived_class(server: Derived) -> None:
    assert_type(server.port, int)
    assert_type(server.text, str)


def wrong(server: Server) -> None:
    """Each line is refused by both checkers."""
    param.string("No default.")  # type: ignore[call-overload]
    param.string()  # type: ignore[call-overload]
    param.string("Both.", default="x", required=True)  # type: ignore[call-overload]
    param.string("Perhaps.", required=False)  # type: ignore[call-overload]
    param.string("An unknown option.", default=None, uniq="x")  # type: ignore[call-overload]
    param.string("unique as in 1.0.", default=None, unique=True)  # type: ignore[call-overload]
    param.string("Not a reason.", default=None, deprecated=True)  # type: ignore[call-overload]
    param.string("Not a pattern.", default=None, pattern=5)  # type: ignore[call-overload]
    param.secret("A secret default.", default="hunter2")  # type: ignore[call-overload]
    param.integer("A text.", default="3")  # type: ignore[call-overload]
    param.integer("A bound that is a text.", default=3, minimum="1")  # type: ignore[call-overload]
    param.port("Ports have bounds.", default=80, minimum=1)  # type: ignore[call-overload]
    param.boolean("A word.", default="yes")  # type: ignore[call-overload]
    param.duration("A list.", default=[20])  # type: ignore[call-overload]
    param.path("An unknown thing.", default=None, exists="dir")  # type: ignore[call-overload]
    param.enum("No choices.", default="a")  # type: ignore[call-overload]
    param.enum("Numbers.", choices=[1, 2], default=None)  # type: ignore[list-item]
    _: str = server.port  # type: ignore[assignment]
    _ = server.text_or_none.upper()  # type: ignore[union-attr]
    server.port = "80"  # type: ignore[assignment]
