"""What a sandbox says, taken apart with suspicion.

Whoever is root inside can take over PID 1 and speak in its place. What it says may be a lie, which
nothing can help; it may not be a thing of another shape than the rest of the program relies on.
Everything here raises SandboxLost for that, and nothing else.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
from typing import TYPE_CHECKING, Any, Never

from lsbcheck.sandbox.interface import Exec, Ran, SandboxLost, SignalSent
from lsbcheck.script import Script
from lsbcheck.transcript import Process

if TYPE_CHECKING:
    from collections.abc import Generator

_MOST = 1 << 53  # a whole number that a float, and any reader of the report, can hold
_LONGEST = 1e9

Json = Any  # what json.loads returns: checked here, once


def parse(line: bytes) -> dict[str, Json]:
    """One line, which is an object."""
    with _suspicion():
        said: Json = json.loads(line, parse_constant=_refuse)
        shape: object = said
        if type(shape) is not dict:
            raise TypeError
        found: dict[str, Json] = said
        return found


def answer(said: dict[str, Json]) -> Json:
    """The answer in it; raises the OSError that it tells of."""
    if "errno" in said:
        with _suspicion():
            code, path = _whole(said["errno"], 1, 4095), _text(said["path"])
        raise OSError(code, os.strerror(code), path)
    with _suspicion():
        return said["answer"]


def ran(argv: tuple[str, ...], said: Json) -> tuple[Ran, bool]:
    """How a command ended, and whether the sandbox's disk was full then."""
    with _suspicion():
        code, signal, timed_out = said["code"], said["signal"], said["timed_out"]
        if type(timed_out) is not bool or not (timed_out or (code is None) != (signal is None)):
            raise ValueError
        made = Ran(
            argv=argv,
            code=None if code is None else _whole(code, 0, 255),
            signal=None if signal is None else _whole(signal, 1, 64),
            timed_out=timed_out,
            seconds=_seconds(said["seconds"]),
            processor=_seconds(said["processor"]),
            late=_seconds(said["late"]),
            stdout=_text(said["stdout"]),
            stderr=_text(said["stderr"]),
        )
        return made, said["full"] is True


def processes(said: Json) -> list[Process]:
    """All processes of a sandbox."""
    with _suspicion():
        return [
            Process(
                pid=_whole(each["pid"], 1),
                start=_whole(each["start"]),
                ppid=_whole(each["ppid"]),
                state=_text(each["state"]),
                uid=_whole(each["uid"], -1),
                comm=_text(each["comm"]),
                exe=_text(each["exe"]),
                argv=_texts(each["argv"]),
            )
            for each in _list(said)
        ]


def execs(said: Json) -> list[Exec]:
    """Program starts."""
    with _suspicion():
        return [
            Exec(
                at=_seconds(each["at"]),
                pid=_whole(each["pid"]),
                ppid=_whole(each["ppid"]),
                path=_text(each["path"]),
                exe=_text(each["exe"]),
                argv=_texts(each["argv"]),
                cmdline=_texts(each["cmdline"]),
                environ=_texts(each["environ"]),
            )
            for each in _list(said)
        ]


def signals(said: Json) -> list[SignalSent]:
    """Signals that a fault acted on."""
    with _suspicion():
        return [
            SignalSent(
                pid=_whole(each["pid"]),
                target=_whole(each["target"], -_MOST),
                signal=_whole(each["signal"]),
                swallowed=each["swallowed"] is True,
            )
            for each in _list(said)
        ]


def texts(said: Json) -> list[str]:
    """Lines of text."""
    with _suspicion():
        return list(_texts(said))


def content(said: Json) -> bytes:
    """A file's beginning."""
    with _suspicion():
        return base64.b64decode(_text(said), validate=True)


def pid(said: Json) -> int:
    """The number of a process."""
    with _suspicion():
        return _whole(said, 1)


def script(said: Json) -> Script | str:
    """An init script, or the sentence why there is none."""
    with _suspicion():
        if "none" in said:
            return _text(said["none"])
        fields = said["script"]
        header = fields["header"]
        return Script(
            name=_text(fields["name"]),
            path=_text(fields["path"]),
            source=_text(fields["source"]),
            text=_text(fields["text"]),
            interpreter=_text(fields["interpreter"]),
            header=None if header is None else {_text(key): _text(header[key]) for key in header},
            header_faults=_texts(fields["header_faults"]),
            named_programs=_texts(fields["named_programs"]),
            named_pid_files=_texts(fields["named_pid_files"]),
        )


def counts(said: Json) -> dict[str, int]:
    """Whole numbers by name."""
    with _suspicion():
        return {_text(name): _whole(said[name]) for name in said}


@contextlib.contextmanager
def _suspicion() -> Generator[None, None, None]:
    try:
        yield
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
        raise SandboxLost("the sandbox gave an answer that makes no sense") from None


def _refuse(name: str) -> Never:
    raise ValueError(name)  # NaN and Infinity are not JSON


def _whole(value: Json, least: int = 0, most: int = _MOST) -> int:
    if type(value) is int and least <= value <= most:
        return value
    raise ValueError


def _seconds(value: Json) -> float:
    if type(value) in (int, float) and 0 <= value < _LONGEST:
        return float(value)
    raise ValueError


def _text(value: Json) -> str:
    if type(value) is str:
        return value
    raise TypeError


def _list(value: Json) -> list[Json]:
    shape: object = value
    if type(shape) is not list:
        raise TypeError
    found: list[Json] = value
    return found


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(_text(each) for each in _list(value))
