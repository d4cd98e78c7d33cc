"""What of a machine is taken for the agent's service, and what for somebody else's."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from lsbcheck.sandbox.namespace import NamespaceBackend
from ocfkit.conformance import agent_file
from ocfkit.conformance.check import Report, check
from ocfkit.conformance.rules import by_id
from ocfkit.conformance.visit import Traveller
from tests.conformance.broken import GOOD, make

PLAIN = """\
#!/bin/sh
[ $# -eq 1 ] || exit 3
case $1 in
meta-data)
	cat <<'XML'
<resource-agent name="plain"><version>1.1</version><actions>
<action name="start" timeout="9s"/><action name="stop" timeout="9s"/>
<action name="monitor" timeout="9s"/><action name="meta-data" timeout="9s"/>
</actions></resource-agent>
XML
	;;
start) (sleep 3; :) </dev/null >/dev/null 2>&1 & : >/run/plain ;;
stop) rm -f /run/plain ;;
monitor) [ -e /run/plain ] || exit 7 ;;
*) exit 3 ;;
esac
"""
"""An agent without a service; for three seconds its start tells others of it."""


@pytest.fixture
def folder() -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix="ocfkit-service-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def checked(agent: Path, rule: str, prepare: str | None = None) -> Report:
    given = {"name": "foo"} if prepare else {}
    with NamespaceBackend() as backend:
        traveller = Traveller(
            agent_file.at(str(agent)), backend, given, {}, most=9.0, prepare=prepare
        )
        return check(traveller, (by_id(rule),), jobs=2)


def test_what_an_agent_does_behind_its_start_is_no_service(folder: Path) -> None:
    agent = folder / "plain"
    agent.write_text(PLAIN)
    agent.chmod(0o755)
    report = checked(agent, "monitor-after-crash")
    assert report.transcript.service is None
    judged = report.judgements["monitor-after-crash"]
    assert judged.verdict == "does-not-apply", judged.sentence


def test_a_word_too_many_is_not_held_against_the_action(folder: Path) -> None:
    agent = folder / "plain"
    agent.write_text(PLAIN)
    agent.chmod(0o755)
    judged = checked(agent, "advertised-actions-are-implemented").judgements
    assert judged["advertised-actions-are-implemented"].verdict == "pass"


def test_a_port_that_was_taken_before_is_not_the_services(folder: Path) -> None:
    agent = make("shell", GOOD["shell"].read_text(), folder / "good")
    serve = f"/usr/bin/python3 -IS {agent.parent}/pinger.py serve 7500 /run/other.pid"
    prepare = (
        f"{serve} </dev/null >/dev/null 2>&1 & until [ -e /run/other.pid ]; do sleep 0.1; done"
    )
    report = checked(agent, "stranger-on-the-port-survives", prepare)
    assert report.transcript.service is not None
    assert report.transcript.service.listeners == ("tcp 127.0.0.1:7007",)
    judged = report.judgements["stranger-on-the-port-survives"]
    assert judged.verdict == "pass", judged.sentence
