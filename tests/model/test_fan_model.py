"""Random histories of a room and its viewers, compared with a projection made from scratch after every pause.

Whatever was paused, resumed, lost or joined: a viewer that applies what it was sent has the picture that its audience
may have, and never a byte more (rules 6, 7, 8, 9 and 11 of `spec/semantics.md`).
"""

from __future__ import annotations

import heapq
import json
import os
from collections.abc import Callable, Iterable
from typing import Any, Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import Raw

from hereabouts.engine.identity import Identity
from hereabouts.engine.policy import Policy
from hereabouts.engine.records import Entry, FeedKey, FeedSnapshot, Membership, Now, Owner, Position, Remove, Value
from hereabouts.fanout.audience import Audience, Mode
from hereabouts.fanout.outbox import Packet
from hereabouts.fanout.room import RoomFan
from hereabouts.fanout.viewer import Viewer, Viewing
from hereabouts.protocol.codes import View
from hereabouts.testing.clock import ManualClock
from hereabouts.testing.picture import Json, RoomPicture

TIMES: Final = int(os.environ.get("HEREABOUTS_TEST_SEEDS", "1"))
FEED: Final = FeedKey("default", "room", "lobby")
OWNER: Final = Owner("n0", 1)
USERS: Final = ("ada", "bob", "eve", "joe", "kim")
SESSIONS: Final = tuple(f"{user}{place}" for user in USERS for place in range(2))
SECRET: Final = "secret"
SETTLED_SECONDS: Final = 1.0
LATE_SECONDS: Final = 0.6
"""How long after its lease somebody may still be shown typing: a window, and what it may have grown to."""


class Tools:
    """The world around a room, on a clock that is moved by hand."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.is_degraded = False
        self._epochs = 0
        self._calls: list[tuple[float, int, Callable[[], None]]] = []
        self._placed = 0

    def now(self) -> Now:
        return self.clock.now()

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self._placed += 1
        heapq.heappush(self._calls, (self.clock.now().tick + seconds, self._placed, call))

    def file(self, room: RoomFan) -> None:
        due = room.due_at()
        if due is not None:
            self.later(due - self.clock.now().tick, lambda: self._wake(room))

    def _wake(self, room: RoomFan) -> None:
        room.advance(self.clock.now())
        self.file(room)

    def new_epoch(self) -> str:
        self._epochs += 1
        return f"e{self._epochs}"

    def delivered(self, frames: int, payload_bytes: int) -> None:
        assert frames >= 0 and payload_bytes >= 0

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and everything happen that falls due."""
        until = self.clock.now().tick + seconds
        while self._calls and self._calls[0][0] <= until:
            tick, _, call = heapq.heappop(self._calls)
            self.clock.advance(max(tick - self.clock.now().tick, 0.0))
            call()
        self.clock.advance(max(until - self.clock.now().tick, 0.0))


class Line:
    """A viewer's connection and everything that came over it."""

    def __init__(self, user_id: str, view: View, mode: Mode, tools: Tools) -> None:
        self.user_id = user_id
        self.audience = Audience(view, mode)
        self.tools = tools
        self.picture = RoomPicture(FEED.name)
        self.is_paused = False
        self.pushed: list[float] = []
        self.is_asked = False
        self.viewer = Viewer(self, Identity("default", user_id))
        self.viewing: Viewing | None = None

    def send(self, packet: Packet) -> None:
        assert not self.is_paused or self.is_asked, "something was rendered for a viewer that does not read"
        message = json.loads(packet.payload)
        self._check_secrets(message)
        self.picture.apply(message, self.tools.now().tick)
        if message["type"] in ("delta", "count") and not self.is_asked:
            self.pushed.append(self.tools.now().tick)

    def close(self, code: int, reason: str) -> None:
        raise AssertionError(f"closed with {code}: {reason}")

    def _check_secrets(self, message: Json) -> None:
        if self.audience.view == "full" and self.audience.mode == "roster":
            return
        members = [*message.get("members", ()), *(e["member"] for e in message.get("events", ()) if "member" in e)]
        others = [member for member in members if member["user_id"] != self.user_id]
        allowed = {"user_id", "status", "name"} if self.audience.view == "status" else set()
        assert all(set(member) <= allowed for member in others), message
        assert not any("cause" in event for event in message.get("events", ())), message
        if self.audience.view != "full":
            assert "sessions" not in message
        if self.audience.view in ("existence", "none"):
            assert message["type"] != "typing" and not others, message


class RoomModel(RuleBasedStateMachine):
    """A room with viewers of every audience."""

    summary_above = 1_000

    @initialize()
    def open(self) -> None:
        self.tools = Tools()
        self.policy = Policy(fanout_summary_above=self.summary_above, typing_refresh_seconds=1, typing_lease_seconds=3)
        self.records: dict[str, Membership] = {}
        self.typing: dict[str, float] = {}
        self.seq = 0
        self.fan = RoomFan(FEED, self.policy, FeedSnapshot(Position("f", 0), ()), self.tools)
        modes: tuple[Mode, ...] = ("roster", "count")
        views: tuple[View, ...] = ("full", "status", "existence", "none")
        self.lines = [Line(user_id, view, "roster", self.tools) for view in views for user_id in ("ada", "watcher")]
        self.lines += [Line("watcher", view, modes[1], self.tools) for view in views]
        for line in self.lines:
            self.attach(line)

    # What happens in the room

    @rule(
        session_id=st.sampled_from(SESSIONS),
        key=st.sampled_from("xy"),
        value=st.integers(0, 2),
        status=st.sampled_from(["online", "busy"]),
    )
    def put(self, session_id: str, key: str, value: int, status: Any) -> None:
        at = self.tools.now().at
        standing = self.records.get(session_id)
        self.seq += 1
        self.records[session_id] = Membership(
            session_id=session_id,
            user_id=session_id[:-1],
            incarnation=1,
            owner=OWNER,
            joined_at=standing.joined_at if standing else at,
            state={**(standing.state if standing else {}), key: Value(Raw(b'"%s%d"' % (SECRET.encode(), value)), at)},
            name=session_id[:-1].title(),
            info=Raw(b'{"mail":"%s"}' % SECRET.encode()),
            status=status,
            text=SECRET,
            outcome_seq=self.seq,
            last_active_at=at,
        )
        place = Position("f", self.seq)
        self.fan.entry(Entry(place, session_id, session_id[:-1], self.records[session_id], None))

    @precondition(lambda self: self.records)
    @rule(data=st.data(), cause=st.sampled_from(["leave", "closed"]))
    def remove(self, data: st.DataObject, cause: str) -> None:
        session_id = data.draw(st.sampled_from(sorted(self.records)))
        self.seq += 1
        del self.records[session_id]
        user_id = session_id[:-1]
        removal = Remove(session_id, user_id, 1, OWNER, cause)
        self.fan.entry(Entry(Position("f", self.seq), session_id, user_id, None, removal))
        if user_id not in self.present():
            self.typing.pop(user_id, None)

    @rule(kept=st.sets(st.sampled_from(SESSIONS)))
    def gap(self, kept: set[str]) -> None:
        """The store lost sight of us; this is what is left."""
        self.records = {name: record for name, record in self.records.items() if name in kept}
        self.typing = {user: tick for user, tick in self.typing.items() if user in self.present()}
        self.seq += 10
        self.fan.replace(FeedSnapshot(Position("f", self.seq), tuple(self.records.values())))

    @rule(user_id=st.sampled_from(USERS), on=st.booleans())
    def types(self, user_id: str, on: bool) -> None:
        self.fan.signal(user_id, on)
        if not on:
            self.typing.pop(user_id, None)
        elif user_id in self.present():
            self.typing[user_id] = self.tools.now().tick + self.policy.typing_lease_seconds

    @rule(seconds=st.sampled_from([0.0, 0.01, 0.05, 0.3, 2.0, 11.0]))
    def wait(self, seconds: float) -> None:
        self.tools.pass_time(seconds)
        now = self.tools.now().tick
        self.typing = {user: tick for user, tick in self.typing.items() if tick > now - LATE_SECONDS}

    # What happens to the viewers

    @rule(place=st.integers(0, 11))
    def pause_or_drain(self, place: int) -> None:
        line = self.lines[place]
        line.is_paused = not line.is_paused
        if not line.is_paused and line.viewing is not None:
            line.is_asked = True
            self.fan.catch_up(line.viewing)
            line.is_asked = False

    @rule(place=st.integers(0, 11))
    def lose_or_come_back(self, place: int) -> None:
        line = self.lines[place]
        line.is_paused = False
        if line.viewing is None:
            self.attach(line, line.picture.position if line.audience.mode == "roster" else None)
            return
        self.fan.detach(line.viewing)
        line.viewing = None
        line.picture.typing = []

    @rule(place=st.integers(0, 11))
    def sync(self, place: int) -> None:
        line = self.lines[place]
        if line.viewing is not None and not line.is_paused:
            line.is_asked = True
            self.fan.send_whole(line.viewing)
            line.is_asked = False

    def attach(self, line: Line, seen: tuple[str, int] | None = None) -> None:
        if line.picture.mode == "summary":
            seen = None
        line.viewing = Viewing(line.viewer, FEED.name)
        line.is_asked = True
        self.fan.attach(line.viewing, line.audience, seen)
        line.is_asked = False

    # What must hold

    @rule()
    def settle(self) -> None:
        """Everybody reads, the windows pass, and every picture is what it would be from scratch."""
        for place, line in enumerate(self.lines):
            if line.is_paused:
                self.pause_or_drain(place)
        self.wait(SETTLED_SECONDS)
        for line in self.lines:
            if line.viewing is not None:
                self.compare(line)

    def compare(self, line: Line) -> None:
        picture, audience = line.picture, line.audience
        who = f"{line.user_id} as {audience}"
        count = 0 if audience.view == "none" else len(self.present())
        assert picture.count == count, who
        if audience.mode == "count":
            if audience.view == "full":
                assert picture.sessions == len(self.records), who
            return
        assert picture.mode == ("summary" if self.fan.is_summary else "roster"), who
        if self.fan.is_summary:
            assert picture.members == {} and picture.typing == [], who
            return
        shown = {user: {**member} for user, member in picture.members.items()}
        for member in shown.values():
            member.pop("typing", None)
        assert shown == self.projection(line), who
        now, told = self.tools.now().tick, set(picture.typing)
        may = set(self.typing) - {line.user_id} if audience.view in ("full", "status") else set()
        assert {user for user in may if self.typing[user] > now} <= told <= may, who

    def projection(self, line: Line) -> dict[str, Json]:
        """Who this viewer is to be shown, and how, from the records alone."""
        shown: dict[str, Json] = {}
        for user_id in self.present():
            standing = sorted((r for r in self.records.values() if r.user_id == user_id), key=_by_join)
            if user_id == line.user_id or line.audience.view == "full":
                shown[user_id] = _whole(standing)
                if user_id == line.user_id:
                    shown[user_id]["self"] = True
            elif line.audience.view == "status":
                whole = _whole(standing)
                shown[user_id] = {key: whole[key] for key in ("user_id", "name", "status")}
        return shown

    def present(self) -> set[str]:
        return {record.user_id for record in self.records.values()}

    @invariant()
    def windows_are_kept(self) -> None:
        """Never two frames to one viewer within a window."""
        for line in getattr(self, "lines", ()):
            for before, after in zip(line.pushed, line.pushed[1:], strict=False):
                assert after - before >= self.policy.fanout_window_seconds - 1e-9, (line.user_id, line.audience)


class SummaryModel(RoomModel):
    """The same with a room that is often too large to list."""

    summary_above = 3


def _by_join(record: Membership) -> tuple[int, str]:
    return record.joined_at, record.session_id


def _whole(standing: list[Membership]) -> Json:
    newest = max(standing, key=lambda record: record.outcome_seq)
    state: dict[str, tuple[int, str, Any]] = {}
    for record in standing:
        for key, value in record.state.items():
            state[key] = max(
                state.get(key, (0, "", None)), (value.at, record.session_id, json.loads(bytes(value.json)))
            )
    return {
        "user_id": newest.user_id,
        "name": newest.name,
        "info": {"mail": SECRET},
        "status": newest.status,
        "text": newest.text,
        "joined_at": standing[0].joined_at,
        "last_active_at": max(_known(record.last_active_at for record in standing)),
        "sessions": len(standing),
        "state": {key: value for key, (_, _, value) in state.items()},
    }


def _known(times: Iterable[int | None]) -> list[int]:
    return [time for time in times if time is not None]


TestRoom = RoomModel.TestCase
TestRoom.settings = settings(max_examples=60 * TIMES, stateful_step_count=40, deadline=None)
TestSummary = SummaryModel.TestCase
TestSummary.settings = settings(max_examples=60 * TIMES, stateful_step_count=40, deadline=None)


def test_ten_changes_in_one_window_are_one_frame() -> None:
    model = RoomModel()
    model.open()
    [line] = [line for line in model.lines if line.user_id == "watcher" and line.audience == ("full", "roster")]
    model.put("bob0", "x", 0, "online")
    model.wait(0.01)
    assert len(line.pushed) == 1, "the first change of a quiet room goes out at once"
    for value in range(10):
        model.put("bob0", "y", value, "online")
        model.wait(0.001)
    assert len(line.pushed) == 1
    model.wait(model.policy.fanout_window_seconds)
    assert len(line.pushed) == 2
    assert line.picture.members["bob"]["state"]["y"] == f"{SECRET}9"
