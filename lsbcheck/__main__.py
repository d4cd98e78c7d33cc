"""The command `lsbcheck`: arguments, check, print, exit code.

The only module of lsbcheck that reads the environment (NO_COLOR and TERM) and that ends the
process.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import stat
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Sequence
from difflib import get_close_matches
from functools import partial
from types import FrameType
from typing import Literal, NoReturn, Protocol, TextIO, cast

from lsbcheck import check, exitcodes
from lsbcheck.arguments import Arguments, MergeArguments, WrongCallError, parse, parse_merge
from lsbcheck.check import Options, Report, Step
from lsbcheck.exitcodes import ExitCode
from lsbcheck.report import Setting
from lsbcheck.report.baseline import Baseline
from lsbcheck.report.colour import Paper
from lsbcheck.report.file import write_whole
from lsbcheck.report.formats import FORMATS, OF_EVERY_CALL
from lsbcheck.report.json import document, script_shown
from lsbcheck.report.keep import LogFolder
from lsbcheck.report.progress import Progress
from lsbcheck.report.saved import SavedError, merge, read
from lsbcheck.report.shape import Document, ScriptShown
from lsbcheck.report.text import TextReport, write_text
from lsbcheck.report.visible import lines_of, visible
from lsbcheck.rules import RULES, Rule, by_id, page
from lsbcheck.sandbox.container.wish import Wish
from lsbcheck.sandbox.interface import Backend, ImageBackend, SandboxUnavailable
from lsbcheck.script import Script, ScriptError, find, is_no_service


class Checker(Protocol):
    """`lsbcheck.check.check_all`, or what stands for it in a test."""

    def __call__(
        self,
        scripts: Sequence[Script],
        backend: Backend,
        options: Options,
        jobs: int,
        on_progress: Callable[[Step], None],
    ) -> list[Report]:
        """Check scripts; see there."""
        ...


def main(
    argv: Sequence[str] | None = None,
    *,
    checker: Checker | None = None,
    backends: Callable[[Arguments], Backend] | None = None,
) -> int:
    """Run the command and return its exit code; a test passes its own `checker` and `backends`."""
    verbose = True
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        if words[:1] == ["merge"]:
            verbose = False
            run = partial(_merge, parse_merge(words[1:]))
        else:
            arguments = parse(words)
            verbose = arguments.verbose
            run = partial(_run, arguments, checker or check.check_all, backends or backend_for)
        with _surviving_encodings(), _signals_as_interrupts():
            return run()
    except SystemExit as end:  # argparse: 0 after --help, 2 for a wrong option
        return end.code if isinstance(end.code, int) else exitcodes.ALL_HOLD
    except WrongCallError as error:
        _complain(*error.args)
        return exitcodes.WRONG_CALL
    except BrokenPipeError:
        _let_go_of_stdout()
        return exitcodes.READER_GONE
    except KeyboardInterrupt as error:
        left: list[str] = getattr(error, "__notes__", [])
        _complain(f"interrupted, {' '.join(left) or 'nothing of it is left'}")
        return 128 + (error.signal if isinstance(error, _Interrupted) else signal.SIGINT)
    except Exception as error:  # noqa: BLE001 - a crash must not look like a verdict
        if verbose:
            traceback.print_exc()
        hint = "" if verbose else "; -v shows where"
        _complain(f"error of the checker, nothing was proved: {_named(error)}{hint}")
        _let_go_of_stdout()  # what a full disk did not take, it does not take at the end either
        return exitcodes.NOT_PROVED


def backend_for(arguments: Arguments) -> Backend:
    """The backend that the options ask for; raises SandboxUnavailable."""
    if arguments.sandbox == "none":
        from lsbcheck.sandbox.host import HostBackend

        return HostBackend()
    if arguments.image is not None:
        from lsbcheck.sandbox.container.backend import ContainerBackend

        return ContainerBackend(_wish(arguments), os.environ)
    from lsbcheck.sandbox.namespace import NamespaceBackend

    return NamespaceBackend(root=arguments.root)


def _wish(arguments: Arguments) -> Wish:
    return Wish(
        engine="podman" if arguments.sandbox == "podman" else "docker",
        image=arguments.image or "",
        packages=tuple(arguments.packages),
        copies=tuple(_copied(file, path) for file, path in arguments.copies),
        capabilities=tuple(arguments.capabilities),
        runtime=arguments.runtime,
    )


def _copied(file: str, path: str) -> tuple[str, bytes, int]:
    try:
        mode = os.stat(file).st_mode
        if not stat.S_ISREG(mode):
            message = f"--copy {file}: not a regular file"
            raise WrongCallError(message)
        with open(file, "rb") as opened:
            return path, opened.read(), stat.S_IMODE(mode)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"--copy {file}: {reason.lower()}"
        raise WrongCallError(message) from error


# --- the run -------------------------------------------------------------------------------------


def _run(arguments: Arguments, checker: Checker, backends: Callable[[Arguments], Backend]) -> int:
    if arguments.list_rules:
        _list_rules(_Output(None, arguments.color).paper)
    elif arguments.explain is not None:
        _explain(_Output(None, arguments.color).paper, _rule(arguments.explain))
    else:
        return _Run(arguments).check(checker, backends)
    return exitcodes.ALL_HOLD


def _merge(arguments: MergeArguments) -> int:
    """Make one report of many, in any format."""
    documents = _all_read(arguments.files)
    try:
        shown = merge(documents)
    except SavedError as error:
        raise WrongCallError(str(error)) from error
    baseline = _baseline(arguments.baseline, merged=True)
    if baseline is not None:
        shown = baseline.beside(shown)
    output = _Output(arguments.output, arguments.color)
    if arguments.format == "text":
        write_text(output.paper, shown)
    else:
        output.write(FORMATS[arguments.format](shown))
    return shown["exit_code"] if output.is_delivered() else exitcodes.NOT_PROVED


def _all_read(files: Sequence[str]) -> list[tuple[str, Document]]:
    """All documents, or one WrongCallError with a sentence for each file that is none."""
    documents: list[tuple[str, Document]] = []
    faults: list[str] = []
    for file in files:
        try:
            documents.append((file, read(file)))
        except SavedError as error:
            faults.append(str(error))
    if faults:
        raise WrongCallError(*faults)
    return documents


def _baseline(file: str | None, *, merged: bool) -> Baseline | None:
    if file is None:
        return None
    try:
        earlier = read(file)
    except SavedError as error:
        raise WrongCallError(f"--baseline {error}") from error
    if ("merged" in earlier) != merged:
        kind, other = ("one run", "many") if merged else ("many", "one run")
        message = f"--baseline {file}: the report of {kind}, which says nothing of that of {other}"
        raise WrongCallError(message)
    return Baseline(earlier, file)


class _Output:
    """Where the report goes: standard output, or a file that is written at the end."""

    def __init__(self, path: str | None, color: Literal["auto", "always", "never"]) -> None:
        self._path = path
        self._kept = None if path is None else io.StringIO()
        stream = self._kept or sys.stdout
        coloured = self._kept is None and _colour(color)
        self.paper = Paper(stream, colour=coloured, width=_width(stream))
        self.write = stream.write

    def is_delivered(self) -> bool:
        """Bring it to its place; False, with a complaint, if the file cannot take it."""
        self.paper.flush()
        if self._path is None or self._kept is None:
            return True
        try:
            write_whole(self._path, self._kept.getvalue())
        except OSError as error:
            _complain(f"the report could not be written: {error}")
            return False
        _complain(f"the report is in {self._path}")
        return True


class _Run:
    """One call of lsbcheck that checks scripts."""

    def __init__(self, arguments: Arguments) -> None:
        """Find everything that the call names; raises WrongCallError."""
        self._arguments = arguments
        chosen = _chosen(arguments.rules)
        self._scripts: list[Script] = []
        if arguments.image is None:
            self._scripts = _found(arguments.scripts, partial(find, root=arguments.root))
        self._setting = Setting(
            profile=arguments.profile,
            chosen=chosen,
            sandbox="namespace" if arguments.sandbox == "auto" else arguments.sandbox,
            image=arguments.image,
            contained=tuple(arguments.contained),
            root=arguments.root,
            prepare=arguments.prepare,
            allow_live=arguments.allow_live,
            directory=_directory(),
        )
        self._options = Options(
            timeout=arguments.timeout,
            stop_timeout=arguments.stop_timeout,
            script_timeout=arguments.script_timeout,
            settle=arguments.settle,
            rules=chosen,
            prepare=arguments.prepare,
            allow_live=arguments.allow_live,
            root=arguments.root if arguments.image is None else None,
        )
        self._baseline = _baseline(arguments.baseline, merged=False)
        self._output = _Output(arguments.output, arguments.color)
        self._head = self._beside(document([], self._setting, exitcodes.ALL_HOLD))
        self._text = TextReport(self._output.paper, self._head, verbose=arguments.verbose)
        self._logs = _log_folder(arguments.keep)

    def check(self, checker: Checker, backends: Callable[[Arguments], Backend]) -> int:
        """Check the scripts, print the report, and return the exit code."""
        terminal = sys.stderr.isatty()
        progress = Progress(sys.stderr, enabled=terminal, width=_width(sys.stderr))
        watcher = _Watcher(progress, self._deliver)
        interrupt: KeyboardInterrupt | None = None
        unavailable: SandboxUnavailable | None = None
        notes: list[str] = []
        try:
            backend = backends(self._arguments)
            try:
                if self._arguments.image is not None:
                    self._scripts = _found_inside(backend, self._arguments.scripts)
                watcher.total = len(self._scripts)
                self._check_with(backend, checker, watcher)
            except KeyboardInterrupt as error:
                interrupt = error
                raise
            finally:
                backend.close()
                if interrupt is not None and backend.left:
                    interrupt.add_note(backend.left)
                notes = list(backend.notes)
        except SandboxUnavailable as error:
            unavailable = error
        finally:
            progress.close()
        return self._end(watcher.delivered, notes, unavailable)

    def _check_with(self, backend: Backend, checker: Checker, watcher: _Watcher) -> None:
        jobs = self._arguments.jobs
        try:
            reports = checker(self._scripts, backend, self._options, jobs, watcher)
        except KeyboardInterrupt:
            watcher.raise_failure()
            raise
        watcher.raise_failure()
        for index, report in enumerate(reports):
            watcher(Step(index, report.script, report=report))

    def _deliver(self, index: int, report: Report) -> None:
        """Called once for each script, in the order of the command line."""
        if self._logs is not None:
            self._logs.script(index, report)
        if self._arguments.format == "text":
            if index:
                self._output.paper.line()
                self._output.paper.line()
            self._text.script(self._shown(report))

    def _shown(self, report: Report) -> ScriptShown:
        shown = script_shown(report, self._setting, transcripts=self._arguments.verbose)
        if self._baseline is None:
            return shown
        return self._baseline.beside_script(self._head, shown)

    def _beside(self, shown: Document) -> Document:
        return shown if self._baseline is None else self._baseline.beside(shown)

    def _end(
        self, reports: Sequence[Report], notes: list[str], unavailable: SandboxUnavailable | None
    ) -> int:
        codes: list[ExitCode] = [self._setting.exit_code(report) for report in reports]
        if unavailable is not None:
            codes.append(exitcodes.NO_SANDBOX)
        arguments = self._arguments
        shown = self._beside(
            document(
                reports,
                self._setting,
                exitcodes.of_all(codes),
                notes=notes,
                unavailable=unavailable,
                transcripts=arguments.verbose or arguments.format in OF_EVERY_CALL,
            )
        )
        if self._arguments.format != "text":
            self._output.write(FORMATS[self._arguments.format](shown))
        elif reports:
            self._text.summary(shown["scripts"], notes)
        self._output.paper.flush()
        if self._logs is not None:
            self._logs.document(shown)
            self._logs.close()
            _complain(f"logs are in {self._logs.path}")
        if unavailable is not None:
            _complain(f"no sandbox: {unavailable.cause}", f"cure: {unavailable.cure}")
            if self._arguments.format == "text" and self._arguments.output is not None:
                self._output.paper.line(f"no sandbox: {unavailable.cause}")
        return shown["exit_code"] if self._output.is_delivered() else exitcodes.NOT_PROVED


class _Watcher:
    """Hears of each step, in any thread; hands reports on in the order of the command line.

    It never raises into a thread of the checker. What goes wrong there (the disk is full, the
    reader has gone) interrupts the main thread, which then gets it from `raise_failure`.
    """

    def __init__(self, progress: Progress, deliver: Callable[[int, Report], None]) -> None:
        self.delivered: list[Report] = []
        self.total = 0
        self._progress = progress
        self._deliver = deliver
        self._early: dict[int, Report] = {}
        self._failure: Exception | None = None
        self._lock = threading.Lock()

    def __call__(self, step: Step) -> None:
        with self._lock:
            if self._failure is not None:
                return
            try:
                self._take(step)
            except Exception as error:
                if threading.current_thread() is threading.main_thread():
                    raise
                self._failure = error
                signal.pthread_kill(_main_thread(), signal.SIGINT)

    def raise_failure(self) -> None:
        """Raise what went wrong, if anything did."""
        if self._failure is not None:
            raise self._failure

    def _take(self, step: Step) -> None:
        done = len(self.delivered) + len(self._early)
        if step.report is None:
            count = f"[{done + 1}/{self.total}] " if self.total > 1 else ""
            self._progress.show(f"{count}{step.script.name}: {step.what}")
            return
        self._early[step.index] = step.report
        while (report := self._early.pop(len(self.delivered), None)) is not None:
            self._progress.clear()
            self._deliver(len(self.delivered), report)
            self.delivered.append(report)


def _main_thread() -> int:
    identity = threading.main_thread().ident
    assert identity is not None  # noqa: S101 - it has been started, we run
    return identity


def _found_inside(backend: Backend, words: Sequence[str]) -> list[Script]:
    """The scripts that the words mean in the image of a backend that has one."""
    inside = cast("ImageBackend", backend).find(words)

    def look_up(word: str) -> Script:
        found = inside[word]
        if isinstance(found, str):
            raise ScriptError(found)
        return found

    return _found(list(inside), look_up)


def _found(words: Sequence[str], find: Callable[[str], Script]) -> list[Script]:
    """All scripts, or one WrongCallError with a sentence for each word that names none."""
    scripts: list[Script] = []
    faults: list[str] = []
    for word in words:
        try:
            scripts.append(find(word))
        except ScriptError as error:
            if len(words) > 1 and is_no_service(word):
                _complain(f"{word}: passed over, no service by its name")
            else:
                faults.append(str(error))
    if not scripts and not faults:
        message = "no script is left to check"
        raise WrongCallError(message)
    if faults:
        if len(words) > 1:
            faults.append(f"nothing was run: {len(faults)} of {len(words)} words cannot be checked")
        raise WrongCallError(*faults)
    return scripts


def _log_folder(keep: str | None) -> LogFolder | None:
    if keep is None:
        return None
    try:
        return LogFolder(keep or None)
    except OSError as error:
        message = f"--keep: {error}"
        raise WrongCallError(message) from error


# --- rules by name -------------------------------------------------------------------------------


def _chosen(words: Sequence[str] | None) -> tuple[str, ...] | None:
    if words is None:
        return None
    ids = {_rule(part).id for word in words for part in word.split(",") if part.strip()}
    return tuple(rule.id for rule in RULES if rule.id in ids)


def _rule(word: str) -> Rule:
    """By id or number; raises WrongCallError with the nearest ids."""
    word = word.strip()
    for rule in RULES:
        if word == str(rule.number):
            return rule
    try:
        return by_id(word)
    except KeyError:
        near = get_close_matches(word, [rule.id for rule in RULES], n=3, cutoff=0.4)
        hint = f"nearest: {', '.join(near)}" if near else "--list-rules shows them all"
        message = f"there is no rule {word!r}; {hint}"
        raise WrongCallError(message) from None


def _list_rules(paper: Paper) -> None:
    longest = max((len(rule.id) for rule in RULES), default=0)
    for rule in RULES:
        number = str(rule.number or "-")
        paper.line(
            f"{number} ",
            ("bold", rule.id.ljust(longest + 2)),
            ("dim", rule.profile.ljust(11)),
            rule.title,
        )
    paper.flush()


def _explain(paper: Paper, rule: Rule) -> None:
    for line in lines_of(page(rule.id)):
        paper.line(("bold", line) if line.startswith("#") else line)
    paper.flush()


# --- streams and signals -------------------------------------------------------------------------


def _directory() -> str:
    """The working directory; one that was removed has no name."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return "/"


def _colour(wish: Literal["auto", "always", "never"]) -> bool:
    """An option on the command line wins over NO_COLOR (no-color.org)."""
    if wish != "auto":
        return wish == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout.isatty()


def _width(stream: TextIO) -> int:
    """Columns of the terminal, at most 120; 100 where there is none."""
    try:
        return min(os.get_terminal_size(stream.fileno()).columns or 100, 120)
    except (OSError, ValueError):  # no terminal, no descriptor
        return 100


@contextlib.contextmanager
def _surviving_encodings() -> Generator[None, None, None]:
    r"""What the locale cannot write comes out as `\u3042`, and not as an error."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    yield


class _Interrupted(KeyboardInterrupt):
    """A signal asks lsbcheck to end; on its way up the sandboxes are taken down."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number


def _interrupt(number: int, _: FrameType | None) -> None:
    raise _Interrupted(number)


@contextlib.contextmanager
def _signals_as_interrupts() -> Generator[None, None, None]:
    """SIGINT, SIGTERM and SIGHUP end the run in good order; one that is ignored stays so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, _interrupt)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _complain(*sentences: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        for sentence in sentences:
            sys.stderr.write(f"lsbcheck: {visible(sentence)}\n")
        sys.stderr.flush()


def _named(error: Exception) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _let_go_of_stdout() -> None:
    """So that the interpreter does not fail again at its end (Python's "Note on SIGPIPE")."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def entry() -> NoReturn:
    """The console command: run, and end the process with the exit code."""
    sys.exit(main())


if __name__ == "__main__":
    entry()
