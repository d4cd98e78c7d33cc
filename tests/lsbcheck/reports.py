"""Documents to try the formats on, and text that means harm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from lsbcheck.check import Report
from lsbcheck.exitcodes import ExitCode, of_all
from lsbcheck.report import Setting
from lsbcheck.report.json import document, dumps
from lsbcheck.report.shape import Document
from lsbcheck.rules import RULES, Judgement, Verdict
from lsbcheck.sandbox.interface import SandboxUnavailable
from lsbcheck.script import Script
from lsbcheck.transcript import Call, Fault, Process, Transcript

TEXT = """\
#!/bin/sh
### BEGIN INIT INFO
# Provides: webd
### END INIT INFO
case "$1" in
start)
    start-stop-daemon --start --exec /usr/sbin/webd ;;
stop)
    start-stop-daemon --stop --exec /usr/sbin/webd ;;
status)
    pidof webd ;;
esac
"""
SCRIPT = Script("webd", "/etc/init.d/webd", "/etc/init.d/webd", TEXT, "/bin/sh")
DAEMON = Process(12, 4711, 1, "S", 33, "webd", "/usr/sbin/webd", ("/usr/sbin/webd", "-f"))
START = Call(
    action="start",
    argv=("/etc/init.d/webd", "start"),
    outcome="exited",
    code=0,
    seconds=0.25,
    limit=60.0,
    output="Starting webd.\n",
    running_before=False,
    running_after=True,
    after=(DAEMON,),
)
FAULT = Fault("program-fails", "/usr/sbin/webd exits 1 when called with -f", effective=True)
BROKEN = Judgement(
    "fail",
    "start said 0 although the daemon exited 1",
    "Pacemaker will restart it for ever",
    (START,),
    FAULT,
    ("a remark",),
)

HOSTILE = (
    "]]>",
    "<!-- -->&amp;<script>alert(1)</script>",
    "\x00\x01\x08\x0b\x0c\x1b[31m\x7f\x85\x9f",
    "\ufffd\ufffe\uffff\udcff\ud800",
    "not ok 1 - forged",
    "\nnot ok 1 - forged\n1..0 # skip all\nBail out!\n",
    "...\n---\n# TODO\n",
    "\n::error file=x::forged\n",
    "`a` ``b`` ```\n```\n~~~",
    "| a | b |\n|---|---|",
    "\u202e\u2028\u2029\u0085",
    "\r\r\n\t ",
    "\\ \\n \"quoted\" 'single' # : - {} [] & * !",
    "[link](javascript:alert(1)) ![i](x) <https://x>",
    "@everyone #1 GH-1",
    "```",
    "... " * 60,
    "::error::x " * 40,
    "##[error]x",
)
"""What scripts may write to break out of a format."""

a_few = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For documents: they are large, and a machine that is busy is no mistake of theirs."""

hostile = st.lists(st.one_of(st.sampled_from(HOSTILE), st.text()), max_size=4).map("".join)


def judged(verdict: Verdict, words: str) -> Judgement:
    """A judgement that has these words wherever a script's own may come in."""
    process = replace(DAEMON, argv=(words, words), comm=words, exe=words)
    call = replace(START, argv=(words, "start"), output=words, before=(process,))
    fault = Fault("program-fails", words, effective=False, why=words)
    return Judgement(verdict, words, words if verdict == "fail" else "", (call,), fault, (words,))


def run(
    *scripts: tuple[str, dict[str, Judgement]],
    setting: Setting | None = None,
    refused: str = "",
    unavailable: SandboxUnavailable | None = None,
    notes: tuple[str, ...] = (),
) -> Document:
    """A document of scripts, each a name and what is judged otherwise than `pass`."""
    setting = setting or Setting(directory="/srv")
    reports = [_report(name, changed, refused) for name, changed in scripts]
    codes: list[ExitCode] = [setting.exit_code(one) for one in reports]
    if unavailable is not None:
        codes.append(4)
    return document(reports, setting, of_all(codes), notes=notes, unavailable=unavailable)


def _report(name: str, changed: dict[str, Judgement], refused: str) -> Report:
    path = f"/etc/init.d/{name}"
    script = replace(SCRIPT, name=name, path=path, source=path)
    holds = Judgement("pass", "all is well", calls=(START,))
    judgements = {rule.id: holds for rule in RULES} | changed
    return Report(script, Transcript(path, refused=refused), judgements)


def saved(path: str, made: Document) -> str:
    """The document in a file, and the file's name."""
    Path(path).write_text(dumps(made), "utf-8")
    return path


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Documents in which everything that a script can say means harm."""
    verdicts: st.SearchStrategy[Verdict] = st.sampled_from(
        ["pass", "fail", "not-provoked", "error"]
    )
    ids = st.sampled_from([rule.id for rule in RULES])
    scripts = [
        (draw(hostile), {draw(ids): judged(draw(verdicts), draw(hostile)) for _ in range(2)})
        for _ in range(draw(st.integers(0, 2)))
    ]
    made = run(*scripts, refused=draw(st.one_of(st.just(""), hostile)), notes=(draw(hostile),))
    if draw(st.booleans()):
        made["scripts"] = [{**one, "origin": draw(hostile)} for one in made["scripts"]]
    return made


def every_hostile() -> Document:
    """A script for each hostile text, which it says wherever it can."""
    rule = RULES[0].id
    return run(*((words, {rule: judged("fail", words)}) for words in HOSTILE), notes=HOSTILE)
