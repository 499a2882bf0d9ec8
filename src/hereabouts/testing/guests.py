"""Clients with a mind of their own, for long runs: they come, act, move and vanish, and each knows what is true of it.

While all is calm they only stay: connected, in the rooms they want to be in. What viewers must see then is what the
guests are; `hereabouts.testing.soaking` compares.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx
from websockets.exceptions import WebSocketException

from hereabouts.testing.folds import Folds
from hereabouts.testing.process import ServerProcess
from hereabouts.testing.waiting import pause
from hereabouts.testing.wire import Refused, Wire

ROOMS: Final = tuple(f"room-{number}" for number in range(12))
DESKS: Final = tuple(f"desk:{number}" for number in range(6))
SHOWN: Final = {"available": "online", "busy": "busy", "dnd": "dnd", "away": "away", "invisible": "offline"}
"""What a user who declares this is seen as, while there is input at a visible tab."""

BEAT_SECONDS: Final = 1.0
AGAIN_SECONDS: Final = 0.3
LOST: Final = (OSError, TimeoutError, AssertionError, WebSocketException, httpx.HTTPError)
"""What a guest takes for the end of its connection. A broken rule of a fold is kept, and told by `Folds.check`."""


@dataclass
class Party:
    """What all guests share: where they may go, and whether they are to keep still."""

    servers: Sequence[ServerProcess]
    http: httpx.AsyncClient
    users: tuple[str, ...] = ()
    is_calm: bool = False
    is_over: bool = False


@dataclass(eq=False)
class Guest:
    """One tab. Only a user's first tab declares a status and holds a desk."""

    party: Party = field(repr=False)
    user_id: str
    tab: str
    random: Random = field(repr=False)
    is_first: bool = True
    wanted: dict[str, int] = field(default_factory=dict)
    """The rooms to be in, and what this tab's key of the state there is to be."""
    declares: str = "available"
    desk: str | None = None
    is_settled: bool = False
    folds: Folds = field(default_factory=Folds, repr=False)
    trouble: list[str] = field(default_factory=list)
    history: deque[str] = field(default_factory=lambda: deque(maxlen=60), repr=False)
    """What it asked and what it was answered, for who has to find out why something is wrong."""
    cards: dict[str, str] = field(default_factory=dict, repr=False)
    """The status of each user as this tab is told, for it looks at all of them."""
    _wire: Wire | None = field(default=None, repr=False)
    _secret: str = ""
    _told: dict[str, int] = field(default_factory=dict)
    _declared: str = ""
    _held: set[str] = field(default_factory=set)
    """The desks that it may hold, for all that it was told."""

    async def live(self) -> None:
        """Until all is over."""
        while not self.party.is_over:
            try:
                await self._settle()
                self.is_settled = self.party.is_calm
                if not self.party.is_calm:
                    await self._act()
            except Refused as refused:
                self.is_settled = False
                self._note(str(refused))
                self._doubt()
                if refused.code not in ("degraded", "rate_limited"):
                    self.trouble.append(f"{self.tab}: {refused}")
                await pause(AGAIN_SECONDS)
            except LOST as error:
                self.is_settled = False
                self._note(f"lost: {type(error).__name__} {error}"[:200])
                await self._drop()
                await pause(AGAIN_SECONDS)
            await pause(self.random.uniform(0.05, 0.6))

    def _doubt(self) -> None:
        """What was told last may not have been done."""
        self._told = dict.fromkeys(self._told, -1)
        self._declared = ""

    # Being where it wants to be

    async def _settle(self) -> None:
        wire = await self._connected()
        self._hear(wire)
        for room in tuple(self._told):
            if room not in self.wanted:
                await self._ask(wire, "leave", room=room)
                del self._told[room]
        for room, value in self.wanted.items():
            if self._told.get(room) != value:
                await self._ask(wire, "update" if room in self._told else "join", room=room, state={self.tab: value})
                self._told[room] = value
        if self.is_first:
            await self._settle_user(wire)

    async def _settle_user(self, wire: Wire) -> None:
        if self._declared != self.declares:
            await self._ask(wire, "status", status=self.declares)
            self._declared = self.declares
        for desk in self._held - {self.desk}:
            try:
                await self._ask(wire, "release", resource=desk)
            except Refused as refused:
                if refused.code != "lease_lost":
                    raise
            self._held.discard(desk)
        if self.desk is not None and (self.desk not in self._held or self.party.is_calm):
            self._held.add(self.desk)
            try:
                await self._ask(wire, "occupy", resource=self.desk)
            except Refused as refused:
                if refused.code not in ("occupied", "rate_limited"):
                    raise
                self._note(str(refused))
                self._held.discard(self.desk)
                self.desk = None

    async def _ask(self, wire: Wire, type: str, **fields: Any) -> None:
        self._note(f"{type} {fields}")
        await wire.ask(type, **fields)
        self._note("ok")

    def _note(self, text: str) -> None:
        self.history.append(f"{time.time() % 1000:.3f} {text}")

    async def _connected(self) -> Wire:
        if self._wire is not None and self._wire.socket.close_code is None:
            return self._wire
        await self._drop()
        server = self.random.choice(self.party.servers)
        wire = await Wire.open(server.url, folds=self.folds)
        try:
            welcome = await self._welcomed(wire, server.folder.name)
        except BaseException:
            await wire.reset()
            raise
        self._wire = wire
        self._doubt()
        self._told = dict.fromkeys(welcome.get("rooms", ()), -1)
        wire.beat_every(BEAT_SECONDS, active=True)
        return wire

    async def _welcomed(self, wire: Wire, place: str) -> dict[str, Any]:
        self._note(f"hello at {place}, {self._secret[:8]}")
        token = f"dev:{self.user_id}"
        welcome = await (wire.go_on(self._secret, token) if self._secret else wire.hello(token))
        self._secret = welcome["resume"]
        self._note(f"welcome {welcome['resumed']} {welcome['incarnation']} {welcome.get('rooms')}")
        self.cards.clear()
        await wire.ask("watch", users=list(self.party.users))
        return welcome

    async def _drop(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            self._hear(wire)
            await wire.reset()

    def _hear(self, wire: Wire) -> None:
        """Take note of what others did to this tab, and forget the frames."""
        for frame in wire.frames:
            message = frame.message
            if message["type"] == "left":
                self.wanted.pop(message["room"], None)
                self._told.pop(message["room"], None)
            elif message["type"] == "users":
                self.cards.update((card["user_id"], card["status"]) for card in message["users"])
            elif message["type"] == "ended":
                self._secret = ""
        wire.frames.clear()
        for fold in self.folds.rooms.values():
            fold.events.clear()

    # Acting

    async def _act(self) -> None:
        act = self.random.choices(
            (self._wander, self._write, self._type, self._declare, self._occupy, self._hop, self._bye, self._rest),
            (6, 6, 4, 2, 2, 3, 1, 4),
        )[0]
        await act()

    async def _wander(self) -> None:
        room = self.random.choice(ROOMS)
        if self.wanted.pop(room, None) is None:
            self.wanted[room] = self.random.randrange(1000)

    async def _write(self) -> None:
        for room in self.wanted:
            self.wanted[room] = self.random.randrange(1000)

    async def _type(self) -> None:
        if self._wire is not None and self._told:
            await self._wire.say("typing", room=self.random.choice(sorted(self._told)), on=self.random.random() < 0.7)

    async def _declare(self) -> None:
        self.declares = self.random.choice(tuple(SHOWN))

    async def _occupy(self) -> None:
        self.desk = self.random.choice((None, *DESKS)) if self.is_first else None

    async def _hop(self) -> None:
        """Go on elsewhere, with or without a word, at once or later."""
        if self._wire is not None and self.random.random() < 0.5:
            await self._wire.close()
        await self._drop()
        until = time.monotonic() + self.random.choice((0.0, 0.3, 2.0, 9.0))
        while time.monotonic() < until and not self.party.is_calm:
            await pause(0.1)

    async def _bye(self) -> None:
        if self._wire is not None:
            self._note("bye")
            await self._wire.say("bye")
            await self._wire.closed()
        await self._drop()
        self._secret = ""
        await pause(self.random.choice((0.0, 1.0)))

    async def _rest(self) -> None:
        await pause(self.random.uniform(0.0, 2.0))

    async def go(self) -> None:
        """Go for good: say so, or vanish."""
        if self._wire is not None and self.random.random() < 0.5:
            with suppress(*LOST):
                await self._wire.say("bye")
                await self._wire.closed()
        await self._drop()

    # Being asked

    def sees(self, room: str) -> dict[str, dict[str, Any]] | None:
        """Whom this tab sees in a room that it is in."""
        fold = self.folds.rooms.get(room)
        return fold.members if fold is not None and room in self._told else None


@dataclass(eq=False)
class Caller:
    """A session without a socket: it beats by HTTP, at whichever node."""

    party: Party
    user_id: str
    random: Random
    wanted: set[str] = field(default_factory=set)
    is_settled: bool = False
    trouble: list[str] = field(default_factory=list)
    _secret: str = ""

    async def live(self) -> None:
        """Until all is over."""
        while not self.party.is_over:
            if not self.party.is_calm and self.random.random() < 0.3:
                self.wanted ^= {self.random.choice(ROOMS)}
            try:
                await self._beat()
            except LOST:
                self.is_settled = False
            await pause(BEAT_SECONDS)

    async def _beat(self) -> None:
        server = self.random.choice(self.party.servers)
        body: dict[str, Any] = {"rooms": sorted(self.wanted), "visible": True, "active": True}
        body |= {"resume": self._secret} if self._secret else {}
        answer = await self.party.http.post(
            f"{server.http}/v1/heartbeat", json=body, headers={"Authorization": f"Bearer dev:{self.user_id}"}
        )
        if answer.status_code != 200:
            self.is_settled = False
            if answer.status_code != 503:
                self.trouble.append(f"{self.user_id}: a beat was answered with {answer.status_code} {answer.text}")
            return
        told = answer.json()
        self._secret = told["resume"]
        self.wanted -= set(told.get("taken_out", ()))
        self.is_settled = self.party.is_calm


@dataclass(eq=False)
class Listener:
    """Reads some rooms as a stream of events, at one node after another."""

    party: Party
    rooms: tuple[str, ...]
    random: Random
    folds: Folds = field(default_factory=Folds)
    is_settled: bool = False
    _last_id: str = ""

    async def live(self) -> None:
        """Until all is over."""
        while not self.party.is_over:
            with suppress(*LOST):
                await self._listen()
            self.is_settled = False
            await pause(AGAIN_SECONDS)

    async def _listen(self) -> None:
        server = self.random.choice(self.party.servers)
        headers = {"Authorization": "Bearer dev:listener"} | ({"Last-Event-ID": self._last_id} if self._last_id else {})
        url = f"{server.http}/v1/events"
        async with self.party.http.stream(
            "GET", url, params={"rooms": ",".join(self.rooms)}, headers=headers
        ) as answer:
            answer.raise_for_status()
            self.is_settled = True
            position = ""
            async for line in answer.aiter_lines():
                if line.startswith("id:"):
                    position = line.removeprefix("id:").strip()
                elif line.startswith("data:"):
                    self.folds.take(json.loads(line.removeprefix("data:")))
                    self._last_id = position
                    if not self.party.is_calm and self.random.random() < 0.02:
                        return
