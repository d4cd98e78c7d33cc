"""The report for people: what is broken with its proof, what is open, a closing line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lsbcheck import exitcodes
from lsbcheck.exitcodes import ExitCode
from lsbcheck.report.colour import Paper, Piece, Style
from lsbcheck.report.visible import broken, command, cut, lines_of, visible, width, wrapped
from ocfkit.conformance.report.document import CallShown, Document, RuleShown
from ocfkit.conformance.report.words import (
    ENDINGS,
    FINDINGS,
    again,
    around,
    asked,
    basis,
    beyond,
    counts,
    ended,
    granted,
    groups,
    machine,
)
from ocfkit.conformance.rules import Verdict

_OUTPUT_LINES = 8
_PROCESSES = 8

_WORDS: Mapping[Verdict, tuple[str, Style]] = {
    "fail": ("FAIL", "bad"),
    "error": ("error", "wrong"),
    "not-provoked": ("not provoked", "open"),
}

_STYLES: Mapping[ExitCode, Style] = {
    exitcodes.ALL_HOLD: "good",
    exitcodes.BROKEN: "bad",
    exitcodes.NOT_PROVED: "open",
}


def write(paper: Paper, shown: Document) -> None:
    """The whole report."""
    report = _Text(paper, shown)
    report.heading()
    for verdict in FINDINGS:
        for rules in groups(shown, verdict):
            report.finding(rules)
    report.asides()
    report.closing()
    paper.flush()


class _Text:
    def __init__(self, paper: Paper, shown: Document) -> None:
        self._paper = paper
        self._line = paper.line
        self._shown = shown

    def heading(self) -> None:
        shown = self._shown
        self._sentence(shown["agent"], style="bold", hanging=2)
        if machine(shown):
            self._sentence(("dim", "  in "), machine(shown))
        if granted(shown):
            self._sentence(("dim", "  granted "), granted(shown))
        for name, value in shown["parameters"].items():
            self._sentence(("dim", "  with "), f"{name}={value}")
        service = shown["service"]
        if service is not None:
            daemon = command(service["daemon"] or []) or "its processes"
            count = service["processes"]
            more = "" if count == 1 else f" ({count} processes)"
            self._sentence(("dim", "  it runs "), f"{daemon}{more}")
            for each in service["listeners"]:
                self._sentence(("dim", "  it listens on "), each)
        for note in shown["notes"]:
            self._sentence(("dim", "  note: "), f"sandbox: {note}")

    def finding(self, rules: Sequence[RuleShown]) -> None:
        """One that is broken, or several that are open for the same reason."""
        first = rules[0]
        word, style = _WORDS[first["verdict"]]
        self._line()
        names = ", ".join(rule["id"] for rule in rules)
        self._sentence((style, f"{word} "), names, style="bold", hanging=2)
        if len(rules) == 1:
            self._sentence("  ", first["title"], style="dim")
        self._sentence(("dim", "  seen: "), first["sentence"])
        if first["consequence"]:
            self._sentence(("dim", "  so: "), first["consequence"])
        if first["provoked"]:
            self._sentence(("dim", "  provoked: "), first["provoked"])
        for remark in first["remarks"]:
            self._sentence(("dim", "  remark: "), remark)
        for call in first["calls"]:
            self._call(call)
        if first["verdict"] == "fail":
            self._sentence(("dim", "  source: "), first["source"], style="dim")
        self._line(("dim", "  again: "), again(self._shown, first))

    def _call(self, call: CallShown) -> None:
        self._sentence("  ", f"$ {asked(call)}", style="bold", hanging=6)
        self._sentence(
            "      ", ("bold", call["answer"]), f" {ended(call)}", style="dim", hanging=6
        )
        self._output(call["output"])
        for label, processes in around(call):
            self._processes(f"{label}: ".ljust(8), processes)

    def _processes(self, label: str, processes: Sequence[str]) -> None:
        for process in processes[:_PROCESSES]:
            room = self._paper.width - 6 - len(label)
            self._line("      ", ("dim", label), cut(visible(process), room))
        if len(processes) > _PROCESSES:
            rest = f"and {len(processes) - _PROCESSES} more"
            self._line("      ", ("dim", label), ("dim", rest))

    def _output(self, output: str) -> None:
        """Its last lines, each behind a bar, so that no line of the report is the agent's."""
        room = self._paper.width - 8
        lines = [visible(line) for line in lines_of(output)]
        pieces = [piece for line in lines[-_OUTPUT_LINES:] for piece in broken(line, room)]
        for piece in pieces[-_OUTPUT_LINES:]:
            self._line("      ", ("dim", "| "), piece)

    def asides(self) -> None:
        """What decides nothing: findings beyond the profile, and rules without a case."""
        others = beyond(self._shown)
        if others:
            self._line()
            heading = f"seen as well, and not counted ({basis(self._shown)}):"
            self._sentence(heading, style="dim")
        for rule in others:
            word, style = _WORDS[rule["verdict"]]
            self._sentence(
                "  ", (style, f"{word} "), f"{rule['id']}: {rule['sentence']}", hanging=4
            )
        without = [
            rule["id"] for rule in self._shown["rules"] if rule["verdict"] == "does-not-apply"
        ]
        if without:
            self._line()
            names = ", ".join(without)
            self._sentence(("dim", "nothing to judge: "), names, style="dim", hanging=2)

    def closing(self) -> None:
        shown = self._shown
        code = shown["exit_code"]
        self._line()
        name = cut(visible(shown["name"]), self._paper.width - 36)  # the ending stands beside it
        before: tuple[Piece, ...] = (("bold", f"{name}: "), (_STYLES[code], ENDINGS[code]))
        self._sentence(*before, f": {counts(shown)}", hanging=2)

    def _sentence(self, *before: Piece, style: Style = "plain", hanging: int | None = None) -> None:
        """The last piece as a paragraph behind the others, which stand on its first line."""
        *labels, last = before
        text = last if isinstance(last, str) else last[1]
        used = sum(width(visible(one if isinstance(one, str) else one[1])) for one in labels)
        indent = used if hanging is None else hanging
        first = "\0" * max(used - indent, 0)  # holds the labels' place on the first line
        lines = wrapped(first + visible(text), max(self._paper.width - indent, 20))
        self._line(*labels, (style, lines[0].replace("\0", "")))
        for line in lines[1:]:
            self._line(" " * indent, (style, line))
