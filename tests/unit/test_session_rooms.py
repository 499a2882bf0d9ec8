"""What a session writes into feeds: its rooms, the user's merged status, typing, and again after a lost store."""

from __future__ import annotations

from itertools import pairwise

from msgspec import Raw, structs

from hereabouts.engine.effects import Effects, Signal, Write
from hereabouts.engine.identity import Grants
from hereabouts.engine.records import Put
from hereabouts.engine.session import Session, session_feeds
from hereabouts.engine.status import OFFLINE, Outcome
from hereabouts.protocol import codes
from hereabouts.testing.clock import ManualClock
from hereabouts.testing.life import (
    ADA,
    INVISIBLE,
    ONLINE,
    OWNER,
    POLICY,
    Life,
    memberships,
    presences,
    put_in,
    removals,
    removed_from,
)

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
