"""Every format against its schema and a program that reads it, with agents that mean harm."""

from __future__ import annotations

import importlib
import io
import json
import re
import shlex
import subprocess
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from lxml import etree

import lsbcheck.report
import ocfkit.conformance.report
from lsbcheck.report.colour import Paper
from lsbcheck.report.visible import visible, width
from ocfkit.conformance.report.document import Document, dumps
from ocfkit.conformance.report.formats import FORMATS
from ocfkit.conformance.report.html import page
from ocfkit.conformance.report.junit import junit
from ocfkit.conformance.report.mask import MASK
from ocfkit.conformance.report.text import write
from ocfkit.conformance.report.words import asked
from ocfkit.conformance.rules import RULES, Judgement, rules_of
from tests.lsbcheck.reports import HOSTILE
from tests.ocfkit.conformance.reports import AGAIN, documents, judged, saying, shown, that_says
from tests.ocfkit.conformance.samples import SAMPLES
from tests.ocfkit.conformance.seen import CANARY, seen, start, that_does_not_start, told

JUNITPARSER: Any = importlib.import_module("junitparser")
SCHEMA: dict[str, Any] = json.loads(
    Path(ocfkit.conformance.report.__file__).with_name("schema.json").read_text(encoding="utf-8")
)
XSD = etree.XMLSchema(etree.parse(Path(__file__).parents[2] / "lsbcheck" / "junit.xsd"))
EACH = {
    "stop-succeeds": saying("fail", "stop said 1"),
    "start-is-complete": saying("not-provoked", "no start"),
    "levels-answer": saying("error", "the sandbox died"),
    "texts-are-there": saying("fail", "no text"),
    "promotion-is-kept": Judgement("does-not-apply", "no promote"),
}
"""Each verdict, and a broken rule that counts in no profile but `strict`."""
ALL = shown(judged(seen(), EACH))

a_few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def text(document: Document, columns: int = 100, *, colour: bool = False) -> str:
    stream = io.StringIO()
    write(Paper(stream, colour=colour, width=columns), document)
    return stream.getvalue()


WRITERS = {**FORMATS, "text": text}
each_format = pytest.mark.parametrize("name", WRITERS)


CONTAINED = shown(
    judged(seen()),
    machine={"sandbox": "podman", "image": "debian:<12>", "root": "/"},
    granted={"capabilities": ["SYS_TIME"], "devices": [{"path": "/dev/sdz9", "inside": "/dev/&"}]},
)

SHOWN = [
    shown(judged(run))
    for samples in SAMPLES.values()
    for runs in (samples.breaks, samples.not_provoked, samples.does_not_apply)
    for run in runs[:1]
]
"""A document for each way in which a rule can fail to hold."""


@each_format
def test_every_kind_of_finding_can_be_shown(name: str) -> None:
    for made in SHOWN:
        assert WRITERS[name](made).endswith("\n")


@each_format
def test_where_it_was_run_and_what_it_was_granted_is_told(name: str) -> None:
    words = ("podman", "debian:<12>", "SYS_TIME", "/dev/sdz9", "/dev/&")
    written, plain = unescape(WRITERS[name](CONTAINED)), unescape(WRITERS[name](ALL))
    assert [word for word in words if word not in written] == []
    assert [word for word in words if word in plain] == []


class TestSecrets:
    @each_format
    @given(
        secret=(st.text(st.characters(codec="ascii")) | st.text()).map("~Qx{}xQ~".format),
        where=st.sampled_from(["canary", "given", "second"]),
    )
    @a_few
    def test_reach_no_format_wherever_an_agent_puts_them(
        self, name: str, secret: str, where: str
    ) -> None:
        report = that_says(f"it is {secret}!")
        run = replace(report.transcript, secrets={})
        if where == "canary":
            run = replace(run, secrets={"password": secret})
        elif where == "given":
            run = replace(run, parameters={**run.parameters, "password": secret})
        else:
            calls = (start(0, parameters={"password": secret}),)
            scenarios = {**run.scenarios, "instances": replace(run["instances"], calls=calls)}
            run = replace(run, scenarios=scenarios)
        made = shown(replace(report, transcript=run))
        assert secret not in json.dumps(made, ensure_ascii=False)
        assert all(secret not in string for string in strings(made))
        assert secret not in WRITERS[name](made)

    @pytest.mark.parametrize(
        "secret", ["two\nlines of it", "it's\\quoted", "tab\there", "\x1b[31m!"]
    )
    @each_format
    def test_are_found_in_whatever_way_a_rule_quotes_them(self, name: str, secret: str) -> None:
        sentence = f"it says {secret!r}, {secret.splitlines()[-1]}"
        report = judged(
            replace(seen(), secrets={"password": secret}),
            {"stop-succeeds": Judgement("fail", sentence)},
        )
        made = WRITERS[name](shown(report))
        assert secret.splitlines()[-1] not in made
        assert repr(secret)[1:-1] not in made

    def test_are_not_cut_in_two_by_a_limit_of_ours(self) -> None:
        words = f"{'x' * 490}{CANARY}{'y' * 3985}"
        made = shown(judged(seen(), {"stop-succeeds": saying("fail", words)}))
        shreds = {CANARY[:8], CANARY[-8:]}
        assert not [each for each in strings(made) for shred in shreds if shred in each]

    def test_that_are_too_short_to_be_found_are_covered_by_their_name(self) -> None:
        given = {"name": "foo", "password": "ab"}
        run = replace(seen(secrets=(start(0, parameters=given),)), parameters=given, secrets={})
        made = shown(judged(run, {"stop-succeeds": Judgement("fail", "x", run["secrets"].calls)}))
        assert made["parameters"] == {"name": "foo", "password": MASK}
        (rule,) = [one for one in made["rules"] if one["id"] == "stop-succeeds"]
        assert rule["calls"][0]["environ"]["OCF_RESKEY_password"] == MASK

    def test_that_are_words_of_ours_break_no_document(self) -> None:
        run = replace(seen(), secrets={"password": "pacemaker", "token": "not-provoked"})
        check_schema(shown(judged(run)))


def strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for name, field in cast("dict[str, object]", value).items():
                yield name
                yield from strings(field)
        case list():
            for item in cast("list[object]", value):
                yield from strings(item)
        case _:
            pass


# --- JSON ------------------------------------------------------------------------------------


def check_schema(made: Document) -> dict[str, Any]:
    """The document as a program reads it, found to keep the schema and to say nothing else."""
    read = json.loads(dumps(made))
    jsonschema.validate(read, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert list(unknown_fields(read, SCHEMA)) == []
    return cast("dict[str, Any]", read)


def unknown_fields(value: object, schema: dict[str, Any], where: str = "") -> Iterator[str]:
    """Fields that a document has and its schema does not describe."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    for choice in schema.get("oneOf", []):
        if (value is None) == (choice.get("type") == "null"):
            yield from unknown_fields(value, choice, where)
    if isinstance(value, dict) and "properties" in schema:
        for key, item in cast("dict[str, object]", value).items():
            if key not in schema["properties"]:
                yield f"{where}.{key}"
            else:
                yield from unknown_fields(item, schema["properties"][key], f"{where}.{key}")
    if isinstance(value, list) and "items" in schema:
        for item in cast("list[object]", value):
            yield from unknown_fields(item, schema["items"], where)


class TestJson:
    def test_the_schema_is_one(self) -> None:
        jsonschema.Draft202012Validator.check_schema(SCHEMA)

    def test_every_kind_of_finding_keeps_the_schema(self) -> None:
        for made in (*SHOWN, CONTAINED):
            check_schema(made)

    def test_every_field_of_the_schema_is_there(self) -> None:
        read = check_schema(ALL)
        assert read.keys() == SCHEMA["properties"].keys()
        for kind in ("machine", "granted"):
            assert read[kind].keys() == SCHEMA["$defs"][kind]["properties"].keys()
        rule = next(one for one in read["rules"] if one["id"] == "stop-succeeds")
        for kind, made in (
            ("rule", rule),
            ("call", rule["calls"][0]),
            ("service", read["service"]),
        ):
            assert made.keys() == SCHEMA["$defs"][kind]["properties"].keys()

    def test_has_the_verdict_and_the_proof_of_each_rule(self) -> None:
        read = check_schema(ALL)
        assert (read["schema_version"], read["exit_code"], read["profile"]) == (1, 1, "pacemaker")
        assert [rule["id"] for rule in read["rules"]] == [rule.id for rule in RULES]
        rules = {rule["id"]: rule for rule in read["rules"]}
        for name, judgement in EACH.items():
            assert rules[name]["verdict"] == judgement.verdict
        broken = rules["stop-succeeds"]
        assert (broken["counts"], rules["texts-are-there"]["counts"]) == (True, False)
        assert broken["consequence"].startswith("A stop that fails")
        assert rules["start-is-complete"]["consequence"] == ""
        assert broken["provoked"] == "stop said 1 (did not act: stop said 1)"
        assert broken["calls"][0]["before"] == ["100 S uid 0 stop said 1 stop said 1"]

    def test_has_what_meta_data_says_beside_the_xml_and_not_the_xml(self) -> None:
        (run,) = SAMPLES["meta-data-says-nothing-else"].breaks
        read = check_schema(shown(judged(run)))
        (rule,) = [one for one in read["rules"] if one["id"] == "meta-data-says-nothing-else"]
        assert rule["calls"][0]["output"] == "which: no nginx"

    @given(documents())
    @a_few
    def test_whatever_an_agent_says_keeps_the_schema(self, made: Document) -> None:
        check_schema(made)
        assert dumps(made).isascii()

    def test_a_sentence_of_an_agent_has_an_end(self) -> None:
        made = shown(that_says("x" * 100_000))
        assert max(len(rule["sentence"]) for rule in made["rules"]) < 600


# --- JUnit -----------------------------------------------------------------------------------


class TestJunit:
    def read(self, made: Document) -> Any:  # noqa: ANN401 - without types
        """The suite as junitparser reads it, after the schema has had its say."""
        written = junit(made)
        assert written.isascii()
        XSD.assertValid(etree.fromstring(written.encode()))
        (suite,) = JUNITPARSER.JUnitXml.fromstring(written.encode())
        return suite

    def test_each_verdict_has_its_element(self) -> None:
        found = {case.name: case.result for case in self.read(ALL)}
        assert found.keys() == {rule.id for rule in RULES}
        told: dict[str, Any] = {
            name: (type(result[0]), result[0].message) for name, result in found.items() if result
        }
        skipped = JUNITPARSER.Skipped
        assert told == {
            "stop-succeeds": (JUNITPARSER.Failure, "stop said 1"),
            "start-is-complete": (skipped, "not-provoked: no start"),
            "levels-answer": (JUNITPARSER.Error, "error: the sandbox died"),
            "texts-are-there": (
                skipped,
                "fail, does not count (profile pacemaker): no text",
            ),
            "promotion-is-kept": (skipped, "does-not-apply: no promote"),
        }

    def test_counts_what_there_is(self) -> None:
        suite = self.read(ALL)
        assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (len(RULES), 1, 1, 3)

    def test_a_failure_has_its_proof_and_how_to_see_it_again(self) -> None:
        (case,) = [one for one in self.read(ALL) if one.name == "stop-succeeds"]
        proof = case.result[0].text
        for part in (
            "so: A stop that fails fences the node.",
            "| stop said 1",
            "remark: stop said 1",
            "there: 100 S uid 0",
            f"again: {' '.join(AGAIN)} --rule stop-succeeds",
        ):
            assert part in proof

    @given(documents())
    @example(shown(that_says("".join(HOSTILE))))
    @a_few
    def test_whatever_an_agent_says_stays_in_its_place(self, made: Document) -> None:
        suite = self.read(made)
        assert suite.name == visible(made["agent"])
        assert [case.name for case in suite] == [rule.id for rule in RULES]


# --- text ------------------------------------------------------------------------------------


def paragraph(written: str) -> str:
    """On one line, so that a search does not depend on where it is wrapped."""
    return " ".join(written.split())


class TestText:
    def test_what_is_broken_comes_first(self) -> None:
        written = text(ALL)
        places = [
            written.index(word) for word in ("FAIL stop", "error levels", "not provoked start")
        ]
        assert places == sorted(places)

    def test_what_is_open_for_one_reason_is_told_once(self) -> None:
        written = text(shown(judged(that_does_not_start())))
        told = "seen: the agent did not start: start said 1 (generic error)"
        assert written.count(told) == 1
        assert "start-when-running, stop-succeeds, stop-leaves-no-process" in paragraph(written)
        assert written.index("not provoked start-succeeds") < written.index(told)

    def test_what_does_not_count_is_told_in_a_line_at_the_end(self) -> None:
        written = text(ALL)
        aside = (
            "seen as well, and not counted (profile pacemaker):\n  FAIL texts-are-there: no text"
        )
        assert aside in written
        assert written.index(aside) > written.index("not provoked")

    def test_what_is_broken_by_itself_has_a_proof_of_its_own(self) -> None:
        same = Judgement("fail", "stop said 1")
        written = text(shown(judged(seen(), {"stop-succeeds": same, "stop-when-stopped": same})))
        assert "FAIL stop-succeeds\n" in written
        assert "FAIL stop-when-stopped\n" in written

    @pytest.mark.parametrize(
        ("changed", "ending", "counts"),
        [
            ({}, "passes", "{rest} hold"),
            (
                EACH,
                "not safe to hand to Pacemaker",
                (
                    "1 broken, 1 without a verdict, 1 not provoked, {rest} hold, "
                    "1 with nothing to judge"
                ),
            ),
            (
                {"stop-succeeds": Judgement("not-provoked", "x")},
                "nothing broken, but not proved",
                "1 not provoked, {rest} hold",
            ),
        ],
        ids=["all hold", "broken", "not proved"],
    )
    def test_closes_with_the_verdict(
        self, changed: dict[str, Judgement], ending: str, counts: str
    ) -> None:
        written = paragraph(text(shown(judged(seen(), changed))))
        counting = {rule.id for rule in rules_of("pacemaker")}
        told = counts.format(rest=len(counting - changed.keys()))
        basis = f"of {len(counting)} rules (profile pacemaker)"
        assert written.endswith(f"ponger: {ending}: {basis} {told}")

    def test_chosen_rules_are_the_basis(self) -> None:
        one = shown(judged(seen()), chosen=["stop-succeeds"])
        assert text(one).endswith("ponger: passes: of 1 rules (the chosen rule) 1 hold\n")

    def test_processes_that_stayed_are_told_once(self) -> None:
        run = SAMPLES["monitor-when-frozen"].breaks[0]
        written = text(shown(judged(run), chosen=["monitor-when-frozen"]))
        assert "there:  100 T uid 0 /usr/sbin/pongd foo" in written
        assert "before:" not in written

    def test_whose_call_it_was_and_at_which_level_is_told(self) -> None:
        deep = text(shown(judged(SAMPLES["levels-answer"].breaks[0]), chosen=["levels-answer"]))
        assert "$ OCF_RESKEY_name=foo OCF_CHECK_LEVEL=10 /usr/lib/ocf" in deep
        rule = "nobody-gets-an-answer"
        other = text(shown(judged(SAMPLES[rule].breaks[1]), chosen=[rule]))
        assert "no answer in 20 s as uid 65534 after 20.00 s" in other
        rule = "second-instance-is-another"
        second = text(shown(judged(SAMPLES[rule].breaks[0]), chosen=[rule]))
        assert "OCF_RESOURCE_INSTANCE=check2" in second

    def test_a_call_is_a_line_that_a_shell_reads_as_it_was_made(self) -> None:
        value = "it's $HOME; `x`\n\x1b[1m"
        one = replace(start(0, parameters={"name": value}), argv=("/usr/bin/env", "-0"))
        made = shown(judged(seen(), {"stop-succeeds": Judgement("fail", "x", (one,))}))
        (rule,) = [rule for rule in made["rules"] if rule["id"] == "stop-succeeds"]
        line = asked(rule["calls"][0])
        ran = subprocess.run(["/bin/bash", "-c", line], capture_output=True, check=True)
        assert f"OCF_RESKEY_name={value}".encode() in ran.stdout.split(b"\0")

    @pytest.mark.parametrize("columns", [50, 80, 100, 120])
    def test_fits_the_paper_but_for_what_is_pasted(self, columns: int) -> None:
        for made in (ALL, shown(judged(that_does_not_start())), shown(that_says("word " * 99))):
            lines = [one for one in text(made, columns).splitlines() if "  again: " not in one]
            assert max(map(width, lines)) <= columns

    @given(made=documents(), colour=st.booleans())
    @example(made=shown(that_says("".join(HOSTILE))), colour=True)
    @a_few
    def test_nothing_of_an_agent_acts_on_the_terminal(
        self, *, made: Document, colour: bool
    ) -> None:
        written = text(made, colour=colour)
        plain = re.sub(r"\x1b\[(0|1|2|1;31|32|33|35)m", "", written) if colour else written
        acting = {one for one in plain if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Co")}
        assert acting <= {"\n"}
        assert [one for one in plain.splitlines() if one.strip().startswith("::")] == []
        assert "##[" not in plain

    def test_each_finding_can_be_seen_again_by_what_is_pasted(self) -> None:
        words = ["ocfkit", "check", "./an agent", "-p", "name=it's $HOME", "--prepare=rm -r 'x'"]
        written = text(shown(judged(seen(), EACH), again=words))
        pasted = re.findall(r"^  again: (.*)$", written, flags=re.MULTILINE)
        assert len(pasted) == 3
        assert shlex.split(pasted[0]) == [*words, "--rule", "stop-succeeds"]


# --- HTML ------------------------------------------------------------------------------------


class Read(HTMLParser):
    """A page: its tags, its text, and whether every tag is closed."""

    VOID = ("meta", "br")

    def __init__(self, written: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(written)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


class TestHtml:
    def test_has_every_rule_and_opens_what_is_to_be_looked_at(self) -> None:
        read = Read(page(ALL))
        for rule in RULES:
            assert rule.id in read.text
        details = [attributes for tag, attributes in read.tags if tag == "details"]
        assert len(details) == len(RULES)
        assert sum("open" in one for one in details) == 3
        assert "not safe to hand to Pacemaker" in read.text

    def test_a_verdict_is_a_word_and_not_a_colour_alone(self) -> None:
        read = Read(page(ALL))
        for word in (
            "✗ broken",
            "! no verdict",
            "? not provoked",
            "✓ holds",
            "\N{EN DASH} nothing to judge",
        ):
            assert word in read.text

    def test_has_no_script_and_asks_for_nothing(self) -> None:
        read = Read(page(ALL))
        names = {tag for tag, _ in read.tags}
        assert not names & {"script", "link", "img", "iframe", "object", "form", "a", "base"}
        (policy,) = [
            attributes["content"]
            for tag, attributes in read.tags
            if tag == "meta" and "http-equiv" in attributes
        ]
        assert (policy or "").startswith("default-src 'none'; style-src 'sha256-")
        assert not re.search(r"url\(|@import|https?:", page(ALL))

    @given(documents())
    @example(shown(that_says("".join(HOSTILE))))
    @example(shown(that_says("</pre><script>alert(1)</script>${x} $$ \"'")))
    @a_few
    def test_whatever_an_agent_says_stays_text(self, made: Document) -> None:
        written = page(made)
        assert written.isascii()
        read = Read(written)
        known = {
            *("html", "head", "meta", "title", "style", "body", "header", "main", "section"),
            *("h1", "h2", "p", "dl", "dt", "dd", "details", "summary", "span", "b", "br", "code"),
            *("div", "pre"),
        }
        assert {tag for tag, _ in read.tags} <= known
        assert visible(made["agent"]) in read.text
        assert {name for _, attributes in read.tags for name in attributes} <= {
            *("lang", "charset", "http-equiv", "content", "name", "class", "open"),
        }


def test_lsbcheck_and_ocfkit_agree_on_the_schema_of_json() -> None:
    other = Path(lsbcheck.report.__file__).with_name("schema.json").read_text(encoding="utf-8")
    assert SCHEMA["$schema"] == json.loads(other)["$schema"]


def test_a_secret_in_an_argument_is_broken_and_yet_not_shown() -> None:
    made = shown(judged(seen(secrets=told(f"--password={CANARY}"))))
    (rule,) = [one for one in made["rules"] if one["id"] == "secrets-are-not-in-arguments"]
    assert rule["verdict"] == "fail"
    assert CANARY not in dumps(made)
