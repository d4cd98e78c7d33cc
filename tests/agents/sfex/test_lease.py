"""The lease rules, one step at a time. That they exclude is shown in test_model.py."""

from __future__ import annotations

import pytest

from ocfkit.agents.sfex.messages import Lease
from ocfkit.agents.sfex.record import Record
from ocfkit.agents.sfex.stages import Idle
from tests.agents.sfex.node import FREE, THEIRS, Node, holder, ns, ours


class TestTaking:
    def test_a_free_lock_takes_collision_timeout(self) -> None:
        node = Node()
        assert node.start() == [("read",)]
        assert node.finds(FREE) == [("write", ours(8))]
        assert node.has_written() == [("sleep", 1002)]
        assert node.after(2).wakes() == [("read",)]
        assert node.finds(ours(8)) == [("write", ours(9))]
        assert node.has_written() == [("read",)]
        assert node.finds(ours(9)) == [("hold", ours(9), 1021), ("sleep", 1002.5)]

    def test_a_dead_holder_is_waited_for(self) -> None:
        node = Node()
        node.start()
        assert node.after(0.1).finds(THEIRS) == [("sleep", 1001.1)]
        for second in range(1, 20):
            assert node.after(1).wakes() == [("read",)]
            assert node.finds(THEIRS) == [("sleep", 1001.1 + second)]
        assert node.after(1).wakes() == [("read",)]
        assert node.finds(THEIRS) == [("write", ours(8))]

    def test_a_lock_that_is_released_meanwhile_is_taken_at_once(self) -> None:
        node = Node()
        node.start()
        node.finds(THEIRS)
        node.after(1).wakes()
        assert node.finds(Record(False, 9, b"b")) == [("write", ours(10))]

    @pytest.mark.parametrize(
        "changed", [Record(True, 8, b"b"), Record(True, 7, b"c"), Record(True, 7, b"a")]
    )
    def test_a_record_that_changes_is_a_living_holder(self, changed: Record) -> None:
        node = Node()
        node.start()
        node.finds(THEIRS)
        node.after(1).wakes()
        who = changed.name.decode()
        reason = f"the lock is held by {who!r}, which has just written it"
        assert node.finds(changed) == [("exit", 2, reason)]

    def test_the_own_name_is_waited_for_like_any_other(self) -> None:
        node = Node()
        node.start()
        assert node.finds(ours(7)) == [("sleep", 1001)]

    def test_what_cannot_be_read_is_not_unchanged(self) -> None:
        node = Node()
        node.start()
        node.finds(Record(True, 0, b"b"))
        node.after(19).wakes()
        assert node.cannot_read() == [("sleep", 1020)]
        node.after(1).wakes()
        assert node.finds(Record(True, 1, b"b"))[0][:2] == ("exit", 2)

    def test_what_cannot_be_read_for_long_is_a_failure(self) -> None:
        node = Node()
        assert node.start() == [("read",)]
        node.finds(THEIRS)
        node.after(20).wakes()
        node.cannot_read()
        node.after(21).wakes()
        assert node.cannot_read() == [("exit", 1, "EIO")]

    def test_a_device_that_cannot_be_read_at_all_is_a_failure(self) -> None:
        node = Node()
        node.start()
        assert node.cannot_read() == [("exit", 1, "EIO")]

    def test_what_is_no_record_is_a_failure(self) -> None:
        node = Node()
        node.start()
        assert node.finds_rubbish() == [("exit", 1, "rubbish")]

    def test_a_record_that_was_watched_for_too_long_is_watched_again(self) -> None:
        node = Node()
        node.start()
        node.finds(THEIRS)
        node.after_sleep(4000).wakes()  # its count may have come round
        assert node.finds(THEIRS) == [("sleep", 5001)]
        node.after(20).wakes()
        assert node.finds(THEIRS) == [("write", ours(8))]

    def test_time_asleep_does_not_make_a_record_older(self) -> None:
        node = Node()
        node.start()
        node.finds(THEIRS)
        node.after_sleep(19).wakes()
        assert node.finds(THEIRS) == [("sleep", 1020)]
        node.after(1).wakes()
        assert node.finds(THEIRS) == [("sleep", 1021)]

    def test_what_was_read_too_long_ago_is_read_again(self) -> None:
        node = Node()
        node.start()
        assert node.after(2).finds(FREE) == [("read",)]
        assert node.after(0.1).finds(FREE) == [("write", ours(8))]

    @pytest.mark.parametrize("sleep", [False, True])
    def test_a_claim_that_comes_late_is_given_up(self, sleep: bool) -> None:  # noqa: FBT001
        node = Node()
        node.start()
        node.finds(FREE)
        (node.after_sleep if sleep else node.after)(2)
        assert node.has_written()[0][:2] == ("exit", 2)

    def test_a_claim_that_was_hardly_in_time_is_not(self) -> None:
        node = Node()
        node.start()
        node.after(1).finds(FREE)
        assert node.after(0.99).has_written() == [("sleep", 1003.99)]

    def test_a_claim_that_cannot_be_written_is_a_failure(self) -> None:
        node = Node()
        node.start()
        node.finds(FREE)
        assert node.cannot_write() == [("exit", 1, "EIO")]

    @pytest.mark.parametrize("found", [Record(True, 8, b"b"), Record(True, 9, b"a"), FREE])
    def test_another_claim_wins_when_it_is_there(self, found: Record) -> None:
        node = Node()
        node.start()
        node.finds(FREE)
        node.has_written()
        node.after(2).wakes()
        assert node.finds(found)[0][:2] == ("exit", 2)

    def test_a_timer_that_comes_early_does_no_harm(self) -> None:
        node = Node()
        node.start()
        assert node.wakes() == []
        node.finds(FREE)
        assert node.wakes() == []
        node.has_written()
        assert node.after(1.5).wakes() == [("sleep", 1002)]
        assert node.after_sleep(5).wakes() == [("sleep", 1007)]
        node.after(0.5).wakes()
        assert node.wakes() == []
        node.finds(ours(8))
        assert node.wakes() == []
        node.has_written()
        assert node.wakes() == []

    def test_a_check_that_took_long_is_made_again(self) -> None:
        node = Node()
        node.start()
        node.finds(FREE)
        node.has_written()
        node.after(2).wakes()
        assert node.after(2).finds(ours(8)) == [("read",)]
        assert node.after(1).finds(ours(8)) == [("write", ours(9))]
        assert node.has_written() == [("read",)]
        assert node.after(2).finds(ours(9)) == [("read",)]
        assert node.after(0.1).finds(ours(9)) == [("hold", ours(9), 1024), ("sleep", 1007.5)]

    def test_a_claim_that_is_written_again_late_is_given_up(self) -> None:
        node = Node()
        node.start()
        node.finds(FREE)
        node.has_written()
        node.after(2).wakes()
        node.finds(ours(8))
        assert node.after(2).has_written()[0][:2] == ("exit", 2)

    def test_a_claim_is_as_old_as_a_lease(self) -> None:
        node = Node()
        node.start()
        node.finds(FREE)
        node.has_written()
        node.after(18).wakes()
        node.finds(ours(8))
        assert node.after(1).has_written()[0][:2] == ("exit", 2)

    @pytest.mark.parametrize("late", [0, 19])
    def test_a_claim_that_has_gone_or_aged_when_it_is_confirmed_is_given_up(
        self, late: float
    ) -> None:
        node = Node()
        node.start()
        node.finds(FREE)
        node.has_written()
        node.after(2).wakes()
        node.finds(ours(8))
        node.has_written()
        found = ours(9) if late else THEIRS
        assert node.after(late).finds(found)[0][:2] == ("exit", 2)

    def test_an_error_after_the_claim_is_a_failure(self) -> None:
        claimed = Node()
        claimed.start()
        claimed.finds(FREE)
        claimed.has_written()
        claimed.after(2).wakes()
        stage = claimed.stage
        assert claimed.cannot_read() == [("exit", 1, "EIO")]
        claimed.stage = stage
        assert claimed.finds_rubbish() == [("exit", 1, "rubbish")]
        claimed.stage = stage
        claimed.finds(ours(8))
        stage = claimed.stage
        assert claimed.cannot_write() == [("exit", 1, "EIO")]
        claimed.stage = stage
        claimed.has_written()
        assert claimed.cannot_read() == [("exit", 1, "EIO")]

    def test_a_stop_before_the_lock_is_taken_ends_it_and_is_no_success(self) -> None:
        for told in range(6):
            node = Node()
            for act in (
                node.start,
                lambda node=node: node.finds(FREE),
                node.has_written,
                lambda node=node: node.after(2).wakes(),
                lambda node=node: node.finds(ours(8)),
                node.has_written,
            )[:told]:
                act()
            assert node.stop() == [("exit", 1, "told to stop before the lock was taken")]
            assert node.has_written() == []
            assert node.finds(FREE) == []


class TestInheriting:
    """A keeper that was killed, and whose process is gone: the lease was ours, and still is."""

    def test_what_is_unharmed_is_taken_over_at_once(self) -> None:
        node = Node()
        assert node.start(Lease(ours(7), ns(990))) == [("read",)]
        assert node.finds(ours(7)) == [("write", ours(8))]
        node.has_written()
        assert node.finds(ours(8)) == [("hold", ours(8), 1019), ("sleep", 1000.5)]

    @pytest.mark.parametrize("found", [THEIRS, ours(8)])
    def test_what_another_has_written_is_waited_for(self, found: Record) -> None:
        node = Node()
        node.start(Lease(ours(7), ns(990)))
        assert node.finds(found) == [("sleep", 1001)]

    def test_what_another_has_released_is_claimed(self) -> None:
        node = Node()
        node.start(Lease(ours(7), ns(990)))
        assert node.finds(FREE) == [("write", ours(8))]
        assert node.has_written() == [("sleep", 1002)]

    def test_a_lease_that_is_over_is_none(self) -> None:
        node = Node()
        node.start(Lease(ours(7), ns(981)))
        assert node.finds(ours(7)) == [("sleep", 1001)]

    def test_a_lease_that_ends_meanwhile_is_none(self) -> None:
        node = Node()
        node.start(Lease(ours(7), ns(982)))
        node.finds(ours(7))
        assert node.after(1).has_written()[0][:2] == ("exit", 2)


class TestKeeping:
    def test_a_holder_looks_and_renews(self) -> None:
        node = holder()
        for half in range(1, 8):
            assert node.after(0.5).wakes() == [("read",)]
            assert node.finds(ours(9)) == [("sleep", 1002.5 + half * 0.5)]
        assert node.after(0.5).wakes() == [("read",)]
        assert node.finds(ours(9)) == [("write", ours(10))]
        assert node.after(0.1).has_written() == [("extend", ours(10), 1025), ("sleep", 1006.5)]

    def test_the_last_look_before_a_renewal_comes_when_that_is_due(self) -> None:
        node = holder()
        node.after(3.6).wakes()
        assert node.finds(ours(9)) == [("sleep", 1006)]

    @pytest.mark.parametrize(
        "found", [Record(True, 10, b"b"), Record(False, 9, b"a"), ours(8), ours(10)]
    )
    def test_what_came_since_the_last_look_is_written_over(self, found: Record) -> None:
        node = holder()
        node.after(0.5).wakes()
        assert node.finds(found) == [("write", ours(10))]
        assert node.has_written() == [("extend", ours(10), 1021.5), ("sleep", 1003)]
        node.after(0.5).wakes()
        assert node.finds(ours(10)) == [("sleep", 1003.5)]

    def test_what_may_have_come_long_ago_is_a_loss(self) -> None:
        node = holder()
        node.after(2).wakes()
        assert node.finds(Record(True, 11, b"b")) == [("fence", "the lock was written by 'b'")]

    def test_what_is_written_over_late_is_a_loss(self) -> None:
        node = holder()
        node.after(0.5).wakes()
        node.finds(THEIRS)
        reason = "another node may have taken the lock meanwhile"
        assert node.after(1.5).has_written() == [("fence", reason)]

    def test_what_cannot_be_written_over_is_a_loss(self) -> None:
        node = holder()
        node.after(0.5).wakes()
        node.finds(FREE)
        assert node.cannot_write() == [("fence", "EIO")]

    def test_a_lock_that_was_released_long_ago_is_a_loss(self) -> None:
        node = holder()
        node.after(2).wakes()
        assert node.finds(FREE) == [("fence", "the lock was released by 'b'")]

    def test_what_is_no_record_is_a_loss(self) -> None:
        node = holder()
        node.after(0.5).wakes()
        assert node.finds_rubbish() == [("fence", "rubbish")]

    def test_a_stop_after_a_loss_takes_nothing_back(self) -> None:
        node = holder()
        node.after(2).wakes()
        node.finds(THEIRS)
        assert node.stop() == []
        assert node.after(0.1).wakes() == []

    def test_an_error_is_lived_with_as_long_as_the_lease_lasts(self) -> None:
        node = holder()
        for half in range(1, 38):
            assert node.after(0.5).wakes() == [("read",)]
            assert node.cannot_read() == [("sleep", 1002.5 + half * 0.5)]
        assert node.after(0.5).wakes() == [("fence", "no renewal for 19 s")]

    def test_a_renewal_that_failed_is_not_written_again_but_the_next_one(self) -> None:
        node = holder()
        node.after(4).wakes()
        assert node.finds(ours(9)) == [("write", ours(10))]
        assert node.cannot_write() == [("sleep", 1006.5)]
        node.after(0.5).wakes()
        assert node.finds(ours(9)) == [("write", ours(11))]
        assert node.has_written() == [("extend", ours(11), 1025.5), ("sleep", 1007)]

    def test_a_renewal_that_failed_and_is_there_renews_nothing(self) -> None:
        node = holder()
        node.after(4).wakes()
        node.finds(ours(9))
        node.cannot_write()
        node.after(0.5).wakes()
        assert node.finds(ours(10)) == [("write", ours(11))]
        node.cannot_write()
        node.after(0.5).wakes()
        assert node.finds(ours(9)) == [("write", ours(12))]  # it was there, and no more

    def test_a_renewal_that_succeeds_after_the_lease_is_a_loss(self) -> None:
        node = holder()
        node.after(4).wakes()
        node.finds(ours(9))
        assert node.after(15).has_written() == [("fence", "no renewal for 19 s")]

    def test_a_renewal_that_succeeds_within_the_lease_counts_from_before(self) -> None:
        node = holder()
        node.after(4).wakes()
        node.finds(ours(9))
        assert node.after(14.9).has_written() == [("extend", ours(10), 1025), ("sleep", 1020.9)]

    def test_a_lease_goes_on_while_the_machine_is_asleep(self) -> None:
        node = holder()
        assert node.after_sleep(19).wakes() == [("fence", "no renewal for 19 s")]

    def test_999_is_followed_by_0(self) -> None:
        node = Node()
        node.start()
        assert node.finds(Record(False, 997, b"b")) == [("write", ours(998))]
        node.has_written()
        node.after(2).wakes()
        assert node.finds(ours(998)) == [("write", ours(999))]
        node.has_written()
        node.finds(ours(999))
        node.after(4).wakes()
        assert node.finds(ours(999)) == [("write", ours(0))]
        node.cannot_write()
        node.after(0.5).wakes()
        assert node.finds(ours(0)) == [("write", ours(1))]

    def test_a_timer_that_comes_early_does_no_harm(self) -> None:
        node = holder()
        assert node.wakes() == [("read",)]
        assert node.wakes() == []
        assert node.finds(ours(9)) == [("sleep", 1002.5)]


class TestReleasing:
    def test_the_lock_is_free_when_the_holder_has_stopped(self) -> None:
        node = holder()
        assert node.stop() == [("read",)]
        assert node.finds(ours(9)) == [("write", Record(False, 9, b"a"))]
        assert node.has_written() == [("read",)]
        assert node.finds(Record(False, 9, b"a")) == [("exit", 0, "released")]
        assert node.stop() == []

    def test_it_may_be_another_ones_by_then(self) -> None:
        node = holder()
        node.stop()
        node.finds(ours(9))
        node.has_written()
        assert node.finds(Record(True, 10, b"b")) == [("exit", 0, "released")]

    def test_a_read_that_is_under_way_is_waited_for(self) -> None:
        node = holder()
        node.after(0.5).wakes()
        assert node.stop() == []
        assert node.finds(ours(9)) == [("write", Record(False, 9, b"a"))]

    def test_a_write_that_is_under_way_is_waited_for(self) -> None:
        node = holder()
        node.after(4).wakes()
        node.finds(ours(9))
        assert node.stop() == []
        assert node.has_written() == [("extend", ours(10), 1025), ("read",)]
        assert node.finds(ours(10)) == [("write", Record(False, 10, b"a"))]
        assert node.stop() == []

    @pytest.mark.parametrize("found", [Record(True, 10, b"b"), FREE])
    def test_another_ones_lock_is_left_alone(self, found: Record) -> None:
        node = holder()
        node.stop()
        assert node.finds(found)[0][:2] == ("exit", 1)

    @pytest.mark.parametrize("late", [18.5, 19])
    def test_a_lease_that_is_all_but_over_is_left_to_end(self, late: float) -> None:
        node = holder()
        node.stop()
        (command,) = node.after(late).finds(ours(9))
        assert command[:2] == ("exit", 1)

    def test_a_lease_that_is_over_is_no_reason_to_fence_any_more(self) -> None:
        assert holder().after(19).stop() == [("exit", 1, "not released: no renewal for 19 s")]

    def test_a_release_that_has_had_no_effect_is_told(self) -> None:
        node = holder()
        node.stop()
        node.finds(ours(9))
        node.has_written()
        reason = "not released: the write has had no effect"
        assert node.finds(ours(9)) == [("exit", 1, reason)]

    def test_an_error_ends_it(self) -> None:
        node = holder()
        node.stop()
        stage = node.stage
        assert node.cannot_read() == [("exit", 1, "not released: EIO")]
        node.stage = stage
        assert node.finds_rubbish() == [("exit", 1, "not released: rubbish")]
        node.stage = stage
        node.finds(ours(9))
        assert node.wakes() == []
        assert node.cannot_write() == [("exit", 1, "EIO")]
        assert isinstance(node.stage, Idle)
