"""The page as a file: what is in it, what can be fetched from it, and in which languages it speaks.

How it behaves in a browser is tested in tests/browser.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lsbcheck.report.html
from lsbcheck import exitcodes
from lsbcheck.check import Report
from lsbcheck.report import Setting
from lsbcheck.report.html import SCRIPT, page
from lsbcheck.report.html.pool import Pool
from lsbcheck.report.json import Json, document
from lsbcheck.report.shape import Document
from lsbcheck.rules import RULES, Judgement
from lsbcheck.rules.samples import seen, start
from lsbcheck.sandbox.interface import SandboxUnavailable
from lsbcheck.script import Script
from lsbcheck.transcript import Transcript
from tests.lsbcheck.test_main import Fake

PARTS = Path(lsbcheck.report.html.__file__).parent
SCRIPTS = sorted((PARTS / "script").iterdir())
WORDS = json.loads((PARTS / "words.json").read_text("utf-8"))
VOID = {"meta", "link", "input", "col", "br"}

patient = settings(max_examples=50, deadline=None)
HOSTILE = st.lists(
    st.sampled_from(
        [
            "</script>",
            "</SCRIPT\n>",
            "<!--<script>",
            "-->",
            "<img src=x onerror=alert(1)>",
            '" autofocus onfocus="',
            "'`$matrix ${data} $$",
            'data-word="skip"></',
            "&lt;&amp;&#0;",
            "\u2028\u2029\ufeff",
            "\ud800",
            "\udcff",
            "\0\x1b[31m\r\n",
            "\u202e表",
            "]]>",
        ]
    )
    | st.text(st.characters(), max_size=4),
    max_size=6,
).map("".join)


def judged(transcript: Transcript, script: Script) -> Report:
    return Report(script, transcript, {rule.id: rule.judge(transcript) for rule in RULES})


def shown(name: str = "sample", output: str = "", transcript: Transcript | None = None) -> Document:
    """The document of one script that fails to report a failed start."""
    path = f"/etc/init.d/{name}"
    script = Script(name, path, path, "#!/bin/sh\n", "/bin/sh")
    call = replace(start(0, up=False), output=output, argv=(path, "start"))
    failing = seen()["start-failure"]
    transcript = transcript or seen(start_failure=replace(failing, calls=(call,)))
    return document([judged(transcript, script)], Setting(), exitcodes.BROKEN, transcripts=True)


def as_json_has_it(text: str) -> str:
    """Two halves of a surrogate pair that meet are one character there."""
    return str(json.loads(json.dumps(text)))


class Parsed(HTMLParser):
    """A page taken apart as a browser does, as far as the page goes."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.raw: dict[str, str] = {}
        self.rows: list[list[str]] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag in VOID or tag == "colgroup":
            return
        self._open.append(tag)
        self._raw = dict(attrs).get("id") or tag
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag != "colgroup":
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("script", "style"):
            self.raw[self._raw] = self.raw.get(self._raw, "") + data
            return
        self.text.append(data)
        if "td" in self._open or "th" in self._open:
            self.rows[-1][-1] += data

    def attribute(self, tag: str, name: str) -> list[str]:
        return [value for one, key, value in self.attributes if (one, key) == (tag, name)]


def unpacked(data: str) -> dict[str, Any]:
    """As script/data.js does it."""
    packed = json.loads(data)
    shapes, values = packed["shapes"], packed["values"]

    def value(number: int) -> Any:  # noqa: ANN401 - JSON
        node = values[number]
        if not isinstance(node, list):
            return node
        shape, *numbers = cast("list[int]", node)
        items = [value(item) for item in numbers]
        return dict(zip(shapes[shape], items, strict=True)) if shape else items

    return {
        "rules": value(packed["rules"]),
        "scripts": [value(number) for number in packed["scripts"]],
    }


def data_of(html: str) -> dict[str, Any]:
    return unpacked(Parsed(html).raw["data"])


class TestPool:
    @patient
    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | HOSTILE,
            lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
        )
    )
    def test_gives_back_what_it_was_given(self, value: Json) -> None:
        pool = Pool()
        number = pool.add(value)
        given_back = unpacked(pool.dumps(rules=number, scripts=[]))["rules"]
        as_text = json.dumps(json.loads(json.dumps(value)))
        assert json.dumps(given_back) == as_text  # which tells True, 1 and 1.0 apart

    def test_stores_equal_values_once(self) -> None:
        pool = Pool()
        assert pool.add(["a", {"b": 1}]) == pool.add(["a", {"b": 1}])
        assert pool.add(1) != pool.add(True)  # noqa: FBT003
        assert pool.add(1) != pool.add(1.0)


class TestHostileText:
    HARMLESS = Parsed(page(shown()))

    @patient
    @given(name=HOSTILE, output=HOSTILE)
    def test_makes_no_element_and_no_attribute(self, name: str, output: str) -> None:
        parsed = Parsed(page(shown(name, output)))
        assert [tag for tag in parsed.tags if tag != "small"] == [
            tag for tag in self.HARMLESS.tags if tag != "small"
        ]
        assert [one[:2] for one in parsed.attributes] == [
            one[:2] for one in self.HARMLESS.attributes
        ]

    @patient
    @given(name=HOSTILE, output=HOSTILE)
    def test_arrives_as_it_was(self, name: str, output: str) -> None:
        script = data_of(page(shown(name, output)))["scripts"][0]
        assert script["name"] == as_json_has_it(name)
        proof = next(rule for rule in script["rules"] if rule["id"] == "start-failure-reported")
        assert proof["evidence"]["calls"][0]["output"] == as_json_has_it(output)

    @patient
    @given(HOSTILE)
    def test_cannot_move_or_reorder_what_stands_beside_it(self, name: str) -> None:
        shown_text = "".join(Parsed(page(shown(name))).text)
        assert not re.search(
            "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029\ud800-\udfff]", shown_text
        )

    @patient
    @given(HOSTILE)
    def test_leaves_the_page_ascii(self, name: str) -> None:
        assert page(shown(name, name)).isascii()

    def test_of_a_cause_or_a_note_is_escaped(self) -> None:
        why = SandboxUnavailable("<b>cause", "<i>cure")
        html = page(
            document(
                [], Setting(prepare="<u>"), exitcodes.NO_SANDBOX, notes=["<s>"], unavailable=why
            )
        )
        assert not {"u", "s"} & set(Parsed(html).tags)
        assert "<b>cause: " not in html
        assert "scripts were not run: <b>cause. Cure: <i>cure." in "".join(Parsed(html).text)


class TestNothingIsFetched:
    html = page(shown())
    parsed = Parsed(html)

    def policy(self) -> dict[str, str]:
        (policy,) = (
            value for value in self.parsed.attribute("meta", "content") if "default-src" in value
        )
        words = [part.strip().partition(" ") for part in policy.split(";")]
        return {name: value for name, _, value in words}

    def test_the_policy_allows_one_style_and_one_script_by_their_hashes(self) -> None:
        style, script = self.parsed.raw["style"], self.parsed.raw["script"]
        assert self.policy() == {
            "default-src": "'none'",
            "style-src": hash_of(style),
            "script-src": hash_of(script),
            "base-uri": "'none'",
            "form-action": "'none'",
            "require-trusted-types-for": "'script'",
            "trusted-types": "'none'",
        }

    def test_the_policy_stands_before_all_that_it_governs(self) -> None:
        assert self.html.index("Content-Security-Policy") < self.html.index("<style>")
        assert re.search(
            r"^<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">", self.html
        )

    def test_no_element_can_load_anything(self) -> None:
        assert not {"link", "img", "iframe", "object", "embed", "base", "video"} & set(
            self.parsed.tags
        )
        addresses = [
            value
            for _, name, value in self.parsed.attributes
            if name in ("src", "href", "action", "style")
        ]
        assert addresses == ["#matrix"]
        assert [name for _, name, _ in self.parsed.attributes if name.startswith("on")] == []

    def test_the_script_is_made_of_all_its_parts(self) -> None:
        assert {path.stem for path in SCRIPTS} == set(SCRIPT)

    def test_no_part_names_an_address_or_loads_one(self) -> None:
        for file in (PARTS / "style.css", PARTS / "page.html", *SCRIPTS):
            text = file.read_text("utf-8")
            assert not re.search(
                r"https?:|url\(|@import|import\(|fetch\(|XMLHttp|WebSocket|sendBeacon", text
            )

    def test_no_part_turns_text_into_markup(self) -> None:
        script = self.parsed.raw["script"]
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(", script
        )


def hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


class TestWords:
    @pytest.mark.parametrize("key", WORDS["words"])
    def test_stand_in_both_languages_with_the_same_values(self, key: str) -> None:
        english, japanese = WORDS["words"][key]
        assert english.strip()
        assert japanese.strip()
        assert values_in(english) == values_in(japanese)

    def test_are_those_that_the_page_uses(self) -> None:
        text = page(shown()) + "".join(
            path.read_text("utf-8")
            for path in (*PARTS.iterdir(), *SCRIPTS)
            if path.suffix in (".py", ".js", ".html")
        )
        named = set(re.findall(r'data-(?:word|label|hint)="([a-z-]+)"', text))
        named |= set(re.findall(r'\b(?:say|labelled|button)\("([a-z-]+)"', text))
        quoted = set(re.findall(r'"([A-Za-z-]+)"', text))
        families = ("verdict-", "ending-", "scenario-", "state-", "group-", "event-")
        assert named <= set(WORDS["words"]) | {"{key}", "{found}"}
        unused = {
            key
            for key in WORDS["words"]
            if key not in named | quoted and not key.startswith(families)
        }
        assert unused == set()

    def test_every_rule_has_a_japanese_title(self) -> None:
        assert set(WORDS["titles"]) == {rule.id for rule in RULES}
        assert all(re.search("[ぁ-ん]", title) for title in WORDS["titles"].values())

    def test_every_consequence_of_a_sample_is_told_in_japanese(self) -> None:
        told = {
            rule.judge(sample).consequence
            for rule in RULES
            for sample in (*rule.valid, *rule.invalid)
        }
        known = {
            re.sub(r"exit \d+|killed by signal \d+", "{answer}", one, count=1)
            for one in told
            if one
        }
        assert known <= set(WORDS["consequences"])
        for english, japanese in WORDS["consequences"].items():
            assert values_in(english) == values_in(japanese)
            assert re.search("[ぁ-ん]", japanese)

    def test_every_scenario_has_a_name(self) -> None:
        scenarios = {f"scenario-{name}" for name in seen().scenarios}
        assert {
            key for key in WORDS["words"] if key.startswith("scenario-") and key != "scenario-error"
        } == scenarios


def values_in(text: str) -> list[str]:
    return sorted(re.findall(r"\{[\w-]+\}", text))


class TestTheMatrixWithoutJavaScript:
    def test_has_a_row_for_each_script_and_a_column_for_each_rule(self) -> None:
        *_, names, keys, row = Parsed(page(shown())).rows[:4]
        assert names[:2] == ["Script", "Verdict"]
        assert names[2:] == [rule.id for rule in RULES]
        assert keys[1:] == [
            f"{rule.number or 'abcdefghijk'[place - 8]}{int(rule.id == 'start-failure-reported')}"
            for place, rule in enumerate(RULES)
        ]
        assert row[:5] == ["sample", "✗", "✓", "✓", "✗"]

    def test_tells_scripts_of_one_name_apart_by_their_path(self) -> None:
        made = shown()
        other = copy.deepcopy(made["scripts"][0])
        other["script"] = "/opt/init.d/sample"
        made["scripts"].append(other)
        assert [row[0] for row in Parsed(page(made)).rows[3:]] == [
            "sample/etc/init.d/sample",
            "sample/opt/init.d/sample",
        ]

    def test_leaves_a_rule_that_was_not_judged_empty(self) -> None:
        chosen = document(
            [
                Report(WEBD, Transcript(WEBD.path), {"start-succeeds": Judgement("pass", "x")}),
                Report(WEBD, Transcript(WEBD.path), {"lsb-header": Judgement("error", "x")}),
            ],
            Setting(chosen=("start-succeeds", "lsb-header")),
            exitcodes.NOT_PROVED,
        )
        assert [row[1:] for row in Parsed(page(chosen)).rows[3:]] == [
            ["?", "✓", ""],
            ["?", "", "!"],
        ]


WEBD = Script("webd", "/etc/init.d/webd", "/etc/init.d/webd", "#!/bin/sh\n", "/bin/sh")


class TestDocuments:
    def test_are_not_changed(self) -> None:
        made = shown()
        before = copy.deepcopy(made)
        assert page(made) == page(before)
        assert made == before

    def test_of_no_script_have_a_page(self) -> None:
        html = page(document([], Setting(), exitcodes.ALL_HOLD))
        assert "No script was checked" in "".join(Parsed(html).text)

    def test_without_transcripts_have_the_proofs(self) -> None:
        report = judged(seen(start_failure=(start(0, up=False),)), WEBD)
        script = data_of(page(document([report], Setting(), exitcodes.BROKEN)))["scripts"][0]
        assert script["scenarios"] == []
        assert any(rule["evidence"]["calls"] for rule in script["rules"])

    def test_with_a_baseline_show_what_is_known(self) -> None:
        made = shown()
        for rule in made["scripts"][0]["rules"]:
            rule["baseline"] = "fail"
        made["baseline"] = "before.json"
        made["scripts"][0]["exit_code"] = exitcodes.ALL_HOLD
        html = page(made)
        assert Parsed(html).rows[3][:5] == ["sample", "≈", "✓", "✓", "≈"]
        rules = {rule["id"]: rule for rule in data_of(html)["scripts"][0]["rules"]}
        assert rules["start-failure-reported"]["standing"] == "known"
        assert rules["start-succeeds"]["gone"] is True

    def test_of_a_container_name_its_image(self) -> None:
        made = shown()
        made["sandbox"]["image"] = "debian:<12>"
        assert "Imagedebian:<12>" in "".join(Parsed(page(made)).text)

    def test_that_were_merged_name_the_run_and_its_options(self) -> None:
        made = shown()
        made["scripts"][0]["origin"] = "web1"
        made["merged"] = [
            {
                "origin": "web1",
                "lsbcheck": "0",
                "exit_code": exitcodes.BROKEN,
                "sandbox": {**made["sandbox"], "options": ["--root", "/srv/web1"]},
            }
        ]
        html = page(made)
        assert Parsed(html).rows[3][0] == "web1: sample"
        assert data_of(html)["scripts"][0]["options"] == ["--root", "/srv/web1"]

    def test_share_what_a_proof_and_the_transcript_have_in_common(self) -> None:
        script = data_of(page(shown()))["scripts"][0]
        proofs = [call for rule in script["rules"] for call in rule["evidence"]["calls"]]
        told = [call for scenario in script["scenarios"] for call in scenario["calls"]]
        assert all(proof in told for proof in proofs)


def test_the_command_shows_every_call_in_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("webd").write_text("#!/bin/sh\nexit 0\n")
    Path("webd").chmod(0o755)
    assert Fake().run("--format", "html", "-o", "report.html", "./webd") == 0
    script = data_of(Path("report.html").read_text("ascii"))["scripts"][0]
    assert [scenario["name"] for scenario in script["scenarios"]] == ["watched"]
