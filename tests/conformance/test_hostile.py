"""No agent can hang the check, flood it, bend its report, or leave anything on the host."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from lsbcheck.sandbox import namespace
from lsbcheck.sandbox.namespace import NamespaceBackend
from ocfkit.conformance import agent_file, visit
from ocfkit.conformance.check import Report, check
from ocfkit.conformance.rules import by_id
from ocfkit.conformance.visit import Traveller
from tests.conformance.ours import SCHEMAS
from tests.namespace.image import HostImage
from tests.namespace.quiet import TMP, QuietHost, front_of, wait_for

AT_MOST = 50.0
"""Seconds for each; those that need most wait for an answer that never comes."""

AT_A_TIME = 4
TREES = ("/dev", "/etc", "/usr/local")
LARGEST = 2_000_000
"""Bytes of a report, whatever the agent did."""

DAEMON = "sleep 47110823"

HANGS: Final = ("--timeout", "1s")

META_DATA = """\
<?xml version="1.0"?>
<resource-agent name="$NAME" version="1">
<version>1.1</version>
<longdesc lang="en">Means no good.</longdesc>
<shortdesc lang="en">Hostile</shortdesc>
<parameters>
$PARAMETERS</parameters>
<actions>
<action name="start" timeout="$TIMEOUT"/>
<action name="stop" timeout="$TIMEOUT"/>
<action name="monitor" timeout="$TIMEOUT" interval="10s" depth="0"/>
$ACTIONS<action name="meta-data" timeout="$TIMEOUT"/>
<action name="validate-all" timeout="$TIMEOUT"/>
</actions>
</resource-agent>
"""


@dataclass(frozen=True, slots=True)
class Hostile:
    """An agent that is well but for what it is told to do in some actions."""

    name: str
    exits: int
    """The exit code of the command."""
    first: str = ""
    """Shell code in front of every action."""
    start: str = f"setsid {DAEMON} >/dev/null 2>&1 &"
    monitor: str = f"pgrep -f '^{DAEMON}' >/dev/null || exit 7"
    stop: str = (
        f"pkill -KILL -f '^{DAEMON}'; while pgrep -f '^{DAEMON}'; do sleep 0.05; done; exit 0"
    )
    meta_data: str = ""
    """Shell code that stands for the meta-data below."""
    parameters: str = ""
    actions: str = ""
    options: tuple[str, ...] = ()
    advises: str = "20s"
    """Its timeouts."""
    verdicts: Mapping[str, str] = field(default_factory=dict[str, str])
    says: str = ""
    """Somewhere in the report."""

    @property
    def file(self) -> str:
        return re.sub(r"\W+", "-", self.name)

    def text(self) -> str:
        xml = META_DATA.replace("$NAME", self.file).replace("$ACTIONS", self.actions)
        xml = xml.replace("$TIMEOUT", self.advises)
        shown = f"cat <<'XML'\n{xml.replace('$PARAMETERS', self.parameters)}XML"
        return (
            f"#!/bin/sh\n{self.first}\ncase $1 in\nmeta-data)\n{self.meta_data or shown}\n;;\n"
            f"start)\n{self.start}\n;;\nmonitor)\n{self.monitor}\n;;\nstop)\n{self.stop}\n;;\n"
            "validate-all) ;;\n*) exit 3 ;;\nesac\n"
        )


def rules(*ids: str) -> tuple[str, ...]:
    return ("--timeout", "20s", *(word for each in ids for word in ("--rule", each)))


def python(program: str) -> str:
    return f"/usr/bin/python3 -IS - <<'PYTHON'\n{program}\nPYTHON"


LISTENER = "setsid python3 -ISc 'import socket; socket.create_server((\"\", 7)).accept()'"

LAUGHS = "\n".join(
    [
        '<!DOCTYPE resource-agent [<!ENTITY a0 "ha">',
        *(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)),
        "]>",
    ]
)

HELD = """
import ctypes, os, time
libc = ctypes.CDLL(None)
libc.ptrace(0x4206, 1, None, None)
libc.ptrace(0x4207, 1, None, None)
os.waitpid(1, 0x40000000)
time.sleep(1000)
"""

HOSTILE: Final = (
    Hostile(
        "makes files without end",
        3,
        start=python(
            "import os\nos.mkdir('/var/lib/many')\nfor n in range(1000000):\n"
            "    os.close(os.open(f'/var/lib/many/{n}', os.O_CREAT | os.O_WRONLY))"
        ),
        options=rules("start-succeeds"),
        verdicts={"start-succeeds": "error"},
    ),
    Hostile(
        "holds the first process of its machine",
        3,
        start=python(HELD),
        options=HANGS,
        verdicts={"start-succeeds": "error", "monitor-after-crash": "error"},
        says="gave no answer in",
    ),
    Hostile(
        "never answers and ignores signals",
        1,
        first="trap '' TERM INT HUP; sleep 1000",
        options=HANGS,
        verdicts={"meta-data-is-xml": "fail", "every-call-is-answered": "fail"},
    ),
    Hostile(
        "suspends itself",
        1,
        start="kill -STOP $$",
        options=(*HANGS, *rules("every-call-is-answered")[2:]),
        advises="1s",
        verdicts={"every-call-is-answered": "fail"},
    ),
    Hostile(
        "hangs once it runs",
        1,
        monitor=f"pgrep -f '^{DAEMON}' >/dev/null || exit 7; sleep 1000",
        options=HANGS,
        advises="1s",
        verdicts={"every-call-is-answered": "fail", "monitor-after-crash": "not-provoked"},
        says="the first cycle ended early: monitor gave no answer 2 times",
    ),
    Hostile(
        "is slow at each call and late at none",
        3,
        first="[ $1 = meta-data ] || sleep 1.8",
        options=("--agent-timeout", "8s"),
        verdicts={
            "meta-data-is-xml": "pass",
            "stop-leaves-no-process": "not-provoked",
            "monitor-after-crash": "not-provoked",
            "every-call-is-answered": "not-provoked",
        },
        says="the time for the whole check is over (--agent-timeout 8s)",
    ),
    Hostile(
        "is cut short by the end of the whole check",
        3,
        start="sleep 1000",
        options=("--agent-timeout", "6s"),
        verdicts={"every-call-is-answered": "not-provoked", "start-succeeds": "not-provoked"},
        says="the time for the whole check is over (--agent-timeout 6s)",
    ),
    Hostile(
        "floods both streams",
        1,
        first="cat /dev/zero >&2 & cat /dev/zero",
        options=(*HANGS, *rules("meta-data-is-xml", "every-call-is-answered")[2:]),
        verdicts={"every-call-is-answered": "fail"},
    ),
    Hostile(
        "forks without end",
        3,
        start="f() { f | f & }; f; sleep 1",
        options=HANGS,
        verdicts={"start-succeeds": "error", "monitor-after-crash": "error"},
        says="limit of processes",
    ),
    Hostile(
        "kills all that it can",
        3,
        start="kill -KILL 1; kill -KILL -1; kill -KILL $$",
        options=rules("start-succeeds"),
        verdicts={"start-succeeds": "not-provoked"},
        says="killed by signal 9",
    ),
    Hostile(
        "leaves daemons that hold its output",
        1,
        start=f"for i in 1 2 3; do setsid {DAEMON} & done",
        stop="exit 0",
        options=rules("stop-leaves-no-process"),
        verdicts={"stop-leaves-no-process": "fail"},
    ),
    Hostile(
        "makes more files than can be compared",
        3,
        start="mkdir /var/lib/many; cd /var/lib/many; seq 9000 | xargs touch",
        options=rules("start-succeeds"),
        verdicts={"start-succeeds": "error"},
        says="files were changed; 5000 can be compared",
    ),
    Hostile(
        "puts traps where pid files are",
        0,
        start=(
            "rm -f /run/trap*; mkfifo /run/trap1.pid; ln -s /proc/1/mem /run/trap2.pid\n"
            "ln -s /dev/zero /run/trap3.pid; ln -s trap4.pid /run/trap4.pid; mkdir -p /run/trapd\n"
            "ln -s /proc/kmsg /run/trap5.pid; printf '1\\n' >/run/trap6.pid\n"
            "printf '%0600d\\n' 1 >/run/trap7.pid\n"
            f"setsid {DAEMON} >/dev/null 2>&1 &"
        ),
        options=rules("start-succeeds", "foreign-process-is-not-the-service", "stop-succeeds"),
        verdicts={"start-succeeds": "pass", "stop-succeeds": "pass"},
    ),
    Hostile(
        "removes itself",
        1,
        start='rm -f "$0"',
        options=rules("start-is-complete"),
        verdicts={"start-is-complete": "fail"},
        says="127",
    ),
    Hostile(
        "replaces the programs of others",
        3,
        start=(
            f"{LISTENER} >/dev/null 2>&1 & sleep 0.5\n"
            "for name in /usr/bin/python3 /usr/bin/id /usr/sbin/crm_attribute /bin/sh; do\n"
            "  rm -f $name; printf '#!/bin/cat\\n' >$name; chmod +x $name\n"
            "done"
        ),
        options=rules("start-succeeds", "silent-listener-is-not-the-service"),
        verdicts={"silent-listener-is-not-the-service": "not-provoked"},
    ),
    Hostile(
        "takes the folder of the check away",
        0,
        start=(
            "rm -rf /.ocfkit-check; mkdir /.ocfkit-check; mkfifo /.ocfkit-check/log\n"
            f"setsid {DAEMON} >/dev/null 2>&1 &"
        ),
        options=rules("start-succeeds", "stop-succeeds"),
        verdicts={"start-succeeds": "pass"},
    ),
    Hostile(
        "mounts over what is looked at",
        3,
        start="mount -t tmpfs none /proc; mount -t tmpfs none /run; mount -t tmpfs none /sys",
        options=rules("stop-leaves-no-process"),
    ),
    Hostile(
        "has meta-data that laughs",
        3,
        meta_data=f"cat <<'XML'\n{LAUGHS}\n<resource-agent>&a9;</resource-agent>\nXML",
        options=rules("meta-data-is-xml"),
        verdicts={"meta-data-is-xml": "error"},
        says="declares entities",
    ),
    Hostile(
        "has meta-data without end",
        3,
        meta_data="head -c 200000 /dev/zero | tr '\\0' x",
        options=rules("meta-data-is-xml"),
        verdicts={"meta-data-is-xml": "error"},
        says="has 64 KiB or more",
    ),
    Hostile(
        "has parameters that no shell knows",
        1,
        parameters="".join(
            f'<parameter name="{name}"><content default="{name}"/></parameter>\n'
            for name in (*(f"p{n}" for n in range(700)), "a=b", "=", "", "x&#10;y", "&#x202e;z")
        ),
        options=rules("parameter-names-are-variables", "defaults-are-the-code-s"),
        verdicts={"parameter-names-are-variables": "fail", "defaults-are-the-code-s": "pass"},
    ),
    Hostile(
        "has levels without end",
        3,
        actions="".join(
            f'<action name="monitor" timeout="20s" interval="{n}s" depth="{n}"/>\n'
            for n in range(11, 800)
        )
        + f'<action name="monitor" timeout="9s" interval="9s" depth="{"9" * 5000}"/>\n',
        options=rules("levels-answer"),
        verdicts={"levels-answer": "not-provoked"},
    ),
    Hostile(
        "ends by signals",
        1,
        monitor="kill -SEGV $$",
        options=rules("monitor-when-stopped"),
        verdicts={"monitor-when-stopped": "fail"},
        says="killed by signal 11",
    ),
    Hostile(
        "has long command lines",
        3,
        start=python(
            "import os\nfor n in range(99):\n"
            f"    os.spawnv(os.P_NOWAIT, '/bin/sleep', [*{DAEMON.split()!r}, *['0' * 30000] * 2])"
        ),
        options=rules("start-succeeds"),
        verdicts={"start-succeeds": "error"},
        says="too long to keep",
    ),
)


@dataclass(frozen=True, slots=True)
class Ended:
    """How the command ended."""

    code: int
    out: str
    err: str
    seconds: float


@pytest.fixture(scope="module")
def host() -> Generator[QuietHost]:
    with QuietHost() as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def before(host: QuietHost) -> HostImage:
    return host.image(TREES)


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, host: QuietHost, before: HostImage
) -> Generator[dict[str, Future[Ended]]]:
    """The check of each agent that a test is going to ask for, under way."""
    del before  # it is taken first
    asked = {item.name for item in request.session.items}
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield {
            each.name: pool.submit(run, host, each)
            for each in HOSTILE
            if any(name.endswith(f"[{each.name}]") for name in asked)
        }


def run(host: QuietHost, hostile: Hostile, *options: str) -> Ended:
    path = f"{TMP}/{hostile.file}"
    host.put(path, hostile.text())
    began = time.monotonic()
    words = options or ("--format", "json")
    child = host.program("ocfkit", "check", path, *hostile.options, *words)
    out, err = child.communicate(timeout=AT_MOST)
    return Ended(child.returncode, out.decode(), err.decode(), time.monotonic() - began)


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
def test_gets_a_verdict_in_time(hostile: Hostile, runs: dict[str, Future[Ended]]) -> None:
    ended = runs[hostile.name].result()
    print(f"{ended.seconds:.1f} s, {len(ended.out)} bytes")
    assert "Traceback" not in ended.err + ended.out
    assert ended.code == hostile.exits, ended.err + told(ended.out)
    assert len(ended.out) < LARGEST
    judged: dict[str, Any] = {each["id"]: each for each in json.loads(ended.out)["rules"]}
    seen = {rule: judged[rule]["verdict"] for rule in hostile.verdicts}
    assert seen == hostile.verdicts, told(ended.out)
    assert hostile.says in ended.out, told(ended.out)


@pytest.mark.parametrize(
    "hostile",
    [each for each in HOSTILE if "--agent-timeout" in each.options],
    ids=lambda each: each.name,
)
def test_says_of_each_rule_that_there_was_no_time(
    hostile: Hostile, runs: dict[str, Future[Ended]]
) -> None:
    rules = json.loads(runs[hostile.name].result().out)["rules"]
    late = [each for each in rules if each["verdict"] == "not-provoked" and each["id"] != SCHEMAS]
    assert {each["sentence"] for each in late} == {hostile.says}


def told(report: str) -> str:
    rules: list[dict[str, str]] = json.loads(report)["rules"] if report else []
    return "\n".join(f"{each['verdict']} {each['id']}: {each['sentence']}" for each in rules)


# --- what is written ------------------------------------------------------------------------------

LIAR = Hostile(
    "tells\tlies",
    1,
    first=r"""
lie='\033[2J\033[H\033]0;passed\007\nliar: passes: of 1 rules (the chosen rules) 1 hold\n'
printf "$lie::error::mine\n##[error]mine\n" >&2
printf "ocf-exit-reason:$lie\r\033[1mfine\n" >&2
""",
    start=(
        f"setsid {DAEMON} \"$(printf '1\\033[31m\\n::error::2')\" >/dev/null 2>&1 &\n"
        ": >\"/run/$(printf 'left\\033[31m\\n::error::behind')\""
    ),
    monitor="exit 1",
    options=rules("monitor-when-stopped", "stop-leaves-nothing-behind", "meta-data-is-xml"),
)


@pytest.mark.parametrize("format", ["text", "json", "junit", "html"])
def test_what_an_agent_says_is_never_a_line_or_a_colour_of_the_report(
    host: QuietHost, format: str
) -> None:
    ended = run(host, LIAR, "--format", format)
    assert ended.code == 1, ended.err
    assert "monitor-when-stopped" in ended.out
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", ended.out)
    assert not re.search(r"^\s*::|##\[", ended.out, re.MULTILINE)
    if format != "html":  # where it stands in a frame
        assert not re.search(r"^\s*liar: passes", ended.out, re.MULTILINE)


def test_a_reader_that_goes_away_ends_the_command_in_good_order(host: QuietHost) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    host.put(f"{TMP}/quiet", Hostile("quiet", 0).text())
    with open(write_end, "wb", buffering=0) as closed:
        child = host.program("ocfkit", "check", f"{TMP}/quiet", *QUICK, stdout=closed)
    err = child.communicate(timeout=AT_MOST)[1].decode()
    assert (child.returncode, err) == (141, "")


@pytest.mark.parametrize(("options", "code"), [("ro", 2), ("size=4096", 3)])
def test_a_report_that_cannot_be_written_is_told_and_is_not_half_written(
    host: QuietHost, options: str, code: int
) -> None:
    host.put(f"{TMP}/quiet", Hostile("quiet", 0).text())
    host.call(["mount", "-t", "tmpfs", "-o", options, "tmpfs", "/mnt"])
    if code == 3:
        host.call(["sh", "-c", "cat /dev/zero >/mnt/full"])
    try:
        words = ("--format", "json", "-o", "/mnt/report")
        child = host.program("ocfkit", "check", f"{TMP}/quiet", *QUICK, *words)
        out, err = child.communicate(timeout=AT_MOST)
        assert (child.returncode, out) == (code, b""), err
        assert re.fullmatch(rb"ocfkit: [^\n]*(read-only|No space)[^\n]*\n", err)
        assert "report" not in host.call(["ls", "-A", "/mnt"])
    finally:
        host.call(["umount", "/mnt"])


QUICK = rules("stop-when-stopped")


def left(before: HostImage, now: HostImage) -> list[str]:
    """How the host differs; control groups and settings of the kernel are other tests' as well."""
    lines = before.difference(now, ignoring=("sysctls",))
    return [line for line in lines if not line.startswith("cgroups:") or "/lsbcheck-" in line]


def assert_untouched(host: QuietHost, before: HostImage) -> None:
    until = time.monotonic() + 2.0
    while found := left(before, host.image(())):
        assert time.monotonic() < until, "\n".join(found)


# --- the end --------------------------------------------------------------------------------------

ENDLESS = Hostile(
    "endless",
    0,
    first="trap '' TERM INT HUP QUIT",
    start=f"setsid {DAEMON} & while :; do sleep 1; done",
    options=("--timeout", "600s"),
)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)],
)
def test_an_interrupt_ends_everything_within_two_seconds(number: signal.Signals, code: int) -> None:
    with QuietHost() as host:
        host.put(f"{TMP}/endless", ENDLESS.text())
        before = host.image(())
        child = host.program("ocfkit", "check", f"{TMP}/endless", *ENDLESS.options)
        wait_for(lambda: host.named(DAEMON), 20.0)
        os.kill(front_of(child), number)
        assert_untouched(host, before)
        out, err = child.communicate(timeout=2.0)
        assert out == b""
        if number != signal.SIGKILL:
            assert (child.returncode, err) == (code, b"ocfkit: interrupted\n")


def test_an_interrupt_while_many_scenarios_are_under_way_leaves_nothing() -> None:
    slow = Hostile("slow", 0, monitor=f"pgrep -f '^{DAEMON}' >/dev/null || exit 7", stop="sleep 1")
    with QuietHost() as host:
        host.put(f"{TMP}/slow", slow.text())
        before = host.image(())
        child = host.program("ocfkit", "check", f"{TMP}/slow", "--jobs", "8")
        wait_for(lambda: len(host.named(DAEMON)) > 4, 30.0)
        os.kill(front_of(child), signal.SIGINT)
        os.kill(front_of(child), signal.SIGINT)
        assert_untouched(host, before)
        err = child.communicate(timeout=2.0)[1]
        assert (child.returncode, err) == (130, b"ocfkit: interrupted\n")


# --- what takes too long, or too much, with the limits of a test ----------------------------------


def checked(tmp_path: Path, hostile: Hostile, *ids: str, prepare: str | None = None) -> Report:
    file = tmp_path / hostile.file
    file.write_text(hostile.text())
    file.chmod(0o755)
    with NamespaceBackend() as backend:
        lacking = [note for note in backend.notes if "not limited" in note]
        if lacking:
            pytest.skip(lacking[0])
        traveller = Traveller(agent_file.at(str(file)), backend, most=20.0, prepare=prepare)
        return check(traveller, [by_id(each) for each in ids])


@pytest.mark.parametrize(
    ("taken", "start", "sentence"),
    [
        (
            "memory",
            python("found = []\nwhile True: found.append(bytearray(1 << 22))"),
            "to free memory",
        ),
        ("disk", "cat /dev/zero >/var/lib/full; exit 1", "its disk was full"),
    ],
)
def test_an_agent_that_takes_all_there_is_gets_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: str, start: str, sentence: str
) -> None:
    monkeypatch.setattr(namespace, "_available_memory", lambda: 1 << 29)
    judged = checked(tmp_path, Hostile(taken, 3, start=start), "start-succeeds").judgements
    assert judged["start-succeeds"].verdict == "error"
    assert sentence in judged["start-succeeds"].sentence


def test_a_service_that_somebody_else_brings_back_cannot_be_seen_to_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visit, "PATIENCE", 1.0)
    monkeypatch.setattr(visit, "_SETTLE_AT_MOST", 1.0)
    keeper = f"while :; do [ ! -e /run/wanted ] || {DAEMON}; sleep 0.01; done"
    agent = Hostile(
        "comes back",
        3,
        start=f": >/run/wanted; until pgrep -f '^{DAEMON}'; do sleep 0.01; done",
        stop=f"rm -f /run/wanted; pkill -f '^{DAEMON}'; exit 0",
    )
    prepare = f"setsid sh -c '{keeper}' >/dev/null 2>&1 &"
    judged = checked(tmp_path, agent, "monitor-after-crash", prepare=prepare).judgements
    assert judged["monitor-after-crash"].verdict == "not-provoked"
    assert "was there again before the monitor" in judged["monitor-after-crash"].sentence


# --- last, when all of them have ended ------------------------------------------------------------


def test_none_of_them_has_left_anything_on_the_host(
    host: QuietHost, before: HostImage, runs: dict[str, Future[Ended]]
) -> None:
    for each in runs.values():
        each.result()
    ours = {f"{TMP}/{each.file}" for each in (*HOSTILE, LIAR)} | {f"{TMP}/quiet"}
    host.call(["rm", "-f", *ours])
    assert host.named(DAEMON) == []
    assert left(before, host.image(TREES)) == []
