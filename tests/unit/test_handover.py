"""A session that is handed to the next process is the same session there."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Raw

from hereabouts.engine.effects import Over, Write
from hereabouts.engine.handover import hand_over, read, take_over
from hereabouts.engine.identity import Grants, Identity
from hereabouts.engine.policy import Policy
from hereabouts.engine.records import Owner, Put
from hereabouts.engine.session import Session
from hereabouts.engine.status import Outcome
from hereabouts.testing.clock import ManualClock

POLICY = Policy(idle_after_seconds=None)
ADA = Identity(
    "acme", "ada", "Ada", "agent", Raw(b'{"team":"x"}'), Grants({"*": ("join", "watch")}, ("bob",)), expires_at=9
)


def handed_session(clock: ManualClock) -> Session:
    session = Session(
        "s1", ADA, Owner("n", 1), POLICY, clock.now(), resume_hash=b"\x00\xff", leave_hash=b"\x01", platform="web"
    )
    session.begin()
    session.follow_outcome(Outcome("online", sessions=1), 1, clock.now())
    session.join("lobby", {"cursor": Raw(b"[1.50,2]")}, 30.0, clock.now())
    session.resume(clock.now(), ADA, "second", False, True)
    clock.advance(5)
    session.beat(clock.now(), None, None)
    return session


def test_everything_that_makes_it_the_same_session_comes_along() -> None:
    clock = ManualClock()
    earlier = handed_session(clock)
    clock.advance(3)
    session = take_over(read(hand_over(earlier)), Owner("n", 2), POLICY, clock.now())
    for name in (
        "session_id", "identity", "incarnation", "resume_hash", "leave_hash", "visible", "active", "opened_at",
        "last_seen_at", "last_active_at", "platform",
    ):  # fmt: skip
        assert getattr(session, name) == getattr(earlier, name), name
    joined = session.rooms["lobby"]
    assert (joined.joined_at, joined.grace_seconds) == (earlier.rooms["lobby"].joined_at, 30.0)
    assert joined.state == earlier.rooms["lobby"].state
    assert (session.owner, session.connection, session.phase) == (Owner("n", 2), None, "live")


def test_it_stands_where_it_stood_with_the_place_it_had() -> None:
    clock = ManualClock()
    session = take_over(read(hand_over(handed_session(clock))), Owner("n", 2), POLICY, clock.now())
    session.outcome = Outcome("away", sessions=1)
    feeds = [e.feed.name for e in session.begin() if isinstance(e, Write) and isinstance(e.change, Put)]
    assert feeds == ["ada", "lobby"]


def test_its_lease_begins_when_the_next_process_is_ready() -> None:
    clock = ManualClock()
    payload = hand_over(handed_session(clock))
    clock.advance(100)
    session = take_over(read(payload), Owner("n", 2), POLICY, clock.now())
    assert session.lapse_tick == clock.now().tick + 150


def test_one_that_does_not_come_back_was_drained() -> None:
    clock = ManualClock()
    session = take_over(read(hand_over(handed_session(clock))), Owner("n", 2), POLICY, clock.now())
    clock.advance(150 + 30)
    assert session.advance(clock.now())[-1] == Over("drained")


@pytest.mark.parametrize("payload", [b"", b"{}", b"[1]", b'{"session_id":1}', b"\xff"])
def test_what_is_no_session_is_refused(payload: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        read(payload)
