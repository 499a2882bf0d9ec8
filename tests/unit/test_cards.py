"""Watched users: who hears of a change, when, and how much of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from hereabouts.engine.identity import Identity
from hereabouts.engine.policy import Policy
from hereabouts.engine.records import Now
from hereabouts.engine.status import Outcome
from hereabouts.fanout.cards import Card, Cards
from hereabouts.fanout.outbox import Packet
from hereabouts.fanout.viewer import Viewer
from hereabouts.testing.clock import ManualClock

WINDOW = 0.05
ONLINE = Outcome("online", last_seen_at=1, sessions=1)
IDLE = Outcome("idle", last_seen_at=1, sessions=1)


class Desk:
    """Cards, a clock, and the calls that are to come."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.calls: list[tuple[float, Callable[[], None]]] = []
        self.cards = Cards(self, WINDOW)

    def now(self) -> Now:
        return self.clock.now()

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.calls.append((self.now().tick + seconds, call))

    def delivered(self, frames: int, payload_bytes: int) -> None: ...

    def after(self, seconds: float) -> None:
        self.clock.advance(seconds)
        due = [call for call in self.calls if call[0] <= self.now().tick]
        self.calls = [call for call in self.calls if call not in due]
        for _, call in due:
            call()


class Watcher:
    """A viewer that keeps what it is sent."""

    def __init__(self, desk: Desk, card: Card, user_id: str = "zoe", role: str | None = None) -> None:
        self.is_paused = False
        self.packets: list[Packet] = []
        self.viewer = Viewer(self, Identity("default", user_id, role=role))
        card.watchers[self.viewer] = None
        self.viewer.cards[card.user_id] = card
        desk.cards.send(self.viewer, [card])
        self.packets.clear()

    def send(self, packet: Packet) -> None:
        self.packets.append(packet)

    def close(self, code: int, reason: str) -> None:
        raise AssertionError(f"no card closes a connection: {code} {reason}")

    def take(self) -> list[list[dict[str, Any]]]:
        taken, self.packets = self.packets, []
        return [msgspec.json.decode(packet.payload)["users"] for packet in taken]


def test_a_change_is_told_at_once_and_the_next_ones_with_the_window() -> None:
    desk, card = Desk(), Card("ada", Policy())
    watcher = Watcher(desk, card)
    desk.cards.turn(card, ONLINE)
    desk.after(0)
    assert [users[0]["status"] for users in watcher.take()] == ["online"]
    for outcome in (IDLE, ONLINE, IDLE):
        desk.cards.turn(card, outcome)
        desk.after(WINDOW / 10)
    assert watcher.take() == []
    desk.after(WINDOW)
    assert [users[0]["status"] for users in watcher.take()] == ["idle"]


def test_many_that_changed_are_one_frame_and_the_same_bytes_for_all() -> None:
    desk = Desk()
    cards = [Card(f"u{i}", Policy()) for i in range(5)]
    watchers = [Watcher(desk, cards[0], f"v{i}") for i in range(3)]
    for watcher in watchers:
        for card in cards:
            card.watchers[watcher.viewer] = None
            card.json(watcher.viewer, 0)
    for card in cards:
        desk.cards.turn(card, ONLINE)
    desk.after(0)
    assert len({id(watcher.packets[0]) for watcher in watchers}) == 1
    assert [len(users) for watcher in watchers for users in watcher.take()] == [5, 5, 5]


def test_who_sees_no_difference_hears_nothing() -> None:
    desk, card = Desk(), Card("ada", Policy(views={"admin": "full", "default": "existence"}))
    guest, admin = Watcher(desk, card), Watcher(desk, card, "root", "admin")
    desk.cards.turn(card, ONLINE)
    desk.after(0)
    assert guest.take() == []
    assert len(admin.take()) == 1


def test_going_invisible_looks_like_going_offline_to_others_and_not_to_oneself() -> None:
    desk, card = Desk(), Card("ada", Policy(), ONLINE)
    other, own = Watcher(desk, card), Watcher(desk, card, "ada")
    desk.cards.turn(card, Outcome("offline", "invisible", last_seen_at=1, sessions=1))
    desk.after(0)
    assert other.take() == [[{"user_id": "ada", "status": "offline", "last_seen_at": 1}]]
    ((told,),) = own.take()
    assert (told["declared"], told["sessions"], told["self"]) == ("invisible", 1, True)


def test_what_an_invisible_user_does_reaches_nobody_else() -> None:
    desk, card = Desk(), Card("ada", Policy(), Outcome("offline", "invisible", last_seen_at=1, sessions=1))
    other = Watcher(desk, card)
    desk.cards.turn(card, Outcome("offline", "invisible", last_seen_at=1, sessions=2))
    desk.after(1)
    assert other.take() == []


def test_a_coarse_time_steps_as_coarsely() -> None:
    desk, card = Desk(), Card("ada", Policy(last_seen_precision="hour"), Outcome("away", last_seen_at=3_600_001))
    watcher = Watcher(desk, card)
    desk.cards.turn(card, Outcome("away", last_seen_at=3_700_000))
    desk.after(1)
    assert watcher.take() == []
    desk.cards.turn(card, Outcome("away", last_seen_at=7_200_000))
    desk.after(1)
    assert watcher.take()[0][0]["last_seen_at"] == 7_200_000


def test_a_paused_watcher_gets_one_frame_when_it_drains() -> None:
    desk, card = Desk(), Card("ada", Policy())
    watcher = Watcher(desk, card)
    watcher.is_paused = True
    for outcome in (ONLINE, IDLE, ONLINE, IDLE):
        desk.cards.turn(card, outcome)
        desk.after(1)
    assert watcher.take() == []
    watcher.is_paused = False
    desk.cards.catch_up(watcher.viewer)
    assert [users[0]["status"] for users in watcher.take()] == ["idle"]
    desk.cards.catch_up(watcher.viewer)
    assert watcher.take() == []


def test_who_watches_no_more_hears_no_more() -> None:
    desk, card = Desk(), Card("ada", Policy())
    watcher = Watcher(desk, card)
    desk.cards.turn(card, ONLINE)
    card.watchers.pop(watcher.viewer)
    watcher.viewer.cards_behind.clear()
    desk.after(1)
    assert watcher.take() == []


@pytest.mark.parametrize("role", [None, "admin"])
def test_one_encoding_serves_all_of_an_audience(role: str | None) -> None:
    desk, card = Desk(), Card("ada", Policy(), ONLINE)
    one, two = Watcher(desk, card, "v1", role), Watcher(desk, card, "v2", role)
    assert card.json(one.viewer, 0) is card.json(two.viewer, 0)
