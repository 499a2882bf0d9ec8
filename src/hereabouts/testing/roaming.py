"""A tab with a mind of its own among nodes that fail: it moves, retries, and tells the fates what it does.

Runs on `virtual_time`.
"""

from __future__ import annotations

import asyncio
from random import Random

from hereabouts.testing.fates import Fates, Stay
from hereabouts.testing.many_nodes import Cluster, FarWire
from hereabouts.testing.world import ScriptedClient

AGAIN_SECONDS = 0.3


class Lost(Exception):
    """The connection is gone, or gave no answer."""


class Tab:
    """Wants to be in `wanted`, whatever happens; changes its mind at random."""

    def __init__(self, world: Cluster, fates: Fates, user_id: str, rooms: tuple[str, ...], random: Random) -> None:
        self.world = world
        self.fates = fates
        self.user_id = user_id
        self.random = random
        self.wanted: set[str] = set()
        self.stays: dict[str, Stay] = {}
        self._rooms = rooms
        self._client: ScriptedClient | None = None

    @property
    def client(self) -> ScriptedClient:
        """The session's client."""
        assert self._client is not None
        return self._client

    @property
    def wire(self) -> FarWire | None:
        """The connection, if there is one."""
        wire = self._client.wire if self._client is not None else None
        return wire if isinstance(wire, FarWire) and wire.ended is None and not wire.is_cut else None

    async def live(self, until: float) -> None:
        """Come and go, in every way there is."""
        random = self.random
        while self.world.tick < until:
            await asyncio.sleep(random.uniform(0.0, 5.0))
            self.wanted = {room for room in self._rooms if random.random() < 0.7}
            for _ in range(random.randrange(8)):
                await self.settle()
                await asyncio.sleep(random.choice([0.1, 0.5, random.uniform(0.0, 4.0)]))
                self.wanted ^= {random.choice(self._rooms)} if random.random() < 0.4 else set()
                if random.random() < 0.15:
                    self.close(random.choice([0.0, 0.2, 1.9, 4.0]))
            if random.random() < 0.5:
                self.go()

    async def settle(self) -> None:
        """Be connected, and be in the rooms that are wanted and in no other."""
        while True:
            try:
                await self._settle()
                return
            except Lost:
                self.close(self.random.choice([0.0, 0.5, 3.0]))
                await asyncio.sleep(AGAIN_SECONDS)

    async def _settle(self) -> None:
        wire = self.wire
        if wire is None:
            self._note_loss()
            wire = await self._come()
        for room in self._rooms:
            if (room in self.wanted) != (room in self.stays):
                await (self._join(room, wire) if room in self.wanted else self._leave(room))

    async def _come(self) -> FarWire:
        client = self._client or self.world.client(self.user_id)
        resume = bool(client.welcome)
        living = [process for process in self.world.processes if not process.is_dead]
        process = self.random.choice(living)
        try:
            welcome = await client.hello(process.node, resume=resume)
        except TimeoutError:
            assert client.wire is not None
            client.wire.drop()
            raise Lost from None
        self._client = client
        wire = client.wire
        assert isinstance(wire, FarWire)
        stays, self.stays = self.stays, {}
        for room in welcome["rooms"]:
            self._goes_on(stays.get(room), room, wire)
        self.world.keep_alive(client)
        return wire

    def _goes_on(self, before: Stay | None, room: str, wire: FarWire) -> None:
        tick = self.world.tick
        since = before.possible_since if before is not None else tick
        stay = self._stay(room, wire, since)
        stay.since = tick
        if before is not None:
            if tick < before.until:
                before.until = tick
            before.possible_until = tick

    def _stay(self, room: str, wire: FarWire, possible_since: float) -> Stay:
        stay = self.stays[room] = Stay(self.user_id, room, wire.process, possible_since)
        self.fates.stays.append(stay)
        return stay

    async def _join(self, room: str, wire: FarWire) -> None:
        stay = self._stay(room, wire, self.world.tick)
        await self._ask("join", room)
        stay.since = self.world.tick

    async def _leave(self, room: str) -> None:
        stay = self.stays[room]
        stay.until = min(stay.until, self.world.tick)
        await self._ask("leave", room)
        stay.possible_until = min(stay.possible_until, self.world.tick)
        del self.stays[room]

    async def _ask(self, type: str, room: str) -> None:
        """Ask until it is done."""
        while True:
            try:
                answer = await self.client.ask(type, room=room, **({"state": {}} if type == "join" else {}))
            except TimeoutError:
                raise Lost from None
            if self.wire is None:
                raise Lost
            if answer["type"] == "ok":
                return
            await asyncio.sleep(AGAIN_SECONDS)

    # Going

    def close(self, after_seconds: float) -> None:
        """The connection ends, and the node hears of it after a while; the session is to go on."""
        wire = self.wire
        if wire is None:
            self._note_loss()
            return
        self._lost(self.world.tick, self.world.tick + after_seconds)
        wire.drop(after_seconds=after_seconds)

    def _note_loss(self) -> None:
        wire = self._client.wire if self._client is not None else None
        if isinstance(wire, FarWire) and wire.ended is not None:
            self._lost(wire.ended_tick, self.world.tick + self.world.policy.lease_visible_seconds)

    def _lost(self, tick: float, heard_tick: float) -> None:
        for stay in self.stays.values():
            self.fates.disconnected(stay, tick, heard_tick)

    def go(self) -> None:
        """Go for good: say so, or vanish."""
        wire, tick = self.wire, self.world.tick
        if wire is not None and self.random.random() < 0.5:
            self.client.say("bye")
            for stay in self.stays.values():
                stay.ends(tick, tick)
        elif wire is not None:
            self.close(self.random.choice([0.0, 1.9, 100.0]))
        else:
            self._note_loss()
        self.stays = {}
        self._client = None
