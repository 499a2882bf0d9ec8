"""A storm of reconnects: every connection breaks at once, and every client is back within two seconds.

A client that resumes within its grace keeps its place: somebody who watches sees nobody leave and nobody join. It is
given what it missed, not everything anew.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import msgspec

from bench.load import Client, Swarm
from bench.process import OPEN, QUIET, Process, running_floor, running_server
from bench.report import Figure

NAME = "reconnect_storm"
ROOM_MEMBERS = 50
BACK_SECONDS = 2.0
AFTER_SECONDS = 1.0
"""Nobody was seen to come or go in this time after the storm either."""


class Places:
    """What each client needs to come back to its place: its secret, and what it has seen of its room."""

    def __init__(self) -> None:
        self.resume: dict[int, str] = {}
        self.seen: dict[int, tuple[str, int]] = {}

    def __call__(self, client: Client, payload: bytes) -> None:
        if payload.startswith(b'{"type":"welcome"'):
            self.resume[client.index] = msgspec.json.decode(payload)["resume"]
        elif payload.startswith((b'{"type":"snapshot"', b'{"type":"delta"')):
            told = msgspec.json.decode(payload)
            self.seen[client.index] = (told["epoch"], told["seq"])


class Kinds:
    """How many messages of which type came."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.resumed = 0

    def __call__(self, _: Client, payload: bytes) -> None:
        told = msgspec.json.decode(payload)
        self.counts[told["type"]] += 1
        self.resumed += bool(told.get("resumed"))


async def run(small: bool) -> list[Figure]:
    """Measure with 2,000 clients; small means 500."""
    count = 500 if small else 2_000
    async with running_server(OPEN + QUIET) as server, running_floor() as floor:
        least = await _handshakes(floor, count)
        places, kinds, gossip = Places(), Kinds(), Kinds()
        swarm, watcher = Swarm(server.port, places), Swarm(server.port)
        await _settle(swarm, count)
        await _watch_all(watcher, count)
        watcher.listener = gossip
        swarm.close()
        returned, before, began = Swarm(server.port, kinds), server.cpu_seconds(), time.perf_counter()
        await _come_back(returned, places, count)
        took, used = time.perf_counter() - began, server.cpu_seconds() - before
        await asyncio.sleep(AFTER_SECONDS)
        returned.close()
        watcher.close()
    return [
        Figure(NAME, f"clients of {count:,} that kept their session", kinds.resumed, "", count),
        Figure(NAME, "joins and leaves seen by somebody who watches", gossip.counts["delta"], "", 0, "at most"),
        Figure(NAME, "snapshots where a delta was enough", kinds.counts["snapshot"], "", 0, "at most"),
        Figure(NAME, "until the last was back", took, "s"),
        Figure(NAME, "floor: handshakes a CPU-second", count / least, "1/s"),
        Figure(NAME, "server: handshakes and resumes a CPU-second", count / used, "1/s"),
    ]


async def _settle(swarm: Swarm, count: int) -> None:
    clients = await swarm.open(count)
    await swarm.greet(clients)
    for client in clients:
        client.send(b'{"type":"join","id":1,"room":"room-%d"}' % (client.index // ROOM_MEMBERS))
    await asyncio.sleep(AFTER_SECONDS)


async def _watch_all(swarm: Swarm, count: int) -> None:
    await swarm.greet(await swarm.open(1), "watcher")
    rooms = [f"room-{n}" for n in range(-(-count // ROOM_MEMBERS))]
    swarm.clients[0].send(msgspec.json.encode({"type": "watch", "id": 1, "rooms": rooms}))
    await swarm.until_frames(1 + len(rooms))


async def _come_back(swarm: Swarm, places: Places, count: int) -> None:
    """Each client at its own moment, evenly over the time; then wait until all are welcome."""
    portions = 20
    for _ in range(portions):
        began = time.perf_counter()
        for client in await swarm.open(count // portions):
            epoch, seq = places.seen[client.index]
            room = f"room-{client.index // ROOM_MEMBERS}"
            hello = {"type": "hello", "token": f"dev:user-{client.index}", "resume": places.resume[client.index]}
            client.send(msgspec.json.encode({**hello, "seen": {room: [epoch, seq]}}))
        await asyncio.sleep(max(began + BACK_SECONDS / portions - time.perf_counter(), 0))
    await swarm.until(lambda: swarm.frames >= count, 60)


async def _handshakes(floor: Process, count: int) -> float:
    swarm = Swarm(floor.port)
    before = floor.cpu_seconds()
    await swarm.open(count)
    used = floor.cpu_seconds() - before
    swarm.close()
    return used
