"""The fan-out of one room on its own: a clock that is moved by hand, and sockets that keep what they are sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Raw, structs

from hereabouts.engine.identity import Identity
from hereabouts.engine.policy import Policy
from hereabouts.engine.records import Entry, FeedKey, FeedSnapshot, Membership, Now, Owner, Position, Remove, Value
from hereabouts.fanout.audience import Audience, Mode
from hereabouts.fanout.outbox import Packet
from hereabouts.fanout.room import RoomFan
from hereabouts.fanout.viewer import Viewer, Viewing
from hereabouts.protocol.codes import View
from hereabouts.testing.clock import ManualClock

OWNER: Final = Owner("n", 1)
LOBBY: Final = FeedKey("default", "room", "lobby")


class Later:
    """A clock, and the calls that are to come; the `Tools` of a room."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.calls: list[tuple[float, Callable[[], None]]] = []
        self.filed: list[RoomFan] = []
        self.is_degraded = False
        self.frames = 0
        self.epochs = 0

    def now(self) -> Now:
        """The moment."""
        return self.clock.now()

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """See `Tools`."""
        self.calls.append((self.now().tick + seconds, call))

    def file(self, room: RoomFan) -> None:
        """See `Tools`."""
        self.filed.append(room)

    def new_epoch(self) -> str:
        """See `Tools`."""
        self.epochs += 1
        return f"e{self.epochs}"

    def delivered(self, frames: int, payload_bytes: int) -> None:
        """See `Tools`."""
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
        """See `Connection`."""
        self.sent.append(msgspec.json.decode(packet.payload))

    def close(self, code: int, reason: str) -> None:
        """See `Connection`."""
        raise AssertionError(f"nothing of a room closes a connection: {code} {reason}")

    def take(self) -> list[dict[str, Any]]:
        """What came since the last time."""
        taken, self.sent = self.sent, []
        return taken


class Room:
    """A room with its feed, and somebody to look at it."""

    def __init__(self, **policy: Any) -> None:
        self.world = Later()
        self.fan = RoomFan(LOBBY, structs.replace(Policy(), **policy), FeedSnapshot(Position("f", 0), ()), self.world)
        self.seq = 0

    def look(self, user_id: str = "zoe", view: View = "full", mode: Mode = "roster") -> tuple[Socket, Viewing]:
        """Somebody looks at the room."""
        socket = Socket()
        viewing = Viewing(Viewer(socket, Identity("default", user_id)), "lobby")
        self.fan.attach(viewing, Audience(view, mode))
        return socket, viewing

    def put(self, user_id: str, session: str = "", **more: Any) -> None:
        """A record stands in the feed."""
        self.seq += 1
        name = session or f"s-{user_id}"
        record = Membership(name, user_id, 1, OWNER, **{"joined_at": 1, "outcome_seq": self.seq, **more})
        self.fan.entry(Entry(Position("f", self.seq), name, user_id, record, None))

    def state(self, user_id: str, value: int, session: str = "") -> None:
        """A record with a state."""
        self.put(user_id, session, state={"n": Value(Raw(str(value).encode()), self.seq)})

    def remove(self, user_id: str, session: str = "", cause: str = "leave") -> None:
        """A record is taken away."""
        self.seq += 1
        name = session or f"s-{user_id}"
        self.fan.entry(
            Entry(Position("f", self.seq), name, user_id, None, Remove(name, user_id, 1, OWNER, cause))
        )  # fmt: skip

    def settle(self) -> None:
        """Let every window pass."""
        self.world.after(2.0)


def told(frames: list[dict[str, Any]]) -> list[str]:
    """The events of all deltas, as words."""
    found = []
    for frame in frames:
        for event in frame.get("events", ()):
            found.append(f"{event['event']} {event.get('user_id') or event['member']['user_id']}")
    return found
