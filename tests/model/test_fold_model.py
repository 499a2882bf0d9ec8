"""The folds on random records: a step tells the truth, a removal equals a fold from scratch, order means nothing."""

from __future__ import annotations

import os
from random import Random
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw, structs

from hereabouts.engine.records import (
    Declaration,
    Entry,
    FeedSnapshot,
    Membership,
    Owner,
    Position,
    Presence,
    Records,
    Remove,
    Value,
)
from hereabouts.engine.roster import MemberFold, Roster, fold_member, merge_state, patch_state
from hereabouts.engine.status import OFFLINE, Outcome, depart, fold, never_back

TIMES: Final = int(os.environ.get("HEREABOUTS_TEST_SEEDS", "1"))
OWNER: Final = Owner("n0", 1)
TIME: Final = st.integers(1, 5)
model = settings(max_examples=200 * TIMES, deadline=None)

memberships = st.builds(
    Membership,
    session_id=st.sampled_from(["a0", "a1", "b0", "b1", "c0"]),
    user_id=st.just(""),
    incarnation=st.integers(1, 2),
    owner=st.just(OWNER),
    joined_at=TIME,
    state=st.dictionaries(
        st.sampled_from("xyz"), st.builds(Value, json=st.sampled_from([Raw(b"1"), Raw(b"2")]), at=TIME), max_size=2
    ),
    name=st.sampled_from([None, "Ada", "A."]),
    info=st.none(),
    status=st.sampled_from(["online", "busy"]),
    text=st.none(),
    outcome_seq=TIME,
    last_active_at=st.none() | TIME,
).map(lambda record: _of_its_user(record))

steps = st.lists(memberships | st.sampled_from(["a0", "a1", "b0", "b1", "c0"]), max_size=30)


def _of_its_user(record: Membership) -> Membership:
    return structs.replace(record, user_id=record.session_id[0])


def _plain(member: MemberFold | None) -> Any:
    if member is None:
        return None
    fields = {name: getattr(member, name) for name in member.__struct_fields__}
    return {**fields, "state": {key: bytes(value) for key, value in member.state.items()}}


def _naive(records: dict[str, Membership], user_id: str) -> Any:
    """A member, said again as plainly as can be."""
    own = [record for record in records.values() if record.user_id == user_id]
    if not own:
        return None
    newest = max(own, key=lambda record: (record.joined_at, record.session_id))
    told = max(own, key=lambda record: (record.outcome_seq, record.session_id))
    state: dict[str, bytes] = {}
    for key in {key for record in own for key in record.state}:
        holder = max((r for r in own if key in r.state), key=lambda r: (r.state[key].at, r.session_id))
        state[key] = bytes(holder.state[key].json)
    return {
        "user_id": user_id,
        "name": newest.name,
        "info": None,
        "status": told.status,
        "text": None,
        "joined_at": min(record.joined_at for record in own),
        "last_active_at": max((r.last_active_at for r in own if r.last_active_at is not None), default=None),
        "sessions": len(own),
        "state": state,
    }


@model
@given(steps)
def test_each_step_of_a_feed_tells_what_it_did_and_leaves_a_fold_from_scratch(history: list[Membership | str]) -> None:
    roster, records, seq = Roster(), dict[str, Membership](), 0
    for step in history:
        session_id = step if isinstance(step, str) else step.session_id
        user_id = session_id[0]
        if isinstance(step, str) and step not in records:
            continue
        seq += 1
        before = _naive(records, user_id)
        if isinstance(step, str):
            del records[step]
            removal = Remove(step, user_id, 1, OWNER, "leave")
            change = roster.apply(Entry(Position("e", seq), step, user_id, None, removal))
        else:
            records[session_id] = step
            change = roster.apply(Entry(Position("e", seq), session_id, user_id, step, None))
        assert (_plain(change.before), _plain(change.after)) == (before, _naive(records, user_id))
        assert roster.sessions == len(records)
        assert {user: _plain(member) for user, member in roster.members.items()} == {
            user: _naive(records, user) for user in {record.user_id for record in records.values()}
        }
    fresh = Roster(FeedSnapshot(Position("e", seq), tuple(records.values())))
    assert fresh.members == roster.members and fresh.sessions == roster.sessions


@model
@given(steps, steps)
def test_a_whole_feed_tells_the_net_change_user_by_user(first: list[Any], second: list[Any]) -> None:
    was, now = _standing(first), _standing(second)
    roster = Roster(FeedSnapshot(Position("e", 1), tuple(was.values())))
    changes = roster.replace(FeedSnapshot(Position("f", 1), tuple(now.values())))
    told = {change.user_id: (_plain(change.before), _plain(change.after)) for change in changes}
    assert len(told) == len(changes)
    for user_id in "abc":
        pair = (_naive(was, user_id), _naive(now, user_id))
        assert told.get(user_id) == (pair if pair[0] != pair[1] else None)


def _standing(history: list[Any]) -> dict[str, Membership]:
    return {step.session_id: step for step in history if isinstance(step, Membership)}


@model
@given(steps, st.randoms(use_true_random=False))
def test_the_order_of_records_means_nothing_to_a_member(history: list[Any], random: Random) -> None:
    own = [record for record in _standing(history).values() if record.user_id == "a"]
    shuffled = random.sample(own, len(own))
    if own:
        assert fold_member(own) == fold_member(shuffled)
        assert merge_state(own) == merge_state(shuffled)


@model
@given(
    st.dictionaries(st.sampled_from("xyz"), st.sampled_from([b"1", b"null", b'"s"']), max_size=3),
    st.dictionaries(st.sampled_from("xyz"), st.sampled_from([b"1", b"null", b'"s"']), max_size=3),
)
def test_null_takes_a_key_away_and_the_last_word_stands(first: dict[str, bytes], second: dict[str, bytes]) -> None:
    patched = patch_state(patch_state({}, _raw(first), 1), _raw(second), 2)
    wanted = {key: value for key, value in {**first, **second}.items() if value != b"null"}
    assert {key: bytes(value.json) for key, value in patched.items()} == wanted


def _raw(state: dict[str, bytes]) -> dict[str, Raw]:
    return {key: Raw(value) for key, value in state.items()}


presences = st.builds(
    Presence,
    session_id=st.sampled_from(["s0", "s1", "s2", "s3"]),
    user_id=st.just("ada"),
    incarnation=st.just(1),
    owner=st.just(OWNER),
    opened_at=TIME,
    visible=st.booleans(),
    active=st.booleans(),
    last_active_at=st.none() | TIME,
    last_seen_at=TIME,
)
declarations = st.none() | st.builds(
    Declaration,
    session_id=st.just("s0"),
    user_id=st.just("ada"),
    incarnation=TIME,
    owner=st.just(OWNER),
    status=st.sampled_from(["available", "busy", "dnd", "away", "invisible"]),
    at=TIME,
    text=st.sampled_from([None, "in a talk"]),
    public_seen_at=st.none() | TIME,
    public_active_at=st.none() | TIME,
)


def _status(sessions: list[Presence], declaration: Declaration | None) -> str:
    """The merge rule, said again."""
    if not sessions or (declaration and declaration.status == "invisible"):
        return "offline"
    if declaration and declaration.status != "available":
        return declaration.status
    if [s for s in sessions if s.visible and s.active]:
        return "online"
    return "idle" if [s for s in sessions if s.visible] else "away"


@model
@given(st.lists(presences, unique_by=lambda record: record.session_id), declarations, st.randoms(use_true_random=False))
def test_the_merge_rule_in_any_order(sessions: list[Presence], declared: Declaration | None, random: Random) -> None:
    records: list[Records] = [*sessions, *([declared] if declared else [])]
    outcome = fold(records)
    assert outcome == fold(random.sample(records, len(records)))
    assert outcome.status == _status(sessions, declared)
    if outcome.is_invisible:
        assert outcome.public_sessions == 0 and outcome.text is None
        if sessions and declared:
            assert (outcome.last_seen_at, outcome.last_active_at) == (
                declared.public_seen_at,
                declared.public_active_at,
            )


@model
@given(st.lists(st.tuples(st.lists(presences, max_size=3), declarations, st.none() | TIME), max_size=8))
def test_times_never_go_back(history: list[tuple[list[Presence], Declaration | None, int | None]]) -> None:
    shown: Outcome = OFFLINE
    for sessions, declared, seen_at in history:
        earlier = shown
        if sessions:
            shown = never_back(fold([*sessions, *([declared] if declared else [])]), shown)
        else:
            removal = None if seen_at is None else Remove("s0", "ada", 1, OWNER, "leave", seen_at, seen_at)
            shown = never_back(depart(shown, removal), shown)
        for now, was in (
            (shown.last_seen_at, earlier.last_seen_at),
            (shown.last_active_at, earlier.last_active_at),
        ):
            assert was is None or (now is not None and now >= was)
