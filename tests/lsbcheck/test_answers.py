"""Whatever a sandbox says, the rest of lsbcheck gets what it relies on, or SandboxLost."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lsbcheck.sandbox import answers
from lsbcheck.sandbox.interface import SandboxLost

RAN = {
    "code": 0,
    "signal": None,
    "timed_out": False,
    "seconds": 0.5,
    "late": 0.0,
    "processor": 0.5,
    "stdout": "",
    "stderr": "",
    "full": False,
}
PROCESS = {
    "pid": 7,
    "start": 1,
    "ppid": 1,
    "state": "S",
    "uid": 0,
    "comm": "x",
    "exe": "/x",
    "argv": ["/x"],
}
EXEC = {
    "at": 0.5,
    "pid": 7,
    "ppid": 1,
    "path": "/x",
    "exe": "/x",
    "argv": ["x"],
    "cmdline": ["x"],
    "environ": ["A=b"],
}
SIGNAL = {"pid": 7, "target": -7, "signal": 15, "swallowed": True}

READERS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "ran": (lambda said: answers.ran(("x",), said), RAN),
    "processes": (answers.processes, [PROCESS]),
    "execs": (answers.execs, [EXEC]),
    "signals": (answers.signals, [SIGNAL]),
    "texts": (answers.texts, ["x"]),
    "content": (answers.content, "eA=="),
    "pid": (answers.pid, 7),
}

ANYTHING = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=5),
    lambda inner: (
        some.lists(inner, max_size=3)
        | some.dictionaries(some.sampled_from([*RAN, *PROCESS, *EXEC, "answer"]), inner, max_size=8)
    ),
    max_leaves=10,
)


@pytest.mark.parametrize("name", READERS)
def test_an_honest_answer_is_read(name: str) -> None:
    reader, honest = READERS[name]
    assert reader(honest)


@pytest.mark.parametrize("name", READERS)
@given(said=ANYTHING)
def test_an_answer_is_read_or_refused(name: str, said: object) -> None:
    with contextlib.suppress(SandboxLost):
        READERS[name][0](said)


RECORDS: dict[str, tuple[Callable[[dict[str, Any]], Any], dict[str, Any]]] = {
    "ran": (lambda said: answers.ran(("x",), said)[0], RAN),
    "process": (lambda said: answers.processes([said])[0], PROCESS),
    "exec": (lambda said: answers.execs([said])[0], EXEC),
    "signal": (lambda said: answers.signals([said])[0], SIGNAL),
}


@pytest.mark.parametrize("name", RECORDS)
@given(key=some.integers(0, 7), value=ANYTHING)
def test_one_wrong_field_is_read_as_its_own_type_or_refused(
    name: str, key: int, value: object
) -> None:
    reader, honest = RECORDS[name]
    field = sorted(honest)[key % len(honest)]
    try:
        made = reader({**honest, field: value})
    except SandboxLost:
        return
    if field != "full":
        allowed = {"list": {"tuple"}, "int": {"int", "NoneType"}, "NoneType": {"int", "NoneType"}}
        kind = type(honest[field]).__name__
        assert type(getattr(made, field)).__name__ in allowed.get(kind, {kind})


@given(line=some.binary(max_size=60))
def test_a_line_of_bytes_is_an_object_or_refused(line: bytes) -> None:
    with contextlib.suppress(SandboxLost):
        assert type(answers.parse(line)) is dict


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"answer": NaN}',
        b'{"answer": -Infinity}',
        b'{"answer": ' + b"9" * 10_000 + b"}",
        b"\xff",
        b"",
        b"null",
    ],
)
def test_a_line_that_is_made_to_hurt_is_refused(line: bytes) -> None:
    with pytest.raises(SandboxLost):
        answers.parse(line)


@given(code=ANYTHING, path=ANYTHING)
def test_an_error_number_is_an_os_error_or_refused(code: object, path: object) -> None:
    with pytest.raises((SandboxLost, OSError)):
        answers.answer({"errno": code, "path": path})


def test_no_answer_at_all_is_refused() -> None:
    with pytest.raises(SandboxLost):
        answers.answer({})


@pytest.mark.parametrize(
    "change",
    [
        {"code": None},
        {"code": 256},
        {"code": -1},
        {"code": True},
        {"signal": 9},
        {"code": None, "signal": 65},
        {"seconds": -1},
        {"seconds": 1e300},
        {"timed_out": 1},
        {"stdout": None},
    ],
)
def test_an_end_that_no_process_can_have_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(SandboxLost):
        answers.ran(("x",), {**RAN, **change})


def test_what_init_sends_survives_the_way() -> None:
    sent = json.dumps({"answer": RAN}).encode()
    assert answers.ran(("x",), answers.answer(answers.parse(sent)))[0].code == 0
