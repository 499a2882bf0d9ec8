"""What a viewer makes of the frames of its rooms, each frame held to rules 6 and 7 of the semantics.

Written against the specification alone, apart from the client's own fold, so that one can tell on the other.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Event:
    """One event of a room, and when it came: `time.monotonic()`."""

    kind: str
    user_id: str
    body: dict[str, Any]
    tick: float
    is_taken: bool = False


@dataclass
class Fold:
    """One room as its viewer knows it."""

    epoch: str = ""
    seq: int = -1
    mode: str = ""
    view: str = ""
    count: int = 0
    members: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    snapshots: int = 0

    def snapshot(self, message: dict[str, Any]) -> None:
        """Begin anew. What a viewer knew before does not matter, but one epoch never goes back."""
        if message["epoch"] == self.epoch:
            assert message["seq"] >= self.seq, f"a snapshot goes back from {self.seq} to {message['seq']}"
        self.epoch, self.seq, self.mode, self.count = (message[key] for key in ("epoch", "seq", "mode", "count"))
        self.view = message["view"]
        names = [member["user_id"] for member in message["members"]]
        assert len(names) == len(set(names)), f"somebody is in a snapshot twice: {names}"
        self.members = {member["user_id"]: member for member in message["members"]}
        self.snapshots += 1
        self._count_is_right()

    def delta(self, message: dict[str, Any]) -> None:
        """Take what follows. Raises where it does not follow, or where joins and leaves do not alternate."""
        assert message["epoch"] == self.epoch, f"a delta of epoch {message['epoch']} after {self.epoch}"
        assert message["since"] == self.seq, f"a delta since {message['since']} where the room stands at {self.seq}"
        # What only the viewer itself is shown of itself is no step of the stream that it shares.
        is_own = bool(message["events"]) and all(_is_own(event) for event in message["events"])
        least = message["since"] + (0 if is_own else 1)
        assert message["seq"] >= least, f"a delta that does not step: {message}"
        for event in message["events"]:
            self._event(event)
        self.seq, self.count = message["seq"], message["count"]
        self._count_is_right()

    def _event(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        user_id = event["user_id"] if kind == "leave" else event["member"]["user_id"]
        if kind == "join":
            assert user_id not in self.members, f"{user_id} joins twice"
        else:
            assert user_id in self.members, f"{kind} of {user_id}, who is not there"
        if kind == "leave":
            del self.members[user_id]
        else:
            self.members[user_id] = event["member"]
        self.events.append(Event(kind, user_id, event, time.monotonic()))

    def _count_is_right(self) -> None:
        if self.mode == "roster" and self.view in ("full", "status"):
            assert self.count == len(self.members), f"a count of {self.count} beside {sorted(self.members)}"


def _is_own(event: dict[str, Any]) -> bool:
    """Whether it is of the viewer itself."""
    return bool(event.get("member", {}).get("self"))


class Folds:
    """All rooms of one viewer. A frame that breaks a rule is remembered, and raised by `check`."""

    def __init__(self) -> None:
        self.rooms: dict[str, Fold] = {}
        self._wrong: AssertionError | None = None

    def take(self, message: dict[str, Any]) -> None:
        """Take a frame of any type."""
        try:
            if message["type"] == "snapshot":
                self.rooms.setdefault(message["room"], Fold()).snapshot(message)
            elif message["type"] == "delta":
                assert message["room"] in self.rooms, f"a delta before any snapshot: {message}"
                self.rooms[message["room"]].delta(message)
        except AssertionError as error:
            self._wrong = self._wrong or AssertionError(f"{message.get('room')}: {error}")

    def check(self) -> None:
        """Raise the first broken rule, if any was."""
        if self._wrong is not None:
            raise self._wrong

    def seen(self) -> dict[str, tuple[str, int]]:
        """The `seen` of a hello."""
        return {room: (fold.epoch, fold.seq) for room, fold in self.rooms.items()}

    def names(self, room: str) -> list[str]:
        """Who is there, in order."""
        return sorted(self.rooms[room].members)

    def told(self, room: str) -> list[tuple[str, str]]:
        """Who joined and left a room so far, in order."""
        return [(event.kind, event.user_id) for event in self.rooms[room].events if event.kind != "update"]

    def untaken(self, room: str, kind: str, user_id: str) -> Event | None:
        """The first event of this kind that nobody has taken."""
        fold = self.rooms.get(room)
        for event in fold.events if fold is not None else ():
            if (event.kind, event.user_id, event.is_taken) == (kind, user_id, False):
                return event
        return None
