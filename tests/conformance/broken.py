"""Agents with one fault each: the good one of a language with a few words changed.

Each has the rule that is meant to catch it. Those of the first list are the twenty-eight variants
of a small agent of which ocf-tester passes twenty-six and hangs on one.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

_HOME: Final = Path(__file__).parent / "good"

Language = Literal["shell", "Python", "Perl", "C"]
GOOD: Final[Mapping[Language, Path]] = {
    "shell": _HOME / "ponger",
    "Python": _HOME / "ponger.py",
    "Perl": _HOME / "ponger.pl",
    "C": _HOME / "ponger.c",
}
"""The agent without a fault, once in each language; all run the same service."""


def make(language: Language, text: str, folder: Path) -> Path:
    """Put an agent with this text, and its service, into a new folder; returns its path."""
    folder.mkdir()
    shutil.copy2(_HOME / "pinger.py", folder)
    agent = folder / "ponger"
    if language == "C":
        options = ("-x", "c", "-", "-o", str(agent))
        subprocess.run(("gcc", *options), input=text, text=True, check=True)
    else:
        agent.write_text(text)
        agent.chmod(0o755)
    return agent


@dataclass(frozen=True, slots=True)
class Broken:
    """A fault, and the rule that has to see it."""

    name: str
    rule: str
    changes: tuple[tuple[str, str], ...]
    more: tuple[str, ...] = ()
    """Other rules that the same fault breaks too."""
    language: Language = "shell"

    def text(self) -> str:
        """The agent with the fault in it."""
        made = GOOD[self.language].read_text()
        for old, new in self.changes:
            assert made.count(old) >= 1, f"{self.name}: {old!r} is not in the good agent"
            made = made.replace(old, new)
        return made


def _broken(
    name: str,
    rule: str,
    *changes: tuple[str, str],
    more: Sequence[str] = (),
    language: Language = "shell",
) -> Broken:
    return Broken(name, rule, changes, tuple(more), language)


_CASE_UNKNOWN = "*) exit 3 ;;"
_XML_RELOAD = '<action name="reload-agent" timeout="20s"/>\n'
_DO_RELOAD = "reload-agent) validate ;;\n"
_MONITOR = "monitor() {\n"
_STOP = "stop() {\n"
_IMPATIENT = ('timeout="20s"', 'timeout="2s"')
"""What hangs is believed to hang when it has had the time that it asks for."""
_START = "start() {\n\tis_there && return 0\n"
_COMPARES = '[ "$(tr'
_IDENTITY = """[ "$(tr '\\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")" = \\
\t\t"/usr/bin/python3 -IS $service serve $OCF_RESKEY_port $pid_file " ]"""

KNOWN: Final = (
    _broken(
        "start returns before the service is up",
        "start-is-complete",
        ("\tuntil is_there; do", "\treturn 0\n\tuntil is_there; do"),
        (
            '\t/usr/bin/python3 -IS "$service" serve',
            '\tsleep 1.5 && exec /usr/bin/python3 -IS "$service" serve',
        ),
    ),
    _broken(
        "monitor blocks",
        "every-call-is-answered",
        (_MONITOR, f"{_MONITOR}\tis_there && sleep 1000\n"),
        _IMPATIENT,
    ),
    _broken(
        "unknown action returns 0",
        "unknown-action-is-unimplemented",
        (_CASE_UNKNOWN, "*) exit 0 ;;"),
    ),
    _broken(
        "meta-data has another name than the file",
        "name-is-the-file-name",
        ('<resource-agent name="ponger"', '<resource-agent name="ping"'),
    ),
    _broken(
        "monitor is not advertised",
        "required-actions-advertised",
        ('<action name="monitor" timeout="20s" interval="10s" depth="0"/>\n', ""),
        ('<action name="monitor" timeout="20s" interval="60s" depth="10"/>\n', ""),
    ),
    _broken(
        "an advertised action is not implemented",
        "advertised-actions-are-implemented",
        (_DO_RELOAD, ""),
    ),
    _broken(
        "an implemented action is not advertised",
        "implemented-actions-are-advertised",
        (_CASE_UNKNOWN, f"promote) exit 0 ;;\n{_CASE_UNKNOWN}"),
    ),
    _broken(
        "reload returns 1",
        "optional-actions-succeed",
        (_DO_RELOAD, 'reload-agent) reason "no"; exit 1 ;;\n'),
    ),
    _broken(
        "migration returns 1",
        "optional-actions-succeed",
        (
            _XML_RELOAD,
            (
                '<action name="migrate_to" timeout="20s"/>\n'
                f'<action name="migrate_from" timeout="20s"/>\n{_XML_RELOAD}'
            ),
        ),
        (_CASE_UNKNOWN, f'migrate_to | migrate_from) reason "no"; exit 1 ;;\n{_CASE_UNKNOWN}'),
    ),
    _broken(
        "a number that is none is accepted",
        "wrong-type-is-refused",
        ("'' | *[!0-9]*) reason \"port is no number\"; return 6 ;;", "'') return 6 ;;"),
    ),
    _broken(
        "a required parameter may be missing",
        "missing-parameter-is-refused",
        ("'') reason \"name is not set\"; return 6 ;;", "'') ;;"),
    ),
    _broken(
        "the default of the meta-data is not the code's",
        "defaults-are-the-code-s",
        ('type="integer" default="7007"', 'type="integer" default="7008"'),
    ),
    _broken(
        "two instances share state",
        "second-instance-is-another",
        ("pid_file=/run/ponger-${OCF_RESKEY_name-}.pid", "pid_file=/run/ponger.pid"),
        (_IDENTITY, '[ -d "/proc/$pid" ]'),
    ),
    _broken(
        "stop leaves the process running",
        "stop-leaves-no-process",
        (f"{_STOP}\tif is_there; then", f"{_STOP}\tif false; then"),
    ),
    _broken(
        "monitor believes a stale pid file",
        "foreign-process-is-not-the-service",
        (_COMPARES, 'kill -0 "$pid" 2>/dev/null && return 0\n\t[ "$(tr'),
    ),
    _broken(
        "monitor looks at the pid file alone",
        "monitor-after-crash",
        (_COMPARES, 'return 0\n\t[ "$(tr'),
    ),
    _broken(
        "a second start leaks a process",
        "start-when-running",
        (
            _START,
            (
                "start() {\n\tis_there && OCF_RESKEY_port=$((OCF_RESKEY_port + 1)) && "
                'sh -c \'/usr/bin/python3 -IS "$1" serve "$2" /run/other.pid </dev/null '
                '>/dev/null 2>&1 &\' - "$service" "$OCF_RESKEY_port" && sleep 0.3 && return 0\n'
            ),
        ),
    ),
    _broken(
        "an advertised level returns 2",
        "levels-answer",
        (
            "|| return 0\n\t/usr/bin/python3",
            "|| return 0\n\treason never; return 2\n\t/usr/bin/python3",
        ),
    ),
    _broken(
        "a password is an argument of a child",
        "secrets-are-not-in-arguments",
        (_START, f'{_START}\t/bin/echo "${{OCF_RESKEY_password-}}" >/dev/null\n'),
    ),
    _broken(
        "a password is told on standard error",
        "secrets-are-not-told",
        (_START, f'{_START}\techo "using ${{OCF_RESKEY_password-}}" >&2\n'),
    ),
    _broken(
        "a parameter is described twice",
        "parameters-differ-in-name",
        (
            '<parameter name="password">',
            (
                '<parameter name="port">\n<longdesc lang="en">Again.</longdesc>\n'
                '<shortdesc lang="en">Port</shortdesc>\n<content type="integer" default="7007"/>\n'
                '</parameter>\n<parameter name="password">'
            ),
        ),
    ),
    _broken(
        "another argument is refused",
        "extra-arguments-are-ignored",
        (
            "case ${1-} in\nmeta",
            '[ $# -le 1 ] || { reason "one action"; exit 2; }\ncase ${1-} in\nmeta',
        ),
    ),
    _broken(
        "a timeout is no time",
        "times-can-be-read",
        ('<action name="stop" timeout="20s"/>', '<action name="stop" timeout="banana"/>'),
    ),
    _broken(
        "monitor writes on every run",
        "monitor-changes-nothing",
        (_MONITOR, f"{_MONITOR}\tdate +%N >/var/lib/ponger.last\n"),
    ),
    _broken(
        "stop wants its parameters",
        "stop-needs-no-parameters",
        ('stop) [ "${OCF_RESKEY_name-}" ] || exit 0; root', "stop) validate || exit; root"),
    ),
    _broken(
        "it needs HOME",
        "no-person-is-needed",
        ("LC_ALL=C\n", 'LC_ALL=C\n[ "$1" = meta-data ] || : "${HOME:?}"\n'),
    ),
    _broken(
        "stop kills the other instance",
        "stop-spares-the-other-instance",
        (f"{_STOP}", f'{_STOP}\tpkill -KILL -f "$service serve"\n\trm -f /run/ponger-*.pid\n'),
    ),
    _broken(
        "a lock file is left by stop",
        "stop-leaves-nothing-behind",
        (_START, f"{_START}\t: >/run/lock/ponger\n"),
    ),
)

MORE: Final = (
    _broken(
        "meta-data is no XML",
        "meta-data-is-xml",
        ("</resource-agent>\n", ""),
    ),
    _broken(
        "the API's version is the agent's",
        "api-version-is-known",
        ("<version>1.1</version>", "<version>2.7</version>"),
    ),
    _broken(
        "a timeout has no unit",
        "times-have-units",
        ('<action name="stop" timeout="20s"/>', '<action name="stop" timeout="20"/>'),
    ),
    _broken(
        "stop advises no timeout",
        "actions-have-timeouts",
        ('<action name="stop" timeout="20s"/>', '<action name="stop"/>'),
    ),
    _broken(
        "validate-all is not advertised",
        "validate-all-advertised",
        ('<action name="validate-all" timeout="20s"/>\n', ""),
        more=("implemented-actions-are-advertised",),
    ),
    _broken(
        "two monitors have one interval",
        "monitors-differ-in-interval",
        ('interval="60s" depth="10"', 'interval="10s" depth="10"'),
    ),
    _broken(
        "a default is not of its type",
        "defaults-have-their-type",
        ('type="boolean" default="false"', 'type="boolean" default="/usr/bin/false"'),
        more=("defaults-are-the-code-s",),
    ),
    _broken(
        "a parameter's name is no variable",
        "parameter-names-are-variables",
        ('<parameter name="password">', '<parameter name="pass-word">'),
    ),
    _broken(
        "a required parameter has a default",
        "required-has-no-default",
        (
            '<shortdesc lang="en">Name</shortdesc>\n<content type="string"/>',
            '<shortdesc lang="en">Name</shortdesc>\n<content type="string" default="foo"/>',
        ),
    ),
    _broken(
        "a text has no language",
        "texts-are-there",
        ('<shortdesc lang="en">Port</shortdesc>', "<shortdesc>Port</shortdesc>"),
    ),
    _broken(
        "meta-data depends on OCF_OUTPUT_FORMAT",
        "meta-data-is-the-same-for-all",
        ("meta-data) meta_data ;;", 'meta-data) [ "$OCF_OUTPUT_FORMAT" ] || meta_data ;;'),
    ),
    _broken(
        "meta-data needs root",
        "meta-data-is-the-same-for-all",
        ("meta-data) meta_data ;;", "meta-data) root && meta_data ;;"),
    ),
    _broken(
        "meta-data takes two seconds",
        "meta-data-is-cheap",
        ("meta-data) meta_data ;;", "meta-data) sleep 2; meta_data ;;"),
    ),
    _broken(
        "meta-data counts for most of a second",
        "meta-data-is-cheap",
        (
            "meta-data) meta_data ;;",
            (
                'meta-data) /usr/bin/python3 -IS -c "from time import process_time as used\n'
                'while used() < 0.7: pass"; meta_data ;;'
            ),
        ),
    ),
    _broken(
        "meta-data talks beside the XML",
        "meta-data-says-nothing-else",
        ("meta-data) meta_data ;;", "meta-data) echo hello >&2; meta_data ;;"),
    ),
    _broken(
        "start fails when it runs",
        "start-when-running",
        (_START, 'start() {\n\tis_there && reason "it runs" && return 1\n'),
    ),
    _broken(
        "start restarts what runs",
        "start-when-running",
        (_START, "start() {\n\tis_there && stop\n"),
    ),
    _broken(
        "stop fails when nothing runs",
        "stop-when-stopped",
        (f"{_STOP}", f'{_STOP}\tis_there || {{ reason "nothing runs"; return 7; }}\n'),
        more=("exit-codes-are-defined",),
    ),
    _broken(
        "a monitor of what runs says 1",
        "monitor-when-running",
        (
            _MONITOR,
            (
                f"{_MONITOR}\tis_there && [ -e /run/second ] && reason no && return 1\n"
                "\tis_there && : >/run/second\n"
            ),
        ),
    ),
    _broken(
        "a probe says 1 when nothing runs",
        "monitor-when-stopped",
        ("\tis_there || return 7\n", '\tis_there || { reason "it does not run"; return 1; }\n'),
    ),
    _broken(
        "a level that is not advertised fails",
        "levels-fall-back",
        (
            _MONITOR,
            (
                f"{_MONITOR}\tcase ${{OCF_CHECK_LEVEL:-0}} in 0 | 10) ;; *) reason level; "
                "return 2 ;; esac\n"
            ),
        ),
    ),
    _broken(
        "the deep monitor does not look",
        "monitor-when-frozen",
        ("|| return 0\n\t/usr/bin/python3", "|| return 0\n\treturn 0\n\t/usr/bin/python3"),
    ),
    _broken(
        "stop waits for a service that stands still",
        "frozen-service-can-be-stopped",
        ('kill -KILL "$pid" ||', 'kill -TERM "$pid" ||'),
    ),
    _broken(
        "a crash leaves what the next start trips over",
        "recovery-after-crash",
        (
            '\trm -f "$pid_file"\n\t/usr/bin',
            '\t[ ! -e "$pid_file" ] || { reason "there is a $pid_file"; return 1; }\n\t/usr/bin',
        ),
        ('\t\tdone\n\tfi\n\trm -f "$pid_file"', '\t\tdone\n\t\trm -f "$pid_file"\n\tfi'),
    ),
    _broken(
        "whoever listens on the port is the service",
        "stranger-on-the-port-is-not-the-service",
        (
            "\tis_there || return 7\n",
            (
                '\tgrep -q "$(printf \':%04X 00000000:0000 0A\' "$OCF_RESKEY_port")" '
                "/proc/net/tcp || return 7\n\treturn 0\n"
            ),
        ),
    ),
    _broken(
        "stop kills whoever a stale pid file names",
        "foreign-process-is-not-the-service",
        (
            _STOP,
            f'{_STOP}\tread -r pid 2>/dev/null <"$pid_file" && kill -KILL "$pid" 2>/dev/null\n',
        ),
    ),
    _broken(
        "stop frees the port",
        "stranger-on-the-port-survives",
        (_STOP, f'{_STOP}\tpkill -KILL -f "127.0.0.1:$OCF_RESKEY_port"\n'),
    ),
    _broken(
        "a missing program is a generic error",
        "missing-program-is-told",
        ('reason "there is no $service"\n\treturn 5', 'reason "there is no $service"\n\treturn 1'),
    ),
    _broken(
        "a start that fails says 0",
        "start-failure-is-told",
        (
            'is port $OCF_RESKEY_port free?"\n\t\t\treturn 1',
            'is port $OCF_RESKEY_port free?"\n\t\t\treturn 0',
        ),
    ),
    _broken(
        "a stop that fails says 0",
        "stop-failure-is-told",
        ('reason "process $pid does not end"\n\t\t\t\treturn 1', "return 0"),
    ),
    _broken(
        "validate-all refuses what is right",
        "validate-all-accepts-the-right",
        ("validate-all) validate ;;", 'validate-all) reason "not today"; exit 6 ;;'),
    ),
    _broken(
        "a probe with a wrong parameter says that it runs",
        "probe-needs-no-parameters",
        (
            'monitor) [ "${OCF_RESKEY_name-}" ] || exit 7;',
            'monitor) [ "${OCF_RESKEY_name-}" ] || exit 0;',
        ),
    ),
    _broken(
        "a failure has no reason",
        "failures-have-reasons",
        ('\techo "ocf-exit-reason:$*" >&2', '\techo "$*" >&2'),
    ),
    _broken(
        "without root there is no answer",
        "nobody-gets-an-answer",
        ('\treason "only root can do that"\n\treturn 4', "\tkill -SEGV $$"),
    ),
    _broken(
        "a code is none of OCF's",
        "exit-codes-are-defined",
        (
            "case ${1-} in\nmeta",
            'case ${1-} in\nvalidate-all) [ "${OCF_RESKEY_name-}" ] || exit 42; validate ;;\nmeta',
        ),
    ),
    _broken(
        "a stop that works says 1",
        "stop-succeeds",
        ('\trm -f "$pid_file"\n\treturn 0\n}\n\nroot', '\trm "$pid_file"\n\treturn 1\n}\n\nroot'),
    ),
    _broken(
        "recover is advertised and not implemented",
        "advertised-actions-are-implemented",
        (_XML_RELOAD, f'<action name="recover" timeout="20s"/>\n{_XML_RELOAD}'),
    ),
    _broken(
        "recover stops the service",
        "optional-actions-succeed",
        (_XML_RELOAD, f'<action name="recover" timeout="20s"/>\n{_XML_RELOAD}'),
        (_CASE_UNKNOWN, f"recover) stop ;;\n{_CASE_UNKNOWN}"),
    ),
    _broken(
        "an action of its own is advertised and not implemented",
        "advertised-actions-are-implemented",
        (_XML_RELOAD, f'<action name="rotate-logs" timeout="20s"/>\n{_XML_RELOAD}'),
    ),
    _broken(
        "promote is not kept",
        "promotion-is-kept",
        (
            _XML_RELOAD,
            (
                '<action name="promote" timeout="20s"/>\n'
                f'<action name="demote" timeout="20s"/>\n{_XML_RELOAD}'
            ),
        ),
        (_CASE_UNKNOWN, f"promote | demote) exit 0 ;;\n{_CASE_UNKNOWN}"),
    ),
    _broken(
        "a silent listener holds the monitor up",
        "silent-listener-is-not-the-service",
        (
            "\tis_there || return 7\n",
            (
                '\tread -r pid 2>/dev/null <"$pid_file" || return 7\n'
                "\t[ -d /proc/$pid ] || /usr/bin/python3 -IS -c 'import socket, sys\n"
                's = socket.create_connection(("127.0.0.1", int(sys.argv[1])))\n'
                's.sendall(b"ping\\n")\ns.recv(5)\' "$OCF_RESKEY_port" 2>/dev/null\n'
                "\tis_there || return 7\n"
            ),
        ),
        _IMPATIENT,
    ),
)

_POPEN = "    child = subprocess.Popen("
_PERL_START = "\tmy $child = run(@command);"
_C_START = '\tpid_t child = run("serve", pid_file);'

OTHERS: Final = (
    _broken(
        "Python: without HOME there is a KeyError",
        "no-person-is-needed",
        (_POPEN, f'    os.chdir(os.environ["HOME"])\n{_POPEN}'),
        language="Python",
    ),
    _broken(
        "Python: a wrong value ends in a traceback",
        "failures-have-reasons",
        ("    if not PORT.isdecimal():\n", "    if int(PORT) < 1:\n"),
        language="Python",
    ),
    _broken(
        "Python: nobody waits for the child",
        "start-is-complete",
        ("    while not found():\n        if child", "    while False:\n        if child"),
        (_POPEN, "    service = subprocess.Popen("),
        ("(COMMAND, stdin", '(["/bin/sh", "-c", "sleep 1.5; exec $*", "sh", *COMMAND], stdin'),
        language="Python",
    ),
    _broken(
        "Python: os.kill(pid, 0) is all that is asked of a pid",
        "foreign-process-is-not-the-service",
        ('words = file.read().split("\\0")[:-1]', "os.kill(pid, 0)\n            words = COMMAND"),
        language="Python",
    ),
    _broken(
        "Python: an except for everything takes the exit along",
        "start-failure-is-told",
        (
            "    ACTIONS[sys.argv[1]]()\n",
            (
                "    try:\n        ACTIONS[sys.argv[1]]()\n"
                "    except BaseException:\n        sys.exit(0)\n"
            ),
        ),
        language="Python",
    ),
    _broken(
        "Python: an unknown action is a KeyError",
        "unknown-action-is-unimplemented",
        ("    if sys.argv[1] not in ACTIONS:\n", "    if not ACTIONS:\n"),
        language="Python",
    ),
    _broken(
        "Perl: what waitpid tells is the exit code",
        "monitor-when-frozen",
        ("\t$asked == 0 or fail(1,", "\texit $asked; fail(1,"),
        language="Perl",
    ),
    _broken(
        "Perl: die ends with 255, or with what errno was",
        "exit-codes-are-defined",
        ("$name =~ /^\\w+\\z/ or fail(6, 'name", "$! = 0; $name =~ /^\\w+\\z/ or die('name"),
        language="Perl",
    ),
    _broken(
        "Perl: a word is the number 0",
        "wrong-type-is-refused",
        ("$port =~ /^\\d+\\z/ or", "no warnings; $port + 0 >= 0 or"),
        language="Perl",
    ),
    _broken(
        "Perl: warn stands where the reason should",
        "failures-have-reasons",
        ('print STDERR "ocf-exit-reason:$reason\\n"', 'warn "$reason\\n"'),
        language="Perl",
    ),
    _broken(
        "Perl: backquotes hand the password over",
        "secrets-are-not-in-arguments",
        (_PERL_START, f"\tmy $hash = `/bin/echo $ENV{{OCF_RESKEY_password}}`;\n{_PERL_START}"),
        language="Perl",
    ),
    _broken(
        "Perl: a lock file stays when its handle is closed",
        "stop-leaves-nothing-behind",
        (_PERL_START, f"\topen my $lock, '>', '/run/lock/ponger'; flock $lock, 2;\n{_PERL_START}"),
        language="Perl",
    ),
    _broken(
        "C: a parameter that is not set is a null pointer",
        "exit-codes-are-defined",
        ('parameter("OCF_RESKEY_name", "")', 'parameter("OCF_RESKEY_name", NULL)'),
        language="C",
    ),
    _broken(
        "C: atoi takes anything",
        "wrong-type-is-refused",
        ("if (!only(isdigit, port))", "if (atoi(port) < 0)"),
        language="C",
    ),
    _broken(
        "C: shared memory outlives the service",
        "stop-leaves-nothing-behind",
        (_C_START, f"\tshmget(7007, 4096, IPC_CREAT | 0600);\n{_C_START}"),
        language="C",
    ),
    _broken(
        "C: a signal is sent, and nobody looks what became of it",
        "stop-failure-is-told",
        ("found(); left--)", "0; left--)"),
        language="C",
    ),
    _broken(
        "C: -1 is no exit code",
        "unknown-action-is-unimplemented",
        ('fail(3, "there is no action %s", action)', "return -1"),
        language="C",
    ),
    _broken(
        "C: a child of the monitor goes on",
        "monitor-changes-nothing",
        (
            "\tif (atoi(parameter(",
            (
                '\tif (!fork())\n\t\texecl("/bin/sleep", "sleep", "1000", (char *)NULL);\n'
                "\tif (atoi(parameter("
            ),
        ),
        language="C",
    ),
    _broken(
        "C: system() shows the password to every user",
        "secrets-are-not-in-arguments",
        (
            _C_START,
            (
                "\tchar line[512];\n"
                '\tsnprintf(line, sizeof line, ": %s", parameter("OCF_RESKEY_password", ""));\n'
                f"\tsystem(line);\n{_C_START}"
            ),
        ),
        language="C",
    ),
)
"""Faults that are at home in one language."""

BROKEN: Final = (*KNOWN, *MORE, *OTHERS)
