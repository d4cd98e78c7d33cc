"""Meta-data as a record: what ocfkit writes is read back, and no text is a traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ocfkit import durations
from ocfkit.conformance.description import Action, Description, DescriptionError, parse
from ocfkit.metadata import PROFILES, metadata
from tests.ocfkit import strategies
from tests.ocfkit.conformance.seen import META_DATA
from tests.ocfkit.strategies import Declared, Parameter

if TYPE_CHECKING:
    from ocfkit.metadata import Profile

each_profile = pytest.mark.parametrize("profile", PROFILES)
patient = settings(deadline=None)

TAGS = (
    *("resource-agent", "version", "parameters", "parameter", "content", "option", "actions"),
    *("action", "longdesc", "shortdesc", "deprecated"),
)
ATTRIBUTES = (
    *("name", "version", "type", "default", "required", "unique", "unique-group", "timeout"),
    *("interval", "depth", "role", "lang", "xml:lang", "value", "start-delay"),
)


def written(tag: str, attributes: dict[str, str], inner: list[str]) -> str:
    told = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f"<{tag}{told}>{''.join(inner)}</{tag}>"


words = st.sampled_from(["", "0", "1", "20s", "-1", "9" * 400, "monitor", "start", "٣", "²", "é"])
elements = st.recursive(
    st.sampled_from(["", "text", "<!-- x -->", "&amp;"]),
    lambda inner: st.builds(
        written,
        st.sampled_from(TAGS),
        st.dictionaries(st.sampled_from(ATTRIBUTES), words, max_size=4),
        st.lists(inner, max_size=4),
    ),
    max_leaves=12,
)
agents = st.lists(elements, max_size=4).map(lambda inner: written("resource-agent", {}, inner))


class TestAnyText:
    @given(st.text() | agents | st.lists(elements).map("".join))
    @example("")
    @example("\0")
    @example("<resource-agent/>")
    @example("<\ud800/>")
    @example('<?xml version="1.0" encoding="no-such"?><resource-agent/>')
    @example('<?xml version="1.0" encoding="utf-16"?><resource-agent/>')
    @example("<!DOCTYPE x [<!ENTITY a '&a;'>]><resource-agent name='&a;'/>")
    @patient
    def test_is_meta_data_or_said_in_a_sentence_not_to_be(self, text: str) -> None:
        told = sentence_of(text)
        if told is None:
            use(parse(text))
        else:
            assert told.startswith("it")
            assert "\n" not in told

    def test_that_grows_by_its_entities_is_refused(self) -> None:
        entities = "".join(f"<!ENTITY e{n} '{f'&e{n - 1};' * 10}'>" for n in range(1, 12))
        text = f"<!DOCTYPE x [<!ENTITY e0 'x'>{entities}]><resource-agent><version>&e11;</version>"
        with pytest.raises(DescriptionError, match="it is no XML"):
            parse(f"{text}</resource-agent>")

    def test_of_a_hundred_thousand_elements_is_refused_or_read(self) -> None:
        deep = "<a>" * 100_000
        with pytest.raises(DescriptionError, match="it is no XML"):
            parse(f"<resource-agent>{deep}")
        assert parse(f"<resource-agent>{deep}{'</a>' * 100_000}</resource-agent>").actions == ()

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("", "it is no XML: no element found: line 1, column 0"),
            ("<agent/>", "its root element is <agent> and not <resource-agent>"),
        ],
    )
    def test_is_refused_with_what_it_is(self, text: str, sentence: str) -> None:
        with pytest.raises(DescriptionError) as refusal:
            parse(text)
        assert str(refusal.value) == sentence


def sentence_of(text: str) -> str | None:
    """Why it is no meta-data; None if it is."""
    try:
        parse(text)
    except DescriptionError as refusal:
        return str(refusal)
    return None


def use(found: Description) -> None:
    """Ask it everything that a rule or the itinerary asks."""
    assert list(found.levels) == sorted(set(found.levels))
    for each in found.actions:
        assert found.advertises(each.name)
        assert each.level >= 0
        assert each.seconds is None or each.seconds >= 0
        found.timeout(each.name, each.level)


@each_profile
class TestWhatOcfkitWrites:
    @given(declared=strategies.declarations())
    @patient
    def test_reads_back_its_parameters(self, declared: Declared, profile: Profile) -> None:
        found = parse(metadata(declared.cls(), "an agent", profile))
        assert (found.name, found.version, found.api) == ("an agent", declared.version, profile)
        assert found.has_doctype
        wanted = {
            each.option("name") or attribute: each
            for attribute, each in declared.parameters.items()
        }
        assert [each.name for each in found.parameters] == (list(wanted) or ["debug"])
        for each in found.parameters if wanted else ():
            one = wanted[each.name]
            assert each.required == ("required" in one.options)
            assert each.type in type_of(one)
            if one.kind != "duration":
                assert each.default == one.default
            elif one.default is not None:
                assert durations.seconds(each.default or "") == pytest.approx(one.default)
            if profile == "1.1":
                assert each.options == tuple(one.choices)
                assert each.unique == bool(one.option("unique"))
                assert each.deprecated == bool(one.option("deprecated"))

    @given(declared=strategies.declarations())
    @patient
    def test_reads_back_its_actions_and_levels(self, declared: Declared, profile: Profile) -> None:
        found = parse(metadata(declared.cls(), "agent", profile))
        hidden = {"reload", "reload-agent"} if profile == "1.0" else set[str]()
        for name, milliseconds in declared.timeouts.items():
            assert found.advertises(name) == (name not in hidden)
            if name not in hidden:
                assert found.timeout(name) == pytest.approx(milliseconds / 1000)
        assert found.levels == tuple(sorted({0, *(one.level for one in declared.checks.values())}))
        for level in found.levels[1:]:
            timeouts = [one.timeout for one in declared.checks.values() if one.level == level]
            assert found.timeout("monitor", level) == pytest.approx(max(timeouts) / 1000)

    @given(declared=strategies.declarations())
    @patient
    def test_has_every_text_in_its_language(self, declared: Declared, profile: Profile) -> None:
        found = parse(metadata(declared.cls(), "agent", profile))
        told = {(each.of, each.element) for each in found.texts if each.text}
        for of in ("the agent", *(f"parameter {each.name}" for each in found.parameters)):
            assert {(of, "longdesc"), (of, "shortdesc")} <= told
        if declared.parameters:
            assert {each.lang for each in found.texts} == {declared.lang}


def type_of(one: Parameter) -> set[str]:
    return {one.content_type, "select"} if one.choices else {one.content_type}


class TestWhatOthersWrite:
    def described(self, *changes: tuple[str, str]) -> Description:
        text = META_DATA
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return parse(text)

    @pytest.mark.parametrize(
        ("word", "truth"),
        [("1", True), ("true", True), ("YES", True), ("on", True), ("0", False), ("", False)],
    )
    def test_a_truth_is_read_as_pacemaker_does(self, word: str, *, truth: bool) -> None:
        found = self.described(('required="1"', f'required="{word}"'))
        assert found.parameters[0].required == truth

    def test_unique_has_two_spellings(self) -> None:
        found = self.described(('<parameter name="password">', '<parameter name="x" unique="1">'))
        assert [each.unique for each in found.parameters] == [False, True, True]

    def test_a_level_that_is_no_number_is_the_lowest(self) -> None:
        assert self.described(('depth="10"', 'depth="deep"')).levels == (0,)
        assert self.described(('depth="10"', 'depth="²"')).levels == (0,)

    def test_a_level_without_a_timeout_gets_that_of_the_others(self) -> None:
        found = self.described(('timeout="20s" interval="60s" depth', 'interval="60s" depth'))
        assert found.timeout("monitor", 10) is None or found.timeout("monitor", 10) == 20.0
        assert found.timeout("monitor", 17) == 20.0
        assert found.timeout("paint") is None

    def test_a_timeout_that_cannot_be_read_is_none(self) -> None:
        assert Action("start", timeout="soon").seconds is None
        assert Action("start").seconds is None
        assert Action("start", timeout="1min").seconds == 60.0

    def test_a_language_has_two_spellings(self) -> None:
        found = self.described(('<longdesc lang="en">Of', '<longdesc xml:lang="de">Of'))
        assert {each.lang for each in found.texts} == {"en", "de"}
