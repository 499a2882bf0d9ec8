"""Rows of the outbox in PostgreSQL: where somebody stands now, the events that follow, and to whom they are to go."""

from __future__ import annotations

from secrets import token_hex
from typing import Final

from hereabouts.journal.events import Told, events_of, is_about_a_room
from hereabouts.journal.outbox import OutboxRow, Route
from hereabouts.journal.postgres_pool import Connection

# Until the transaction ends nobody else writes events: positions are visible in their order, and no cursor skips one.
ALONE: Final = "SELECT pg_advisory_xact_lock(7236271453)"

STOOD: Final = """
    SELECT value FROM standings WHERE tenant = $1 AND kind = $2 AND place = $3 AND user_id = $4
"""

STAND: Final = """
    INSERT INTO standings (tenant, kind, place, user_id, value) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (tenant, kind, place, user_id) DO UPDATE SET value = excluded.value
"""

LEAVE: Final = "DELETE FROM standings WHERE tenant = $1 AND kind = $2 AND place = $3 AND user_id = $4"

OTHERS: Final = """
    SELECT EXISTS (SELECT 1 FROM standings WHERE tenant = $1 AND kind = 'member' AND place = $2 AND user_id <> $3)
"""

KEEP: Final = """
    INSERT INTO events (id, tenant, type, subject, user_id, room, at, data) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    RETURNING seq
"""

DELIVER: Final = """
    INSERT INTO deliveries (endpoint, seq)
    SELECT $1, $2 WHERE NOT EXISTS (SELECT 1 FROM disabled_endpoints WHERE endpoint = $1)
"""

PRUNE: Final = """
    DELETE FROM events WHERE seq IN (
        SELECT seq FROM events WHERE at < $1
        AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.seq = events.seq AND NOT is_dead)
        LIMIT $2 FOR UPDATE SKIP LOCKED
    )
"""
"""Forgets what is old enough and waits for nobody."""


async def write(connection: Connection, row: OutboxRow, route: Route) -> None:
    """Let it stand, and keep the events that follow; inside a transaction. Written twice it is one event."""
    await connection.execute(ALONE)
    key = (row.tenant, row.kind, row.place, row.user_id)
    before: str | None = await connection.fetchval(STOOD, *key)
    if before == row.value:
        return
    if row.value is None:
        await connection.execute(LEAVE, *key)
    else:
        await connection.execute(STAND, *key, row.value)
    others = is_about_a_room(row, before) and await connection.fetchval(OTHERS, row.tenant, row.place, row.user_id)
    for told in events_of(row, before, is_alone=not others):
        await _keep(connection, row, told, route)


async def _keep(connection: Connection, row: OutboxRow, told: Told, route: Route) -> None:
    endpoints = route(told.type, row.tenant, told.room)
    if not endpoints:
        return
    id = f"evt_{token_hex(16)}"
    seq = await connection.fetchval(
        KEEP, id, row.tenant, told.type, told.subject, told.user_id, told.room, row.at, told.data
    )
    for endpoint in endpoints:
        await connection.execute(DELIVER, endpoint, seq)
