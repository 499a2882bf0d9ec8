"""Viewers of three roles, each with a view of its own, beside as many of one role; and how long a change takes to them.

A change is one join or one leave, which all three views tell. Both servers take turns, so that whatever else the
machine does falls on both.
"""

from __future__ import annotations

import asyncio
import time

from bench.load import Client, Swarm
from bench.process import OPEN, QUIET, Process, running_server
from bench.report import Figure, quantile, ratio

NAME = "audiences"
VIEWERS = 999
ROLES = {"admin": "full", "agent": "status", "guest": "existence"}
TURN = 20
"""Changes told before the other side has its turn."""

LATENCY_CHANGES = 60
LATENCY_MOST = 0.250
WINDOW_SECONDS = 0.05
"""The room's window as it is shipped."""

ROOM = b"bench"
_VIEWS = "[policy.default.views_rooms]\n" + "".join(f'{role} = "{view}"\n' for role, view in ROLES.items())
_CONFIG = OPEN + "joins_per_second = 100000\n" + QUIET + "fanout.budget = 100000000\n"
_SHORT = _CONFIG + "fanout.window_seconds = 0.02\n" + _VIEWS


async def run(small: bool) -> list[Figure]:
    """Measure with 999 viewers; small means fewer rounds."""
    rounds = 8 if small else 40
    async with running_server(_SHORT) as three, running_server(_SHORT) as one:
        many = await Room.of(three.port, list(ROLES))
        same = await Room.of(one.port, ["admin"])
        used = [0.0, 0.0]
        for _ in range(rounds):
            used[0] += await _changes(many, three)
            used[1] += await _changes(same, one)
        many.close()
        same.close()
    each = [seconds / (rounds * TURN * VIEWERS) for seconds in used]
    p99 = await _latency()
    return [
        Figure(NAME, "one role: CPU of a delivery", each[1] * 1e6, "µs"),
        Figure(NAME, "three roles: CPU of a delivery", each[0] * 1e6, "µs"),
        Figure(NAME, "three roles to one", ratio(each[0], each[1]), "", 1.3, "at most"),
        Figure(NAME, "a change to a viewer of any role, p99 beyond the window", p99 * 1000, "ms", 250, "at most"),
    ]


class Room:
    """A room, who watches it, and one who comes and goes."""

    def __init__(self, viewers: Swarm, comers: Swarm, comer: Client) -> None:
        self.viewers = viewers
        self._comers = comers
        self._comer = comer
        self._is_in = False

    @classmethod
    async def of(cls, port: int, roles: list[str]) -> Room:
        """Everybody in place; the roles are dealt out evenly."""
        viewers, comers = Swarm(port), Swarm(port)
        clients = await viewers.open(VIEWERS)
        for nth, role in enumerate(roles):
            await viewers.greet(clients[nth :: len(roles)], role=role)
        for client in clients:
            client.send(b'{"type":"watch","id":1,"rooms":["%b"]}' % ROOM)
        await viewers.until_frames(2 * VIEWERS)
        await comers.greet(await comers.open(1), "comer")
        return cls(viewers, comers, comers.clients[0])

    async def change(self) -> None:
        """One join or leave; returns when every viewer has been told."""
        self._comer.send(b'{"type":"%b","id":2,"room":"%b"}' % (b"leave" if self._is_in else b"join", ROOM))
        self._is_in = not self._is_in
        await self.viewers.until_frames(VIEWERS)

    def close(self) -> None:
        """Drop all connections."""
        self.viewers.close()
        self._comers.close()


async def _changes(room: Room, server: Process) -> float:
    before = server.cpu_seconds()
    for _ in range(TURN):
        await room.change()
    return server.cpu_seconds() - before


async def _latency() -> float:
    """Seconds from a change to a viewer beyond the window, the 99th percentile over all viewers and changes."""
    async with running_server(_CONFIG + _VIEWS) as server:
        room = await Room.of(server.port, list(ROLES))
        took: list[float] = []
        began = 0.0
        room.viewers.listener = lambda client, payload: took.append(time.perf_counter() - began)
        for _ in range(LATENCY_CHANGES):
            await asyncio.sleep(WINDOW_SECONDS / 2)
            began = time.perf_counter()
            await room.change()
        room.close()
    return max(quantile(took, 0.99) - WINDOW_SECONDS, 0.0)
