"""The agent sfex on a plain file that stands for a device, with a guard that only takes notes.

tests/services/test_sfex_agent.py has it on devices and under a guardian.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ocfkit.agents.sfex import glance, hold, store
from ocfkit.agents.sfex.agent import Sfex
from ocfkit.agents.sfex.guardian import boot
from ocfkit.agents.sfex.record import Record
from ocfkit.agents.sfex.status import Guardian, Status
from ocfkit.agents.sfex.store import Store
from ocfkit.agents.sfex.timing import SECOND
from ocfkit.environment import Environment
from ocfkit.linux import blockdev, process
from ocfkit.linux.blockdev import BlockDevice
from ocfkit.linux.process import Identity
from ocfkit.records import Record as File
from ocfkit.testing import Node
from ocfkit.testing.instance import Instance
from tests.agents.sfex import holder

if TYPE_CHECKING:
    from ocfkit.agents.sfex.status import State

US = os.fsencode(os.uname().nodename)
IN_SECTORS = functools.partial(BlockDevice, sector=512)


@pytest.fixture(autouse=True)
def _buried() -> Iterator[None]:
    """A keeper is a child of who starts it, and that is no short-lived process here."""
    yield
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file that the agent and its keeper take for a device with four locks."""
    path = str(tmp_path / "disk")
    Path(path).write_bytes(bytes(8 * 512))
    with IN_SECTORS(path, writable=True) as device:
        store.create(device, 4)
    monkeypatch.setattr(blockdev, "BlockDevice", IN_SECTORS)
    monkeypatch.setattr(glance, "BlockDevice", IN_SECTORS)
    monkeypatch.setattr(hold, "_PROGRAM", holder.program(str(tmp_path / "notes"), 512))
    return path


@pytest.fixture
def lock(disk: str) -> Iterator[Store]:
    with IN_SECTORS(disk, writable=True) as device:
        yield Store(device, 1)


@pytest.fixture
def sfex(ocf: Node, disk: str) -> Instance:
    return ocf(Sfex, device=disk, lock_timeout=5, monitor_interval=1)


def status_of(instance: Instance) -> Status:
    status = Status.decode(record_of(instance).read())
    assert status is not None
    return status


def record_of(instance: Instance) -> File:
    return hold.status_of(
        Environment({"HA_RSCTMP": instance.node.folder, "OCF_RESOURCE_INSTANCE": instance.name})
    )


def keeper_of(instance: Instance) -> Identity:
    return status_of(instance).process


def notes(disk: str) -> list[str]:
    lines = Path(disk).with_name("notes").read_text().splitlines()
    return [line.split(" ", 2)[2] for line in lines]


def wait_for(what: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


ME = process.identify(os.getpid())
"""Stands for a keeper, or a guardian, that lives."""

GONE = Identity(1, 2, "another-boot")


def status(
    keeper: Identity = ME,
    *,
    state: State = "holding",
    name: bytes = US,
    guardians: Sequence[Guardian] = (),
    lease: tuple[int, int, int] = (0, 0, 0),
) -> Status:
    told = Status("waiting", keeper, lock="0:0#1", name=name)
    return told.becoming(state, "", guardians=guardians, lease=lease)


class TestStart:
    def test_takes_the_lock_and_stop_gives_it_back(self, sfex: Instance, lock: Store) -> None:
        assert sfex.monitor().code == 7
        assert sfex.start().code == 0
        assert lock.read() == Record(True, 2, US)
        assert sfex.monitor().code == 0
        assert sfex.stop().code == 0
        assert lock.read() == Record(False, 2, US)
        assert sfex.monitor().code == 7
        assert not record_of(sfex).exists()

    def test_of_what_runs_does_nothing(self, sfex: Instance) -> None:
        assert sfex.start().code == 0
        keeper = keeper_of(sfex).pid
        assert sfex.start().code == 0
        assert keeper_of(sfex).pid == keeper

    def test_says_who_has_the_lock(self, sfex: Instance, lock: Store) -> None:
        lock.write(Record(True, 7, b"db2"))
        ended = threading.Event()

        def tick() -> None:
            count = 8
            while not ended.wait(0.3):
                lock.write(Record(True, count, b"db2"))
                count += 1

        ticking = threading.Thread(target=tick)
        ticking.start()
        outcome = sfex.start()
        ended.set()
        ticking.join()
        assert outcome.code == 1
        assert "disk: the lock is held by 'db2', which has just written it" in outcome.reason
        assert sfex.monitor().code == 7
        assert sfex.stop().code == 0

    def test_waits_for_a_dead_holder_and_is_not_running_meanwhile(
        self, sfex: Instance, lock: Store, disk: str
    ) -> None:
        lock.write(Record(True, 7, b"db2"))
        starting = threading.Thread(target=sfex.start)
        starting.start()
        wait_for(lambda: record_of(sfex).exists() is True)
        wait_for(lambda: bool(record_of(sfex).read()))
        assert status_of(sfex).state == "waiting"
        assert sfex.monitor().code == 7
        starting.join()
        assert sfex.monitor().code == 0
        assert lock.read().name == US
        assert notes(disk)[0] == "armed"

    def test_warns_of_too_little_time(self, sfex: Instance) -> None:
        outcome = sfex.run("start", timeout=8)
        assert outcome.code == 0
        assert "to take the lock of a node that has died it may need 21 s" in outcome.log

    @pytest.mark.parametrize(
        ("parameters", "answer"),
        [
            ({"index": 5}, (2, "disk has no lock 5: it has locks 1 to 4")),
            ({"device": "/nonexistent/disk"}, (5, "there is no device /nonexistent/disk")),
        ],
    )
    def test_of_no_such_lock_fails_for_this_node(
        self, ocf: Node, disk: str, parameters: dict[str, object], answer: tuple[int, str]
    ) -> None:
        outcome = ocf(Sfex, {"device": disk, "lock_timeout": 5, "monitor_interval": 1} | parameters)
        code, reason = answer
        seen = outcome.start()
        assert seen.code == code
        assert reason in seen.reason

    def test_of_a_file_fails_for_this_node(self, ocf: Node, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        outcome = ocf(Sfex, device=str(tmp_path / "file")).start()
        assert outcome.code == 2
        assert "Block device required" in outcome.reason

    def test_of_an_unprepared_disk_says_what_is_missing(self, sfex: Instance, disk: str) -> None:
        Path(disk).write_bytes(bytes(8 * 512))
        outcome = sfex.start()
        assert outcome.code == 2
        assert "the magic (bytes 0 to 3)" in outcome.reason

    def test_inherits_what_a_killed_keeper_held(self, sfex: Instance, lock: Store) -> None:
        assert sfex.start().code == 0
        keeper_of(sfex).send(signal.SIGKILL)
        wait_for(lambda: keeper_of(sfex).stat() is None)
        before = lock.read()
        assert sfex.start().code == 1  # it has failed, and is to be stopped first
        assert sfex.stop().code == 0
        began = time.monotonic()
        assert sfex.start().code == 0
        assert time.monotonic() - began < 2.5  # another node would have waited for five seconds
        assert lock.read().count == (before.count + 1) % 1000

    def test_inherits_nothing_of_another_lock(self, sfex: Instance, disk: str) -> None:
        with IN_SECTORS(disk, writable=True) as device:
            Store(device, 2).write(Record(True, 2, US))
        told = status(Identity(2**22, 1, process.boot()), lease=(boot(), boot() + 60 * SECOND, 2))
        record_of(sfex).write(told.becoming("stopped", "", lease=told.lease).encode())
        sfex.parameters["index"] = 2
        began = time.monotonic()
        assert sfex.start().code == 0
        assert time.monotonic() - began > 5.0

    def test_of_a_lock_that_another_resource_has_says_which_process(
        self, ocf: Node, sfex: Instance, disk: str
    ) -> None:
        assert sfex.start().code == 0
        another = ocf(Sfex, device=disk, lock_timeout=5, monitor_interval=1)
        assert another.monitor().code == 7
        outcome = another.start()
        assert another.stop().code == 0
        assert sfex.monitor().code == 0
        assert outcome.code == 1
        assert f"process {keeper_of(sfex).pid} keeps the lock already" in outcome.reason

    def test_whose_caller_dies_holds_nothing_later(
        self, sfex: Instance, lock: Store, disk: str
    ) -> None:
        caller = os.fork()
        if caller == 0:
            sfex.start()
            os._exit(0)
        wait_for(lambda: Path(disk).with_name("notes").exists())
        os.kill(caller, signal.SIGKILL)
        os.waitpid(caller, 0)
        wait_for(lambda: notes(disk)[-1] == "released")
        assert not any(each.startswith("deadline") for each in notes(disk))
        assert sfex.monitor().code == 7
        assert lock.read().count < 2


class TestMonitor:
    def test_of_a_suspended_keeper_is_degraded_and_says_until_when(self, sfex: Instance) -> None:
        sfex.parameters["lock_timeout"] = 20
        assert sfex.start().code == 0
        keeper = keeper_of(sfex)
        keeper.send(signal.SIGSTOP)
        wait_for(lambda: boot() - status_of(sfex).renewed > 2 * SECOND)
        outcome = sfex.monitor()
        keeper.send(signal.SIGCONT)
        assert outcome.code == 190
        assert f"process {keeper.pid}, which is suspended, has not renewed" in outcome.reason
        assert "this node is fenced in 1" in outcome.reason
        wait_for(lambda: boot() - status_of(sfex).renewed < 2 * SECOND)
        assert sfex.monitor().code == 0

    def test_of_a_killed_keeper_has_failed_until_it_is_stopped(self, sfex: Instance) -> None:
        assert sfex.start().code == 0
        keeper_of(sfex).send(signal.SIGKILL)
        wait_for(lambda: keeper_of(sfex).stat() is None)
        outcome = sfex.monitor()  # the diary is the keeper's own, so there is no guardian left
        assert outcome.code == 1
        # Here it was its own guardian; tests/services/test_sfex_agent.py has a real one.
        assert "and its guardian have died: nothing ends this node" in outcome.reason
        assert sfex.stop().code == 0
        assert sfex.monitor().code == 7

    @pytest.mark.parametrize(
        ("guarded", "left", "sentence"),
        [
            (True, 9, "has died: unless this is stopped before, the node is fenced in "),
            (True, -9, "has died: unless this is stopped before, the node is fenced now"),
            (False, 9, "have died: nothing ends this node, and the lease is over in "),
            (False, -9, "have died: nothing ends this node, and the lease is over since 9."),
        ],
    )
    def test_of_a_keeper_that_has_died_says_what_will_come(
        self, sfex: Instance, *, guarded: bool, left: int, sentence: str
    ) -> None:
        gone = Identity(ME.pid, ME.start + 1, ME.boot)
        ends = boot() + left * SECOND
        guards = [Guardian(ME if guarded else gone, 0, 0)]
        record_of(sfex).write(status(gone, guardians=guards, lease=(ends, ends, 2)).encode())
        outcome = sfex.monitor()
        record_of(sfex).remove()
        assert outcome.code == 1
        assert sentence in outcome.reason

    def test_of_a_lock_that_was_lost_has_failed_until_it_is_stopped(
        self, sfex: Instance, lock: Store, disk: str
    ) -> None:
        assert sfex.start().code == 0
        keeper = keeper_of(sfex)
        keeper.send(signal.SIGSTOP)
        time.sleep(1.2)  # collision_timeout: from then on it does not write over another's claim
        lock.write(Record(True, 500, b"db2"))
        outcome = sfex.monitor()
        assert outcome.code == 1
        assert "disk is held by 'db2'" in outcome.reason
        keeper.send(signal.SIGCONT)
        wait_for(lambda: status_of(sfex).state == "lost")
        outcome = sfex.monitor()
        assert outcome.code == 1
        assert "was lost: the lock was written by 'db2'" in outcome.reason
        assert notes(disk)[-1].startswith("fence")
        assert sfex.stop().code == 0
        assert sfex.monitor().code == 7
        assert lock.read() == Record(True, 500, b"db2")

    def test_that_finds_another_name_for_a_moment_looks_again(
        self, sfex: Instance, lock: Store
    ) -> None:
        """A claim of a C node that came too late; the keeper writes over it."""
        assert sfex.start().code == 0
        lock.write(Record(True, 500, b"db2"))
        assert sfex.monitor().code == 0
        assert lock.read().name == US

    def test_of_a_disk_that_does_not_answer_is_degraded(
        self, sfex: Instance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert sfex.start().code == 0

        class Hanging(Store):
            def read(self) -> Record:
                time.sleep(60)
                return super().read()

        monkeypatch.setattr(glance, "Store", Hanging)
        outcome = sfex.monitor(timeout=3)
        assert outcome.code == 190
        assert "disk has not answered a read in time" in outcome.reason

    @pytest.mark.parametrize(
        ("state", "left", "code"),
        [
            ("holding", -1, 1),
            ("holding", 5, 190),
            ("lost", 0, 1),
            ("refused", 0, 7),
            ("failed", 0, 7),
            ("stopped", 0, 7),
        ],
    )
    def test_goes_by_the_lease(
        self, sfex: Instance, lock: Store, state: State, left: int, code: int
    ) -> None:
        """Of a keeper that lives: this process stands for it."""
        lock.write(Record(True, 2, US))
        ends = boot() + left * SECOND
        told = status(
            guardians=[Guardian(ME, 0, 0)], lease=(ends - 9 * SECOND, ends, 2), state=state
        )
        record_of(sfex).write(told.encode())
        assert sfex.monitor().code == code
        record_of(sfex).remove()

    def test_misses_a_guardian_that_has_died(self, sfex: Instance, lock: Store) -> None:
        lock.write(Record(True, 2, US))
        record_of(sfex).write(status(lease=(boot(), boot() + 5 * SECOND, 2)).encode())
        outcome = sfex.monitor()
        record_of(sfex).remove()
        assert outcome.code == 190
        assert "the guardian has died" in outcome.reason

    def test_takes_a_record_of_another_boot_for_none(self, sfex: Instance) -> None:
        record_of(sfex).write(status(GONE, lease=(1, 2, 3)).encode())
        assert sfex.monitor().code == 7

    def test_goes_by_the_name_that_the_keeper_has_written(
        self, sfex: Instance, lock: Store
    ) -> None:
        """The host may have got another name since."""
        lock.write(Record(True, 2, b"old-name"))
        told = status(name=b"old-name", guardians=[Guardian(ME, 0, 0)])
        lease = (boot(), boot() + 5 * SECOND, 2)
        told = told.becoming("holding", "", guardians=told.guardians, lease=lease)
        record_of(sfex).write(told.encode())
        assert sfex.monitor().code == 0
        record_of(sfex).remove()

    @pytest.mark.parametrize("spoil", ["remove", "empty", "untrusted"])
    def test_of_a_holder_without_a_record_is_never_stopped(
        self, sfex: Instance, lock: Store, spoil: str
    ) -> None:
        """The lock of its sector tells that it is there; a stop finds it, too."""
        assert sfex.start().code == 0
        keeper = keeper_of(sfex)
        keeper.send(signal.SIGSTOP)  # it would write another
        path = Path(record_of(sfex).path)
        if spoil == "remove":
            path.unlink()
        elif spoil == "empty":
            path.write_text("")
        else:
            path.parent.chmod(0o777)
        outcome = sfex.monitor()
        assert outcome.code == 1
        wanted = (
            "it proves nothing" if spoil == "untrusted" else f"process {keeper.pid} keeps lock 1"
        )
        assert wanted in outcome.reason
        if spoil == "untrusted":
            assert sfex.run("stop", timeout=5).code == 1
            path.parent.chmod(0o755)
        assert sfex.stop().code == 0
        assert keeper.wait(1.0)
        assert not lock.read().locked
        assert sfex.monitor().code == 7

    def test_of_what_is_no_record_has_failed(self, sfex: Instance) -> None:
        record_of(sfex).write("of another version\n")
        outcome = sfex.monitor()
        record_of(sfex).remove()
        assert outcome.code == 1
        assert "is no record of a keeper" in outcome.reason

    def test_without_a_process_to_read_the_disk_with_is_degraded(
        self, sfex: Instance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert sfex.start().code == 0

        def no_more() -> int:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

        monkeypatch.setattr(os, "fork", no_more)
        assert sfex.monitor().code == 190
        monkeypatch.undo()

    def test_does_not_mind_that_its_caller_ignores_dead_children(self, sfex: Instance) -> None:
        assert sfex.start().code == 0
        before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        try:
            assert [sfex.monitor().code for _ in range(3)] == [0, 0, 0]
        finally:
            signal.signal(signal.SIGCHLD, before)


class TestStop:
    def test_ends_a_start_that_nobody_waits_for_and_that_is_stuck(
        self, sfex: Instance, lock: Store, disk: str
    ) -> None:
        lock.write(Record(True, 7, b"db2"))
        caller = os.fork()
        if caller == 0:
            sfex.start()
            os._exit(0)
        wait_for(lambda: Path(disk).with_name("notes").exists())
        wait_for(lambda: bool(record_of(sfex).read()))
        keeper = keeper_of(sfex)
        keeper.send(signal.SIGSTOP)
        os.kill(caller, signal.SIGKILL)
        os.waitpid(caller, 0)
        outcome = sfex.monitor()
        assert outcome.code == 1
        assert "which is suspended, waits for lock 1 of" in outcome.reason
        assert sfex.stop().code == 0
        assert keeper.wait(1.0)
        assert sfex.monitor().code == 7

    def test_wakes_a_keeper_that_is_suspended(self, sfex: Instance, lock: Store) -> None:
        assert sfex.start().code == 0
        keeper_of(sfex).send(signal.SIGSTOP)
        assert sfex.stop().code == 0
        assert not lock.read().locked

    def test_kills_a_keeper_that_does_not_end(
        self, sfex: Instance, lock: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And leaves the lock as it is: the next holder waits for lock_timeout."""
        assert sfex.start().code == 0
        keeper = keeper_of(sfex)
        send = Identity.send

        def only_kill(self: Identity, number: int) -> bool:
            return send(self, number) if number == signal.SIGKILL else True

        monkeypatch.setattr(Identity, "send", only_kill)
        assert sfex.run("stop", timeout=3).code == 0
        assert keeper.stat() is None
        assert lock.read().locked
        assert sfex.monitor().code == 7


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({}, "parameter device is required"),
        ({"device": "/dev/x", "index": 0}, "parameter index"),
        ({"device": "/dev/x", "index": 1000}, "parameter index"),
        ({"device": "/dev/x", "collision_timeout": "1500ms"}, "expected whole seconds, seen 1.5"),
        ({"device": "/dev/x", "collision_timeout": "0"}, "expected whole seconds, seen 0"),
        ({"device": "/dev/x", "lock_timeout": 5}, "lock_timeout is too short"),
        ({"device": "/dev/x", "lock_timeout": 10000}, "lock_timeout is too long"),
        ({"device": "/dev/x", "collision_timeout": 90}, "lock_timeout is too short"),
        ({"device": "/dev/x", "guard": "maybe"}, "parameter guard"),
    ],
)
def test_a_mistake_in_its_parameters_is_told(
    ocf: Node, parameters: dict[str, object], reason: str
) -> None:
    outcome = ocf(Sfex, parameters).run("validate-all")
    assert outcome.code == 6
    assert reason in outcome.reason


def test_a_lock_cannot_be_cloned(ocf: Node) -> None:
    clone = {"OCF_RESKEY_CRM_meta_clone": "0", "OCF_RESKEY_CRM_meta_globally_unique": "true"}
    outcome = ocf(Sfex, device="/dev/x", env=clone).run("validate-all")
    assert outcome.code == 6
    assert "a lock has one owner: it cannot be cloned" in outcome.reason
