"""The environment as the callers make it: nothing is required, and nonsense counts as not set."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocfkit import environment
from ocfkit.environment import Environment


def test_an_empty_one_is_enough() -> None:
    empty = Environment({})
    assert (empty.instance, empty.check_level, empty.interval, empty.timeout) == (
        "default",
        0,
        None,
        None,
    )
    assert empty.parameters == {}
    assert empty.is_probe
    assert not empty.globally_unique
    assert not empty.debug
    assert (empty.log_facility, empty.log_file, empty.debug_log) == ("", "", "")
    assert empty.reason_prefix == "ocf-exit-reason:"
    assert empty.run_folder == "/run/ocfkit"
    assert empty.clone_number is None
    assert (empty.migrate_source, empty.migrate_target, empty.meta("on_node")) == (None,) * 3


def test_parameters_and_meta_attributes_are_told_apart() -> None:
    whole = {
        "OCF_RESKEY_port": "80",
        "OCF_RESKEY_empty": "",
        "OCF_RESKEY_CRM_meta_on_node": "srv01",
        "OCF_RESKEY_CRM_meta_clone": "3",
        "OCF_RESKEY_CRM_meta_migrate_source": "srv01",
        "OCF_RESKEY_CRM_meta_migrate_target": "srv02",
        "OCF_RESKEY_crm_feature_set": "3.16.2",
        "OCF_RESKEY_trace_ra": "1",
        "PORT": "81",
    }
    read = Environment(whole)
    assert read.parameters == {"port": "80"}
    assert read.meta("on_node") == "srv01"
    assert read.clone_number == 3
    assert (read.migrate_source, read.migrate_target) == ("srv01", "srv02")
    assert set(read.metas) == {"on_node", "clone", "migrate_source", "migrate_target"}


@pytest.mark.parametrize(
    ("name", "unique", "instance"),
    [
        ("web", None, "web"),
        ("web:0", None, "web"),
        ("web:17", "false", "web"),
        ("web:17", "true", "web:17"),
        ("web:one", None, "web:one"),
        (":1", None, ":1"),
        ("a:b:1", None, "a:b"),
        ("", None, "default"),
    ],
)
def test_the_number_of_an_anonymous_clone_says_nothing(
    name: str, unique: str | None, instance: str
) -> None:
    whole = {"OCF_RESOURCE_INSTANCE": name}
    if unique is not None:
        whole["OCF_RESKEY_CRM_meta_globally_unique"] = unique
    assert Environment(whole).instance == instance


@pytest.mark.parametrize(
    ("interval", "probe"), [(None, True), ("0", True), ("", True), ("x", True), ("10000", False)]
)
def test_a_monitor_that_is_not_repeated_is_a_probe(interval: str | None, probe: bool) -> None:  # noqa: FBT001
    whole = {} if interval is None else {"OCF_RESKEY_CRM_meta_interval": interval}
    assert Environment(whole).is_probe is probe


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20000", 20.0),
        ("1", 0.001),
        ("0", None),
        ("", None),
        ("20s", None),
        ("-1", None),
        ("٢", None),
    ],
)
def test_a_timeout_is_in_milliseconds(text: str, seconds: float | None) -> None:
    assert Environment({"OCF_RESKEY_CRM_meta_timeout": text}).timeout == seconds


@pytest.mark.parametrize(
    ("whole", "debug"),
    [
        ({"HA_debug": "1"}, True),
        ({"HA_debug": "0"}, False),
        ({"HA_debug": ""}, False),
        ({"HA_debug": "x"}, False),
        ({"OCF_RESKEY_debug": "true"}, True),
        ({"OCF_RESKEY_debug": "false"}, False),
    ],
)
def test_debug_lines_are_wanted_by_number_or_by_parameter(
    whole: dict[str, str],
    debug: bool,  # noqa: FBT001
) -> None:
    assert Environment(whole).debug is debug


@pytest.mark.parametrize(
    ("whole", "facility"),
    [
        ({"HA_LOGFACILITY": "daemon"}, "daemon"),
        ({"HA_logfacility": "local0"}, "local0"),
        ({"HA_LOGFACILITY": "none"}, ""),
        ({"HA_LOGFACILITY": "", "HA_logfacility": "daemon"}, "daemon"),
    ],
)
def test_the_facility_has_two_names_and_may_be_none(whole: dict[str, str], facility: str) -> None:
    assert Environment(whole).log_facility == facility


def test_the_process_s_own_is_read_and_secrets_can_be_taken_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OCF_RESKEY_password", "s3cr3t")
    monkeypatch.setenv("OCF_RESKEY_port", "80")
    read = environment.of_process()
    environment.forget(["password", "nonexistent"])
    assert read.parameters["password"] == "s3cr3t"  # noqa: S105
    assert "OCF_RESKEY_password" not in os.environ
    assert "OCF_RESKEY_password" not in read.whole
    assert ("OCF_RESKEY_port", "80") in os.environ.items()


@given(
    st.dictionaries(
        st.text(max_size=40)
        | st.sampled_from(
            [
                "OCF_CHECK_LEVEL",
                "OCF_RESKEY_CRM_meta_interval",
                "OCF_RESKEY_CRM_meta_timeout",
                "OCF_RESOURCE_INSTANCE",
                "HA_debug",
                "OCF_RA_VERSION_MAJOR",
            ]
        ),
        st.text(max_size=40),
    )
)
def test_nonsense_is_never_an_error(whole: dict[str, str]) -> None:
    read = Environment(whole)
    assert read.check_level >= 0
    assert read.timeout is None or read.timeout > 0
    assert read.interval is None or read.interval >= 0
    assert read.instance
