"""Rows of the outbox in PostgreSQL: where somebody stands now, the events that follow, and to whom they are to go."""

from __future__ import annotations

from collections.abc import Sequence
from secrets import token_hex
from typing import Final

from hereabouts.engine.records import Position
from hereabouts.journal.events import Told, events_of, is_about_a_room
from hereabouts.journal.outbox import OutboxRow, Route
from hereabouts.journal.postgres_pool import Connection
from hereabouts.journal.postgres_text import escaped

# Until the transaction ends nobody else writes events: positions are visible in their order, and no cursor skips one.
ALONE: Final = "SELECT pg_advisory_xact_lock(7236271453)"

STOOD: Final = """
    SELECT value, epoch, seq, at FROM standings WHERE tenant = $1 AND kind = $2 AND place = $3 AND user_id = $4
"""

STAND: Final = """
    INSERT INTO standings (tenant, kind, place, user_id, value, epoch, seq, at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (tenant, kind, place, user_id) DO UPDATE SET
        value = excluded.value, epoch = excluded.epoch, seq = excluded.seq, at = excluded.at
"""

LEAVE: Final = "DELETE FROM standings WHERE tenant = $1 AND kind = $2 AND place = $3 AND user_id = $4"

OTHERS: Final = """
    SELECT EXISTS (
        SELECT 1 FROM standings
        WHERE tenant = $1 AND kind = 'member' AND place = $2 AND user_id <> $3 AND value IS NOT NULL
    )
"""

KEEP: Final = """
    WITH kept AS (
        INSERT INTO events (id, tenant, type, subject, user_id, room, at, data) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        RETURNING seq
    )
    INSERT INTO deliveries (endpoint, seq)
    SELECT wanted, seq FROM kept, unnest($9::text[]) AS wanted
    WHERE wanted NOT IN (SELECT endpoint FROM disabled_endpoints)
"""

PRUNE: Final = """
    DELETE FROM events WHERE seq IN (
        SELECT seq FROM events WHERE at < $1
        AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.seq = events.seq AND NOT is_dead)
        LIMIT $2 FOR UPDATE SKIP LOCKED
    )
"""
"""Forgets what is old enough and waits for nobody."""

BEHIND_MS: Final = 5_000
"""A row of an earlier position that is so much later comes from a store that went back, and is the newer one."""


async def write(connection: Connection, rows: Sequence[OutboxRow], route: Route) -> None:
    """Let them stand, and keep the events that follow; inside a transaction. Written twice each is one event.

    A row that another node's has overtaken changes nothing.
    """
    await connection.execute(ALONE)
    for row in rows:
        await _write(connection, row, route)


async def _write(connection: Connection, row: OutboxRow, route: Route) -> None:
    key = (row.tenant, row.kind, row.place, row.user_id)
    before, *stood = await connection.fetchrow(STOOD, *key) or (None, None, None, None)
    if row.position is not None and _is_overtaken(row.position, row.at, *stood):
        return
    if row.position is not None:
        await connection.execute(STAND, *key, row.value, *row.position, row.at)
    elif row.value is not None:
        await connection.execute(STAND, *key, row.value, None, None, row.at)
    else:
        await connection.execute(LEAVE, *key)
    if before == row.value:
        return
    others = is_about_a_room(row, before) and await connection.fetchval(OTHERS, row.tenant, row.place, row.user_id)
    for told in events_of(row, before, is_alone=not others):
        await _keep(connection, row, told, route)


def _is_overtaken(position: Position, at: int, epoch: str | None, seq: int | None, stood_at: int | None) -> bool:
    if position.epoch != epoch or seq is None or stood_at is None:
        return False
    return position.seq < seq and at <= stood_at + BEHIND_MS


async def _keep(connection: Connection, row: OutboxRow, told: Told, route: Route) -> None:
    endpoints = route(told.type, row.tenant, told.room)
    if not endpoints:
        return
    id = f"evt_{token_hex(16)}"
    wanted = [escaped(endpoint) for endpoint in endpoints]
    await connection.execute(
        KEEP, id, row.tenant, told.type, told.subject, told.user_id, told.room, row.at, told.data, wanted
    )
