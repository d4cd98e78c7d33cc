"""The command `ocfkit`: what all sub-commands have in common."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

import ocfkit as package
from ocfkit.__main__ import COMMANDS as OWN
from ocfkit.__main__ import main
from ocfkit.commands import registered
from ocfkit.commands.arguments import parser_of
from tests.ocfkit.command import BARE, ROOT, argv, ocfkit, write

REFERENCE = (ROOT / "docs/reference/ocfkit.md").read_text("utf-8")
WEB = ROOT / "examples/web.py"
COMMANDS = {**OWN, **registered.loadable()}


def test_says_what_it_can_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    alone = capsys.readouterr().out
    assert all(f"\n  {name} " in alone for name in COMMANDS)
    assert "lsbcheck" in alone
    for words in (["--help"], ["-h"], ["help"]):
        assert main(words) == 0
        assert capsys.readouterr().out == alone


def test_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"ocfkit {package.__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_explains_each_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: ocfkit {name} ")
    assert main(["help", name]) == 0
    assert capsys.readouterr().out == said


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["instal"], "there is no command 'instal'; did you mean install"),
        (["promise"], "there is no command 'promise'; `ocfkit --help` lists what there is"),
        (["sfx"], "there is no command 'sfx'; did you mean sfex?"),
        (["help", "shwo"], "there is no command 'shwo'; did you mean show?"),
        (["--vesrion"], "there is no command '--vesrion'"),
        (["show"], "the following arguments are required: AGENT"),
        (["show", "a", "b"], "unexpected argument b"),
        (["man", "x.py", "--provdier=x"], "unexpected argument --provdier=x; did you mean --prov"),
    ],
)
def test_refuses_a_wrong_call_in_a_sentence(
    words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    said, complained = capsys.readouterr()
    assert said == ""
    assert complained.startswith(f"ocfkit: {why}")
    assert "usage:" not in complained


@pytest.mark.parametrize("name", ["show", "run", "meta-data", "man", "install"])
def test_an_agent_that_is_broken_is_told_without_a_traceback(tmp_path: Path, name: str) -> None:
    file = write(tmp_path / "web.py", "from ocfkit import Agent\nclass Web(Agent):\n    pass\n")
    words = [name, str(file), *(["start"] if name == "run" else [])]
    done = ocfkit(*words)
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert len(lines) == 4
    assert all(line.startswith(f"ocfkit: {file}: Web is no agent: it has no") for line in lines)
    done = ocfkit(*words, "-v")
    assert done.returncode == 2
    assert "Traceback (most recent call last)" in done.stderr
    assert f'File "{file}", line 2' in done.stderr


class TestStreams:
    @pytest.mark.parametrize("words", [["show", str(WEB)], ["--help"], ["meta-data", str(WEB)]])
    def test_a_full_disk_is_a_failure_with_a_sentence(self, words: list[str]) -> None:
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run(
                argv(*words), env=BARE, stdout=full, stderr=subprocess.PIPE, text=True, check=False
            )
        assert done.returncode == 1
        assert done.stderr == "ocfkit: No space left on device\n"

    def test_a_reader_that_has_gone_is_no_error_of_ours(self) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            argv("show", WEB),
            env=BARE,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        os.close(writer)
        assert (done.returncode, done.stderr) == (141, "")

    @pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
    def test_one_that_is_closed_is_no_matter(self, closed: str) -> None:
        words = ["/bin/sh", "-c", f'"$@" {closed}', "sh", *argv("run", WEB, "monitor")]
        done = subprocess.run(words, env=BARE, capture_output=True, text=True, check=False)
        assert done.returncode == 7
        assert "Traceback" not in done.stderr

    def test_what_the_locale_cannot_write_is_escaped(self, tmp_path: Path) -> None:
        file = write(tmp_path / "flagship.py")
        env = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0"}
        words = argv("show", file)
        words[1] = "-EB"  # heeds the variables of the locale
        words.insert(2, "-Xutf8=0")
        done = subprocess.run(words, env={**BARE, **env}, capture_output=True, check=False)
        assert done.returncode == 0
        assert b"\\u65e5\\u672c" in done.stdout

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_a_signal_ends_it_in_good_order(self, tmp_path: Path, number: int) -> None:
        os.mkfifo(tmp_path / "fifo")
        text = f"open({str(tmp_path / 'fifo')!r}, 'w').close()\nimport time; time.sleep(60)\n"
        child = subprocess.Popen(
            argv("show", write(tmp_path / "slow.py", text)),
            env=BARE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with open(tmp_path / "fifo", "rb") as fifo:
            fifo.read()  # it is loading the agent now
        child.send_signal(number)
        _, complained = child.communicate(timeout=30)
        assert (child.returncode, complained) == (128 + number, "ocfkit: interrupted\n")


class TestReference:
    @pytest.mark.parametrize("name", COMMANDS)
    def test_knows_every_option(self, name: str) -> None:
        section = re.split(r"^## ", REFERENCE, flags=re.MULTILINE)
        (mine,) = (each for each in section if each.startswith(f"`ocfkit {name}"))
        for argument in parser_of(name, COMMANDS[name]).described():
            if argument.dest not in ("help", "verbose"):
                words = argument.options or [argument.metavar]
                assert all(f"`{word}" in mine or f" {word}" in mine for word in words), words

    def test_names_no_option_that_there_is_not(self) -> None:
        known = {
            option
            for name, command in COMMANDS.items()
            for argument in parser_of(name, command).described()
            for option in argument.options
        }
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", REFERENCE))
        assert named - known == {"--version"}

    @pytest.mark.parametrize("code", [0, 1, 2, 130, 141])
    def test_knows_every_exit_code(self, code: int) -> None:
        assert f"\n| {code} | " in REFERENCE
