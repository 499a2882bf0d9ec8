"""Rows of the outbox in SQL: where somebody stands now, the events that follow, and to whom they are to go."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from secrets import token_hex
from typing import Final

from hereabouts.journal.events import Told, events_of, is_about_a_room
from hereabouts.journal.outbox import OutboxRow, Route

STAND: Final = """
    INSERT INTO standings (tenant, kind, place, user_id, value) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET value = excluded.value
"""

DELIVER: Final = """
    INSERT INTO deliveries (endpoint, seq)
    SELECT :endpoint, :seq WHERE NOT EXISTS (SELECT 1 FROM disabled_endpoints WHERE endpoint = :endpoint)
"""

PRUNE: Final = """
    DELETE FROM events WHERE seq IN (
        SELECT seq FROM events WHERE at < ?
        AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.seq = events.seq AND is_dead = 0) LIMIT ?
    )
"""
"""Forgets what is old enough and waits for nobody."""


def write(connection: sqlite3.Connection, row: OutboxRow, route: Route) -> None:
    """Let it stand, and keep the events that follow; inside a transaction. Written twice it is one event."""
    key = (row.tenant, row.kind, row.place, row.user_id)
    stood = connection.execute(
        "SELECT value FROM standings WHERE tenant = ? AND kind = ? AND place = ? AND user_id = ?", key
    ).fetchone()
    before: str | None = None if stood is None else stood[0]
    if before == row.value:
        return
    if row.value is None:
        connection.execute("DELETE FROM standings WHERE tenant = ? AND kind = ? AND place = ? AND user_id = ?", key)
    else:
        connection.execute(STAND, (*key, row.value))
    is_alone = is_about_a_room(row, before) and _is_alone(connection, row)
    for told in events_of(row, before, is_alone=is_alone):
        _keep(connection, row, told, route(told.type, row.tenant, told.room))


def _is_alone(connection: sqlite3.Connection, row: OutboxRow) -> bool:
    """Whether nobody else is in the room."""
    other = connection.execute(
        "SELECT 1 FROM standings WHERE tenant = ? AND kind = 'member' AND place = ? AND user_id <> ? LIMIT 1",
        (row.tenant, row.place, row.user_id),
    ).fetchone()
    return other is None


def _keep(connection: sqlite3.Connection, row: OutboxRow, told: Told, endpoints: Collection[str]) -> None:
    if not endpoints:
        return
    inserted = connection.execute(
        "INSERT INTO events (id, tenant, type, subject, user_id, room, at, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            f"evt_{token_hex(16)}",
            row.tenant,
            told.type,
            told.subject,
            told.user_id,
            told.room,
            row.at,
            told.data,
        ),
    )
    for endpoint in endpoints:
        connection.execute(DELIVER, {"endpoint": endpoint, "seq": inserted.lastrowid})
