"""The rows of the record in PostgreSQL: each written so that writing it twice changes nothing, and how they are read.

A batch goes to the server in a few heaps of one statement each, see `journal/heaps.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Final, TypeVar

import asyncpg
import msgspec
from msgspec import structs

from hereabouts.journal.base import Declared, LastSeen, Origin, Row, SessionClosed, SessionOpened, Transition
from hereabouts.journal.heaps import heaps
from hereabouts.journal.outbox import OutboxRow
from hereabouts.journal.postgres_pool import Connection
from hereabouts.journal.postgres_text import escaped

R = TypeVar("R", bound=Row)

WRITE: Final[dict[type[Row], str]] = {
    # A session that is published again after it was given up lives on.
    SessionOpened: """
        INSERT INTO sessions (tenant, session_id, user_id, node, platform, opened_at, region)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (tenant, session_id) DO UPDATE SET
            node = excluded.node, closed_at = NULL, cause = NULL, is_approximate = FALSE, detected_at = NULL
    """,
    SessionClosed: """
        UPDATE sessions SET closed_at = $3, cause = $4, last_seen_at = $5, is_approximate = $6
        WHERE tenant = $1 AND session_id = $2 AND closed_at IS NULL
    """,
    Origin: """
        INSERT INTO origins (tenant, session_id, user_id, address, agent, at)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT DO NOTHING
    """,
    Transition: """
        INSERT INTO transitions (tenant, user_id, before, after, cause, at) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT DO NOTHING
    """,
    LastSeen: """
        INSERT INTO last_seen (tenant, user_id, seen_at, active_at, public_seen_at, public_active_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (tenant, user_id) DO UPDATE SET
            seen_at = greatest(last_seen.seen_at, excluded.seen_at),
            active_at = greatest(last_seen.active_at, excluded.active_at),
            public_seen_at = excluded.public_seen_at,
            public_active_at = excluded.public_active_at
    """,
    Declared: """
        INSERT INTO declared (tenant, user_id, status, text, emoji, until_at, at) VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (tenant, user_id) DO UPDATE SET
            status = excluded.status, text = excluded.text, emoji = excluded.emoji,
            until_at = excluded.until_at, at = excluded.at
    """,
}

FAULTY_ROW: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    # Ids so long that they do not fit into an index together.
    asyncpg.ProgramLimitExceededError,
    UnicodeError,
    OverflowError,
)
"""The row's own fault: it can never be written, and must not keep the others from it."""

Tell = Callable[[Connection, Iterable[OutboxRow]], Awaitable[None]]
"""Writes rows of the outbox."""


async def write(connection: Connection, rows: Collection[Row], tell: Tell) -> int:
    """Write rows; how many could not be, because of what is in them. `tell` writes those of the outbox."""
    try:
        async with connection.transaction():
            await _write_heaps(connection, rows, tell)
        return 0
    except FAULTY_ROW:
        return await _write_each(connection, rows, tell)


async def _write_heaps(connection: Connection, rows: Collection[Row], tell: Tell) -> None:
    for kind, heap in heaps([row for row in rows if not isinstance(row, OutboxRow)]):
        await connection.executemany(WRITE[kind], [structs.astuple(row) for row in heap])
    await tell(connection, [row for row in rows if isinstance(row, OutboxRow)])


async def _write_each(connection: Connection, rows: Collection[Row], tell: Tell) -> int:
    faulty = 0
    for row in rows:
        try:
            async with connection.transaction():
                await _write_heaps(connection, [row], tell)
        except FAULTY_ROW:
            faulty += 1
    return faulty


async def last_seen(connection: Connection, tenant: str, user_ids: Sequence[str]) -> dict[str, LastSeen]:
    """The rows of these users."""
    rows = await connection.fetch(
        "SELECT tenant, user_id, seen_at, active_at, public_seen_at, public_active_at FROM last_seen"
        " WHERE tenant = $1 AND user_id = ANY($2::text[])",
        *(tenant, [escaped(user_id) for user_id in user_ids]),
    )
    return {row[1]: LastSeen(*row) for row in rows}


async def declared(connection: Connection, tenant: str, user_id: str) -> Declared | None:
    """The row of this user."""
    row = await connection.fetchrow(
        "SELECT tenant, user_id, status, text, emoji, until_at, at FROM declared WHERE tenant = $1 AND user_id = $2",
        *(tenant, user_id),
    )
    return None if row is None else msgspec.convert(dict(row), Declared)


async def transitions(connection: Connection, tenant: str, user_id: str, limit: int) -> list[Transition]:
    """The newest rows of this user, newest first."""
    rows = await connection.fetch(
        "SELECT tenant, user_id, before, after, cause, at FROM transitions WHERE tenant = $1 AND user_id = $2"
        " ORDER BY at DESC, id DESC LIMIT $3",
        *(tenant, user_id, limit),
    )
    return [msgspec.convert(dict(row), Transition) for row in rows]
