"""Fan-out: one change of one member, told to all who watch the room, and ten changes in one window.

The floor writes a frame of the same bytes to as many connections. Server and floor take turns, so that whatever else
the machine does falls on both.
"""

from __future__ import annotations

import asyncio

from bench.load import Client, Swarm
from bench.process import OPEN, QUIET, Process, running_floor, running_server
from bench.report import Figure, ratio
from bench.wire import text_frame

NAME = "fan_out"
ROOM = b"bench"
CONFIG = OPEN + QUIET + "fanout.window_seconds = 0.02\nfanout.budget = 100000000\n"
"""A short window, so that a round takes no longer than its work."""

ABSENCE_SECONDS = 0.5
"""No second frame came in this time, which is many windows."""

TURN = 20
"""Changes told before the other side has its turn."""


async def run(small: bool) -> list[Figure]:
    """Measure with 1,000 watchers; small means fewer rounds."""
    watchers, rounds = 1_000, 10 if small else 50
    async with running_server(CONFIG) as server, running_floor() as floor:
        there, bare = Swarm(server.port), Swarm(floor.port)
        member = await _settle(there, watchers)
        frame = await _delta(there, member, watchers)
        await bare.open(watchers)
        bare.clients[0].send(b"F" + frame)
        await bare.until_frames(1)
        ours, least = 0.0, 0.0
        for turn in range(rounds):
            ours += await _changes(there, server, member, watchers, turn)
            least += await _triggers(bare, floor, watchers)
        frames = await _burst(there, member, watchers)
        there.close()
        bare.close()
    told = rounds * TURN * watchers
    return [
        Figure(NAME, "floor: deliveries a CPU-second", told / least, "1/s"),
        Figure(NAME, "server: deliveries a CPU-second", told / ours, "1/s"),
        Figure(NAME, "server to floor", ratio(told / ours, told / least), "", 0.75),
        Figure(NAME, "frames a watcher for ten changes in one window", frames / watchers, "", 1, "at most"),
        Figure(NAME, "bytes of a delta", len(frame), "bytes"),
    ]


async def _settle(swarm: Swarm, watchers: int) -> Client:
    """The watchers look at the room; one more client is its member, and watches as they do."""
    clients = await swarm.open(watchers)
    await swarm.greet(clients)
    clients[0].send(b'{"type":"join","id":1,"room":"%b"}' % ROOM)
    await swarm.until_frames(2)
    for client in clients[1:]:
        client.send(b'{"type":"watch","id":1,"rooms":["%b"]}' % ROOM)
    await swarm.until_frames(2 * (watchers - 1))
    return clients[0]


def _update(n: int) -> bytes:
    return b'{"type":"update","room":"%b","state":{"n":%d}}' % (ROOM, 10_000_000 + n)


async def _delta(swarm: Swarm, member: Client, watchers: int) -> bytes:
    """One change; the bytes that a watcher gets for it."""
    seen: list[bytes] = []
    swarm.listener = lambda client, payload: seen.append(payload) if client is not member else None
    member.send(_update(0))
    await swarm.until_frames(watchers)
    swarm.listener = None
    return seen[-1]


async def _changes(swarm: Swarm, server: Process, member: Client, watchers: int, turn: int) -> float:
    before = server.cpu_seconds()
    for n in range(TURN):
        member.send(_update(1 + turn * TURN + n))
        await swarm.until_frames(watchers)
    return server.cpu_seconds() - before


async def _triggers(swarm: Swarm, floor: Process, watchers: int) -> float:
    before = floor.cpu_seconds()
    for _ in range(TURN):
        swarm.clients[0].send(b"T")
        await swarm.until_frames(watchers)
    return floor.cpu_seconds() - before


async def _burst(swarm: Swarm, member: Client, watchers: int) -> int:
    """Ten changes in one write, hence in one window; how many frames the ten were."""
    before = swarm.frames
    member.transport.write(b"".join(text_frame(_update(n)) for n in range(10)))
    await swarm.until_frames(watchers)
    await asyncio.sleep(ABSENCE_SECONDS)
    return swarm.frames - before
