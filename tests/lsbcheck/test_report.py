"""What users see of a check: text, JSON, a progress line, a log folder."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsbcheck import exitcodes
from lsbcheck.check import Report
from lsbcheck.report import Setting
from lsbcheck.report.colour import Paper
from lsbcheck.report.json import document, dumps, plain
from lsbcheck.report.keep import LogFolder
from lsbcheck.report.progress import Progress
from lsbcheck.report.text import TextReport
from lsbcheck.report.visible import broken, command, cut, lines_of, visible, width, wrapped
from lsbcheck.rules import PROFILES, RULES, Judgement, Verdict, by_id
from lsbcheck.sandbox.interface import SandboxUnavailable
from lsbcheck.script import Script
from lsbcheck.transcript import (
    Bystander,
    Call,
    Fault,
    Process,
    Program,
    Scenario,
    Service,
    Transcript,
)

SCRIPT = Script("webd", "/etc/init.d/webd", "/etc/init.d/webd", "#!/bin/sh\n", "/bin/sh")
DAEMON = Process(12, 4711, 1, "S", 33, "webd", "/usr/sbin/webd", ("/usr/sbin/webd", "-f", "a b"))
START = Call(
    action="start",
    argv=("/etc/init.d/webd", "start"),
    outcome="exited",
    code=0,
    seconds=0.25,
    limit=60.0,
    output="Starting webd.\n",
    running_before=False,
    running_after=True,
    after=(DAEMON,),
)
STATUS = replace(START, action="status", argv=("/etc/init.d/webd", "status"), code=3)
FAULT = Fault("program-fails", "/usr/sbin/webd exits 1 when called with -f", effective=True)
FAIL = Judgement(
    "fail",
    "start said 0 although the daemon exited 1",
    "Pacemaker will restart it for ever",
    (START,),
    FAULT,
    ("a remark",),
)
PASS = Judgement("pass", "all is well", calls=(START,))
OPEN = Judgement("not-provoked", "no status")
ESCAPES = "\x1b[2K\x1b[1A\r\x9b31m\x07\x08\u202e\u2028\u200d\x7f\udcff"


def report(
    verdicts: Mapping[str, Judgement] | None = None,
    script: Script = SCRIPT,
    transcript: Transcript | None = None,
) -> Report:
    """A report in which every rule passes but for those given."""
    judgements = {rule.id: PASS for rule in RULES} | dict(verdicts or {})
    return Report(script, transcript or Transcript(script.path), judgements)


def text(
    *reports: Report,
    setting: Setting | None = None,
    verbose: bool = False,
    colour: bool = False,
    columns: int = 100,
    notes: tuple[str, ...] = (),
) -> str:
    stream = io.StringIO()
    shown = document(
        reports, setting or Setting(), exitcodes.ALL_HOLD, notes=notes, transcripts=verbose
    )
    writer = TextReport(Paper(stream, colour=colour, width=columns), shown, verbose=verbose)
    for one in shown["scripts"]:
        writer.script(one)
    writer.summary(shown["scripts"], shown["sandbox"]["notes"])
    return stream.getvalue()


def paragraph(shown: str) -> str:
    """On one line, so that a search does not depend on where it is wrapped."""
    return " ".join(shown.split())


class TestExitCodes:
    @pytest.mark.parametrize(
        ("verdicts", "code"),
        [
            ((), exitcodes.ALL_HOLD),
            (("fail",), exitcodes.BROKEN),
            (("not-provoked",), exitcodes.NOT_PROVED),
            (("error",), exitcodes.NOT_PROVED),
            (("error", "not-provoked", "fail"), exitcodes.BROKEN),
        ],
        ids=str,
    )
    def test_of_one_script_the_worst_verdict_decides(
        self, verdicts: tuple[Verdict, ...], code: int
    ) -> None:
        changed = {
            rule.id: Judgement(verdict, "x") for rule, verdict in zip(RULES, verdicts, strict=False)
        }
        assert Setting().exit_code(report(changed)) == code

    def test_only_the_rules_of_the_profile_decide(self) -> None:
        for rule in RULES:
            seen = [Setting(profile=one).exit_code(report({rule.id: FAIL})) for one in PROFILES]
            first = PROFILES.index(rule.profile)
            assert seen == [exitcodes.ALL_HOLD] * first + [exitcodes.BROKEN] * (3 - first)

    def test_chosen_rules_decide_whatever_the_profile(self) -> None:
        setting = Setting(profile="lsb", chosen=("lsb-header",))
        assert setting.exit_code(report({"lsb-header": FAIL})) == exitcodes.BROKEN
        assert setting.exit_code(report({"start-succeeds": FAIL})) == exitcodes.ALL_HOLD

    def test_a_rule_without_a_judgement_is_not_proved(self) -> None:
        assert exitcodes.of_script({}, ["start-succeeds"]) == exitcodes.NOT_PROVED
        assert exitcodes.of_script({}, []) == exitcodes.NOT_PROVED

    @pytest.mark.parametrize(
        ("codes", "code"),
        [
            ((0, 0), 0),
            ((0, 3), 3),
            ((3, 1, 0), 1),
            ((4, 4), 4),
            ((4, 0), 3),
            ((4, 1), 1),
        ],
        ids=str,
    )
    def test_of_several_scripts(self, codes: tuple[exitcodes.ExitCode, ...], code: int) -> None:
        assert exitcodes.of_all(codes) == code


class TestVisible:
    @given(st.text())
    def test_nothing_that_acts_on_a_terminal_is_left(self, foreign: str) -> None:
        shown = visible(foreign)
        assert not {unicodedata.category(letter) for letter in shown} & {"Cc", "Cf", "Cs", "Zl"}
        assert visible(shown) == shown

    def test_escapes_are_named(self) -> None:
        assert visible("a\x1b[31mb\x9b\u202e\n") == r"a\x1b[31mb\x9b\u202e\n"

    def test_letters_stay(self) -> None:
        assert visible("起動しました ü ж") == "起動しました ü ж"

    def test_a_wide_letter_takes_two_columns_and_an_accent_none(self) -> None:
        assert (width("ab"), width("起動"), width("e\u0301")) == (2, 4, 1)

    @given(st.text(st.characters(exclude_categories=["Cc", "Cs"])), st.integers(2, 30))
    def test_pieces_fit_and_lose_nothing(self, foreign: str, columns: int) -> None:
        pieces = broken(foreign, columns)
        assert "".join(pieces) == foreign
        assert all(width(piece) <= columns for piece in pieces)
        assert width(cut(foreign, columns)) <= columns
        assert all(width(line) <= columns for line in wrapped(foreign, columns))
        assert "".join("".join(wrapped(foreign, columns)).split()) == "".join(foreign.split())

    def test_what_a_carriage_return_overwrites_is_shown(self) -> None:
        assert lines_of("FAIL\rpass\r\nx\ty\n\n") == ["FAIL", "pass", "x       y"]

    @given(st.lists(st.text(st.characters(exclude_characters="\0")), min_size=1))
    def test_a_shown_command_can_be_pasted(self, argv: list[str]) -> None:
        shown = command(argv)
        assert visible(shown) == shown
        if "$'" not in shown:
            assert shlex.split(shown) == argv

    def test_bash_reads_an_escaped_word_back(self) -> None:
        word = "a\x1b[1m'\\é\n"
        ran = subprocess.run(
            ["bash", "-c", "printf %s " + command([word])], capture_output=True, check=True
        )
        assert ran.stdout.decode() == word


class TestTable:
    def test_shows_every_rule_with_number_verdict_id_and_title(self) -> None:
        shown = text(report({"start-failure-reported": FAIL, "restart-actions": OPEN}))
        for rule in RULES:
            line = next(line for line in shown.splitlines() if f" {rule.id} " in line)
            word = {"start-failure-reported": "FAIL", "restart-actions": "not provoked"}
            assert line.split()[0] == str(rule.number or "-")
            assert f" {word.get(rule.id, 'pass')} " in line
            assert rule.title in paragraph(shown)

    def test_marks_the_rules_that_count(self) -> None:
        shown = text(report(), setting=Setting(profile="pacemaker"))
        marked = re.findall(r"^  [-1-8] \* \w+ +([a-z0-9-]+)", shown, re.MULTILINE)
        assert len(marked) == 11
        assert "profile pacemaker" in shown

    def test_leaves_out_rules_that_were_not_run(self) -> None:
        one = Report(SCRIPT, Transcript(SCRIPT.path), {"lsb-header": FAIL})
        shown = text(one, setting=Setting(chosen=("lsb-header",)))
        assert "start-succeeds" not in shown
        assert "of the 1 rule that counts (the chosen rule) 0 hold, 1 broken" in shown

    @pytest.mark.parametrize("columns", [50, 60, 80, 100])
    def test_fits_the_terminal(self, columns: int) -> None:
        noisy = replace(START, output="起動" * 200 + "x" * 500)
        shown = text(report({"lsb-header": replace(FAIL, calls=(noisy,))}), columns=columns)
        long = [line for line in shown.splitlines() if width(line) > columns]
        assert not [line for line in long if "$ " not in line and "again: " not in line]


class TestFinding:
    def test_has_all_of_the_proof(self) -> None:
        shown = paragraph(text(report({"start-failure-reported": FAIL})))
        for part in (
            "FAIL 3 start-failure-reported",
            "start said 0 although the daemon exited 1",
            "consequence: Pacemaker will restart it for ever",
            "provoked: /usr/sbin/webd exits 1 when called with -f",
            "remark: a remark",
            "$ /etc/init.d/webd start",
            "exit 0 after 0.25 s (limit 60 s)",
            "| Starting webd.",
            "before: stopped, no process",
            "after: running",
            "12 S uid 33 /usr/sbin/webd -f 'a b'",
            "clause: " + by_id("start-failure-reported").clause,
            "again: lsbcheck --rule start-failure-reported /etc/init.d/webd",
        ):
            assert part in shown

    def test_a_missing_answer_is_named_so(self) -> None:
        hung = replace(START, outcome="no-answer", code=None, seconds=200, limit=200)
        shown = text(
            report({"lsb-header": replace(FAIL, calls=(replace(hung, asked_again=True),))})
        )
        assert "no answer in 200 s, asked again alone" in shown

    def test_a_fault_that_did_not_act_is_told_from_one_that_did(self) -> None:
        fault = replace(FAULT, effective=False, why="it has no command line")
        shown = text(report({"start-failure-reported": replace(OPEN, fault=fault)}))
        assert "(did not act: it has no command line)" in shown

    def test_passing_rules_have_none(self) -> None:
        assert "$ /etc/init.d" not in text(report())

    def test_the_same_reason_is_given_once(self) -> None:
        shown = text(report({"status-when-running": OPEN, "status-when-stopped": OPEN}))
        assert shown.count("no status") == 1
        assert "again: " not in shown

    def test_shows_the_last_lines_of_long_output(self) -> None:
        noisy = replace(START, output="".join(f"line {number}\n" for number in range(500)))
        shown = text(report({"lsb-header": replace(FAIL, calls=(noisy,))}))
        assert "| line 499" in shown
        assert shown.count("| line ") == 8
        assert "the end of it" in shown

    def test_shows_how_many_processes_there_are_beyond_the_first(self) -> None:
        crowd = tuple(replace(DAEMON, pid=pid) for pid in range(100, 130))
        shown = text(report({"lsb-header": replace(FAIL, calls=(replace(START, after=crowd),))}))
        assert "and 18 more" in shown

    def test_a_kernel_thread_has_its_short_name(self) -> None:
        call = replace(START, after=(replace(DAEMON, argv=()),))
        assert "[webd]" in text(report({"lsb-header": replace(FAIL, calls=(call,))}))

    def test_repeats_root_and_prepare_in_the_command(self) -> None:
        setting = Setting(root="/srv/a b", prepare="touch /x")
        shown = text(report({"lsb-header": FAIL}), setting=setting)
        assert "--root '/srv/a b' --prepare 'touch /x' /etc/init.d/webd" in shown
        assert "prepared in each sandbox by: touch /x" in shown


class TestHostileText:
    def test_nothing_foreign_acts_on_the_terminal(self) -> None:
        process = replace(DAEMON, argv=(ESCAPES, "x"), comm=ESCAPES, exe=ESCAPES)
        call = replace(START, argv=(ESCAPES,), output=ESCAPES, before=(process,), after=(process,))
        judgement = Judgement(
            "fail",
            ESCAPES,
            ESCAPES,
            (call,),
            Fault(ESCAPES, ESCAPES, effective=False, why=ESCAPES),
            (ESCAPES,),
        )
        transcript = Transcript(
            ESCAPES,
            service=Service(Program(ESCAPES, ESCAPES, (ESCAPES,)), (process,), (ESCAPES,)),
            scenarios={
                ESCAPES: Scenario(
                    ESCAPES,
                    (call,),
                    judgement.fault,
                    Bystander((ESCAPES,), survived_stop=True, survived_stop_when_stopped=True),
                    ESCAPES,
                )
            },
            refused=ESCAPES,
            notes=(ESCAPES,),
        )
        script = Script(ESCAPES, ESCAPES, ESCAPES + "x", "", ESCAPES)
        one = report({"lsb-header": judgement}, script, transcript)
        setting = Setting(root=ESCAPES, prepare=ESCAPES)
        shown = text(one, one, setting=setting, verbose=True, notes=(ESCAPES,))
        assert visible(shown.replace("\n", "")) == shown.replace("\n", "")

    def test_no_line_of_output_can_pass_for_one_of_the_report(self) -> None:
        forged = " " * 93 + "  3 * pass         start-failure-reported"
        call = replace(START, output=f"{forged}\r{forged}\n{forged}")
        shown = text(report({"start-failure-reported": replace(FAIL, calls=(call,))}))
        verdicts = [line for line in shown.splitlines() if line.startswith("  3 ")]
        assert len(verdicts) == 1
        assert "FAIL" in verdicts[0]

    def test_colour_is_ours_alone(self) -> None:
        call = replace(START, output="\x1b[32mpass\x1b[0m")
        one = report({"lsb-header": replace(FAIL, calls=(call,))})
        assert "\x1b" not in text(one)
        shown = text(one, colour=True)
        assert "\x1b[1;31mFAIL\x1b[0m" in shown.replace("FAIL         ", "FAIL")
        assert r"\x1b[32mpass\x1b[0m" in shown
        assert re.sub(r"\x1b\[[0-9;]+m", "", shown) == text(one)


class TestClosing:
    def test_says_what_the_profile_makes_of_it(self) -> None:
        assert "webd: passes: of the 8 rules that count (profile lsb) 8 hold" in text(report())
        shown = paragraph(text(report({"stop-succeeds": FAIL, "lsb-header": OPEN})))
        assert "webd: not safe to hand to Pacemaker: of the 8 rules" in shown
        assert "7 hold, 1 broken; of the others 10 hold, 1 not provoked" in shown
        assert "nothing broken, but not proved" in text(report({"stop-succeeds": OPEN}))

    def test_says_why_nothing_was_run(self) -> None:
        live = Judgement("error", "webd is running on this host (pid 4)")
        one = report(
            {rule.id: live for rule in RULES},
            transcript=Transcript("x", refused="webd is running on this host (pid 4)"),
        )
        assert "not run: webd is running on this host" in text(one)
        assert "8 without a verdict" in paragraph(text(one))

    def test_notes_stand_once(self) -> None:
        shown = text(report(), notes=("no pids limit", "no pids limit"))
        assert shown.count("note: sandbox: no pids limit") == 1


class TestVerbose:
    def test_shows_every_scenario_and_call(self) -> None:
        transcript = Transcript(
            "x",
            service=Service(Program("/usr/sbin/webd", "/usr/sbin/webd", ("webd", "-f")), (DAEMON,)),
            scenarios={
                "cycle": Scenario("cycle", (START, STATUS)),
                "crash": Scenario("crash", unreached="no status", error="lost"),
            },
        )
        one = report(transcript=transcript)
        shown = text(one, verbose=True)
        for part in ("scenario cycle", "$ /etc/init.d/webd status", "exit 3", "no status", "lost"):
            assert part in shown
        assert "daemon: webd -f" in shown
        assert "scenario" not in text(one)


class TestSummary:
    def test_has_a_line_for_each_script_and_a_column_for_each_rule(self) -> None:
        other = replace(SCRIPT, name="メール")
        shown = text(report({"start-failure-reported": FAIL}), report({"lsb-header": OPEN}, other))
        lines = shown[shown.index("summary") :].splitlines()
        assert lines[0].split()[1:10] == ["1", "2", "3", "4", "5", "6", "7", "8", "a"]
        assert lines[1].split()[:9] == ["webd", ".", ".", "F", ".", ".", ".", ".", "."]
        assert lines[2].split()[1:20] == ["."] * 18 + ["?"]
        assert lines[1].index("F") == lines[0].index("3")
        assert "2 scripts (profile lsb): 1 hold, 1 broken, 0 not proved" in shown

    def test_one_script_needs_none(self) -> None:
        assert "summary" not in text(report())


SCHEMA = json.loads(
    (Path(exitcodes.__file__).parent / "report" / "schema.json").read_text(encoding="utf-8")
)


def checked(**how: Any) -> dict[str, Any]:  # noqa: ANN401 - handed on
    """A document as a program reads it, found to keep the schema."""
    reports = how.pop("reports", [report()])
    made = json.loads(dumps(document(reports, how.pop("setting", Setting()), **how)))
    jsonschema.validate(made, SCHEMA, cls=jsonschema.Draft202012Validator)
    return cast("dict[str, Any]", made)


class TestJson:
    def test_the_schema_is_one(self) -> None:
        jsonschema.Draft202012Validator.check_schema(SCHEMA)

    def test_has_the_verdict_and_the_proof_of_each_rule(self) -> None:
        one = report({"start-failure-reported": FAIL, "lsb-header": OPEN})
        made = checked(reports=[one], exit_code=1, notes=["a", "a"])
        assert (made["schema_version"], made["exit_code"], made["profile"]) == (1, 1, "lsb")
        assert made["sandbox"]["notes"] == ["a"]
        script = made["scripts"][0]
        assert (script["script"], script["exit_code"]) == ("/etc/init.d/webd", 1)
        assert [rule["id"] for rule in script["rules"]] == [rule.id for rule in RULES]
        rules = {rule["id"]: rule for rule in script["rules"]}
        failed = rules["start-failure-reported"]
        assert (failed["verdict"], failed["number"], failed["counts"]) == ("fail", 3, True)
        assert failed["evidence"]["outcome"] == "exited"
        assert failed["evidence"]["fault"]["name"] == "program-fails"
        assert failed["evidence"]["calls"][0]["after"][0]["argv"] == ["/usr/sbin/webd", "-f", "a b"]
        assert rules["lsb-header"]["evidence"]["outcome"] == "none"
        assert (rules["lsb-header"]["number"], rules["lsb-header"]["counts"]) == (None, False)

    def test_tells_a_missing_answer_from_a_wrong_one(self) -> None:
        hung = replace(START, outcome="no-answer", code=None)
        one = report({"stop-failure-reported": replace(FAIL, calls=(START, hung))})
        rules = checked(reports=[one], exit_code=1)["scripts"][0]["rules"]
        assert [rule["evidence"]["outcome"] for rule in rules if rule["number"] == 5] == [
            "no-answer"
        ]

    def test_names_what_kept_a_sandbox_from_being_made(self) -> None:
        made = checked(
            reports=[], exit_code=4, unavailable=SandboxUnavailable("no SYS_ADMIN", "--cap-add it")
        )
        assert made["sandbox"]["unavailable"] == {"cause": "no SYS_ADMIN", "cure": "--cap-add it"}

    def test_carries_the_whole_transcript_when_asked(self) -> None:
        transcript = Transcript(
            "x", MappingProxyType({"a": "b"}), scenarios={"cycle": Scenario("cycle", (START,))}
        )
        one = report(transcript=transcript)
        made = checked(reports=[one], exit_code=0, transcripts=True)["scripts"][0]["transcript"]
        assert made["header"] == {"a": "b"}
        assert made["scenarios"]["cycle"]["calls"][0]["code"] == 0
        assert "transcript" not in checked(reports=[one], exit_code=0)["scripts"][0]

    def test_every_sample_of_every_rule_keeps_the_schema(self) -> None:
        samples = [run for rule in RULES for run in (*rule.valid, *rule.invalid)]
        reports = [
            Report(SCRIPT, run, {rule.id: rule.judge(run) for rule in RULES}) for run in samples
        ]
        checked(reports=reports, exit_code=1, transcripts=True)
        for setting in (Setting(), Setting(profile="strict", sandbox="none")):
            assert text(*reports, setting=setting, verbose=True)

    def test_every_field_is_in_the_schema(self) -> None:
        service = Service(Program("/a", "/a", ("a",)), (DAEMON,), ("tcp *:1",), ("/a.pid",))
        one = report({"lsb-header": FAIL}, transcript=Transcript("x", service=service))
        made = checked(
            reports=[one], exit_code=1, unavailable=SandboxUnavailable("a", "b"), transcripts=True
        )
        assert not list(unknown_fields(made, SCHEMA))

    def test_is_ascii_and_keeps_names_that_are_not_utf8(self) -> None:
        made = dumps({"a": "起\udcff\x1b"})
        assert made.isascii()
        assert "\x1b" not in made
        assert json.loads(made) == {"a": "起\udcff\x1b"}

    def test_refuses_what_json_does_not_have(self) -> None:
        with pytest.raises(TypeError, match="no JSON for object"):
            plain(object())


def unknown_fields(value: object, schema: dict[str, Any], where: str = "") -> Iterator[str]:
    """Fields that a document has and its schema does not describe."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    for choice in schema.get("oneOf", []):
        if (value is None) == (choice.get("type") == "null"):
            yield from unknown_fields(value, choice, where)
    if isinstance(value, dict) and "properties" in schema:
        for key, item in cast("dict[str, object]", value).items():
            if key in schema["properties"]:
                yield from unknown_fields(item, schema["properties"][key], f"{where}.{key}")
            elif "additionalProperties" not in schema:
                yield f"{where}.{key}"
    if isinstance(value, list) and "items" in schema:
        for item in cast("list[object]", value):
            yield from unknown_fields(item, schema["items"], where)


class TestProgress:
    def test_is_silent_without_a_terminal(self) -> None:
        stream = io.StringIO()
        progress = Progress(stream, enabled=False)
        progress.show("webd: cycle")
        progress.clear()
        progress.close()
        assert stream.getvalue() == ""

    def test_keeps_to_one_line_and_takes_it_away(self) -> None:
        stream = io.StringIO()
        progress = Progress(stream, enabled=True, width=30)
        progress.show("webd: \x1b[1m" + "x" * 100)
        progress.close()
        progress.show("too late")
        shown = stream.getvalue()
        assert "\n" not in shown
        assert "\x1b[1m" not in shown
        assert shown.endswith("\r\x1b[K")
        assert len(shown.split("\x1b[K")[0]) <= 30

    def test_a_terminal_that_went_away_does_no_harm(self) -> None:
        stream = io.StringIO()
        progress = Progress(stream, enabled=True)
        stream.close()
        progress.show("webd")
        progress.close()


class TestLogFolder:
    TRANSCRIPT = Transcript("x", scenarios={"cycle": Scenario("cycle", (START, STATUS))})

    def test_holds_the_transcript_and_every_output(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "logs"
        folder = LogFolder(str(path))
        folder.script(0, report(transcript=self.TRANSCRIPT))
        folder.document({"a": 1})
        folder.close()
        assert (path / "report.json").read_text() == '{\n  "a": 1\n}\n'
        assert (path / "01-webd" / "cycle-1-start.out").read_text() == "Starting webd.\n"
        assert (path / "01-webd" / "cycle-2-status.out").exists()
        assert json.loads((path / "01-webd" / "transcript.json").read_text())["script"] == "x"

    def test_is_for_its_owner_alone(self, tmp_path: Path) -> None:
        (tmp_path / "logs").mkdir(mode=0o755)
        for folder in (LogFolder(str(tmp_path / "logs")), LogFolder(str(tmp_path / "new"))):
            folder.script(0, report(transcript=self.TRANSCRIPT))
            folder.close()
            for path in (Path(folder.path), *Path(folder.path).rglob("*")):
                assert path.stat().st_mode & 0o077 == 0

    def test_gets_a_place_of_its_own(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        folder = LogFolder()
        folder.close()
        assert Path(folder.path).parent == tmp_path

    def test_takes_no_folder_that_has_something_in_it(self, tmp_path: Path) -> None:
        (tmp_path / "x").touch()
        with pytest.raises(FileExistsError, match="is not empty"):
            LogFolder(str(tmp_path))

    def test_takes_no_link(self, tmp_path: Path) -> None:
        (tmp_path / "there").mkdir()
        (tmp_path / "link").symlink_to("there")
        with pytest.raises(OSError, match="link"):
            LogFolder(str(tmp_path / "link"))

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a folder away")
    def test_takes_no_folder_of_somebody_else(self, tmp_path: Path) -> None:
        (tmp_path / "logs").mkdir()
        os.chown(tmp_path / "logs", 12345, 12345)
        with pytest.raises(PermissionError, match="somebody else"):
            LogFolder(str(tmp_path / "logs"))

    def test_no_name_leads_out_of_it(self, tmp_path: Path) -> None:
        folder = LogFolder(str(tmp_path / "logs"))
        call = replace(START, action="../../up")
        transcript = Transcript("x", scenarios={"../s": Scenario("../s", (call,))})
        folder.script(0, report(script=replace(SCRIPT, name="../../web d"), transcript=transcript))
        folder.close()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["logs"]
        names = {path.name for path in Path(folder.path).rglob("*")}
        assert names == {"01-_.._web_d", "transcript.json", "_s-1-_.._up.out"}
