"""What the journal keeps beside the rows: revocations, nodes, hand-over; and how it forgets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hereabouts.journal import postgres_events
from hereabouts.journal.postgres_pool import Connection
from hereabouts.journal.revocations import Revocation

PRUNE_ROWS: Final = 1_000
"""Rows forgotten in one transaction."""

# By the place of a row (ctid): SKIP LOCKED lets several nodes forget at once.
_OLD: Final = "DELETE FROM {0} WHERE ctid IN (SELECT ctid FROM {0} WHERE {1} < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)"

PRUNE: Final = {
    "sessions": _OLD.format("sessions", "closed_at"),
    "events": postgres_events.PRUNE,
    "transitions": _OLD.format("transitions", "at"),
    "occupancies": _OLD.format("occupancy_events", "at"),
    "origins": _OLD.format("origins", "at"),
    "audit": _OLD.format("audit", "at"),
}

GONE: Final = _OLD.format("standings", "value IS NULL AND at")
"""Forgets when somebody went of whom no event is kept any more."""


async def revocations(connection: Connection, since_at: int) -> list[Revocation]:
    """Those that were said since then, oldest first."""
    rows = await connection.fetch(
        "SELECT tenant, kind, id, at, until_at FROM revocations WHERE at >= $1 ORDER BY at", since_at
    )
    return [Revocation(*row) for row in rows]


async def revoke(connection: Connection, revocation: Revocation) -> None:
    """Keep one, and forget those that ran out before it."""
    await connection.execute("DELETE FROM revocations WHERE until_at <= $1", revocation.at)
    await connection.execute(
        "INSERT INTO revocations (tenant, kind, id, at, until_at) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (tenant, kind, id) DO UPDATE SET at = greatest(revocations.at, excluded.at),"
        " until_at = greatest(revocations.until_at, excluded.until_at)",
        *revocation,
    )


async def alive(connection: Connection, node: str, at: int) -> None:
    """Note that the node lives. A wall clock that was set back is believed."""
    await connection.execute(
        "INSERT INTO nodes (node, alive_at) VALUES ($1, $2)"
        " ON CONFLICT (node) DO UPDATE SET alive_at = excluded.alive_at",
        *(node, at),
    )


async def hand_over(connection: Connection, node: str, payloads: Sequence[bytes], valid_until_at: int) -> None:
    """Keep these instead of what the node kept."""
    await connection.execute("DELETE FROM handover WHERE node = $1", node)
    await connection.executemany(
        "INSERT INTO handover (node, payload, valid_until_at) VALUES ($1, $2, $3)",
        [(node, payload, valid_until_at) for payload in payloads],
    )


async def take_over(connection: Connection, node: str, at: int) -> list[bytes]:
    """What the node kept and is still valid, in its order; then that is kept no more, nor what is not valid."""
    rows = await connection.fetch(
        "DELETE FROM handover WHERE node = $1 OR valid_until_at <= $2 RETURNING id, payload, valid_until_at > $2",
        *(node, at),
    )
    return [payload for _, payload, is_valid in sorted(rows) if is_valid]


async def prune(connection: Connection, kind: str, before_at: int) -> int:
    """Forget some of what is older; how many. Raises `KeyError` for a class that is not in `PRUNE`."""
    forgotten = changed(await connection.execute(PRUNE[kind], before_at, PRUNE_ROWS))
    if kind == "events":
        forgotten += changed(await connection.execute(GONE, before_at, PRUNE_ROWS))
    return forgotten


def changed(said: str) -> int:
    """How many rows a statement touched, from what the server says of it: `UPDATE 3`."""
    return int(said.rpartition(" ")[2])
