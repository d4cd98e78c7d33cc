"""What a notification tells, as typed lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocfkit.environment import Environment
from ocfkit.notices import Member, Notice

LISTS = {
    "starting": "start",
    "stopping": "stop",
    "promoting": "promote",
    "demoting": "demote",
    "active": "active",
    "promoted": "promoted",
    "unpromoted": "unpromoted",
}


def members(notice: Notice, attribute: str) -> tuple[Member, ...]:
    found: tuple[Member, ...] = getattr(notice, attribute)
    return found


def test_comes_from_the_environment() -> None:
    notice = Notice.of(
        Environment(
            {
                "OCF_RESKEY_CRM_meta_notify_type": "pre",
                "OCF_RESKEY_CRM_meta_notify_operation": "promote",
                "OCF_RESKEY_CRM_meta_notify_promote_resource": "db:1 ",
                "OCF_RESKEY_CRM_meta_notify_promote_uname": "srv02 ",
            }
        )
    )
    assert (notice.when, notice.action) == ("pre", "promote")
    assert notice.promoting == (Member("db:1", "srv02"),)
    assert str(notice.promoting[0]) == "db:1 on srv02"


@pytest.mark.parametrize(("attribute", "word"), LISTS.items())
def test_each_list_pairs_resources_with_nodes(attribute: str, word: str) -> None:
    meta = {f"notify_{word}_resource": "db:0 db:1", f"notify_{word}_uname": "srv01 srv02"}
    notice = Notice(meta)
    assert members(notice, attribute) == (Member("db:0", "srv01"), Member("db:1", "srv02"))
    others = [each for each in LISTS if each != attribute]
    assert {members(notice, other) for other in others} == {()}


@pytest.mark.parametrize(("attribute", "old"), [("promoted", "master"), ("unpromoted", "slave")])
def test_old_names_of_roles_are_read_and_new_ones_preferred(attribute: str, old: str) -> None:
    meta = {f"notify_{old}_resource": "db:0", f"notify_{old}_uname": "srv01"}
    assert members(Notice(meta), attribute) == (Member("db:0", "srv01"),)
    new = {f"notify_{attribute}_resource": "db:1", f"notify_{attribute}_uname": "srv02"}
    assert members(Notice({**meta, **new}), attribute) == (Member("db:1", "srv02"),)


def test_what_does_not_run_has_no_node() -> None:
    notice = Notice({"notify_inactive_resource": "db:2 db:3"})
    assert notice.inactive == ("db:2", "db:3")


def test_nodes_are_names() -> None:
    notice = Notice({"notify_available_uname": "srv01", "notify_all_uname": "srv01 srv02 "})
    assert notice.available_nodes == ("srv01",)
    assert notice.all_nodes == ("srv01", "srv02")


@given(
    st.dictionaries(
        st.sampled_from(
            [
                f"notify_{each}_{what}"
                for each in [*LISTS.values(), "master"]
                for what in ("resource", "uname")
            ]
            + ["notify_type", "notify_operation"]
        ),
        st.text(),
    )
)
def test_nonsense_is_never_an_error(meta: dict[str, str]) -> None:
    notice = Notice(meta)
    assert notice.when in ("pre", "post", "")
    for attribute in LISTS:
        assert all(isinstance(each, Member) for each in members(notice, attribute))
    assert isinstance(notice.action, str)


def test_members_are_compared_by_what_they_are() -> None:
    one, same, other = Member("db:0", "a"), Member("db:0", "a"), Member("db:0", "b")
    assert one == same != other
    assert {one, same} == {one}
    assert one != "db:0 on a"
    assert repr(one) == "Member('db:0', 'a')"
