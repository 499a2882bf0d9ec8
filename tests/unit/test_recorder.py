"""Which rows follow from a commit."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec import structs

from hereabouts.engine.identity import Identity
from hereabouts.engine.policy import Policy
from hereabouts.engine.records import (
    DECLARATION,
    Change,
    Commit,
    Declaration,
    FeedKey,
    Membership,
    Now,
    Owner,
    Position,
    Presence,
    Put,
    Records,
    Remove,
)
from hereabouts.engine.session import Session
from hereabouts.engine.status import Outcome
from hereabouts.journal.base import LastSeen, Row, SessionClosed, SessionOpened, Transition
from hereabouts.journal.none import NoJournal
from hereabouts.journal.outbox import OutboxRow
from hereabouts.journal.recorder import Recorder, throttle_seconds
from hereabouts.protocol.codes import Declared

AT = 1_000_000
LATER = AT + 60_000
USER = FeedKey("default", "user", "ada")
OWNER = Owner("n1", 1)
LOST = Owner("n2", 1)
HERE = Position("e", 1)
LOBBY = FeedKey("default", "room", "lobby")


class Notebook(NoJournal):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []

    def record(self, rows: Sequence[Row]) -> None:
        self.rows += rows


def session(session_id: str = "s1", policy: Policy | None = None) -> Session:
    identity = Identity("default", "ada")
    made = Session(
        session_id, identity, OWNER, policy or Policy(), Now(0, AT), resume_hash=b"", leave_hash=b"", platform="web"
    )
    made.touch(Now(60, LATER))
    return made


def presence(session_id: str = "s1", visible: bool = True) -> Presence:
    return Presence(session_id, "ada", 1, OWNER, AT, visible, True, AT, AT, "web")


def declaration(status: Declared, public_seen_at: int | None = None) -> Declaration:
    return Declaration("s1", "ada", 1, OWNER, status, AT, public_seen_at=public_seen_at, public_active_at=AT - 5)


def removal(session_id: str = "s1", cause: str = "closed") -> Remove:
    return Remove(session_id, "ada", 1, OWNER, cause, LATER, AT)


def rows(
    change: Change,
    before: Records | None,
    *others: Records,
    feed: FeedKey = USER,
    applied: bool = True,
    durability: str = "transitions",
) -> list[Row]:
    book = Notebook()
    asker = session(policy=Policy(durability=durability))
    Recorder(book).committed(asker, feed, change, Commit(applied, HERE, before, others), LATER + 1)
    return book.rows


def told(change: Change, before: Records | None, *others: Records, feed: FeedKey = USER) -> list[OutboxRow]:
    """The rows for other servers."""
    book = Notebook()
    recorder = Recorder(book)
    recorder.tells = frozenset({"user", "member"})
    recorder.committed(session(), feed, change, Commit(True, HERE, before, others), LATER + 1)
    for place, row in enumerate(book.rows):
        if isinstance(row, OutboxRow) and row.kind == "user" and (before is None or before.owner == OWNER):
            assert isinstance(book.rows[place - 1], Transition), "the two are written together"
    return [row for row in book.rows if isinstance(row, OutboxRow)]


def outward(value: str | None, cause: str | None = None, room: str = "") -> OutboxRow:
    return OutboxRow("default", "member" if room else "user", room, "ada", value, cause, LATER + 1, HERE)


OPENED = SessionOpened("default", "s1", "ada", "n1", "web", AT)
CLOSED = SessionClosed("default", "s1", LATER + 1, "closed", LATER)
SEEN = LastSeen("default", "ada", LATER, AT, LATER, AT)


def turned(before: str, after: str, cause: str | None = None) -> Transition:
    return structs.replace(
        Transition("default", "ada", "online", "online", cause, LATER + 1), before=before, after=after
    )


def test_the_first_session_of_a_user() -> None:
    assert rows(Put(presence()), None) == [OPENED, turned("offline", "online"), SEEN]


def test_another_session_of_a_user() -> None:
    assert rows(Put(presence()), None, presence("s2")) == [OPENED]


def test_a_change_within_a_session() -> None:
    assert rows(Put(presence(visible=False)), presence()) == [turned("online", "away"), SEEN]
    assert rows(Put(presence()), presence()) == []


def test_the_last_session_of_a_user() -> None:
    assert rows(removal(), presence()) == [CLOSED, turned("online", "offline", "closed"), SEEN]


def test_one_of_several_sessions_goes() -> None:
    assert rows(removal(), presence(), presence("s2")) == [CLOSED]
    assert rows(removal(), presence(), presence("s2", visible=False)) == [
        CLOSED, turned("online", "away", "closed"), SEEN,
    ]  # fmt: skip


def test_going_invisible_freezes_what_is_told() -> None:
    hides = Put(declaration("invisible", public_seen_at=AT + 7))
    frozen = LastSeen("default", "ada", LATER, AT, AT + 7, AT - 5)
    assert rows(hides, None, presence()) == [turned("online", "offline", "leave"), frozen]
    assert rows(Put(presence()), None, hides.record) == [OPENED], "nobody is told of a session of somebody invisible"
    assert rows(removal(), presence(), hides.record) == [CLOSED, frozen]
    shows = Remove(DECLARATION, "ada", 1, OWNER, "leave")
    assert rows(shows, hides.record, presence()) == [turned("offline", "online"), SEEN]


def test_a_declared_status_is_a_transition_without_a_cause() -> None:
    busy = declaration("busy")
    assert rows(Put(busy), None, presence()) == [turned("online", "busy"), SEEN]
    assert rows(Remove(DECLARATION, "ada", 1, OWNER, "leave"), busy, presence()) == [turned("busy", "online"), SEEN]
    assert rows(Remove(DECLARATION, "ada", 1, OWNER, "leave"), busy) == [], "nobody was here"


@pytest.mark.parametrize("change", [Put(presence()), removal()], ids=["put", "remove"])
def test_what_was_refused_or_is_a_rooms_or_is_not_wanted_gives_no_rows(change: Change) -> None:
    before = None if isinstance(change, Put) else presence()
    assert rows(change, before, applied=False) == []
    assert rows(change, before, feed=FeedKey("default", "room", "ada")) == []
    assert rows(change, before, durability="none") == []
    assert rows(change, before, durability="throttled(5)") == rows(change, before)


def test_seen_takes_the_newest_session() -> None:
    book = Notebook()
    older, newer = session("s1"), session("s2")
    newer.touch(Now(99, LATER + 9))
    older.outcome = newer.outcome = Outcome("online", last_seen_at=AT, last_active_at=AT + 1, sessions=2)
    Recorder(book).seen([newer, older])
    assert book.rows == [LastSeen("default", "ada", LATER + 9, AT, LATER + 9, AT + 1)]


def test_seen_does_not_tell_of_somebody_invisible() -> None:
    book = Notebook()
    hidden = session()
    hidden.outcome = Outcome("offline", "invisible", last_seen_at=AT + 7, sessions=1)
    Recorder(book).seen([hidden])
    assert book.rows == [LastSeen("default", "ada", LATER, AT, AT + 7, None)]


@pytest.mark.parametrize(
    ("durability", "seconds"), [("none", None), ("transitions", None), ("throttled(5)", 5), ("throttled(600)", 600)]
)
def test_how_often_is_read_from_the_policy(durability: str, seconds: float | None) -> None:
    assert throttle_seconds(Policy(durability=durability)) == seconds


def test_other_servers_hear_of_a_user_who_comes_changes_and_goes() -> None:
    assert told(Put(presence()), None) == [outward("online")]
    assert told(Put(presence(visible=False)), presence()) == [outward("away")]
    assert told(removal(), presence()) == [outward(None, "closed")]
    assert told(Put(presence()), None, presence("s2")) == []
    assert told(Put(declaration("invisible")), None, presence()) == [outward(None, "leave")]


def test_other_servers_hear_of_a_member_who_comes_and_goes() -> None:
    room = FeedKey("default", "room", "lobby")
    here = Membership("s1", "ada", 1, OWNER, AT)
    elsewhere = Membership("s2", "ada", 1, OWNER, AT)
    assert told(Put(here), None, feed=room) == [outward("in", room="lobby")]
    assert told(Put(here), here, feed=room) == []
    assert told(Put(here), None, elsewhere, feed=room) == []
    assert told(removal(), here, elsewhere, feed=room) == []
    assert told(removal(), here, feed=room) == [outward(None, "closed", room="lobby")]


def test_where_nobody_asked_no_word_is_kept() -> None:
    assert not any(isinstance(row, OutboxRow) for row in rows(Put(presence()), None))
    assert rows(Put(Membership("s1", "ada", 1, OWNER, AT)), None, feed=FeedKey("default", "room", "lobby")) == []


def test_who_goes_on_here_is_told_of_again_as_the_other_node_may_have_been_killed_first() -> None:
    there = structs.replace(presence(), owner=LOST)
    assert told(Put(presence()), there) == [outward("online")]
    here = Membership("s1", "ada", 2, OWNER, AT)
    assert told(Put(here), structs.replace(here, owner=LOST), feed=LOBBY) == [outward("in", room="lobby")]
    assert told(Put(here), here, feed=LOBBY) == []


def followed(change: Change, before: Records | None, *others: Records, feed: FeedKey = USER) -> list[Row]:
    book = Notebook()
    recorder = Recorder(book)
    recorder.tells = frozenset({"user", "member"})
    recorder.followed(feed, change, Commit(True, HERE, before, others), LATER + 1)
    return book.rows


def test_of_what_a_dead_node_left_only_word_is_given() -> None:
    lost = Remove("s1", "ada", 0, LOST, "node_lost")
    assert followed(lost, presence()) == [outward(None, "node_lost")]
    assert followed(lost, presence(), presence("s2")) == []
    assert followed(lost, Membership("s1", "ada", 1, LOST, AT), feed=LOBBY) == [outward(None, "node_lost", "lobby")]
    assert followed(lost, presence(), declaration("invisible")) == []


def test_who_is_registered_again_is_told_of() -> None:
    assert followed(Put(presence()), None) == [outward("online")]
    assert followed(Put(presence()), None, presence("s2")) == []
