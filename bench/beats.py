"""Beats: what a sign of life costs, and that it costs the journal nothing.

The floor unmasks the same frame, parses the same JSON and writes an answer of equal length. Server and floor take
turns. The row count is that of the journal's tables, before and after all beats.
"""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from bench.load import Swarm
from bench.process import OPEN, QUIET, Process, running_floor, running_server
from bench.report import Figure, ratio
from bench.wire import text_frame

NAME = "beats"
BEAT = b'{"type":"beat","visible":true,"active":true,"at":1700000000}'
"""60 bytes. `at` is a field that the protocol does not know and ignores."""

CLIENTS = 200
TIMES = 20
"""Beats of each client in one turn."""

SETTLE_SECONDS = 1.0
"""Longer than the journal waits before it writes."""


async def run(small: bool) -> list[Figure]:
    """Measure with 200 clients that beat in turn; small means fewer beats."""
    rounds = 8 if small else 250
    async with running_server(OPEN + QUIET, has_journal=True) as server, running_floor() as floor:
        there, bare = Swarm(server.port), Swarm(floor.port)
        await there.greet(await there.open(CLIENTS))
        answer = await _answer(there)
        await bare.open(CLIENTS)
        bare.clients[0].send(b"F" + answer)
        await bare.until_frames(1)
        await asyncio.sleep(SETTLE_SECONDS)
        rows = _rows(server.journal)
        ours, least = 0.0, 0.0
        for _ in range(rounds):
            ours += await _turn(there, server)
            least += await _turn(bare, floor)
        await asyncio.sleep(SETTLE_SECONDS)
        written = _rows(server.journal) - rows
        there.close()
        bare.close()
    beats = rounds * TIMES * CLIENTS
    return [
        Figure(NAME, "floor: beats a CPU-second", beats / least, "1/s"),
        Figure(NAME, "server: beats a CPU-second", beats / ours, "1/s"),
        Figure(NAME, "server to floor", ratio(beats / ours, beats / least), "", 0.6),
        Figure(NAME, f"rows written for {beats:,} beats", written, "rows", 0, "at most"),
        Figure(NAME, "bytes of a beat and of its answer", len(BEAT), f"and {len(answer)} bytes"),
    ]


async def _answer(swarm: Swarm) -> bytes:
    seen: list[bytes] = []
    swarm.listener = lambda _, payload: seen.append(payload)
    swarm.clients[0].send(BEAT)
    await swarm.until_frames(1)
    swarm.listener = None
    return seen[0]


async def _turn(swarm: Swarm, process: Process) -> float:
    frame = text_frame(BEAT)
    before = process.cpu_seconds()
    for _ in range(TIMES):
        for client in swarm.clients:
            client.transport.write(frame)
        await swarm.until_frames(len(swarm.clients))
    return process.cpu_seconds() - before


def _rows(journal: Path | None) -> int:
    """The rows of all tables; 0 where there is no journal."""
    if journal is None or not journal.exists():
        return 0
    with sqlite3.connect(f"file:{journal}?mode=ro", uri=True) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return sum(int(database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]) for name in tables)
