"""The fan-out of a kind: what each view is told, and that nobody is told more."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hereabouts.engine.holdings import Held
from hereabouts.engine.identity import Identity
from hereabouts.engine.occupancy import Happening, Holding
from hereabouts.engine.policy import Policy
from hereabouts.engine.records import Now
from hereabouts.fanout.kind_stream import LOG_CHANGES, Liveness, own_events
from hereabouts.fanout.occupancy import KindFan
from hereabouts.fanout.outbox import Packet
from hereabouts.fanout.viewer import KindViewing, Viewer
from hereabouts.protocol.codes import View

VIEWS: tuple[View, ...] = ("full", "status", "existence", "none")


class Inbox:
    is_paused = False

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def send(self, packet: Packet) -> None:
        self.messages.append(json.loads(packet.payload))

    def close(self, code: int, reason: str) -> None:
        raise AssertionError("nobody closes")


class Tools:
    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []
        self.frames = 0

    def now(self) -> Now:
        return Now(1.0, 1_000)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.calls.append(call)

    def new_epoch(self) -> str:
        return "e"

    def delivered(self, frames: int, payload_bytes: int) -> None:
        self.frames += frames

    def flush(self) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            call()


def holding(user_id: str, resource: str = "account:7", fencing: int = 1) -> Holding:
    return Holding("acme", resource, user_id, 500, fencing, 500, name=user_id.title())


class Scene:
    """A kind, and a viewer or more for each view."""

    def __init__(self) -> None:
        self.held, self.tools = Held(), Tools()
        self.stale: set[str] = set()
        self.fan = KindFan("account", Policy(), self.held, self._liveness, self.tools)

    def _liveness(self, holding: Holding) -> Liveness:
        return Liveness(holding.last_active_at, holding.user_id in self.stale)

    def look(self, view: View, user_id: str = "viewer") -> tuple[Inbox, KindViewing]:
        inbox = Inbox()
        viewing = KindViewing(Viewer(inbox, Identity("acme", user_id)), "account")
        self.fan.attach(viewing, view)
        return inbox, viewing

    def happen(self, *happenings: Happening, flush: bool = True) -> None:
        self.held.apply(happenings)
        self.fan.note(happenings)
        if flush:
            self.tools.flush()


def test_every_view_is_told_its_own_and_no_more() -> None:
    scene = Scene()
    inboxes = {view: scene.look(view)[0] for view in VIEWS}
    scene.happen(Happening("occupied", holding("ada")))
    scene.happen(Happening("released", holding("ada"), cause="leave"))
    full = {"resource": "account:7", "user_id": "ada", "name": "Ada"}
    rest = {"since_at": 500, "last_active_at": 500, "fencing": 1, "stale": False}
    told = {
        view: [event for message in inbox.messages[1:] for event in message["events"]]
        for view, inbox in inboxes.items()
    }
    assert told["full"] == [
        {"event": "occupied", **full, **rest},
        {"event": "released", **full, **rest, "cause": "leave"},
    ]
    assert told["status"] == [{"event": "occupied", **full}, {"event": "released", **full}]
    assert told["existence"] == [
        {"event": "occupied", "resource": "account:7", "occupied": True},
        {"event": "released", "resource": "account:7"},
    ]
    assert told["none"] == []
    for secret in ("ada", "Ada", "500", "leave"):
        assert secret not in json.dumps(inboxes["existence"].messages + inboxes["none"].messages)


def test_what_changes_for_holders_only_steps_no_other_stream() -> None:
    scene = Scene()
    inbox, viewing = scene.look("existence")
    scene.happen(Happening("occupied", holding("ada")))
    scene.happen(Happening("occupied", holding("bob", fencing=2), loser=holding("ada"), cause="taken_over"))
    scene.happen(Happening("occupied", holding("cy", fencing=3)))
    assert [message["seq"] for message in inbox.messages] == [0, 1]
    assert viewing.seq == 1


def test_a_move_is_released_and_occupied_in_one_frame_where_no_holder_is_shown() -> None:
    scene = Scene()
    before = holding("ada", "account:1")
    scene.held.put(before)
    inbox, _ = scene.look("existence")
    scene.happen(Happening("moved", holding("ada", "account:2", 2), came_from=before))
    assert inbox.messages[-1]["events"] == [
        {"event": "released", "resource": "account:1"},
        {"event": "occupied", "resource": "account:2", "occupied": True},
    ]


def test_ones_own_is_told_in_full_in_every_view() -> None:
    for view in VIEWS:
        scene = Scene()
        inbox, _ = scene.look(view, "ada")
        scene.happen(Happening("occupied", holding("ada")))
        (event,) = inbox.messages[-1]["events"]
        assert (event["user_id"], event["fencing"], event["self"]) == ("ada", 1, True), view
        again, _ = scene.look(view, "ada")
        (own,) = again.messages[0]["held"]
        assert own["self"] is True
        assert own["since_at"] == 500


def test_the_loser_of_a_take_over_is_told_in_every_view_and_learns_no_more_than_it_may() -> None:
    for view in VIEWS:
        scene = Scene()
        scene.held.put(holding("ada"))
        inbox, _ = scene.look(view, "ada")
        scene.happen(Happening("occupied", holding("bob", fencing=2), loser=holding("ada"), cause="taken_over"))
        first, *rest = inbox.messages[-1]["events"]
        assert (first["event"], first["cause"], first["self"]) == ("released", "taken_over", True), view
        if view == "existence":
            assert rest == [{"event": "occupied", "resource": "account:7", "occupied": True}]
            assert "bob" not in json.dumps(inbox.messages)
        elif view == "none":
            assert rest == []
        else:
            assert rest[0]["user_id"] == "bob"


def test_who_takes_over_learns_nothing_of_the_loser_it_may_not_see() -> None:
    scene = Scene()
    scene.held.put(holding("ada"))
    inbox, _ = scene.look("existence", "bob")
    scene.happen(Happening("occupied", holding("bob", fencing=2), loser=holding("ada"), cause="taken_over"))
    assert "ada" not in json.dumps(inbox.messages)


def test_a_shared_resource_is_occupied_until_the_last_has_left() -> None:
    scene = Scene()
    inbox, _ = scene.look("existence")
    mine, _ = scene.look("existence", "ada")
    scene.happen(Happening("occupied", holding("ada")))
    scene.happen(Happening("occupied", holding("bob", fencing=2)))
    scene.happen(Happening("released", holding("ada"), cause="released"))
    assert [event["event"] for event in mine.messages[-1]["events"]] == ["released", "occupied"]
    scene.happen(Happening("released", holding("bob", fencing=2), cause="released"))
    told = [event["event"] for message in inbox.messages[1:] for event in message["events"]]
    assert told == ["occupied", "released"]


def test_changes_of_a_window_come_in_one_frame_and_follow_each_other() -> None:
    scene = Scene()
    inbox, _ = scene.look("full")
    scene.happen(Happening("occupied", holding("ada")))
    scene.happen(Happening("released", holding("ada")), flush=False)
    scene.happen(Happening("occupied", holding("bob", fencing=2)), flush=False)
    scene.tools.flush()
    steps = [(message.get("since"), message["seq"]) for message in inbox.messages]
    assert steps == [(None, 0), (0, 1), (1, 3)]


def test_a_viewer_that_cannot_take_more_gets_one_frame_when_it_can() -> None:
    scene = Scene()
    inbox, viewing = scene.look("full")
    inbox.is_paused = True
    for number in range(5):
        scene.happen(Happening("occupied", holding(f"user{number}", f"account:{number}", number)))
    assert len(inbox.messages) == 1
    inbox.is_paused = False
    scene.fan.catch_up(viewing)
    assert len(inbox.messages[-1]["events"]) == 5
    inbox.is_paused = True
    for number in range(LOG_CHANGES + 1):
        scene.happen(Happening("occupied", holding("ada", f"account:{number}", number)))
    inbox.is_paused = False
    scene.fan.catch_up(viewing)
    assert len(inbox.messages[-1]["held"]) == len(scene.held)


def test_who_is_stale_is_told_to_those_who_see_everything() -> None:
    scene = Scene()
    scene.held.put(holding("ada"))
    full, status = scene.look("full")[0], scene.look("status")[0]
    scene.stale.add("ada")
    scene.fan.renew(holding("ada"))
    scene.tools.flush()
    (event,) = full.messages[-1]["events"]
    assert (event["event"], event["stale"]) == ("updated", True)
    assert len(status.messages) == 1


def test_who_does_not_look_is_told_of_its_own_and_of_nothing_else() -> None:
    happenings = (Happening("occupied", holding("bob", fencing=2), loser=holding("ada"), cause="taken_over"),)
    (raw,) = own_events(happenings, "ada", lambda held: Liveness(held.last_active_at, False))
    event = json.loads(bytes(raw))
    assert (event["event"], event["user_id"], event["cause"]) == ("released", "ada", "taken_over")
    assert b"bob" not in bytes(raw)


def test_who_looks_away_is_told_no_more() -> None:
    scene = Scene()
    inbox, viewing = scene.look("full")
    scene.fan.detach(viewing)
    assert scene.fan.viewers == 0
    scene.happen(Happening("occupied", holding("ada")))
    assert len(inbox.messages) == 1
