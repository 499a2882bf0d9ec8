"""The projection of a room for one audience: what steps it, and what is sent from it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from hereabouts.engine.records import Entry, FeedSnapshot, Membership, Owner, Position, Remove, Value
from hereabouts.engine.roster import Roster
from hereabouts.fanout.audience import Audience
from hereabouts.fanout.outbox import Packet
from hereabouts.fanout.stream import Stream
from hereabouts.protocol.codes import View

OWNER = Owner("n", 1)


class Feed:
    """A roster, and the streams that are told what changed in it."""

    def __init__(self) -> None:
        self.roster = Roster(FeedSnapshot(Position("f", 0), ()))
        self.streams: list[Stream] = []

    def stream(self, view: View = "full", mode: Any = "roster") -> Stream:
        self.streams.append(Stream("lobby", Audience(view, mode), "e", self.roster))
        return self.streams[-1]

    def put(self, user_id: str, **more: Any) -> None:
        record = Membership(f"s-{user_id}", user_id, 1, OWNER, **{"joined_at": 1, **more})
        self._apply(Entry(Position("f", 1), record.session_id, user_id, record, None))

    def remove(self, user_id: str, cause: str = "leave") -> None:
        removal = Remove(f"s-{user_id}", user_id, 1, OWNER, cause)
        self._apply(Entry(Position("f", 1), removal.session_id, user_id, None, removal))

    def _apply(self, entry: Entry) -> None:
        change = self.roster.apply(entry)
        for stream in self.streams:
            stream.pending[change.user_id] = change.cause


def told(packet: Packet | None) -> dict[str, Any]:
    assert packet is not None
    found: dict[str, Any] = msgspec.json.decode(packet.payload)
    return found


def state(n: int) -> dict[str, Value]:
    return {"n": Value(Raw(b"%d" % n), n)}


def test_a_stream_begins_with_who_is_there() -> None:
    feed = Feed()
    feed.put("ada")
    stream = feed.stream()
    assert (stream.seq, stream.count) == (0, 1)
    assert [member["user_id"] for member in told(stream.snapshot("zoe", (), False))["members"]] == ["ada"]


def test_it_steps_once_for_all_that_is_pending_and_not_without_a_difference() -> None:
    feed = Feed()
    stream = feed.stream()
    feed.put("ada")
    feed.put("bob")
    assert stream.advance() and stream.seq == 1
    feed.put("bob")
    assert not stream.advance() and stream.seq == 1


@pytest.mark.parametrize(("view", "steps"), [("full", True), ("status", False), ("existence", False), ("none", False)])
def test_state_steps_only_the_view_that_shows_it(view: View, steps: bool) -> None:
    feed = Feed()
    feed.put("ada")
    stream = feed.stream(view)
    feed.put("ada", state=state(1))
    assert stream.advance() is steps


@pytest.mark.parametrize(("view", "count"), [("full", 1), ("status", 1), ("existence", 1), ("none", 0)])
def test_who_may_see_nothing_is_told_of_nobody(view: View, count: int) -> None:
    feed = Feed()
    stream = feed.stream(view)
    feed.put("ada")
    assert stream.advance() is (count > 0)
    assert told(stream.snapshot("zoe", (), False))["count"] == count


def test_sessions_step_the_count_of_the_view_full_only() -> None:
    feed = Feed()
    feed.put("ada")
    full, status = feed.stream(mode="count"), feed.stream("status", "count")
    record = Membership("second", "ada", 1, OWNER, joined_at=1)
    feed._apply(Entry(Position("f", 2), "second", "ada", record, None))
    assert (full.advance(), status.advance()) == (True, False)
    assert (told(full.count_packet())["sessions"], "sessions" in told(status.count_packet())) == (2, False)


def test_a_snapshot_for_somebody_who_is_not_there_is_made_once() -> None:
    feed = Feed()
    feed.put("ada")
    stream = feed.stream()
    assert stream.snapshot("zoe", (), False) is stream.snapshot("yan", (), False)
    assert stream.snapshot("zoe", (), False) is not stream.snapshot("ada", (), False)
    assert stream.snapshot("zoe", (), False) is not stream.snapshot("zoe", (), True)
    feed.put("bob")
    stream.advance()
    assert told(stream.snapshot("zoe", (), False))["count"] == 2


def test_those_who_type_are_marked_for_the_view_full_only() -> None:
    feed = Feed()
    feed.put("ada")
    full, status = feed.stream(), feed.stream("status")
    assert told(full.snapshot("zoe", ["ada"], False))["members"][0]["typing"] is True
    assert "typing" not in told(status.snapshot("zoe", ["ada"], False))["members"][0]


def test_a_delta_is_the_net_change_since_any_position() -> None:
    feed = Feed()
    stream = feed.stream()
    feed.put("ada")
    stream.advance()
    feed.put("ada", state=state(1))
    stream.advance()
    feed.remove("ada", "closed")
    stream.advance()
    assert [told(stream.delta(since))["events"] for since in (0, 1, 2, 3)] == [
        [],
        [{"event": "leave", "user_id": "ada", "cause": "closed"}],
        [{"event": "leave", "user_id": "ada", "cause": "closed"}],
        [],
    ]


def test_the_own_entry_of_a_delta_is_full_in_every_view() -> None:
    feed = Feed()
    stream = feed.stream("status")
    feed.put("ada", state=state(1))
    stream.advance()
    (own,) = told(stream.delta(0, "ada"))["events"]
    (other,) = told(stream.delta(0, "zoe"))["events"]
    assert (own["member"]["state"], own["member"]["self"]) == ({"n": 1}, True)
    assert other["member"] == {"user_id": "ada", "status": "online"}


def test_telling_the_own_entry_says_whether_it_was_known() -> None:
    feed = Feed()
    feed.put("ada")
    stream = feed.stream("existence")
    kinds = [
        [event["event"] for event in told(stream.delta(0, "ada", tell_own=True, own_was_shown=known))["events"]]
        for known in (False, True)
    ]
    assert kinds == [["join"], ["update"]]
    feed.remove("ada")
    stream.advance()
    (gone,) = told(stream.delta(0, "ada", tell_own=True, own_was_shown=True))["events"]
    assert gone == {"event": "leave", "user_id": "ada"}
    assert told(stream.delta(0, "ada", tell_own=True))["events"] == []


def test_it_goes_on_only_where_it_has_a_history() -> None:
    feed = Feed()
    stream = feed.stream()
    feed.put("ada")
    stream.advance()
    assert stream.can_continue("e", 0) and stream.can_continue("e", 1)
    assert not stream.can_continue("e", 2)
    assert not stream.can_continue("e", -1)
    assert not stream.can_continue("other", 1)
    assert not feed.stream("existence").can_continue("e", 0)
    assert not feed.stream(mode="count").can_continue("e", 0)


def test_a_summary_shows_nobody_and_its_end_everybody_with_no_delta_across() -> None:
    feed = Feed()
    feed.put("ada")
    stream = feed.stream()
    stream.summarise(True)
    assert told(stream.snapshot("ada", (), False))["members"] == []
    assert (stream.is_counting, stream.shown_bytes) == (True, 0)
    feed.put("bob")
    stream.advance()
    stream.summarise(False)
    assert len(told(stream.snapshot("zoe", (), False))["members"]) == 2
    assert stream.delta(0) is None


def test_what_is_shown_is_measured_as_it_comes_and_goes() -> None:
    feed = Feed()
    stream = feed.stream()
    feed.put("ada", info=Raw(b'"' + b"x" * 100 + b'"'))
    stream.advance()
    assert stream.shown_bytes > 100
    feed.remove("ada")
    stream.advance()
    assert stream.shown_bytes == 0
