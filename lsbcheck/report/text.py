"""The report for people: a table of verdicts, the proof of every finding, a closing line."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from string import ascii_lowercase

from lsbcheck import exitcodes
from lsbcheck.exitcodes import ExitCode
from lsbcheck.report.baseline import Standing, is_gone, standing, was_broken
from lsbcheck.report.colour import Paper, Piece, Style
from lsbcheck.report.shape import (
    CallShown,
    Document,
    ProcessShown,
    RuleShown,
    ScenarioShown,
    ScriptShown,
)
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
from lsbcheck.report.words import answer, basis, lacking, name_of, rules_of, sandbox_of

OUTPUT_LINES = 8
"""Last lines of a call's output that a finding shows; with -v there are `OUTPUT_LINES_VERBOSE`."""
OUTPUT_LINES_VERBOSE = 100
PROCESSES = 12
"""Processes shown at a time."""

_WORDS: Mapping[Standing, tuple[str, Style]] = {
    "pass": ("pass", "good"),
    "fail": ("FAIL", "bad"),
    "known": ("known", "open"),
    "not-provoked": ("not provoked", "open"),
    "error": ("error", "wrong"),
}
_LETTERS: Mapping[Standing, str] = {
    "pass": ".",
    "fail": "F",
    "known": "k",
    "not-provoked": "?",
    "error": "E",
}

_CLOSING: Mapping[ExitCode, tuple[str, Style]] = {
    exitcodes.ALL_HOLD: ("passes", "good"),
    exitcodes.BROKEN: ("not safe to hand to Pacemaker", "bad"),
    exitcodes.NOT_PROVED: ("nothing broken, but not proved", "open"),
}


class TextReport:
    """Writes one run: `script` for each script as it comes, `summary` once."""

    def __init__(self, paper: Paper, head: Document, *, verbose: bool = False) -> None:
        """Of the document only what holds for all scripts is read, and it may have none yet.

        `verbose` shows every call that was made, not only those of findings.
        """
        self._paper = paper
        self._head = head
        self._verbose = verbose
        self._line = paper.line

    def script(self, script: ScriptShown) -> None:
        """Everything about one script."""
        self._heading(script)
        self._table(script)
        for rules in findings(script):
            self.finding(script, rules)
        for rule in filter(is_gone, script["rules"]):
            number = f"{rule['number']} " if rule["number"] else ""
            self._line()
            self._line(("good", "gone"), " ", ("bold", f"{number}{rule['id']}"))
            self._sentence("  ", "it failed in the baseline, and holds now")
        if self._verbose:
            self._transcript(script)
        self._closing(script)
        self._paper.flush()

    def summary(self, scripts: Sequence[ScriptShown], notes: Iterable[str] = ()) -> None:
        """What could not be limited or seen and, for several scripts, the matrix."""
        if len(scripts) > 1:
            self._matrix(scripts)
        for note in dict.fromkeys(notes):
            self._sentence(("dim", "note: "), f"sandbox: {note}")
        self._paper.flush()

    # --- one script ------------------------------------------------------------------------------

    def _heading(self, script: ScriptShown) -> None:
        sandbox = sandbox_of(self._head, script)
        self._line(("bold", script["script"]))
        if "origin" in script:
            self._line(("dim", f"  from {script['origin']}"))
        if script["source"] != script["script"]:
            self._line(("dim", f"  read from {script['source']}"))
        if image := sandbox.get("image"):
            self._line(("dim", f"  in containers of {image} ({sandbox['backend']})"))
        if sandbox["prepare"] is not None:
            self._line(("dim", f"  prepared in each sandbox by: {sandbox['prepare']}"))
        if sandbox["backend"] == "none":
            self._line(("open", "  no sandbox: run on this machine, no failure was provoked"))
        for note in script["notes"]:
            self._sentence(("dim", "  note: "), note)
        if script["refused"]:
            self._sentence(("wrong", "  not run: "), script["refused"])
        self._line()

    def _table(self, script: ScriptShown) -> None:
        longest = max((width(rule["id"]) for rule in script["rules"]), default=0)
        for rule in script["rules"]:
            word, style = _WORDS[standing(rule)]
            mark = "*" if rule["counts"] else " "
            before: tuple[Piece, ...] = (
                f"  {rule['number'] or '-'} {mark} ",
                (style, padded(word, 13)),
                padded(rule["id"], longest + 2),
            )
            if self._paper.width < 80:
                self._line(*before)
                before = (" " * 6,)
            self._sentence(*before, rule["title"], style="dim")
        self._line(("dim", f"    * decides the exit code ({basis(self._head)})"))

    def finding(self, script: ScriptShown, rules: Sequence[RuleShown]) -> None:
        """The proof of a rule, or of several that have the same reason."""
        first = rules[0]
        evidence = first["evidence"]
        word, style = _WORDS[standing(first)]
        self._line()
        for rule in rules:
            number = f"{rule['number']} " if rule["number"] else ""
            self._line((style, word), " ", ("bold", f"{number}{rule['id']}"))
        self._sentence("  ", first["sentence"])
        if evidence["consequence"]:
            self._sentence("  consequence: ", evidence["consequence"])
        if evidence["fault"] is not None:
            fault = evidence["fault"]
            acted = "" if fault["effective"] else f" (did not act: {fault['why']})"
            self._sentence("  provoked: ", fault["tried"] + acted)
        for remark in evidence["remarks"]:
            self._sentence("  remark: ", remark)
        if was_broken(first) and first["verdict"] != "fail":
            self._sentence("  baseline: ", "it failed there, and nothing shows that it holds now")
        for call in evidence["calls"]:
            self._call(call)
        if first["verdict"] == "fail":
            for rule in rules:
                self._sentence(("dim", "  clause: "), rule["clause"], style="dim")
        if len(rules) == 1:
            self._line(("dim", f"  again: {command(self._again(script, first))}"))

    def _again(self, script: ScriptShown, rule: RuleShown) -> list[str]:
        """The call of lsbcheck that shows this rule alone."""
        options = sandbox_of(self._head, script).get("options", [])
        return ["lsbcheck", "--rule", rule["id"], *options, script["script"]]

    def _call(self, call: CallShown, indent: str = "  ") -> None:
        self._line(indent, ("bold", f"$ {command(call['argv'])}"))
        inner = indent + "    "
        ended, limit = answer(call), ""
        if call["outcome"] != "no-answer":
            ended = f"{ended} after {call['seconds']:.2f} s"
            limit = f" (limit {call['limit']:.3g} s)"
        again = ", asked again alone" if call["asked_again"] else ""
        self._line(inner, ("bold", ended), ("dim", limit + again))
        self._output(call["output"], inner)
        self._processes(
            "before: ", call["before"], "running" if call["running_before"] else "stopped", inner
        )
        self._processes(
            "after:  ", call["after"], "running" if call["running_after"] else "stopped", inner
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

    def _processes(
        self, label: str, processes: Sequence[ProcessShown], state: str, indent: str
    ) -> None:
        self._line(indent, ("dim", label), state, "" if processes else ", no process")
        for process in processes[:PROCESSES]:
            # a title that a daemon has put over its arguments is followed by what it wiped out
            words = list(process["argv"])
            while words and not words[-1]:
                words.pop()
            shown = command(words) or f"[{process['comm']}]"
            line = f"{process['pid']} {process['state']} uid {process['uid']} {shown}"
            room = self._paper.width - len(indent) - len(label)
            self._line(indent, " " * len(label), cut(visible(line), room))
        if len(processes) > PROCESSES:
            rest = f"and {len(processes) - PROCESSES} more"
            self._line(indent, " " * len(label), ("dim", rest))

    def _closing(self, script: ScriptShown) -> None:
        inner: list[Standing] = [standing(rule) for rule in script["rules"] if rule["counts"]]
        outer: list[Standing] = [standing(rule) for rule in script["rules"] if not rule["counts"]]
        held = ", ".join(filter(None, (f"{inner.count('pass')} hold", _counts(inner))))
        sentence = (
            f"of the {_number(len(inner), 'rule')} that count{'s' * (len(inner) == 1)} "
            f"({basis(self._head)}) {held}"
        )
        if outer:
            others = ", ".join(filter(None, (f"{outer.count('pass')} hold", _counts(outer))))
            sentence += f"; of the others {others}"
        word, style = _ending(script)
        self._line()
        before: tuple[Piece, ...] = (("bold", f"{script['name']}: "), (style, word))
        self._sentence(*before, f": {sentence}", hanging=2)

    # --- everything that was seen ----------------------------------------------------------------

    def _transcript(self, script: ScriptShown) -> None:
        self._line()
        self._line(("bold", "Every call"))
        service = script["service"]
        if service is not None:
            daemon = service["daemon"]
            if daemon is not None:
                self._line("  daemon: ", command(daemon["argv"] or [daemon["path"]]))
            for what, names in (
                ("listens on", service["listeners"]),
                ("pid file", service["pid_files"]),
            ):
                for name in names:
                    self._line(f"  {what}: {name}")
        if "transcript" in script:
            for scenario in script["transcript"]["scenarios"].values():
                self._scenario(scenario)

    def _scenario(self, scenario: ScenarioShown) -> None:
        self._line()
        self._line("  scenario ", ("bold", scenario["name"]))
        fault = scenario["fault"]
        if fault is not None:
            acted = "acted" if fault["effective"] else f"did not act: {fault['why']}"
            self._sentence("    provoked: ", f"{fault['tried']} ({acted})")
        if scenario["unreached"]:
            self._sentence("    stopped early: ", scenario["unreached"])
        if scenario["error"]:
            self._sentence(("wrong", "    error: "), scenario["error"])
        for call in scenario["calls"]:
            self._call(call, "    ")

    # --- several scripts -------------------------------------------------------------------------

    def _matrix(self, scripts: Sequence[ScriptShown]) -> None:
        shown = rules_of(scripts)
        letters = iter(ascii_lowercase)
        columns = {rule["id"]: str(rule["number"] or next(letters, "+")) for rule in shown}
        room = max(self._paper.width - 2 * len(columns) - 34, 10)
        names = [cut(visible(name_of(script)), room) for script in scripts]
        longest = max(width(name) for name in ("summary", *names))
        self._line()
        self._line(("bold", padded("summary", longest)), "  ", " ".join(columns.values()))
        for name, script in zip(names, scripts, strict=True):
            rules = {rule["id"]: rule for rule in script["rules"]}
            cells = [self._cell(rules.get(rule)) for rule in columns]
            word, style = _ending(script)
            self._line(padded(name, longest), "  ", *cells, " ", (style, word))
        self._legend(shown, columns)
        codes = [script["exit_code"] for script in scripts]
        counts = (
            f"{codes.count(exitcodes.ALL_HOLD)} hold",
            f"{codes.count(exitcodes.BROKEN)} broken",
            f"{codes.count(exitcodes.NOT_PROVED)} not proved",
        )
        line = f"{len(scripts)} scripts ({basis(self._head)}): {', '.join(counts)}"
        self._line(("bold", line))

    def _cell(self, rule: RuleShown | None) -> Piece:
        if rule is None:
            return "  "
        found = standing(rule)
        return _WORDS[found][1], _LETTERS[found] + " "

    def _legend(self, shown: Sequence[RuleShown], columns: Mapping[str, str]) -> None:
        known = "   k known" if "baseline" in self._head else ""
        self._line(("dim", f"  . pass   F fail{known}   ? not provoked   E error"))
        for rule in shown:
            mark = "*" if rule["counts"] else " "
            self._line(("dim", f"  {columns[rule['id']]} {mark} {rule['id']}"))

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


def _counts(found: Sequence[Standing]) -> str:
    """`1 broken, 2 not provoked`; "" when all hold."""
    words: Mapping[Standing, str] = {
        "fail": "broken",
        "known": "known",
        "not-provoked": "not provoked",
        "error": "without a verdict",
    }
    return ", ".join(f"{found.count(each)} {word}" for each, word in words.items() if each in found)


def _ending(script: ScriptShown) -> tuple[str, Style]:
    """What a script comes to, in words."""
    known = any(rule["counts"] and standing(rule) == "known" for rule in script["rules"])
    if known and script["exit_code"] == exitcodes.ALL_HOLD:
        return "nothing broken that was not known", "open"
    return _CLOSING[script["exit_code"]]


def findings(script: ScriptShown) -> list[list[RuleShown]]:
    """All that is no pass; what has the same reason and no call of its own stands together."""
    findings: list[list[RuleShown]] = []
    places: dict[tuple[str, str], list[RuleShown]] = {}
    for rule in script["rules"]:
        if rule["verdict"] == "pass":
            continue
        evidence = rule["evidence"]
        reason = rule["verdict"], rule["sentence"]
        alone = bool(evidence["calls"] or evidence["fault"] or rule["verdict"] == "fail")
        if not alone and reason in places:
            places[reason].append(rule)
            continue
        rules = [rule]
        if not alone:
            places[reason] = rules
        findings.append(rules)
    return findings


def write_text(paper: Paper, document: Document) -> None:
    """A whole document that was saved."""
    report = TextReport(paper, document)
    for index, script in enumerate(document["scripts"]):
        if index:
            paper.line()
            paper.line()
        report.script(script)
    report.summary(document["scripts"], document["sandbox"]["notes"])
    for run, cause in lacking(document):
        paper.line(("wrong", f"{run}: no sandbox: " if run else "no sandbox: "), cause)


def proof(document: Document, script: ScriptShown, *rules: RuleShown) -> str:
    """What the text says of a finding, without colour and without a line feed at its end."""
    stream = io.StringIO()
    TextReport(Paper(stream), document).finding(script, rules)
    return stream.getvalue().strip("\n")
