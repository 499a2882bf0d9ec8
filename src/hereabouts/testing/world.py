"""Nodes and clients in one event loop, without a socket: connections that can be cut, held, frozen and late.

Runs on `virtual_time`; everything random comes from the seed. Source of the rules held here: `spec/semantics.md`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from hereabouts.auth.tokens import DevVerifier
from hereabouts.backends.base import Backend
from hereabouts.backends.memory import MemoryBackend
from hereabouts.engine.limits import Limits
from hereabouts.engine.policy import PolicyBook
from hereabouts.engine.records import Owner
from hereabouts.fanout.outbox import Packet
from hereabouts.journal.base import Journal
from hereabouts.journal.none import NoJournal
from hereabouts.node import Node
from hereabouts.runtime.clock import Clock
from hereabouts.testing.clock import START_AT
from hereabouts.testing.picture import Json, RoomPicture
from hereabouts.testing.virtual_time import virtual_loop

ABNORMAL = 1006
"""The close code of a connection that just ended (RFC 6455, section 7.4.1)."""


class Wire:
    """One connection between a client and a node, and what came over it. `is_cut` loses all that is sent after."""

    def __init__(self, client: ScriptedClient, node: Node) -> None:
        self.client = client
        self.node = node
        self.is_paused = False
        self.is_cut = False
        self.is_welcome = False
        self.ended: tuple[int, str] | None = None
        self.reach(self._connect)

    def _connect(self) -> None:
        self.link = self.node.driver.connected(self)

    def _receive(self, frame: bytes) -> None:
        self.node.driver.received(self.link, frame)

    def _closed(self, code: int) -> None:
        self.node.driver.closed(self.link, code)

    def reach(self, call: Callable[..., None], *arguments: Any) -> None:
        """Let something happen at the node's end."""
        call(*arguments)

    def send(self, packet: Packet) -> None:
        """See `Connection.send`."""
        if not self.is_cut and self.ended is None:
            self.client.take(json.loads(packet.payload), self)

    def close(self, code: int, reason: str) -> None:
        """See `Connection.close`."""
        if self.ended is None:
            self.ended = (code, reason)

    def say(self, type: str, **fields: Any) -> None:
        """Send a message to the node."""
        self.reach(self._receive, json.dumps({"type": type, **fields}).encode())

    def drop(self, code: int = ABNORMAL, after_seconds: float = 0.0) -> None:
        """The connection ends; the node hears of it only after a while."""
        self.is_cut = True
        loop = virtual_loop()
        loop.call_later(after_seconds, self.reach, self._closed, code)

    def pause(self) -> None:
        """The client stops reading."""
        self.is_paused = True
        self.node.driver.paused(self.link)

    def drain(self) -> None:
        """The client has read what was waiting."""
        self.is_paused = False
        self.node.driver.drained(self.link)


class ScriptedClient:
    """A tab: does what it is told and keeps what it hears. It does not beat by itself; see `World.keep_alive`."""

    def __init__(self, world: World, user_id: str, role: str | None = None) -> None:
        self.world = world
        self.user_id = user_id
        self.token = f"dev:{user_id}" + (f":{role}" if role else "")
        self.wire: Wire | None = None
        self.welcome: Json = {}
        self.inbox: list[tuple[float, Json]] = []
        self.rooms: dict[str, RoomPicture] = {}
        self.users: dict[str, Json] = {}
        self._ids = 0
        self._waiting: list[tuple[Callable[[Json], bool], asyncio.Future[Json]]] = []

    def take(self, message: Json, wire: Wire) -> None:
        """A frame came."""
        if wire is not self.wire:
            return
        tick = self.world.tick
        self.inbox.append((tick, message))
        wire.is_welcome = wire.is_welcome or message["type"] == "welcome"
        if message["type"] in ("snapshot", "delta", "count", "typing"):
            room = message["room"]
            try:
                self.rooms.setdefault(room, RoomPicture(room)).apply(message, tick)
            except AssertionError as error:  # not thrown into the node, which did not ask
                self.world.broken.append(error)
        elif message["type"] == "users":
            self.users.update((user["user_id"], user) for user in message["users"])
        for waiting in list(self._waiting):
            wants, future = waiting
            if wants(message) and not future.done():
                self._waiting.remove(waiting)
                future.set_result(message)

    async def heard(self, wants: Callable[[Json], bool], within_seconds: float = 5.0) -> Json:
        """The next frame that is wanted."""
        future: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        waiting = (wants, future)
        self._waiting.append(waiting)
        try:
            async with asyncio.timeout(within_seconds):
                return await future
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    async def hello(self, node: Node | None = None, *, resume: bool = False, **fields: Any) -> Json:
        """Connect and say hello; `resume` goes on with the session that this client had."""
        self.wire = self.world.wire(self, node or self.world.nodes[0])
        if resume:
            fields["resume"] = self.welcome["resume"]
        answer = asyncio.ensure_future(self.heard(lambda message: message["type"] == "welcome"))
        await asyncio.sleep(0)
        self.wire.say("hello", token=self.token, **fields)
        self.welcome = await answer
        return self.welcome

    async def ask(self, type: str, **fields: Any) -> Json:
        """Send a request; its `ok` or `error`."""
        assert self.wire is not None
        self._ids += 1
        id = self._ids
        answer = asyncio.ensure_future(self.heard(lambda message: message.get("id") == id))
        await asyncio.sleep(0)
        self.wire.say(type, id=id, **fields)
        return await answer

    async def join(self, room: str, **state: Any) -> Json:
        """Join a room."""
        return await self.ask("join", room=room, state=state)

    async def watch(self, *rooms: str, **fields: Any) -> Json:
        """Watch rooms."""
        return await self.ask("watch", rooms=list(rooms), **fields)

    def say(self, type: str, **fields: Any) -> None:
        """Send a message that is not answered."""
        assert self.wire is not None
        self.wire.say(type, **fields)

    def beat(self, **fields: Any) -> None:
        """Send a beat."""
        self.say("beat", **fields)

    def drop(self, code: int = ABNORMAL, after_seconds: float = 0.0) -> None:
        """Lose the connection; the node hears of it only after a while."""
        assert self.wire is not None
        self.wire.drop(code, after_seconds)

    def room(self, room: str) -> RoomPicture:
        """What this client was told of a room."""
        return self.rooms[room]

    def heard_of(self, type: str) -> list[Json]:
        """All frames of a type that came."""
        return [message for _, message in self.inbox if message["type"] == type]


class World:
    """Some nodes over one live store, on one virtual clock."""

    def __init__(
        self,
        seed: int = 0,
        *,
        nodes: int = 1,
        policy: Mapping[str, Any] | None = None,
        backend: Backend | None = None,
        journal: Journal | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.random = Random(seed)
        self.loop = virtual_loop()
        self.wall_ahead_seconds = START_AT / 1000 - self.loop.time()
        self.policies = PolicyBook(policy or {"default": {"preset": "test"}})
        self.policy = self.policies.resolve()
        self.backend = backend or MemoryBackend("world")
        self.journal = journal or NoJournal()
        self.nodes = [self._node(f"n{place}", limits or Limits()) for place in range(nodes)]
        self.broken: list[BaseException] = []
        self._beating: dict[ScriptedClient, asyncio.Task[None]] = {}
        self.loop.set_exception_handler(self._note_broken)

    def _note_broken(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.broken.append(context.get("exception") or RuntimeError(context["message"]))

    def _node(self, name: str, limits: Limits) -> Node:
        return Node(
            policies=self.policies,
            limits=limits,
            backend=self.backend,
            journal=self.journal,
            verifier=DevVerifier(self.wall),
            owner=Owner(name, 1),
            clock=Clock(self.loop.time, self.wall),
            random_bytes=self.random.randbytes,
        )

    async def __aenter__(self) -> World:
        for node in self.nodes:
            await node.open()
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        for task in self._beating.values():
            task.cancel()
        for node in self.nodes:
            node.timers.stop()
        if kind is not None:
            return
        if self.broken:
            raise self.broken[0]
        faults = sum(node.context.telemetry.faults for node in self.nodes)
        assert faults == 0, f"{faults} faults of the server; they are in its log"

    @property
    def tick(self) -> float:
        """Seconds of virtual time."""
        return self.loop.time()

    @property
    def bound_seconds(self) -> float:
        """How late a removal may be seen at most: the sweep, the window, and the passage (semantics, ghost bound)."""
        passage = 0.25 if len(self.nodes) == 1 else 0.75
        return self.policies.node.sweep_seconds + self.policy.fanout_window_seconds + passage

    def wall(self) -> float:
        """The host's wall clock, in seconds; it may be set."""
        return self.loop.time() + self.wall_ahead_seconds

    def wire(self, client: ScriptedClient, node: Node) -> Wire:
        """A new connection."""
        return Wire(client, node)

    def client(self, user_id: str, role: str | None = None) -> ScriptedClient:
        """A tab that is not connected yet."""
        return ScriptedClient(self, user_id, role)

    async def enter(
        self, user_id: str, *rooms: str, node: int = 0, role: str | None = None, **hello: Any
    ) -> ScriptedClient:
        """A tab that has said hello and joined, and beats from now on."""
        client = self.client(user_id, role)
        await client.hello(self.nodes[node], **hello)
        for room in rooms:
            await client.join(room)
        self.keep_alive(client)
        return client

    async def observer(
        self, *rooms: str, node: int = 0, user_id: str = "observer", role: str | None = None, **watch: Any
    ) -> ScriptedClient:
        """Somebody who watches and beats."""
        client = await self.enter(user_id, node=node, role=role)
        if rooms:
            await client.watch(*rooms, **watch)
        return client

    def keep_alive(self, client: ScriptedClient, every_seconds: float = 1.0) -> None:
        """Let a client beat from now on, as long as its connection stands."""
        self.silence(client)
        self._beating[client] = self.loop.create_task(self._beat(client, every_seconds))

    def silence(self, client: ScriptedClient) -> None:
        """Let it beat no more."""
        task = self._beating.pop(client, None)
        if task is not None:
            task.cancel()

    async def _beat(self, client: ScriptedClient, every_seconds: float) -> None:
        while True:
            await asyncio.sleep(every_seconds)
            wire = client.wire
            if wire is not None and wire.is_welcome and wire.ended is None and not wire.is_cut:
                client.beat()

    async def until(self, tick: float) -> None:
        """Let time pass up to a tick."""
        await asyncio.sleep(tick - self.tick)
