"""An instance of an agent in a test, and its actions: in this process, or in one of its own."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ocfkit import dispatch
from ocfkit.agent import Agent
from ocfkit.daemon import Daemon
from ocfkit.deadline import Deadline
from ocfkit.environment import Environment, reserve
from ocfkit.errors import DeadlineError
from ocfkit.interrupt import interrupted_at
from ocfkit.linux import process
from ocfkit.linux.process import Identity
from ocfkit.log import Log
from ocfkit.metadata import metadata
from ocfkit.testing.called import Timing, Variables, environment, type_of
from ocfkit.testing.cluster import FakeCluster
from ocfkit.testing.launched import program
from ocfkit.testing.leftovers import Leftovers
from ocfkit.testing.outcome import Outcome

if TYPE_CHECKING:
    from ocfkit.metadata import Profile

_PATIENCE = 10.0
"""Seconds for a process to be what a signal makes of it."""


class Node:
    """Where instances run in a test: records, a cluster, and the processes that are left behind.

    Call it to get an instance; close it at the end.
    """

    def __init__(
        self, folder: str | os.PathLike[str] | None = None, cluster: FakeCluster | None = None
    ) -> None:
        """`folder` for the records of instances; one of its own without it."""
        self._own = None if folder else tempfile.mkdtemp(prefix="ocfkit-")
        self.folder = os.fspath(folder or self._own or "")
        """What HA_RSCTMP says to the agents."""
        self.cluster = cluster or FakeCluster()
        self.leftovers = Leftovers()
        self.started: dict[tuple[type[Agent], str], Instance] = {}
        """By agent and name, what there may be to stop."""
        self._made = 0
        self._closed = False

    def __call__(
        self,
        cls: type[Agent],
        parameters: Mapping[str, object] | None = None,
        /,
        *,
        instance: str = "",
        timeout: Timing | None = None,
        env: Variables | None = None,
        as_root: bool = True,
        **more: object,
    ) -> Instance:
        """Return an instance of an agent; see `Instance`.

        `instance` is the name of the resource; without it, one that nobody else has. `parameters`
        is for names that mean something here.
        """
        self._made += 1
        return Instance(
            cls,
            {**(parameters or {}), **more},
            node=self,
            instance=instance or f"test-{os.getpid()}-{self._made}",
            timeout=timeout,
            env=env,
            as_root=as_root,
        )

    def close(self) -> list[str]:
        """Stop what was started; tell which processes are left even so, and kill them."""
        if self._closed:
            return []
        self._closed = True
        stops = [(each, each.stop()) for each in reversed(list(self.started.values()))]
        left = self.leftovers.close()
        if self._own:
            shutil.rmtree(self._own, ignore_errors=True)
        failed = [f"stop of {each.name}: {stop!r}" for each, stop in stops if stop.code]
        return [*left, *failed] if left else []


class Instance:
    """One resource, as the cluster has configured it; made by a `Node`.

    Parameters are given as values of their types or as text, by the attribute's name or the
    cluster's; None is not set.
    """

    def __init__(
        self,
        cls: type[Agent],
        parameters: Mapping[str, object],
        *,
        node: Node,
        instance: str,
        timeout: Timing | None = None,
        env: Variables | None = None,
        as_root: bool = True,
    ) -> None:
        """`timeout` and `env` are for all its actions.

        With `as_root` nobody asks whether root calls, so that an ordinary user can test a start;
        without it, an action that needs root is refused, whoever runs the test.
        """
        self.cls = cls
        self.node = node
        self.name = instance
        self.parameters = dict(parameters)
        """May be changed between two actions."""
        self.timeout = timeout
        self.env: dict[str, str | None] = dict(env or {})
        self.as_root = as_root

    @property
    def cluster(self) -> FakeCluster:
        """The cluster as this instance sees it."""
        return self.node.cluster.on(self.node.cluster.node, self.name)

    # --- its process ------------------------------------------------------------------------------

    def main_process(self) -> Identity:
        """Return the process of an instance of a `Daemon`; raises LookupError when none runs."""
        if not issubclass(self.cls, Daemon):
            raise TypeError(f"{self.cls.__name__} is no Daemon")
        called = self._called("monitor")
        log = _Kept(called, type_of(self.cls))
        found = self.cls(type_of(self.cls), called, log, Deadline.after(_PATIENCE)).main_process()
        if found is None:
            raise LookupError(f"no process of {self.name} runs")
        return found

    def suspend(self) -> Identity:
        """Send SIGSTOP to its process, and return when it has stopped."""
        found = self.main_process()
        found.send(signal.SIGSTOP)
        until = time.monotonic() + _PATIENCE
        while (stat := found.stat()) and stat.state not in process.STOPPED:
            if time.monotonic() > until:
                raise TimeoutError(f"process {found.pid} does not stop, its state is {stat.state}")
            time.sleep(0.005)
        return found

    def kill(self) -> Identity:
        """Send SIGKILL to its process, and return when it has ended."""
        found = self.main_process()
        found.send(signal.SIGKILL)
        if not found.wait(_PATIENCE):
            raise TimeoutError(f"process {found.pid} does not end")
        return found

    # --- actions ----------------------------------------------------------------------------------

    def start(self, *, timeout: Timing | None = None) -> Outcome:
        """Start it."""
        return self.run("start", timeout=timeout)

    def stop(self, *, timeout: Timing | None = None) -> Outcome:
        """Stop it."""
        return self.run("stop", timeout=timeout)

    def monitor(
        self, *, level: int = 0, interval: Timing | None = None, timeout: Timing | None = None
    ) -> Outcome:
        """Ask how it is, as the cluster does again and again."""
        return self.run("monitor", level=level, interval=interval, timeout=timeout)

    def probe(self, *, timeout: Timing | None = None) -> Outcome:
        """Find out whether it runs here."""
        return self.run("monitor", interval=0, timeout=timeout)

    def run(
        self,
        action: str,
        *,
        level: int = 0,
        interval: Timing | None = None,
        timeout: Timing | None = None,
        meta: Mapping[str, str] | None = None,
        env: Variables | None = None,
    ) -> Outcome:
        """Carry out an action in this process, where a debugger and a monkeypatch reach it.

        A monitor is taken for one that is repeated as often as advised, unless `interval` says
        otherwise; 0 is a probe. `meta` are meta attributes without their prefix, for example
        {"notify_type": "pre"}. What hangs is interrupted when the time is over, if it is Python's.
        """
        if action == "meta-data":
            return Outcome(0, metadata(self.cls, type_of(self.cls)), "", 0.0)
        called = self._called(
            action, level=level, interval=interval, timeout=timeout, meta=meta, env=env
        )
        log = _Kept(called, type_of(self.cls))
        granted = dispatch.granted_time(self.cls, action, called)
        limit = granted - reserve(granted) / 2
        began = time.monotonic()
        with self.node.leftovers.watched():
            try:
                late = f"{action} did not end within {limit:.1f} s"
                with interrupted_at(Deadline.after(limit), late):
                    code = dispatch.run(
                        self.cls,
                        action,
                        called,
                        log,
                        name=type_of(self.cls),
                        cluster=self.node.cluster.seen_by(called),
                        as_root=self.as_root,
                    )
            except DeadlineError as error:  # it came while the answer was written
                log.reason(str(error))
                code = 1
        return self._noted(action, Outcome(code, "", log.text(), time.monotonic() - began))

    def run_process(
        self,
        action: str,
        *,
        level: int = 0,
        interval: Timing | None = None,
        timeout: Timing | None = None,
        meta: Mapping[str, str] | None = None,
        env: Variables | None = None,
        profile: Profile = "1.1",
        python: str = sys.executable,
    ) -> Outcome:
        """Carry out an action as the cluster does: as a process, started by a launcher.

        Nothing of this process's environment gets there, and the cluster is whatever this machine
        has. When the granted time is over, the whole process group is killed.
        """
        called = self._called(
            action, level=level, interval=interval, timeout=timeout, meta=meta, env=env
        )
        granted = dispatch.granted_time(self.cls, action, called)
        with (
            self.node.leftovers.watched(),
            tempfile.TemporaryDirectory(prefix="ocfkit-") as folder,
        ):
            text = program(
                self.cls,
                action,
                type_of(self.cls),
                profile,
                modules=f"{folder}/modules",
                as_root=None if self.as_root == dispatch.is_root() else self.as_root,
            )
            outcome = _execute([python, "-ISBc", text], called.whole, granted, folder)
        return self._noted(action, outcome)

    def _called(
        self,
        action: str,
        *,
        level: int = 0,
        interval: Timing | None = None,
        timeout: Timing | None = None,
        meta: Mapping[str, str] | None = None,
        env: Variables | None = None,
    ) -> Environment:
        return Environment(
            environment(
                self.cls,
                action,
                self.parameters,
                instance=self.name,
                node=self.node.cluster.node,
                folder=self.node.folder,
                level=level,
                interval=interval,
                timeout=self.timeout if timeout is None else timeout,
                meta=meta,
                env={**self.env, **(env or {})},
            )
        )

    def _noted(self, action: str, outcome: Outcome) -> Outcome:
        if action in ("start", "migrate_from"):
            self.node.started[self.cls, self.name] = self
        elif action == "stop" and outcome.code == 0:
            self.node.started.pop((self.cls, self.name), None)
        return outcome


def run(
    cls: type[Agent],
    action: str,
    parameters: Mapping[str, object] | None = None,
    /,
    *,
    level: int = 0,
    interval: Timing | None = None,
    timeout: Timing | None = None,
    instance: str = "",
    meta: Mapping[str, str] | None = None,
    env: Variables | None = None,
    as_root: bool = True,
    **more: object,
) -> Outcome:
    """Carry out one action in this process; see `Instance.run`.

    All calls of one test see the same node, and the same instance of an agent.
    """
    made = _on_the_default_node(cls, {**(parameters or {}), **more}, instance, as_root=as_root)
    return made.run(action, level=level, interval=interval, timeout=timeout, meta=meta, env=env)


def run_process(
    cls: type[Agent],
    action: str,
    parameters: Mapping[str, object] | None = None,
    /,
    *,
    level: int = 0,
    interval: Timing | None = None,
    timeout: Timing | None = None,
    instance: str = "",
    meta: Mapping[str, str] | None = None,
    env: Variables | None = None,
    as_root: bool = True,
    **more: object,
) -> Outcome:
    """Carry out one action as a process; see `Instance.run_process` and `run`."""
    made = _on_the_default_node(cls, {**(parameters or {}), **more}, instance, as_root=as_root)
    return made.run_process(
        action, level=level, interval=interval, timeout=timeout, meta=meta, env=env
    )


_default: list[Node] = []


def _on_the_default_node(
    cls: type[Agent], parameters: Mapping[str, object], instance: str, *, as_root: bool
) -> Instance:
    """The same resource in each call of a test, and another one in another process."""
    if not _default:
        _default.append(Node())
    name = instance or f"test-{os.getpid()}"
    return _default[0](cls, parameters, instance=name, as_root=as_root)


def close_default() -> list[str]:
    """Close the node that `run` works on, if there is one; the next call makes another.

    See `Node.close`. The pytest plugin does it after each test.
    """
    return _default.pop().close() if _default else []


atexit.register(close_default)


class _Kept(Log):
    """A log that keeps what would go to standard error."""

    def __init__(self, called: Environment, name: str) -> None:
        super().__init__(called, name)
        self._kept: list[str] = []

    def to_stderr(self, text: str) -> None:
        """Keep it."""
        self._kept.append(text)

    def crash(self, what: str, error: BaseException) -> None:
        """Note it, unless it is the test that ends here: by Ctrl-C, or by pytest.fail."""
        if not isinstance(error, (Exception, SystemExit)):
            raise error
        super().crash(what, error)

    def text(self) -> str:
        """All of it."""
        return "".join(self._kept)


def _execute(argv: list[str], env: Mapping[str, str], granted: float, folder: str) -> Outcome:
    """Run it as the executor does. Its output goes to files: a daemon may hold them for ever."""
    with open(f"{folder}/stdout", "wb") as stdout, open(f"{folder}/stderr", "wb") as stderr:
        began = time.monotonic()
        with subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=env,
            cwd="/",
            process_group=0,
        ) as child:
            timed_out = False
            try:
                child.wait(granted)
            except subprocess.TimeoutExpired:
                timed_out = True
                os.killpg(child.pid, signal.SIGKILL)
        duration = time.monotonic() - began
    return Outcome(
        code=child.returncode,
        stdout=_text(f"{folder}/stdout"),
        stderr=_text(f"{folder}/stderr"),
        duration=duration,
        modules=frozenset(_text(f"{folder}/modules").split()),
        timed_out=timed_out,
    )


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""
