"""Daemons where root is needed: other users, their files, mounts that vanish, pids used again."""

from __future__ import annotations

import os
import shutil
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ocfkit.linux import namespaces as ns
from ocfkit.linux import proc, process, sockets
from ocfkit.testing import Instance, Node, Outcome
from tests.ocfkit.command import public_folder
from tests.ocfkit.daemons import (
    FORKS,
    LISTEN,
    Forking,
    Service,
    Witness,
    by_hand,
    free_port,
    is_alive,
    kill,
    listening,
    native,
    pid_of,
    python,
    record_of,
    script,
    wait_for,
)

NOBODY = 65534


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may look into."""
    with public_folder() as folder:
        yield folder


@pytest.fixture
def node(place: Path) -> Iterator[Node]:
    made = Node(place)
    yield made
    assert made.close() == []


@pytest.fixture
def service(node: Node, place: Path) -> Instance:
    return node(Service, program=native(place))


def codes(*outcomes: Outcome) -> list[int]:
    return [each.code for each in outcomes]


class Elsewhere:
    """Does something in a child: in namespaces of its own, or as another user. It may assert."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def __call__(self, work: Callable[[], None], flags: int = 0, user: int = 0) -> None:
        with self._node.leftovers.watched():
            told = self._told_by(work, flags, user)
        assert not told, told

    @staticmethod
    def _told_by(work: Callable[[], None], flags: int, user: int) -> str:
        said, says = os.pipe()
        pid = ns.fork_into(flags)
        if pid == 0:
            try:
                if flags & ns.CLONE_NEWNS:
                    ns.mount("none", "/", None, ns.MS_REC | ns.MS_PRIVATE)
                if flags & ns.CLONE_NEWPID:
                    ns.mount("proc", "/proc", "proc")
                if user:
                    become(user)
                work()
            except BaseException:  # noqa: BLE001 - told to the parent
                os.write(says, traceback.format_exc().encode())
            finally:
                os._exit(0)
        os.close(says)
        with open(said, encoding="utf-8") as pipe:
            told = pipe.read()
        os.waitpid(pid, 0)
        return told


@pytest.fixture
def elsewhere(node: Node) -> Elsewhere:
    """Whatever is left of it is killed at the end, and the test fails."""
    return Elsewhere(node)


def become(user: int) -> None:
    proc.Credentials(user, user).take()


class TestAUserToRunAs:
    GROUPS = (64124, 64125)

    @pytest.fixture
    def accounts(self, place: Path) -> Callable[[], None]:
        """Makes a user with two groups more than his own; for a mount namespace."""
        passwd, group = place / "passwd", place / "group"
        shutil.copy("/etc/passwd", passwd)
        shutil.copy("/etc/group", group)
        with passwd.open("a") as file:
            file.write("tester:x:64123:64123::/:/bin/sh\n")
        with group.open("a") as file:
            file.write("tester:x:64123:\none:x:64124:tester\ntwo:x:64125:root,tester\n")

        def mount() -> None:
            ns.mount(str(passwd), "/etc/passwd", None, ns.MS_BIND)
            ns.mount(str(group), "/etc/group", None, ns.MS_BIND)

        return mount

    @pytest.mark.parametrize("cls", [Service, Forking])
    def test_gives_it_his_rights_and_all_his_groups(
        self,
        node: Node,
        place: Path,
        accounts: Callable[[], None],
        cls: type[Service],
        elsewhere: Elsewhere,
    ) -> None:
        (place / "var").mkdir()
        os.chown(place / "var", 64123, 64123)
        text = FORKS.format(pid_file=f"{place}/var/pid") if cls is Forking else "time.sleep(600)"
        program = python(place, text, "/usr/bin/python3")  # the venv's may be root's alone
        service = node(cls, program=program, words="none", user="tester")

        def work() -> None:
            accounts()
            assert service.start().code == 0
            status = Path(f"/proc/{pid_of(service)}/status").read_text()
            rows = dict(line.split(":", 1) for line in status.splitlines())
            assert rows["Uid"].split() == ["64123"] * 4
            assert rows["Gid"].split() == ["64123"] * 4
            assert sorted(map(int, rows["Groups"].split())) == [64123, *self.GROUPS]
            record_of(service).unlink()
            assert codes(service.probe(), service.stop(), service.probe()) == [0, 0, 7]

        elsewhere(work, ns.CLONE_NEWNS)

    def test_who_may_not_execute_it_is_told(
        self, service: Instance, accounts: Callable[[], None], elsewhere: Elsewhere
    ) -> None:
        program = service.parameters["program"]
        os.chmod(str(program), 0o700)
        service.parameters["user"] = "tester"

        def work() -> None:
            accounts()
            outcome = service.start()
            assert outcome.code == 5
            assert outcome.reason == f"{program} cannot be started as tester: Permission denied"

        elsewhere(work, ns.CLONE_NEWNS)

    def test_whose_output_root_opens(
        self, node: Node, place: Path, accounts: Callable[[], None], elsewhere: Elsewhere
    ) -> None:
        output = place / "output"
        program = script(place, "id -u; exec sleep 600")
        service = node(Service, program=program, user="tester", output=str(output))

        def work() -> None:
            accounts()
            assert service.start().code == 0
            wait_for(lambda: output.read_text() == "64123\n")
            assert service.stop().code == 0

        elsewhere(work, ns.CLONE_NEWNS)

    @pytest.mark.parametrize("cls", [Service, Forking])
    def test_is_for_root_to_choose(
        self, service: Instance, cls: type[Service], elsewhere: Elsewhere
    ) -> None:
        service.cls = cls
        service.parameters["user"] = "daemon"

        def work() -> None:
            outcome = service.start()
            assert (outcome.code, outcome.reason) == (4, "only root can run anything as daemon")

        elsewhere(work, user=NOBODY)

    def test_is_refused_by_the_kernel_too(self, elsewhere: Elsewhere) -> None:
        def work() -> None:
            with pytest.raises(PermissionError) as caught:
                proc.start(["/bin/true"], env={}, credentials=proc.Credentials(0, 0))
            assert caught.value.filename is None

        elsewhere(work, user=NOBODY)


class TestWhoMayNotLook:
    """An ordinary user asks about root's daemon."""

    def test_is_answered_by_the_record(self, service: Instance, elsewhere: Elsewhere) -> None:
        service.start()
        elsewhere(lambda: check(service.monitor(), 0), user=NOBODY)
        kill(pid_of(service), signal.SIGSTOP)
        elsewhere(lambda: check(service.monitor(), 1, "is suspended (state T)"), user=NOBODY)

    def test_is_not_told_that_it_is_dead(self, service: Instance, elsewhere: Elsewhere) -> None:
        service.start()
        pid = pid_of(service)
        record_of(service).unlink()
        why = f"process {pid} could be it: we may not look at it"
        elsewhere(lambda: check(service.probe(), 1, why), user=NOBODY)
        service.stop()
        elsewhere(lambda: check(service.probe(), 7), user=NOBODY)

    def test_is_not_told_that_it_is_dead_when_somebody_else_has_its_port(
        self, service: Instance, place: Path, elsewhere: Elsewhere
    ) -> None:
        service.parameters["port"] = port = free_port()
        with by_hand(listening(place), "-e", LISTEN, str(port)) as pid:
            wait_for(lambda: sockets.listening(port), pid)
            why = f"somebody listens on port {port}, and we may not see who"
            elsewhere(lambda: check(service.probe(), 1, why), user=NOBODY)
        elsewhere(lambda: check(service.probe(), 7), user=NOBODY)

    @pytest.mark.parametrize(
        ("hidepid", "recorded", "reason"),
        [
            (1, True, "Operation not permitted: /proc/{pid}/stat"),
            (2, True, "/proc hides process {pid}"),
            (1, False, " from us"),
            (2, False, "/proc hides the processes of others from us"),
        ],
    )
    def test_is_not_told_that_it_is_dead_where_proc_hides_it(
        self, service: Instance, elsewhere: Elsewhere, *, hidepid: int, recorded: bool, reason: str
    ) -> None:
        service.start()
        pid = pid_of(service)
        if not recorded:
            record_of(service).unlink()

        def work() -> None:
            ns.mount("proc", "/proc", "proc", 0, f"hidepid={hidepid}")
            become(NOBODY)
            check(service.monitor(), 1, reason.format(pid=pid))
            assert service.stop(timeout=2).code == 1

        elsewhere(work, ns.CLONE_NEWNS)
        assert service.stop().code == 0
        assert not is_alive(pid)


def check(outcome: Outcome, code: int, reason: str = "") -> None:
    assert outcome.code == code, outcome
    assert reason in outcome.reason, outcome


class TestAMountThatIsGone:
    """It held the program and the configuration, and the daemon lives on."""

    @pytest.mark.parametrize("known", ["by its record", "by its mark", "by hand", "by a pid file"])
    def test_leaves_a_daemon_that_is_found_and_stopped(
        self, node: Node, place: Path, known: str, elsewhere: Elsewhere
    ) -> None:
        mounted = place / "mounted"
        mounted.mkdir()
        service = node(
            Service,
            program=str(mounted / "bin/napper"),
            config=str(mounted / "config"),
            pid_file=str(place / "pid") if known == "by a pid file" else None,
        )

        def work() -> None:
            ns.mount("none", str(mounted), "tmpfs")
            (mounted / "bin").mkdir()
            (mounted / "config").touch()
            program = native(mounted / "bin")
            if known.startswith("by its"):
                assert service.start().code == 0
                unmount(pid_of(service))
            else:
                with by_hand(program, "601" if known == "by a pid file" else "600") as pid:
                    (place / "pid").write_text(str(pid))
                    unmount(pid)

        def unmount(pid: int) -> None:
            if known == "by its mark":
                record_of(service).unlink()
            ns.umount2(str(mounted), ns.MNT_DETACH)
            assert not (mounted / "bin").exists()
            assert codes(service.probe(), service.monitor()) == [0, 0]
            assert service.start().code == 5
            assert service.stop().code == 0
            assert not is_alive(pid)
            assert codes(service.probe(), service.stop()) == [7, 0]

        elsewhere(work, ns.CLONE_NEWNS)

    def test_leaves_one_that_may_be_it(self, node: Node, place: Path, elsewhere: Elsewhere) -> None:
        """Its pid file names what was a link's target, under other arguments."""
        mounted = place / "mounted"
        mounted.mkdir()
        service = node(Service, program=str(mounted / "link"), pid_file=str(place / "pid"))

        def work() -> None:
            ns.mount("none", str(mounted), "tmpfs")
            (mounted / "link").symlink_to(native(mounted))
            with by_hand(str(mounted / "link"), "601") as pid:
                (place / "pid").write_text(str(pid))
                assert service.probe().code == 0
                record_of(service).unlink()
                ns.umount2(str(mounted), ns.MNT_DETACH)
                assert service.probe().code == 1
                assert service.stop(timeout=2).code == 1
                assert is_alive(pid)

        elsewhere(work, ns.CLONE_NEWNS)


class TestAFolderForRecords:
    @pytest.mark.parametrize("kind", ["full", "read-only"])
    @pytest.mark.parametrize("cls", [Service, Forking])
    def test_that_takes_none_is_done_without(
        self, node: Node, place: Path, kind: str, cls: type[Service], elsewhere: Elsewhere
    ) -> None:
        run, pid_file = place / "run", place / "pid"
        run.mkdir()
        node.folder = str(run)
        text = FORKS.format(pid_file=str(pid_file)) if cls is Forking else "time.sleep(600)"
        service = node(cls, program=python(place, text), words="none")

        def work() -> None:
            ns.mount("none", str(run), "tmpfs", 0, "nr_inodes=5")
            assert service.start().code == 0
            old = pid_of(service)  # which the record says for ever
            if kind == "full":
                (run / "filler").touch()
            else:
                ns.mount("none", str(run), None, ns.MS_REMOUNT | ns.MS_RDONLY)
            kill(old)
            for _ in range(2):
                assert codes(service.monitor(), service.start()) == [7, 0]
                assert codes(service.monitor(), service.probe(), service.start()) == [0, 0, 0]
                assert codes(service.stop(), service.stop(), service.probe()) == [0, 0, 7]
            assert kind == "full" or pid_of(service) == old

        elsewhere(work, ns.CLONE_NEWNS)

    @pytest.mark.parametrize("level", ["", "ocfkit", "ocfkit/service"])
    def test_of_somebody_else_holds_nothing_to_be_believed(
        self, service: Instance, place: Path, level: str
    ) -> None:
        with closing(Witness()) as witness:
            record = record_of(service)
            record.parent.mkdir(parents=True)
            main = witness.identity
            record.write_text(f"{main.pid} {main.start} {main.boot} {main.pid}\n")
            assert service.monitor().code == 0  # what root wrote is believed
            os.chown(place / level, NOBODY, NOBODY)
            assert codes(service.monitor(), service.stop()) == [7, 0]
            assert codes(service.start(), service.monitor(), service.stop()) == [0, 0, 0]
            assert witness.is_untouched()
            os.chown(place / level, 0, 0)
            record.unlink(missing_ok=True)

    def test_of_somebody_else_is_not_written_to(self, service: Instance, place: Path) -> None:
        (place / "ocfkit").mkdir()
        os.chown(place / "ocfkit", NOBODY, NOBODY)
        (place / "target").mkdir()
        (place / "ocfkit/service").symlink_to(place / "target")
        (place / "target" / service.name).write_text("precious")
        assert codes(service.start(), service.stop()) == [0, 0]
        assert (place / "target" / service.name).read_text() == "precious"
        assert len(os.listdir(place / "target")) == 1


def test_a_pid_file_of_somebody_else_names_his_own_processes_only(
    service: Instance, place: Path
) -> None:
    """Else the user of a daemon could have a process of root's stopped."""
    file = place / "pid"
    service.parameters["pid_file"] = str(file)
    with by_hand(str(service.parameters["program"]), "601") as pid:
        file.write_text(str(pid))
        os.chown(file, NOBODY, NOBODY)
        assert codes(service.probe(), service.stop()) == [7, 0]
        assert is_alive(pid)
        os.chown(file, 0, 0)
        assert service.probe().code == 0
        assert service.stop().code == 0


def test_a_pid_file_that_is_a_link_names_nobody(service: Instance, place: Path) -> None:
    with by_hand(str(service.parameters["program"]), "601") as pid:
        (place / "real").write_text(str(pid))
        (place / "pid").symlink_to("real")
        service.parameters["pid_file"] = str(place / "pid")
        outcome = service.probe()
        assert outcome.code == 1
        assert outcome.reason == f"pid file {place}/pid: Too many levels of symbolic links"
        assert is_alive(pid)


def test_a_pid_that_is_used_again_is_a_strangers(service: Instance, elsewhere: Elsewhere) -> None:
    """For real: the kernel is told which number to give next (CONFIG_CHECKPOINT_RESTORE)."""

    def work() -> None:
        service.start()
        pid = pid_of(service)
        kill(pid)
        os.waitpid(pid, 0)
        witness = used_again(pid)
        assert codes(service.monitor(), service.probe(), service.stop()) == [7, 7, 0]
        assert witness.is_untouched()
        assert service.start().code == 0
        assert pid_of(service) != pid
        assert service.stop().code == 0
        assert witness.is_untouched()

    def used_again(pid: int) -> Witness:
        for _ in range(100):
            Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
            witness = Witness()
            if witness.pid == pid:
                return witness
            witness.close()
        raise AssertionError(f"pid {pid} is not to be had")

    elsewhere(work, ns.CLONE_NEWPID | ns.CLONE_NEWNS)


def test_the_same_daemon_in_a_container_is_another_one(service: Instance) -> None:
    """It executes the same path with the same arguments, and is none of this system."""
    program = str(service.parameters["program"])
    pid = ns.fork_into(ns.CLONE_NEWPID | ns.CLONE_NEWNS)
    if pid == 0:
        try:
            os.execv(program, [program, "600"])  # noqa: S606
        finally:
            os._exit(1)
    try:
        wait_for(lambda: process.executable(pid) == program, pid)
        assert codes(service.probe(), service.stop()) == [7, 0]
        assert is_alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_daemon_that_has_changed_its_root_is_ours(node: Node, place: Path) -> None:
    """As a name server does: the file that it executes is still the one that we see."""
    (place / "root").mkdir()
    text = f'chroot "{place}/root" or die; chdir "/"; sleep 600'
    program = place / "named"
    shutil.copy("/usr/bin/perl", program)
    service = node(Service, program=str(program), pid_file=str(place / "pid"))
    with by_hand(str(program), "-e", text) as pid:
        wait_for(lambda: os.readlink(f"/proc/{pid}/root") == f"{place}/root", pid)
        (place / "pid").write_text(str(pid))
        assert service.probe().code == 0
        assert service.stop().code == 0
        assert not is_alive(pid)


def test_proc_of_another_namespace_says_nothing(service: Instance, elsewhere: Elsewhere) -> None:
    """In a new pid namespace with the old /proc every number is somebody else's."""

    def work() -> None:
        ns.umount2("/proc", ns.MNT_DETACH)
        check(service.probe(), 1, "/proc shows another pid namespace")
        check(service.stop(timeout=2), 1, "/proc shows another pid namespace")

    elsewhere(work, ns.CLONE_NEWPID | ns.CLONE_NEWNS)
