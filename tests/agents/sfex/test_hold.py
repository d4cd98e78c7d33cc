"""`ocfkit sfex hold` as a process, on a plain file that stands for a device."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from ocfkit.agents.sfex import store
from ocfkit.agents.sfex.daemon import Caller
from ocfkit.agents.sfex.keeper import Signals
from ocfkit.agents.sfex.layout import FREE, encode
from ocfkit.agents.sfex.record import Record
from ocfkit.agents.sfex.status import Status
from ocfkit.agents.sfex.store import Store
from ocfkit.agents.sfex.timing import SECOND
from ocfkit.linux.blockdev import BlockDevice
from ocfkit.linux.process import identify
from tests.ocfkit.command import BARE, ROOT


@pytest.fixture
def device(tmp_path: Path) -> Iterator[BlockDevice]:
    path = tmp_path / "disk"
    path.write_bytes(bytes(8 * 512))
    with BlockDevice(str(path), writable=True, sector=512) as opened:
        store.create(opened, 4)
        yield opened


@pytest.fixture
def lock(device: BlockDevice) -> Store:
    return Store(device, 1)


@contextlib.contextmanager
def begun(
    argv: Sequence[str], env: Mapping[str, str], stderr: int | None = None
) -> Generator[subprocess.Popen[bytes]]:
    """A process that is ended here where a test has failed before it has."""
    with subprocess.Popen(argv, env=env, stderr=stderr) as process:
        try:
            yield process
        finally:
            process.kill()


def ticks(pid: int) -> int:
    """Processor time that it has had, in hundredths of a second."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return int(user) + int(system)


class Process:
    """`ocfkit sfex hold` with a guard that writes down what it is told."""

    def __init__(self, disk: str, folder: Path) -> None:
        self.disk = disk
        self.folder = folder
        self.notes = folder / "notes"
        self.slow = 0.0
        """Seconds that its first read takes."""

    def argv(self, *words: str, device: str = "") -> list[str]:
        code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
        code += "from tests.agents.sfex.holder import run; sys.exit(run(sys.argv[1:]))"
        call = [sys.executable, "-IB", "-c", code, str(self.notes), "512", str(self.slow), "--"]
        return [*call, "-c", "1", "-t", "5", "-m", "1", "-n", "a", *words, device or self.disk]

    @property
    def env(self) -> dict[str, str]:
        return {**BARE, "HA_RSCTMP": str(self.folder / "run")}

    def run(self, *words: str, device: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*words, device=device),
            env=self.env,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def told(self) -> list[str]:
        """What the guard was told, without times."""
        try:
            lines = self.notes.read_text().splitlines()
        except FileNotFoundError:
            return []
        return [line.split()[2] for line in lines]

    def pid(self) -> int:
        return int(self.notes.read_text().split()[1])

    def status(self) -> Status:
        (file,) = (self.folder / "run").rglob("*~lock")
        status = Status.decode(file.read_text())
        assert status is not None
        return status

    def wait_for(self, what: str, seconds: float = 10.0) -> None:
        end = time.monotonic() + seconds
        while what not in self.told():
            assert time.monotonic() < end, f"{what} not in {self.told()}"
            time.sleep(0.01)


@pytest.fixture
def process(device: BlockDevice, tmp_path: Path) -> Iterator[Process]:
    made = Process(device.path, tmp_path)
    yield made
    if "armed" in made.told():
        with contextlib.suppress(ProcessLookupError):
            os.kill(made.pid(), signal.SIGKILL)


class TestHold:
    """The command, as a process."""

    def test_ends_with_0_when_the_lock_is_taken_and_goes_on(
        self, process: Process, lock: Store
    ) -> None:
        """That its pipes are read to their end shows that nobody else has them."""
        done = process.run()
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert lock.read() == Record(True, 2, b"a")
        assert process.status().state == "holding"
        keeper = process.pid()
        assert os.getsid(keeper) == keeper
        assert os.readlink(f"/proc/{keeper}/cwd") == "/"
        os.kill(keeper, signal.SIGTERM)
        process.wait_for("released", 1.0)
        assert not lock.read().locked

    def test_in_the_foreground_ends_with_0_when_it_was_told_to(
        self, process: Process, lock: Store
    ) -> None:
        with begun(process.argv("--foreground"), env=process.env) as keeper:
            process.wait_for("deadline")
            assert process.pid() == keeper.pid
            keeper.terminate()
            assert keeper.wait(2.0) == 0
        assert process.told()[-1] == "released"
        assert not lock.read().locked
        assert process.status().why == "released"

    def test_gives_up_when_its_caller_is_killed_before_it_is_told(
        self, process: Process, lock: Store
    ) -> None:
        """A start that timed out must not come to hold the lock later (S6)."""
        with begun(process.argv(), env=process.env):
            process.wait_for("armed")
        process.wait_for("released")
        assert "deadline" not in process.told()
        time.sleep(1.2)
        assert lock.read().count < 2

    def test_that_is_interrupted_gives_up_too(self, process: Process) -> None:
        with begun(process.argv(), env=process.env, stderr=subprocess.DEVNULL) as caller:
            process.wait_for("armed")
            caller.terminate()
            assert caller.wait(5.0) == 143
        process.wait_for("released")
        assert "deadline" not in process.told()

    @pytest.mark.parametrize("words", [(), ("--foreground",)])
    def test_that_is_refused_says_by_whom(
        self, process: Process, lock: Store, words: tuple[str, ...]
    ) -> None:
        lock.write(Record(True, 7, b"b"))

        def tick() -> None:
            for count in range(8, 14):
                time.sleep(0.4)
                lock.write(Record(True, count, b"b"))

        ticking = threading.Thread(target=tick)
        ticking.start()
        done = process.run(*words)
        ticking.join()
        sentence = "ocfkit: the lock is held by 'b', which has just written it\n"
        assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)
        assert process.status().state == "refused"

    @pytest.mark.parametrize("words", [(), ("-r", "another")])
    def test_of_a_lock_that_this_node_has_is_refused(
        self, process: Process, words: tuple[str, ...]
    ) -> None:
        """Two of one name would each take the other's record for their own."""
        assert process.run().returncode == 0
        done = process.run(*words)
        assert done.returncode == 1
        assert done.stderr == f"ocfkit: process {process.pid()} keeps the lock already\n"

    def test_of_a_name_that_another_node_has_is_refused(
        self, process: Process, lock: Store
    ) -> None:
        """The C daemon takes it for its own, and two hold it."""
        lock.write(Record(True, 7, b"a"))
        with begun(process.argv(), env=process.env, stderr=subprocess.PIPE) as refused:
            process.wait_for("armed")
            time.sleep(0.5)
            lock.write(Record(True, 8, b"a"))
            _, said = refused.communicate(timeout=10)
        assert refused.returncode == 2
        assert said == b"ocfkit: the lock is held by 'a', which has just written it\n"

    @pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
    @pytest.mark.parametrize("words", [(), ("--foreground",)])
    def test_does_without_standard_streams(
        self, process: Process, lock: Store, closed: str, words: tuple[str, ...]
    ) -> None:
        call = ["sh", "-c", f'exec "$@" {closed}', "sh", *process.argv(*words)]
        with begun(call, env=process.env) as started:
            process.wait_for("deadline")
            keeper = identify(process.pid())
            links = [os.readlink(f"/proc/{keeper.pid}/fd/{each}") for each in (0, 1, 2)]
            assert process.disk not in links
            before = ticks(keeper.pid)
            time.sleep(0.5)
            assert ticks(keeper.pid) - before < 10
            assert keeper.send(signal.SIGTERM)
            assert keeper.wait(2.0)
            assert started.wait(5.0) == 0
        assert not lock.read().locked

    def test_without_room_for_its_record_claims_nothing(
        self, process: Process, lock: Store
    ) -> None:
        """Who stops the service would not find it."""
        (process.folder / "run").write_text("no folder")
        done = process.run()
        assert done.returncode == 1
        assert done.stderr.startswith("ocfkit: no status record: ")
        assert lock.read().count == 0

    def test_whose_folder_of_records_is_removed_makes_another(self, process: Process) -> None:
        assert process.run().returncode == 0
        shutil.rmtree(process.folder / "run")
        end = time.monotonic() + 3.0
        while not list((process.folder / "run").rglob("*~lock")):
            assert time.monotonic() < end
            time.sleep(0.02)
        assert process.status().state == "holding"

    def test_carries_the_guardians_of_those_that_have_died(
        self, process: Process, lock: Store
    ) -> None:
        """Until it has the lock: who stops the service meanwhile has to send them home as well."""
        assert process.run().returncode == 0
        first = identify(process.pid())
        (file,) = (process.folder / "run").rglob("*~lock")
        text = file.read_text()
        os.kill(first.pid, signal.SIGKILL)
        assert first.wait(5.0)
        lock.write(Record(True, 500, b"b"))
        process.notes.unlink()
        with begun(["sleep", "60"], env={}) as sleeper:
            guardian = identify(sleeper.pid)
            words = f"{guardian.pid} {guardian.start} {guardian.boot} 3 4"
            file.write_text(re.sub("^guardians .*", f"guardians {words}", text, flags=re.MULTILINE))
            with begun(process.argv(), env=process.env):
                process.wait_for("armed")
                end = time.monotonic() + 3.0
                while process.status().state != "waiting":
                    assert time.monotonic() < end
                    time.sleep(0.01)
                carried = process.notes.read_text().split(" ", 2)[2]
                assert carried == f"armed {guardian.pid}\n"

    def test_warns_of_a_disk_that_is_slow(self, process: Process, lock: Store) -> None:
        process.slow = 0.3
        done = process.run()
        assert done.returncode == 0
        assert "disk took 0.3" in done.stderr
        assert "collision_timeout (1 s) should be much longer" in done.stderr
        assert lock.read().locked

    @pytest.mark.parametrize("words", [(), ("--foreground",)])
    def test_ends_as_the_c_daemon_when_there_is_no_such_lock(
        self, process: Process, words: tuple[str, ...]
    ) -> None:
        done = process.run("-i", "5", *words)
        assert done.returncode == 1
        assert done.stderr.endswith("disk has no lock 5: it has locks 1 to 4\n")
        done = process.run(*words, device="/nonexistent/disk")
        assert (done.returncode, process.told()) == (3, [])

    def test_takes_a_new_one_for_each_lock(self, process: Process) -> None:
        assert process.run("-i", "1").returncode == 0
        assert process.run("-i", "2").returncode == 0
        files = list((process.folder / "run").rglob("*~lock"))
        assert len(files) == 2
        for line in process.notes.read_text().splitlines():
            if line.endswith("armed"):
                os.kill(int(line.split()[1]), signal.SIGTERM)
        time.sleep(0.2)
        assert process.told().count("released") == 2

    def test_whose_keeper_is_killed_leaves_its_guard_armed(
        self, process: Process, lock: Store
    ) -> None:
        assert process.run().returncode == 0
        os.kill(process.pid(), signal.SIGKILL)
        time.sleep(0.2)
        assert process.told()[-1] == "deadline"
        assert lock.read().locked

    def test_tells_how_long_it_has_the_lock_yet(self, process: Process) -> None:
        assert process.run().returncode == 0
        first = process.status()
        assert first.deadline - first.renewed == 4 * SECOND
        end = time.monotonic() + 3.0
        while (now := process.status()).deadline == first.deadline:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert now.renewed - first.renewed >= SECOND

    def test_keeps_nothing_of_its_callers_open(self, process: Process, tmp_path: Path) -> None:
        """Whether it has a number below those of the keeper's own, or above."""
        other = tmp_path / "other"
        other.touch()
        opened = ["sh", "-euc", 'exec 3<"$0" 9<"$0"; exec "$@"', str(other), *process.argv()]
        subprocess.run(opened, env=process.env, timeout=30, check=True)
        links = [os.readlink(each) for each in Path(f"/proc/{process.pid()}/fd").iterdir()]
        assert str(other) not in links
        assert links.count("/dev/null") == 3


def test_a_caller_that_is_gone_when_the_lock_is_taken_ends_it() -> None:
    """As long as it waits its end is seen; this is the moment after that."""
    here, answered = os.pipe(), os.pipe()
    os.close(answered[0])
    with Signals() as orders:
        assert not Caller(here[0], answered[1]).has_it(orders)
        assert orders.stop
    for each in (*here, answered[1]):
        os.close(each)


def test_an_unformatted_device_is_no_area(device: BlockDevice, process: Process) -> None:
    device.write(0, bytes(512))
    done = process.run()
    assert done.returncode == 1
    assert "block 0 (byte 0): the magic" in done.stderr
    assert encode(FREE, 512) == device.read(1)
