"""What a viewer has been told, folded as plainly as can be, holding every frame against the rules as it comes."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

Json = dict[str, Any]


class Happening(NamedTuple):
    """Somebody came into the picture or went out of it, at a tick."""

    tick: float
    what: Literal["join", "leave"]
    user_id: str
    cause: str | None = None


class RoomPicture:
    """One room as one viewer was told of it. Each frame must continue the last one (rules 6 and 7)."""

    def __init__(self, room: str) -> None:
        self.room = room
        self.position: tuple[str, int] | None = None
        self.mode = "roster"
        self.view = ""
        self.count = 0
        self.sessions: int | None = None
        self.members: dict[str, Json] = {}
        self.typing: list[str] = []
        self.history: list[Happening] = []
        self.frames: list[tuple[float, str]] = []

    def apply(self, message: Json, tick: float) -> None:
        """Take a frame in. Fails where it does not follow."""
        assert message["room"] == self.room
        kind = message["type"]
        self.frames.append((tick, kind))
        if kind == "snapshot":
            self._snapshot(message, tick)
        elif kind == "delta":
            self._delta(message, tick)
        elif kind == "count":
            self.count, self.sessions = message["count"], message.get("sessions")
        elif kind == "typing":
            self.typing = message["user_ids"]
            assert len(set(self.typing)) == len(self.typing), f"somebody types twice in {message}"

    def _snapshot(self, message: Json, tick: float) -> None:
        place = (message["epoch"], message["seq"])
        if self.position is not None and self.position[0] == place[0]:
            assert place >= self.position, f"the stream went back from {self.position} to {place}"
        self.position, self.mode, self.view = place, message["mode"], message["view"]
        told = {member["user_id"]: member for member in message["members"]}
        assert len(told) == len(message["members"]), f"somebody is twice in {message}"
        for user_id in self.members.keys() - told.keys():
            self.history.append(Happening(tick, "leave", user_id))
        for user_id in told.keys() - self.members.keys():
            self.history.append(Happening(tick, "join", user_id))
        self.members, self.count = told, message["count"]
        self.typing = [user_id for user_id, member in told.items() if member.get("typing") and not member.get("self")]
        self._check_count()

    def _delta(self, message: Json, tick: float) -> None:
        assert self.position == (message["epoch"], message["since"]), f"{message} does not follow {self.position}"
        assert message["seq"] >= message["since"]
        self.position = (message["epoch"], message["seq"])
        named = set()
        for event in message["events"]:
            user_id = event["user_id"] if event["event"] == "leave" else event["member"]["user_id"]
            assert user_id not in named, f"{user_id} is in {message} twice"
            named.add(user_id)
            self._event(event, user_id, tick)
        self.count = message["count"]
        self._check_count()

    def _event(self, event: Json, user_id: str, tick: float) -> None:
        kind, is_known = event["event"], user_id in self.members
        assert (kind == "join") != is_known, f"{kind} of {user_id}, who is {'' if is_known else 'not '}there already"
        if kind == "leave":
            del self.members[user_id]
            self.history.append(Happening(tick, "leave", user_id, event.get("cause")))
            return
        self.members[user_id] = event["member"]
        if kind == "join":
            self.history.append(Happening(tick, "join", user_id))

    def _check_count(self) -> None:
        if self.view in ("full", "status") and self.mode == "roster":
            assert self.count == len(self.members), f"{self.count} told, {sorted(self.members)} shown"

    def times(self, what: Literal["join", "leave"], user_id: str) -> list[float]:
        """When somebody came, or went."""
        return [happened.tick for happened in self.history if happened.what == what and happened.user_id == user_id]

    def causes(self, user_id: str) -> list[str | None]:
        """Why somebody went, each time."""
        return [happened.cause for happened in self.history if happened.what == "leave" and happened.user_id == user_id]
