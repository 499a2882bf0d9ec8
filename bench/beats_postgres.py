"""Beats over PostgreSQL: sessions that only beat write no row.

A row names the transaction that wrote it last: a new row and one that was written over, be it with the same, count
alike. All tables are looked at but `nodes`, where a server says every 15 s that it lives.
"""

from __future__ import annotations

import asyncio
import time

import asyncpg

from bench.load import Swarm
from bench.process import OPEN, QUIET, running_server
from bench.report import Figure
from bench.wire import text_frame
from hereabouts.testing.postgres import postgres

NAME = "beats_postgres"
BEAT = text_frame(b'{"type":"beat","visible":true,"active":true}')
BEAT_SECONDS = 5.0
ROOM_MEMBERS = 10
BATCH = 250

SETTLE_SECONDS = 3.0
"""Longer than the journal waits before it writes."""

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'hereabouts' AND tablename NOT IN ('nodes', 'migrations')"
NEXT = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
WRITTEN = "SELECT count(*) FROM hereabouts.{} WHERE xmin::text::bigint >= $1"


async def run(small: bool) -> list[Figure]:
    """Measure with 5,000 sessions for 60 s; small means 1,000 for 15 s."""
    sessions, seconds = (1_000, 15.0) if small else (5_000, 60.0)
    with postgres() as database:
        async with running_server(OPEN + QUIET, journal_url=database.url()) as server:
            swarm = Swarm(server.port)
            for _ in range(sessions // BATCH):
                clients = await swarm.open(BATCH)
                await swarm.greet(clients)
                for client in clients:
                    client.send(b'{"type":"join","id":1,"room":"room-%d"}' % (client.index // ROOM_MEMBERS))
                await swarm.until_frames(2 * BATCH)
            entered, mark = await _written_since(0, database.url())
            beats = await _beat(swarm, seconds)
            written, _ = await _written_since(mark, database.url())
            swarm.close()
    return [
        Figure(NAME, f"rows written as {sessions:,} sessions came", entered, "rows", sessions),
        Figure(NAME, f"rows written for {beats:,} beats of them in {seconds:.0f} s", written, "rows", 0, "at most"),
    ]


async def _beat(swarm: Swarm, seconds: float) -> int:
    """Every session beats, evenly over the time; how many beats were answered."""
    before, end = swarm.frames, time.perf_counter() + seconds
    portions = 50
    while time.perf_counter() < end:
        for portion in range(portions):
            for client in swarm.clients[portion::portions]:
                client.transport.write(BEAT)
            await asyncio.sleep(BEAT_SECONDS / portions)
    return swarm.frames - before


async def _written_since(mark: int, url: str) -> tuple[int, int]:
    """The rows that were written by transactions from `mark` on, and the mark of those to come."""
    await asyncio.sleep(SETTLE_SECONDS)
    connection = await asyncpg.connect(url)
    try:
        tables = [row["tablename"] for row in await connection.fetch(TABLES)]
        rows = [await connection.fetchval(WRITTEN.format(table), mark) for table in tables]
        return sum(rows), await connection.fetchval(NEXT)
    finally:
        await connection.close()
