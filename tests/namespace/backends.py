"""Every implementation of the sandbox's interface, ready for one and the same test class.

The backend that isolates nothing ends every process that came after it, so it is given a machine
that is not the tester's: a process namespace with a worker in it, driven from here.
"""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Self, cast

from lsbcheck.sandbox.host import HostBackend, HostSandbox
from lsbcheck.sandbox.interface import Backend, Sandbox, SandboxLost, Watch
from lsbcheck.sandbox.namespace import NamespaceBackend

REPOSITORY = Path(__file__).parents[2]
PROGRAMS = (
    "sh env printf sleep cat id tr rm true setsid head tail yes mkfifo ls readlink python3".split()
)
NOT_NEEDED = shutil.ignore_patterns(
    "test", "idlelib", "lib2to3", "ensurepip", "tkinter", "config-*"
)


@contextmanager
def namespaces(root: str = "/") -> Generator[Backend]:
    with NamespaceBackend(root) as backend:
        yield backend


@contextmanager
def host() -> Generator[Backend]:
    worker = _Worker()
    try:
        yield worker
    finally:
        worker.close()


def small_root(folder: Path) -> str:
    """A root file system with a shell, Python and little else."""
    folder.chmod(0o755)
    for name in ("bin", "sbin", "lib", "lib64"):
        (folder / "usr" / name).mkdir(parents=True)
        (folder / name).symlink_to(f"usr/{name}")
    for name in ("etc", "var/tmp", "proc", "sys", "dev", "run", "tmp", "usr/local/bin"):
        (folder / name).mkdir(parents=True)
    (folder / "tmp").chmod(0o1777)
    (folder / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
    (folder / "etc/only-in-this-root").touch()
    for name in PROGRAMS:
        program = shutil.which(name, path="/usr/bin:/bin")
        assert program is not None, name
        _copy_program(Path(program).resolve(), folder, name)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    library = Path("/usr/lib", version)
    shutil.copytree(library, f"{folder}{library}", ignore=NOT_NEEDED, symlinks=True)
    for extension in (library / "lib-dynload").glob("_ctypes.*"):
        _copy_libraries(extension, folder)
    return str(folder)


def _copy_program(program: Path, folder: Path, name: str) -> None:
    copy = folder / "usr/bin" / program.name
    shutil.copy(program, copy)
    if name != program.name:
        (folder / "usr/bin" / name).symlink_to(program.name)
    _copy_libraries(program, folder)


def _copy_libraries(binary: Path, folder: Path) -> None:
    said = subprocess.run(["ldd", binary], check=True, capture_output=True, text=True).stdout
    for word in said.split():
        if word.startswith("/"):
            copy = Path(f"{folder}{word}")
            copy.parent.mkdir(parents=True, exist_ok=True)
            if not copy.exists():
                shutil.copy(word, copy)


class _Worker:
    """A `HostBackend` in a process namespace; its sandboxes are numbers over there."""

    isolates = False
    left = ""

    def __init__(self) -> None:
        command = f"{sys.executable} -m tests.namespace.backends; exit $?"  # sh reaps orphans
        self._process = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", command],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.notes: list[str] = self.ask(0, "notes")

    def create(self, watch: Iterable[Watch] = (), visible: Iterable[str] = ()) -> Sandbox:
        number = self.ask(0, "create", tuple(watch), tuple(visible))
        return cast("Sandbox", _FarSandbox(self, number))

    def ask(self, number: int, method: str, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        assert self._process.stdin
        assert self._process.stdout
        pickle.dump((number, method, arguments, named), self._process.stdin)
        self._process.stdin.flush()
        fine, said = pickle.load(self._process.stdout)  # noqa: S301 - our own words
        if not fine:
            raise said
        return said

    def close(self) -> None:
        self._process.communicate()


class _FarSandbox:
    def __init__(self, worker: _Worker, number: int) -> None:
        self._worker = worker
        self._number = number

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
            return self._worker.ask(self._number, method, *arguments, **named)

        return call

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.ask(self._number, "destroy")


def _serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    backend = HostBackend()
    sandboxes: list[HostSandbox] = []
    while True:
        try:
            asked: tuple[int, str, Any, Any] = pickle.load(requests)  # noqa: S301
        except EOFError:
            return
        number, method, arguments, named = asked
        answer: tuple[bool, object]
        try:
            if method == "notes":
                answer = True, backend.notes
            elif method == "create":
                sandboxes.append(backend.create(*arguments))
                answer = True, len(sandboxes) - 1
            else:
                answer = True, getattr(sandboxes[number], method)(*arguments, **named)
        except (OSError, SandboxLost) as failure:
            answer = False, failure
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
