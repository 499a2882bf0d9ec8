"""The fan-out of one room: who types, and rooms too large to list."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from hereabouts.engine.policy import Policy
from hereabouts.protocol.codes import View
from hereabouts.testing.fan import Room

WINDOW = Policy().fanout_window_seconds


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
