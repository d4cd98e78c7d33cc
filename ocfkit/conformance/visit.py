"""One private machine under way: calls of the agent, and what was there before and after each.

Running and stopped are told by the processes that are there, wherever an agent has any.
"""

from __future__ import annotations

import errno
import hashlib
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lsbcheck.sandbox.interface import Backend, Ran, Sandbox, SandboxLost
from lsbcheck.transcript import Fault, Outcome, Process, Service
from ocfkit import durations
from ocfkit.conformance import stand_ins
from ocfkit.conformance.agent_file import AgentFile
from ocfkit.conformance.description import Description
from ocfkit.conformance.transcript import INSTANCE, REASON_PREFIX, Call, Scenario, Start, State
from ocfkit.launchers import OCF_ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

NOBODY = 65534

PATIENCE = 5.0
"""Seconds that a signal of ours gets to be seen in the table of processes."""

_ARRIVAL = 20.0
"""Seconds that a program of ours gets to be there: on a busy host one of Python takes several."""

_DEFAULT_TIMEOUT = 20.0
"""Pacemaker's own, where neither the agent nor the operator says anything."""
_SETTLE_AT_MOST = 8.0
_BACKGROUND = 10.0
"""Seconds that what the agent still does behind a start gets to end: longer, and it is a service.

IPaddr tells the network of its address for five.
"""
_NO_PROGRAM = 127
_ENOUGH = 2
"""Times that an action may hang in one machine before nothing more is asked of it."""
_MOST_DIGESTS = 400
"""Files; of what changes beyond them only the names are compared."""
_MOST_FILES = 5000
"""That an agent may change: their names are kept for the moments before and after every call."""
_MOST_WORDS = 1 << 20
"""Characters of all command lines together, which are kept for the same moments."""


class Unreached(Exception):  # noqa: N818 - not an error: the itinerary cannot go on
    """Why a scenario stopped early, in words; the rules will say that it was not provoked."""


class OutOfTime(Unreached):
    """The time for everything about the agent is over."""

    def __init__(self, whole: float) -> None:
        """`whole`: its seconds."""
        option = f"--agent-timeout {durations.text(whole)}"
        super().__init__(f"the time for the whole check is over ({option})")


@dataclass(frozen=True, slots=True)
class Traveller:
    """What every scenario of one agent shares."""

    agent: AgentFile
    backend: Backend
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    second: Mapping[str, str] = field(default_factory=dict[str, str])
    """Those in which a second instance differs."""
    hidden: frozenset[str] = frozenset()
    """Names of those that the user called secret."""
    most: float = 60.0
    """Seconds for each call, whatever longer time the agent advises."""
    whole: float = 1800.0
    """Seconds for everything about the agent; no call is made after them."""
    began: float = field(default_factory=time.monotonic)
    quiet: float = 0.3
    """Seconds in which the set of processes must not change to be settled."""
    patience: int = 1
    """Times that each call's limit is taken: twice, where a busy host may have used it up."""
    prepare: str | None = None
    """A command for /bin/sh, run in every machine before the first call."""
    description: Description | None = None
    service: Service | None = None

    def limit(self, action: str, level: int = 0) -> float:
        """Seconds that a call gets: what the agent advises, or Pacemaker's default."""
        advised = self.description.timeout(action, level) if self.description else None
        return min(advised or _DEFAULT_TIMEOUT, self.most) * self.patience

    def require_time(self) -> float:
        """Seconds that are left for everything; raises OutOfTime where none are."""
        left = self.began + self.whole - time.monotonic()
        if left <= 0:
            raise OutOfTime(self.whole)
        return left

    @property
    def is_promotable(self) -> bool:
        """Whether a cluster would run it as a promotable clone."""
        return self.advertises("promote")

    def advertises(self, action: str) -> bool:
        """Whether the meta-data lists this action."""
        return self.description is not None and self.description.advertises(action)


class Visit:
    """One machine under way: makes calls and writes down what was there before and after."""

    def __init__(self, traveller: Traveller, sandbox: Sandbox) -> None:
        """Nothing is done before `arrive`."""
        self.traveller = traveller
        self.sandbox = sandbox
        self.calls: list[Call] = []
        self.fault: Fault | None = None
        self.bystander: bool | None = None
        self.pid_files: dict[str, int] = {}
        """Those that were seen while something ran, and the pid in each."""
        self._base: set[tuple[int, int]] = set()
        self._ours: set[str] = set()
        self._files_before: dict[str, str] = {}

    # --- before and after -------------------------------------------------------------------------

    def arrive(self) -> None:
        """Carry in the files and prepare; what runs then is not the agent's."""
        self._put_stand_ins()
        agent = self.traveller.agent
        if agent.content is not None:
            self.put(agent.path, agent.content, 0o755)
        if self.traveller.prepare is not None:
            self._prepare(self.traveller.prepare)
        self._base = {one.identity for one in self.sandbox.processes()}

    def _put_stand_ins(self) -> None:
        for path, content, mode in stand_ins.files():
            try:
                self.put(path, content, mode)
            except OSError as refusal:
                if refusal.errno != errno.EROFS:  # /usr is read-only where we are not root
                    raise
                note = "not root: the cluster's commands (crm_attribute …) have no stand-ins"
                if note not in self.traveller.backend.notes:
                    self.traveller.backend.notes.append(note)

    def _prepare(self, command: str) -> None:
        ran = self._run(("/bin/sh", "-c", command), {"PATH": PATH}, self.traveller.most)
        if ran.code != 0:
            said = (ran.stderr or ran.stdout).strip().splitlines()
            how = "did not end in time" if ran.timed_out else f"ended with {ran.code}"
            raise SandboxLost(f"the command of --prepare {how}: {said[-1] if said else 'silent'}")
        self.sandbox.settle(self.traveller.quiet, _SETTLE_AT_MOST)

    def scenario(self, name: str, *, starts: bool) -> Scenario:
        """What was seen until now; `starts`: with every program that was started."""
        seen = self.sandbox.execs() if starts else ()
        return Scenario(
            name,
            tuple(self.calls),
            self.fault,
            self.bystander,
            tuple(Start(each.argv, each.environ) for each in seen),
            self._log(),
        )

    def _log(self) -> str:
        try:
            return self.sandbox.read_file(stand_ins.LOG, 1 << 20).decode(errors="replace")
        except OSError:  # the agent has removed it, or put something else there
            return ""

    # --- calls ------------------------------------------------------------------------------------

    def call(
        self,
        action: str,
        *,
        parameters: Mapping[str, str] | None = None,
        level: int = 0,
        interval: float = 0.0,
        instance: str = INSTANCE,
        more: Mapping[str, str] | None = None,
        uid: int = 0,
        words: tuple[str, ...] = (),
        settle: bool = False,
    ) -> Call:
        """Call the agent as the cluster's executor does, and write it down.

        `parameters` replace those that the user gave; `more` is put over the environment, `words`
        come behind the action. `settle`: afterwards wait until the processes are quiet.
        """
        limit = self.traveller.limit(action, level)
        given = self.traveller.parameters if parameters is None else parameters
        environ = environment(self.traveller, action, given, limit, interval=interval)
        environ["OCF_RESOURCE_INSTANCE"] = instance
        if level:
            environ["OCF_CHECK_LEVEL"] = str(level)
        environ |= more or {}
        return self.call_in(environ, action, uid=uid, words=words, limit=limit, settle=settle)

    def call_in(
        self,
        environ: Mapping[str, str],
        action: str,
        *,
        uid: int = 0,
        words: tuple[str, ...] = (),
        limit: float | None = None,
        settle: bool = False,
    ) -> Call:
        """Call the agent in exactly this environment, and write it down.

        Raises Unreached where the action has hung before: it was seen, and each takes all its time;
        where there is no such user, and where the check's own time is over.
        """
        if self._hung(action, environ.get("OCF_CHECK_LEVEL")) == _ENOUGH:
            raise Unreached(f"{action} gave no answer {_ENOUGH} times")
        if uid:
            self._require_user(uid)
        # execve(2) can carry no such name, and meta-data can hold one
        environ = {name: value for name, value in environ.items() if "=" not in name}
        argv = (self.traveller.agent.path, action, *words)
        granted = self.traveller.limit(action) if limit is None else limit
        before = self.state()
        ran = self._run(argv, environ, granted, uid)
        call = Call(
            action=action,
            argv=ran.argv,
            environ=environ,
            uid=uid,
            outcome=_outcome(ran),
            code=None if ran.timed_out else ran.signal if ran.code is None else ran.code,
            seconds=ran.seconds,
            limit=granted,
            stdout=ran.stdout,
            stderr=ran.stderr,
            before=before,
            after=self.state(),
            late=ran.late,
            processor=ran.processor,
        )
        if settle:
            call = replace(call, settled=self.settle())
        if call.end.processes:
            self.pid_files |= self.look_for_pid_files()
        self.calls.append(call)
        return call

    def _run(
        self, argv: tuple[str, ...], environ: Mapping[str, str], limit: float, uid: int = 0
    ) -> Ran:
        """Run a command; raises OutOfTime where the check's own time has cut it short."""
        left = self.traveller.require_time()
        ran = self.sandbox.run(argv, env=environ, deadline=min(limit, left), uid=uid)
        if ran.timed_out and left < limit:  # that is no answer of its own
            raise OutOfTime(self.traveller.whole)
        return ran

    def _hung(self, action: str, level: str | None) -> int:
        """How often this action gave no answer at this level."""
        return sum(
            (call.outcome, call.action, call.environ.get("OCF_CHECK_LEVEL"))
            == ("no-answer", action, level)
            for call in self.calls
        )

    def _require_user(self, uid: int) -> None:
        """Raises Unreached where the sandbox has no user but root (see `lsbcheck.sandbox`)."""
        ran = self.sandbox.run(("id", "-u"), env={"PATH": PATH}, deadline=_ARRIVAL, uid=uid)
        if ran.stdout.strip() != str(uid) and ran.code != _NO_PROGRAM:
            raise Unreached(f"there is no user {uid} in the sandbox of one who is not root")

    def start(self) -> Call:
        """Start what the other calls are about; raises Unreached if it does not come up."""
        call = self.call("start", settle=True)
        if not call.succeeded:
            raise Unreached(f"start ended with {call.answer}")
        if self.traveller.service is not None and not call.end.processes:
            raise Unreached("the service came up in the first start, and here it did not")
        return call

    # --- what is there ----------------------------------------------------------------------------

    def state(self) -> State:
        """What there is at this moment."""
        return State(
            processes=tuple(self.others()),
            listeners=frozenset(self.sandbox.listeners()),
            files=self._files(),
            ipc=frozenset(self._ipc()),
            mounts=frozenset(_mount_points(self._kernel_list("/proc/1/mountinfo"))),
        )

    def settle(self, gone: Iterable[tuple[int, int]] = ()) -> State:
        """What there is when the set of processes has become quiet."""
        self.sandbox.settle(self.traveller.quiet, _SETTLE_AT_MOST, self._base, gone)
        return self.state()

    def let_pass(self, seconds: float) -> None:
        """Do nothing for so long, or for what time is left for everything."""
        until = time.monotonic() + min(seconds, self.traveller.require_time())
        while time.monotonic() < until:
            self.others()  # raises SandboxLost when somebody has closed the sandbox meanwhile
            time.sleep(0.2)

    def outlast(self) -> None:
        """Wait while the agent itself is still at work behind a start, but not for ever."""
        until = time.monotonic() + _BACKGROUND
        path = self.traveller.agent.path
        while any(path in one.argv for one in self.others()) and time.monotonic() < until:
            time.sleep(0.1)

    def others(self) -> list[Process]:
        """Every process that was not there at first."""
        found = [one for one in self.sandbox.processes() if one.identity not in self._base]
        if sum(len(word) for one in found for word in one.argv) > _MOST_WORDS:
            raise SandboxLost(f"the command lines of {len(found)} processes are too long to keep")
        return found

    def _files(self) -> dict[str, str]:
        files = {
            path: self._digest(path) if number < _MOST_DIGESTS else ""
            for number, path in enumerate(self._changed())
            if not path.startswith(f"{stand_ins.HIDDEN}/")
        }
        if files != self._files_before:  # one for all moments at which they were the same
            self._files_before = files
        return self._files_before

    def _changed(self) -> list[str]:
        changed = [path for path in self.sandbox.changed_files() if path not in self._ours]
        if len(changed) > _MOST_FILES:
            raise SandboxLost(f"{len(changed)} files were changed; {_MOST_FILES} can be compared")
        return changed

    def look_for_pid_files(self) -> dict[str, int]:
        """Every changed file that holds one number and nothing else, and that number."""
        found: dict[str, int] = {}
        for path in self._changed():
            try:
                words = self.sandbox.read_file(path, 64).split()
            except OSError:
                continue
            if len(words) == 1 and words[0].isdigit():
                found[path] = int(words[0])
        return found

    def _digest(self, path: str) -> str:
        try:
            return hashlib.sha256(self.sandbox.read_file(path)).hexdigest()
        except OSError:  # a link to nowhere, a socket, gone meanwhile
            return ""

    def _ipc(self) -> Iterable[str]:
        for kind in ("shm", "sem", "msg"):
            for line in self._kernel_list(f"/proc/sysvipc/{kind}").splitlines()[1:]:
                yield f"{kind} {' '.join(line.split()[:2])}"

    def _kernel_list(self, path: str) -> str:
        try:
            return self.sandbox.read_file(path).decode(errors="replace")
        except OSError:
            return ""

    # --- what is done to it -----------------------------------------------------------------------

    def put(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Put a file that is not the agent's."""
        self.sandbox.put_file(path, content, mode)
        self._ours.add(path)

    def bystand(self, argv: tuple[str, ...], uid: int = 0) -> tuple[int, int]:
        """Start a process that is not the agent's; its identity, once it is the program."""
        pid = self.sandbox.spawn(argv, uid=uid)
        until = time.monotonic() + _ARRIVAL
        while time.monotonic() < until:
            for one in self.sandbox.processes():
                if one.pid == pid and one.argv == argv:  # it has become the program
                    self._base.add(one.identity)
                    return one.identity
        raise SandboxLost("the bystander did not start")

    def await_listeners(self, wanted: set[str]) -> None:
        """Wait until somebody listens at all these places."""
        until = time.monotonic() + _ARRIVAL
        while not wanted <= set(self.sandbox.listeners()):
            if time.monotonic() > until:
                raise SandboxLost("the listener of the check did not come to listen")

    def is_there(self, identity: tuple[int, int]) -> bool:
        """Whether this process lives."""
        return any(
            one.identity == identity and one.state not in "ZX" for one in self.sandbox.processes()
        )

    def kill_all(self) -> None:
        """SIGKILL everything that the agent has brought, until nothing is left."""
        until = time.monotonic() + PATIENCE
        while (others := self.others()) and time.monotonic() < until:
            self.sandbox.send_signal([one.pid for one in others], signal.SIGKILL)
        self.settle()

    def freeze(self) -> None:
        """SIGSTOP everything that the agent has brought, until all of it stands still."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            moving = [one.pid for one in self.others() if one.state not in "Tt"]
            if not moving:
                return
            self.sandbox.send_signal(moving, signal.SIGSTOP)


def environment(
    traveller: Traveller,
    action: str,
    parameters: Mapping[str, str],
    limit: float,
    *,
    interval: float,
) -> dict[str, str]:
    """What Pacemaker's executor passes (research of 2.1: version 1.1, times in milliseconds)."""
    agent = traveller.agent
    meta = {
        "timeout": str(round(limit * 1000)),
        "interval": str(round(interval * 1000)),
        "name": action,
        "on_node": stand_ins.NODE,
    }
    if traveller.is_promotable:
        meta |= {
            "clone": "0",
            "clone_max": "2",
            "clone_node_max": "1",
            "promoted_max": "1",
            "promoted_node_max": "1",
            "master_max": "1",
            "master_node_max": "1",
            "notify": "true",
            "globally_unique": "false",
        }
    return {
        "PATH": PATH,
        "OCF_ROOT": OCF_ROOT,
        "OCF_RA_VERSION_MAJOR": "1",
        "OCF_RA_VERSION_MINOR": "1",
        "OCF_RESOURCE_INSTANCE": INSTANCE,
        "OCF_RESOURCE_TYPE": agent.name,
        "OCF_RESOURCE_PROVIDER": agent.provider,
        "OCF_EXIT_REASON_PREFIX": REASON_PREFIX,
        "HA_debug": "0",
        "HA_LOGFILE": stand_ins.LOG,
        "OCF_RESKEY_crm_feature_set": "3.17.4",
        **{f"OCF_RESKEY_CRM_meta_{name}": value for name, value in meta.items()},
        **{f"OCF_RESKEY_{name}": value for name, value in parameters.items()},
    }


def _outcome(ran: Ran) -> Outcome:
    if ran.timed_out:
        return "no-answer"
    return "exited" if ran.signal is None else "killed"


def _mount_points(mountinfo: str) -> Iterable[str]:
    return (line.split()[4] for line in mountinfo.splitlines() if len(line.split()) > 4)
