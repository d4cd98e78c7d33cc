"""What every sandbox that isolates must do, asked of containers: the same tests as everywhere."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest

from lsbcheck.sandbox.container import baggage, guest
from lsbcheck.sandbox.container.backend import ContainerBackend, ContainerSandbox
from lsbcheck.sandbox.container.wish import Wish
from lsbcheck.sandbox.interface import Backend, Sandbox, SandboxLost
from tests.containers import images, own_engine
from tests.containers.engines import Engine
from tests.namespace import test_sandbox as everywhere

anywhere = everywhere.anywhere
sandbox = everywhere.sandbox
watched = everywhere.watched
guarded = everywhere.guarded

NOHUP = f"""if True:
    import ctypes, os, signal, sys
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    call = {guest.RT_SIGACTION}[os.uname().machine]
    hidden = ctypes.CDLL(None).syscall(call, 32, (1).to_bytes(32, sys.byteorder), None, 8)
    assert hidden == 0  # ignored, as by what posix_spawn has started
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    os.execv(sys.argv[1], sys.argv[1:])
    """


CHANGE = """
import os
def write(path): open(path, "a").write("x")
def replace(path): write("/var/tmp/new"); os.rename("/var/tmp/new", path)
def own(path): os.chown(path, 1, 1)
def date_back(path): os.utime(path, (1, 1))
def link(path): os.link(path, path + ".link")
def move(path): os.rename(path, path + ".moved")
def add(path): os.makedirs(path + ".d/deep"); write(path + ".d/deep/new")
def mark(path): os.chmod(path, 0o600)
def cut(path): os.truncate(path, 1)
def look(path): open(path).read()
done = {
    "curses": write, "dbm": replace, "distutils": own, "html": date_back, "http": link,
    "multiprocessing": move, "pydoc_data": add, "sqlite3": mark, "unittest": cut, "wsgiref": look,
}
for folder, do in done.items():
    do(f"{os.path.dirname(os.__file__)}/{folder}/__init__.py")
write(f"{os.path.dirname(os.__file__)}/curses/ascii.py")
"""
CHANGED = [
    f"{os.path.dirname(os.__file__)}/{path}"
    for path in (
        *("curses/__init__.py", "curses/ascii.py", "dbm/__init__.py", "distutils/__init__.py"),
        *("html/__init__.py", "http/__init__.py", "http/__init__.py.link"),
        *("multiprocessing/__init__.py.moved", "pydoc_data/__init__.py.d/deep/new"),
        *("sqlite3/__init__.py", "unittest/__init__.py"),
    )
]


@pytest.fixture(scope="module")
def isolating(engine: Engine, small_image: str) -> Generator[Backend]:
    with engine.backend(small_image) as backend:
        yield backend


@pytest.fixture(scope="module")
def any_backend(isolating: Backend) -> Backend:
    return isolating


class TestRun(everywhere.TestRun):
    @pytest.mark.parametrize("engine", ["docker"], indirect=True)
    def test_hands_on_nothing_that_the_engine_was_started_with(
        self, engine: Engine, small_image: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One that was started by nohup ignores SIGHUP, and so does PID 1 of its containers."""
        usual = baggage.command

        def under_nohup(*, carried: bool) -> list[str]:
            return ["/usr/bin/python3", "-IS", "-c", NOHUP, *usual(carried=carried)]

        monkeypatch.setattr(baggage, "command", under_nohup)
        with engine.backend(small_image) as backend, backend.create() as made:
            self.test_leaves_no_descriptor_open_and_no_signal_ignored_or_blocked(made)
            policy = everywhere.python(made, "import os; print(os.sched_getscheduler(0))")
            assert policy == str(os.SCHED_OTHER)


class TestDeadline(everywhere.TestDeadline): ...


class TestOutput(everywhere.TestOutput): ...


class TestProcesses(everywhere.TestProcesses): ...


class TestSettle(everywhere.TestSettle): ...


class TestDestroy(everywhere.TestDestroy): ...


class TestReadFile(everywhere.TestReadFile): ...


class TestListeners(everywhere.TestListeners): ...


class TestExecWatch(everywhere.TestExecWatch): ...


class TestSignalsOf(everywhere.TestSignalsOf): ...


class TestSignals(everywhere.TestSignals): ...


class TestFiles(everywhere.TestFiles): ...


class TestChangedFiles(everywhere.TestChangedFiles): ...


class TestSpawn(everywhere.TestSpawn): ...


class TestEnd:
    @pytest.mark.parametrize("verb", ["processes", "execs", "changed_files"])
    def test_every_question_afterwards_says_that_it_is_lost(
        self, isolating: Backend, verb: str
    ) -> None:
        made = isolating.create()
        made.destroy()
        with pytest.raises(SandboxLost):
            getattr(made, verb)()

    def test_a_container_that_dies_under_way_is_lost(
        self, engine: Engine, isolating: Backend
    ) -> None:
        with isolating.create() as made:
            (container,) = engine.containers(os.getpid())
            threading.Timer(0.3, engine.client.kill, [container]).start()
            with pytest.raises(SandboxLost, match="the container has died"):
                made.run(["sleep", "60"], env={"PATH": "/bin"}, deadline=60)

    def test_a_container_whose_memory_is_full_proves_nothing(
        self, engine: Engine, small_image: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("lsbcheck.sandbox.container.backend._SHARE", 300)
        eater = (
            "import os; os.close(0); x = [bytes(1 << 20).replace(b'\\0', b'x') for _ in range(999)]"
        )
        with (
            engine.backend(small_image) as backend,
            pytest.raises(SandboxLost, match=r"to free memory|out of memory|has died"),
            backend.create() as made,
        ):
            made.run(["/usr/bin/python3", "-IS", "-c", eater], env={}, deadline=60)

    def test_a_container_full_of_processes_proves_nothing(
        self, engine: Engine, small_image: str
    ) -> None:
        bomb = "i=0; while [ $i -lt 900 ]; do sleep 60 & i=$((i+1)); done"
        with (
            engine.backend(small_image) as backend,
            pytest.raises(SandboxLost, match="limit of processes"),
            backend.create() as made,
        ):
            made.run(["sh", "-c", bomb], env={"PATH": "/bin"}, deadline=60)


def change_files_of_the_image(made: Sandbox) -> None:
    """Each in a folder of its own, below one that nobody has touched."""
    assert everywhere.python(made, CHANGE) == ""


class TestRootOfAnImage:
    """What a script may do to its root in a namespace sandbox, it may do in a container."""

    @pytest.mark.parametrize("path", ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"])
    def test_a_file_that_engines_mount_can_be_replaced(self, isolating: Backend, path: str) -> None:
        program = f"import os; open('/etc/new', 'w').write('x'); os.rename('/etc/new', {path!r})"
        with isolating.create() as made:
            ran = made.run(["/usr/bin/python3", "-IS", "-c", program], env={}, deadline=60)
            assert (ran.code, ran.stderr) == (0, "")
            assert made.read_file(path) == b"x"
            assert made.changed_files() == [path]

    def test_whatever_is_done_to_a_file_deep_in_the_image_is_seen(self, isolating: Backend) -> None:
        with isolating.create() as made:
            change_files_of_the_image(made)
            assert made.changed_files() == CHANGED

    def test_so_it_is_where_images_are_no_overlays(
        self, small_root: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        start = ContainerSandbox.start

        def start_later(made: ContainerSandbox) -> None:
            """When the folders of its copy are so old that an overlay's would be the image's."""
            time.sleep(1.5)
            start(made)

        monkeypatch.setattr(ContainerSandbox, "start", start_later)
        with own_engine.engine("vfs") as engine:
            engine.start()
            with engine.client() as client:
                image = images.of_folder(client, Path(small_root), "small:1")
            wish, environ = Wish(engine="docker", image=image), {"DOCKER_HOST": engine.where}
            with ContainerBackend(wish, environ) as backend, backend.create() as made:
                change_files_of_the_image(made)
                assert made.changed_files() == CHANGED

    def test_names_of_the_loopback_are_known_where_the_image_has_none(
        self, isolating: Backend
    ) -> None:
        with isolating.create() as made:
            assert b"127.0.0.1\tlocalhost" in made.read_file("/etc/hosts")

    def test_shared_memory_is_as_large_as_a_database_wants_it(self, isolating: Backend) -> None:
        program = "open('/dev/shm/pool', 'wb').write(bytes(100 << 20))"
        with isolating.create() as made:
            ran = made.run(["/usr/bin/python3", "-IS", "-c", program], env={}, deadline=60)
            assert (ran.code, ran.stderr) == (0, "")

    def test_shared_memory_that_is_full_proves_nothing(self, isolating: Backend) -> None:
        program = (
            "import os; file = open('/dev/shm/pool', 'wb'); place = os.statvfs('/dev/shm'); "
            "os.posix_fallocate(file.fileno(), 0, place.f_bavail * place.f_frsize)"
        )
        with pytest.raises(SandboxLost, match="its disk was full"), isolating.create() as made:
            made.run(["/usr/bin/python3", "-IS", "-c", program], env={}, deadline=60)

    def test_a_script_that_removes_the_folder_for_temporary_files_is_looked_at(
        self, isolating: Backend
    ) -> None:
        with isolating.create() as made:
            program = "import shutil; shutil.rmtree('/tmp'); open('/run/lab.pid', 'w')"
            made.run(["/usr/bin/python3", "-IS", "-c", program], env={}, deadline=60)
            assert made.changed_files() == ["/run/lab.pid"]

    def test_folders_that_come_and_go_do_not_disturb_the_look(self, isolating: Backend) -> None:
        program = """if True:
            import os
            while True:
                for number in range(50): os.mkdir(f"/var/tmp/{number}")
                for number in range(50): os.rmdir(f"/var/tmp/{number}")
            """
        with isolating.create() as made:
            made.spawn(["/usr/bin/python3", "-IS", "-c", program])
            for _ in range(20):
                made.changed_files()

    def test_no_path_of_the_users_is_in_the_command_line_of_pid_1(
        self, engine: Engine, small_image: str
    ) -> None:
        """`ps ax | grep /usr/sbin/labd` would take PID 1 for the daemon."""
        wish = replace(engine.wish(small_image), copies=(("/usr/sbin/labd", b"", 0o755),))
        with ContainerBackend(wish, engine.environ) as backend, backend.create() as made:
            search = ["sh", "-c", 'read words </proc/1/cmdline; echo "$words"']
            ran = made.run(search, env={"PATH": "/bin"}, deadline=60)
        assert "/.lsbcheck/own" in ran.stdout
        assert "labd" not in ran.stdout
