"""Join the sandbox and the rules: scripts in, reports out."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace

from lsbcheck import live
from lsbcheck.itinerary import (
    PROVOKED,
    ROUTES,
    WITHOUT_SERVICE,
    Limits,
    Traveller,
    is_doubtful,
    travel,
    watched_start,
)
from lsbcheck.rules import RULES, Judgement
from lsbcheck.sandbox.interface import Backend, SandboxLost
from lsbcheck.sandbox.mounts import PRIVATE
from lsbcheck.script import Script
from lsbcheck.transcript import Scenario, ScenarioName, Service, Transcript


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
    root: str = "/"
    """The root file system that the backend shows."""


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

    `on_progress` is called from any thread, and must not raise. Raises SandboxUnavailable when no
    sandbox could be made, and whatever interrupts the wait, after which the backend must be
    closed for the scripts under way to end.
    """
    quiet_please = _Turnstile()

    def one(index: int, script: Script) -> Report:
        def tell(what: str) -> None:
            on_progress(Step(index, script, what))

        report = _check(script, backend, options, quiet_please, tell)
        on_progress(Step(index, script, report=report))
        return report

    with ThreadPoolExecutor(jobs, "script") as pool:
        futures = [pool.submit(one, index, script) for index, script in enumerate(scripts)]
        return _results(futures, pool, backend)


def _results(
    futures: list[Future[Report]], pool: ThreadPoolExecutor, backend: Backend
) -> list[Report]:
    try:
        wait(futures, return_when=FIRST_EXCEPTION)
        return [future.result() for future in futures]
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        backend.close()  # ends what the threads wait for
        raise


def _check(
    script: Script,
    backend: Backend,
    options: Options,
    turnstile: _Turnstile,
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
        turnstile: _Turnstile,
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
        if not self.options.allow_live:
            why = live.named(
                self.script.named_programs, self.script.named_pid_files, self.options.root
            )
            if why:
                return replace(made, refused=_refusal(why))
        watched, service = self._watched()
        scenarios: dict[str, Scenario] = {"watched": watched}
        if watched.error:
            return replace(made, refused=watched.error)
        if service is not None and not self.options.allow_live:
            why = live.seen(service, self.options.root)
            if why:
                return replace(made, refused=_refusal(why))
        names = tuple(ROUTES) if service is not None else WITHOUT_SERVICE
        with ThreadPoolExecutor(len(names), self.script.name) as pool:
            futures = {name: pool.submit(self._scenario, name, service) for name in names}
            scenarios |= {name: future.result() for name, future in futures.items()}
        for name in names:
            if is_doubtful(scenarios[name]):
                scenarios[name] = self._again(name, service)
        return replace(made, service=service, scenarios=scenarios)

    def _watched(self) -> tuple[Scenario, Service | None]:
        self.tell("watched")
        try:
            with self.turnstile.among_others():
                return watched_start(self.traveller)
        except SandboxLost as lost:
            return Scenario("watched", error=str(lost)), None

    def _scenario(self, name: ScenarioName, service: Service | None) -> Scenario:
        if not self.traveller.backend.isolates and name in PROVOKED:
            why = "this machine is not isolated, so nothing is made to fail on it"
            return Scenario(name, unreached=why)
        self.tell(name)
        with self.turnstile.among_others():
            return self._travelled(name, self.traveller, service, again=False)

    def _again(self, name: ScenarioName, service: Service | None) -> Scenario:
        """A close call, or a start that did not work: once more, alone, with twice the limits."""
        self.tell(f"{name} again")
        patient = replace(self.traveller, limits=self.traveller.limits.doubled())
        with self.turnstile.alone():
            return self._travelled(name, patient, service, again=True)

    def _travelled(
        self, name: ScenarioName, traveller: Traveller, service: Service | None, *, again: bool
    ) -> Scenario:
        try:
            return travel(name, traveller, service, again=again)
        except SandboxLost as lost:
            return Scenario(name, error=str(lost))


def _traveller(script: Script, backend: Backend, options: Options) -> Traveller:
    """Decide how the script's file, and what lies beside it, is seen in the sandbox."""
    limits = Limits(
        call=options.timeout,
        stop=options.stop_timeout,
        quiet=options.settle,
        script_end=(
            None
            if options.script_timeout is None
            else time.monotonic() + options.script_timeout
        ),
    )
    folder = os.path.dirname(script.path)
    visible: tuple[str, ...] = ()
    carried: tuple[tuple[str, bytes, int], ...] = ()
    hidden = any(folder == top or folder.startswith(top + "/") for top in PRIVATE)
    elsewhere = options.root != "/" and not _is_in(options.root, script)
    if hidden and folder not in PRIVATE and not elsewhere:
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


class _Turnstile:
    """Many at a time, or one alone. Who wants to be alone waits until nobody is inside."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0

    @contextmanager
    def among_others(self) -> Iterator[None]:
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
    def alone(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: self._inside == 0)
            self._inside = -1
        try:
            yield
        finally:
            with self._changed:
                self._inside = 0
                self._changed.notify_all()
