"""A server in memory that answers as the real one does unless it is told otherwise, and a clock moved by hand.

server = ScriptedServer()
async with server.presence() as presence:
    server.socket.close(4200, "drain")
    await server.time.advance(1)
"""

from __future__ import annotations

import asyncio
import heapq
import json
from collections.abc import Callable
from itertools import count
from typing import Any

from hereabouts.client import AsyncPresence
from hereabouts.client.world import Lost, World

POLICY = {
    "beat_visible_seconds": 20, "beat_hidden_seconds": 60, "lease_visible_seconds": 60, "lease_hidden_seconds": 150,
    "grace_seconds": 10, "idle_after_seconds": 300, "typing_refresh_seconds": 3,
}  # fmt: skip
START_AT = 1_800_000_000_000


class Timer:
    """A call that is yet to come."""

    def __init__(self, at: float, call: Callable[[], Any]) -> None:
        self.at, self.call, self.is_off = at, call, False

    def cancel(self) -> None:
        """It shall not come."""
        self.is_off = True


class HandTime:
    """The clock of an event loop that moves only when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self._order = count()
        self._timers: list[tuple[float, int, Timer]] = []

    def time(self) -> float:
        """Seconds on the clock."""
        return self.now

    def wall(self) -> float:
        """Seconds since 1970 on this machine, which is seven seconds behind the server."""
        return START_AT / 1000 + self.now - 100.0 - 7.0

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any) -> Timer:
        """Call once, when the clock has come so far."""
        timer = Timer(self.now + delay, lambda: callback(*args))
        heapq.heappush(self._timers, (timer.at, next(self._order), timer))
        return timer

    async def advance(self, seconds: float) -> None:
        """Let time pass, and everything happen that it brings."""
        end = self.now + seconds
        await settle()
        while self._timers and self._timers[0][0] <= end:
            at, _, timer = heapq.heappop(self._timers)
            if not timer.is_off:
                self.now = at
                timer.call()
                await settle()
        self.now = end


async def settle() -> None:
    """Let everything run that needs no time."""
    for _ in range(40):
        await asyncio.sleep(0)


class MemorySocket:
    """The server's end: `said` is what the client sent."""

    def __init__(self, server: ScriptedServer) -> None:
        self.said: list[dict[str, Any]] = []
        self.is_dropped = False
        self._server = server
        self._coming: asyncio.Queue[bytes | Lost] = asyncio.Queue()

    async def send(self, frame: str) -> None:
        """The client says something."""
        message = json.loads(frame)
        self.said.append(message)
        self._server.answer(self, message)

    async def receive(self) -> bytes:
        """What the client hears next."""
        got = await self._coming.get()
        if isinstance(got, Lost):
            raise got
        return got

    def drop(self) -> None:
        """The client lets go."""
        self.is_dropped = True
        self.close(None, "dropped")

    def tell(self, type: str, **fields: Any) -> None:
        """Say something to the client."""
        self._coming.put_nowait(json.dumps({"type": type, **fields}).encode())

    def close(self, code: int | None, reason: str = "") -> None:
        """End the connection; without a code it breaks."""
        self._coming.put_nowait(Lost(code, reason))

    def heard(self, type: str) -> list[dict[str, Any]]:
        """What the client said of this type, in order."""
        return [message for message in self.said if message["type"] == type]


class ScriptedServer:
    """Answers as the server does, unless a test wants it otherwise: not `is_up`, `refuses` these types with that code,
    is `silent` on these, `turns_away` each hello with that close code, `resumes` no session, `answers_beats` no more.
    `attempts` are the times at which a client came.
    """

    def __init__(self) -> None:
        self.time = HandTime()
        self.sockets: list[MemorySocket] = []
        self.is_up = True
        self.resumes = True
        self.answers_beats = True
        self.refuses: dict[str, str] = {}
        self.turns_away: int | None = None
        self.silent: set[str] = set()
        self.rooms: list[str] = []
        self.cards: dict[str, dict[str, Any]] = {}
        self.attempts: list[float] = []

    @property
    def socket(self) -> MemorySocket:
        """The newest connection."""
        return self.sockets[-1]

    @property
    def at(self) -> int:
        """The server's time, in milliseconds."""
        return round(START_AT + (self.time.now - 100.0) * 1000)

    async def connect(self, url: str) -> MemorySocket:
        """Take a connection, as `World.connect`. Raises `Lost` while the server is not up."""
        assert url == "ws://presence.example/v1/ws"
        self.attempts.append(self.time.now)
        if not self.is_up:
            raise Lost(None, "connection refused")
        self.sockets.append(MemorySocket(self))
        return self.socket

    def answer(self, socket: MemorySocket, message: dict[str, Any]) -> None:
        """Answer what the client said."""
        kind, id = message["type"], message.get("id")
        if kind in self.silent:
            return
        if kind in self.refuses:
            socket.tell("error", id=id, code=self.refuses[kind], message="no", limit="some", retry_after_seconds=2)
        elif kind == "hello":
            self._hello(socket, message)
        elif kind == "beat":
            if self.answers_beats:
                socket.tell("beat", server_time_at=self.at)
        elif kind == "bye":
            socket.close(4000, "bye")
        elif id is not None:
            socket.tell("ok", id=id)
            self._follow(socket, message)

    def _hello(self, socket: MemorySocket, message: dict[str, Any]) -> None:
        if self.turns_away is not None:
            socket.tell("error", code="unauthenticated", message="this token does not verify")
            socket.close(self.turns_away, "no")
            return
        resumed = self.resumes and "resume" in message
        socket.tell(
            "welcome", session_id="s1", incarnation=1, resumed=resumed, resume="secret", leave_token="leave",
            user={"id": "ada", "role": "admin"}, tenant="main", server_time_at=self.at, policy=POLICY, limits={},
            rooms=self.rooms if resumed else [], protocol=1,
        )  # fmt: skip

    def _follow(self, socket: MemorySocket, message: dict[str, Any]) -> None:
        if message["type"] in ("join", "sync"):
            self.snapshot(message["room"])
        if message["type"] == "join":
            self.rooms.append(message["room"])
        if message["type"] == "leave" and message["room"] in self.rooms:
            self.rooms.remove(message["room"])
        if message["type"] == "watch":
            for room in message.get("rooms", []):
                if message.get("mode") == "count":
                    socket.tell("count", room=room, count=2)
                else:
                    self.snapshot(room)
            users = [{"user_id": user_id, "status": "online"} for user_id in message.get("users", [])]
            if users:
                socket.tell("users", users=users)

    def snapshot(self, room: str, *others: str, seq: int = 1, epoch: str = "e1") -> None:
        """Tell who is in a room: the client's user, and others."""
        members = [entry("ada", self=True), *map(entry, others)]
        self.socket.tell(
            "snapshot", room=room, epoch=epoch, seq=seq, mode="roster", view="full", count=len(members), members=members
        )

    def delta(self, room: str, since: int, *joined: str) -> None:
        """Tell that these joined, in the step after `since`."""
        events = [{"event": "join", "member": entry(user_id)} for user_id in joined]
        self.socket.tell(
            "delta", room=room, epoch="e1", since=since, seq=since + 1, events=events, count=1 + len(joined)
        )

    def presence(self, token: Any = "dev:ada", **options: Any) -> AsyncPresence:
        """A client of this server, in this world. Waits of the back-off are half their bound."""
        world = World(connect=self.connect, random=lambda: 0.5, wall=self.time.wall, clock=self.time)
        return AsyncPresence("http://presence.example", token, world=world, **options)


def entry(user_id: str, **fields: Any) -> dict[str, Any]:
    """A member as the server tells it."""
    return {"user_id": user_id, "status": "online", "joined_at": START_AT, "sessions": 1, "state": {}, **fields}
