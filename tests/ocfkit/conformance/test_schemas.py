"""What xmllint says of meta-data, and what is made of it: with a sandbox that is made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self, cast

import pytest

from lsbcheck.sandbox.interface import Backend, Ran
from ocfkit.conformance.agent_file import AgentFile
from ocfkit.conformance.schemas import SCHEMAS, complaints
from ocfkit.conformance.visit import Traveller

NAMES = tuple(SCHEMAS)
FOLDER = "/.ocfkit-check/schemas"


class Machine:
    """A sandbox with some of the schemas, in which xmllint ends as it is told."""

    def __init__(self, present: Sequence[str], **how: object) -> None:
        self.present = {SCHEMAS[name][1] for name in present}
        self.how = {"code": 0, "signal": None, "timed_out": False, "stderr": ""} | how
        self.files: dict[str, bytes] = {}
        self.ran: list[tuple[str, ...]] = []

    def create(self) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read_file(self, path: str, _limit: int) -> bytes:
        if path not in self.present:
            raise FileNotFoundError(path)
        return path.encode()

    def put_file(self, path: str, content: bytes) -> None:
        self.files[path] = content

    def run(self, argv: Sequence[str], *, env: Mapping[str, str], deadline: float) -> Ran:
        assert env["PATH"]
        assert deadline < 60
        self.ran.append(tuple(argv))
        return Ran(tuple(argv), seconds=0.1, stdout="", **self.how)  # type: ignore[arg-type]


def said(machine: Machine) -> dict[str, str]:
    agent = AgentFile("x", "test", "/x")
    return complaints(Traveller(agent, cast("Backend", machine)), "<resource-agent/>")


def test_where_no_schema_is_there_is_nothing_to_say() -> None:
    machine = Machine([])
    assert said(machine) == {}
    assert machine.ran == []


def test_every_schema_that_is_there_is_asked_about_a_copy_beside_the_meta_data() -> None:
    machine = Machine(NAMES)
    assert said(machine) == dict.fromkeys(NAMES, "")
    assert machine.files[f"{FOLDER}/meta-data.xml"] == b"<resource-agent/>"
    for ran, (_how, path) in zip(machine.ran, SCHEMAS.values(), strict=True):
        copy = f"{FOLDER}/{path.rpartition('/')[2]}"
        assert machine.files[copy] == path.encode()
        assert "--nonet" in ran
        assert copy in ran or "--valid" in ran


def test_the_first_complaint_is_told_without_the_file() -> None:
    lines = f"noise\n{FOLDER}/meta-data.xml:3: no\n{FOLDER}/meta-data.xml:4: never\n"
    assert said(Machine(NAMES[:1], code=3, stderr=lines)) == {NAMES[0]: "3: no"}


def test_a_refusal_without_a_word_is_one() -> None:
    assert said(Machine(NAMES[:1], code=3)) == {NAMES[0]: "refused without a reason"}


@pytest.mark.parametrize("code", [126, 127])
def test_without_xmllint_nothing_is_said(code: int) -> None:
    assert said(Machine(NAMES, code=code)) == {}


def test_a_schema_that_is_too_much_for_xmllint_says_nothing() -> None:
    assert said(Machine(NAMES, code=None, timed_out=True)) == {}
    assert said(Machine(NAMES, code=None, signal=9)) == {}
