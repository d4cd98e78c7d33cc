"""What is carried into an image so that our own PID 1 runs there: our code, and an interpreter.

Hardly an image has Python, and fewer have one new enough. So this machine's own interpreter goes
along, with its loader, its libraries and the few modules that PID 1 loads (some 12 MB); it leans
on nothing of the image. Where the engine's machine is of another kind, the image's python3 has to
do.
"""

from __future__ import annotations

import io
import json
import marshal
import os
import struct
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path

OWN = "/.lsbcheck/own"
"""Where it lies in the image; nothing of it is seen as a process but PID 1 itself."""

_CODE = f"{OWN}/code"
_PROGRAM = f"{OWN}/bin/python3"
_LIBRARIES = f"{OWN}/lib"
_LOADER = f"{_LIBRARIES}/loader"
_TOP = Path(__file__).resolve().parents[3]
_START = (
    f"import sys; sys.path[:] = [*sys.path, {_CODE!r}]; "
    "from lsbcheck.sandbox.container.guest import main; main()"
)
_WHAT_IT_LOADS = f"""
import sys
sys.path.append({str(_TOP)!r})
import codecs, json
import lsbcheck.script, lsbcheck.sandbox.container.guest
for name in ("ascii", "latin-1", "utf-8", "idna"):
    codecs.lookup(name)
files = [getattr(each, "__file__", None) for each in list(sys.modules.values())]
print(json.dumps(sorted(file for file in files if file)))
"""
_PATIENCE = 30.0
_PT_INTERP = 3
_UNCHECKED_HASH = 1  # PEP 552: the source is not looked for

Archive = bytes


class NoInterpreterError(Exception):
    """This machine's interpreter cannot be carried; the text says why."""


def command(*, carried: bool) -> list[str]:
    """PID 1's command line: a script that searches all of them finds nothing of its own in it."""
    if carried:
        loader = [_LOADER, "--library-path", _LIBRARIES, _PROGRAM]
        return [*loader, "-ISB", "-c", _START]
    return ["python3", "-ISB", "-c", _START]


def pack(*, carried: bool) -> Archive:
    """A tar of all of it, to be unpacked at `/`; raises NoInterpreterError."""
    loaded = _loaded()
    ours = [path for path in loaded if path.startswith(f"{_TOP}/")]
    files = {f"{_CODE}/{os.path.relpath(path, _TOP)}": path for path in ours}
    if not carried:
        return tar({name: (_content(path), 0o644) for name, path in files.items()})
    files |= _interpreter([path for path in loaded if path not in ours])
    return tar(dict(_compiled(name, path) for name, path in files.items()))


def tar(files: Mapping[str, tuple[bytes, int]]) -> Archive:
    """Files (path → content, mode), owned by root, as an archive with folders for all of them.

    It ends with its end: podman's reader goes away there, and what comes after it, as the zeros up
    to a whole record do, may meet a broken pipe (buildah issue 6573).
    """
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for path, (content, mode) in files.items():
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode = len(content), mode
            archive.addfile(member, io.BytesIO(content))
        end = made.tell() + 2 * tarfile.BLOCKSIZE
    return made.getvalue()[:end]


def _compiled(name: str, path: str) -> tuple[str, tuple[bytes, int]]:
    """A module as byte code without its source: compiling a hundred takes a second each time."""
    if not name.endswith(".py"):
        return name, (_content(path), 0o755)
    source = _content(path)
    code = compile(source, name, "exec", dont_inherit=True)
    head = MAGIC_NUMBER + struct.pack("<I", _UNCHECKED_HASH) + source_hash(source)
    return f"{name}c", (head + marshal.dumps(code), 0o644)


def _loaded() -> list[str]:
    """The files that PID 1 loads, found by loading them."""
    done = subprocess.run(
        [_python(), "-ISB", "-c", _WHAT_IT_LOADS],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_PATIENCE,
        check=False,
    )
    if done.returncode:
        message = f"{_python()} did not load our own code: {done.stderr.decode(errors='replace')}"
        raise NoInterpreterError(message)
    files: list[str] = json.loads(done.stdout)
    return files


def _python() -> str:
    """The interpreter itself, and not a virtual environment's link to it."""
    base: str = getattr(sys, "_base_executable", "") or sys.executable
    return os.path.realpath(base)


def _interpreter(modules: Iterable[str]) -> dict[str, str]:
    program = _python()
    loader = _loader_of(program)
    standard = os.path.dirname(os.__file__)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    found = {_PROGRAM: program, _LOADER: loader}
    native = [program]
    for path in modules:
        if not path.startswith(f"{standard}/"):
            message = f"{path} is no part of the standard library"
            raise NoInterpreterError(message)
        found[f"{_LIBRARIES}/{version}/{os.path.relpath(path, standard)}"] = path
        if path.endswith(".so"):
            native.append(path)
    for each in native:
        found |= {f"{_LIBRARIES}/{os.path.basename(one)}": one for one in _libraries(loader, each)}
    return found


def _loader_of(program: str) -> str:
    """The dynamic loader that an ELF file names (elf(5): the segment PT_INTERP)."""
    with open(program, "rb") as file:
        head = file.read(64)
        if head[:5] != b"\x7fELF\x02":
            raise NoInterpreterError(f"{program} is no 64-bit ELF program")
        (offset,) = struct.unpack_from("=Q", head, 32)
        size, count = struct.unpack_from("=HH", head, 54)
        for number in range(count):
            file.seek(offset + number * size)
            kind, _flags, where, _, _, length = struct.unpack("=IIQQQQ", file.read(40))
            if kind == _PT_INTERP:
                file.seek(where)
                return os.fsdecode(file.read(length).rstrip(b"\0"))
    raise NoInterpreterError(f"{program} names no loader, so it cannot be run in another root")


def _libraries(loader: str, file: str) -> list[str]:
    """The shared libraries of a program or module, as its loader finds them."""
    done = subprocess.run(
        [loader, "--list", file],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_PATIENCE,
        check=False,
    )
    words = os.fsdecode(done.stdout).split()
    found = [word for before, word in zip(["", *words], words, strict=False) if before == "=>"]
    if done.returncode:
        raise NoInterpreterError(f"{loader} --list {file} ended with {done.returncode}")
    return [path for path in found if path.startswith("/") and path != loader]


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
