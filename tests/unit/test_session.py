"""The life of one session: its leases, and its end in each of the several ways."""

from __future__ import annotations

import pytest
from msgspec import structs

from hereabouts.engine.effects import Over, Part
from hereabouts.engine.session import session_feeds
from hereabouts.protocol import codes
from hereabouts.testing.life import (
    OWNER,
    POLICY,
    Life,
    presences,
    put_in,
    removals,
    removed_from,
)

# Leases and grace


def test_silence_is_published_at_lease_and_grace_and_not_before() -> None:
    life = Life()
    life.join()
    assert life.after(69.99) == []
    effects = life.after(0.01)
    assert removed_from(effects) == ["lobby", "ada"]
    assert {removal.cause for removal in removals(effects)} == {"lease_expired"}
    assert effects[-1] == Over("lease_expired")


def test_an_open_connection_is_no_proof_of_life_and_is_closed_when_the_session_is_over() -> None:
    effects = Life().after(70)
    assert [effect.code for effect in effects if isinstance(effect, Part)] == [codes.SESSION_EXPIRED]


def test_each_frame_renews_the_lease() -> None:
    life = Life(structs.replace(POLICY, idle_after_seconds=None))
    for _ in range(10):
        assert life.after(59) == []
        life.session.touch(life.now)
    assert life.session.phase == "live"


def test_a_hidden_session_has_the_hidden_lease_from_the_beat_that_told_of_it() -> None:
    life = Life()
    life.after(30)
    life.beat(visible=False)
    assert life.after(159.9) == []
    assert life.after(0.2)[-1] == Over("lease_expired")


def test_a_frame_in_the_grace_brings_it_back_and_says_nothing() -> None:
    life = Life()
    life.join()
    life.after(65)
    assert life.session.phase == "lost"
    assert life.beat() == []
    assert life.after(69.9) == []


def test_who_has_not_begun_is_shown_to_nobody_when_it_falls_idle() -> None:
    life = Life(structs.replace(POLICY, idle_after_seconds=20))
    life.session.is_listed = False
    assert life.after(30) == []
    assert [presence.active for presence in presences(life.session.begin())] == [False]


def test_what_is_taken_back_of_a_life_that_is_over_is_not_registered_again_instead() -> None:
    life = Life()
    life.join()
    life.session.give_up()
    assert removed_from(life.session.take_back()) == ["ada", "lobby"]
    assert session_feeds(life.session) == []


def test_a_closed_connection_is_published_after_the_grace_as_closed() -> None:
    life = Life()
    life.join()
    assert life.close() == []
    assert life.after(9.99) == []
    assert {removal.cause for removal in removals(life.after(0.01))} == {"closed"}


@pytest.mark.parametrize("grace", [0.3, 2.0, 2.5, 5.0, 10.0])
def test_at_the_very_tick_of_the_deadline_nothing_is_left_standing(grace: float) -> None:
    """Such sums are no round binary numbers: a session that is over must have taken its records along."""
    for hundredths in range(500):
        life = Life(structs.replace(POLICY, grace_seconds=grace))
        life.join(grace_seconds=grace)
        life.clock.advance(hundredths / 100)
        life.close()
        life.clock.advance(grace)
        effects = life.session.advance(life.now)
        if life.session.phase == "over":
            assert removed_from(effects) == ["lobby", "ada"], f"after {hundredths / 100} s"


def test_without_grace_a_loss_is_published_at_once() -> None:
    life = Life(structs.replace(POLICY, grace_seconds=0))
    life.join(grace_seconds=0)
    life.close()
    assert removed_from(life.session.advance(life.now)) == ["lobby", "ada"]


def test_each_room_has_its_own_grace_and_the_longest_keeps_the_session_resumable() -> None:
    life = Life()
    life.join("short", grace_seconds=2)
    life.join("long", grace_seconds=30)
    life.close()
    assert removed_from(life.after(2)) == ["short"]
    assert removed_from(life.after(8)) == ["ada"]
    assert put_in(life.resume("second")) == ["ada", "short"]
    life.close()
    assert life.after(29.9)[-1] != Over("closed")
    assert life.after(0.2)[-1] == Over("closed")


@pytest.mark.parametrize("code", sorted(codes.KEEPS_LEASE))
def test_a_close_that_the_server_asked_for_starts_no_grace(code: int) -> None:
    life = Life()
    life.join()
    life.close(code)
    assert life.after(69.9) == []
    assert removed_from(life.after(0.2)) == ["lobby", "ada"]


def test_a_session_that_did_not_come_back_from_a_drain_left_because_of_it() -> None:
    life = Life()
    life.close(codes.DRAIN.number)
    assert life.after(70)[-1] == Over("drained")


def test_a_session_that_was_heard_of_after_a_drain_is_drained_no_more() -> None:
    life = Life()
    life.close(codes.DRAIN.number)
    life.beat()
    assert life.after(70)[-1] == Over("lease_expired")


# Incarnations


def test_a_resume_is_a_new_incarnation_and_parts_the_older_connection() -> None:
    life = Life()
    life.join()
    assert life.resume("second") == [Part("first", codes.SUPERSEDED, "the session was resumed on another connection")]
    assert life.session.incarnation == 2


LATE = [0.01, 9.95, 10.0, 10.05, 61.0]


@pytest.mark.parametrize("late", LATE)
def test_the_late_close_of_an_older_connection_ends_nothing(late: float) -> None:
    life = Life()
    life.join()
    life.resume("second")
    life.after(late / 2)
    life.beat()
    life.after(late / 2)
    assert life.close(connection="first") == []
    assert (life.session.phase, life.session.connection) == ("live", "second")
    life.beat()
    assert life.after(59.9) == []


@pytest.mark.parametrize("late", LATE)
def test_a_late_close_shortens_no_grace_that_runs(late: float) -> None:
    life = Life()
    life.resume("second")
    life.after(50)
    life.close()
    assert life.after(min(late, 9.9)) == []
    life.close(connection="first")
    assert life.session.phase == "lost"
    assert life.after(9.99 - min(late, 9.9)) == []


def test_a_resume_in_the_grace_says_nothing_to_anybody() -> None:
    life = Life()
    life.join()
    life.close()
    life.after(9.9)
    assert life.resume("second") == []
    assert life.after(59.9) == []


def test_a_resume_after_the_removal_was_published_lists_everything_again() -> None:
    life = Life()
    life.join("a")
    life.join("b", grace_seconds=30)
    life.close()
    life.after(15)
    assert put_in(life.resume("second")) == ["ada", "a"]


def test_a_removal_carries_the_incarnation_the_owner_and_the_newest_times() -> None:
    life = Life()
    life.join()
    life.resume("second", active=True)
    life.after(20)
    life.beat()
    life.close()
    seen_at = life.now.at
    removal = removals(life.after(10))[0]
    assert (removal.session_id, removal.incarnation, removal.owner) == ("s1", 2, OWNER)
    assert (removal.seen_at, removal.active_at) == (seen_at, seen_at - 20_000)


def test_times_never_go_back_when_the_wall_clock_does() -> None:
    life = Life()
    before = life.now.at
    life.clock.jump_wall(-3_600)
    life.beat(active=True)
    life.resume("second", active=True)
    assert (life.session.last_seen_at, life.session.last_active_at) == (before, before)


# Leaving


def test_a_beacon_leaves_at_once_and_parts_the_connection() -> None:
    life = Life()
    life.join()
    effects = life.session.beacon(life.now, None)
    assert removed_from(effects) == ["lobby", "ada"]
    assert {removal.cause for removal in removals(effects)} == {"beacon"}
    assert [effect.code for effect in effects if isinstance(effect, Part)] == [codes.ENDED]


def test_a_beacon_may_wait_and_whoever_comes_back_before_cancels_it() -> None:
    life = Life()
    life.join()
    assert life.session.beacon(life.now, 10) == []
    life.close()
    assert life.after(9.9) == []
    assert life.resume("second") == []
    assert life.after(50) == []


def test_a_beacon_that_waits_is_published_as_a_beacon() -> None:
    life = Life()
    life.join()
    life.session.beacon(life.now, 5)
    life.close()
    assert {removal.cause for removal in removals(life.after(5))} == {"beacon"}


def test_a_beacon_waits_no_longer_than_the_grace() -> None:
    life = Life()
    life.session.beacon(life.now, 3_600)
    assert removed_from(life.after(10)) == ["ada"]


@pytest.mark.parametrize("after_seconds", [0.0, -1.0])
def test_a_beacon_that_waits_for_nothing_leaves_at_once(after_seconds: float) -> None:
    life = Life()
    assert removed_from(life.session.beacon(life.now, after_seconds)) == ["ada"]


def test_a_second_beacon_never_moves_the_leave_later() -> None:
    life = Life()
    life.session.beacon(life.now, 10)
    life.after(9)
    life.session.beacon(life.now, 10)
    assert removed_from(life.after(1)) == ["ada"]


def test_a_beacon_in_the_grace_never_makes_it_longer() -> None:
    life = Life()
    life.close()
    life.after(9)
    life.session.beacon(life.now, 10)
    assert removed_from(life.after(1)) == ["ada"]


def test_a_session_left_by_beacon_may_come_back_until_its_lease_and_grace_are_over() -> None:
    life = Life()
    life.join()
    life.session.beacon(life.now, None)
    assert life.after(69.9) == []
    assert put_in(life.resume("second")) == ["ada", "lobby"]


def test_a_session_left_by_beacon_is_forgotten_after_its_lease_and_grace() -> None:
    life = Life()
    life.session.beacon(life.now, None)
    assert life.after(70) == [Over("beacon")]


def test_bye_is_final_and_published_at_once() -> None:
    life = Life()
    life.join()
    effects = life.session.end("leave", codes.ENDED, "bye")
    assert removed_from(effects) == ["lobby", "ada"]
    assert effects[-2:] == [Part("first", codes.ENDED, "bye"), Over("leave")]
    assert life.session.due_at() is None


def test_nothing_happens_twice_after_the_end() -> None:
    life = Life()
    life.session.end("leave", codes.ENDED, "bye")
    assert life.session.end("cleared", codes.CLEARED, "again") == []
    assert life.session.beacon(life.now, None) == []
    assert life.close() == []
    assert life.after(1_000) == []
