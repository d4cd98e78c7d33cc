"""Saved documents: what is taken for one, and many made one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsbcheck.__main__ import main
from lsbcheck.report import Setting
from lsbcheck.report.baseline import Baseline
from lsbcheck.report.formats import FORMATS
from lsbcheck.report.json import dumps
from lsbcheck.report.saved import SavedError, merge, read
from lsbcheck.report.schema import fault, schema
from lsbcheck.report.shape import Document
from lsbcheck.sandbox.interface import SandboxUnavailable
from tests.lsbcheck.reports import BROKEN, a_few, documents, judged, run, saved
from tests.lsbcheck.test_main import Fake

NONE = "no report of lsbcheck --format json"
GONE = "is not there"
ODD: list[object] = [None, True, 0, 1, 1.0, -1, 1.5, 9, "", "pass", "A b", [], {}, [1]]
JUDGE: Any = jsonschema.Draft202012Validator(schema())

BAD = run(("webd", {"start-failure-reported": BROKEN}))
GOOD = run(("webd", {}), ("maild", {}))
OPEN = run(("cron", {"stop-succeeds": judged("not-provoked", "no stop")}))
UNTOLD: dict[str, Any] = {**BAD["scripts"][0], "transcript": {"scenarios": {"cycle": {}}}}
SMALL = merge([("a", Baseline(BAD, "old").beside(BAD))])
"""A document with every field, and little of each."""
SMALL["scripts"][0]["rules"] = [
    rule for rule in SMALL["scripts"][0]["rules"] if rule["verdict"] == "fail"
]
LACKING = run(unavailable=SandboxUnavailable("no SYS_ADMIN", "add it"))


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def merged(*arguments: str) -> Document:
    """What `lsbcheck merge` writes."""
    main(["merge", "--format=json", "-o", "made", *arguments])
    return read("made")


def ways(value: Any, *before: Any) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - JSON
    """What leads to each value in a document."""
    inner: Any = ()
    match value:
        case dict():
            inner = cast("Any", value)
        case list():
            inner = range(len(cast("Any", value)))
        case _:
            pass
    for key in inner:
        yield (*before, key)
        yield from ways(value[key], *before, key)


class TestSchema:
    """The small reader of schemas against a whole one."""

    @given(documents())
    @a_few
    def test_takes_what_is_written(self, made: Document) -> None:
        assert fault(json.loads(dumps(made))) is None

    @pytest.mark.parametrize("odd", [GONE, *ODD], ids=repr)
    def test_agrees_on_what_was_tampered_with(self, odd: object) -> None:
        """At every place of a document: the value is another one, or is gone."""
        for way in ways(SMALL):
            made = json.loads(dumps(SMALL))
            *before, key = way
            place = made
            for step in before:
                place = place[step]
            if odd == GONE:
                del place[key]
            else:
                place[key] = odd
            assert (fault(made) is None) == JUDGE.is_valid(made), (way, fault(made))

    @a_few
    @given(st.recursive(st.one_of(st.none(), st.booleans(), st.floats(), st.text()), st.lists))
    def test_agrees_on_anything(self, value: object) -> None:
        assert (fault(value) is None) == JUDGE.is_valid(value)


class TestRead:
    @given(documents())
    @a_few
    def test_gives_back_what_was_written(self, made: Document) -> None:
        assert read(saved("one.json", made)) == json.loads(dumps(made))

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"", "not JSON"),
            (b"{", "not JSON"),
            (b"\xff\xfe{}", "not JSON"),
            (b"[" * 100_000, "not JSON"),
            (b"9" * 10_000, "not JSON"),
            (b'{"a": NaN}', "not JSON"),
            (b"{}", "the document has no schema_version"),
            (b"[]", "the document is no object"),
            (b"null", "the document is no object"),
            (b'{"schema_version": 2}', "its schema_version is 2, and this lsbcheck reads 1"),
            (b'{"schema_version": true}', "the document has no lsbcheck"),
            (dumps({**BAD, "scripts": [1]}).encode(), "an entry of scripts of the document"),
            (
                dumps({**BAD, "scripts": [UNTOLD]}).encode(),
                "scenarios of transcript of",
            ),
            (dumps({**BAD, "exit_code": 2}).encode(), "exit_code of the document is none of"),
        ],
        ids=lambda value: repr(value)[:24],
    )
    def test_says_what_is_wrong_with_a_file(self, content: bytes, says: str) -> None:
        Path("one.json").write_bytes(content)
        with pytest.raises(SavedError) as raised:
            read("one.json")
        assert str(raised.value).startswith("one.json: ")
        assert says in str(raised.value)

    @pytest.mark.parametrize("path", ["none.json", ".", "a\0b", ""], ids=repr)
    def test_says_what_cannot_be_read(self, path: str) -> None:
        with pytest.raises(SavedError):
            read(path)


class TestMerge:
    def test_keeps_from_which_file_each_script_is(self) -> None:
        made = merge([("out/web1.json", BAD), ("out/web2.json", GOOD)])
        assert [(one.get("origin"), one["name"]) for one in made["scripts"]] == [
            ("web1", "webd"),
            ("web2", "webd"),
            ("web2", "maild"),
        ]
        assert JUDGE.is_valid(json.loads(dumps(made)))

    def test_names_files_by_their_path_where_their_names_meet(self) -> None:
        made = merge([("a/report.json", BAD), ("b/report.json", GOOD)])
        assert [one["origin"] for one in made.get("merged", [])] == [
            "a/report.json",
            "b/report.json",
        ]

    def test_of_merged_documents_keeps_both_names(self) -> None:
        site = merge([("web1.json", BAD), ("web2.json", GOOD)])
        made = merge([("tokyo.json", site), ("web1.json", OPEN)])
        assert [one["origin"] for one in made.get("merged", [])] == [
            "tokyo/web1",
            "tokyo/web2",
            "web1",
        ]
        assert [one.get("origin") for one in made["scripts"]] == [
            "tokyo/web1",
            "tokyo/web2",
            "tokyo/web2",
            "web1",
        ]

    @pytest.mark.parametrize(
        ("parts", "code"),
        [
            ((GOOD,), 0),
            ((GOOD, OPEN), 3),
            ((OPEN, GOOD, BAD), 1),
            ((LACKING, LACKING), 4),
            ((LACKING, GOOD), 3),
            ((LACKING, BAD), 1),
        ],
        ids=["good", "open", "bad", "no sandbox", "one without", "bad and one without"],
    )
    def test_has_the_exit_code_of_all(self, parts: tuple[Document, ...], code: int) -> None:
        files = [saved(f"{number}.json", part) for number, part in enumerate(parts)]
        assert main(["merge", *files]) == code
        assert merged(*files)["exit_code"] == code

    def test_tells_of_a_host_that_had_no_sandbox(self, capsys: pytest.CaptureFixture[str]) -> None:
        files = [saved("web1.json", GOOD), saved("web2.json", LACKING)]
        assert main(["merge", *files]) == 3
        assert capsys.readouterr().out.endswith("\nweb2: no sandbox: no SYS_ADMIN\n")

    def test_shows_where_each_script_was_run(self, capsys: pytest.CaptureFixture[str]) -> None:
        rooted = run(("webd", {"lsb-header": BROKEN}), setting=Setting(root="/srv/r", prepare="x"))
        main(["merge", saved("web1.json", rooted), saved("web2.json", BAD)])
        out = capsys.readouterr().out
        first, second = out.split("from web2")
        assert "  from web1\n  prepared in each sandbox by: x" in first
        assert "again: lsbcheck --rule lsb-header --root /srv/r --prepare x" in first
        assert "prepared" not in second
        assert "web1: webd" in second

    def test_refuses_exit_codes_that_rest_on_different_rules(self) -> None:
        strict = run(("webd", {}), setting=Setting(profile="strict"))
        chosen = run(("webd", {}), setting=Setting(chosen=("stop-succeeds",)))
        with pytest.raises(SavedError, match=r"b: .* rests on profile strict, and that of a on"):
            merge([("a", GOOD), ("b", strict)])
        with pytest.raises(SavedError, match="the rules stop-succeeds"):
            merge([("a", GOOD), ("b", chosen)])

    def test_refuses_a_file_that_is_named_twice(self) -> None:
        with pytest.raises(SavedError, match="named twice"):
            merge([("a", GOOD), ("a", GOOD)])

    @pytest.mark.parametrize("name", ["text", *FORMATS])
    def test_has_every_format(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        files = [saved("web1.json", GOOD), saved("web2.json", BAD)]
        assert main(["merge", "--format", name, *files]) == 1
        assert "web2" in capsys.readouterr().out

    def test_of_bad_files_names_all_and_makes_nothing(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        Path("bad.json").write_text("{}")
        assert main(["merge", "-o", "made", "bad.json", saved("ok.json", GOOD), "no.json"]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.splitlines() == [
            f"lsbcheck: bad.json: {NONE}: the document has no schema_version",
            "lsbcheck: no.json: cannot be read: no such file or directory",
        ]
        assert not Path("made").exists()

    def test_needs_a_file(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["merge"]) == 2
        assert "FILE" in capsys.readouterr().err

    def test_may_write_over_a_file_that_it_has_read(self) -> None:
        saved("a.json", GOOD)
        assert main(["merge", "--format=json", "-o", "a.json", "a.json"]) == 0
        assert "merged" in read("a.json")

    @pytest.mark.parametrize("argv", [["./merge"], ["--jobs", "1", "merge"], ["--", "merge"]])
    def test_a_script_of_its_name_can_be_checked(self, argv: list[str]) -> None:
        Path("merge").write_text("#!/bin/sh\n")
        Path("merge").chmod(0o755)
        fake = Fake()
        assert fake.run(*argv) == 0
        assert [script.name for script in fake.scripts] == ["merge"]
