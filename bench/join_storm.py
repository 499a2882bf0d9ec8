"""A storm of joins: 2,000 clients join one room within five seconds, while another room goes on as before.

Naively each member would be told of each later join: up to 2,000 frames. The window grows with the storm instead, and
a room that is too large to list is counted.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import NamedTuple

from bench.load import Client, Swarm
from bench.probe import Latencies, probing
from bench.process import OPEN, QUIET, running_server
from bench.report import Figure, quantile, ratio

NAME = "join_storm"
STORMS = 3
CLIENTS = 2_000
STORM_SECONDS = 5.0
CALM_SECONDS = 5.0
AFTER_SECONDS = 2.0
STEPS = 500
"""The joins are sent in so many even portions."""

FRAMES_MOST = 30
BYTES_MOST = 256 * 1024


class Storm(NamedTuple):
    """What one storm did: latencies elsewhere, and what the client got that got most."""

    calm: Latencies
    meanwhile: Latencies
    frames: int
    payload_bytes: int
    cpu_seconds: float


class Received:
    """What each client got after its snapshot."""

    def __init__(self) -> None:
        self.frames: dict[int, int] = defaultdict(int)
        self.payload_bytes: dict[int, int] = defaultdict(int)
        self.snapshots: set[int] = set()

    def __call__(self, client: Client, payload: bytes) -> None:
        if client.index in self.snapshots:
            self.frames[client.index] += 1
            self.payload_bytes[client.index] += len(payload)
        elif payload.startswith(b'{"type":"snapshot"'):
            self.snapshots.add(client.index)


async def run(small: bool) -> list[Figure]:
    """Three storms, each on a server of its own, small or not. Of latencies the best counts: noise only adds."""
    storms = [await _storm() for _ in range(STORMS)]
    calm_busy, calm_quiet, busy, quiet = (
        min(quantile(getattr(when, pace), 0.99) for when in each)
        for each in ([storm.calm for storm in storms], [storm.meanwhile for storm in storms])
        for pace in ("busy", "quiet")
    )
    frames = max(storm.frames for storm in storms)
    payload_bytes = max(storm.payload_bytes for storm in storms)
    most = "after the snapshot, the most of any client"
    return [
        Figure(NAME, f"frames {most}", frames, "", FRAMES_MOST, "at most"),
        Figure(NAME, f"KiB {most}", payload_bytes / 1024, "KiB", BYTES_MOST / 1024, "at most"),
        Figure(NAME, "another room's p99, calm", calm_busy * 1000, "ms"),
        Figure(NAME, "another room's p99, in the storm", busy * 1000, "ms"),
        Figure(NAME, "another room's p99, storm to calm", ratio(busy, calm_busy), "", 2, "at most"),
        Figure(NAME, "a quiet room's p99, calm", calm_quiet * 1000, "ms"),
        Figure(NAME, "a quiet room's p99, in the storm", quiet * 1000, "ms"),
        Figure(NAME, "CPU of the server", min(storm.cpu_seconds for storm in storms), "s"),
    ]


async def _storm() -> Storm:
    async with running_server(OPEN + QUIET) as server, probing(server.port) as measure:
        received = Received()
        swarm = Swarm(server.port, received)
        clients = await swarm.open(CLIENTS)
        await swarm.greet(clients)
        calm = await measure(CALM_SECONDS)
        before = server.cpu_seconds()
        meanwhile, _ = await asyncio.gather(measure(STORM_SECONDS), _join(clients))
        await swarm.until(lambda: len(received.snapshots) == CLIENTS, 60)
        await asyncio.sleep(AFTER_SECONDS)
        used = server.cpu_seconds() - before
        swarm.close()
    return Storm(calm, meanwhile, max(received.frames.values()), max(received.payload_bytes.values()), used)


async def _join(clients: list[Client]) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    for step in range(STEPS):
        for client in clients[step::STEPS]:
            client.send(b'{"type":"join","id":1,"room":"storm"}')
        await asyncio.sleep(max(began + (step + 1) * STORM_SECONDS / STEPS - loop.time(), 0))
