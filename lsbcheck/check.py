"""Join the sandbox and the rules: scripts in, reports out."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from lsbcheck import live
from lsbcheck.itinerary import (
    PROVOKED,
    ROUTES,
    WITHOUT_SERVICE,
    is_doubtful,
    travel,
    watched_start,
)
from lsbcheck.rules import RULES, Judgement
from lsbcheck.sandbox.interface import Backend
from lsbcheck.sandbox.mounts import PRIVATE
from lsbcheck.script import Script
from lsbcheck.transcript import Scenario, ScenarioName, Service, Transcript
from lsbcheck.visit import Limits, Traveller

ALWAYS: tuple[ScenarioName, ...] = ("watched", "stopped", "cycle")
"""What tells which actions there are and what the service is; every rule may read these."""

NEEDS: Mapping[str, ScenarioName] = {
    "start-failure-reported": "start-failure",
    "stop-failure-reported": "stop-failure",
    "start-when-running": "second-start",
    "status-after-crash": "crash",
    "status-when-suspended": "suspended",
    "missing-program": "missing-program",
    "late-start-failure-reported": "late-failure",
    "refused-stop-reported": "refused-stop",
    "bystander-survives": "bystander",
    "restart-actions": "restart",
}
"""The scenario that a rule reads besides."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a script is to be checked; times in seconds."""

    timeout: float = 60.0
    stop_timeout: float = 100.0
    script_timeout: float | None = None
    settle: float = 0.5
    rules: tuple[str, ...] | None = None
    """Ids; only these are judged, and only the scenarios that they need are made."""
    prepare: str | None = None
    allow_live: bool = False
    root: str | None = "/"
    """The folder of this host that the backend shows as its root; None if it shows an image."""


_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Report:
    """One script, what it was seen to do, and what the rules say of it."""

    script: Script
    transcript: Transcript
    judgements: Mapping[str, Judgement]


@dataclass(frozen=True, slots=True)
class Step:
    """Something that a watcher may want to show."""

    index: int
    """Which of the scripts, from 0."""
    script: Script
    what: str = ""
    """What is going on: the name of a scenario that begins."""
    report: Report | None = None
    """Set once for each script, when it is finished."""


def check_all(
    scripts: Sequence[Script],
    backend: Backend,
    options: Options,
    jobs: int,
    on_progress: Callable[[Step], None],
) -> list[Report]:
    """Check scripts, `jobs` at a time; reports come in the order of the scripts.

    Without isolation scripts see each other, so they are checked one after the other.

    `on_progress` is called from any thread, and must not raise. Raises SandboxUnavailable when no
    sandbox could be made, and whatever interrupts the wait, after which the backend must be
    closed for the scripts under way to end.
    """
    quiet_please = Turnstile()
    broken_off = threading.Event()

    def one(index: int, script: Script) -> Report:
        def tell(what: str) -> None:
            on_progress(Step(index, script, what))

        report = _check(script, backend, options, quiet_please, tell)
        if not broken_off.is_set():  # else it tells of sandboxes that we have closed ourselves
            on_progress(Step(index, script, report=report))
        return report

    with ThreadPoolExecutor(jobs if backend.isolates else 1, "script") as pool:
        futures = [pool.submit(one, index, script) for index, script in enumerate(scripts)]
        try:
            return _results(futures, pool)
        except BaseException:
            broken_off.set()
            backend.close()  # ends what the threads wait for
            raise


def _results(futures: list[Future[_Result]], pool: ThreadPoolExecutor) -> list[_Result]:
    """All results in order, or the first failure as soon as it is there."""
    try:
        ended, _ = wait(futures, return_when=FIRST_EXCEPTION)
        failed = [future for future in futures if future in ended and future.exception()]
        return [future.result() for future in (*failed, *futures)]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _check(
    script: Script,
    backend: Backend,
    options: Options,
    turnstile: Turnstile,
    tell: Callable[[str], None],
) -> Report:
    transcript = _Journey(script, backend, options, turnstile, tell).transcript()
    wanted = [rule for rule in RULES if options.rules is None or rule.id in options.rules]
    return Report(script, transcript, {rule.id: rule.judge(transcript) for rule in wanted})


class _Journey:
    """All scenarios of one script."""

    def __init__(
        self,
        script: Script,
        backend: Backend,
        options: Options,
        turnstile: Turnstile,
        tell: Callable[[str], None],
    ) -> None:
        self.script = script
        self.options = options
        self.turnstile = turnstile
        self.tell = tell
        self.traveller = _traveller(script, backend, options)

    def transcript(self) -> Transcript:
        made = Transcript(
            script=self.script.path,
            header=self.script.header,
            header_faults=self.script.header_faults,
        )
        root = None if self.options.allow_live else self.options.root
        if root is not None:
            why = live.named(self.script.named_programs, self.script.named_pid_files, root)
            if why:
                return replace(made, refused=_refusal(why))
        watched, service = self._watched()
        scenarios: dict[str, Scenario] = {"watched": watched}
        made = replace(made, service=service, scenarios=scenarios)
        if watched.error:
            return replace(made, refused=watched.error)
        if service is not None and root is not None:
            why = live.seen(service, root)
            if why:
                return replace(made, refused=_refusal(why))
        names = _wanted(self.options.rules) if service is not None else WITHOUT_SERVICE
        at_once = len(names) if self.traveller.backend.isolates else 1
        pool = ThreadPoolExecutor(at_once, self.script.name)
        futures = [pool.submit(self._scenario, name, service) for name in names]
        scenarios |= zip(names, _results(futures, pool), strict=True)
        for name in names:
            if is_doubtful(scenarios[name]):
                scenarios[name] = self._again(name, service)
        return made

    def _watched(self) -> tuple[Scenario, Service | None]:
        self.tell("watched")
        with self.turnstile.among_others():
            return watched_start(self.traveller)

    def _scenario(self, name: ScenarioName, service: Service | None) -> Scenario:
        if not self.traveller.backend.isolates and name in PROVOKED:
            why = "this machine is not isolated, so nothing is made to fail on it"
            return Scenario(name, unreached=why)
        self.tell(name)
        with self.turnstile.among_others():
            return travel(name, self.traveller, service)

    def _again(self, name: ScenarioName, service: Service | None) -> Scenario:
        """A close call, or a start that did not work: once more, alone, with twice the limits."""
        self.tell(f"{name} again")
        patient = replace(self.traveller, limits=self.traveller.limits.doubled())
        with self.turnstile.alone():
            return travel(name, patient, service, again=True)


def _wanted(rules: Sequence[str] | None) -> tuple[ScenarioName, ...]:
    """The scenarios after the watched start that these rules need, in the usual order."""
    if rules is None:
        return tuple(ROUTES)
    needed = {*ALWAYS, *(NEEDS[rule] for rule in rules if rule in NEEDS)}
    return tuple(name for name in ROUTES if name in needed)


def _traveller(script: Script, backend: Backend, options: Options) -> Traveller:
    """Decide how the script's file, and what lies beside it, is seen in the sandbox."""
    limits = Limits(
        call=options.timeout,
        stop=options.stop_timeout,
        quiet=options.settle,
        script_end=(
            None if options.script_timeout is None else time.monotonic() + options.script_timeout
        ),
    )
    folder = os.path.dirname(script.path)
    visible: tuple[str, ...] = ()
    carried: tuple[tuple[str, bytes, int], ...] = ()
    hidden = any(folder == top or folder.startswith(top + "/") for top in PRIVATE)
    elsewhere = options.root not in ("/", None) and not _is_in(options.root, script)
    if options.root is None:
        pass  # it lies in the image
    elif hidden and folder not in PRIVATE and not elsewhere:
        visible = (folder,)
    elif hidden or elsewhere:
        with open(script.source, "rb") as file:
            carried = ((script.path, file.read(), 0o755),)
    return Traveller(
        argv=(script.path,),
        backend=backend,
        limits=limits,
        visible=visible,
        carried=carried,
        prepare=options.prepare,
    )


def _is_in(root: str, script: Script) -> bool:
    return script.source.startswith(root.rstrip("/") + "/")


def _refusal(why: str) -> str:
    return f"{why}; a second one over its data could harm it (--allow-live runs it all the same)"


class Turnstile:
    """Many at a time, or one alone. Who wants to be alone waits until nobody is inside."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0

    @contextmanager
    def among_others(self) -> Generator[None]:
        """As one of many."""
        with self._changed:
            self._changed.wait_for(lambda: self._inside >= 0)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Generator[None]:
        """With nobody else inside."""
        with self._changed:
            self._changed.wait_for(lambda: self._inside == 0)
            self._inside = -1
        try:
            yield
        finally:
            with self._changed:
                self._inside = 0
                self._changed.notify_all()
