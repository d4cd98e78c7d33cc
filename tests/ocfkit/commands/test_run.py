"""`ocfkit run`: an action as the cluster would run it, with its reason and its exit code."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ocfkit import catalogue
from ocfkit.commands import run as command
from ocfkit.commands.arguments import WrongCallError
from ocfkit.linux import process
from tests.ocfkit.command import argv, ocfkit, write

CANARY = "tweet-4711-canary"

NOISY = '''\
import os, signal, sys, time
from ocfkit import *
HANGS = sys.flags.no_site and os.environ.get("OCF_RESKEY_how") == "load"
if HANGS:
    time.sleep(60)

class Noisy(Agent):
    """Behave badly."""
    how = param.string("How.", default="quiet")
    needs_root = ()
    def start(self): pass
    def stop(self): pass
    def monitor(self):
        environ = self.environment
        if self.how == "hang":
            self.doing("waiting for Godot")
        print("level", environ.check_level, "interval", environ.interval, "timeout",
              environ.timeout, "instance", environ.instance, "probe", environ.is_probe, flush=True)
        if self.how == "environment":
            print(*sorted(os.environ))
        if self.how == "hang":
            time.sleep(60)
        if self.how == "killed":
            os.kill(os.getppid(), signal.SIGKILL)
            os._exit(0)
        if self.how in ("silent", "chatty") and not os.fork():
            os.setsid()
            with open(os.environ["HA_RSCTMP"] + "/pid", "w") as file:
                print(os.getpid(), file=file)
            while self.how == "chatty":
                os.write(2, b"chatter\\n")
            time.sleep(120)
        if self.how == "fails":
            raise ActionError("it says <no> & 日本")
        return STOPPED if self.how == "stopped" else RUNNING
'''


Noisy = Callable[..., subprocess.CompletedProcess[str]]


def summary(text: str) -> str:
    """The output without the time that it took."""
    return re.sub(r" after \d+\.\d\d s$", "", text, flags=re.MULTILINE)


@pytest.fixture
def noisy(tmp_path: Path) -> Noisy:
    """Run the monitor of an agent that behaves as it is told."""
    file = write(tmp_path / "noisy.py", NOISY)

    def run(
        how: str, *words: str, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        env = {"HA_RSCTMP": str(tmp_path), **(env or {})}
        return ocfkit("run", file, "monitor", "-p", f"how={how}", *words, env=env)

    return run


class TestOutcome:
    def test_of_a_whole_life(self, tmp_path: Path) -> None:
        agent = write(tmp_path / "flagship.py")
        env = {"HA_RSCTMP": str(tmp_path)}
        parameter = f"file={tmp_path}/flag"
        life = ["monitor", "start", "start", "monitor", "stop", "stop", "validate-all"]
        done = [ocfkit("run", agent, what, "-p", parameter, env=env) for what in life]
        assert [each.returncode for each in done] == [7, 0, 0, 0, 0, 0, 0]
        assert [summary(each.stdout) for each in done] == [
            "monitor: 7 (not running)\nreason: default is not running\n",
            *(f"{what}: 0 (success)\n" for what in life[1:]),
        ]

    def test_has_the_reason_apart_from_the_log(self, noisy: Noisy) -> None:
        done = noisy("fails")
        assert done.returncode == 1
        assert summary(done.stdout) == ("monitor: 1 (generic error)\nreason: it says <no> & 日本\n")
        assert done.stderr == ("level 0 interval 10.0 timeout 20.0 instance default probe False\n")

    def test_of_an_unknown_action_is_unimplemented(self, tmp_path: Path) -> None:
        done = ocfkit("run", write(tmp_path / "flagship.py"), "strat")
        assert done.returncode == 3
        assert summary(done.stdout) == (
            "strat: 3 (unimplemented)\nreason: flagship has no action 'strat'; "
            "it has start, stop, monitor, validate-all, meta-data\n"
        )

    def test_of_wrong_values_tells_all_of_them(self, tmp_path: Path) -> None:
        words = ["-p", "file=relative", "-p", "mode=slwo", "-p", "count=0"]
        done = ocfkit("run", write(tmp_path / "flagship.py"), "start", *words)
        assert done.returncode == 6
        assert all(name in done.stdout for name in ("file", "mode", "count"))

    def test_of_meta_data_is_meta_data_alone(self, tmp_path: Path) -> None:
        done = ocfkit("run", write(tmp_path / "flagship.py"), "meta-data")
        assert done.returncode == 0
        assert done.stdout.endswith("</resource-agent>\n")
        assert summary(done.stderr) == "meta-data: 0 (success)\n"

    def test_of_an_agent_that_is_late_says_what_it_waited_for(self, noisy: Noisy) -> None:
        done = noisy("hang", "--timeout", "1s")
        assert done.returncode == 1
        assert re.search(r"reason: monitor did not end within .*Godot", done.stdout)

    def test_of_an_agent_that_does_not_answer_is_a_failure(self, noisy: Noisy) -> None:
        began = time.monotonic()
        done = noisy("load", "--timeout", "500ms")
        assert done.returncode == 1
        assert done.stderr == "ocfkit: monitor did not answer within 500ms, and was killed\n"
        assert time.monotonic() - began < 20

    def test_of_an_agent_that_is_killed_is_a_failure(self, noisy: Noisy) -> None:
        done = noisy("killed", "--interval", "0")
        assert done.returncode == 1
        assert "ocfkit: monitor was killed by signal 9" in done.stderr

    @pytest.mark.parametrize("how", ["silent", "chatty"])
    def test_does_not_wait_for_a_daemon_that_holds_standard_error(
        self, tmp_path: Path, how: str
    ) -> None:
        write(tmp_path / "noisy.py", NOISY)
        child = subprocess.Popen(
            argv("run", tmp_path / "noisy.py", "monitor", "-p", f"how={how}", "--timeout", "2min"),
            env={"HA_RSCTMP": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert child.wait(30) == 0  # it would have to wait for two minutes
        finally:
            assert child.stdout is not None
            child.stdout.close()
            with contextlib.suppress(ProcessLookupError):  # it may have heard that nobody listens
                os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


class TestCall:
    def test_says_level_interval_timeout_and_instance(self, noisy: Noisy) -> None:
        words = ["--level", "10", "--interval", "1min", "--timeout", "1.5s", "--instance", "db:1"]
        assert noisy("quiet", *words).stderr == (
            "level 10 interval 60.0 timeout 1.5 instance db probe False\n"
        )

    def test_with_the_interval_0_is_a_probe(self, noisy: Noisy) -> None:
        assert "probe True" in noisy("quiet", "--interval", "0").stderr

    def test_leaves_the_callers_environment_behind(self, noisy: Noisy) -> None:
        env = {"SECRET": CANARY, "OCF_RESKEY_how": "fails", "HA_debug": "1", "PYTHONPATH": "/x"}
        done = noisy("environment", env=env)
        assert done.returncode == 0
        names = next(line for line in done.stderr.splitlines() if "OCF_ROOT" in line).split()
        assert {"HA_debug", "HA_RSCTMP", "OCF_RESKEY_how"} <= set(names)
        assert {"SECRET", "PYTHONPATH", "LC_ALL"} & set(names) == set()

    @pytest.mark.parametrize(
        ("words", "why"),
        [
            (["-p", "fiel=/x"], "Flag has no parameter fiel; did you mean file?"),
            (["-p", "colour=red"], "Flag has no parameter colour; it has file, mode, count, passw"),
            (["-p", "file"], "-p takes NAME=VALUE, and here there is no ="),
            (["-p", "=x"], "Flag has no parameter ;"),
            (["-p", "mode=fast", "-p", "mode=slow"], "parameter mode is given twice"),
            (["--level", "deep"], "'deep' is no depth such as 10"),
            (["--level", "-1"], "--level"),
            (["--timeout", "soon"], "'soon' is no time such as 20s"),
            (["--timeout", "0"], "'0' is less than a millisecond"),
            (["--levle", "3"], "unexpected argument --levle; did you mean --level?"),
            (["more"], "unexpected argument more"),
        ],
    )
    def test_that_is_wrong_is_refused(self, tmp_path: Path, words: list[str], why: str) -> None:
        done = ocfkit("run", write(tmp_path / "flagship.py"), "monitor", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert why in done.stderr
        assert "Traceback" not in done.stderr

    def test_takes_the_parameter_that_every_agent_has(self, tmp_path: Path) -> None:
        agent = write(tmp_path / "flagship.py")
        done = ocfkit("run", agent, "validate-all", "-p", "debug=true")
        assert (done.returncode, "DEBUG" in done.stderr) == (0, True)


class TestSecrets:
    @pytest.fixture
    def agent(self, tmp_path: Path) -> Path:
        return write(tmp_path / "flagship.py")

    def start(self, agent: Path, word: str, stdin: str = "") -> str:
        """Start it with a password, and return what came of that."""
        flag = agent.parent / "flag"
        flag.unlink(missing_ok=True)
        env = {"HA_RSCTMP": str(agent.parent)}
        words = ["-p", f"file={flag}", "-p", f"password={word}"]
        done = ocfkit("run", agent, "start", *words, env=env, stdin=stdin)
        assert (done.returncode, done.stderr) == (0, "")
        return flag.read_bytes().decode()

    def test_come_from_a_file(self, agent: Path) -> None:
        secret = write(agent.parent / "secret", f"{CANARY}\r\n")
        assert self.start(agent, f"@{secret}") == f"{CANARY}\r"

    def test_come_by_standard_input(self, agent: Path) -> None:
        assert self.start(agent, "-", f" {CANARY}\n") == f" {CANARY}"

    def test_on_the_command_line_are_refused_and_not_repeated(self, agent: Path) -> None:
        for words in (["-p", f"password={CANARY}"], [f"-ppassword={CANARY}", "-v"]):
            done = ocfkit("run", agent, "start", *words)
            assert (done.returncode, done.stdout) == (2, "")
            assert "password is secret" in done.stderr
            assert "-p password=@FILE" in done.stderr
            assert CANARY not in done.stderr

    @pytest.mark.parametrize("word", [f"passwrod={CANARY}", f"={CANARY}"])
    def test_of_a_mistyped_name_are_not_repeated(self, agent: Path, word: str) -> None:
        done = ocfkit("run", agent, "start", "-p", word)
        assert done.returncode == 2
        assert CANARY not in done.stderr

    @pytest.mark.parametrize(
        ("word", "why"),
        [
            ("@/nonexistent", "-p password=@…: /nonexistent: No such file or directory"),
            ("@", "-p password=@…: : No such file or directory"),
        ],
    )
    def test_that_cannot_be_read_are_told(self, agent: Path, word: str, why: str) -> None:
        done = ocfkit("run", agent, "start", "-p", f"password={word}")
        assert (done.returncode, done.stderr) == (2, f"ocfkit: {why}\n")

    def test_are_in_no_argument_of_the_process(self, agent: Path) -> None:
        found = catalogue.find(str(agent))
        stdin = io.TextIOWrapper(io.BytesIO(CANARY.encode()))
        values = command.parameters(found.cls, ["password=-"], stdin)
        env = command.environment(found, "start", values, caller={})
        words = command.argv_of(found, "start")
        assert env["OCF_RESKEY_password"] == CANARY
        assert words[:3] == [sys.executable, "-IS", "-c"]
        assert CANARY not in " ".join(words)

    def test_with_a_nul_are_refused(self, agent: Path) -> None:
        found = catalogue.find(str(agent))
        stdin = io.TextIOWrapper(io.BytesIO(b"a\0b"))
        with pytest.raises(WrongCallError, match="the value of password holds a NUL"):
            command.parameters(found.cls, ["password=-"], stdin)

    def test_without_standard_input_are_missing(self, agent: Path) -> None:
        found = catalogue.find(str(agent))
        with pytest.raises(WrongCallError, match="standard input is closed"):
            command.parameters(found.cls, ["password=-"], None)

    def test_are_not_shown_by_a_terminal(self, agent: Path) -> None:
        flag = agent.parent / "flag"
        words = argv("run", agent, "start", "-p", f"file={flag}", "-p", "password=-")
        pid, terminal = pty.fork()
        if pid == 0:
            env = {"PATH": "/usr/bin:/bin", "HA_RSCTMP": str(agent.parent)}
            os.execve(words[0], words, env)  # noqa: S606
        shown = read_until(terminal, "password: ")
        os.write(terminal, f"{CANARY}\n".encode())
        shown += read_until(terminal, "(success)")
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
        assert os.waitstatus_to_exitcode(status) == 0
        assert flag.read_text() == CANARY
        assert CANARY not in shown


def read_until(terminal: int, word: str) -> str:
    """Read a terminal until a word is there; fails when it ends before."""
    said = ""
    until = time.monotonic() + 30
    while word not in said:
        ready, _, _ = select.select([terminal], [], [], max(until - time.monotonic(), 0))
        assert ready, said
        said += os.read(terminal, 4096).decode()  # OSError at its end
    return said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_action_says_so_and_is_gone(tmp_path: Path, number: int) -> None:
    write(tmp_path / "noisy.py", NOISY)
    child = subprocess.Popen(
        argv("run", tmp_path / "noisy.py", "monitor", "-p", "how=hang", "--interval", "0"),
        env={"HA_RSCTMP": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    assert child.stderr.readline().startswith("level 0")  # it hangs now
    children = [pid for pid in process.pids() if is_child(pid, child.pid)]
    assert len(children) == 1
    child.send_signal(number)
    said, complained = child.communicate(timeout=30)
    assert child.returncode == 128 + number
    assert re.search(r"^reason: monitor was ended by signal 2 .*Godot", said)
    assert complained == "ocfkit: interrupted\n"
    assert not any(is_child(pid, children[0]) for pid in process.pids())
    with pytest.raises(FileNotFoundError):
        process.stat(children[0])


def is_child(pid: int, parent: int) -> bool:
    try:
        return process.stat(pid).ppid == parent
    except OSError:
        return False
