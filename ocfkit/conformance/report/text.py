"""The report for people: a table of verdicts, the proof of every finding, a closing line."""

from __future__ import annotations

from collections.abc import Mapping

from lsbcheck import exitcodes
from lsbcheck.exitcodes import ExitCode
from lsbcheck.report.colour import Paper, Piece, Style
from lsbcheck.report.visible import broken, command, cut, lines_of, padded, visible, width, wrapped
from ocfkit.conformance.report.document import CallShown, Document, RuleShown
from ocfkit.conformance.rules import Verdict

_OUTPUT_LINES = 8
_PROCESSES = 8

_WORDS: Mapping[Verdict, tuple[str, Style]] = {
    "pass": ("pass", "good"),
    "fail": ("FAIL", "bad"),
    "not-provoked": ("not provoked", "open"),
    "does-not-apply": ("not its case", "dim"),
    "error": ("error", "wrong"),
}

_FINDINGS: tuple[Verdict, ...] = ("fail", "not-provoked", "error")

_CLOSING: Mapping[ExitCode, tuple[str, Style]] = {
    exitcodes.ALL_HOLD: ("passes", "good"),
    exitcodes.BROKEN: ("not safe to hand to Pacemaker", "bad"),
    exitcodes.NOT_PROVED: ("nothing broken, but not proved", "open"),
}

_QUIET = ("OCF_RESKEY_CRM_", "OCF_RESKEY_crm_", "OCF_RA_", "OCF_EXIT_", "HA_")
"""Variables that every call has; the JSON document shows them all."""


def write(paper: Paper, shown: Document) -> None:
    """The whole report."""
    report = _Text(paper)
    report.heading(shown)
    report.table(shown)
    for rule in shown["rules"]:
        if rule["verdict"] in _FINDINGS:
            report.finding(rule, shown)
    report.closing(shown)
    paper.flush()


class _Text:
    def __init__(self, paper: Paper) -> None:
        self._paper = paper
        self._line = paper.line

    def heading(self, shown: Document) -> None:
        self._line(("bold", shown["agent"]))
        for name, value in shown["parameters"].items():
            self._line(("dim", f"  with {name}={value}"))
        service = shown["service"]
        if service is not None:
            daemon = command(service["daemon"] or []) or "its processes"
            count = service["processes"]
            more = "" if count == 1 else f" ({count} processes)"
            self._sentence(("dim", "  it runs "), f"{daemon}{more}")
            for each in service["listeners"]:
                self._line(("dim", "  it listens on "), each)
        for note in shown["notes"]:
            self._sentence(("dim", "  note: "), f"sandbox: {note}")
        self._line()

    def table(self, shown: Document) -> None:
        """A row for what did not hold; the names of the others."""
        rows = [rule for rule in shown["rules"] if rule["verdict"] in _FINDINGS]
        longest = max((width(rule["id"]) for rule in rows), default=0)
        for rule in rows:
            word, style = _WORDS[rule["verdict"]]
            self._sentence(
                "  * " if rule["counts"] else "    ",
                (style, padded(word, 14)),
                padded(rule["id"], longest + 2),
                rule["title"],
                style="dim",
            )
        for verdict in ("pass", "does-not-apply"):
            ids = [rule["id"] for rule in shown["rules"] if rule["verdict"] == verdict]
            word, style = _WORDS[verdict]
            if ids:
                self._sentence("    ", (style, padded(word, 14)), ", ".join(ids), style="dim")
        if any(rule["counts"] for rule in rows):
            self._line(("dim", f"  * decides the exit code ({_basis(shown)})"))

    def finding(self, rule: RuleShown, shown: Document) -> None:
        word, style = _WORDS[rule["verdict"]]
        self._line()
        self._line((style, word), " ", ("bold", rule["id"]))
        self._sentence("  ", rule["sentence"])
        if rule["consequence"]:
            self._sentence("  consequence: ", rule["consequence"])
        if rule["provoked"]:
            self._sentence("  provoked: ", rule["provoked"])
        for remark in rule["remarks"]:
            self._sentence("  remark: ", remark)
        for call in rule["calls"]:
            self._call(call)
        if rule["verdict"] == "fail":
            self._sentence(("dim", "  source: "), rule["source"], style="dim")
        words = [f"-p {name}={value}" for name, value in shown["parameters"].items()]
        again = " ".join(["ocfkit check", shown["agent"], *words, "--rule", rule["id"]])
        self._line(("dim", f"  again: {again}"))

    def _call(self, call: CallShown) -> None:
        variables = {
            name: value
            for name, value in call["environ"].items()
            if name.startswith("OCF_") and not name.startswith(_QUIET) and name != "OCF_ROOT"
        }
        names = ("OCF_RESOURCE_TYPE", "OCF_RESOURCE_PROVIDER", "OCF_RESOURCE_INSTANCE")
        words = [f"{name}={value}" for name, value in variables.items() if name not in names]
        self._sentence("  ", f"$ {command([*words, *call['argv']])}", style="bold", hanging=6)
        limit = f" after {call['seconds']:.2f} s (limit {call['limit']:.3g} s)"
        self._line("      ", ("bold", call["answer"]), ("dim", limit))
        self._output(call["output"])
        for label, processes in (("before: ", call["before"]), ("after:  ", call["after"])):
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

    def closing(self, shown: Document) -> None:
        counting = [rule["verdict"] for rule in shown["rules"] if rule["counts"]]
        told: Mapping[Verdict, str] = {
            "pass": "hold",
            "fail": "broken",
            "not-provoked": "not provoked",
            "error": "without a verdict",
            "does-not-apply": "do not apply",
        }
        counts = ", ".join(
            f"{counting.count(each)} {words}"
            for each, words in told.items()
            if each in counting or each == "pass"
        )
        word, style = _CLOSING[shown["exit_code"]]
        self._line()
        before: tuple[Piece, ...] = (("bold", f"{shown['name']}: "), (style, word))
        rules = f"of the {len(counting)} rules that count ({_basis(shown)})"
        self._sentence(*before, f": {rules} {counts}", hanging=2)

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


def _basis(shown: Document) -> str:
    if shown["chosen_rules"] is not None:
        return "the chosen rules"
    return f"profile {shown['profile']}"
