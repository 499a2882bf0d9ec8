"""Rows of the outbox in SQL: which events follow from where somebody stands now, and to whom they are to go."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from secrets import token_hex
from typing import Final

import msgspec

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
    for type in _types(connection, row, before):
        _keep(connection, row, type, before, route)


def _types(connection: sqlite3.Connection, row: OutboxRow, before: str | None) -> Iterator[str]:
    came, gone = before is None, row.value is None
    if row.kind == "user":
        yield "user.online" if came else "user.offline" if gone else "user.status"
    elif row.kind == "resource":
        yield "resource.released" if gone else "resource.occupied"
    elif came or gone:
        is_alone = _is_alone(connection, row)
        if is_alone and came:
            yield "room.occupied"
        yield "member.joined" if came else "member.left"
        if is_alone and gone:
            yield "room.vacated"


def _is_alone(connection: sqlite3.Connection, row: OutboxRow) -> bool:
    """Whether nobody else is in the room."""
    other = connection.execute(
        "SELECT 1 FROM standings WHERE tenant = ? AND kind = 'member' AND place = ? AND user_id <> ? LIMIT 1",
        (row.tenant, row.place, row.user_id),
    ).fetchone()
    return other is None


def _keep(connection: sqlite3.Connection, row: OutboxRow, type: str, before: str | None, route: Route) -> None:
    room = row.place if row.kind == "member" else None
    endpoints = route(type, row.tenant, room)
    if not endpoints:
        return
    names_user = not type.startswith("room.")
    inserted = connection.execute(
        "INSERT INTO events (id, tenant, type, subject, user_id, room, at, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            f"evt_{token_hex(16)}",
            row.tenant,
            type,
            _subject(row, type),
            row.user_id if names_user else None,
            room,
            row.at,
            _data(row, type, before),
        ),
    )
    for endpoint in endpoints:
        connection.execute(DELIVER, {"endpoint": endpoint, "seq": inserted.lastrowid})


def _subject(row: OutboxRow, type: str) -> str:
    """What events are kept in order by: a resource, a room's being occupied, and all else of a user."""
    if row.kind == "resource":
        return f"resource:{row.place}"
    return f"room:{row.place}" if type.startswith("room.") else f"user:{row.user_id}"


def _data(row: OutboxRow, type: str, before: str | None) -> bytes:
    told: dict[str, str | int | None] = {"tenant": row.tenant, "at": row.at}
    if row.kind == "user":
        told |= {"user_id": row.user_id, "status": row.value or "offline", "before": before or "offline"}
    elif type.startswith("room."):
        told |= {"room": row.place}
    elif row.kind == "member":
        told |= {"room": row.place, "user_id": row.user_id}
    else:
        told |= {"resource": row.place, "user_id": row.user_id, "fence": int(row.value or before or 0)}
    if row.cause is not None and not type.startswith("room."):
        told["cause"] = row.cause
    return msgspec.json.encode(told)
