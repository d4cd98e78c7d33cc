"""Values that must be told to nobody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocfkit.conformance.canaries import SHORTEST, is_secret, of
from ocfkit.conformance.description import Description, Parameter, parse
from tests.ocfkit.conformance.seen import META_DATA


def describing(*parameters: Parameter) -> Description:
    return Description("x", None, "1.1", parameters)


@pytest.mark.parametrize(
    "name", ["password", "PASSWD", "db_passwd", "passphrase", "auth_token", "apikey", "api_key"]
)
def test_a_secret_is_known_by_its_name(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["user", "port", "password_file", "secretpath", "passwd_FILE"])
def test_what_names_a_file_is_none(name: str) -> None:
    assert not is_secret(name)


def test_a_secret_that_nobody_gave_gets_a_value_like_no_other() -> None:
    first, second = (of(parse(META_DATA), {"name": "foo"}) for _ in range(2))
    assert first.keys() == second.keys() == {"password"}
    assert first != second


def test_a_secret_that_was_given_is_watched_for_itself() -> None:
    assert of(parse(META_DATA), {"password": "hunter22"}) == {"password": "hunter22"}


def test_a_secret_that_was_given_is_watched_though_nobody_advertises_it() -> None:
    assert of(None, {"token": "hunter22"}) == {"token": "hunter22"}


def test_a_number_is_no_secret_whatever_its_name() -> None:
    assert of(describing(Parameter("token_timeout", "integer")), {}) == {}


def test_a_path_is_no_secret_whatever_its_name() -> None:
    in_a_file = describing(Parameter("secret", default="/etc/varnish/secret"))
    assert of(in_a_file, {}) == of(in_a_file, {"secret": "/etc/other/secret"}) == {}
    assert of(in_a_file, {"secret": "hunter22"}) == {"secret": "hunter22"}
    assert of(in_a_file, {"secret": "/hunter22"}, hidden=("secret",)) == {"secret": "/hunter22"}


def test_a_secret_without_a_value_gets_one() -> None:
    assert of(parse(META_DATA), {"password": ""})["password"].startswith("canary-")


@given(st.dictionaries(st.sampled_from(["password", "token", "user"]), st.text()))
def test_no_value_is_so_short_that_it_turns_up_by_chance(given_values: dict[str, str]) -> None:
    found = of(parse(META_DATA), given_values)
    assert all(len(value) >= SHORTEST for value in found.values())
    assert "user" not in found
