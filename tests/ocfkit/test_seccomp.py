"""Filters: each block's decision in a small BPF interpreter, and a few under the real kernel."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocfkit.linux import namespaces, seccomp

ALLOW = seccomp.SECCOMP_RET_ALLOW
NOTIFY = seccomp.SECCOMP_RET_USER_NOTIF
X86_64, AARCH64, I386 = 0xC000003E, 0xC00000B7, 0x40000003
U32 = 0xFFFFFFFF

words = st.integers(0, (1 << 64) - 1)
small = st.sampled_from([0, 1, 2, 6, 9, 15, U32, 1 << 32, (1 << 32) + 1, 0x10000000, 0x40000001])
arguments = st.lists(words | small, min_size=6, max_size=6)


def errno_of(code: int) -> int:
    return seccomp.SECCOMP_RET_ERRNO | code


def decide(program: bytes, nr: int, args: list[int], arch: int = X86_64) -> int:
    """Run a filter as the kernel would (filter.h, seccomp.h), checking what its verifier checks."""
    data = struct.pack("=IIQ6Q", nr & U32, arch, 0, *args)
    code: list[tuple[int, int, int, int]] = list(struct.iter_unpack("=HBBI", program))
    assert len(program) % 8 == 0
    assert len(code) <= 4096
    accumulator = at = 0
    while True:
        operation, if_true, if_false, operand = code[at]
        at += 1
        if operation == 0x20:  # BPF_LD | BPF_W | BPF_ABS
            assert operand % 4 == 0
            (accumulator,) = struct.unpack_from("=I", data, operand)
        elif operation == 0x15:  # BPF_JMP | BPF_JEQ | BPF_K
            at += if_true if accumulator == operand else if_false
        elif operation == 0x35:  # BPF_JMP | BPF_JGE | BPF_K
            at += if_true if accumulator >= operand else if_false
        elif operation == 0x45:  # BPF_JMP | BPF_JSET | BPF_K
            at += if_true if accumulator & operand else if_false
        elif operation == 0x54:  # BPF_ALU | BPF_AND | BPF_K
            accumulator &= operand
        else:
            assert operation == 0x06  # BPF_RET | BPF_K
            return operand


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Pretend that this is another machine."""

    def pretend(machine: str) -> None:
        monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine=machine))

    return pretend


@pytest.fixture(autouse=True)
def on_x86_64(on: Callable[[str], None]) -> None:
    on("x86_64")


def others(*names: str) -> st.SearchStrategy[int]:
    """Numbers of every other call, and of none."""
    taken = {seccomp.NUMBERS[name][0] for name in names}
    return st.integers(0, 0x3FFFFFFF).filter(lambda number: number not in taken)


class TestRefuse:
    @given(arguments)
    def test_answers_its_call_with_an_errno(self, args: list[int]) -> None:
        program = seccomp.program([seccomp.refuse("bpf"), seccomp.refuse("clone3", errno.ENOSYS)])
        assert decide(program, 321, args) == errno_of(errno.EPERM)
        assert decide(program, 435, args) == errno_of(errno.ENOSYS)

    @given(others("bpf"), arguments)
    def test_lets_every_other_call_pass(self, number: int, args: list[int]) -> None:
        assert decide(seccomp.program([seccomp.refuse("bpf")]), number, args) == ALLOW

    def test_with_zero_pretends_success(self) -> None:
        assert decide(seccomp.program([seccomp.refuse("bpf", 0)]), 321, [0] * 6) == errno_of(0)


class TestRefuseFlags:
    flags = st.sampled_from([0x10000000, 1, 0x80000001])

    @given(st.integers(0, 5), flags, arguments)
    def test_looks_at_any_of_the_bits(self, index: int, flags: int, args: list[int]) -> None:
        program = seccomp.program([seccomp.refuse_flags("unshare", index, flags)])
        expected = errno_of(errno.EPERM) if args[index] & U32 & flags else ALLOW
        assert decide(program, 272, args) == expected

    @given(others("unshare"), arguments)
    def test_lets_every_other_call_pass(self, number: int, args: list[int]) -> None:
        program = seccomp.program([seccomp.refuse_flags("unshare", 0, U32)])
        assert decide(program, number, args) == ALLOW


class TestRefuseValues:
    values = st.lists(st.integers(0, 20), min_size=0, max_size=6, unique=True).map(tuple)

    @given(st.integers(0, 5), values, arguments, st.integers(0, 25))
    def test_finds_each_of_the_values_and_no_other(
        self, index: int, values: tuple[int, ...], args: list[int], near: int
    ) -> None:
        mask = 0xBFFFFFFF
        block = seccomp.refuse_values("sched_setscheduler", index, values, mask)
        program = seccomp.program([block])
        for value in (args[index], near, near | 0x40000000, near | 1 << 32, *values):
            asked = [*args[:index], value, *args[index + 1 :]]
            refused = value & mask & U32 in values
            expected = errno_of(errno.EPERM) if refused else ALLOW
            assert decide(program, 144, asked) == expected

    @given(others("sched_setscheduler"), arguments)
    def test_lets_every_other_call_pass(self, number: int, args: list[int]) -> None:
        block = seccomp.refuse_values("sched_setscheduler", 1, (1, 2, 6), U32)
        assert decide(seccomp.program([block]), number, args) == ALLOW


class TestNotify:
    @given(arguments)
    def test_asks_about_its_call(self, args: list[int]) -> None:
        assert decide(seccomp.program([seccomp.notify("execve")]), 59, args) == NOTIFY

    @given(others("execve"), arguments)
    def test_lets_every_other_call_pass(self, number: int, args: list[int]) -> None:
        assert decide(seccomp.program([seccomp.notify("execve")]), number, args) == ALLOW


class TestNotifySignal:
    @given(st.sampled_from([("kill", 62, 1), ("tgkill", 234, 2)]), arguments, st.integers(0, U32))
    def test_asks_about_every_signal_but_0_without_the_password(
        self, call: tuple[str, int, int], args: list[int], password: int
    ) -> None:
        name, number, index = call
        program = seccomp.program([seccomp.notify_signal(name, index, password)])
        for signal_ in (0, 9, 15, args[index]):
            for word in (password, password ^ 1, args[4]):
                asked = [*args]
                asked[index], asked[4] = signal_, word
                passes = signal_ & U32 == 0 or word & U32 == password
                assert decide(program, number, asked) == (ALLOW if passes else NOTIFY)


class TestProgram:
    def test_reaches_the_last_of_many_blocks(self) -> None:
        blocks = [
            seccomp.refuse("bpf"),
            seccomp.refuse_flags("clone", 0, 1),
            seccomp.refuse_values("sched_setscheduler", 1, (1, 2), U32),
            seccomp.notify_signal("kill", 1, 7),
            seccomp.notify("execve"),
        ]
        program = seccomp.program(blocks)
        assert decide(program, 59, [0] * 6) == NOTIFY
        assert decide(program, 62, [1, 9, 0, 0, 0, 0]) == NOTIFY
        assert decide(program, 56, [1] * 6) == errno_of(errno.EPERM)
        assert decide(program, 39, [0] * 6) == ALLOW

    @given(words, arguments)
    def test_knows_no_call_of_a_foreign_abi(self, number: int, args: list[int]) -> None:
        program = seccomp.program([])
        assert decide(program, number, args, I386) == errno_of(errno.ENOSYS)
        assert decide(program, number, args, AARCH64) == errno_of(errno.ENOSYS)

    @given(st.integers(0, 600), arguments)
    def test_knows_no_call_of_x32(self, number: int, args: list[int]) -> None:
        program = seccomp.program([seccomp.refuse("bpf")])
        assert decide(program, number | 0x40000000, args) == errno_of(errno.ENOSYS)


class TestMachines:
    @given(arguments)
    def test_aarch64_has_numbers_of_its_own(self, args: list[int]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "uname", lambda: SimpleNamespace(machine="aarch64"))
            program = seccomp.program([seccomp.notify("execve"), seccomp.refuse("bpf")])
        assert decide(program, 221, args, AARCH64) == NOTIFY
        assert decide(program, 280, args, AARCH64) == errno_of(errno.EPERM)
        assert decide(program, 59, args, AARCH64) == ALLOW
        assert decide(program, 59, args, X86_64) == errno_of(errno.ENOSYS)

    def test_a_call_that_aarch64_does_not_have_needs_no_block(
        self, on: Callable[[str], None]
    ) -> None:
        on("aarch64")
        assert seccomp.number("chown") == -1
        assert seccomp.refuse("chown") == seccomp.notify("mknod") == []

    def test_another_machine_is_refused(self, on: Callable[[str], None]) -> None:
        on("riscv64")
        for attempt in (lambda: seccomp.number("kill"), lambda: seccomp.program([])):
            with pytest.raises(OSError, match="riscv64") as refusal:
                attempt()
            assert refusal.value.errno == errno.ENOSYS

    @pytest.mark.parametrize(
        ("header", "column"),
        [("x86_64-linux-gnu/asm/unistd_64.h", 0), ("asm-generic/unistd.h", 1)],
    )
    def test_the_numbers_are_those_of_the_kernels_headers(self, header: str, column: int) -> None:
        # pinned, so that a machine without the headers checks something too
        assert seccomp.NUMBERS["kill"] == (62, 129)
        assert seccomp.NUMBERS["execveat"] == (322, 281)
        assert seccomp.NUMBERS["rt_tgsigqueueinfo"] == (297, 240)
        path = Path("/usr/include", header)
        if not path.exists():
            return
        pattern = r"#define __NR(?:3264)?_(\w+)\s+(\d+)"
        numbers = {name: int(number) for name, number in re.findall(pattern, path.read_text())}
        for name, known in seccomp.NUMBERS.items():
            assert known[column] == numbers.get(name, -1), name


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the fixture pretends x86_64")
class TestUnderTheKernel:
    def test_a_call_is_refused_or_done_without_doing_anything(self) -> None:
        def child() -> list[int]:
            install(seccomp.refuse("kill", 0), seccomp.refuse("setuid", errno.EACCES))
            os.kill(os.getpid(), signal.SIGKILL)
            return [attempt(lambda: os.setuid(os.getuid())), int(os.getpid() == own_pid())]

        assert in_child(child) == [errno.EACCES, 1]

    def test_values_and_flags_are_refused_and_others_are_not(self) -> None:
        def child() -> list[int]:
            mask = ~os.SCHED_RESET_ON_FORK & U32
            install(
                seccomp.refuse_values("sched_setscheduler", 1, (1, 2, 6), mask),
                seccomp.refuse_flags("unshare", 0, namespaces.CLONE_NEWUSER),
            )
            parameter, zero = os.sched_param(1), os.sched_param(0)
            reset = os.SCHED_RESET_ON_FORK
            return [
                attempt(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, parameter)),
                attempt(lambda: os.sched_setscheduler(0, os.SCHED_RR | reset, parameter)),
                attempt(lambda: os.sched_setscheduler(0, os.SCHED_BATCH, zero)),
                attempt(lambda: namespaces.unshare(namespaces.CLONE_NEWUSER)),
                attempt(lambda: namespaces.unshare(0)),
            ]

        assert in_child(child) == [errno.EPERM, errno.EPERM, 0, errno.EPERM, 0]

    def test_whoever_listens_decides_about_each_call(self) -> None:
        def child() -> list[int]:
            blocks = [seccomp.notify_signal("kill", 1, 4711)]
            namespaces.prctl(namespaces.PR_SET_NO_NEW_PRIVS, 1)
            listener = seccomp.install(seccomp.program(blocks), listen=True)
            assert listener is not None
            read, write = os.pipe()
            target = os.fork()
            if target == 0:
                signal.pause()
            caller = os.fork()
            if caller == 0:
                seen = [
                    attempt(lambda: os.kill(target, 0)),  # not asked about
                    attempt(lambda: os.kill(target, signal.SIGKILL)),
                    attempt(lambda: os.kill(target, signal.SIGKILL)),
                    attempt(lambda: os.kill(target, 0)),
                    attempt(lambda: os.kill(target, signal.SIGUSR1)),
                ]
                os.write(write, json.dumps(seen).encode())
                os._exit(0)
            asked: list[int] = []
            for code in (0, errno.EPERM, None):
                call = seccomp.receive(listener)
                assert call is not None
                assert (call.pid, call.nr, call.args[0]) == (caller, 62, target)
                asked.append(call.args[1])
                seccomp.answer(listener, call, code)
            os.waitpid(caller, 0)
            _, status = os.waitpid(target, 0)
            namespaces.syscall(62, os.getpid(), 18, 0, 0, 4711)  # with the password: no waiting
            return [*asked, *json.loads(os.read(read, 4096)), os.WTERMSIG(status)]

        kill, user = int(signal.SIGKILL), int(signal.SIGUSR1)
        assert in_child(child) == [kill, kill, user, 0, 0, errno.EPERM, 0, 0, user]

    def test_a_call_whose_process_was_killed_needs_no_answer(self) -> None:
        def child() -> list[int]:
            namespaces.prctl(namespaces.PR_SET_NO_NEW_PRIVS, 1)
            program = seccomp.program([seccomp.notify_signal("kill", 1, 4711)])
            listener = seccomp.install(program, listen=True)
            assert listener is not None
            caller = os.fork()
            if caller == 0:
                os.kill(os.getppid(), signal.SIGUSR1)
            call = seccomp.receive(listener)
            assert call is not None
            namespaces.syscall(62, caller, signal.SIGKILL, 0, 0, 4711)
            os.waitpid(caller, 0)
            seccomp.answer(listener, call, None)
            return [call.args[1]]

        assert in_child(child) == [signal.SIGUSR1]

    def test_what_is_no_filter_is_refused(self) -> None:
        def child() -> list[int]:
            namespaces.prctl(namespaces.PR_SET_NO_NEW_PRIVS, 1)
            return [
                attempt(lambda: seccomp.install(b"", listen=False)),
                attempt(lambda: seccomp.install(b"\xff" * 8, listen=True)),
            ]

        assert in_child(child) == [errno.EINVAL, errno.EINVAL]


def own_pid() -> int:
    return int(os.readlink("/proc/self"))


def install(*blocks: seccomp.Block) -> None:
    namespaces.prctl(namespaces.PR_SET_NO_NEW_PRIVS, 1)
    seccomp.install(seccomp.program(list(blocks)), listen=False)


def attempt(call: Callable[[], object]) -> int:
    """The errno of a call, or 0."""
    try:
        call()
    except OSError as failure:
        return failure.errno or -1
    return 0


def in_child(function: Callable[[], list[int]]) -> list[int]:
    """What the function returns in a process of its own, which it may spoil."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, json.dumps(function()).encode())
        except BaseException as failure:  # noqa: BLE001 - it must not escape into pytest
            os.write(write, json.dumps(repr(failure)).encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as answer:
        said = answer.read()
    _, status = os.waitpid(pid, 0)
    assert status == 0, status
    found: list[int] = json.loads(said)
    return found
