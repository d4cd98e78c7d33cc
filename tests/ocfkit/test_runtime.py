"""Agents as real processes: whatever they do, there is one answer, in time, with a reason."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, quote_plus
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocfkit.environment import Environment
from ocfkit.exitcodes import NAMES
from ocfkit.linux import process
from ocfkit.testing import Node
from ocfkit.testing.outcome import REASON
from tests.ocfkit.hostile import LEAKS, Forker, Guarded, Hung, Leaky, LeakyDaemon

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20.0

Launcher = Callable[..., Path]


def written(path: Path, target: str, *, home: Path = ROOT, before: str = "pass") -> Path:
    """Write what `ocfkit install` writes: three lines."""
    path.write_text(
        f"#!{sys.executable} -IS\n"
        f"import sys; sys.path += [{str(ROOT)!r}, {str(home)!r}]; {before}\n"
        f"from ocfkit.runtime import launch; launch({target!r}, name={path.name!r})\n"
    )
    path.chmod(0o755)
    return path


@pytest.fixture
def launcher(tmp_path: Path) -> Launcher:
    def write(target: str, home: Path = ROOT) -> Path:
        return written(tmp_path / "agent", target, home=home)

    return write


def call(
    argv: Sequence[str | Path],
    env: Mapping[str, str],
    *,
    redirections: str = "",
    limit: float = PATIENCE,
) -> subprocess.CompletedProcess[str]:
    """Call it as nobody's child, from /, with this environment and no other."""
    script = f"{' '.join(shlex.quote(str(word)) for word in argv)} {redirections}"
    return subprocess.run(
        ["/bin/sh", "-c", script] if redirections else argv,
        env=env,
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
    )


def reasons(done: subprocess.CompletedProcess[str]) -> list[str]:
    lines = done.stderr.splitlines()
    return [line.removeprefix(REASON) for line in lines if line.startswith(REASON)]


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - our own


VERSION = {"OCF_RA_VERSION_MAJOR": "1", "OCF_RA_VERSION_MINOR": "1"}
CALLERS: dict[str, dict[str, str]] = {
    "a person at a shell": {"PATH": "/usr/bin:/bin", "HOME": "/root", "LANG": "C"},
    "nobody": {},
    "crm_resource --show-metadata": {
        **VERSION,
        "OCF_RESOURCE_INSTANCE": "agent",
        "OCF_OUTPUT_FORMAT": "text",
    },
    "crm_resource --validate": {
        **VERSION,
        "OCF_ROOT": "/usr/lib/ocf",
        "OCF_RESOURCE_INSTANCE": "test",
        "OCF_RESKEY_CRM_meta_timeout": "20000",
        "OCF_RESKEY_crm_feature_set": "3.16.2",
        "OCF_OUTPUT_FORMAT": "text",
        "HA_debug": "0",
        "HA_logfacility": "none",
    },
    "crm ra validate": {"OCF_ROOT": "/usr/lib/ocf"},
    "ocf-tester": {
        "OCF_ROOT": "/usr/lib/ocf",
        "OCF_RESOURCE_INSTANCE": "tester",
        "OCF_RESKEY_CRM_meta_timeout": "20000",
        "OCF_RESKEY_CRM_meta_interval": "20000",
        "OCF_TESTER_FAIL_HAVE_BINARY": "1",
        "__OCF_ACTION": "nonsense",
        "HA_LOGFACILITY": "none",
    },
    "ocft": {
        "OCF_RA_VERSION_MAJOR": "1",
        "OCF_RA_VERSION_MINOR": "0",
        "OCF_ROOT": "/usr/lib/ocf",
        "OCF_RESOURCE_INSTANCE": "ocft",
        "OCF_RESKEY_CRM_meta_timeout": "20000",
    },
    "the executor": {
        **VERSION,
        "OCF_ROOT": "/usr/lib/ocf",
        "OCF_RESOURCE_INSTANCE": "web:1",
        "OCF_RESOURCE_TYPE": "agent",
        "OCF_RESOURCE_PROVIDER": "ocfkit",
        "OCF_EXIT_REASON_PREFIX": REASON,
        "OCF_RESKEY_CRM_meta_name": "monitor",
        "OCF_RESKEY_CRM_meta_timeout": "20000",
        "OCF_RESKEY_CRM_meta_interval": "10000",
        "OCF_RESKEY_CRM_meta_clone": "1",
        "OCF_RESKEY_CRM_meta_on_node": "srv01",
        "OCF_RESKEY_crm_feature_set": "3.16.2",
        "PCMK_service": "pacemaker-execd",
        "HA_debug": "0",
        "HA_cluster_type": "corosync",
    },
    "an older executor": {
        "OCF_RA_VERSION_MAJOR": "1",
        "OCF_RA_VERSION_MINOR": "0",
        "OCF_RESOURCE_INSTANCE": "web",
        "OCF_RESKEY_CRM_meta_timeout": "20000",
        "HA_logfacility": "none",
        "HA_RSCTMP": "",
    },
}


@pytest.mark.parametrize("caller", CALLERS)
class TestCallers:
    """Everybody who was seen to call agents, with what he was seen to pass."""

    def test_gets_a_whole_life(self, launcher: Launcher, tmp_path: Path, caller: str) -> None:
        agent = launcher("tests.ocfkit.hostile:Flag")
        env = {
            **CALLERS[caller],
            "OCF_RESKEY_file": str(tmp_path / "flag"),
            "HA_RSCTMP": str(tmp_path),
        }
        life = ["validate-all", "monitor", "start", "start", "monitor", "stop", "stop", "monitor"]
        done = [call([agent, what], env) for what in life]
        assert [each.returncode for each in done] == [0, 7, 0, 0, 0, 0, 0, 7]
        assert [len(reasons(each)) for each in done] == [0, 1, 0, 0, 0, 0, 0, 1]
        assert {each.stdout for each in done} == {""}

    def test_gets_meta_data(self, launcher: Launcher, caller: str) -> None:
        done = call([launcher("tests.ocfkit.hostile:Flag"), "meta-data"], CALLERS[caller])
        assert (done.returncode, done.stderr) == (0, "")
        assert parsed(done.stdout).get("name") == "agent"

    def test_gets_away_with_more_arguments(self, launcher: Launcher, caller: str) -> None:
        agent = launcher("tests.ocfkit.hostile:Flag")
        done = call([agent, "meta-data", "--xml", "start"], CALLERS[caller])
        assert done.returncode == 0
        assert parsed(done.stdout).tag == "resource-agent"

    @pytest.mark.parametrize("what", [[], [""], ["bla"], ["status"], ["--version"]])
    def test_is_told_that_an_action_is_none(
        self, launcher: Launcher, caller: str, what: list[str]
    ) -> None:
        done = call([launcher("tests.ocfkit.hostile:Flag"), *what], CALLERS[caller])
        assert done.returncode == 3
        assert len(reasons(done)) == 1
        assert done.stdout == ""


class TestStandardStreams:
    """They may be closed, full, or nobody's."""

    @pytest.fixture
    def flag(self, launcher: Launcher) -> Path:
        return launcher("tests.ocfkit.hostile:Flag")

    def test_a_missing_standard_error_changes_no_code(self, flag: Path, tmp_path: Path) -> None:
        env = {"HA_RSCTMP": str(tmp_path), "OCF_RESKEY_file": str(tmp_path / "flag")}
        for redirections in ("<&- >&- 2>&-", "2>&-", "<&-", ">&-"):
            codes = [
                call([flag, what], env, redirections=redirections).returncode
                for what in ("start", "monitor", "stop", "monitor", "bla")
            ]
            assert codes == [0, 0, 0, 7, 3]

    def test_a_reason_does_not_get_into_a_file_that_is_opened_later(
        self, flag: Path, tmp_path: Path
    ) -> None:
        log = tmp_path / "log"
        env = {"HA_RSCTMP": str(tmp_path), "HA_LOGFILE": str(log)}
        call([flag, "start"], env, redirections="<&- >&- 2>&-")
        assert REASON not in log.read_text()

    def test_a_full_disk_is_a_failure_with_a_reason(self, flag: Path) -> None:
        done = call([flag, "meta-data"], {}, redirections=">/dev/full")
        why = "meta-data: standard output: No space left on device"
        assert (done.returncode, reasons(done)) == (1, [why])

    def test_a_broken_pipe_is_a_failure_with_a_reason(self, flag: Path) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [flag, "meta-data"],
            env={},
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        os.close(writer)
        assert done.returncode == 1
        assert done.stderr == f"{REASON}meta-data: standard output: Broken pipe\n"

    def test_noise_does_not_get_into_meta_data(self, launcher: Launcher, tmp_path: Path) -> None:
        (tmp_path / "noisy.py").write_text(
            """
import os, sys
from ocfkit import STOPPED, Agent
print("noise of the module", flush=True)
os.write(1, b"<noise of='the kernel'>")

class Noisy(Agent):
    '''Print wherever one can.'''
    print("noise of the class" * 10000)

    def start(self):
        print("noise of the start")
    stop = start

    def monitor(self):
        print("noise of the monitor", end="")
        os.write(1, b"noise of the kernel\\n")
        return STOPPED

print("noise at the end", end="")
sys.stdout.write("and more of it")
"""
        )
        agent = launcher("noisy:Noisy", home=tmp_path)
        done = call([agent, "meta-data"], {})
        assert done.returncode == 0
        assert parsed(done.stdout).get("name") == "agent"
        done = call([agent, "monitor"], {"HA_RSCTMP": str(tmp_path)})
        assert (done.returncode, done.stdout) == (7, "")
        assert "noise of the monitor" in done.stderr

    def test_noise_of_a_file_that_is_started_itself_does_not_either(self, tmp_path: Path) -> None:
        agent = tmp_path / "self.py"
        agent.write_text(
            f"""
import sys
sys.path.append({str(ROOT)!r})
from ocfkit import STOPPED, Agent, main
print("noise of the module")

class Own(Agent):
    '''Print.'''
    def start(self): pass
    def stop(self): pass
    def monitor(self): return STOPPED

main(Own)
"""
        )
        done = call([sys.executable, "-IS", agent, "meta-data"], {})
        assert done.returncode == 0
        assert parsed(done.stdout).get("name") == "self"


class TestModules:
    """What goes wrong before there is an agent."""

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("import nonexistent", "ModuleNotFoundError: No module named 'nonexistent'"),
            ("raise SystemExit(0)", "SystemExit: 0"),
            ("def f(:", "SyntaxError: "),
            ("Agent = 1 / 0", "ZeroDivisionError: division by zero"),
            ("Agent = None", "AttributeError: 'NoneType' object has no attribute"),
            ("", "AttributeError: module 'broken' has no attribute 'Agent'"),
            (
                "from ocfkit import Agent\nclass Agent(Agent):\n    pass",
                "DeclarationError: Agent is no agent: it has no docstring",
            ),
        ],
    )
    @pytest.mark.parametrize("what", ["meta-data", "monitor"])
    def test_one_that_is_broken_is_a_failure_with_a_reason(
        self, launcher: Launcher, tmp_path: Path, text: str, why: str, what: str
    ) -> None:
        (tmp_path / "broken.py").write_text(text)
        done = call([launcher("broken:Agent", home=tmp_path), what], {})
        assert (done.returncode, done.stdout) == (1, "")
        assert len(reasons(done)) == 1
        assert why in reasons(done)[0]
        assert "Traceback" not in done.stderr

    def test_the_traceback_is_in_the_log(self, launcher: Launcher, tmp_path: Path) -> None:
        (tmp_path / "broken.py").write_text("1 / 0")
        log = tmp_path / "log"
        agent = launcher("broken:Agent", home=tmp_path)
        done = call([agent, "monitor"], {"HA_LOGFILE": str(log)})
        assert done.stderr.count("\n") == 1
        assert "Traceback (most recent call last)" in log.read_text()


GRANTED = 10.0
"""Seconds: enough that what is kept back of them suffices on a busy machine."""

HUNG = {
    "a monitor that sleeps": ("Hung", "monitor", "sleep", "10000"),
    "a monitor that loops": ("Hung", "monitor", "loop", "10000"),
    "a monitor that reads a pipe": ("Hung", "monitor", "pipe", "10000"),
    "a monitor that waits for a lock": ("Hung", "monitor", "lock", "10000"),
    "a monitor that hears no signal": ("Hung", "monitor", "deaf", "10000"),
    "a monitor that waits for a child": ("Hung", "monitor", "fork", "10000"),
    "a monitor that tells a secret": ("Leaky", "monitor", "in what it waits for", "10000"),
    "a probe that sleeps": ("Hung", "monitor", "sleep", "0"),
    "a probe that loops": ("Hung", "monitor", "loop", "0"),
    "a probe that reads a pipe": ("Hung", "monitor", "pipe", "0"),
    "a probe that waits for a lock": ("Hung", "monitor", "lock", "0"),
    "a probe that hears no signal": ("Hung", "monitor", "deaf", "0"),
    "a probe that holds the interpreter": ("Hung", "monitor", "c", "0"),
    "a probe that is suspended": ("Hung", "monitor", "suspended", "0"),
    "a probe that tells a secret": ("Leaky", "monitor", "in what it waits for", "0"),
    "a start that sleeps": ("Hung", "start", "sleep", "0"),
    "a stop that sleeps": ("Hung", "stop", "sleep", "0"),
    "a notification that sleeps": ("Hung", "notify", "sleep", "0"),
    "a stop that no signal gets out of": ("StuckStop", "stop", "", "0"),
}
"""Agent, action, what it hangs in, interval in milliseconds."""


class Answer:
    """What came of a call, and after how many seconds."""

    def __init__(self, launcher: Path, action: str, env: Mapping[str, str]) -> None:
        began = time.monotonic()
        done = call([launcher, action], env, limit=GRANTED * 2)
        self.seconds = time.monotonic() - began
        self.code = done.returncode
        self.reasons = reasons(done)
        self.stderr = done.stderr


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    """All of them hang at the same time, so that it does not take minutes."""
    folder = tmp_path_factory.mktemp("hung")

    def answer(number: int, cls: str, action: str, how: str, interval: str) -> Answer:
        flag = folder / f"flag{number}"
        flag.touch()
        env = {
            "HA_RSCTMP": str(folder),
            "HA_LOGFILE": str(folder / "log"),
            "OCF_RESOURCE_INSTANCE": f"hung-{number}",
            "OCF_RESKEY_how": how,
            "OCF_RESKEY_file": str(flag),
            "OCF_RESKEY_password": CANARY,
            "OCF_RESKEY_CRM_meta_timeout": str(int(GRANTED * 1000)),
            "OCF_RESKEY_CRM_meta_interval": interval,
        }
        launcher = written(folder / f"agent{number}", f"tests.ocfkit.hostile:{cls}")
        return Answer(launcher, action, env)

    with ThreadPoolExecutor(len(HUNG)) as pool:
        begun = [pool.submit(answer, number, *each) for number, each in enumerate(HUNG.values())]
        return dict(zip(HUNG, [each.result() for each in begun], strict=True))


class TestHangs:
    """Whatever the author's code is stuck in, the reason is out before the executor kills."""

    @pytest.mark.parametrize("what", HUNG)
    def test_there_is_an_answer_in_time(self, answers: dict[str, Answer], what: str) -> None:
        answer = answers[what]
        assert answer.seconds < GRANTED
        assert answer.code in (0, 1)
        assert len(answer.reasons) == answer.code
        assert leaks(answer.stderr) == []

    @pytest.mark.parametrize("what", [each for each in HUNG if " probe " in f" {each} "])
    def test_a_probe_says_what_it_was_waiting_for(
        self, answers: dict[str, Answer], what: str
    ) -> None:
        reason = answers[what].reasons[0]
        expected = "logging in with ***" if "secret" in what else "waiting for Godot"
        assert re.fullmatch(
            rf"monitor did not end within \d\.\d s \({re.escape(expected)}\)", reason
        )

    @pytest.mark.parametrize("what", [each for each in HUNG if " monitor " in f" {each} "])
    def test_a_repeated_monitor_says_it_too(self, answers: dict[str, Answer], what: str) -> None:
        self.test_a_probe_says_what_it_was_waiting_for(answers, what)

    def test_a_start_or_stop_has_failed(self, answers: dict[str, Answer]) -> None:
        for what in ("start", "stop"):
            answer = answers[f"a {what} that sleeps"]
            assert answer.code == 1
            assert answer.reasons[0].startswith(what)

    def test_a_notification_has_not(self, answers: dict[str, Answer]) -> None:
        assert answers["a notification that sleeps"].code == 0

    def test_a_stop_that_no_signal_gets_out_of_is_done_the_hard_way(
        self, answers: dict[str, Answer]
    ) -> None:
        answer = answers["a stop that no signal gets out of"]
        assert (answer.code, answer.reasons) == (0, [])
        assert answer.seconds > GRANTED / 2

    def test_a_monitor_that_is_killed_is_a_failure(self, ocf: Node) -> None:
        outcome = ocf(Hung, how="killed").run_process("monitor", interval=0)
        assert outcome.code == 1
        assert outcome.reasons == ["monitor was killed by signal 9 (waiting for Godot)"]

    def test_the_time_before_the_first_line_of_ours_counts(self, tmp_path: Path) -> None:
        target = "tests.ocfkit.hostile:Hung"
        agent = written(tmp_path / "agent", target, before="import time; time.sleep(1)")
        began = time.monotonic()
        env = {"HA_RSCTMP": str(tmp_path), "OCF_RESKEY_CRM_meta_timeout": "4000"}
        done = call([agent, "monitor"], env)
        assert time.monotonic() - began < 4
        assert done.returncode == 1
        assert re.match(r"monitor did not end within 2\.\d s", reasons(done)[0])

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_a_signal_ends_it_with_a_reason(
        self, launcher: Launcher, tmp_path: Path, number: signal.Signals
    ) -> None:
        agent = launcher("tests.ocfkit.hostile:Hung")
        with subprocess.Popen(
            [agent, "monitor"],
            env={"HA_RSCTMP": str(tmp_path)},
            stderr=subprocess.PIPE,
            text=True,
        ) as child:
            worker = child_of(child.pid)
            child.send_signal(number)
            _, stderr = child.communicate(timeout=PATIENCE)
        assert child.returncode == 1
        assert stderr == f"{REASON}monitor was ended by signal {number.value} (waiting for Godot)\n"
        try:
            assert worker.wait(PATIENCE)
        finally:
            worker.send(signal.SIGKILL)


def child_of(parent: int) -> process.Identity:
    """Wait for the worker of an agent, until it is asleep in the author's code."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        for pid in process.pids():
            try:
                stat = process.stat(pid)
                waits = Path(f"/proc/{pid}/wchan").read_text() if stat.ppid == parent else ""
            except OSError:
                continue
            if stat.ppid == parent and stat.state == "S" and "nanosleep" in waits:
                return process.identify(pid)
        time.sleep(0.01)
    raise AssertionError("the agent has no child that sleeps")


def test_a_signal_during_a_stop_is_no_reason_to_do_it_the_hard_way(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    agent = written(tmp_path / "agent", "tests.ocfkit.hostile:SlowStop")
    env = {"HA_RSCTMP": str(tmp_path), "OCF_RESKEY_file": str(flag)}
    with subprocess.Popen([agent, "stop"], env=env, stderr=subprocess.PIPE, text=True) as child:
        child_of(child.pid)
        child.terminate()
        _, stderr = child.communicate(timeout=PATIENCE)
    assert child.returncode == 1
    assert stderr == f"{REASON}stop was ended by signal 15 (in stop)\n"
    assert flag.exists()


class TestOneAnswer:
    @pytest.mark.parametrize("interval", [0, 10])
    def test_a_child_that_comes_back_gives_none(
        self, ocf: Node, tmp_path: Path, interval: int
    ) -> None:
        thing = ocf(Forker, file=tmp_path / "flag", answer=1)
        outcome = thing.run_process("monitor", interval=interval)
        assert outcome.code == 7
        assert outcome.reasons == [f"{thing.name} is not running"]
        assert "a child of the agent: I am the child" in outcome.log

    def test_a_child_that_comes_back_starts_nothing(self, ocf: Node, tmp_path: Path) -> None:
        thing = ocf(Forker, file=tmp_path / "flag")
        assert thing.run_process("start").code == 0
        assert thing.run_process("stop").code == 0


class TestPrivileges:
    @pytest.mark.parametrize(
        ("what", "code"),
        [("start", 4), ("stop", 4), ("monitor", 7), ("validate-all", 0), ("meta-data", 0)],
    )
    def test_an_ordinary_user_may_look(
        self, ocf: Node, what: str, code: int, tmp_path: Path
    ) -> None:
        thing = ocf(Guarded, file=tmp_path / "flag", as_root=False)
        assert thing.run_process(what).code == code


CANARY = "s3cr3t'\"/ü$%\nBEGIN second line +&=\tend"
FORMS = [
    CANARY,
    *CANARY.splitlines(),
    repr(CANARY)[1:-1],
    repr(CANARY.encode())[2:-1],
    quote(CANARY),
    quote(CANARY, safe=""),
    quote_plus(CANARY),
    "s3cr3t",
    "second line",
    "second+line",
]


def leaks(text: str) -> list[str]:
    return [form for form in FORMS if form in text]


@pytest.mark.parametrize("debug", ["0", "1"])
@pytest.mark.parametrize("how", [each for each in LEAKS if each != "in what it waits for"])
def test_a_secret_is_nowhere(ocf: Node, tmp_path: Path, how: str, debug: str) -> None:
    log, debug_log, copy = (tmp_path / name for name in ("log", "debug", "copy"))
    env = {"HA_LOGFILE": str(log), "HA_DEBUGLOG": str(debug_log), "HA_debug": debug}
    thing = ocf(Leaky, how=how, password=CANARY, copy=copy, file="/", env=env)
    for call_it, interval in ((thing.run_process, 10), (thing.run_process, 0), (thing.run, 10)):
        outcome = call_it("monitor", interval=interval)
        assert outcome.code in (1, 7)
        assert outcome.reason
        assert leaks(outcome.stderr + outcome.stdout) == []
        assert log.exists()
        for path in (log, debug_log, copy):
            assert leaks(path.read_text(errors="replace") if path.exists() else "") == []


def test_a_secret_is_not_where_nothing_goes_to_a_file(ocf: Node, tmp_path: Path) -> None:
    for how in LEAKS:
        copy = tmp_path / "copy"
        thing = ocf(Leaky, how=how, password=CANARY, file="/", copy=copy, env={"HA_debug": "1"})
        assert leaks(thing.run("monitor", timeout=1).stderr) == [], how


def test_a_short_secret_is_refused_as_a_whole_argument_alone(ocf: Node, tmp_path: Path) -> None:
    refused = ocf(LeakyDaemon, password="abc").run_process("start")  # noqa: S106
    assert "the value of password would be seen by everybody" in refused.reason
    copy = tmp_path / "copy"
    part = ocf(Leaky, how="as an argument", password="abc", copy=copy, file="/")  # noqa: S106
    assert part.run_process("monitor").code == 0
    assert copy.read_text() == "--password=abc\n"


def test_a_secret_that_a_child_gets_on_purpose_gets_there(ocf: Node) -> None:
    thing = ocf(Leaky, how="in the output of a command", password=CANARY, file="/")
    assert thing.run_process("monitor").reason == "the command said *** ***"


def test_a_secret_is_refused_as_an_argument_of_a_daemon(ocf: Node) -> None:
    thing = ocf(LeakyDaemon, password=CANARY)
    outcome = thing.run_process("start")
    assert outcome.code == 6
    assert "the value of password would be seen by everybody" in outcome.reason
    assert leaks(outcome.stderr) == []
    assert thing.probe().code == 7


def test_a_secret_is_not_in_meta_data(ocf: Node) -> None:
    outcome = ocf(Leaky, password=CANARY).run_process("meta-data")
    assert leaks(outcome.stdout + outcome.stderr) == []
    assert 'name="password"' in outcome.stdout


NAMES_OF_VARIABLES = [
    "OCF_RA_VERSION_MAJOR",
    "OCF_RA_VERSION_MINOR",
    "OCF_ROOT",
    "OCF_RESOURCE_INSTANCE",
    "OCF_RESOURCE_TYPE",
    "OCF_CHECK_LEVEL",
    "OCF_OUTPUT_FORMAT",
    "OCF_EXIT_REASON_PREFIX",
    "OCF_RESKEY_CRM_meta_interval",
    "OCF_RESKEY_CRM_meta_globally_unique",
    "OCF_RESKEY_CRM_meta_clone",
    "OCF_RESKEY_CRM_meta_notify_type",
    "OCF_RESKEY_CRM_meta_notify_start_resource",
    "OCF_RESKEY_port",
    "OCF_RESKEY_",
    "OCF_RESKEY_debug",
    "OCF_TRACE_RA",
    "HA_debug",
    "LANG",
    "LC_ALL",
    "PATH",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
]
TEXTS = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    st.sampled_from(["", "0", "1", "-1", "10", "20000", "9" * 18, "9" * 40, "true", "web:0", "é"]),
)
VARIABLES = st.dictionaries(st.sampled_from(NAMES_OF_VARIABLES), TEXTS)
ACTIONS = st.one_of(
    st.sampled_from(["start", "stop", "monitor", "validate-all", "meta-data", "notify", ""]),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(what=ACTIONS, env=VARIABLES)
def test_any_environment_ends_in_a_code_of_ocf(
    launcher: Launcher, tmp_path: Path, what: str, env: dict[str, str]
) -> None:
    agent = launcher("tests.ocfkit.hostile:Flag")
    whole = {**env, "HA_RSCTMP": str(tmp_path), "OCF_RESKEY_file": str(tmp_path / "flag")}
    done = subprocess.run(
        [agent, what], env=whole, cwd="/", capture_output=True, timeout=PATIENCE, check=False
    )
    assert done.returncode in NAMES
    prefix = Environment(whole).reason_prefix.encode()
    if done.returncode:
        assert prefix in done.stderr
    if what != "meta-data":
        assert done.stdout == b"" or what in ("usage", "help", "-h", "--help")
