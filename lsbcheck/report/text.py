"""The report for people: a table of verdicts, the proof of every finding, a closing line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from string import ascii_lowercase

from lsbcheck import exitcodes
from lsbcheck.check import Report
from lsbcheck.exitcodes import ExitCode
from lsbcheck.report import Setting
from lsbcheck.report.colour import Paper, Piece, Style
from lsbcheck.report.visible import (
    broken,
    command,
    cut,
    lines_of,
    padded,
    visible,
    width,
    wrapped,
)
from lsbcheck.rules import RULES, Judgement, Rule, Verdict
from lsbcheck.transcript import Call, Process, Scenario

OUTPUT_LINES = 8
"""Last lines of a call's output that a finding shows; with -v there are `OUTPUT_LINES_VERBOSE`."""
OUTPUT_LINES_VERBOSE = 100
PROCESSES = 12
"""Processes shown at a time."""

_WORDS: Mapping[Verdict, tuple[str, Style]] = {
    "pass": ("pass", "good"),
    "fail": ("FAIL", "bad"),
    "not-provoked": ("not provoked", "open"),
    "error": ("error", "wrong"),
}
_LETTERS: Mapping[Verdict, str] = {"pass": ".", "fail": "F", "not-provoked": "?", "error": "E"}

_CLOSING: Mapping[ExitCode, tuple[str, Style]] = {
    exitcodes.ALL_HOLD: ("passes", "good"),
    exitcodes.BROKEN: ("not safe to hand to Pacemaker", "bad"),
    exitcodes.NOT_PROVED: ("nothing broken, but not proved", "open"),
}


class TextReport:
    """Writes one run: `script` for each report as it comes, `summary` once."""

    def __init__(self, paper: Paper, setting: Setting, *, verbose: bool = False) -> None:
        """`verbose` shows every call that was made, not only those of findings."""
        self._paper = paper
        self._setting = setting
        self._verbose = verbose
        self._line = paper.line

    def script(self, report: Report) -> None:
        """Everything about one script."""
        self._heading(report)
        self._table(report)
        for rules, judgement in _findings(report):
            self._finding(report, rules, judgement)
        if self._verbose:
            self._transcript(report)
        self._closing(report)
        self._paper.flush()

    def summary(self, reports: Sequence[Report], notes: Iterable[str] = ()) -> None:
        """What could not be limited or seen and, for several scripts, the matrix."""
        if len(reports) > 1:
            self._matrix(reports)
        for note in dict.fromkeys(notes):
            self._sentence(("dim", "note: "), f"sandbox: {note}")
        self._paper.flush()

    # --- one script ------------------------------------------------------------------------------

    def _heading(self, report: Report) -> None:
        script = report.script
        self._line(("bold", script.path))
        if script.source != script.path:
            self._line(("dim", f"  read from {script.source}"))
        if self._setting.prepare is not None:
            self._line(("dim", f"  prepared in each sandbox by: {self._setting.prepare}"))
        if self._setting.sandbox == "none":
            self._line(("open", "  no sandbox: run on this machine, no failure was provoked"))
        for note in report.transcript.notes:
            self._sentence(("dim", "  note: "), note)
        if report.transcript.refused:
            self._sentence(("wrong", "  not run: "), report.transcript.refused)
        self._line()

    def _table(self, report: Report) -> None:
        rules = [rule for rule in RULES if rule.id in report.judgements]
        longest = max((width(rule.id) for rule in rules), default=0)
        for rule in rules:
            word, style = _WORDS[report.judgements[rule.id].verdict]
            mark = "*" if rule.id in self._setting.counting else " "
            before: tuple[Piece, ...] = (
                f"  {rule.number or '-'} {mark} ",
                (style, padded(word, 13)),
                padded(rule.id, longest + 2),
            )
            if self._paper.width < 80:
                self._line(*before)
                before = (" " * 6,)
            self._sentence(*before, rule.title, style="dim")
        self._line(("dim", f"    * decides the exit code ({self._setting.basis})"))

    def _finding(self, report: Report, rules: Sequence[Rule], judgement: Judgement) -> None:
        word, style = _WORDS[judgement.verdict]
        self._line()
        for rule in rules:
            number = f"{rule.number} " if rule.number else ""
            self._line((style, word), " ", ("bold", f"{number}{rule.id}"))
        self._sentence("  ", judgement.sentence)
        if judgement.consequence:
            self._sentence("  consequence: ", judgement.consequence)
        if judgement.fault is not None:
            acted = "" if judgement.fault.effective else f" (did not act: {judgement.fault.why})"
            self._sentence("  provoked: ", judgement.fault.tried + acted)
        for remark in judgement.remarks:
            self._sentence("  remark: ", remark)
        for call in judgement.calls:
            self._call(call)
        if judgement.verdict == "fail":
            for rule in rules:
                self._sentence(("dim", "  clause: "), rule.clause, style="dim")
        if len(rules) == 1:
            self._line(("dim", f"  again: {command(self._again(report, rules[0]))}"))

    def _again(self, report: Report, rule: Rule) -> list[str]:
        """The call of lsbcheck that shows this rule alone."""
        return ["lsbcheck", "--rule", rule.id, *self._setting.options, report.script.path]

    def _call(self, call: Call, indent: str = "  ") -> None:
        self._line(indent, ("bold", f"$ {command(call.argv)}"))
        inner = indent + "    "
        answer, limit = call.answer, ""
        if call.outcome != "no-answer":
            answer, limit = f"{answer} after {call.seconds:.2f} s", f" (limit {call.limit:.3g} s)"
        again = ", asked again alone" if call.asked_again else ""
        self._line(inner, ("bold", answer), ("dim", limit + again))
        self._output(call.output, inner)
        self._processes(
            "before: ", call.before, "running" if call.running_before else "stopped", inner
        )
        self._processes(
            "after:  ", call.after, "running" if call.running_after else "stopped", inner
        )

    def _output(self, output: str, indent: str) -> None:
        """Its last lines, each behind a bar and cut into pieces that fit.

        So no line of the report, not even one that the terminal wraps, can be the script's.
        """
        lines = [visible(line) for line in lines_of(output)]
        if not lines:
            self._line(indent, ("dim", "no output"))
            return
        most = OUTPUT_LINES_VERBOSE if self._verbose else OUTPUT_LINES
        room = self._paper.width - len(indent) - 2
        pieces = [piece for line in lines[-most:] for piece in broken(line, room)]
        if len(lines) > most or len(pieces) > most:
            self._line(indent, ("dim", "| … (the end of it)"))
        for piece in pieces[-most:]:
            self._line(indent, ("dim", "| "), piece)

    def _processes(self, label: str, processes: Sequence[Process], state: str, indent: str) -> None:
        self._line(indent, ("dim", label), state, "" if processes else ", no process")
        for process in processes[:PROCESSES]:
            # a title that a daemon has put over its arguments is followed by what it wiped out
            words = list(process.argv)
            while words and not words[-1]:
                words.pop()
            shown = command(words) or f"[{process.comm}]"
            line = f"{process.pid} {process.state} uid {process.uid} {shown}"
            room = self._paper.width - len(indent) - len(label)
            self._line(indent, " " * len(label), cut(visible(line), room))
        if len(processes) > PROCESSES:
            rest = f"and {len(processes) - PROCESSES} more"
            self._line(indent, " " * len(label), ("dim", rest))

    def _closing(self, report: Report) -> None:
        counting = self._setting.counting
        inner: list[Verdict] = []
        outer: list[Verdict] = []
        for rule, judgement in report.judgements.items():
            (inner if rule in counting else outer).append(judgement.verdict)
        held = ", ".join(filter(None, (f"{inner.count('pass')} hold", _counts(inner))))
        sentence = (
            f"of the {_number(len(counting), 'rule')} that count{'s' * (len(counting) == 1)} "
            f"({self._setting.basis}) {held}"
        )
        if outer:
            others = ", ".join(filter(None, (f"{outer.count('pass')} hold", _counts(outer))))
            sentence += f"; of the others {others}"
        word, style = _CLOSING[self._setting.exit_code(report)]
        self._line()
        before: tuple[Piece, ...] = (("bold", f"{report.script.name}: "), (style, word))
        self._sentence(*before, f": {sentence}", hanging=2)

    # --- everything that was seen ----------------------------------------------------------------

    def _transcript(self, report: Report) -> None:
        self._line()
        self._line(("bold", "Every call"))
        service = report.transcript.service
        if service is not None:
            if service.main is not None:
                self._line("  daemon: ", command(service.main.argv or (service.main.path,)))
            for what, names in (
                ("listens on", service.listeners),
                ("pid file", service.pid_files),
            ):
                for name in names:
                    self._line(f"  {what}: {name}")
        for scenario in report.transcript.scenarios.values():
            self._scenario(scenario)

    def _scenario(self, scenario: Scenario) -> None:
        self._line()
        self._line("  scenario ", ("bold", scenario.name))
        if scenario.fault is not None:
            acted = "acted" if scenario.fault.effective else f"did not act: {scenario.fault.why}"
            self._sentence("    provoked: ", f"{scenario.fault.tried} ({acted})")
        if scenario.unreached:
            self._sentence("    stopped early: ", scenario.unreached)
        if scenario.error:
            self._sentence(("wrong", "    error: "), scenario.error)
        for call in scenario.calls:
            self._call(call, "    ")

    # --- several scripts -------------------------------------------------------------------------

    def _matrix(self, reports: Sequence[Report]) -> None:
        shown = [rule for rule in RULES if any(rule.id in one.judgements for one in reports)]
        letters = iter(ascii_lowercase)
        columns = {rule.id: str(rule.number or next(letters)) for rule in shown}
        room = max(self._paper.width - 2 * len(columns) - 34, 10)
        names = [cut(visible(report.script.name), room) for report in reports]
        longest = max(width(name) for name in ("summary", *names))
        self._line()
        self._line(("bold", padded("summary", longest)), "  ", " ".join(columns.values()))
        for name, report in zip(names, reports, strict=True):
            cells = [self._cell(report.judgements.get(rule)) for rule in columns]
            word, style = _CLOSING[self._setting.exit_code(report)]
            self._line(padded(name, longest), "  ", *cells, " ", (style, word))
        self._legend(shown, columns)
        codes = [self._setting.exit_code(report) for report in reports]
        counts = (
            f"{codes.count(exitcodes.ALL_HOLD)} hold",
            f"{codes.count(exitcodes.BROKEN)} broken",
            f"{codes.count(exitcodes.NOT_PROVED)} not proved",
        )
        line = f"{len(reports)} scripts ({self._setting.basis}): {', '.join(counts)}"
        self._line(("bold", line))

    def _cell(self, judgement: Judgement | None) -> Piece:
        if judgement is None:
            return "  "
        return _WORDS[judgement.verdict][1], _LETTERS[judgement.verdict] + " "

    def _legend(self, shown: Sequence[Rule], columns: Mapping[str, str]) -> None:
        self._line(("dim", "  . pass   F fail   ? not provoked   E error"))
        for rule in shown:
            mark = "*" if rule.id in self._setting.counting else " "
            self._line(("dim", f"  {columns[rule.id]} {mark} {rule.id}"))

    # --- words -----------------------------------------------------------------------------------

    def _sentence(self, *before: Piece, style: Style = "plain", hanging: int | None = None) -> None:
        """The last piece as a paragraph behind the others, which stand on its first line.

        It hangs below its own first word, or `hanging` columns from the left.
        """
        *labels, last = before
        text = last if isinstance(last, str) else last[1]
        used = sum(width(visible(one if isinstance(one, str) else one[1])) for one in labels)
        indent = used if hanging is None else hanging
        first = "\0" * (used - indent)  # holds the place that the labels take on the first line
        lines = wrapped(first + visible(text), max(self._paper.width - indent, 20))
        self._line(*labels, (style, lines[0].replace("\0", "")))
        for line in lines[1:]:
            self._line(" " * indent, (style, line))


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _counts(verdicts: Sequence[Verdict]) -> str:
    """`1 broken, 2 not provoked`; "" when all hold."""
    words: Mapping[Verdict, str] = {
        "fail": "broken",
        "not-provoked": "not provoked",
        "error": "without a verdict",
    }
    return ", ".join(
        f"{verdicts.count(verdict)} {word}"
        for verdict, word in words.items()
        if verdict in verdicts
    )


def _findings(report: Report) -> list[tuple[list[Rule], Judgement]]:
    """All that is no pass; what has the same reason and no call of its own stands together."""
    findings: list[tuple[list[Rule], Judgement]] = []
    places: dict[tuple[str, str], list[Rule]] = {}
    for rule in RULES:
        judgement = report.judgements.get(rule.id)
        if judgement is None or judgement.verdict == "pass":
            continue
        reason = judgement.verdict, judgement.sentence
        alone = bool(judgement.calls or judgement.fault or judgement.verdict == "fail")
        if not alone and reason in places:
            places[reason].append(rule)
            continue
        rules = [rule]
        if not alone:
            places[reason] = rules
        findings.append((rules, judgement))
    return findings
