"""The command: options, exit codes, streams. The checking itself is played by a fake."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import lsbcheck
from lsbcheck import exitcodes
from lsbcheck.__main__ import main
from lsbcheck.arguments import Arguments, default_jobs
from lsbcheck.check import Options, Report, Step
from lsbcheck.rules import RULES, Judgement, Verdict
from lsbcheck.sandbox.interface import Backend, Sandbox, SandboxUnavailable, Watch
from lsbcheck.script import Script
from lsbcheck.transcript import Call, Scenario, Transcript

ROOT = Path(lsbcheck.__file__).parent.parent

Behaviour = Callable[[Script], None]


class FakeBackend:
    isolates = True
    left = ""

    def __init__(self) -> None:
        self.notes = ["no pids limit"]
        self.closed = False

    def create(self, watch: Iterable[Watch] = (), visible: Iterable[str] = ()) -> Sandbox:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True


def nothing(_: Script) -> None:
    """What a script does that goes well."""


@dataclass
class Fake:
    """Plays backend and checker, and remembers how they were called."""

    verdicts: dict[str, dict[str, Verdict]] = field(default_factory=dict[str, dict[str, Verdict]])
    """Script's name → rule → verdict; every other rule passes."""
    behaviour: Behaviour = nothing
    order: Callable[[list[int]], Sequence[int]] = list
    backend: FakeBackend = field(default_factory=FakeBackend)
    options: Options | None = None
    arguments: Arguments | None = None
    jobs: int = 0
    scripts: Sequence[Script] = ()
    threads: bool = False

    def run(self, *argv: str) -> int:
        return main(argv, checker=self.check_all, backends=self.make)

    def make(self, arguments: Arguments) -> Backend:
        self.arguments = arguments
        return self.backend

    def check_all(
        self,
        scripts: Sequence[Script],
        backend: Backend,
        options: Options,
        jobs: int,
        on_progress: Callable[[Step], None],
    ) -> list[Report]:
        assert isinstance(backend, FakeBackend)
        self.scripts, self.options, self.jobs = scripts, options, jobs
        reports: dict[int, Report] = {}

        def work() -> None:
            for index in self.order(list(range(len(scripts)))):
                script = scripts[index]
                on_progress(Step(index, script, "cycle"))
                self.behaviour(script)
                reports[index] = self.report(script)
                on_progress(Step(index, script, report=reports[index]))

        if self.threads:
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            thread.join()
        else:
            work()
        return [reports[index] for index in range(len(scripts))]

    def report(self, script: Script) -> Report:
        chosen = self.options.rules if self.options else None
        verdicts = self.verdicts.get(script.name, {})
        judgements = {
            rule.id: Judgement(verdicts.get(rule.id, "pass"), f"{rule.id} was looked at")
            for rule in RULES
            if chosen is None or rule.id in chosen
        }
        call = Call(
            action="start",
            argv=(script.path, "start"),
            outcome="exited",
            code=0,
            seconds=0.1,
            limit=60,
            output="out\n",
            running_before=False,
            running_after=True,
        )
        scenarios = {"watched": Scenario("watched", (call,))}
        return Report(script, Transcript(script.path, scenarios=scenarios), judgements)


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Three scripts in the working directory."""
    monkeypatch.chdir(tmp_path)
    names = ["./aaa", "./bbb", "./ccc"]
    for name in names:
        Path(name).write_text("#!/bin/sh\nexit 0\n")
        Path(name).chmod(0o755)
    return names


class TestExitCodes:
    @pytest.mark.parametrize(
        ("verdicts", "code"),
        [
            ({}, 0),
            ({"start-succeeds": "fail"}, 1),
            ({"start-succeeds": "not-provoked"}, 3),
            ({"start-succeeds": "error"}, 3),
            ({"lsb-header": "fail"}, 0),
        ],
        ids=str,
    )
    def test_of_one_script(
        self, fake: Fake, scripts: list[str], verdicts: dict[str, Verdict], code: int
    ) -> None:
        fake.verdicts = {"aaa": verdicts}
        assert fake.run(scripts[0]) == code
        assert fake.backend.closed

    def test_of_several_scripts_the_worst(self, fake: Fake, scripts: list[str]) -> None:
        fake.verdicts = {"bbb": {"start-succeeds": "error"}}
        assert fake.run(*scripts) == 3
        fake.verdicts["ccc"] = {"start-succeeds": "fail"}
        assert fake.run(*scripts) == 1

    def test_a_sandbox_that_cannot_be_made_is_4_with_cause_and_cure(
        self, fake: Fake, scripts: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        def refuse(_: Arguments) -> Backend:
            raise SandboxUnavailable("CAP_SYS_ADMIN is missing", "add --cap-add SYS_ADMIN")

        assert main(scripts, checker=fake.check_all, backends=refuse) == 4
        out, err = capsys.readouterr()
        assert out == ""
        assert err.splitlines() == [
            "lsbcheck: no sandbox: CAP_SYS_ADMIN is missing",
            "lsbcheck: cure: add --cap-add SYS_ADMIN",
        ]
        assert main(["--format=json", *scripts], checker=fake.check_all, backends=refuse) == 4
        document = json.loads(capsys.readouterr().out)
        assert document["exit_code"] == 4
        assert document["sandbox"]["unavailable"]["cause"] == "CAP_SYS_ADMIN is missing"

    def test_a_sandbox_that_fails_later_leaves_the_verdicts_that_there_are(
        self, fake: Fake, scripts: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        def fail_at_second(script: Script) -> None:
            if script.name == "bbb":
                raise SandboxUnavailable("no memory", "free some")

        fake.behaviour = fail_at_second
        assert fake.run(*scripts) == 3
        assert "/aaa" in capsys.readouterr().out
        fake.verdicts = {"aaa": {"start-succeeds": "fail"}}
        assert fake.run(*scripts) == 1

    def test_a_crash_of_the_checker_is_one_sentence_and_no_verdict(
        self, fake: Fake, scripts: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        def crash(_: Script) -> None:
            raise ZeroDivisionError("by \x1b[1m nothing")

        fake.behaviour = crash
        assert fake.run(scripts[0]) == 3
        assert fake.backend.closed
        err = capsys.readouterr().err
        assert "error of the checker, nothing was proved: ZeroDivisionError" in err
        assert "-v shows where" in err
        assert "Traceback" not in err
        assert "\x1b" not in err
        assert fake.run("-v", scripts[0]) == 3
        assert "Traceback" in capsys.readouterr().err


class TestWrongCalls:
    @pytest.mark.parametrize(
        ("argv", "says"),
        [
            ([], "name a script"),
            (["--rule", "nonsense", "./aaa"], "there is no rule 'nonsense'"),
            (["--rule", "start-suceeds", "./aaa"], "nearest: start-succeeds"),
            (["--rule", "9", "./aaa"], "there is no rule '9'"),
            (["--explain", "status-stopped"], "nearest: status-when-stopped"),
            (["--profile", "lax", "./aaa"], "invalid choice"),
            (["--timeout", "0", "./aaa"], "not a time above zero"),
            (["--timeout", "-3", "./aaa"], "--timeout"),
            (["--settle", "nan", "./aaa"], "not a time above zero"),
            (["--settle", "5 days", "./aaa"], "not a time above zero"),
            (["--jobs", "0", "./aaa"], "not a number of scripts"),
            (["--sandbox", "none", "./aaa"], "--this-machine-may-be-thrown-away"),
            (["--root", "/no/such", "./aaa"], "/no/such: no such directory"),
            (["--prof", "lsb", "./aaa"], "unrecognized"),
            (["--keep=.", "./aaa"], "is not empty"),
            (["--keep=./aaa/x", "./aaa"], "--keep"),
        ],
        ids=str,
    )
    @pytest.mark.usefixtures("scripts")
    def test_are_2_with_a_sentence(
        self, fake: Fake, argv: list[str], says: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert fake.run(*argv) == 2
        assert says in capsys.readouterr().err
        assert fake.arguments is None, "a backend was made"

    def test_no_sandbox_and_another_root_exclude_each_other(
        self, fake: Fake, scripts: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        none = ("--sandbox=none", "--this-machine-may-be-thrown-away")
        assert fake.run(*none, "--root=/etc", scripts[0]) == 2
        assert "has no other --root" in capsys.readouterr().err
        assert fake.run(*none, scripts[0]) == 0

    def test_all_unusable_scripts_are_named_at_once_and_nothing_runs(
        self, fake: Fake, scripts: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        Path("notes").write_text("text\n")
        Path("bad\x1b[1mname").touch()
        assert fake.run(scripts[0], "./notes", "/", "./bad\x1b[1mname", scripts[1]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert lines == [
            "lsbcheck: ./notes: not executable (chmod +x makes it so, if it is a script)",
            "lsbcheck: /: a directory, not a script",
            r"lsbcheck: ./bad\x1b[1mname: an empty file",
            "lsbcheck: nothing was run: 3 of 5 words cannot be checked",
        ]
        assert fake.arguments is None

    def test_a_pattern_may_catch_what_lies_beside_the_scripts(
        self, fake: Fake, scripts: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        Path("README").write_text("text\n")
        assert fake.run("./README", scripts[0], "./webd.dpkg-dist") == 0
        assert capsys.readouterr().err.splitlines() == [
            "lsbcheck: ./README: passed over, no service by its name",
            "lsbcheck: ./webd.dpkg-dist: passed over, no service by its name",
        ]

    def test_a_readme_alone_is_a_wrong_call(
        self,
        fake: Fake,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("README").write_text("text\n")
        assert fake.run("./README") == 2
        assert fake.run("./README", "./README") == 2
        assert "no script is left to check" in capsys.readouterr().err


class TestOptions:
    def test_have_the_documented_defaults(self, fake: Fake, scripts: list[str]) -> None:
        assert fake.run(scripts[0]) == 0
        assert fake.options == Options()
        assert fake.jobs == default_jobs() >= 2
        assert fake.arguments is not None
        assert (fake.arguments.sandbox, fake.arguments.root) == ("auto", "/")

    def test_reach_the_checker(self, fake: Fake, scripts: list[str]) -> None:
        words = "--timeout 20s --stop-timeout 2min --script-timeout 1h --settle 500ms --jobs 3 "
        words += "--allow-live --rule 5,lsb-header --rule 1"
        assert fake.run(*words.split(), "--prepare", "touch /a b", scripts[0]) == 0
        assert fake.options == Options(
            timeout=20,
            stop_timeout=120,
            script_timeout=3600,
            settle=0.5,
            rules=("actions-implemented", "stop-failure-reported", "lsb-header"),
            prepare="touch /a b",
            allow_live=True,
        )
        assert fake.jobs == 3

    @pytest.mark.usefixtures("scripts")
    def test_may_stand_between_scripts(self, fake: Fake) -> None:
        assert fake.run("./aaa", "--jobs", "2", "./bbb", "-v", "./ccc") == 0
        assert [script.name for script in fake.scripts] == ["aaa", "bbb", "ccc"]

    def test_the_profile_decides(self, fake: Fake, scripts: list[str]) -> None:
        fake.verdicts = {"aaa": {"status-after-crash": "fail"}}
        assert fake.run(scripts[0]) == 0
        assert fake.run("--profile=pacemaker", scripts[0]) == 1

    def test_a_chosen_rule_decides_whatever_the_profile(
        self, fake: Fake, scripts: list[str]
    ) -> None:
        fake.verdicts = {"aaa": {"lsb-header": "fail"}}
        assert fake.run("--rule=lsb-header", scripts[0]) == 1

    @pytest.mark.parametrize("argv", [["--help"], ["--version"], ["--list-rules"]], ids=str)
    def test_that_only_tell_something_need_no_sandbox(
        self, fake: Fake, argv: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert fake.run(*argv) == 0
        assert capsys.readouterr().out
        assert fake.arguments is None

    def test_list_rules_names_every_rule_with_its_profile(
        self, fake: Fake, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fake.run("--list-rules")
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[1:3] for line in lines] == [[rule.id, rule.profile] for rule in RULES]

    def test_explain_shows_the_page_of_a_rule_by_number_or_id(
        self, fake: Fake, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert fake.run("--explain", "3") == 0
        by_number = capsys.readouterr().out
        assert fake.run("--explain", "start-failure-reported") == 0
        assert by_number == capsys.readouterr().out
        assert by_number.startswith("#")

    def test_help_names_every_exit_code(
        self, fake: Fake, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fake.run("--help")
        shown = capsys.readouterr().out
        assert all(f"  {code:<4} {word}" in shown for code, word in exitcodes.MEANINGS.items())

    def test_the_reference_page_has_every_option_and_exit_code(
        self, fake: Fake, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fake.run("--help")
        options = {word for word in capsys.readouterr().out.split() if word.startswith("--")}
        text = (ROOT / "docs" / "reference" / "lsbcheck.md").read_text(encoding="utf-8")
        names = {option.rstrip(",:") for option in options} - {"--cap-add"}
        assert not {name for name in names if f"`{name}" not in text}
        assert not {code for code in exitcodes.MEANINGS if f"| {code} |" not in text}


class TestKeep:
    def test_leaves_the_report_and_the_transcripts(
        self, fake: Fake, scripts: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert fake.run("--keep=logs", *scripts) == 0
        assert f"logs are in {Path('logs').absolute()}" in capsys.readouterr().err
        assert json.loads(Path("logs/report.json").read_text())["exit_code"] == 0
        assert Path("logs/02-bbb/watched-1-start.out").read_text() == "out\n"

    @pytest.mark.parametrize(
        ("argv", "names"),
        [
            (["--keep", "./aaa"], ["aaa"]),
            (["--keep", "./aaa", "./bbb"], ["aaa", "bbb"]),
            (["./aaa", "--keep"], ["aaa"]),
        ],
        ids=str,
    )
    @pytest.mark.usefixtures("scripts")
    def test_never_takes_a_script_for_the_folder(
        self, fake: Fake, argv: list[str], names: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(Path.cwd()))
        assert fake.run(*argv) == 0
        assert [script.name for script in fake.scripts] == names
        assert len(list(Path.cwd().glob("lsbcheck-*/report.json"))) == 1

    def test_takes_a_new_folder_as_the_next_word(self, fake: Fake, scripts: list[str]) -> None:
        assert fake.run("--keep", "new/logs", scripts[0]) == 0
        assert Path("new/logs/report.json").exists()

    def test_a_misspelt_script_is_no_folder(
        self, fake: Fake, scripts: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert scripts
        assert fake.run("--keep", "./aa") == 2
        assert "./aa: no such file" in capsys.readouterr().err
        assert not Path("aa").exists()


class TestOutput:
    def test_comes_in_the_order_of_the_command_line(
        self, fake: Fake, scripts: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        fake.order = lambda indices: indices[::-1]
        assert fake.run(*scripts) == 0
        out = capsys.readouterr().out
        assert out.index("/aaa") < out.index("/bbb") < out.index("/ccc") < out.index("summary")

    def test_comes_as_soon_as_a_script_is_finished(
        self, fake: Fake, scripts: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        seen: list[str] = []
        fake.behaviour = lambda script: seen.append(f"{script.name}:{capsys.readouterr().out}")
        fake.run(*scripts)
        assert "/aaa" in seen[1]
        assert "/bbb" in seen[2]

    def test_is_complete_if_the_checker_reports_nothing_on_its_way(
        self, fake: Fake, scripts: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        def silent(
            scripts: Sequence[Script],
            backend: Backend,
            options: Options,
            jobs: int,
            on_progress: Callable[[Step], None],
        ) -> list[Report]:
            del backend, options, jobs, on_progress
            return [fake.report(script) for script in scripts]

        assert main(scripts, checker=silent, backends=fake.make) == 0
        assert "3 scripts" in capsys.readouterr().out

    def test_as_json_is_one_document(
        self, fake: Fake, scripts: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        fake.verdicts = {"bbb": {"start-succeeds": "fail"}}
        assert fake.run("--format", "json", *scripts) == 1
        out, err = capsys.readouterr()
        document: dict[str, Any] = json.loads(out)
        assert [Path(one["script"]).name for one in document["scripts"]] == ["aaa", "bbb", "ccc"]
        assert [one["exit_code"] for one in document["scripts"]] == [0, 1, 0]
        assert document["sandbox"]["notes"] == ["no pids limit"]
        assert err == ""

    @pytest.mark.parametrize(
        ("argv", "environment", "terminal", "coloured"),
        [
            ([], {}, True, True),
            ([], {}, False, False),
            ([], {"NO_COLOR": "1"}, True, False),
            ([], {"NO_COLOR": ""}, True, True),
            ([], {"TERM": "dumb"}, True, False),
            (["--color=never"], {}, True, False),
            (["--color=always"], {"NO_COLOR": "1"}, False, True),
            (["--colour=always"], {}, False, True),
        ],
        ids=str,
    )
    def test_has_colour_where_it_is_wanted(
        self,
        argv: list[str],
        environment: dict[str, str],
        terminal: bool,  # noqa: FBT001 - a column of the table above
        coloured: bool,  # noqa: FBT001
    ) -> None:
        shown = (
            run_on_terminal(["--list-rules", *argv], environment)
            if terminal
            else ran(["--list-rules", *argv], environment).stdout
        )
        assert (b"\x1b[1m" in shown) == coloured

    def test_survives_a_locale_without_japanese(self, tmp_path: Path) -> None:
        script = tmp_path / "サービス"
        ended = ran([str(script)], {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"})
        assert ended.returncode == 2
        assert b"no such file" in ended.stderr


def command(argv: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "lsbcheck", *argv]


def cleaned(environment: dict[str, str]) -> dict[str, str]:
    base = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM")}
    return base | {"TERM": "xterm", "PYTHONPATH": str(ROOT)} | environment


def ran(argv: Sequence[str], environment: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command(argv), env=cleaned(environment), capture_output=True, check=False, timeout=60
    )


def run_on_terminal(argv: Sequence[str], environment: dict[str, str]) -> bytes:
    leader, follower = pty.openpty()
    with os.fdopen(leader, "rb", buffering=0) as terminal:
        with subprocess.Popen(command(argv), env=cleaned(environment), stdout=follower) as process:
            os.close(follower)
            shown = b""
            try:
                while piece := terminal.read(4096):
                    shown += piece
            except OSError:  # the other side has been closed
                pass
        assert process.returncode == 0
    return shown


class TestEndings:
    """How the process ends, tried in a process."""

    PROGRAM = """
import sys, time, threading
sys.path.insert(0, {root!r})
sys.path.insert(0, {tests!r})
import importlib.util
spec = importlib.util.spec_from_file_location("test_main", {file!r})
module = importlib.util.module_from_spec(spec)
sys.modules["test_main"] = module
spec.loader.exec_module(module)
fake = module.Fake(threads={threads})
close = fake.backend.close
def say():
    close()
    print("closed", file=sys.stderr, flush=True)
fake.backend.close = say
def behave(script):
    {behaviour}
fake.behaviour = behave
sys.exit(fake.run(*sys.argv[1:]))
"""

    def start(
        self,
        argv: Sequence[str],
        behaviour: str = "pass",
        *,
        threads: bool = False,
        environment: dict[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        program = self.PROGRAM.format(
            root=str(ROOT),
            tests=str(Path(__file__).parent),
            file=__file__,
            behaviour=behaviour,
            threads=threads,
        )
        return subprocess.Popen(
            [sys.executable, "-c", program, *argv],
            env=cleaned(environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_a_signal_takes_the_sandboxes_down(
        self, scripts: list[str], number: signal.Signals
    ) -> None:
        process = self.start(scripts, "print('up', file=sys.stderr, flush=True); time.sleep(60)")
        assert process.stderr is not None
        assert process.stderr.readline() == b"up\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=10)
        assert process.returncode == 128 + number
        assert err.decode().splitlines() == [
            "closed",
            "lsbcheck: interrupted, nothing of it is left",
        ]

    @pytest.mark.parametrize("threads", [False, True], ids=["same thread", "other thread"])
    def test_a_reader_that_goes_away_ends_the_run(
        self,
        scripts: list[str],
        threads: bool,  # noqa: FBT001 - a column of the table above
    ) -> None:
        began = time.monotonic()
        slow = "time.sleep(20 if script.name == 'ccc' else 0.2)"
        process = self.start(scripts, slow, threads=threads)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(timeout=15) == 141
        assert process.stderr is not None
        assert process.stderr.read() == b"closed\n"
        process.stderr.close()
        assert time.monotonic() - began < 15

    @pytest.mark.usefixtures("scripts")
    def test_what_the_locale_cannot_write_is_escaped(self) -> None:
        Path("./サービス").symlink_to("aaa")
        process = self.start(["./サービス"], environment={"PYTHONIOENCODING": "latin-1"})
        out, _ = process.communicate(timeout=10)
        assert process.returncode == 0
        assert rb"\u30b5\u30fc" in out

    def test_a_full_disk_is_no_verdict(self) -> None:
        with Path("/dev/full").open("wb") as full:
            ended = subprocess.run(
                command(["--list-rules"]),
                env=cleaned({"PYTHONUNBUFFERED": ""}),  # so that something is left for the end
                stdout=full,
                stderr=subprocess.PIPE,
                check=False,
            )
        assert ended.returncode == 3
        assert b"No space left" in ended.stderr
        assert b"Exception ignored" not in ended.stderr

    def test_works_isolated_from_the_environment(self) -> None:
        program = (
            f"import sys, runpy; sys.path.append({str(ROOT)!r}); sys.argv[1:] = ['--version'];"
            "runpy.run_module('lsbcheck', run_name='__main__')"
        )
        ended = subprocess.run(
            [sys.executable, "-I", "-c", program], capture_output=True, check=True, text=True
        )
        assert ended.stdout == f"lsbcheck {lsbcheck.__version__}\n"


class TestCost:
    def test_loads_nothing_heavy(self) -> None:
        program = "import lsbcheck.__main__, sys; print(*sys.modules)"
        ended = subprocess.run(
            [sys.executable, "-c", program],
            env=cleaned({}),
            capture_output=True,
            check=True,
            text=True,
        )
        loaded = set(ended.stdout.split())
        assert not loaded & {"asyncio", "requests", "http.client", "multiprocessing", "ssl"}

    def test_takes_little_memory(self) -> None:
        program = (
            "import lsbcheck.__main__ as command; command.main(['--list-rules']);"
            "print(open('/proc/self/status').read())"
        )
        ended = subprocess.run(
            [sys.executable, "-c", program],
            env=cleaned({}),
            capture_output=True,
            check=True,
            text=True,
        )
        peak = next(line for line in ended.stdout.splitlines() if line.startswith("VmHWM"))
        assert int(peak.split()[1]) < 40 * 1024, "kB; the whole front process has 60 MB"
