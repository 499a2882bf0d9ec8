"""What a client knows of a room: the cases that every client passes, and random streams against a naive model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from hereabouts.client.events import CountChanged, Joined, Left, RoomEvent, Synced, TypingChanged, Updated
from hereabouts.client.fold import RoomFold, Step
from hereabouts.protocol.messages import Count, Delta, Snapshot, TypingNow

VECTORS = Path(__file__).parents[2] / "spec" / "vectors" / "client_fold.json"
CASES: list[dict[str, Any]] = json.loads(VECTORS.read_text())["cases"]

_decoder = msgspec.json.Decoder(Snapshot | Delta | Count | TypingNow)


def take(fold: RoomFold, message: dict[str, Any]) -> Step:
    if message["type"] == "lost":
        return fold.lose()
    return fold.apply(_decoder.decode(json.dumps(message)))


def plain(value: Any) -> Any:
    found = json.loads(msgspec.json.encode(value))
    if isinstance(found, dict):
        found.pop("room", None)
    return found


def by_user(members: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(members, key=lambda member: str(member["user_id"]))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_case_that_every_client_passes(case: dict[str, Any]) -> None:
    fold = RoomFold("doc:42")
    for step in case["steps"]:
        done = take(fold, step["message"])
        assert [plain(event) for event in done.events] == step["events"]
        assert done.needs_sync == bool(step["requests"])
    assert by_user(plain(fold.members)) == by_user(case["members"])
    assert (fold.count, list(fold.typing), fold.is_stale) == (case["count"], case["typing"], case["is_stale"])
    assert fold.seen == (tuple(case["seen"]) if case["seen"] else None)


def test_the_own_entry_is_found() -> None:
    fold = RoomFold("doc:42")
    assert fold.own is None
    take(fold, CASES[0]["steps"][0]["message"])
    assert fold.own is not None
    assert fold.own.user_id == "ada"


# Random streams: a server with a history, a line that loses, repeats and reorders, a model that is told the truth.

USERS = ["ada", "bob", "cat"]
Roster = dict[str, int]


def member(user_id: str, value: int) -> Raw:
    told = {"user_id": user_id, "status": "online", "joined_at": 1, "sessions": 1, "state": {"n": value}}
    return Raw(json.dumps(told).encode())


def snapshot(history: list[Roster], seq: int) -> Snapshot:
    roster = history[seq]
    return Snapshot("r", "e", seq, "roster", "full", len(roster), [member(*item) for item in roster.items()])


def delta(history: list[Roster], since: int, seq: int) -> Delta:
    before, after = history[since], history[seq]
    events = [Raw(json.dumps({"event": "leave", "user_id": gone}).encode()) for gone in before if gone not in after]
    for user_id, value in after.items():
        if before.get(user_id) != value:
            kind = b"update" if user_id in before else b"join"
            events.append(Raw(b'{"event":"%b","member":%b}' % (kind, bytes(member(user_id, value)))))
    return Delta("r", "e", since, seq, events, len(after))


def histories() -> st.SearchStrategy[list[Roster]]:
    roster = st.dictionaries(st.sampled_from(USERS), st.integers(0, 2))
    return st.lists(roster, min_size=2, max_size=8)


@st.composite
def lines(draw: st.DrawFn) -> tuple[list[Roster], list[Snapshot | Delta]]:
    """A history, and messages about it in whatever order and number they arrive."""
    history = draw(histories())
    positions = st.integers(0, len(history) - 1)
    said: list[Snapshot | Delta] = [snapshot(history, 0)]
    for _ in range(draw(st.integers(0, 12))):
        one, other = sorted((draw(positions), draw(positions)))
        said.append(snapshot(history, one) if draw(st.booleans()) else delta(history, one, other))
    return history, said


def state_of(fold: RoomFold) -> Roster:
    return {member.user_id: member.state["n"] for member in fold.members}


class Reader:
    """Builds the roster from the events alone, and minds that joins and leaves alternate."""

    def __init__(self) -> None:
        self.roster: Roster = {}

    def read(self, fold: RoomFold, events: tuple[RoomEvent, ...]) -> None:
        for event in events:
            match event:
                case Joined(found):
                    assert found.user_id not in self.roster
                    self.roster[found.user_id] = found.state["n"]
                case Updated(found):
                    assert self.roster[found.user_id] != found.state["n"]
                    self.roster[found.user_id] = found.state["n"]
                case Left(user_id):
                    del self.roster[user_id]
                case Synced():
                    self.roster = state_of(fold)
                case CountChanged() | TypingChanged():
                    pass


@given(lines())
def test_what_is_known_is_always_what_was_true_at_the_position(drawn: tuple[list[Roster], list[Any]]) -> None:
    history, said = drawn
    fold, reader, newest = RoomFold("r"), Reader(), 0
    for message in said:
        was_stale = fold.is_stale
        step = fold.apply(message)
        reader.read(fold, step.events)
        assert fold.position is not None
        assert fold.position[1] >= newest, "the position never goes back"
        newest = fold.position[1]
        assert state_of(fold) == history[newest] == reader.roster
        assert step.needs_sync == (fold.is_stale and not was_stale), "one request a gap"


@given(lines(), histories())
def test_an_answered_request_always_leads_to_the_truth(
    drawn: tuple[list[Roster], list[Any]], rest: list[Roster]
) -> None:
    history, said = drawn
    fold = RoomFold("r")
    for message in said:
        fold.apply(message)
    history = history + rest
    last = len(history) - 1
    if fold.apply(delta(history, last - 1, last)).needs_sync or fold.is_stale:
        fold.apply(snapshot(history, last))
    assert state_of(fold) == history[last]
    assert not fold.is_stale
