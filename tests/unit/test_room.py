"""The fan-out of one room: windows, views, own entries, going on, and what a slow connection is spared."""

from __future__ import annotations

from itertools import pairwise

import pytest
from msgspec import Raw

from hereabouts.engine.identity import Identity
from hereabouts.engine.policy import Policy
from hereabouts.engine.records import FeedSnapshot, Membership, Position, Value
from hereabouts.fanout.audience import Audience
from hereabouts.fanout.outbox import Packet
from hereabouts.fanout.viewer import Viewer, Viewing
from hereabouts.protocol.codes import View
from hereabouts.testing.fan import OWNER, Room, Socket, told

WINDOW = Policy().fanout_window_seconds


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


def test_after_an_outage_a_snapshot_is_for_those_whose_last_may_be_stale() -> None:
    room = Room()
    room.put("ada")
    calm, _ = room.look()
    room.world.is_degraded = True
    quick, _ = room.look()
    slow, viewing = room.look()
    calm.take(), quick.take(), slow.take()
    slow.is_paused = True
    room.world.is_degraded = False
    room.put("bob")
    room.fan.restore()
    room.settle()
    assert [frame["type"] for frame in calm.take()] == ["delta"]
    assert [frame["type"] for frame in quick.take()] == ["snapshot"]
    assert slow.take() == []
    slow.is_paused = False
    room.fan.catch_up(viewing)
    assert [frame["type"] for frame in slow.take()] == ["snapshot"]
    room.fan.restore()
    room.settle()
    assert [*calm.take(), *quick.take(), *slow.take()] == []


def test_a_snapshot_says_when_it_may_be_stale() -> None:
    room = Room()
    room.world.is_degraded = True
    stale, _ = room.look()
    room.world.is_degraded = False
    fresh, _ = room.look()
    assert stale.take()[0]["degraded"] is True
    assert "degraded" not in fresh.take()[0]
