"""The life of one session: its table, its leases, its rooms, and its end in each of the several ways."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, get_args

import pytest
from msgspec import Raw, structs

from hereabouts.engine.effects import Effects, Over, Part, Signal, Write
from hereabouts.engine.identity import Grants, Identity
from hereabouts.engine.policy import Policy
from hereabouts.engine.records import Membership, Now, Owner, Presence, Put, Remove
from hereabouts.engine.session import TRANSITIONS, Event, Phase, Session, session_feeds
from hereabouts.engine.status import OFFLINE, Outcome
from hereabouts.protocol import codes
from hereabouts.testing.clock import ManualClock

EVERYWHERE = Grants({"*": ("join", "watch")})
ADA = Identity("default", "ada", grants=EVERYWHERE)
OWNER = Owner("n", 1)
POLICY = Policy()  # production: lease 60 and 150, grace 10, idle after 300
ONLINE = Outcome("online", sessions=1)
INVISIBLE = Outcome("offline", "invisible", sessions=1)


class Life:
    """A session, a clock, and the connection it began on."""

    def __init__(self, policy: Policy = POLICY, **more: Any) -> None:
        self.clock = ManualClock()
        self.connection: object = "first"
        self.session = Session(
            "s1", ADA, OWNER, policy, self.now, resume_hash=b"r", leave_hash=b"l", connection=self.connection, **more
        )
        self.session.begin()
        self.session.follow_outcome(ONLINE, 1, self.now)

    @property
    def now(self) -> Now:
        return self.clock.now()

    def after(self, seconds: float) -> Effects:
        """What time does by then, as a sweep that misses no deadline would."""
        end = self.clock.now().tick + seconds
        effects: Effects = []
        while (due := self.session.due_at()) is not None and due <= end:
            self.clock.advance(max(due - self.clock.now().tick, 0.0))
            effects += self.session.advance(self.now)
        self.clock.advance(max(end - self.clock.now().tick, 0.0))
        return effects + self.session.advance(self.now)

    def join(self, room: str = "lobby", grace_seconds: float = 10.0, **state: bytes) -> Effects:
        return self.session.join(room, {key: Raw(json) for key, json in state.items()}, grace_seconds, self.now)

    def beat(self, visible: bool | None = None, active: bool | None = None) -> Effects:
        return self.session.beat(self.now, visible, active)

    def close(self, code: int = 1006, connection: object | None = None) -> Effects:
        return self.session.close(self.now, connection or self.connection, code)

    def resume(self, connection: object, *, visible: bool = True, active: bool = False) -> Effects:
        self.connection = connection
        return self.session.resume(self.now, ADA, connection, visible, active)


def put_in(effects: Effects) -> list[str]:
    """The feeds that a record was put into, by name."""
    return [e.feed.name for e in effects if isinstance(e, Write) and isinstance(e.change, Put)]


def removed_from(effects: Effects) -> list[str]:
    return [e.feed.name for e in effects if isinstance(e, Write) and isinstance(e.change, Remove)]


def removals(effects: Effects) -> list[Remove]:
    return [e.change for e in effects if isinstance(e, Write) and isinstance(e.change, Remove)]


def memberships(effects: Effects) -> list[Membership]:
    found = [e.change.record for e in effects if isinstance(e, Write) and isinstance(e.change, Put)]
    return [record for record in found if isinstance(record, Membership)]


def presences(effects: Effects) -> list[Presence]:
    found = [e.change.record for e in effects if isinstance(e, Write) and isinstance(e.change, Put)]
    return [record for record in found if isinstance(record, Presence)]


# The table


def in_phase(phase: Phase) -> Life:
    life = Life()
    life.join()
    if phase == "lost":
        life.close()
    elif phase == "leaving":
        life.session.beacon(life.now, 5.0)
    elif phase == "parked":
        life.session.beacon(life.now, None)
    elif phase == "over":
        life.session.end("leave", codes.ENDED, "bye")
    assert life.session.phase == phase
    return life


def happen(life: Life, event: Event) -> None:
    session = life.session
    if event == "frame":
        life.beat()
    elif event == "close":
        life.close(connection=session.connection or "none")
    elif event == "beacon":
        session.beacon(life.now, 5.0)
    elif event == "resume":
        life.resume("second")
    elif event == "end":
        session.end("cleared", codes.CLEARED, "cleared")
    else:  # lapse, publish, forget: what time does
        due = session.due_at()
        assert due is not None
        if event == "lapse":
            due = session.lapse_tick
        life.clock.advance(due - life.now.tick)
        session.advance(life.now)


@pytest.mark.parametrize(("phase", "event"), TRANSITIONS)
def test_every_step_of_the_table_is_taken_as_the_table_says(phase: Phase, event: Event) -> None:
    life = in_phase(phase)
    happen(life, event)
    assert life.session.phase == TRANSITIONS[phase, event]


def test_every_phase_but_the_last_has_a_way_out_and_the_last_has_none() -> None:
    for phase in get_args(Phase):
        after = {TRANSITIONS[key] for key in TRANSITIONS if key[0] == phase}
        assert (after == {"over"}) if phase == "over" else (after - {phase})


@pytest.mark.parametrize("phase", ["live", "lost", "leaving"])
def test_a_session_counts_until_its_removal_is_published(phase: Phase) -> None:
    assert in_phase(phase).session.is_published


@pytest.mark.parametrize("phase", ["parked", "over"])
def test_a_session_does_not_count_once_its_removal_is_published(phase: Phase) -> None:
    assert not in_phase(phase).session.is_published


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


# Rooms


def test_joining_twice_keeps_the_place_and_takes_the_state() -> None:
    life = Life()
    life.join(cursor=b"1")
    first = life.session.rooms["lobby"].joined_at
    life.after(1)
    (record,) = memberships(life.join(colour=b'"red"'))
    assert record.joined_at == first
    assert {key: bytes(value.json) for key, value in record.state.items()} == {"cursor": b"1", "colour": b'"red"'}


def test_an_update_that_changes_nothing_writes_nothing() -> None:
    life = Life()
    life.join()
    assert life.session.update("lobby", {"gone": Raw(b"null")}, life.now) == []
    assert put_in(life.session.update("lobby", {"cursor": Raw(b"1")}, life.now)) == ["lobby"]


def test_leaving_where_one_is_not_changes_nothing() -> None:
    assert Life().session.leave("lobby") == []


def test_a_newer_token_leaves_what_it_no_longer_grants() -> None:
    life = Life()
    life.join("doc:1")
    life.join("lobby")
    effects = life.session.identify(structs.replace(ADA, grants=Grants({"doc:*": ("join",)})))
    assert [(removal.cause, removed_from(effects)) for removal in removals(effects)] == [("revoked", ["lobby"])]
    assert list(life.session.rooms) == ["doc:1"]


def test_a_newer_name_appears_in_every_room() -> None:
    life = Life()
    life.join("a")
    life.join("b")
    records = memberships(life.session.identify(structs.replace(ADA, name="Ada L.")))
    assert [record.name for record in records] == ["Ada L.", "Ada L."]
    assert life.session.identify(structs.replace(ADA, name="Ada L.")) == []


# Attention and the merged status


def test_no_human_input_for_so_long_is_idle_and_the_next_input_is_not() -> None:
    life = Life()
    for _ in range(14):
        life.after(20)
        assert life.beat() == []
    (idle,) = presences(life.after(20))
    assert not idle.active
    (active,) = presences(life.beat(active=True))
    assert active.active and active.last_active_at == life.now.at


def test_where_nobody_becomes_idle_nobody_does() -> None:
    life = Life(structs.replace(POLICY, idle_after_seconds=None))
    for _ in range(30):
        life.after(50)
        assert life.beat() == []
    assert life.session.active


def test_a_session_that_began_without_input_has_no_time_of_one() -> None:
    life = Life(active=False)
    assert life.session.presence().last_active_at is None
    assert life.session.due_at() == life.session.lapse_tick


def test_a_change_of_visibility_is_told_to_the_user_s_feed_once() -> None:
    life = Life()
    assert put_in(life.beat(visible=False)) == ["ada"]
    assert life.beat(visible=False) == []


def test_a_changed_outcome_goes_into_each_room_and_an_equal_one_into_none() -> None:
    life = Life()
    life.join("a")
    life.join("b")
    records = memberships(life.session.follow_outcome(Outcome("dnd", "dnd", text="deep work"), 7, life.now))
    assert [(record.status, record.text, record.outcome_seq) for record in records] == [("dnd", "deep work", 7)] * 2
    assert life.session.follow_outcome(Outcome("dnd", "dnd", text="deep work", sessions=2), 8, life.now) == []


def test_going_invisible_is_a_leave_in_each_room_and_coming_back_a_join() -> None:
    life = Life()
    life.join("a")
    life.join("b")
    effects = life.session.follow_outcome(INVISIBLE, 2, life.now)
    assert (removed_from(effects), {removal.cause for removal in removals(effects)}) == (["a", "b"], {"leave"})
    life.after(5)
    records = memberships(life.session.follow_outcome(ONLINE, 3, life.now))
    assert [record.joined_at for record in records] == [life.now.at] * 2


def test_the_invisible_write_no_record_into_any_room() -> None:
    life = Life()
    life.session.follow_outcome(INVISIBLE, 2, life.now)
    assert life.join() == []
    assert life.session.update("lobby", {"cursor": Raw(b"1")}, life.now) == []
    assert life.session.set_typing("lobby", True, POLICY, life.now) == []
    life.close()
    life.after(5)
    assert life.resume("second") == []
    assert removed_from(life.session.end("leave", codes.ENDED, "bye")) == ["ada"]


def test_who_comes_back_from_invisible_does_not_bring_back_what_the_grace_has_ended() -> None:
    life = Life()
    life.join("short", grace_seconds=2)
    life.join("long", grace_seconds=30)
    life.session.follow_outcome(INVISIBLE, 2, life.now)
    life.close()
    life.after(5)
    assert put_in(life.session.follow_outcome(ONLINE, 3, life.now)) == ["long"]


# Typing


def test_typing_is_told_and_not_again_within_half_of_the_refresh() -> None:
    life = Life()
    life.join()
    feed = life.session.room_feed("lobby")
    assert life.session.set_typing("lobby", True, POLICY, life.now) == [Signal(feed, "ada", True)]
    life.after(1.4)
    assert life.session.set_typing("lobby", True, POLICY, life.now) == []
    life.after(0.2)
    assert life.session.set_typing("lobby", True, POLICY, life.now) == [Signal(feed, "ada", True)]
    assert life.session.set_typing("lobby", False, POLICY, life.now) == [Signal(feed, "ada", False)]
    assert life.session.set_typing("lobby", False, POLICY, life.now) == []


def test_typing_never_touches_the_record_in_the_room() -> None:
    life = Life()
    life.join()
    assert put_in(life.session.set_typing("lobby", True, POLICY, life.now)) == []


def test_whoever_leaves_has_stopped_typing() -> None:
    life = Life()
    life.join()
    life.session.set_typing("lobby", True, POLICY, life.now)
    effects = life.session.leave("lobby")
    assert isinstance(effects[0], Signal) and not effects[0].on
    assert removed_from(effects) == ["lobby"]


def test_a_loss_leaves_typing_to_its_own_lease() -> None:
    life = Life()
    life.join()
    life.session.set_typing("lobby", True, POLICY, life.now)
    assert life.close() == []


# After a lost store


def test_what_stands_is_registered_again_without_a_new_incarnation() -> None:
    life = Life()
    life.join("a")
    life.join("b")
    life.session.leave("b")
    again = session_feeds(life.session)
    assert put_in(again) == ["ada", "a"]
    assert {
        write.change.record.incarnation for write in again if isinstance(write, Write) and isinstance(write.change, Put)
    } == {1}


def test_what_is_published_as_gone_is_not_registered_again() -> None:
    life = Life()
    life.join()
    life.session.beacon(life.now, None)
    assert session_feeds(life.session) == []


def test_the_first_outcome_of_a_session_that_has_no_room_says_nothing() -> None:
    session = Session("s1", ADA, OWNER, POLICY, ManualClock().now(), resume_hash=b"", leave_hash=b"")
    assert session.outcome == OFFLINE
    assert session.follow_outcome(ONLINE, 1, ManualClock().now()) == []


def test_joins_and_leaves_alternate_whatever_happens_to_the_session() -> None:
    life = Life()
    steps: list[str] = []

    def note(effects: Effects) -> None:
        for effect in effects:
            if isinstance(effect, Write) and effect.feed.kind == "room":
                steps.append("in" if isinstance(effect.change, Put) else "out")

    note(life.join())
    note(life.session.follow_outcome(INVISIBLE, 2, life.now))
    note(life.close() + life.after(5) + life.resume("second"))
    note(life.session.follow_outcome(ONLINE, 3, life.now))
    note(life.session.beacon(life.now, None) + life.resume("third"))
    note(life.close() + life.after(10))
    assert steps == ["in", "out", "in", "out", "in", "out"]
    assert all(a != b for a, b in pairwise(steps))
