"""Meta-data says what the class declares, nothing else, and says it the same way each time."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from ocfkit import Agent, action, monitor, param
from ocfkit.metadata import PROFILES, first_sentence, metadata
from tests.ocfkit import advertised, strategies
from tests.ocfkit.advertised import Action, MetaData, Text
from tests.ocfkit.strategies import Declared

if TYPE_CHECKING:
    from ocfkit.metadata import Profile

ROOT = Path(__file__).resolve().parents[2]

each_profile = pytest.mark.parametrize("profile", PROFILES)

ONLY_1_1 = {"reload", "reload-agent"}
"""Actions that 1.0 does not advertise, although they are there."""


class Plain(Agent):
    """Do nothing.

    Neither here nor there.
    """

    def start(self) -> None: ...
    def stop(self) -> None: ...
    @action
    def monitor(self) -> None: ...


def said(cls: type[Agent], profile: Profile = "1.1") -> MetaData:
    return advertised.read(metadata(cls, "agent", profile))


# --- any declaration --------------------------------------------------------------------------


@settings(deadline=None)
@given(declared=strategies.declarations(), profile=strategies.profiles)
def test_any_declaration_reads_back(declared: Declared, profile: Profile) -> None:
    found = advertised.read(metadata(declared.cls(), "agent <1>", profile))
    assert (found.name, found.version) == ("agent <1>", profile)
    assert found.agent_version == declared.version
    short, long = paragraphs(declared.doc)
    assert found.short == Text(declared.lang, short)
    assert found.long == Text(declared.lang, long or short)


@settings(deadline=None)
@given(declared=strategies.declarations(), profile=strategies.profiles)
def test_any_parameter_reads_back(declared: Declared, profile: Profile) -> None:
    found = advertised.read(metadata(declared.cls(), "agent", profile)).parameters
    assert list(found) == (names_of(declared) or ["debug"])
    for name, wanted in zip(names_of(declared), declared.parameters.values(), strict=True):
        seen = found[name]
        assert seen.long.lang == seen.short.lang == declared.lang
        assert seen.long.text.startswith(wanted.desc)
        assert " ".join(wanted.desc.split()).startswith(seen.short.text)
        assert ("required" in seen.attributes) == ("required" in wanted.options)
        if wanted.kind == "duration" and wanted.default is not None:
            assert advertised.seconds(seen.default or "") == pytest.approx(wanted.default)
        else:
            assert seen.default == wanted.default


@settings(deadline=None)
@given(declared=strategies.declarations())
def test_all_that_is_new_in_1_1_reads_back(declared: Declared) -> None:
    found = advertised.read(metadata(declared.cls(), "agent", "1.1")).parameters
    for name, wanted in zip(names_of(declared), declared.parameters.values(), strict=True):
        seen = found[name]
        assert seen.long.text == wanted.desc
        assert seen.content_type == ("select" if wanted.choices else wanted.content_type)
        assert seen.options == list(wanted.choices)
        flags = {"name": name}
        flags |= {"unique-group": wanted.option("unique")} if wanted.option("unique") else {}
        flags |= {"required": "1"} if wanted.option("required") else {}
        flags |= {"reloadable": "1"} if wanted.option("reloadable") else {}
        assert seen.attributes == flags
        why = wanted.option("deprecated")
        assert seen.deprecated == (Text(declared.lang, why) if why else None)
        assert seen.replaced_with == wanted.replacements()


@settings(deadline=None)
@given(declared=strategies.declarations())
def test_1_0_has_no_words_of_1_1(declared: Declared) -> None:
    found = advertised.read(metadata(declared.cls(), "agent", "1.0"))
    for name, wanted in zip(names_of(declared), declared.parameters.values(), strict=True):
        seen = found.parameters[name]
        assert set(seen.attributes) <= {"name", "unique", "required"}
        assert seen.content_type == wanted.content_type
        assert (seen.options, seen.deprecated, seen.replaced_with) == ([], None, [])
        assert all(choice in seen.long.text for choice in wanted.choices)
        assert wanted.option("deprecated") in seen.long.text
    assert not ONLY_1_1 & set(found.action_names)


@settings(deadline=None)
@given(declared=strategies.declarations(), profile=strategies.profiles)
def test_an_action_is_advertised_exactly_when_it_is_implemented(
    declared: Declared, profile: Profile
) -> None:
    found = advertised.read(metadata(declared.cls(), "agent", profile)).actions
    left_out = set[str]() if profile == "1.1" else ONLY_1_1
    wanted = {name: timeout for name, timeout in declared.timeouts.items() if name not in left_out}
    wanted |= {"validate-all": 20_000, "meta-data": 5_000}
    shallow = [row for row in found if row.depth in (None, "0")]
    assert {row.name: row.timeout for row in shallow} == wanted
    once = [row.name for row in shallow if row.name != "monitor"]
    assert len(once) == len(set(once))


@settings(deadline=None)
@given(declared=strategies.declarations(), profile=strategies.profiles)
def test_every_monitor_reads_back_and_has_an_interval_of_its_own(
    declared: Declared, profile: Profile
) -> None:
    found = advertised.read(metadata(declared.cls(), "agent", profile)).actions
    timeout = declared.timeouts["monitor"]
    if declared.promoted_interval is None:
        wanted = [Action("monitor", timeout, declared.interval, "0")]
    else:
        wanted = [
            Action("monitor", timeout, declared.promoted_interval, "0", "Promoted"),
            Action("monitor", timeout, declared.interval, "0", "Unpromoted"),
        ]
    checks = sorted(declared.checks.values(), key=lambda check: check.level)
    wanted += [
        Action("monitor", each.timeout, each.interval, str(each.level), each.role)
        for each in checks
    ]
    assert [row for row in found if row.name == "monitor"] == wanted
    assert len({row.interval for row in wanted}) == len(wanted)


@settings(deadline=None)
@given(declared=strategies.declarations(), profile=strategies.profiles)
def test_two_runs_say_the_same(declared: Declared, profile: Profile) -> None:
    first, again = (metadata(declared.cls(), "agent", profile) for _ in range(2))
    assert first == again


@settings(deadline=None)
@given(declared=strategies.declarations(plain=True))
def test_what_uses_nothing_of_1_1_differs_in_its_version_and_in_reload_alone(
    declared: Declared,
) -> None:
    new, old = (metadata(declared.cls(), "agent", profile).splitlines() for profile in PROFILES)
    lost = [line for line in new if line not in old]
    assert [line for line in lost if '<action name="reload"' not in line] == [
        "<version>1.1</version>"
    ]


def paragraphs(doc: str) -> tuple[str, str]:
    """What a docstring says in short, and at length."""
    lines = [line.rstrip() for line in inspect.cleandoc(doc).split("\n")]
    short, _, rest = "\n".join(lines).strip().partition("\n")
    return short.rstrip(), rest.strip("\n")


def names_of(declared: Declared) -> list[str]:
    return [each.option("name") or attribute for attribute, each in declared.parameters.items()]


# --- the document -----------------------------------------------------------------------------


@each_profile
def test_it_names_the_dtd_and_its_encoding(profile: Profile) -> None:
    first, second, *_ = metadata(Plain, "plain", profile).splitlines()
    assert first == '<?xml version="1.0"?>'
    assert second == '<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">'


@each_profile
def test_an_agent_without_parameters_advertises_debug(profile: Profile) -> None:
    debug = said(Plain, profile).parameters["debug"]
    assert (debug.content_type, debug.default) == ("boolean", "false")
    assert debug.attributes == {"name": "debug"}


def test_an_agent_with_a_parameter_does_not_advertise_debug() -> None:
    class With(Plain):
        """One."""

        port = param.port("Port.", default=80)

    assert list(said(With).parameters) == ["port"]


def test_a_docstring_of_one_line_is_both_descriptions() -> None:
    class Short(Plain):
        """Do nothing."""

    found = said(Short)
    assert found.short.text == found.long.text == "Do nothing."


def test_a_docstring_is_taken_without_its_indentation() -> None:
    class Long(Plain):
        """
        Do nothing.

        Neither here
          nor there.
        """

    found = said(Long)
    assert found.short.text == "Do nothing."
    assert found.long.text == "Neither here\n  nor there."


def test_an_empty_default_is_advertised_and_none_is_not() -> None:
    class Some(Plain):
        """Some."""

        empty = param.string("Empty.", default="")
        none = param.string("None.", default=None)
        must = param.string("Must.", required=True)

    found = said(Some).parameters
    assert [each.default for each in found.values()] == ["", None, None]


HARD = " \t\r\n<a href=\"x\">&amp;</a> ]]> 'é' 日本語 😀\u2028\u00a0"


def test_hard_text_is_read_back_wherever_it_stands() -> None:
    class Hard(Plain):
        """Hard."""

        version = HARD
        mode = param.enum("Mode.", choices=[HARD, "b"], default=HARD, unique=HARD)
        old = param.string(f"x{HARD}", default=HARD, deprecated=HARD)

    found = said(Hard)
    mode, old = found.parameters.values()
    assert found.agent_version == HARD
    assert (mode.default, mode.options) == (HARD, [HARD, "b"])
    assert mode.attributes["unique-group"] == HARD
    assert (old.long.text, old.deprecated, old.default) == (f"x{HARD}", Text("en", HARD), HARD)


def test_a_very_long_text_is_written_whole() -> None:
    long = "日本 & <語>\n" * 20_000

    members = {"__doc__": f"Short.\n\n{long}end", "text": param.string(f"{long}end", default=long)}
    found = said(type("Long", (Plain,), members))
    assert found.long.text == f"{long}end"
    assert found.parameters["text"].long.text == f"{long}end"
    assert found.parameters["text"].default == long


@pytest.mark.parametrize(
    ("desc", "short"),
    [
        ("TCP port to listen on.", "TCP port to listen on"),
        ("TCP port. The server listens on it.", "TCP port"),
        ("Port, e.g. 80. Or another.", "Port, e.g. 80"),
        ("Who runs it, e.g. Debian's www-data.", "Who runs it, e.g. Debian's www-data"),
        ("Version 2.0 of it", "Version 2.0 of it"),
        ("  A description\n    over two lines. And more.", "A description over two lines"),
        ("Title\n\nText.", "Title"),
        ("...", "..."),
        ("待ち受けるポート。", "待ち受けるポート。"),
    ],
)
def test_the_first_sentence_is_the_short_description(desc: str, short: str) -> None:
    assert first_sentence(desc) == short


def test_a_group_of_one_is_unique_in_1_0_and_a_larger_one_cannot_be_said() -> None:
    class Grouped(Plain):
        """Grouped."""

        alone = param.path("Alone.", required=True, unique="alone")
        host = param.host("Host.", required=True, unique="address")
        port = param.port("Port.", required=True, unique="address")

    old, new = said(Grouped, "1.0").parameters, said(Grouped, "1.1").parameters
    assert [each.attributes.get("unique") for each in old.values()] == ["1", None, None]
    assert [each.attributes.get("unique-group") for each in new.values()] == [
        "alone",
        "address",
        "address",
    ]


def test_1_0_says_choices_and_deprecation_in_words() -> None:
    class Old(Plain):
        """Old."""

        mode = param.enum("Mode.", choices=["fast", "safe"], default="safe", deprecated="Ask.")

    mode = said(Old, "1.0").parameters["mode"]
    assert mode.long.text == "Mode.\nOne of: fast, safe.\nDeprecated: Ask."
    assert mode.short.text == "Mode"


def test_1_0_does_not_advertise_reload_which_would_replace_restarts() -> None:
    class Reloads(Plain):
        """Reload."""

        def reload(self) -> None: ...
        def reload_agent(self) -> None: ...

    assert set(said(Reloads, "1.1").action_names) >= ONLY_1_1
    assert not ONLY_1_1 & set(said(Reloads, "1.0").action_names)


def test_two_checks_of_one_depth_are_one_monitor_with_time_for_the_slower() -> None:
    class Two(Plain):
        """Two."""

        @monitor.depth(10, timeout="5s", interval="60s")
        def one_holds(self) -> None: ...
        @monitor.depth(10, timeout="50s", interval="40s")
        def other_holds(self) -> None: ...

    monitors = [row for row in said(Two).actions if row.name == "monitor"]
    assert monitors[1:] == [Action("monitor", 50_000, 40_000, "10")]


def test_the_two_monitors_of_a_promotable_agent_are_a_second_apart() -> None:
    class Two(Plain):
        """Two."""

        def promote(self) -> None: ...
        def demote(self) -> None: ...

    monitors = [row for row in said(Two).actions if row.name == "monitor"]
    assert monitors == [
        Action("monitor", 20_000, 9_000, "0", "Promoted"),
        Action("monitor", 20_000, 10_000, "0", "Unpromoted"),
    ]


def test_those_of_one_that_is_looked_at_each_second_are_apart_too() -> None:
    class Fast(Plain):
        """Fast."""

        @action(interval="1s")
        def monitor(self) -> None: ...
        def promote(self) -> None: ...
        def demote(self) -> None: ...

    monitors = [row.interval for row in said(Fast).actions if row.name == "monitor"]
    assert monitors == [500, 1000]


def test_it_does_not_depend_on_the_seed_of_hashes(tmp_path: Path) -> None:
    texts = {run(tmp_path, PYTHONHASHSEED=seed) for seed in ("1", "2", "3")}
    assert len(texts) == 1
    assert advertised.read(texts.pop()).name == "web"


def test_it_is_xml_whatever_format_the_caller_asks_for(tmp_path: Path) -> None:
    plain = run(tmp_path)
    assert run(tmp_path, OCF_OUTPUT_FORMAT="text", LC_ALL="C", __OCF_ACTION="stop") == plain
    assert advertised.read(plain).parameters["port"].default == "8080"


def run(folder: Path, **env: str) -> str:
    """What the example says as a process of nobody in particular."""
    code = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'examples')!r}]; "
    code += (
        "sys.argv = ['web', 'meta-data', 'and', 'more']; import web, ocfkit; ocfkit.main(web.Web)"
    )
    done = subprocess.run(
        [sys.executable, "-SBc", code],
        env={**env, "HA_RSCTMP": str(folder), "PATH": os.defpath},
        cwd="/",
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode("utf-8")
