"""The fan-out of one room: windows, own entries, typing, summary, and what a slow connection is spared."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from msgspec import Raw, structs

from hereabouts.engine.identity import Identity
from hereabouts.engine.policy import Policy
from hereabouts.engine.records import Entry, FeedKey, FeedSnapshot, Membership, Now, Owner, Position, Remove, Value
from hereabouts.fanout.audience import Audience
from hereabouts.fanout.outbox import Packet
from hereabouts.fanout.room import RoomFan
from hereabouts.fanout.viewer import Viewer, Viewing
from hereabouts.protocol.codes import View
from hereabouts.testing.clock import ManualClock

OWNER = Owner("n", 1)
LOBBY = FeedKey("default", "room", "lobby")
WINDOW = Policy().fanout_window_seconds


class World:
    """A clock, and the calls that are to come; the `Tools` of a room."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.calls: list[tuple[float, Callable[[], None]]] = []
        self.filed: list[RoomFan] = []
        self.is_degraded = False
        self.frames = 0
        self.epochs = 0

    def now(self) -> Now:
        return self.clock.now()

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.calls.append((self.now().tick + seconds, call))

    def file(self, room: RoomFan) -> None:
        self.filed.append(room)

    def new_epoch(self) -> str:
        self.epochs += 1
        return f"e{self.epochs}"

    def delivered(self, frames: int, payload_bytes: int) -> None:
        self.frames += frames

    def after(self, seconds: float) -> None:
        """Let time pass, and what is to happen in it happen."""
        end = self.now().tick + seconds
        while due := [call for call in self.calls if call[0] <= end]:
            first = min(due, key=lambda call: call[0])
            self.calls.remove(first)
            self.clock.advance(max(first[0] - self.now().tick, 0.0))
            first[1]()
        self.clock.advance(max(end - self.now().tick, 0.0))


class Socket:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.is_paused = False
        self.sent: list[dict[str, Any]] = []

    def send(self, packet: Packet) -> None:
        self.sent.append(msgspec.json.decode(packet.payload))

    def close(self, code: int, reason: str) -> None:
        raise AssertionError(f"nothing of a room closes a connection: {code} {reason}")

    def take(self) -> list[dict[str, Any]]:
        taken, self.sent = self.sent, []
        return taken


class Room:
    """A room with its feed, and somebody to look at it."""

    def __init__(self, **policy: Any) -> None:
        self.world = World()
        self.fan = RoomFan(LOBBY, structs.replace(Policy(), **policy), FeedSnapshot(Position("f", 0), ()), self.world)
        self.seq = 0

    def look(self, user_id: str = "zoe", view: View = "full", mode: str = "roster") -> tuple[Socket, Viewing]:
        socket = Socket()
        viewing = Viewing(Viewer(socket, Identity("default", user_id)), "lobby")
        self.fan.attach(viewing, Audience(view, mode))  # type: ignore[arg-type]
        return socket, viewing

    def put(self, user_id: str, session: str = "", **more: Any) -> None:
        self.seq += 1
        name = session or f"s-{user_id}"
        record = Membership(name, user_id, 1, OWNER, **{"joined_at": 1, "outcome_seq": self.seq, **more})
        self.fan.entry(Entry(Position("f", self.seq), name, user_id, record, None))

    def state(self, user_id: str, value: int, session: str = "") -> None:
        self.put(user_id, session, state={"n": Value(Raw(str(value).encode()), self.seq)})

    def remove(self, user_id: str, session: str = "", cause: str = "leave") -> None:
        self.seq += 1
        name = session or f"s-{user_id}"
        self.fan.entry(
            Entry(Position("f", self.seq), name, user_id, None, Remove(name, user_id, 1, OWNER, cause))
        )  # fmt: skip

    def settle(self) -> None:
        self.world.after(2.0)


def told(frames: list[dict[str, Any]]) -> list[str]:
    """The events of all deltas, as words."""
    found = []
    for frame in frames:
        for event in frame.get("events", ()):
            found.append(f"{event['event']} {event.get('user_id') or event['member']['user_id']}")
    return found


# Windows


def test_the_first_change_of_a_quiet_room_goes_out_at_once() -> None:
    room = Room()
    socket, _ = room.look()
    socket.take()
    room.put("ada")
    room.world.after(0)
    assert told(socket.take()) == ["join ada"]


def test_ten_changes_in_one_window_are_one_frame_with_the_net_effect() -> None:
    room = Room()
    room.put("ada")
    socket, _ = room.look()
    room.settle()
    socket.take()
    room.state("ada", 0)
    room.world.after(0)
    socket.take()
    for n in range(1, 11):
        room.world.after(WINDOW / 20)
        room.state("ada", n)
    room.settle()
    (frame,) = socket.take()
    assert [event["member"]["state"] for event in frame["events"]] == [{"n": 10}]


def test_no_two_frames_are_closer_than_the_window() -> None:
    room = Room()
    room.put("ada")
    socket, _ = room.look()
    room.settle()
    times = []
    for n in range(200):
        socket.take()
        room.state("ada", n)
        room.world.after(0.007)
        if socket.sent:
            times.append(room.world.now().tick)
    gaps = [after - before for before, after in pairwise(times)]
    assert len(gaps) > 10 and min(gaps) >= WINDOW - 0.0071


def test_a_storm_of_joins_widens_the_next_window() -> None:
    room = Room(fanout_budget=1_000)
    sockets = [room.look(f"v{i}")[0] for i in range(10)]
    for i in range(40):
        room.put(f"u{i}")
    room.world.after(0)
    assert room.fan.window_seconds == pytest.approx(0.4)
    for socket in sockets:
        socket.take()
    room.put("late")
    room.world.after(0.3)
    assert not any(socket.sent for socket in sockets)
    room.world.after(0.2)
    assert all(told(socket.sent) == ["join late"] for socket in sockets)


def test_the_same_bytes_go_to_all_who_are_at_the_same_position() -> None:
    room = Room()
    packets: list[Packet] = []
    sockets = [room.look(f"v{i}")[0] for i in range(3)]
    for socket in sockets:
        socket.send = packets.append  # type: ignore[method-assign, assignment]
    room.put("ada")
    room.world.after(0)
    assert len({id(packet) for packet in packets}) == 1 and len(packets) == 3


def test_deltas_follow_each_other_without_a_gap() -> None:
    room = Room()
    socket, _ = room.look()
    position = socket.take()[0]["seq"]
    for i in range(20):
        room.put(f"u{i % 7}", state={"n": Value(Raw(b"%d" % i), i)})
        room.world.after(0.03)
    room.settle()
    for frame in socket.take():
        assert frame["since"] == position
        position = frame["seq"]
    assert position > 0


def test_who_leaves_and_comes_back_in_one_window_is_an_update() -> None:
    room = Room()
    room.put("ada")
    socket, _ = room.look()
    socket.take()
    room.remove("ada")
    room.put("ada", state={"n": Value(Raw(b"1"), 1)})
    room.settle()
    assert told(socket.take()) == ["update ada"]


def test_who_comes_and_goes_in_one_window_is_not_mentioned() -> None:
    room = Room()
    socket, _ = room.look()
    socket.take()
    room.put("ada")
    room.remove("ada")
    room.settle()
    assert told(socket.take()) == []


# Views


def test_a_change_that_the_view_does_not_show_is_not_even_counted() -> None:
    room = Room()
    room.put("ada")
    socket, viewing = room.look(view="status")
    socket.take()
    room.state("ada", 1)
    room.settle()
    assert (socket.take(), viewing.sent) == ([], 0)


def test_the_cause_of_a_leave_is_for_the_view_full() -> None:
    room = Room()
    room.put("ada")
    full, _ = room.look()
    status, _ = room.look(view="status")
    full.take(), status.take()
    room.remove("ada", cause="closed")
    room.settle()
    assert full.take()[0]["events"] == [{"event": "leave", "user_id": "ada", "cause": "closed"}]
    assert status.take()[0]["events"] == [{"event": "leave", "user_id": "ada"}]


def test_existence_gets_counts_and_none_gets_nothing() -> None:
    room = Room()
    existence, _ = room.look(view="existence")
    nothing, _ = room.look(view="none")
    existence.take(), nothing.take()
    room.put("ada", name="Ada")
    room.settle()
    (frame,) = existence.take()
    assert (frame["count"], frame["events"]) == (1, [])
    assert nothing.take() == []


def test_a_count_has_sessions_for_the_view_full_only() -> None:
    room = Room()
    full, _ = room.look(mode="count")
    status, _ = room.look(view="status", mode="count")
    full.take(), status.take()
    room.put("ada", "s1")
    room.put("ada", "s2")
    room.settle()
    assert full.take() == [{"type": "count", "room": "lobby", "count": 1, "sessions": 2}]
    assert status.take() == [{"type": "count", "room": "lobby", "count": 1}]


# The own entry


@pytest.mark.parametrize("view", ["full", "status", "existence", "none"])
def test_the_own_entry_comes_changes_and_goes_in_every_view(view: View) -> None:
    room = Room()
    socket, _ = room.look("ada", view)
    room.settle()
    socket.take()
    room.put("ada")
    room.settle()
    room.state("ada", 1)
    room.settle()
    room.remove("ada")
    room.settle()
    frames = socket.take()
    assert told(frames) == ["join ada", "update ada", "leave ada"]
    update = frames[1]["events"][0]["member"]
    assert (update["self"], update["state"]) == (True, {"n": 1})


def test_an_own_change_that_the_audience_does_not_see_leaves_the_position() -> None:
    room = Room()
    room.put("ada")
    socket, _ = room.look("ada", "status")
    position = socket.take()[0]["seq"]
    room.state("ada", 1)
    room.settle()
    (frame,) = socket.take()
    assert (frame["since"], frame["seq"]) == (position, position)


def test_others_get_no_byte_of_the_own_entry() -> None:
    room = Room()
    room.look("ada", "status")
    other, _ = room.look("bob", "status")
    other.take()
    room.put("ada", info=Raw(b'{"secret":1}'), state={"n": Value(Raw(b"1"), 1)})
    room.settle()
    (frame,) = other.take()
    assert frame["events"] == [{"event": "join", "member": {"user_id": "ada", "status": "online"}}]


# Going on


def test_a_viewer_that_comes_back_gets_what_it_missed() -> None:
    room = Room()
    room.put("ada")
    socket, viewing = room.look()
    snapshot = socket.take()[0]
    room.fan.detach(viewing)
    room.put("bob")
    room.settle()
    assert viewing.viewer.connection is socket
    room.fan.attach(viewing, Audience("full", "roster"), (snapshot["epoch"], snapshot["seq"]))
    (frame,) = socket.take()
    assert (frame["type"], frame["since"], told([frame])) == ("delta", snapshot["seq"], ["join bob"])


@pytest.mark.parametrize("seen", [("another", 0), ("e1.0", 99), ("e1.0", -1)])
def test_a_position_that_is_not_of_this_stream_gets_a_snapshot(seen: tuple[str, int]) -> None:
    room = Room()
    room.put("ada")
    room.look()
    socket = Socket()
    room.fan.attach(
        Viewing(Viewer(socket, Identity("default", "zoe")), "lobby"), Audience("full", "roster"), seen
    )  # fmt: skip
    assert [frame["type"] for frame in socket.take()] == ["snapshot"]


def test_nothing_missed_is_nothing_sent() -> None:
    room = Room()
    room.put("ada")
    socket, viewing = room.look("ada")
    snapshot = socket.take()[0]
    room.fan.attach(viewing, Audience("full", "roster"), (snapshot["epoch"], snapshot["seq"]))
    assert socket.take() == []


def test_the_own_entry_is_told_anew_where_its_history_is_not_kept() -> None:
    room = Room()
    room.put("ada")
    socket, viewing = room.look("ada", "status")
    snapshot = socket.take()[0]
    room.fan.detach(viewing)
    room.state("ada", 7)
    room.settle()
    room.fan.attach(viewing, Audience("status", "roster"), (snapshot["epoch"], snapshot["seq"]))
    (frame,) = socket.take()
    assert told([frame]) == ["update ada"]
    assert frame["events"][0]["member"]["state"] == {"n": 7}


def test_after_a_gap_only_the_net_change_is_told() -> None:
    room = Room()
    room.put("ada")
    room.put("bob")
    socket, _ = room.look()
    socket.take()
    stays = Membership("s-ada", "ada", 1, OWNER, joined_at=1, outcome_seq=1)
    comes = Membership("s-cat", "cat", 1, OWNER, joined_at=1)
    room.fan.replace(FeedSnapshot(Position("g", 9), (stays, comes)))
    room.settle()
    assert sorted(told(socket.take())) == ["join cat", "leave bob"]


# Slow connections


def test_nothing_is_rendered_for_a_paused_connection_and_one_frame_when_it_drains() -> None:
    room = Room()
    socket, viewing = room.look()
    socket.take()
    socket.is_paused = True
    for i in range(50):
        room.put(f"u{i}")
        room.world.after(0.1)
    assert socket.take() == []
    socket.is_paused = False
    room.fan.catch_up(viewing)
    (frame,) = socket.take()
    assert len(frame["events"]) == 50


def test_a_connection_that_missed_more_than_is_remembered_gets_a_snapshot() -> None:
    room = Room(fanout_summary_above=10_000, fanout_summary_bytes=10**9)
    room.put("ada")
    socket, viewing = room.look()
    socket.take()
    socket.is_paused = True
    for n in range(4_200):
        room.state("ada", n)
        room.world.after(0.5)
    socket.is_paused = False
    room.fan.catch_up(viewing)
    assert [frame["type"] for frame in socket.take()] == ["snapshot"]


def test_a_paused_connection_is_told_of_a_summary_when_it_drains() -> None:
    room = Room(fanout_summary_above=3)
    socket, viewing = room.look()
    socket.take()
    socket.is_paused = True
    for i in range(5):
        room.put(f"u{i}")
    room.settle()
    assert socket.take() == []
    socket.is_paused = False
    room.fan.catch_up(viewing)
    (frame,) = socket.take()
    assert (frame["type"], frame["mode"], frame["count"]) == ("snapshot", "summary", 5)


def test_after_an_outage_everybody_gets_everything_a_paused_one_when_it_drains() -> None:
    room = Room()
    room.put("ada")
    quick, _ = room.look()
    slow, viewing = room.look()
    quick.take(), slow.take()
    slow.is_paused = True
    room.fan.refresh_all()
    assert [frame["type"] for frame in quick.take()] == ["snapshot"]
    assert slow.take() == []
    slow.is_paused = False
    room.fan.catch_up(viewing)
    assert [frame["type"] for frame in slow.take()] == ["snapshot"]


def test_a_snapshot_says_when_it_may_be_stale() -> None:
    room = Room()
    room.world.is_degraded = True
    stale, _ = room.look()
    room.world.is_degraded = False
    fresh, _ = room.look()
    assert stale.take()[0]["degraded"] is True
    assert "degraded" not in fresh.take()[0]


# Typing


def typed(frames: list[dict[str, Any]]) -> list[list[str]]:
    return [frame["user_ids"] for frame in frames if frame["type"] == "typing"]


def test_typing_is_told_as_the_whole_list_without_the_viewer_itself() -> None:
    room = Room()
    for user_id in ("ada", "bob"):
        room.put(user_id)
    ada, _ = room.look("ada")
    zoe, _ = room.look("zoe")
    room.settle()
    ada.take(), zoe.take()
    room.fan.signal("ada", True)
    room.settle()
    assert (typed(ada.take()), typed(zoe.take())) == ([], [["ada"]])
    room.fan.signal("bob", True)
    room.settle()
    assert (typed(ada.take()), typed(zoe.take())) == ([["bob"]], [["ada", "bob"]])
    room.fan.signal("ada", False)
    room.fan.signal("bob", False)
    room.settle()
    assert (typed(ada.take()), typed(zoe.take())) == ([[]], [[]])


def test_typing_dies_with_its_lease_unless_it_is_repeated() -> None:
    room = Room()
    room.put("ada")
    socket, _ = room.look()
    for _ in range(11):  # half a minute, repeated every 3 s
        room.fan.signal("ada", True)
        room.world.after(3)
        room.fan.advance(room.world.now())
    room.world.after(2.9)
    room.fan.advance(room.world.now())
    assert typed(socket.take()) == [["ada"]]
    room.world.after(0.1)
    assert room.fan.due_at() == pytest.approx(room.world.now().tick)
    room.fan.advance(room.world.now())
    room.settle()
    assert typed(socket.take()) == [[]]
    assert room.fan.due_at() is None


def test_a_change_of_state_does_not_end_typing() -> None:
    room = Room()
    room.put("ada")
    socket, _ = room.look()
    room.fan.signal("ada", True)
    room.settle()
    room.state("ada", 1)
    room.settle()
    assert typed(socket.take()) == [["ada"]]
    assert list(room.fan.typing) == ["ada"]


def test_whoever_leaves_types_no_more() -> None:
    room = Room()
    room.put("ada")
    socket, _ = room.look()
    room.fan.signal("ada", True)
    room.settle()
    socket.take()
    room.remove("ada")
    room.settle()
    assert typed(socket.take()) == [[]]


def test_only_members_type() -> None:
    room = Room()
    socket, _ = room.look()
    socket.take()
    room.fan.signal("mallory", True)
    room.settle()
    assert socket.take() == []


@pytest.mark.parametrize("view", ["existence", "none"])
def test_the_narrower_views_do_not_hear_who_types(view: View) -> None:
    room = Room()
    room.put("ada")
    socket, _ = room.look(view=view)
    socket.take()
    room.fan.signal("ada", True)
    room.settle()
    assert socket.take() == []


def test_who_comes_while_somebody_types_hears_of_it() -> None:
    room = Room()
    room.put("ada")
    room.fan.signal("ada", True)
    socket, _ = room.look()
    snapshot, typing = socket.take()
    assert snapshot["members"][0]["typing"] is True
    assert typing["user_ids"] == ["ada"]


# Summary


def test_a_large_room_is_counted_and_no_longer_listed() -> None:
    room = Room(fanout_summary_above=3)
    socket, _ = room.look()
    socket.take()
    for i in range(4):
        room.put(f"u{i}")
    room.settle()
    (summary,) = socket.take()
    assert (summary["mode"], summary["members"], summary["count"]) == ("summary", [], 4)
    room.put("u4")
    room.settle()
    assert socket.take() == [{"type": "count", "room": "lobby", "count": 5, "sessions": 5}]


def test_a_summary_counts_sessions_as_they_come_and_go() -> None:
    room = Room(fanout_summary_above=1)
    for user_id in ("ada", "bob"):
        room.put(user_id)
    socket, _ = room.look()
    room.settle()
    socket.take()
    room.put("ada", "second")
    room.settle()
    assert socket.take() == [{"type": "count", "room": "lobby", "count": 2, "sessions": 3}]


def test_a_large_roster_is_a_summary_whatever_its_number() -> None:
    room = Room(fanout_summary_bytes=500)
    socket, _ = room.look()
    socket.take()
    room.put("ada", info=Raw(b'"' + b"x" * 600 + b'"'))
    room.settle()
    assert socket.take()[0]["mode"] == "summary"


def test_a_room_that_became_small_is_listed_again_after_ten_seconds_even_if_nothing_happens_then() -> None:
    room = Room(fanout_summary_above=10)
    socket, _ = room.look()
    for i in range(11):
        room.put(f"u{i}")
    room.settle()
    for i in range(4):
        room.remove(f"u{i}")
    room.world.after(5)
    socket.take()
    room.world.after(10)
    (frame,) = socket.take()
    assert (frame["mode"], len(frame["members"])) == ("roster", 7)


def test_a_room_stays_a_summary_until_it_is_below_four_fifths() -> None:
    room = Room(fanout_summary_above=10)
    socket, _ = room.look()
    for i in range(11):
        room.put(f"u{i}")
    room.settle()
    for i in range(3):
        room.remove(f"u{i}")
    socket.take()
    room.world.after(20)
    assert {frame["type"] for frame in socket.take()} == {"count"}
