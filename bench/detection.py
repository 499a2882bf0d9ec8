"""Detection: 200 clients fall silent at once, with their connections open. When is each seen to leave?

The clocks are those of the preset `test`. A leave may be seen no earlier than lease and grace after the client's last
frame, and no later than one sweep, one window and 250 ms after that.
"""

from __future__ import annotations

import asyncio
import time

import msgspec

from bench.load import Client, Swarm
from bench.process import OPEN, running_server
from bench.report import Figure
from hereabouts.engine.policy import PRESETS, Policy

NAME = "detection"
CLIENTS = 200
BEATS = 3
SPARE_SECONDS = 0.25
ROOM = b"watched"


class Leaves:
    """When the watcher saw whom leave. The last frame of a client is its own note."""

    def __init__(self) -> None:
        self.seen: dict[str, float] = {}

    def __call__(self, client: Client, payload: bytes) -> None:
        if client.index != CLIENTS or not payload.startswith(b'{"type":"delta"'):
            return
        moment = time.perf_counter()
        for event in msgspec.json.decode(payload)["events"]:
            if event["event"] == "leave":
                self.seen.setdefault(event["user_id"], moment)


async def run(small: bool) -> list[Figure]:
    """Measure once; it takes as long as the clocks say, small or not."""
    clocks, window_seconds = PRESETS["test"], Policy().fanout_window_seconds
    earliest = clocks["lease.visible_seconds"] + clocks["grace_seconds"]
    latest = earliest + clocks["sweep_seconds"] + window_seconds + SPARE_SECONDS
    leaves = Leaves()
    async with running_server(OPEN + '[policy.default]\npreset = "test"\n') as server:
        swarm = Swarm(server.port, leaves)
        clients = await swarm.open(CLIENTS)
        watcher = (await swarm.open(1))[0]
        await swarm.greet([*clients, watcher])
        watcher.send(b'{"type":"watch","id":1,"rooms":["%b"]}' % ROOM)
        for client in clients:
            client.send(b'{"type":"join","id":1,"room":"%b"}' % ROOM)
        last = await _beat(clients, watcher, clocks["beat.visible_seconds"])
        await _watch(swarm, watcher, leaves, latest + 2 * SPARE_SECONDS, clocks["beat.visible_seconds"])
        swarm.close()
    found = [leaves.seen[f"user-{index}"] - at for index, at in last.items() if f"user-{index}" in leaves.seen]
    return [
        Figure(NAME, f"clients of {CLIENTS} that were seen to leave", len(found), "", CLIENTS),
        Figure(NAME, "the earliest leave after a last frame", min(found), "s", earliest),
        Figure(NAME, "the latest leave after a last frame", max(found), "s", latest, "at most"),
    ]


async def _beat(clients: list[Client], watcher: Client, apart_seconds: float) -> dict[int, float]:
    """Everybody beats a few times; the moment of each client's last beat, taken before it is sent."""
    last: dict[int, float] = {}
    for _ in range(BEATS):
        await asyncio.sleep(apart_seconds)
        watcher.send(b'{"type":"beat"}')
        for client in clients:
            last[client.index] = time.perf_counter()
            client.send(b'{"type":"beat"}')
    return last


async def _watch(swarm: Swarm, watcher: Client, leaves: Leaves, seconds: float, apart_seconds: float) -> None:
    """Only the watcher beats on, until all were seen to leave or the time is over."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end and len(leaves.seen) < CLIENTS:
        watcher.send(b'{"type":"beat"}')
        try:
            await swarm.until(lambda: len(leaves.seen) >= CLIENTS, apart_seconds)
        except TimeoutError:
            continue
