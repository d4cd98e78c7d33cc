"""Finding the daemon in hand-made traces, and making it fail: the shim is run for real."""

from __future__ import annotations

import os
import shlex
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lsbcheck import faults
from lsbcheck.sandbox.interface import Exec
from lsbcheck.transcript import Process, Program, Service
from ocfkit.linux import process

if TYPE_CHECKING:
    from lsbcheck.sandbox.interface import Sandbox

TICKS = os.sysconf("SC_CLK_TCK")
SCRIPT = "/etc/init.d/thingd"
DAEMON = "/usr/sbin/thingd"
PERL, DASH, PYTHON = "/usr/bin/perl", "/usr/bin/dash", "/usr/bin/python3.11"
PATIENCE = 30.0


def ran(
    at: float,
    pid: int,
    *argv: str,
    path: str = "",
    exe: str = "",
    ppid: int = 2,
) -> Exec:
    """A program start; a script's has its interpreter as `exe`."""
    path = path or argv[0]
    exe = exe or path
    cmdline = argv if exe == path else (exe, path, *argv[1:])
    return Exec(at, pid, ppid, path, exe, argv, cmdline, ())


def alive(
    born: float,
    pid: int,
    *argv: str,
    exe: str = DAEMON,
    ppid: int = 1,
    comm: str = "",
) -> Process:
    name = comm or exe.rpartition("/")[2]
    return Process(pid, int(born * TICKS), ppid, "S", 0, name[:15], exe, argv)


def find(
    survivors: Sequence[Process], execs: Sequence[Exec], *, pid_files: Sequence[int] = ()
) -> Program | None:
    script = ran(1.0, 2, SCRIPT, "start", exe=DASH, ppid=1)
    return faults.find_main(survivors, pid_files, [script, *execs], SCRIPT)


class TestFindMain:
    def test_sees_the_process_that_was_started_directly(self) -> None:
        survivor = alive(1.5, 9, DAEMON, "-f")
        assert find([survivor], [ran(1.51, 9, DAEMON, "-f")]) == Program(
            DAEMON, DAEMON, (DAEMON, "-f")
        )

    def test_sees_through_the_fork_of_a_daemon(self) -> None:
        found = find([alive(1.9, 12, DAEMON, "-x")], [ran(1.5, 9, DAEMON, "-x")])
        assert found is not None
        assert found.argv == (DAEMON, "-x")

    def test_takes_no_worker_that_the_daemon_has_executed(self) -> None:
        survivors = [
            alive(1.6, 10, DAEMON, "-D"),
            alive(1.7, 11, DAEMON, "--worker", "1", ppid=10),
            alive(1.7, 12, DAEMON, "--worker", "2", ppid=10),
        ]
        execs = [
            ran(1.5, 9, DAEMON, "-D"),
            ran(1.71, 11, DAEMON, "--worker", "1", ppid=10),
            ran(1.72, 12, DAEMON, "--worker", "2", ppid=10),
        ]
        for pid_files in ((), (10,), (11,), (12,)):
            found = find(survivors, execs, pid_files=pid_files)
            assert found is not None
            assert found.argv == (DAEMON, "-D")

    def test_takes_no_check_of_the_configuration_before(self) -> None:
        execs = [
            ran(1.1, 5, DAEMON, "-t"),
            ran(1.2, 6, DAEMON, "-k", "start"),
            ran(1.3, 7, DAEMON, "-t", "-D", "DUMP"),
        ]
        found = find([alive(1.4, 8, DAEMON, "-k", "start")], execs)
        assert found is not None
        assert found.argv == (DAEMON, "-k", "start")

    def test_takes_the_last_start_before_its_birth_when_the_title_is_overwritten(self) -> None:
        execs = [
            ran(1.1, 5, DAEMON, "-t"),
            ran(1.2, 6, DAEMON, "-d"),
            ran(1.9, 7, DAEMON, "--invalidate"),
        ]
        found = find([alive(1.3, 8, "thingd: master", "", "")], execs)
        assert found is not None
        assert found.argv == (DAEMON, "-d")

    def test_takes_the_first_of_a_chain_that_executes_itself_again(self) -> None:
        execs = [
            ran(1.1, 5, DAEMON, "-C", "/etc/conf"),
            ran(1.2, 5, DAEMON, "-C", "/etc/conf", "-l"),
            ran(1.3, 5, DAEMON, "-C", "/etc/conf", "-l", "-f"),
        ]
        survivor = alive(1.05, 5, DAEMON, "-C", "/etc/conf", "-l", "-f")
        for survivors in ([survivor], [alive(1.4, 6, *survivor.argv)]):
            found = find(survivors, execs)
            assert found is not None
            assert found.argv == (DAEMON, "-C", "/etc/conf")

    def test_names_the_script_that_an_interpreter_runs(self) -> None:
        path = "/usr/bin/thing.pl"
        execs = [
            ran(1.1, 5, "/usr/bin/other.pl", exe=PERL),
            ran(1.2, 6, path, "-d", exe=PERL),
        ]
        found = find([alive(1.3, 7, PERL, path, "-d", exe=PERL)], execs)
        assert found == Program(path, PERL, (path, "-d"))

    def test_sees_the_daemon_inside_a_wrapper(self) -> None:
        wrapper = "/usr/bin/thing_safe"
        survivors = [
            alive(1.1, 5, DASH, wrapper, exe=DASH, comm="thing_safe"),
            alive(1.3, 7, DAEMON, "--basedir=/", ppid=5),
        ]
        execs = [
            ran(1.11, 5, wrapper, exe=DASH),
            ran(1.31, 7, DAEMON, "--basedir=/", ppid=5),
        ]
        found = find(survivors, execs)
        assert found is not None
        assert found.path == DAEMON

    def test_sees_what_start_stop_daemon_puts_into_the_background(self) -> None:
        ssd = "/usr/sbin/start-stop-daemon"
        execs = [
            ran(1.1, 5, "start-stop-daemon", "--background", "--exec", DAEMON, path=ssd),
            ran(1.2, 6, DAEMON, "--foreground", ppid=5),
        ]
        found = find([alive(1.15, 6, DAEMON, "--foreground")], execs)
        assert found is not None
        assert found.argv == (DAEMON, "--foreground")

    def test_prefers_what_a_pid_file_names(self) -> None:
        other = "/usr/sbin/other"
        survivors = [alive(1.1, 5, other, exe=other), alive(1.2, 6, DAEMON)]
        execs = [ran(1.1, 5, other), ran(1.2, 6, DAEMON)]
        found = find(survivors, execs, pid_files=(5,))
        assert found is not None
        assert found.path == other

    def test_then_what_is_called_like_the_script_then_the_oldest(self) -> None:
        one, other = "/usr/sbin/one", "/usr/sbin/other"
        execs = [ran(1.1, 5, one), ran(1.2, 6, other), ran(1.3, 7, DAEMON)]
        survivors = [
            alive(1.2, 6, other, exe=other),
            alive(1.1, 5, one, exe=one),
            alive(1.3, 7, DAEMON),
        ]
        found = find(survivors, execs)
        assert found is not None
        assert found.path == DAEMON
        found = find(survivors[:2], execs)
        assert found is not None
        assert found.path == one

    def test_goes_on_to_the_next_when_no_start_of_one_was_seen(self) -> None:
        helper = "/usr/sbin/helper"
        survivors = [alive(1.1, 5, helper, exe=helper), alive(1.2, 6, "x", exe="/usr/lib/x")]
        found = find(survivors, [ran(1.1, 5, helper)], pid_files=(6,))
        assert found is not None
        assert found.path == helper

    def test_finds_nothing_when_no_start_was_seen(self) -> None:
        assert find([alive(1.1, 5, DAEMON)], []) is None
        assert find([], [ran(1.1, 5, DAEMON)]) is None

    def test_never_takes_the_script_itself(self) -> None:
        # replaced by a shim, its own start would fail, and prove nothing
        loop = alive(1.2, 6, "/bin/sh", SCRIPT, "start", exe=DASH)
        again = ran(1.3, 7, SCRIPT, "run", exe=DASH)
        assert find([loop], []) is None
        assert find([alive(1.3, 7, DASH, SCRIPT, "run", exe=DASH)], [again]) is None

    def test_knows_the_script_when_it_is_called_through_a_link(self) -> None:
        real = "/usr/lib/thing/init"
        script = ran(1.0, 2, SCRIPT, "start", path=real, exe=DASH, ppid=1)
        loop = alive(1.2, 6, "/bin/sh", SCRIPT, "start", exe=DASH)
        assert faults.find_main([loop], (), [script], SCRIPT) is None


class TestBelongs:
    main = Program(DAEMON, DAEMON, (DAEMON,))
    script = Program("/usr/bin/thing.pl", PERL, ("/usr/bin/thing.pl", "-d"))

    def test_everything_does_when_the_daemon_is_not_known(self) -> None:
        assert faults.belongs(alive(1, 5, "any", exe="/bin/any"), None)

    def test_going_by_the_program_whatever_its_arguments_are(self) -> None:
        assert faults.belongs(alive(1, 5, "thingd: worker"), self.main)
        assert not faults.belongs(alive(1, 5, DAEMON, exe="/usr/sbin/epmd"), self.main)

    def test_also_behind_a_shim(self) -> None:
        assert faults.belongs(alive(1, 5, DAEMON, exe=faults.HIDDEN + DAEMON), self.main)

    def test_an_interpreter_must_run_the_services_script(self) -> None:
        mine = alive(1, 5, PERL, "-w", "/usr/bin/thing.pl", exe=PERL)
        titled = alive(1, 5, "thing.pl master", exe=PERL)
        foreign = alive(1, 5, PERL, "/usr/bin/other.pl", exe=PERL)
        assert faults.belongs(mine, self.script)
        assert faults.belongs(titled, self.script)
        assert not faults.belongs(foreign, self.script)


class TestProgramFile:
    @pytest.mark.parametrize(
        ("main", "expected"),
        [
            (Program(DAEMON, DAEMON, (DAEMON, "/etc/conf")), DAEMON),
            (Program("/usr/bin/x.pl", PERL, ("/usr/bin/x.pl",)), "/usr/bin/x.pl"),
            (Program(PERL, PERL, ("perl", "-w", "/usr/bin/x.pl", "/etc/c")), "/usr/bin/x.pl"),
            (Program(PERL, PERL, ("perl", "-e", "sleep")), ""),
            (Program(PYTHON, PYTHON, ("python3", "-m", "x")), ""),
            (Program(PYTHON, PYTHON, ("python3", "-Im", "http.server", "-d", "/srv")), ""),
            (
                Program(PYTHON, PYTHON, ("python3", "-u", "/usr/bin/x", "-c", "/etc/c")),
                "/usr/bin/x",
            ),
            (Program(PYTHON, PYTHON, ("python3", "-E", "/usr/bin/x")), "/usr/bin/x"),
            (Program("/bin/sh", "/bin/sh", ("sh", "-ec", "loop /etc/c", "/etc/d")), ""),
            (Program("/bin/sh", "/bin/sh", ("sh", "-e", "/usr/bin/x")), "/usr/bin/x"),
            (Program("/bin/busybox", "/bin/busybox", ("httpd", "-c", "/etc/httpd.conf")), ""),
        ],
        ids=[
            "binary",
            "script",
            "interpreter",
            "one-liner",
            "module",
            "module-with-a-folder",
            "script-with-an-option",
            "script-without-an-environment",
            "text-with-a-path",
            "script-that-ends-at-a-failure",
            "applet",
        ],
    )
    def test_is_what_can_be_taken_away(self, main: Program, expected: str) -> None:
        assert faults.program_file(main) == expected


ODD = """| |'|"|$(touch x)|`id`|$HOME|\\|*|(|)|!|-a|-o|=|-n|--|-|$1|日本語 の 引数|;exit 0""".split(
    "|"
)
odd = st.one_of(
    st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=6),
    st.sampled_from([*ODD, "\n", "a\n", "\r", "\udcff\udc80"]),
)
command_lines = st.lists(odd, max_size=13)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a shell and the original where the shim expects them."""
    top = tmp_path_factory.mktemp("shim")
    hidden = top / "hidden"
    program = Path(f"{hidden}{top}/daemon's own")
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\nprintf "%s\\0" "$#" "$@"\nexit 7\n')
    program.chmod(0o755)
    (hidden / "sh").symlink_to("/bin/sh")
    return top


Call = Callable[[Sequence[str]], "subprocess.CompletedProcess[bytes]"]


def shim(
    place: Path,
    argv: Sequence[str],
    failure: faults.Failure = "at-once",
    *,
    every_call: bool = False,
) -> Call:
    """Lay the shim for this command line; returns what calls it."""
    file = place / "daemon's own"
    main = Program(str(file), str(file), ("daemon", *argv))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faults, "HIDDEN", f"{place}/hidden")
        patch.setattr(faults, "_SHELL", f"{place}/hidden/sh")
        file.write_bytes(faults.shim(main, failure, every_call=every_call))
    file.chmod(0o755)

    def call(arguments: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [str(file), *arguments], check=False, cwd=place, capture_output=True, timeout=PATIENCE
        )

    return call


def passed_on(arguments: Sequence[str]) -> bytes:
    words = [str(len(arguments)), *arguments]
    return b"".join(os.fsencode(word) + b"\0" for word in words)


class TestShim:
    @settings(max_examples=60, deadline=None)
    @given(command_lines, command_lines)
    def test_fails_for_one_command_line_and_hands_every_other_on_unchanged(
        self, place: Path, argv: list[str], other: list[str]
    ) -> None:
        call = shim(place, argv)
        failed = call(argv)
        assert (failed.returncode, failed.stdout, failed.stderr) == (1, b"", b"")
        if other != argv:
            result = call(other)
            assert (result.returncode, result.stdout, result.stderr) == (7, passed_on(other), b"")
        assert not (place / "x").exists()

    @settings(max_examples=30, deadline=None)
    @given(st.data())
    def test_is_not_taken_in_by_a_near_miss(self, place: Path, data: st.DataObject) -> None:
        argv = data.draw(st.lists(odd, min_size=1, max_size=12))
        at = data.draw(st.integers(0, len(argv) - 1))
        near = data.draw(
            st.sampled_from(
                [
                    [*argv, ""],
                    argv[:-1],
                    [*argv[:at], argv[at] + "x", *argv[at + 1 :]],
                    [*argv[:at], argv[at] + "\n", *argv[at + 1 :]],
                    [*argv[:at], *argv[at + 1 :], argv[at]],
                    [" ".join(argv)],
                ]
            )
        )
        assume(near != argv)
        result = shim(place, argv)(near)
        assert (result.returncode, result.stdout) == (7, passed_on(near))

    def test_compares_more_than_nine_arguments(self, place: Path) -> None:
        argv = [f"a{number}" for number in range(12)]
        call = shim(place, argv)
        assert call(argv).returncode == 1
        assert call([*argv[:11], "b"]).returncode == 7
        assert call([*argv[:9], "a00", *argv[10:]]).returncode == 7

    def test_that_fails_late_says_0_first_and_leaves_a_child_for_a_moment(
        self, place: Path
    ) -> None:
        call = shim(place, ["-d"], "late")
        assert call(["-t"]).returncode == 7
        began = time.monotonic()
        result = call(["-d"])  # waits for the end of the pipe, which the child keeps
        assert result.returncode == 0
        assert time.monotonic() - began >= 0.2

    def test_for_every_call_asks_nothing(self, place: Path) -> None:
        call = shim(place, ["-d"], every_call=True)
        for argv in ([], ["-d"], ["-t"], ["a b", ""]):
            assert call(argv).returncode == 1

    def test_for_every_call_of_an_interpreter_minds_its_script(self) -> None:
        main = Program(PERL, PERL, ("perl", "/usr/bin/x.pl", "-d"))
        text = faults.shim(main, "at-once", every_call=True).decode()
        assert """[ "$1" = /usr/bin/x.pl ] && exit 1""" in text
        one_liner = Program(PERL, PERL, ("perl", "-e", "sleep"))
        assert (
            """[ "$1" = '' ] && exit 1"""
            in faults.shim(one_liner, "at-once", every_call=True).decode()
        )


class Files:
    """Those methods of a sandbox that a fault needs, on a dictionary."""

    def __init__(self, **files: bytes) -> None:
        self.files = {"/bin/sh": b"shell", **{"/" + path: text for path, text in files.items()}}

    def read_file(self, path: str, limit: int = 65536) -> bytes:
        return self.files[path][:limit]

    def put_file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        assert mode == 0o755
        self.files[path] = content

    def move_file(self, path: str, to: str) -> None:
        self.files[to] = self.files.pop(path)

    def remove_file(self, path: str) -> None:
        if path not in self.files:
            raise FileNotFoundError(2, "No such file or directory", path)
        del self.files[path]

    @property
    def sandbox(self) -> Sandbox:
        return cast("Sandbox", self)


class TestMakeItFail:
    def test_keeps_the_original_and_a_shell_of_its_own(self) -> None:
        files = Files(**{"usr/sbin/thingd": b"ELF"})
        main = Program(DAEMON, DAEMON, (DAEMON, "-f", "a b"))
        said = faults.make_it_fail(files.sandbox, main, "at-once")
        assert said == f"{DAEMON} exits 1, when called as `{DAEMON} -f 'a b'`"
        assert files.files[faults.HIDDEN + DAEMON] == b"ELF"
        assert files.files[f"{faults.HIDDEN}/sh"] == b"shell"
        assert files.files[DAEMON] == faults.shim(main, "at-once")

    def test_copies_the_shell_before_it_becomes_a_shim_itself(self) -> None:
        files = Files()
        main = Program("/bin/sh", "/bin/sh", ("sh", "-c", "loop"))
        faults.make_it_fail(files.sandbox, main, "at-once")
        assert files.files[f"{faults.HIDDEN}/sh"] == b"shell"
        assert files.files[f"{faults.HIDDEN}/bin/sh"] == b"shell"

    def test_leaves_a_program_alone_that_is_many(self) -> None:
        files = Files(**{"bin/busybox": b"ELF"})
        main = Program("/bin/busybox", "/bin/busybox", ("syslogd", "-n"))
        with pytest.raises(PermissionError, match="many other commands"):
            faults.make_it_fail(files.sandbox, main, "at-once")
        assert set(files.files) == {"/bin/sh", "/bin/busybox"}

    def test_was_hit_asks_for_the_very_command_line(self) -> None:
        main = Program(DAEMON, DAEMON, (DAEMON, "-f"))
        assert faults.was_hit(main, [ran(1, 5, "another-name", "-f", path=DAEMON)])
        assert not faults.was_hit(main, [ran(1, 5, DAEMON, "-t"), ran(1, 5, "/x", "-f")])


class TestTakeAway:
    def test_removes_the_program_or_the_script(self) -> None:
        files = Files(**{"usr/bin/x.pl": b"", "usr/bin/perl": b""})
        main = Program(PERL, PERL, ("perl", "/usr/bin/x.pl"))
        assert faults.take_away(files.sandbox, main) == "/usr/bin/x.pl is not there"
        assert set(files.files) == {"/bin/sh", PERL}

    @pytest.mark.parametrize(
        "main",
        [
            Program(PERL, PERL, ("perl", "-e", "sleep")),
            Program("/bin/busybox", "/bin/busybox", ("crond", "-L", "/bin/sh")),
            Program("/usr/bin/dash", "/usr/bin/dash", ("sh", "-c", "loop")),
        ],
        ids=["one-liner", "applet", "shell"],
    )
    def test_takes_nothing_from_everybody_else(self, main: Program) -> None:
        files = Files(**{"bin/busybox": b"", "usr/bin/perl": b"", "usr/bin/dash": b""})
        before = set(files.files)
        with pytest.raises(FileNotFoundError, match="no program of its own"):
            faults.take_away(files.sandbox, main)
        assert set(files.files) == before


class TestBystander:
    def test_has_the_daemons_name_and_not_its_path(self) -> None:
        files = Files()
        service = Service(Program(DAEMON, DAEMON, (DAEMON, "-f")))
        (path,) = faults.put_bystander(files.sandbox, service, "script-name")
        assert path.endswith("/thingd")
        assert path != DAEMON
        assert files.files[path].startswith(b"\x7fELF")

    def test_has_the_scripts_name_when_the_daemon_is_not_known(self) -> None:
        (path,) = faults.put_bystander(Files().sandbox, Service(None), "script-name")
        assert path.endswith("/script-name")


class TestSleeper:
    def test_sleeps_on_this_machine_whatever_it_is_called(self, tmp_path: Path) -> None:
        program = tmp_path / "reboot"
        program.write_bytes(faults.sleeper(os.uname().machine))
        program.chmod(0o755)
        child = subprocess.Popen([str(program), "now"], env={})
        try:
            until = time.monotonic() + PATIENCE
            while process.executable(child.pid) != str(program) or (
                process.stat(child.pid).state != "S"
            ):
                assert child.poll() is None
                assert time.monotonic() < until
            child.send_signal(signal.SIGSTOP)
            child.send_signal(signal.SIGCONT)
            used = os.times().children_user
            until = time.monotonic() + PATIENCE
            while process.stat(child.pid).state != "S":
                assert time.monotonic() < until
            assert child.poll() is None
        finally:
            child.kill()
            child.wait()
        assert os.times().children_user - used < 0.5

    @pytest.mark.parametrize(("machine", "number"), [("x86_64", 62), ("aarch64", 183)])
    def test_is_a_whole_program_for_either_machine(self, machine: str, number: int) -> None:
        elf = faults.sleeper(machine)
        assert elf[:7] == b"\x7fELF\x02\x01\x01"  # 64 bits, little-endian, version 1
        (kind, for_machine, _version, entry, table, _, _, header, each, count) = struct.unpack(
            "<HHIQQQIHHH", elf[16:58]
        )
        assert (kind, for_machine, table, header, each, count) == (2, number, 64, 64, 56, 1)
        load, flags, offset, at, _, in_file, in_memory, align = struct.unpack(
            "<IIQQQQQQ", elf[64:120]
        )
        assert (load, flags) == (1, 5)  # PT_LOAD, readable and executable, not writable
        assert in_file == in_memory == len(elf)
        assert at % align == offset % align
        assert at <= entry < at + in_file

    def test_for_x86_64_loops_over_pause(self) -> None:
        code = faults.sleeper("x86_64")[120:]
        assert code[:5] == b"\xb8" + struct.pack("<i", 34)  # mov eax, 34
        assert code[5:7] == b"\x0f\x05"  # syscall
        jump, back = struct.unpack("<Bb", code[7:])
        assert jump == 0xEB
        assert len(code) + back == 0

    def test_for_aarch64_loops_over_ppoll(self) -> None:
        code = faults.sleeper("aarch64")[120:]
        words = struct.unpack(f"<{len(code) // 4}I", code)
        assert words[-3] == 0xD2800000 | 73 << 5 | 8  # movz x8, #73
        assert words[-2] == 0xD4000001  # svc #0
        back = (words[-1] & 0x3FFFFFF) - (1 << 26)
        assert words[-1] >> 26 == 0b000101  # b
        assert len(words) - 1 + back == 0


def test_a_command_line_can_be_pasted_into_a_shell() -> None:
    main = Program(DAEMON, DAEMON, ("argv0", "a b", "$(id)", "", "日本"))
    assert shlex.split(faults.pasteable(main)) == [DAEMON, *main.argv[1:]]
