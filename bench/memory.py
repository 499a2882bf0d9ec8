"""Memory: what an idle session that has joined one room keeps in RAM, beside a bare connection of the floor."""

from __future__ import annotations

import asyncio

from bench.load import Swarm
from bench.process import OPEN, QUIET, Process, running_floor, running_server
from bench.report import Figure

NAME = "memory"
ROOM_MEMBERS = 10
WARM = 200
"""Sessions that come first and stay: what the process allocates once is no session's."""

BATCH = 250
QUIET_SECONDS = 1.0
"""Nothing happens for so long before memory is read."""


async def run(small: bool) -> list[Figure]:
    """Measure with 5,000 sessions; small means 2,000."""
    sessions = 2_000 if small else 5_000
    ours = await _sessions(sessions)
    least = await _bare(sessions)
    return [
        Figure(NAME, f"floor: a bare connection, of {sessions:,}", least / 1024, "KiB"),
        Figure(
            NAME, f"server: an idle session, of {sessions:,}, joined to one room", ours / 1024, "KiB", 16, "at most"
        ),
    ]


async def _sessions(sessions: int) -> float:
    async with running_server(OPEN + QUIET) as server:
        swarm = Swarm(server.port)
        await _join(swarm, WARM)
        before = await _resident_bytes(server)
        for _ in range(sessions // BATCH):
            await _join(swarm, BATCH)
        after = await _resident_bytes(server)
        swarm.close()
        return (after - before) / sessions


async def _join(swarm: Swarm, count: int) -> None:
    """More sessions, ten to a room. Each room is full before the next is begun."""
    clients = await swarm.open(count)
    await swarm.greet(clients)
    for client in clients:
        client.send(b'{"type":"join","id":1,"room":"room-%d"}' % (client.index // ROOM_MEMBERS))
    await swarm.until_frames(2 * count)


async def _bare(connections: int) -> float:
    async with running_floor() as floor:
        swarm = Swarm(floor.port)
        await swarm.open(WARM)
        before = await _resident_bytes(floor)
        await swarm.open(connections)
        after = await _resident_bytes(floor)
        swarm.close()
        return (after - before) / connections


async def _resident_bytes(process: Process) -> int:
    await asyncio.sleep(QUIET_SECONDS)
    return process.resident_bytes()
