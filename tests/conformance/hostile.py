"""Agents that mean no good: each takes what the check gives it, and one thing that it does not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

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
"""What it says and leaves would be lines of a report, colours, or commands of a CI."""

ENDLESS = Hostile(
    "endless",
    0,
    first="trap '' TERM INT HUP QUIT",
    start=f"setsid {DAEMON} & while :; do sleep 1; done",
    options=("--timeout", "600s"),
)
"""Its start never ends, and hears no signal that could be ignored."""
