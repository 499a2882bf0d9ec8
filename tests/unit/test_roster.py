"""The fold of a room's feed: members, counts, merged state, and what each step did."""

from __future__ import annotations

from msgspec import Raw

from hereabouts.engine.records import Entry, FeedSnapshot, Membership, Owner, Position, Remove, Value
from hereabouts.engine.roster import Roster, fold_member, patch_state, state_bytes
from hereabouts.protocol.codes import Status

OWNER = Owner("n", 1)


def record(session: str, user: str = "ada", **more: object) -> Membership:
    return Membership(session, user, 1, OWNER, **{"joined_at": 1, **more})  # type: ignore[arg-type]


def put(seq: int, found: Membership) -> Entry:
    return Entry(Position("e", seq), found.session_id, found.user_id, found, None)


def gone(seq: int, session: str, user: str = "ada", cause: str = "leave") -> Entry:
    return Entry(Position("e", seq), session, user, None, Remove(session, user, 1, OWNER, cause))


def test_the_first_tab_joins_and_only_the_last_leaves() -> None:
    roster = Roster()
    first = roster.apply(put(1, record("a")))
    assert first.before is None and first.after is not None
    second = roster.apply(put(2, record("b")))
    assert second.before is not None and second.after is not None and second.after.sessions == 2
    assert (roster.count, roster.sessions) == (1, 2)
    assert roster.apply(gone(3, "a")).after is not None
    last = roster.apply(gone(4, "b", cause="closed"))
    assert last.after is None and last.cause == "closed"
    assert (roster.count, roster.sessions, roster.members) == (0, 0, {})


def test_a_removal_of_somebody_unknown_changes_nothing() -> None:
    roster = Roster()
    change = roster.apply(gone(1, "a"))
    assert change.before is change.after is None
    assert roster.count == 0


def test_the_newest_value_of_each_key_wins_and_ties_go_to_the_greater_session() -> None:
    one = record("a", state={"x": Value(Raw(b"1"), 5), "y": Value(Raw(b"1"), 9)})
    two = record("b", state={"x": Value(Raw(b"2"), 5), "y": Value(Raw(b"2"), 8)})
    for order in ([one, two], [two, one]):
        assert fold_member(order).state == {"x": Raw(b"2"), "y": Raw(b"1")}


def test_the_status_is_that_of_the_newest_outcome_whichever_session_carries_it() -> None:
    told = record("a", joined_at=1, status="dnd", text="not now", outcome_seq=8)
    behind = record("b", joined_at=2, status="online", outcome_seq=7)
    for order in ([told, behind], [behind, told]):
        member = fold_member(order)
        assert (member.status, member.text) == ("dnd", "not now")


def test_null_takes_away_only_the_own_value() -> None:
    mine = {"x": Value(Raw(b"1"), 1), "y": Value(Raw(b"1"), 1)}
    assert patch_state(mine, {"x": Raw(b"null"), "z": Raw(b"3")}, 2) == {
        "y": Value(Raw(b"1"), 1),
        "z": Value(Raw(b"3"), 2),
    }
    assert set(mine) == {"x", "y"}


def test_status_is_that_of_the_newest_outcome() -> None:
    older: Status = "online"
    one = record("a", status=older, outcome_seq=3)
    two = record("b", status="dnd", text="no", outcome_seq=4)
    merged = fold_member([two, one])
    assert (merged.status, merged.text) == ("dnd", "no")


def test_a_whole_feed_gives_only_the_net_change() -> None:
    roster = Roster(FeedSnapshot(Position("e", 2), (record("a"), record("b", "bob"))))
    changes = roster.replace(FeedSnapshot(Position("f", 1), (record("a"), record("c", "cy"))))
    told = {change.user_id: (change.before is None, change.after is None) for change in changes}
    assert told == {"bob": (False, True), "cy": (True, False)}


def test_the_size_of_a_state_is_that_of_its_json() -> None:
    assert state_bytes({}) == 2
    assert state_bytes({"a": Value(Raw(b"1"), 0)}) >= len(b'{"a":1}')
